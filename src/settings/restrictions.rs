//! What pods may not ask for, however they do it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::section::{
    Field, Reader, Section, Setting, field_of, json_of, read_field, section, shape_of, table,
};
use crate::annotations::{Annotations, Key};
use crate::pattern::{Identity, Pattern, TooMuchWork, Work};
use crate::rejection::{Place, Rejection};
use crate::values::{Checked, FunctionPattern, Mode, SharedProcesses};
use crate::words::listed;

section! {
    /// What pods may not ask for. `None` allows everything, and an empty list nothing.
    Restrictions {
        /// Images for annotation vault-image, such as registry.example.org/hashicorp/vault:*
        value allowed_images "allowedImages": Option<Vec<Pattern>> = None, "Allowed images";
        /// Vault roles, from annotation role or the application label, such as "{namespace}_*". Put _ or / between
        /// {namespace} and *: with "{namespace}-*", namespace team matches the roles of namespace team-b.
        value allowed_roles "allowedRoles": Option<Vec<Pattern>> = None, "Allowed roles";
        /// Vault paths, from annotation secrets-path or the labels, such as secret/{namespace}/** (without the data/ of
        /// KV version 2). What Vault's own policies say counts in the end.
        value allowed_vault_paths "allowedVaultPaths": Option<Vec<Pattern>> = None, "Allowed Vault paths";
        /// Whether pods may bring templates: what a template reads cannot be checked. null: unless there are
        /// allowedVaultPaths.
        value allow_templates "allowTemplates": Option<bool> = None, "Allow templates";
        /// Annotations that pods may not use, by their names without the prefix: vault-image, notify, ...
        value locked_annotations "lockedAnnotations": Vec<LockableKey> = Vec::new(), "Locked annotations";
        /// Functions that no template of a pod may call, when it is admitted and when it runs; * stands for any letters.
        /// The default templates go without those that deny what they call themselves.
        value denied_template_functions "deniedTemplateFunctions": Vec<FunctionPattern> = [
            "plugin",
            "writeToFile",
            "file",
            "env",
            "mustEnv",
            "envOrDefault",
        ].map(FunctionPattern::known).into(), "Denied template functions";
        /// What the policy does with a pod whose containers may read the sidecars' processes, and so the Vault token: one
        /// with hostPID or shareProcessNamespace, or with the sidecars' user. allow, warn or refuse.
        value shared_processes "sharedProcesses": SharedProcesses = SharedProcesses::Warn, "Shared processes";
    }
}

/// An annotation that can be locked: all but the one that asks for injection, and the one that pods never set.
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

/// What KV version 2 has behind its mount. In a pattern such as `kv/{namespace}/**`, a namespace with one of these
/// names would be let into every other one's secrets.
const OF_KV: [&str; 7] = [
    "config", "data", "delete", "destroy", "metadata", "subkeys", "undelete",
];

/// The longest value that is repeated as a name.
const LONGEST_NAME: usize = 200;

impl Restrictions {
    /// Rejects the annotations that pods may not use, and the other annotations that do the same.
    pub fn reject_locked(&self, annotations: &Annotations<'_>) -> Result<(), Rejection> {
        let is_given = |key| annotations.get(key).is_some();
        let is_of_job = |mode: &str| {
            let mut modes = mode.split(',');
            modes.any(|mode| mode.trim().eq_ignore_ascii_case(Mode::Job.as_str()))
        };
        for LockableKey(locked) in &self.locked_annotations {
            let used = match locked {
                key if is_given(*key) => Some(*key),
                // `workload: job` is the same as mode `job`.
                Key::Mode => Some(Key::Workload).filter(|key| is_given(*key)),
                Key::Workload => {
                    Some(Key::Mode).filter(|key| annotations.get(*key).is_some_and(is_of_job))
                }
                // The application's user is of the pod's choice.
                Key::RunAsUser | Key::RunAsGroup => {
                    Some(Key::RunAsSameUser).filter(|key| is_given(*key))
                }
                Key::RunAsSameUser => {
                    let mut same = [Key::RunAsUser, Key::RunAsGroup].into_iter();
                    same.find(|key| is_given(*key))
                }
                _ => None,
            };
            let Some(used) = used else { continue };
            let locked = locked.name();
            let same = match used.name() == locked {
                true => String::new(),
                false => format!(", which has {locked}, and this annotation has the same effect"),
            };
            return Err(annotations.rejected(
                used,
                format!("locked by the setting restrictions.lockedAnnotations{same}; remove it"),
            ));
        }
        Ok(())
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

    /// Rejects a plain path of Vault's that is not allowed.
    pub fn allow_path(
        &self,
        path: &str,
        place: impl FnOnce() -> Place,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<(), Rejection> {
        let Some(patterns) = &self.allowed_vault_paths else {
            return Ok(());
        };
        let patterns = patterns
            .iter()
            .filter(|pattern| !pattern.depends_on(&OF_KV, identity));
        let rule = "restrictions.allowedVaultPaths";
        let path = without_data(path);
        allow_by(&path, place, patterns, rule, identity, work)
    }

    /// What in the settings does not do what it seems to: where it is, and why.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let lists = [
            ("restrictions.allowedImages", &self.allowed_images),
            ("restrictions.allowedRoles", &self.allowed_roles),
            ("restrictions.allowedVaultPaths", &self.allowed_vault_paths),
        ];
        let warning = |pattern: &Pattern| {
            format!(
                "pattern {} may let one namespace or service account take what is another's; put a letter that no such name has between them, such as _ or /",
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
                    "too much to compare with the patterns of the setting {rule}; ask for fewer or shorter values"
                )));
            }
        }
    }
    // A longer one is not a name, and may be anything.
    let value = match value.len() <= LONGEST_NAME {
        true => format!("{value:?}"),
        false => "the value".to_owned(),
    };
    let allowed = match listed(patterns.map(Pattern::as_str)) {
        none if none.is_empty() => "the list is empty".to_owned(),
        patterns => format!("expected one of {patterns}"),
    };
    Err(place().rejected(format!(
        "{value} is not allowed by the setting {rule}; {allowed}"
    )))
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
