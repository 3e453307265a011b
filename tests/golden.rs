//! The golden cases of `test_data/inject`: a pod in, and what becomes of it, natively and through the module.
//!
//! `make golden` writes the outcomes anew; read the difference before you commit it.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use support::kept::contains;
use support::{Case, Outcome, evaluate_module, evaluate_natively, without_scripts};

fn main() {
    let arguments = Arguments::from_args();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut trials = Vec::new();
    for case in Case::all() {
        if update {
            case.write(&Outcome::of(&evaluate_natively(&case.payload())));
        }
        trials.extend(trials_of(&case));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials_of(case: &Case) -> Vec<Trial> {
    let trial = |group: &str, check: fn(&Case) -> Result<(), Failed>| {
        let case = case.clone();
        Trial::test(format!("{group}::{}", case.name), move || check(&case))
    };
    vec![
        trial("native", |case| {
            has_expected_outcome(case, &evaluate_natively(&case.payload()))
        }),
        trial("module", |case| {
            has_expected_outcome(case, &evaluate_module(&case.payload()))
        }),
        trial("nothing_lost", nothing_is_lost),
        trial("only_adds", patch_only_adds),
        trial("once", is_injected_once),
    ]
}

fn has_expected_outcome(case: &Case, answer: &Value) -> Result<(), Failed> {
    let Some(expected) = case.expected() else {
        return Err("the case has no outcome; run `make golden`".into());
    };
    let outcome = Outcome::of(answer);
    if outcome == expected {
        return Ok(());
    }
    let shown = |outcome: &Outcome| json!({outcome.file: without_scripts(outcome.value.clone()), "warnings": outcome.warnings});
    let difference = policy_host::diff::plain(
        &shown(&expected),
        &shown(&outcome),
        ("expected", "evaluated"),
    );
    Err(difference
        .map_err(|error| error.to_string())?
        .unwrap_or_default()
        .into())
}

/// The injected pod, where the case has one.
fn injected(case: &Case) -> Option<Value> {
    let outcome = Outcome::of(&evaluate_natively(&case.payload()));
    (outcome.file == "injected.yaml").then_some(outcome.value)
}

/// Everything that was submitted is in the injected pod, in its place and its order.
fn nothing_is_lost(case: &Case) -> Result<(), Failed> {
    match injected(case) {
        Some(injected) => contains(&injected, &case.object(), "").map_err(Failed::from),
        None => Ok(()),
    }
}

/// The patch that reaches the API server adds, and neither removes nor replaces anything but null; entries behind inserted
/// ones move, and a hook may be put before a container's own.
fn patch_only_adds(case: &Case) -> Result<(), Failed> {
    let Some(injected) = injected(case) else {
        return Ok(());
    };
    let object = case.object();
    let hooked =
        injected["spec"]["containers"][0]["name"] != object["spec"]["containers"][0]["name"];
    let shifted = object["spec"]["initContainers"]
        .as_array()
        .is_some_and(|containers| !containers.is_empty());
    // Words before a command shift those of it.
    let has_env = |container: &Value| {
        let first = container["command"][0].as_str();
        first.is_some_and(|word| word.starts_with("/opt/talend/tvsi-env/"))
    };
    let prefixed = injected["spec"]["containers"]
        .as_array()
        .is_some_and(|containers| containers.iter().any(has_env));
    if hooked || shifted || prefixed {
        return Ok(());
    }
    let response = support::module()
        .validate(&case.request_for(&object), &case.settings())
        .map_err(|error| error.to_string())?;
    let patch = response.json_patch().map_err(|error| error.to_string())?;
    let patch = serde_json::to_value(patch).map_err(|error| error.to_string())?;
    for operation in patch.as_array().into_iter().flatten() {
        let submitted = operation["path"]
            .as_str()
            .and_then(|path| object.pointer(path));
        if operation["op"] != "add" && submitted != Some(&Value::Null) {
            return Err(format!("not an addition: {operation}").into());
        }
    }
    Ok(())
}

/// Evaluated again, an injected pod stays as it is; without its status it is a clash, never a second
/// injection.
fn is_injected_once(case: &Case) -> Result<(), Failed> {
    let Some(mut injected) = injected(case) else {
        return Ok(());
    };
    let again = evaluate_natively(&case.payload_with(&injected));
    if again != json!({"accepted": true}) {
        return Err(format!("an injected pod is evaluated again: {again}").into());
    }
    let annotations = injected["metadata"]["annotations"]
        .as_object_mut()
        .expect("an injected pod has annotations");
    annotations.retain(|name, _| !name.ends_with("/status"));
    let without_status = evaluate_natively(&case.payload_with(&injected));
    let message = without_status["message"].as_str().unwrap_or_default();
    if without_status["code"] != 422 || !message.contains("tvsi-") {
        return Err(format!("without its status: {without_status}").into());
    }
    Ok(())
}
