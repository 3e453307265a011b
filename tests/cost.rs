//! What fixed requests cost in the module, compared with the bounds in `tests/cost/bounds.yaml`, so that no change
//! makes the policy slower, hungrier or larger unseen.
//!
//! Costs are not times. A time differs from machine to machine and from run to run; fuel, which the interpreter counts while
//! the module runs, does not: with the pinned Rust and the locked crates the same module burns the same fuel for a request
//! everywhere. Fuel is not instructions either: whoever enters a function, a loop or an arm of an `if` pays for all of its
//! instructions, those that a branch then skips too. It shows what a change of the sources costs; what a change of the
//! compiler's flags costs, only `make bench` shows.
//!
//! The module itself is not quite the same everywhere: the paths of the crates' sources are in it, for panics. They
//! make its size differ by some hundred bytes, and move the heap: then memory can be a page more or less, and fuel
//! half a percent, because a buffer that grows is copied or is not.
//!
//! `make cost` prints the table; `UPDATE_GOLDEN=1 make cost` writes the bounds anew, with a margin for that. A cost far
//! below its bound fails too: the bound is to be written anew, so that the gain is kept.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use golden_cases::Outcome;
use policy_host::{Cost, Policy, Request};
use serde_json::{Value, json};
use support::{module_bytes, read_yaml, root};

/// The unit of a cost that comes in pages.
const MEMORY: &str = "memoryBytes";
const PAGE: u64 = 64 * 1024;

/// What a module may have, whatever else: docs/performance.md says why.
const MOST_BYTES: u64 = 950_000;

/// One cost: of what, in which unit, and how much.
struct Measured {
    subject: &'static str,
    unit: &'static str,
    value: u64,
}

#[test]
fn costs_are_within_their_bounds() {
    let measured = measure();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(bounds_path(), written(&measured)).expect("the bounds can be written");
    }
    let bounds = read_yaml(&bounds_path());
    print!("{}", table(&measured, &bounds));
    let complaints = complaints(&measured, &bounds);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn bounds_path() -> PathBuf {
    root().join("tests/cost/bounds.yaml")
}

fn measure() -> Vec<Measured> {
    let module = module_bytes();
    let policy = Policy::from_bytes(&module).expect("policy.wasm is a waPC module");
    // Every instance costs the same, whatever it is called with.
    let instance = policy.measure("protocol_version", &[]).expect("it has one");
    let mut measured = vec![
        of("module", "bytes", module.len() as u64),
        of("instantiation", "fuel", instance.instantiation_fuel),
    ];
    let mut of_unknown_mode = request("deployment-pod");
    of_unknown_mode["object"]["metadata"]["annotations"]["sidecar.vault.talend.org/mode"] =
        json!("unknown");
    let mut of_agent_injector = request("deployment-pod");
    of_agent_injector["object"]["metadata"]["annotations"] = json!({
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/role": "orders",
        "vault.hashicorp.com/agent-inject-secret-db": "secret/data/shop/orders",
    });
    let (defaults, agent_injector) = (json!({}), json!({"agentInjector": {"enabled": true}}));
    for (subject, request, settings, outcome) in [
        ("plain-pod", request("plain-pod"), &defaults, "unchanged"),
        (
            "deployment-pod",
            request("deployment-pod"),
            &defaults,
            "injected",
        ),
        ("job-pod", request("job-pod"), &defaults, "injected"),
        (
            "native-job-pod",
            request("native-job-pod"),
            &defaults,
            "injected",
        ),
        (
            "pod-of-unknown-mode",
            of_unknown_mode,
            &defaults,
            "rejected",
        ),
        (
            "agent-injector-pod",
            of_agent_injector,
            &agent_injector,
            "injected",
        ),
    ] {
        let cost = evaluate(&policy, &request, settings, outcome);
        measured.push(of(subject, "fuel", cost.fuel));
        measured.push(of(subject, MEMORY, cost.memory_bytes));
    }
    measured
}

fn of(subject: &'static str, unit: &'static str, value: u64) -> Measured {
    Measured {
        subject,
        unit,
        value,
    }
}

/// A request of `test_data/requests`.
fn request(name: &str) -> Value {
    let path = root().join(format!("test_data/requests/{name}.json"));
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("a request is JSON")
}

/// The cost of a request that comes out as expected: that of another outcome would mean something else.
fn evaluate(policy: &Policy, request: &Value, settings: &Value, outcome: &str) -> Cost {
    let request = Request::from_json(request).expect("it is an admission request");
    let payload = policy_host::payload(&request, settings).expect("settings are an object");
    let cost = policy
        .measure("validate", &payload)
        .expect("validate never fails");
    let answer = serde_json::from_slice(&cost.answer).expect("an answer is JSON");
    assert_eq!(Outcome::of(&answer).verdict.key(), outcome, "{answer}");
    cost
}

/// What is wrong, with all that is needed to put it right.
fn complaints(measured: &[Measured], bounds: &Value) -> Vec<String> {
    const WRITE: &str = "write the bounds anew with `UPDATE_GOLDEN=1 make cost`";
    let complaint = |cost: &Measured| {
        let Measured {
            subject,
            unit,
            value,
        } = cost;
        let Some(bound) = bounds[subject][unit].as_u64() else {
            return Some(format!(
                "{subject}: {value} {unit}, and there is no bound: {WRITE}"
            ));
        };
        if *value > bound {
            return Some(format!(
                "{subject}: {value} {unit}, and the bound is {bound}: make it cheaper, or if it is worth that, {WRITE}"
            ));
        }
        is_far_below(cost, bound).then(|| {
            format!("{subject}: {value} {unit}, far below the bound of {bound}: to keep the gain, {WRITE}")
        })
    };
    measured.iter().filter_map(complaint).collect()
}

/// Whether a gain is large enough that one wants to keep it; it is more than the margin.
fn is_far_below(cost: &Measured, bound: u64) -> bool {
    let is_memory_within_two_pages = cost.unit == MEMORY && cost.value + 2 * PAGE >= bound;
    cost.value < bound * 9 / 10 && !is_memory_within_two_pages
}

/// The bounds' file: what was measured, and the margin.
fn written(measured: &[Measured]) -> String {
    let mut text = "# The bounds that tests/cost.rs compares costs with; `UPDATE_GOLDEN=1 make cost` writes them anew.\n".to_owned();
    let mut subject = "";
    for cost in measured {
        if cost.subject != subject {
            subject = cost.subject;
            writeln!(text, "{subject}:").expect("a string takes everything");
        }
        writeln!(text, "  {}: {}", cost.unit, with_margin(cost))
            .expect("a string takes everything");
    }
    text
}

/// A page more for memory, and else 2 % in round figures, of which three digits count.
fn with_margin(cost: &Measured) -> u64 {
    if cost.unit == MEMORY {
        return cost.value + PAGE;
    }
    let value = cost.value + cost.value.div_ceil(50);
    let unit = 10_u64.pow(value.checked_ilog10().unwrap_or(0).saturating_sub(2));
    let bound = value.next_multiple_of(unit);
    match cost.unit {
        "bytes" => bound.min(MOST_BYTES),
        _ => bound,
    }
}

fn table(measured: &[Measured], bounds: &Value) -> String {
    let mut text = format!("{:20} {:11} {:>10} {:>10}\n", "", "", "measured", "bound");
    for Measured {
        subject,
        unit,
        value,
    } in measured
    {
        let bound = bounds[subject][unit].to_string();
        writeln!(text, "{subject:20} {unit:11} {value:>10} {bound:>10}")
            .expect("a string takes everything");
    }
    text
}

#[test]
fn what_is_written_is_a_bound_for_what_was_measured() {
    let measured = [
        of("pod", "fuel", 98_765),
        of("pod", MEMORY, 2 * PAGE),
        of("none", "fuel", 0),
    ];
    let bounds: Value = yaml_serde::from_str(&written(&measured)).expect("it is YAML");
    assert_eq!(
        bounds,
        json!({"pod": {"fuel": 101_000, "memoryBytes": 3 * PAGE}, "none": {"fuel": 0}})
    );
    assert_eq!(complaints(&measured, &bounds), [""; 0]);
    for value in 0..2000 {
        let measured = [of("pod", "fuel", value), of("pod", MEMORY, value * PAGE)];
        let bounds = yaml_serde::from_str(&written(&measured)).expect("it is YAML");
        assert_eq!(complaints(&measured, &bounds), [""; 0]);
    }
}

#[test]
fn a_cost_has_to_be_at_its_bound_or_a_little_below() {
    let complaint = |fuel| {
        let bounds = json!({"pod": {"fuel": 1000}});
        complaints(&[of("pod", "fuel", fuel)], &bounds).pop()
    };
    assert_eq!(
        complaint(1001).as_deref(),
        Some(
            "pod: 1001 fuel, and the bound is 1000: make it cheaper, or if it is worth that, \
             write the bounds anew with `UPDATE_GOLDEN=1 make cost`"
        )
    );
    assert_eq!(complaint(1000), None);
    assert_eq!(complaint(900), None);
    assert_eq!(
        complaint(899).as_deref(),
        Some(
            "pod: 899 fuel, far below the bound of 1000: to keep the gain, \
             write the bounds anew with `UPDATE_GOLDEN=1 make cost`"
        )
    );
}

#[test]
fn memory_may_be_two_pages_below_its_bound() {
    let complaints = |pages| {
        let bounds = json!({"pod": {"memoryBytes": 6 * PAGE}});
        complaints(&[of("pod", MEMORY, pages * PAGE)], &bounds).len()
    };
    assert_eq!([7, 6, 5, 4, 3].map(complaints), [1, 0, 0, 0, 1]);
}

#[test]
fn a_cost_without_a_bound_fails() {
    assert_eq!(
        complaints(&[of("pod", "fuel", 1)], &json!({})),
        [
            "pod: 1 fuel, and there is no bound: write the bounds anew with `UPDATE_GOLDEN=1 make cost`"
        ]
    );
}
