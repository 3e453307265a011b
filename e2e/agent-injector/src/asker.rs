//! The program of `asker/`, which has the Agent Injector's handler, built where Go can have the Agent Injector's module.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::files;

/// A module that has not come by then is not waited for.
const DOWNLOAD: Duration = Duration::from_secs(20);
/// A build without a cache takes some two minutes.
const BUILD: Duration = Duration::from_secs(600);

/// Builds the program in a folder.
///
/// # Errors
///
/// Why there is none, in a line.
pub fn build(folder: &Path) -> Result<PathBuf, String> {
    let folder = folder.join("asker");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Go completes go.mod.
    for file in ["go.mod", "main.go"] {
        let source = files::own("asker").join(file);
        fs::copy(source, folder.join(file)).map_err(|error| error.to_string())?;
    }
    let module = "github.com/hashicorp/vault-k8s";
    go(&["mod", "download", module], &folder, DOWNLOAD)
        .map_err(|error| format!("Go cannot have module {module}: {error}"))?;
    go(&["build", "-o", "asker", "."], &folder, BUILD)
        .map_err(|error| format!("Go cannot build asker: {error}"))?;
    Ok(folder.join("asker"))
}

fn go(arguments: &[&str], folder: &Path, limit: Duration) -> Result<(), String> {
    let path = folder.join("go.log");
    let log = File::create(&path).map_err(|error| error.to_string())?;
    let mut child = Command::new("go")
        .args(arguments)
        .current_dir(folder)
        .envs([
            ("GOFLAGS", "-mod=mod -buildvcs=false -trimpath"),
            ("GOTOOLCHAIN", "local"),
            ("GOVCS", "*:off"),
            ("GOWORK", "off"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("go: {error}"))?;
    let begun = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{status}, see {}", path.display())),
            None if begun.elapsed() < limit => sleep(Duration::from_millis(50)),
            None => {
                // It may have ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not within {} s", limit.as_secs()));
            }
        }
    }
}
