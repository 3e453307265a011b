//! The table of every setting, read from the documented example: its path, its default and what it means.
//!
//! The example is a constant of ours, and a test holds the policy's own defaults against it. Its defaults are read as
//! YAML; for what YAML does not keep, the order of the keys and the comments above them, its lines are read.

use std::sync::LazyLock;

use serde_json::Value;

/// The documented example: each setting with its default.
pub(crate) const EXAMPLE: &str = include_str!("../../../docs/settings-example.yaml");

/// A setting, or a section of settings.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    /// `vault.auth.kubernetes.path`
    pub(crate) path: String,
    /// Of a section, the defaults of all that is in it.
    pub(crate) default: Value,
    /// What it means: its comment; without one, that of the same key further up, or of the section it is in.
    pub(crate) documentation: String,
    /// The lines above it in the example, without their `#`; none if another's comment says what it means.
    pub(crate) comment: Vec<String>,
    pub(crate) is_section: bool,
}

impl Entry {
    /// The key itself: `path`.
    pub(crate) fn key(&self) -> &str {
        key(&self.path)
    }
}

/// All settings, in the order of the example.
pub(crate) fn all() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| read(EXAMPLE));
    &ENTRIES
}

/// The setting or section at a path.
pub(crate) fn find(path: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.path == path)
}

/// What is directly in a section, or at the top (`None`).
pub(crate) fn children(section: Option<&str>) -> impl Iterator<Item = &'static Entry> {
    all()
        .iter()
        .filter(move |entry| parent(&entry.path) == section)
}

/// Whether `path` is that of something in the section, at any depth.
pub(crate) fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn key(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(section, _)| section)
}

/// A test reads the same text, so that the defaults cannot be missing here.
fn read(example: &str) -> Vec<Entry> {
    let defaults: Value = yaml_serde::from_str(example).unwrap_or_default();
    let mut entries: Vec<Entry> = Vec::new();
    for (path, comment) in commented_keys(example) {
        let pointer = format!("/{}", path.replace('.', "/"));
        let default = defaults.pointer(&pointer).cloned().unwrap_or_default();
        let documentation = match comment.is_empty() {
            true => borrowed_documentation(&entries, &path),
            false => comment.join(" "),
        };
        entries.push(Entry {
            is_section: default.is_object(),
            path,
            default,
            documentation,
            comment,
        });
    }
    entries
}

/// The paths of all keys, with the lines of the comment directly above each.
fn commented_keys(example: &str) -> Vec<(String, Vec<String>)> {
    let mut keys = Vec::new();
    let mut sections: Vec<&str> = Vec::new();
    let mut comment = Vec::new();
    for line in example.lines() {
        let content = line.trim_start();
        if let Some(text) = content.strip_prefix('#') {
            comment.push(text.trim().to_owned());
            continue;
        }
        if let Some((key, _)) = content.split_once(':')
            && !content.starts_with('-')
        {
            sections.truncate((line.len() - content.len()) / 2);
            sections.push(key);
            keys.push((sections.join("."), std::mem::take(&mut comment)));
        }
        comment.clear();
    }
    keys
}

/// The documentation of the same key further up, or of the section around.
fn borrowed_documentation(above: &[Entry], path: &str) -> String {
    let same_key = above
        .iter()
        .find(|entry| entry.key() == key(path) && !entry.comment.is_empty());
    let section = || {
        above
            .iter()
            .find(|entry| Some(entry.path.as_str()) == parent(path))
    };
    same_key
        .or_else(section)
        .map(|entry| entry.documentation.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(value: &Value, section: &str, found: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let path = match section {
                "" => name.clone(),
                section => format!("{section}.{name}"),
            };
            paths(member, &path, found);
            found.push(path);
        }
    }

    #[test]
    fn every_setting_of_the_example_has_one_entry() {
        let example: Value = yaml_serde::from_str(EXAMPLE).unwrap();
        let mut expected = Vec::new();
        paths(&example, "", &mut expected);
        expected.sort();
        let mut found: Vec<_> = all().iter().map(|entry| entry.path.clone()).collect();
        found.sort();
        assert_eq!(found, expected);
        assert!(found.len() > 80, "{}", found.len());
    }

    #[test]
    fn every_setting_is_documented() {
        for entry in all() {
            assert!(!entry.documentation.is_empty(), "{}", entry.path);
        }
    }

    /// Only where one comment says it all: elsewhere a setting needs a comment of its own.
    #[test]
    fn few_sections_speak_for_what_is_in_them() {
        let mut speaking: Vec<&str> = Vec::new();
        for entry in all().iter().filter(|entry| entry.comment.is_empty()) {
            let section = all().iter().find(|section| {
                is_below(&entry.path, &section.path)
                    && section.documentation == entry.documentation
                    && !section.comment.is_empty()
            });
            speaking.extend(section.map(|section| section.path.as_str()));
        }
        speaking.dedup();
        assert_eq!(speaking, ["agent.resources", "securityContext"]);
    }

    /// `make golden` writes the tables anew.
    #[test]
    fn the_documentation_has_every_setting() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (introduction, _) = document.split_once("\n## ").unwrap();
        let expected = format!("{introduction}\n{}", tables());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, expected).unwrap();
        } else {
            assert!(
                document == expected,
                "{path} is not up to date; run `make golden`"
            );
        }
    }

    /// A chapter for what stands at the top, and one for each section there.
    fn tables() -> String {
        let (sections, single): (Vec<_>, Vec<_>) =
            children(None).partition(|entry| entry.is_section);
        let mut text = format!("## At the top\n\n{}", table(single));
        for section in sections {
            let settings = all()
                .iter()
                .filter(|entry| is_below(&entry.path, &section.path) && !entry.is_section);
            let (title, meaning) = (&section.path, escaped(&section.documentation));
            text += &format!("\n## {title}\n\n{meaning}\n\n{}", table(settings));
        }
        text
    }

    fn table<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
        let mut text = "| setting | default | meaning |\n| --- | --- | --- |\n".to_owned();
        for entry in entries {
            let default = match &entry.default {
                Value::Null => "none".to_owned(),
                Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
                Value::Array(items) => items.iter().map(code).collect::<Vec<_>>().join(", "),
                other => code(other),
            };
            let meaning = escaped(&entry.documentation);
            text += &format!("| `{}` | {default} | {meaning} |\n", entry.path);
        }
        text
    }

    fn code(value: &Value) -> String {
        match value {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        }
    }

    /// What would be markup in Markdown is meant as it is.
    fn escaped(text: &str) -> String {
        text.replace('*', "\\*").replace('<', "\\<")
    }

    #[test]
    fn comments_and_defaults_are_those_of_the_key_below_them() {
        let entries = read(
            "\
# About the file.

# A section,
# in two lines.
first:
  # Its own: a comment with a colon.
  name: a
  deeper:
    size: 1
# List
second:
  - b: c
  # Not of the third.
  - d

third: \"0644\"
name: null
",
        );
        let found: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry.path.as_str(),
                    entry.default.clone(),
                    entry.documentation.as_str(),
                    entry.is_section,
                )
            })
            .collect();
        let section = "A section, in two lines.";
        let name = "Its own: a comment with a colon.";
        assert_eq!(
            found,
            [
                (
                    "first",
                    json!({"name": "a", "deeper": {"size": 1}}),
                    section,
                    true
                ),
                ("first.name", json!("a"), name, false),
                ("first.deeper", json!({"size": 1}), section, true),
                ("first.deeper.size", json!(1), section, false),
                ("second", json!([{"b": "c"}, "d"]), "List", false),
                ("third", json!("0644"), "", false),
                ("name", json!(null), name, false),
            ]
        );
    }
}
