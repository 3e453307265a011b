//! Pods whose containers may reach the processes of the policy's: who can look into a process finds its Vault token
//! below `/proc/PID/root`.

use super::{Refusal, reserved};
use crate::annotations::Key;
use crate::intent::Intent;
use crate::pod::{Container, Pod};
use crate::settings::{Settings, SharedProcesses};
use crate::sorted::listed;

/// Warns of processes that may be reached, or refuses the pod, as the settings say.
pub fn check(
    intent: &Intent,
    pod: &Pod<'_>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    let shares = intent.shares_process_namespace || pod.shares_process_namespace == Some(true);
    if settings.restrictions.is_locked(Key::ShareProcessNamespace) {
        let field = match (pod.uses_host_pid, shares) {
            (true, _) => Some("spec.hostPID"),
            (_, true) => Some("spec.shareProcessNamespace"),
            _ => None,
        };
        if let Some(field) = field {
            return Err(Refusal::FieldLocked {
                field,
                locked: Key::ShareProcessNamespace.name(),
            });
        }
    }
    let mut found = Vec::new();
    let mut shared = |by: &str| {
        found.push(format!(
            "{by} is true, with which other containers can read the Vault token from the sidecars' processes"
        ));
    };
    if pod.uses_host_pid {
        shared("spec.hostPID");
    }
    if intent.shares_process_namespace {
        let name = settings.annotations.name(Key::ShareProcessNamespace);
        shared(&format!("annotation {name}"));
    } else if shares {
        shared("spec.shareProcessNamespace");
    }
    found.extend(same_user(pod, pod.all_containers(), settings));
    report(found, settings, warnings)
}

/// The same for the ephemeral containers that are added to a pod, which has been injected.
pub fn check_ephemeral<'c, 'p: 'c>(
    pod: &'c Pod<'p>,
    added: &[&'c Container<'p>],
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    let mut found = Vec::new();
    let field = match pod.uses_host_pid {
        true => Some("spec.hostPID"),
        false if pod.shares_process_namespace == Some(true) => Some("spec.shareProcessNamespace"),
        false => None,
    };
    if let Some(field) = field {
        let names = listed(added.iter().map(|container| &*container.name));
        found.push(format!(
            "{field} is true, with which ephemeral container {names} can read the Vault token from the sidecars' processes"
        ));
    }
    found.extend(same_user(pod, added.iter().copied(), settings));
    report(found, settings, warnings)
}

/// The containers that run as the user that the sidecars run as.
fn same_user<'c, 'p: 'c>(
    pod: &Pod<'p>,
    containers: impl Iterator<Item = &'c Container<'p>>,
    settings: &Settings,
) -> Option<String> {
    let context = settings.security_context.as_ref();
    let user = context
        .and_then(|context| context.run_as_user)
        .or(pod.run_as_user)?;
    let same: Vec<_> = containers
        .filter(|container| !reserved::is_ours(&container.name))
        .filter(|container| container.run_as_user.or(pod.run_as_user) == Some(user))
        .map(|container| &*container.name)
        .collect();
    match same.is_empty() {
        true => None,
        // Nothing but a process namespace of its own is then between such a container and the token.
        false => Some(format!(
            "user {user} of container {} is the user of the sidecars, whose processes and files are open to it as soon as it sees them",
            listed(same)
        )),
    }
}

fn report(
    found: Vec<String>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    match settings.restrictions.shared_processes {
        SharedProcesses::Refuse if !found.is_empty() => Err(Refusal::ProcessesShared {
            reasons: found.join("; "),
        }),
        SharedProcesses::Warn if !found.is_empty() => {
            warnings.push(format!(
                "{} (setting restrictions.sharedProcesses)",
                found.join("; ")
            ));
            Ok(())
        }
        SharedProcesses::Refuse | SharedProcesses::Warn | SharedProcesses::Allow => Ok(()),
    }
}
