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
    if pod.uses_host_pid {
        found.push("spec.hostPID is true".to_owned());
    }
    if intent.shares_process_namespace {
        let annotation = settings.annotations.name(Key::ShareProcessNamespace);
        found.push(format!("annotation {annotation} is true"));
    } else if shares {
        found.push("spec.shareProcessNamespace is true".to_owned());
    }
    found.extend(same_user(pod, pod.all_containers(), settings));
    tell(found, settings, warnings)
}

/// The same for the ephemeral containers that are added to a pod, which has been injected.
pub fn check_ephemeral<'c, 'p: 'c>(
    pod: &'c Pod<'p>,
    added: &[&'c Container<'p>],
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    let mut found = Vec::new();
    if pod.uses_host_pid || pod.shares_process_namespace == Some(true) {
        let names = listed(added.iter().map(|container| &*container.name));
        found.push(format!(
            "the containers of the pod see each other's processes, and so does {names}"
        ));
    }
    found.extend(same_user(pod, added.iter().copied(), settings));
    tell(found, settings, warnings)
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
        false => Some(format!(
            "user {user}, whom the sidecars run as, is also the user of {}",
            listed(same)
        )),
    }
}

fn tell(
    found: Vec<String>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    match settings.restrictions.shared_processes {
        SharedProcesses::Refuse if !found.is_empty() => Err(Refusal::ProcessesShared {
            reasons: found.join(", and "),
        }),
        SharedProcesses::Warn if !found.is_empty() => {
            warnings.push(format!(
                "{}: other processes may reach the sidecars' and read the Vault token (setting restrictions.sharedProcesses)",
                found.join(", and ")
            ));
            Ok(())
        }
        SharedProcesses::Refuse | SharedProcesses::Warn | SharedProcesses::Allow => Ok(()),
    }
}
