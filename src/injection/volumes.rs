//! The volumes that an injected pod gets, each once.

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

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

    pub fn into_vec(self) -> Vec<Volume> {
        self.0
    }
}

/// An emptyDir in memory: what is written there never reaches a disk.
pub fn empty_dir(name: &str, size_limit: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: size_limit.map(|limit| Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}

/// A volume with files from several sources.
pub fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            default_mode: None,
        }),
        ..Volume::default()
    }
}

/// Keys of a Secret or ConfigMap, and the file that each becomes.
pub fn items(files: &[(&str, &str)]) -> Option<Vec<KeyToPath>> {
    let item = |(key, path): &(&str, &str)| KeyToPath {
        key: (*key).to_owned(),
        path: (*path).to_owned(),
        mode: None,
    };
    Some(files.iter().map(item).collect())
}
