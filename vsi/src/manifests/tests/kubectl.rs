//! Compares the reader with the real kubectl, which needs no cluster to label what is in a file.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::read;
use crate::manifests::documents;

/// Scalars as they stand in a file. What kubectl rejects or cannot write as JSON is not among them.
const SCALARS: &[&str] = &[
    // Words.
    "y",
    "Y",
    "yes",
    "Yes",
    "YES",
    "yEs",
    "n",
    "N",
    "no",
    "No",
    "NO",
    "nO",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "false",
    "False",
    "FALSE",
    "on",
    "On",
    "ON",
    "oN",
    "off",
    "Off",
    "OFF",
    "oFf",
    "~",
    "null",
    "Null",
    "NULL",
    "nULL",
    "",
    "nil",
    "none",
    "None",
    "t",
    "f",
    "T",
    "F",
    "=",
    "!",
    "inf",
    "nan",
    ".Nan",
    ".iNf",
    "+.nan",
    "Infinity",
    "+inf",
    "-inf",
    "NaN",
    "true1",
    "yes ",
    "no no",
    "'yes'",
    "\"no\"",
    "''",
    "\"\"",
    // Integers.
    "0",
    "00",
    "+0",
    "-0",
    "1",
    "+1",
    "-1",
    "--1",
    "+-1",
    "- 1x",
    "007",
    "0644",
    "-0644",
    "+0644",
    "08",
    "089",
    "0o17",
    "0O17",
    "0o8",
    "0o",
    "-0o17",
    "0x1F",
    "0X1f",
    "0x",
    "0xg",
    "-0x1F",
    "+0x1F",
    "0x_1",
    "0x1_F",
    "0b1",
    "0B101",
    "0b2",
    "0b",
    "-0b1",
    "+0b1",
    "0b-1",
    "0b+1",
    "-0b-1",
    "0b+",
    "0B-1",
    "0x-1",
    "0o-1",
    "0-1",
    "1_000",
    "1__000",
    "_1",
    "1_",
    "-1_0",
    "-_1",
    "+_1",
    "0_7",
    "0_",
    "_",
    "__",
    "-",
    "+",
    "1-",
    "1+1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "+9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "+18446744073709551615",
    "0xFFFFFFFFFFFFFFFF",
    "0x10000000000000000",
    "-0x8000000000000000",
    "-0xFFFFFFFFFFFFFFFF",
    "01777777777777777777777",
    "07777777777777777777777777",
    "123456789012345678901234567890",
    // Floats.
    "0.0",
    "-0.0",
    "1.0",
    "1.",
    "-1.",
    "+1.",
    "1.5",
    "+1.5",
    "-1.5",
    ".5",
    "-.5",
    "+.5",
    ".",
    "..",
    "...x",
    "-.",
    "+.",
    ".5.",
    "1.5.",
    "1..5",
    "1.5.1",
    ".5e1",
    ".5e",
    ".e5",
    ".5_0",
    ".5__0",
    ".5_",
    ".5e1_0",
    ".5e_1",
    ".5_e1",
    "._5",
    "1_0.5_0",
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "1e",
    "1e+",
    "e3",
    "-1e3",
    "1.5e3",
    "1.5e-3",
    "1.e3",
    "1e3.5",
    "1e400",
    "-1e400",
    "1e-400",
    ".1e400",
    "1e1_0",
    "1_0e1",
    "1e_1",
    "0x1p4",
    "0x1.8p1",
    "0e0",
    "00.5",
    "01.5",
    "08.5",
    "1e18",
    "1e19",
    "1e20",
    "1e21",
    "1e22",
    "123456.789",
    "0.000001",
    "0.0000001",
    "1f",
    "1d",
    "1.5f",
    "0.1",
    "3.141592653589793238462643",
    // Times, addresses, quantities, versions.
    "12:30",
    "12:30:45",
    "1:2",
    "-1:30",
    "190:20:30.15",
    "2001-01-01",
    "2001-1-1",
    "2001-01-01T00:00:00Z",
    "2001-01-01 00:00:00",
    "2001-12-14t21:59:43.10-05:00",
    "2001",
    "2001-",
    "20010101",
    "10.0.0.1",
    "10.0.0.0/8",
    "::1",
    "fe80::1",
    "1.28.0",
    "v1",
    "1.28",
    "1.30",
    "250m",
    "64Mi",
    "1Gi",
    "1k",
    "1E",
    "1M",
    "1e3Mi",
    "1h30m",
    "5s",
    "0.5m",
    "50%",
    "8080/tcp",
    "127.0.0.1:80",
    "nginx:1.28",
    "sha256:0123",
    "1a",
    "0a",
    "a0",
    "0755x",
    // Texts.
    "a",
    "-a",
    "--a",
    "-a=b",
    "/a",
    "./a",
    "~/a",
    "$(A)",
    "a:b",
    "a#b",
    "a b",
    "a  b",
    ":a",
    "?a",
    "<<",
    "<a",
    ">-\n  a\n  b",
    "|\n  1",
    "\"a\\tb\"",
    "\"\\x41\\u00e9\"",
    "'it''s'",
    "\"1\"",
    "'0644'",
    "é",
    "日本",
    "1é",
    // Tags.
    "!!str 1",
    "!!str yes",
    "!!str ~",
    "!!str",
    "!!int 3",
    "!!int \"3\"",
    "!!int '0644'",
    "!!int 1_0",
    "!!float 3",
    "!!float 0x1F",
    "!!float \"1.5\"",
    "!!float 1e3",
    "!!bool yes",
    "!!bool \"no\"",
    "!!null ''",
    "!!null ~",
    "!!null null",
    "!!binary aGVsbG8=",
    "!!binary \"aGk=\"",
    "!!binary ''",
    "!!binary //8=",
    "!!timestamp 2001-01-01",
    "! 12",
    "! yes",
    "!a 12",
    "!a true",
    "!a",
    "!!a 12",
    "!!seq 12",
    "!<a> 12",
    "!<tag:yaml.org,2002:int> 12",
    // Collections in one line.
    "[]",
    "{}",
    "[yes, 0644, ~, 'a']",
    "{a: yes, b: }",
    "[a: b]",
    "{a, b: c}",
    "!!seq [1]",
    "!a {b: c}",
    "[!a b]",
    "{yes: 1, 0644: 2, 1.5: 3, 1e6: 4, 1e-5: 5, 100000.5: 6, 1000000.5: 7, 0.1: 8, .inf: 9, .nan: 10, 2001-01-01: 11}",
    "{16777217.5: 1, 0.00012: 2, 1.0: 3, 1e3: 4, -0.0: 5, 12:30: 6, '7': 7, !!str 2: 8, -1: 9, !!int '3': 10}",
    "{123456789.5: 1, 1e100: 2, -1e100: 3, 1e20: 4, 0x10: 5}",
    "{a: 1, <<: {a: 2, b: 3}}",
    "{<<: {a: 2, b: 3}, a: 1}",
    "{<<: [{a: 1}, {a: 2, b: 3}]}",
    "{'<<': {a: 1}}",
    "{<<: {a: 1}, <<: {b: 2}}",
    "{! <<: {a: 1}}",
];

const HEAD: &str = "apiVersion: example.com/v1\nkind: Scalars\nmetadata:\n  name: scalars\n";

/// What kubectl makes of the object in a file, with a label, or its error.
fn by_kubectl(manifest: &str) -> Result<Value, String> {
    let mut kubectl = Command::new("kubectl")
        .args([
            "label",
            "--local",
            "-f",
            "-",
            "read-by=kubectl",
            "-o",
            "json",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need kubectl");
    let mut input = kubectl.stdin.take().unwrap();
    input.write_all(manifest.as_bytes()).unwrap();
    drop(input);
    let output = kubectl.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

/// kubectl writes a number without a fraction as an integer, and one that is beyond its integers with
/// the precision of a float.
fn with_numbers_of_kubectl(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => number.as_f64().into(),
        Value::Array(values) => values.into_iter().map(with_numbers_of_kubectl).collect(),
        Value::Object(values) => values
            .into_iter()
            .map(|(name, value)| (name, with_numbers_of_kubectl(value)))
            .collect(),
        other => other,
    }
}

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    assert!(SCALARS.len() > 300, "{} scalars", SCALARS.len());
    let mut manifest = format!("{HEAD}scalars:\n");
    for scalar in SCALARS {
        manifest.push_str(&format!("- {scalar}\n"));
    }
    let expected = by_kubectl(&manifest).unwrap();
    let node = read(&manifest);
    let rewritten = by_kubectl(&node.to_yaml()).unwrap();
    let found = with_numbers_of_kubectl(node.to_value());
    let items = |value: &Value| value["scalars"].as_array().unwrap().clone();
    assert_eq!(items(&expected).len(), SCALARS.len());

    let differences: Vec<_> = SCALARS
        .iter()
        .zip(items(&found))
        .zip(items(&with_numbers_of_kubectl(expected.clone())))
        .filter(|((_, found), expected)| found != expected)
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
    let differences: Vec<_> = SCALARS
        .iter()
        .zip(items(&rewritten))
        .zip(items(&expected))
        .filter(|((_, rewritten), expected)| rewritten != expected)
        .collect();
    assert!(differences.is_empty(), "rewritten: {differences:#?}");
}

#[test]
fn kubectl_refuses_what_is_rejected_here() {
    for scalar in [
        ".inf",
        ".nan",
        "!!int a",
        "!!bool 1",
        "!!null a",
        "!!float a",
        "!!int 1.5",
        "!!binary a",
        "!!timestamp 1",
        "{~: a}",
        "{[a]: b}",
        "{18446744073709551615: a}",
        "*a",
        "&a [*a]",
        "{<<: 1}",
        "{<<: [1]}",
        "{<<: }",
        "@a",
        "`a`",
        "a: b: c",
        "\ta: b",
        "%a",
        "'a",
        "[a",
    ] {
        let manifest = format!("{HEAD}scalar: {scalar}\n");
        assert!(documents(&manifest)[0].content.is_err(), "{scalar}");
        let kubectl = by_kubectl(&manifest);
        assert!(kubectl.is_err(), "kubectl reads {scalar} as {kubectl:?}");
    }
}

#[test]
fn kubectl_reads_the_same_from_a_sample_that_is_written_again() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/samples/deployment-approle-files.yaml");
    let text = fs::read_to_string(sample).unwrap();
    let documents: Vec<_> = documents(&text)
        .into_iter()
        .filter_map(|document| Some((document.text, document.content.unwrap()?)))
        .collect();
    assert!(!documents.is_empty());
    for (text, node) in documents {
        assert_eq!(by_kubectl(&node.to_yaml()), Ok(by_kubectl(text).unwrap()));
    }
}
