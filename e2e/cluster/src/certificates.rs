//! A certificate authority, and certificates for servers.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// An authority that signs certificates.
pub struct Authority {
    /// In PEM, for those who trust it.
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and its key, in PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
}

impl Identity {
    /// Whether the key, in PKCS 8, is that of the certificate.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read.
    pub fn is_pair(&self) -> Result<bool> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())?;
        let key = KeyPair::from_pem(&self.private_key)?;
        let public_key = key.public_key_raw();
        let mut places = certificate.windows(public_key.len());
        Ok(places.any(|place| place == public_key))
    }
}

impl Authority {
    /// Makes one with a key of its own.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// Makes a certificate for a server of these names or addresses.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn identity(&self, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names)?;
        let key = KeyPair::generate()?;
        Ok(Identity {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            private_key: key.serialize_pem(),
        })
    }
}
