//! Looks images up in their registries.

use std::{collections::BTreeSet, io, time::Duration};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::timeout};

use crate::Images;

/// How long one request to a registry takes at the most.
const LONGEST_REQUEST: Duration = Duration::from_secs(20);

/// The registries that images name, with the credentials of `docker login`. Those on this machine are spoken to without TLS.
pub struct Registry {
    runtime: Runtime,
    /// For registries on this machine, which have no TLS, and for all others.
    clients: [Client; 2],
    /// Registries that are spoken to without TLS besides.
    without_tls: BTreeSet<String>,
}

impl Registry {
    /// Makes the clients.
    ///
    /// # Errors
    ///
    /// If this machine has no certificates of authorities, or nothing to wait with.
    pub fn new() -> io::Result<Self> {
        // Fails where it was done already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |protocol| {
            let config = ClientConfig {
                protocol,
                ..ClientConfig::default()
            };
            Client::try_from(config).map_err(io::Error::other)
        };
        Ok(Registry {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            clients: [
                client(ClientProtocol::Http)?,
                client(ClientProtocol::Https)?,
            ],
            without_tls: BTreeSet::new(),
        })
    }

    /// Speaks to a registry without TLS, as `insecure_sources` of policy-server have it: `registry.example.org:5000`.
    pub fn with_insecure(mut self, registry: &str) -> Self {
        self.without_tls.insert(registry.to_owned());
        self
    }

    fn client(&self, image: &Reference) -> &Client {
        let registry = image.registry();
        let host = registry.split(':').next().unwrap_or_default();
        let is_here = host == "localhost" || host.starts_with("127.");
        let is_here = is_here || self.without_tls.contains(registry);
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

    fn wait<T>(
        &self,
        answer: impl Future<Output = oci_client::errors::Result<T>>,
    ) -> Result<T, String> {
        let answer = async { timeout(LONGEST_REQUEST, answer).await };
        match self.runtime.block_on(answer) {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LONGEST_REQUEST.as_secs())),
        }
    }
}

impl Images for Registry {
    fn manifest(&self, image: &str) -> Result<Value, String> {
        let (reference, credentials) = Self::reference(image)?;
        let client = self.client(&reference);
        let answer = client.pull_manifest(&reference, &credentials);
        let (manifest, _) = self.wait(answer)?;
        Ok(json!(manifest))
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        let (reference, credentials) = Self::reference(image)?;
        let client = self.client(&reference);
        let answer = client.pull_manifest_and_config(&reference, &credentials);
        let (manifest, digest, config) = self.wait(answer)?;
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        Ok(json!({"manifest": manifest, "digest": digest, "config": config}))
    }
}
