//! What the policy makes of the annotations of HashiCorp's Agent Injector, checked against what the Agent Injector itself
//! makes of them.
//!
//! ```text
//! cases ─┬─ injector or record (theirs) ─────┬─ tree ─ meaning ─ difference ─ listed? ─ report
//!        └─ module (ours) ──────────────────┘
//! ```
//!
//! Each pod of [`cases`] is given to both. A [`tree`] is the answer as objects only, in which everything has a name, and a
//! [`meaning`] is the tree in the words of neither: so that what differs between two meanings differs for the pod. What may
//! differ is [`listed`], with its reason, and the list is part of the documentation. `README.md` says how to run it.

pub mod answer;
pub mod asker;
pub mod cases;
pub mod combinations;
pub mod config;
pub mod difference;
pub mod document;
pub mod files;
pub mod injector;
pub mod listed;
pub mod meaning;
pub mod messages;
pub mod module;
pub mod patch;
pub mod pattern;
pub mod quantity;
pub mod record;
pub mod report;
pub mod runs;
pub mod tree;
