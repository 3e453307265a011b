//! No request of 3 MB, which is what the API server takes, costs the policy more than 300 million instructions, or 700 if it
//! changes an injected pod, or 64 MiB of memory, whatever it holds; and what a request costs grows no faster than the request.
//!
//! Whoever may create a pod chooses what is in it, and the policy server has one deadline for all. So the requests here
//! are those that one would send to make the policy slow: very many of what it looks up, compares, sorts or copies, and
//! as much of what it adds as it accepts. Each is evaluated at three sizes that are looked into, and at the largest possible.
//!
//! As in `tests/cost.rs`, costs are fuel and memory, not times: they are the same on every machine. What copying costs
//! is not in them, because fuel does not count the bytes of a `memory.copy`.
//!
//! `cargo test --test worst_cases -- --nocapture` prints the table, and with `CASE=word` in the environment only the
//! cases that have the word in their name.

#[path = "../support/mod.rs"]
mod support;

mod agent_injector;
mod annotations;
mod changes;
mod json;
mod lists;
mod other_kinds;
mod references;
mod requests;
mod settings;
mod templates;
mod workloads;

use std::error::Error;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use policy_host::Policy;
use serde::Deserialize;
use serde_json::value::RawValue;
use support::module_bytes;
use workloads::POD_UPDATE;

/// How many bytes a case fills, each time twice as many, up to the most of an object that is looked into.
const SIZES: [usize; 3] = [60_000, 120_000, 240_000];

/// The largest request: what is in it may be rejected for its size alone, and must be cheap all the same.
const FULL: usize = 3_100_000;

/// What is said where a limit is passed. Below it, such a case is injected.
const LIMITS: [&str; 7] = [
    "expected at most",
    "nested too deeply",
    "bytes would be added to the pod",
    "the configuration in",
    "takes too long to compare",
    "expected an admission request",
    "does not match the Kubernetes API",
];

/// What the API server takes: the largest size, with what stands around what is filled.
const LARGEST: usize = 3 * 1024 * 1024;

/// About 290 million instructions as wasmtime counts them, for each of which the interpreter burns about 4.4 units: a
/// policy server that compiles the module runs them in about a tenth of a second. Nearly all of it is `serde_json`'s, which
/// looks through the largest request more than once.
///
/// Names with escapes are the most expensive: with the loop that copies them not unrolled, as the module's size needs it, the
/// same code burns 1,284 million units and not 1,149. What is injected into 7,000 containers burns 1,350 million.
const MOST_FUEL: u64 = 1_360_000_000;
/// Of a change of an injected pod, which can have three times as much of what is looked into as an annotated one, and before
/// and after: about 700 million instructions.
const MOST_FUEL_OF_POD_UPDATE: u64 = 2_900_000_000;
const MOST_MEMORY: u64 = 64 * MIB;
const MIB: u64 = 1024 * 1024;

/// Sorting is allowed, and one step in which a buffer grows, which is a third of the cost at the most. Comparing all with
/// all would be 2.
const MOST_EXPONENT: f64 = 1.4;

/// What costs less may grow as it likes: a map of a dozen names compares all with all, and cheaply.
const CHEAP: u64 = MOST_FUEL / 8;

/// A request that is hard on the policy, of any size.
pub struct Case {
    name: String,
    expected: Expected,
    payload: Box<dyn Fn(usize) -> String + Send + Sync>,
}

/// What a case is answered, at every size: one that was rejected too early would measure nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// Accepted as it is.
    Accepted,
    /// Accepted with what the policy adds.
    Injected,
    /// Rejected, with this in the message.
    Rejected(&'static str),
}

/// A case whose payload, settings and all, has about as many bytes as the number given.
pub fn case(
    name: impl Into<String>,
    expected: Expected,
    payload: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Case {
    Case {
        name: name.into(),
        expected,
        payload: Box::new(payload),
    }
}

/// What a case cost at one size.
#[derive(Clone)]
struct Cost {
    bytes: usize,
    fuel: u64,
    memory: u64,
    /// What was answered, except the change itself: at another size it may have been something else.
    outcome: String,
}

/// What a case cost at the sizes that it was answered at, and what is wrong with that.
struct Measured {
    costs: Vec<Cost>,
    complaints: Vec<String>,
}

#[test]
fn no_request_is_expensive_for_its_size() {
    let chosen = std::env::var("CASE").unwrap_or_default();
    let cases: Vec<Case> = [
        json::cases(),
        agent_injector::cases(),
        references::cases(),
        annotations::cases(),
        lists::cases(),
        changes::cases(),
        templates::cases(),
        workloads::cases(),
        other_kinds::cases(),
        settings::cases(),
    ]
    .into_iter()
    .flatten()
    .filter(|case| case.name.contains(&chosen))
    .collect();
    let measured = measure_all(&cases);
    print!("{}", table(&cases, &measured));
    let complaints: Vec<_> = cases
        .iter()
        .zip(&measured)
        .filter(|(_, measured)| !measured.complaints.is_empty())
        .map(|(case, measured)| format!("{}: {}", case.name, measured.complaints.join("; ")))
        .collect();
    assert!(
        complaints.is_empty(),
        "{} of {} cases:\n{}",
        complaints.len(),
        cases.len(),
        complaints.join("\n")
    );
}

/// Measures on every core. An instance has its own fuel and memory: no case sees another.
fn measure_all(cases: &[Case]) -> Vec<Measured> {
    let policy = Policy::from_bytes(&module_bytes()).expect("policy.wasm is a waPC module");
    let next = AtomicUsize::new(0);
    let measure_some = || {
        let mut measured = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            match cases.get(index) {
                Some(case) => measured.push((index, measure(&policy, case))),
                None => return measured,
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut measured: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(measure_some)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("nothing panics while it measures"))
            .collect()
    });
    measured.sort_by_key(|(index, _)| *index);
    measured.into_iter().map(|(_, measured)| measured).collect()
}

fn measure(policy: &Policy, case: &Case) -> Measured {
    let mut costs = Vec::new();
    let mut complaints = Vec::new();
    for size in SIZES.into_iter().chain([FULL]) {
        let payload = (case.payload)(size);
        let bytes = payload.len();
        if bytes < size || bytes > LARGEST.max(size) * 11 / 10 {
            complaints.push(format!("the case has {bytes} bytes and not about {size}"));
        }
        let cost = match policy.measure("validate", payload.as_bytes()) {
            Ok(cost) => cost,
            // It would burn as much again at the next size.
            Err(error) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                complaints.push(format!("no answer at {bytes} bytes: {cause}"));
                break;
            }
        };
        if size != FULL
            && let Err(other) = case.expected.compare(&cost.answer, size == SIZES[0])
        {
            complaints.push(format!("{other}, at {bytes} bytes"));
        }
        let most = match case.name.starts_with(POD_UPDATE) {
            true => MOST_FUEL_OF_POD_UPDATE,
            false => MOST_FUEL,
        };
        if cost.fuel > most {
            complaints.push(format!(
                "{} units of fuel for {bytes} bytes, and at most {most} are allowed",
                cost.fuel
            ));
        }
        if cost.memory_bytes > MOST_MEMORY {
            complaints.push(format!(
                "{:.1} MiB for {bytes} bytes, and at most {:.1} are allowed",
                mebibytes(cost.memory_bytes),
                mebibytes(MOST_MEMORY)
            ));
        }
        costs.push(Cost {
            bytes,
            fuel: cost.fuel,
            memory: cost.memory_bytes,
            outcome: outcome(&cost.answer),
        });
    }
    if let Some(exponent) = exponent(&costs)
        && exponent > MOST_EXPONENT
        && costs.iter().any(|cost| cost.fuel > CHEAP)
    {
        complaints.push(format!(
            "its cost grows with the size to the power of {exponent:.2}, and at most {MOST_EXPONENT} is allowed"
        ));
    }
    Measured { costs, complaints }
}

/// The part of an answer that says what became of a request. What is injected may be nested too deep for a type.
#[derive(Deserialize)]
struct Answer<'a> {
    accepted: bool,
    #[serde(default)]
    message: String,
    #[serde(borrow)]
    mutated_object: Option<&'a RawValue>,
}

/// An answer without what is injected and without numbers.
fn outcome(answer: &[u8]) -> String {
    let answer: Answer<'_> = serde_json::from_slice(answer).expect("an answer is JSON");
    let message = answer.message.chars().take(300);
    let message: String = message.filter(|letter| !letter.is_numeric()).collect();
    format!(
        "{} {} {message}",
        answer.accepted,
        answer.mutated_object.is_some()
    )
}

impl Expected {
    /// What the answer is, where it is not what is expected.
    ///
    /// A larger case may pass a limit before it comes to what it is about, which the smallest must not.
    fn compare(self, answer: &[u8], is_smallest: bool) -> Result<(), String> {
        let is_of_limit = matches!(self, Expected::Rejected(part) if LIMITS.contains(&part));
        let answer: Answer<'_> = serde_json::from_slice(answer)
            .map_err(|error| format!("the answer is not JSON: {error}"))?;
        let (is_expected, found) = match (answer.accepted, answer.mutated_object) {
            (true, None) => (self == Expected::Accepted, "accepted".to_owned()),
            (true, Some(_)) => (
                self == Expected::Injected || is_of_limit,
                "injected".to_owned(),
            ),
            (false, _) => {
                let passes_limit = LIMITS.iter().any(|limit| answer.message.contains(limit));
                let is_expected = (passes_limit && (is_of_limit || !is_smallest))
                    || matches!(self, Expected::Rejected(part) if answer.message.contains(part));
                let beginning: String = answer.message.chars().take(200).collect();
                (is_expected, format!("rejected, {beginning}"))
            }
        };
        match is_expected {
            true => Ok(()),
            false => Err(format!("expected to be {self}, but it is {found}")),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Accepted => formatter.write_str("accepted"),
            Expected::Injected => formatter.write_str("injected"),
            Expected::Rejected(part) => write!(formatter, "rejected: {part}"),
        }
    }
}

/// The power of the size with which the cost grows: how much more the second doubling adds than the first one does. What
/// every request costs is in neither. `None` where it does not grow, as where a request is rejected early.
fn exponent(costs: &[Cost]) -> Option<f64> {
    let [small, middle, large, ..] = costs else {
        return None;
    };
    if small.outcome != middle.outcome || middle.outcome != large.outcome {
        return None;
    }
    let added = |from: &Cost, to: &Cost| {
        let fuel = to.fuel as f64 - from.fuel as f64;
        (fuel, to.bytes as f64 - from.bytes as f64)
    };
    let ((fuel, bytes), (more_fuel, more_bytes)) = (added(small, middle), added(middle, large));
    (fuel > 0.0 && more_fuel > 0.0).then(|| (more_fuel / fuel).ln() / (more_bytes / bytes).ln())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

/// A line for each case, with its costs where they are highest.
fn table(cases: &[Case], measured: &[Measured]) -> String {
    let mut text = format!(
        "{:82} {:>9} {:>13} {:>6} {:>8}  {:5} {}\n",
        "case", "bytes", "fuel", "MiB", "exponent", "", "outcome"
    );
    for (case, measured) in cases.iter().zip(measured) {
        let mark = match measured.complaints.is_empty() {
            true => "",
            false => "FAILS",
        };
        let costs = match measured.costs.iter().max_by_key(|cost| cost.fuel) {
            Some(cost) => format!(
                "{:9} {:13} {:6.1}",
                cost.bytes,
                cost.fuel,
                mebibytes(cost.memory)
            ),
            None => format!("{:>9} {:>13} {:>6}", "-", "-", "-"),
        };
        let exponent = exponent(&measured.costs)
            .map_or_else(|| "-".to_owned(), |exponent| format!("{exponent:.2}"));
        writeln!(
            text,
            "{:82} {costs} {exponent:>8}  {mark:5} {}",
            case.name, case.expected
        )
        .expect("a string takes everything");
    }
    text
}

#[test]
fn the_exponent_is_that_of_what_the_size_adds() {
    let of = |cost: fn(f64) -> f64| {
        let costs = SIZES.map(|bytes| Cost {
            bytes,
            fuel: cost(bytes as f64 / 1000.0) as u64,
            memory: 0,
            outcome: String::new(),
        });
        exponent(&costs).map(|exponent| (exponent * 100.0).round())
    };
    assert_eq!(of(|size| 5_000_000.0 + 30_000.0 * size), Some(100.0));
    assert_eq!(of(|size| 5_000_000.0 + 30.0 * size * size), Some(200.0));
    assert_eq!(of(|_| 5_000_000.0), None);
}
