//! How agent, Consul Template and the revocation reach Vault: variables, and certificates from objects of the pod's
//! namespace.

use k8s_openapi::api::core::v1::{ConfigMapProjection, EnvVar, SecretProjection, VolumeMount};

use super::Order;
use crate::kubernetes::{Projection, Volume, env, items, read_only};
use crate::names;

const CA_FILE: &str = "ca.crt";
const CLIENT_CERTIFICATE_FILE: &str = "client.crt";
const CLIENT_KEY_FILE: &str = "client.key";

/// The variables, and the mount of the files in them.
pub fn connection(order: &mut Order<'_, '_>, home: &str) -> (Vec<EnvVar>, Option<VolumeMount>) {
    let vault = &order.subject.settings.vault;
    let mut variables = vec![env("HOME", home), env("VAULT_ADDR", vault.address.as_str())];
    let namespace = order.intent.vault_namespace.as_ref();
    if let Some(namespace) = namespace.or(vault.namespace.as_ref()) {
        variables.push(env("VAULT_NAMESPACE", namespace));
    }
    let tls = &vault.tls;
    let file = |name: &str| format!("{}/{name}", names::TLS_DIRECTORY);
    let mut sources = Vec::new();
    let authority = [(tls.ca.key.as_str(), CA_FILE)];
    if let Some(secret) = &tls.ca.secret {
        sources.push(from_secret(secret.as_str(), &authority));
    } else if let Some(config_map) = &tls.ca.config_map {
        sources.push(from_config_map(config_map.as_str(), &authority));
    }
    if !sources.is_empty() {
        variables.push(env("VAULT_CACERT", &file(CA_FILE)));
    }
    let client = &tls.client_certificate;
    if let Some(secret) = &client.secret {
        sources.push(from_secret(
            secret.as_str(),
            &[
                (client.certificate_key.as_str(), CLIENT_CERTIFICATE_FILE),
                (client.private_key_key.as_str(), CLIENT_KEY_FILE),
            ],
        ));
        variables.push(env("VAULT_CLIENT_CERT", &file(CLIENT_CERTIFICATE_FILE)));
        variables.push(env("VAULT_CLIENT_KEY", &file(CLIENT_KEY_FILE)));
    }
    if let Some(name) = &tls.server_name {
        variables.push(env("VAULT_TLS_SERVER_NAME", name));
    }
    // Some agents take any value of it for true.
    if tls.skip_verify {
        variables.push(env("VAULT_SKIP_VERIFY", "true"));
    }
    if sources.is_empty() {
        return (variables, None);
    }
    order
        .volumes
        .add(Volume::projected(names::TLS_VOLUME, sources));
    let mount = read_only(names::TLS_VOLUME, names::TLS_DIRECTORY);
    (variables, Some(mount))
}

fn from_secret(name: &str, files: &[(&str, &str)]) -> Projection {
    Projection::Secret(SecretProjection {
        name: name.to_owned(),
        items: items(files),
        optional: None,
    })
}

fn from_config_map(name: &str, files: &[(&str, &str)]) -> Projection {
    Projection::ConfigMap(ConfigMapProjection {
        name: name.to_owned(),
        items: items(files),
        optional: None,
    })
}
