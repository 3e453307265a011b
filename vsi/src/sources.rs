//! The files that manifests are read from: as they are named on the command line, and those in directories.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;

use crate::printable::Printable;

/// The files that kubectl takes from a directory.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

#[derive(Args)]
pub(crate) struct SourceArguments {
    /// Read manifests from FILE, in YAML or JSON; from each such file of a directory; or from standard input ("-")
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    filename: Vec<PathBuf>,

    /// Read the directories in directories as well
    #[arg(short = 'R', long)]
    recursive: bool,
}

/// One file with manifests.
pub(crate) struct Source {
    /// As people know it: the path as given.
    pub(crate) name: Printable,
    pub(crate) text: String,
}

impl SourceArguments {
    /// Reads all files, those of a directory by name.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Source>> {
        let mut sources = Vec::new();
        for path in &self.filename {
            if path == Path::new("-") {
                let text = io::read_to_string(io::stdin())
                    .context("cannot read manifests from standard input")?;
                sources.push(Source {
                    name: Printable::from("stdin"),
                    text,
                });
            } else if path.is_dir() {
                let mut paths = Vec::new();
                self.list(path, &mut paths)?;
                if paths.is_empty() {
                    bail!(
                        "the directory {} has no file that ends in .yaml, .yml or .json",
                        Printable::from(path)
                    );
                }
                for path in paths {
                    sources.push(read(&path)?);
                }
            } else {
                sources.push(read(path)?);
            }
        }
        Ok(sources)
    }

    fn list(&self, directory: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
        let in_directory = || format!("cannot read the directory {}", Printable::from(directory));
        let mut entries = fs::read_dir(directory)
            .with_context(in_directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()
            .with_context(in_directory)?;
        entries.sort();
        for path in entries {
            if path.is_dir() {
                if self.recursive {
                    self.list(&path, paths)?;
                }
            } else if is_manifest(&path) {
                paths.push(path);
            }
        }
        Ok(())
    }
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

fn read(path: &Path) -> anyhow::Result<Source> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the manifests {}", Printable::from(path)))?;
    Ok(Source {
        name: Printable::from(path),
        text,
    })
}
