//! What is the policy's own is the policy's alone: nothing that is submitted declares, mounts or refers to a volume or
//! a container of the policy's, whether or not the pod has one of that name.

use super::{Refusal, names};
use crate::json::Members;
use crate::pod::{Container, Pod, Volume};

/// The annotations that choose a security profile for the container whose name they end with.
const OF_CONTAINERS: [&str; 2] = [
    "container.apparmor.security.beta.kubernetes.io",
    "container.seccomp.security.alpha.kubernetes.io",
];

/// Refuses a pod that has or uses a name of the policy's.
pub fn refuse_uses(pod: &Pod<'_>, annotations: &Members<'_>) -> Result<(), Refusal> {
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
    let of_ours = |name: &str| {
        let name = name.rsplit_once('/');
        name.is_some_and(|(prefix, name)| OF_CONTAINERS.contains(&prefix) && is_ours(name))
    };
    match annotations.iter().find(|(name, _)| of_ours(name)) {
        Some((name, _)) => Err(Refusal::AnnotationOfSidecar {
            annotation: name.to_string(),
        }),
        None => Ok(()),
    }
}

/// Refuses a container that mounts a volume of the policy's or refers to a container of the policy's.
pub fn refuse_uses_of_container(container: &Container<'_>) -> Result<(), Refusal> {
    let mounted = container.volume_mounts.iter().map(|mount| &mount.name);
    let mut volumes = mounted.chain(&container.volume_devices);
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
