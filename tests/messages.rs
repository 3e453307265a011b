//! The messages of the golden cases, side by side in `tests/messages.txt`: one of each kind, so that they can be read together.
//!
//! `make golden` writes the file anew; read the difference before you commit it.

mod support;

use std::collections::BTreeMap;

use golden_cases::{Case, Verdict};
use support::root;

#[test]
fn the_messages_are_those_of_the_golden_cases() {
    let (mut rejections, mut warnings) = (BTreeMap::new(), BTreeMap::new());
    for outcome in Case::all().iter().filter_map(Case::expected) {
        if let Verdict::Rejected(message) = outcome.verdict {
            add(message, &mut rejections);
        }
        for warning in outcome.warnings {
            add(warning, &mut warnings);
        }
    }
    let mut text = "# Written by `make golden`: one message of each kind.\n".to_owned();
    for (title, messages) in [("Rejections", rejections), ("Warnings", warnings)] {
        text.push_str(&format!("\n## {title}\n\n"));
        let mut messages: Vec<_> = messages.into_values().collect();
        messages.sort();
        for message in messages {
            text.push_str(&format!("{message}\n"));
        }
    }
    let file = root().join("tests/messages.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).expect("the file can be written");
    }
    let written = std::fs::read_to_string(&file).expect("the file is there");
    assert_eq!(written, text, "run `make golden`");
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
