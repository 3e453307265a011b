//! What both engines are told of a file with secrets.

use super::container::env;
use super::{names, scripts};
use crate::config::consul_template::Template;
use crate::config::{Exec, Wait};
use crate::intent::SecretFile;
use crate::intent::template::CALLED_BY_DEFAULT;
use crate::kubernetes::EnvVar;
use crate::settings::Settings;

/// The template of one file. `is_fatal` is for a program that runs once: it ends with the reason, where
/// one that keeps files up to date goes on with the others.
pub fn template<'a>(settings: &'a Settings, file: &'a SecretFile, is_fatal: bool) -> Template<'a> {
    Template {
        contents: &file.template,
        destination: destination(file),
        perms: settings.secrets.file_permissions.as_str(),
        error_on_missing_key: settings.secrets.error_on_missing_key,
        error_fatal: is_fatal,
        wait: Wait {
            min: "1s",
            max: "2s",
        },
        function_denylist: denied_functions(settings, file),
        sandbox_path: names::SECRETS_DIRECTORY,
        exec: file.notify.as_deref().map(|command| Exec {
            command: vec!["/bin/sh", "-c", scripts::RUN_NOTIFY, "notify", command],
            timeout: "30s",
        }),
    }
}

/// The functions that a file's template cannot call. The default templates go without those that deny what
/// they call themselves.
fn denied_functions<'a>(settings: &'a Settings, file: &SecretFile) -> Vec<&'a str> {
    let denied = settings.restrictions.denied_template_functions.iter();
    denied
        .filter(|denied| {
            let mut called = CALLED_BY_DEFAULT.iter();
            file.has_own_template || !called.any(|function| denied.matches(function))
        })
        .map(|denied| denied.as_str())
        .collect()
}

/// What a container that renders `files` needs in its environment to run their commands.
pub fn notification(files: &[SecretFile]) -> Option<EnvVar> {
    files
        .iter()
        .any(|file| file.notify.is_some())
        .then(|| env("TVSI_NOTIFY", scripts::NOTIFY))
}

/// Where the sidecars have the files.
pub fn destinations(files: &[SecretFile]) -> Vec<String> {
    files.iter().map(destination).collect()
}

fn destination(file: &SecretFile) -> String {
    format!("{}/{}", names::SECRETS_DIRECTORY, file.destination)
}
