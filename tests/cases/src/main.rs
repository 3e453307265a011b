//! Prints the golden cases for programs that are not written in Rust: a JSON object in each line.

use std::io::{self, Write};

use golden_cases::{Case, Verdict};
use serde_json::json;

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for case in Case::all() {
        let mut line = json!({
            "name": case.name,
            "request": case.request(),
            "settings": case.settings,
        });
        if let Some(outcome) = case.expected() {
            line["warnings"] = json!(outcome.warnings);
            match outcome.verdict {
                Verdict::Rejected(message) => line["rejected"] = json!(message),
                Verdict::Unchanged => line["unchanged"] = json!(true),
                Verdict::Injected(pod) => line["injected"] = pod,
            }
        }
        writeln!(output, "{line}")?;
    }
    Ok(())
}
