//! What is the policy's own is the policy's alone: nothing that is submitted declares, mounts or refers to a volume or
//! a container of the policy's, whether or not the pod has one of that name.

use serde_json::value::RawValue;

use crate::names::{CONTAINERS, Names, VOLUMES};
use crate::pod::{Container, Volume};
use crate::raw::Text;
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;

/// Annotations by which other webhooks give what our containers have to others, or add to them.
const LISTS_OF_CONTAINERS: [&str; 2] = [
    "vault.hashicorp.com/agent-copy-volume-mounts",
    "instrumentation.opentelemetry.io/container-names",
];

/// What `kubectl apply` keeps of a manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Rejects a pod that has or uses a name of the policy's.
pub fn reject_uses(subject: &Subject<'_>) -> Result<(), Rejection> {
    let (pod, names) = (&subject.pod, subject.names());
    let mut containers = pod.all_containers();
    if let Some(container) = containers.find(|container| names.is_ours(&container.name)) {
        return Err(Place::Container(container.name.to_string()).rejected(
            "is in the pod already, and the policy adds one of that name; rename it, or submit the pod as it was before its injection",
        ));
    }
    let mut volumes = pod.volumes.iter();
    if let Some(volume) = volumes.find(|volume| names.is_our_volume(&volume.name)) {
        return Err(Place::Volume(volume.name.to_string())
            .rejected("is in the pod already, and the policy adds one of that name; rename it"));
    }
    for container in pod.all_containers() {
        reject_uses_of_container(container, names)?;
    }
    let mut volumes = pod.volumes.iter();
    volumes.try_for_each(|volume| reject_uses_of_volume(volume, names))?;
    let prefix = subject.annotations.prefix();
    let is_about_ours = |(name, value): &(&Text<'_>, &RawValue)| {
        let (of, short) = name.rsplit_once('/').unwrap_or_default();
        if of == prefix || &***name == LAST_APPLIED {
            return false;
        }
        // As profiles of AppArmor, seccomp and NRI have it: `.../tvsi-vault-agent`, `.../container.tvsi-vault-agent`.
        let of_container = short.strip_prefix("container.").unwrap_or(short);
        names.is_ours(of_container)
            || value_names_one(value, &VOLUMES)
            || (LISTS_OF_CONTAINERS.contains(&&***name) && value_names_one(value, &CONTAINERS))
    };
    match subject.all_annotations.iter().find(is_about_ours) {
        Some((name, _)) => Err(Place::Annotation(name.to_string())
            .rejected("names a container or volume that is reserved for the policy; remove it")),
        None => Ok(()),
    }
}

/// Whether an annotation has one of `names` in its value, or in the JSON that its value is.
fn value_names_one(value: &RawValue, names: &[&str]) -> bool {
    let written = value.get();
    if !written.contains("tvsi-") && !written.contains("\\u") {
        return false;
    }
    let text: Text<'_> = serde_json::from_str(written).unwrap_or_default();
    names_one(&text, names) || (text.contains('\\') && names_one(&without_escapes(&text), names))
}

/// A text with the characters that its escapes stand for, to look for names in it: of those that are not `\uXXXX` with a
/// space.
fn without_escapes(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escaped = piece.strip_prefix('u').and_then(|digits| digits.get(..4));
        let escaped = escaped.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match escaped.and_then(char::from_u32) {
            Some(letter) => {
                plain.push(letter);
                plain.push_str(&piece[5..]);
            }
            None => {
                let mut rest = piece.chars();
                rest.next();
                plain.push(' ');
                plain.push_str(rest.as_str());
            }
        }
    }
    plain
}

/// Whether a text has one of `names` in it as a word.
fn names_one(text: &str, names: &[&str]) -> bool {
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

/// Rejects a container that mounts a volume of the policy's or refers to a container of the policy's.
pub fn reject_uses_of_container(container: &Container<'_>, names: &Names) -> Result<(), Rejection> {
    let place = || Place::Container(container.name.to_string());
    let files: Vec<_> = container.file_volumes().collect();
    let mounts = container.volume_mounts.iter().map(|mount| &mount.name);
    let mut volumes = mounts.chain(container.volume_devices()).chain(&files);
    if let Some(volume) = volumes.find(|name| names.is_our_volume(name)) {
        return Err(place().rejected(format!(
            "uses volume {}, which is reserved for the policy's containers; remove it from the container",
            &**volume
        )));
    }
    let fields: Vec<_> = container.resource_fields().collect();
    let mut referred = fields.iter().chain(&container.target_container);
    match referred.find(|name| names.is_ours(name)) {
        Some(sidecar) => Err(refers_to(sidecar, place())),
        None => Ok(()),
    }
}

fn reject_uses_of_volume(volume: &Volume<'_>, names: &Names) -> Result<(), Rejection> {
    let mut referred = volume.resource_fields.iter();
    match referred.find(|name| names.is_ours(name)) {
        Some(sidecar) => Err(refers_to(sidecar, Place::Volume(volume.name.to_string()))),
        None => Ok(()),
    }
}

fn refers_to(sidecar: &str, place: Place) -> Rejection {
    place.rejected(format!(
        "refers to container {sidecar}, which is reserved for the policy; remove the reference"
    ))
}
