//! A container of a pod: what its specification means for the runtime, and what is known of its runs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{self as core, Pod, PodSpec};

use crate::expansion::{Variables, expand};
use crate::image::{Images, PATH};
use crate::quantity;
use crate::runtime::{Bundle, Mount};
use crate::volume::{self, Objects};

/// The place of a container in the life of its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has to end before what comes behind it begins.
    Init,
    /// A native sidecar: has to have started before what comes behind it begins.
    Sidecar,
    /// One of `spec.containers`.
    Main,
}

/// When a container that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    Always,
    OnFailure,
    Never,
}

impl Restart {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "Always" => Self::Always,
            "OnFailure" => Self::OnFailure,
            "Never" => Self::Never,
            _ => bail!("restartPolicy {text} is none"),
        })
    }

    /// Whether a container that has ended with this status is started again.
    pub fn applies_to(self, status: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => status != 0,
            Self::Never => false,
        }
    }
}

/// A container with all its runs.
#[derive(Debug)]
pub struct Container {
    pub spec: core::Container,
    pub kind: Kind,
    pub restart: Restart,
    pub runs: Vec<Run>,
}

/// One run of a container, from its start to its end.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name for the runtime.
    pub id: String,
    /// Standard output and standard error.
    pub log: PathBuf,
    pub began: Instant,
    /// Whether its startup probe has succeeded; without one, whether it runs.
    pub started: bool,
    pub end: Option<End>,
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct End {
    pub at: Instant,
    /// As a shell has it: 128 and the number of the signal where it was killed.
    pub status: i32,
    /// What `kubectl describe` shows.
    pub message: String,
}

impl Container {
    /// The containers of a pod in the order in which the kubelet starts them.
    ///
    /// # Errors
    ///
    /// If the pod asks for what this runner does not do: a scenario must not pass because of that.
    pub fn all_of(spec: &PodSpec) -> Result<Vec<Self>> {
        let of_the_pod = Restart::parse(spec.restart_policy.as_deref().unwrap_or("Always"))?;
        let container = |container: &core::Container, is_init: bool| -> Result<Self> {
            reject_unsupported(container).with_context(|| container.name.clone())?;
            let own = container.restart_policy.as_deref();
            let own = own.map(Restart::parse).transpose()?;
            let (kind, restart) = match (is_init, own, of_the_pod) {
                (true, Some(Restart::Always), _) => (Kind::Sidecar, Restart::Always),
                (true, None, Restart::Never) => (Kind::Init, Restart::Never),
                (true, ..) => (Kind::Init, Restart::OnFailure),
                (false, own, of_the_pod) => (Kind::Main, own.unwrap_or(of_the_pod)),
            };
            Ok(Self {
                spec: container.clone(),
                kind,
                restart,
                runs: Vec::new(),
            })
        };
        let init = spec.init_containers.iter().flatten();
        init.map(|init| container(init, true))
            .chain(spec.containers.iter().map(|main| container(main, false)))
            .collect()
    }

    /// Whether it runs now.
    pub fn is_running(&self) -> bool {
        self.runs.last().is_some_and(|run| run.end.is_none())
    }

    /// Whether it runs and its startup probe has succeeded.
    pub fn has_started(&self) -> bool {
        self.runs
            .last()
            .is_some_and(|run| run.end.is_none() && run.started)
    }

    /// How its last run has ended, if it does not run now.
    pub fn end(&self) -> Option<&End> {
        self.runs.last()?.end.as_ref()
    }

    /// Whether it has ended and is not started again.
    pub fn is_over(&self) -> bool {
        self.end()
            .is_some_and(|end| !self.restart.applies_to(end.status))
    }
}

fn reject_unsupported(container: &core::Container) -> Result<()> {
    let has = [
        ("livenessProbe", container.liveness_probe.is_some()),
        ("envFrom", container.env_from.is_some()),
        ("volumeDevices", container.volume_devices.is_some()),
        (
            "restartPolicyRules",
            container.restart_policy_rules.is_some(),
        ),
    ];
    for (field, is_there) in has {
        ensure!(!is_there, "{field} is not run here");
    }
    let lifecycle = container.lifecycle.as_ref();
    let hooks = lifecycle.map(|lifecycle| [&lifecycle.post_start, &lifecycle.pre_stop]);
    for hook in hooks.iter().flatten().copied().flatten() {
        ensure!(hook.exec.is_some(), "only exec hooks are run here");
    }
    if let Some(probe) = &container.startup_probe {
        ensure!(probe.exec.is_some(), "only exec probes are run here");
    }
    Ok(())
}

/// What a container's bundle is made from besides its own specification.
#[derive(Clone, Copy)]
pub struct Surroundings<'s> {
    pub pod: &'s Pod,
    pub images: &'s Images,
    pub objects: &'s dyn Objects,
    /// Where the volumes are, each below its name.
    pub volumes: &'s Path,
    /// The file that becomes `/dev/termination-log`.
    pub termination_log: &'s Path,
    /// The port of the API server at 127.0.0.1.
    pub api_server_port: u16,
    /// The process whose process namespace all containers of the pod share.
    pub process_namespace_of: Option<u32>,
}

impl Surroundings<'_> {
    /// The bundle of a container, as the kubelet tells the runtime to make it.
    ///
    /// # Errors
    ///
    /// If an image, an object or a volume is missing, or root is asked for and rejected.
    pub fn bundle(&self, container: &core::Container) -> Result<Bundle<'_>> {
        let spec = self.pod.spec.as_ref().context("a pod has a spec")?;
        let variables = self.environment(container)?;
        let of_the_pod = spec.security_context.as_ref();
        let own = container.security_context.as_ref();
        let user = own
            .and_then(|own| own.run_as_user)
            .or_else(|| of_the_pod?.run_as_user)
            .unwrap_or(0);
        let group = own
            .and_then(|own| own.run_as_group)
            .or_else(|| of_the_pod?.run_as_group)
            .unwrap_or(0);
        let must_not_be_root = own
            .and_then(|own| own.run_as_non_root)
            .or_else(|| of_the_pod?.run_as_non_root)
            .unwrap_or(false);
        ensure!(
            !(must_not_be_root && user == 0),
            "container has runAsNonRoot and image will run as root"
        );
        let limits = container
            .resources
            .as_ref()
            .and_then(|all| all.limits.as_ref());
        let limit = |name: &str| limits.and_then(|limits| limits.get(name));
        Ok(Bundle {
            image: self.images.root(container.image.as_deref().unwrap_or(""))?,
            hostname: self.pod.metadata.name.as_deref().unwrap_or_default(),
            arguments: arguments(container, &variables)?,
            environment: self.with_image_environment(&variables),
            working_directory: container.working_dir.clone().unwrap_or("/".to_owned()),
            user: user.try_into()?,
            group: group.try_into()?,
            additional_groups: of_the_pod
                .and_then(|pod| pod.supplemental_groups.clone())
                .into_iter()
                .flatten()
                .map(u32::try_from)
                .collect::<Result<_, _>>()?,
            capabilities: capabilities(own.and_then(|own| own.capabilities.as_ref())),
            no_new_privileges: own.is_some_and(|own| own.allow_privilege_escalation == Some(false)),
            read_only_root: own.is_some_and(|own| own.read_only_root_filesystem == Some(true)),
            mounts: self.mounts(container)?,
            memory_limit: limit("memory").map(quantity::bytes).transpose()?,
            cpu_limit: limit("cpu").map(quantity::thousandths).transpose()?,
            process_namespace_of: self.process_namespace_of,
        })
    }

    /// The variables that references can name: those of services, then the container's own in their order.
    fn environment(&self, container: &core::Container) -> Result<Variables> {
        let mut variables = Variables::from([
            ("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned()),
            (
                "KUBERNETES_SERVICE_PORT".to_owned(),
                self.api_server_port.to_string(),
            ),
        ]);
        for variable in container.env.iter().flatten() {
            let value = match (&variable.value, &variable.value_from) {
                (_, None) => expand(variable.value.as_deref().unwrap_or_default(), &variables),
                (_, Some(source)) => self.value_of(source)?,
            };
            variables.insert(variable.name.clone(), value);
        }
        Ok(variables)
    }

    fn value_of(&self, source: &core::EnvVarSource) -> Result<String> {
        if let Some(field) = &source.field_ref {
            return volume::field(self.pod, &field.field_path);
        }
        let key = source.secret_key_ref.as_ref();
        let key = key.context("only fieldRef and secretKeyRef are known here")?;
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let data = self.objects.secret(namespace, &key.name);
        let value = data.as_ref().and_then(|data| data.get(&key.key));
        let value = value.with_context(|| format!("key {} of {} is missing", key.key, key.name))?;
        Ok(String::from_utf8_lossy(value).into_owned())
    }

    /// What the image and the runtime set, where the pod does not.
    fn with_image_environment(&self, variables: &Variables) -> Vec<String> {
        let name = self.pod.metadata.name.as_deref().unwrap_or_default();
        [("PATH", PATH), ("HOSTNAME", name)]
            .into_iter()
            .filter(|(name, _)| !variables.contains_key(*name))
            .chain(
                variables
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            )
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn mounts(&self, container: &core::Container) -> Result<Vec<Mount>> {
        let own = container.volume_mounts.iter().flatten().map(|mount| {
            ensure!(mount.sub_path_expr.is_none(), "subPathExpr is not run here");
            let mut source = self.volumes.join(&mount.name);
            ensure!(source.exists(), "there is no volume {}", mount.name);
            if let Some(path) = &mount.sub_path {
                source = volume::below(&source, path)?;
                if !source.exists() {
                    std::fs::create_dir_all(&source)?;
                }
            }
            Ok(Mount {
                source,
                target: mount.mount_path.clone(),
                read_only: mount.read_only == Some(true),
            })
        });
        let mut mounts = own.collect::<Result<Vec<_>>>()?;
        mounts.push(Mount {
            source: self.termination_log.to_owned(),
            target: "/dev/termination-log".to_owned(),
            read_only: false,
        });
        // A mount inside another comes behind it.
        mounts.sort_by_key(|mount| mount.target.split('/').count());
        Ok(mounts)
    }
}

fn arguments(container: &core::Container, variables: &Variables) -> Result<Vec<String>> {
    let command = container.command.as_ref();
    let command = command.context("the images here have no command of their own")?;
    let arguments = container.args.iter().flatten();
    Ok(command
        .iter()
        .chain(arguments)
        .map(|text| expand(text, variables))
        .collect())
}

/// A probe's command. The kubelet expands in it what the manifest itself gives a value.
pub fn probe_command(container: &core::Container, command: &[String]) -> Vec<String> {
    let variables = container.env.iter().flatten();
    let variables: Variables = variables
        .map(|variable| {
            let value = variable.value.clone().unwrap_or_default();
            (variable.name.clone(), value)
        })
        .collect();
    command
        .iter()
        .map(|text| expand(text, &variables))
        .collect()
}

/// What container runtimes leave to a container by default.
const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

fn capabilities(changes: Option<&core::Capabilities>) -> Vec<String> {
    let names = |names: Option<&Vec<String>>| names.cloned().unwrap_or_default();
    let dropped = names(changes.and_then(|changes| changes.drop.as_ref()));
    let added = names(changes.and_then(|changes| changes.add.as_ref()));
    let all_are_dropped = dropped.iter().any(|name| name == "ALL");
    CAPABILITIES
        .into_iter()
        .filter(|name| !all_are_dropped && !dropped.iter().any(|dropped| dropped == name))
        .map(str::to_owned)
        .chain(added)
        .map(|name| format!("CAP_{name}"))
        .collect()
}
