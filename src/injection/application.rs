//! The pod's own containers: which of them belong to the application, and what each gets.

use std::ptr;

use super::container::{read_only, writable};
use super::{ContainerChange, Context, MOST_ADDED, Refusal, environment, hook, names};
use crate::annotations::Key;
use crate::intent::{Intent, SecretFile};
use crate::kubernetes::VolumeMount;
use crate::pod::{Container, List, Pod, are_nested};
use crate::settings::Settings;
use crate::sorted::{Sorted, listed};

/// The containers of the application: all but the proxies of service meshes. There is at least one.
pub fn containers<'c, 'p>(
    pod: &'c Pod<'p>,
    settings: &Settings,
) -> Result<Vec<&'c Container<'p>>, Refusal> {
    let ignored = ignored(settings);
    let containers: Vec<_> = pod
        .containers
        .iter()
        .filter(|container| !ignored.contains(&container.name))
        .collect();
    match containers.is_empty() {
        true => Err(Refusal::NoApplicationContainer),
        false => Ok(containers),
    }
}

/// The names of the proxies of service meshes.
fn ignored(settings: &Settings) -> Sorted<'_> {
    let ignored = settings.jobs.ignored_containers.iter();
    ignored.map(|name| name.as_str()).collect()
}

/// Those of the application's containers that get the secrets.
pub fn selected<'c, 'p>(
    intent: &Intent,
    applications: &[&'c Container<'p>],
    settings: &Settings,
) -> Result<Vec<&'c Container<'p>>, Refusal> {
    match &intent.inject_containers {
        Some(names) => named(names, applications, Key::InjectContainers, settings),
        None => Ok(applications.to_vec()),
    }
}

/// The containers whose end is the job's end.
pub fn of_the_job<'c, 'p>(
    intent: &Intent,
    pod: &'c Pod<'p>,
    applications: &[&'c Container<'p>],
    settings: &Settings,
) -> Result<Vec<&'c Container<'p>>, Refusal> {
    let submitted: Vec<_> = pod.containers.iter().collect();
    match &intent.job_containers {
        Some(names) => named(names, &submitted, Key::JobContainers, settings),
        None => Ok(applications.to_vec()),
    }
}

/// The containers of these names, each of which must be there.
fn named<'c, 'p>(
    names: &[String],
    containers: &[&'c Container<'p>],
    key: Key,
    settings: &Settings,
) -> Result<Vec<&'c Container<'p>>, Refusal> {
    let known: Sorted<'_> = containers
        .iter()
        .map(|container| &*container.name)
        .collect();
    if let Some(position) = names.iter().position(|name| !known.contains(name)) {
        return Err(Refusal::NoSuchContainer {
            annotation: settings.annotations.name(key),
            position: position + 1,
            of: match key {
                Key::JobContainers => "pod",
                _ => "application",
            },
            known: listed(containers.iter().map(|container| &*container.name)),
        });
    }
    let names: Sorted<'_> = names.iter().map(String::as_str).collect();
    let is_named = |container: &&&Container<'p>| names.contains(&container.name);
    Ok(containers.iter().filter(is_named).copied().collect())
}

/// What each of the pod's own containers gets: the secrets, and the application's their hook or the shell
/// that fills their environment.
pub fn changes(
    intent: &Intent,
    context: &Context<'_, '_>,
) -> Result<Vec<ContainerChange>, Refusal> {
    let mut changes = Changes::default();
    if let Some(secrets) = &intent.secrets {
        // They are in the order of the pod.
        let mut selected = context.selected.iter().peekable();
        for (index, container) in context.pod.containers.iter().enumerate() {
            if selected
                .next_if(|next| ptr::eq(**next, container))
                .is_some()
            {
                let files = &secrets.files;
                changes.add(of_application(intent, files, index, container, context)?)?;
            }
        }
    }
    let writes = intent.reads_ids_from_files();
    if intent.secrets.is_some() || writes {
        let ignored = ignored(context.settings);
        for (index, container) in context.pod.init_containers.iter().enumerate() {
            if ignored.contains(&container.name) {
                continue;
            }
            changes.add(ContainerChange {
                list: List::InitContainers,
                index,
                volume_mounts: secrets_mount(intent, container, writes, context.settings)?
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
    fn add(&mut self, change: ContainerChange) -> Result<(), Refusal> {
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
            return Err(Refusal::TooMuch);
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
    context: &Context<'_, '_>,
) -> Result<ContainerChange, Refusal> {
    let settings = context.settings;
    let mount = secrets_mount(intent, container, false, settings)?;
    let directory = container
        .mount_of(names::SECRETS_VOLUME)
        .map_or(mount_path(intent, settings), |mount| &mount.mount_path)
        .trim_end_matches('/');
    // Each file's path begins with it.
    if directory.len().saturating_mul(files.len()) > MOST_ADDED {
        return Err(Refusal::TooMuch);
    }
    let mut volume_mounts: Vec<_> = mount.into_iter().collect();
    let mut command = Vec::new();
    if intent.fills_environment() {
        refuse_taken(container, names::ENV_DIRECTORY, names::ENV_VOLUME)?;
        if are_nested(directory, names::ENV_DIRECTORY) {
            return Err(Refusal::MountPathOfShell {
                chosen_by: match intent.mount_path {
                    Some(_) => {
                        let name = settings.annotations.name(Key::SecretsMountPath);
                        format!("annotation {name}")
                    }
                    None => "setting secrets.mountPath".to_owned(),
                },
            });
        }
        volume_mounts.push(read_only(names::ENV_VOLUME, names::ENV_DIRECTORY));
        command = environment::command(container, directory, files, context)?;
    }
    let post_start = match intent.waits_in_hook() {
        true => Some(hook::command(container, directory, files, settings)?),
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

fn mount_path<'a>(intent: &'a Intent, settings: &'a Settings) -> &'a str {
    let path = intent.mount_path.as_ref();
    path.unwrap_or(&settings.secrets.mount_path).as_str()
}

/// The mount of the secrets that `container` needs, if it has none of its own.
fn secrets_mount(
    intent: &Intent,
    container: &Container<'_>,
    writes: bool,
    settings: &Settings,
) -> Result<Option<VolumeMount>, Refusal> {
    if container.mount_of(names::SECRETS_VOLUME).is_some() {
        return Ok(None);
    }
    let path = mount_path(intent, settings);
    refuse_taken(container, path, names::SECRETS_VOLUME)?;
    Ok(Some(if writes || !settings.secrets.read_only {
        writable(names::SECRETS_VOLUME, path)
    } else {
        read_only(names::SECRETS_VOLUME, path)
    }))
}

fn refuse_taken(container: &Container<'_>, path: &str, ours: &str) -> Result<(), Refusal> {
    let mut mounts = container.volume_mounts.iter();
    let Some(taken) = mounts.find(|mount| mount.is_at(path)) else {
        return Ok(());
    };
    let (container, path) = (container.name.to_string(), path.to_owned());
    if *taken.name == *ours {
        return Err(Refusal::MountPathTakenByPart { container, path });
    }
    Err(Refusal::MountPathTaken {
        container,
        path,
        volume: taken.name.to_string(),
        ours: ours.to_owned(),
    })
}
