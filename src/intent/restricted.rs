//! Whether the administrator's restrictions allow what a pod asks for.

use super::Refusal;
use crate::annotations::Annotations;
use crate::settings::{Identity, Pattern, Restrictions};

/// Refuses the annotations that pods may not use.
pub fn refuse_locked(
    annotations: &Annotations<'_>,
    restrictions: &Restrictions,
) -> Result<(), Refusal> {
    let mut locked = restrictions.locked_annotations.iter();
    match locked.find(|locked| annotations.get(locked.0).is_some()) {
        Some(locked) => Err(Refusal::Locked {
            annotation: annotations.name(locked.0),
        }),
        None => Ok(()),
    }
}

/// Refuses `value`, which comes from `source`, if it is of none of the patterns of `rule`.
pub fn allow(
    value: &str,
    source: impl FnOnce() -> String,
    patterns: Option<&[Pattern]>,
    rule: &'static str,
    identity: Identity<'_>,
) -> Result<(), Refusal> {
    let is_allowed = |patterns: &[Pattern]| {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| pattern.matches(value, identity))
    };
    match patterns {
        Some(patterns) if !is_allowed(patterns) => Err(Refusal::Restricted {
            source: source(),
            value: value.to_owned(),
            rule,
            allowed: patterns
                .iter()
                .map(|pattern| pattern.as_str().to_owned())
                .collect(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a path of Vault's that is not allowed, however it is written.
pub fn allow_path(
    path: &str,
    source: impl FnOnce() -> String,
    restrictions: &Restrictions,
    identity: Identity<'_>,
) -> Result<(), Refusal> {
    let Some(patterns) = &restrictions.allowed_vault_paths else {
        return Ok(());
    };
    let rule = "restrictions.allowedVaultPaths";
    match normalized(path) {
        Some(path) => allow(&path, source, Some(patterns), rule, identity),
        None => Err(Refusal::IncomparablePath {
            source: source(),
            rule,
        }),
    }
}

/// The path that Vault is asked for in the end, as patterns are written: without query, empty, `.` and `..`
/// segments, and without the `data` that KV version 2 has behind its mount. `None` for one that cannot be
/// told from its text alone: both programs read a path as a URL, with schemes, escapes and fragments.
fn normalized(path: &str) -> Option<String> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path.contains(['%', '#', '\\', ':']) {
        return None;
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            segment => segments.push(segment),
        }
    }
    if segments.len() > 2 && segments[1] == "data" {
        segments.remove(1);
    }
    Some(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form() {
        for (path, expected) in [
            ("secret/app", "secret/app"),
            ("/secret//app/", "secret/app"),
            ("secret/./team/../app", "secret/app"),
            ("secret/data/app", "secret/app"),
            ("secret/data/app?version=2", "secret/app"),
            ("secret/data", "secret/data"),
            ("secret/app/data/x", "secret/app/data/x"),
            ("secret/metadata/app", "secret/metadata/app"),
        ] {
            assert_eq!(normalized(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_only_a_url_parser_understands_has_none() {
        for path in [
            "secret/%2e%2e/app",
            "http://host/secret/app",
            "x:secret/app",
            "secret/app#x",
            "secret\\app",
            "..",
            "secret/../../app",
        ] {
            assert_eq!(normalized(path), None, "{path}");
        }
    }
}
