//! What becomes of a pod that is submitted.

use std::fmt;

use serde_json::Value;

/// Where the Agent Injector's answers are from.
#[derive(Clone, Copy, Debug, Default)]
pub enum Source {
    /// A file of the repository.
    #[default]
    Recorded,
    /// The Agent Injector's handler, just now.
    Live,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Recorded => "recorded",
            Self::Live => "live",
        })
    }
}

/// An answer, with the injected pod as a [tree](crate::tree).
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The pod is not created, and why.
    Refused(String),
    /// The pod is created as it was submitted.
    Unchanged,
    /// The pod is created with what was added.
    Injected(Value),
}
