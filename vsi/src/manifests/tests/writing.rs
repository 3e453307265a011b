//! What stays as it was written, what is written anew, and how.

use std::{collections::BTreeMap, fs, path::Path};

use golden_cases::Case;
use serde_json::{Value, json};

use super::{read, value};
use crate::manifests::{
    Node, documents,
    scalar::{Meaning, resolve},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn rewritten(text: &str) -> String {
    read(text).to_yaml()
}

/// A text after a change of its value.
fn changed(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let node = read(text);
    let mut value = node.to_value();
    change(&mut value);
    let updated = node.updated(&value);
    assert_eq!(updated.to_value(), value);
    updated.to_yaml()
}

#[test]
fn everything_keeps_its_order_its_style_and_its_text() {
    let text = r##"zone: b
mode: 0644
on: yes
nothing: ~
empty:
words: it's plain
single: 'yes'
double: "a\tb"
time: 12:30
args: [-c, 'a: b', "#", {k: v}]
none: []
script: |
  #!/bin/sh
  exec "$@"
cut: |-
  one
  two
kept: |+
  one

list:
- name: a
- - 1
  - 2
"##;
    assert_eq!(rewritten(text), text);
}

#[test]
fn comments_and_anchors_are_lost_and_aliases_are_written_as_values() {
    assert_eq!(
        rewritten("# one\na: &a {b: 1} # two\nc: *a\nd:\n  <<: *a\n  e: 2\n"),
        "a: {b: 1}\nc: {b: 1}\nd:\n  b: 1\n  e: 2\n"
    );
}

#[test]
fn long_lines_are_not_folded() {
    let text = format!(
        "a: {}\nb: [{}]\n",
        "word ".repeat(100).trim(),
        vec!["w"; 100].join(", ")
    );
    assert_eq!(rewritten(&text), text);
    let folded = "a: >\n  one\n  two\nb: one\n  two\n";
    assert_eq!(rewritten(folded), "a: |\n  one two\nb: one two\n");
}

#[test]
fn a_text_that_is_a_whole_document_does_not_end_it() {
    let text = "'a\n\n  --- b\n\n  ---'\n";
    assert_eq!(value(text), json!("a\n--- b\n---"));
    assert_eq!(rewritten(text), "\"a\\n--- b\\n---\"\n");
}

#[test]
fn what_is_tagged_is_written_as_what_it_means() {
    assert_eq!(
        rewritten("a: !!str 12\nb: !!int '3'\nc: !x y\nd: !!binary aGk=\n"),
        "a: \"12\"\nb: 3\nc: \"y\"\nd: hi\n"
    );
}

#[test]
fn a_null_that_is_not_written_is_written_where_it_would_be_lost() {
    let text = "a: &a\nb: [*a, c]\n";
    assert_eq!(value(text), json!({"a": null, "b": [null, "c"]}));
    assert_eq!(rewritten(text), "a:\nb: [null, c]\n");
}

#[test]
fn strings_have_quotes_where_any_reader_needs_them() {
    for (string, expected) in [
        ("nginx:1.28", "nginx:1.28"),
        ("/vault/secrets", "/vault/secrets"),
        ("$(POD_NAME)", "$(POD_NAME)"),
        ("--log-level=info", "--log-level=info"),
        ("-c", "-c"),
        ("250m", "250m"),
        ("64Mi", "64Mi"),
        ("1h30m", "1h30m"),
        ("two words", "two words"),
        ("née", "née"),
        ("", "\"\""),
        ("y", "\"y\""),
        ("No", "\"No\""),
        ("null", "\"null\""),
        ("12:30", "\"12:30\""),
        ("2001-01-01", "\"2001-01-01\""),
        ("1.28.0", "\"1.28.0\""),
        ("1e3", "\"1e3\""),
        ("0x1f", "\"0x1f\""),
        ("0b1", "\"0b1\""),
        ("0o17", "\"0o17\""),
        ("1_000", "\"1_000\""),
        (".5", "\".5\""),
        ("-1", "\"-1\""),
        ("=", "\"=\""),
        ("<<", "\"<<\""),
        ("a: b", "\"a: b\""),
        ("a #b", "\"a #b\""),
        ("a:", "\"a:\""),
        ("a\tb", "\"a\\tb\""),
        ("line\u{2028}break", "\"line\\Lbreak\""),
        ("a\u{2028}b\nc\n", "\"a\\Lb\\nc\\n\""),
        ("\u{1b}[2J\u{7f}\u{9b}", "\"\\e[2J\\x7F\\x9B\""),
        ("a\u{202e}b\u{200b}", "\"a\\u202Eb\\u200B\""),
        ("\\\u{e0041}\n日本\n", "\"\\\\\\U000E0041\\n日本\\n\""),
        ("日本\u{3000}\nb\n", "|\n  日本\u{3000}\n  b"),
        ("one\ntwo\n", "|\n  one\n  two"),
        ("one\ntwo", "|-\n  one\n  two"),
        ("one \ntwo", "\"one \\ntwo\""),
    ] {
        let text = Node::from_value(&json!({"a": string})).to_yaml();
        assert_eq!(text, format!("a: {expected}\n"));
    }
}

#[test]
fn a_change_leaves_everything_else_as_it_was() {
    let text = "spec:\n  replicas: 0x2\n  mode: 'on'\nkind: Job\nflow: {a: [1], b: [2, 'x']}\n";
    let after = changed(text, |value| {
        value["spec"]["added"] = json!("y");
        value["flow"]["a"] = json!([1, 3]);
        value["annotations"] = json!({"b": "1", "a": "2"});
    });
    assert_eq!(
        after,
        "spec:\n  replicas: 0x2\n  mode: 'on'\n  added: \"y\"\nkind: Job\nflow:\n  a:\n  - 1\n  \
         - 3\n  b: [2, 'x']\nannotations:\n  a: \"2\"\n  b: \"1\"\n"
    );
    let after = changed(text, |value| {
        value.as_object_mut().unwrap().remove("flow");
        value["spec"]["replicas"] = json!(3);
    });
    assert_eq!(after, "spec:\n  replicas: 3\n  mode: 'on'\nkind: Job\n");
}

#[test]
fn items_with_names_are_found_by_name() {
    let text = "- image: 'a'\n  name: a\n- name: 'b'\n";
    let after = changed(text, |value| {
        *value = json!([
            {"name": "agent"},
            {"name": "b", "image": "b"},
            {"name": "a", "image": "a"}
        ]);
    });
    assert_eq!(
        after,
        "- name: agent\n- name: 'b'\n  image: b\n- image: 'a'\n  name: a\n"
    );
}

#[test]
fn items_without_names_are_found_by_value_or_place() {
    let after = changed("- 'a'\n- \"b\"\n- {c: 'd'}\n", |value| {
        *value = json!(["new", "a", {"c": "d", "e": 1}, "b"]);
    });
    assert_eq!(after, "- new\n- 'a'\n- c: 'd'\n  e: 1\n- \"b\"\n");
}

#[test]
fn what_is_new_has_the_line_of_what_it_is_in() {
    let node = read("a: 1\nb:\n  c: 1\n").updated(&json!({"a": 1, "b": {"c": 1, "d": [1]}}));
    assert_eq!(node.line_of(&["b", "d", "0"]), 3);
    assert_eq!(Node::from_value(&json!({"a": 1})).line_of(&["a"]), 1);
}

#[test]
fn json_is_written_as_blocks_in_the_order_it_has() {
    assert_eq!(
        rewritten("{\"b\": [1, \"y\"], \"a\": {\"c\": \"d\"}}"),
        "b:\n- 1\n- \"y\"\na:\n  c: d\n"
    );
}

/// The manifests of the project by path: the pods of the golden cases before and after, and the samples.
fn manifests() -> BTreeMap<String, String> {
    let root = Path::new(ROOT);
    let files_of = |directory: &Path| {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect::<Vec<_>>()
    };
    let samples = files_of(&root.join("deploy/samples"))
        .into_iter()
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(path).unwrap(),
            )
        });
    let yaml = |object: &Value| yaml_serde::to_string(object).unwrap();
    let pods = Case::all().into_iter().flat_map(|case| {
        let injected = case.injected();
        let injected = injected.map(|pod| (format!("{}, injected", case.name), yaml(&pod)));
        [Some((case.name, yaml(&case.object))), injected]
    });
    samples.chain(pods.flatten()).collect()
}

/// Whether the readers agree except on the words that are booleans in YAML 1.1 only.
fn agree(by_kubectl: &Value, by_yaml_1_2: &Value) -> bool {
    match (by_kubectl, by_yaml_1_2) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.keys().eq(theirs.keys())
                && ours
                    .values()
                    .zip(theirs.values())
                    .all(|(ours, theirs)| agree(ours, theirs))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| agree(ours, theirs))
        }
        (Value::Bool(boolean), Value::String(word)) => resolve(word) == Meaning::Boolean(*boolean),
        (ours, theirs) => ours == theirs,
    }
}

#[test]
fn the_projects_manifests_say_the_same_before_and_after_they_are_written_again() {
    let manifests = manifests();
    assert!(manifests.len() > 400, "{} manifests", manifests.len());
    for (path, text) in manifests {
        for document in documents(&text) {
            let content = document
                .content
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            let Some(node) = content else {
                continue;
            };
            let by_yaml_1_2: Value = yaml_serde::from_str(document.text).unwrap();
            assert!(agree(&node.to_value(), &by_yaml_1_2), "{path}");
            let rewritten = node.to_yaml();
            assert_eq!(value(&rewritten), node.to_value(), "{path}, rewritten");
            let rewritten: Value = yaml_serde::from_str(&rewritten).unwrap();
            assert_eq!(rewritten, by_yaml_1_2, "{path}, rewritten");
        }
    }
}

#[test]
fn a_golden_pod_becomes_the_injected_one_and_keeps_its_own_lines() {
    let case = Case::named("modes/job-static");
    let pod = read(&yaml_serde::to_string(&case.object).unwrap());
    let injected = case.injected().unwrap();
    let updated = pod.updated(&injected);
    assert_eq!(value(&updated.to_yaml()), injected);
    for path in [&["metadata", "name"][..], &["spec", "containers"]] {
        assert_eq!(updated.line_of(path), pod.line_of(path));
    }
}

#[test]
fn megabytes_of_manifests_are_cut_and_written_again_without_loss() {
    const SIZE: usize = 5_000_000;
    let mut text = String::new();
    for manifest in manifests().values() {
        text.push_str("---\n");
        text.push_str(manifest);
    }
    let mut number = 0;
    while text.len() < SIZE {
        number += 1;
        text.push_str(&format!(
            "---\n# number {number}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{number}\n\
             data:\n  mode: 0644\n  script: |\n    #!/bin/sh\n    echo {number}\n  flow: {{a: [{number}, \
             'b', \"c\"]}}\n"
        ));
        if number % 50 == 0 {
            let values: Vec<_> = (0..5_000)
                .map(|index| json!({"key": index, "yes": "no"}))
                .collect();
            text.push_str(&format!(
                "---\nkind: List\nitems: {}\n",
                Value::from(values)
            ));
        }
    }
    let documents = documents(&text);
    let joined: String = documents.iter().map(|document| document.text).collect();
    assert!(joined == text, "the documents are not the text");
    let mut contents = 0;
    for document in &documents {
        if let Some(node) = document.content.as_ref().unwrap() {
            contents += 1;
            let value = node.to_value();
            assert_eq!(
                self::value(&node.to_yaml()),
                value,
                "document {}",
                document.number
            );
        }
    }
    assert!(contents > 400, "{contents} documents");
}
