//! Why what a pod asks for is refused, in the words of the person who must fix the manifest.

use std::fmt;

use super::template;

/// What is wrong with an annotation or label. Values are told only where they are names from a closed set.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Not of the form that it needs.
    Unusable {
        annotation: String,
        allowed: &'static str,
    },
    TooLong {
        annotation: String,
        bytes: usize,
        limit: usize,
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
    /// An annotation that pods may not use.
    Locked {
        annotation: String,
        /// The annotation that the setting names, which is the same one or does the same.
        locked: &'static str,
    },
    /// A value of none of the patterns of a rule of the administrator's.
    Restricted {
        /// The annotation or label, with that word.
        source: String,
        value: String,
        rule: &'static str,
        /// The patterns, in one text.
        allowed: String,
    },
    /// More to compare with the patterns of a rule than can be in time.
    TooMuchToCompare {
        source: String,
        rule: &'static str,
    },
    /// A path that Vault, or what asks Vault, would read as another one.
    PathNotPlain {
        source: String,
        /// Of the list, from 1.
        position: usize,
        problem: &'static str,
    },
    TemplatesRefused {
        annotation: String,
        rule: &'static str,
    },
    TemplateTooLong {
        annotation: String,
        position: usize,
        bytes: usize,
        limit: usize,
    },
    /// A template that cannot be parsed, or may not be.
    Template {
        annotation: String,
        position: usize,
        problem: template::Problem,
    },
}

/// The longest value that is repeated as a name.
const LONGEST_NAME: usize = 200;

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
            Refusal::TooLong {
                annotation,
                bytes,
                limit,
            } => write!(
                formatter,
                "annotation {annotation} has {bytes} bytes, and at most {limit} are possible"
            ),
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
                "annotation {annotation} is missing, and label {label}, from which its default is taken, is missing or empty"
            ),
            Refusal::ControlCharacterInLabel { label } => write!(
                formatter,
                "label {label} holds a line break or another control character, which it may not"
            ),
            Refusal::HookInJob { annotation } => write!(
                formatter,
                "annotation {annotation} cannot be used with mode job: the hook would fail the job; let the job wait for its files itself"
            ),
            Refusal::Locked { annotation, locked } => {
                write!(
                    formatter,
                    "annotation {annotation} is locked by the setting restrictions.lockedAnnotations"
                )?;
                match annotation.rsplit_once('/') {
                    Some((_, name)) if name == *locked => write!(formatter, "; remove it"),
                    _ => write!(
                        formatter,
                        ", which names {locked}, and has the same effect; remove it"
                    ),
                }
            }
            Refusal::Restricted {
                source,
                value,
                rule,
                allowed,
            } => {
                // A longer one is no name, and may be anything.
                match value.len() <= LONGEST_NAME {
                    true => write!(formatter, "{source}: {value:?}")?,
                    false => write!(formatter, "{source}: the value")?,
                }
                write!(
                    formatter,
                    " is not allowed by the setting {rule}; allowed: "
                )?;
                match allowed.is_empty() {
                    true => write!(formatter, "none"),
                    false => write!(formatter, "{allowed}"),
                }
            }
            Refusal::TooMuchToCompare { source, rule } => write!(
                formatter,
                "{source}: too much to compare with the patterns of the setting {rule}; ask for fewer or shorter values"
            ),
            Refusal::PathNotPlain {
                source,
                position,
                problem,
            } => write!(
                formatter,
                "{source}: item {position} {problem}; expected a plain path such as secret/team/app (for a version, use secrets-template)"
            ),
            Refusal::TemplatesRefused { annotation, rule } => write!(
                formatter,
                "annotation {annotation} is not allowed by the setting {rule}; use secrets-path"
            ),
            Refusal::TemplateTooLong {
                annotation,
                position,
                bytes,
                limit,
            } => write!(
                formatter,
                "annotation {annotation}: template {position} has {bytes} bytes, and at most {limit} are possible"
            ),
            Refusal::Template {
                annotation,
                position,
                problem,
            } => write!(
                formatter,
                "annotation {annotation}: template {position}, line {}: {}",
                problem.line, problem.kind
            ),
        }
    }
}
