//! The names and paths that a pod gets. They are fixed: manifests, alerts and RBAC rules refer to them.

pub const VAULT_AGENT: &str = "tvsi-vault-agent";
pub const VAULT_AGENT_INIT: &str = "tvsi-vault-agent-init";
pub const ENV_INIT: &str = "tvsi-env-init";
pub const CONSUL_TEMPLATE: &str = "tvsi-consul-template";
pub const JOB_BABYSITTER: &str = "tvsi-job-babysitter";
pub const JOB_BABYSITTER_INIT: &str = "tvsi-job-babysitter-init";

/// The files with secrets. A pod may bring the volume, as an emptyDir.
pub const SECRETS_VOLUME: &str = "secrets";
/// The same, in a pod that has a volume of another kind under that name.
pub const OWN_SECRETS_VOLUME: &str = "tvsi-secrets";
/// Where the sidecars have them, and the application too by default.
pub const SECRETS_DIRECTORY: &str = "/opt/talend/secrets";

/// The Vault token: the agent writes it, and Consul Template reads it.
pub const SHARED_VOLUME: &str = "tvsi-shared";
pub const SHARED_DIRECTORY: &str = "/opt/talend/tvsi";
pub const TOKEN_FILE: &str = "/opt/talend/tvsi/.vault-token";
/// The init agent's own token: it can run again beside the sidecars, and must not touch theirs.
pub const INIT_TOKEN_FILE: &str = "/opt/talend/tvsi/init/.vault-token";

/// Where the file with Consul Template's configuration has its name for a moment: in a volume of its own.
pub const CONFIG_VOLUME: &str = "tvsi-config";
pub const CONFIG_DIRECTORY: &str = "/opt/talend/tvsi-config";
/// The home of the agent. It does not exist: what is in a home, such as the `.vault` that names a token helper, is
/// loaded and run.
pub const NO_HOME: &str = "/nonexistent";

/// The shell that puts secrets into the environment.
pub const ENV_VOLUME: &str = "tvsi-env";
pub const ENV_DIRECTORY: &str = "/opt/talend/tvsi-env";
pub const ENV_BUSYBOX: &str = "/opt/talend/tvsi-env/busybox";
pub const ENV_SCRIPT: &str = "/opt/talend/tvsi-env/env.sh";

/// The ids of an AppRole.
pub const APPROLE_VOLUME: &str = "tvsi-approle";
pub const APPROLE_DIRECTORY: &str = "/opt/talend/tvsi-approle";

/// Certificates for the connection to Vault.
pub const TLS_VOLUME: &str = "tvsi-tls";
pub const TLS_DIRECTORY: &str = "/opt/talend/tvsi-tls";

/// The signal that the job is done.
pub const JOB_VOLUME: &str = "tvsi-job";
pub const JOB_DIRECTORY: &str = "/opt/talend/tvsi-job";
pub const JOB_SIGNAL_FILE: &str = "/opt/talend/tvsi-job/done";

/// A service account token of our own, to log in to Vault with.
pub const LOGIN_TOKEN_VOLUME: &str = "tvsi-login-token";
/// Where the agent has the token that it logs in with, if that is not where Kubernetes mounts the pod's.
pub const LOGIN_TOKEN_DIRECTORY: &str = "/opt/talend/tvsi-login-token";
/// A service account token of our own, to ask the API server with.
pub const API_TOKEN_VOLUME: &str = "tvsi-api-token";
/// An empty volume in the place of a service account token that a container does not need.
pub const NO_TOKEN_VOLUME: &str = "tvsi-no-token";
/// Where Kubernetes mounts the service account's token in every container that has nothing there.
pub const SERVICE_ACCOUNT_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The token there.
pub const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Every container that the policy may add.
pub const CONTAINERS: [&str; 6] = [
    VAULT_AGENT,
    CONSUL_TEMPLATE,
    JOB_BABYSITTER,
    JOB_BABYSITTER_INIT,
    VAULT_AGENT_INIT,
    ENV_INIT,
];

/// Every volume that the policy may add, except [`SECRETS_VOLUME`], which a pod may bring.
pub const VOLUMES: [&str; 10] = [
    OWN_SECRETS_VOLUME,
    SHARED_VOLUME,
    CONFIG_VOLUME,
    JOB_VOLUME,
    LOGIN_TOKEN_VOLUME,
    API_TOKEN_VOLUME,
    NO_TOKEN_VOLUME,
    ENV_VOLUME,
    APPROLE_VOLUME,
    TLS_VOLUME,
];
