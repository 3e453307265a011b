//! The policy's answers, from its module, with the settings by which it is most like the Agent Injector.

use policy_host::{AdmissionRequest, Guest as _, Policy, Request};
use serde_json::{Value, json};

use crate::{answer::Answer, cases::Case, files::Problem, tree::tree};

/// The settings of the comparison: the Agent Injector's own defaults, where the policy has others.
pub fn settings() -> Value {
    json!({
        "agentInjector": {"enabled": true},
        "agent": {
            "image": "hashicorp/vault:2.0.4",
            "resources": {
                "requests": {"cpu": "250m", "memory": "64Mi"},
                "limits": {"cpu": "500m", "memory": "128Mi"},
            },
        },
        "restrictions": {"allowedAddresses": ["**"]},
    })
}

/// Whether the module knows the setting that makes it read the Agent Injector's annotations, and finds nothing wrong with
/// the settings.
///
/// # Errors
///
/// [`Problem::Module`].
pub fn problem_of_settings(policy: &Policy) -> Result<Option<String>, Problem> {
    let answer = policy.validate_settings(&settings())?;
    Ok((!answer.valid).then(|| answer.message.unwrap_or_default()))
}

/// What the policy answers to a case.
///
/// # Errors
///
/// [`Problem::Module`] where the host cannot run it, and [`Problem::Answer`] for what cannot be compared.
pub fn ask(policy: &Policy, case: &Case) -> Result<Answer, Problem> {
    let creation = AdmissionRequest::creation(case.pod.clone(), &case.namespace);
    let request = Request::Admission(Box::new(creation));
    let response = policy.validate_request(&request, &settings())?;
    if !response.allowed {
        let message = response.status.and_then(|status| status.message);
        return Ok(Answer::Refused(message.unwrap_or_default()));
    }
    if response.patch.is_none() {
        return Ok(Answer::Unchanged);
    }
    let pod = response.apply_to(&case.pod)?;
    tree(&pod, &case.pod)
        .map(Answer::Injected)
        .map_err(|message| Problem::Answer {
            case: case.name.clone(),
            message,
        })
}
