//! What a pod asks for: its annotations and labels, read once into types that cannot be wrong.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::annotations::{Annotations, Commas, Key, Need, is_true};
use crate::auth::{Login, approle};
use crate::pattern::Work;
use crate::rejection::{Place, Rejection};
use crate::secrets::{Delivery, Secrets};
use crate::settings::Amounts;
use crate::subject::Subject;
use crate::values::{Directory, Image, Mode, Port, Sidecars, TemplateEngine};

/// The port of the local proxy, where the pod does not say.
const DEFAULT_PROXY_PORT: Port = Port(8200);

/// What the pod asks for.
#[derive(Debug)]
pub struct Intent {
    pub login: Login,
    /// The files with secrets, if the pod asks for any.
    pub secrets: Option<Secrets>,
    /// The port of the local proxy, if the pod asks for one.
    pub proxy_port: Option<Port>,
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

/// What a pod wants differently for one of its sidecars.
#[derive(Debug, Default)]
pub struct Overrides {
    pub image: Option<Image>,
    pub requests: Amounts,
    pub limits: Amounts,
}

/// Whether the pod asks for injection and has not been injected already. One that does not ask in a way that can be
/// understood is left alone, with a warning.
pub fn asks(annotations: &Annotations<'_>) -> Result<bool, String> {
    let unclear = |key, problem| {
        let name = annotations.name(key);
        Err(format!(
            "annotation {name}: {problem}; the pod is left as it is"
        ))
    };
    match (annotations.get(Key::Status), annotations.get(Key::Inject)) {
        (Some("injected"), _) => Ok(false),
        (Some(_), _) => unclear(Key::Status, "only the policy sets it"),
        (None, None) => Ok(false),
        (None, Some(inject)) => match is_true(inject) {
            Some(asks) => Ok(asks),
            None => unclear(Key::Inject, "not a boolean; expected true or false"),
        },
    }
}

impl Intent {
    /// Reads what the pod asks for.
    pub fn read(subject: &Subject<'_>) -> Result<Self, Rejection> {
        let (annotations, settings) = (&subject.annotations, subject.settings);
        annotations.warn_of_unknown(subject.warnings);
        settings.restrictions.reject_locked(annotations)?;
        let modes = modes(subject)?;
        let is_job = modes.contains(&Mode::Job) || (subject.is_of_job && settings.jobs.auto_detect);
        let sidecars = annotations.sidecars()?.unwrap_or(settings.sidecars);
        let has_proxy = modes.contains(&Mode::Proxy);
        // Neither named, or job alone.
        let has_secrets = modes.contains(&Mode::Secrets) || !has_proxy;
        let delivery = match has_secrets {
            true => Some(Delivery::read(subject, is_job, sidecars)?),
            false => None,
        };
        let proxy_port = annotations.proxy_port()?.unwrap_or(DEFAULT_PROXY_PORT);
        let needs = [
            (Need::Proxy, has_proxy),
            (Need::Secrets, has_secrets),
            (Need::Job, is_job),
        ];
        for (need, is_met) in needs {
            if !is_met {
                annotations.warn_unmet(need, subject.warnings);
            }
        }
        let fetches_once = matches!(delivery, Some(Delivery::Static { .. }));
        let login = Login::read(subject, fetches_once)?;
        let secrets = match delivery {
            Some(delivery) => Some(Secrets::read(subject, &login, delivery)?),
            None => None,
        };
        let has_consul_template = matches!(
            delivery,
            Some(Delivery::Dynamic {
                engine: TemplateEngine::ConsulTemplate,
                ..
            })
        );
        if !has_consul_template {
            annotations.warn_unmet(Need::ConsulTemplate, subject.warnings);
        }
        let names = |Commas(names): Commas<&str>| names.into_iter().map(str::to_owned).collect();
        Ok(Intent {
            login,
            secrets,
            proxy_port: has_proxy.then_some(proxy_port),
            is_job,
            sidecars,
            inject_containers: annotations.inject_containers()?.map(names),
            job_containers: annotations.job_containers()?.map(names),
            mount_path: annotations.secrets_mount_path()?,
            vault_namespace: annotations.vault_namespace()?,
            shares_process_namespace: annotations.share_process_namespace()?.unwrap_or(false),
            agent: Overrides {
                image: image(subject)?,
                requests: amounts(
                    annotations.agent_requests_cpu()?,
                    annotations.agent_requests_memory()?,
                ),
                limits: amounts(
                    annotations.agent_limits_cpu()?,
                    annotations.agent_limits_memory()?,
                ),
            },
            consul_template: Overrides {
                image: None,
                requests: amounts(
                    annotations.consul_template_requests_cpu()?,
                    annotations.consul_template_requests_memory()?,
                ),
                limits: amounts(
                    annotations.consul_template_limits_cpu()?,
                    annotations.consul_template_limits_memory()?,
                ),
            },
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
    pub fn engine(&self) -> Option<TemplateEngine> {
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
        matches!(self.login, Login::AppRole(approle::Login::Files))
    }

    /// Whether anything of the policy's reads or writes the secrets directory.
    pub fn uses_secrets_volume(&self) -> bool {
        self.secrets.is_some() || self.reads_ids_from_files()
    }

    fn delivery(&self) -> Option<Delivery> {
        self.secrets.as_ref().map(|secrets| secrets.delivery)
    }
}

fn modes(subject: &Subject<'_>) -> Result<Vec<Mode>, Rejection> {
    let annotations = &subject.annotations;
    let modes = annotations.mode()?;
    let mut modes = modes.map(|Commas(modes)| modes).unwrap_or_default();
    if annotations.workload()?.is_some() {
        modes.push(Mode::Job);
        subject.warnings.add(format!(
            "annotation {}: deprecated; use {}: job",
            annotations.name(Key::Workload),
            annotations.name(Key::Mode)
        ));
    }
    Ok(modes)
}

fn image(subject: &Subject<'_>) -> Result<Option<Image>, Rejection> {
    let annotations = &subject.annotations;
    let Some(image) = annotations.vault_image()? else {
        return Ok(None);
    };
    let place = Place::Annotation(annotations.name(Key::VaultImage));
    let restrictions = &subject.settings.restrictions;
    restrictions.allow_image(
        image.as_str(),
        place,
        subject.identity(),
        &mut Work::default(),
    )?;
    Ok(Some(image))
}

fn amounts(cpu: Option<Quantity>, memory: Option<Quantity>) -> Amounts {
    let mut amounts = Amounts::new();
    amounts.extend(cpu.map(|amount| ("cpu".to_owned(), amount)));
    amounts.extend(memory.map(|amount| ("memory".to_owned(), amount)));
    amounts
}
