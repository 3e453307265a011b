//! What is added to a pod, so that it gets what it asks for.

mod agent;
mod application;
mod checks;
mod consul_template;
mod container;
mod environment;
mod hook;
mod job_babysitter;
pub mod names;
mod processes;
mod refusal;
mod reserved;
pub mod scripts;
mod service_account;
mod templates;
mod tls;
pub mod update;
mod volumes;

use serde::Serialize;

use crate::annotations::Key;
use crate::intent::{Engine, Intent, Overrides, Sidecars};
use crate::json::Members;
use crate::kubernetes::{Container, EnvVar, Volume, VolumeMount};
use crate::pod::{self, List, Pod};
use crate::settings::{Amounts, Program, Resources, Settings};

use container::env;
pub use refusal::{MOST_ADDED, Refusal};
use volumes::Volumes;

/// The annotation by which `kubectl logs` and `exec` choose a container, if it is not the first one.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// What the policy adds to a pod.
#[derive(Debug, Default)]
pub struct Injection {
    /// Annotations by their whole name.
    pub annotations: Vec<(String, String)>,
    pub volumes: Vec<Volume>,
    /// Init containers before the pod's own.
    pub init_containers: Vec<Container>,
    /// Init containers behind the pod's own.
    pub last_init_containers: Vec<Container>,
    /// Sidecars before the pod's own containers.
    pub first_containers: Vec<Container>,
    /// Sidecars behind the pod's own containers.
    pub last_containers: Vec<Container>,
    pub changes: Vec<ContainerChange>,
    pub image_pull_secrets: Vec<String>,
    /// Whether the containers are to see each other's processes, which they do not yet.
    pub shares_process_namespace: bool,
}

/// What one of the pod's own containers gets.
#[derive(Debug)]
pub struct ContainerChange {
    pub list: List,
    /// Its place in the list as submitted.
    pub index: usize,
    pub volume_mounts: Vec<VolumeMount>,
    /// The command of its postStart hook, in place of its own.
    pub post_start: Option<Vec<String>>,
    /// What comes before its own command.
    pub command: Vec<String>,
}

/// What is known of a pod beside its spec.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Whether it is a template still, which the API server has not given its service account's token.
    pub is_template: bool,
    /// All annotations of the pod.
    pub annotations: &'a Members<'a>,
}

/// What the builders of the containers share.
struct Context<'c, 'p> {
    pod: &'c Pod<'p>,
    settings: &'c Settings,
    surroundings: Surroundings<'c>,
    /// The pod's own containers, without the proxies of service meshes.
    applications: Vec<&'c pod::Container<'p>>,
    /// Those of them that get the secrets.
    selected: Vec<&'c pod::Container<'p>>,
    /// The file whose appearance ends the sidecars, if there is a job whose end they have to follow.
    signal_file: Option<&'static str>,
    volumes: Volumes,
    warnings: &'c mut Vec<String>,
}

impl Injection {
    /// Decides what `pod` gets. What is accepted but should be changed is added to `warnings`.
    pub fn plan(
        intent: &Intent,
        pod: &Pod<'_>,
        settings: &Settings,
        surroundings: Surroundings<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Refusal> {
        let prefix = settings.annotations.prefix.as_str();
        reserved::refuse_uses(pod, surroundings.annotations, prefix)?;
        checks::refuse_clashes(intent, pod, settings)?;
        processes::check(intent, pod, settings, warnings)?;
        checks::warn_of_weak_spots(intent, pod, settings, warnings);
        let applications = application::containers(pod, settings)?;
        let of_the_job = application::of_the_job(intent, pod, &applications, settings)?;
        let has_babysitter = intent.needs_babysitter();
        let mut context = Context {
            pod,
            settings,
            surroundings,
            selected: application::selected(intent, &applications, settings)?,
            applications,
            signal_file: has_babysitter.then_some(names::JOB_SIGNAL_FILE),
            volumes: Volumes::default(),
            warnings,
        };
        let mut injection = Injection {
            annotations: vec![(
                settings.annotations.name(Key::Status),
                "injected".to_owned(),
            )],
            image_pull_secrets: context.missing_image_pull_secrets(),
            shares_process_namespace: intent.shares_process_namespace
                && pod.shares_process_namespace.is_none(),
            ..Injection::default()
        };
        context.add_volumes(intent, has_babysitter);
        injection.changes = application::changes(intent, &context)?;

        let mut sidecars = Vec::new();
        if intent.has_sidecars() {
            sidecars.push(agent::sidecar(intent, &mut context)?);
        }
        if let (Some(Engine::ConsulTemplate), Some(secrets)) = (intent.engine(), &intent.secrets) {
            let files = &secrets.files;
            sidecars.push(consul_template::sidecar(intent, files, &mut context)?);
        }
        if has_babysitter {
            sidecars.push(job_babysitter::sidecar(&of_the_job, &mut context)?);
            let check = job_babysitter::init_container(&mut context);
            injection.init_containers.push(check);
        }
        if intent.fetches_once() {
            let fetch = agent::init_container(intent, &mut context)?;
            injection.init_containers.push(fetch);
        }
        if intent.fills_environment() {
            let shell = environment::init_container(&mut context);
            injection.init_containers.push(shell);
        }

        if intent.sidecars == Sidecars::Native {
            // The pod's own init containers can read secrets, unless they bring what is needed for it.
            match intent.reads_ids_from_files() {
                true => injection.last_init_containers = sidecars,
                false => injection.init_containers.extend(sidecars),
            }
        } else if intent.waits_in_hook() {
            // The kubelet starts no container before the hook of the one before it has ended.
            injection.first_containers = sidecars;
            if surroundings.annotations.get(DEFAULT_CONTAINER).is_none()
                && let Some(first) = context.applications.first()
            {
                let first = (DEFAULT_CONTAINER.to_owned(), first.name.to_string());
                injection.annotations.push(first);
            }
        } else {
            injection.last_containers = sidecars;
        }
        injection.volumes = context.volumes.into_vec();
        Ok(injection)
    }
}

impl Context<'_, '_> {
    fn add_volumes(&mut self, intent: &Intent, has_babysitter: bool) {
        if checks::uses_secrets_volume(intent) && checks::secrets_volume(self.pod).is_none() {
            let limit = self.settings.secrets.size_limit.as_ref();
            let limit = limit.map(|limit| limit.as_str());
            self.volumes
                .add(volumes::empty_dir(names::SECRETS_VOLUME, limit));
        }
        self.volumes
            .add(volumes::empty_dir(names::SHARED_VOLUME, Some("4Mi")));
        if has_babysitter {
            self.volumes
                .add(volumes::empty_dir(names::JOB_VOLUME, Some("1Mi")));
        }
        if intent.fills_environment() {
            self.volumes
                .add(volumes::empty_dir(names::ENV_VOLUME, Some("4Mi")));
        }
    }

    fn missing_image_pull_secrets(&self) -> Vec<String> {
        let has = |name: &str| {
            let mut submitted = self.pod.image_pull_secrets.iter();
            submitted.any(|submitted| submitted.as_deref() == Some(name))
        };
        let secrets = self.settings.image_pull_secrets.iter();
        secrets
            .map(|secret| secret.as_str())
            .filter(|secret| !has(secret))
            .map(str::to_owned)
            .collect()
    }

    /// The settings of a program with what the pod wants differently, under annotations that begin with
    /// `prefix`.
    fn program(
        &self,
        program: &Program,
        overrides: &Overrides,
        prefix: &str,
    ) -> Result<Program, Refusal> {
        let resources = program.resources.clone();
        let (requests, limits) = match resources {
            Some(resources) => (resources.requests, resources.limits),
            None => (None, None),
        };
        let resources = Resources {
            requests: merged(requests, &overrides.requests),
            limits: merged(limits, &overrides.limits),
        };
        if let Some(over) = resources.requests_over_limits().next() {
            let resource = over.resource;
            let request_is_given = match resource {
                "cpu" => overrides.requests.cpu.is_some(),
                _ => overrides.requests.memory.is_some(),
            };
            let annotation_prefix = self.settings.annotations.prefix.as_str();
            let (given, remedy) = match request_is_given {
                true => (
                    "requests",
                    format!("request less, or set {prefix}-limits-{resource}"),
                ),
                false => (
                    "limits",
                    format!("set a higher limit, or {prefix}-requests-{resource}"),
                ),
            };
            return Err(Refusal::RequestOverLimit {
                annotation: format!("{annotation_prefix}/{prefix}-{given}-{resource}"),
                request: over.request.as_str().to_owned(),
                limit: over.limit.as_str().to_owned(),
                remedy,
            });
        }
        Ok(Program {
            image: overrides
                .image
                .clone()
                .unwrap_or_else(|| program.image.clone()),
            image_pull_policy: program.image_pull_policy,
            resources: (resources.requests.is_some() || resources.limits.is_some())
                .then_some(resources),
        })
    }
}

fn merged(amounts: Option<Amounts>, overrides: &Amounts) -> Option<Amounts> {
    if *overrides == Amounts::default() {
        return amounts;
    }
    let amounts = amounts.unwrap_or_default();
    Some(Amounts {
        cpu: overrides.cpu.clone().or(amounts.cpu),
        memory: overrides.memory.clone().or(amounts.memory),
    })
}

/// How agent, Consul Template and the revocation reach Vault.
fn connection(
    intent: &Intent,
    context: &mut Context<'_, '_>,
    home: &str,
) -> (Vec<EnvVar>, Option<VolumeMount>) {
    let vault = &context.settings.vault;
    let mut variables = vec![env("HOME", home), env("VAULT_ADDR", vault.address.as_str())];
    if let Some(namespace) = intent.vault_namespace.as_ref().or(vault.namespace.as_ref()) {
        variables.push(env("VAULT_NAMESPACE", namespace));
    }
    let (of_tls, mount) = tls::connection(&vault.tls, &mut context.volumes);
    variables.extend(of_tls.iter().map(|(name, value)| env(name, value)));
    (variables, mount)
}

/// A program's configuration as JSON, which must fit an environment variable.
fn configuration(
    settings: &Settings,
    variable: &'static str,
    config: &impl Serialize,
) -> Result<String, Refusal> {
    let text = serde_json::to_string(config).expect("strings can be written as JSON");
    if text.len() > refusal::CONFIGURATION_LIMIT {
        return Err(Refusal::ConfigurationTooLarge {
            variable,
            bytes: text.len(),
            annotation: settings.annotations.name(Key::SecretsTemplate),
        });
    }
    Ok(text)
}
