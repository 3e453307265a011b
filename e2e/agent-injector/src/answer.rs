//! What becomes of a pod that is submitted.

use serde_json::Value;

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
