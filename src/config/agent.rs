//! Vault Agent's configuration. OpenBao's agent reads the same.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Config<'a> {
    pub log_level: &'static str,
    pub log_format: &'static str,
    pub auto_auth: [AutoAuth<'a>; 1],
}

/// Logging in, and keeping the token alive.
#[derive(Debug, Serialize)]
pub struct AutoAuth<'a> {
    pub method: [Method<'a>; 1],
    pub sink: [Sink<'a>; 1],
}

#[derive(Debug, Serialize)]
pub struct Method<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub mount_path: String,
    pub max_backoff: &'static str,
    pub config: [MethodConfig<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum MethodConfig<'a> {
    Kubernetes {
        role: &'a str,
        token_path: &'a str,
    },
    AppRole {
        role_id_file_path: String,
        secret_id_file_path: String,
        /// True would delete the file after the first login, and an agent that is started again could
        /// not log in any more.
        remove_secret_id_file_after_reading: bool,
    },
}

/// Where the token is written to.
#[derive(Debug, Serialize)]
pub struct Sink<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub config: [SinkConfig<'a>; 1],
}

#[derive(Debug, Serialize)]
pub struct SinkConfig<'a> {
    pub path: &'a str,
}
