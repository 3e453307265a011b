//! The constant shell scripts of the injected containers. Data reaches them as arguments or environment.

mod written;

use crate::json::Written;
use written::written;

/// Runs Vault Agent or Consul Template and ends it in order.
pub const SIDECAR: Written = written!(include_str!("sidecar.sh"));
/// Runs the application's command after a file has changed.
pub const NOTIFY: Written = written!(include_str!("notify.sh"));
/// Runs [`NOTIFY`] from the environment: both programs log the whole of what they run each time, and every
/// file's configuration has it.
pub const RUN_NOTIFY: &str = r#"exec /bin/sh -c "$TVSI_NOTIFY" notify "$1""#;
/// Waits for the secrets files in a postStart hook.
pub const WAIT_FOR_SECRETS: &str = include_str!("wait-for-secrets.sh");
/// Waits for the end of a job's containers.
pub const JOB_BABYSITTER: Written = written!(include_str!("job-babysitter.sh"));
/// Checks that the babysitter may read its pod.
pub const JOB_BABYSITTER_CHECK: Written = written!(include_str!("job-babysitter-check.sh"));
/// Copies a static busybox to the application's containers.
pub const ENV_INIT: Written = written!(include_str!("env-init.sh"));
/// Starts the application with the secrets in its environment.
pub const ENV: &str = include_str!("env.sh");
/// Tells whether a native sidecar has what the application needs.
pub const READY: &str = include_str!("ready.sh");
