//! Where two answers differ for the pod.

use serde_json::Value;

use crate::{answer::Answer, meaning::meaning, tree::text};

/// The path of what becomes of the pod as a whole.
pub const OUTCOME: &str = "outcome";

/// A place in two answers, and what is there. What is nowhere is `absent`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Where: members with dots between them, those with a dot or a slash in their names in brackets.
    pub path: String,
    /// What the Agent Injector has there.
    pub theirs: String,
    /// What the policy has there.
    pub ours: String,
}

/// All differences between the answers to one question. Why a pod is refused does not matter.
pub fn differences(theirs: &Answer, ours: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    match (theirs, ours) {
        (Answer::Injected(theirs), Answer::Injected(ours)) => {
            let (theirs, ours) = (meaning(theirs.clone()), meaning(ours.clone()));
            compare("", Some(&theirs), Some(&ours), &mut found);
        }
        (Answer::Refused(_), Answer::Refused(_)) | (Answer::Unchanged, Answer::Unchanged) => {}
        (theirs, ours) => found.push(Difference {
            path: OUTCOME.to_owned(),
            theirs: outcome(theirs),
            ours: outcome(ours),
        }),
    }
    found
}

fn outcome(answer: &Answer) -> String {
    match answer {
        Answer::Refused(message) => format!("refused: {message}"),
        Answer::Unchanged => "left alone".to_owned(),
        Answer::Injected(_) => "injected".to_owned(),
    }
}

fn compare(path: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        (theirs, ours) if theirs == ours => {}
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let mut keys: Vec<_> = theirs.keys().chain(ours.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(&below(path, key), theirs.get(key), ours.get(key), found);
            }
        }
        (theirs, ours) => found.push(Difference {
            path: path.to_owned(),
            theirs: shown(theirs),
            ours: shown(ours),
        }),
    }
}

fn below(path: &str, key: &str) -> String {
    match (path, key.contains(['.', '/'])) {
        (path, true) => format!("{path}[{key}]"),
        ("", false) => key.to_owned(),
        (path, false) => format!("{path}.{key}"),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_says_where_it_is() {
        let theirs = Answer::Injected(json!({"a": {"/b.c": {"d": 1}}, "e": {"f": "g"}, "h": 1}));
        let ours = Answer::Injected(json!({"a": {"/b.c": {"d": 2}}, "i": {"j": []}, "h": 1}));
        let found = differences(&theirs, &ours);
        let found: Vec<_> = found
            .iter()
            .map(|it| format!("{}: {} / {}", it.path, it.theirs, it.ours))
            .collect();
        assert_eq!(
            found,
            [
                "a[/b.c].d: 1 / 2",
                r#"e: {"f":"g"} / absent"#,
                r#"i: absent / {"j":[]}"#,
            ]
        );
    }

    #[test]
    fn other_outcomes_are_one_difference() {
        let refused = Answer::Refused("no".to_owned());
        let injected = Answer::Injected(json!({"a": 1}));
        let found = differences(&refused, &injected);
        assert_eq!(
            found,
            [Difference {
                path: "outcome".to_owned(),
                theirs: "refused: no".to_owned(),
                ours: "injected".to_owned(),
            }]
        );
        assert_eq!(
            differences(&refused, &Answer::Refused("another".to_owned())),
            []
        );
        assert_eq!(differences(&Answer::Unchanged, &Answer::Unchanged), []);
        assert_eq!(differences(&Answer::Unchanged, &injected).len(), 1);
    }
}
