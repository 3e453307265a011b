//! The cluster of `make cluster-up`, whose programs can be paused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cluster::Cluster;

/// Where the node of `make cluster-up` has its API server.
const ADDRESS: &str = "https://10.200.0.2:6443/";

/// The cluster of `make cluster-up`.
pub struct LocalCluster {
    pids: PathBuf,
}

impl LocalCluster {
    /// The cluster of the repository at `root`, if it is the one that `cluster` is connected to.
    pub fn find(root: &Path, cluster: &Cluster) -> Option<Self> {
        let pids = root.join("target/cluster/state/pids");
        (cluster.address == ADDRESS && pids.is_dir()).then_some(Self { pids })
    }

    /// Pauses a program, as `kube-apiserver`: its connections stay open, and nothing is answered.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause(&self, program: &str) -> Result<()> {
        self.signal(program, "STOP")
    }

    /// Lets a program go on.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resume(&self, program: &str) -> Result<()> {
        self.signal(program, "CONT")
    }

    fn signal(&self, program: &str, signal: &str) -> Result<()> {
        let pid = fs::read_to_string(self.pids.join(program));
        let pid = pid.with_context(|| format!("{program} has no process id"))?;
        let sent = Command::new("kill")
            .args(["-s", signal, pid.trim()])
            .status()?;
        if !sent.success() {
            bail!("{program} does not run");
        }
        Ok(())
    }
}
