//! A Kubewarden policy that gives pods their secrets from HashiCorp Vault or OpenBao.
//!
//! This file holds the entry points only. An evaluation goes through the rooms in one direction:
//! [`admission`] decodes the request, [`workload`] finds the pod, [`annotations`] and [`intent`] read what
//! it asks for, [`injection`] decides what to add, [`patch`] adds it, and [`admission`] encodes the answer.

mod admission;
mod annotations;
mod config;
mod injection;
mod intent;
mod json;
mod kubernetes;
mod patch;
mod pod;
mod settings;
mod sorted;
mod suggestion;
mod workload;

use std::fmt::Display;

use admission::{Answer, Request};
use annotations::Annotations;
pub use annotations::Key;
use injection::{Injection, MOST_ADDED, Surroundings, update};
use intent::{Ask, Intent, Subject};
use json::Json;
use kubewarden_policy_sdk::settings::SettingsValidationResponse;
use kubewarden_policy_sdk::wapc_guest::{CallResult, register_function};
use patch::Patched;
use pod::Pod;
use settings::{Identity, Settings};
pub use suggestion::nearest;
pub use workload::template_path;
use workload::{MOST_BYTES, PodTemplate};

/// Called by the host once for each instance.
#[allow(unsafe_code, reason = "the name is the waPC protocol's")]
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function(
        "protocol_version",
        kubewarden_policy_sdk::protocol_version_guest,
    );
}

/// The waPC function `validate`: an admission request and the settings in, a validation response out.
pub fn validate(payload: &[u8]) -> CallResult {
    Ok(review(payload).encode())
}

/// The waPC function `validate_settings`: settings in, what is wrong with them out.
pub fn validate_settings(payload: &[u8]) -> CallResult {
    let problems = Settings::parse(payload).err();
    Ok(serde_json::to_vec(&SettingsValidationResponse {
        valid: problems.is_none(),
        message: problems.map(|problems| problems.to_string()),
    })?)
}

/// What is wrong with settings, as `validate_settings` tells it: where each problem is (`vault.address`; empty for
/// the settings as a whole), and what is allowed there.
pub fn settings_problems(payload: &[u8]) -> Vec<(String, String)> {
    let problems = match Settings::parse(payload) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0,
    };
    problems
        .into_iter()
        .map(|problem| (problem.path, problem.message))
        .collect()
}

/// What in settings that are valid does not do what it seems to: where it is, and why.
pub fn settings_warnings(payload: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(settings) = Settings::parse(payload) else {
        return Vec::new();
    };
    let restrictions = &settings.restrictions;
    let lists = [
        ("restrictions.allowedImages", &restrictions.allowed_images),
        ("restrictions.allowedRoles", &restrictions.allowed_roles),
        (
            "restrictions.allowedVaultPaths",
            &restrictions.allowed_vault_paths,
        ),
    ];
    let warning = |pattern: &settings::Pattern| {
        format!(
            "pattern {} may let one namespace or service account take what is another's; put a letter that no such name has between them, such as _ or /",
            pattern.as_str()
        )
    };
    lists
        .into_iter()
        .flat_map(|(path, patterns)| {
            let patterns = patterns.iter().flatten().filter(|it| it.joins_names());
            patterns.map(move |pattern| (path, warning(pattern)))
        })
        .collect()
}

/// The decision, a pure function of the payload.
fn review(payload: &[u8]) -> Answer<'_> {
    let mut warnings = Vec::new();
    match decide(payload, &mut warnings) {
        Ok(None) => Answer::Accept { warnings },
        Ok(Some(object)) => Answer::Mutate { object, warnings },
        // What a rejection comes from may be in a warning: a mistyped annotation.
        Err(message) => Answer::Reject { message, warnings },
    }
}

/// The object as it is to be, `None` for as it is, or why it is refused.
fn decide<'a>(
    payload: &'a [u8],
    warnings: &mut Vec<String>,
) -> Result<Option<Patched<'a>>, String> {
    let request = Request::decode(payload)?;
    if let Some((old, new)) = workload::changed_pod(&request).map_err(text)? {
        decide_change(&request, old, new, warnings)?;
        return Ok(None);
    }
    if PodTemplate::is_in(&request) && is_too_large(&request)? {
        return Ok(None);
    }
    let template = match PodTemplate::find(&request).map_err(text)? {
        Some(template) if template.may_ask() && !template.is_left_alone() => template,
        _ => return Ok(None),
    };
    let Some(settings) = settings_for(&request)? else {
        return Ok(None);
    };

    let prefix = settings.annotations.prefix.as_str();
    let Some(annotations) = Annotations::read(&template.annotations, prefix).map_err(text)? else {
        warnings.extend(misplaced(&template, &settings));
        return Ok(None);
    };
    match intent::asks(&annotations) {
        Ask::No => return Ok(None),
        Ask::Unclear(warning) => {
            warnings.push(warning);
            return Ok(None);
        }
        Ask::Yes => {}
    }

    let path = template
        .workload
        .as_ref()
        .map_or("", |workload| workload.path);
    let malformed = |problem: pod::Malformed| problem.below(path).to_string();
    let labels = template.labels().map_err(malformed)?;
    let spec = template
        .spec
        .ok_or_else(|| malformed(pod::Malformed::new("spec", "missing")))?;
    let pod = Pod::read(spec).map_err(malformed)?;
    let subject = Subject {
        annotations: &annotations,
        labels: &labels,
        is_of_job: template.is_of_job(),
        identity: Identity {
            namespace: &request.namespace,
            service_account: pod.service_account(),
        },
    };
    let intent = Intent::read(subject, &settings, warnings).map_err(text)?;
    let surroundings = Surroundings {
        is_template: template.workload.is_some(),
        annotations: &template.annotations,
    };
    let injection =
        Injection::plan(&intent, &pod, &settings, surroundings, warnings).map_err(text)?;
    let patch = patch::build(injection, &pod);
    patch::refuse_too_much(&patch).map_err(text)?;
    if template.workload.is_some() {
        // Its pods are injected when they are created; here only mistakes are told.
        return Ok(None);
    }
    Patched::new(template.object, patch).map(Some).map_err(text)
}

/// Whether an object is larger than what is looked into, and asks for nothing: one that may ask is refused. That is told
/// from its text, because to look into it would take too long. A workload that is there already is left alone, for what
/// changes may not be its template; its pods are looked at when they are created.
fn is_too_large(request: &Request<'_>) -> Result<bool, String> {
    let text = request.object.map_or("", Json::text);
    if text.len() <= MOST_BYTES {
        return Ok(false);
    }
    let settings = match &*request.operation {
        "CREATE" => settings_for(request)?,
        _ => None,
    };
    let Some(settings) = settings else {
        return Ok(true);
    };
    let inject = settings.annotations.name(Key::Inject);
    match text.contains(&format!("\"{inject}\"")) {
        true => Err(format!(
            "the object has {} bytes, and at most {MOST_BYTES} are possible with annotation {inject}",
            text.len()
        )),
        false => Ok(true),
    }
}

/// Whether a pod that is there already may become another.
fn decide_change(
    request: &Request<'_>,
    old: Json<'_>,
    new: Json<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    // An injected pod has at most what it had and what was added.
    if old.text().len().max(new.text().len()) > MOST_BYTES + MOST_ADDED {
        return match old.text().contains("\"tvsi-") {
            true => Err(format!(
                "spec: an injected pod can have at most {} bytes",
                MOST_BYTES + MOST_ADDED
            )),
            false => Ok(()),
        };
    }
    let old = Pod::read(old).map_err(text)?;
    if !update::is_injected(&old) {
        return Ok(());
    }
    let Some(settings) = settings_for(request)? else {
        return Ok(());
    };
    let new = Pod::read(new).map_err(text)?;
    update::refuse_reach(&old, &new, &settings, warnings).map_err(text)
}

/// The settings, where they do not say that pods of the request's namespace are left alone.
fn settings_for(request: &Request<'_>) -> Result<Option<Settings>, String> {
    let settings = request.settings.map_or("", |settings| settings.text());
    let settings = Settings::parse(settings.as_bytes())
        .map_err(|problems| format!("the settings of the policy are not valid: {problems}"))?;
    let is_ignored = |ignored: &settings::DnsLabel| ignored.as_str() == request.namespace;
    match settings.ignored_namespaces.iter().any(is_ignored) {
        true => Ok(None),
        false => Ok(Some(settings)),
    }
}

/// Tells of an annotation on a workload that has an effect only on its pods.
fn misplaced(template: &PodTemplate<'_>, settings: &Settings) -> Option<String> {
    let workload = template.workload.as_ref()?;
    let inject = settings.annotations.name(Key::Inject);
    workload.annotations.get(&inject)?;
    Some(format!(
        "annotation {inject} has no effect here; it belongs in {}.metadata.annotations",
        workload.path
    ))
}

fn text(error: impl Display) -> String {
    error.to_string()
}
