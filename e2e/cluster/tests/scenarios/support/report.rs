//! What the scenarios of this run have found, as they find it.

use std::time::Duration;

use cluster_scenarios::report::{Figure, Outcome, Report};
use parking_lot::{Mutex, const_mutex};

use super::entry::Sidecars;
use super::run::root;

static REPORT: Mutex<Report> = const_mutex(Report {
    selection: String::new(),
    programs: Vec::new(),
    subjects: Vec::new(),
    results: Vec::new(),
    figures: Vec::new(),
    seconds: 0,
});

/// Notes how a scenario has ended.
pub fn result(outcome: Outcome) {
    REPORT.lock().results.push(outcome);
}

/// Notes a number that a scenario has measured.
pub fn figure(namespace: &str, sidecars: Sidecars, what: &str, value: f64, unit: &str) {
    println!("# {namespace}: {what}: {value:.1} {unit}");
    REPORT.lock().figures.push(Figure {
        sidecars: sidecars.name().to_owned(),
        what: what.to_owned(),
        value,
        unit: unit.to_owned(),
    });
}

/// Writes all of it to `target/cluster/report.json`.
pub fn write(
    selection: String,
    programs: Vec<(String, String)>,
    subjects: Vec<(String, String)>,
    time: Duration,
) -> anyhow::Result<()> {
    let mut report = REPORT.lock();
    report.selection = selection;
    report.programs = programs;
    report.subjects = subjects;
    report.seconds = time.as_secs();
    let directory = root().join("target/cluster");
    std::fs::create_dir_all(&directory)?;
    let text = serde_json::to_string_pretty(&*report)?;
    std::fs::write(directory.join("report.json"), text + "\n")?;
    Ok(())
}
