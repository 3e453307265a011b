//! What in a pod prevents an injection, and what makes it weak.

use std::ptr;

use crate::annotations::{Key, is_true};
use crate::intent::Intent;
use crate::pod::{Container, RestartPolicy, VolumeSource};
use crate::rejection::{Place, Rejection};
use crate::secrets::{SecretFile, Secrets};
use crate::service_account;
use crate::subject::Subject;
use crate::values::{Port, Sidecars, TemplateEngine};
use crate::words::{listed, quoted};

/// Rejects pods in which what the policy adds has no place.
pub fn reject_clashes(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let (pod, annotations) = (&subject.pod, &subject.annotations);
    if let Some(field) = pod.windows() {
        return Err(Place::field(field)
            .rejected("needs a node with windows, and the injected containers run only on linux; expected linux"));
    }
    reject_open_directories(intent, subject)?;
    reject_templates_elsewhere(intent, subject)?;
    if intent.is_job && pod.restart_policy == RestartPolicy::Always {
        let annotation = annotations.name(Key::Mode);
        return Err(Place::field("spec.restartPolicy").rejected(format!(
            "is Always, and annotation {annotation}: job needs Never or OnFailure; change one of them"
        ))
        .unless_filled_in());
    }
    if let Some(port) = intent.options.listens_at() {
        reject_exposed_proxy(port, subject)?;
    }
    let reject = |problem| Err(annotations.rejected(Key::ShareProcessNamespace, problem));
    if intent.shares_process_namespace && pod.shares_process_namespace == Some(false) {
        return reject(
            "must not be used with spec.shareProcessNamespace: false; remove one of them",
        );
    }
    if intent.shares_process_namespace && pod.uses_host_pid {
        return reject(
            "must not be used with spec.hostPID, which shows all processes of the node; remove one of them",
        );
    }
    Ok(())
}

/// Rejects a destination in a directory where something else than what renders it can write to the volume: it could
/// put a link in the place of that directory, and the file would be written wherever the link leads to. A file right
/// in the volume replaces whatever is there.
fn reject_open_directories(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let Some(secrets) = &intent.secrets else {
        return Ok(());
    };
    let nested = secrets
        .files
        .iter()
        .filter(|file| file.destination.contains('/'));
    nested
        .into_iter()
        .try_for_each(|file| reject_open_directory(file, secrets, intent, subject))
}

fn reject_open_directory(
    file: &SecretFile,
    secrets: &Secrets,
    intent: &Intent,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let volume = &*secrets.directories[file.directory].volume;
    let is_open = |container: &&Container<'_>| {
        let mut mounts = container.volume_mounts.iter();
        mounts.any(|mount| &*mount.name == volume && !mount.is_read_only)
    };
    let (writer, remedy) = if let Some(container) = subject.pod.all_containers().find(is_open) {
        (
            format!("container {}", &*container.name),
            "mount the volume there with readOnly: true, or use a destination without a directory",
        )
    } else if intent.reads_ids_from_files() && file.directory == 0 {
        (
            "the init container that writes the ids of approle".to_owned(),
            "use annotation approle-secret, or a destination without a directory",
        )
    } else if !subject.settings.secrets.read_only {
        (
            "the application (setting secrets.readOnly is false)".to_owned(),
            "use a destination without a directory",
        )
    } else {
        return Ok(());
    };
    let destination = quoted(&file.destination);
    let annotations = &subject.annotations;
    let mut keys = [Key::SecretsDestination, Key::File, Key::Directory].into_iter();
    let place = keys.find_map(|key| annotations.first_place(key));
    let place = place.unwrap_or_else(|| annotations.place(Key::SecretsDestination));
    Err(place.rejected(
        format!(
            "{destination} is in a subdirectory, which {writer} could replace by a link in volume {volume}; {remedy}"
        ),
    ))
}

/// Rejects a template in a file that Consul Template does not have: only the agent mounts what the pod names.
fn reject_templates_elsewhere(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let annotations = &subject.annotations;
    match annotations.first_place(Key::TemplateFile) {
        Some(place) if intent.engine() == Some(TemplateEngine::ConsulTemplate) => Err(place
            .rejected(format!(
                "only Vault Agent can read the pod's files; use annotation {}: vault-agent, or {}",
                annotations.name(Key::TemplateEngine),
                annotations.name(Key::TemplateConfigMap)
            ))),
        _ => Ok(()),
    }
}

fn reject_exposed_proxy(port: Port, subject: &Subject<'_>) -> Result<(), Rejection> {
    if subject.pod.uses_host_network {
        let annotations = &subject.annotations;
        let mut keys = [Key::Cache, Key::AgentQuit].into_iter();
        let reject = match keys.find(|key| annotations.get(*key).is_some()) {
            Some(key) => annotations.place(key).rejected(
                "must not be used with spec.hostNetwork, because every process of the node could use the agent; remove one of them",
            ),
            None => annotations.rejected(
                Key::Mode,
                "proxy must not be used with spec.hostNetwork, because every process of the node could use the pod's token; remove one of them",
            ),
        };
        return Err(reject);
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

/// Warns of what works, but not well.
pub fn warn_of_weak_spots(intent: &Intent, subject: &Subject<'_>) {
    let (pod, warnings) = (&subject.pod, subject.warnings);
    let own_volume = pod.volume(subject.secrets_volume);
    let is_on_disk = own_volume
        .is_some_and(|volume| matches!(volume.source, VolumeSource::EmptyDir { in_memory: false }));
    if intent.uses_secrets_volume() && is_on_disk {
        warnings.add(format!(
            "volume {}: not an emptyDir with medium Memory; the secrets are written to the node's disk",
            subject.secrets_volume
        ));
    }
    warn_of_sidecars_that_stay(intent, subject);
    if intent.reads_ids_from_files() && pod.init_containers.is_empty() {
        let approle = &subject.settings.vault.auth.approle;
        warnings.add(format!(
            "spec.initContainers: empty, and the login with approle needs an init container that writes {} and {} to the secrets directory; add one, or use annotation {}",
            approle.role_id_file.as_str(),
            approle.secret_id_file.as_str(),
            subject.annotations.name(Key::ApproleSecret)
        ));
    }
    warn_of_users(intent, subject);
    warn_of_unreadable_files(intent, subject);
    warn_of_lost_token(intent, subject);
    warn_of_name_resolution(intent, subject);
    if pod.has_resources() {
        for key in subject.annotations.given() {
            if key.name().contains("-requests-") || key.name().contains("-limits-") {
                let why = "with spec.resources, which is for all containers of the pod together";
                subject.annotations.warn_unused(key, why, warnings);
            }
        }
    }
}

/// Warns of a pod that can end, and whose sidecars do not end with it.
fn warn_of_sidecars_that_stay(intent: &Intent, subject: &Subject<'_>) {
    let is_classic = intent.sidecars == Sidecars::Classic;
    if intent.is_job || !is_classic || !intent.has_sidecars() || !subject.can_end() {
        return;
    }
    let native = subject.native_sidecars();
    subject.warnings.add(match intent.has_own_mode {
        true => format!(
            "annotation {}: without job, nothing ends the sidecars when the work is done, and the pod keeps running; add job, or use {native}",
            subject.annotations.name(Key::Mode)
        ),
        false => {
            let job = match subject.annotations.vocabulary().is_own() {
                true => "mode job, or ",
                false => "",
            };
            format!(
                "spec.restartPolicy: the pod can end, but its sidecars do not end with it; use {job}{native}"
            )
        }
    });
}

/// Warns of containers that see the sidecars' processes, and which the sidecars cannot send a signal to.
fn warn_of_users(intent: &Intent, subject: &Subject<'_>) {
    let pod = &subject.pod;
    let ours = intent.user().or(pod.processes().run_as_user);
    let Some(ours) = ours.filter(|_| intent.shares_process_namespace) else {
        return;
    };
    let containers = subject.applications().map(|(_, container)| container);
    let others = containers.filter(|it| pod.user_of(it).is_some_and(|user| user != ours));
    let others: Vec<_> = others.map(|container| &*container.name).collect();
    let others = listed(others);
    if !others.is_empty() {
        subject.warnings.add(format!(
            "annotation {}: the sidecars run as user {ours} and cannot send a signal to container {others}, which runs as another; use annotation {}",
            subject.annotations.name(Key::ShareProcessNamespace),
            subject.annotations.name(Key::RunAsSameUser)
        ));
    }
}

/// Warns of a file that its permissions keep from containers that get it, as far as users and groups are known.
fn warn_of_unreadable_files(intent: &Intent, subject: &Subject<'_>) {
    let pod = &subject.pod;
    let Some(owner) = intent.user().or(pod.processes().run_as_user) else {
        return;
    };
    let group = intent.security_context.as_ref();
    let group = group.and_then(|context| context.run_as_group);
    // What is the same for all containers: there may be very many.
    let kept_from = |is_in_group| {
        let mut files = intent.secrets.iter().flat_map(|secrets| &secrets.files);
        files.find(|file| !file.permissions.let_others_read(is_in_group))
    };
    let (from_others, from_group) = (kept_from(false), kept_from(true));
    let are_all_in_group = pod.has_fs_group() || group.is_none_or(|group| pod.has_group(group));
    let selected = intent.selected();
    let mut kept = subject.applications().filter_map(|(_, container)| {
        let user = pod.user_of(container)?;
        let is_in_group = are_all_in_group || pod.group_of(container) == group;
        let file = if is_in_group { from_group } else { from_others }?;
        let is_other = user != 0 && user != owner && selected.has(&container.name);
        is_other.then_some((&*container.name, user, file))
    });
    let Some((first, user, file)) = kept.next() else {
        return;
    };
    let alike = kept.filter(|(_, other, of)| *other == user && ptr::eq(*of, file));
    let mut names = vec![first];
    names.extend(alike.map(|(name, ..)| name));
    let names = listed(names);
    let same_user = subject.annotations.get(Key::RunAsSameUser);
    let remedy = match same_user.and_then(is_true) {
        // It is the user of another container.
        Some(true) => "permissions 0640 and spec.securityContext.fsGroup".to_owned(),
        _ => format!(
            "annotation {}",
            subject.annotations.name(Key::RunAsSameUser)
        ),
    };
    subject.warnings.add(format!(
        "container {names}: runs as user {user}, and permissions {} let only user {owner} read {}; use {remedy}",
        file.permissions.as_str(),
        quoted(&file.destination)
    ));
}

/// Warns of a service account token that the application cannot read any more.
fn warn_of_lost_token(intent: &Intent, subject: &Subject<'_>) {
    let pod = &subject.pod;
    let Some(user) = service_account::owner(subject).filter(|user| *user != 0) else {
        return;
    };
    if pod.has_fs_group() || service_account::keeps_owner(intent.user(), subject) {
        return;
    }
    let mut volumes = pod.volumes.iter();
    if let Some(volume) = volumes.find(|volume| volume.source.has_guarded_token()) {
        subject.warnings.add(format!(
            "volume {}: Kubernetes gives its token to user {user} only while all containers run as that user, and the injected ones do not; set spec.securityContext.fsGroup, or use annotation {}",
            &*volume.name,
            subject.annotations.name(Key::RunAsSameUser)
        ));
    }
}

/// Warns of a name of Vault that only the cluster's DNS knows, in a pod that uses the node's.
fn warn_of_name_resolution(intent: &Intent, subject: &Subject<'_>) {
    let pod = &subject.pod;
    let host_network = pod.uses_host_network;
    let uses_node = match pod.dns_policy.as_deref() {
        Some("Default") => true,
        // With `None`, the pod names its own servers.
        Some("ClusterFirstWithHostNet" | "None") => false,
        _ => host_network,
    };
    let address = &intent.connection.address;
    if uses_node && address.is_of_cluster() {
        let (why, policy) = match host_network {
            true => ("with hostNetwork, ", "ClusterFirstWithHostNet"),
            false => ("", "ClusterFirst"),
        };
        subject.warnings.add(format!(
            "spec.dnsPolicy: {why}the pod uses the node's DNS, which cannot resolve {}; use {policy}",
            address.host()
        ));
    }
}
