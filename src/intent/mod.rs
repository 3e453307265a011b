//! What a pod asks for: its annotations and labels, read once into types that cannot be wrong.

mod files;
mod modes;
mod reader;
mod refusal;
mod restricted;
pub mod template;
mod value;

use crate::annotations::{Annotations, Key};
use crate::json::Members;
use crate::settings::{Amounts, Directory, Identity, Image, ObjectName, Settings};
pub use crate::settings::{Sidecars, TemplateEngine as Engine};

use reader::Reader;
pub use refusal::Refusal;
pub use value::FilePath;

/// What the pod asks for.
#[derive(Debug)]
pub struct Intent {
    pub login: Login,
    /// The files with secrets, if the pod asks for any.
    pub secrets: Option<Secrets>,
    /// The port of the local proxy, if the pod asks for one.
    pub proxy_port: Option<u16>,
    /// Whether the sidecars end when the pod's work is done.
    pub is_job: bool,
    pub sidecars: Sidecars,
    /// The containers that get the secrets; `None` for all of the application's.
    pub inject_containers: Option<Vec<String>>,
    /// The containers whose end is the job's; `None` for all of the application's.
    pub job_containers: Option<Vec<String>>,
    /// Where the application sees the files, in place of the setting.
    pub mount_path: Option<Directory>,
    /// A namespace of Vault, in place of the setting.
    pub vault_namespace: Option<String>,
    /// Whether all containers of the pod are to see each other's processes.
    pub shares_process_namespace: bool,
    pub agent: Overrides,
    pub consul_template: Overrides,
}

/// What of the submitted object an intent is read from.
pub struct Subject<'a> {
    pub annotations: &'a Annotations<'a>,
    pub labels: &'a Members<'a>,
    /// Whether a Job makes the pod.
    pub is_of_job: bool,
    pub identity: Identity<'a>,
}

/// What a pod wants differently for one of its sidecars.
#[derive(Debug, Default)]
pub struct Overrides {
    pub image: Option<Image>,
    pub requests: Amounts,
    pub limits: Amounts,
}

/// How Vault Agent logs in.
#[derive(Debug)]
pub enum Login {
    Kubernetes { role: String, token: Token },
    AppRole(AppRole),
}

/// The service account token to log in with.
#[derive(Debug)]
pub enum Token {
    /// The pod's own, or one made for Vault where the settings name an audience.
    Default,
    /// The one at this path in the application's containers.
    At(FilePath),
}

/// Where the role and secret ids come from.
#[derive(Debug)]
pub enum AppRole {
    /// From files in the secrets directory, which the pod's own init container writes.
    Files,
    /// From a Secret of the pod's namespace.
    Secret(ObjectName),
}

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
    /// Whether the pod brings its template.
    pub has_own_template: bool,
    /// The command to run after it has changed.
    pub notify: Option<String>,
}

/// How the files come to the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Sidecars write them, and again whenever a secret changes.
    Dynamic {
        engine: Engine,
        /// Whether the application's containers wait for their files in a postStart hook.
        waits_in_hook: bool,
    },
    /// An init container writes them once.
    Static {
        /// Whether they become environment variables.
        into_environment: bool,
    },
}

/// The answer to whether a pod asks for injection.
#[derive(Debug)]
pub enum Ask {
    No,
    /// Not in a way that can be understood: the pod is left alone, with a warning.
    Unclear(String),
    Yes,
}

/// Whether the pod asks for injection and has not been injected already.
pub fn asks(annotations: &Annotations<'_>) -> Ask {
    if let Some(status) = annotations.get(Key::Status) {
        return match status {
            "injected" => Ask::No,
            _ => Ask::Unclear(format!(
                "annotation {} is set by the policy alone; the pod is left as it is",
                annotations.name(Key::Status)
            )),
        };
    }
    match annotations.get(Key::Inject).map(value::boolean) {
        Some(Some(true)) => Ask::Yes,
        Some(None) => Ask::Unclear(format!(
            "annotation {} is no boolean (true or false); the pod is left as it is",
            annotations.name(Key::Inject)
        )),
        Some(Some(false)) | None => Ask::No,
    }
}

impl Intent {
    /// Reads what the pod asks for. What is accepted but should be changed is added to `warnings`.
    pub fn read(
        subject: Subject<'_>,
        settings: &Settings,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Refusal> {
        warnings.extend(subject.annotations.warnings_of_unknown());
        restricted::refuse_locked(subject.annotations, &settings.restrictions)?;
        let reader = Reader {
            annotations: subject.annotations,
            labels: subject.labels,
            settings,
            is_of_job: subject.is_of_job,
            identity: subject.identity,
        };
        let modes = modes::read(&reader, warnings)?;
        let login = reader.login(&modes, warnings)?;
        let secrets = match modes.delivery {
            Some(delivery) => Some(Secrets {
                files: files::read(&reader, &login, delivery, warnings)?,
                delivery,
            }),
            None => None,
        };
        let of_consul_template = [
            Key::ConsulTemplateRequestsCpu,
            Key::ConsulTemplateRequestsMemory,
            Key::ConsulTemplateLimitsCpu,
            Key::ConsulTemplateLimitsMemory,
        ];
        match modes.delivery {
            Some(Delivery::Dynamic {
                engine: Engine::ConsulTemplate,
                ..
            }) => {}
            _ => reader.warn_unused(&of_consul_template, "without Consul Template", warnings),
        }
        Ok(Intent {
            login,
            secrets,
            proxy_port: modes.proxy_port,
            is_job: modes.is_job,
            sidecars: modes.sidecars,
            inject_containers: reader.names(Key::InjectContainers)?,
            job_containers: reader.names(Key::JobContainers)?,
            mount_path: reader.mount_path()?,
            vault_namespace: reader
                .short_line(Key::VaultNamespace)?
                .map(|given| given.text.to_owned()),
            shares_process_namespace: reader.boolean(Key::ShareProcessNamespace)?,
            agent: reader.agent_overrides()?,
            consul_template: reader.consul_template_overrides()?,
        })
    }

    /// Whether an init container fetches secrets once.
    pub fn fetches_once(&self) -> bool {
        matches!(self.delivery(), Some(Delivery::Static { .. }))
    }

    /// Whether secrets become environment variables.
    pub fn fills_environment(&self) -> bool {
        let into_environment = Delivery::Static {
            into_environment: true,
        };
        self.delivery() == Some(into_environment)
    }

    /// Whether the application's containers wait for their files in a postStart hook.
    pub fn waits_in_hook(&self) -> bool {
        matches!(
            self.delivery(),
            Some(Delivery::Dynamic {
                waits_in_hook: true,
                ..
            })
        )
    }

    /// What renders templates beside the application.
    pub fn engine(&self) -> Option<Engine> {
        match self.delivery() {
            Some(Delivery::Dynamic { engine, .. }) => Some(engine),
            _ => None,
        }
    }

    /// Whether Vault Agent runs beside the application.
    pub fn has_sidecars(&self) -> bool {
        self.engine().is_some() || self.proxy_port.is_some()
    }

    /// Whether something has to end the sidecars when the job is done.
    pub fn needs_babysitter(&self) -> bool {
        self.is_job && self.has_sidecars() && self.sidecars == Sidecars::Classic
    }

    /// Whether the pod's own init container brings the ids to log in with.
    pub fn reads_ids_from_files(&self) -> bool {
        matches!(self.login, Login::AppRole(AppRole::Files))
    }

    fn delivery(&self) -> Option<Delivery> {
        self.secrets.as_ref().map(|secrets| secrets.delivery)
    }
}
