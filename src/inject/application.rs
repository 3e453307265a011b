//! The pod's own containers: which of them belong to the application, and what each gets.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::VolumeMount;

use super::{ContainerChange, MOST_ADDED, hook, too_much};
use crate::annotations::Key;
use crate::images::{ImageCommand, Wanted};
use crate::intent::{Intent, Stage};
use crate::kubernetes::{literal, read_only, writable};
use crate::names;
use crate::path::{are_nested, below, segments};
use crate::pod::{Command, Container, List, RestartPolicy};
use crate::rejection::{Place, Rejection};
use crate::secrets::{SecretFile, Secrets, SecretsDirectory};
use crate::sidecars::env_shell::Wrapping;
use crate::subject::Subject;
use crate::values::{Sidecars, Switch};
use crate::variables;
use crate::words::{listed, quoted, set};

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
            "all containers are in the setting jobs.ignoredContainers; expected at least one that is not",
        ));
    }
    let Some(names) = &intent.job_containers else {
        return Ok(applications);
    };
    let all = &subject.pod.containers;
    let names = known_names(names, all, Key::JobContainers, subject)?;
    let named = all.iter().filter(|it| names.contains(&*it.name));
    Ok(named.collect())
}

fn applications<'s, 'a>(subject: &'s Subject<'a>) -> Vec<&'s Container<'a>> {
    let applications = subject.applications();
    applications.map(|(_, container)| container).collect()
}

/// Rejects a name of a container that is to get the secrets, and is not there.
fn reject_unknown_names(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let Some(names) = &intent.inject_containers else {
        return Ok(());
    };
    let init_containers = subject.without_ignored(&subject.pod.init_containers);
    let all = subject.applications().chain(init_containers);
    let all = all.map(|(_, container)| container);
    known_names(names, all, Key::InjectContainers, subject).map(|_| ())
}

/// The names in an annotation, of which each must be one of these containers'.
fn known_names<'n, 's, 'a: 's>(
    names: &'n [String],
    containers: impl IntoIterator<Item = &'s Container<'a>>,
    key: Key,
    subject: &Subject<'_>,
) -> Result<BTreeSet<&'n str>, Rejection> {
    let containers = containers.into_iter().map(|container| &*container.name);
    let containers: Vec<&str> = containers.collect();
    let known = set(containers.iter().copied());
    let Some(unknown) = names.iter().find(|name| !known.contains(name.as_str())) else {
        return Ok(set(names.iter().map(String::as_str)));
    };
    let has = |containers: &[Container<'_>]| containers.iter().any(|it| *it.name == **unknown);
    let is_init_container = has(&subject.pod.init_containers);
    let problem = if is_init_container && key == Key::JobContainers {
        "is an init container and cannot end the job"
    } else if is_init_container || has(&subject.pod.containers) {
        "is in the setting jobs.ignoredContainers"
    } else {
        "is not a container of this pod"
    };
    let (unknown, known) = (quoted(unknown), listed(containers));
    let problem = format!("{unknown} {problem}; expected one of {known}");
    Err(subject
        .annotations
        .rejected(key, problem)
        .unless_filled_in())
}

/// What each of the pod's own containers gets: the secrets, and a hook that waits for them or the shell that puts them into
/// its environment.
pub fn changes(intent: &Intent, subject: &Subject<'_>) -> Result<Vec<ContainerChange>, Rejection> {
    let mut changes = Changes::default();
    reject_unknown_names(intent, subject)?;
    let selected = intent.selected();
    for (index, container) in subject.applications() {
        if selected.has(&container.name) {
            let change = ContainerChange::new(List::Containers, index);
            changes.add(application(change, intent, container, subject)?)?;
        }
    }
    let behind = subject.behind_mesh_proxy();
    let (mut before_proxy, mut before_secrets) = (Vec::new(), Vec::new());
    let (mut too_soon, mut without_command) = (Vec::new(), Vec::new());
    for (index, container) in subject.without_ignored(&subject.pod.init_containers) {
        let name = &*container.name;
        let has_variables = has_variables(intent, List::InitContainers, index);
        if !intent.uses_secrets_volume() && !has_variables {
            continue;
        }
        let is_named_itself = selected.names(name);
        let come_before = intent.has_init_agent() || intent.sidecars == Sidecars::Native;
        let is_wrapped = intent.fills_environment() && selected.has(name);
        if index < behind && !intent.reads_ids_from_files() {
            if is_named_itself || has_variables {
                let problem = format!("{BEFORE_PROXY}; move it behind the proxy");
                return Err(Place::Container(name.to_owned()).rejected(problem));
            }
            if come_before {
                before_proxy.push(name);
            }
            continue;
        }
        if has_variables || (is_wrapped && is_named_itself) {
            reject_too_early(intent, container, subject)?;
        } else if is_wrapped && too_early(intent).is_some() {
            too_soon.push(name);
        } else if is_named_itself && !come_before && intent.secrets.is_some() {
            before_secrets.push(name);
        }
        let change = ContainerChange::new(List::InitContainers, index);
        let change = init_container(change, intent, container, subject, &mut without_command)?;
        changes.add(change)?;
    }
    // There may be very many.
    let warn = |names: Vec<&str>, problem: &str| {
        if !names.is_empty() {
            let names = listed(names);
            subject
                .warnings
                .add(format!("container {names}: {problem}"));
        }
    };
    warn(
        before_proxy,
        &format!("{BEFORE_PROXY}; the container gets no secrets"),
    );
    warn(
        before_secrets,
        &format!(
            "ends before the secrets are there, which come with the sidecars; use {}, or static secrets",
            subject.native_sidecars()
        ),
    );
    if let Some(reason) = too_early(intent) {
        let problem = format!(
            "{}; the container gets no environment variables",
            reason.problem(subject)
        );
        warn(too_soon, &problem);
    }
    if let Some(first) = without_command.first() {
        let more = match without_command.len() - 1 {
            0 => String::new(),
            more => format!("; the same holds for {more} more"),
        };
        subject.warnings.add(format!(
            "{first}; the container gets the secrets only as files{more}"
        ));
    }
    Ok(changes.all)
}

/// What a container of the application gets.
fn application(
    mut change: ContainerChange,
    intent: &Intent,
    container: &Container<'_>,
    subject: &Subject<'_>,
) -> Result<ContainerChange, Rejection> {
    let mut files = Vec::new();
    let mut directories = Vec::new();
    if let Some(secrets) = &intent.secrets {
        directories = mount_secrets(&mut change, intent, container, false, subject)?;
        files = paths(&directories, secrets)?;
    }
    if intent.waits_in_hook() {
        change.post_start = Some(hook::command(container, &files, subject)?);
    }
    let mut wrapping = Wrapping::default();
    match intent.fills_environment() {
        true => wrapping.files = files,
        false if intent.restarts => wrapping.watched = files,
        false => {}
    }
    let has_variables = has_variables(intent, change.list, change.index);
    if has_variables || !wrapping.files.is_empty() || !wrapping.watched.is_empty() {
        if intent.restarts {
            reject_ending(container, subject)?;
            wrapping.grace = Some(subject.pod.termination_grace_period_seconds());
        }
        // Native sidecars have written them before.
        let is_later = intent.restarts && intent.sidecars == Sidecars::Classic;
        let timeout = subject.settings.secrets.hook_timeout_seconds;
        wrapping.wait = is_later.then_some(timeout);
        let image = image_command(
            container,
            required_by(intent, change.list, change.index),
            subject,
        )?;
        wrap(
            &mut change,
            container,
            image,
            wrapping,
            &directories,
            intent,
            subject,
        )?;
    }
    Ok(change)
}

/// What an init container of the pod gets.
fn init_container(
    mut change: ContainerChange,
    intent: &Intent,
    container: &Container<'_>,
    subject: &Subject<'_>,
    without_command: &mut Vec<Rejection>,
) -> Result<ContainerChange, Rejection> {
    let writes = intent.reads_ids_from_files();
    let directories = match intent.uses_secrets_volume() {
        true => mount_secrets(&mut change, intent, container, writes, subject)?,
        false => Vec::new(),
    };
    let selected = intent.selected();
    let fills_environment =
        intent.fills_environment() && selected.has(&container.name) && too_early(intent).is_none();
    let has_variables = has_variables(intent, change.list, change.index);
    if !fills_environment && !has_variables {
        return Ok(change);
    }
    let why = required_by(intent, change.list, change.index);
    let image = match image_command(container, why, subject) {
        Err(rejection) if !has_variables && !selected.names(&container.name) => {
            without_command.push(rejection);
            return Ok(change);
        }
        image => image?,
    };
    let mut wrapping = Wrapping::default();
    if let Some(secrets) = intent.secrets.as_ref().filter(|_| fills_environment) {
        wrapping.files = paths(&directories, secrets)?;
    }
    wrap(
        &mut change,
        container,
        image,
        wrapping,
        &directories,
        intent,
        subject,
    )?;
    Ok(change)
}

fn has_variables(intent: &Intent, list: List, index: usize) -> bool {
    let variables = intent.variables.as_ref();
    variables.is_some_and(|variables| variables.of(list, index).is_some())
}

/// Why variables are not there yet when the pod's own init containers run, and what to do; `None` if they are.
fn too_early(intent: &Intent) -> Option<TooEarly> {
    if !intent.is_init_first {
        return Some(TooEarly::InitFirst);
    }
    let is_once = !intent.renders_files(Stage::Beside) || !intent.fills_environment();
    let is_once = is_once && !intent.renders_variables(Stage::Beside);
    match intent.sidecars {
        _ if is_once => None,
        Sidecars::Classic => Some(TooEarly::Classic),
        // They wait for an init container of the pod, which brings the ids.
        Sidecars::Native => intent.reads_ids_from_files().then_some(TooEarly::Ids),
    }
}

#[derive(Clone, Copy)]
enum TooEarly {
    InitFirst,
    Classic,
    Ids,
}

impl TooEarly {
    /// What is wrong, and what to do.
    fn problem(self, subject: &Subject<'_>) -> String {
        let annotation = |key| subject.annotations.name(key);
        let (why, remedy) = match self {
            TooEarly::InitFirst => (
                "after the pod's own init containers",
                format!("remove annotation {}", annotation(Key::InitFirst)),
            ),
            TooEarly::Classic => (
                "with the sidecars",
                format!("use {}", subject.native_sidecars()),
            ),
            TooEarly::Ids => (
                "after the init container that brings the ids of approle",
                format!(
                    "name a Secret with the ids in annotation {}",
                    annotation(Key::ApproleSecret)
                ),
            ),
        };
        format!(
            "ends before the secrets for its environment are there, because they come {why}; {remedy}"
        )
    }
}

/// Rejects an init container whose variables are there after it has ended.
fn reject_too_early(
    intent: &Intent,
    container: &Container<'_>,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    match too_early(intent) {
        None => Ok(()),
        Some(reason) => {
            let place = Place::Container(container.name.to_string());
            Err(place.rejected(reason.problem(subject)))
        }
    }
}

/// Rejects a container that nothing would start again.
fn reject_ending(container: &Container<'_>, subject: &Subject<'_>) -> Result<(), Rejection> {
    let policy = container
        .restart_policy
        .unwrap_or(subject.pod.restart_policy);
    match policy {
        RestartPolicy::Always | RestartPolicy::OnFailure => Ok(()),
        RestartPolicy::Never => Err(subject.annotations.rejected(
            Key::OnChange,
            format!(
                "restart ends container {} when a secret changes, and restartPolicy Never does not start it again; use OnFailure or Always",
                quoted(&container.name)
            ),
        )
        .unless_filled_in()),
    }
}

/// Why an init container gets no secrets.
const BEFORE_PROXY: &str =
    "runs before the proxy of the service mesh, and the secrets come after the proxy";

/// The paths of the files as a container has them, in these directories.
fn paths(directories: &[String], secrets: &Secrets) -> Result<Vec<String>, Rejection> {
    let files = || secrets.files.iter();
    let directory = |file: &SecretFile| directories[file.directory].as_str();
    // Each file's path begins with its directory.
    match files().map(|file| directory(file).len()).sum::<usize>() > MOST_ADDED {
        true => Err(too_much()),
        false => Ok(files()
            .map(|file| format!("{}/{}", directory(file), file.destination))
            .collect()),
    }
}

/// What the image of a container runs that has no command; `None` for one that has.
fn image_command(
    container: &Container<'_>,
    why: RequiredBy,
    subject: &Subject<'_>,
) -> Result<Option<ImageCommand>, Rejection> {
    if container.has(Command::Main) {
        return Ok(None);
    }
    let place = || Place::Container(container.name.to_string());
    let image = container.image.as_deref().filter(|image| !image.is_empty());
    let settings = subject.settings;
    let found = match (image, settings.image_lookup) {
        (None, _) => Err("it has no image".to_owned()),
        (_, Switch::Disabled) => Err(
            "its image is not looked up, because the setting imageLookup is disabled".to_owned(),
        ),
        (Some(image), Switch::Enabled) => {
            let mut work = subject.work.borrow_mut();
            let restrictions = &settings.restrictions;
            restrictions.allow_image_lookup(image, place(), subject.identity(), &mut work)?;
            let architecture = subject.pod.architecture();
            subject.images.command(Wanted {
                image,
                architecture: architecture.as_deref(),
                has_arguments: container.has_arguments(),
            })
        }
    };
    found.map(Some).map_err(|problem| {
        let remedy = "add the image's ENTRYPOINT as its command";
        let (what, remedy) = match why {
            RequiredBy::References => (
                "its environment variables that refer to Vault require",
                remedy.to_owned(),
            ),
            RequiredBy::Secrets(what) => (
                what,
                format!(
                    "{remedy}, or list the containers that get the secrets in annotation {}",
                    subject.annotations.name(Key::InjectContainers)
                ),
            ),
        };
        place()
            .rejected(format!(
                "has no command, which {what}, and {problem}; {remedy}"
            ))
            .unless_filled_in()
    })
}

/// Why the policy must know what a container runs.
#[derive(Clone, Copy)]
enum RequiredBy {
    /// Variables of its own.
    References,
    /// What the containers have that get the secrets.
    Secrets(&'static str),
}

fn required_by(intent: &Intent, list: List, index: usize) -> RequiredBy {
    match intent.restarts {
        _ if has_variables(intent, list, index) => RequiredBy::References,
        true => RequiredBy::Secrets("on-change: restart requires"),
        false => RequiredBy::Secrets("secrets-injection-method: env requires"),
    }
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
        if change.is_empty() {
            return Ok(());
        }
        let mounts = change.volume_mounts.iter();
        let before = change.words_before.iter().flat_map(|(_, words)| words);
        let others = [&change.post_start, &change.arguments];
        let words = before.chain(others.into_iter().flatten().flatten());
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

/// Lets every command of a container go through the shell: its main process, its probes and its hooks. `image` is what it
/// runs, if it does not say so.
fn wrap(
    change: &mut ContainerChange,
    container: &Container<'_>,
    image: Option<ImageCommand>,
    mut wrapping: Wrapping,
    directories: &[String],
    intent: &Intent,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let mut mounts = vec![read_only(names::ENV_VOLUME, names::ENV_DIRECTORY)];
    if has_variables(intent, change.list, change.index) {
        mounts.push(VolumeMount {
            // No other container's.
            sub_path: Some(container.name.to_string()),
            ..read_only(names::VALUES_VOLUME, names::VALUES_DIRECTORY)
        });
        let file = format!("{}/{}", names::VALUES_DIRECTORY, names::VALUES_FILE);
        wrapping.files.push(file);
    }
    for mount in &mounts {
        reject_taken(container, mount, subject)?;
        if directories
            .iter()
            .any(|directory| are_nested(directory, &mount.mount_path))
        {
            let place = match subject.annotations.get(Key::SecretsMountPath) {
                Some(_) => subject.annotations.place(Key::SecretsMountPath),
                None => Place::field("setting secrets.mountPath"),
            };
            let taken = &mount.mount_path;
            return Err(place.rejected(format!(
                "must not be in or around {taken}, which is reserved for the policy; choose another directory"
            )));
        }
    }
    change.volume_mounts.extend(mounts);
    wrapping.rejects_references = variables::are_resolved(subject);
    let has_files = !wrapping.files.is_empty();
    let commands = Command::ALL
        .into_iter()
        .filter(|command| *command == Command::Main || (has_files && container.has(*command)));
    change.words_before = commands
        .map(|command| (command, wrapping.words_before(command)))
        .collect();
    let Some(ImageCommand { entrypoint, cmd }) = image else {
        return Ok(());
    };
    let literals = |words: &[String]| words.iter().map(|word| literal(word)).collect::<Vec<_>>();
    for (command, words) in &mut change.words_before {
        if *command == Command::Main {
            words.extend(literals(&entrypoint));
        }
    }
    if !cmd.is_empty() && !container.has_arguments() {
        change.arguments = Some(literals(&cmd));
    }
    Ok(())
}

/// Adds the mounts of the secrets that `container` does not have already, and returns where it has them.
fn mount_secrets(
    change: &mut ContainerChange,
    intent: &Intent,
    container: &Container<'_>,
    writes: bool,
    subject: &Subject<'_>,
) -> Result<Vec<String>, Rejection> {
    let main;
    let directories = match &intent.secrets {
        Some(secrets) => &secrets.directories,
        None => {
            main = vec![SecretsDirectory::main(subject)?];
            &main
        }
    };
    let mut paths = Vec::new();
    for directory in directories {
        let (volume, path) = (&*directory.volume, &*directory.in_application);
        if let Some(mount) = container.mount_of(volume) {
            paths.push(mount.mount_path.trim_end_matches('/').to_owned());
            continue;
        }
        let mount = match writes || !subject.settings.secrets.read_only {
            true => writable(volume, path),
            false => read_only(volume, path),
        };
        reject_taken(container, &mount, subject)?;
        change.volume_mounts.push(mount);
        paths.push(path.to_owned());
    }
    Ok(paths)
}

/// Rejects a container with a mount of its own that stands in the way of ours: at the same path, or one of the two inside
/// the other, which is read-only. The container runtime could not make the directory to mount at, and the container would
/// not start.
fn reject_taken(
    container: &Container<'_>,
    ours: &VolumeMount,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let (path, volume) = (&*ours.mount_path, &*ours.name);
    let reject = |problem| Err(Place::Container(container.name.to_string()).rejected(problem));
    let around = container.volume_mounts.iter();
    let around = around.filter(|mount| below(path, &mount.mount_path).is_some());
    // The innermost one is what ours would be in.
    let innermost = around.max_by_key(|mount| segments(&mount.mount_path).count());
    for mount in &container.volume_mounts {
        let (theirs, at) = (&*mount.name, &*mount.mount_path);
        if mount.is_at(path) {
            return reject(match theirs == volume {
                true => format!(
                    "mounts a subPath of volume {volume} at {path}, where the policy mounts the whole volume; mount it elsewhere, or without subPath"
                ),
                false => format!(
                    "mounts volume {theirs} at {path}, where the policy mounts volume {volume}; mount it elsewhere"
                ),
            });
        }
        if !are_nested(path, at) {
            continue;
        }
        let is_inside = below(path, at).is_some();
        let is_read_only = match is_inside {
            true if innermost != Some(mount) => false,
            true => {
                let declared = subject.pod.volume(theirs);
                mount.is_read_only || declared.is_some_and(|it| it.source.is_read_only())
            }
            false => ours.read_only == Some(true),
        };
        if is_read_only {
            let remedy = match volume == subject.secrets_volume {
                true => format!(
                    "choose another path in annotation {}",
                    subject.annotations.name(Key::SecretsMountPath)
                ),
                false => "mount it elsewhere".to_owned(),
            };
            let (inner, outer) = match is_inside {
                true => (
                    format!("volume {volume} of the policy cannot be mounted at {path}"),
                    format!("volume {theirs} at {at}"),
                ),
                false => (
                    format!("its volume {theirs} cannot be mounted at {at}"),
                    format!("volume {volume} of the policy at {path}"),
                ),
            };
            return reject(format!(
                "{inner}, inside {outer}, which is read-only: the directory could not be made; {remedy}"
            ));
        }
    }
    Ok(())
}
