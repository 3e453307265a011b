//! What the scenarios share: the cluster, what is known of the run, and words to say what happens in it.

pub mod entry;
pub mod policy_server;
pub mod report;
pub mod run;
pub mod running;
pub mod scenario;
pub mod trial;
