//! The volumes of one of the pod's containers that the agent mounts too.

use k8s_openapi::api::core::v1::VolumeMount;

use crate::annotations::Key;
use crate::kubernetes::read_only;
use crate::path::{are_nested, below, same_path};
use crate::pod;
use crate::rejection::Rejection;
use crate::secrets::{Secrets, can_be_mounted, copied_container};
use crate::subject::Subject;

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
    taken: &[VolumeMount],
    secrets: Option<&Secrets>,
    subject: &Subject<'_>,
) -> Result<Vec<VolumeMount>, Rejection> {
    let Some(container) = copied_container(subject)? else {
        return Ok(Vec::new());
    };
    let annotations = &subject.annotations;
    let submitted = container
        .volume_mounts
        .iter()
        // Each container gets its token in another way.
        .filter(|mount| {
            let path = mount.mount_path.to_ascii_lowercase();
            !path.contains("serviceaccount")
        });
    let is_around = |outer: &pod::VolumeMount<'_>, path: &str| {
        let is_copied = why_not(outer, taken).is_none();
        is_copied && below(path, &outer.mount_path).is_some()
    };
    let mut mounts = Vec::new();
    for mount in submitted.clone() {
        let path = &*mount.mount_path;
        let is_inside = || submitted.clone().any(|outer| is_around(outer, path));
        let why_not = why_not(mount, taken)
            .or_else(|| is_inside().then_some("it is in another one, which is read-only"));
        let Some(why) = why_not else {
            mounts.push(VolumeMount {
                sub_path: mount.sub_path.as_ref().map(|path| path.to_string()),
                ..read_only(&mount.name, path)
            });
            continue;
        };
        if let Some(source) = secrets.and_then(|secrets| secrets.source_below(path)) {
            return Err(annotations.rejected(
                Key::CopyVolumeMounts,
                format!(
                    "volume {} at {path}, which has template {source}, cannot be mounted in the agent; mount it at another path, such as /templates",
                    &*mount.name
                ),
            ));
        }
        subject.warnings.add(format!(
            "{}: volume {} at {path} is left out: {why}",
            annotations.place(Key::CopyVolumeMounts),
            &*mount.name
        ));
    }
    Ok(mounts)
}

/// Why the agent does not have a mount too, whatever others there are.
fn why_not(mount: &pod::VolumeMount<'_>, taken: &[VolumeMount]) -> Option<&'static str> {
    let path = &*mount.mount_path;
    let is_of_trust = || {
        let mut directories = OF_TRUST.iter();
        directories.any(|directory| same_path(path, directory) || below(path, directory).is_some())
    };
    let mut taken = taken.iter();
    if taken.any(|taken| are_nested(&taken.mount_path, path)) {
        Some("the agent has something of its own there")
    } else if !can_be_mounted(path) && !is_of_trust() {
        Some("it could take the place of something in the agent's image")
    } else if mount.sub_path_expr.is_some() {
        Some("its subPathExpr needs variables that the agent does not have")
    } else {
        None
    }
}
