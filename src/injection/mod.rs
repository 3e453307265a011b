//! What is added to a pod, so that it gets what it asks for.

mod agent;
mod consul_template;
mod container;
mod hook;
mod job_babysitter;
pub mod names;
mod refusal;
pub mod scripts;
mod service_account;
mod volumes;

use k8s_openapi::api::core::v1::{Container, EnvVar, Volume, VolumeMount};
use serde::Serialize;

use crate::annotations::Key;
use crate::intent::{Intent, Login};
use crate::pod::{self, List, Pod, RestartPolicy, VolumeSource};
use crate::settings::Settings;

use container::{env, read_only, writable};
pub use refusal::Refusal;
use volumes::Volumes;

/// What the policy adds to a pod.
#[derive(Debug)]
pub struct Injection {
    /// Annotations by their whole name.
    pub annotations: Vec<(String, String)>,
    pub volumes: Vec<Volume>,
    /// Init containers before the pod's own.
    pub init_containers: Vec<Container>,
    /// Sidecars before the pod's own containers.
    pub first_containers: Vec<Container>,
    /// Sidecars behind the pod's own containers.
    pub last_containers: Vec<Container>,
    pub changes: Vec<ContainerChange>,
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
}

/// What the builders of the containers share.
struct Context<'c, 'p> {
    pod: &'c Pod<'p>,
    settings: &'c Settings,
    /// The pod's own containers, without the proxies of service meshes.
    applications: Vec<&'c pod::Container<'p>>,
    /// The file whose appearance ends the sidecars; empty where there is no job to end.
    signal_file: &'static str,
    volumes: Volumes,
    warnings: &'c mut Vec<String>,
}

impl Injection {
    /// Decides what `pod` gets. What is accepted but should be changed is added to `warnings`.
    pub fn plan(
        intent: &Intent,
        pod: &Pod<'_>,
        settings: &Settings,
        has_default_container: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Refusal> {
        refuse_clashes(pod)?;
        let is_ignored = |name: &str| {
            let mut ignored = settings.jobs.ignored_containers.iter();
            ignored.any(|ignored| ignored.as_str() == name)
        };
        let applications: Vec<_> = pod
            .containers
            .iter()
            .filter(|container| !is_ignored(&container.name))
            .collect();
        let Some(first_application) = applications.first() else {
            return Err(Refusal::NoApplicationContainer);
        };
        let first_application = first_application.name.to_string();
        warn_of_weak_spots(intent, pod, settings, warnings);

        let mut context = Context {
            pod,
            settings,
            applications,
            signal_file: match intent.is_job {
                true => names::JOB_SIGNAL_FILE,
                false => "",
            },
            volumes: Volumes::default(),
            warnings,
        };
        context.add_volumes(intent);
        let changes = context.change_containers(intent, is_ignored)?;
        let mut sidecars = vec![
            agent::sidecar(intent, &mut context)?,
            consul_template::sidecar(intent, &mut context)?,
        ];
        let mut init_containers = Vec::new();
        if intent.is_job {
            sidecars.push(job_babysitter::sidecar(&mut context)?);
            init_containers.push(job_babysitter::init_container(&mut context));
        }

        let status = settings.annotations.name(Key::Status);
        let mut annotations = vec![(status, "injected".to_owned())];
        let mut injection = Injection {
            volumes: context.volumes.into_vec(),
            init_containers,
            first_containers: Vec::new(),
            last_containers: Vec::new(),
            changes,
            annotations: Vec::new(),
        };
        if intent.waits_in_hook {
            // The kubelet starts no container before the hook of the one before it has ended.
            injection.first_containers = sidecars;
            if !has_default_container {
                annotations.push((DEFAULT_CONTAINER.to_owned(), first_application));
            }
        } else {
            injection.last_containers = sidecars;
        }
        injection.annotations = annotations;
        Ok(injection)
    }
}

/// The annotation by which `kubectl logs` and `exec` choose a container, if it is not the first one.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

fn refuse_clashes(pod: &Pod<'_>) -> Result<(), Refusal> {
    if pod.is_windows {
        return Err(Refusal::Windows);
    }
    for container in pod.all_containers() {
        if names::CONTAINERS.contains(&&*container.name) {
            return Err(Refusal::ContainerNameTaken {
                container: container.name.to_string(),
            });
        }
    }
    for volume in &pod.volumes {
        if names::VOLUMES.contains(&&*volume.name) {
            return Err(Refusal::VolumeNameTaken {
                volume: volume.name.to_string(),
            });
        }
    }
    match secrets_volume(pod) {
        Some(VolumeSource::Other(kind)) => Err(Refusal::SecretsVolumeKind { kind: kind.clone() }),
        _ => Ok(()),
    }
}

fn secrets_volume<'c>(pod: &'c Pod<'_>) -> Option<&'c VolumeSource> {
    pod.volumes
        .iter()
        .find(|volume| &*volume.name == names::SECRETS_VOLUME)
        .map(|volume| &volume.source)
}

fn warn_of_weak_spots(
    intent: &Intent,
    pod: &Pod<'_>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) {
    if secrets_volume(pod) == Some(&VolumeSource::EmptyDir { in_memory: false }) {
        warnings.push(
            "volume secrets is no emptyDir with medium Memory: the secrets are written to the node's disk"
                .to_owned(),
        );
    }
    if !intent.is_job && pod.restart_policy != RestartPolicy::Always {
        warnings
            .push("the pod can end, but its sidecars do not end with it; use mode job".to_owned());
    }
    if matches!(intent.login, Login::AppRole) && pod.init_containers.is_empty() {
        let approle = &settings.vault.approle;
        warnings.push(format!(
            "no init container of the pod writes {} and {} to the secrets directory, which the login with approle reads",
            approle.role_id_file.as_str(),
            approle.secret_id_file.as_str()
        ));
    }
}

impl Context<'_, '_> {
    fn add_volumes(&mut self, intent: &Intent) {
        if secrets_volume(self.pod).is_none() {
            let limit = self.settings.secrets.size_limit.as_ref();
            let limit = limit.map(|limit| limit.as_str());
            self.volumes
                .add(volumes::empty_dir(names::SECRETS_VOLUME, limit));
        }
        self.volumes
            .add(volumes::empty_dir(names::SHARED_VOLUME, Some("4Mi")));
        if intent.is_job {
            self.volumes
                .add(volumes::empty_dir(names::JOB_VOLUME, Some("1Mi")));
        }
    }

    /// Gives the pod's own containers the secrets, and the application's their hook.
    fn change_containers(
        &self,
        intent: &Intent,
        is_ignored: impl Fn(&str) -> bool,
    ) -> Result<Vec<ContainerChange>, Refusal> {
        let init_containers_write = matches!(intent.login, Login::AppRole);
        let lists = [
            (List::Containers, &self.pod.containers),
            (List::InitContainers, &self.pod.init_containers),
        ];
        let mut changes = Vec::new();
        for (list, containers) in lists {
            for (index, container) in containers.iter().enumerate() {
                if is_ignored(&container.name) {
                    continue;
                }
                let is_init_container = list == List::InitContainers;
                let writes = is_init_container && init_containers_write;
                let change = ContainerChange {
                    list,
                    index,
                    volume_mounts: self.secrets_mount(container, writes)?.into_iter().collect(),
                    post_start: match intent.waits_in_hook && !is_init_container {
                        true => Some(hook::command(container, &intent.files, self.settings)?),
                        false => None,
                    },
                };
                if !change.volume_mounts.is_empty() || change.post_start.is_some() {
                    changes.push(change);
                }
            }
        }
        Ok(changes)
    }

    /// The mount of the secrets that `container` needs, if it has none of its own.
    fn secrets_mount(
        &self,
        container: &pod::Container<'_>,
        writes: bool,
    ) -> Result<Option<VolumeMount>, Refusal> {
        if container.mount_of(names::SECRETS_VOLUME).is_some() {
            return Ok(None);
        }
        let path = self.settings.secrets.mount_path.as_str();
        let taken = container
            .volume_mounts
            .iter()
            .find(|mount| mount.is_at(path));
        if let Some(taken) = taken {
            if &*taken.name == names::SECRETS_VOLUME {
                return Err(Refusal::MountPathTakenByPart {
                    container: container.name.to_string(),
                    path: path.to_owned(),
                });
            }
            return Err(Refusal::MountPathTaken {
                container: container.name.to_string(),
                path: path.to_owned(),
                volume: taken.name.to_string(),
                ours: names::SECRETS_VOLUME.to_owned(),
            });
        }
        Ok(Some(if writes || !self.settings.secrets.read_only {
            writable(names::SECRETS_VOLUME, path)
        } else {
            read_only(names::SECRETS_VOLUME, path)
        }))
    }
}

/// How agent, Consul Template and the revocation reach Vault, and where the token is.
fn connection(settings: &Settings) -> Vec<EnvVar> {
    let mut variables = vec![
        env("HOME", names::SHARED_DIRECTORY),
        env("VAULT_ADDR", settings.vault.address.as_str()),
    ];
    if let Some(namespace) = &settings.vault.namespace {
        variables.push(env("VAULT_NAMESPACE", namespace));
    }
    variables
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
