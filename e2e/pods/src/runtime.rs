//! The container runtime: runc, with one bundle for each run of a container.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

/// How often something that no one announces is looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// runc, and the directory in which it keeps its state.
#[derive(Debug)]
pub struct Runtime {
    pub program: PathBuf,
    pub state: PathBuf,
}

/// What a container is made of.
#[derive(Debug)]
pub struct Bundle<'b> {
    /// The image, which stays as it is.
    pub image: &'b Path,
    pub hostname: &'b str,
    pub arguments: Vec<String>,
    /// `NAME=VALUE`
    pub environment: Vec<String>,
    pub working_directory: String,
    pub user: u32,
    pub group: u32,
    pub additional_groups: Vec<u32>,
    /// By their names with `CAP_`.
    pub capabilities: Vec<String>,
    pub no_new_privileges: bool,
    pub read_only_root: bool,
    pub mounts: Vec<Mount>,
    /// In bytes.
    pub memory_limit: Option<i64>,
    /// In thousandths of a CPU.
    pub cpu_limit: Option<i64>,
    /// A process whose process namespace is shared; none: one of the container's own.
    pub process_namespace_of: Option<u32>,
}

/// A directory or file of this machine in a container.
#[derive(Debug)]
pub struct Mount {
    pub source: PathBuf,
    pub target: String,
    pub read_only: bool,
}

/// What became of a command in a container.
#[derive(Debug)]
pub struct Executed {
    /// None if it was cut off.
    pub status: Option<i32>,
    /// Standard output and standard error.
    pub output: Vec<u8>,
}

impl Executed {
    /// Whether it ended with status 0.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }
}

impl Runtime {
    /// Starts a container from `bundle`, with its files in `directory`, and returns when it runs or has
    /// ended. Its output goes to `log`. The process ends when the container does, with its status.
    ///
    /// # Errors
    ///
    /// If it could not be started, with what runc says of that.
    pub fn start(
        &self,
        id: &str,
        bundle: &Bundle<'_>,
        directory: &Path,
        log: &Path,
    ) -> Result<Child> {
        let root = directory.join("rootfs");
        let layers = directory.join("layers");
        let (upper, work) = (layers.join("upper"), layers.join("work"));
        for part in [&root, &layers] {
            fs::create_dir_all(part)?;
        }
        tmpfs(&layers, "mode=0755")?;
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            bundle.image.display(),
            upper.display(),
            work.display()
        );
        mount_at("overlay", &root, "overlay", &options)?;
        let config = serde_json::to_vec(&config(id, bundle))?;
        fs::write(directory.join("config.json"), config)?;

        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(&self.program)
            .arg("--root")
            .arg(&self.state)
            .arg("--log")
            .arg(directory.join("runc.log"))
            .args(["run", "--bundle"])
            .arg(directory)
            .arg(id)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        loop {
            let ended = child.try_wait()?;
            let complaint = fs::read_to_string(directory.join("runc.log")).unwrap_or_default();
            match ended {
                Some(status) if !status.success() && complaint.contains("level=error") => {
                    bail!("runc: {}", complaint.trim())
                }
                Some(_) => return Ok(child),
                None if self.is_running(id) => return Ok(child),
                None => thread::sleep(POLL / 2),
            }
        }
    }

    /// Removes what [`start`](Self::start) has mounted; the files stay.
    pub fn clean_up(&self, directory: &Path) {
        for part in ["rootfs", "layers"] {
            let _ = unmount(directory.join(part), UnmountFlags::DETACH);
        }
    }

    /// The process id of a container's first process.
    pub fn process_of(&self, id: &str) -> Option<u32> {
        self.describe(id)?["pid"]
            .as_u64()
            .and_then(|pid| pid.try_into().ok())
    }

    fn is_running(&self, id: &str) -> bool {
        self.describe(id)
            .is_some_and(|state| state["status"] == "running")
    }

    fn describe(&self, id: &str) -> Option<Value> {
        let output = self.command().args(["state", id]).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Sends a signal to a container's first process; KILL goes to all of them.
    pub fn signal(&self, id: &str, signal: &str) {
        let mut command = self.command();
        command.arg("kill");
        if signal == "KILL" {
            command.arg("--all");
        }
        // One that has just ended cannot be told, and need not be.
        let _ = command.args([id, signal]).output();
    }

    /// Runs a command in a container, as its user and in its environment, until it ends or `is_over` says
    /// so: then it is killed.
    ///
    /// # Errors
    ///
    /// If runc cannot be started.
    pub fn execute(
        &self,
        id: &str,
        command: &[String],
        mut is_over: impl FnMut() -> bool,
    ) -> Result<Executed> {
        let mut output = tempfile::tempfile()?;
        let pid_file = tempfile::NamedTempFile::new()?;
        let mut child = self
            .command()
            .args(["exec", "--pid-file"])
            .arg(pid_file.path())
            .arg(id)
            .args(command)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()?;
        let mut pause = Duration::from_millis(5);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status.code();
            }
            if is_over() {
                // runc ends with what it has started, and has to live until then: what it leaves as a zombie
                // keeps the container from ending.
                if !kill_from(pid_file.path()) {
                    child.kill()?;
                }
                child.wait()?;
                break None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(POLL);
        };
        let mut text = Vec::new();
        output.rewind()?;
        output.read_to_end(&mut text)?;
        Ok(Executed {
            status,
            output: text,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.state);
        command
    }
}

/// Kills what runs in a container by `runc exec`, which makes it the leader of a process group. Returns false
/// where nothing runs yet.
fn kill_from(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).ok();
    let pid = pid.and_then(|pid| Pid::from_raw(pid.trim().parse().ok()?));
    pid.is_some_and(|pid| kill_process_group(pid, Signal::KILL).is_ok())
}

/// Whether a time has passed, for [`Runtime::execute`].
pub fn after(time: Duration) -> impl FnMut() -> bool {
    let begin = Instant::now();
    move || begin.elapsed() >= time
}

/// Mounts an empty file system in memory at a directory.
///
/// # Errors
///
/// If the kernel rejects it.
pub fn tmpfs(directory: &Path, options: &str) -> Result<()> {
    mount_at("tmpfs", directory, "tmpfs", options)
}

fn mount_at(source: &str, target: &Path, kind: &str, options: &str) -> Result<()> {
    let options = std::ffi::CString::new(options)?;
    mount(source, target, kind, MountFlags::empty(), Some(&*options))
        .map_err(io::Error::from)
        .with_context(|| format!("mounting {kind} at {}", target.display()))
}

/// The bundle in the words of the OCI runtime specification.
fn config(id: &str, bundle: &Bundle<'_>) -> Value {
    let system = [
        ("/proc", "proc", "proc", json!(["nosuid", "noexec", "nodev"])),
        (
            "/dev",
            "tmpfs",
            "tmpfs",
            json!(["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ),
        (
            "/dev/pts",
            "devpts",
            "devpts",
            json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        ),
        (
            "/dev/shm",
            "tmpfs",
            "shm",
            json!(["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        ),
        (
            "/sys",
            "none",
            "/sys",
            json!(["rbind", "nosuid", "noexec", "nodev", "ro"]),
        ),
    ]
    .map(|(target, kind, source, options)| {
        json!({"destination": target, "type": kind, "source": source, "options": options})
    });
    let own = bundle.mounts.iter().map(|mount| {
        json!({
            "destination": mount.target,
            "type": "none",
            "source": mount.source,
            "options": ["rbind", "rprivate", if mount.read_only { "ro" } else { "rw" }],
        })
    });
    let mounts: Vec<Value> = system.into_iter().chain(own).collect();
    let process_namespace = match bundle.process_namespace_of {
        Some(pid) => json!({"type": "pid", "path": format!("/proc/{pid}/ns/pid")}),
        None => json!({"type": "pid"}),
    };
    let capabilities = &bundle.capabilities;
    json!({
        "ociVersion": "1.0.2",
        "hostname": bundle.hostname,
        "root": {"path": "rootfs", "readonly": bundle.read_only_root},
        "mounts": mounts,
        "process": {
            "args": bundle.arguments,
            "env": bundle.environment,
            "cwd": bundle.working_directory,
            "user": {
                "uid": bundle.user,
                "gid": bundle.group,
                "additionalGids": bundle.additional_groups,
            },
            "capabilities": {
                "bounding": capabilities,
                // A user other than root has what the program's file gives it, which here is nothing.
                "effective": if bundle.user == 0 { capabilities.as_slice() } else { &[] },
                "permitted": if bundle.user == 0 { capabilities.as_slice() } else { &[] },
            },
            "noNewPrivileges": bundle.no_new_privileges,
        },
        "linux": {
            "cgroupsPath": format!("/pod-runner/{id}"),
            "resources": {
                "memory": bundle.memory_limit.map(|limit| json!({"limit": limit})),
                "cpu": bundle
                    .cpu_limit
                    .map(|limit| json!({"quota": limit * 100, "period": 100_000})),
            },
            // No namespace for the network: the pods reach Vault and the API server at 127.0.0.1.
            "namespaces": [
                process_namespace,
                {"type": "ipc"},
                {"type": "uts"},
                {"type": "mount"},
            ],
        },
    })
}
