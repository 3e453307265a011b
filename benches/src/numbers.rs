//! What was measured, as `docs/performance.json` has it. Times are medians in microseconds.

use serde::{Deserialize, Serialize};

/// Everything of one run.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Numbers {
    /// How often each request was evaluated by each module.
    pub(crate) rounds: usize,
    /// How often each module was compiled.
    pub(crate) compilations: usize,
    pub(crate) policy: Module,
    pub(crate) baseline: Module,
    pub(crate) requests: Vec<RequestNumbers>,
    pub(crate) scaling: Vec<SeriesNumbers>,
}

/// What does not depend on the request.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Module {
    pub(crate) bytes: usize,
    pub(crate) compile: f64,
    pub(crate) instantiate: f64,
}

/// One request, evaluated by both modules.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestNumbers {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    /// The size of the payload, with the settings.
    pub(crate) bytes: usize,
    pub(crate) policy: Evaluation,
    pub(crate) baseline: Evaluation,
}

/// One evaluation in a fresh instance.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Evaluation {
    pub(crate) instantiate: f64,
    pub(crate) validate: f64,
    /// The two together.
    pub(crate) both: f64,
    /// The linear memory at the end, in bytes.
    pub(crate) memory: u64,
}

/// Requests that differ in the amount of one thing.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SeriesNumbers {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) points: Vec<Point>,
}

/// One request of a series, and what `validate` alone costs in both modules.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Point {
    pub(crate) amount: usize,
    pub(crate) bytes: usize,
    pub(crate) policy: f64,
    pub(crate) baseline: f64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Accepted,
    Mutated,
    Rejected,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Mutated => "mutated",
            Self::Rejected => "rejected",
        }
    }
}
