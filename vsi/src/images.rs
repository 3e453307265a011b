//! What images run, for containers without a command: from files, or looked up in registries.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use policy_host::{AdmissionResponse, Images, KnownImages, Registry};
use serde_json::{Value, json};
use vault_sidecar_injector::IMAGE_NOT_FOUND;

use crate::{printable::Printable, progress::report};

/// Why an image is not looked up in a registry.
const NOT_LOOKED_UP: &str = "is not looked up without --image-lookup or --image-config";

#[derive(Args)]
pub(crate) struct ImageArguments {
    /// Look up the images of containers without a command in their registries, with the credentials of docker login
    #[arg(long)]
    image_lookup: bool,

    /// Take what IMAGE runs from FILE, without a network: its configuration in JSON, as `crane config IMAGE` or
    /// `docker image inspect IMAGE` print it; once for each platform
    #[arg(long, value_name = "IMAGE=FILE")]
    image_config: Vec<String>,
}

impl ImageArguments {
    /// What the policy looks up.
    pub(crate) fn images(&self) -> anyhow::Result<Arc<Sources>> {
        let mut configs: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for given in &self.image_config {
            let (image, path) = given.split_once('=').ok_or_else(|| {
                anyhow!("--image-config {given:?} is not valid; expected IMAGE=FILE")
            })?;
            configs.entry(image).or_default().push(config(path)?);
        }
        let mut known = KnownImages::default();
        for (image, configs) in configs {
            known.add(image, configs);
        }
        let registry = self.image_lookup.then(Registry::new).transpose();
        let registry = registry.context("cannot look up images")?;
        Ok(Arc::new(Sources {
            known,
            registry,
            unknown: None,
        }))
    }
}

/// An image's configuration in a file.
fn config(path: &str) -> anyhow::Result<Value> {
    let name = Printable::from(Path::new(path));
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read the image config {name}"))?;
    let config: Value = serde_json::from_str(&text)
        .with_context(|| format!("the image config {name} is not valid JSON"))?;
    // docker prints a list, and writes the names in its own way.
    let config = match config.get(0) {
        Some(inspected) => json!({
            "os": inspected["Os"],
            "architecture": inspected["Architecture"],
            "config": inspected["Config"],
        }),
        None => config,
    };
    if !config["os"].is_string() || !config["architecture"].is_string() {
        bail!(
            "the image config {name} is not valid: expected an object with os, architecture and config"
        );
    }
    Ok(config)
}

/// What is known of images, and where to look for others.
pub(crate) struct Sources {
    known: KnownImages,
    registry: Option<Registry>,
    /// Those that are assumed to run something, if images are assumed at all.
    unknown: Option<Mutex<BTreeSet<String>>>,
}

impl Sources {
    /// The same, where an image that is neither known nor looked up is assumed to run something.
    pub(crate) fn assuming_others(mut self: Arc<Self>) -> Arc<Self> {
        if let Some(sources) = Arc::get_mut(&mut self)
            && sources.registry.is_none()
        {
            sources.unknown = Some(Mutex::default());
        }
        self
    }

    /// The images that were assumed to run something.
    pub(crate) fn assumed(&self) -> BTreeSet<String> {
        let unknown = self.unknown.as_ref();
        let unknown = unknown.map(|unknown| unknown.lock().unwrap_or_else(PoisonError::into_inner));
        unknown.map_or_else(BTreeSet::new, |unknown| unknown.clone())
    }

    /// Says in the messages of the policy why an image was not looked up, where this program does not do so.
    pub(crate) fn explain(&self, response: &mut AdmissionResponse) {
        if self.registry.is_some() {
            return;
        }
        let status = response.status.as_mut();
        let message = status.and_then(|status| status.message.as_mut());
        for message in response.warnings.iter_mut().flatten().chain(message) {
            *message = message.replace(IMAGE_NOT_FOUND, NOT_LOOKED_UP);
        }
    }

    /// What is assumed of an image that is not known.
    fn assume(&self, image: &str) -> Option<KnownImages> {
        let unknown = self.unknown.as_ref()?;
        let mut unknown = unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.insert(image.to_owned());
        let mut known = KnownImages::default();
        let config = json!({"Entrypoint": [format!("<ENTRYPOINT of {image}>")]});
        let config = json!({"os": "linux", "architecture": "amd64", "config": config});
        known.add(image, vec![config]);
        Some(known)
    }

    fn look_up<'s>(
        &'s self,
        image: &str,
        get: fn(&(dyn Images + 's), &str) -> Result<Value, String>,
    ) -> Result<Value, String> {
        match &self.registry {
            // The policy does not repeat what a registry says.
            Some(registry) if !self.known.has(image) => {
                get(registry, image).inspect_err(|problem| {
                    let problem = Printable::from(&**problem);
                    report(&format!("vsi: image {}: {problem}", Printable::from(image)));
                })
            }
            None if !self.known.has(image) => match self.assume(image) {
                Some(assumed) => get(&assumed, image),
                None => Err(NOT_LOOKED_UP.to_owned()),
            },
            _ => get(&self.known, image),
        }
    }
}

impl Images for Sources {
    fn manifest(&self, image: &str) -> Result<Value, String> {
        self.look_up(image, |images, image| images.manifest(image))
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        self.look_up(image, |images, image| images.manifest_and_config(image))
    }
}
