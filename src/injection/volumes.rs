//! The volumes that an injected pod gets, each once.

use crate::kubernetes::{
    EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource, Volume, VolumeProjection,
};

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
pub fn empty_dir(name: &'static str, size_limit: Option<&str>) -> Volume {
    Volume {
        name,
        empty_dir: Some(EmptyDirVolumeSource {
            medium: "Memory",
            size_limit: size_limit.map(str::to_owned),
        }),
        secret: None,
        projected: None,
    }
}

/// A volume with files from several sources.
pub fn projected(name: &'static str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name,
        empty_dir: None,
        secret: None,
        projected: Some(ProjectedVolumeSource { sources }),
    }
}

/// Keys of a Secret or ConfigMap, and the file that each becomes.
pub fn items(files: &[(&str, &str)]) -> Vec<KeyToPath> {
    let item = |(key, path): &(&str, &str)| KeyToPath {
        key: (*key).to_owned(),
        path: (*path).to_owned(),
    };
    files.iter().map(item).collect()
}
