//! The block `template` of a program's configuration: how a file with secrets is rendered. Both programs have it.
//!
//! Both read JSON with HCL1's parser, which flattens an object whose members are all objects: so every block of Vault
//! Agent's is a list of one object, and what is empty is left out. Durations and permissions are strings, because a JSON
//! number is read as nanoseconds or as a decimal number.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};
use serde::Serialize;

use super::connection::from_config_map;
use crate::intent::{Intent, Stage};
use crate::kubernetes::{Volume, Volumes, env, read_only, writable};
use crate::names::{self, VALUES_DIRECTORY, VALUES_FILE, VALUES_VOLUME};
use crate::secrets::{self, SecretFile, Secrets, template::CALLED_BY_DEFAULT};
use crate::settings::Settings;
use crate::values::{Delimiter, FunctionPattern};
use crate::variables::{self, CALLED_BY_VARIABLES, OfContainer};
use crate::words::listed;

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
    pub contents: Option<Cow<'a, str>>,
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

const WAIT: Wait = Wait {
    min: "1s",
    max: "2s",
};

/// What runs after a file has changed.
#[derive(Debug, Serialize)]
pub struct Exec<'a> {
    /// As a list, it is run as it is; a string would be split at commas.
    pub command: Vec<&'a str>,
    pub timeout: &'static str,
}

/// The templates of what is rendered then. A program that runs once ends at the first error, with the reason, where one that
/// keeps files up to date goes on with the others.
pub fn templates<'a>(
    settings: &'a Settings,
    intent: &'a Intent,
    stage: Stage,
) -> Vec<Template<'a, Wait, Exec<'a>>> {
    let is_fatal = stage == Stage::Before;
    let secrets = intent.secrets.as_ref();
    let secrets = secrets.filter(|_| intent.renders_files(stage));
    let files = secrets.into_iter().flat_map(|secrets| {
        let files = secrets.files.iter();
        files.map(move |file| template(settings, secrets, file, is_fatal))
    });
    let variables = variables(intent, stage);
    let variables = variables.map(|of| template_of_variables(settings, of, is_fatal));
    files.chain(variables).collect()
}

/// The containers whose variables are rendered then.
fn variables(intent: &Intent, stage: Stage) -> impl Iterator<Item = &OfContainer> {
    let variables = intent.variables.iter();
    let variables = variables.filter(move |_| intent.renders_variables(stage));
    variables.flat_map(|variables| &variables.containers)
}

/// The most bytes of the names of variables that the agent's log shows.
const MOST_BY_PATH: usize = 32 * 1024;

/// The variables that refer to each path, for what is logged of a path that cannot be read: lines `PATH#CONTAINER VARIABLE`.
pub fn by_path(intent: &Intent, stage: Stage) -> Option<EnvVar> {
    let mut by_path: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for of in variables(intent, stage) {
        for variable in &of.variables {
            for reference in variable.references() {
                let names = by_path.entry(&reference.request.path).or_default();
                let name = format!("{} {}", of.container, variable.name);
                if names.last() != Some(&name) {
                    names.push(name);
                }
            }
        }
    }
    let mut lines = String::new();
    for (path, names) in by_path {
        let line = format!("{path}#{}\n", listed(names.iter().map(String::as_str)));
        if lines.len() + line.len() <= MOST_BY_PATH {
            lines.push_str(&line);
        }
    }
    (!lines.is_empty()).then(|| env("TVSI_VARIABLES", &lines))
}

/// The template of a container's variables.
fn template_of_variables<'a>(
    settings: &'a Settings,
    of: &OfContainer,
    is_fatal: bool,
) -> Template<'a, Wait, Exec<'a>> {
    Template {
        contents: Some(variables::contents(of, is_fatal).into()),
        source: None,
        left_delimiter: None,
        right_delimiter: None,
        destination: values_file(of),
        perms: settings.secrets.file_permissions.as_str(),
        error_on_missing_key: true,
        error_fatal: is_fatal,
        wait: WAIT,
        function_denylist: denied_except(settings, &CALLED_BY_VARIABLES),
        sandbox_path: VALUES_DIRECTORY,
        exec: None,
    }
}

/// Where the programs that render have the variables of a container.
fn values_file(of: &OfContainer) -> String {
    format!("{VALUES_DIRECTORY}/{}/{VALUES_FILE}", of.container)
}

/// The template of one file.
fn template<'a>(
    settings: &'a Settings,
    secrets: &'a Secrets,
    file: &'a SecretFile,
    is_fatal: bool,
) -> Template<'a, Wait, Exec<'a>> {
    let (contents, source) = match &file.template {
        secrets::Template::Contents(text) => (Some(Cow::Borrowed(text.as_str())), None),
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
        wait: WAIT,
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
    match file.has_own_template {
        true => denied_except(settings, &[]),
        false => denied_except(settings, &CALLED_BY_DEFAULT),
    }
}

/// The functions that the settings deny, without what denies one of these.
fn denied_except<'a>(settings: &'a Settings, called: &[&str]) -> Vec<&'a str> {
    let denied = settings.restrictions.denied_template_functions.iter();
    let denied = denied.filter(|denied| !called.iter().any(|function| denied.matches(function)));
    denied.map(FunctionPattern::as_str).collect()
}

/// What a container that renders files needs in its environment to run their commands.
pub fn notification(intent: &Intent) -> Option<EnvVar> {
    let mut files = intent.secrets.iter().flat_map(|secrets| &secrets.files);
    files
        .any(|file| file.notify.is_some())
        .then(|| env("TVSI_NOTIFY", NOTIFY))
}

/// Where the sidecars have what is rendered then.
pub fn destinations(intent: &Intent, stage: Stage) -> Vec<String> {
    let secrets = intent.secrets.as_ref();
    let secrets = secrets.filter(|_| intent.renders_files(stage));
    let files = secrets.into_iter().flat_map(|secrets| {
        let files = secrets.files.iter();
        files.map(|file| secrets.path_in_sidecars(file))
    });
    files
        .chain(variables(intent, stage).map(values_file))
        .collect()
}

/// The mount of the variables, in a container that writes them then.
pub fn values_mount(intent: &Intent, stage: Stage) -> Option<VolumeMount> {
    let is_needed = intent.renders_variables(stage);
    is_needed.then(|| writable(VALUES_VOLUME, VALUES_DIRECTORY))
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
