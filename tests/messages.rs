//! The messages of the golden cases: one of each kind, side by side in `tests/messages.txt`, so that they can be read together,
//! and by subject in `docs/reference/messages.md`.
//!
//! `make golden` writes the files anew; read the difference before you commit them.

mod support;

use std::collections::BTreeMap;

use golden_cases::{Case, Verdict};
use support::root;

#[test]
fn the_messages_are_those_of_the_golden_cases() {
    let text = |messages: &Messages| {
        let mut text = "# Written by `make golden`: one message of each kind.\n".to_owned();
        let Messages {
            rejections,
            warnings,
        } = messages;
        for (title, messages) in [("Rejections", rejections), ("Warnings", warnings)] {
            text += &format!("\n## {title}\n\n{}\n", messages.join("\n"));
        }
        text
    };
    is_up_to_date("tests/messages.txt", |_| text(&Messages::of_golden_cases()));
}

#[test]
fn the_documentation_has_the_messages() {
    is_up_to_date("docs/reference/messages.md", |document| {
        let (introduction, _) = document.split_once("\n## Annotations\n").unwrap();
        format!("{introduction}\n{}", sections(&Messages::of_golden_cases()))
    });
}

/// Compares a file of the repository with what it is to be, or writes it.
fn is_up_to_date(path: &str, make: impl FnOnce(&str) -> String) {
    let file = root().join(path);
    let written = std::fs::read_to_string(&file).expect("the file is there");
    let expected = make(&written);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, expected).expect("the file can be written");
    } else {
        assert_eq!(written, expected, "run `make golden`");
    }
}

struct Messages {
    rejections: Vec<String>,
    warnings: Vec<String>,
}

impl Messages {
    fn of_golden_cases() -> Self {
        let (mut rejections, mut warnings) = (BTreeMap::new(), BTreeMap::new());
        for outcome in Case::all().iter().filter_map(Case::expected) {
            if let Verdict::Rejected(message) = outcome.verdict {
                add(message, &mut rejections);
            }
            for warning in outcome.warnings {
                add(warning, &mut warnings);
            }
        }
        let sorted = |messages: BTreeMap<String, String>| {
            let mut messages: Vec<_> = messages.into_values().collect();
            messages.sort();
            messages
        };
        Self {
            rejections: sorted(rejections),
            warnings: sorted(warnings),
        }
    }
}

/// What messages begin with, and where they are in the documentation. What begins otherwise is in the last one.
const SUBJECTS: [(&str, &[&str]); 5] = [
    ("Annotations", &["annotation ", "label "]),
    (
        "Containers and environment variables",
        &["container ", "environment variable "],
    ),
    ("Volumes", &["volume "]),
    ("Settings", &["settings"]),
    ("Other fields of the object", &[""]),
];

/// A section for each subject, with a table for each kind of answer.
fn sections(messages: &Messages) -> String {
    let subject_of = |message: &str| {
        let begins =
            |(_, starts): &(&str, &[&str])| starts.iter().any(|it| message.starts_with(it));
        SUBJECTS.iter().position(begins)
    };
    let mut sections = Vec::new();
    for (index, (title, _)) in SUBJECTS.iter().enumerate() {
        let mut section = format!("## {title}\n");
        let answers = [
            ("Rejected", &messages.rejections),
            ("Warnings", &messages.warnings),
        ];
        for (answer, messages) in answers {
            let rows: String = messages
                .iter()
                .filter(|message| subject_of(message) == Some(index) && !is_about_a_part(message))
                .map(|message| row(message))
                .collect();
            if !rows.is_empty() {
                section += &format!(
                    "\n### {answer}: {}\n\n| where | message |\n| --- | --- |\n{rows}",
                    title.to_lowercase()
                );
            }
        }
        sections.push(section);
    }
    sections.join("\n")
}

/// The same message is there for a pod.
fn is_about_a_part(message: &str) -> bool {
    message.ends_with(')') && message.contains(" (in ")
}

fn row(message: &str) -> String {
    let (place, problem) = message.split_once(": ").unwrap_or(("", message));
    let place = place.replace("annotation sidecar.vault.talend.org/", "");
    let place = place.strip_prefix("annotation ").unwrap_or(&place);
    let problem = problem
        .replace("annotation sidecar.vault.talend.org/", "annotation ")
        .replace("sidecar.vault.talend.org/", "");
    match place {
        "" => format!("| | {} |\n", code(&problem)),
        place => format!("| {} | {} |\n", code(place), code(&problem)),
    }
}

/// Text in which nothing is markup, in a cell of a table.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// Keeps the shortest message of each kind.
fn add(message: String, messages: &mut BTreeMap<String, String>) {
    let kept = messages
        .entry(kind(&message))
        .or_insert_with(|| message.clone());
    if (message.len(), &message) < (kept.len(), kept) {
        *kept = message;
    }
}

/// What is wrong, without where: names, numbers and quoted values do not make another kind.
fn kind(message: &str) -> String {
    let problem = message.split_once(": ").map_or(message, |(_, it)| it);
    let quoted = problem.split('"').enumerate();
    let plain = quoted.filter(|(index, _)| index % 2 == 0);
    let words = plain.flat_map(|(_, text)| text.split(' '));
    let words = words.map(|word| match word.contains(['/', '0', '1', '2', '3', '4']) {
        true => "_",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn names_and_values_make_no_kind() {
    let messages = [
        "annotation a.org/x: \"v\" is not valid; expected 12 of a.org/y",
        "annotation a.org/z: \"w w\" is not valid; expected 13 of a.org/w",
    ];
    assert_eq!(kind(messages[0]), kind(messages[1]));
    assert_ne!(kind(messages[0]), kind("annotation a.org/x: missing"));
}
