//! What is the policy's own is the policy's alone: nothing that is submitted declares, mounts or refers to a volume or
//! a container of the policy's, whether or not the pod has one of that name.

use serde_json::value::RawValue;

use crate::names::Names;
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
        let lists_containers = LISTS_OF_CONTAINERS.contains(&&***name);
        names.is_ours(of_container)
            || has_word(value, names, |word, text| {
                is_volume_in(word, text, name, names) || (lists_containers && names.is_ours(word))
            })
    };
    match subject.all_annotations.iter().find(is_about_ours) {
        Some((name, _)) => Err(Place::Annotation(name.to_string())
            .rejected("names a container or volume that is reserved for the policy; remove it")),
        None => Ok(()),
    }
}

/// Whether an annotation has such a word in its value, or in the JSON that its value is, and the text that it is in.
fn has_word(value: &RawValue, names: &Names, is_one: impl Fn(&str, &str) -> bool) -> bool {
    let written = value.get();
    let may_name_one = |mark: &&str| written.contains(*mark);
    if !names.marks.iter().any(may_name_one) && !written.contains("\\u") {
        return false;
    }
    let text: Text<'_> = serde_json::from_str(written).unwrap_or_default();
    let has_one = |text: &str| words(text).any(|word| is_one(word, text));
    has_one(&text) || (text.contains('\\') && has_one(&without_escapes(&text)))
}

/// Whether a word of an annotation is a volume of the policy's. Names that only the Agent Injector has are those of other
/// things too: of a ConfigMap `vault-config`, for one.
fn is_volume_in(word: &str, text: &str, annotation: &str, names: &Names) -> bool {
    names.is_our_volume(word)
        && (word.starts_with("tvsi-")
            || text.contains(['{', ':'])
            || annotation.to_ascii_lowercase().contains("volume"))
}

/// What in a text could be a name.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    text.split(move |letter| !is_of_name(letter))
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
