//! Takes out of a shell script what only its readers need: whole-line comments, blank lines and indentation.
//!
//! It does not read shell: a script in which that could change the meaning, or of which it cannot tell, is
//! rejected.

/// Returns the script without what only its readers need, or which line is in the way, and why.
pub fn shortened(script: &str) -> Result<String, String> {
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
        quote = quote_after(content, quote).map_err(problem)?;
        short.push_str(content);
        short.push('\n');
    }
    match quote {
        Some(_) => Err("last line: a quote is not closed".to_owned()),
        None => Ok(short),
    }
}

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
            (Some(_), '$') if following.starts_with('(') || has_nested_quotes(following) => {
                return Err("it has quotes or a command within quotes");
            }
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

/// Whether a text begins with an expansion in braces that is more than one of a variable and a plain word.
fn has_nested_quotes(text: &str) -> bool {
    let Some(braced) = text.strip_prefix('{') else {
        return false;
    };
    match braced.split_once('}') {
        Some((expansion, _)) => expansion.contains(['"', '\'', '{']),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

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
        for (script, problem) in [
            ("a\ncat <<END\n  b\nEND\n", "line 2: it has a here-document"),
            ("a <<-'END'\n", "line 1: it has a here-document"),
            (
                "a='b\n  c'\n",
                "line 2: it is within quotes and would change",
            ),
            (
                "a='b\n\tc'\n",
                "line 2: it is within quotes and would change",
            ),
            (
                "a=\"b\n\nc\"\n",
                "line 2: it is within quotes and would change",
            ),
            (
                "a=\"b\n# c\"\n",
                "line 2: it is within quotes and would change",
            ),
            (
                "a=\"'\n b\"\n",
                "line 2: it is within quotes and would change",
            ),
            (
                "a=\\'b'\n c'\n",
                "line 2: it is within quotes and would change",
            ),
            ("a 'b\n", "last line: a quote is not closed"),
            ("a \\\n  b\n", "line 1: it goes on in the next line"),
            ("a=\"b\\\n  c\"\n", "line 1: it goes on in the next line"),
            ("a # b's\n", "line 1: it has a comment behind a command"),
            ("a;# b\n", "line 1: it has a comment behind a command"),
            ("a=`b`\n", "line 1: it has a `"),
            ("a=\"`b`\"\n", "line 1: it has a `"),
            ("a=$'b\\'\n  c'\n", "line 1: it has a $'"),
            (
                "a=\"$(b \"c\n  d\")\"\n",
                "line 1: it has quotes or a command within quotes",
            ),
            (
                "a=\"${b:-\"c\n  d\"}\"\n",
                "line 1: it has quotes or a command within quotes",
            ),
            (
                "a=\"${b:-${c}\"d\n  e\"}\"\n",
                "line 1: it has quotes or a command within quotes",
            ),
            (
                "a=\"${b:-\n  c}\"\n",
                "line 1: it has quotes or a command within quotes",
            ),
        ] {
            assert_eq!(shortened(script), Err(problem.to_owned()), "{script}");
        }
    }
}
