//! How a file is cut into documents, what they say, and how mistakes are reported.

use serde_json::json;

use super::{mistake, read, value};
use crate::manifests::documents;

fn texts(text: &str) -> Vec<&str> {
    documents(text)
        .iter()
        .map(|document| document.text)
        .collect()
}

fn lines(text: &str) -> Vec<usize> {
    documents(text)
        .iter()
        .map(|document| document.line)
        .collect()
}

#[test]
fn a_line_of_three_dashes_begins_a_document() {
    let text = "a: 1\n---\nb: 2\n--- # the third\nc: 3\n";
    assert_eq!(
        texts(text),
        ["a: 1\n", "---\nb: 2\n", "--- # the third\nc: 3\n"]
    );
    assert_eq!(lines(text), [1, 3, 5]);
    let numbers: Vec<_> = documents(text)
        .iter()
        .map(|document| document.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn what_stands_before_the_first_document_belongs_to_it() {
    let text = "# licence\n\n%YAML 1.1\n---\na: 1\n---\nb: 2\n";
    assert_eq!(
        texts(text),
        ["# licence\n\n%YAML 1.1\n---\na: 1\n", "---\nb: 2\n"]
    );
    assert_eq!(lines(text), [5, 7]);
}

#[test]
fn dashes_within_a_text_begin_no_document() {
    let text = "script: |\n  ---\n  ----\n---\nb: 2\n";
    assert_eq!(texts(text), ["script: |\n  ---\n  ----\n", "---\nb: 2\n"]);
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_are_accepted() {
    let text = "\u{feff}---\r\na:\r\n  b: 1\r\n---\r\nc: |\r\n  x\r\n";
    assert_eq!(
        texts(text),
        ["\u{feff}---\r\na:\r\n  b: 1\r\n", "---\r\nc: |\r\n  x\r\n"]
    );
    let contents: Vec<_> = documents(text)
        .into_iter()
        .map(|document| document.content.unwrap().unwrap().to_value())
        .collect();
    assert_eq!(contents, [json!({"a": {"b": 1}}), json!({"c": "x\n"})]);
    assert_eq!(value("\u{feff}a: 1\nb: 2\n"), json!({"a": 1, "b": 2}));
    assert_eq!(value("\u{feff}{\"a\": 1}"), json!({"a": 1}));
}

#[test]
fn a_document_may_have_no_content() {
    assert!(documents("").is_empty());
    for text in ["\n", "# nothing\n", "---\n", "---\n# nothing\n...\n"] {
        let documents = documents(text);
        assert_eq!(documents.len(), 1, "{text:?}");
        assert!(matches!(documents[0].content, Ok(None)), "{text:?}");
        assert_eq!((documents[0].line, documents[0].text), (1, text));
    }
    assert_eq!(texts("a: 1\n---\n---\n"), ["a: 1\n", "---\n", "---\n"]);
}

#[test]
fn a_mistake_in_one_document_hides_no_other() {
    let documents = documents("a: 1\n---\nb: [\n---\nc: 3\n");
    let contents: Vec<_> = documents
        .iter()
        .map(|document| match &document.content {
            Ok(node) => node.as_ref().map(|node| node.to_value().to_string()),
            Err(mistake) => Some(mistake.line.to_string()),
        })
        .collect();
    assert_eq!(
        contents,
        [
            Some(r#"{"a":1}"#.to_owned()),
            Some("3".to_owned()),
            Some(r#"{"c":3}"#.to_owned())
        ]
    );
}

#[test]
fn a_document_that_kubectl_would_not_see_is_a_mistake() {
    assert_eq!(
        mistake("a: 1\n...\n--- {b: 2}\n"),
        "line 3, column 1: a document begins on line 3 without a line `---` of its own, where \
         kubectl does not see it"
    );
    assert_eq!(
        mistake("a: 1\n--- {b: 2}\n"),
        "line 2, column 1: a document begins on line 2 without a line `---` of its own, where \
         kubectl does not see it"
    );
    assert_eq!(
        mistake("--- {b: 2}\n"),
        "line 1, column 4: only a comment can stand behind `---`; kubectl wants the \
         document to begin on the next line"
    );
    assert_eq!(
        mistake("a: 1\n...\nb: 2\n"),
        "line 3, column 1: expected the end of the document, or a line `---` before another one"
    );
}

#[test]
fn json_values_may_follow_one_another() {
    let text = "\n{\"a\": 1}\n  {\"b\":\n\t[1e3]}\n";
    assert_eq!(texts(text), ["\n{\"a\": 1}", "\n  {\"b\":\n\t[1e3]}\n"]);
    assert_eq!(lines(text), [2, 3]);
    let documents = documents(text);
    let second = documents[1].content.clone().unwrap().unwrap();
    assert_eq!(second.to_value(), json!({"b": [1000]}));
    assert_eq!(second.line_of(&["b", "0"]), 4);
    assert_eq!(texts("\u{feff}{}\n{}\n{}"), ["\u{feff}{}", "\n{}", "\n{}"]);
    // Emoji as JSON escapes them are not valid YAML, so only the start of the value is known.
    let emoji = "\n{\"a\": \"\\ud83d\\ude00\",\n\"b\": 1}";
    assert_eq!(value(emoji), json!({"a": "😀", "b": 1}));
    assert_eq!(read(emoji).line_of(&["b"]), 2);
}

#[test]
fn a_brace_may_begin_yaml_too() {
    assert_eq!(value("{a: 1, b: [yes]}\n"), json!({"a": 1, "b": [true]}));
    assert_eq!(
        texts("{\"a\": 1}\n---\nb: 2\n"),
        ["{\"a\": 1}\n", "---\nb: 2\n"]
    );
}

#[test]
fn a_mistake_in_json_is_reported_in_terms_of_json() {
    let documents = documents("{\"a\": 1}\n{\"b\": 1,\n  \"c\" 2}\n");
    assert_eq!(documents.len(), 2);
    assert!(documents[0].content.is_ok());
    assert_eq!(
        documents[1].content.as_ref().unwrap_err().to_string(),
        "line 3, column 7: this is not valid JSON: expected `:`"
    );
    assert_eq!(
        mistake("{\"a\": 1,\n \"a\": 2}"),
        "line 2, column 2: the key `a` is given twice, first on line 1"
    );
}

#[test]
fn scalars_without_quotes_mean_what_they_mean_to_kubectl() {
    for (text, expected) in [
        ("yes", json!(true)),
        ("On", json!(true)),
        ("y", json!(true)),
        ("N", json!(false)),
        ("off", json!(false)),
        ("yEs", json!("yEs")),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("0644", json!(420)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("0b1", json!(1)),
        ("-0x1f", json!(-31)),
        ("1_000", json!(1000)),
        ("089", json!(89)),
        ("1.0", json!(1)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("1e3", json!(1000)),
        ("1e400", json!("1e400")),
        (
            "18446744073709551615",
            json!(18_446_744_073_709_551_615_u64),
        ),
        (
            "123456789012345678901234567890",
            json!(1.234_567_890_123_456_8e29),
        ),
        ("12:30", json!("12:30")),
        ("2001-01-01", json!("2001-01-01")),
        ("1.28.0", json!("1.28.0")),
        ("100m", json!("100m")),
        ("=", json!("=")),
        ("'yes'", json!("yes")),
        ("\"0644\"", json!("0644")),
        ("!!str 0644", json!("0644")),
        ("!!int \"3\"", json!(3)),
        ("!!float 3", json!(3)),
        ("!!bool \"yes\"", json!(true)),
        ("!!binary aGVsbG8=", json!("hello")),
        ("!secret 12", json!("12")),
    ] {
        assert_eq!(
            value(&format!("a: {text}\n")),
            json!({"a": expected}),
            "{text}"
        );
    }
    assert_eq!(value("a:\nb:\n"), json!({"a": null, "b": null}));
    assert_eq!(value("a: |\n  0644\n"), json!({"a": "0644\n"}));
}

#[test]
fn keys_become_what_kubectl_makes_of_them() {
    assert_eq!(
        value("8080: a\nyes: b\n1.5: c\n1e6: d\n'no': e\n1e-5: f\n100000.5: g\n"),
        json!({"8080": "a", "true": "b", "1.5": "c", "1e+06": "d", "no": "e", "1e-05": "f",
            "100000.5": "g"})
    );
    for text in ["~: a\n", "[a]: b\n", "{a: b}: c\n"] {
        assert!(mistake(text).ends_with("a key must be a text, a number or a boolean"));
    }
}

#[test]
fn a_value_that_json_does_not_have_is_a_mistake() {
    assert_eq!(
        mistake("a:\n- .inf\n"),
        "line 2, column 3: `.inf` has no place in JSON; put it in quotes to make it a text"
    );
    assert_eq!(
        mistake("a: !!int abc\n"),
        "line 1, column 4: `abc` is not a value for the tag `!!int`"
    );
    assert_eq!(
        mistake("a: !!binary abc\n"),
        "line 1, column 4: the value of `!!binary` is not valid base64"
    );
}

#[test]
fn aliases_and_merge_keys_stand_for_what_they_name() {
    assert_eq!(
        value("base: &base {a: 1, c: 3}\none: *base\ntwo: {<<: *base, a: 2}\n"),
        json!({"base": {"a": 1, "c": 3}, "one": {"a": 1, "c": 3}, "two": {"a": 2, "c": 3}})
    );
    // YAML has it the other way round, but this is what kubectl does.
    assert_eq!(value("a: 2\n<<: {a: 1, b: 1}\n"), json!({"a": 1, "b": 1}));
    assert_eq!(
        value("<<: [{a: 1}, {a: 2, b: 2}]\n"),
        json!({"a": 1, "b": 2})
    );
    assert_eq!(
        mistake("a: *b\n"),
        "line 1, column 4: the alias `*b` has no anchor `&b` before it"
    );
    assert_eq!(
        mistake("a: &b\n- *b\n"),
        "line 2, column 3: the alias `*b` stands within its own anchor `&b`"
    );
    assert_eq!(
        mistake("<<: 1\n"),
        "line 1, column 5: `<<` needs a mapping, or a list of mappings"
    );
}

#[test]
fn aliases_cannot_fill_the_memory() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(
        mistake(&text).ends_with("the aliases of the document repeat more than 1000000 values"),
        "{}",
        mistake(&text)
    );
}

#[test]
fn depth_cannot_overflow_the_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(value(&nested(127)).to_string(), nested(127));
    for text in [
        nested(128),
        nested(100_000),
        "- ".repeat(100_000),
        format!("a: &a {}\nb: [*a]\n", nested(126)),
    ] {
        assert!(
            mistake(&text)
                .ends_with("lists and mappings are more than 127 deep in one another here"),
            "{}",
            mistake(&text)
        );
    }
    assert!(mistake(&"{\"a\":".repeat(100_000)).contains("recursion limit exceeded"),);
}

#[test]
fn a_key_given_twice_is_a_mistake() {
    assert_eq!(
        mistake("a: 1\nb:\n  c: 1\n  d: 2\n  'c': 3\n"),
        "line 5, column 3: the key `c` is given twice, first on line 3"
    );
    assert_eq!(
        mistake("yes: 1\ntrue: 2\n"),
        "line 2, column 1: the key `true` is given twice, first on line 1"
    );
}

#[test]
fn mistakes_are_reported_with_their_place_and_what_was_expected() {
    for (text, expected) in [
        (
            "a:\n\tb: 1\n",
            "line 2, column 1: a tab cannot indent; use spaces",
        ),
        (
            "a: b\n\tc: d\n",
            "line 2, column 1: a tab cannot indent; use spaces",
        ),
        (
            "a:\n  b: c\n  \td: e\n",
            "line 3, column 3: a tab cannot indent; use spaces",
        ),
        (
            "# one\n---\na:\n  b: c: d\n",
            "line 4, column 7: `: ` cannot stand in a value without quotes; put the value in quotes",
        ),
        (
            "a: b\n  c: d\n",
            "line 2, column 4: this key is indented more than the line above, which already has a \
             value; indent it as the other keys of its mapping",
        ),
        (
            "a:\n    b: c\n  d: e\n",
            "line 3, column 3: the indentation is wrong: expected a key of the mapping that begins \
             on line 1, which is in column 1",
        ),
        (
            "- a\n b: c\n",
            "line 2, column 3: this key is indented more than the line above, which already has a \
             value; indent it as the other keys of its mapping",
        ),
        (
            "a: b\nfoo\nc: d\n",
            "line 2, column 1: expected `: ` behind a key; a text of several lines must be indented \
             more than its key",
        ),
        (
            "a: - b\n",
            "line 1, column 4: a list item cannot stand here; each `-` needs a line of its own, \
             below the key of the list",
        ),
        (
            "a: b\nc: 'd\ne: f\n",
            "line 2, column 4: the quote that begins here is never closed",
        ),
        (
            "a: @b\n",
            "line 1, column 4: a value cannot begin with `@`; put the value in quotes",
        ),
        (
            "a: [b\nc: d\n",
            "line 2, column 2: expected `,` or `]` in the list that begins on line 1",
        ),
        (
            "a: \"C:\\dir\"\n",
            "line 1, column 7: unknown escape in double quotes; write `\\\\` for a backslash, or use \
             single quotes",
        ),
        (
            "a: *\n",
            "line 1, column 5: a value that begins with `*` or `&` must be in quotes, unless it is \
             an alias or an anchor",
        ),
        (
            "a: {{ .Values.name }}\n",
            "line 1, column 5: a key must be a text, a number or a boolean; `{{` looks like a \
             template, which must be rendered first",
        ),
        (
            "{{- if .x }}\na: b\n",
            "line 1, column 3: expected a value; `{{` looks like a template, which must be \
             rendered first",
        ),
        (
            "a: b\u{7}\n",
            "line 1, column 5: the control character U+0007 cannot stand in YAML; it can be written \
             as an escape in double quotes",
        ),
        (
            "a: [!b, c]\n",
            "line 1, column 7: a tag must have a space or its value behind it, not a comma",
        ),
        (
            "a: \"\\",
            "line 1, column 4: the quote that begins here is never closed",
        ),
    ] {
        assert_eq!(mistake(text), expected, "{text:?}");
    }
    assert_eq!(
        value("a: ['!b, c', wow!, d]\n"),
        json!({"a": ["!b, c", "wow!", "d"]})
    );
}

#[test]
fn lines_are_those_of_the_file_whatever_yaml_takes_for_a_line() {
    let text = "# a\u{2028}# b\u{85}\n---\na: 1\nb:\n- c\n";
    assert_eq!(lines(text), [3]);
    assert_eq!(read(text).line_of(&["b", "0"]), 5);
}

#[test]
fn the_line_of_a_path_is_that_of_its_deepest_part() {
    let node = read("# pod\nspec:\n  containers:\n  - name: a\n    image: b\n  - name: c\n");
    for (path, line) in [
        (&[][..], 2),
        (&["spec"], 2),
        (&["spec", "containers"], 3),
        (&["spec", "containers", "1"], 6),
        (&["spec", "containers", "0", "image"], 5),
        (&["spec", "containers", "0", "env", "0"], 4),
        (&["spec", "volumes", "0"], 2),
        (&["metadata"], 2),
    ] {
        assert_eq!(node.line_of(path), line, "{path:?}");
    }
}
