//! Go template text: where its actions are, which decides how a list of templates is taken apart.

mod check;

pub use check::check;

/// What a byte of a template is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// Text that is copied to the output.
    Text,
    /// Inside `{{ }}`, but in none of its string literals and comments.
    Action,
    /// A literal or a comment inside `{{ }}`.
    Literal,
}

/// Calls `visit` for each character with the part that it belongs to.
///
/// Understands what Go's text/template lexer does: quoted, raw and character literals, in which `}}` does
/// not end the action, and comments, which start right behind the delimiter.
fn scan(template: &str, mut visit: impl FnMut(usize, char, Part)) {
    let mut rest = template;
    let mut take = |rest: &mut &str, length: usize, part: Part| {
        let start = template.len() - rest.len();
        let (taken, after) = rest.split_at(length);
        for (offset, letter) in taken.char_indices() {
            visit(start + offset, letter, part);
        }
        *rest = after;
    };
    while !rest.is_empty() {
        let text = rest.find("{{").unwrap_or(rest.len());
        take(&mut rest, text, Part::Text);
        if rest.is_empty() {
            return;
        }
        take(&mut rest, 2, Part::Action);
        if let Some(length) = comment_length(rest) {
            take(&mut rest, length, Part::Literal);
        }
        while !rest.is_empty() {
            if rest.starts_with("}}") {
                take(&mut rest, 2, Part::Action);
                break;
            }
            match literal_length(rest) {
                Some(length) => take(&mut rest, length, Part::Literal),
                None => {
                    let length = rest.chars().next().map_or(0, char::len_utf8);
                    take(&mut rest, length, Part::Action);
                }
            }
        }
    }
}

/// The length of the comment that `inside` of an action starts with, behind a trim mark or not, up to the end
/// if it has none.
fn comment_length(inside: &str) -> Option<usize> {
    let behind_mark = inside
        .strip_prefix('-')
        .and_then(|behind| behind.strip_prefix(check::is_space));
    let text = behind_mark.unwrap_or(inside).strip_prefix("/*")?;
    let end = text.find("*/").map_or(text.len(), |end| end + 2);
    Some(inside.len() - text.len() + end)
}

/// The length of the string or character literal that `rest` starts with, up to the end if it has none.
fn literal_length(rest: &str) -> Option<usize> {
    let quote = rest
        .chars()
        .next()
        .filter(|first| "\"'`".contains(*first))?;
    let mut escaped = false;
    for (offset, letter) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == '\\' && quote != '`' {
            escaped = true;
        } else if letter == quote {
            return Some(offset + 1);
        }
    }
    Some(rest.len())
}

/// Splits at commas outside `{{ }}`, as release 3.0.0 of the reference separated its templates.
pub fn split_at_commas(templates: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    scan(templates, |offset, letter, part| {
        if letter == ',' && part == Part::Text {
            pieces.push(&templates[start..offset]);
            start = offset + 1;
        }
    });
    pieces.push(&templates[start..]);
    pieces
}

/// Turns `\$` into `$` inside `{{ }}` but outside literals: the reference pasted templates into a shell
/// heredoc, which needed the backslash. Anywhere else in an action a backslash would be no Go template.
pub fn without_heredoc_escapes(template: &str) -> String {
    let mut output = String::with_capacity(template.len());
    let mut pending = false;
    scan(template, |_, letter, part| {
        if std::mem::take(&mut pending) && !(letter == '$' && part == Part::Action) {
            output.push('\\');
        }
        if letter == '\\' && part == Part::Action {
            pending = true;
        } else {
            output.push(letter);
        }
    });
    if pending {
        output.push('\\');
    }
    output
}

/// The functions of Consul Template's that the default templates call.
pub const CALLED_BY_DEFAULT: [&str; 3] = ["secret", "sprig_kindIs", "replaceAll"];

/// The byte that begins a line of a file for the environment which goes on with the value above it.
const CONTINUATION: &str = "\\x01";

/// The template that writes one `key=value` line for each key of the secret at `path`.
pub fn default_for_file(path: &str) -> String {
    default_template(path, "")
}

/// The same for a file that becomes environment variables: a line break in a value is followed by a byte
/// that no name begins with, so that the value arrives whole.
pub fn default_for_environment(path: &str) -> String {
    let fold = format!(" | printf \"%v\" | replaceAll \"\\n\" \"\\n{CONTINUATION}\"");
    default_template(path, &fold)
}

/// It decides when it renders: only a KV v2 answer has maps at both `data` and `metadata`. A key that is
/// missing from a map reads as nothing through `index`, where `.Data.data` would be an error.
fn default_template(path: &str, filter: &str) -> String {
    let path = go_string(path);
    format!(
        "{{{{ with secret {path} }}}}{{{{ $data := .Data }}}}\
         {{{{ if and (sprig_kindIs \"map\" (index .Data \"data\")) (sprig_kindIs \"map\" (index .Data \"metadata\")) }}}}\
         {{{{ $data = index .Data \"data\" }}}}{{{{ end }}}}\
         {{{{ range $key, $value := $data }}}}{{{{ $key }}}}={{{{ $value{filter} }}}}\n{{{{ end }}}}{{{{ end }}}}"
    )
}

/// `text` as an interpreted Go string literal. It holds no control characters: those are refused earlier.
fn go_string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for letter in text.chars() {
        if letter == '"' || letter == '\\' {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_actions_do_not_separate() {
        for (templates, expected) in [
            ("a", vec!["a"]),
            ("{{ f \"a,b\" }},x", vec!["{{ f \"a,b\" }}", "x"]),
            ("{{ f `}},` }},x", vec!["{{ f `}},` }}", "x"]),
            ("{{ f \"\\\"}},\" }},x", vec!["{{ f \"\\\"}},\" }}", "x"]),
            ("{{/* a }}, b */}},x", vec!["{{/* a }}, b */}}", "x"]),
            ("{{- /* ' */ -}},x", vec!["{{- /* ' */ -}}", "x"]),
            ("{{-\n/* ' */ -}},x", vec!["{{-\n/* ' */ -}}", "x"]),
            ("{{/*/ a, ' */}},x", vec!["{{/*/ a, ' */}}", "x"]),
            ("{{-/* a,", vec!["{{-/* a,"]),
            ("{{ ',' }},é,", vec!["{{ ',' }}", "é", ""]),
            ("it's, {{ 1 }}", vec!["it's", " {{ 1 }}"]),
            ("{{ unterminated , ", vec!["{{ unterminated , "]),
            ("{{ \"unterminated , ", vec!["{{ \"unterminated , "]),
            ("{{/* unterminated , ", vec!["{{/* unterminated , "]),
        ] {
            assert_eq!(split_at_commas(templates), expected, "{templates}");
        }
    }

    #[test]
    fn a_heredoc_escape_is_undone_in_actions_only() {
        for (template, expected) in [
            (
                r"{{ range \$k, \$v := .Data }}",
                "{{ range $k, $v := .Data }}",
            ),
            (r"cost: \$5 {{ \$x }}", r"cost: \$5 {{ $x }}"),
            (r#"{{ f "\$" `\$` '\$' }}"#, r#"{{ f "\$" `\$` '\$' }}"#),
            (r"{{/* \$ */}}", r"{{/* \$ */}}"),
            (r"{{/*/ ' */}}' \$5", r"{{/*/ ' */}}' \$5"),
            (
                "{{-\t/* it's */ -}}{{ \\$x }}",
                "{{-\t/* it's */ -}}{{ $x }}",
            ),
            (r"{{ \x \\$ }}", r"{{ \x \$ }}"),
            (r"{{ \", r"{{ \"),
            (r"{{ \}}$", r"{{ \}}$"),
        ] {
            assert_eq!(without_heredoc_escapes(template), expected, "{template}");
        }
    }

    #[test]
    fn a_path_cannot_leave_its_literal() {
        let template = default_for_file(r#"a" }}{{ plugin "x\"#);
        assert!(template.starts_with(r#"{{ with secret "a\" }}{{ plugin \"x\\" }}{{ $data"#));
        // All of it is one literal: splitting finds no text between the first action's delimiters.
        let mut first_text = None;
        scan(&template, |offset, _, part| {
            if part == Part::Text && first_text.is_none() {
                first_text = Some(offset);
            }
        });
        assert_eq!(first_text, template.find("}}={{").map(|action| action + 2));
    }
}
