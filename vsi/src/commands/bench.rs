//! `vsi bench`: how long a policy takes, measured the way policy-server spends the time.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use policy_host::{AdmissionResponse, Policy, payload};
use serde::Serialize;

use crate::{
    inputs::{PolicyArgument, SettingsArguments},
    printable::{self, Printable},
};

/// Measure how long the policy takes for each request
///
/// Every evaluation has a fresh instance, as in policy-server: `instantiate` is the time to make it,
/// `validate` the call alone, `both` the two together. The requests take turns, so that what
/// disturbs the machine disturbs all of them alike. Compare figures of one run only: another run, or
/// another machine, is another measure.
// The usage is spelled out because POLICY has to come before the list of files.
#[derive(Args)]
#[command(override_usage = "vsi bench [OPTIONS] [POLICY] --request-path <FILE>...")]
#[command(after_help = "\
Examples:
  vsi bench policy.wasm -r plain.json -r annotated.json
  vsi bench policy.wasm -r requests/*.json --iterations 2000 --json | jq '.requests[].validate.median'")]
pub(crate) struct Arguments {
    #[command(flatten)]
    policy: PolicyArgument,

    /// Read a request from FILE, in JSON: an AdmissionReview, or the request inside one; may be given
    /// several times
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    request_path: Vec<PathBuf>,

    #[command(flatten)]
    settings: SettingsArguments,

    /// How often each request is evaluated; a tenth as many evaluations come before, to warm up
    #[arg(long, value_name = "N", default_value = "500")]
    iterations: NonZeroUsize,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is printed; times in microseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    policy: Printable,
    module_bytes: usize,
    compile: f64,
    iterations: usize,
    unit: &'static str,
    requests: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    request: Printable,
    outcome: &'static str,
    instantiate: Summary,
    validate: Summary,
    both: Summary,
}

#[derive(Debug, PartialEq, Serialize)]
struct Summary {
    minimum: f64,
    median: f64,
    p95: f64,
}

struct Subject {
    name: Printable,
    outcome: &'static str,
    payload: Vec<u8>,
    instantiate: Vec<Duration>,
    validate: Vec<Duration>,
    both: Vec<Duration>,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings.read()?;
    let loaded = arguments.policy.load(false)?;
    loaded.check_settings(&settings)?;

    let mut subjects = Vec::with_capacity(arguments.request_path.len());
    for path in &arguments.request_path {
        let request = loaded.read_request(path, false)?;
        subjects.push(Subject {
            name: Printable::from(path),
            outcome: outcome(&loaded.policy.validate_request(&request, &settings)?),
            payload: payload(&request, &settings)?,
            instantiate: Vec::new(),
            validate: Vec::new(),
            both: Vec::new(),
        });
    }
    let iterations = arguments.iterations.get();
    for _ in 0..iterations.div_ceil(10) {
        measure_each(&loaded.policy, &mut subjects)?;
    }
    for subject in &mut subjects {
        subject.instantiate.clear();
        subject.validate.clear();
        subject.both.clear();
    }
    for _ in 0..iterations {
        measure_each(&loaded.policy, &mut subjects)?;
    }

    let report = Report {
        policy: loaded.name.clone(),
        module_bytes: loaded.size,
        compile: microseconds(loaded.compile_time),
        iterations,
        unit: "microseconds",
        requests: subjects.into_iter().map(Row::from).collect(),
    };
    let mut output = io::stdout().lock();
    if arguments.json {
        writeln!(output, "{}", printable::json(&report)?)?;
    } else {
        write_table(&mut output, &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Evaluates every subject once.
fn measure_each(policy: &Policy, subjects: &mut [Subject]) -> anyhow::Result<()> {
    for subject in subjects {
        let start = Instant::now();
        let instance = policy.instantiate()?;
        let instantiated = start.elapsed();
        let answer = instance.call("validate", &subject.payload);
        let both = start.elapsed();
        answer.with_context(|| format!("the request {} cannot be measured", subject.name))?;

        subject.instantiate.push(instantiated);
        subject.validate.push(both - instantiated);
        subject.both.push(both);
    }
    Ok(())
}

fn outcome(response: &AdmissionResponse) -> &'static str {
    match (response.allowed, &response.patch) {
        (false, _) => "rejected",
        (true, None) => "accepted",
        (true, Some(_)) => "mutated",
    }
}

impl From<Subject> for Row {
    fn from(subject: Subject) -> Self {
        Self {
            request: subject.name,
            outcome: subject.outcome,
            instantiate: Summary::of(subject.instantiate),
            validate: Summary::of(subject.validate),
            both: Summary::of(subject.both),
        }
    }
}

impl Summary {
    /// Of a non-empty series; percentiles by nearest rank.
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            microseconds(times[rank - 1])
        };
        Self {
            minimum: percentile(0),
            median: percentile(50),
            p95: percentile(95),
        }
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

fn write_table(output: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(
        output,
        "{}: {} bytes, compiled in {:.1} ms",
        report.policy,
        report.module_bytes,
        report.compile / 1000.0
    )?;
    writeln!(
        output,
        "{} evaluations of each request, taking turns; times in microseconds, comparable within this run only\n",
        report.iterations
    )?;

    let width = report
        .requests
        .iter()
        .map(|row| row.request.to_string().chars().count())
        .chain(["request".len()])
        .max()
        .unwrap_or_default();
    writeln!(
        output,
        "{:width$}  {:8}  {:11}  {:>9}  {:>9}  {:>9}",
        "request", "outcome", "part", "minimum", "median", "p95"
    )?;
    for row in &report.requests {
        let mut labels = (row.request.to_string(), row.outcome);
        for (part, summary) in [
            ("instantiate", &row.instantiate),
            ("validate", &row.validate),
            ("both", &row.both),
        ] {
            writeln!(
                output,
                "{:width$}  {:8}  {part:11}  {:>9.1}  {:>9.1}  {:>9.1}",
                labels.0, labels.1, summary.minimum, summary.median, summary.p95
            )?;
            labels = (String::new(), "");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_series() {
        let times = (1..=100).rev().map(Duration::from_micros).collect();
        assert_eq!(
            Summary::of(times),
            Summary {
                minimum: 1.0,
                median: 50.0,
                p95: 95.0
            }
        );
        assert_eq!(
            Summary::of(vec![Duration::from_nanos(1500)]),
            Summary {
                minimum: 1.5,
                median: 1.5,
                p95: 1.5
            }
        );
    }
}
