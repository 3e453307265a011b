//! The service account's token: where a pod has it, and what keeps it from containers that do not need it.

use std::cmp::Reverse;

use k8s_openapi::api::core::v1::{ServiceAccountTokenProjection, VolumeMount};

use crate::annotations::Key;
use crate::kubernetes::{Projection, Volume, Volumes, read_only};
use crate::names;
use crate::path::{below, segments};
use crate::pod::{self, OwnToken};
use crate::subject::Subject;

/// How long a token of our own is valid; the kubelet renews it before. Kubernetes' own default.
const EXPIRATION_SECONDS: i64 = 3600;

/// The token in the directory where it is mounted.
pub const TOKEN: &str = "token";

/// A file in a volume of the application's.
pub struct Found<'s, 'a> {
    pub volume: &'s pod::Volume<'a>,
    /// Its path in the volume.
    pub path: String,
    /// Whether the volume as a whole is mounted where Kubernetes mounts tokens.
    is_at_default: bool,
}

impl<'s, 'a> Found<'s, 'a> {
    /// Finds the file at `path` of the application's containers. A `subPathExpr` is made of the variables of its own
    /// container, which ours do not have.
    pub fn find(path: &str, subject: &'s Subject<'a>) -> Option<Self> {
        let wanted: Vec<_> = segments(path).collect();
        let mounts = subject
            .applications()
            .flat_map(|(_, container)| &container.volume_mounts)
            .filter(|mount| mount.sub_path_expr.is_none());
        let (mount, depth) = mounts
            .filter_map(|mount| Some((mount, depth_above(&wanted, &mount.mount_path)?)))
            // The innermost one is what a container sees, and of two the first.
            .min_by_key(|(_, depth)| Reverse(*depth))?;
        let rest = wanted[depth..].join("/");
        Some(Found {
            volume: subject.pod.volume(&mount.name)?,
            path: match mount.sub_path.as_deref() {
                None | Some("") => rest,
                Some(part) => below(&format!("/{part}/{rest}"), "/")?,
            },
            is_at_default: mount.is_at(names::SERVICE_ACCOUNT_DIRECTORY) && !mount.is_partial(),
        })
    }

    /// Whether Kubernetes writes the file, and the application cannot.
    pub fn can_be_token(&self) -> bool {
        self.volume.source.can_hold_token(&self.path)
    }

    /// It, if it is a token of the pod's service account.
    pub fn own_token(&self) -> Option<OwnToken<'_>> {
        self.volume.source.own_token(&self.path)
    }

    /// Whether the injected containers can read it, which run as `user`.
    pub fn is_readable(&self, user: Option<i64>, subject: &Subject<'_>) -> bool {
        let is_for_all = self.own_token().is_none_or(|token| token.is_for_all);
        is_for_all || subject.pod.has_fs_group() || keeps_owner(user, subject)
    }

    /// Whether it is the file that Kubernetes mounts a token as.
    pub fn is_default(&self) -> bool {
        self.is_at_default && self.path == TOKEN
    }

    /// Whether pods may choose it: where `sa-token` is locked, they may not choose another token by mounting it in
    /// the place of their own either.
    pub fn is_allowed(&self, subject: &Subject<'_>) -> bool {
        let restrictions = &subject.settings.restrictions;
        !restrictions.is_locked(Key::SaToken) || self.own_token().is_some()
    }
}

/// The user to whom the kubelet gives the tokens of a pod: the one that all its containers run as. Where there is none,
/// they belong to root (`FsUserFrom` in the kubelet's volume manager; a `fsGroup` comes before that).
pub fn owner(subject: &Subject<'_>) -> Option<i64> {
    let containers = subject.pod.init_containers.iter();
    let mut users = containers
        .chain(&subject.pod.containers)
        .map(|container| subject.pod.user_of(container));
    let first = users.next()??;
    users.all(|user| user == Some(first)).then_some(first)
}

/// Whether [`owner`] stays the same with injected containers that run as `user`.
pub fn keeps_owner(user: Option<i64>, subject: &Subject<'_>) -> bool {
    let user = user.or(subject.pod.processes().run_as_user);
    user.is_some() && user == owner(subject)
}

/// How many segments a directory has in which a file with the segments `wanted` is.
fn depth_above(wanted: &[&str], directory: &str) -> Option<usize> {
    let mut depth = 0;
    for segment in segments(directory) {
        if wanted.get(depth) != Some(&segment) {
            return None;
        }
        depth += 1;
    }
    (depth < wanted.len()).then_some(depth)
}

/// A token of the pod's service account, in a projected volume of the policy's.
pub fn projection(audience: Option<&str>) -> Projection {
    Projection::ServiceAccountToken(ServiceAccountTokenProjection {
        audience: audience.map(str::to_owned),
        expiration_seconds: Some(EXPIRATION_SECONDS),
        path: TOKEN.to_owned(),
    })
}

/// Whether a mount is where Kubernetes mounts the pod's token.
pub fn is_at_default(mount: &VolumeMount) -> bool {
    mount.mount_path == names::SERVICE_ACCOUNT_DIRECTORY
}

/// An empty volume where Kubernetes would mount the pod's token: it does so again after webhooks, in every
/// container that has nothing there.
pub fn none(volumes: &mut Volumes) -> VolumeMount {
    volumes.add(Volume::small(names::NO_TOKEN_VOLUME, "4Ki"));
    read_only(names::NO_TOKEN_VOLUME, names::SERVICE_ACCOUNT_DIRECTORY)
}
