//! What the scenarios share: the cluster, and words to say what happens in it.

pub mod figures;
pub mod running;
pub mod scenario;

use std::sync::OnceLock;

use pod_runner::cluster::Cluster;

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The cluster of this run.
pub fn cluster() -> &'static Cluster {
    CLUSTER.get().expect("main has started the cluster")
}

/// Sets the cluster, once.
pub fn set_cluster(cluster: Cluster) {
    assert!(CLUSTER.set(cluster).is_ok(), "there is one cluster");
}

/// Prints a line of the report.
pub fn say(line: &str) {
    println!("# {line}");
}
