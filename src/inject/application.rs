//! The pod's own containers: which of them belong to the application, and what each gets.

use std::ptr;

use k8s_openapi::api::core::v1::VolumeMount;

use super::{ContainerChange, MOST_ADDED, hook, too_much};
use crate::annotations::Key;
use crate::intent::Intent;
use crate::kubernetes::{read_only, writable};
use crate::names;
use crate::path::are_nested;
use crate::pod::{Container, List};
use crate::rejection::{Place, Rejection};
use crate::secrets::SecretFile;
use crate::sidecars::env_shell;
use crate::subject::Subject;
use crate::words::{listed, set};

/// The containers whose end is the job's end.
///
/// # Errors
///
/// If the annotation names one that the pod does not have, or if no container belongs to the application.
pub fn of_the_job<'s, 'a>(
    intent: &Intent,
    subject: &'s Subject<'a>,
) -> Result<Vec<&'s Container<'a>>, Rejection> {
    let applications = applications(subject);
    if applications.is_empty() {
        return Err(Place::field("spec.containers").rejected(
            "the setting jobs.ignoredContainers leaves out every container; there is none to inject secrets into",
        ));
    }
    match &intent.job_containers {
        Some(names) => {
            let all: Vec<_> = subject.pod.containers.iter().collect();
            named(names, &all, Key::JobContainers, subject)
        }
        None => Ok(applications),
    }
}

fn applications<'s, 'a>(subject: &'s Subject<'a>) -> Vec<&'s Container<'a>> {
    let applications = subject.applications();
    applications.map(|(_, container)| container).collect()
}

/// Those of the application's containers that get the secrets.
fn selected<'s, 'a>(
    intent: &Intent,
    subject: &'s Subject<'a>,
) -> Result<Vec<&'s Container<'a>>, Rejection> {
    let applications = applications(subject);
    match &intent.inject_containers {
        Some(names) => named(names, &applications, Key::InjectContainers, subject),
        None => Ok(applications),
    }
}

/// The containers of these names, each of which must be there.
fn named<'s, 'a>(
    names: &[String],
    containers: &[&'s Container<'a>],
    key: Key,
    subject: &Subject<'_>,
) -> Result<Vec<&'s Container<'a>>, Rejection> {
    let known = set(containers.iter().map(|container| &*container.name));
    if let Some(index) = names.iter().position(|name| !known.contains(name.as_str())) {
        let of = match key {
            Key::JobContainers => "pod",
            _ => "application",
        };
        let known = listed(containers.iter().map(|container| &*container.name));
        let position = index + 1;
        return Err(subject.annotations.rejected(
            key,
            format!("item {position} is not a container of the {of}; expected one of {known}"),
        ));
    }
    let names = set(names.iter().map(String::as_str));
    let is_named = |container: &&&Container<'_>| names.contains(&*container.name);
    Ok(containers.iter().filter(is_named).copied().collect())
}

/// What each of the pod's own containers gets: the secrets, and the application's their hook or the shell
/// that fills their environment.
pub fn changes(intent: &Intent, subject: &Subject<'_>) -> Result<Vec<ContainerChange>, Rejection> {
    let mut changes = Changes::default();
    let selected = selected(intent, subject)?;
    if let Some(secrets) = &intent.secrets {
        // They are in the order of the pod.
        let mut selected = selected.into_iter().peekable();
        for (index, container) in subject.pod.containers.iter().enumerate() {
            if selected.next_if(|next| ptr::eq(*next, container)).is_some() {
                let files = &secrets.files;
                changes.add(of_application(intent, files, index, container, subject)?)?;
            }
        }
    }
    if intent.uses_secrets_volume() {
        let writes = intent.reads_ids_from_files();
        for (index, container) in subject.without_ignored(&subject.pod.init_containers) {
            changes.add(ContainerChange {
                list: List::InitContainers,
                index,
                volume_mounts: secrets_mount(intent, container, writes, subject)?
                    .into_iter()
                    .collect(),
                post_start: None,
                command: Vec::new(),
            })?;
        }
    }
    Ok(changes.all)
}

/// About what stands around the name and the path of a mount: `{"name":"","mountPath":"","readOnly":true}`.
const AROUND_MOUNT: usize = 42;

/// Changes that are together no larger than a pod can become. The many containers of a large request would
/// have each its own copy of the scripts and destinations.
#[derive(Default)]
struct Changes {
    all: Vec<ContainerChange>,
    bytes: usize,
}

impl Changes {
    fn add(&mut self, change: ContainerChange) -> Result<(), Rejection> {
        let mounts = change.volume_mounts.iter();
        let words = change
            .command
            .iter()
            .chain(change.post_start.iter().flatten());
        self.bytes += mounts
            .map(|mount| mount.name.len() + mount.mount_path.len() + AROUND_MOUNT)
            .chain(words.map(String::len))
            .sum::<usize>();
        if self.bytes > MOST_ADDED {
            return Err(too_much());
        }
        self.all.push(change);
        Ok(())
    }
}

fn of_application(
    intent: &Intent,
    files: &[SecretFile],
    index: usize,
    container: &Container<'_>,
    subject: &Subject<'_>,
) -> Result<ContainerChange, Rejection> {
    let mount = secrets_mount(intent, container, false, subject)?;
    let directory = container
        .mount_of(names::SECRETS_VOLUME)
        .map_or(mount_path(intent, subject), |mount| &mount.mount_path)
        .trim_end_matches('/');
    // Each file's path begins with it.
    if directory.len().saturating_mul(files.len()) > MOST_ADDED {
        return Err(too_much());
    }
    let mut volume_mounts: Vec<_> = mount.into_iter().collect();
    let mut command = Vec::new();
    if intent.fills_environment() {
        reject_taken(container, names::ENV_DIRECTORY, names::ENV_VOLUME)?;
        if are_nested(directory, names::ENV_DIRECTORY) {
            let place = match intent.mount_path {
                Some(_) => Place::Annotation(subject.annotations.name(Key::SecretsMountPath)),
                None => Place::field("setting secrets.mountPath"),
            };
            let taken = names::ENV_DIRECTORY;
            return Err(place.rejected(format!(
                "{taken} is a directory of the policy's own; choose another"
            )));
        }
        volume_mounts.push(read_only(names::ENV_VOLUME, names::ENV_DIRECTORY));
        command = env_shell::command(container, directory, files, subject)?;
    }
    let post_start = match intent.waits_in_hook() {
        true => Some(hook::command(
            container,
            directory,
            files,
            subject.settings,
        )?),
        false => None,
    };
    Ok(ContainerChange {
        list: List::Containers,
        index,
        volume_mounts,
        post_start,
        command,
    })
}

fn mount_path<'s>(intent: &'s Intent, subject: &'s Subject<'_>) -> &'s str {
    let path = intent.mount_path.as_ref();
    path.unwrap_or(&subject.settings.secrets.mount_path)
        .as_str()
}

/// The mount of the secrets that `container` needs, if it has none of its own.
fn secrets_mount(
    intent: &Intent,
    container: &Container<'_>,
    writes: bool,
    subject: &Subject<'_>,
) -> Result<Option<VolumeMount>, Rejection> {
    if container.mount_of(names::SECRETS_VOLUME).is_some() {
        return Ok(None);
    }
    let path = mount_path(intent, subject);
    reject_taken(container, path, names::SECRETS_VOLUME)?;
    Ok(Some(match writes || !subject.settings.secrets.read_only {
        true => writable(names::SECRETS_VOLUME, path),
        false => read_only(names::SECRETS_VOLUME, path),
    }))
}

/// Rejects a container that mounts something where the policy mounts volume `ours`.
fn reject_taken(container: &Container<'_>, path: &str, ours: &str) -> Result<(), Rejection> {
    let mut mounts = container.volume_mounts.iter();
    let Some(taken) = mounts.find(|mount| mount.is_at(path)) else {
        return Ok(());
    };
    let problem = match &*taken.name {
        volume if volume == ours => format!(
            "mounts a subPath of volume {ours} at {path}, where the policy mounts the whole volume; mount it elsewhere, or without subPath"
        ),
        volume => format!(
            "mounts volume {volume} at {path}, where the policy mounts volume {ours}; mount it elsewhere"
        ),
    };
    Err(Place::Container(container.name.to_string()).rejected(problem))
}
