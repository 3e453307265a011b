//! What the scenarios have found: which ended well, after how long, and what they measured.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::run::root;

static REPORT: Mutex<Report> = Mutex::new(Report {
    results: Vec::new(),
    figures: Vec::new(),
});

struct Report {
    results: Vec<Value>,
    figures: Vec<Value>,
}

/// Notes how a scenario has ended.
pub fn result(
    subject: &str,
    name: &str,
    sidecars: &str,
    product: &str,
    passed: bool,
    time: Duration,
) {
    lock().results.push(json!({
        "subject": subject,
        "scenario": name,
        "sidecars": sidecars,
        "server": product,
        "passed": passed,
        "seconds": time.as_secs(),
    }));
}

/// Notes a number that a scenario has found.
pub fn figure(namespace: &str, what: &str, value: impl std::fmt::Display) {
    println!("# {namespace}: {what}: {value}");
    let figure = json!({"namespace": namespace, "what": what, "value": value.to_string()});
    lock().figures.push(figure);
}

/// A time in seconds.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Writes all of it to `target/cluster/report.json`.
pub fn write(programs: Value) -> std::io::Result<()> {
    let report = lock();
    let report = json!({
        "programs": programs,
        "results": report.results,
        "figures": report.figures,
    });
    let directory = root().join("target/cluster");
    std::fs::create_dir_all(&directory)?;
    let text = serde_json::to_string_pretty(&report)?;
    std::fs::write(directory.join("report.json"), text + "\n")
}

fn lock() -> std::sync::MutexGuard<'static, Report> {
    REPORT.lock().unwrap_or_else(PoisonError::into_inner)
}
