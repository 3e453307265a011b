//! The volumes of one of the pod's containers that the agent mounts too.

use k8s_openapi::api::core::v1::VolumeMount;

use super::Options;
use crate::annotations::Key;
use crate::kubernetes::read_only;
use crate::path::{are_nested, below};
use crate::rejection::Rejection;
use crate::secrets::{Secrets, can_be_mounted};
use crate::subject::Subject;
use crate::words::listed;

/// Directories of images in which authorities and configuration of a login may be in the place of the image's own.
const OF_TRUST: [&str; 6] = [
    "/etc/ssl/certs",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/krb5.conf",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

/// The mounts, where `taken` are those that the agent has already.
pub fn mounts(
    options: &Options,
    taken: &[VolumeMount],
    secrets: Option<&Secrets>,
    subject: &Subject<'_>,
) -> Result<Vec<VolumeMount>, Rejection> {
    let Some(name) = &options.copied else {
        return Ok(Vec::new());
    };
    let annotations = &subject.annotations;
    let pod = &subject.pod;
    let mut all = pod.containers.iter().chain(&pod.init_containers);
    let Some(container) = all.find(|container| &*container.name == name.as_str()) else {
        let all = pod.all_containers().map(|container| &*container.name);
        let known = listed(all.collect::<Vec<_>>());
        return Err(annotations
            .rejected(
                Key::CopyVolumeMounts,
                format!(
                    "{:?} is not a container of this pod; it has {known}",
                    name.as_str()
                ),
            )
            .unless_filled_in());
    };
    let mut mounts = Vec::new();
    for mount in &container.volume_mounts {
        let path = &*mount.mount_path;
        // Each container has its token by other ways.
        if path.to_ascii_lowercase().contains("serviceaccount") {
            continue;
        }
        let is_of_trust = OF_TRUST
            .iter()
            .any(|directory| path == *directory || below(path, directory).is_some());
        let is_inside = mounts
            .iter()
            .any(|outer: &VolumeMount| below(path, &outer.mount_path).is_some());
        let is_taken = is_inside
            || taken
                .iter()
                .any(|taken| are_nested(&taken.mount_path, path));
        if is_taken || !(is_of_trust || can_be_mounted(path)) || mount.sub_path_expr.is_some() {
            if let Some(source) = secrets.and_then(|secrets| secrets.source_below(path)) {
                return Err(annotations.rejected(
                    Key::CopyVolumeMounts,
                    format!(
                        "volume {} at {path}, which has template {source}, cannot be mounted in the agent; mount it at another path, such as /templates",
                        &*mount.name
                    ),
                ));
            }
            let why = match is_taken {
                true => "the agent has something of its own there",
                false => "it could take the place of something in the agent's image",
            };
            subject.warnings.add(format!(
                "{}: volume {} at {path} is left out: {why}",
                annotations.place(Key::CopyVolumeMounts),
                &*mount.name
            ));
            continue;
        }
        mounts.push(VolumeMount {
            sub_path: mount.sub_path.as_ref().map(|path| path.to_string()),
            ..read_only(&mount.name, path)
        });
    }
    Ok(mounts)
}
