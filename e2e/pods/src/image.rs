//! The images of the containers: root file systems made of busybox and the programs found on PATH.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::programs::{Programs, libraries};

/// The environment that the images set.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The images, each made once.
#[derive(Debug)]
pub struct Images {
    by_name: BTreeMap<&'static str, PathBuf>,
}

/// The image of an application with a shell.
pub const SHELL: &str = "test/shell";
/// The image of an application that has one program, `/cat`, and no shell.
pub const SCRATCH: &str = "test/scratch";

impl Images {
    /// Makes all images below `directory`.
    ///
    /// # Errors
    ///
    /// If a file cannot be copied.
    pub fn make(directory: &Path, programs: &Programs) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        // The names that the policy's settings have by default, without their tags.
        for (name, program, called) in [
            ("hashicorp/vault", Some(&programs.vault), "vault"),
            (
                "hashicorp/consul-template",
                Some(&programs.consul_template),
                "consul-template",
            ),
            ("alpine/kubectl", Some(&programs.kubectl), "kubectl"),
            ("busybox", None, ""),
            (SHELL, None, ""),
        ] {
            let root = directory.join(name);
            with_busybox(&root, &programs.busybox)
                .and_then(|()| program.map_or(Ok(()), |program| add(&root, program, called)))
                .with_context(|| format!("image {name}"))?;
            by_name.insert(name, root);
        }
        let scratch = directory.join(SCRATCH);
        fs::create_dir_all(&scratch)?;
        fs::copy(&programs.busybox, scratch.join("cat"))?;
        by_name.insert(SCRATCH, scratch);
        Ok(Self { by_name })
    }

    /// The root file system of an image, whatever its tag.
    ///
    /// # Errors
    ///
    /// If there is no such image: nothing is ever pulled.
    pub fn root(&self, reference: &str) -> Result<&Path> {
        let name = match reference.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => reference,
        };
        self.by_name
            .get(name)
            .map(PathBuf::as_path)
            .with_context(|| format!("there is no image {reference}"))
    }
}

/// As in Alpine's images: busybox in /bin, and a link to it for each of its programs.
fn with_busybox(root: &Path, busybox: &Path) -> Result<()> {
    for directory in ["bin", "etc", "home", "root", "tmp", "usr/bin", "var/run"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::copy(busybox, root.join("bin/busybox"))?;
    let list = Command::new(busybox).arg("--list").output()?;
    for applet in String::from_utf8(list.stdout)?.lines() {
        let link = root.join("bin").join(applet);
        if !link.exists() {
            symlink("busybox", link)?;
        }
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nvault:x:100:1000:vault:/home/vault:/bin/sh\n",
    )?;
    fs::write(root.join("etc/group"), "root:x:0:\nvault:x:1000:\n")?;
    Ok(())
}

fn add(root: &Path, program: &Path, called: &str) -> Result<()> {
    fs::copy(program, root.join("bin").join(called))?;
    for library in libraries(program)? {
        let relative = library.strip_prefix("/").unwrap_or(&library);
        let target = root.join(relative);
        fs::create_dir_all(target.parent().unwrap_or(root))?;
        fs::copy(&library, target)?;
    }
    Ok(())
}
