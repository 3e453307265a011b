//! What images run, for containers without a command: from files, or looked up in registries.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};
use policy_host::{Images, KnownImages};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::timeout};

use crate::printable::Printable;

/// How long one request to a registry takes at the most.
const LONGEST_REQUEST: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct ImageArguments {
    /// Look up in its registry what an image runs, where a container has no command, with the credentials of docker login
    #[arg(long)]
    image_lookup: bool,

    /// Take what IMAGE runs from FILE, without a network: its configuration in JSON, as `crane config IMAGE` or
    /// `docker image inspect IMAGE` print it; once for each platform
    #[arg(long, value_name = "IMAGE=FILE")]
    image_config: Vec<String>,
}

impl ImageArguments {
    /// What the policy looks up.
    pub(crate) fn images(&self) -> anyhow::Result<Arc<dyn Images>> {
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
        let registry = self.image_lookup.then(Registry::new).transpose()?;
        Ok(Arc::new(Sources { known, registry }))
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
            "the image config {name} is not one: expected an object with os, architecture and config"
        );
    }
    Ok(config)
}

/// What is known of images, and where to look for others.
struct Sources {
    known: KnownImages,
    registry: Option<Registry>,
}

impl Sources {
    fn ask<'s>(
        &'s self,
        image: &str,
        ask: fn(&(dyn Images + 's), &str) -> Result<Value, String>,
    ) -> Result<Value, String> {
        match &self.registry {
            Some(registry) if !self.known.has(image) => ask(registry, image),
            _ => ask(&self.known, image),
        }
    }
}

impl Images for Sources {
    fn manifest(&self, image: &str) -> Result<Value, String> {
        self.ask(image, |images, image| images.manifest(image))
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        self.ask(image, |images, image| images.manifest_and_config(image))
    }
}

/// The registries that the images name.
struct Registry {
    runtime: Runtime,
    /// For registries on this machine, which have no TLS, and for all others.
    clients: [Client; 2],
}

impl Registry {
    fn new() -> anyhow::Result<Self> {
        // Fails where it was done already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |protocol| {
            let config = ClientConfig {
                protocol,
                ..ClientConfig::default()
            };
            Client::try_from(config).context("cannot make an OCI client")
        };
        Ok(Registry {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            clients: [
                client(ClientProtocol::Http)?,
                client(ClientProtocol::Https)?,
            ],
        })
    }

    fn client(&self, image: &Reference) -> &Client {
        let host = image.registry().split(':').next().unwrap_or_default();
        let is_here = host == "localhost" || host.starts_with("127.");
        &self.clients[usize::from(!is_here)]
    }

    fn reference(image: &str) -> Result<(Reference, RegistryAuth), String> {
        let reference: Reference = image.parse().map_err(|error| format!("{error}"))?;
        let credentials = match docker_credential::get_credential(reference.resolve_registry()) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                RegistryAuth::Basic(user, password)
            }
            Ok(DockerCredential::IdentityToken(_))
            | Err(
                CredentialRetrievalError::ConfigNotFound
                | CredentialRetrievalError::ConfigReadError
                | CredentialRetrievalError::NoCredentialConfigured,
            ) => RegistryAuth::Anonymous,
            Err(error) => return Err(error.to_string()),
        };
        Ok((reference, credentials))
    }

    /// Waits for a registry. What goes wrong is reported here, because the policy does not repeat it.
    fn wait<T>(
        &self,
        image: &str,
        answer: impl Future<Output = oci_client::errors::Result<T>>,
    ) -> Result<T, String> {
        let answer = async { timeout(LONGEST_REQUEST, answer).await };
        let problem = match self.runtime.block_on(answer) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", LONGEST_REQUEST.as_secs()),
        };
        anstream::eprintln!(
            "vsi: image {}: {}",
            Printable::from(image),
            Printable::from(&*problem)
        );
        Err(problem)
    }
}

impl Images for Registry {
    fn manifest(&self, image: &str) -> Result<Value, String> {
        let (reference, credentials) = Self::reference(image)?;
        let client = self.client(&reference);
        let answer = client.pull_manifest(&reference, &credentials);
        let (manifest, _) = self.wait(image, answer)?;
        Ok(json!(manifest))
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        let (reference, credentials) = Self::reference(image)?;
        let client = self.client(&reference);
        let answer = client.pull_manifest_and_config(&reference, &credentials);
        let (manifest, digest, config) = self.wait(image, answer)?;
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        Ok(json!({"manifest": manifest, "digest": digest, "config": config}))
    }
}
