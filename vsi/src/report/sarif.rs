//! Findings as a SARIF 2.1.0 log: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::{
    ffi::OsStr,
    io::{self, Write},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use crate::findings::{Finding, Severity};

/// What a path of a URI has besides letters and digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The kinds of findings, each with what it says.
const RULES: [(&str, &str); 4] = [
    ("manifest", "The manifest cannot be read."),
    (
        "rejected",
        "The policy rejects the object, or the pods that are made of it.",
    ),
    (
        "warning",
        "The policy takes the object, and warns of something in it.",
    ),
    (
        "note",
        "The policy does something else than the Agent Injector.",
    ),
];

pub(super) fn write(output: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let rules = RULES.map(|(id, text)| json!({"id": id, "shortDescription": {"text": text}}));
    let results: Vec<_> = findings.iter().map(result).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "vsi", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *output, &log)?;
    writeln!(output)
}

fn result(finding: &Finding) -> Value {
    let (rule, level) = match (finding.severity, &finding.object) {
        (Severity::Warning, _) => ("warning", "warning"),
        (Severity::Note, _) => ("note", "note"),
        (Severity::Error, Some(_)) => ("rejected", "error"),
        (Severity::Error, None) => ("manifest", "error"),
    };
    let mut region = json!({"startLine": finding.line});
    if let Some(column) = finding.column {
        region["startColumn"] = json!(column);
    }
    let uri = uri(finding.file.raw());
    json!({
        "ruleId": rule,
        "ruleIndex": RULES.iter().position(|(id, _)| *id == rule),
        "level": level,
        "message": {"text": format!("{}: {}", finding.place(), finding.message)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
    })
}

/// The reference to a file, whose name can have any bytes.
fn uri(path: &OsStr) -> String {
    let uri = percent_encode(path.as_encoded_bytes(), ESCAPED).to_string();
    match uri.trim_start_matches('/') {
        // Behind two slashes the name of a host is expected.
        path if uri.starts_with("//") => format!("/{path}"),
        _ => uri,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::report::example;

    #[test]
    fn a_finding_is_a_result_with_its_rule_and_its_place() {
        let mut output = Vec::new();
        write(&mut output, &[example()]).unwrap();
        let log: Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let result = &run["results"][0];
        assert_eq!(
            *result,
            json!({
                "ruleId": "rejected",
                "ruleIndex": 1,
                "level": "error",
                "message": {"text": "document 2, Deployment/orders, sidecar.vault.talend.org/mode: 100% wrong: `x`"},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": "apps/shop%2C%20old.yaml"},
                    "region": {"startLine": 12},
                }}],
            })
        );
        assert_eq!(run["tool"]["driver"]["rules"][1]["id"], "rejected");
    }

    #[test]
    fn a_file_has_a_uri_whatever_its_name_is() {
        for (path, expected) in [
            (&b"a b%#?:,.yaml"[..], "a%20b%25%23%3F%3A%2C.yaml"),
            (b"../\n\x1b\x7f\xe9", "../%0A%1B%7F%E9"),
            ("é\u{202e}".as_bytes(), "%C3%A9%E2%80%AE"),
            (b"/tmp//a", "/tmp//a"),
            (b"//tmp/a", "/tmp/a"),
        ] {
            assert_eq!(uri(OsStr::from_bytes(path)), expected);
        }
    }

    #[test]
    fn no_finding_is_a_log_without_results() {
        let mut output = Vec::new();
        write(&mut output, &[]).unwrap();
        let log: Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(log["runs"][0]["results"], json!([]));
    }
}
