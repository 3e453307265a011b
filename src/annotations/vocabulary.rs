//! The two vocabularies: the policy's own, and the one of HashiCorp's Agent Injector. What plans the pod's containers does not
//! know which one it uses; what reads annotations does, where one of them has lists and labels and the other has neither.

use super::table::start_of_family;
use super::{Key, is_true};
use crate::names::{self, Names};

/// The words in which a pod says what it wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vocabulary {
    /// The policy's own, which began as Talend's.
    Own,
    /// That of HashiCorp's Agent Injector.
    AgentInjector,
}

impl Vocabulary {
    /// What an annotation is called: `role`. Those that the Agent Injector does not have keep their own names.
    pub fn name(self, key: Key) -> &'static str {
        match self {
            Vocabulary::Own => key.name(),
            Vocabulary::AgentInjector => {
                let mut names = AGENT_INJECTOR.iter();
                let name = names.find(|(known, _)| *known == key);
                name.map_or(key.name(), |(_, name)| name)
            }
        }
    }

    /// All annotations that it has, with their names.
    pub fn keys(self) -> impl Iterator<Item = (Key, &'static str)> {
        let (table, others): (_, &[Key]) = match self {
            Vocabulary::Own => (Key::NAMES, ONLY_AGENT_INJECTOR),
            Vocabulary::AgentInjector => (AGENT_INJECTOR, &[]),
        };
        let keys = table.iter().copied();
        keys.filter(move |(key, _)| !others.contains(key))
    }

    /// Its families, with what their names begin with.
    pub fn families(self) -> Vec<(Key, &'static str)> {
        let keys = self.keys();
        keys.filter_map(|(key, name)| Some((key, start_of_family(name)?)))
            .collect()
    }

    /// The annotation of a name, except of a family.
    pub fn key(self, name: &str) -> Option<Key> {
        let table = match self {
            Vocabulary::Own => Key::NAMES,
            Vocabulary::AgentInjector => AGENT_INJECTOR,
        };
        let (key, _) = table.iter().find(|(_, known)| *known == name)?;
        let is_others = self == Vocabulary::Own && ONLY_AGENT_INJECTOR.contains(key);
        (!is_others && !key.is_family()).then_some(*key)
    }

    /// What holds where a pod does not say, if that is not what the documentation of the annotation has.
    pub fn preset(self, key: Key) -> Option<&'static str> {
        if self == Vocabulary::Own {
            return None;
        }
        let mut presets = PRESETS.iter();
        presets
            .find(|(known, _)| *known == key)
            .map(|(_, preset)| *preset)
    }

    /// Whether a text is true or false; `None` for anything else.
    pub fn is_true(self, text: &str) -> Option<bool> {
        match self {
            Vocabulary::Own => is_true(text),
            Vocabulary::AgentInjector => go_boolean(text),
        }
    }

    /// Whether it is the policy's own, in which labels give what annotations do not, and lists are possible.
    pub fn is_own(self) -> bool {
        self == Vocabulary::Own
    }

    /// What the containers, volumes and directories are called.
    pub fn names(self) -> &'static Names {
        match self {
            Vocabulary::Own => &names::OWN,
            Vocabulary::AgentInjector => &names::AGENT_INJECTOR,
        }
    }

    /// The text that stands for `text` in the policy's own vocabulary; `None` for a value that counts as not given. The error
    /// says what is wrong.
    pub fn translated(
        self,
        key: Key,
        is_boolean: bool,
        text: &str,
    ) -> Result<Option<&str>, String> {
        if self == Vocabulary::Own {
            return Ok(Some(text));
        }
        if is_boolean {
            return match go_boolean(text) {
                Some(true) => Ok(Some("true")),
                Some(false) => Ok(Some("false")),
                None => Err("not a boolean; expected true or false".to_owned()),
            };
        }
        match (key, text) {
            (key, "") if !NEVER_EMPTY.contains(&key) => Ok(None),
            (Key::SecretsFormat, text) if text.eq_ignore_ascii_case("json") => Ok(Some("raw-json")),
            (Key::SecretsFormat, text) if !text.is_empty() && !text.eq_ignore_ascii_case("map") => {
                Err("not valid; expected one of map, json".to_owned())
            }
            // Vault, and Go's filepath.Join, take paths without them.
            (Key::SecretsMountPath | Key::Directory, text) if text.len() > 1 => {
                Ok(Some(text.trim_end_matches('/')))
            }
            (Key::Secret | Key::AuthPath, text) => Ok(Some(text.trim_matches('/'))),
            (_, text) => Ok(Some(text)),
        }
    }
}

/// As Go's `strconv.ParseBool` has it, and nothing is false.
fn go_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The Agent Injector's names, as vault-k8s 1.7 has them, and the policy's own of which it has no counterpart.
const AGENT_INJECTOR: &[(Key, &str)] = &[
    (Key::Inject, "agent-inject"),
    (Key::Status, "agent-inject-status"),
    (Key::RequestNamespace, "agent-request-namespace"),
    (Key::PrePopulate, "agent-pre-populate"),
    (Key::PrePopulateOnly, "agent-pre-populate-only"),
    (Key::InitFirst, "agent-init-first"),
    (Key::InjectContainers, "agent-inject-containers"),
    (Key::ShareProcessNamespace, "agent-share-process-namespace"),
    (Key::AgentQuit, "agent-enable-quit"),
    (Key::CopyVolumeMounts, "agent-copy-volume-mounts"),
    (Key::AgentConfigMap, "agent-configmap"),
    (Key::ExtraSecret, "agent-extra-secret"),
    (Key::VaultImage, "agent-image"),
    (Key::AgentJsonPatch, "agent-json-patch"),
    (Key::AgentInitJsonPatch, "agent-init-json-patch"),
    (Key::Secret, "agent-inject-secret-NAME"),
    (Key::Template, "agent-inject-template-NAME"),
    (Key::TemplateFile, "agent-inject-template-file-NAME"),
    (Key::SecretsFormat, "agent-inject-default-template"),
    (Key::SecretLeftDelimiter, "agent-template-left-delim-NAME"),
    (Key::SecretRightDelimiter, "agent-template-right-delim-NAME"),
    (Key::File, "agent-inject-file-NAME"),
    (Key::Permissions, "agent-inject-perms-NAME"),
    (Key::Command, "agent-inject-command-NAME"),
    (Key::SecretsMountPath, "secret-volume-path"),
    (Key::Directory, "secret-volume-path-NAME"),
    (Key::PreserveSecretCase, "preserve-secret-case"),
    (Key::PreserveCase, "preserve-secret-case-NAME"),
    (Key::ErrorOnMissingKey, "error-on-missing-key-NAME"),
    (Key::TokenFile, "agent-inject-token"),
    (Key::VaultAddress, "service"),
    (Key::ProxyAddress, "proxy-address"),
    (Key::VaultNamespace, "namespace"),
    (Key::Role, "role"),
    (Key::Auth, "auth-type"),
    (Key::AuthPath, "auth-path"),
    (Key::AuthConfig, "auth-config-KEY"),
    (Key::AuthMinBackoff, "auth-min-backoff"),
    (Key::AuthMaxBackoff, "auth-max-backoff"),
    (Key::AuthExitOnError, "agent-auto-auth-exit-on-err"),
    (Key::TokenVolume, "agent-service-account-token-volume-name"),
    (Key::TlsSkipVerify, "tls-skip-verify"),
    (Key::TlsSecret, "tls-secret"),
    (Key::TlsServerName, "tls-server-name"),
    (Key::CaCert, "ca-cert"),
    (Key::CaPath, "ca-key"),
    (Key::ClientCert, "client-cert"),
    (Key::ClientKey, "client-key"),
    (Key::ClientMaxRetries, "client-max-retries"),
    (Key::ClientTimeout, "client-timeout"),
    (Key::GoMaxProcs, "go-max-procs"),
    (Key::AgentLogLevel, "log-level"),
    (Key::AgentLogFormat, "log-format"),
    (Key::Cache, "agent-cache-enable"),
    (Key::CacheToken, "agent-cache-use-auto-auth-token"),
    (Key::ProxyPort, "agent-cache-listener-port"),
    (Key::CacheExitOnError, "agent-cache-exit-on-err"),
    (
        Key::ExitOnRetryFailure,
        "template-config-exit-on-retry-failure",
    ),
    (Key::Refresh, "template-static-secret-render-interval"),
    (Key::MaxConnections, "template-max-connections-per-host"),
    (
        Key::LeaseRenewalThreshold,
        "template-lease-renewal-threshold",
    ),
    (
        Key::DisableIdleConnections,
        "agent-disable-idle-connections",
    ),
    (Key::DisableKeepAlives, "agent-disable-keep-alives"),
    (Key::Telemetry, "agent-telemetry-KEY"),
    (Key::RevokeOnShutdown, "agent-revoke-on-shutdown"),
    (Key::RevokeGrace, "agent-revoke-grace"),
    (Key::AgentLimitsCpu, "agent-limits-cpu"),
    (Key::AgentLimitsMemory, "agent-limits-mem"),
    (Key::AgentLimitsEphemeral, "agent-limits-ephemeral"),
    (Key::AgentRequestsCpu, "agent-requests-cpu"),
    (Key::AgentRequestsMemory, "agent-requests-mem"),
    (Key::AgentRequestsEphemeral, "agent-requests-ephemeral"),
    (Key::RunAsUser, "agent-run-as-user"),
    (Key::RunAsGroup, "agent-run-as-group"),
    (Key::RunAsSameUser, "agent-run-as-same-user"),
    (Key::SetSecurityContext, "agent-set-security-context"),
    // The policy's own.
    (Key::Sidecars, "sidecars"),
    (Key::SecretsHook, "secrets-hook"),
    (Key::TokenAudience, "token-audience"),
];

/// What only the Agent Injector's vocabulary has.
const ONLY_AGENT_INJECTOR: &[Key] = &[
    Key::RequestNamespace,
    Key::PreserveSecretCase,
    Key::PreserveCase,
    Key::SetSecurityContext,
];

/// The Agent Injector's defaults, where they are not the policy's own.
const PRESETS: &[(Key, &str)] = &[
    (Key::Mode, "secrets"),
    (Key::TemplateEngine, "vault-agent"),
    (Key::PrePopulate, "true"),
    (Key::InitFirst, "false"),
    (Key::SecretsFormat, "map"),
    (Key::SecretsMountPath, "/vault/secrets"),
    (Key::AuthExitOnError, "false"),
    (Key::RevokeOnShutdown, "false"),
];

/// Where an empty value is a mistake, and not the same as none.
const NEVER_EMPTY: &[Key] = &[
    Key::VaultImage,
    Key::SecretsFormat,
    Key::RevokeGrace,
    Key::RunAsUser,
    Key::RunAsGroup,
    Key::ProxyPort,
    Key::LeaseRenewalThreshold,
];
