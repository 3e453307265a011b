//! The golden cases of `test_data`: what is submitted, and what becomes of it, natively and through the module.
//!
//! `make golden` writes the outcomes anew; read the difference before you commit it.

mod support;

use std::sync::Arc;

use golden_cases::{Case, Outcome, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use policy_host::KnownImages;
use serde_json::{Value, json};
use support::kept::contains;
use support::{evaluate, module, native};

fn main() {
    let arguments = Arguments::from_args();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let name = arguments.filter.as_deref().unwrap_or_default();
        for case in Case::all().iter().filter(|case| case.name.contains(name)) {
            let outcome = Outcome::of(&natively(case, &case.payload()));
            if let Err(problem) = case.write(&outcome) {
                panic!("{}: {problem}", case.name);
            }
        }
    }
    let trials = Case::all().iter().flat_map(trials_of).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials_of(case: &Case) -> Vec<Trial> {
    let trial = |group: &str, check: fn(&Case) -> Result<(), Failed>| {
        let case = case.clone();
        Trial::test(format!("{group}::{}", case.name), move || check(&case))
    };
    let mut trials = vec![
        trial("native", |case| {
            has_expected_outcome(case, &natively(case, &case.payload()))
        }),
        trial("module", |case| {
            let module = module().clone().with_images(images(case));
            has_expected_outcome(case, &evaluate(&module, &case.payload()))
        }),
    ];
    if case.is_injected() {
        trials.push(trial("nothing_lost", nothing_is_lost));
        trials.push(trial("once", is_injected_once));
    }
    trials
}

/// The policy's answer where the case's images can be looked up.
fn natively(case: &Case, payload: &[u8]) -> Value {
    evaluate(&native(images(case)), payload)
}

fn images(case: &Case) -> Arc<KnownImages> {
    let mut images = KnownImages::default();
    for (name, configs) in &case.images {
        images.add(name, configs.clone());
    }
    Arc::new(images)
}

fn has_expected_outcome(case: &Case, answer: &Value) -> Result<(), Failed> {
    let Some(expected) = case.expected() else {
        return Err("the case has no outcome; run `make golden`".into());
    };
    let outcome = Outcome::of(answer);
    if outcome == expected {
        return Ok(());
    }
    let (expected, outcome) = (case.shown(&expected)?, case.shown(&outcome)?);
    Err(policy_host::diff::coloured_text(&expected, &outcome, ("expected", "evaluated")).into())
}

/// The injected pod.
fn injected(case: &Case) -> Value {
    match Outcome::of(&natively(case, &case.payload())).verdict {
        Verdict::Injected(pod) => pod,
        other => panic!("not injected: {other:?}"),
    }
}

/// Everything that was submitted is in the injected pod, in its place and its order.
fn nothing_is_lost(case: &Case) -> Result<(), Failed> {
    let mut submitted = case.object.clone();
    without_status(&mut submitted, case);
    contains(&injected(case), &submitted, "").map_err(Failed::from)
}

/// Takes away what the policy says of an injection.
fn without_status(object: &mut Value, case: &Case) {
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        for status in ["status", "agent-inject-status"] {
            annotations.remove(&format!("{}/{status}", case.prefix()));
        }
    }
}

/// Evaluated again, an injected pod stays as it is; without its status it is a clash, never a second injection.
fn is_injected_once(case: &Case) -> Result<(), Failed> {
    let mut injected = injected(case);
    let again = natively(case, &case.payload_for(&injected));
    if again != json!({"accepted": true}) {
        return Err(format!("an injected pod is evaluated again: {again}").into());
    }
    without_status(&mut injected, case);
    let without_status = natively(case, &case.payload_for(&injected));
    let message = without_status["message"].as_str().unwrap_or_default();
    if without_status["code"] != 422
        || !["tvsi-", "vault-agent"]
            .iter()
            .any(|ours| message.contains(ours))
    {
        return Err(format!("without its status: {without_status}").into());
    }
    Ok(())
}
