//! The containers that the policy adds: one folder for each program, with its container, configuration and scripts.

pub mod agent;
mod connection;
pub mod consul_template;
pub mod env_shell;
pub mod job_babysitter;
mod render;

use k8s_openapi::api::core::v1::{
    Container, EnvVar, ExecAction, Probe, ResourceRequirements, VolumeMount,
};
use serde::Serialize;

use crate::annotations::Key;
use crate::intent::{Intent, Overrides};
use crate::kubernetes::{Volumes, env, literal, read_only};
use crate::names;
use crate::rejection::{Place, Rejection};
use crate::settings::{Amounts, Program, requests_over_limits};
use crate::subject::Subject;
use crate::values::{MOST_VARIABLE, Port};

/// The text of a shell script as it goes into a container's command: what [`literal`] makes of it. Data reaches it as
/// arguments or environment.
macro_rules! script {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/doubled/", $name))
    };
}
use script;

/// Tells whether a native sidecar has what the application needs.
const READY: &str = script!("ready.sh");

/// What a container is built for.
pub struct Order<'s, 'a> {
    pub intent: &'s Intent,
    pub subject: &'s Subject<'a>,
    /// What the containers mount.
    pub volumes: &'s mut Volumes,
}

impl Order<'_, '_> {
    /// What lets a sidecar end with a job, if there is one whose end it must follow.
    fn job(&self) -> Option<Job> {
        self.intent.needs_babysitter().then(|| Job {
            mount: read_only(names::JOB_VOLUME, names::JOB_DIRECTORY),
            signal: names::JOB_SIGNAL_FILE,
            script: env("TVSI_JOB", JOB),
        })
    }
}

/// What lets a sidecar end with a job.
struct Job {
    mount: VolumeMount,
    /// The file that says that the job is done: the last of its script's arguments.
    signal: &'static str,
    script: EnvVar,
}

/// What the scripts of both sidecars do about a job.
const JOB: &str = include_str!(concat!(env!("OUT_DIR"), "/scripts/job.sh"));

/// Begins a container that runs a constant [`script!`], whose `$` are doubled, with these arguments.
fn running_script(
    name: &str,
    program: &Program,
    intent: &Intent,
    script: &str,
    arguments: &[&str],
) -> Container {
    let command = ["/bin/sh", "-c", script, name].map(str::to_owned);
    let arguments: Vec<_> = arguments.iter().copied().map(literal).collect();
    let policy = program.image_pull_policy;
    Container {
        name: name.to_owned(),
        image: Some(program.image.as_str().to_owned()),
        image_pull_policy: policy.map(|policy| policy.as_str().to_owned()),
        command: Some(command.into()),
        args: (!arguments.is_empty()).then_some(arguments),
        resources: program.resources.clone(),
        security_context: intent.security_context.clone(),
        // The end of the log becomes the message of a container that fails: `kubectl describe` shows why.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// Makes the container a native sidecar: an init container that keeps running, and of which the next
/// container waits for the startup probe, for ten minutes at the most.
fn native(container: Container, token: &str, port: Option<Port>, files: &[String]) -> Container {
    let port = port.map(|port| port.0.to_string()).unwrap_or_default();
    let mut command = ["/bin/sh", "-c", READY, "tvsi-ready", token, &port]
        .map(str::to_owned)
        .to_vec();
    command.extend(files.iter().map(|file| literal(file)));
    Container {
        restart_policy: Some("Always".to_owned()),
        startup_probe: Some(Probe {
            exec: Some(ExecAction {
                command: Some(command),
            }),
            period_seconds: Some(2),
            timeout_seconds: Some(5),
            failure_threshold: Some(300),
            ..Probe::default()
        }),
        ..container
    }
}

/// The settings of a program with what the pod wants differently. In a pod that says what all its containers may use
/// together, it has no amounts of its own: Kubernetes rejects a pod whose containers request more than the pod.
fn overridden(
    program: &Program,
    overrides: &Overrides,
    subject: &Subject<'_>,
) -> Result<Program, Rejection> {
    let name = |kind: &str, resource: &str| {
        // `ephemeral` is short for ephemeral-storage.
        let resource = resource.split('-').next().unwrap_or_default();
        let name = format!("{}-{kind}-{resource}", overrides.prefix);
        let key = Key::ALL.iter().find(|key| key.name() == name);
        let vocabulary = subject.annotations.vocabulary();
        key.map_or("", |key| vocabulary.name(*key))
    };
    let resources = program.resources.clone().unwrap_or_default();
    let resources = ResourceRequirements {
        requests: merged(resources.requests, &overrides.requests),
        limits: merged(resources.limits, &overrides.limits),
        ..resources
    };
    if let Some(over) = requests_over_limits(&resources).next() {
        let prefix = subject.annotations.prefix();
        let resource = over.resource;
        let (given, remedy) = match overrides.requests.contains_key(resource) {
            true => (
                "requests",
                format!("request less, or set {}", name("limits", resource)),
            ),
            false => (
                "limits",
                format!("set a higher limit, or {}", name("requests", resource)),
            ),
        };
        return Err(
            Place::Annotation(format!("{prefix}/{}", name(given, resource))).rejected(format!(
                "the container would request {}, which is more than its limit of {}; {remedy}",
                over.request.0, over.limit.0
            )),
        );
    }
    let has_any = resources.requests.is_some() || resources.limits.is_some();
    Ok(Program {
        image: overrides
            .image
            .clone()
            .unwrap_or_else(|| program.image.clone()),
        image_pull_policy: program.image_pull_policy,
        resources: (has_any && !subject.pod.has_resources()).then_some(resources),
    })
}

fn merged(amounts: Option<Amounts>, overrides: &Amounts) -> Option<Amounts> {
    if overrides.is_empty() {
        return amounts;
    }
    let mut amounts = amounts.unwrap_or_default();
    amounts.extend(overrides.clone());
    amounts.retain(|_, amount| !amount.0.is_empty());
    (!amounts.is_empty()).then_some(amounts)
}

/// A program's configuration as JSON, which must fit an environment variable.
fn configuration(
    subject: &Subject<'_>,
    variable: &str,
    config: &impl Serialize,
) -> Result<String, Rejection> {
    let text = serde_json::to_string(config).expect("strings can be written as JSON");
    let bytes = text.len();
    if bytes > MOST_VARIABLE {
        let annotations = &subject.annotations;
        let mut keys = [Key::SecretsTemplate, Key::Template].into_iter();
        let place = keys.find_map(|key| annotations.first_place(key));
        let place = place.unwrap_or_else(|| annotations.place(Key::SecretsTemplate));
        return Err(place.rejected(
            format!(
                "the configuration in {variable} would have {bytes} bytes, more than {MOST_VARIABLE}; use fewer or shorter templates"
            ),
        ));
    }
    Ok(text)
}
