//! What a host knows of images: what their registries would answer.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

/// Looks up images by the names that containers have for them, for the capability `oci`.
pub trait Images: Send + Sync {
    /// The manifest of an image, or the index of one for several platforms.
    ///
    /// # Errors
    ///
    /// Why it cannot be looked up.
    fn manifest(&self, image: &str) -> Result<Value, String>;

    /// The manifest of an image for one platform, with its digest and configuration: an object of `manifest`, `digest` and
    /// `config`.
    ///
    /// # Errors
    ///
    /// Why it cannot be looked up.
    fn manifest_and_config(&self, image: &str) -> Result<Value, String>;
}

/// No image at all: there is no network behind the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoImages;

impl Images for NoImages {
    fn manifest(&self, _image: &str) -> Result<Value, String> {
        Err("no registry can be reached from here".to_owned())
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        self.manifest(image)
    }
}

/// Images whose configuration is known.
#[derive(Clone, Default)]
pub struct KnownImages {
    manifests: BTreeMap<String, Value>,
    configs: BTreeMap<String, Value>,
}

impl KnownImages {
    /// Adds an image with its configuration, as registries have it: `{"architecture": "amd64", "os": "linux", "config": {..}}`.
    /// With several it is an image for several platforms.
    pub fn add(&mut self, image: &str, configs: Vec<Value>) {
        if let [config] = &configs[..] {
            self.configs.insert(image.to_owned(), config.clone());
            self.manifests.insert(image.to_owned(), manifest());
            return;
        }
        let mut manifests = Vec::new();
        for config in configs {
            let digest = format!("sha256:{:064x}", self.configs.len());
            manifests.push(json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": 0,
                "platform": {"os": config["os"], "architecture": config["architecture"]},
            }));
            self.configs.insert(digest, config);
        }
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        self.manifests.insert(image.to_owned(), index);
    }

    /// Whether an image is among them.
    pub fn has(&self, image: &str) -> bool {
        self.manifests.contains_key(image) || self.config(image).is_some()
    }

    fn config(&self, image: &str) -> Option<&Value> {
        let digest = image.rsplit_once('@').map(|(_, digest)| digest);
        let of_digest = digest.and_then(|digest| self.configs.get(digest));
        self.configs.get(image).or(of_digest)
    }
}

impl fmt::Debug for KnownImages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.manifests.keys())
            .finish()
    }
}

impl Images for KnownImages {
    fn manifest(&self, image: &str) -> Result<Value, String> {
        let known = self.manifests.get(image).cloned();
        known.ok_or_else(|| format!("image {image} is not known"))
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        match self.config(image) {
            Some(config) => Ok(json!({
                "manifest": manifest(),
                "digest": format!("sha256:{:064x}", 0),
                "config": config,
            })),
            None => Err(format!("image {image} is not known")),
        }
    }
}

/// The manifest of an image that consists of nothing but its configuration.
fn manifest() -> Value {
    json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{:064x}", 0),
            "size": 0,
        },
        "layers": [],
    })
}

#[cfg(test)]
mod tests {
    use kubewarden_policy_sdk::host_capabilities::oci::{
        OciManifestAndConfigResponse, OciManifestResponse,
    };

    use super::*;

    fn config(architecture: &str, entrypoint: &str) -> Value {
        json!({
            "os": "linux",
            "architecture": architecture,
            "config": {"Entrypoint": [entrypoint]},
            "rootfs": {"type": "layers", "diff_ids": []},
            "history": [],
        })
    }

    #[test]
    fn what_is_known_is_answered_as_policy_server_does() {
        let mut images = KnownImages::default();
        images.add("one:1", vec![config("amd64", "/one")]);
        images.add(
            "two:1",
            vec![config("amd64", "/two"), config("arm64", "/other")],
        );

        let manifest = serde_json::from_value(images.manifest("one:1").unwrap()).unwrap();
        assert!(matches!(manifest, OciManifestResponse::Image(_)));
        let index = serde_json::from_value(images.manifest("two:1").unwrap()).unwrap();
        let OciManifestResponse::ImageIndex(index) = index else {
            panic!("{index:?}");
        };
        let digest = index.manifests()[1].digest();
        let answer = images
            .manifest_and_config(&format!("two@{digest}"))
            .unwrap();
        let answer: OciManifestAndConfigResponse = serde_json::from_value(answer).unwrap();
        let entrypoint = answer.config.config().as_ref().unwrap().entrypoint();
        assert_eq!(entrypoint.as_deref().unwrap(), ["/other"]);
        assert!(images.manifest("three").is_err());
    }
}
