//! Service account tokens, signed as the API server signs them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};

/// The audience of a token for which none is asked.
pub const API_AUDIENCE: &str = "https://kubernetes.default.svc";

/// The key of the cluster's tokens.
pub struct TokenSigner {
    key: KeyPair,
}

impl TokenSigner {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// If none can be made.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        Ok(Self { key })
    }

    /// What a verifier needs, in PEM.
    pub fn public_key(&self) -> String {
        let key =
            base64::engine::general_purpose::STANDARD.encode(self.key.subject_public_key_info());
        format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n")
    }

    /// A token for a service account, valid for an hour.
    ///
    /// # Panics
    ///
    /// If the clock is before 1970, or the key does not sign.
    pub fn token(&self, namespace: &str, service_account: &str, audience: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("the clock is set").as_secs();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = encode(json!({"alg": "EdDSA", "typ": "JWT"}));
        let claims = encode(json!({
            "iss": API_AUDIENCE,
            "sub": subject(namespace, service_account),
            "aud": [audience],
            "iat": now,
            "nbf": now - 5,
            "exp": now + 3600,
        }));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(signed.as_bytes()).expect("the key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// How tokens name a service account.
pub fn subject(namespace: &str, service_account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{service_account}")
}
