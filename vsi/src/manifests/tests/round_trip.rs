//! What holds for every value: what is written is read again, by this reader and by one of YAML 1.2.

use proptest::{collection, prelude::*};
use serde_json::{Map, Value};

use super::read;
use crate::manifests::{Node, documents};

/// Strings that readers are known to take for something else, and such as break lines or quotes.
const HOSTILE_STRINGS: &[&str] = &[
    "",
    " ",
    "y",
    "N",
    "yes",
    "No",
    "on",
    "off",
    "TRUE",
    "null",
    "~",
    "0644",
    "0o17",
    "0x1F",
    "0b1",
    "1_000",
    "1e3",
    "1e400",
    "12e03",
    "-1",
    "+1",
    ".5",
    "1.",
    ".inf",
    ".nan",
    "-.Inf",
    "nan",
    "12:30",
    "1:2:3",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "=",
    "<<",
    "*a",
    "&a",
    "!a",
    "!!str a",
    "%a",
    "@a",
    "`a`",
    "#a",
    "a #b",
    "a: b",
    "a:",
    ": a",
    "- a",
    "-",
    "--",
    "---",
    "--- a",
    "...",
    "? a",
    "?",
    "[a]",
    "{a: b}",
    "|",
    ">",
    "'a'",
    "\"a\"",
    "a\\b",
    "a\tb",
    "\ta",
    "a\n",
    "\n",
    "\n\n",
    "\na",
    " a\n",
    "a\n b\n",
    "a \nb",
    "a\n\n\n",
    "a\r\nb",
    "a\rb",
    "a\n---\nb",
    "---\na\n",
    "...\n",
    "a\u{85}b",
    "a\u{2028}b\n",
    "\u{feff}a",
    "\u{feff}",
    "\u{7}",
    "\u{0}",
    "\u{7f}",
    "é",
    "日本",
    "😀",
    "\u{a0}a",
    "250m",
    "64Mi",
    "1h30m",
    "10.0.0.1/24",
    "-config=/etc",
    "$(A)",
    "/bin/sh",
    "a,b",
    "a]b",
    "{{ a }}",
    "#!/bin/sh\nset -e\n\texec \"$@\"\n",
    "0.0.0",
    "1__0",
    "0_",
    "_0",
    "0b",
    "0x",
    "e3",
    "infinity",
];

fn strings() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE_STRINGS).prop_map(str::to_owned),
        "[-+.0-9_xobefEinaINF:]{1,8}",
        "[a-c :#,'\"\\[\\]{}|>&*!%@?\n\t-]{0,12}",
        "[ \n]*([a-z]+[ \n]+)*",
        any::<String>(),
        "[a-z]{100,300}",
    ]
}

/// Numbers as a cluster has them: those without a fraction are integers.
fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no such integers", |float| {
                float.fract() != 0.0 || float.abs() > 1e19
            })
            .prop_map(Value::from),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let scalars = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        numbers(),
        strings().prop_map(Value::from),
        strings().prop_map(Value::from),
    ];
    scalars.prop_recursive(5, 40, 6, |values| {
        prop_oneof![
            collection::vec(values.clone(), 0..6).prop_map(Value::from),
            collection::vec((strings(), values.clone()), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
            named_items(values),
        ]
    })
}

/// A list such as that of the containers of a pod.
fn named_items(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    collection::vec(("[a-e]", values), 0..4).prop_map(|items| {
        items
            .into_iter()
            .map(|(name, value)| serde_json::json!({"name": name, "value": value}))
            .collect()
    })
}

/// The values with everything that a file may write in its own way: flow style, quotes, YAML 1.1.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        values().prop_map(|value| Node::from_value(&value).to_yaml()),
        values().prop_map(|value| format!("a: {value}\n")),
        values().prop_map(|value| format!("- '{}'\n", value.to_string().replace('\'', "''"))),
        Just("a: &a [yes, 0644, , ~, x: y]\nb: {c: *a, d: , <<: {e: f}}\n".to_owned()),
        Just("a: &a |\n  x: y\n  z\nb: [*a, &b 'it''s', *b]\n? *b\n: &c\n  - d\n".to_owned()),
        Just("- >\n  a\n  b\n\n  c\n- 'a\n\n  b'\n- a\n  b\n- |+\n  a\n\n".to_owned()),
    ]
}

fn assert_is_read_as(text: &str, value: &Value) {
    assert_eq!(&read(text).to_value(), value, "read from {text:?}");
    let by_yaml_1_2: Value = yaml_serde::from_str(text)
        .unwrap_or_else(|error| panic!("YAML 1.2 does not read {text:?}: {error}"));
    assert_eq!(&by_yaml_1_2, value, "read as YAML 1.2 from {text:?}");
}

#[test]
fn hostile_strings_stay_strings_everywhere() {
    for string in HOSTILE_STRINGS {
        for value in [
            serde_json::json!(string),
            serde_json::json!([string]),
            serde_json::json!({"a": string}),
            serde_json::json!({*string: string}),
            serde_json::json!([[{*string: [string, string]}], string]),
        ] {
            let text = Node::from_value(&value).to_yaml();
            assert_is_read_as(&text, &value);
            assert_eq!(
                documents(&format!("{text}---\n{text}")).len(),
                2,
                "{text:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_value_is_read_as_it_was_written(value in values()) {
        let text = Node::from_value(&value).to_yaml();
        prop_assert!(text.ends_with('\n'));
        assert_is_read_as(&text, &value);
    }

    #[test]
    fn a_text_that_is_read_and_written_says_the_same(text in texts()) {
        for document in documents(&text) {
            if let Ok(Some(node)) = document.content {
                prop_assert_eq!(read(&node.to_yaml()).to_value(), node.to_value());
            }
        }
    }

    #[test]
    fn what_is_updated_has_the_new_value(text in texts(), value in values()) {
        for document in documents(&text) {
            if let Ok(Some(node)) = document.content {
                let updated = node.updated(&value);
                prop_assert_eq!(&updated.to_value(), &value);
                prop_assert_eq!(&read(&updated.to_yaml()).to_value(), &value);
            }
        }
    }

    #[test]
    fn any_text_is_cut_without_loss(
        text in prop_oneof![
            any::<String>(),
            "(a: b\n|- c\n|---\n|--- #\n|--- d\n|\\.\\.\\.\n|#e\n|\r\n| \n|\\{\"a\":1\\}\n){0,12}",
            "[-a:#,'\"\\[\\]{}|>&*!%@?\\\\~0x \n\t\u{feff}]{0,40}",
        ]
    ) {
        let documents = documents(&text);
        let joined: String = documents.iter().map(|document| document.text).collect();
        prop_assert_eq!(joined, text.clone());
        let lines = text.lines().count().max(1);
        for document in documents {
            prop_assert!((1..=lines).contains(&document.line));
            if let Err(mistake) = document.content {
                prop_assert!((1..=lines).contains(&mistake.line), "{}", mistake);
            }
        }
    }
}
