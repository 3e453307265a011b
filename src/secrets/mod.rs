//! The secrets of a pod: which files, made of what, and how they come to the application.

mod checks;
mod copied;
mod directory;
mod lists;
mod named;
mod pairs;
mod path;
pub mod template;

use crate::annotations::{Annotations, Key, Need};
use crate::auth::Login;
use crate::path::{below, same_path};
use crate::rejection::Rejection;
use crate::subject::Subject;
use crate::values::{
    DataKey, FilePermissions, InjectionMethod, ObjectName, OnChange, SecretsType, Sidecars,
    TemplateEngine,
};
pub use checks::check_template;
pub use copied::copied_container;
pub use directory::{SecretsDirectory, can_be_mounted};
pub use lists::path_of_labels;
pub use path::not_plain;
use template::Delimiters;

/// Whether a pod says which files it wants.
pub fn are_named(annotations: &Annotations<'_>) -> bool {
    const NAMING: [Key; 8] = [
        Key::SecretsPath,
        Key::SecretsDestination,
        Key::SecretsTemplate,
        Key::SecretsInjectionMethod,
        Key::Secret,
        Key::Template,
        Key::TemplateFile,
        Key::TemplateConfigMap,
    ];
    let mut naming = NAMING.iter();
    naming.any(|key| annotations.first_place(*key).is_some())
}

/// The files with secrets, and how they come.
#[derive(Debug)]
pub struct Secrets {
    pub files: Vec<SecretFile>,
    /// Where they are: at least one, of which the first is for files that name no other.
    pub directories: Vec<SecretsDirectory>,
    pub delivery: Delivery,
}

/// One file with secrets.
#[derive(Debug)]
pub struct SecretFile {
    /// Its path in its directory.
    pub destination: String,
    /// Which one of the directories that is.
    pub directory: usize,
    /// The Consul Template template that makes it.
    pub template: Template,
    /// What actions of the template begin and end with.
    pub delimiters: Delimiters,
    /// Whether the pod brings its template.
    pub has_own_template: bool,
    pub permissions: FilePermissions,
    /// Whether a key that the secret does not have is an error.
    pub error_on_missing_key: bool,
    /// The command to run after it has changed.
    pub notify: Option<String>,
}

/// Where a template is.
#[derive(Debug)]
pub enum Template {
    /// In the configuration.
    Contents(String),
    /// In a file of the container that renders it.
    Source(String),
    /// In a ConfigMap of the pod's namespace.
    ConfigMap { name: ObjectName, key: DataKey },
}

/// How the files come to the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Sidecars write them, and again whenever a secret changes.
    Dynamic {
        engine: TemplateEngine,
        /// Whether the application's containers wait for their files in a postStart hook.
        waits_in_hook: bool,
        /// Whether an init container has written them before.
        is_populated: bool,
        /// Whether they become environment variables.
        into_environment: bool,
    },
    /// An init container writes them once.
    Static {
        /// Whether they become environment variables.
        into_environment: bool,
    },
}

impl Secrets {
    /// Reads the files of a pod that has them delivered in this way.
    pub fn read(
        subject: &Subject<'_>,
        login: &Login,
        delivery: Delivery,
    ) -> Result<Self, Rejection> {
        let (mut files, directories) = match named::is_used(subject)? {
            true => named::read(subject, login, delivery)?,
            false => (
                lists::read(subject, login, delivery)?,
                vec![SecretsDirectory::main(subject)?],
            ),
        };
        checks::reject_token(&files, subject)?;
        checks::make_distinct(&mut files);
        Ok(Secrets {
            files,
            directories,
            delivery,
        })
    }

    /// The keys of ConfigMaps that templates come from, by the names of both.
    pub fn config_map_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|file| match &file.template {
            Template::ConfigMap { name, key } => Some((name.as_str(), key.as_str())),
            Template::Contents(_) | Template::Source(_) => None,
        })
    }

    /// A template that is in a file at a path or below it.
    pub fn source_below(&self, directory: &str) -> Option<&str> {
        let mut sources = self.files.iter().filter_map(|file| match &file.template {
            Template::Source(path) => Some(path.as_str()),
            Template::Contents(_) | Template::ConfigMap { .. } => None,
        });
        sources.find(|source| same_path(source, directory) || below(source, directory).is_some())
    }

    /// The path of a file in the sidecars.
    pub fn path_in_sidecars(&self, file: &SecretFile) -> String {
        let directory = &self.directories[file.directory].in_sidecars;
        format!("{directory}/{}", file.destination)
    }
}

impl Delivery {
    /// Whether they become environment variables.
    pub fn is_into_environment(self) -> bool {
        match self {
            Delivery::Dynamic {
                into_environment, ..
            }
            | Delivery::Static { into_environment } => into_environment,
        }
    }

    /// Whether an init container fetches them.
    pub fn has_init_agent(self) -> bool {
        matches!(
            self,
            Delivery::Static { .. }
                | Delivery::Dynamic {
                    is_populated: true,
                    ..
                }
        )
    }

    /// Reads how a pod in mode `secrets` wants them.
    pub fn read(
        subject: &Subject<'_>,
        is_job: bool,
        sidecars: Sidecars,
        on_change: OnChange,
    ) -> Result<Self, Rejection> {
        let annotations = &subject.annotations;
        let secrets_type = annotations.secrets_type()?;
        let is_populated_only = annotations.pre_populate_only()?.unwrap_or(false);
        if is_populated_only && secrets_type == Some(SecretsType::Dynamic) {
            let other = annotations.name(Key::SecretsType);
            let problem = format!("must not be used with {other}: dynamic; remove one of them");
            return Err(annotations.rejected(Key::PrePopulateOnly, problem));
        }
        let is_static = is_populated_only || secrets_type == Some(SecretsType::Static);
        let is_populated = annotations.pre_populate()?.unwrap_or(false);
        let method = annotations.secrets_injection_method()?;
        let into_environment = method == Some(InjectionMethod::Env);
        let waits_in_hook = annotations.secrets_hook()?.unwrap_or(false);
        let engine = annotations.template_engine()?;
        let engine = engine.unwrap_or(subject.settings.template_engine);
        let not_needed = match sidecars {
            _ if is_static => "with static secrets, which are there before the application starts",
            Sidecars::Native => "with native sidecars, which start before the application",
            Sidecars::Classic if is_populated => {
                "with an init container that has the files before the application starts"
            }
            Sidecars::Classic => "",
        };
        let restarts = on_change == OnChange::Restart;
        if is_static && restarts {
            let key = match is_populated_only {
                true => Key::PrePopulateOnly,
                false => Key::SecretsType,
            };
            let problem = format!(
                "must not be used with {}: restart, because static secrets do not change; remove one of them",
                annotations.name(Key::OnChange)
            );
            return Err(annotations.rejected(key, problem));
        }
        if is_static {
            annotations.warn_unmet(Need::Dynamic, subject.warnings);
        }
        if waits_in_hook && !not_needed.is_empty() {
            annotations.warn_unused(Key::SecretsHook, not_needed, subject.warnings);
        }
        if is_static {
            return Ok(Delivery::Static { into_environment });
        }
        if into_environment && !restarts {
            return Err(annotations.rejected(
                Key::SecretsInjectionMethod,
                format!(
                    "env is not possible with dynamic secrets, because the environment of a process cannot change; add annotation {}: static, or {}: restart",
                    annotations.name(Key::SecretsType),
                    annotations.name(Key::OnChange)
                ),
            ));
        }
        let waits_in_hook = waits_in_hook && not_needed.is_empty();
        if waits_in_hook && is_job {
            return Err(annotations.rejected(
                Key::SecretsHook,
                format!(
                    "must not be used in mode job, which pods that can end have by default, because a hook that fails ends the job; wait for the files in the job, or use {}",
                    subject.native_sidecars()
                ),
            ));
        }
        Ok(Delivery::Dynamic {
            engine,
            waits_in_hook,
            into_environment,
            is_populated: is_populated && sidecars == Sidecars::Classic,
        })
    }
}
