//! The settings that hold in the end: what was given, and the defaults for all the rest, in the order of the
//! documentation.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::settings::{self, Entry};
use crate::printable;

/// The longest line of a comment.
const WIDTH: usize = 112;

/// All settings with their values. It serializes as an object whose keys are in the order of the documentation.
pub(crate) struct Effective(Vec<(&'static Entry, Effect)>);

/// What holds for one setting.
enum Effect {
    Value(Value),
    Section(Effective),
}

impl Effective {
    /// Sets what `given` says over the defaults. The policy must have found the settings valid.
    pub(crate) fn new(given: &Value) -> Self {
        Self::of_section(None, given)
    }

    fn of_section(section: Option<&str>, given: &Value) -> Self {
        let effect = |entry: &'static Entry| match given.get(entry.key()) {
            Some(Value::Null) if entry.can_be_null() => Effect::Value(Value::Null),
            given if entry.is_section() => {
                let given = given.unwrap_or(&Value::Null);
                Effect::Section(Self::of_section(Some(entry.path()), given))
            }
            given => Effect::Value(given.unwrap_or(entry.default()).clone()),
        };
        Self(
            settings::children(section)
                .map(|entry| (entry, effect(entry)))
                .collect(),
        )
    }

    /// YAML as it is in the documentation, with its comments or without.
    pub(crate) fn yaml(&self, is_documented: bool) -> String {
        let mut text = String::new();
        self.write(0, is_documented, &mut text);
        // What is not plain is in double quotes, as in JSON.
        printable::in_yaml(&text)
    }

    fn write(&self, depth: usize, is_documented: bool, text: &mut String) {
        let indentation = "  ".repeat(depth);
        for (index, (entry, effect)) in self.0.iter().enumerate() {
            if depth == 0 && index > 0 && is_documented {
                text.push('\n');
            }
            let mut push = |line: String| {
                text.push_str(&indentation);
                text.push_str(&line);
                text.push('\n');
            };
            if is_documented && entry.is_documented() {
                let width = WIDTH - indentation.len() - "# ".len();
                for line in textwrap::wrap(&entry.documentation, width) {
                    push(format!("# {line}"));
                }
            }
            let key = entry.key();
            match effect {
                Effect::Section(section) => {
                    push(format!("{key}:"));
                    section.write(depth + 1, is_documented, text);
                }
                Effect::Value(Value::Array(items)) if !items.is_empty() => {
                    push(format!("{key}:"));
                    for item in items {
                        push(format!("  - {}", scalar(item)));
                    }
                }
                Effect::Value(value) => push(format!("{key}: {}", scalar(value))),
            }
        }
    }
}

/// A value in one line of YAML: as JSON, which is YAML too, except for strings that need no quotes.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a string without quotes is a string to every reader of YAML. Those of version 1.1, as Kubernetes' tools
/// are, take more for booleans and numbers than others do.
fn is_plain(text: &str) -> bool {
    let is_plain_letter = |letter: char| letter.is_ascii_alphanumeric() || "._-/:".contains(letter);
    let lower_case = text.to_ascii_lowercase();
    let is_word = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
        .contains(&lower_case.as_str());
    let amount = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text.chars().all(is_plain_letter)
        && !text.ends_with(':')
        && !is_word
        && (text.starts_with(|first: char| first.is_ascii_alphabetic() || "/_".contains(first))
            || ["m", "Ki", "Mi", "Gi", "Ti"].contains(&amount))
}

impl Serialize for Effective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (entry, effect) in &self.0 {
            match effect {
                Effect::Value(value) => map.serialize_entry(entry.key(), value)?,
                Effect::Section(section) => map.serialize_entry(entry.key(), section)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use golden_cases::Case;
    use policy_host::{Guest, Native, NoImages};
    use serde_json::json;

    use super::*;
    use crate::inputs::native;

    fn policy() -> Native {
        native(Arc::new(NoImages))
    }

    fn value(effective: &Effective) -> Value {
        serde_json::to_value(effective).unwrap()
    }

    #[test]
    fn without_anything_given_the_defaults_hold() {
        let example: Value = serde_json::to_value(Effective::new(&json!({}))).unwrap();
        for given in [json!({}), Value::Null, json!({"vault": {"tls": null}})] {
            assert_eq!(value(&Effective::new(&given)), example);
        }
    }

    #[test]
    fn what_is_given_stands_in_the_place_of_its_default() {
        let given = json!({
            "ignoredNamespaces": ["ci"],
            "agent": {"resources": {"limits": {"cpu": null}, "requests": null}, "logLevel": "debug"},
            "securityContext": null,
            "secrets": {"sizeLimit": null},
        });
        let mut expected: Value = serde_json::to_value(Effective::new(&json!({}))).unwrap();
        expected["ignoredNamespaces"] = json!(["ci"]);
        expected["agent"]["resources"]["limits"]["cpu"] = Value::Null;
        expected["agent"]["resources"]["requests"] = Value::Null;
        expected["agent"]["logLevel"] = json!("debug");
        expected["securityContext"] = Value::Null;
        expected["secrets"]["sizeLimit"] = Value::Null;
        assert_eq!(value(&Effective::new(&given)), expected);
    }

    #[test]
    fn keys_are_in_the_order_of_the_table() {
        let given = json!({"jobs": {"autoDetect": false}, "agent": {"image": "vault"}});
        let json = serde_json::to_string_pretty(&Effective::new(&given)).unwrap();
        let keys = json.lines().filter_map(|line| {
            let (key, _) = line.trim_start().strip_prefix('"')?.split_once("\": ")?;
            Some(key.to_owned())
        });
        let expected = settings::all().iter().map(|entry| entry.key().to_owned());
        assert_eq!(keys.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    #[test]
    fn strings_that_look_like_something_else_stay_strings() {
        for text in [
            "on",
            "Yes",
            "n",
            "null",
            "~",
            "",
            "0644",
            "1e3",
            "0x1f",
            "1_000",
            "1:30",
            ".inf",
            "-",
            "- a",
            "a:",
            "a: b",
            "a #b",
            "*a",
            "{a}",
            "2026-01-01",
            "\"",
            "a'b",
            "é",
        ] {
            let given = json!({"imagePullSecrets": [text], "vault": {"namespace": text}});
            let effective = Effective::new(&given);
            let yaml = effective.yaml(false);
            assert_eq!(
                yaml_serde::from_str::<Value>(&yaml).unwrap(),
                value(&effective),
                "{text}"
            );
            let quoted = Value::from(text).to_string();
            assert!(yaml.contains(&format!("  namespace: {quoted}\n")), "{yaml}");
            assert!(yaml.contains(&format!("  - {quoted}\n")), "{yaml}");
        }
        for text in [
            "64Mi",
            "25m",
            "_JAVA_OPTIONS",
            "/opt/a",
            "https://vault:8200",
            "once",
            "Always",
        ] {
            assert_eq!(scalar(&text.into()), text);
        }
    }

    fn answer(case: &Case, settings: &Value) -> Value {
        serde_json::to_value(policy().validate(&case.request(), settings).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_gets_the_same_with_the_effective_settings() {
        let defaults = json!({});
        let (mut compared, mut different) = (0, 0);
        for case in Case::all() {
            let given = &case.settings;
            if *given == defaults || !policy().validate_settings(given).unwrap().valid {
                continue;
            }
            let effective = Effective::new(given);
            let expected = answer(&case, given);
            for text in [effective.yaml(false), effective.yaml(true)] {
                let shown: Value = yaml_serde::from_str(&text).unwrap();
                assert!(answer(&case, &shown) == expected, "{}", case.name);
            }
            compared += 1;
            different += usize::from(answer(&case, &defaults) != expected);
        }
        // Otherwise the comparison would show nothing.
        assert!(compared > 50 && different > 40, "{different} of {compared}");
    }

    /// Each section `null`, for a few pods that get every container there is.
    #[test]
    fn null_for_a_section_means_what_the_policy_makes_of_it() {
        let cases = [
            "environment/one-file",
            "jobs/mode-job",
            "login/approle-init-container-writes",
        ]
        .map(Case::named);
        for section in settings::all().iter().filter(|entry| entry.is_section()) {
            let nested = |inner: Value, key: &str| json!({key: inner});
            let given = section.path().rsplit('.').fold(Value::Null, nested);
            assert!(policy().validate_settings(&given).unwrap().valid, "{given}");
            let shown = value(&Effective::new(&given));
            for case in &cases {
                assert!(
                    answer(case, &shown) == answer(case, &given),
                    "{given}: {}",
                    case.name
                );
            }
        }
    }
}
