//! What the fuzz targets share: an evaluation, and what holds for the answer whatever came in.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[path = "../../tests/support/kept.rs"]
mod kept;

/// An answer of the policy, in which a mutated object is still text: it can hold what is JSON and yet no
/// [`Value`], such as a number that is too large.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub accepted: bool,
    #[serde(default)]
    pub code: Option<u16>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub mutated_object: Option<Box<RawValue>>,
}

/// Evaluates a payload of waPC function `validate`.
///
/// # Panics
///
/// If the policy fails, or answers with anything but an acceptance or a rejection with its code.
pub fn evaluate(payload: &[u8]) -> Answer {
    let answer = vault_sidecar_injector::validate(payload).expect("validate never fails");
    let answer: Answer = serde_json::from_slice(&answer).expect("an answer is JSON");
    match answer.accepted {
        true => assert!(answer.code.is_none() && answer.message.is_none()),
        false => {
            assert_eq!(answer.code, Some(422));
            assert!(answer.message.as_ref().is_some_and(|text| !text.is_empty()));
            assert!(answer.mutated_object.is_none());
        }
    }
    answer
}

/// The payload for the creation of a pod.
pub fn creation_of(pod: &Value, settings: &Value) -> Vec<u8> {
    let payload = json!({
        "request": {
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "team",
            "operation": "CREATE",
            "object": pod,
        },
        "settings": settings,
    });
    serde_json::to_vec(&payload).expect("a value can be written as JSON")
}

/// Checks an injected pod: what was submitted is in it, and what the programs are configured with is JSON
/// once Kubernetes has expanded it.
///
/// # Panics
///
/// If that is not so.
pub fn check_injected(injected: &Value, submitted: &Value) {
    let mut submitted = submitted.clone();
    // What a pod has there of another injection is replaced.
    if let Some(annotations) = submitted["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|name, _| !name.ends_with("/agent-inject-status"));
    }
    if let Err(problem) = kept::contains(injected, &submitted, "") {
        panic!("{problem}");
    }
    let configurations = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| injected["spec"][list].as_array().into_iter().flatten())
        .filter(|container| {
            let name = container["name"].as_str();
            name.is_some_and(|name| name.starts_with("tvsi-") || name.starts_with("vault-agent"))
        })
        .flat_map(|container| container["env"].as_array().into_iter().flatten())
        .filter(|variable| {
            let name = variable["name"].as_str().unwrap_or_default();
            name.starts_with("TVSI_")
                && (name.ends_with("_CONFIG") || name.ends_with("_CONFIG_FILE"))
        });
    let mut count = 0;
    for variable in configurations {
        count += 1;
        let text = variable["value"].as_str().expect("a variable has a value");
        let expanded = text.replace("$$", "$");
        assert_eq!(
            text.matches('$').count(),
            2 * expanded.matches('$').count(),
            "a single $ in {text}"
        );
        // The pod's own configuration is in a file.
        let is_path = expanded.starts_with('/');
        if let Err(error) = serde_json::from_str::<Value>(&expanded)
            && !is_path
        {
            panic!("{error} in {expanded}");
        }
    }
    assert!(
        count > 0,
        "an injected pod has a program with a configuration"
    );
}
