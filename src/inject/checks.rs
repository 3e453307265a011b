//! What in a pod stands against an injection, and what makes it weak.

use crate::annotations::Key;
use crate::intent::Intent;
use crate::names;
use crate::pod::{Container, Pod, RestartPolicy, VolumeSource};
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;
use crate::values::{Port, Sidecars};

/// Rejects pods in which what the policy adds has no place.
pub fn reject_clashes(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let (pod, annotations) = (&subject.pod, &subject.annotations);
    if pod.is_windows() {
        return Err(Place::field("spec.os.name")
            .rejected("is windows, and the injected containers run on linux only"));
    }
    if intent.uses_secrets_volume()
        && let Some(source) = secrets_volume(pod)
        && !matches!(source, VolumeSource::EmptyDir { .. })
    {
        return Err(Place::Volume(names::SECRETS_VOLUME.to_owned()).rejected(format!(
            "is of kind {}; the secrets need an emptyDir: make it one with medium Memory, or rename it",
            source.kind()
        )));
    }
    reject_open_directories(intent, subject)?;
    if intent.is_job && pod.restart_policy == RestartPolicy::Always {
        let annotation = annotations.name(Key::Mode);
        return Err(Place::field("spec.restartPolicy").rejected(format!(
            "is Always, and annotation {annotation}: job needs Never or OnFailure"
        )));
    }
    if let Some(port) = intent.proxy_port {
        reject_exposed_proxy(port, subject)?;
    }
    let reject = |problem| Err(annotations.rejected(Key::ShareProcessNamespace, problem));
    if intent.shares_process_namespace && pod.shares_process_namespace == Some(false) {
        return reject("is true, and spec.shareProcessNamespace is false; remove one of them");
    }
    if intent.shares_process_namespace && pod.uses_host_pid {
        return reject(
            "must not be used with spec.hostPID, with which the processes are seen already; remove it",
        );
    }
    Ok(())
}

/// Rejects a destination in a directory where something else than what renders it can write to the volume: it could
/// put a link in the place of that directory, and the file would be written wherever the link leads to. A file right
/// in the volume replaces whatever is there.
fn reject_open_directories(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let mut files = intent.secrets.iter().flat_map(|secrets| &secrets.files);
    let Some(index) = files.position(|file| file.destination.contains('/')) else {
        return Ok(());
    };
    let is_open = |container: &&Container<'_>| {
        let mut mounts = container.volume_mounts.iter();
        mounts.any(|mount| &*mount.name == names::SECRETS_VOLUME && !mount.is_read_only)
    };
    let (writer, remedy) = if let Some(container) = subject.pod.all_containers().find(is_open) {
        (
            format!("container {}", &*container.name),
            "have it mount volume secrets with readOnly: true, or use a destination without a directory",
        )
    } else if intent.reads_ids_from_files() {
        (
            "the init container that writes the ids of approle".to_owned(),
            "use annotation approle-secret, or a destination without a directory",
        )
    } else if !subject.settings.secrets.read_only {
        (
            "the application, for which the setting secrets.readOnly is false,".to_owned(),
            "use a destination without a directory",
        )
    } else {
        return Ok(());
    };
    let position = index + 1;
    Err(subject.annotations.rejected(
        Key::SecretsDestination,
        format!(
            "item {position} is in a subdirectory, and {writer} can write to volume secrets and could replace the subdirectory by a link; {remedy}"
        ),
    ))
}

fn reject_exposed_proxy(port: Port, subject: &Subject<'_>) -> Result<(), Rejection> {
    if subject.pod.uses_host_network {
        return Err(subject.annotations.rejected(
            Key::Mode,
            "proxy must not be used with spec.hostNetwork, with which every process of the node could use the pod's token",
        ));
    }
    let mut containers = subject.pod.all_containers();
    match containers.find(|container| container.declares_port(port.0)) {
        Some(container) => Err(
            Place::Container(container.name.to_string()).rejected(format!(
                "declares port {}, which is the local proxy's; choose another in annotation {}",
                port.0,
                subject.annotations.name(Key::ProxyPort)
            )),
        ),
        None => Ok(()),
    }
}

/// The pod's own volume for secrets, if it brings one.
fn secrets_volume<'s, 'a>(pod: &'s Pod<'a>) -> Option<&'s VolumeSource<'a>> {
    pod.volume(names::SECRETS_VOLUME)
        .map(|volume| &volume.source)
}

/// Warns of what works, but not well.
pub fn warn_of_weak_spots(intent: &Intent, subject: &Subject<'_>) {
    let (pod, warnings) = (&subject.pod, subject.warnings);
    let is_on_disk = matches!(
        secrets_volume(pod),
        Some(VolumeSource::EmptyDir { in_memory: false })
    );
    if intent.uses_secrets_volume() && is_on_disk {
        warnings.add(
            "volume secrets: not an emptyDir with medium Memory; the secrets are written to the node's disk",
        );
    }
    let can_end = pod.restart_policy != RestartPolicy::Always;
    let is_classic = intent.sidecars == Sidecars::Classic;
    if can_end && is_classic && !intent.is_job && intent.has_sidecars() {
        warnings.add(
            "spec.restartPolicy: the pod can end, but its sidecars do not end with it; use mode job",
        );
    }
    if intent.reads_ids_from_files() && pod.init_containers.is_empty() {
        let approle = &subject.settings.vault.auth.approle;
        warnings.add(format!(
            "spec.initContainers: no init container of the pod writes {} and {} to the secrets directory, which the login with approle reads",
            approle.role_id_file.as_str(),
            approle.secret_id_file.as_str()
        ));
    }
}
