//! Every annotation, in the order of the documentation: its name, how it is read, its default, what it needs to have an
//! effect, and what it means. What reads, explains and documents annotations comes from here.

use std::fmt;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Annotations;
use super::value::{Commas, Lines};
use crate::rejection::Rejection;
use crate::values::{
    AgentFeature, AuthMethod, AuthMount, CacheToken, Count, Delimiter, Directory, DnsLabel,
    FilePath, FilePermissions, Fraction, GoDuration, Image, InjectionMethod, LogFormat, LogLevel,
    Mode, NonRootId, ObjectName, OnChange, Port, ProxyUrl, SecretsFormat, SecretsType, Sidecars,
    TemplateEngine, Timeout, Url, VariableName, WorkloadKind,
};

/// What holds where an annotation is not given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Default {
    /// Nothing.
    None,
    /// This value.
    Value(&'static str),
    /// The value of a setting, by its path.
    Setting(&'static str),
    /// Something else, in words.
    From(&'static str),
}

impl fmt::Display for Default {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Default::None => Ok(()),
            Default::Value(text) | Default::From(text) => formatter.write_str(text),
            Default::Setting(path) => write!(formatter, "setting `{path}`"),
        }
    }
}

/// What a pod must use for an annotation to have an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Mode `secrets`.
    Secrets,
    /// Secrets whose files follow them.
    Dynamic,
    /// Mode `proxy`.
    Proxy,
    /// Mode `job`.
    Job,
    /// A login with a role.
    Role,
    /// A login with a service account token.
    ServiceAccount,
    /// Login `approle`.
    AppRole,
    /// A Consul Template sidecar.
    ConsulTemplate,
    /// A job babysitter.
    Babysitter,
    /// Secrets as environment variables, or a restart when they change.
    Environment,
    /// Pairs of a secret as environment variables, written by the default template.
    Pairs,
    /// Environment variables that refer to Vault.
    References,
    /// Secrets as files or as environment variables.
    Delivery,
    /// Templates of the pod's own.
    OwnTemplate,
    /// Files made by the default template.
    DefaultTemplate,
}

impl Need {
    /// Why an annotation has no effect.
    pub fn unmet(self) -> &'static str {
        match self {
            Need::Secrets => "without mode secrets",
            Need::Dynamic => "with static secrets, which do not change",
            Need::Proxy => "without mode proxy",
            Need::Job => "without mode job",
            Need::Role => "with a login that has no role",
            Need::ServiceAccount => "without auth kubernetes or jwt",
            Need::AppRole => "without auth approle",
            Need::ConsulTemplate => "without Consul Template",
            Need::Babysitter => "without a job babysitter",
            Need::Environment => "without secrets in the environment or on-change restart",
            Need::Pairs => "without secrets-injection-method env and its default template",
            Need::References => "without an environment variable that refers to Vault",
            Need::Delivery => {
                "without mode secrets or an environment variable that refers to Vault"
            }
            Need::OwnTemplate => "without secrets-template",
            Need::DefaultTemplate => "with secrets-template or secrets-injection-method env",
        }
    }
}

/// What the names of a family begin with: `auth-config-` of `auth-config-KEY`.
pub(super) fn start_of_family(name: &'static str) -> Option<&'static str> {
    let start = name.trim_end_matches(|letter: char| letter.is_ascii_uppercase());
    (start.len() < name.len()).then_some(start)
}

/// Makes [`Key`], and a method of [`Annotations`] for each row of the table that is not a family.
macro_rules! table {
    ($($variant:ident $name:literal $($method:ident: $type:ty)?, $default:ident $(($of:literal))?, $needs:expr, $doc:literal;)+) => {
        /// An annotation, without the prefix.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Key {
            $(#[doc = $doc] $variant,)+
        }

        impl Key {
            /// Every annotation, in the order of the documentation.
            pub const ALL: &[Key] = &[$(Key::$variant),+];

            /// The same with their names.
            pub(super) const NAMES: &[(Key, &'static str)] = &[$((Key::$variant, $name)),+];

            /// The name behind the prefix: `secrets-path`.
            pub fn name(self) -> &'static str {
                match self { $(Key::$variant => $name),+ }
            }

            /// Whether it is a family of annotations: `auth-config-KEY`.
            pub fn is_family(self) -> bool {
                start_of_family(self.name()).is_some()
            }

            /// The whole name, as it stands in a manifest: `sidecar.vault.talend.org/secrets-path`.
            pub fn below(self, prefix: &str) -> String {
                format!("{prefix}/{}", self.name())
            }

            /// What holds where the annotation is not given.
            pub fn default(self) -> Default {
                match self { $(Key::$variant => Default::$default $(($of))?),+ }
            }

            /// What a pod must use for the annotation to have an effect.
            pub fn needs(self) -> &'static [Need] {
                match self { $(Key::$variant => &$needs),+ }
            }

            /// What the annotation means.
            pub fn documentation(self) -> &'static str {
                match self { $(Key::$variant => $doc),+ }
            }
        }

        #[allow(dead_code, reason = "inject and status are read before the others, and amounts by what their names say")]
        impl Annotations<'_> {
            $($(#[doc = $doc] pub fn $method(&self) -> Result<Option<$type>, Rejection> {
                self.value(Key::$variant)
            })?)+
        }
    };
}

table! {
    Inject "inject" inject: bool, None, [],
        "Whether the pod is injected; without it the pod is left alone.";
    Status "status" status: &str, None, [],
        "Set by the policy to `injected`; a pod that carries it is left alone.";
    Mode "mode" mode: Commas<Mode>, From("`secrets`, and `secrets,job` in a pod that can end (setting `jobs.autoDetect`)"), [],
        "Comma list of `secrets`, `proxy` and `job`. `job` alone implies `secrets`.";
    Workload "workload" workload: WorkloadKind, None, [],
        "Deprecated: `job` is the same as mode `job`.";
    Auth "auth" auth: AuthMethod, Setting("vault.auth.method"), [],
        "How Vault Agent logs in: `kubernetes`, `approle`, `jwt`, `cert`, `aws`, `azure`, `gcp`, `alicloud`, `cf`, `oci`, `kerberos`, `ldap`, `token-file`, or another method in the setting `vault.auth.methods`.";
    AuthPath "auth-path" auth_path: AuthMount, From("a setting for `kubernetes`, `approle` and `jwt`, and the method's name for the others"), [],
        "Where the auth method is mounted, with or without `auth/` in front.";
    AuthMinBackoff "auth-min-backoff" auth_min_backoff: GoDuration, Setting("vault.auth.minBackoff"), [],
        "How long the agent waits after a first login that has failed, such as `1s`. It waits twice as long each time.";
    AuthMaxBackoff "auth-max-backoff" auth_max_backoff: GoDuration, Setting("vault.auth.maxBackoff"), [],
        "How long it waits at the most, such as `5m`.";
    AuthExitOnError "auth-exit-on-error" auth_exit_on_error: bool, Value("false"), [],
        "Whether Vault Agent ends when a login fails, so that the kubelet starts it again. In an init container it does, unless this is `false`.";
    TokenAudience "token-audience" token_audience: String, From("the setting of the login method"), [Need::ServiceAccount],
        "The audience of a service account token that is made for the login; an explicit `sa-token` wins.";
    AuthConfig "auth-config-KEY", None, [],
        "What the login method takes, by its name in Vault Agent's configuration: `auth-config-region`, `auth-config-credential-poll-interval`. `-` stands for `_`.";
    Role "role" role: String, From("the application label"), [Need::Role],
        "The Vault role to log in with; for `cert` the name of the certificate role.";
    SaToken "sa-token" sa_token: FilePath, Value("/var/run/secrets/kubernetes.io/serviceaccount/token"), [Need::ServiceAccount],
        "Path of the service account token as the application's containers mount it, in a projected volume or a Secret.";
    TokenVolume "token-volume" token_volume: String, None, [Need::ServiceAccount],
        "A projected volume of the pod with the service account token to log in with, in place of `sa-token`.";
    VaultImage "vault-image" vault_image: Image, Setting("agent.image"), [],
        "Image of Vault Agent for this pod.";
    SecretsPath "secrets-path" secrets_path: Commas<&str>, From("`secret/<application label>/<service label>`"), [Need::Secrets],
        "Comma list of Vault paths.";
    SecretsDestination "secrets-destination" secrets_destination: Commas<&str>, Value("secrets.properties"), [Need::Secrets],
        "Comma list of file names, one per path or template: relative, without empty, `.` or `..` segments, each once.";
    SecretsTemplate "secrets-template" secrets_template: Lines<'_>, From("a template that writes what `secrets-format` says"), [Need::Secrets],
        "Consul Template templates, separated by lines `---`; they replace `secrets-path`.";
    TemplateLeftDelimiter "template-left-delimiter" template_left_delimiter: Delimiter, From("`{{`"), [Need::Secrets, Need::OwnTemplate],
        "What begins an action in the templates of `secrets-template`, such as `[[` where Helm takes `{{` for its own.";
    TemplateRightDelimiter "template-right-delimiter" template_right_delimiter: Delimiter, From("`}}`"), [Need::Secrets, Need::OwnTemplate],
        "What ends an action in the templates of `secrets-template`, such as `]]`.";
    SecretsFormat "secrets-format" secrets_format: Commas<SecretsFormat>, Value("properties"), [Need::Secrets, Need::DefaultTemplate],
        "What the default template writes, for all files or one per destination: `properties` (`key=value` lines), `json` (one object) or `dotenv` (`key=value` lines, quoted for shells and dotenv libraries), `map` (`key: value` lines) or `raw-json` (the data of Vault's answer, with the metadata of KV version 2).";
    FilePermissions "file-permissions" file_permissions: Commas<FilePermissions>, Setting("secrets.filePermissions"), [Need::Secrets],
        "Permissions in octal, such as `0600`, for all files or one per destination.";
    Secret "secret-NAME", None, [Need::Secrets],
        "A Vault path, whose secret becomes a file called NAME. These annotations, one for each secret, are an alternative to the lists.";
    Template "template-NAME", None, [Need::Secrets],
        "The Consul Template template that makes the file.";
    TemplateFile "template-file-NAME", None, [Need::Secrets],
        "The same, from a file in the agent's container, which a volume of `copy-volume-mounts` or `agent-extra-secret` has. It needs Vault Agent to render.";
    TemplateConfigMap "template-configmap-NAME", None, [Need::Secrets],
        "The same, from a key of a ConfigMap of the pod's namespace: `CONFIGMAP/KEY`.";
    SecretLeftDelimiter "template-left-delimiter-NAME", None, [Need::Secrets],
        "What begins an action in the template.";
    SecretRightDelimiter "template-right-delimiter-NAME", None, [Need::Secrets],
        "What ends an action in the template.";
    File "file-NAME", None, [Need::Secrets],
        "The file's path in its directory, if it is not NAME.";
    Directory "directory-NAME", None, [Need::Secrets],
        "Where the application sees the file, if not where it sees the others.";
    Permissions "permissions-NAME", None, [Need::Secrets],
        "Permissions in octal, such as `0600`.";
    Format "format-NAME", None, [Need::Secrets],
        "What the default template writes, as in `secrets-format`.";
    Command "command-NAME", None, [Need::Secrets, Need::Dynamic],
        "A command that is run with `sh -c` after the file has changed.";
    ErrorOnMissingKey "error-on-missing-key-NAME", None, [Need::Secrets],
        "Whether a key that the secret does not have is an error, in place of the setting `secrets.errorOnMissingKey`.";
    PreserveSecretCase "preserve-secret-case" preserve_secret_case: bool, None, [Need::Secrets],
        "Agent Injector only: whether files keep the case of NAME.";
    PreserveCase "preserve-secret-case-NAME", None, [Need::Secrets],
        "Agent Injector only: the same for one file.";
    Notify "notify" notify: Lines<'_>, None, [Need::Secrets, Need::Dynamic],
        "Commands run with `sh -c` after a file has changed, one per destination or fewer, separated by lines `---` or by commas; with one destination a comma is part of the command.";
    SecretsHook "secrets-hook" secrets_hook: bool, Value("false"), [Need::Secrets],
        "Add a postStart hook that waits for the secrets files, and fails if they do not come in time, so that the container is restarted.";
    SecretsType "secrets-type" secrets_type: SecretsType, Value("dynamic"), [Need::Secrets],
        "`dynamic`: the files follow the secrets. `static`: fetched once, by an init container.";
    SecretsInjectionMethod "secrets-injection-method" secrets_injection_method: InjectionMethod, Value("file"), [Need::Secrets],
        "`file`, or `env`: secrets become environment variables. They must be static, except with `on-change: restart`.";
    EnvPrefix "env-prefix" env_prefix: Commas<VariableName>, None, [Need::Secrets, Need::Pairs],
        "Prefix for the names of environment variables, in front of the keys of a secret: one for all paths, or one per path.";
    EnvNames "env-names" env_names: Lines<'_>, None, [Need::Secrets, Need::Pairs],
        "Which keys become environment variables, and by which names: a comma list of `NAME=KEY`, or `KEY`; with several paths one list for each, separated by lines `---`. All keys, if it is not given.";
    EnvPrefixOf "env-prefix-NAME", None, [Need::Secrets],
        "The same as `env-prefix`, for one secret.";
    EnvNamesOf "env-names-NAME", None, [Need::Secrets],
        "The same as `env-names`, for one secret.";
    TransitKey "transit-key" transit_key: String, None, [Need::References],
        "Name of the transit key that decrypts environment variables such as `vault:v1:...`.";
    TransitPath "transit-path" transit_path: String, Value("transit"), [Need::References],
        "Where the transit engine is mounted.";
    OnChange "on-change" on_change: OnChange, Value("none"), [Need::Delivery],
        "`restart`: when a file or an environment variable with secrets changes, the application's process ends by TERM, and the kubelet starts the container again. With it, dynamic secrets can be environment variables.";
    PrePopulate "pre-populate" pre_populate: bool, Value("false"), [Need::Secrets],
        "Whether an init container writes the files of dynamic secrets before the application starts. Native sidecars do so themselves.";
    PrePopulateOnly "pre-populate-only" pre_populate_only: bool, Value("false"), [Need::Secrets],
        "Whether only an init container does. The same as `secrets-type: static`, except that its token is not revoked: what it has leased lives on until the token's TTL.";
    InitFirst "init-first" init_first: bool, Value("true"), [],
        "Whether the policy's init containers come before the pod's own.";
    ProxyPort "proxy-port" proxy_port: Port, Value("8200"), [Need::Proxy],
        "Port of the local proxy, 1 to 65535.";
    Sidecars "sidecars" sidecars: Sidecars, Setting("sidecars"), [],
        "`classic`: containers beside the application's. `native`: init containers that keep running (Kubernetes 1.29 or newer), so that the application starts with its secrets and Jobs end automatically.";
    InjectContainers "inject-containers" inject_containers: Commas<&str>, From("all of the application's"), [Need::Delivery],
        "Comma list of the containers that get the secrets (mount, hook or environment). Init containers can be among them: the environment is for those that are named, or for all where none is, and all get the mount.";
    JobContainers "job-containers" job_containers: Commas<&str>, From("all of the application's"), [Need::Job],
        "Comma list of the containers whose end is the job's end.";
    TemplateEngine "template-engine" template_engine: TemplateEngine, Setting("templateEngine"), [Need::Delivery, Need::Dynamic],
        "What renders dynamic secrets: `consul-template`, or `vault-agent` without a second sidecar.";
    TokenFile "token-file" token_file: bool, Value("false"), [Need::Secrets],
        "Whether the Vault token is in the secrets directory too, as file `token`.";
    VaultAddress "vault-address" vault_address: Url, Setting("vault.address"), [],
        "The address of another Vault, if the setting `restrictions.allowedAddresses` has it.";
    VaultNamespace "vault-namespace" vault_namespace: String, Setting("vault.namespace"), [],
        "Namespace of Vault Enterprise or OpenBao.";
    TlsSkipVerify "tls-skip-verify" tls_skip_verify: bool, Setting("vault.tls.skipVerify"), [],
        "Do not verify the certificate of Vault: for development only.";
    TlsServerName "tls-server-name" tls_server_name: String, Setting("vault.tls.serverName"), [],
        "The name in the certificate of Vault, if it is not the address's.";
    TlsSecret "tls-secret" tls_secret: ObjectName, None, [],
        "A Secret of the pod's namespace with certificates and keys, which the injected containers have in `/opt/talend/tvsi-own-tls` (Agent Injector: `/vault/tls`).";
    CaCert "ca-cert" ca_cert: FilePath, From("settings `vault.tls.ca`"), [],
        "The file in the injected containers with the authority of Vault's certificate.";
    CaPath "ca-path" ca_path: Directory, None, [],
        "A directory with authorities. The Agent Injector calls it `ca-key`.";
    ClientCert "client-cert" client_cert: FilePath, From("settings `vault.tls.clientCertificate`"), [],
        "The file with the certificate that Vault expects of its clients.";
    ClientKey "client-key" client_key: FilePath, From("settings `vault.tls.clientCertificate`"), [],
        "The file with its private key.";
    ClientMaxRetries "client-max-retries" client_max_retries: Count, None, [],
        "How often a request to Vault is tried again (`VAULT_MAX_RETRIES`).";
    ClientTimeout "client-timeout" client_timeout: Timeout, None, [],
        "How long a request to Vault takes at the most (`VAULT_CLIENT_TIMEOUT`).";
    ProxyAddress "proxy-address" proxy_address: ProxyUrl, None, [],
        "The HTTP proxy through which Vault is reached (`HTTPS_PROXY`).";
    GoMaxProcs "go-max-procs" go_max_procs: Count, None, [],
        "How many processors a program uses at the same time (`GOMAXPROCS`).";
    AgentLogLevel "agent-log-level" agent_log_level: LogLevel, Setting("agent.logLevel"), [],
        "How much Vault Agent logs: `trace`, `debug`, `info`, `warn` or `error`.";
    AgentLogFormat "agent-log-format" agent_log_format: LogFormat, Setting("agent.logFormat"), [],
        "How it writes its log: `standard` or `json`.";
    AgentConfigMap "agent-configmap" agent_config_map: ObjectName, None, [],
        "A ConfigMap of the pod's namespace with the agent's whole configuration: `config.hcl`, and `config-init.hcl` for the init container. Annotations of the login and of the agent's configuration have no effect then.";
    ExtraSecret "agent-extra-secret" extra_secret: ObjectName, None, [],
        "A Secret of the pod's namespace that the agent has in `/opt/talend/tvsi-extra` (Agent Injector: `/vault/custom`): what a login needs, or templates.";
    CopyVolumeMounts "copy-volume-mounts" copy_volume_mounts: DnsLabel, None, [],
        "A container of the pod whose volumes the agent mounts too, read-only, except service account tokens and what would be over a directory of the agent's image.";
    AgentJsonPatch "agent-json-patch" agent_json_patch: Lines<'_>, None, [],
        "A JSON patch (RFC 6902) for the container of Vault Agent. What it makes of it must still be as safe.";
    AgentInitJsonPatch "agent-init-json-patch" agent_init_json_patch: Lines<'_>, None, [],
        "The same for the init container of Vault Agent.";
    AgentQuit "agent-quit" agent_quit: bool, Value("false"), [],
        "Whether the pod can end Vault Agent by a request to `/agent/v1/quit` at the port of the proxy.";
    Cache "agent-cache" cache: bool, Value("false"), [],
        "Whether Vault Agent answers requests of the pod, as in mode `proxy`. With `pre-populate` and `template-engine: vault-agent`, the sidecar takes over the leases of the init container.";
    CacheToken "agent-cache-token" cache_token: CacheToken, Value("true"), [],
        "Whether the proxy adds the agent's token to requests: `true` where a request has none, `force` always, `false` never.";
    CacheExitOnError "agent-cache-exit-on-error" cache_exit_on_error: bool, Value("false"), [],
        "Whether the agent ends when it cannot read the leases that it takes over.";
    ExitOnRetryFailure "exit-on-retry-failure" exit_on_retry_failure: bool, Value("false"), [Need::Secrets],
        "Whether Vault Agent ends when a secret cannot be read after several tries, where it renders beside the application. In an init container it does, unless this is `false`.";
    Refresh "refresh" refresh: Timeout, Setting("secrets.refreshSeconds"), [Need::Secrets, Need::Dynamic],
        "How often a secret without a lease is read again, such as `1m`.";
    MaxConnections "max-connections-per-host" max_connections: Count, None, [Need::Secrets],
        "How many connections templates have to Vault.";
    LeaseRenewalThreshold "lease-renewal-threshold" lease_renewal_threshold: Fraction, None, [Need::Secrets],
        "After which part of its lease a secret is read again, such as `0.9`.";
    DisableIdleConnections "agent-disable-idle-connections" disable_idle_connections: Commas<AgentFeature>, None, [],
        "Where Vault Agent keeps no idle connections: a comma list of `auto-auth`, `caching`, `proxying` and `templating`.";
    DisableKeepAlives "agent-disable-keep-alives" disable_keep_alives: Commas<AgentFeature>, None, [],
        "Where it uses a connection for one request only: the same list.";
    Telemetry "agent-telemetry-KEY", None, [],
        "A part of Vault Agent's block `telemetry`, as JSON or as a text. `-` stands for `_`.";
    RevokeOnShutdown "revoke-on-shutdown" revoke_on_shutdown: bool, Value("true"), [],
        "Whether the token is revoked when Vault Agent ends.";
    RevokeGrace "revoke-grace" revoke_grace: Count, Setting("vault.revokeGraceSeconds"), [],
        "The seconds between the pod's deletion and the revocation. Never more than half its terminationGracePeriodSeconds.";
    RequestNamespace "agent-request-namespace" request_namespace: &str, None, [],
        "Agent Injector only, and without effect: the namespace of the request decides.";
    SetSecurityContext "agent-set-security-context" set_security_context: bool, None, [],
        "Agent Injector only: `false` leaves user and group to the image or the cluster.";
    SecretsMountPath "secrets-mount-path" secrets_mount_path: Directory, Setting("secrets.mountPath"), [Need::Secrets],
        "Where the application sees the files.";
    ShareProcessNamespace "share-process-namespace" share_process_namespace: bool, Value("false"), [],
        "Let the pod's containers see each other's processes, so that `notify` can send a signal to an application that runs as the sidecars' user.";
    RunAsUser "run-as-user" run_as_user: NonRootId, Setting("securityContext.runAsUser"), [],
        "User of all injected containers, who owns the files: for an application that wants its files to be its own user's. Not root.";
    RunAsGroup "run-as-group" run_as_group: NonRootId, Setting("securityContext.runAsGroup"), [],
        "Group of all injected containers. Not root's.";
    RunAsSameUser "run-as-same-user" run_as_same_user: bool, Value("false"), [],
        "Run all injected containers as the user, and in the group, that the pod says for the first container that gets the secrets. Not root.";
    ApproleSecret "approle-secret" approle_secret: String, None, [Need::AppRole],
        "A Secret of the pod's namespace with keys `role-id` and `secret-id` to log in with, in place of the two files.";
    AgentRequestsCpu "agent-requests-cpu" agent_requests_cpu: Quantity, Setting("agent.resources"), [],
        "CPU that Vault Agent requests.";
    AgentRequestsMemory "agent-requests-memory" agent_requests_memory: Quantity, Setting("agent.resources"), [],
        "Memory that Vault Agent requests.";
    AgentRequestsEphemeral "agent-requests-ephemeral" agent_requests_ephemeral: Quantity, Setting("agent.resources"), [],
        "Ephemeral storage that Vault Agent requests.";
    AgentLimitsCpu "agent-limits-cpu" agent_limits_cpu: Quantity, Setting("agent.resources"), [],
        "CPU limit of Vault Agent.";
    AgentLimitsMemory "agent-limits-memory" agent_limits_memory: Quantity, Setting("agent.resources"), [],
        "Memory limit of Vault Agent.";
    AgentLimitsEphemeral "agent-limits-ephemeral" agent_limits_ephemeral: Quantity, Setting("agent.resources"), [],
        "Ephemeral storage limit of Vault Agent.";
    ConsulTemplateRequestsCpu "consul-template-requests-cpu" consul_template_requests_cpu: Quantity, Setting("consulTemplate.resources"), [Need::ConsulTemplate],
        "CPU that Consul Template requests.";
    ConsulTemplateRequestsMemory "consul-template-requests-memory" consul_template_requests_memory: Quantity, Setting("consulTemplate.resources"), [Need::ConsulTemplate],
        "Memory that Consul Template requests.";
    ConsulTemplateRequestsEphemeral "consul-template-requests-ephemeral" consul_template_requests_ephemeral: Quantity, Setting("consulTemplate.resources"), [Need::ConsulTemplate],
        "Ephemeral storage that Consul Template requests.";
    ConsulTemplateLimitsCpu "consul-template-limits-cpu" consul_template_limits_cpu: Quantity, Setting("consulTemplate.resources"), [Need::ConsulTemplate],
        "CPU limit of Consul Template.";
    ConsulTemplateLimitsMemory "consul-template-limits-memory" consul_template_limits_memory: Quantity, Setting("consulTemplate.resources"), [Need::ConsulTemplate],
        "Memory limit of Consul Template.";
    ConsulTemplateLimitsEphemeral "consul-template-limits-ephemeral" consul_template_limits_ephemeral: Quantity, Setting("consulTemplate.resources"), [Need::ConsulTemplate],
        "Ephemeral storage limit of Consul Template.";
    JobBabysitterRequestsCpu "job-babysitter-requests-cpu" job_babysitter_requests_cpu: Quantity, Setting("jobBabysitter.resources"), [Need::Babysitter],
        "CPU that the job babysitter requests.";
    JobBabysitterRequestsMemory "job-babysitter-requests-memory" job_babysitter_requests_memory: Quantity, Setting("jobBabysitter.resources"), [Need::Babysitter],
        "Memory that the job babysitter requests.";
    JobBabysitterRequestsEphemeral "job-babysitter-requests-ephemeral" job_babysitter_requests_ephemeral: Quantity, Setting("jobBabysitter.resources"), [Need::Babysitter],
        "Ephemeral storage that the job babysitter requests.";
    JobBabysitterLimitsCpu "job-babysitter-limits-cpu" job_babysitter_limits_cpu: Quantity, Setting("jobBabysitter.resources"), [Need::Babysitter],
        "CPU limit of the job babysitter.";
    JobBabysitterLimitsMemory "job-babysitter-limits-memory" job_babysitter_limits_memory: Quantity, Setting("jobBabysitter.resources"), [Need::Babysitter],
        "Memory limit of the job babysitter.";
    JobBabysitterLimitsEphemeral "job-babysitter-limits-ephemeral" job_babysitter_limits_ephemeral: Quantity, Setting("jobBabysitter.resources"), [Need::Babysitter],
        "Ephemeral storage limit of the job babysitter.";
    EnvShellRequestsCpu "env-shell-requests-cpu" env_shell_requests_cpu: Quantity, Setting("envShell.resources"), [Need::Environment],
        "CPU that the env shell requests.";
    EnvShellRequestsMemory "env-shell-requests-memory" env_shell_requests_memory: Quantity, Setting("envShell.resources"), [Need::Environment],
        "Memory that the env shell requests.";
    EnvShellRequestsEphemeral "env-shell-requests-ephemeral" env_shell_requests_ephemeral: Quantity, Setting("envShell.resources"), [Need::Environment],
        "Ephemeral storage that the env shell requests.";
    EnvShellLimitsCpu "env-shell-limits-cpu" env_shell_limits_cpu: Quantity, Setting("envShell.resources"), [Need::Environment],
        "CPU limit of the env shell.";
    EnvShellLimitsMemory "env-shell-limits-memory" env_shell_limits_memory: Quantity, Setting("envShell.resources"), [Need::Environment],
        "Memory limit of the env shell.";
    EnvShellLimitsEphemeral "env-shell-limits-ephemeral" env_shell_limits_ephemeral: Quantity, Setting("envShell.resources"), [Need::Environment],
        "Ephemeral storage limit of the env shell.";
}
