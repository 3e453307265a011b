//! The volumes that an injected pod gets, each once.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, DownwardAPIProjection, EmptyDirVolumeSource, KeyToPath, SecretProjection,
    SecretVolumeSource, ServiceAccountTokenProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Serialize;

/// A volume of one of the kinds that the policy adds. With `k8s-openapi`'s types, which can be of thirty and have sources of
/// six, the module would have 283 KB more.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    pub name: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_dir: Option<EmptyDirVolumeSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretVolumeSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projected: Option<Sources>,
}

#[derive(Debug, Serialize)]
struct Sources {
    sources: Vec<Projection>,
}

/// A source of a volume that has several.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Projection {
    ServiceAccountToken(ServiceAccountTokenProjection),
    Secret(SecretProjection),
    ConfigMap(ConfigMapProjection),
    #[serde(rename = "downwardAPI")]
    DownwardApi(DownwardAPIProjection),
}

impl Volume {
    /// An emptyDir in memory: what is written there never reaches a disk.
    pub fn in_memory(name: impl Into<Cow<'static, str>>, size_limit: Option<Quantity>) -> Self {
        Volume {
            name: name.into(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit,
            }),
            ..Volume::default()
        }
    }

    /// The same with a limit that is fixed.
    pub fn small(name: &'static str, size_limit: &str) -> Self {
        Volume::in_memory(name, Some(Quantity(size_limit.to_owned())))
    }

    /// Keys of a Secret of the pod's namespace, each as a file of its name. A Secret without them keeps the pod waiting,
    /// with an event that names them.
    pub fn secret(name: &'static str, secret: &str, keys: &[&str]) -> Self {
        let files: Vec<_> = keys.iter().map(|key| (*key, *key)).collect();
        Volume {
            name: name.into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                items: items(&files),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }
    }

    /// All keys of a Secret of the pod's namespace.
    pub fn whole_secret(name: &'static str, secret: &str) -> Self {
        Volume {
            name: name.into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }
    }

    /// A volume with files from several sources.
    pub fn projected(name: &'static str, sources: Vec<Projection>) -> Self {
        Volume {
            name: name.into(),
            projected: Some(Sources { sources }),
            ..Volume::default()
        }
    }
}

/// Keys of a Secret or ConfigMap, and the file that each becomes; `None` for all keys.
pub fn items(files: &[(&str, &str)]) -> Option<Vec<KeyToPath>> {
    let item = |(key, path): &(&str, &str)| KeyToPath {
        key: (*key).to_owned(),
        path: (*path).to_owned(),
        mode: None,
    };
    (!files.is_empty()).then(|| files.iter().map(item).collect())
}

/// Volumes in the order in which they were first needed.
#[derive(Debug, Default)]
pub struct Volumes(Vec<Volume>);

impl Volumes {
    /// Adds a volume, unless one of its name is there.
    pub fn add(&mut self, volume: Volume) {
        if !self.0.iter().any(|known| known.name == volume.name) {
            self.0.push(volume);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Volume> {
        self.0.iter()
    }
}
