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

/// The programs whose versions the report lists; nodes report the others.
const PROGRAMS: [&str; 5] = ["runc", "etcd", "coredns", "consul-template", "busybox"];

impl LocalCluster {
    /// The cluster of the repository at `root`, if it is the one that `cluster` is connected to.
    pub fn find(root: &Path, cluster: &Cluster) -> Option<Self> {
        let folder = root.join("target/cluster");
        let is_up = folder.join("state/pids").is_dir();
        (cluster.address == ADDRESS && is_up).then_some(Self { folder })
    }

    /// Lets all programs of the repository's cluster go on, which a run that was interrupted may have paused.
    pub fn resume_all(root: &Path) {
        let local = Self {
            folder: root.join("target/cluster"),
        };
        let programs = fs::read_dir(local.folder.join("state/pids"));
        for program in programs.into_iter().flatten().flatten() {
            // One that has ended is of no interest here.
            let _ = local.resume(&program.file_name().to_string_lossy());
        }
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
        // Process numbers are used again.
        let command = fs::read(format!("/proc/{}/cmdline", pid.trim()))?;
        let name = command.split(|&byte| byte == 0).next().unwrap_or_default();
        if !String::from_utf8_lossy(name).ends_with(program) {
            bail!("{program} does not run any more");
        }
        let sent = Command::new("kill")
            .args(["-s", signal, pid.trim()])
            .status()?;
        if !sent.success() {
            bail!("{program} does not run");
        }
        Ok(())
    }
}
