//! What cases need not repeat: `test_data/standard.yaml`, and the policy's scripts.

#[path = "../../../build/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::case::{root, test_data};

/// `test_data/standard.yaml`, and the texts of scripts besides.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Standard {
    /// What stands before the slash in the policy's annotations.
    pub prefix: String,
    /// What every submitted pod has.
    pub pod: Value,
    /// What the API server adds to it.
    pub admitted: Admitted,
    /// Volumes that are added, by name.
    pub volumes: BTreeMap<String, Value>,
    /// Where they are mounted in the pod's own containers, by the volume's name.
    pub mounts: BTreeMap<String, Value>,
    /// Containers that are added, by name.
    pub containers: BTreeMap<String, yaml_serde::Value>,
    /// Init containers and native sidecars that are added, by name.
    pub init_containers: BTreeMap<String, yaml_serde::Value>,
    /// Long texts by the name that a case shows.
    pub texts: BTreeMap<String, String>,
}

/// What the API server adds to a pod.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admitted {
    pub pod: Value,
    /// The volume with the token of the service account.
    pub volume: Value,
    /// Where it is mounted in every container.
    pub mount: Value,
}

impl Standard {
    pub fn get() -> &'static Standard {
        static STANDARD: OnceLock<Standard> = OnceLock::new();
        STANDARD.get_or_init(|| {
            let path = test_data().join("standard.yaml");
            let text = fs::read_to_string(&path).expect("there is a standard");
            let mut standard: Standard = yaml_serde::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            standard.texts.extend(scripts());
            standard
        })
    }
}

/// The policy's scripts as they are in pods, by the name of their file.
///
/// # Panics
///
/// If the sources cannot be read.
pub fn scripts() -> BTreeMap<String, String> {
    script::all_below(&root().join("src"))
}
