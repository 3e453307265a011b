//! A pod that has been injected, and then changes: nobody reaches into the policy's containers or changes them.
//!
//! Kubernetes lets whoever may update a pod change the images of its containers, and whoever may add an ephemeral
//! container mount its volumes and see the processes of a container.

use serde_json::value::RawValue;

use super::processes;
use super::reserved::{self, is_our_volume, is_ours};
use crate::names;
use crate::pod::{Container, Pod};
use crate::raw::Members;
use crate::rejection::{Place, Rejection, Warnings, read};
use crate::settings::Settings;
use crate::words::set;

/// A pod's spec, and what is compared of it as it is written.
pub struct Spec<'a> {
    pod: Pod<'a>,
    text: Members<'a>,
}

/// A container and its text.
type Written<'s, 'a> = (&'s Container<'a>, &'a RawValue);

impl<'a> Spec<'a> {
    pub fn read(spec: &'a RawValue) -> Result<Self, Rejection> {
        Ok(Spec {
            pod: read(spec, "spec")?,
            text: read(spec, "spec")?,
        })
    }

    fn containers(&self) -> Vec<Written<'_, 'a>> {
        both(&self.pod.containers, self.texts("containers"))
    }

    fn init_containers(&self) -> Vec<Written<'_, 'a>> {
        both(&self.pod.init_containers, self.texts("initContainers"))
    }

    fn ephemeral_containers(&self) -> Vec<Written<'_, 'a>> {
        let texts = self.texts("ephemeralContainers");
        both(&self.pod.ephemeral_containers, texts)
    }

    /// The volumes of the policy's, as they are written.
    fn our_volumes(&self) -> impl Iterator<Item = &'a str> {
        let volumes = self.pod.volumes.iter().zip(self.texts("volumes"));
        let ours = volumes.filter(|(volume, _)| is_our_volume(&volume.name));
        ours.map(|(_, text)| text.get())
    }

    /// The items of a list, which has been read before.
    fn texts(&self, list: &str) -> Vec<&'a RawValue> {
        self.text.read(list).unwrap_or_default()
    }
}

fn both<'s, 'a>(containers: &'s [Container<'a>], texts: Vec<&'a RawValue>) -> Vec<Written<'s, 'a>> {
    containers.iter().zip(texts).collect()
}

/// Whether a pod has containers of the policy's.
pub fn is_injected(spec: &Spec<'_>) -> bool {
    let mut containers = spec.pod.all_containers();
    containers.any(|container| is_ours(&container.name))
}

/// Rejects a change from `old`, which is injected, to `new`.
pub fn reject_reach(
    old: &Spec<'_>,
    new: &Spec<'_>,
    settings: &Settings,
    warnings: &Warnings,
) -> Result<(), Rejection> {
    let lists = [
        (old.containers(), new.containers()),
        (old.init_containers(), new.init_containers()),
    ];
    for (old, new) in &lists {
        reject_other_sidecars(old, new)?;
    }
    if !old.our_volumes().eq(new.our_volumes()) {
        return Err(Place::field("spec.volumes").rejected(
            "a volume of the policy was changed, added or removed, which is not possible in an injected pod; create the pod again",
        ));
    }
    let known = old.ephemeral_containers();
    let known = set(known.iter().map(|(_, text)| text.get()));
    let added = new.ephemeral_containers();
    let added = added
        .into_iter()
        .filter(|(_, text)| !known.contains(text.get()));
    let added: Vec<_> = added.map(|(container, _)| container).collect();
    for container in &added {
        reject_reach_of(container, None)?;
    }
    for (old, new) in &lists {
        let is_submitted = |(container, _): &&Written<'_, '_>| !is_ours(&container.name);
        let mut before = old.iter().filter(is_submitted);
        for (container, _) in new.iter().filter(is_submitted) {
            reject_reach_of(container, before.next().map(|(before, _)| *before))?;
        }
    }
    match added.is_empty() {
        true => Ok(()),
        false => processes::check_ephemeral(&new.pod, &added, settings, warnings),
    }
}

/// Rejects a list of containers in which those of the policy's are not what they were, resources apart: those can be
/// resized.
fn reject_other_sidecars(
    old: &[Written<'_, '_>],
    new: &[Written<'_, '_>],
) -> Result<(), Rejection> {
    let is_ours = |(container, _): &&Written<'_, '_>| is_ours(&container.name);
    let mut before = old.iter().filter(is_ours);
    let mut after = new.iter().filter(is_ours);
    loop {
        match (before.next(), after.next()) {
            (None, None) => return Ok(()),
            (Some((_, old)), Some((_, new))) if is_same(old, new) => {}
            (Some((container, _)), _) | (None, Some((container, _))) => {
                return Err(Place::Container(container.name.to_string()).rejected(
                    "is the policy's, and was changed, added or removed: in an injected pod only its resources can change; change the settings or annotations and create the pod again",
                ));
            }
        }
    }
}

/// Whether two containers are the same except for their resources. What is the same has the same text, because the API
/// server writes both.
fn is_same(old: &RawValue, new: &RawValue) -> bool {
    let members = |container: &RawValue| -> Option<Vec<(String, String)>> {
        let members: Members<'_> = serde_json::from_str(container.get()).ok()?;
        let members = members
            .iter()
            .filter(|(name, _)| !matches!(&***name, "resources" | "resizePolicy"));
        let members = members.map(|(name, value)| (name.to_string(), value.get().to_owned()));
        Some(members.collect())
    };
    match (members(old), members(new)) {
        (Some(old), Some(new)) => old == new,
        _ => false,
    }
}

/// Rejects a container of somebody else's that uses what is the policy's, and did not before.
fn reject_reach_of(
    container: &Container<'_>,
    before: Option<&Container<'_>>,
) -> Result<(), Rejection> {
    let name = &*container.name;
    if is_ours(name) {
        return Err(Place::field("spec.ephemeralContainers").rejected(format!(
            "the name {name} is reserved for the policy; choose another"
        )));
    }
    let Some(before) = before else {
        reserved::reject_uses_of_container(container)?;
        let mounts = container.volume_mounts.iter().map(|mount| &mount.name);
        let mut used = mounts.chain(container.file_volumes());
        return match used.find(|volume| &***volume == names::SECRETS_VOLUME) {
            Some(_) => Err(Place::Container(name.to_owned()).rejected(
                "uses volume secrets, which a container that is added to an injected pod must not use; remove it from the container",
            )),
            None => Ok(()),
        };
    };
    let same_mounts = before.volume_mounts == container.volume_mounts
        && before.volume_devices().eq(container.volume_devices())
        && before.resource_fields().eq(container.resource_fields())
        && before.file_volumes().eq(container.file_volumes());
    match same_mounts {
        true => Ok(()),
        false => reserved::reject_uses_of_container(container),
    }
}
