//! What the administrator configures: every setting with its default, and how it is read and checked.

mod pattern;
mod reader;
mod restrictions;
mod values;

use std::cell::RefCell;
use std::fmt;

pub use pattern::{Identity, Pattern, TooMuchWork, Work};
pub use reader::Problem;
use reader::Section;
pub use restrictions::{LockableKey, Restrictions};
pub use values::{
    AnnotationPrefix, Capability, Checked, DataKey, Directory, DnsLabel, FileName, FilePermissions,
    Image, ImagePullPolicy, LabelKey, LogFormat, LogLevel, MountPath, ObjectName, Quantity,
    SeccompProfileType, Seconds, SharedProcesses, Sidecars, TemplateEngine, Url, VariablePattern,
};

use crate::annotations::Key;
use crate::injection::names;
use crate::json::Json;

/// The most bytes of settings, which are read anew for each request that asks: many times what anybody needs.
const MOST_BYTES: usize = 64 * 1024;

/// All settings of the policy. [`Settings::default`] is what `{}` gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    pub vault: Vault,
    pub annotations: Annotations,
    pub secrets: Secrets,
    /// Native ones need Kubernetes 1.29, which the policy cannot see.
    pub sidecars: Sidecars,
    pub template_engine: TemplateEngine,
    pub agent: Agent,
    pub consul_template: ConsulTemplate,
    pub job_babysitter: JobBabysitter,
    pub env_shell: EnvShell,
    /// Secrets to pull images with, which are added to the pod's own.
    pub image_pull_secrets: Vec<ObjectName>,
    /// Of every injected container; `None` leaves it to the images.
    pub security_context: Option<SecurityContext>,
    pub jobs: Jobs,
    /// Namespaces whose pods are left alone.
    pub ignored_namespaces: Vec<DnsLabel>,
    pub restrictions: Restrictions,
}

/// Where Vault is and how to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vault {
    pub address: Url,
    /// Vault Enterprise or OpenBao namespace.
    pub namespace: Option<String>,
    pub tls: Tls,
    pub kubernetes: KubernetesAuth,
    pub approle: AppRoleAuth,
    /// Seconds between the end of the pod being asked for and the revocation of its token.
    pub revoke_grace_seconds: i64,
}

/// How to trust Vault's server, and how it trusts the pods. All of it comes from the pod's namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// Does not verify the server's certificate.
    pub skip_verify: bool,
    /// The name in the server's certificate, if it is not the address's.
    pub server_name: Option<String>,
    /// The authority that has signed the server's certificate; `None` for those of the images.
    pub ca: Option<CertificateAuthority>,
    pub client_certificate: Option<ClientCertificate>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateAuthority {
    pub source: CertificateSource,
    pub key: DataKey,
}

/// The kind of object that holds a certificate, and its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateSource {
    Secret(ObjectName),
    ConfigMap(ObjectName),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    pub secret: ObjectName,
    pub certificate_key: DataKey,
    pub private_key_key: DataKey,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KubernetesAuth {
    pub path: MountPath,
    /// The audience of the service account token that Vault expects, if not the API server's.
    pub token_audience: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppRoleAuth {
    pub path: MountPath,
    /// Files in the secrets volume that the pod's own init container writes.
    pub role_id_file: FileName,
    pub secret_id_file: FileName,
}

/// The names by which pods say what they want.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Annotations {
    pub prefix: AnnotationPrefix,
    pub application_label: LabelKey,
    pub service_label: LabelKey,
}

/// The files with secrets, as the application sees them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Secrets {
    pub mount_path: Directory,
    pub read_only: bool,
    pub size_limit: Option<Quantity>,
    pub file_permissions: FilePermissions,
    /// Seconds that a container's hook waits for its files.
    pub hook_timeout_seconds: i64,
    /// How often a secret without a lease is read again; `None`: as often as the programs do by default.
    pub refresh_interval: Option<Seconds>,
    pub error_on_missing_key: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agent {
    pub program: Program,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsulTemplate {
    pub program: Program,
    pub log_level: LogLevel,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobBabysitter {
    pub program: Program,
}

/// The shell that turns static secrets into environment variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EnvShell {
    /// Its image has a static busybox.
    pub program: Program,
    /// Names that no secret may have in the environment.
    pub denied_names: Vec<VariablePattern>,
}

/// What every injected container has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    pub image: Image,
    pub image_pull_policy: Option<ImagePullPolicy>,
    pub resources: Option<Resources>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resources {
    pub requests: Option<Amounts>,
    pub limits: Option<Amounts>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Amounts {
    pub cpu: Option<Quantity>,
    pub memory: Option<Quantity>,
}

/// The fields of a container's security context that injected containers use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecurityContext {
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
    pub run_as_non_root: Option<bool>,
    pub read_only_root_filesystem: Option<bool>,
    pub allow_privilege_escalation: Option<bool>,
    pub capabilities: Option<Capabilities>,
    pub seccomp_profile: Option<SeccompProfile>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Capabilities {
    pub add: Vec<Capability>,
    pub drop: Vec<Capability>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeccompProfile {
    pub kind: SeccompProfileType,
    pub localhost_profile: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Jobs {
    /// Whether a pod that a Job has made is in mode `job` by itself.
    pub auto_detect: bool,
    /// Containers that are no part of a job's work and get no secrets: the proxies of service meshes.
    pub ignored_containers: Vec<DnsLabel>,
}

impl Annotations {
    /// The whole name of an annotation, as it stands in a manifest.
    pub fn name(&self, key: Key) -> String {
        key.below(self.prefix.as_str())
    }
}

impl Program {
    fn new(image: &str, requests: [&str; 2], limits: [&str; 2]) -> Self {
        let amounts = |[cpu, memory]: [&str; 2]| Amounts {
            cpu: Some(Quantity::known(cpu)),
            memory: Some(Quantity::known(memory)),
        };
        Program {
            image: Image::known(image),
            image_pull_policy: None,
            resources: Some(Resources {
                requests: Some(amounts(requests)),
                limits: Some(amounts(limits)),
            }),
        }
    }
}

/// Variables by which a program is made to load, run or trust something else than it would, and by what: those that
/// sudo and the C library do not trust either, and those of the languages' runtimes.
const DENIED_NAMES: &[(&str, &[&str])] = &[
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

impl Default for Settings {
    fn default() -> Self {
        let dns_labels = |names: &[&str]| names.iter().copied().map(DnsLabel::known).collect();
        Settings {
            vault: Vault {
                address: Url::known("https://vault:8200"),
                namespace: None,
                tls: Tls::default(),
                kubernetes: KubernetesAuth {
                    path: MountPath::known("kubernetes"),
                    token_audience: None,
                },
                approle: AppRoleAuth {
                    path: MountPath::known("approle"),
                    role_id_file: FileName::known("approle_roleid"),
                    secret_id_file: FileName::known("approle_secretid"),
                },
                revoke_grace_seconds: 5,
            },
            annotations: Annotations {
                prefix: AnnotationPrefix::known("sidecar.vault.talend.org"),
                application_label: LabelKey::known("com.talend.application"),
                service_label: LabelKey::known("com.talend.service"),
            },
            secrets: Secrets {
                mount_path: Directory::known(names::SECRETS_DIRECTORY),
                read_only: true,
                size_limit: Some(Quantity::known("16Mi")),
                file_permissions: FilePermissions::known("0644"),
                hook_timeout_seconds: 120,
                refresh_interval: None,
                error_on_missing_key: false,
            },
            sidecars: Sidecars::Classic,
            template_engine: TemplateEngine::ConsulTemplate,
            agent: Agent {
                program: Program::new("hashicorp/vault:2.0.4", ["25m", "64Mi"], ["250m", "128Mi"]),
                log_level: LogLevel::Info,
                log_format: LogFormat::Standard,
            },
            consul_template: ConsulTemplate {
                program: Program::new(
                    "hashicorp/consul-template:0.42.1",
                    ["10m", "32Mi"],
                    ["100m", "64Mi"],
                ),
                log_level: LogLevel::Info,
            },
            job_babysitter: JobBabysitter {
                program: Program::new("alpine/kubectl:1.36.0", ["10m", "32Mi"], ["100m", "96Mi"]),
            },
            env_shell: EnvShell {
                program: Program::new("busybox:1.37-musl", ["5m", "8Mi"], ["50m", "32Mi"]),
                denied_names: DENIED_NAMES
                    .iter()
                    .flat_map(|(_, names)| *names)
                    .map(|name| VariablePattern::known(name))
                    .collect(),
            },
            image_pull_secrets: Vec::new(),
            security_context: Some(SecurityContext {
                run_as_user: Some(100),
                run_as_group: Some(1000),
                run_as_non_root: Some(true),
                read_only_root_filesystem: Some(true),
                allow_privilege_escalation: Some(false),
                capabilities: Some(Capabilities {
                    add: Vec::new(),
                    drop: vec![Capability::known("ALL")],
                }),
                seccomp_profile: Some(SeccompProfile {
                    kind: SeccompProfileType::RuntimeDefault,
                    localhost_profile: None,
                }),
            }),
            jobs: Jobs {
                auto_detect: true,
                ignored_containers: dns_labels(&[
                    "istio-proxy",
                    "linkerd-proxy",
                    "kuma-sidecar",
                    "consul-dataplane",
                    "envoy-sidecar",
                ]),
            },
            ignored_namespaces: dns_labels(&["kube-system", "kube-public"]),
            restrictions: Restrictions::default(),
        }
    }
}

/// Everything that is wrong in the settings, in the order of the fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Settings {
    /// Reads settings from their JSON text; an empty one and `null` are all defaults.
    pub fn parse(text: &[u8]) -> Result<Self, Problems> {
        if text.trim_ascii().is_empty() {
            return Ok(Settings::default());
        }
        if text.len() > MOST_BYTES {
            return Err(Problems(vec![Problem {
                path: String::new(),
                message: format!(
                    "{} bytes, and at most {MOST_BYTES} are possible",
                    text.len()
                ),
            }]));
        }
        let text = std::str::from_utf8(text).ok();
        match text.and_then(|text| Json::parse(text).ok()) {
            Some(json) => Settings::read(json),
            None => Err(Problems(vec![Problem {
                path: String::new(),
                message: "not valid JSON".to_owned(),
            }])),
        }
    }

    fn read(json: Json<'_>) -> Result<Self, Problems> {
        let problems = RefCell::default();
        let mut settings = Settings::default();
        let mut section = Section::new(String::new(), json, &problems);
        settings.read_from(&mut section);
        section.finish();
        let problems = problems.into_inner();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(Problems(problems))
        }
    }

    fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.section("vault", |section| self.vault.read_from(section));
        section.section("annotations", |section| {
            section.field("prefix", &mut self.annotations.prefix);
            section.field("applicationLabel", &mut self.annotations.application_label);
            section.field("serviceLabel", &mut self.annotations.service_label);
        });
        section.section("secrets", |section| self.secrets.read_from(section));
        section.field("sidecars", &mut self.sidecars);
        section.field("templateEngine", &mut self.template_engine);
        section.section("agent", |section| {
            self.agent.program.read_from(section);
            section.field("logLevel", &mut self.agent.log_level);
            section.field("logFormat", &mut self.agent.log_format);
        });
        section.section("consulTemplate", |section| {
            self.consul_template.program.read_from(section);
            section.field("logLevel", &mut self.consul_template.log_level);
        });
        section.section("jobBabysitter", |section| {
            self.job_babysitter.program.read_from(section);
        });
        section.section("envShell", |section| {
            self.env_shell.program.read_from(section);
            section.field("deniedNames", &mut self.env_shell.denied_names);
        });
        section.field("imagePullSecrets", &mut self.image_pull_secrets);
        section.optional_section(
            "securityContext",
            &mut self.security_context,
            |section, context| context.read_from(section),
        );
        section.section("jobs", |section| {
            section.field("autoDetect", &mut self.jobs.auto_detect);
            section.field("ignoredContainers", &mut self.jobs.ignored_containers);
        });
        section.field("ignoredNamespaces", &mut self.ignored_namespaces);
        section.section("restrictions", |section| {
            self.restrictions.read_from(section)
        });
    }
}

impl Vault {
    fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.field("address", &mut self.address);
        section.field("namespace", &mut self.namespace);
        section.section("tls", |section| self.tls.read_from(section));
        section.section("auth", |section| {
            section.section("kubernetes", |section| {
                section.field("path", &mut self.kubernetes.path);
                section.field("tokenAudience", &mut self.kubernetes.token_audience);
            });
            section.section("approle", |section| {
                section.field("path", &mut self.approle.path);
                section.field("roleIdFile", &mut self.approle.role_id_file);
                section.field("secretIdFile", &mut self.approle.secret_id_file);
                if self.approle.role_id_file == self.approle.secret_id_file {
                    section.problem(
                        "secretIdFile",
                        "must not be the file of roleIdFile".to_owned(),
                    );
                }
            });
        });
        section.field("revokeGraceSeconds", &mut self.revoke_grace_seconds);
    }
}

impl Tls {
    fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.field("skipVerify", &mut self.skip_verify);
        section.field("serverName", &mut self.server_name);
        section.section("ca", |section| {
            let (mut secret, mut config_map) = (None, None);
            let mut key = DataKey::known("ca.crt");
            section.field("secretName", &mut secret);
            section.field("configMapName", &mut config_map);
            section.field("key", &mut key);
            let source = match (secret, config_map) {
                (Some(secret), None) => CertificateSource::Secret(secret),
                (None, Some(config_map)) => CertificateSource::ConfigMap(config_map),
                (None, None) if key == DataKey::known("ca.crt") => return,
                (None, None) => {
                    return section.problem("key", "needs secretName or configMapName".to_owned());
                }
                (Some(_), Some(_)) => {
                    return section.problem(
                        "configMapName",
                        "must not be given together with secretName".to_owned(),
                    );
                }
            };
            self.ca = Some(CertificateAuthority { source, key });
        });
        section.section("clientCertificate", |section| {
            let mut secret = None;
            let mut certificate_key = DataKey::known("tls.crt");
            let mut private_key_key = DataKey::known("tls.key");
            section.field("secretName", &mut secret);
            section.field("certificateKey", &mut certificate_key);
            section.field("privateKeyKey", &mut private_key_key);
            self.client_certificate = secret.map(|secret| ClientCertificate {
                secret,
                certificate_key,
                private_key_key,
            });
        });
    }
}

impl Secrets {
    fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.field("mountPath", &mut self.mount_path);
        section.field("readOnly", &mut self.read_only);
        section.field("sizeLimit", &mut self.size_limit);
        section.field("filePermissions", &mut self.file_permissions);
        section.field("hookTimeoutSeconds", &mut self.hook_timeout_seconds);
        section.field("refreshSeconds", &mut self.refresh_interval);
        section.field("errorOnMissingKey", &mut self.error_on_missing_key);
    }
}

impl Program {
    fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.field("image", &mut self.image);
        section.field("imagePullPolicy", &mut self.image_pull_policy);
        section.optional_section("resources", &mut self.resources, |section, resources| {
            section.optional_section("requests", &mut resources.requests, read_amounts);
            section.optional_section("limits", &mut resources.limits, read_amounts);
            resources.check(section);
        });
    }
}

fn read_amounts(section: &mut Section<'_, '_>, amounts: &mut Amounts) {
    section.field("cpu", &mut amounts.cpu);
    section.field("memory", &mut amounts.memory);
}

/// A container requests more of something than its limit, for which Kubernetes refuses the pod.
#[derive(Debug)]
pub struct RequestOverLimit {
    /// `cpu` or `memory`.
    pub resource: &'static str,
    pub request: Quantity,
    pub limit: Quantity,
}

impl Resources {
    /// What is requested beyond its limit.
    pub fn requests_over_limits(&self) -> impl Iterator<Item = RequestOverLimit> {
        let requests = self.requests.clone().unwrap_or_default();
        let limits = self.limits.clone().unwrap_or_default();
        let cpu = ("cpu", requests.cpu, limits.cpu);
        let memory = ("memory", requests.memory, limits.memory);
        [cpu, memory]
            .into_iter()
            .filter_map(|(resource, request, limit)| {
                Some(RequestOverLimit {
                    resource,
                    request: request?,
                    limit: limit?,
                })
            })
            .filter(|both| both.request.value() > both.limit.value())
    }

    fn check(&self, section: &Section<'_, '_>) {
        for over in self.requests_over_limits() {
            let resource = over.resource;
            section.problem(
                &format!("requests.{resource}"),
                format!(
                    "{} is more than limits.{resource}, which is {}",
                    over.request.as_str(),
                    over.limit.as_str()
                ),
            );
        }
    }
}

impl SecurityContext {
    fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.field("runAsUser", &mut self.run_as_user);
        section.field("runAsGroup", &mut self.run_as_group);
        section.field("runAsNonRoot", &mut self.run_as_non_root);
        section.field(
            "readOnlyRootFilesystem",
            &mut self.read_only_root_filesystem,
        );
        section.field(
            "allowPrivilegeEscalation",
            &mut self.allow_privilege_escalation,
        );
        section.optional_section("capabilities", &mut self.capabilities, |section, value| {
            section.field("add", &mut value.add);
            section.field("drop", &mut value.drop);
        });
        section.optional_section(
            "seccompProfile",
            &mut self.seccomp_profile,
            |section, value| {
                section.field("type", &mut value.kind);
                section.field("localhostProfile", &mut value.localhost_profile);
                let is_localhost = value.kind == SeccompProfileType::Localhost;
                if is_localhost != value.localhost_profile.is_some() {
                    section.problem(
                        "localhostProfile",
                        "must be given with type Localhost, and only then".to_owned(),
                    );
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Settings, Problems> {
        Settings::parse(value.to_string().as_bytes())
    }

    fn example() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings-example.yaml");
        yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn problems(value: Value) -> Vec<String> {
        let problems = read(value).unwrap_err().0;
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn the_documented_example_is_the_default() {
        assert_eq!(read(example()), Ok(Settings::default()));
        assert_eq!(read(json!({})), Ok(Settings::default()));
    }

    /// Adds a field that cannot exist to every object: the answer lists those that do.
    fn add_unknown(value: &mut Value, path: &str, documented: &mut Vec<(String, Vec<String>)>) {
        let Value::Object(members) = value else {
            return;
        };
        let names: Vec<String> = members.keys().cloned().collect();
        documented.push((path.to_owned(), names));
        for (name, member) in members.iter_mut() {
            let path = match path {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            add_unknown(member, &path, documented);
        }
        members.insert("no-such-setting-at-all".to_owned(), Value::Null);
    }

    #[test]
    fn the_documented_example_has_every_setting() {
        let mut value = example();
        let mut documented = Vec::new();
        add_unknown(&mut value, "", &mut documented);
        let problems = read(value).unwrap_err().0;
        assert_eq!(problems.len(), documented.len());
        for (path, mut names) in documented {
            let unknown = match path.as_str() {
                "" => "no-such-setting-at-all".to_owned(),
                path => format!("{path}.no-such-setting-at-all"),
            };
            let problem = problems
                .iter()
                .find(|problem| problem.path == unknown)
                .unwrap();
            let (_, known) = problem.message.split_once("known are ").unwrap();
            let mut known: Vec<_> = known.split(", ").collect();
            known.sort_unstable();
            names.sort_unstable();
            assert_eq!(known, names, "{path}");
        }
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_path() {
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
                "vault.auth.approle.secretIdFile: must not be the file of roleIdFile",
                "vault.adress: unknown setting; did you mean `address`?",
                "secrets.mountPath: expected an absolute path such as /opt/talend/secrets, without ., .., : or a slash at its end",
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

    /// `UPDATE_GOLDEN=1 cargo test the_documentation` writes the table anew.
    #[test]
    fn the_documentation_has_every_denied_name_and_why() {
        const HEAD: &str = "| names | by which |\n| --- | --- |\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md");
        let document = std::fs::read_to_string(path).unwrap();
        let rows = DENIED_NAMES.iter().map(|(why, names)| {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("| {} | {why} |\n", names.join(", "))
        });
        let (before, rest) = document.split_once(HEAD).unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        let expected = format!("{before}{HEAD}{}\n{after}", rows.collect::<String>());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, expected).unwrap();
        } else {
            assert!(
                document == expected,
                "{path} is not up to date; run `make golden`"
            );
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
        assert_eq!(agent.limits.clone().unwrap().cpu, None);
        assert!(agent.limits.unwrap().memory.is_some());
        assert!(agent.requests.unwrap().cpu.is_some());
        assert_eq!(settings.consul_template.program.resources, None);
        let context = settings.security_context.unwrap();
        assert_eq!(context.run_as_user, None);
        assert_eq!(context.run_as_group, Some(1000));
        assert_eq!(settings.secrets.size_limit, None);
        let value = json!({"securityContext": null});
        assert_eq!(read(value).unwrap().security_context, None);
    }

    #[test]
    fn what_has_no_meaning_without_a_value_cannot_be_unset() {
        assert_eq!(
            problems(json!({"vault": {"address": null}})),
            ["vault.address: expected a URL such as https://vault.example.org:8200, found null"]
        );
    }

    #[test]
    fn settings_that_are_no_object_are_a_problem_and_no_trap() {
        for (text, expected) in [
            ("[]", "expected an object, found a list"),
            ("5", "expected an object, found a number"),
            ("{", "not valid JSON"),
        ] {
            let problems = Settings::parse(text.as_bytes()).unwrap_err();
            assert_eq!(problems.to_string(), expected);
        }
        for text in ["", " ", "null", "{}"] {
            assert!(Settings::parse(text.as_bytes()).is_ok(), "{text:?}");
        }
    }
}
