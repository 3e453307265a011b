//! What a run has found, and docs/tested.md, which shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// What a run has found.
#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    /// Which scenarios were run, as `E2E=all SERVERS=vault,openbao`.
    pub selection: String,
    /// What it ran with: program and version.
    pub programs: Vec<(String, String)>,
    /// The subjects, and what their scenarios show.
    pub subjects: Vec<(String, String)>,
    /// The scenarios, in the order of their ends.
    pub results: Vec<Outcome>,
    /// What they have measured.
    pub figures: Vec<Figure>,
    /// How long all of them took, in seconds.
    pub seconds: u64,
}

/// How a scenario has ended.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// The file that it is in.
    pub subject: String,
    /// Its name.
    pub scenario: String,
    /// `classic` or `native`.
    pub sidecars: String,
    /// `Vault` or `OpenBao`.
    pub server: String,
    /// Whether it has passed, failed, or was not run.
    pub result: Ending,
    /// How long it took.
    pub seconds: u64,
}

/// Whether a scenario has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// All that it expects is so.
    Passed,
    /// Something is not so.
    Failed,
    /// The cluster does not have what it needs.
    NotRun,
}

/// A number that a scenario has measured.
#[derive(Serialize, Deserialize)]
pub struct Figure {
    /// `classic` or `native`.
    pub sidecars: String,
    /// What was measured.
    pub what: String,
    /// The number, in `unit`.
    pub value: f64,
    /// Such as `s`.
    pub unit: String,
}

const BEGIN: &str = "<!-- BEGIN: written by make tested -->\n";
const END: &str = "<!-- END: written by make tested -->\n";

/// The selection that docs/tested.md shows.
pub const FULL: &str = "E2E=all SERVERS=vault,openbao";

impl Report {
    /// Whether it can be shown as what was run: all scenarios, and none failed.
    ///
    /// # Errors
    ///
    /// If not, with the reason.
    pub fn check(&self) -> Result<()> {
        if self.selection != FULL {
            bail!("the last run was {}; expected {FULL}", self.selection);
        }
        let failed = self.results.iter().filter(|it| it.result == Ending::Failed);
        let failed: Vec<&str> = failed.map(|it| it.scenario.as_str()).collect();
        if !failed.is_empty() {
            bail!("scenarios of the last run failed: {}", failed.join(", "));
        }
        Ok(())
    }

    /// Puts the tables between the two marks of a page.
    ///
    /// # Errors
    ///
    /// If the page does not have the marks.
    pub fn write_into(&self, page: &str) -> Result<String> {
        let (before, rest) = page
            .split_once(BEGIN)
            .context("the first mark is missing")?;
        let (_, after) = rest.split_once(END).context("the second mark is missing")?;
        Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", self.tables()))
    }

    fn tables(&self) -> String {
        let mut text = String::from("| program | version |\n| --- | --- |\n");
        for (program, version) in &self.programs {
            let _ = writeln!(text, "| {program} | {version} |");
        }
        let columns: BTreeSet<(&str, &str)> = self
            .results
            .iter()
            .map(|it| (it.server.as_str(), it.sidecars.as_str()))
            .collect();
        let _ = write!(
            text,
            "\nScenarios that passed, of those that were run:\n\n| what | in |"
        );
        for (server, sidecars) in columns.iter().rev() {
            let _ = write!(text, " {server}, {sidecars} |");
        }
        let _ = write!(text, "\n| --- | --- |{}\n", " --- |".repeat(columns.len()));
        let has_results = |subject: &str| self.results.iter().any(|it| it.subject == subject);
        for (subject, about) in self.subjects.iter().filter(|(it, _)| has_results(it)) {
            let _ = write!(text, "| {about} | {subject}.rs |");
            for (server, sidecars) in columns.iter().rev() {
                let of_cell = |result: Ending| {
                    let results = self.results.iter();
                    let of_cell = results.filter(|it| {
                        (&it.subject, it.server.as_str(), it.sidecars.as_str())
                            == (subject, *server, *sidecars)
                    });
                    of_cell.filter(|it| it.result == result).count()
                };
                let (passed, failed) = (of_cell(Ending::Passed), of_cell(Ending::Failed));
                let cell = match passed + failed {
                    0 => "-".to_owned(),
                    run => format!("{passed} of {run}"),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        let _ = write!(text, "\n{}", self.summary());
        text + &self.figures()
    }

    fn summary(&self) -> String {
        let count = |result: Ending| self.results.iter().filter(|it| it.result == result).count();
        let (passed, failed) = (count(Ending::Passed), count(Ending::Failed));
        let minutes = self.seconds.div_ceil(60);
        let mut text = format!(
            "{passed} of {} passed, in {minutes} minutes.",
            passed + failed
        );
        let not_run = self.results.iter().filter(|it| it.result == Ending::NotRun);
        let not_run: BTreeSet<&str> = not_run.map(|it| it.scenario.as_str()).collect();
        if !not_run.is_empty() {
            let names: Vec<&str> = not_run.into_iter().collect();
            let _ = write!(text, " Not run in this cluster: {}.", names.join(", "));
        }
        text + "\n"
    }

    fn figures(&self) -> String {
        let mut found: BTreeMap<(&str, &str), BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
        for figure in &self.figures {
            let row = found.entry((&figure.what, &figure.unit)).or_default();
            row.entry(&figure.sidecars).or_default().push(figure.value);
        }
        let mut text = "\nWhat they measured, from the least to the most:\n\n\
            | what | classic | native |\n| --- | --- | --- |\n"
            .to_owned();
        for ((what, unit), row) in found {
            let cell = |sidecars: &str| {
                let values = row.get(sidecars)?;
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let number = |value: f64| match unit {
                    "s" => format!("{value:.1}"),
                    _ => format!("{value}"),
                };
                let (least, most) = (number(least), number(most));
                Some(if least == most {
                    format!("{least} {unit}")
                } else {
                    format!("{least} to {most} {unit}")
                })
            };
            let cell = |sidecars| cell(sidecars).unwrap_or_else(|| "-".to_owned());
            let _ = writeln!(
                text,
                "| {what} | {} | {} |",
                cell("classic"),
                cell("native")
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_a_run_replace_those_of_the_run_before() {
        let outcome = |server: &str, result| Outcome {
            subject: "files".to_owned(),
            scenario: "own_templates".to_owned(),
            sidecars: "classic".to_owned(),
            server: server.to_owned(),
            result,
            seconds: 5,
        };
        let figure = |value| Figure {
            sidecars: "classic".to_owned(),
            what: "deletion".to_owned(),
            value,
            unit: "s".to_owned(),
        };
        let report = Report {
            selection: FULL.to_owned(),
            programs: vec![("kubelet".to_owned(), "v1.36.3".to_owned())],
            subjects: vec![("files".to_owned(), "secrets become files".to_owned())],
            results: vec![
                outcome("Vault", Ending::Passed),
                outcome("OpenBao", Ending::Failed),
                outcome("OpenBao", Ending::NotRun),
            ],
            figures: vec![figure(5.0), figure(6.25)],
            seconds: 61,
        };
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let page = report.write_into(&page).unwrap();
        let expected = "before
<!-- BEGIN: written by make tested -->

| program | version |
| --- | --- |
| kubelet | v1.36.3 |

Scenarios that passed, of those that were run:

| what | in | Vault, classic | OpenBao, classic |
| --- | --- | --- | --- |
| secrets become files | files.rs | 1 of 1 | 0 of 1 |

1 of 2 passed, in 2 minutes. Not run in this cluster: own_templates.

What they measured, from the least to the most:

| what | classic | native |
| --- | --- | --- |
| deletion | 5.0 to 6.2 s | - |

<!-- END: written by make tested -->
after
";
        assert_eq!(page, expected);
    }
}
