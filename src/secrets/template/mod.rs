//! Go template text: where its actions are, which decides how a list of templates is taken apart.

mod check;
mod default;
mod lexer;
mod mistake;
mod sprig;

use crate::values::Delimiter;
pub use check::check;
pub use default::{CALLED_BY_DEFAULT, Format, default_template};
use lexer::{Lexer, Token};
use mistake::MistakeKind;
pub use sprig::of_sprig;

/// What actions of a template begin and end with.
#[derive(Clone, Debug, Default)]
pub struct Delimiters {
    /// `None` for `{{`.
    pub left: Option<Delimiter>,
    /// `None` for `}}`.
    pub right: Option<Delimiter>,
}

impl Delimiters {
    pub fn left(&self) -> &str {
        self.left.as_ref().map_or("{{", Delimiter::as_str)
    }

    pub fn right(&self) -> &str {
        self.right.as_ref().map_or("}}", Delimiter::as_str)
    }

    /// A comment, which is nothing in the output.
    pub fn comment(&self, text: impl std::fmt::Display) -> String {
        format!("{}/* {text} */{}", self.left(), self.right())
    }
}

/// Splits at commas outside actions, as release 3.0.0 of Vault Sidecar Injector separated its templates.
pub fn split_at_commas<'t>(templates: &'t str, delimiters: &'t Delimiters) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (token, text) in Lexer::new(templates, delimiters) {
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

/// Whether nothing in it is more than text.
pub fn is_plain_text(template: &str, delimiters: &Delimiters) -> bool {
    Lexer::new(template, delimiters).all(|(token, _)| token == Token::Text)
}

/// The paths for which a template has Vault issue certificates, as Go writes strings.
pub fn issued_by<'t>(
    template: &'t str,
    delimiters: &'t Delimiters,
) -> impl Iterator<Item = &'t str> {
    let tokens = Lexer::new(template, delimiters).filter(|(token, _)| *token != Token::Space);
    let mut is_argument = false;
    tokens.filter_map(move |(token, text)| {
        let is_path = is_argument && token == Token::Literal;
        is_argument = token == Token::Word && text == "pkiCert";
        is_path.then_some(text)
    })
}

/// `text` as an interpreted Go string literal.
pub fn go_string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => literal.extend(['\\', letter]),
            '\n' => literal.push_str("\\n"),
            _ if letter.is_control() => literal.push_str(&format!("\\u{:04x}", letter as u32)),
            _ => literal.push(letter),
        }
    }
    literal.push('"');
    literal
}

/// Turns `\$` into `$` inside `{{ }}` but outside literals: Vault Sidecar Injector pasted templates into a shell
/// heredoc, which needed the backslash. Anywhere else in an action a backslash would be no Go template.
pub fn without_heredoc_escapes(template: &str, delimiters: &Delimiters) -> String {
    let is_backslash = |token: &Token| *token == Token::Mistake(MistakeKind::Character('\\'));
    let mut output = String::with_capacity(template.len());
    let mut lexer = Lexer::new(template, delimiters).peekable();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_string_has_no_line_break() {
        assert_eq!(go_string("a\"\\\n\u{1}é"), r#""a\"\\\n\u0001é""#);
    }

    #[test]
    fn certificates_are_found_by_what_issues_them() {
        let template = r#"{{ with pkiCert "pki/issue/a" "ttl=1h" }}{{ .Key }}{{ end }}
            {{/* pkiCert "no" */}}pkiCert "no"{{ secret "no" }}{{ (pkiCert  `b`).Cert }}{{ pkiCert $x }}"#;
        let delimiters = Delimiters::default();
        let issued: Vec<_> = issued_by(template, &delimiters).collect();
        assert_eq!(issued, ["\"pki/issue/a\"", "`b`"]);
    }

    #[test]
    fn other_delimiters_are_as_good() {
        let delimiter = |text| Some(Delimiter::known(text));
        let delimiters = Delimiters {
            left: delimiter("[["),
            right: delimiter("]]"),
        };
        let template = r#"a {{ [[- if eq "]]" `x` -]], [[/* ]], */]][[ end ]]"#;
        assert!(check(template, &delimiters, |_| false).is_ok());
        assert_eq!(
            split_at_commas(template, &delimiters),
            [r#"a {{ [[- if eq "]]" `x` -]]"#, " [[/* ]], */]][[ end ]]"]
        );
        assert!(check("[[ if . ]]", &delimiters, |_| false).is_err());
        assert!(is_plain_text("{{ if . }}", &delimiters));
    }

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
            assert_eq!(
                split_at_commas(templates, &Delimiters::default()),
                expected,
                "{templates}"
            );
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
            assert_eq!(
                without_heredoc_escapes(template, &Delimiters::default()),
                expected,
                "{template}"
            );
        }
    }
}
