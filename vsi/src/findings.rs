//! Findings: what is reported of manifests, and where in them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::printable::Printable;

/// Something that a person should know or must correct.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) file: Printable,
    /// The line in the file.
    pub(crate) line: usize,
    /// The column, where a mistake is of YAML or JSON.
    pub(crate) column: Option<usize>,
    /// Which document of the file it is, from 1.
    pub(crate) document: usize,
    /// `Deployment/orders`; `None` in what cannot be read.
    pub(crate) object: Option<Printable>,
    /// The whole name of the annotation that it is about.
    pub(crate) annotation: Option<Printable>,
    /// One line.
    pub(crate) message: Printable,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Severity {
    /// It works, and is good to know.
    Note,
    /// It works, and should be changed.
    Warning,
    /// The cluster rejects it.
    Error,
}

impl Finding {
    /// Where in the file it is and in what: `document 2, Deployment/orders, sidecar.vault.talend.org/mode`.
    pub(crate) fn place(&self) -> String {
        let mut place = format!("document {}", self.document);
        for part in [&self.object, &self.annotation].into_iter().flatten() {
            place.push_str(&format!(", {part}"));
        }
        place
    }
}

/// What people call an object: its kind, and its name as far as it has one yet.
pub(crate) fn name_of(object: &Value) -> Printable {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let name = match (text("/metadata/name"), text("/metadata/generateName")) {
        (Some(name), _) => format!("{kind}/{name}"),
        (None, Some(prefix)) => format!("{kind}/{prefix}*"),
        (None, None) => kind.to_owned(),
    };
    Printable::from(name)
}

/// The annotation that a message of the policy is about: the one that it begins with, or the first one in it that is there.
/// What it recommends is not.
pub(crate) fn annotation_in(
    message: &str,
    present: &BTreeSet<&str>,
    prefix: &str,
) -> Option<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let is_below = |word: &str| {
        let name = word.strip_prefix(prefix);
        name.is_some_and(|name| name.len() > 1 && name.starts_with('/'))
    };
    if let Some(behind) = message.strip_prefix("annotation ") {
        // A name with letters that no name should have is reported by where it stands, in the warning that it is unknown.
        let is_first = |name: &&str| {
            let rest = behind.strip_prefix(*name);
            rest.is_some_and(|rest| rest.starts_with([' ', ':']))
        };
        let first = present.iter().copied().filter(is_first);
        if let Some(longest) = first.max_by_key(|name| name.len()) {
            return Some(longest.to_owned());
        }
        let first = behind.split(|letter| !is_of_name(letter)).next();
        if let Some(missing) = first.filter(|word| is_below(word)) {
            return Some(missing.to_owned());
        }
    }
    message
        .split(|letter| !is_of_name(letter))
        .map(|word| word.trim_end_matches('.'))
        .find(|word| present.contains(word))
        .map(str::to_owned)
}

/// A message in one line, without the annotation that is reported beside it.
pub(crate) fn message_without(message: &str, annotation: Option<&str>) -> String {
    let rest = annotation.and_then(|name| {
        let rest = message.strip_prefix("annotation ")?.strip_prefix(name)?;
        rest.strip_prefix(": ").or(rest.strip_prefix(' '))
    });
    let words = rest.unwrap_or(message).split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PREFIX: &str = "sidecar.vault.talend.org";

    #[test]
    fn an_object_is_named_by_kind_and_name() {
        for (object, expected) in [
            (
                json!({"kind": "Pod", "metadata": {"name": "shop"}}),
                "Pod/shop",
            ),
            (
                json!({"kind": "Pod", "metadata": {"generateName": "shop-"}}),
                "Pod/shop-*",
            ),
            (json!({"kind": "Pod"}), "Pod"),
            (json!({}), "object"),
        ] {
            assert_eq!(name_of(&object).to_string(), expected);
        }
    }

    #[test]
    fn the_annotation_is_found_in_the_message() {
        let odd = "sidecar.vault.talend.org/mode\n::error::x: y";
        let present = BTreeSet::from(["example.org/team", "sidecar.vault.talend.org/mode", odd]);
        for (message, expected) in [
            (
                "annotation sidecar.vault.talend.org/mode: unknown mode",
                Some("sidecar.vault.talend.org/mode"),
            ),
            (
                "annotation sidecar.vault.talend.org/role: missing",
                Some("sidecar.vault.talend.org/role"),
            ),
            (
                "container a: no; use annotation sidecar.vault.talend.org/role",
                None,
            ),
            (
                "container a: needed by annotation sidecar.vault.talend.org/mode.",
                Some("sidecar.vault.talend.org/mode"),
            ),
            (
                "annotation example.org/team: expected a string",
                Some("example.org/team"),
            ),
            (&format!("annotation {odd} is unknown"), Some(odd)),
            ("image example.org/other is not allowed", None),
            ("annotations are below sidecar.vault.talend.org/", None),
        ] {
            assert_eq!(
                annotation_in(message, &present, PREFIX).as_deref(),
                expected
            );
        }
    }

    #[test]
    fn what_is_reported_beside_the_message_is_not_repeated() {
        let name = Some("example.org/team");
        assert_eq!(
            message_without("annotation example.org/team: no\n  string", name),
            "no string"
        );
        assert_eq!(
            message_without("annotation example.org/team is unknown", name),
            "is unknown"
        );
        assert_eq!(
            message_without("annotation example.org/team: no string", None),
            "annotation example.org/team: no string"
        );
    }
}
