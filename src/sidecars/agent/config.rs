//! Vault Agent's configuration. OpenBao's agent reads the same.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

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
    pub cache: Option<[Cache<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<[Listener; 1]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub disable_idle_connections: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub disable_keep_alives: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<[&'a Map<String, Value>; 1]>,
    /// Whether the agent ends when all templates have been rendered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_after_auth: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<[Vault; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_config: Option<[TemplateConfig<'a>; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template: Vec<AgentTemplate<'a>>,
}

/// Answers requests from the pod with the agent's token.
#[derive(Debug, Serialize)]
pub struct ApiProxy {
    /// `true`, or `force` for requests that have a token too.
    pub use_auto_auth_token: Value,
}

/// Keeps what is leased.
#[derive(Debug, Default, Serialize)]
pub struct Cache<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persist: Option<[Persist<'a>; 1]>,
}

/// Passes the init container's leases to the sidecar.
#[derive(Debug, Serialize)]
pub struct Persist<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub path: &'static str,
    /// What the cache is encrypted with.
    pub service_account_token_file: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_on_err: bool,
}

/// Where the local proxy listens.
#[derive(Debug, Serialize)]
pub struct Listener {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub address: String,
    pub tls_disable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_api: Option<[AgentApi; 1]>,
}

/// What the pod can configure of the agent itself.
#[derive(Debug, Serialize)]
pub struct AgentApi {
    pub enable_quit: bool,
}

impl Listener {
    pub fn on(port: Port, can_quit: bool) -> Self {
        Listener {
            kind: "tcp",
            address: format!("127.0.0.1:{}", port.0),
            tls_disable: true,
            agent_api: can_quit.then_some([AgentApi { enable_quit: true }]),
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct TemplateConfig<'a> {
    /// Whether the agent ends when a template cannot be rendered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_on_retry_failure: bool,
    /// How often a secret without a lease is read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_secret_render_interval: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections_per_host: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_renewal_threshold: Option<Value>,
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
    pub sink: Vec<Sink<'a>>,
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
    pub path: Cow<'a, str>,
    /// The permissions of the file, as a number. `None` for 0640.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}
