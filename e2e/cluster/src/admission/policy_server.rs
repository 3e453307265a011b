//! Kubewarden's policy-server, as a process of this machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LOCAL_REGISTRY, WebhookOptions, WebhookProcess};
use crate::wait;

/// How long it may take to compile the module.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The process, which ends when this is dropped.
pub(super) struct PolicyServer {
    process: Child,
    directory: TempDir,
}

/// The program's version; none if it is not on PATH.
pub(super) fn version() -> Option<String> {
    let output = Command::new("policy-server")
        .arg("--version")
        .output()
        .ok()?;
    // The other lines are those of what is built in.
    let version = String::from_utf8_lossy(&output.stdout);
    Some(version.lines().next()?.to_owned())
}

impl PolicyServer {
    /// Starts it, and waits until it answers.
    pub(super) fn start(module: &Path, options: &WebhookOptions) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = |name: &str| directory.path().join(name);
        fs::write(file("tls.crt"), &options.identity.certificate)?;
        fs::write(file("tls.key"), &options.identity.private_key)?;
        let policy = |settings: &Value| {
            json!({
                "module": format!("file://{}", module.display()),
                "allowedToMutate": true,
                "hostCapabilities": ["oci/v1/oci_manifest", "oci/v1/oci_manifest_config"],
                "settings": settings,
            })
        };
        let policies = options.policies.iter();
        let policies: BTreeMap<&str, Value> = policies
            .map(|it| (it.name.as_str(), policy(&it.settings)))
            .collect();
        // JSON is YAML.
        fs::write(file("policies.yml"), json!(policies).to_string())?;
        let sources = json!({"insecure_sources": [LOCAL_REGISTRY]});
        fs::write(file("sources.yml"), sources.to_string())?;
        let log = File::create(file("log"))?;
        let readiness = super::free_port(options.address)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "policy-server"])
            .current_dir(directory.path())
            .args(["--cert-file", "tls.crt", "--key-file", "tls.key"])
            .args(["--sources-path", "sources.yml"])
            .args(["--addr", &options.address.to_string()])
            .args(["--port", &options.port.to_string()])
            .args(["--readiness-probe-port", &readiness.to_string()])
            .args(["--log-no-color", "--ignore-kubernetes-connection-failure"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = spawn_for_good(command).context("starting policy-server")?;
        let mut server = Self { process, directory };
        let address = SocketAddr::new(options.address, options.port);
        wait::until("policy-server answers", START_LIMIT, || {
            if let Some(status) = server.process.try_wait()? {
                bail!("policy-server has ended with {status}");
            }
            Ok(TcpStream::connect(address).is_ok())
        })
        .with_context(|| {
            let log = server.directory.path().join("log");
            fs::read_to_string(log).unwrap_or_default()
        })?;
        Ok(server)
    }
}

/// Spawns a process that ends with this one, however that ends. Linux sends the signal for that when the spawning thread
/// ends, so that thread never ends.
fn spawn_for_good(mut command: Command) -> io::Result<Child> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let spawned = command.spawn();
        drop(command);
        let is_there = spawned.is_ok();
        let _ = sender.send(spawned);
        if is_there {
            loop {
                thread::park();
            }
        }
    });
    receiver.recv().map_err(io::Error::other)?
}

impl WebhookProcess for PolicyServer {
    fn memory(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib / 1024.0)
    }
}

impl Drop for PolicyServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
