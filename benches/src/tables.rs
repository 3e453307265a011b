//! The numbers as tables, in Markdown that can also be read in a terminal.

use std::fmt::Write as _;

use crate::growth::Growth;
use crate::numbers::{Numbers, Point, RequestNumbers, SeriesNumbers};
use crate::requests::PLAIN_NAME;

/// All tables, each under a line that says what is in it.
pub(crate) fn all(numbers: &Numbers) -> String {
    let mut sections = vec![
        "**Targets**, as ratios within this run:".to_owned(),
        targets(numbers),
        format!(
            "**Requests**, each evaluated {} times by each module, in microseconds:",
            numbers.rounds
        ),
        requests(numbers),
        format!("**Modules**; compiled {} times each:", numbers.compilations),
        modules(numbers),
        "**Growth**, as the exponent of the cost of `validate` against the size of the payload:"
            .to_owned(),
        exponents(numbers),
    ];
    for series in &numbers.scaling {
        sections.push(format!("`validate` for more and more of: {}", series.name));
        sections.push(scaling(series));
    }
    sections.join("\n\n")
}

fn targets(numbers: &Numbers) -> String {
    let ratio = |name: &str| {
        let mut named = numbers
            .requests
            .iter()
            .filter(|request| request.name == name);
        named.next().map_or(f64::NAN, validate_ratio)
    };
    let faster = ratio(PLAIN_NAME).recip();
    let bytes = numbers.policy.bytes;
    let row = |target: &str, measured: String, met: bool| {
        let met = if met { "yes" } else { "no" };
        vec![target.to_owned(), measured, met.to_owned()]
    };
    table(
        &["target", "measured", "met"],
        &[
            row(
                "un-annotated pod: cheaper than the baseline accepts it",
                format!("{faster:.2} times"),
                faster > 1.0,
            ),
            row(
                "module: at most 950 KB",
                format!("{} KB", kilobytes(bytes)),
                bytes <= 950_000,
            ),
        ],
    )
}

fn requests(numbers: &Numbers) -> String {
    let row = |request: &RequestNumbers| {
        let (policy, baseline) = (&request.policy, &request.baseline);
        vec![
            request.name.clone(),
            request.outcome.name().to_owned(),
            kilobytes(request.bytes),
            format!("{:.1}", policy.validate),
            format!("{:.1}", baseline.validate),
            format!("{:.2}", validate_ratio(request)),
            format!("{:.1}", policy.both),
            format!("{:.1}", baseline.both),
            format!("{:.2}", policy.both / baseline.both),
            (policy.memory / 1024).to_string(),
            (baseline.memory / 1024).to_string(),
        ]
    };
    let rows: Vec<_> = numbers.requests.iter().map(row).collect();
    table(
        &[
            "request",
            "outcome",
            "KB",
            "`validate`",
            "baseline's",
            "ratio",
            "with instantiation",
            "baseline's",
            "ratio",
            "memory, KiB",
            "baseline's",
        ],
        &rows,
    )
}

fn modules(numbers: &Numbers) -> String {
    let (policy, baseline) = (&numbers.policy, &numbers.baseline);
    let row = |what: &str, policy: f64, baseline: f64| {
        vec![
            what.to_owned(),
            format!("{policy:.1}"),
            format!("{baseline:.1}"),
            format!("{:.2}", policy / baseline),
        ]
    };
    table(
        &["", "policy", "baseline", "ratio"],
        &[
            row(
                "size, KB",
                policy.bytes as f64 / 1000.0,
                baseline.bytes as f64 / 1000.0,
            ),
            row(
                "compilation, ms",
                policy.compile / 1000.0,
                baseline.compile / 1000.0,
            ),
            row(
                "instantiation, µs",
                policy.instantiate,
                baseline.instantiate,
            ),
        ],
    )
}

fn exponents(numbers: &Numbers) -> String {
    let row = |series: &SeriesNumbers| {
        let sizes = &series.points[series.points.len() / 2..];
        let (from, to) = (&sizes[0], &sizes[sizes.len() - 1]);
        let policy = Growth::fit(&series.points, |point| point.policy);
        let baseline = Growth::fit(&series.points, |point| point.baseline);
        let added = |growth: &Growth| match growth.added {
            Some(exponent) => format!("{exponent:.2}"),
            None => "none".to_owned(),
        };
        vec![
            series.name.clone(),
            format!("{} to {} {}", from.amount, to.amount, series.unit),
            format!("{:.2}", policy.whole),
            format!("{:.2}", baseline.whole),
            added(&policy),
            added(&baseline),
        ]
    };
    let rows: Vec<_> = numbers.scaling.iter().map(row).collect();
    table(
        &[
            "more and more of",
            "fitted over",
            "whole",
            "baseline's",
            "added",
            "baseline's",
        ],
        &rows,
    )
}

fn scaling(series: &SeriesNumbers) -> String {
    let row = |point: &Point| {
        vec![
            point.amount.to_string(),
            kilobytes(point.bytes),
            format!("{:.1}", point.policy),
            format!("{:.1}", point.baseline),
            format!("{:.2}", point.policy / point.baseline),
        ]
    };
    let rows: Vec<_> = series.points.iter().map(row).collect();
    table(
        &[&series.unit, "KB", "`validate`", "baseline's", "ratio"],
        &rows,
    )
}

fn validate_ratio(request: &RequestNumbers) -> f64 {
    request.policy.validate / request.baseline.validate
}

fn kilobytes(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / 1000.0)
}

/// A Markdown table, its columns padded; numbers to the right.
fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let columns = headers.len();
    let is_number = |column: usize| {
        let mut cells = rows.iter().map(|row| &row[column]);
        cells.all(|cell| cell.parse::<f64>().is_ok())
    };
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([headers[column].chars().count(), 3])
            .max()
            .unwrap_or_default()
    };
    let right: Vec<_> = (0..columns).map(is_number).collect();
    let widths: Vec<_> = (0..columns).map(width).collect();

    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (column, cell) in cells.enumerate() {
            let width = widths[column];
            // Writing to a String cannot fail.
            let _ = if right[column] {
                write!(text, "| {cell:>width$} ")
            } else {
                write!(text, "| {cell:width$} ")
            };
        }
        text.push_str("|\n");
    };
    line(&mut headers.iter().copied());
    let rules: Vec<_> = (0..columns)
        .map(|column| {
            let dashes = "-".repeat(widths[column] - 1);
            dashes + if right[column] { ":" } else { "-" }
        })
        .collect();
    line(&mut rules.iter().map(String::as_str));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_numbers_to_the_right() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [row(["small", "1.5"]), row(["larger", "200"])];
        assert_eq!(
            table(&["pod", "cost"], &rows),
            "\
| pod    | cost |
| ------ | ---: |
| small  |  1.5 |
| larger |  200 |"
        );
    }
}
