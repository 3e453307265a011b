//! Consul Template's configuration.

use serde::Serialize;

use crate::sidecars::render::{Exec, Template, Wait};

#[derive(Debug, Serialize)]
pub struct Config<'a> {
    /// Consul Template ends on INT only, unless it is configured otherwise.
    pub kill_signal: &'static str,
    pub log_level: &'static str,
    pub vault: Vault<'a>,
    pub template: Vec<Template<'a, Wait, Exec<'a>>>,
}

#[derive(Debug, Serialize)]
pub struct Vault<'a> {
    pub vault_agent_token_file: &'a str,
    /// The agent renews it.
    pub renew_token: bool,
    /// How often a secret without a lease is read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_lease_duration: Option<&'a str>,
    pub retry: Retry,
}

#[derive(Debug, Serialize)]
pub struct Retry {
    /// 0 is for ever.
    pub attempts: u32,
    pub backoff: &'static str,
    pub max_backoff: &'static str,
}
