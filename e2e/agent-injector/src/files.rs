//! The files of this folder and of the repository, and what can be wrong with them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// What keeps the comparison from being made. A difference is none of these.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        message: String,
    },
    /// The program that answers as the Agent Injector does cannot be run.
    #[error("{program}: {message}")]
    Program {
        /// The program.
        program: String,
        /// What is wrong with it, or with its answer.
        message: String,
    },
    /// An answer cannot be compared.
    #[error("{case}: {message}")]
    Answer {
        /// The case.
        case: String,
        /// What is wrong with it.
        message: String,
    },
    /// The module cannot be run.
    #[error(transparent)]
    Module(#[from] policy_host::HostError),
}

/// A file of this folder, by its path in it.
pub fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the repository, by its path in it.
pub fn of_repository(path: &str) -> PathBuf {
    own("../..").join(path)
}

/// The text of a file.
///
/// # Errors
///
/// [`Problem::File`].
pub fn read(path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|source| Problem::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file.
///
/// # Errors
///
/// [`Problem::File`].
pub fn write(path: &Path, text: &str) -> Result<(), Problem> {
    fs::write(path, text).map_err(|source| Problem::File {
        path: path.to_owned(),
        source,
    })
}

/// What a YAML file says.
///
/// # Errors
///
/// [`Problem::File`] and [`Problem::Content`].
pub fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<T, Problem> {
    yaml_serde::from_str(&read(path)?).map_err(|error| Problem::Content {
        path: path.to_owned(),
        message: error.to_string(),
    })
}
