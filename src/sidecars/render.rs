//! The block `template` of a program's configuration: how a file with secrets is rendered. Both programs have it.
//!
//! Both read JSON with HCL1's parser, which flattens an object whose members are all objects: so every block of Vault
//! Agent's is a list of one object, and what is empty is left out. Durations and permissions are strings, because a JSON
//! number is read as nanoseconds or as a decimal number.

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};
use serde::Serialize;

use super::connection::from_config_map;
use crate::intent::Intent;
use crate::kubernetes::{Volume, Volumes, env, read_only, writable};
use crate::names;
use crate::secrets::{self, SecretFile, Secrets, template::CALLED_BY_DEFAULT};
use crate::settings::Settings;
use crate::values::Delimiter;

/// Runs the application's command after a file has changed. [`env`] doubles its `$`.
const NOTIFY: &str = include_str!(concat!(env!("OUT_DIR"), "/scripts/notify.sh"));

/// Runs the script [`NOTIFY`] from the environment: both programs log the whole of what they run each time, and every
/// file's configuration has it.
const RUN_NOTIFY: &str = r#"exec /bin/sh -c "$TVSI_NOTIFY" notify "$1""#;

/// One file to render. Both programs read the same, except for the blocks in it: Consul Template takes them
/// as objects and Vault Agent as lists of one object.
#[derive(Debug, Serialize)]
pub struct Template<'a, W, E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_delimiter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right_delimiter: Option<&'a str>,
    pub destination: String,
    pub perms: &'a str,
    pub error_on_missing_key: bool,
    /// Whether an error in this template ends the program, and with it all others.
    pub error_fatal: bool,
    pub wait: W,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub function_denylist: Vec<&'a str>,
    /// Below it alone can templates read files.
    pub sandbox_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<E>,
}

impl<'a> Template<'a, Wait, Exec<'a>> {
    /// The same for Vault Agent.
    pub fn in_blocks(self) -> Template<'a, [Wait; 1], [Exec<'a>; 1]> {
        Template {
            contents: self.contents,
            source: self.source,
            left_delimiter: self.left_delimiter,
            right_delimiter: self.right_delimiter,
            destination: self.destination,
            perms: self.perms,
            error_on_missing_key: self.error_on_missing_key,
            error_fatal: self.error_fatal,
            wait: [self.wait],
            function_denylist: self.function_denylist,
            sandbox_path: self.sandbox_path,
            exec: self.exec.map(|exec| [exec]),
        }
    }
}

/// How often a file is written at the most.
#[derive(Debug, Serialize)]
pub struct Wait {
    pub min: &'static str,
    pub max: &'static str,
}

/// What runs after a file has changed.
#[derive(Debug, Serialize)]
pub struct Exec<'a> {
    /// As a list, it is run as it is; a string would be split at commas.
    pub command: Vec<&'a str>,
    pub timeout: &'static str,
}

/// The template of one file. `is_fatal` is for a program that runs once: it ends with the reason, where
/// one that keeps files up to date goes on with the others.
pub fn template<'a>(
    settings: &'a Settings,
    secrets: &'a Secrets,
    file: &'a SecretFile,
    is_fatal: bool,
) -> Template<'a, Wait, Exec<'a>> {
    let (contents, source) = match &file.template {
        secrets::Template::Contents(text) => (Some(text.as_str()), None),
        secrets::Template::Source(path) => (None, Some(Cow::Borrowed(path.as_str()))),
        secrets::Template::ConfigMap { name, key } => {
            let path = projected(name.as_str(), key.as_str());
            (
                None,
                Some(Cow::Owned(format!("{}/{path}", names::TEMPLATES_DIRECTORY))),
            )
        }
    };
    Template {
        contents,
        source,
        left_delimiter: file.delimiters.left.as_ref().map(Delimiter::as_str),
        right_delimiter: file.delimiters.right.as_ref().map(Delimiter::as_str),
        destination: secrets.path_in_sidecars(file),
        perms: file.permissions.as_str(),
        error_on_missing_key: file.error_on_missing_key,
        error_fatal: is_fatal,
        wait: Wait {
            min: "1s",
            max: "2s",
        },
        function_denylist: denied_functions(settings, file),
        sandbox_path: &secrets.directories[file.directory].in_sidecars,
        exec: file.notify.as_deref().map(|command| Exec {
            command: vec!["/bin/sh", "-c", RUN_NOTIFY, "notify", command],
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

/// What a container that renders files needs in its environment to run their commands.
pub fn notification(intent: &Intent) -> Option<EnvVar> {
    let mut files = intent.secrets.iter().flat_map(|secrets| &secrets.files);
    files
        .any(|file| file.notify.is_some())
        .then(|| env("TVSI_NOTIFY", NOTIFY))
}

/// Where the sidecars have the files.
pub fn destinations(secrets: &Secrets) -> Vec<String> {
    let files = secrets.files.iter();
    files.map(|file| secrets.path_in_sidecars(file)).collect()
}

/// The mounts of the directories, in a container that writes to them.
pub fn directory_mounts(intent: &Intent) -> Vec<VolumeMount> {
    let secrets = intent.secrets.iter();
    let directories = secrets.flat_map(|secrets| &secrets.directories);
    directories
        .map(|directory| writable(&directory.volume, &directory.in_sidecars))
        .collect()
}

/// Where a key of a ConfigMap is in the directory with the templates from ConfigMaps.
fn projected(config_map: &str, key: &str) -> String {
    format!("{config_map}/{key}")
}

/// The mount of the templates that come from ConfigMaps, if there are some.
pub fn template_mount(intent: &Intent, volumes: &mut Volumes) -> Option<VolumeMount> {
    let keys = intent.secrets.iter().flat_map(Secrets::config_map_keys);
    // Several files may have one template.
    let keys: BTreeSet<_> = keys.collect();
    let sources = keys.into_iter().map(|(config_map, key)| {
        let path = projected(config_map, key);
        from_config_map(config_map, &[(key, &path)])
    });
    let sources: Vec<_> = sources.collect();
    if sources.is_empty() {
        return None;
    }
    let volume = names::TEMPLATES_VOLUME;
    volumes.add(Volume::projected(volume, sources));
    Some(read_only(volume, names::TEMPLATES_DIRECTORY))
}
