//! Consul Template's configuration.

use serde::Serialize;

use super::{Exec, Wait};

#[derive(Debug, Serialize)]
pub struct Config<'a> {
    /// Consul Template ends on INT only, unless it is told otherwise.
    pub kill_signal: &'static str,
    pub log_level: &'static str,
    pub vault: Vault<'a>,
    pub template: Vec<Template<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Vault<'a> {
    pub vault_agent_token_file: &'a str,
    /// The agent renews it.
    pub renew_token: bool,
    pub retry: Retry,
}

#[derive(Debug, Serialize)]
pub struct Retry {
    /// 0 is for ever.
    pub attempts: u32,
    pub backoff: &'static str,
    pub max_backoff: &'static str,
}

#[derive(Debug, Serialize)]
pub struct Template<'a> {
    pub contents: &'a str,
    pub destination: String,
    pub perms: &'a str,
    pub error_on_missing_key: bool,
    /// An error in one template would end the program, and with it all others.
    pub error_fatal: bool,
    pub wait: Wait,
    pub function_denylist: &'a [&'a str],
    /// Below it alone can templates read files.
    pub sandbox_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec<'a>>,
}
