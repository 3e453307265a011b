//! What the administrator configures: every setting, as a table.

mod restrictions;
mod section;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{
    Capabilities, ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value};

use crate::annotations::{DefaultAnnotation, Vocabulary, Words};
use crate::auth::is_known_method;
use crate::names;
use crate::values::{
    AnnotationPrefix, AuthMethod, AuthPath, Capability, DataKey, Directory, DnsLabel, FileName,
    FilePermissions, GoDuration, Image, ImagePullPolicy, JobDetection, LabelKey, LogFormat,
    LogLevel, ObjectName, SeccompProfileType, Seconds, Sidecars, Switch, TemplateEngine, Url,
    VariablePattern, amount,
};
use crate::words::nearest;

pub use restrictions::{Restrictions, same_as_locked};
pub use section::{Field, Invalid, RESOURCES, Section, Shape};
use section::{Reader, Setting, field_of, json_of, read_field, section, shape_of, table};

/// The most bytes of settings, which are read anew for each annotated pod: many times what anybody needs.
const MOST_BYTES: usize = 64 * 1024;

section! {
    /// All settings of the policy. [`Settings::default`] is what `{}` gives.
    Settings {
        /// Where Vault or OpenBao is, and how the pods log in.
        section vault "vault": Vault = Vault::default(), "" in "Vault";
        /// The names of the policy's annotations, and their defaults.
        section annotations "annotations": Annotations = Annotations::default(), "" in "Annotations";
        /// HashiCorp's Agent Injector, whose annotations pods may use in place of this policy's.
        section agent_injector "agentInjector": AgentInjector = AgentInjector::default(), "" in "Annotations";
        /// The files with secrets.
        section secrets "secrets": Secrets = Secrets::default(), "" in "Secrets";
        /// classic: containers beside the application's. native: init containers that keep running; they need
        /// Kubernetes 1.29.
        value sidecars "sidecars": Sidecars = Sidecars::Classic, "Kind of sidecars" in "Sidecars";
        /// What renders dynamic secrets: consul-template, or vault-agent without a second sidecar.
        value template_engine "templateEngine": TemplateEngine = TemplateEngine::ConsulTemplate, "Template engine" in "Sidecars";
        /// Vault Agent, which logs in and renews the token.
        section agent "agent": Agent = Agent::default(), "" in "Vault Agent";
        /// Consul Template, which renders the files.
        section consul_template "consulTemplate": ConsulTemplate = ConsulTemplate::default(), "" in "Consul Template";
        /// The job babysitter, which reads from the API server whether a job is done. The image needs sh, kubectl and timeout.
        section job_babysitter "jobBabysitter": JobBabysitter = JobBabysitter::default(), "" in "Job babysitter";
        /// The env shell, which turns static secrets into environment variables. The image needs a static busybox at
        /// /bin/busybox.
        section env_shell "envShell": EnvShell = EnvShell::default(), "" in "Env shell";
        /// Whether environment variables whose values refer to Vault, such as vault:secret/app#password, get the value that
        /// they refer to: enabled or disabled.
        value references "references": Switch = Switch::Enabled, "References in environment variables" in "Env shell";
        /// Whether the image of a container without a command is looked up in its registry, where secrets become environment
        /// variables: enabled; or disabled, which rejects such a container. The policy needs host capabilities for it.
        value image_lookup "imageLookup": Switch = Switch::Enabled, "Look up images" in "Env shell";
        /// Secrets to pull images with, added to those of the pod.
        value image_pull_secrets "imagePullSecrets": Vec<ObjectName> = Vec::new(), "Image pull secrets" in "Sidecars";
        /// The security context of every injected container, with Kubernetes' fields. These values pass Pod Security
        /// "restricted"; null leaves one of them, or all, to the images. For user and group, none means the same as null, which
        /// `kubectl apply` drops.
        nullable security_context "securityContext": Option<SecurityContext> = Some(security_context()), "" in "Security context";
        /// Pods of jobs, which must end.
        section jobs "jobs": Jobs = Jobs::default(), "" in "Jobs";
        /// What annotated pods cannot use. null: no restriction; an empty list: nothing is allowed. In patterns * stands for
        /// any part of a path segment, ** for any part of a path, and {namespace} and {serviceAccount} for the pod's own.
        section restrictions "restrictions": Restrictions = Restrictions::default(), "" in "Restrictions";
        /// Pods in these namespaces are left alone.
        value ignored_namespaces "ignoredNamespaces": Vec<DnsLabel> = known(&["kube-system", "kube-public"]), "Ignored namespaces" in "Restrictions";
    }
}

section! {
    /// Where Vault is and how to log in.
    Vault {
        /// The address of Vault's or OpenBao's API.
        value address "address": Url = Url::known("https://vault:8200"), "Address";
        /// A namespace of Vault Enterprise or OpenBao.
        value namespace "namespace": Option<String> = None, "Namespace";
        /// How to verify the server's certificate, and the certificate of the pods. All objects are in the pod's namespace.
        section tls "tls": Tls = Tls::default(), "" in "TLS";
        /// How Vault Agent logs in: annotation auth chooses.
        section auth "auth": Auth = Auth::default(), "" in "Login";
        /// When a pod is deleted, its token is revoked after this time, so that the application can drain. Never more
        /// than half the pod's terminationGracePeriodSeconds.
        value revoke_grace_seconds "revokeGraceSeconds": i64 = 5, "Grace before the token is revoked, in seconds";
    }
}

section! {
    /// How to verify the certificate of Vault's server, and the certificate of the pods.
    Tls {
        /// Does not verify the server's certificate: for development only.
        value skip_verify "skipVerify": bool = false, "Do not verify the certificate";
        /// The name in the server's certificate, if it is not the host of the address.
        value server_name "serverName": Option<String> = None, "Name in the certificate";
        /// The authority that has signed it, in a Secret or in a ConfigMap. Without either, the authorities of the images.
        section ca "ca": CertificateAuthority = CertificateAuthority::default(), "Authority";
        /// The certificate that Vault expects of its clients, if it does.
        section client_certificate "clientCertificate": ClientCertificate = ClientCertificate::default(), "Client certificate";
    }
}

section! {
    /// The authority that has signed the server's certificate.
    CertificateAuthority {
        /// The Secret with its certificate.
        value secret "secretName": Option<ObjectName> = None, "Secret";
        /// The ConfigMap with its certificate.
        value config_map "configMapName": Option<ObjectName> = None, "ConfigMap";
        /// The key there that holds the certificate.
        value key "key": DataKey = DataKey::known("ca.crt"), "key";
    } check CertificateAuthority::check
}

section! {
    /// The certificate that Vault expects of its clients.
    ClientCertificate {
        /// The Secret with it and its private key. null: no certificate.
        value secret "secretName": Option<ObjectName> = None, "Secret";
        /// The key that holds the certificate.
        value certificate_key "certificateKey": DataKey = DataKey::known("tls.crt"), "key of the certificate";
        /// The key that holds its private key.
        value private_key_key "privateKeyKey": DataKey = DataKey::known("tls.key"), "key of the private key";
    }
}

section! {
    /// The login methods.
    Auth {
        /// The method of pods that name none: kubernetes, approle, jwt, ...
        value method "method": AuthMethod = AuthMethod::known("kubernetes"), "Method";
        /// Methods besides those of Vault Agent 2.0 that pods may name, as the agent's image calls them.
        value methods "methods": Vec<AuthMethod> = Vec::new(), "Other methods";
        /// How long the agent waits after a first login that has failed, such as 1s; twice as long each time. null: a
        /// second.
        value min_backoff "minBackoff": Option<GoDuration> = None, "Shortest time between logins";
        /// The longest time that it waits. null: 5 minutes.
        value max_backoff "maxBackoff": Option<GoDuration> = Some(GoDuration::known("30s")), "Longest time between logins";
        /// With the pod's service account.
        section kubernetes "kubernetes": KubernetesAuth = KubernetesAuth::default(), "Kubernetes";
        /// With a role id and a secret id, in two files or in the Secret of annotation approle-secret.
        section approle "approle": AppRoleAuth = AppRoleAuth::default(), "AppRole";
        /// With a service account token that is made for it: Vault's method jwt.
        section jwt "jwt": JwtAuth = JwtAuth::default(), "JWT";
    } check Auth::check
}

section! {
    /// The login with the pod's service account.
    KubernetesAuth {
        /// Where the auth method is mounted, below auth/.
        value path "path": AuthPath = AuthPath::known("kubernetes"), "path of the auth method";
        /// The audience of the service account token, if Vault expects another than the API server's. The pods then
        /// get a separate token for the login.
        value token_audience "tokenAudience": Option<String> = None, "audience of the token";
    }
}

section! {
    /// The login with a service account token that is made for it.
    JwtAuth {
        /// Where the auth method is mounted, below auth/.
        value path "path": AuthPath = AuthPath::known("jwt"), "path of the auth method";
        /// The audience of the token. null: the API server's.
        value token_audience "tokenAudience": Option<String> = None, "audience of the token";
    }
}

section! {
    /// The login with a role id and a secret id.
    AppRoleAuth {
        /// Where the auth method is mounted, below auth/.
        value path "path": AuthPath = AuthPath::known("approle"), "path of the auth method";
        /// The file in the secrets volume into which an init container of the pod writes the role id.
        value role_id_file "roleIdFile": FileName = FileName::known("approle_roleid"), "file of the role id";
        /// The file in the secrets volume into which it writes the secret id.
        value secret_id_file "secretIdFile": FileName = FileName::known("approle_secretid"), "file of the secret id";
    } check AppRoleAuth::check
}

section! {
    /// The names of the policy's annotations, and their defaults.
    Annotations {
        /// What stands before the slash in every annotation of this policy.
        value prefix "prefix": AnnotationPrefix = AnnotationPrefix::known("sidecar.vault.talend.org"), "Prefix";
        /// The label from which the defaults of role and secrets-path are taken.
        value application_label "applicationLabel": LabelKey = LabelKey::known("com.talend.application"), "Application label";
        /// The label from which the second part of the default of secrets-path is taken.
        value service_label "serviceLabel": LabelKey = LabelKey::known("com.talend.service"), "Service label";
        /// Defaults of annotations that a pod does not have, in place of their own defaults: name=value, such as
        /// run-as-same-user=true.
        value defaults "defaults": Vec<DefaultAnnotation> = Vec::new(), "Defaults";
    } check Annotations::check
}

section! {
    /// The annotations of HashiCorp's Agent Injector.
    AgentInjector {
        /// Whether pods with annotation agent-inject are injected. Both injectors must not do so for the same pod.
        value enabled "enabled": bool = false, "Take the Agent Injector's annotations";
        /// What stands before the slash in its annotations.
        value prefix "prefix": AnnotationPrefix = AnnotationPrefix::known("vault.hashicorp.com"), "Prefix of the Agent Injector";
        /// Defaults of annotations that a pod does not have, such as agent-inject-default-template=json.
        value defaults "defaults": Vec<DefaultAnnotation> = Vec::new(), "Defaults of the Agent Injector";
    } check AgentInjector::check
}

section! {
    /// The files with secrets, as the application sees them.
    Secrets {
        /// Where the application's containers see the files.
        value mount_path "mountPath": Directory = Directory::known(names::SECRETS_DIRECTORY), "Mount path";
        /// Whether they see the files read-only.
        value read_only "readOnly": bool = true, "Read-only";
        /// The size of the volume, which is in memory. null: no limit except the node's.
        value size_limit "sizeLimit": Option<Quantity> = Some(quantity("16Mi")), "Size limit";
        /// The permissions of each file, in octal and in quotes.
        value file_permissions "filePermissions": FilePermissions = FilePermissions::known("0644"), "File permissions";
        /// How long the hook of annotation secrets-hook waits.
        value hook_timeout_seconds "hookTimeoutSeconds": i64 = 120, "Timeout of the hook, in seconds";
        /// How often a secret without a lease, such as one of KV version 2, is read again. A change arrives after
        /// that time at the latest. null: 5 minutes, the default of both programs.
        value refresh_interval "refreshSeconds": Option<Seconds> = None, "Refresh, in seconds";
        /// Whether a key that a secret does not have is an error, instead of `<no value>`.
        value error_on_missing_key "errorOnMissingKey": bool = false, "Error on a missing key";
    }
}

/// What every injected container has.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub image: Image,
    pub image_pull_policy: Option<ImagePullPolicy>,
    pub resources: Option<ResourceRequirements>,
}

table! {
    Program {
        /// The image that the container runs.
        value image "image": Image, "Image";
        /// When the image is pulled: Always, IfNotPresent or Never. null: Kubernetes' default.
        value image_pull_policy "imagePullPolicy": Option<ImagePullPolicy>, "Image pull policy";
        /// The requests and limits of the container. null unsets one amount, all requests or limits, or
        /// all resources.
        nullable resources "resources": Option<ResourceRequirements>, "";
    }
}

/// Amounts of [`RESOURCES`], by the names that Kubernetes has for them.
pub type Amounts = BTreeMap<String, Quantity>;

table! {
    ResourceRequirements {
        nullable requests "requests": Option<Amounts>, "Requests";
        nullable limits "limits": Option<Amounts>, "Limits";
    } check check_resources
}

section! {
    /// Vault Agent.
    Agent {
        flat program "": Program = Program::new("hashicorp/vault:2.0.4", ["25m", "64Mi"], ["250m", "128Mi"]), "";
        /// How much it logs: trace, debug, info, warn or error.
        value log_level "logLevel": LogLevel = LogLevel::Info, "Log level";
        /// How it writes its log: standard or json.
        value log_format "logFormat": LogFormat = LogFormat::Standard, "Log format";
    }
}

section! {
    /// Consul Template.
    ConsulTemplate {
        flat program "": Program = Program::new("hashicorp/consul-template:0.42.1", ["10m", "32Mi"], ["100m", "64Mi"]), "";
        /// How much it logs: trace, debug, info, warn or error.
        value log_level "logLevel": LogLevel = LogLevel::Info, "Log level";
    }
}

section! {
    /// The job babysitter.
    JobBabysitter {
        flat program "": Program = Program::new("alpine/kubectl:1.36.0", ["10m", "32Mi"], ["100m", "96Mi"]), "";
    }
}

section! {
    /// The shell that turns static secrets into environment variables.
    EnvShell {
        flat program "": Program = Program::new("busybox:1.37-musl", ["5m", "8Mi"], ["50m", "32Mi"]), "";
        /// Names of environment variables that are never set from secrets; * stands for any letters.
        value denied_names "deniedNames": Vec<VariablePattern> = denied_names(), "Denied names";
    }
}

table! {
    SecurityContext {
        value run_as_user "runAsUser": Option<i64>, "User";
        value run_as_group "runAsGroup": Option<i64>, "Group";
        value run_as_non_root "runAsNonRoot": Option<bool>, "Not as root";
        value read_only_root_filesystem "readOnlyRootFilesystem": Option<bool>, "Read-only root filesystem";
        value allow_privilege_escalation "allowPrivilegeEscalation": Option<bool>, "Allow privilege escalation";
        nullable capabilities "capabilities": Option<Capabilities>, "Capabilities";
        nullable seccomp_profile "seccompProfile": Option<SeccompProfile>, "Seccomp profile";
    }
}

table! {
    Capabilities {
        names add "add": Capability, "added";
        names drop "drop": Capability, "dropped";
    }
}

table! {
    SeccompProfile {
        named type_ "type": SeccompProfileType, "type";
        /// Only with type Localhost.
        value localhost_profile "localhostProfile": Option<String>, "file on the node";
    } check check_seccomp_profile
}

section! {
    /// Pods of jobs.
    Jobs {
        /// Which pods without annotation mode are in mode job automatically. restartPolicy: pods that can end. owner: pods
        /// of a Job. off: none. true and false stand for owner and off.
        value auto_detect "autoDetect": JobDetection = JobDetection::RestartPolicy, "Detect jobs";
        /// Containers that get no secrets and do not keep a job running: those that service meshes and Knative add to pods.
        value ignored_containers "ignoredContainers": Vec<DnsLabel> = known(&[
            "istio-proxy",
            "istio-init",
            "istio-validation",
            "linkerd-proxy",
            "linkerd-init",
            "linkerd-network-validator",
            "kuma-sidecar",
            "kuma-init",
            "kuma-validation",
            "consul-dataplane",
            "consul-connect-inject-init",
            "envoy-sidecar",
            "queue-proxy",
        ]), "Ignored containers";
    }
}

/// Variables by which a program is made to load, run or trust something else than it would, and by what: those that
/// sudo and the C library do not trust either, and those of the languages' runtimes.
pub const DENIED_NAMES: &[(&str, &[&str])] = &[
    (
        "where programs and the shell's own settings come from",
        &[
            "PATH",
            "IFS",
            "HOME",
            "SHELL",
            "ENV",
            "BASH_ENV",
            "BASH_FUNC*",
            "SHELLOPTS",
            "BASHOPTS",
            "PROMPT_COMMAND",
            "PS4",
            "CDPATH",
            "GLOBIGNORE",
            "FPATH",
            "NULLCMD",
            "READNULLCMD",
            "ZDOTDIR",
        ],
    ),
    (
        "what the loader and the C library load, and where they write",
        &[
            "LD_*",
            "DYLD_*",
            "_RLD*",
            "GLIBC_TUNABLES",
            "GCONV_PATH",
            "GETCONF_DIR",
            "LOCPATH",
            "PATH_LOCALE",
            "NLSPATH",
            "MALLOC_*",
            "TMPDIR",
            "TZDIR",
            "TERMCAP",
            "TERMINFO",
            "TERMINFO_DIRS",
            "TERMPATH",
            "ASAN_OPTIONS",
            "UBSAN_OPTIONS",
            "LSAN_OPTIONS",
            "TSAN_OPTIONS",
        ],
    ),
    (
        "how names of hosts are resolved",
        &[
            "HOSTALIASES",
            "LOCALDOMAIN",
            "NIS_PATH",
            "RESOLV_HOST_CONF",
            "RES_OPTIONS",
        ],
    ),
    (
        "through whom connections go, and who reads them",
        &[
            "*_proxy",
            "*_PROXY",
            "SSLKEYLOGFILE",
            "OPENSSL_CONF",
            "OPENSSL_ENGINES",
            "OPENSSL_MODULES",
            "KRB5_CONFIG",
        ],
    ),
    (
        "modules and options of Node.js",
        &[
            "NODE_OPTIONS",
            "NODE_PATH",
            "NODE_EXTRA_CA_CERTS",
            "npm_config_*",
        ],
    ),
    ("modules and options of Python", &["PYTHON*"]),
    ("modules and options of Perl", &["PERL*"]),
    (
        "modules and options of Ruby",
        &["RUBY*", "GEM_*", "BUNDLE_*"],
    ),
    (
        "agents and classes of Java",
        &[
            "JAVA_TOOL_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "_JAVA_OPTIONS",
            "IBM_JAVA_OPTIONS",
            "OPENJ9_JAVA_OPTIONS",
            "CLASSPATH",
        ],
    ),
    (
        "hooks and profilers of .NET",
        &[
            "DOTNET_STARTUP_HOOKS",
            "DOTNET_ADDITIONAL_DEPS",
            "DOTNET_SHARED_STORE",
            "CORECLR_*",
            "COR_ENABLE_PROFILING",
            "COR_PROFILER*",
        ],
    ),
    (
        "code and configuration of PHP",
        &["PHPRC", "PHP_INI_SCAN_DIR"],
    ),
    (
        "code that Lua, Erlang, Elixir, R and Tcl load",
        &[
            "LUA_INIT*",
            "LUA_PATH*",
            "LUA_CPATH*",
            "ERL_AFLAGS",
            "ERL_FLAGS",
            "ERL_ZFLAGS",
            "ERL_LIBS",
            "ELIXIR_ERL_OPTIONS",
            "R_PROFILE*",
            "R_ENVIRON*",
            "R_LIBS*",
            "TCLLIBPATH",
        ],
    ),
    (
        "programs that others start: git, pagers, editors, kubectl",
        &[
            "GIT_ASKPASS",
            "GIT_CONFIG*",
            "GIT_EDITOR",
            "GIT_EXEC_PATH",
            "GIT_EXTERNAL_DIFF",
            "GIT_PAGER",
            "GIT_PROXY_COMMAND",
            "GIT_SEQUENCE_EDITOR",
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "GIT_TEMPLATE_DIR",
            "EDITOR",
            "VISUAL",
            "PAGER",
            "BROWSER",
            "LESSOPEN",
            "LESSCLOSE",
            "KUBECONFIG",
        ],
    ),
];

/// Variables of the shell itself, and of its script.
const OF_SHELL: [&str; 8] = [
    "_tvsi_*", "IFS", "OPTIND", "PPID", "LINENO", "PWD", "OLDPWD", "SHLVL",
];

/// Why a name that a pattern denies cannot be a secret's, behind the pattern in a message.
pub const WHY_DENIED: &str =
    "is in the setting envShell.deniedNames or reserved for the shell; use another name";

impl EnvShell {
    /// The names that no secret gets into the environment with: the shell's own, and those of the settings.
    pub fn denied(&self) -> impl Iterator<Item = Cow<'_, VariablePattern>> {
        let of_shell = OF_SHELL.map(|name| Cow::Owned(VariablePattern::known(name)));
        of_shell
            .into_iter()
            .chain(self.denied_names.iter().map(Cow::Borrowed))
    }

    /// The pattern by which a name is denied, if it is.
    pub fn denies(&self, name: &str) -> Option<String> {
        let mut denied = self.denied();
        let pattern = denied.find(|pattern| pattern.matches(name))?;
        Some(pattern.as_str().to_owned())
    }
}

fn denied_names() -> Vec<VariablePattern> {
    let names = DENIED_NAMES.iter().flat_map(|(_, names)| *names);
    names.map(|name| VariablePattern::known(name)).collect()
}

fn known(names: &[&'static str]) -> Vec<DnsLabel> {
    names.iter().copied().map(DnsLabel::known).collect()
}

fn quantity(text: &str) -> Quantity {
    Quantity(text.to_owned())
}

/// What Pod Security `restricted` lets pass.
fn security_context() -> SecurityContext {
    SecurityContext {
        run_as_user: Some(100),
        run_as_group: Some(1000),
        run_as_non_root: Some(true),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: SeccompProfileType::RuntimeDefault.as_str().to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

impl Program {
    fn new(image: &'static str, requests: [&str; 2], limits: [&str; 2]) -> Self {
        let amounts = |[cpu, memory]: [&str; 2]| {
            let amounts = [("cpu", cpu), ("memory", memory)];
            let mut all = Amounts::new();
            all.extend(amounts.map(|(name, amount)| (name.to_owned(), quantity(amount))));
            Some(all)
        };
        Program {
            image: Image::known(image),
            image_pull_policy: None,
            resources: Some(ResourceRequirements {
                requests: amounts(requests),
                limits: amounts(limits),
                ..ResourceRequirements::default()
            }),
        }
    }
}

impl Auth {
    fn check(&mut self, reader: &Reader<'_, '_>) {
        let is_known = is_known_method(self.method.as_str()) || self.methods.contains(&self.method);
        if !is_known {
            reader.invalid(
                "method",
                "not a login method of Vault Agent; add it to vault.auth.methods",
            );
        }
    }
}

impl CertificateAuthority {
    fn check(&mut self, reader: &Reader<'_, '_>) {
        match (&self.secret, &self.config_map) {
            (None, None) if self.key != CertificateAuthority::default().key => {
                reader.invalid("key", "needs secretName or configMapName");
            }
            (Some(_), Some(_)) => {
                reader.invalid(
                    "configMapName",
                    "must not be used with secretName; remove one of them",
                );
            }
            _ => {}
        }
    }
}

impl AppRoleAuth {
    fn check(&mut self, reader: &Reader<'_, '_>) {
        if self.role_id_file == self.secret_id_file {
            reader.invalid("secretIdFile", "must not be the same as roleIdFile");
        }
    }
}

fn check_seccomp_profile(profile: &mut SeccompProfile, reader: &Reader<'_, '_>) {
    let is_localhost = profile.type_ == SeccompProfileType::Localhost.as_str();
    if is_localhost != profile.localhost_profile.is_some() {
        reader.invalid(
            "localhostProfile",
            "must be given with type Localhost, and only then",
        );
    }
}

fn check_resources(resources: &mut ResourceRequirements, reader: &Reader<'_, '_>) {
    for over in requests_over_limits(resources) {
        let resource = over.resource;
        reader.invalid(
            &format!("requests.{resource}"),
            format!(
                "{} is more than limits.{resource}, which is {}",
                over.request.0, over.limit.0
            ),
        );
    }
}

/// A container requests more of something than its limit, for which Kubernetes rejects the pod.
#[derive(Debug)]
pub struct RequestOverLimit<'a> {
    /// One of [`RESOURCES`].
    pub resource: &'a str,
    pub request: &'a Quantity,
    pub limit: &'a Quantity,
}

/// What is requested beyond its limit.
pub fn requests_over_limits(
    resources: &ResourceRequirements,
) -> impl Iterator<Item = RequestOverLimit<'_>> {
    let requests = resources.requests.iter().flatten();
    let both = requests.filter_map(|(resource, request)| {
        let limit = resources.limits.as_ref()?.get(resource)?;
        Some(RequestOverLimit {
            resource,
            request,
            limit,
        })
    });
    both.filter(|both| amount(&both.request.0) > amount(&both.limit.0))
}

/// Reports defaults of annotations that do not exist.
fn check_defaults(defaults: &[DefaultAnnotation], vocabulary: Vocabulary, reader: &Reader<'_, '_>) {
    for default in defaults.iter().filter(|it| it.key(vocabulary).is_none()) {
        let known = vocabulary.keys().map(|(_, name)| name);
        let name = &default.name;
        reader.invalid(
            "defaults",
            match nearest(name, known).filter(|known| known != name) {
                Some(known) => format!("{name:?} is not an annotation that can have a default here; did you mean {known}?"),
                None => format!("{name:?} is not an annotation that can have a default here"),
            },
        );
    }
}

impl Annotations {
    fn check(&mut self, reader: &Reader<'_, '_>) {
        check_defaults(&self.defaults, Vocabulary::Own, reader);
    }
}

impl AgentInjector {
    fn check(&mut self, reader: &Reader<'_, '_>) {
        check_defaults(&self.defaults, Vocabulary::AgentInjector, reader);
    }
}

impl Settings {
    /// The vocabularies of annotated pods.
    pub fn words(&self) -> Vec<Words<'_>> {
        let mut all = vec![Words {
            vocabulary: Vocabulary::Own,
            prefix: self.annotations.prefix.as_str(),
            defaults: &self.annotations.defaults,
        }];
        if self.agent_injector.enabled {
            all.push(Words {
                vocabulary: Vocabulary::AgentInjector,
                prefix: self.agent_injector.prefix.as_str(),
                defaults: &self.agent_injector.defaults,
            });
        }
        all
    }

    /// The whole names of the annotations `inject`.
    pub fn inject_annotations(&self) -> Vec<String> {
        self.words().iter().map(Words::inject).collect()
    }
}

/// Everything that is wrong in the settings, in the order of the fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllInvalid(pub Vec<Invalid>);

impl fmt::Display for AllInvalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, invalid) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{invalid}")?;
        }
        Ok(())
    }
}

impl Settings {
    /// Reads settings from their JSON text; an empty one and `null` are all defaults.
    pub fn parse(text: &[u8]) -> Result<Self, AllInvalid> {
        let whole = |problem: String| {
            let path = String::new();
            Err(AllInvalid(vec![Invalid { path, problem }]))
        };
        let mut settings = Settings::default();
        if text.trim_ascii().is_empty() {
            return Ok(settings);
        }
        if text.len() > MOST_BYTES {
            return whole(format!(
                "{} bytes; expected at most {MOST_BYTES}",
                text.len()
            ));
        }
        let text = str::from_utf8(text).ok();
        let Some(value) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            return whole("not valid JSON, or nested too deeply".to_owned());
        };
        let invalid = RefCell::default();
        Reader::read(String::new(), &value, &mut settings, &invalid);
        let invalid = invalid.into_inner();
        match invalid.is_empty() {
            true => Ok(settings),
            false => Err(AllInvalid(invalid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Settings, AllInvalid> {
        Settings::parse(value.to_string().as_bytes())
    }

    fn example() -> Value {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/reference/settings-example.yaml"
        );
        yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn problems(value: Value) -> Vec<String> {
        let problems = read(value).unwrap_err().0;
        problems.iter().map(Invalid::to_string).collect()
    }

    #[test]
    fn the_documented_example_is_the_default() {
        assert_eq!(read(example()), Ok(Settings::default()));
        assert_eq!(read(json!({})), Ok(Settings::default()));
    }

    #[test]
    fn every_problem_is_reported_at_once_with_its_path() {
        let value = json!({
            "vault": {"adress": "https://vault", "address": "vault:8200", "auth": {"approle": {"secretIdFile": "approle_roleid"}}},
            "secrets": {"filePermissions": 644, "mountPath": "secrets", "readOnly": "yes"},
            "agent": {"image": "", "resources": {"requests": {"memory": "1Gi"}, "limits": {"cpu": "lots"}}},
            "securityContext": {"seccompProfile": {"type": "Localhost"}, "capabilities": {"drop": ["all"]}},
            "jobs": [],
            "ignoredNamespaces": ["a", 5],
        });
        let tls = json!({"vault": {"tls": {"ca": {"key": "root.pem"}}}});
        assert_eq!(
            problems(tls),
            ["vault.tls.ca.key: needs secretName or configMapName"]
        );
        assert_eq!(
            problems(value),
            [
                "vault.address: expected a URL such as https://vault.example.org:8200",
                "vault.auth.approle.secretIdFile: must not be the same as roleIdFile",
                "vault.adress: unknown setting; did you mean `address`?",
                "secrets.mountPath: expected an absolute path such as /app/secrets, without ., .., : or a slash at its end",
                "secrets.readOnly: expected true or false, found a string",
                "secrets.filePermissions: expected octal permissions as a string, such as \"0644\", found a number",
                "agent.image: expected an image such as registry.example.org/hashicorp/vault:2.0.4",
                "agent.resources.limits.cpu: expected a quantity such as 25m or 64Mi",
                "agent.resources.requests.memory: 1Gi is more than limits.memory, which is 128Mi",
                "securityContext.capabilities.drop: item 1: expected a capability such as ALL or IPC_LOCK",
                "securityContext.seccompProfile.localhostProfile: must be given with type Localhost, and only then",
                "jobs: expected an object, found a list",
                "ignoredNamespaces: item 2: expected a name of lower case letters, digits and dashes, found a number",
            ]
        );
    }

    #[test]
    fn jobs_are_detected_as_named_or_as_a_boolean_says() {
        for (value, detection) in [
            (json!("restartPolicy"), JobDetection::RestartPolicy),
            (json!("owner"), JobDetection::Owner),
            (json!("off"), JobDetection::Off),
            (json!(true), JobDetection::Owner),
            (json!(false), JobDetection::Off),
        ] {
            let settings = read(json!({"jobs": {"autoDetect": value}})).unwrap();
            assert_eq!(settings.jobs.auto_detect, detection, "{value}");
        }
        let detection = read(json!({})).unwrap().jobs.auto_detect;
        assert_eq!(detection, JobDetection::RestartPolicy);
        for (value, found) in [
            (json!("true"), ""),
            (json!("Owner"), ""),
            (Value::Null, ", found null"),
            (json!(1), ", found a number"),
            (json!(["owner"]), ", found a list"),
        ] {
            let problem = problems(json!({"jobs": {"autoDetect": value}}));
            let expected = "jobs.autoDetect: expected one of restartPolicy, owner, off";
            assert_eq!(problem, [format!("{expected}{found}")], "{value}");
        }
    }

    #[test]
    fn null_unsets() {
        let value = json!({
            "agent": {"resources": {"limits": {"cpu": null}}},
            "consulTemplate": {"resources": null},
            "securityContext": {"runAsUser": null},
            "secrets": {"sizeLimit": null},
        });
        let settings = read(value).unwrap();
        let agent = settings.agent.program.resources.unwrap();
        let names = |amounts: Option<Amounts>| amounts.unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names(agent.limits), ["memory"]);
        assert_eq!(names(agent.requests), ["cpu", "memory"]);
        assert_eq!(settings.consul_template.program.resources, None);
        let context = settings.security_context.unwrap();
        assert_eq!(context.run_as_user, None);
        assert_eq!(context.run_as_group, Some(1000));
        assert_eq!(settings.secrets.size_limit, None);
        let value = json!({"securityContext": null});
        assert_eq!(read(value).unwrap().security_context, None);
        let value = json!({"securityContext": {"runAsUser": "none", "runAsGroup": "none"}});
        let context = read(value).unwrap().security_context.unwrap();
        assert_eq!((context.run_as_user, context.run_as_group), (None, None));
    }

    #[test]
    fn what_has_no_meaning_without_a_value_cannot_be_unset() {
        assert_eq!(
            problems(json!({"vault": {"address": null}})),
            ["vault.address: expected a URL such as https://vault.example.org:8200, found null"]
        );
    }

    #[test]
    fn settings_that_are_not_an_object_are_reported_without_a_trap() {
        for (text, expected) in [
            ("[]", "expected an object, found a list"),
            ("5", "expected an object, found a number"),
            ("{", "not valid JSON, or nested too deeply"),
        ] {
            let problems = Settings::parse(text.as_bytes()).unwrap_err();
            assert_eq!(problems.to_string(), expected);
        }
        for text in ["", " ", "null", "{}"] {
            assert!(Settings::parse(text.as_bytes()).is_ok(), "{text:?}");
        }
    }
}
