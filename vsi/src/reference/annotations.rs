//! The annotations as the policy's own table has them, by the names that people give them.

use serde_json::Value;
use vault_sidecar_injector::Key;

use super::settings;

/// The annotation of a short name (`mode`) or a whole one (`sidecar.vault.talend.org/mode`).
pub(crate) fn find(name: &str) -> Option<Key> {
    Key::ALL
        .iter()
        .copied()
        .find(|key| key.name() == name || full_name(*key) == name)
}

/// The whole name, with the prefix that the settings have by default.
pub(crate) fn full_name(key: Key) -> String {
    key.below(prefix())
}

/// What stands before the slash, by default.
pub(crate) fn prefix() -> &'static str {
    settings::find("annotations.prefix")
        .and_then(|entry| entry.default().as_str())
        .unwrap_or_default()
}

/// What stands before the slash with these settings, which need not be valid.
pub(crate) fn prefix_with(settings: &Value) -> &str {
    let given = settings.pointer("/annotations/prefix");
    given.and_then(Value::as_str).unwrap_or_else(|| prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_has_two_names() {
        for name in ["secrets-path", "sidecar.vault.talend.org/secrets-path"] {
            assert_eq!(find(name), Some(Key::SecretsPath), "{name}");
        }
        for name in ["secrets", "", "/secrets-path", "example.org/secrets-path"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
