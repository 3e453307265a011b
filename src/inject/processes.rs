//! Pods whose containers may reach the processes of the policy's: who can look into a process finds its Vault token
//! below `/proc/PID/root`.

use crate::annotations::Key;
use crate::intent::Intent;
use crate::names::Names;
use crate::pod::{Container, Processes};
use crate::rejection::{Place, Rejection, Warnings};
use crate::settings::{Settings, same_as_locked};
use crate::subject::Subject;
use crate::values::SharedProcesses;
use crate::words::listed;

/// The fields of a pod with which its containers see the processes of others.
const HOST_PID: &str = "spec.hostPID";
const SHARE_PROCESS_NAMESPACE: &str = "spec.shareProcessNamespace";

/// Warns of processes that may be reached, or rejects the pod, as the settings say.
pub fn check(intent: &Intent, subject: &Subject<'_>) -> Result<(), Rejection> {
    let (pod, settings) = (subject.pod.processes(), subject.settings);
    let shares = intent.shares_process_namespace || pod.shares_process_namespace == Some(true);
    if let Some(field) = shared_by(&pod, shares)
        && settings.restrictions.is_locked(Key::ShareProcessNamespace)
    {
        return Err(Place::field(field).rejected(same_as_locked(Key::ShareProcessNamespace)));
    }
    let shared = |by: &str| {
        format!("{by}: other containers can read the Vault token from the sidecars' processes")
    };
    let mut found = Vec::new();
    if pod.uses_host_pid {
        found.push(shared(HOST_PID));
    }
    if intent.shares_process_namespace {
        let name = subject.annotations.name(Key::ShareProcessNamespace);
        found.push(shared(&format!("annotation {name}")));
    } else if shares {
        found.push(shared(SHARE_PROCESS_NAMESPACE));
    }
    let names = subject.names();
    let same = same_user(intent.user(), &pod, subject.pod.all_containers(), names);
    let mut keys = [Key::RunAsSameUser, Key::RunAsUser].into_iter();
    let key = keys.find(|key| subject.annotations.get(*key).is_some());
    found.extend(same.map(|(containers, problem)| match key {
        Some(key) => {
            let place = subject.annotations.place(key);
            format!("{place}: {containers} {problem}")
        }
        None => format!("{containers}: {problem}"),
    }));
    report(found, settings, subject.warnings)
}

/// The same for the ephemeral containers that are added to a pod, which has been injected with containers that run as
/// `user`.
pub fn check_ephemeral(
    user: Option<i64>,
    pod: &Processes,
    added: &[Container<'_>],
    names: &Names,
    settings: &Settings,
    warnings: &Warnings,
) -> Result<(), Rejection> {
    let mut found = Vec::new();
    let shares = pod.shares_process_namespace == Some(true);
    if let Some(field) = shared_by(pod, shares) {
        let names = listed(added.iter().map(|container| &*container.name));
        found.push(format!(
            "{field}: ephemeral container {names} can read the Vault token from the sidecars' processes"
        ));
    }
    let same = same_user(user, pod, added, names);
    found.extend(same.map(|(containers, problem)| format!("{containers}: {problem}")));
    report(found, settings, warnings)
}

/// The field by which containers see the processes of others, if they do.
fn shared_by(pod: &Processes, shares: bool) -> Option<&'static str> {
    match pod.uses_host_pid {
        true => Some(HOST_PID),
        false => shares.then_some(SHARE_PROCESS_NAMESPACE),
    }
}

/// The containers that run as `user`, as the sidecars do, and why that is a problem.
fn same_user<'s, 'a: 's>(
    user: Option<i64>,
    pod: &Processes,
    containers: impl IntoIterator<Item = &'s Container<'a>>,
    names: &Names,
) -> Option<(String, String)> {
    let user = user.or(pod.run_as_user)?;
    let same: Vec<_> = containers
        .into_iter()
        .filter(|container| !names.is_ours(&container.name))
        .filter(|container| container.run_as_user().or(pod.run_as_user) == Some(user))
        .map(|container| &*container.name)
        .collect();
    match same.is_empty() {
        true => None,
        false => Some((
            format!("container {}", listed(same)),
            format!(
                "runs as the sidecars' user {user}, so that only separate process namespaces protect the Vault token"
            ),
        )),
    }
}

fn report(found: Vec<String>, settings: &Settings, warnings: &Warnings) -> Result<(), Rejection> {
    let rule = "setting restrictions.sharedProcesses";
    match settings.restrictions.shared_processes {
        SharedProcesses::Refuse if !found.is_empty() => Err(Place::field("spec").rejected(format!(
            "not allowed by the {rule}; give each container another user and a process namespace of its own ({})",
            found.join("; ")
        ))),
        SharedProcesses::Warn => {
            for found in found {
                warnings.add(format!("{found} ({rule})"));
            }
            Ok(())
        }
        SharedProcesses::Refuse | SharedProcesses::Allow => Ok(()),
    }
}
