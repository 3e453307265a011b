//! What a pod is to get: its annotations and labels, read once into types that cannot be wrong.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::SecurityContext;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::annotations::{Annotations, Commas, Key, Need};
use crate::auth::Login;
use crate::connection::Connection;
use crate::rejection::{Place, Rejection, Warnings};
use crate::secrets::{self, Delivery, Secrets};
use crate::settings::{Amounts, RESOURCES};
use crate::sidecars::agent::Options;
use crate::subject::Subject;
use crate::values::{Image, JobDetection, Mode, NonRootId, OnChange, Sidecars, TemplateEngine};
use crate::variables::Variables;
use crate::words::quoted;
use crate::words::set;

/// What the pod is to get.
#[derive(Debug)]
pub struct Intent {
    pub login: Login,
    /// The files with secrets, if there are any.
    pub secrets: Option<Secrets>,
    /// The environment variables that refer to Vault, if there are any.
    pub variables: Option<Variables>,
    /// Whether the application is started again when its secrets change.
    pub restarts: bool,
    /// How Vault is reached.
    pub connection: Connection,
    /// What the pod wants of Vault Agent itself.
    pub options: Options,
    /// Whether the sidecars end when the pod's work is done.
    pub is_job: bool,
    pub sidecars: Sidecars,
    /// Whether the pod says in which modes it is.
    pub has_own_mode: bool,
    /// The containers that get the secrets; `None` for all of the application's.
    pub inject_containers: Option<Vec<String>>,
    /// The containers whose end is the job's; `None` for all of the application's.
    pub job_containers: Option<Vec<String>>,
    /// Whether the policy's init containers come before the pod's own.
    pub is_init_first: bool,
    /// Whether all containers of the pod are to see each other's processes.
    pub shares_process_namespace: bool,
    /// That of every injected container.
    pub security_context: Option<SecurityContext>,
    pub agent: Overrides,
    pub consul_template: Overrides,
    pub job_babysitter: Overrides,
    pub env_shell: Overrides,
}

/// What a pod wants differently for one of the injected programs.
#[derive(Debug, Default)]
pub struct Overrides {
    /// What the names of its annotations begin with.
    pub prefix: &'static str,
    pub image: Option<Image>,
    pub requests: Amounts,
    pub limits: Amounts,
}

/// When something is rendered: in an init container, or beside the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    Before,
    Beside,
}

/// Names of containers, to find one among many.
pub struct Selected<'n>(Option<BTreeSet<&'n str>>);

impl<'n> Selected<'n> {
    fn of(names: Option<&'n [String]>) -> Self {
        Selected(names.map(|names| set(names.iter().map(String::as_str))))
    }

    /// Whether a container is one of them, or all are.
    pub fn has(&self, container: &str) -> bool {
        let names = self.0.as_ref();
        names.is_none_or(|names| names.contains(container))
    }

    /// Whether it is one of them by its own name.
    pub fn names(&self, container: &str) -> bool {
        self.0.is_some() && self.has(container)
    }
}

/// Whether the pod is annotated and has not been injected. With another value than a boolean it is left alone, with a
/// warning, or rejected where its vocabulary has it so.
pub fn is_annotated(annotations: &Annotations<'_>, warnings: &Warnings) -> Result<bool, Rejection> {
    let is_own = annotations.vocabulary().is_own();
    let unclear = |key, problem| match is_own {
        true => {
            let place = annotations.place(key);
            warnings.add(format!("{place}: {problem}; the pod is not changed"));
            Ok(false)
        }
        // As the Agent Injector does.
        false => Err(annotations.rejected(key, problem)),
    };
    match (annotations.get(Key::Status), annotations.get(Key::Inject)) {
        (Some("injected"), _) => Ok(false),
        (Some(_), _) if is_own => unclear(Key::Status, "only the policy sets it; remove it"),
        (_, None) => Ok(false),
        (_, Some(inject)) => match annotations.vocabulary().is_true(inject) {
            Some(inject) => Ok(inject),
            None => unclear(Key::Inject, "not a boolean; expected true or false"),
        },
    }
}

impl Intent {
    /// Reads what the pod is to get.
    pub fn read(subject: &Subject<'_>) -> Result<Self, Rejection> {
        let (annotations, settings) = (&subject.annotations, subject.settings);
        annotations.warn_of_unknown(subject.warnings);
        let why = "because the namespace of the request decides";
        annotations.warn_unused(Key::RequestNamespace, why, subject.warnings);
        settings.restrictions.reject_locked(annotations)?;
        settings.restrictions.reject_overrides(annotations)?;
        let own_modes = modes(subject)?;
        let is_job = match &own_modes {
            Some(modes) => modes.contains(&Mode::Job),
            None => is_detected_as_job(subject),
        };
        let has_own_mode = own_modes.is_some() && annotations.vocabulary().is_own();
        let modes = own_modes.unwrap_or_default();
        let sidecars = annotations.sidecars()?.unwrap_or(settings.sidecars);
        let has_proxy = modes.contains(&Mode::Proxy);
        let names = |Commas(names): Commas<&str>| names.into_iter().map(str::to_owned).collect();
        let inject_containers: Option<Vec<String>> = annotations.inject_containers()?.map(names);
        let on_change = annotations.on_change()?.unwrap_or(OnChange::None);
        let restarts = on_change == OnChange::Restart;
        let engine = match restarts {
            true => Some(
                annotations
                    .template_engine()?
                    .unwrap_or(settings.template_engine),
            ),
            false => None,
        };
        let selected = Selected::of(inject_containers.as_deref());
        let variables = Variables::read(subject, |container| selected.has(container), engine)?;
        // Neither named, or job alone; and with nothing else, variables are all that is wanted.
        let has_secrets = modes.contains(&Mode::Secrets)
            || (!has_proxy && (variables.is_none() || secrets::are_named(annotations)));
        if !has_secrets
            && !has_proxy
            && let Ok(path) = secrets::path_of_labels(subject)
        {
            subject.warnings.add(format!(
                "annotation {}: missing, so that the secret {} of the labels is not fetched where environment variables refer to Vault; add it to have both",
                annotations.name(Key::SecretsPath),
                quoted(&path)
            ));
        }
        let delivery = match has_secrets {
            true => Some(Delivery::read(subject, is_job, sidecars, on_change)?),
            false => None,
        };
        let options = Options::read(subject, has_proxy)?;
        let needs = [
            (Need::Proxy, options.listens_at().is_some()),
            (Need::Secrets, has_secrets),
            (Need::Delivery, has_secrets || variables.is_some()),
            (Need::References, variables.is_some()),
            (Need::Job, is_job),
        ];
        for (need, is_met) in needs {
            if !is_met {
                annotations.warn_unmet(need, subject.warnings);
            }
        }
        let has_init_agent =
            delivery.is_some_and(Delivery::has_init_agent) || (variables.is_some() && !restarts);
        let has_own_config = options.config_map.is_some();
        if has_own_config
            && variables
                .as_ref()
                .is_some_and(|it| it.engine != Some(TemplateEngine::ConsulTemplate))
        {
            let problem = "must not be used with environment variables that refer to Vault, because the policy cannot add them to this configuration; remove it, and configure the login by annotations";
            return Err(annotations.rejected(Key::AgentConfigMap, problem));
        }
        let login = Login::read(subject, has_init_agent, has_own_config)?;
        let secrets = match delivery {
            Some(delivery) => Some(Secrets::read(subject, &login, delivery)?),
            None => None,
        };
        let intent = Intent {
            login,
            restarts: restarts && (secrets.is_some() || variables.is_some()),
            secrets,
            variables,
            connection: Connection::read(subject)?,
            options,
            is_job,
            sidecars,
            has_own_mode,
            security_context: security_context(subject, inject_containers.as_deref())?,
            inject_containers,
            job_containers: annotations.job_containers()?.map(names),
            is_init_first: annotations.init_first()?.unwrap_or(true),
            shares_process_namespace: annotations.share_process_namespace()?.unwrap_or(false),
            agent: Overrides {
                image: image(subject)?,
                ..overrides("agent", subject)?
            },
            consul_template: overrides("consul-template", subject)?,
            job_babysitter: overrides("job-babysitter", subject)?,
            env_shell: overrides("env-shell", subject)?,
        };
        let needs = [
            (
                Need::ConsulTemplate,
                intent.engine() == Some(TemplateEngine::ConsulTemplate),
            ),
            (Need::Babysitter, intent.needs_babysitter()),
            (Need::Environment, intent.wraps_commands()),
        ];
        for (need, is_met) in needs {
            if !is_met {
                annotations.warn_unmet(need, subject.warnings);
            }
        }
        Ok(intent)
    }

    /// The user that the injected containers run as, if anything says.
    pub fn user(&self) -> Option<i64> {
        self.security_context.as_ref()?.run_as_user
    }

    /// The containers that get the secrets.
    pub fn selected(&self) -> Selected<'_> {
        Selected::of(self.inject_containers.as_deref())
    }

    /// Whether an init container fetches secrets.
    pub fn has_init_agent(&self) -> bool {
        self.renders_files(Stage::Before) || self.renders_variables(Stage::Before)
    }

    /// Whether files are rendered then.
    pub fn renders_files(&self, stage: Stage) -> bool {
        self.delivery().is_some_and(|delivery| match stage {
            Stage::Before => delivery.has_init_agent(),
            Stage::Beside => matches!(delivery, Delivery::Dynamic { .. }),
        })
    }

    /// Whether variables are rendered then.
    pub fn renders_variables(&self, stage: Stage) -> bool {
        let variables = self.variables.as_ref();
        variables.is_some_and(|variables| match stage {
            Stage::Before => variables.engine.is_none(),
            Stage::Beside => variables.engine.is_some(),
        })
    }

    /// Whether what an init container has fetched is fetched again beside the application.
    pub fn has_sidecars_that_render(&self) -> bool {
        self.engine().is_some()
    }

    /// Whether what the init container has leased goes to the sidecar.
    pub fn passes_leases_on(&self) -> bool {
        let is_populated = matches!(
            self.delivery(),
            Some(Delivery::Dynamic {
                engine: TemplateEngine::VaultAgent,
                is_populated: true,
                ..
            })
        );
        self.options.passes_on && is_populated && self.login.has_token()
    }

    /// Whether all pairs of secrets become environment variables.
    pub fn fills_environment(&self) -> bool {
        self.delivery().is_some_and(Delivery::is_into_environment)
    }

    /// Whether commands of the pod's containers go through the env shell.
    pub fn wraps_commands(&self) -> bool {
        self.fills_environment() || self.restarts || self.variables.is_some()
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
            _ => self.variables.as_ref()?.engine,
        }
    }

    /// Whether Vault Agent runs beside the application.
    pub fn has_sidecars(&self) -> bool {
        let options = &self.options;
        let is_used =
            options.proxy.is_some() || (options.quit.is_some() && !options.is_populated_only);
        self.engine().is_some() || is_used
    }

    /// Whether something must end the sidecars when the job is done.
    pub fn needs_babysitter(&self) -> bool {
        self.is_job && self.has_sidecars() && self.sidecars == Sidecars::Classic
    }

    /// Whether the pod's own init container brings the ids to log in with.
    pub fn reads_ids_from_files(&self) -> bool {
        self.login.reads_ids_from_files()
    }

    /// Whether anything of the policy's reads or writes the secrets directory.
    pub fn uses_secrets_volume(&self) -> bool {
        self.secrets.is_some() || self.reads_ids_from_files()
    }

    fn delivery(&self) -> Option<Delivery> {
        self.secrets.as_ref().map(|secrets| secrets.delivery)
    }
}

/// The modes that the pod names; `None` where it names none.
fn modes(subject: &Subject<'_>) -> Result<Option<Vec<Mode>>, Rejection> {
    let annotations = &subject.annotations;
    let mut modes = annotations.mode()?.map(|Commas(modes)| modes);
    if annotations.workload()?.is_some() {
        modes.get_or_insert_default().push(Mode::Job);
        subject.warnings.add(format!(
            "annotation {}: deprecated; use {}: job",
            annotations.name(Key::Workload),
            annotations.name(Key::Mode)
        ));
    }
    Ok(modes)
}

/// Whether the settings say that such a pod is in mode job. One that never ends is not.
fn is_detected_as_job(subject: &Subject<'_>) -> bool {
    let is_job = match subject.settings.jobs.auto_detect {
        JobDetection::RestartPolicy => true,
        JobDetection::Owner => subject.is_of_job,
        JobDetection::Off => false,
    };
    is_job && subject.can_end()
}

/// The security context of the settings, with the user and group that the pod wants.
fn security_context(
    subject: &Subject<'_>,
    inject_containers: Option<&[String]>,
) -> Result<Option<SecurityContext>, Rejection> {
    let annotations = &subject.annotations;
    let mut user = annotations.run_as_user()?.map(|NonRootId(id)| id);
    let mut group = annotations.run_as_group()?.map(|NonRootId(id)| id);
    if annotations.run_as_same_user()? == Some(true) {
        let reject = |problem| {
            let rejection = annotations.rejected(Key::RunAsSameUser, problem);
            Err(rejection.unless_filled_in())
        };
        if user.is_some() {
            return reject(format!(
                "must not be used with {}; remove one of them",
                annotations.name(Key::RunAsUser)
            ));
        }
        let selected = Selected::of(inject_containers);
        let mut containers = subject.applications().map(|(_, container)| container);
        let Some(first) = containers.find(|container| selected.has(&container.name)) else {
            return reject("no container of the application gets the secrets; name another user by annotation run-as-user".to_owned());
        };
        let name = &*first.name;
        user = match subject.pod.user_of(first) {
            Some(0) => {
                return reject(format!(
                    "container {name} runs as root, which the injected containers must not; give it another user"
                ));
            }
            None => {
                return reject(format!(
                    "container {name} and the pod have no securityContext.runAsUser; add it, or use annotation {}",
                    annotations.name(Key::RunAsUser)
                ));
            }
            user => user,
        };
        let own_group = subject.pod.group_of(first);
        group = group.or(own_group.filter(|group| *group != 0));
    }
    let mut context = subject.settings.security_context.clone();
    if annotations.set_security_context()? == Some(false)
        && let Some(context) = &mut context
    {
        // The cluster gives them, as OpenShift does.
        (context.run_as_user, context.run_as_group) = (None, None);
    }
    if user.is_none() && group.is_none() {
        return Ok(context);
    }
    let context = context.unwrap_or_default();
    Ok(Some(SecurityContext {
        run_as_user: user.or(context.run_as_user),
        run_as_group: group.or(context.run_as_group),
        ..context
    }))
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
        &mut subject.work.borrow_mut(),
    )?;
    Ok(Some(image))
}

/// Reads the amounts, which are in annotations such as `agent-limits-memory`.
fn overrides(prefix: &'static str, subject: &Subject<'_>) -> Result<Overrides, Rejection> {
    let mut overrides = Overrides {
        prefix,
        ..Overrides::default()
    };
    for key in subject.annotations.given() {
        let name = key.name().strip_prefix(prefix);
        let name = name.and_then(|name| name.strip_prefix('-')?.split_once('-'));
        let Some((kind, resource)) = name else {
            continue;
        };
        let amounts = match kind {
            "requests" => &mut overrides.requests,
            "limits" => &mut overrides.limits,
            _ => continue,
        };
        // `ephemeral` is short for ephemeral-storage.
        let resource = RESOURCES.iter().find(|it| it.starts_with(resource));
        // An empty one of the Agent Injector's is not an amount.
        let amount = match subject.annotations.get(key) {
            Some("") if !subject.annotations.vocabulary().is_own() => Some(Quantity::default()),
            _ => subject.annotations.amount(key)?,
        };
        amounts.extend(resource.map(|it| (*it).to_owned()).zip(amount));
    }
    Ok(overrides)
}
