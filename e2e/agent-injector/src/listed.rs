//! The list of what may differ, and why: `differences.yaml`.

use serde::Deserialize;

use crate::{
    cases::{Case, PREFIX},
    difference::{Difference, OUTCOME},
    files::{Problem, own, read_yaml},
    pattern::matches,
};

/// Differences of one subject.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The subject, as a heading.
    pub subject: String,
    /// What may differ.
    pub differences: Vec<Entry>,
}

/// What may differ. All texts but `what` and `reason` are [patterns](crate::pattern).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The place in words.
    #[serde(default)]
    pub what: String,
    /// The place, or several.
    #[serde(default)]
    path: Paths,
    /// In place of it: the annotations for which the policy rejects a pod that the Agent Injector injects, with their values
    /// or without.
    #[serde(default)]
    pub refused: Vec<String>,
    /// What the Agent Injector has there; anything if nothing is said.
    pub theirs: Option<String>,
    /// What the policy has there.
    pub ours: Option<String>,
    /// Annotations of which the pod has one, with this value if one is said. What has ` and ` in it must hold as a whole.
    #[serde(default, rename = "where")]
    pub conditions: Vec<String>,
    /// The names in `cases/pods.yaml` of which the pod has one.
    #[serde(default)]
    pub pods: Vec<String>,
    /// Why it differs, for who migrates.
    pub reason: String,
}

/// Patterns of paths.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Paths {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

impl Paths {
    fn all(&self) -> &[String] {
        match self {
            Paths::None => &[],
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Several(paths) => paths,
        }
    }
}

impl Entry {
    /// By which of its [alternatives](Self::alternatives) it allows a difference in a case: none if it does not.
    pub fn allowing(&self, difference: &Difference, case: &Case) -> Vec<usize> {
        let is = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|it| matches(it, text))
        };
        let is_pod = self.pods.is_empty() || self.pods.contains(&case.pod_name);
        if !is_pod || !is(&self.theirs, &difference.theirs) || !is(&self.ours, &difference.ours) {
            return Vec::new();
        }
        if !self.refused.is_empty() {
            return those(&self.refused, |condition| {
                is_refused_for(condition, difference, case)
            });
        }
        let mut alternatives = those(self.path.all(), |path| matches(path, &difference.path));
        let conditions = those(&self.conditions, |condition| {
            condition.split(" and ").all(|it| holds(it, case))
        });
        if alternatives.is_empty() || (conditions.is_empty() && !self.conditions.is_empty()) {
            return Vec::new();
        }
        let paths = self.path.all().len();
        alternatives.extend(conditions.iter().map(|index| paths + index));
        alternatives
    }

    /// What must be needed in it: each annotation, path and condition.
    pub fn alternatives(&self) -> Vec<String> {
        let all = [&self.refused, self.path.all(), &self.conditions];
        let all = all.into_iter().flatten();
        all.map(|it| format!("{}: {it}", self.name())).collect()
    }

    fn name(&self) -> &str {
        match self.refused.is_empty() {
            true => &self.what,
            false => "refused",
        }
    }
}

fn those(conditions: &[String], hold: impl Fn(&str) -> bool) -> Vec<usize> {
    let those = conditions.iter().enumerate().filter(|(_, it)| hold(it));
    those.map(|(index, _)| index).collect()
}

/// The annotation of a condition, and its value if one is said.
pub fn condition(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    }
}

fn holds(text: &str, case: &Case) -> bool {
    let (name, value) = condition(text);
    let mut given = case.annotations.iter();
    given.any(|(key, given)| matches(name, key) && value.is_none_or(|it| matches(it, given)))
}

fn is_refused_for(text: &str, difference: &Difference, case: &Case) -> bool {
    let (name, _) = condition(text);
    let message = format!("refused: annotation {PREFIX}/{name}: *");
    difference.path == OUTCOME
        && difference.theirs == "injected"
        && matches(&message, &difference.ours)
        && holds(text, case)
}

/// The list.
///
/// # Errors
///
/// Those of [`read_yaml`].
pub fn listed() -> Result<Vec<Subject>, Problem> {
    read_yaml(&own("differences.yaml"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case() -> Case {
        let annotations = [("agent-inject-secret-db", "kv/db"), ("role", "shop")];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Case {
            name: String::new(),
            annotations: annotations.into(),
            pod_name: "one".to_owned(),
            namespace: "shop".to_owned(),
            pod: json!({}),
        }
    }

    fn allowing(entry: &str, path: &str, theirs: &str, ours: &str) -> Vec<usize> {
        let entry: Entry = yaml_serde::from_str(&format!("{entry}\nreason: a")).unwrap();
        let difference = Difference {
            path: path.to_owned(),
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
        };
        entry.allowing(&difference, &case())
    }

    #[test]
    fn all_that_an_entry_says_has_to_hold() {
        let allowing = |entry| {
            allowing(
                entry,
                "volumes.vault-secrets.emptyDir.sizeLimit",
                "absent",
                "16Mi",
            )
        };
        for entry in [
            "path: '*.sizeLimit'",
            "path: '*'\ntheirs: absent\nours: '*Mi'",
            "path: '*'\nwhere: [agent-inject-secret-*=kv/*]\npods: [several, one]",
            "path: '*'\nwhere: [role=shop and agent-inject-secret-db]",
        ] {
            assert_eq!(allowing(entry).first(), Some(&0), "{entry}");
        }
        let entry = "path: [a, '*', '*.sizeLimit']\nwhere: [a, role, role=a, role=shop]";
        assert_eq!(allowing(entry), [1, 2, 4, 6]);
        for entry in [
            "path: volumes.*.medium",
            "path: '*'\ntheirs: 16Mi",
            "path: '*'\nours: absent",
            "path: '*'\nwhere: [agent-inject-secret-*=secret/*]",
            "path: '*'\nwhere: [role=shop and namespace]",
            "path: '*'\npods: [several]",
            "refused: [role]",
        ] {
            assert_eq!(allowing(entry), [0; 0], "{entry}");
        }
    }

    #[test]
    fn a_rejection_is_for_an_annotation() {
        let refused = "refused: annotation vault.hashicorp.com/role: not valid";
        let entry = "refused: [namespace, role, role=a, role=shop]";
        assert_eq!(allowing(entry, "outcome", "injected", refused), [1, 3]);
        assert_eq!(allowing(entry, "outcome", "left alone", refused), [0; 0]);
        let other = "refused: annotation vault.hashicorp.com/role-b: not valid";
        assert_eq!(allowing(entry, "outcome", "injected", other), [0; 0]);
    }
}
