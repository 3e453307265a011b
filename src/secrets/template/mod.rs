//! Go template text: where its actions are, which decides how a list of templates is taken apart.

mod check;
mod lexer;
mod mistake;

pub use check::check;
use lexer::{Lexer, Token};
use mistake::MistakeKind;

/// Splits at commas outside `{{ }}`, as release 3.0.0 of Vault Sidecar Injector separated its templates.
pub fn split_at_commas(templates: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (token, text) in Lexer::new(templates) {
        if token == Token::Text {
            for (comma, _) in text.match_indices(',') {
                pieces.push(&templates[start..end + comma]);
                start = end + comma + 1;
            }
        }
        end += text.len();
    }
    pieces.push(&templates[start..]);
    pieces
}

/// Turns `\$` into `$` inside `{{ }}` but outside literals: Vault Sidecar Injector pasted templates into a shell
/// heredoc, which needed the backslash. Anywhere else in an action a backslash would be no Go template.
pub fn without_heredoc_escapes(template: &str) -> String {
    let is_backslash = |token: &Token| *token == Token::Mistake(MistakeKind::Character('\\'));
    let mut output = String::with_capacity(template.len());
    let mut lexer = Lexer::new(template).peekable();
    while let Some((token, text)) = lexer.next() {
        let next = lexer.peek();
        let is_before_variable =
            next.is_some_and(|(token, text)| *token == Token::Other && text.starts_with('$'));
        if !(is_backslash(&token) && is_before_variable) {
            output.push_str(text);
        }
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

/// `text` as an interpreted Go string literal. It holds no control characters: those are rejected earlier.
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
        let texts = Lexer::new(&template).filter(|(token, _)| *token == Token::Text);
        assert_eq!(texts.map(|(_, text)| text).next(), Some("="));
    }
}
