//! The cluster of `make cluster-up`, whose programs can be paused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cluster::Cluster;

/// Where the node of `make cluster-up` has its API server.
const ADDRESS: &str = "https://10.200.0.2:6443/";

/// The cluster of `make cluster-up`.
pub struct LocalCluster {
    folder: PathBuf,
}

/// What images are made of, and what the cluster runs, except what nodes report.
const PROGRAMS: [&str; 5] = ["runc", "etcd", "coredns", "consul-template", "busybox"];

impl LocalCluster {
    /// The cluster of the repository at `root`, if it is the one that `cluster` is connected to.
    pub fn find(root: &Path, cluster: &Cluster) -> Option<Self> {
        let folder = root.join("target/cluster");
        (cluster.address == ADDRESS && folder.is_dir()).then_some(Self { folder })
    }

    /// The versions of the programs that the cluster and its images were made of.
    pub fn versions(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.folder.join("versions.json")).unwrap_or_default();
        let versions: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
        let ours = versions
            .into_iter()
            .filter(|(name, _)| PROGRAMS.contains(&name.as_str()));
        ours.collect()
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

    /// Pauses a program for a while, in which nobody may wait for it.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause_for(&self, program: &str, time: Duration) -> Result<()> {
        self.pause(program)?;
        thread::sleep(time);
        self.resume(program)
    }

    fn signal(&self, program: &str, signal: &str) -> Result<()> {
        let pid = fs::read_to_string(self.folder.join("state/pids").join(program));
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
