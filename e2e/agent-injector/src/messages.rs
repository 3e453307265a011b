//! The annotations that a message names, which must be some that there are.

use crate::cases::{PREFIX, Table};

/// The policy's own annotations below the Agent Injector's prefix.
const OWN: [&str; 3] = ["sidecars", "secrets-hook", "token-audience"];

/// The annotations in a message, by their names without the prefix.
pub fn named(message: &str) -> impl Iterator<Item = &str> {
    message.split(PREFIX).skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('/')?;
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let end = rest.find(|letter| !is_part(letter));
        Some(rest[..end.unwrap_or(rest.len())].trim_end_matches('.'))
    })
}

/// Whether an annotation is in the table, alone or as one of several with the beginning of the name in common.
pub fn is_known(name: &str, table: &Table) -> bool {
    let rows = table.annotations.iter().map(|row| row.annotation.as_str());
    rows.chain(OWN).any(|known| {
        let family = known
            .strip_suffix("NAME")
            .or_else(|| known.strip_suffix("PARAM"));
        known == name || family.is_some_and(|family| name.starts_with(family))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_annotations() {
        let message =
            "annotation vault.hashicorp.com/role: missing; or use vault.hashicorp.com/auth-type.";
        assert_eq!(named(message).collect::<Vec<_>>(), ["role", "auth-type"]);
        assert_eq!(named("container app: no").count(), 0);
    }

    #[test]
    fn a_name_is_whole_or_begins_as_others_do() {
        let table = crate::cases::table().unwrap();
        for name in [
            "role",
            "agent-inject-file-a.b",
            "auth-config-name",
            "sidecars",
        ] {
            assert!(is_known(name, &table), "{name}");
        }
        for name in ["mode", "roles", "agent-inject-files", "approle-secret"] {
            assert!(!is_known(name, &table), "{name}");
        }
    }
}
