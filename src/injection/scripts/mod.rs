//! The constant shell scripts of the injected containers. Data reaches them as arguments or environment.

/// The text of a script as it goes into pods, which `build/` has written.
macro_rules! text {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/scripts/", $name))
    };
}

/// Runs Vault Agent and ends it in order.
pub const AGENT: &str = text!("agent.sh");
/// Runs Vault Agent until it has fetched static secrets.
pub const AGENT_INIT: &str = text!("agent-init.sh");
/// Runs Consul Template and ends it in order.
pub const CONSUL_TEMPLATE: &str = text!("consul-template.sh");
/// Runs the application's command after a file has changed.
pub const NOTIFY: &str = text!("notify.sh");
/// Runs [`NOTIFY`] from the environment: both programs log the whole of what they run each time, and every
/// file's configuration has it.
pub const RUN_NOTIFY: &str = r#"exec /bin/sh -c "$TVSI_NOTIFY" notify "$1""#;
/// Waits for the secrets files in a postStart hook.
pub const WAIT_FOR_SECRETS: &str = text!("wait-for-secrets.sh");
/// Waits for the end of a job's containers.
pub const JOB_BABYSITTER: &str = text!("job-babysitter.sh");
/// Checks that the babysitter may read its pod.
pub const JOB_BABYSITTER_CHECK: &str = text!("job-babysitter-check.sh");
/// Copies a static busybox to the application's containers.
pub const ENV_INIT: &str = text!("env-init.sh");
/// Starts the application with the secrets in its environment.
pub const ENV: &str = text!("env.sh");
/// Tells whether a native sidecar has what the application needs.
pub const READY: &str = text!("ready.sh");
