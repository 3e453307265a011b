//! A pod that has been injected, and then changes: nobody reaches into the policy's containers or changes them.
//!
//! Kubernetes lets whoever may update a pod change the images of its containers, and whoever may add an ephemeral
//! container mount its volumes and see the processes of a container.

use super::reserved::{self, is_our_volume, is_ours};
use super::{Refusal, names, processes};
use crate::json::Json;
use crate::pod::{Container, Pod};
use crate::settings::Settings;
use crate::sorted::Sorted;

/// Whether a pod has containers of the policy's.
pub fn is_injected(pod: &Pod<'_>) -> bool {
    ours(pod).next().is_some()
}

/// Refuses a change from `old`, which is injected, to `new`.
pub fn refuse_reach(
    old: &Pod<'_>,
    new: &Pod<'_>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    refuse_other_sidecars(&old.containers, &new.containers)?;
    refuse_other_sidecars(&old.init_containers, &new.init_containers)?;
    if !our_volumes(old).eq(our_volumes(new)) {
        return Err(Refusal::VolumesChanged);
    }
    let known = old.ephemeral_containers.iter();
    let known: Sorted<'_> = known.map(|container| container.json.text()).collect();
    let added: Vec<_> = new
        .ephemeral_containers
        .iter()
        .filter(|container| !known.contains(container.json.text()))
        .collect();
    for container in &added {
        refuse_reach_of(container, None)?;
    }
    for (old, new) in [
        (&old.containers, &new.containers),
        (&old.init_containers, &new.init_containers),
    ] {
        let is_submitted = |container: &&Container<'_>| !is_ours(&container.name);
        let mut before = old.iter().filter(is_submitted);
        for container in new.iter().filter(is_submitted) {
            refuse_reach_of(container, before.next())?;
        }
    }
    match added.is_empty() {
        true => Ok(()),
        false => processes::check_ephemeral(new, &added, settings, warnings),
    }
}

fn ours<'c, 'p>(pod: &'c Pod<'p>) -> impl Iterator<Item = &'c Container<'p>> {
    pod.all_containers()
        .filter(|container| is_ours(&container.name))
}

/// The volumes of the policy's, as they are written.
fn our_volumes<'a>(pod: &Pod<'a>) -> impl Iterator<Item = Json<'a>> {
    let volumes = pod.volumes.iter();
    let ours = volumes.filter(|volume| is_our_volume(&volume.name));
    ours.map(|volume| volume.json)
}

/// Refuses a list of containers in which those of the policy's are not what they were, resources apart: those can be
/// resized.
fn refuse_other_sidecars(old: &[Container<'_>], new: &[Container<'_>]) -> Result<(), Refusal> {
    let mut before = old.iter().filter(|container| is_ours(&container.name));
    let mut after = new.iter().filter(|container| is_ours(&container.name));
    loop {
        match (before.next(), after.next()) {
            (None, None) => return Ok(()),
            (Some(old), Some(new)) if is_same(old.json, new.json) => {}
            (Some(container), _) | (None, Some(container)) => {
                return Err(Refusal::SidecarChanged {
                    container: container.name.to_string(),
                });
            }
        }
    }
}

/// Whether two containers are the same but for their resources. What is the same has the same text, for the API server
/// writes both.
fn is_same(old: Json<'_>, new: Json<'_>) -> bool {
    let (Ok(old), Ok(new)) = (old.members(), new.members()) else {
        return false;
    };
    let is_compared = |name: &str| !matches!(name, "resources" | "resizePolicy");
    let of_old = old.iter().filter(|(name, _)| is_compared(name));
    let of_new = new.iter().filter(|(name, _)| is_compared(name));
    of_old.eq(of_new)
}

/// Refuses a container of somebody else's that uses what is the policy's, and did not before.
fn refuse_reach_of(
    container: &Container<'_>,
    before: Option<&Container<'_>>,
) -> Result<(), Refusal> {
    if is_ours(&container.name) {
        return Err(Refusal::NameReserved {
            container: container.name.to_string(),
        });
    }
    let Some(before) = before else {
        reserved::refuse_uses_of_container(container)?;
        let mounts = container.volume_mounts.iter().map(|mount| &mount.name);
        let mut used = mounts.chain(&container.file_volumes);
        return match used.find(|volume| &***volume == names::SECRETS_VOLUME) {
            Some(_) => Err(Refusal::SecretsMounted {
                container: container.name.to_string(),
            }),
            None => Ok(()),
        };
    };
    let same_mounts = before.volume_mounts == container.volume_mounts
        && before.volume_devices == container.volume_devices
        && before.resource_fields == container.resource_fields
        && before.file_volumes == container.file_volumes;
    match same_mounts {
        true => Ok(()),
        false => reserved::refuse_uses_of_container(container),
    }
}
