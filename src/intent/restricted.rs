//! Whether the administrator's restrictions allow what a pod asks for.

use std::borrow::Cow;

use super::Refusal;
use crate::annotations::{Annotations, Key};
use crate::settings::{Identity, LockableKey, Pattern, Restrictions, TooMuchWork, Work};
use crate::sorted::listed;

/// Refuses the annotations that pods may not use, and the other annotations that do the same.
pub fn refuse_locked(
    annotations: &Annotations<'_>,
    restrictions: &Restrictions,
) -> Result<(), Refusal> {
    let is_given = |key| annotations.get(key).is_some();
    let is_of_job = |mode: &str| {
        let mut modes = mode.split(',');
        modes.any(|mode| mode.trim().eq_ignore_ascii_case("job"))
    };
    for LockableKey(locked) in &restrictions.locked_annotations {
        let used = match locked {
            key if is_given(*key) => Some(*key),
            // `workload: job` is the same as mode `job`.
            Key::Mode => Some(Key::Workload).filter(|key| is_given(*key)),
            Key::Workload => {
                Some(Key::Mode).filter(|key| annotations.get(*key).is_some_and(is_of_job))
            }
            _ => None,
        };
        if let Some(used) = used {
            return Err(Refusal::Locked {
                annotation: annotations.name(used),
                locked: locked.name(),
            });
        }
    }
    Ok(())
}

/// Refuses `value`, which comes from `source`, if it is of none of the patterns of `rule`.
pub fn allow(
    value: &str,
    source: impl FnOnce() -> String,
    patterns: Option<&[Pattern]>,
    rule: &'static str,
    identity: Identity<'_>,
    work: &mut Work,
) -> Result<(), Refusal> {
    match patterns {
        Some(patterns) => allow_by(value, source, patterns.iter(), rule, identity, work),
        None => Ok(()),
    }
}

fn allow_by<'p>(
    value: &str,
    source: impl FnOnce() -> String,
    patterns: impl Iterator<Item = &'p Pattern> + Clone,
    rule: &'static str,
    identity: Identity<'_>,
    work: &mut Work,
) -> Result<(), Refusal> {
    for pattern in patterns.clone() {
        match pattern.matches(value, identity, work) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(TooMuchWork) => {
                return Err(Refusal::TooMuchToCompare {
                    source: source(),
                    rule,
                });
            }
        }
    }
    Err(Refusal::Restricted {
        source: source(),
        value: value.to_owned(),
        rule,
        allowed: listed(patterns.map(Pattern::as_str)),
    })
}

/// What KV version 2 has behind its mount. In a pattern such as `kv/{namespace}/**`, a namespace with one of these
/// names would be let into every other one's secrets.
const OF_KV: [&str; 7] = [
    "config", "data", "delete", "destroy", "metadata", "subkeys", "undelete",
];

/// Refuses a plain path of Vault's that is not allowed.
pub fn allow_path(
    path: &str,
    source: impl FnOnce() -> String,
    restrictions: &Restrictions,
    identity: Identity<'_>,
    work: &mut Work,
) -> Result<(), Refusal> {
    let Some(patterns) = &restrictions.allowed_vault_paths else {
        return Ok(());
    };
    let patterns = patterns
        .iter()
        .filter(|pattern| !pattern.depends_on(&OF_KV, identity));
    let rule = "restrictions.allowedVaultPaths";
    let path = without_data(path);
    allow_by(&path, source, patterns, rule, identity, work)
}

/// The path as patterns are written: without the `data` that KV version 2 has behind its mount.
fn without_data(path: &str) -> Cow<'_, str> {
    let mut segments = path.splitn(3, '/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some(mount), Some("data"), Some(rest)) => Cow::Owned(format!("{mount}/{rest}")),
        _ => Cow::Borrowed(path),
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
