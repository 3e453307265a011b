//! A Kubewarden policy that gives pods their secrets from HashiCorp Vault or OpenBao.
//!
//! This file holds the entry points. An evaluation goes through the rooms in one direction: [`request`] decodes the
//! payload, [`workload`] finds the pod (and [`search`] those of other kinds), [`annotations`] reads the policy's vocabulary,
//! [`intent`] what the pod is to get, [`inject`] plans what to add and makes a patch of it, and [`response`] encodes the answer.

mod annotations;
mod auth;
mod connection;
mod images;
mod inject;
mod intent;
mod kubernetes;
mod names;
mod path;
mod pattern;
mod pod;
mod raw;
pub mod reference;
mod rejection;
mod request;
mod response;
mod search;
mod secrets;
mod service_account;
mod settings;
mod sidecars;
mod subject;
mod values;
mod variables;
mod words;
mod workload;

use std::cell::RefCell;
use std::mem;

use kubewarden_policy_sdk::settings::SettingsValidationResponse;
use kubewarden_policy_sdk::wapc_guest::{CallResult, register_function};
use serde_json::Value;
use serde_json::value::RawValue;

use annotations::Annotations;
use images::Images;
use inject::MOST_ADDED;
use intent::Intent;
use pattern::Work;
use pod::{Pod, UNNAMED, VolumeSource};
use rejection::{Place, Rejection, Warnings, in_template, other_type, read};
use request::Payload;
use response::Response;
use search::{ANNOTATIONS, Found};
use settings::{AllInvalid, Settings};
use subject::Subject;
use words::{MOST_NAMES, set};
use workload::{MOST_BYTES, PodTemplate};

pub use annotations::{Key, Vocabulary};
pub use images::HostCall;
pub use images::NOT_FOUND as IMAGE_NOT_FOUND;
pub use words::nearest;
pub use workload::template_path;

/// The annotation of the pod that a kubelet shows in place of a static one.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The most pod templates of one object that are checked, and the most bytes of them if they are several: each costs as much
/// as a pod.
const MOST_TEMPLATES: usize = 20;
const MOST_TEMPLATE_BYTES: usize = 64 * 1024;

/// What all pods of a request share.
struct Scope<'a> {
    settings: &'a Settings,
    /// What comparing with patterns may still cost.
    work: RefCell<Work>,
    images: &'a Images<'a>,
}

impl<'a> Scope<'a> {
    fn new(settings: &'a Settings, images: &'a Images<'a>) -> Self {
        Scope {
            settings,
            work: RefCell::default(),
            images,
        }
    }
}

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
    validate_with(payload, &call_host)
}

/// Calls the host that runs the module.
#[cfg(target_family = "wasm")]
fn call_host(operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
    kubewarden_policy_sdk::wapc_guest::host_call("kubewarden", "oci", operation, payload)
        .map_err(|error| error.to_string())
}

/// A program that the policy is compiled into has no host.
#[cfg(not(target_family = "wasm"))]
fn call_host(_operation: &str, _payload: &[u8]) -> Result<Vec<u8>, String> {
    Err("there is no host".to_owned())
}

/// The same with another host, which looks up what images run.
pub fn validate_with(payload: &[u8], host: &HostCall<'_>) -> CallResult {
    let warnings = Warnings::default();
    let decision = decide(payload, &warnings, &Images::new(host));
    let response = Response::new(decision, warnings.into_vec());
    // What most injected pods grow by.
    let mut answer = Vec::with_capacity(payload.len() + 16 * 1024);
    serde_json::to_writer(&mut answer, &response)?;
    leave(response);
    Ok(answer)
}

/// Leaves what is large to the end of the module's instance, which policy-server and kwctl make anew for each evaluation: to
/// free what an injected pod is made of takes 15 % of the instructions.
fn leave<T>(value: T) {
    if cfg!(target_family = "wasm") {
        mem::forget(value);
    }
}

/// The waPC function `validate_settings`: settings in, what is wrong with them out.
pub fn validate_settings(payload: &[u8]) -> CallResult {
    let invalid = Settings::parse(payload).err();
    Ok(serde_json::to_vec(&SettingsValidationResponse {
        valid: invalid.is_none(),
        message: invalid.map(|invalid| invalid.to_string()),
    })?)
}

/// What is wrong with settings, as `validate_settings` reports it: where each problem is (`vault.address`; empty for
/// the settings as a whole), and what is expected there.
pub fn settings_problems(payload: &[u8]) -> Vec<(String, String)> {
    let invalid = Settings::parse(payload).err();
    let invalid = invalid.into_iter().flat_map(|AllInvalid(invalid)| invalid);
    invalid
        .map(|invalid| (invalid.path, invalid.problem))
        .collect()
}

/// What in settings that are valid does not do what it seems to: where it is, and why.
pub fn settings_warnings(payload: &[u8]) -> Vec<(&'static str, String)> {
    match Settings::parse(payload) {
        Ok(settings) => settings.restrictions.warnings(),
        Err(_) => Vec::new(),
    }
}

/// Where an object of a kind whose fields the policy does not know has one of the annotations `inject`: the paths of the pod
/// templates that have it, and of what else holds it.
pub fn places_of(object: &RawValue, inject: &[String]) -> (Vec<String>, Vec<String>) {
    let Found {
        templates,
        elsewhere,
    } = Found::templates(object, inject);
    let templates = templates.into_iter().map(|template| template.path);
    (templates.collect(), elsewhere)
}

/// The object as it is to be, `None` for as it is, or why it is rejected: a pure function of the payload, and of what the
/// host says of images.
fn decide(
    payload: &[u8],
    warnings: &Warnings,
    images: &Images<'_>,
) -> Result<Option<Value>, Rejection> {
    let payload = Payload::decode(payload)?;
    if let Some((old, new)) = workload::changed_pod(&payload.request)? {
        return decide_change(&payload, old, new, warnings).map(|()| None);
    }
    if !workload::may_be_annotated(&payload.request) || is_too_large(&payload, warnings)? {
        return Ok(None);
    }
    if !is_known(&payload) {
        return check_other(&payload, warnings, images).map(|()| None);
    }
    let template = match PodTemplate::find(&payload.request)? {
        Some(template) if template.may_be_annotated() && !template.is_left_alone() => template,
        _ => return Ok(None),
    };
    let Some(settings) = settings_for(&payload)? else {
        return Ok(None);
    };
    let scope = Scope::new(&settings, images);
    let decision = decide_pod(&payload, &template, &scope, warnings);
    leave(settings);
    decision
}

/// Whether the policy knows where objects of the kind hold a pod.
fn is_known(payload: &Payload<'_>) -> bool {
    let kind = &payload.request.kind;
    template_path(&kind.group, &kind.kind).is_some()
}

/// Checks the pod templates in an object of any other kind, whose controller makes pods of them, and warns where else it
/// has the annotation.
fn check_other(
    payload: &Payload<'_>,
    warnings: &Warnings,
    images: &Images<'_>,
) -> Result<(), Rejection> {
    let request = &payload.request;
    let object = request.object.filter(|it| !workload::is_left_alone(it));
    let (Some(object), Some(settings)) = (object, settings_for(payload)?) else {
        return Ok(());
    };
    let inject = settings.inject_annotations();
    let old = match request.old_object {
        // What changes may not be a template, and to look for them in both takes as long as in one twice as large.
        Some(old) if old.get().len() + object.get().len() > MOST_BYTES => return Ok(()),
        Some(old) => Found::templates(old, &inject),
        None => Found::default(),
    };
    let scope = Scope::new(&settings, images);
    let old_templates = set(old.templates.iter().map(|template| template.json.get()));
    let found = Found::templates(object, &inject);
    let mut rejection = None;
    let (mut checked, mut unchecked, mut bytes) = (0, 0, 0);
    for template in &found.templates {
        let text = template.json.get();
        if old_templates.contains(text) {
            continue;
        }
        bytes += text.len();
        if checked == MOST_TEMPLATES || (checked > 0 && bytes > MOST_TEMPLATE_BYTES) {
            unchecked += 1;
            continue;
        }
        checked += 1;
        let found = Warnings::default();
        let outcome = PodTemplate::found(template, object)
            .and_then(|template| decide_pod(payload, &template, &scope, &found));
        for warning in found.into_vec() {
            warnings.add(in_template(&warning, &template.path));
        }
        let rejected = outcome.map_err(|rejected| rejected.in_template(&template.path));
        match rejected {
            Err(rejected) if rejected.may_be_filled_in() => warnings.add(rejected.to_string()),
            Err(rejected) => _ = rejection.get_or_insert(rejected),
            Ok(_) => {}
        }
    }
    if unchecked > 0 {
        warnings.add(format!(
            "annotation {}: {unchecked} pod templates are not checked; expected at most {MOST_TEMPLATES} in an object, with {MOST_TEMPLATE_BYTES} bytes",
            inject.join(" or ")
        ));
    }
    // Who annotates all that has metadata means the pods.
    let is_meant = |path: &str| path == ANNOTATIONS && !found.templates.is_empty();
    for path in reported(&found.elsewhere) {
        if !is_meant(path) && !old.elsewhere.contains(path) {
            warnings.add(format!(
                "annotation {}: in {path} it has an effect only if the object's controller copies it to the annotations of its pods",
                inject.join(" or ")
            ));
        }
    }
    rejection.map_or(Ok(()), Err)
}

/// The places that are reported: whoever submits an object chooses how many there are.
fn reported(places: &[String]) -> impl Iterator<Item = &String> {
    places.iter().take(MOST_NAMES)
}

/// The object with the pod injected, if it is annotated.
fn decide_pod(
    payload: &Payload<'_>,
    template: &PodTemplate<'_>,
    scope: &Scope<'_>,
    warnings: &Warnings,
) -> Result<Option<Value>, Rejection> {
    let Some(subject) = subject(payload, template, scope, warnings)? else {
        return Ok(None);
    };
    let intent = Intent::read(&subject)?;
    let mut injection = inject::plan(&intent, &subject)?;
    let patch = inject::patch(&mut injection, &subject.pod);
    inject::reject_too_much(&patch)?;
    let mutated = match subject.is_template {
        // Its pods are injected when they are created; here only mistakes are reported.
        true => None,
        false => Some(inject::apply(&patch, template.object)?),
    };
    leave((intent, injection, patch));
    Ok(mutated)
}

/// The annotated pod, if it is one.
fn subject<'a>(
    payload: &'a Payload<'a>,
    template: &'a PodTemplate<'a>,
    scope: &'a Scope<'a>,
    warnings: &'a Warnings,
) -> Result<Option<Subject<'a>>, Rejection> {
    let (metadata, settings) = (&template.metadata, scope.settings);
    let Some(annotations) = Annotations::read(&metadata.annotations, &settings.words())? else {
        warn_of_misplaced(template, settings, warnings);
        return Ok(None);
    };
    if template.found.is_some() && search::are_filled_in(&annotations) {
        return Ok(None);
    }
    if !intent::is_annotated(&annotations, warnings)? {
        return Ok(None);
    }
    if !template.is_template() && metadata.annotations.has(MIRROR) {
        warnings.add(format!(
            "annotation {MIRROR}: the pod is a kubelet's copy of a static pod, which cannot be changed; it is not changed, and gets no secrets"
        ));
        return Ok(None);
    }
    let labels = match metadata.labels {
        Some(labels) => read(labels, &template.field("metadata.labels"))?,
        None => raw::Members::default(),
    };
    let field = template.field("spec");
    let mut pod: Pod<'a> = match (template.found, template.spec) {
        (Some(found), _) => search::pod(found, &annotations)?,
        (None, Some(spec)) => read(spec, &field)?,
        (None, None) => {
            return Err(Place::field(field).rejected("missing; expected an object"));
        }
    };
    if pod.all_containers().any(|it| &*it.name == UNNAMED) {
        return Err(other_type(&field));
    }
    // The StatefulSet's come in the place of its template's.
    pod.volumes.splice(..0, template.claims()?);
    if pod.containers.is_empty() {
        let containers = Place::field(template.field("spec.containers"));
        return Err(containers.rejected("none; expected at least one"));
    }
    let secrets_volume = annotations.vocabulary().names().secrets_volume;
    Ok(Some(Subject {
        annotations,
        all_annotations: &metadata.annotations,
        labels,
        secrets_volume: match pod.volume(secrets_volume).map(|it| &it.source) {
            None | Some(VolumeSource::EmptyDir { .. }) => secrets_volume,
            Some(_) => names::OWN_SECRETS_VOLUME,
        },
        pod,
        namespace: &payload.request.namespace,
        is_template: template.is_template(),
        is_of_job: template.is_of_job,
        settings,
        warnings,
        work: &scope.work,
        images: scope.images,
    }))
}

/// Whether an object is larger than what is looked into, and not annotated: one that may be annotated is rejected. Its text
/// shows that, because to look into it would take too long. A workload that is there already is left alone, because what
/// changes may not be its template; its pods are looked at when they are created.
fn is_too_large(payload: &Payload<'_>, warnings: &Warnings) -> Result<bool, Rejection> {
    let request = &payload.request;
    let Some(object) = request.object.filter(|it| it.get().len() > MOST_BYTES) else {
        return Ok(false);
    };
    let is_known = is_known(payload);
    if is_known && &*request.operation != "CREATE" {
        return Ok(true);
    }
    let Some(settings) = settings_for(payload)? else {
        return Ok(true);
    };
    let mut inject = settings.inject_annotations().into_iter();
    if let Some(inject) = inject.find(|inject| object.get().contains(&format!("\"{inject}\""))) {
        let rejection = Place::Annotation(inject).rejected(format!(
            "the object has {} bytes; expected at most {MOST_BYTES} in an object with this annotation",
            object.get().len()
        ));
        // The pods of another kind may be small.
        match is_known {
            true => return Err(rejection),
            false => warnings.add(format!("{rejection}; it is not checked")),
        }
    }
    Ok(true)
}

/// Whether a pod that is there already may become another.
fn decide_change(
    payload: &Payload<'_>,
    old: &RawValue,
    new: &RawValue,
    warnings: &Warnings,
) -> Result<(), Rejection> {
    // An injected pod has at most what it had and what was added.
    let most = MOST_BYTES + MOST_ADDED;
    if old.get().len().max(new.get().len()) > most {
        return match workload::names_ours(old) {
            true => Err(Place::field("spec").rejected(format!(
                "too large; expected at most {most} bytes in an injected pod"
            ))),
            false => Ok(()),
        };
    }
    let old = inject::Spec::read(old)?;
    if !inject::is_injected(&old) {
        return Ok(());
    }
    let Some(settings) = settings_for(payload)? else {
        return Ok(());
    };
    let new = inject::Spec::read(new)?;
    inject::reject_reach(&old, &new, &settings, warnings)
}

/// The settings, where they do not say that pods of the request's namespace are left alone.
fn settings_for(payload: &Payload<'_>) -> Result<Option<Settings>, Rejection> {
    let settings = payload.settings.map_or("", RawValue::get);
    let settings = Settings::parse(settings.as_bytes()).map_err(|invalid| {
        Place::field("settings").rejected(format!(
            "not valid; the administrator must correct {invalid}"
        ))
    })?;
    let mut ignored = settings.ignored_namespaces.iter();
    match ignored.any(|ignored| ignored.as_str() == &*payload.request.namespace) {
        true => Ok(None),
        false => Ok(Some(settings)),
    }
}

/// Warns of the annotation where it has no effect, because it is not among those of the pod or of the pod template.
fn warn_of_misplaced(template: &PodTemplate<'_>, settings: &Settings, warnings: &Warnings) {
    let belongs = template.field(ANNOTATIONS);
    for inject in settings.inject_annotations() {
        let found = Found::annotations(template.object, std::slice::from_ref(&inject));
        for path in reported(&found) {
            let place = match path.as_str() {
                ANNOTATIONS => "here".to_owned(),
                path => format!("in {path}"),
            };
            warnings.add(format!(
                "annotation {inject}: no effect {place}; it belongs in {belongs}"
            ));
        }
    }
}
