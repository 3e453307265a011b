//! What is the policy's own is the policy's alone: nothing that is submitted declares, mounts or refers to a volume or
//! a container of the policy's, whether or not the pod has one of that name.

use serde_json::value::RawValue;

use crate::names::Names;
use crate::pod::{Container, Volume};
use crate::raw::Text;
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;

/// An annotation by which another webhook copies the mounts of one of our containers to a container of its own.
const COPIES_MOUNTS: &str = "vault.hashicorp.com/agent-copy-volume-mounts";

/// Annotations that name containers and volumes, and give nobody anything: what `kubectl apply` keeps of a manifest, where
/// kubectl begins, and what is left out of backups or does not keep a node.
const HARMLESS: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/default-container",
    "kubectl.kubernetes.io/default-logs-container",
    "backup.velero.io/backup-volumes-excludes",
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
];

/// Where names of annotations have the container's whose logs and metrics they are about.
const OF_OBSERVERS: &str = "ad.datadoghq.com";

/// Volumes of the Agent Injector's vocabulary that other things are called too, such as ConfigMaps.
const AMBIGUOUS: [&str; 3] = ["vault-config", "extra-secrets", "vault-tls-secrets"];

/// Rejects a pod that has or uses a name of the policy's.
pub fn reject_uses(subject: &Subject<'_>) -> Result<(), Rejection> {
    let (pod, names) = (&subject.pod, subject.names());
    let mut containers = pod.all_containers();
    if let Some(container) = containers.find(|container| names.is_ours(&container.name)) {
        return Err(Place::Container(container.name.to_string()).rejected(
            "has the name of a container that the policy adds; rename it, or submit the pod as it was before injection",
        ));
    }
    let mut volumes = pod.volumes.iter();
    if let Some(volume) = volumes.find(|volume| names.is_our_volume(&volume.name)) {
        return Err(Place::Volume(volume.name.to_string())
            .rejected("has the name of a volume that the policy adds; rename it"));
    }
    for container in pod.all_containers() {
        reject_uses_of_container(container, names)?;
    }
    let mut volumes = pod.volumes.iter();
    volumes.try_for_each(|volume| reject_uses_of_volume(volume, names))?;
    let prefix = subject.annotations.prefix();
    let is_about_ours = |(name, value): &(&Text<'_>, &RawValue)| {
        let (of, short) = name.rsplit_once('/').unwrap_or_default();
        if of == prefix || HARMLESS.contains(&&***name) {
            return false;
        }
        // As profiles of AppArmor, seccomp and NRI have it: `.../tvsi-vault-agent`, `.../container.tvsi-vault-agent`, and
        // instrumentation: `.../tvsi-vault-agent.java-lib.version`.
        let of_container = short.strip_prefix("container.").unwrap_or(short);
        let first = of_container.split('.').next().unwrap_or_default();
        let topic = name.to_ascii_lowercase();
        let is_of_volumes = topic.contains("volume");
        let is_of_containers = topic.contains("container") || &***name == COPIES_MOUNTS;
        (of != OF_OBSERVERS && names.is_ours(first))
            || has_word(value, names, |word| {
                (is_of_containers && names.is_ours(word))
                    || (names.is_our_volume(word) && (is_of_volumes || !AMBIGUOUS.contains(&word)))
            })
    };
    match subject.all_annotations.iter().find(is_about_ours) {
        Some((name, _)) => Err(Place::Annotation(name.to_string())
            .rejected("names a container or volume that is reserved for the policy; remove it")),
        None => Ok(()),
    }
}

/// Whether an annotation has such a word in its value, or in the JSON or YAML that its value is.
fn has_word(value: &RawValue, names: &Names, is_one: impl Fn(&str) -> bool) -> bool {
    let written = value.get();
    let may_name_one = |mark: &&str| written.contains(*mark);
    if !names.marks.iter().any(may_name_one) && !written.contains('\\') {
        return false;
    }
    let text: Text<'_> = serde_json::from_str(written).unwrap_or_default();
    let has_one = |text: &str| words(text).any(&is_one);
    has_one(&text) || (text.contains('\\') && has_one(&without_escapes(&text)))
}

/// What in a text could be a name.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    text.split(move |letter| !is_of_name(letter))
}

/// A text with the characters that its escapes stand for, to look for names in it: those of JSON and YAML that are not of
/// digits with a space.
fn without_escapes(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = match piece.as_bytes().first() {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let escaped = piece.get(1..=digits);
        let escaped = escaped.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match escaped.and_then(char::from_u32) {
            Some(letter) => {
                plain.push(letter);
                plain.push_str(&piece[1 + digits..]);
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
