//! The Consul Template template that writes the variables of a container: for each a line `NAME=VALUE`, as env.sh reads them.

use std::collections::BTreeMap;

use super::{OfContainer, Piece, Reference, Request, Variable, Wanted};
use crate::secrets::template::go_string;

/// The functions of Consul Template's that such a template calls itself.
pub const CALLED_BY_VARIABLES: [&str; 9] = [
    "secret",
    "executeTemplate",
    "replaceAll",
    "base64Decode",
    "toUnescapedJSON",
    "sprig_dict",
    "sprig_fail",
    "sprig_hasKey",
    "sprig_kindIs",
];

/// Begins the template of a value, whose secret must not have a lease: that ends with the token that has read it, which is
/// revoked when the init container has ended.
const UNLEASED: &str = concat!(
    r#"{{ define "value" }}{{ if .secret.LeaseID }}"#,
    r#"{{ sprig_fail (printf "environment variable %s: the secret is dynamic: its lease ends before the application starts; use annotation on-change: restart" .at) }}"#,
    r#"{{ end }}"#,
);

/// The same for a secret that may have one.
const LEASED: &str = r#"{{ define "value" }}"#;

/// The value of a key, or what a template makes of the data. Of KV version 2, `data` and `metadata` are both maps.
const VALUE: &str = concat!(
    r#"{{ $data := .secret.Data }}"#,
    r#"{{ if and (sprig_kindIs "map" (index $data "data")) (sprig_kindIs "map" (index $data "metadata")) }}"#,
    r#"{{ $data = index $data "data" }}{{ end }}"#,
    r#"{{ if sprig_hasKey . "template" }}{{ executeTemplate .template $data }}"#,
    r#"{{ else if not (sprig_hasKey $data .key) }}{{ sprig_fail (printf "environment variable %s: the secret has no key %s" .at .key) }}"#,
    r#"{{ else }}{{ $value := index $data .key }}"#,
    r#"{{ if or (sprig_kindIs "map" $value) (sprig_kindIs "slice" $value) }}{{ toUnescapedJSON $value }}"#,
    r#"{{ else if not (sprig_kindIs "invalid" $value) }}{{ printf "%v" $value }}{{ end }}{{ end }}{{ end }}"#,
);

/// Line breaks as env.sh reads them: what comes behind one belongs to the value.
const FOLDED: &str = r#"replaceAll "\n" "\n\x01""#;

/// The template. With `is_once`, what has a lease is rejected.
pub fn contents(of: &OfContainer, is_once: bool) -> String {
    let begin = if is_once { UNLEASED } else { LEASED };
    let mut text = format!("{begin}{VALUE}");
    // The containers' templates differ by this: see `make_distinct`.
    text.push_str(&format!("{{{{/* {} */}}}}", of.container));
    let mut templates = BTreeMap::new();
    for reference in of.variables.iter().flat_map(Variable::references) {
        if let Wanted::Template(template) = &reference.wanted
            && !templates.contains_key(template.as_str())
        {
            let name = format!("template-{}", templates.len());
            text.push_str(&format!("{{{{ define {name:?} }}}}{template}{{{{ end }}}}"));
            templates.insert(template.as_str(), name);
        }
    }
    for variable in &of.variables {
        // Vault may answer a write with nothing: the variable is left out then, which env.sh reports. An error here would be a
        // panic of Vault Agent's, which looks into the answer to redact it.
        let mut writes: Vec<String> = Vec::new();
        let requests = variable.references().map(|reference| &reference.request);
        for write in requests.filter(|it| it.arguments.is_some()).map(request) {
            if !writes.contains(&write) {
                writes.push(write);
            }
        }
        for write in &writes {
            text.push_str(&format!("{{{{ if secret {write} }}}}"));
        }
        text.push_str(&variable.name);
        text.push('=');
        for piece in &variable.value {
            match piece {
                Piece::Text(value) => {
                    let folded = value.replace('\n', "\n\u{1}");
                    text.push_str(&format!("{{{{ {} }}}}", go_string(&folded)));
                }
                Piece::Reference(reference) => {
                    let value = value_of(reference, &variable.name, &templates);
                    let request = request(&reference.request);
                    text.push_str(&format!(
                        "{{{{ with secret {request} }}}}{value}{{{{ end }}}}"
                    ));
                }
            }
        }
        text.push('\n');
        text.push_str(&"{{ end }}".repeat(writes.len()));
    }
    text
}

/// What is read from Vault, as arguments of `secret`.
fn request(request: &Request) -> String {
    let path = match request.version {
        Some(version) => format!("{}?version={version}", request.path),
        None => request.path.clone(),
    };
    let arguments = request.arguments.iter().flatten();
    let words = [&path].into_iter().chain(arguments);
    words
        .map(|word| go_string(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The actions that write the value, where the answer is `.`.
fn value_of(reference: &Reference, variable: &str, templates: &BTreeMap<&str, String>) -> String {
    let wanted = match &reference.wanted {
        Wanted::Plaintext => {
            return format!("{{{{ .Data.plaintext | base64Decode | {FOLDED} }}}}");
        }
        Wanted::Key(key) => ("key", go_string(key)),
        Wanted::Template(template) => {
            let name = templates.get(template.as_str());
            ("template", format!("{:?}", name.map_or("", String::as_str)))
        }
    };
    let at = go_string(&format!("{variable}: {}", reference.request.path));
    let (kind, wanted) = wanted;
    format!(
        r#"{{{{ executeTemplate "value" (sprig_dict "secret" . "at" {at} "{kind}" {wanted}) | {FOLDED} }}}}"#
    )
}
