//! What annotated pods cannot use, by whatever annotation.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::section::{
    Field, Reader, Section, Setting, field_of, json_of, read_field, section, shape_of, table,
};
use crate::annotations::{Annotations, Key};
use crate::pattern::{Identity, Pattern, TooMuchWork, Work};
use crate::rejection::{Place, Rejection};
use crate::values::{AuthMethod, Checked, FunctionPattern, Mode, SharedProcesses};
use crate::words::{listed, quoted};

section! {
    /// What annotated pods cannot use. `None` allows everything, and an empty list nothing.
    Restrictions {
        /// Images for annotation vault-image, such as registry.example.org/hashicorp/vault:*
        value allowed_images "allowedImages": Option<Vec<Pattern>> = None, "Allowed images";
        /// Images that are looked up where a container has no command, such as registry.example.org/**: policy-server calls the
        /// registry that the pod names.
        value allowed_image_lookups "allowedImageLookups": Option<Vec<Pattern>> = None, "Allowed image lookups";
        /// Vault roles, from annotation role or the application label, such as "{namespace}_*". Put _ or / between
        /// {namespace} and *: with "{namespace}-*", namespace team matches the roles of namespace team-b.
        value allowed_roles "allowedRoles": Option<Vec<Pattern>> = None, "Allowed roles";
        /// Login methods, from annotation auth. null: all; where there are allowedRoles, kubernetes and approle, because other
        /// methods need no role.
        value allowed_auth_methods "allowedAuthMethods": Option<Vec<AuthMethod>> = None, "Allowed login methods";
        /// Where auth methods are mounted, from annotation auth-path, without auth/. null: anywhere; where there are
        /// allowedRoles, at the paths of the settings. Those are always allowed.
        value allowed_auth_paths "allowedAuthPaths": Option<Vec<Pattern>> = None, "Allowed auth paths";
        /// Vault paths, from annotation secrets-path, the labels or references in environment variables (and
        /// transit/decrypt/KEY), such as secret/{namespace}/** (without the data/ of KV version 2). Vault's own policies decide in the end.
        value allowed_vault_paths "allowedVaultPaths": Option<Vec<Pattern>> = None, "Allowed Vault paths";
        /// Vault paths that environment variables write to (>>vault:PATH#KEY#{...}), without the data/ of KV version 2.
        /// Decryption by transit is not a write. They must be among allowedVaultPaths as well. null: no writes if
        /// allowedVaultPaths is set, all otherwise.
        value allowed_vault_writes "allowedVaultWrites": Option<Vec<Pattern>> = None, "Allowed writes";
        /// Addresses of Vault, from annotation vault-address, such as https://vault.{namespace}.svc:8200. null and an empty
        /// list: none but the settings'.
        value allowed_addresses "allowedAddresses": Option<Vec<Pattern>> = None, "Allowed addresses";
        /// Annotations that bypass other restrictions, and which pods can use nevertheless: agent-configmap, ...
        /// null: all of them, except where another restriction is set: allowedRoles, allowedVaultPaths, allowedAuthMethods,
        /// allowedAuthPaths, allowTemplates false or sharedProcesses refuse.
        value allowed_overrides "allowedOverrides": Option<Vec<LockableKey>> = None, "Allowed overrides";
        /// Whether pods can have templates. What a template reads cannot be checked. null: true, except where
        /// allowedVaultPaths is set.
        value allow_templates "allowTemplates": Option<bool> = None, "Allow templates";
        /// Annotations that pods cannot use, by their names without the prefix: vault-image, notify, ...
        value locked_annotations "lockedAnnotations": Vec<LockableKey> = Vec::new(), "Locked annotations";
        /// Functions that no template of a pod can call, when it is admitted and when it runs; * stands for any letters.
        /// For the default templates, entries that deny functions they call do not count.
        value denied_template_functions "deniedTemplateFunctions": Vec<FunctionPattern> = [
            "plugin",
            "writeToFile",
            "file",
            "env",
            "mustEnv",
            "envOrDefault",
        ].map(FunctionPattern::known).into(), "Denied template functions";
        /// What the policy does with a pod whose containers can read the sidecars' processes, and so the Vault token: with
        /// hostPID, shareProcessNamespace or the sidecars' user. allow, warn or refuse.
        value shared_processes "sharedProcesses": SharedProcesses = SharedProcesses::Warn, "Shared processes";
    }
}

/// An annotation that can be locked: all except `inject` and `status`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LockableKey(pub Key);

impl Restrictions {
    /// Whether pods may not use this annotation.
    pub fn is_locked(&self, key: Key) -> bool {
        self.locked_annotations.contains(&LockableKey(key))
    }

    /// The setting by which templates are rejected, if they are.
    pub fn rejects_templates(&self) -> Option<&'static str> {
        match (self.allow_templates, &self.allowed_vault_paths) {
            (Some(false), _) => Some("restrictions.allowTemplates"),
            (None, Some(_)) => Some("restrictions.allowedVaultPaths"),
            _ => None,
        }
    }
}

/// Annotations by which a pod has what other restrictions keep from it: the token itself, another configuration of the
/// agent, another program in its container, or connections that somebody else reads.
pub const OVERRIDES: [Key; 16] = [
    Key::AgentConfigMap,
    Key::AgentJsonPatch,
    Key::AgentInitJsonPatch,
    Key::CopyVolumeMounts,
    Key::TokenFile,
    Key::Cache,
    Key::TemplateFile,
    Key::TemplateConfigMap,
    Key::TlsSkipVerify,
    Key::TlsServerName,
    Key::TlsSecret,
    Key::CaCert,
    Key::CaPath,
    Key::ClientCert,
    Key::ClientKey,
    Key::ProxyAddress,
];

/// Where templates of the pod's come from.
const TEMPLATES: [Key; 4] = [
    Key::SecretsTemplate,
    Key::Template,
    Key::TemplateFile,
    Key::TemplateConfigMap,
];

/// What a configuration of the agent's says too.
const IN_CONFIGURATION: [Key; 37] = [
    Key::TlsSkipVerify,
    Key::TlsServerName,
    Key::TlsSecret,
    Key::CaCert,
    Key::CaPath,
    Key::ClientCert,
    Key::ClientKey,
    Key::Template,
    Key::TemplateFile,
    Key::TemplateConfigMap,
    Key::Telemetry,
    Key::AgentQuit,
    Key::ProxyPort,
    Key::CacheToken,
    Key::Refresh,
    Key::AgentLogLevel,
    Key::AgentLogFormat,
    Key::ExitOnRetryFailure,
    Key::RevokeOnShutdown,
    Key::AuthExitOnError,
    Key::Mode,
    Key::Auth,
    Key::AuthPath,
    Key::AuthConfig,
    Key::Role,
    Key::SaToken,
    Key::TokenVolume,
    Key::VaultAddress,
    Key::VaultNamespace,
    Key::SecretsPath,
    Key::SecretsTemplate,
    Key::Secret,
    Key::Notify,
    Key::Command,
    Key::FilePermissions,
    Key::TokenFile,
    Key::Cache,
];

/// Whether an annotation is about the agent's container, which a patch changes too.
fn is_of_container(key: Key) -> bool {
    let is_amount =
        key.name().starts_with("agent-requests-") || key.name().starts_with("agent-limits-");
    let is_other = matches!(
        key,
        Key::VaultImage
            | Key::CopyVolumeMounts
            | Key::ExtraSecret
            | Key::ApproleSecret
            | Key::TlsSecret
            | Key::TokenFile
            | Key::Notify
            | Key::Command
    );
    is_amount || is_other
}

/// What KV version 2 has behind its mount. In a pattern such as `kv/{namespace}/**`, a namespace with one of these
/// names would be let into every other one's secrets.
const OF_KV: [&str; 7] = [
    "config", "data", "delete", "destroy", "metadata", "subkeys", "undelete",
];

/// What is wrong with an annotation that is locked itself.
const LOCKED: &str = "locked by the setting restrictions.lockedAnnotations; remove it";

/// What is wrong with something that has the effect of a locked annotation.
pub fn same_as_locked(key: Key) -> String {
    format!(
        "has the same effect as annotation {}, which the setting restrictions.lockedAnnotations locks; remove it",
        key.name()
    )
}

/// The longest value that is repeated as a name.
const LONGEST_NAME: usize = 200;

impl Restrictions {
    /// Rejects the annotations that pods may not use, and the other annotations that do the same.
    pub fn reject_locked(&self, annotations: &Annotations<'_>) -> Result<(), Rejection> {
        let is_of_job = |mode: &str| {
            let mut modes = mode.split(',');
            modes.any(|mode| mode.trim().eq_ignore_ascii_case(Mode::Job.as_str()))
        };
        let first = |keys: &[Key]| keys.iter().find_map(|key| annotations.first_place(*key));
        let configures_login = |names: &[&str]| {
            let mut given = annotations.of(Key::AuthConfig);
            let given = given.find(|given| names.contains(&&*given.name.replace('-', "_")))?;
            Some(annotations.place_of(given))
        };
        for LockableKey(locked) in &self.locked_annotations {
            let itself = annotations.first_place(*locked);
            let is_itself = itself.is_some();
            let same = || match locked {
                // `workload: job` is the same as mode `job`.
                Key::Mode => first(&[Key::Workload]),
                Key::Workload => first(&[Key::Mode])
                    .filter(|_| annotations.get(Key::Mode).is_some_and(is_of_job)),
                // The application's user is of the pod's choice.
                Key::RunAsUser | Key::RunAsGroup => {
                    first(&[Key::RunAsSameUser, Key::SetSecurityContext])
                }
                Key::RunAsSameUser => first(&[Key::RunAsUser, Key::RunAsGroup]),
                Key::Role => configures_login(&["role", "name"]),
                Key::SaToken | Key::TokenVolume | Key::TokenAudience => {
                    first(&[Key::SaToken, Key::TokenVolume])
                        .or_else(|| configures_login(&["token_path", "path"]))
                }
                // What is said of one secret, and of all.
                Key::SecretsPath => first(&[Key::Secret]),
                Key::Secret => first(&[Key::SecretsPath]),
                Key::SecretsDestination => first(&[Key::File]),
                Key::File => first(&[Key::SecretsDestination]),
                Key::SecretsTemplate | Key::Template => first(&TEMPLATES),
                Key::TemplateFile => first(&[Key::TemplateConfigMap]),
                Key::TemplateConfigMap => first(&[Key::TemplateFile]),
                Key::EnvPrefix | Key::EnvPrefixOf => first(&[Key::EnvPrefix, Key::EnvPrefixOf]),
                Key::EnvNames | Key::EnvNamesOf => first(&[Key::EnvNames, Key::EnvNamesOf]),
                Key::SecretsFormat => first(&[Key::Format]),
                Key::Format => first(&[Key::SecretsFormat]),
                Key::SecretsMountPath => first(&[Key::Directory]),
                Key::Directory => first(&[Key::SecretsMountPath]),
                Key::FilePermissions => first(&[Key::Permissions]),
                Key::Permissions => first(&[Key::FilePermissions]),
                Key::Notify => first(&[Key::Command]),
                Key::Command => first(&[Key::Notify]),
                Key::SecretsType => first(&[Key::PrePopulateOnly]),
                _ => None,
            };
            // The proxy of mode `proxy`, by another annotation.
            let proxy = || match locked {
                Key::Mode => first(&[Key::Cache]),
                _ => None,
            };
            // A configuration of one's own says all that is said in it, and a patch all of the container.
            let whole = || {
                let configuration = [Key::AgentConfigMap];
                let patches = [Key::AgentJsonPatch, Key::AgentInitJsonPatch];
                let of_configuration = IN_CONFIGURATION
                    .contains(locked)
                    .then_some(&configuration[..]);
                let of_container = is_of_container(*locked).then_some(&patches[..]);
                let all = of_configuration.into_iter().chain(of_container);
                all.into_iter().find_map(first)
            };
            let Some(used) = itself.or_else(same).or_else(proxy).or_else(whole) else {
                continue;
            };
            return Err(used.rejected(match is_itself {
                true => Cow::Borrowed(LOCKED),
                false => Cow::Owned(same_as_locked(*locked)),
            }));
        }
        Ok(())
    }

    /// Rejects annotations that bypass the restrictions.
    pub fn reject_overrides(&self, annotations: &Annotations<'_>) -> Result<(), Rejection> {
        let restricts = [
            (self.allowed_roles.is_some(), "restrictions.allowedRoles"),
            (
                self.allowed_vault_paths.is_some(),
                "restrictions.allowedVaultPaths",
            ),
            (
                self.allow_templates == Some(false),
                "restrictions.allowTemplates",
            ),
            (
                self.allowed_auth_methods.is_some(),
                "restrictions.allowedAuthMethods",
            ),
            (
                self.allowed_auth_paths.is_some(),
                "restrictions.allowedAuthPaths",
            ),
            (
                self.shared_processes == SharedProcesses::Refuse,
                "restrictions.sharedProcesses",
            ),
        ];
        let rule = restricts.into_iter().find(|(restricts, _)| *restricts);
        let allowed = self.allowed_overrides.as_deref();
        let (problem, rule) = match (allowed, rule) {
            (Some(_), _) => ("not allowed by", "restrictions.allowedOverrides"),
            (None, Some((_, rule))) => ("bypasses", rule),
            (None, None) => return Ok(()),
        };
        // With `false`, the pod does not use it.
        let is_no = |key| {
            let text = annotations.get(key).unwrap_or("-");
            let is_boolean = matches!(key, Key::TokenFile | Key::Cache | Key::TlsSkipVerify);
            text.is_empty() || (is_boolean && annotations.vocabulary().is_true(text) == Some(false))
        };
        let is_allowed = |key| allowed.is_some_and(|allowed| allowed.contains(&LockableKey(key)));
        let used = OVERRIDES.into_iter().filter(|key| !is_allowed(*key));
        let mut used = used.filter(|key| !is_no(*key));
        match used.find_map(|key| Some((key, annotations.first_place(key)?))) {
            None => Ok(()),
            Some((key, place)) => Err(place.rejected(format!(
                "{problem} the setting {rule}; remove it, or have the administrator add {} to restrictions.allowedOverrides",
                key.name()
            ))),
        }
    }

    /// Rejects an address of Vault that is not allowed.
    pub fn allow_address(
        &self,
        address: &str,
        known: &str,
        place: Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let patterns = self.allowed_addresses.iter().flatten();
        let rule = "restrictions.allowedAddresses";
        if patterns.clone().next().is_none() {
            return Err(place.rejected(format!(
                "not allowed by the setting {rule}, which is empty; expected {known}, the setting vault.address"
            )));
        }
        allow_by(address, || place, patterns, rule, identity, work)
    }

    /// Rejects an image that is not allowed.
    pub fn allow_image(
        &self,
        image: &str,
        place: Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let patterns = self.allowed_images.as_deref();
        allow(
            image,
            place,
            patterns,
            "restrictions.allowedImages",
            identity,
            work,
        )
    }

    /// Rejects the look-up of an image that is not allowed.
    pub fn allow_image_lookup(
        &self,
        image: &str,
        place: Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let patterns = self.allowed_image_lookups.as_deref();
        allow(
            image,
            place,
            patterns,
            "restrictions.allowedImageLookups",
            identity,
            work,
        )
    }

    /// Rejects a role that is not allowed.
    pub fn allow_role(
        &self,
        role: &str,
        place: Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let patterns = self.allowed_roles.as_deref();
        allow(
            role,
            place,
            patterns,
            "restrictions.allowedRoles",
            identity,
            work,
        )
    }

    /// Rejects a login method that is not allowed.
    pub fn allow_auth_method(
        &self,
        method: &str,
        place: impl FnOnce() -> Place,
    ) -> Result<(), Rejection> {
        const DEFAULT: [&str; 2] = ["kubernetes", "approle"];
        let (allowed, rule): (Vec<_>, _) = match (&self.allowed_auth_methods, &self.allowed_roles) {
            (Some(methods), _) => (
                methods.iter().map(AuthMethod::as_str).collect(),
                "restrictions.allowedAuthMethods",
            ),
            (None, Some(_)) => (DEFAULT.into(), "restrictions.allowedRoles"),
            (None, None) => return Ok(()),
        };
        match allowed.contains(&method) {
            true => Ok(()),
            false => Err(place().rejected(format!(
                "{} is not allowed by the setting {rule}; {}",
                quoted(method),
                expected_one_of(allowed)
            ))),
        }
    }

    /// Rejects a path of an auth method that is not allowed and is not `known`, the settings' own.
    pub fn allow_auth_path(
        &self,
        path: &str,
        known: &str,
        place: impl FnOnce() -> Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let rule = "restrictions.allowedAuthPaths";
        match (&self.allowed_auth_paths, &self.allowed_roles) {
            _ if path == known => Ok(()),
            (Some(patterns), _) => {
                allow_by(path, place, patterns.iter(), rule, identity, work)
            }
            (None, Some(_)) => Err(place().rejected(format!(
                "{} is not allowed by the setting restrictions.allowedRoles, which is for {known}; use {known}, or have the administrator add the path to {rule}",
                quoted(path)
            ))),
            (None, None) => Ok(()),
        }
    }

    /// Rejects a plain path of Vault's that is not allowed.
    pub fn allow_path(
        &self,
        path: &str,
        place: impl FnOnce() -> Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let rule = "restrictions.allowedVaultPaths";
        match &self.allowed_vault_paths {
            Some(patterns) => allow_vault_path(path, place, patterns, rule, identity, work),
            None => Ok(()),
        }
    }

    /// Rejects a plain path of Vault's that may not be written to.
    pub fn allow_write(
        &self,
        path: &str,
        place: impl FnOnce() -> Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let rule = "restrictions.allowedVaultWrites";
        match (&self.allowed_vault_writes, &self.allowed_vault_paths) {
            (Some(patterns), _) => allow_vault_path(path, place, patterns, rule, identity, work),
            (None, Some(_)) => Err(place().rejected(format!(
                "must not write to {}, because the setting restrictions.allowedVaultPaths is for reading; have the administrator add it to {rule}",
                quoted(path)
            ))),
            (None, None) => Ok(()),
        }
    }

    /// What in the settings does not do what it seems to: where it is, and why.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let lists = [
            ("restrictions.allowedImages", &self.allowed_images),
            (
                "restrictions.allowedImageLookups",
                &self.allowed_image_lookups,
            ),
            ("restrictions.allowedRoles", &self.allowed_roles),
            ("restrictions.allowedAuthPaths", &self.allowed_auth_paths),
            ("restrictions.allowedAddresses", &self.allowed_addresses),
            ("restrictions.allowedVaultPaths", &self.allowed_vault_paths),
            (
                "restrictions.allowedVaultWrites",
                &self.allowed_vault_writes,
            ),
        ];
        let warning = |pattern: &Pattern| {
            format!(
                "pattern {} can match names of another namespace or service account; separate the placeholder by a character that such names do not have, such as _ or /",
                pattern.as_str()
            )
        };
        let warnings = lists.into_iter().flat_map(|(path, patterns)| {
            let patterns = patterns.iter().flatten().filter(|it| it.joins_names());
            patterns.map(move |pattern| (path, warning(pattern)))
        });
        warnings.collect()
    }
}

/// Rejects `value` at `place` if it matches none of the patterns of `rule`.
fn allow(
    value: &str,
    place: Place,
    patterns: Option<&[Pattern]>,
    rule: &str,
    identity: Identity<'_>,
    work: &mut Work,
) -> Result<(), Rejection> {
    match patterns {
        Some(patterns) => allow_by(value, || place, patterns.iter(), rule, identity, work),
        None => Ok(()),
    }
}

/// Rejects a plain path of Vault's that none of the patterns has, with or without the `data/` of KV version 2.
fn allow_vault_path(
    path: &str,
    place: impl FnOnce() -> Place,
    patterns: &[Pattern],
    rule: &str,
    identity: Identity<'_>,
    work: &mut Work,
) -> Result<(), Rejection> {
    let patterns = patterns.iter();
    let patterns = patterns.filter(|pattern| !pattern.depends_on(&OF_KV, identity));
    allow_by(&without_data(path), place, patterns, rule, identity, work)
}

fn allow_by<'p>(
    value: &str,
    place: impl FnOnce() -> Place,
    patterns: impl Iterator<Item = &'p Pattern> + Clone,
    rule: &str,
    identity: Identity<'_>,
    work: &mut Work,
) -> Result<(), Rejection> {
    for pattern in patterns.clone() {
        match pattern.matches(value, identity, work) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(TooMuchWork) => {
                return Err(place().rejected(format!(
                    "takes too long to compare with the patterns of the setting {rule}; use fewer or shorter values"
                )));
            }
        }
    }
    // A longer one is not a name, and may be anything.
    let value = match value.len() <= LONGEST_NAME {
        true => format!("{value:?}"),
        false => "the value".to_owned(),
    };
    let allowed = expected_one_of(patterns.map(Pattern::as_str).collect());
    Err(place().rejected(format!(
        "{value} is not allowed by the setting {rule}; {allowed}"
    )))
}

fn expected_one_of(allowed: Vec<&str>) -> String {
    match allowed.is_empty() {
        true => "the list is empty, which allows nothing".to_owned(),
        false => format!("expected one of {}", listed(allowed)),
    }
}

/// The path as patterns are written: without the `data` that KV version 2 has behind its mount.
fn without_data(path: &str) -> Cow<'_, str> {
    let mut segments = path.splitn(3, '/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some(mount), Some("data"), Some(rest)) => Cow::Owned(format!("{mount}/{rest}")),
        _ => Cow::Borrowed(path),
    }
}

impl Checked for LockableKey {
    const EXPECTED: &'static str =
        "the name of an annotation without its prefix, except inject and status";

    fn parse(text: &str) -> Option<Self> {
        let key = Key::ALL.iter().find(|key| key.name() == text)?;
        (!matches!(key, Key::Inject | Key::Status)).then_some(Self(*key))
    }

    fn text(&self) -> String {
        self.0.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_compared_without_the_data_of_its_mount() {
        for (path, expected) in [
            ("secret/app", "secret/app"),
            ("secret/data/app", "secret/app"),
            ("secret/data/data/app", "secret/data/app"),
            ("secret/data", "secret/data"),
            ("secret/app/data/x", "secret/app/data/x"),
            ("secret/metadata/app", "secret/metadata/app"),
        ] {
            assert_eq!(without_data(path), expected, "{path}");
        }
    }
}
