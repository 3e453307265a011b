//! What in a pod stands against an injection, and what makes it weak.

use super::{Refusal, names};
use crate::annotations::Key;
use crate::intent::{Intent, Sidecars};
use crate::pod::{Pod, RestartPolicy, VolumeSource};
use crate::settings::Settings;

/// Refuses pods in which what the policy adds has no place.
pub fn refuse_clashes(intent: &Intent, pod: &Pod<'_>, settings: &Settings) -> Result<(), Refusal> {
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
    if uses_secrets_volume(intent)
        && let Some(VolumeSource::Other(kind)) = secrets_volume(pod)
    {
        return Err(Refusal::SecretsVolumeKind { kind: kind.clone() });
    }
    if intent.is_job && pod.restart_policy == RestartPolicy::Always {
        return Err(Refusal::JobRestartsAlways {
            annotation: settings.annotations.name(Key::Mode),
        });
    }
    if let Some(port) = intent.proxy_port {
        refuse_exposed_proxy(port, pod, settings)?;
    }
    let annotation = || settings.annotations.name(Key::ShareProcessNamespace);
    if intent.shares_process_namespace && pod.shares_process_namespace == Some(false) {
        return Err(Refusal::ProcessNamespaceNotShared {
            annotation: annotation(),
        });
    }
    if intent.shares_process_namespace && pod.uses_host_pid {
        return Err(Refusal::ProcessNamespaceOfHost {
            annotation: annotation(),
        });
    }
    Ok(())
}

fn refuse_exposed_proxy(port: u16, pod: &Pod<'_>, settings: &Settings) -> Result<(), Refusal> {
    if pod.uses_host_network {
        return Err(Refusal::ProxyOnHostNetwork {
            annotation: settings.annotations.name(Key::Mode),
        });
    }
    let declares = |ports: &[i64]| ports.contains(&i64::from(port));
    match pod
        .all_containers()
        .find(|container| declares(&container.ports))
    {
        Some(container) => Err(Refusal::ProxyPortTaken {
            annotation: settings.annotations.name(Key::ProxyPort),
            port,
            container: container.name.to_string(),
        }),
        None => Ok(()),
    }
}

/// The pod's own volume for secrets, if it brings one.
pub fn secrets_volume<'c>(pod: &'c Pod<'_>) -> Option<&'c VolumeSource> {
    pod.volumes
        .iter()
        .find(|volume| &*volume.name == names::SECRETS_VOLUME)
        .map(|volume| &volume.source)
}

/// Whether anything of ours reads or writes the secrets directory.
pub fn uses_secrets_volume(intent: &Intent) -> bool {
    intent.secrets.is_some() || intent.reads_ids_from_files()
}

/// Warns of what works, but not well.
pub fn warn_of_weak_spots(
    intent: &Intent,
    pod: &Pod<'_>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) {
    if uses_secrets_volume(intent)
        && secrets_volume(pod) == Some(&VolumeSource::EmptyDir { in_memory: false })
    {
        warnings.push(
            "volume secrets is no emptyDir with medium Memory: the secrets are written to the node's disk"
                .to_owned(),
        );
    }
    let can_end = pod.restart_policy != RestartPolicy::Always;
    let is_classic = intent.sidecars == Sidecars::Classic;
    if can_end && is_classic && !intent.is_job && intent.has_sidecars() {
        warnings
            .push("the pod can end, but its sidecars do not end with it; use mode job".to_owned());
    }
    if intent.reads_ids_from_files() && pod.init_containers.is_empty() {
        let approle = &settings.vault.approle;
        warnings.push(format!(
            "no init container of the pod writes {} and {} to the secrets directory, which the login with approle reads",
            approle.role_id_file.as_str(),
            approle.secret_id_file.as_str()
        ));
    }
}
