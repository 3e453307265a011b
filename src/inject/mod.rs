//! What is added to a pod, and where.

mod application;
mod checks;
mod hook;
mod patch;
mod processes;
mod reserved;
mod update;

use k8s_openapi::api::core::v1::{Container, VolumeMount};
use serde_json::Value;

use crate::annotations::Key;
use crate::intent::Intent;
use crate::kubernetes::{Volume, Volumes};
use crate::names;
use crate::pod::{Command, List};
use crate::rejection::{Place, Rejection};
use crate::sidecars::{Order, agent, consul_template, env_shell, job_babysitter};
use crate::subject::Subject;
use crate::values::{Sidecars, TemplateEngine};

pub use patch::{apply, patch, reject_too_much};
pub use update::{Spec, is_injected, reject_reach};

/// The annotation by which `kubectl logs` and `exec` choose a container, if it is not the first one.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The most bytes of text that may be added to a pod: etcd rejects objects of more than 1.5 MB, and every
/// change of the pod's status carries all of it.
pub const MOST_ADDED: usize = 512 * 1024;

/// What the policy adds to a pod.
#[derive(Debug, Default)]
pub struct Injection {
    /// Annotations by their whole name.
    annotations: Vec<(String, String)>,
    volumes: Volumes,
    /// Init containers before the pod's own, except for this many of them.
    init_containers: Vec<Value>,
    behind: usize,
    /// Init containers behind the pod's own.
    last_init_containers: Vec<Value>,
    /// Sidecars before the pod's own containers.
    first_containers: Vec<Value>,
    /// Sidecars behind the pod's own containers.
    last_containers: Vec<Value>,
    changes: Vec<ContainerChange>,
    image_pull_secrets: Vec<String>,
    /// Whether the containers are to see each other's processes, which they do not yet.
    shares_process_namespace: bool,
}

/// What one of the pod's own containers gets.
#[derive(Debug)]
struct ContainerChange {
    list: List,
    /// Its place in the list as submitted.
    index: usize,
    volume_mounts: Vec<VolumeMount>,
    /// The command of its postStart hook, in place of its own.
    post_start: Option<Vec<String>>,
    /// What comes before the words of its own commands.
    words_before: Vec<(Command, Vec<String>)>,
    /// Its arguments, where those of its image must be named.
    arguments: Option<Vec<String>>,
}

impl ContainerChange {
    fn new(list: List, index: usize) -> Self {
        ContainerChange {
            list,
            index,
            volume_mounts: Vec::new(),
            post_start: None,
            words_before: Vec::new(),
            arguments: None,
        }
    }

    /// Whether the container stays as it is.
    fn is_empty(&self) -> bool {
        self.volume_mounts.is_empty() && self.post_start.is_none() && self.words_before.is_empty()
    }
}

/// Decides what is added to a pod for `intent`.
pub fn plan(intent: &Intent, subject: &Subject<'_>) -> Result<Injection, Rejection> {
    reserved::reject_uses(subject)?;
    checks::reject_clashes(intent, subject)?;
    processes::check(intent, subject)?;
    checks::warn_of_weak_spots(intent, subject);
    let of_the_job = application::of_the_job(intent, subject)?;

    let mut volumes = volumes(intent, subject);
    let changes = application::changes(intent, subject)?;
    let mut order = Order {
        intent,
        subject,
        volumes: &mut volumes,
    };
    let mut sidecars = Vec::new();
    let mut init_containers = Vec::new();
    if intent.has_sidecars() {
        sidecars.push(agent::sidecar(&mut order)?);
    }
    if intent.engine() == Some(TemplateEngine::ConsulTemplate) {
        sidecars.push(json(consul_template::sidecar(&mut order)?));
    }
    if intent.needs_babysitter() {
        sidecars.push(json(job_babysitter::sidecar(&of_the_job, &mut order)?));
        init_containers.push(json(job_babysitter::init_container(&mut order)?));
    }
    if intent.has_init_agent() {
        init_containers.push(agent::init_container(&mut order)?);
    }
    if intent.wraps_commands() {
        init_containers.push(json(env_shell::init_container(&mut order)?));
    }
    let pod_shares_processes = subject.pod.shares_process_namespace.is_some();
    let (init_containers, last_init_containers) = match intent.is_init_first {
        true => (init_containers, Vec::new()),
        false => (Vec::new(), init_containers),
    };
    let injection = Injection {
        last_init_containers,
        annotations: vec![(subject.annotations.name(Key::Status), "injected".to_owned())],
        volumes,
        init_containers,
        behind: subject.behind_mesh_proxy(),
        changes,
        image_pull_secrets: missing_image_pull_secrets(subject),
        shares_process_namespace: intent.shares_process_namespace && !pod_shares_processes,
        ..Injection::default()
    };
    Ok(injection.with_sidecars(sidecars, intent, subject))
}

fn json(container: Container) -> Value {
    serde_json::to_value(container).expect("Kubernetes' objects can be written as JSON")
}

impl Injection {
    fn with_sidecars(
        mut self,
        sidecars: Vec<Value>,
        intent: &Intent,
        subject: &Subject<'_>,
    ) -> Self {
        if intent.sidecars == Sidecars::Native {
            // The pod's own init containers can read secrets, unless they bring what is needed for it.
            match intent.reads_ids_from_files() || !intent.is_init_first {
                true => self.last_init_containers.extend(sidecars),
                false => self.init_containers.extend(sidecars),
            }
        } else if intent.waits_in_hook() {
            // The kubelet starts no container before the hook of the one before it has ended.
            self.first_containers = sidecars;
            let has_default = subject.all_annotations.has(DEFAULT_CONTAINER);
            if !has_default && let Some((_, first)) = subject.applications().next() {
                let first = (DEFAULT_CONTAINER.to_owned(), first.name.to_string());
                self.annotations.push(first);
            }
        } else {
            self.last_containers = sidecars;
        }
        self
    }
}

/// The volumes that more than one container mounts.
fn volumes(intent: &Intent, subject: &Subject<'_>) -> Volumes {
    let mut volumes = Volumes::default();
    let has_own = subject.pod.volume(subject.secrets_volume).is_some();
    if intent.uses_secrets_volume() && !has_own {
        let limit = subject.settings.secrets.size_limit.clone();
        volumes.add(Volume::in_memory(subject.secrets_volume, limit));
    }
    let directories = intent
        .secrets
        .iter()
        .flat_map(|secrets| &secrets.directories);
    for directory in directories.skip(1) {
        let limit = subject.settings.secrets.size_limit.clone();
        volumes.add(Volume::in_memory(directory.volume.clone(), limit));
    }
    let names = subject.names();
    let tokens = [
        (intent.has_init_agent(), &names.init_token),
        (intent.has_sidecars(), &names.token),
    ];
    for (_, token) in tokens.into_iter().filter(|(is_needed, _)| *is_needed) {
        volumes.add(Volume::small(token.mounted.volume, "4Mi"));
    }
    if intent.needs_babysitter() {
        volumes.add(Volume::small(names::JOB_VOLUME, "1Mi"));
    }
    if intent.variables.is_some() {
        let limit = subject.settings.secrets.size_limit.clone();
        volumes.add(Volume::in_memory(names::VALUES_VOLUME, limit));
    }
    if intent.wraps_commands() {
        volumes.add(Volume::small(names::ENV_VOLUME, "4Mi"));
    }
    volumes
}

fn missing_image_pull_secrets(subject: &Subject<'_>) -> Vec<String> {
    let has = |name: &str| {
        let mut submitted = subject.pod.image_pull_secrets.iter();
        submitted.any(|submitted| submitted.name.as_deref() == Some(name))
    };
    let secrets = subject.settings.image_pull_secrets.iter();
    secrets
        .map(|secret| secret.as_str())
        .filter(|secret| !has(secret))
        .map(str::to_owned)
        .collect()
}

fn too_much() -> Rejection {
    Place::field("spec").rejected(format!(
        "more than {MOST_ADDED} bytes would be added to the pod; use fewer or shorter templates and destinations, or inject fewer containers (annotation inject-containers)"
    ))
}
