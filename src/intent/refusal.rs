//! Why what a pod asks for is refused, in the words of the person who must fix the manifest.

use std::fmt;

/// What is wrong with an annotation or label. Values are told only where they are names from a closed set.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Not of the form that it needs.
    Unusable {
        annotation: String,
        allowed: &'static str,
    },
    NotAPort {
        annotation: String,
    },
    EnvironmentOfDynamic {
        annotation: String,
        remedy: String,
    },
    ApproleOfStatic {
        annotation: String,
        remedy: String,
    },
    NotBoolean {
        annotation: String,
    },
    NotAllowed {
        annotation: String,
        value: String,
        allowed: Vec<&'static str>,
    },
    Empty {
        annotation: String,
    },
    EmptyItem {
        annotation: String,
        position: usize,
    },
    ControlCharacter {
        annotation: String,
    },
    ControlCharacterInCommand {
        annotation: String,
    },
    /// Two lists of which each item needs its counterpart in the other.
    CountMismatch {
        annotation: String,
        count: usize,
        /// The other annotation, with its verb.
        other: String,
        other_count: String,
        remedy: &'static str,
    },
    TooMany {
        annotation: String,
        count: usize,
        limit: usize,
    },
    Destination {
        annotation: String,
        position: usize,
        problem: &'static str,
    },
    MissingLabel {
        label: String,
        annotation: String,
    },
    ControlCharacterInLabel {
        label: String,
    },
    HookInJob {
        annotation: String,
    },
}

/// Whether a value that is not in a closed set looks like a slip of one that is, and not like a credential
/// in the wrong place: only then is it repeated.
fn is_a_word(value: &str) -> bool {
    value.len() <= 20
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unusable {
                annotation,
                allowed,
            } => write!(formatter, "annotation {annotation} must be {allowed}"),
            Refusal::NotAPort { annotation } => write!(
                formatter,
                "annotation {annotation} must be a port from 1 to 65535"
            ),
            Refusal::EnvironmentOfDynamic { annotation, remedy } => write!(
                formatter,
                "annotation {annotation}: env is for static secrets only, for the environment of a process cannot change; add annotation {remedy}: static"
            ),
            Refusal::ApproleOfStatic { annotation, remedy } => write!(
                formatter,
                "annotation {annotation}: approle cannot fetch static secrets with ids from an init container of the pod, which runs later; name a Secret with the ids in annotation {remedy}"
            ),
            Refusal::NotBoolean { annotation } => write!(
                formatter,
                "annotation {annotation} is no boolean: allowed are true, yes, on, y and false, no, off, n"
            ),
            Refusal::NotAllowed {
                annotation,
                value,
                allowed,
            } => {
                let allowed = allowed.join(", ");
                if is_a_word(value) {
                    write!(
                        formatter,
                        "annotation {annotation}: {value:?} is not allowed; "
                    )?;
                } else {
                    write!(
                        formatter,
                        "annotation {annotation}: the value is not allowed; "
                    )?;
                }
                write!(formatter, "allowed: {allowed}")
            }
            Refusal::Empty { annotation } => write!(
                formatter,
                "annotation {annotation} is empty; give it a value or remove it"
            ),
            Refusal::EmptyItem {
                annotation,
                position,
            } => write!(
                formatter,
                "annotation {annotation}: item {position} of the list is empty"
            ),
            Refusal::ControlCharacter { annotation } => write!(
                formatter,
                "annotation {annotation} holds a line break or another control character, which it may not"
            ),
            Refusal::ControlCharacterInCommand { annotation } => write!(
                formatter,
                "annotation {annotation} holds a control character other than a line break or a tab, which it may not"
            ),
            Refusal::CountMismatch {
                annotation,
                count,
                other,
                other_count,
                remedy,
            } => write!(
                formatter,
                "annotation {annotation} has {count} items and annotation {other} {other_count}; {remedy}"
            ),
            Refusal::TooMany {
                annotation,
                count,
                limit,
            } => write!(
                formatter,
                "annotation {annotation} has {count} items, and at most {limit} are possible"
            ),
            Refusal::Destination {
                annotation,
                position,
                problem,
            } => write!(
                formatter,
                "annotation {annotation}: item {position} {problem}"
            ),
            Refusal::MissingLabel { label, annotation } => write!(
                formatter,
                "label {label} is missing or empty, and without annotation {annotation} its default is taken from it"
            ),
            Refusal::ControlCharacterInLabel { label } => write!(
                formatter,
                "label {label} holds a line break or another control character, which it may not"
            ),
            Refusal::HookInJob { annotation } => write!(
                formatter,
                "annotation {annotation} cannot be used with mode job: the hook would fail the job; let the job wait for its files itself"
            ),
        }
    }
}
