//! What the tests share: the tool, directories of their own, and what is in the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use serde_json::Value;

/// A directory of one test's own.
pub struct Directory(tempfile::TempDir);

impl Directory {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be made"))
    }

    pub fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let directory = Self::new();
        directory.write(name, content);
        directory
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        let parent = path.parent().expect("it is in the directory");
        fs::create_dir_all(parent).expect("a directory can be made");
        fs::write(path, content).expect("a file can be written");
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The tool in this directory.
    pub fn vsi(&self, arguments: &[&str]) -> Command {
        let mut command = vsi(arguments);
        command.current_dir(self.path());
        command
    }
}

/// The tool, in the root of the repository.
pub fn vsi(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vsi"));
    command
        .args(arguments)
        .current_dir(root())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

/// What the tool writes to standard output when it succeeds.
pub fn output_of(mut command: Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("output is text")
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The files of the sample workloads that need no settings.
pub fn samples() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("deploy/samples")).expect("there are samples");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// JSON documents, one behind the other.
pub fn json_documents(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .map(|value| value.expect("output is JSON"))
        .collect()
}

/// YAML documents, as a reader of YAML 1.2 sees them.
pub fn yaml_documents(text: &str) -> Vec<Value> {
    yaml_serde::Deserializer::from_str(text)
        .map(|document| serde::Deserialize::deserialize(document).expect("output is YAML"))
        .collect()
}
