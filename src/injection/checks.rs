//! What in a pod stands against an injection, and what makes it weak.

use super::{Refusal, names};
use crate::annotations::Key;
use crate::intent::{Intent, Sidecars};
use crate::pod::{Container, Pod, RestartPolicy, VolumeSource};
use crate::settings::Settings;

/// Refuses pods in which what the policy adds has no place.
pub fn refuse_clashes(intent: &Intent, pod: &Pod<'_>, settings: &Settings) -> Result<(), Refusal> {
    if pod.is_windows {
        return Err(Refusal::Windows);
    }
    if uses_secrets_volume(intent)
        && let Some(source) = secrets_volume(pod)
        && !matches!(source, VolumeSource::EmptyDir { .. })
    {
        return Err(Refusal::SecretsVolumeKind {
            kind: source.kind().to_owned(),
        });
    }
    refuse_open_directories(intent, pod, settings)?;
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

/// Refuses a destination in a directory where something else than what renders it can write to the volume: it could
/// put a link in the place of that directory, and the file would be written wherever the link leads to. A file right
/// in the volume replaces whatever is there.
fn refuse_open_directories(
    intent: &Intent,
    pod: &Pod<'_>,
    settings: &Settings,
) -> Result<(), Refusal> {
    let mut files = intent.secrets.iter().flat_map(|secrets| &secrets.files);
    let Some(position) = files.position(|file| file.destination.contains('/')) else {
        return Ok(());
    };
    let is_open = |container: &&Container<'_>| {
        let mut mounts = container.volume_mounts.iter();
        mounts.any(|mount| &*mount.name == names::SECRETS_VOLUME && !mount.is_read_only)
    };
    let (writer, remedy) = if let Some(container) = pod.all_containers().find(is_open) {
        (
            format!("container {}", container.name.0),
            "have it mount volume secrets with readOnly: true, or use a destination without a directory",
        )
    } else if intent.reads_ids_from_files() {
        (
            "the init container that writes the ids of approle".to_owned(),
            "use annotation approle-secret, or a destination without a directory",
        )
    } else if !settings.secrets.read_only {
        (
            "the application, for which the setting secrets.readOnly is false,".to_owned(),
            "use a destination without a directory",
        )
    } else {
        return Ok(());
    };
    Err(Refusal::DestinationInOpenDirectory {
        annotation: settings.annotations.name(Key::SecretsDestination),
        position: position + 1,
        writer,
        remedy,
    })
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
pub fn secrets_volume<'c, 'p>(pod: &'c Pod<'p>) -> Option<&'c VolumeSource<'p>> {
    pod.volume(names::SECRETS_VOLUME)
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
