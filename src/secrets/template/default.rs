//! The default templates, which write what is in a secret: as lines, as JSON, or for shells.

use std::borrow::Cow;

use super::go_string;
use crate::secrets::pairs::Pairs;
use crate::values::SecretsFormat;

/// The functions of Consul Template's that the default templates call.
pub const CALLED_BY_DEFAULT: [&str; 9] = [
    "secret",
    "toJSON",
    "sprig_dict",
    "sprig_fail",
    "sprig_hasKey",
    "sprig_kindIs",
    "toUnescapedJSON",
    "replaceAll",
    "regexMatch",
];

/// What a default template writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format<'p> {
    File(SecretsFormat),
    /// Lines that become environment variables. A line break in a value is followed by a byte that no name begins with, so
    /// that the value arrives whole.
    Environment(&'p Pairs),
}

/// The template that writes the secret at `path`.
///
/// It decides when it renders: only a KV v2 answer has maps at both `data` and `metadata`. A key that is
/// missing from a map reads as nothing through `index`, where `.Data.data` would be an error.
pub fn default_template(path: &str, format: Format<'_>) -> String {
    let path = go_string(path);
    if format == Format::File(SecretsFormat::RawJson) {
        return format!("{{{{ with secret {path} }}}}{{{{ toJSON .Data }}}}\n{{{{ end }}}}");
    }
    let body: Cow<'_, str> = match format {
        Format::File(SecretsFormat::Json | SecretsFormat::RawJson) => {
            "{{ toUnescapedJSON $data }}\n".into()
        }
        Format::File(SecretsFormat::Properties) => LINES.into(),
        Format::File(SecretsFormat::Map) => MAPPED_LINES.into(),
        Format::File(SecretsFormat::Dotenv) => QUOTED_LINES.into(),
        Format::Environment(pairs) => variables(&path, pairs),
    };
    format!(
        "{{{{ with secret {path} }}}}{{{{ $data := .Data }}}}\
         {{{{ if and (sprig_kindIs \"map\" (index .Data \"data\")) (sprig_kindIs \"map\" (index .Data \"metadata\")) }}}}\
         {{{{ $data = index .Data \"data\" }}}}{{{{ end }}}}\
         {body}{{{{ end }}}}"
    )
}

/// Makes `$text` of `$value`: of maps and lists JSON, and of null nothing.
macro_rules! text_of_value {
    () => {
        concat!(
            "{{ $text := printf \"%v\" $value }}",
            "{{ if or (sprig_kindIs \"map\" $value) (sprig_kindIs \"slice\" $value) }}{{ $text = toUnescapedJSON $value }}",
            "{{ else if sprig_kindIs \"invalid\" $value }}{{ $text = \"\" }}{{ end }}",
        )
    };
}

/// Writes `$text` as `$write` says, for each key of the secret.
macro_rules! for_each_key {
    ($write:literal) => {
        concat!(
            "{{ range $key, $value := $data }}",
            text_of_value!(),
            $write,
            "{{ end }}"
        )
    };
}

const LINES: &str = for_each_key!("{{ $key }}={{ $text }}\n");

/// As the Agent Injector writes them.
const MAPPED_LINES: &str = for_each_key!("{{ $key }}: {{ $text }}\n");

/// Behind the beginning of their names.
const FOLDED_LINES: &str =
    for_each_key!("{{ $key }}={{ $text | replaceAll \"\\n\" \"\\n\\x01\" }}\n");

/// The same with the end of a condition.
const PREFIXED_LINES: &str =
    for_each_key!("{{ $key }}={{ $text | replaceAll \"\\n\" \"\\n\\x01\" }}\n{{ end }}");

/// Of chosen keys, behind a list of names and keys and in front of what is said where one is missing.
const CHOSEN_LINES: &str = concat!(
    "{{ $value := index $data $key }}",
    text_of_value!(),
    "{{ $name }}={{ $text | replaceAll \"\\n\" \"\\n\\x01\" }}\n{{ end }}"
);

/// Lines that become environment variables. A chosen key that is missing is an error.
fn variables(path: &str, pairs: &Pairs) -> Cow<'static, str> {
    match (&pairs.names, &pairs.prefix) {
        (None, None) => FOLDED_LINES.into(),
        (None, Some(prefix)) => {
            // A key with a line break would be another variable, without the prefix.
            let name = "{{ if regexMatch \"^[A-Za-z0-9_]+$\" $key }}";
            let line = PREFIXED_LINES.replacen(
                "{{ $key }}=",
                &format!("{name}{}{{{{ $key }}}}=", prefix.as_str()),
                1,
            );
            line.into()
        }
        (Some(names), _) => {
            let names = names.iter();
            let names = names.map(|(name, key)| format!("{name:?} {}", go_string(key)));
            let names = names.collect::<Vec<_>>().join(" ");
            format!(
                "{{{{ range $name, $key := sprig_dict {names} }}}}{{{{ if not (sprig_hasKey $data $key) }}}}\
                 {{{{ sprig_fail (printf \"environment variable %s: the secret at %s has no key %s\" $name {path} $key) }}}}{{{{ end }}}}\
                 {CHOSEN_LINES}"
            )
            .into()
        }
    }
}

/// Values are quoted only where they need it, because `docker run --env-file` reads quotes as a part of the value. Single
/// quotes are the ones in which the least has a meaning, to shells and dotenv libraries alike; what cannot stand in them is
/// in double quotes. A key that is not the name of a variable would be a command to a shell, and is left out.
const QUOTED_LINES: &str = for_each_key!(
    "{{ if regexMatch \"^[A-Za-z_][A-Za-z0-9_]*$\" $key }}{{ $key }}=\
    {{ if regexMatch \"^[A-Za-z0-9_./:@%+,=-]*$\" $text }}{{ $text }}\
    {{ else if regexMatch `'|\\\\(\\\\|$)` $text }}\"\
    {{ $text | replaceAll `\\` `\\\\` | replaceAll \"\\\"\" `\\\"` | replaceAll \"$\" `\\$` | replaceAll \"`\" \"\\\\`\" }}\"\
    {{ else }}'{{ $text }}'{{ end }}\n{{ else }}# a key that is not the name of a variable is left out\n{{ end }}"
);

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Token};
    use super::super::{Delimiters, check};
    use super::*;

    const ALL: [Format<'_>; 6] = [
        Format::File(SecretsFormat::Map),
        Format::File(SecretsFormat::RawJson),
        Format::File(SecretsFormat::Properties),
        Format::File(SecretsFormat::Json),
        Format::File(SecretsFormat::Dotenv),
        Format::Environment(&Pairs {
            prefix: None,
            names: None,
        }),
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
