//! The annotations as the policy's own table has them, by the names that people give them.

use serde_json::Value;
use vault_sidecar_injector::{Key, Vocabulary};

use super::settings;

/// The annotation of a short name (`mode`) or a whole one (`sidecar.vault.talend.org/mode`).
pub(crate) fn find(name: &str) -> Option<Key> {
    let mut own = Key::ALL.iter().copied();
    own.find(|key| key.name() == name || full_name(*key) == name)
        .or_else(|| Words::of_agent_injector().find(name))
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

/// The names of one vocabulary's annotations, and its prefix.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) prefix: String,
    vocabulary: Vocabulary,
}

impl Words {
    /// Those of the vocabularies that these settings enable.
    pub(crate) fn with(settings: &Value) -> Vec<Self> {
        let text = |path: &str| settings.pointer(path).and_then(Value::as_str);
        let mut all = vec![Self {
            prefix: prefix_with(settings).to_owned(),
            vocabulary: Vocabulary::Own,
        }];
        if settings.pointer("/agentInjector/enabled") == Some(&Value::Bool(true)) {
            let default = Self::of_agent_injector();
            all.push(match text("/agentInjector/prefix") {
                Some(prefix) => Self {
                    prefix: prefix.to_owned(),
                    ..default
                },
                None => default,
            });
        }
        all
    }

    /// Those of the Agent Injector, as it has them itself.
    pub(crate) fn of_agent_injector() -> Self {
        let default = settings::find("agentInjector.prefix");
        let default = default.and_then(|entry| entry.default().as_str());
        Self {
            prefix: default.unwrap_or_default().to_owned(),
            vocabulary: Vocabulary::AgentInjector,
        }
    }

    /// The annotation of a name, short or whole; of a family too: `agent-inject-secret-NAME`.
    fn find(&self, name: &str) -> Option<Key> {
        let short = name.strip_prefix(&*self.prefix);
        let short = short.and_then(|it| it.strip_prefix('/')).unwrap_or(name);
        let mut keys = self.vocabulary.keys();
        keys.find(|(_, known)| *known == short).map(|(key, _)| key)
    }

    pub(crate) fn is_agent_injector(&self) -> bool {
        self.vocabulary == Vocabulary::AgentInjector
    }

    /// The whole name of an annotation.
    pub(crate) fn name(&self, key: Key) -> String {
        format!("{}/{}", self.prefix, self.vocabulary.name(key))
    }

    /// Whether a name stands below the prefix.
    pub(crate) fn has(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&*self.prefix);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_has_two_names() {
        for name in ["secrets-path", "sidecar.vault.talend.org/secrets-path"] {
            assert_eq!(find(name), Some(Key::SecretsPath), "{name}");
        }
        for name in [
            "agent-inject-secret-NAME",
            "vault.hashicorp.com/agent-inject-secret-NAME",
        ] {
            assert_eq!(find(name), Some(Key::Secret), "{name}");
        }
        for name in ["secrets", "", "/secrets-path", "example.org/secrets-path"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
