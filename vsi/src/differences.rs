//! How the policy's result for a pod with the Agent Injector's annotations differs from that injector's: the list that
//! `make e2e-agent-injector` holds, as far as an annotation decides it.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The list itself.
const LIST: &str = include_str!("../../e2e/agent-injector/differences.yaml");

/// Where the rest of the list is.
pub(crate) const GUIDE: &str = "docs/migration/from-agent-injector.md";

#[derive(Debug, Deserialize)]
struct Subject {
    differences: Vec<Difference>,
}

/// An entry of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    what: Option<String>,
    /// Where in the pod it is; `outcome` for what becomes of the whole pod.
    #[serde(default)]
    path: Value,
    /// Pods of the comparison that it is about, if not all.
    #[serde(default)]
    pods: Vec<String>,
    /// Annotations of which the pod has one, as `NAME` or `NAME=VALUE`, or all of several with ` and ` between them.
    #[serde(rename = "where", default)]
    conditions: Vec<String>,
    reason: String,
}

static ALL: LazyLock<Vec<Difference>> = LazyLock::new(|| {
    let subjects: Vec<Subject> = yaml_serde::from_str(LIST).expect("the list is YAML");
    let differences = subjects.into_iter().flat_map(|subject| subject.differences);
    // Rejections are reported as such, and what depends on the pod cannot be determined from its annotations.
    differences
        .filter(|it| it.what.is_some() && it.path != "outcome" && it.pods.is_empty())
        .collect()
});

/// The differences that one of these annotations decides, each with the first annotation that does.
pub(crate) fn of(
    annotations: &Map<String, Value>,
    prefix: &str,
) -> Vec<(String, &'static Difference)> {
    let met = |difference: &'static Difference| {
        let mut conditions = difference.conditions.iter();
        let condition = conditions.find(|condition| {
            let mut parts = condition.split(" and ");
            parts.all(|part| is_met(part, annotations, prefix))
        })?;
        let name = condition.split(['=', ' ']).next().unwrap_or_default();
        let mut names = annotations.keys();
        let full = names.find(|full| is_called(full, name, prefix))?;
        Some((full.clone(), difference))
    };
    ALL.iter().filter_map(met).collect()
}

impl Difference {
    /// In a sentence.
    pub(crate) fn message(&self) -> String {
        let what = self.what.as_deref().unwrap_or_default();
        format!("{what}: differs from the Agent Injector; {}", self.reason)
    }
}

fn is_met(condition: &str, annotations: &Map<String, Value>, prefix: &str) -> bool {
    let (name, value) = match condition.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (condition, None),
    };
    let mut annotations = annotations.iter();
    annotations.any(|(full, given)| {
        let given = given.as_str().unwrap_or_default();
        is_called(full, name, prefix) && value.is_none_or(|value| matches(value, given))
    })
}

fn is_called(full: &str, name: &str, prefix: &str) -> bool {
    let short = full
        .strip_prefix(prefix)
        .and_then(|it| it.strip_prefix('/'));
    short.is_some_and(|short| matches(name, short))
}

/// Whether a text is of a pattern, in which `*` stands for any text, and `!` at the start for any other text than the rest.
fn matches(pattern: &str, text: &str) -> bool {
    if let Some(other) = pattern.strip_prefix('!') {
        return !matches(other, text);
    }
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_annotation_decides_is_found() {
        let found = |name: &str, value: &str| {
            let annotations = json!({format!("vault.hashicorp.com/{name}"): value});
            let annotations = annotations.as_object().unwrap().clone();
            let found = of(&annotations, "vault.hashicorp.com");
            let found = found
                .into_iter()
                .map(|(name, it)| format!("{name}: {}", it.message()));
            found.collect::<Vec<_>>().join("\n")
        };
        assert!(found("auth-type", "jwt").contains(
            "vault.hashicorp.com/auth-type: `path` of the token: differs from the Agent Injector"
        ));
        assert!(found("auth-type", "aws").contains("`token_path`: differs"));
        assert_eq!(found("auth-type", "kubernetes"), "");
        assert!(found("agent-inject-command-db", "x").contains("does not end the agent"));
        assert_eq!(found("agent-inject-secret-db", "secret/db"), "");
    }

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, is_of) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*-b*c", "a-bxc", true),
            ("*x", "a", false),
        ] {
            assert_eq!(matches(pattern, text), is_of, "{pattern} {text}");
        }
    }
}
