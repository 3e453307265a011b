//! The part of a submitted pod that the policy reads: a view that borrows from the request, and is never written back.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::path::same_path;
use crate::raw::{self, Members, Text, is_null, null_as_default, objects};

/// A pod's spec, or that of the pod template of a workload.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Pod<'a> {
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub containers: Vec<Container<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub init_containers: Vec<Container<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub ephemeral_containers: Vec<Container<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub volumes: Vec<Volume<'a>>,
    #[serde(default, deserialize_with = "null_as_default")]
    security_context: SecurityContext,
    #[serde(default, deserialize_with = "null_as_default")]
    pub restart_policy: RestartPolicy,
    termination_grace_period_seconds: Option<i64>,
    #[serde(borrow)]
    os: Option<Reference<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    node_selector: Members<'a>,
    #[serde(borrow)]
    affinity: Option<&'a RawValue>,
    /// Whose names it can look up; `ClusterFirst` where it does not say.
    #[serde(borrow)]
    pub dns_policy: Option<Text<'a>>,
    #[serde(borrow)]
    resources: Option<&'a RawValue>,
    /// Whether its ports are the node's.
    #[serde(rename = "hostNetwork", default, deserialize_with = "null_as_default")]
    pub uses_host_network: bool,
    /// Whether it sees the processes of the node.
    #[serde(rename = "hostPID", default, deserialize_with = "null_as_default")]
    pub uses_host_pid: bool,
    /// Whether its containers see each other's processes, if the pod says.
    #[serde(rename = "shareProcessNamespace")]
    pub shares_process_namespace: Option<bool>,
    /// The secrets that its images are pulled with.
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub image_pull_secrets: Vec<Reference<'a>>,
    #[serde(borrow)]
    pub service_account_name: Option<Text<'a>>,
}

/// What decides who sees the processes of a pod.
#[derive(Debug)]
pub struct Processes {
    /// The user of the containers that name none of their own.
    pub run_as_user: Option<i64>,
    /// Whether it sees the processes of the node.
    pub uses_host_pid: bool,
    /// Whether its containers see each other's processes, if the pod says.
    pub shares_process_namespace: Option<bool>,
}

impl Processes {
    /// Reads them from the members of a pod's spec.
    pub fn of(spec: &Members<'_>) -> Result<Self, serde_json::Error> {
        let security_context: SecurityContext = spec.read("securityContext")?;
        Ok(Processes {
            run_as_user: security_context.run_as_user,
            uses_host_pid: spec.read("hostPID")?,
            shares_process_namespace: spec.read("shareProcessNamespace")?,
        })
    }
}

/// The name of something else, if it has one.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self")]
pub struct Reference<'a> {
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
struct SecurityContext {
    run_as_user: Option<i64>,
    run_as_group: Option<i64>,
    fs_group: Option<i64>,
    #[serde(default, deserialize_with = "null_as_default")]
    supplemental_groups: Vec<i64>,
}

/// Whether the kubelet starts a container again that has ended; `Always` where the pod does not say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
// What serde derives for an enum takes an object, too.
#[serde(try_from = "String")]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

impl TryFrom<String> for RestartPolicy {
    type Error = &'static str;

    fn try_from(policy: String) -> Result<Self, Self::Error> {
        match policy.as_str() {
            "Always" => Ok(RestartPolicy::Always),
            "OnFailure" => Ok(RestartPolicy::OnFailure),
            "Never" => Ok(RestartPolicy::Never),
            _ => Err("expected Always, OnFailure or Never"),
        }
    }
}

/// Which of the pod's lists a container is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum List {
    Containers,
    InitContainers,
}

/// What stands for the name of a container that has none, which some controllers give it; none that has one has this.
pub const UNNAMED: &str = "\0";

fn unnamed() -> Text<'static> {
    Text(UNNAMED.into())
}

#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Container<'a> {
    /// [`UNNAMED`] where it has none.
    #[serde(borrow, default = "unnamed")]
    pub name: Text<'a>,
    #[serde(default, deserialize_with = "null_as_default")]
    security_context: SecurityContext,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    volume_devices: Vec<Reference<'a>>,
    #[serde(borrow)]
    env: Option<&'a RawValue>,
    /// The container whose processes an ephemeral container sees.
    #[serde(borrow, rename = "targetContainerName")]
    pub target_container: Option<Text<'a>>,
    /// The container's own policy, which counts before the pod's.
    pub restart_policy: Option<RestartPolicy>,
    /// Rules by which some exit codes start it again, whatever its policy.
    #[serde(default, deserialize_with = "null_as_default")]
    restart_policy_rules: Vec<IgnoredAny>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub volume_mounts: Vec<VolumeMount<'a>>,
    #[serde(borrow)]
    lifecycle: Option<Lifecycle<'a>>,
    #[serde(borrow)]
    startup_probe: Option<&'a RawValue>,
    #[serde(borrow)]
    liveness_probe: Option<&'a RawValue>,
    #[serde(borrow)]
    readiness_probe: Option<&'a RawValue>,
    #[serde(borrow)]
    pub image: Option<Text<'a>>,
    #[serde(borrow)]
    command: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    ports: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
struct Lifecycle<'a> {
    #[serde(borrow)]
    post_start: Option<PostStart<'a>>,
    #[serde(borrow)]
    pre_stop: Option<&'a RawValue>,
}

/// A command in a container that sees the container's environment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Its main process.
    Main,
    StartupProbe,
    LivenessProbe,
    ReadinessProbe,
    PostStart,
    PreStop,
}

impl Command {
    pub const ALL: [Self; 6] = [
        Self::Main,
        Self::StartupProbe,
        Self::LivenessProbe,
        Self::ReadinessProbe,
        Self::PostStart,
        Self::PreStop,
    ];

    /// Where it is in the container.
    pub fn path(self) -> &'static [&'static str] {
        match self {
            Self::Main => &["command"],
            Self::StartupProbe => &["startupProbe", "exec", "command"],
            Self::LivenessProbe => &["livenessProbe", "exec", "command"],
            Self::ReadinessProbe => &["readinessProbe", "exec", "command"],
            Self::PostStart => &["lifecycle", "postStart", "exec", "command"],
            Self::PreStop => &["lifecycle", "preStop", "exec", "command"],
        }
    }

    /// Whether Kubernetes expands `$(VAR)` and `$$` in it, as in everything except hooks.
    pub fn is_expanded(self) -> bool {
        !matches!(self, Self::PostStart | Self::PreStop)
    }
}

/// A container's postStart hook as submitted.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Members<'a>", bound(deserialize = "'de: 'a"))]
pub enum PostStart<'a> {
    /// A hook without anything in it.
    None,
    Exec(Vec<Text<'a>>),
    /// `httpGet`, `tcpSocket`, `sleep` or something newer.
    Other,
}

#[derive(Debug, Deserialize, Eq, PartialEq)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub mount_path: Text<'a>,
    #[serde(borrow)]
    pub sub_path: Option<Text<'a>>,
    #[serde(borrow)]
    pub sub_path_expr: Option<Text<'a>>,
    #[serde(rename = "readOnly", default, deserialize_with = "null_as_default")]
    pub is_read_only: bool,
}

impl VolumeMount<'_> {
    /// Whether the whole volume is mounted, and at `path`.
    pub fn is_at(&self, path: &str) -> bool {
        same_path(&self.mount_path, path)
    }

    /// Whether only a part of the volume is mounted.
    pub fn is_partial(&self) -> bool {
        let given = |text: &Option<Text<'_>>| text.as_deref().is_some_and(|path| !path.is_empty());
        given(&self.sub_path) || given(&self.sub_path_expr)
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Members<'a>", bound(deserialize = "'de: 'a"))]
pub struct Volume<'a> {
    pub name: Text<'a>,
    pub source: VolumeSource<'a>,
    /// The containers whose resources its files have as content.
    pub resource_fields: Vec<Text<'a>>,
}

#[derive(Debug)]
pub enum VolumeSource<'a> {
    EmptyDir {
        in_memory: bool,
    },
    Secret(Files<'a>),
    Projected {
        sources: Vec<Projection<'a>>,
        /// Of its files.
        mode: u32,
    },
    /// Any other, by its name in the manifest: `configMap`, `hostPath`, ...
    Other {
        kind: String,
        is_read_only: bool,
    },
}

impl VolumeSource<'_> {
    /// Whether nobody but the kubelet writes to it.
    pub fn is_of_kubelet(&self) -> bool {
        match self {
            VolumeSource::Secret(_) | VolumeSource::Projected { .. } => true,
            VolumeSource::Other { kind, .. } => {
                matches!(kind.as_str(), "configMap" | "downwardAPI")
            }
            VolumeSource::EmptyDir { .. } => false,
        }
    }
}

/// The permissions of files in a volume that does not say.
const DEFAULT_MODE: u32 = 0o644;

/// A source of a projected volume with what is in its downward API.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Members<'a>", bound(deserialize = "'de: 'a"))]
struct ProjectedSource<'a> {
    /// `None` if nothing is in it.
    projection: Option<Projection<'a>>,
    resource_fields: Vec<Text<'a>>,
}

/// A source of a projected volume.
#[derive(Debug)]
pub enum Projection<'a> {
    ServiceAccountToken {
        path: Text<'a>,
        /// `None` for the API server's.
        audience: Option<Text<'a>>,
    },
    Secret(Files<'a>),
    /// A ConfigMap, fields of the pod or something newer.
    Other(Files<'a>),
}

/// Which files there are: of a Secret or a ConfigMap those of the keys that are chosen, or one for each key, and of the
/// downward API fields and resources.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct Files<'a> {
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    items: Vec<File<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
struct File<'a> {
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(borrow)]
    resource_field_ref: Option<&'a RawValue>,
}

objects!(
    Pod<'a>,
    Reference<'a>,
    SecurityContext,
    Container<'a>,
    Lifecycle<'a>,
    VolumeMount<'a>,
    Files<'a>,
    File<'a>,
);

impl<'a> Pod<'a> {
    /// The name of its service account, which is `default` where the pod does not say.
    pub fn service_account(&self) -> &str {
        let name = self.service_account_name.as_deref();
        name.filter(|name| !name.is_empty()).unwrap_or("default")
    }

    /// Seconds between TERM and KILL when the pod is deleted.
    pub fn termination_grace_period_seconds(&self) -> i64 {
        self.termination_grace_period_seconds.unwrap_or(30)
    }

    pub fn processes(&self) -> Processes {
        Processes {
            run_as_user: self.security_context.run_as_user,
            uses_host_pid: self.uses_host_pid,
            shares_process_namespace: self.shares_process_namespace,
        }
    }

    /// The field by which it says that it needs a node with Windows, if it does.
    pub fn windows(&self) -> Option<&'static str> {
        let system = self.os.as_ref().and_then(|os| os.name.as_deref());
        if system == Some(WINDOWS) {
            return Some("spec.os.name");
        }
        let selects = |label: &&str| {
            let value: Option<Text<'_>> = self.node_selector.read(label).unwrap_or_default();
            value.as_deref() == Some(WINDOWS)
        };
        if OS_LABELS.iter().any(selects) {
            return Some("spec.nodeSelector");
        }
        let terms = self.affinity.and_then(|affinity| {
            let affinity = raw::member(affinity, "nodeAffinity")?;
            let required = raw::member(affinity, "requiredDuringSchedulingIgnoredDuringExecution")?;
            raw::member(required, "nodeSelectorTerms")
        });
        let terms: Vec<Members<'a>> =
            serde_json::from_str(terms.map_or("[]", RawValue::get)).unwrap_or_default();
        // One of them is enough for a node.
        let is_needed = !terms.is_empty() && terms.iter().all(needs_windows);
        is_needed.then_some("spec.affinity")
    }

    /// The architecture of the nodes that it runs on, if its node selector says.
    pub fn architecture(&self) -> Option<Text<'a>> {
        let labels = ["kubernetes.io/arch", "beta.kubernetes.io/arch"];
        let mut values = labels
            .into_iter()
            .map(|label| self.node_selector.read(label));
        values.find_map(|value| value.unwrap_or_default())
    }

    /// Whether it says what its containers may use together.
    pub fn has_resources(&self) -> bool {
        let resources = self.resources;
        let mut given = ["requests", "limits"]
            .into_iter()
            .filter_map(|name| raw::member(resources?, name));
        given.any(|amounts| amounts.get().contains('"'))
    }

    /// The user that one of its containers runs as, if anything says.
    pub fn user_of(&self, container: &Container<'a>) -> Option<i64> {
        let of_container = container.run_as_user();
        of_container.or(self.security_context.run_as_user)
    }

    /// The group that one of its containers runs in, if anything says.
    pub fn group_of(&self, container: &Container<'a>) -> Option<i64> {
        let of_container = container.run_as_group();
        of_container.or(self.security_context.run_as_group)
    }

    /// Whether its volumes are given to a group that all its containers are in.
    pub fn has_fs_group(&self) -> bool {
        self.security_context.fs_group.is_some()
    }

    /// Whether all its containers are in this group besides their own.
    pub fn has_group(&self, group: i64) -> bool {
        self.security_context.supplemental_groups.contains(&group)
    }

    /// All init containers, containers and ephemeral containers.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers
            .iter()
            .chain(&self.containers)
            .chain(&self.ephemeral_containers)
    }

    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.volumes.iter().find(|volume| &*volume.name == name)
    }
}

/// The operating system of nodes on which nothing of the policy's can run, in fields and labels.
const WINDOWS: &str = "windows";
/// The labels of nodes that say which one they have; the second one is from before Kubernetes 1.14.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Whether only nodes with Windows meet a term of a node selector.
fn needs_windows(term: &Members<'_>) -> bool {
    let expressions: Vec<Members<'_>> = term.read("matchExpressions").unwrap_or_default();
    expressions.iter().any(|expression| {
        let text = |name| -> Text<'_> { expression.read(name).unwrap_or_default() };
        let values: Vec<Text<'_>> = expression.read("values").unwrap_or_default();
        let only = |system: &str| !values.is_empty() && values.iter().all(|it| &**it == system);
        OS_LABELS.contains(&&*text("key"))
            && match &*text("operator") {
                "In" => only(WINDOWS),
                // Kubernetes has no other one.
                "NotIn" => only("linux"),
                _ => false,
            }
    })
}

impl<'a> Container<'a> {
    /// The user that it runs as, if it says.
    pub fn run_as_user(&self) -> Option<i64> {
        self.security_context.run_as_user
    }

    /// The group that it runs in, if it says.
    pub fn run_as_group(&self) -> Option<i64> {
        self.security_context.run_as_group
    }

    /// The volumes that it has as block devices.
    pub fn volume_devices(&self) -> impl Iterator<Item = &Text<'a>> {
        let devices = self.volume_devices.iter();
        devices.filter_map(|device| device.name.as_ref())
    }

    /// The containers whose resources its environment variables have as values.
    pub fn resource_fields(&self) -> impl Iterator<Item = Text<'a>> {
        let fields = self.sources("resourceFieldRef");
        fields.filter_map(|field| text(field, "containerName"))
    }

    /// The volumes whose files its environment variables have as values.
    pub fn file_volumes(&self) -> impl Iterator<Item = Text<'a>> {
        let files = self.sources("fileKeyRef");
        files.filter_map(|file| text(file, "volumeName"))
    }

    /// The value of an environment variable, as it is written.
    pub fn variable(&self, name: &str) -> Option<String> {
        let quoted = format!("\"{name}\"");
        let may_have_it =
            |env: &&RawValue| env.get().contains(&quoted) || raw::may_have_escapes(env);
        let variables = self
            .env
            .filter(may_have_it)
            .map_or_else(Vec::new, raw::items);
        let mut variables = variables.into_iter().rev();
        let variable = variables.find(|it| text(it, "name").is_some_and(|it| &*it == name))?;
        text(variable, "value").map(|value| value.to_string())
    }

    /// Its environment variables, as they are written.
    pub fn env(&self) -> Option<&'a RawValue> {
        self.env
    }

    /// The same, one at a time, except those without a name.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'a>> {
        let variables = self.env.map_or_else(Vec::new, raw::items);
        variables.into_iter().filter_map(|variable| {
            let field = raw::member(variable, "valueFrom");
            let field = field.and_then(|from| raw::member(from, "fieldRef"));
            Some(Variable {
                name: text(variable, "name")?,
                value: text(variable, "value"),
                field: field.and_then(|field| text(field, "fieldPath")),
            })
        })
    }

    /// What of it Kubernetes replaces `$(NAME)` in: variables, command, arguments and probes.
    pub fn expanded(&self) -> impl Iterator<Item = &'a RawValue> {
        let parts = [
            self.env,
            self.command,
            self.args,
            self.startup_probe,
            self.liveness_probe,
            self.readiness_probe,
        ];
        parts.into_iter().flatten()
    }

    /// Whether another has the same environment variables.
    pub fn has_same_variables(&self, other: &Self) -> bool {
        self.env.map(RawValue::get) == other.env.map(RawValue::get)
    }

    /// What its environment variables have their values from, of one kind. There may be very many.
    fn sources(&self, kind: &str) -> impl Iterator<Item = &'a RawValue> {
        let has_kind = |env: &&RawValue| env.get().contains(kind) || raw::may_have_escapes(env);
        let variables = self.env.filter(has_kind).map_or_else(Vec::new, raw::items);
        variables
            .into_iter()
            .filter_map(move |it| raw::member(raw::member(it, "valueFrom")?, kind))
    }

    /// Whether it has rules by which some exit codes start it again, whatever its policy.
    pub fn has_restart_rules(&self) -> bool {
        !self.restart_policy_rules.is_empty()
    }

    /// The container's mount of the whole volume `name`.
    pub fn mount_of(&self, name: &str) -> Option<&VolumeMount<'a>> {
        self.volume_mounts
            .iter()
            .find(|mount| &*mount.name == name && !mount.is_partial())
    }

    /// Whether there is a `lifecycle` object, into which a hook can be put.
    pub fn has_lifecycle(&self) -> bool {
        self.lifecycle.is_some()
    }

    pub fn post_start(&self) -> &PostStart<'a> {
        let lifecycle = self.lifecycle.as_ref();
        lifecycle
            .and_then(|lifecycle| lifecycle.post_start.as_ref())
            .unwrap_or(&PostStart::None)
    }

    /// The words of such a command of its own, as they are written; none where it has none. The image's is not seen from
    /// here.
    pub fn words(&self, command: Command) -> Vec<Value> {
        let of_handler =
            |handler: Option<&'a RawValue>| raw::member(raw::member(handler?, "exec")?, "command");
        let words = match command {
            Command::Main => self.command,
            Command::StartupProbe => of_handler(self.startup_probe),
            Command::LivenessProbe => of_handler(self.liveness_probe),
            Command::ReadinessProbe => of_handler(self.readiness_probe),
            Command::PreStop => {
                let lifecycle = self.lifecycle.as_ref();
                of_handler(lifecycle.and_then(|lifecycle| lifecycle.pre_stop))
            }
            Command::PostStart => {
                return match self.post_start() {
                    PostStart::Exec(words) => words.iter().map(|word| (**word).into()).collect(),
                    PostStart::None | PostStart::Other => Vec::new(),
                };
            }
        };
        match words.map(|words| serde_json::from_str(words.get())) {
            Some(Ok(Value::Array(words))) => words,
            _ => Vec::new(),
        }
    }

    /// Whether it has such a command of its own.
    pub fn has(&self, command: Command) -> bool {
        !self.words(command).is_empty()
    }

    /// Whether it has arguments, which replace the image's CMD.
    pub fn has_arguments(&self) -> bool {
        self.args.is_some_and(|args| !raw::items(args).is_empty())
    }

    pub fn declares_port(&self, port: u16) -> bool {
        let port = port.to_string();
        let ports = self.ports.map_or_else(Vec::new, raw::items);
        let mut declared = ports
            .into_iter()
            .filter_map(|it| raw::member(it, "containerPort"));
        declared.any(|declared| declared.get() == port)
    }
}

/// An environment variable.
#[derive(Debug)]
pub struct Variable<'a> {
    pub name: Text<'a>,
    pub value: Option<Text<'a>>,
    /// The field of the pod that it has its value from.
    pub field: Option<Text<'a>>,
}

/// The text at `name` of an object.
fn text<'a>(object: &'a RawValue, name: &str) -> Option<Text<'a>> {
    serde_json::from_str(raw::member(object, name)?.get()).ok()
}

impl<'a> TryFrom<Members<'a>> for PostStart<'a> {
    type Error = serde_json::Error;

    fn try_from(hook: Members<'a>) -> Result<Self, Self::Error> {
        Ok(match kind_of(&hook, "exec") {
            None => PostStart::None,
            Some(("exec", exec)) => {
                let exec: Members<'a> = serde_json::from_str(exec.get())?;
                PostStart::Exec(exec.read("command")?)
            }
            Some(_) => PostStart::Other,
        })
    }
}

/// Which kind an object is of, that has a member for its kind: `expected`, if it has that, for another
/// member may be newer than this policy.
fn kind_of<'m, 'a>(members: &'m Members<'a>, expected: &'m str) -> Option<(&'m str, &'a RawValue)> {
    if let Some(value) = members.get(expected) {
        return Some((expected, value));
    }
    let mut kinds = members.iter().map(|(name, value)| (&**name, value));
    kinds.find(|(name, value)| *name != "name" && !is_null(value))
}

impl<'a> Volume<'a> {
    /// The volume that a StatefulSet's controller adds for a claim of this name.
    pub fn of_claim(name: Text<'a>) -> Self {
        Volume {
            name,
            source: VolumeSource::Other {
                kind: "persistentVolumeClaim".to_owned(),
                is_read_only: false,
            },
            resource_fields: Vec::new(),
        }
    }
}

impl<'a> TryFrom<Members<'a>> for Volume<'a> {
    type Error = serde_json::Error;

    fn try_from(volume: Members<'a>) -> Result<Self, Self::Error> {
        let name = volume.required("name")?;
        let mut resource_fields = Vec::new();
        let source = match kind_of(&volume, "emptyDir") {
            // The API server makes a volume without a source an emptyDir.
            None => VolumeSource::EmptyDir { in_memory: false },
            Some(("emptyDir", source)) => {
                let source: Members<'a> = serde_json::from_str(source.get())?;
                let medium: Option<Text<'a>> = source.read("medium")?;
                VolumeSource::EmptyDir {
                    in_memory: medium.as_deref() == Some("Memory"),
                }
            }
            Some(("secret", source)) => VolumeSource::Secret(serde_json::from_str(source.get())?),
            Some(("projected", source)) => {
                let source: Members<'a> = serde_json::from_str(source.get())?;
                let mode: Option<u32> = source.read("defaultMode")?;
                let sources: Vec<ProjectedSource<'a>> = source.read("sources")?;
                let mut projections = Vec::new();
                for source in sources {
                    resource_fields.extend(source.resource_fields);
                    projections.extend(source.projection);
                }
                VolumeSource::Projected {
                    sources: projections,
                    mode: mode.unwrap_or(DEFAULT_MODE),
                }
            }
            Some((kind, source)) => {
                if kind == "downwardAPI" {
                    let files: Files<'a> = serde_json::from_str(source.get())?;
                    resource_fields = files.into_resource_fields().collect();
                }
                let is_read_only =
                    raw::member(source, "readOnly").is_some_and(|it| it.get() == "true");
                VolumeSource::Other {
                    kind: kind.to_owned(),
                    is_read_only: is_read_only || ALWAYS_READ_ONLY.contains(&kind),
                }
            }
        };
        Ok(Volume {
            name,
            source,
            resource_fields,
        })
    }
}

/// Volumes that nothing can write to, besides Secrets and projected volumes.
const ALWAYS_READ_ONLY: [&str; 3] = ["configMap", "downwardAPI", "image"];

impl<'a> TryFrom<Members<'a>> for ProjectedSource<'a> {
    type Error = serde_json::Error;

    fn try_from(source: Members<'a>) -> Result<Self, Self::Error> {
        let mut resource_fields = Vec::new();
        if let Some(fields) = source.get("downwardAPI") {
            let files: Files<'a> = serde_json::from_str(fields.get())?;
            resource_fields.extend(files.into_resource_fields());
        }
        let projection = if let Some(token) = source.get("serviceAccountToken") {
            let token: Members<'a> = serde_json::from_str(token.get())?;
            let audience: Option<Text<'a>> = token.read("audience")?;
            Some(Projection::ServiceAccountToken {
                path: token.required("path")?,
                audience: audience.filter(|audience| !audience.is_empty()),
            })
        } else if let Some(secret) = source.get("secret") {
            Some(Projection::Secret(serde_json::from_str(secret.get())?))
        } else if let Some(other) = source.get("configMap").or(source.get("downwardAPI")) {
            Some(Projection::Other(serde_json::from_str(other.get())?))
        } else {
            // Of a newer kind, which may have any file.
            let is_given = source.iter().any(|(_, value)| !is_null(value));
            is_given.then(|| Projection::Other(Files::default()))
        };
        Ok(ProjectedSource {
            projection,
            resource_fields,
        })
    }
}

impl Projection<'_> {
    fn may_have(&self, path: &str) -> bool {
        match self {
            Projection::ServiceAccountToken { path: known, .. } => same_path(known, path),
            Projection::Secret(files) | Projection::Other(files) => files.may_have(path),
        }
    }
}

impl<'a> Files<'a> {
    fn may_have(&self, path: &str) -> bool {
        let mut files = self.items.iter();
        // Without a choice, its keys cannot be seen from here, and nobody but the kubelet writes them.
        self.items.is_empty() || files.any(|file| same_path(&file.path, path))
    }

    /// The containers whose resources are in a file.
    fn into_resource_fields(self) -> impl Iterator<Item = Text<'a>> {
        let fields = self
            .items
            .into_iter()
            .filter_map(|file| file.resource_field_ref);
        fields.filter_map(|field| text(field, "containerName"))
    }
}

impl<'a> VolumeSource<'a> {
    /// What it is called in a manifest.
    pub fn kind(&self) -> &str {
        match self {
            VolumeSource::EmptyDir { .. } => "emptyDir",
            VolumeSource::Secret(_) => "secret",
            VolumeSource::Projected { .. } => "projected",
            VolumeSource::Other { kind, .. } => kind,
        }
    }

    /// Whether no container can write to it, whatever its mount says.
    pub fn is_read_only(&self) -> bool {
        match self {
            VolumeSource::EmptyDir { .. } => false,
            VolumeSource::Secret(_) | VolumeSource::Projected { .. } => true,
            VolumeSource::Other { is_read_only, .. } => *is_read_only,
        }
    }

    /// Whether the kubelet alone writes to it.
    pub fn is_written_by_kubelet(&self) -> bool {
        matches!(
            self,
            VolumeSource::Secret(_) | VolumeSource::Projected { .. }
        )
    }

    /// The path in the volume of the token of the pod's service account that it has, if it has one.
    pub fn token_path(&self) -> Option<&str> {
        let VolumeSource::Projected { sources, .. } = self else {
            return None;
        };
        sources.iter().find_map(|source| match source {
            Projection::ServiceAccountToken { path, .. } => Some(&**path),
            _ => None,
        })
    }

    /// Whether the kubelet can put a token into the file at `path` in the volume, and nobody else can.
    pub fn can_hold_token(&self, path: &str) -> bool {
        match self {
            VolumeSource::Secret(files) => files.may_have(path),
            VolumeSource::Projected { sources, .. } => {
                let only = only_source(sources, path);
                only.is_some_and(|source| !matches!(source, Projection::Other(_)))
            }
            VolumeSource::EmptyDir { .. } | VolumeSource::Other { .. } => false,
        }
    }

    /// The file at `path` in the volume, if it is a token of the pod's service account.
    pub fn own_token(&self, path: &str) -> Option<OwnToken<'_>> {
        let VolumeSource::Projected { sources, mode } = self else {
            return None;
        };
        match only_source(sources, path) {
            Some(Projection::ServiceAccountToken { audience, .. }) => Some(OwnToken {
                audience: audience.as_deref(),
                is_for_all: is_for_all(*mode),
            }),
            _ => None,
        }
    }

    /// Whether a token of the pod's service account is in it that not all users can read.
    pub fn has_guarded_token(&self) -> bool {
        match self {
            VolumeSource::Projected { sources, mode } => {
                let is_token =
                    |source: &_| matches!(source, Projection::ServiceAccountToken { .. });
                !is_for_all(*mode) && sources.iter().any(is_token)
            }
            _ => false,
        }
    }
}

/// A token of the pod's service account, in a file.
pub struct OwnToken<'s> {
    /// Whom it is for; `None` for the API server.
    pub audience: Option<&'s str>,
    /// Whether all users can read it where it belongs to root.
    pub is_for_all: bool,
}

fn is_for_all(mode: u32) -> bool {
    mode & 0o004 != 0
}

/// The source that a file of a projected volume is from, if it can be from no other: what comes later replaces what came
/// before.
fn only_source<'s, 'a>(sources: &'s [Projection<'a>], path: &str) -> Option<&'s Projection<'a>> {
    let mut possible = sources.iter().filter(|source| source.may_have(path));
    possible.next().filter(|_| possible.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::read;

    #[test]
    fn nulls_read_as_absent() {
        let spec = r#"{"containers":[{"name":"a","volumeMounts":null,"lifecycle":{"postStart":null},"restartPolicy":null}],
            "initContainers":null,"volumes":[{"name":"v","emptyDir":null}],"restartPolicy":null,"os":null}"#;
        let pod: Pod<'_> = serde_json::from_str(spec).unwrap();
        assert_eq!(pod.restart_policy, RestartPolicy::Always);
        assert!(matches!(pod.containers[0].post_start(), PostStart::None));
        assert!(pod.containers[0].has_lifecycle());
        let source = &pod.volumes[0].source;
        assert!(matches!(
            source,
            VolumeSource::EmptyDir { in_memory: false }
        ));
    }

    #[test]
    fn json_that_is_not_a_pod_is_reported_and_never_quoted() {
        for spec in [
            "[]",
            r#"{"containers":[{"name":"a"},"hunter2"]}"#,
            r#"{"containers":[["hunter2"]]}"#,
            r#"{"containers":[{"name":"a","volumeMounts":[{"name":"b"}]}]}"#,
            r#"{"containers":[],"volumes":[{"emptyDir":{}}]}"#,
            r#"{"containers":[],"volumes":[{"name":"a","emptyDir":["hunter2"]}]}"#,
            r#"{"restartPolicy":"hunter2"}"#,
            r#"{"containers":[{"name":"a","lifecycle":{"postStart":{"exec":{"command":"hunter2"}}}}]}"#,
        ] {
            let spec = serde_json::from_str(spec).unwrap();
            let message = read::<Pod<'_>>(spec, "spec").unwrap_err().to_string();
            assert!(message.starts_with("spec: does not match"), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    fn pod(spec: &str) -> Pod<'_> {
        serde_json::from_str(spec).unwrap()
    }

    #[test]
    fn a_pod_that_needs_windows_says_so_in_one_field() {
        let required = |terms: &str| {
            format!(
                r#"{{"affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":{terms}}}}}}}}}"#
            )
        };
        let term = |key: &str, operator: &str, values: &str| {
            format!(
                r#"{{"matchExpressions":[{{"key":"zone","operator":"Exists"}},{{"key":"{key}","operator":"{operator}","values":{values}}}]}}"#
            )
        };
        let windows = term("kubernetes.io/os", "In", r#"["windows"]"#);
        let linux = term("kubernetes.io/os", "In", r#"["linux"]"#);
        let affinity = Some("spec.affinity");
        for (spec, field) in [
            (
                r#"{"os":{"name":"windows"}}"#.to_owned(),
                Some("spec.os.name"),
            ),
            (r#"{"os":{"name":"linux"}}"#.to_owned(), None),
            (r#"{"os":{}}"#.to_owned(), None),
            (
                r#"{"nodeSelector":{"a":"b","kubernetes.io/os":"windows"}}"#.to_owned(),
                Some("spec.nodeSelector"),
            ),
            (
                r#"{"nodeSelector":{"beta.kubernetes.io/os":"windows"}}"#.to_owned(),
                Some("spec.nodeSelector"),
            ),
            (
                r#"{"nodeSelector":{"kubernetes.io/os":"linux"}}"#.to_owned(),
                None,
            ),
            (
                r#"{"nodeSelector":{"os":"windows","kubernetes.io/os":5}}"#.to_owned(),
                None,
            ),
            (required(&format!("[{windows}]")), affinity),
            (required(&format!("[{windows},{windows}]")), affinity),
            // One of them is enough for a node.
            (required(&format!("[{windows},{linux}]")), None),
            (
                required(&format!(
                    "[{}]",
                    term("beta.kubernetes.io/os", "NotIn", r#"["linux"]"#)
                )),
                affinity,
            ),
            (
                required(&format!(
                    "[{}]",
                    term("kubernetes.io/os", "NotIn", r#"["windows"]"#)
                )),
                None,
            ),
            (
                required(&format!(
                    "[{}]",
                    term("kubernetes.io/os", "In", r#"["windows","linux"]"#)
                )),
                None,
            ),
            (
                required(&format!("[{}]", term("kubernetes.io/os", "In", "[]"))),
                None,
            ),
            (
                required(&format!("[{}]", term("other", "In", r#"["windows"]"#))),
                None,
            ),
            (required("[]"), None),
            (required("null"), None),
            // What is not an affinity is the API server's to reject.
            (required("5"), None),
            (
                format!(
                    r#"{{"affinity":{{"nodeAffinity":{{"preferredDuringSchedulingIgnoredDuringExecution":[{{"weight":1,"preference":{windows}}}]}}}}}}"#
                ),
                None,
            ),
            ("{}".to_owned(), None),
        ] {
            assert_eq!(pod(&spec).windows(), field, "{spec}");
        }
    }

    #[test]
    fn the_volume_of_a_claim_is_not_an_emptydir_and_has_no_token() {
        let volume = Volume::of_claim(Text("secrets".into()));
        assert_eq!(&*volume.name, "secrets");
        let source = &volume.source;
        assert_eq!(source.kind(), "persistentVolumeClaim");
        assert!(!source.is_read_only() && !source.can_hold_token("token"));
        assert!(source.own_token("token").is_none() && !source.has_guarded_token());
        assert!(volume.resource_fields.is_empty());
    }

    #[test]
    fn volumes_that_nothing_can_write_to_are_read_only() {
        for (volume, is_read_only) in [
            (r#"{"name":"v","emptyDir":{}}"#, false),
            (r#"{"name":"v"}"#, false),
            (r#"{"name":"v","secret":{"secretName":"s"}}"#, true),
            (r#"{"name":"v","projected":{"sources":[]}}"#, true),
            (r#"{"name":"v","configMap":{"name":"c"}}"#, true),
            (r#"{"name":"v","downwardAPI":{}}"#, true),
            (r#"{"name":"v","image":{"reference":"i"}}"#, true),
            (r#"{"name":"v","hostPath":{"path":"/"}}"#, false),
            (
                r#"{"name":"v","persistentVolumeClaim":{"claimName":"c"}}"#,
                false,
            ),
            (
                r#"{"name":"v","persistentVolumeClaim":{"claimName":"c","readOnly":true}}"#,
                true,
            ),
            (r#"{"name":"v","csi":{"driver":"d","readOnly":true}}"#, true),
            (
                r#"{"name":"v","csi":{"driver":"d","readOnly":false}}"#,
                false,
            ),
        ] {
            let read: Volume<'_> = serde_json::from_str(volume).unwrap();
            assert_eq!(read.source.is_read_only(), is_read_only, "{volume}");
        }
    }

    #[test]
    fn a_pod_has_resources_if_it_names_an_amount() {
        for (resources, has_resources) in [
            (r#"{"limits":{"cpu":"1"}}"#, true),
            (r#"{"requests":{"memory":"1Gi"},"limits":null}"#, true),
            (r#"{"limits":{"cpu":1}}"#, true),
            (r#"{"limits":{},"requests":{}}"#, false),
            (r#"{"claims":[{"name":"gpu"}]}"#, false),
            ("{}", false),
            ("null", false),
        ] {
            let spec = format!(r#"{{"resources":{resources}}}"#);
            assert_eq!(pod(&spec).has_resources(), has_resources, "{spec}");
        }
    }

    #[test]
    fn commands_are_seen_where_there_are_words() {
        let container = r#"{"name":"a","command":["x"],"startupProbe":{"exec":{"command":["x"]}},
            "livenessProbe":{"exec":{"command":[]}},"readinessProbe":{"httpGet":{"port":80}},
            "lifecycle":{"postStart":{"exec":{"command":["x"]}},"preStop":{"exec":null}}}"#;
        let read: Container<'_> = serde_json::from_str(container).unwrap();
        let commands = Command::ALL.into_iter().filter(|it| read.has(*it));
        let commands: Vec<_> = commands.collect();
        assert_eq!(
            commands,
            [Command::Main, Command::StartupProbe, Command::PostStart]
        );
    }
}
