//! What is the policy's own is the policy's alone: nothing that is submitted declares, mounts or refers to a volume or
//! a container of the policy's, whether or not the pod has one of that name.

use std::borrow::Cow;

use super::{Refusal, names};
use crate::json::{Json, Members};
use crate::pod::{Container, Pod, Volume};

/// Annotations by which other webhooks give what our containers have to others, or add to them.
const LISTS_OF_CONTAINERS: [&str; 2] = [
    "vault.hashicorp.com/agent-copy-volume-mounts",
    "instrumentation.opentelemetry.io/container-names",
];

/// What `kubectl apply` keeps of a manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Refuses a pod that has or uses a name of the policy's. Its annotations under `prefix` are the policy's.
pub fn refuse_uses(pod: &Pod<'_>, annotations: &Members<'_>, prefix: &str) -> Result<(), Refusal> {
    if let Some(container) = pod
        .all_containers()
        .find(|container| is_ours(&container.name))
    {
        return Err(Refusal::ContainerNameTaken {
            container: container.name.to_string(),
        });
    }
    if let Some(volume) = pod
        .volumes
        .iter()
        .find(|volume| is_our_volume(&volume.name))
    {
        return Err(Refusal::VolumeNameTaken {
            volume: volume.name.to_string(),
        });
    }
    for container in pod.all_containers() {
        refuse_uses_of_container(container)?;
    }
    pod.volumes.iter().try_for_each(refuse_uses_of_volume)?;
    let is_about_ours = |(name, value): &&(Cow<'_, str>, Json<'_>)| {
        let (of, short) = name.rsplit_once('/').unwrap_or_default();
        if of == prefix || *name == LAST_APPLIED {
            return false;
        }
        // As profiles of AppArmor, seccomp and NRI have it: `.../tvsi-vault-agent`, `.../container.tvsi-vault-agent`.
        let of_container = short.strip_prefix("container.").unwrap_or(short);
        is_ours(of_container)
            || names_one(value.text(), &names::VOLUMES)
            || (LISTS_OF_CONTAINERS.contains(&&**name)
                && names_one(value.text(), &names::CONTAINERS))
    };
    match annotations.iter().find(is_about_ours) {
        Some((name, _)) => Err(Refusal::AnnotationOfSidecar {
            annotation: name.to_string(),
        }),
        None => Ok(()),
    }
}

/// Whether a text has one of `names` in it as a word. All of them begin alike, and none is shorter.
fn names_one(text: &str, names: &[&str]) -> bool {
    if text.len() < "tvsi-job".len() {
        return false;
    }
    text.match_indices("tvsi-").any(|(start, _)| {
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let before = text[..start].chars().next_back();
        let rest = &text[start..];
        let end = rest
            .find(|letter| !is_of_name(letter))
            .unwrap_or(rest.len());
        !before.is_some_and(is_of_name) && names.contains(&&rest[..end])
    })
}

/// Refuses a container that mounts a volume of the policy's or refers to a container of the policy's.
pub fn refuse_uses_of_container(container: &Container<'_>) -> Result<(), Refusal> {
    let mounted = container.volume_mounts.iter().map(|mount| &mount.name);
    let mut volumes = mounted
        .chain(&container.volume_devices)
        .chain(&container.file_volumes);
    if let Some(volume) = volumes.find(|name| is_our_volume(name)) {
        return Err(Refusal::VolumeUsed {
            container: container.name.to_string(),
            volume: volume.to_string(),
        });
    }
    let mut referred = container
        .resource_fields
        .iter()
        .chain(&container.target_container);
    match referred.find(|name| is_ours(name)) {
        Some(sidecar) => Err(Refusal::SidecarReferred {
            by: format!("container {}", container.name.0),
            sidecar: sidecar.to_string(),
        }),
        None => Ok(()),
    }
}

fn refuse_uses_of_volume(volume: &Volume<'_>) -> Result<(), Refusal> {
    match volume.resource_fields.iter().find(|name| is_ours(name)) {
        Some(sidecar) => Err(Refusal::SidecarReferred {
            by: format!("volume {}", volume.name.0),
            sidecar: sidecar.to_string(),
        }),
        None => Ok(()),
    }
}

/// Whether a container's name is the policy's.
pub fn is_ours(container: &str) -> bool {
    names::CONTAINERS.contains(&container)
}

/// Whether a volume's name is the policy's.
pub fn is_our_volume(volume: &str) -> bool {
    names::VOLUMES.contains(&volume)
}
