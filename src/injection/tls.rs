//! The certificates for the connection to Vault, from objects of the pod's namespace.

use super::container::read_only;
use super::names;
use super::volumes::{Volumes, items, projected};
use crate::kubernetes::{ObjectProjection, VolumeMount, VolumeProjection};
use crate::settings::{CertificateSource, Tls};

const CA_FILE: &str = "ca.crt";
const CLIENT_CERTIFICATE_FILE: &str = "client.crt";
const CLIENT_KEY_FILE: &str = "client.key";

/// The variables that agent, Consul Template and revocation read, and the mount of the files in them.
pub fn connection(
    tls: &Tls,
    volumes: &mut Volumes,
) -> (Vec<(&'static str, String)>, Option<VolumeMount>) {
    let mut variables = Vec::new();
    let mut sources = Vec::new();
    let file = |name: &str| format!("{}/{name}", names::TLS_DIRECTORY);
    if let Some(ca) = &tls.ca {
        let items = vec![(ca.key.as_str(), CA_FILE)];
        sources.push(match &ca.source {
            CertificateSource::Secret(name) => from_secret(name.as_str(), &items),
            CertificateSource::ConfigMap(name) => from_config_map(name.as_str(), &items),
        });
        variables.push(("VAULT_CACERT", file(CA_FILE)));
    }
    if let Some(client) = &tls.client_certificate {
        sources.push(from_secret(
            client.secret.as_str(),
            &[
                (client.certificate_key.as_str(), CLIENT_CERTIFICATE_FILE),
                (client.private_key_key.as_str(), CLIENT_KEY_FILE),
            ],
        ));
        variables.push(("VAULT_CLIENT_CERT", file(CLIENT_CERTIFICATE_FILE)));
        variables.push(("VAULT_CLIENT_KEY", file(CLIENT_KEY_FILE)));
    }
    if let Some(name) = &tls.server_name {
        variables.push(("VAULT_TLS_SERVER_NAME", name.clone()));
    }
    // Some agents take any value of it for true.
    if tls.skip_verify {
        variables.push(("VAULT_SKIP_VERIFY", "true".to_owned()));
    }
    if sources.is_empty() {
        return (variables, None);
    }
    volumes.add(projected(names::TLS_VOLUME, sources));
    (
        variables,
        Some(read_only(names::TLS_VOLUME, names::TLS_DIRECTORY)),
    )
}

fn from_secret(name: &str, files: &[(&str, &str)]) -> VolumeProjection {
    VolumeProjection::Secret(projection(name, files))
}

fn from_config_map(name: &str, files: &[(&str, &str)]) -> VolumeProjection {
    VolumeProjection::ConfigMap(projection(name, files))
}

fn projection(name: &str, files: &[(&str, &str)]) -> ObjectProjection {
    ObjectProjection {
        name: name.to_owned(),
        items: items(files),
    }
}
