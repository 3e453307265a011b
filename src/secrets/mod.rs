//! The secrets that a pod asks for: which files, made of what, and how they come to the application.

mod files;
mod path;
pub mod template;

use crate::annotations::{Key, Need};
use crate::auth::Login;
use crate::rejection::Rejection;
use crate::subject::Subject;
use crate::values::{FilePermissions, InjectionMethod, SecretsType, Sidecars, TemplateEngine};
use template::Delimiters;

/// The files with secrets, and how they come.
#[derive(Debug)]
pub struct Secrets {
    /// At least one.
    pub files: Vec<SecretFile>,
    pub delivery: Delivery,
}

/// One file with secrets.
#[derive(Debug)]
pub struct SecretFile {
    /// Its path below the secrets directory.
    pub destination: String,
    /// The Consul Template template that makes it.
    pub template: String,
    /// What actions of the template begin and end with.
    pub delimiters: Delimiters,
    /// Whether the pod brings its template.
    pub has_own_template: bool,
    pub permissions: FilePermissions,
    /// The command to run after it has changed.
    pub notify: Option<String>,
}

/// How the files come to the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Sidecars write them, and again whenever a secret changes.
    Dynamic {
        engine: TemplateEngine,
        /// Whether the application's containers wait for their files in a postStart hook.
        waits_in_hook: bool,
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
        Ok(Secrets {
            files: files::read(subject, login, delivery)?,
            delivery,
        })
    }
}

impl Delivery {
    /// Reads how a pod in mode `secrets` wants them.
    pub fn read(
        subject: &Subject<'_>,
        is_job: bool,
        sidecars: Sidecars,
    ) -> Result<Self, Rejection> {
        let annotations = &subject.annotations;
        let is_static = annotations.secrets_type()? == Some(SecretsType::Static);
        let method = annotations.secrets_injection_method()?;
        let into_environment = method == Some(InjectionMethod::Env);
        let waits_in_hook = annotations.secrets_hook()?.unwrap_or(false);
        let engine = annotations.template_engine()?;
        let engine = engine.unwrap_or(subject.settings.template_engine);
        let not_needed = match sidecars {
            _ if is_static => "with static secrets, which are there before the application starts",
            Sidecars::Native => "with native sidecars, which start before the application",
            Sidecars::Classic => "",
        };
        if is_static {
            annotations.warn_unmet(Need::Dynamic, subject.warnings);
        }
        if waits_in_hook && !not_needed.is_empty() {
            annotations.warn_unused(Key::SecretsHook, not_needed, subject.warnings);
        }
        if is_static {
            return Ok(Delivery::Static { into_environment });
        }
        if into_environment {
            return Err(annotations.rejected(
                Key::SecretsInjectionMethod,
                format!(
                    "env is for static secrets only, because the environment of a process cannot change; add annotation {}: static",
                    annotations.name(Key::SecretsType)
                ),
            ));
        }
        let waits_in_hook = waits_in_hook && sidecars == Sidecars::Classic;
        if waits_in_hook && is_job {
            return Err(annotations.rejected(
                Key::SecretsHook,
                format!(
                    "must not be used in a pod that can end, which is in mode job: the hook would fail the job; let the job wait for its files itself, or use {}",
                    subject.native_sidecars()
                ),
            ));
        }
        Ok(Delivery::Dynamic {
            engine,
            waits_in_hook,
        })
    }
}
