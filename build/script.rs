//! Puts a shell script together, without what only its readers need: whole-line comments, blank lines and indentation.
//!
//! It does not read shell: a script in which that could change the meaning, or of which that cannot be determined, is
//! rejected.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The folder of what scripts have in common, and what is not a script of its own.
const PARTS: &str = "parts";

/// Returns every script below `directory` as it goes into pods, by the name of its file.
///
/// # Panics
///
/// If one cannot be read or shortened, the message has its path and line; and if two have one name.
pub fn all_below(directory: &Path) -> BTreeMap<String, String> {
    let mut scripts = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("sources can be read") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() && !path.ends_with(PARTS) {
            scripts.append(&mut all_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let other = scripts.insert(name.into_owned(), read(&path));
            assert!(other.is_none(), "{}: another has this name", path.display());
        }
    }
    scripts
}

fn read(path: &Path) -> String {
    let name = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let part = |name: &str| read(&path.with_file_name(name));
    shortened(&text, &part).unwrap_or_else(|problem| panic!("{name}, {problem}"))
}

/// Returns the script without what only its readers need, or which line is in the way, and why.
///
/// In the place of a line `. NAME` is what `part` returns for that file.
fn shortened(script: &str, part: &dyn Fn(&str) -> String) -> Result<String, String> {
    let mut short = String::new();
    let mut quote = None;
    for (index, line) in script.split_terminator('\n').enumerate() {
        let problem = |reason: &str| format!("line {}: {reason}", index + 1);
        let content = line.trim_start_matches([' ', '\t']);
        let is_dropped = content.is_empty() || content.starts_with('#');
        if quote.is_some() && (is_dropped || content.len() < line.len()) {
            return Err(problem("it is within quotes and would change"));
        }
        if is_dropped {
            continue;
        }
        if quote.is_none()
            && let Some(name) = content.strip_prefix(". ")
        {
            short.push_str(&part(name));
            continue;
        }
        quote = quote_after(content, quote).map_err(problem)?;
        short.push_str(content);
        short.push('\n');
    }
    match quote {
        Some(_) => Err("last line: a quote is not closed".to_owned()),
        None => Ok(short),
    }
}

const NESTED: &str = "it has quotes or a command within quotes";

/// Returns the quote that is open after a line, given the one that is open before it.
fn quote_after(line: &str, mut quote: Option<char>) -> Result<Option<char>, &'static str> {
    let mut previous = ' ';
    let mut rest = line.chars();
    while let Some(current) = rest.next() {
        let following = rest.as_str();
        match (quote, current) {
            (Some('\''), '\'') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') if following.is_empty() => return Err("it goes on in the next line"),
            (_, '\\') => _ = rest.next(),
            (_, '`') => return Err("it has a `"),
            (Some(_), '"') => quote = None,
            (Some(_), '$') if following.starts_with('(') => return Err(NESTED),
            (_, '$') if following.starts_with('{') => match braced(following) {
                None => return Err("it has an open brace"),
                Some(inner) if quote.is_some() && inner.contains(['"', '\'', '{']) => {
                    return Err(NESTED);
                }
                Some(_) => {}
            },
            (Some(_), _) => {}
            (None, '$') if following.starts_with('\'') => return Err("it has a $'"),
            (None, '\'' | '"') => quote = Some(current),
            (None, '<') if following.starts_with('<') => return Err("it has a here-document"),
            (None, '#') if " \t;&|()".contains(previous) => {
                return Err("it has a comment behind a command");
            }
            (None, _) => {}
        }
        previous = current;
    }
    Ok(quote)
}

/// Returns what is within the braces that a text begins with, if they are closed.
fn braced(text: &str) -> Option<&str> {
    let mut depth = 0;
    let end = text.find(|character| {
        depth += match character {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    })?;
    Some(&text[1..end])
}

#[cfg(test)]
mod tests {
    fn shortened(script: &str) -> Result<String, String> {
        super::shortened(script, &|name| format!("part {name}\n"))
    }

    #[test]
    fn parts_are_taken_in() {
        let script = "a\nif b; then\n  . parts/c.sh\nfi\nd '\n. e'\n";
        let expected = "a\nif b; then\npart parts/c.sh\nfi\nd '\n. e'\n";
        assert_eq!(shortened(script), Ok(expected.to_owned()));
    }

    #[test]
    fn comments_blank_lines_and_indentation_are_taken_out() {
        let script = "#!/bin/sh\n# It's \"so.\n\nif a; then\n\t # `why\n    b\n\tc\n \t\nfi\n";
        assert_eq!(shortened(script), Ok("if a; then\nb\nc\nfi\n".to_owned()));
    }

    #[test]
    fn everything_else_stays() {
        for line in [
            "[ $# -gt 0 ]",
            "a=${a#?}${#a}",
            "a='# b' c=\" # d\"",
            "case $a in '' | '#'*) ;; esac",
            "a \\# b\\'",
            "a=${b#\"${b%%[! ]*}\"}",
            "a '\"' \"'\" '\\' \"\\\"\"",
            "a '$(b \"c\")' '`b`' '<<'",
            "a=$(b \"c\" 'd')",
            "a  b ",
            "a='\n'",
            "a=\"b\nc\n\"",
        ] {
            let script = format!("{line}\n");
            assert_eq!(shortened(&script), Ok(script));
        }
    }

    #[test]
    fn a_script_whose_meaning_could_change_is_rejected() {
        let changes = "line 2: it is within quotes and would change";
        let nested = "line 1: it has quotes or a command within quotes";
        let comment = "line 1: it has a comment behind a command";
        for (script, problem) in [
            ("a\ncat <<END\n  b\nEND\n", "line 2: it has a here-document"),
            ("a <<-'END'\n", "line 1: it has a here-document"),
            ("a='b\n  c'\n", changes),
            ("a='b\n\tc'\n", changes),
            ("a=\"b\n\nc\"\n", changes),
            ("a=\"b\n# c\"\n", changes),
            ("a=\"'\n b\"\n", changes),
            ("a=\\'b'\n c'\n", changes),
            ("a 'b\n", "last line: a quote is not closed"),
            ("a \\\n  b\n", "line 1: it goes on in the next line"),
            ("a=\"b\\\n  c\"\n", "line 1: it goes on in the next line"),
            ("a # b's\n", comment),
            ("a;# b\n", comment),
            ("a=`b`\n", "line 1: it has a `"),
            ("a=\"`b`\"\n", "line 1: it has a `"),
            ("a=$'b\\'\n  c'\n", "line 1: it has a $'"),
            ("a=\"$(b \"c\n  d\")\"\n", nested),
            ("a=\"${b:-\"c\"}\"\n", nested),
            ("a=\"${b:-${c}d}\"\n", nested),
            ("a=\"${b:-\n  c}\"\n", "line 1: it has an open brace"),
            ("a=${b:-${c}\n  d}\n", "line 1: it has an open brace"),
        ] {
            assert_eq!(shortened(script), Err(problem.to_owned()), "{script}");
        }
    }
}
