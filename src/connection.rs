//! How the injected containers reach Vault: what the pod says, and what the settings say where it does not.

use crate::annotations::Key;
use crate::rejection::Rejection;
use crate::subject::Subject;
use crate::values::{Count, Directory, FilePath, ObjectName, ProxyUrl, Timeout, Url};

/// What the pod says of the connection to Vault.
#[derive(Debug)]
pub struct Connection {
    pub address: Url,
    pub namespace: Option<String>,
    pub skips_verification: bool,
    pub server_name: Option<String>,
    /// A Secret with certificates of the pod's choice.
    pub tls_secret: Option<ObjectName>,
    /// Files in the injected containers, in place of those that the settings give.
    pub ca_cert: Option<FilePath>,
    pub ca_path: Option<Directory>,
    pub client_cert: Option<FilePath>,
    pub client_key: Option<FilePath>,
    pub max_retries: Option<Count>,
    pub timeout: Option<Timeout>,
    pub proxy: Option<ProxyUrl>,
    pub go_max_procs: Option<Count>,
}

impl Connection {
    /// Reads it. An address must be the settings' or one that they allow.
    pub fn read(subject: &Subject<'_>) -> Result<Self, Rejection> {
        let (annotations, vault) = (&subject.annotations, &subject.settings.vault);
        let address = match annotations.vault_address()? {
            Some(address) if !address.is_same(&vault.address) => {
                let restrictions = &subject.settings.restrictions;
                let place = annotations.place(Key::VaultAddress);
                let work = &mut subject.work.borrow_mut();
                restrictions.allow_address(
                    address.as_str(),
                    vault.address.as_str(),
                    place,
                    subject.identity(),
                    work,
                )?;
                address
            }
            _ => vault.address.clone(),
        };
        let (client_cert, client_key) = (annotations.client_cert()?, annotations.client_key()?);
        if client_cert.is_some() != client_key.is_some() {
            let mut keys = [Key::ClientCert, Key::ClientKey];
            if client_key.is_some() {
                keys.reverse();
            }
            let [given, missing] = keys;
            let missing = annotations.name(missing);
            let problem = format!("needs its counterpart; add annotation {missing}");
            return Err(annotations.rejected(given, problem));
        }
        Ok(Connection {
            address,
            namespace: annotations.vault_namespace()?.or(vault.namespace.clone()),
            skips_verification: annotations
                .tls_skip_verify()?
                .unwrap_or(vault.tls.skip_verify),
            server_name: annotations
                .tls_server_name()?
                .or(vault.tls.server_name.clone()),
            tls_secret: annotations.tls_secret()?,
            ca_cert: annotations.ca_cert()?,
            ca_path: annotations.ca_path()?,
            client_cert,
            client_key,
            max_retries: annotations.client_max_retries()?,
            timeout: annotations.client_timeout()?,
            proxy: annotations.proxy_address()?,
            go_max_procs: annotations.go_max_procs()?,
        })
    }
}
