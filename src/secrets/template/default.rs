//! The default templates, which write what is in a secret: as lines, as JSON, or for shells.

use crate::values::SecretsFormat;

/// The functions of Consul Template's that the default templates call.
pub const CALLED_BY_DEFAULT: [&str; 6] = [
    "secret",
    "toJSON",
    "sprig_kindIs",
    "toUnescapedJSON",
    "replaceAll",
    "regexMatch",
];

/// What a default template writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    File(SecretsFormat),
    /// Lines that become environment variables. A line break in a value is followed by a byte that no name begins with, so
    /// that the value arrives whole.
    Environment,
}

/// The template that writes the secret at `path`.
///
/// It decides when it renders: only a KV v2 answer has maps at both `data` and `metadata`. A key that is
/// missing from a map reads as nothing through `index`, where `.Data.data` would be an error.
pub fn default_template(path: &str, format: Format) -> String {
    let path = go_string(path);
    if format == Format::File(SecretsFormat::RawJson) {
        return format!("{{{{ with secret {path} }}}}{{{{ toJSON .Data }}}}\n{{{{ end }}}}");
    }
    let body = match format {
        Format::File(SecretsFormat::Json | SecretsFormat::RawJson) => {
            "{{ toUnescapedJSON $data }}\n"
        }
        Format::File(SecretsFormat::Properties) => LINES,
        Format::File(SecretsFormat::Map) => MAPPED_LINES,
        Format::File(SecretsFormat::Dotenv) => QUOTED_LINES,
        Format::Environment => FOLDED_LINES,
    };
    format!(
        "{{{{ with secret {path} }}}}{{{{ $data := .Data }}}}\
         {{{{ if and (sprig_kindIs \"map\" (index .Data \"data\")) (sprig_kindIs \"map\" (index .Data \"metadata\")) }}}}\
         {{{{ $data = index .Data \"data\" }}}}{{{{ end }}}}\
         {body}{{{{ end }}}}"
    )
}

/// Writes `$text` as `$write` says, for each key of the secret: maps and lists as JSON, and null as nothing.
macro_rules! for_each_key {
    ($write:literal) => {
        concat!(
            "{{ range $key, $value := $data }}{{ $text := printf \"%v\" $value }}",
            "{{ if or (sprig_kindIs \"map\" $value) (sprig_kindIs \"slice\" $value) }}{{ $text = toUnescapedJSON $value }}",
            "{{ else if sprig_kindIs \"invalid\" $value }}{{ $text = \"\" }}{{ end }}",
            $write,
            "{{ end }}"
        )
    };
}

const LINES: &str = for_each_key!("{{ $key }}={{ $text }}\n");

/// As the Agent Injector writes them.
const MAPPED_LINES: &str = for_each_key!("{{ $key }}: {{ $text }}\n");

const FOLDED_LINES: &str =
    for_each_key!("{{ $key }}={{ $text | replaceAll \"\\n\" \"\\n\\x01\" }}\n");

/// Values are quoted only where they need it, because `docker run --env-file` takes quotes for a part of the value. Single
/// quotes are the ones in which the least has a meaning, to shells and dotenv libraries alike; what cannot stand in them is
/// in double quotes. A key that is not the name of a variable would be a command to a shell, and is left out.
const QUOTED_LINES: &str = for_each_key!(
    "{{ if regexMatch \"^[A-Za-z_][A-Za-z0-9_]*$\" $key }}{{ $key }}=\
    {{ if regexMatch \"^[A-Za-z0-9_./:@%+,=-]*$\" $text }}{{ $text }}\
    {{ else if regexMatch `'|\\\\(\\\\|$)` $text }}\"\
    {{ $text | replaceAll `\\` `\\\\` | replaceAll \"\\\"\" `\\\"` | replaceAll \"$\" `\\$` | replaceAll \"`\" \"\\\\`\" }}\"\
    {{ else }}'{{ $text }}'{{ end }}\n{{ else }}# a key that is not the name of a variable is left out\n{{ end }}"
);

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
    use super::super::lexer::{Lexer, Token};
    use super::super::{Delimiters, check};
    use super::*;

    const ALL: [Format; 6] = [
        Format::File(SecretsFormat::Map),
        Format::File(SecretsFormat::RawJson),
        Format::File(SecretsFormat::Properties),
        Format::File(SecretsFormat::Json),
        Format::File(SecretsFormat::Dotenv),
        Format::Environment,
    ];

    #[test]
    fn every_template_is_one() {
        for format in ALL {
            let template = default_template("secret/app", format);
            assert!(
                check(&template, &Delimiters::default(), |_| false).is_ok(),
                "{template}"
            );
        }
    }

    #[test]
    fn a_path_cannot_leave_its_literal() {
        let delimiters = Delimiters::default();
        for format in ALL {
            let template = default_template(r#"a" }}{{ plugin "x\"#, format);
            assert!(template.starts_with(r#"{{ with secret "a\" }}{{ plugin \"x\\" }}{{ "#));
            // All of it is one literal: splitting finds no text between the first action's delimiters.
            let texts =
                Lexer::new(&template, &delimiters).filter(|(token, _)| *token == Token::Text);
            assert_ne!(texts.map(|(_, text)| text).next(), Some(" "));
        }
    }
}
