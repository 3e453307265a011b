//! Vault Agent's configuration. OpenBao's agent reads the same.

use serde::Serialize;

use crate::auth::Method;
use crate::sidecars::render::{Exec, Template, Wait};
use crate::values::Port;

type AgentTemplate<'a> = Template<'a, [Wait; 1], [Exec<'a>; 1]>;

#[derive(Debug, Serialize)]
pub struct Config<'a> {
    pub log_level: &'static str,
    pub log_format: &'static str,
    pub auto_auth: [AutoAuth<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_proxy: Option<[ApiProxy; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<[Cache; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<[Listener; 1]>,
    /// Whether the agent ends when all templates have been rendered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_after_auth: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<[Vault; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_config: Option<[TemplateConfig; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template: Vec<AgentTemplate<'a>>,
}

/// Answers requests from the pod with the agent's token.
#[derive(Debug, Serialize)]
pub struct ApiProxy {
    pub use_auto_auth_token: bool,
}

/// Keeps what is leased.
#[derive(Debug, Serialize)]
pub struct Cache {}

/// Where the local proxy listens.
#[derive(Debug, Serialize)]
pub struct Listener {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub address: String,
    pub tls_disable: bool,
}

impl Listener {
    pub fn on(port: Port) -> Self {
        Listener {
            kind: "tcp",
            address: format!("127.0.0.1:{}", port.0),
            tls_disable: true,
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct TemplateConfig {
    /// Whether the agent ends when a template cannot be rendered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_on_retry_failure: bool,
    /// How often a secret without a lease is read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_secret_render_interval: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Vault {
    pub retry: [Retry; 1],
}

/// Tries are a quarter of a second apart, and each time twice as long.
#[derive(Debug, Serialize)]
pub struct Retry {
    pub num_retries: u32,
}

/// Logging in, and keeping the token alive.
#[derive(Debug, Serialize)]
pub struct AutoAuth<'a> {
    pub method: [Method<'a>; 1],
    pub sink: [Sink<'a>; 1],
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
