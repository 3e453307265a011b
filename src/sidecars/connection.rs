//! How agent, Consul Template and the revocation reach Vault: variables, and certificates from objects of the pod's
//! namespace.

use k8s_openapi::api::core::v1::{ConfigMapProjection, EnvVar, SecretProjection, VolumeMount};

use super::Order;
use crate::kubernetes::{Projection, Volume, env, items, read_only};
use crate::names;
use crate::values::{Checked, FilePath};

const CA_FILE: &str = "ca.crt";
const CLIENT_CERTIFICATE_FILE: &str = "client.crt";
const CLIENT_KEY_FILE: &str = "client.key";

/// The variables, and the mounts of the files in them.
pub fn connection(order: &mut Order<'_, '_>, home: &str) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    let connection = &order.intent.connection;
    let tls = &order.subject.settings.vault.tls;
    let mut variables = vec![
        env("HOME", home),
        env("VAULT_ADDR", connection.address.as_str()),
    ];
    let mut add = |name: &str, value: Option<&str>| {
        variables.extend(value.map(|value| env(name, value)));
    };
    add("VAULT_NAMESPACE", connection.namespace.as_deref());
    let file = |name: &str| format!("{}/{name}", names::TLS_DIRECTORY);
    let of_pod = |path: &Option<FilePath>| path.as_ref().map(|path| path.text());
    let mut sources = Vec::new();
    let has_own_authority = connection.ca_cert.is_some() || connection.ca_path.is_some();
    let authority = [(tls.ca.key.as_str(), CA_FILE)];
    if has_own_authority {
        add("VAULT_CACERT", of_pod(&connection.ca_cert).as_deref());
        let directory = connection.ca_path.as_ref().map(|path| path.text());
        add("VAULT_CAPATH", directory.as_deref());
    } else if let Some(secret) = &tls.ca.secret {
        sources.push(from_secret(secret.as_str(), &authority));
    } else if let Some(config_map) = &tls.ca.config_map {
        sources.push(from_config_map(config_map.as_str(), &authority));
    }
    if !sources.is_empty() {
        add("VAULT_CACERT", Some(&file(CA_FILE)));
    }
    let client = &tls.client_certificate;
    if connection.client_cert.is_some() {
        add(
            "VAULT_CLIENT_CERT",
            of_pod(&connection.client_cert).as_deref(),
        );
        add(
            "VAULT_CLIENT_KEY",
            of_pod(&connection.client_key).as_deref(),
        );
    } else if let Some(secret) = &client.secret {
        sources.push(from_secret(
            secret.as_str(),
            &[
                (client.certificate_key.as_str(), CLIENT_CERTIFICATE_FILE),
                (client.private_key_key.as_str(), CLIENT_KEY_FILE),
            ],
        ));
        add("VAULT_CLIENT_CERT", Some(&file(CLIENT_CERTIFICATE_FILE)));
        add("VAULT_CLIENT_KEY", Some(&file(CLIENT_KEY_FILE)));
    }
    add("VAULT_TLS_SERVER_NAME", connection.server_name.as_deref());
    // Some agents read any value of it as true.
    add(
        "VAULT_SKIP_VERIFY",
        connection.skips_verification.then_some("true"),
    );
    let text = |number: Option<crate::values::Count>| number.map(|number| number.text());
    add("VAULT_MAX_RETRIES", text(connection.max_retries).as_deref());
    let timeout = connection.timeout.as_ref().map(|timeout| timeout.as_str());
    add("VAULT_CLIENT_TIMEOUT", timeout);
    let proxy = connection.proxy.as_ref().map(|proxy| proxy.as_str());
    add("HTTPS_PROXY", proxy);
    add("GOMAXPROCS", text(connection.go_max_procs).as_deref());

    let mut mounts = Vec::new();
    if !sources.is_empty() {
        let volume = Volume::projected(names::TLS_VOLUME, sources);
        order.volumes.add(volume);
        mounts.push(read_only(names::TLS_VOLUME, names::TLS_DIRECTORY));
    }
    if let Some(secret) = &connection.tls_secret {
        let own = &order.subject.names().own_tls;
        let volume = Volume::whole_secret(own.volume, secret.as_str());
        order.volumes.add(volume);
        mounts.push(read_only(own.volume, own.directory));
    }
    (variables, mounts)
}

fn from_secret(name: &str, files: &[(&str, &str)]) -> Projection {
    Projection::Secret(SecretProjection {
        name: name.to_owned(),
        items: items(files),
        optional: None,
    })
}

/// Keys of a ConfigMap of the pod's namespace, each as a file.
pub fn from_config_map(name: &str, files: &[(&str, &str)]) -> Projection {
    Projection::ConfigMap(ConfigMapProjection {
        name: name.to_owned(),
        items: items(files),
        optional: None,
    })
}
