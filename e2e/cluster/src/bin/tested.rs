//! Writes what the last run has found into docs/tested.md: what `make tested` runs.
//!
//!     tested REPORT PAGE

use std::{env, fs};

use anyhow::{Context, Result};
use cluster_scenarios::report::Report;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut argument = || arguments.next().context("expected a report and a page");
    let (report, page) = (argument()?, argument()?);
    let report = fs::read_to_string(&report).with_context(|| report.clone())?;
    let report: Report = serde_json::from_str(&report)?;
    report.check()?;
    let text = fs::read_to_string(&page).with_context(|| page.clone())?;
    fs::write(&page, report.write_into(&text)?)?;
    Ok(())
}
