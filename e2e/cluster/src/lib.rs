//! What runs injected pods in a real cluster, whichever one `KUBECONFIG` names.

pub mod admission;
pub mod certificates;
pub mod cluster;
pub mod exec;
pub mod local;
pub mod pod;
pub mod report;
mod retry;
pub mod vault;
pub mod wait;
