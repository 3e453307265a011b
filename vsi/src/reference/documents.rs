//! The documents that the policy's tables make: `make golden` writes them, and a test fails if one is not up to date.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vault_sidecar_injector::{Key, reference};

use super::annotations::Words;
use super::effective::{Effective, scalar};
use super::settings::{self, Entry};

/// Compares a file of the repository with what it is to be, or writes it.
fn is_up_to_date(path: &str, make: impl FnOnce(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let document = fs::read_to_string(&file).unwrap();
    let expected = make(&document);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, expected).unwrap();
    } else {
        assert!(
            document == expected,
            "{path} is not up to date; run `make golden`"
        );
    }
}

/// `document` with other rows in the table below `head`.
fn with_rows(document: &str, head: &str, rows: &[String]) -> String {
    let (before, rest) = document.split_once(head).unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    format!("{before}{head}{}\n{after}", rows.concat())
}

#[test]
fn the_documentation_has_every_annotation() {
    is_up_to_date("docs/reference/annotations.md", |document| {
        let row = |key: &Key| {
            let (name, default) = (key.name(), key.default());
            format!("| `{name}` | {default} | {} |\n", key.documentation())
        };
        let rows: Vec<_> = Key::ALL.iter().map(row).collect();
        with_rows(document, "| --- | --- | --- |\n", &rows)
    });
}

#[test]
fn the_documentation_has_every_denied_name_and_why() {
    is_up_to_date("SECURITY.md", |document| {
        let row = |(why, names): &(&str, &[&str])| {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("| {} | {why} |\n", names.join(", "))
        };
        let rows: Vec<_> = reference::DENIED_NAMES.iter().map(row).collect();
        with_rows(document, "| names | by which |\n| --- | --- |\n", &rows)
    });
}

#[test]
fn the_documentation_has_every_setting() {
    is_up_to_date("docs/reference/settings.md", |document| {
        let (introduction, _) = document.split_once("\n## ").unwrap();
        format!("{introduction}\n{}", tables())
    });
}

#[test]
fn the_documentation_has_an_example_with_every_default() {
    is_up_to_date("docs/reference/settings-example.yaml", |document| {
        let (header, _) = document.split_once("\n\n").unwrap();
        format!("{header}\n\n{}", Effective::new(&json!({})).yaml(true))
    });
}

/// As Rancher's user interface and Artifact Hub read it.
#[test]
fn the_documentation_has_a_form() {
    is_up_to_date("questions-ui.yml", |document| {
        let (header, _) = document.split_once("questions:\n").unwrap();
        let settings = settings::all().iter().filter(|entry| !entry.is_section());
        let questions: String = settings.map(question).collect();
        format!("{header}questions:\n{questions}")
    });
}

/// What the playground has to know of objects before it calls the module.
#[test]
fn the_playground_has_the_kinds_and_the_names_of_annotations() {
    is_up_to_date("playground/src/facts.json", |_| {
        let template = |(group, kind, path): &(&str, &str, &str)| json!({"group": group, "kind": kind, "path": path});
        let templates: Vec<_> = reference::KINDS.iter().map(template).collect();
        let vocabulary = |words: &Words| {
            json!({
                "prefix": words.prefix,
                "inject": words.name(Key::Inject),
                "status": words.name(Key::Status),
            })
        };
        let facts = json!({
            "templates": templates,
            "own": vocabulary(&Words::with(&json!({}))[0]),
            "agentInjector": vocabulary(&Words::of_agent_injector()),
        });
        format!("{facts:#}\n")
    });
}

/// Two questions of a group with one label could not be distinguished.
#[test]
fn labels_are_unique_in_their_group() {
    let settings = settings::all().iter().filter(|entry| !entry.is_section());
    let mut labels: Vec<_> = settings
        .map(|it| (it.setting.group, &it.setting.label))
        .collect();
    let count = labels.len();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), count);
}

fn question(entry: &Entry) -> String {
    let kind = match entry.setting.shape {
        reference::Shape::Text => "string".to_owned(),
        reference::Shape::Whole => "int".to_owned(),
        reference::Shape::Boolean => "boolean".to_owned(),
        reference::Shape::List => "array[".to_owned(),
        reference::Shape::OneOf(options) => format!("enum\n    options: [{}]", options.join(", ")),
        reference::Shape::Section { .. } => unreachable!("only single settings are listed"),
    };
    let text = |text: &str| match text.contains(": ") {
        true => json!(text).to_string(),
        false => text.to_owned(),
    };
    let wrapped = textwrap::wrap(&entry.documentation, 106);
    let default = match entry.default() {
        // Without one, a setting that is left empty is not given.
        Value::Null => String::new(),
        Value::Array(items) if items.is_empty() => "    default: []\n".to_owned(),
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| format!("      - {}\n", scalar(item)));
            format!("    default:\n{}", items.collect::<String>())
        }
        value => format!("    default: {}\n", scalar(value)),
    };
    format!(
        "  - variable: {}\n    group: {}\n    label: {}\n    description: >-\n      {}\n    type: {kind}\n{default}",
        entry.path(),
        entry.setting.group,
        text(&entry.setting.label),
        wrapped.join("\n      "),
    )
}

/// A chapter for what stands at the top, and one for each section there.
fn tables() -> String {
    let (sections, single): (Vec<_>, Vec<_>) =
        settings::children(None).partition(|entry| entry.is_section());
    let mut text = format!("## At the top\n\n{}", table(single));
    for section in sections {
        let settings = settings::all().iter().filter(|entry| {
            settings::is_below(entry.path(), section.path()) && !entry.is_section()
        });
        let (title, meaning) = (section.path(), escaped(&section.documentation));
        text += &format!("\n## {title}\n\n{meaning}\n\n{}", table(settings));
    }
    text
}

fn table<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut text = "| setting | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for entry in entries {
        let default = match entry.default() {
            Value::Null => "none".to_owned(),
            Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
            Value::Array(items) => items.iter().map(code).collect::<Vec<_>>().join(", "),
            other => code(other),
        };
        let meaning = escaped(&entry.documentation);
        text += &format!("| `{}` | {default} | {meaning} |\n", entry.path());
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
