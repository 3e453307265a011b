//! The Kubernetes objects that the policy writes: `k8s-openapi`'s types, and short ways to make them.

mod volume;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, VolumeMount};

pub use volume::{Projection, Volume, Volumes, items};

/// Doubles every `$`, so that the text is taken as it is.
///
/// Kubernetes expands `$(VAR)` and `$$` in `command`, `args`, `env` values and exec probes, and corrupts
/// even a `$` before a letter that is not ASCII. It does not in lifecycle hooks.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// An environment variable with exactly this value.
pub fn env(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(literal(value)),
        value_from: None,
    }
}

/// An environment variable with the value of a field of the pod.
pub fn env_from_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(field(path)),
            ..EnvVarSource::default()
        }),
    }
}

/// A field of the pod, by its path.
pub fn field(path: &str) -> ObjectFieldSelector {
    ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: path.to_owned(),
    }
}

/// A mount that the container writes to.
pub fn writable(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

/// A mount that the container only reads.
pub fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..writable(volume, path)
    }
}
