//! What is evaluated: requests as policy-server passes them on, each with the outcome that it must have, so that
//! nothing is measured that does something else than its name says.

use anyhow::Context;
use policy_host::{Request, payload};
use serde_json::{Value, json};

use crate::numbers::Outcome;

/// What the pod without annotations is called; a target names it.
pub(crate) const PLAIN_NAME: &str = "un-annotated pod";
/// What the pod with both sidecars is called; a target names it.
pub(crate) const ANNOTATED_NAME: &str = "annotated pod";

/// What un-annotated pods of more and more containers are called; the plot shows them.
pub(crate) const PLAIN_CONTAINERS: &str = "containers, un-annotated";
/// What annotated pods of more and more containers are called; the plot shows them.
pub(crate) const ANNOTATED_CONTAINERS: &str = "containers, annotated";

const PLAIN: &str = include_str!("../../test_data/requests/plain-pod.json");
const ANNOTATED: &str = include_str!("../../test_data/requests/deployment-pod.json");
const NATIVE_JOB: &str = include_str!("../../test_data/requests/native-job-pod.json");
/// Every setting there is, with the default of each.
const SETTINGS: &str = include_str!("../../docs/reference/settings-example.yaml");

const CONTAINERS: &[usize] = &[1, 2, 5, 10, 20, 50, 100, 200];
const DESTINATIONS: &[usize] = &[1, 2, 5, 10, 20, 50, 100];
const KIBIBYTES: &[usize] = &[1, 2, 4, 8, 16, 32, 64];

/// One request.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) payload: Vec<u8>,
}

/// Requests that differ in the amount of one thing.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// What there are more and more of.
    pub(crate) unit: &'static str,
    pub(crate) cases: Vec<(usize, Case)>,
}

/// The requests of the table.
pub(crate) fn cases() -> anyhow::Result<Vec<Case>> {
    let annotated = request(ANNOTATED)?;
    let mut rejected = annotated.clone();
    annotate(&mut rejected, "secrets-destination", "../orders.properties");
    let settings: Value = yaml_serde::from_str(SETTINGS)?;

    Ok(vec![
        case(PLAIN_NAME, Outcome::Accepted, &request(PLAIN)?, &json!({}))?,
        case(ANNOTATED_NAME, Outcome::Mutated, &annotated, &json!({}))?,
        case(
            "annotated pod, every setting given",
            Outcome::Mutated,
            &annotated,
            &settings,
        )?,
        case("rejected pod", Outcome::Rejected, &rejected, &json!({}))?,
        case(
            "pod of a Job, native sidecars",
            Outcome::Mutated,
            &request(NATIVE_JOB)?,
            &json!({}),
        )?,
    ])
}

/// The requests that show how the cost grows.
pub(crate) fn series() -> anyhow::Result<Vec<Series>> {
    let plain = request(PLAIN)?;
    let annotated = request(ANNOTATED)?;
    Ok(vec![
        Series {
            name: PLAIN_CONTAINERS,
            unit: "containers",
            cases: cases_of(CONTAINERS, Outcome::Accepted, |amount| {
                with_containers(&plain, amount)
            })?,
        },
        Series {
            name: ANNOTATED_CONTAINERS,
            unit: "containers",
            cases: cases_of(CONTAINERS, Outcome::Mutated, |amount| {
                with_containers(&annotated, amount)
            })?,
        },
        Series {
            name: "destinations",
            unit: "destinations",
            cases: cases_of(DESTINATIONS, Outcome::Mutated, |amount| {
                with_destinations(&annotated, amount)
            })?,
        },
        Series {
            name: "template",
            unit: "KiB",
            cases: cases_of(KIBIBYTES, Outcome::Mutated, |amount| {
                with_template(&annotated, amount * 1024)
            })?,
        },
    ])
}

fn cases_of(
    amounts: &[usize],
    outcome: Outcome,
    request: impl Fn(usize) -> Value,
) -> anyhow::Result<Vec<(usize, Case)>> {
    let case = |amount: &usize| {
        let name = amount.to_string();
        let case = case(&name, outcome, &request(*amount), &json!({}))?;
        Ok((*amount, case))
    };
    amounts.iter().map(case).collect()
}

fn case(name: &str, outcome: Outcome, request: &Value, settings: &Value) -> anyhow::Result<Case> {
    let request = Request::from_json(request)
        .with_context(|| format!("the request of {name} is not complete"))?;
    Ok(Case {
        name: name.to_owned(),
        outcome,
        payload: payload(&request, settings)?,
    })
}

fn request(text: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(text)?)
}

fn annotate(request: &mut Value, key: &str, value: &str) {
    let name = format!("sidecar.vault.talend.org/{key}");
    request["object"]["metadata"]["annotations"][name] = json!(value);
}

/// The pod with its first container so many times, each with a name of its own.
fn with_containers(request: &Value, amount: usize) -> Value {
    let mut request = request.clone();
    let containers = &mut request["object"]["spec"]["containers"];
    let first = containers[0].clone();
    let numbered = |number| {
        let mut container = first.clone();
        container["name"] = json!(format!("orders-{number}"));
        container
    };
    *containers = (0..amount).map(numbered).collect();
    request
}

fn with_destinations(request: &Value, amount: usize) -> Value {
    let list = |item: fn(usize) -> String| (0..amount).map(item).collect::<Vec<_>>().join(",");
    let paths = list(|number| format!("secret/shop/orders-{number}"));
    let destinations = list(|number| format!("orders-{number}.properties"));
    let mut request = request.clone();
    annotate(&mut request, "secrets-path", &paths);
    annotate(&mut request, "secrets-destination", &destinations);
    request
}

/// The pod with a template of so many bytes: settings of an application, each line with a secret in it.
fn with_template(request: &Value, bytes: usize) -> Value {
    const BEGIN: &str = "{{ with secret \"secret/shop/orders\" -}}\n";
    const LINE: &str = "application.database.password={{ index .Data.data \"password\" }}\n";
    const END: &str = "{{ end }}\n";
    let room = bytes - BEGIN.len() - END.len();
    let lines = LINE.repeat(room / LINE.len());
    let rest = "#".repeat(room % LINE.len());
    let mut request = request.clone();
    annotate(
        &mut request,
        "secrets-template",
        &format!("{BEGIN}{lines}{rest}{END}"),
    );
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(case: &Case) -> Value {
        let payload: Value = serde_json::from_slice(&case.payload).unwrap();
        payload["request"]["object"].clone()
    }

    #[test]
    fn the_series_have_as_much_of_one_thing_as_they_say() {
        let annotation = |object: &Value, key: &str| {
            let name = format!("sidecar.vault.talend.org/{key}");
            let value = &object["metadata"]["annotations"][name];
            value.as_str().unwrap_or_default().to_owned()
        };
        for series in series().unwrap() {
            for (amount, case) in &series.cases {
                let object = object(case);
                let found = match series.unit {
                    "containers" => object["spec"]["containers"].as_array().unwrap().len(),
                    "destinations" => annotation(&object, "secrets-destination")
                        .split(',')
                        .count(),
                    "KiB" => annotation(&object, "secrets-template").len() / 1024,
                    other => panic!("{other}"),
                };
                assert_eq!(found, *amount, "{}", series.name);
            }
        }
    }

    #[test]
    fn a_pod_in_the_table_has_the_size_of_usual_pods() {
        for case in cases().unwrap() {
            let bytes = case.payload.len();
            assert!((2_000..10_000).contains(&bytes), "{}: {bytes}", case.name);
        }
    }
}
