//! The vocabulary by which a pod says what it wants: one table of every annotation, and the reading of
//! those that a pod has.

use std::borrow::Cow;
use std::fmt;

use crate::json::Members;
use crate::sorted::First;
use crate::suggestion;

/// Makes [`Key`] from the table below.
macro_rules! vocabulary {
    ($($variant:ident = $name:literal, $default:literal, $doc:literal;)+) => {
        /// An annotation, without the prefix.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Key {
            $(#[doc = $doc] $variant,)+
        }

        impl Key {
            /// Every annotation, in the order of the documentation.
            pub const ALL: &[Key] = &[$(Key::$variant),+];

            /// The name behind the prefix: `secrets-path`.
            pub fn name(self) -> &'static str {
                match self { $(Key::$variant => $name),+ }
            }

            /// The whole name, as it stands in a manifest: `sidecar.vault.talend.org/secrets-path`.
            pub fn below(self, prefix: &str) -> String {
                format!("{prefix}/{}", self.name())
            }

            /// What holds where the annotation is not given, as documented.
            pub fn default_value(self) -> &'static str {
                match self { $(Key::$variant => $default),+ }
            }

            /// What the annotation means.
            pub fn documentation(self) -> &'static str {
                match self { $(Key::$variant => $doc),+ }
            }
        }
    };
}

vocabulary! {
    Inject = "inject", "",
        "Ask for injection; without it the pod is left alone.";
    Status = "status", "",
        "Set by the policy to `injected`; a pod that carries it is left alone.";
    Mode = "mode", "secrets",
        "Comma list of `secrets`, `proxy` and `job`. `job` alone implies `secrets`.";
    Workload = "workload", "",
        "Deprecated: `job` is the same as mode `job`.";
    Auth = "auth", "kubernetes",
        "How Vault Agent logs in: `kubernetes` or `approle`.";
    Role = "role", "the application label",
        "The Vault role to log in with, for `kubernetes` login only.";
    SaToken = "sa-token", "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "Path of the service account token as the application's containers mount it, in a projected volume or a Secret.";
    VaultImage = "vault-image", "setting `agent.image`",
        "Image of Vault Agent for this pod.";
    SecretsPath = "secrets-path", "`secret/<application label>/<service label>`",
        "Comma list of Vault paths.";
    SecretsDestination = "secrets-destination", "secrets.properties",
        "Comma list of file names, one per path or template: relative, without empty, `.` or `..` segments, each once.";
    SecretsTemplate = "secrets-template", "a template that writes one `key=value` line per key",
        "Consul Template templates, separated by lines `---`; they replace `secrets-path`.";
    Notify = "notify", "",
        "Commands run with `sh -c` after a file has changed, one per destination or fewer, separated by lines `---` or by commas; with one destination a comma is part of the command.";
    SecretsHook = "secrets-hook", "false",
        "Add a postStart hook that waits for the secrets files, and fails if they do not come in time, so that the container is restarted.";
    SecretsType = "secrets-type", "dynamic",
        "`dynamic`: the files follow the secrets. `static`: fetched once, by an init container.";
    SecretsInjectionMethod = "secrets-injection-method", "file",
        "`file`, or `env`: static secrets become environment variables.";
    ProxyPort = "proxy-port", "8200",
        "Port of the local proxy, 1 to 65535.";
    Sidecars = "sidecars", "setting `sidecars`",
        "`classic`: containers beside the application's. `native`: init containers that keep running (Kubernetes 1.29 or newer), so that the application starts with its secrets and Jobs end by themselves.";
    InjectContainers = "inject-containers", "all of the application's",
        "Comma list of the containers that get the secrets (mount, hook or environment). The pod's init containers always get the mount.";
    JobContainers = "job-containers", "all of the application's",
        "Comma list of the containers whose end is the job's end.";
    TemplateEngine = "template-engine", "setting `templateEngine`",
        "What renders dynamic secrets: `consul-template`, or `vault-agent` without a second sidecar.";
    VaultNamespace = "vault-namespace", "setting `vault.namespace`",
        "Namespace of Vault Enterprise or OpenBao.";
    SecretsMountPath = "secrets-mount-path", "setting `secrets.mountPath`",
        "Where the application sees the files.";
    ShareProcessNamespace = "share-process-namespace", "false",
        "Let the pod's containers see each other's processes, so that `notify` can send a signal to an application that runs as the sidecars' user.";
    ApproleSecret = "approle-secret", "",
        "A Secret of the pod's namespace with keys `role-id` and `secret-id` to log in with, in place of the two files.";
    AgentRequestsCpu = "agent-requests-cpu", "setting `agent.resources`",
        "CPU that Vault Agent requests.";
    AgentRequestsMemory = "agent-requests-memory", "setting `agent.resources`",
        "Memory that Vault Agent requests.";
    AgentLimitsCpu = "agent-limits-cpu", "setting `agent.resources`",
        "CPU limit of Vault Agent.";
    AgentLimitsMemory = "agent-limits-memory", "setting `agent.resources`",
        "Memory limit of Vault Agent.";
    ConsulTemplateRequestsCpu = "consul-template-requests-cpu", "setting `consulTemplate.resources`",
        "CPU that Consul Template requests.";
    ConsulTemplateRequestsMemory = "consul-template-requests-memory", "setting `consulTemplate.resources`",
        "Memory that Consul Template requests.";
    ConsulTemplateLimitsCpu = "consul-template-limits-cpu", "setting `consulTemplate.resources`",
        "CPU limit of Consul Template.";
    ConsulTemplateLimitsMemory = "consul-template-limits-memory", "setting `consulTemplate.resources`",
        "Memory limit of Consul Template.";
}

/// The annotations of one pod that are under the policy's prefix.
#[derive(Debug)]
pub struct Annotations<'a> {
    prefix: &'a str,
    values: [Option<Cow<'a, str>>; Key::ALL.len()],
    /// The first of those that do not exist, in their order.
    unknown: Vec<String>,
    /// How many more of those there are.
    more_unknown: usize,
}

/// The most bytes of an annotation's name behind the slash.
const LONGEST_NAME: usize = 63;

/// The most bytes of one of the policy's annotations: what it becomes has to fit an environment variable.
pub const LONGEST: usize = 128_000;

/// An annotation that is not looked into.
#[derive(Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// Kubernetes does not allow it.
    NotAString {
        annotation: String,
        found: String,
    },
    TooLong {
        annotation: String,
        bytes: usize,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotAString { annotation, found } => write!(
                formatter,
                "annotation {annotation}: {found}; put the value in quotes"
            ),
            Unreadable::TooLong { annotation, bytes } => write!(
                formatter,
                "annotation {annotation} has {bytes} bytes, and at most {LONGEST} are possible"
            ),
        }
    }
}

impl<'a> Annotations<'a> {
    /// Reads the annotations whose key is `PREFIX/NAME`; `None` where no [`Key::Inject`] is among them.
    ///
    /// All annotations of the pod must be strings, as Kubernetes wants it.
    pub fn read(members: &Members<'a>, prefix: &'a str) -> Result<Option<Self>, Unreadable> {
        let mut annotations = Annotations {
            prefix,
            values: [const { None }; Key::ALL.len()],
            unknown: Vec::new(),
            more_unknown: 0,
        };
        let inject = annotations.name(Key::Inject);
        if members.get(&inject).is_none() {
            return Ok(None);
        }
        let mut unknown = First::default();
        for (name, value) in members.iter() {
            let text = value.string().map_err(|found| Unreadable::NotAString {
                annotation: name.to_string(),
                found,
            })?;
            let Some(short) = name
                .strip_prefix(prefix)
                .and_then(|name| name.strip_prefix('/'))
            else {
                continue;
            };
            match Key::ALL.iter().find(|key| key.name() == short) {
                Some(_) if text.len() > LONGEST => {
                    return Err(Unreadable::TooLong {
                        annotation: name.to_string(),
                        bytes: text.len(),
                    });
                }
                Some(key) => annotations.values[*key as usize] = Some(text.0),
                // Kubernetes takes no longer ones.
                None if short.len() > LONGEST_NAME => unknown.add_unnamed(),
                None => unknown.add(short),
            }
        }
        let (unknown, more) = unknown.into_sorted();
        annotations.unknown = unknown.into_iter().map(str::to_owned).collect();
        annotations.more_unknown = more;
        Ok(Some(annotations))
    }

    /// The value of `key` as submitted.
    pub fn get(&self, key: Key) -> Option<&str> {
        self.values[key as usize].as_deref()
    }

    /// The whole name of `key`, as it stands in a manifest.
    pub fn name(&self, key: Key) -> String {
        key.below(self.prefix)
    }

    /// A warning for each annotation under the prefix that does not exist, and for many of them one that tells
    /// how many more there are.
    pub fn warnings_of_unknown(&self) -> impl Iterator<Item = String> {
        let others = (self.more_unknown > 0).then(|| {
            let more = self.more_unknown;
            format!(
                "{more} more annotations under {} are unknown and ignored",
                self.prefix
            )
        });
        let named = self.unknown.iter().map(|name| {
            let hint = suggestion::nearest(name, Key::ALL.iter().map(|key| key.name()));
            match hint {
                Some(known) => format!(
                    "annotation {}/{name} is unknown and ignored; did you mean {known}?",
                    self.prefix
                ),
                None => format!("annotation {}/{name} is unknown and ignored", self.prefix),
            }
        });
        named.chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn members(text: &str) -> Members<'_> {
        Json::parse(text).unwrap().members().unwrap()
    }

    /// `make golden` writes the table anew.
    #[test]
    fn the_documentation_has_every_annotation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/annotations.md");
        let document = std::fs::read_to_string(path).unwrap();
        let rows = Key::ALL.iter().map(|key| {
            let default = key.default_value();
            format!(
                "| `{}` | {default} | {} |\n",
                key.name(),
                key.documentation()
            )
        });
        let (before, rest) = document.split_once("| --- | --- | --- |\n").unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        let expected = format!(
            "{before}| --- | --- | --- |\n{}\n{after}",
            rows.collect::<String>()
        );
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
    fn only_a_pod_with_the_inject_annotation_is_read() {
        let members = members(r#"{"x/inject":"true","n":5}"#);
        assert!(Annotations::read(&members, "v").unwrap().is_none());
    }

    #[test]
    fn a_mistyped_annotation_gets_a_hint() {
        let members = members(r#"{"v/inject":"true","v/secret-path":"a","v/zzz":"","w/role":""}"#);
        let annotations = Annotations::read(&members, "v").unwrap().unwrap();
        let warnings: Vec<_> = annotations.warnings_of_unknown().collect();
        assert_eq!(
            warnings,
            [
                "annotation v/secret-path is unknown and ignored; did you mean secrets-path?",
                "annotation v/zzz is unknown and ignored"
            ]
        );
    }

    #[test]
    fn of_many_mistyped_annotations_some_are_told_by_name() {
        let many: Vec<_> = (0..50)
            .map(|number| format!(r#""v/x{number}":"""#))
            .collect();
        let many = format!(r#"{{"v/inject":"true",{}}}"#, many.join(","));
        let members = members(&many);
        let annotations = Annotations::read(&members, "v").unwrap().unwrap();
        let warnings: Vec<_> = annotations.warnings_of_unknown().collect();
        assert_eq!(warnings.len(), First::MOST + 1);
        assert_eq!(warnings[0], "annotation v/x0 is unknown and ignored");
        assert_eq!(
            warnings[First::MOST],
            "30 more annotations under v are unknown and ignored"
        );
    }

    #[test]
    fn a_value_that_is_no_string_is_told_by_name() {
        let members = members(r#"{"v/inject":true}"#);
        let error = Annotations::read(&members, "v").unwrap_err();
        assert_eq!(
            error.to_string(),
            "annotation v/inject: expected a string, found true or false; put the value in quotes"
        );
    }
}
