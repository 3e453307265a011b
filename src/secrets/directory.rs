//! The directories with files of secrets: each is a volume, mounted in the sidecars and in the application's containers.

use std::borrow::Cow;

use crate::annotations::Key;
use crate::path::{are_nested, below, segments};
use crate::rejection::Rejection;
use crate::subject::Subject;

/// A directory with files of secrets.
#[derive(Debug)]
pub struct SecretsDirectory {
    pub volume: Cow<'static, str>,
    /// Where the sidecars have it.
    pub in_sidecars: String,
    /// Where the application sees it.
    pub in_application: String,
}

/// The most directories besides the one for all files: each is a volume of the pod's, in memory.
const MOST_DIRECTORIES: usize = 16;

/// What images have at their root: nothing of the pod's choice is mounted there in an injected container, because what
/// comes from Vault could be in the place of a program or of a certificate.
const OF_IMAGES: [&str; 17] = [
    // What the agent has for a home.
    "nonexistent",
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "var",
];

/// What else of the policy's has a place there.
const OF_POLICY: [&str; 5] = [
    "/opt/talend",
    "/vault/agent-cache",
    "/vault/configs",
    "/vault/custom",
    "/vault/tls",
];

/// Whether an injected container can have something of the pod's choice at a path.
pub fn can_be_mounted(path: &str) -> bool {
    let of_image = |first: &str| OF_IMAGES.contains(&first);
    let is_numbered = below(path, "/vault").is_some_and(|rest| rest.starts_with("secrets-"));
    !is_numbered
        && !segments(path).next().is_none_or(of_image)
        && !OF_POLICY.iter().any(|ours| are_nested(path, ours))
}

impl SecretsDirectory {
    /// The one for all files that name no other.
    pub fn main(subject: &Subject<'_>) -> Result<Self, Rejection> {
        let given = subject.annotations.secrets_mount_path()?;
        let path = given
            .as_ref()
            .unwrap_or(&subject.settings.secrets.mount_path);
        let path = path.as_str();
        let names = subject.names();
        Ok(SecretsDirectory {
            volume: Cow::Borrowed(subject.secrets_volume),
            in_sidecars: match names.shares_directories && can_be_mounted(path) {
                true => path.to_owned(),
                false => names.secrets_directory.to_owned(),
            },
            in_application: path.to_owned(),
        })
    }

    /// One more, at `path` in the application.
    fn more(path: &str, others: &[SecretsDirectory], subject: &Subject<'_>) -> Self {
        let names = subject.names();
        let number = others.len() - 1;
        let is_free = || {
            let mut others = others.iter();
            !others.any(|other| are_nested(&other.in_sidecars, path))
        };
        SecretsDirectory {
            volume: Cow::Owned(format!("{}{number}", names.more_secrets_volume)),
            in_sidecars: match names.shares_directories && can_be_mounted(path) && is_free() {
                true => path.to_owned(),
                false => format!("{}-{number}", names.secrets_directory),
            },
            in_application: path.to_owned(),
        }
    }
}

/// The directories for files that want to be in one of `paths`, and what comes before a file's name there. A path below
/// another directory is a part of it.
pub struct Directories {
    pub all: Vec<SecretsDirectory>,
}

impl Directories {
    /// Makes those of `paths`, which are sorted.
    ///
    /// # Errors
    ///
    /// If there are too many.
    pub fn of<'p>(
        main: SecretsDirectory,
        paths: impl IntoIterator<Item = &'p str>,
        subject: &Subject<'_>,
    ) -> Result<Self, Rejection> {
        let mut directories = Directories { all: vec![main] };
        for path in paths {
            if directories.place_of(path).is_none() {
                let number = directories.all.len() - 1;
                if number == MOST_DIRECTORIES {
                    return Err(subject
                        .annotations
                        .first_place(Key::Directory)
                        .unwrap_or(subject.annotations.place(Key::Directory))
                        .rejected(format!(
                            "too many directories; expected at most {MOST_DIRECTORIES}"
                        )));
                }
                let more = SecretsDirectory::more(path, &directories.all, subject);
                directories.all.push(more);
            }
        }
        Ok(directories)
    }

    /// Which directory a path is in, and where.
    pub fn place_of(&self, path: &str) -> Option<(usize, String)> {
        let mut all = self.all.iter().enumerate();
        all.find_map(|(index, directory)| {
            let known = &*directory.in_application;
            if segments(known).eq(segments(path)) {
                return Some((index, String::new()));
            }
            below(path, known).map(|rest| (index, format!("{rest}/")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_mounted_over_a_directory_of_an_image() {
        for path in [
            "/vault/secrets",
            "/vault/secrets/db",
            "/app/config",
            "/opt/app",
        ] {
            assert!(can_be_mounted(path), "{path}");
        }
        for path in [
            "/",
            "/bin",
            "/usr/local/bin",
            "/etc/ssl/certs",
            "/home/vault",
            "/opt",
            "/vault",
            "/opt/talend/tvsi",
            "/vault/tls/x",
            "/x/../bin",
            "/proc/self",
            "/lib64",
        ] {
            assert!(!can_be_mounted(path), "{path}");
        }
    }
}
