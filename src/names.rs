//! The names and paths that a pod gets. They are fixed: manifests, alerts and RBAC rules refer to them.

pub const ENV_INIT: &str = "tvsi-env-init";
pub const CONSUL_TEMPLATE: &str = "tvsi-consul-template";
pub const JOB_BABYSITTER: &str = "tvsi-job-babysitter";
pub const JOB_BABYSITTER_INIT: &str = "tvsi-job-babysitter-init";

/// The environment variables that refer to Vault, each container's in a directory of its own.
pub const VALUES_VOLUME: &str = "tvsi-values";
pub const VALUES_DIRECTORY: &str = "/opt/talend/tvsi-values";
/// The file there.
pub const VALUES_FILE: &str = "variables";

/// The files with secrets, in a pod that has a volume of another kind where they would be.
pub const OWN_SECRETS_VOLUME: &str = "tvsi-secrets";
/// More volumes with files of secrets: this and a number.
pub const MORE_SECRETS_VOLUME: &str = "tvsi-secrets-";

/// What containers, volumes and directories are called that the vocabulary of the pod's annotations names. All else is called
/// the same in every pod.
#[derive(Debug)]
pub struct Names {
    pub agent: &'static str,
    pub agent_init: &'static str,
    /// The files with secrets. A pod may bring the volume, as an emptyDir.
    pub secrets_volume: &'static str,
    /// Where the sidecars have them.
    pub secrets_directory: &'static str,
    /// More of them, for files in other directories: this and a number.
    pub more_secrets_volume: &'static str,
    /// Whether the sidecars have files where the application has them, if nothing of the images' is there.
    pub shares_directories: bool,
    /// The Vault token: the agent writes it, and Consul Template reads it.
    pub token: Token,
    /// The init agent's own token: it can run again beside the sidecars, and must not touch theirs.
    pub init_token: Token,
    /// The home of the agent. What is in a home, such as the `.vault` that names a token helper, is loaded and run: nothing
    /// else than the agent writes there.
    pub home: &'static str,
    /// A ConfigMap with the agent's configuration.
    pub config_map: Mounted,
    /// A Secret of the pod's choice.
    pub extra_secret: Mounted,
    /// A Secret with certificates of the pod's choice.
    pub own_tls: Mounted,
    /// What the init container has leased, for the sidecar.
    pub cache: Mounted,
    /// Variables of the agent with fields of the pod.
    pub variables: &'static [(&'static str, &'static str)],
    /// Every container that the vocabulary names.
    pub containers: &'static [&'static str],
    /// Every volume that the vocabulary names, except the one with the secrets.
    pub volumes: &'static [&'static str],
    /// What begins a name of those that are the policy's.
    pub marks: &'static [&'static str],
}

/// A volume and where it is mounted.
#[derive(Debug)]
pub struct Mounted {
    pub volume: &'static str,
    pub directory: &'static str,
}

/// A file with a token, and the volume for it.
#[derive(Debug)]
pub struct Token {
    pub mounted: Mounted,
    pub file: &'static str,
}

/// The names of Talend's injector, or in their manner.
pub const OWN: Names = Names {
    agent: "tvsi-vault-agent",
    agent_init: "tvsi-vault-agent-init",
    secrets_volume: "secrets",
    secrets_directory: SECRETS_DIRECTORY,
    more_secrets_volume: MORE_SECRETS_VOLUME,
    shares_directories: false,
    token: Token {
        mounted: SHARED,
        file: "/opt/talend/tvsi/.vault-token",
    },
    init_token: Token {
        mounted: SHARED,
        file: "/opt/talend/tvsi/init/.vault-token",
    },
    home: "/nonexistent",
    config_map: Mounted {
        volume: "tvsi-configmap",
        directory: "/opt/talend/tvsi-configmap",
    },
    extra_secret: Mounted {
        volume: "tvsi-extra",
        directory: "/opt/talend/tvsi-extra",
    },
    own_tls: Mounted {
        volume: "tvsi-own-tls",
        directory: "/opt/talend/tvsi-own-tls",
    },
    cache: Mounted {
        volume: "tvsi-cache",
        directory: "/opt/talend/tvsi-cache",
    },
    variables: &[],
    containers: &[],
    volumes: &[],
    marks: &["tvsi-"],
};

const SHARED: Mounted = Mounted {
    volume: "tvsi-shared",
    directory: "/opt/talend/tvsi",
};

/// Those of HashiCorp's Agent Injector.
pub const AGENT_INJECTOR: Names = Names {
    agent: "vault-agent",
    agent_init: "vault-agent-init",
    secrets_volume: "vault-secrets",
    secrets_directory: "/vault/secrets",
    more_secrets_volume: "vault-secrets-custom-",
    shares_directories: true,
    token: Token {
        mounted: Mounted {
            volume: "home-sidecar",
            directory: "/home/vault",
        },
        file: "/home/vault/.vault-token",
    },
    init_token: Token {
        mounted: Mounted {
            volume: "home-init",
            directory: "/home/vault",
        },
        file: "/home/vault/.vault-token",
    },
    home: "/home/vault",
    config_map: Mounted {
        volume: "vault-config",
        directory: "/vault/configs",
    },
    extra_secret: Mounted {
        volume: "extra-secrets",
        directory: "/vault/custom",
    },
    own_tls: Mounted {
        volume: "vault-tls-secrets",
        directory: "/vault/tls",
    },
    cache: Mounted {
        volume: "vault-agent-cache",
        directory: "/vault/agent-cache",
    },
    variables: &[
        ("NAMESPACE", "metadata.namespace"),
        ("HOST_IP", "status.hostIP"),
        ("POD_IP", "status.podIP"),
    ],
    containers: &["vault-agent", "vault-agent-init"],
    volumes: &[
        "home-sidecar",
        "home-init",
        "vault-config",
        "extra-secrets",
        "vault-tls-secrets",
        "vault-agent-cache",
    ],
    marks: &["tvsi-", "vault-", "home-", "extra-secrets"],
};

impl Names {
    /// Whether a container's name is the policy's.
    pub fn is_ours(&self, container: &str) -> bool {
        CONTAINERS.contains(&container) || self.containers.contains(&container)
    }

    /// Whether a volume's name is the policy's, the one with the secrets apart, which a pod may bring.
    pub fn is_our_volume(&self, volume: &str) -> bool {
        let is_numbered = |start: &str| {
            let number = volume.strip_prefix(start);
            number.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
        };
        VOLUMES.contains(&volume)
            || self.volumes.contains(&volume)
            || is_numbered(MORE_SECRETS_VOLUME)
            || is_numbered(self.more_secrets_volume)
    }
}

/// Where the sidecars have the files with secrets, and the application too by default.
pub const SECRETS_DIRECTORY: &str = "/opt/talend/secrets";

/// Where Consul Template has the token.
pub const TOKEN: &Token = &OWN.token;

/// Where the file with Consul Template's configuration has its name for a moment: in a volume of its own.
pub const CONFIG_VOLUME: &str = "tvsi-config";
pub const CONFIG_DIRECTORY: &str = "/opt/talend/tvsi-config";
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
/// A service account token of our own, for the API server.
pub const API_TOKEN_VOLUME: &str = "tvsi-api-token";
/// An empty volume in the place of a service account token that a container does not need.
pub const NO_TOKEN_VOLUME: &str = "tvsi-no-token";
/// Where Kubernetes mounts the service account's token in every container that has nothing there.
pub const SERVICE_ACCOUNT_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The token there.
pub const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Templates from ConfigMaps.
pub const TEMPLATES_VOLUME: &str = "tvsi-templates";
pub const TEMPLATES_DIRECTORY: &str = "/opt/talend/tvsi-templates";

/// Every container that the policy may add, whatever the vocabulary.
pub const CONTAINERS: [&str; 6] = [
    OWN.agent,
    CONSUL_TEMPLATE,
    JOB_BABYSITTER,
    JOB_BABYSITTER_INIT,
    OWN.agent_init,
    ENV_INIT,
];

/// Every volume that the policy may add, whatever the vocabulary, except the one with the secrets, which a pod may bring.
pub const VOLUMES: [&str; 16] = [
    VALUES_VOLUME,
    OWN_SECRETS_VOLUME,
    SHARED.volume,
    CONFIG_VOLUME,
    JOB_VOLUME,
    LOGIN_TOKEN_VOLUME,
    API_TOKEN_VOLUME,
    NO_TOKEN_VOLUME,
    ENV_VOLUME,
    APPROLE_VOLUME,
    TLS_VOLUME,
    TEMPLATES_VOLUME,
    OWN.config_map.volume,
    OWN.extra_secret.volume,
    OWN.own_tls.volume,
    OWN.cache.volume,
];
