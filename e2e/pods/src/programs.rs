//! The programs that the runs need, found on PATH.

use std::env;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Where each program is.
#[derive(Debug)]
pub struct Programs {
    /// The container runtime.
    pub runc: PathBuf,
    /// Vault or OpenBao: the server, and the agent in the pods.
    pub vault: PathBuf,
    /// Consul Template.
    pub consul_template: PathBuf,
    /// kubectl, for the job babysitter.
    pub kubectl: PathBuf,
    /// A static busybox, which is most of every image.
    pub busybox: PathBuf,
}

/// Names of a program, of which one is enough, and how to get it.
type Need = (&'static [&'static str], &'static str);

const RUNC: Need = (&["runc"], "apt-get install runc");
const VAULT: Need = (
    &["vault", "bao"],
    "https://developer.hashicorp.com/vault/install or https://openbao.org/docs/install",
);
const CONSUL_TEMPLATE: Need = (
    &["consul-template"],
    "go install github.com/hashicorp/consul-template@v0.42.1",
);
const KUBECTL: Need = (&["kubectl"], "https://kubernetes.io/docs/tasks/tools");
const BUSYBOX: Need = (
    &["busybox"],
    "apt-get install busybox-static (it has to be a static one)",
);

impl Programs {
    /// Looks for all programs.
    ///
    /// # Errors
    ///
    /// Names every program that is missing, and how to get it. Containers can be run by root only.
    pub fn find() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("containers and their volumes are made here by root only; try sudo");
        }
        let mut missing = String::new();
        let mut find = |(names, hint): Need| {
            let found = names.iter().find_map(|name| on_path(name));
            if found.is_none() {
                let names = names.join(" or ");
                writeln!(missing, "  {names}: {hint}").expect("a string can be written to");
            }
            found.unwrap_or_default()
        };
        let programs = Self {
            runc: find(RUNC),
            vault: find(VAULT),
            consul_template: find(CONSUL_TEMPLATE),
            kubectl: find(KUBECTL),
            busybox: find(BUSYBOX),
        };
        if !missing.is_empty() {
            bail!("these programs are not on PATH:\n{missing}");
        }
        if !libraries(&programs.busybox)?.is_empty() {
            bail!(
                "{} is not static: {}",
                programs.busybox.display(),
                BUSYBOX.1
            );
        }
        Ok(programs)
    }

    /// What each program says of its version, for the record of a run.
    pub fn versions(&self) -> Vec<String> {
        [
            (&self.vault, &["version"][..]),
            (&self.consul_template, &["-version"]),
            (&self.kubectl, &["version", "--client"]),
            (&self.busybox, &["--help"]),
            (&self.runc, &["--version"]),
        ]
        .map(|(program, arguments)| {
            let output = Command::new(program).args(arguments).output();
            let Ok(output) = output else {
                return format!("{}: cannot be run", program.display());
            };
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            text.lines().next().unwrap_or_default().to_owned()
        })
        .into()
    }
}

/// The first executable file of that name in the directories of PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let directories = env::var_os("PATH")?;
    env::split_paths(&directories)
        .map(|directory| directory.join(name))
        .find(|path| {
            path.metadata().is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

/// The shared libraries that a program is started with, the loader among them; none if it is static.
///
/// # Errors
///
/// If `ldd` cannot be run, or does not find one of them.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("ldd tells which libraries a program needs")?;
    if !output.status.success() {
        return Ok(Vec::new());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains('/') || line.contains("not found"))
        .map(|line| {
            let path = line.split_whitespace().find(|word| word.starts_with('/'));
            path.map(PathBuf::from)
                .with_context(|| format!("{}: {}", program.display(), line.trim()))
        })
        .collect()
}
