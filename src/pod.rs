//! The small part of a submitted pod that the policy reads; all the rest stays JSON text.

use std::fmt;

use crate::json::{Json, Members, Text, required};

/// A pod, or the pod template of a workload.
#[derive(Debug)]
pub struct Pod<'a> {
    pub containers: Vec<Container<'a>>,
    pub init_containers: Vec<Container<'a>>,
    pub ephemeral_containers: Vec<Container<'a>>,
    pub volumes: Vec<Volume<'a>>,
    /// The user of the containers that name none of their own.
    pub run_as_user: Option<i64>,
    pub restart_policy: RestartPolicy,
    /// Seconds between TERM and KILL when the pod is deleted; 30 where the pod does not say.
    pub termination_grace_period_seconds: i64,
    pub is_windows: bool,
    /// Whether its ports are the node's.
    pub uses_host_network: bool,
    /// Whether it sees the processes of the node.
    pub uses_host_pid: bool,
    /// Whether its containers see each other's processes, if the pod says.
    pub shares_process_namespace: Option<bool>,
    /// The names of the secrets that its images are pulled with, as far as they have one.
    pub image_pull_secrets: Vec<Option<Text<'a>>>,
    service_account_name: Option<Text<'a>>,
}

/// Whether the kubelet starts a container again that has ended; `Always` where the pod does not say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// Which of the pod's lists a container is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum List {
    Containers,
    InitContainers,
}

#[derive(Debug)]
pub struct Container<'a> {
    pub name: Text<'a>,
    /// The whole container as submitted.
    pub json: Json<'a>,
    /// The user that it runs as, if it says.
    pub run_as_user: Option<i64>,
    /// The volumes that it has as block devices.
    pub volume_devices: Vec<Text<'a>>,
    /// The containers whose resources its environment variables have as values.
    pub resource_fields: Vec<Text<'a>>,
    /// The volumes whose files its environment variables have as values.
    pub file_volumes: Vec<Text<'a>>,
    /// The container whose processes an ephemeral container sees.
    pub target_container: Option<Text<'a>>,
    /// The container's own policy, which counts before the pod's.
    pub restart_policy: Option<RestartPolicy>,
    /// Whether it has rules by which some exit codes start it again, whatever its policy.
    pub has_restart_rules: bool,
    pub volume_mounts: Vec<VolumeMount<'a>>,
    /// Whether there is a `lifecycle` object, into which a hook can be put.
    pub has_lifecycle: bool,
    pub post_start: PostStart,
    /// Whether it has a command of its own, and not its image's.
    pub has_command: bool,
    pub ports: Vec<i64>,
}

/// A container's postStart hook as submitted.
#[derive(Debug, Eq, PartialEq)]
pub enum PostStart {
    None,
    Exec(Vec<String>),
    /// `httpGet`, `tcpSocket`, `sleep` or something newer.
    Other,
}

#[derive(Debug, Eq, PartialEq)]
pub struct VolumeMount<'a> {
    pub name: Text<'a>,
    pub mount_path: Text<'a>,
    pub sub_path: Option<Text<'a>>,
    pub sub_path_expr: Option<Text<'a>>,
    pub is_read_only: bool,
}

impl<'a> VolumeMount<'a> {
    fn read(members: &Members<'a>) -> Result<Self, String> {
        Ok(VolumeMount {
            name: required(members.string("name")?, "name")?,
            mount_path: required(members.string("mountPath")?, "mountPath")?,
            sub_path: members.string("subPath")?,
            sub_path_expr: members.string("subPathExpr")?,
            is_read_only: members.boolean("readOnly")? == Some(true),
        })
    }

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

/// Whether two absolute paths name the same directory: `/a//b/` and `/a/b` do.
pub fn same_path(left: &str, right: &str) -> bool {
    segments(left).eq(segments(right))
}

/// Whether two absolute paths name the same directory, or one of them is in the other.
pub fn are_nested(left: &str, right: &str) -> bool {
    segments(left)
        .zip(segments(right))
        .all(|(left, right)| left == right)
}

/// What is left of an absolute path below a directory, with plain slashes; `None` if it is not below it.
pub fn below(path: &str, directory: &str) -> Option<String> {
    let mut rest = segments(path);
    let is_below = segments(directory).all(|segment| rest.next() == Some(segment));
    let rest: Vec<_> = rest.collect();
    (is_below && !rest.is_empty()).then(|| rest.join("/"))
}

/// The names in a path, of which container runtimes resolve `.` and `..` by its text alone.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.into_iter()
}

#[derive(Debug)]
pub struct Volume<'a> {
    pub name: Text<'a>,
    /// The whole volume as submitted.
    pub json: Json<'a>,
    pub source: VolumeSource<'a>,
    /// The containers whose resources its files have as content.
    pub resource_fields: Vec<Text<'a>>,
}

#[derive(Debug, Eq, PartialEq)]
pub enum VolumeSource<'a> {
    EmptyDir {
        in_memory: bool,
    },
    Secret(Files<'a>),
    Projected(Vec<Projection<'a>>),
    /// Any other, by its name in the manifest: `configMap`, `hostPath`, ...
    Other(String),
}

/// A source of a projected volume.
#[derive(Debug, Eq, PartialEq)]
pub enum Projection<'a> {
    ServiceAccountToken {
        path: Text<'a>,
        has_audience: bool,
    },
    Secret(Files<'a>),
    /// A ConfigMap, fields of the pod or something newer.
    Other(Files<'a>),
}

impl Projection<'_> {
    fn may_have(&self, path: &str) -> bool {
        match self {
            Projection::ServiceAccountToken { path: known, .. } => same_path(known, path),
            Projection::Secret(files) | Projection::Other(files) => files.may_have(path),
        }
    }
}

/// Which files there are of a Secret: those of its keys that are chosen, or one for each key.
#[derive(Debug, Eq, PartialEq)]
pub struct Files<'a>(Option<Vec<Text<'a>>>);

impl<'a> Files<'a> {
    fn read(secret: &Members<'a>) -> Result<Self, String> {
        let items = secret.given("items").map(Json::items).transpose()?;
        let paths = items.filter(|items| !items.is_empty()).map(|items| {
            let path = |item: Json<'a>| required(item.object()?.string("path")?, "path");
            items.into_iter().map(path).collect()
        });
        Ok(Files(paths.transpose()?))
    }

    fn may_have(&self, path: &str) -> bool {
        match &self.0 {
            Some(paths) => paths.iter().any(|known| same_path(known, path)),
            // Its keys cannot be seen from here, and nobody but the kubelet writes them.
            None => true,
        }
    }
}

impl VolumeSource<'_> {
    /// What it is called in a manifest.
    pub fn kind(&self) -> &str {
        match self {
            VolumeSource::EmptyDir { .. } => "emptyDir",
            VolumeSource::Secret(_) => "secret",
            VolumeSource::Projected(_) => "projected",
            VolumeSource::Other(kind) => kind,
        }
    }

    /// Whether the kubelet can put a token into the file at `path` in the volume, and nobody else can.
    pub fn can_hold_token(&self, path: &str) -> bool {
        match self {
            VolumeSource::Secret(files) => files.may_have(path),
            VolumeSource::Projected(sources) => {
                let only = only_source(sources, path);
                only.is_some_and(|source| !matches!(source, Projection::Other(_)))
            }
            VolumeSource::EmptyDir { .. } | VolumeSource::Other(_) => false,
        }
    }

    /// Whether the file at `path` in the volume is a token of the pod's service account, and for whom: `true` for
    /// the API server alone, `false` for an audience that the volume names.
    pub fn own_token(&self, path: &str) -> Option<bool> {
        let VolumeSource::Projected(sources) = self else {
            return None;
        };
        match only_source(sources, path) {
            Some(Projection::ServiceAccountToken { has_audience, .. }) => Some(!has_audience),
            _ => None,
        }
    }
}

/// The source that a file of a projected volume is from, if it can be from no other: what comes later replaces what came
/// before.
fn only_source<'s, 'a>(sources: &'s [Projection<'a>], path: &str) -> Option<&'s Projection<'a>> {
    let mut possible = sources.iter().filter(|source| source.may_have(path));
    possible.next().filter(|_| possible.next().is_none())
}

/// A pod that is no pod: what is wrong, and where. The value that stands there is not told.
#[derive(Debug, Eq, PartialEq)]
pub struct Malformed {
    pub path: String,
    pub problem: String,
}

impl Malformed {
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Malformed {
            path: path.into(),
            problem: problem.into(),
        }
    }

    /// The same in a pod that is at `parent`.
    pub fn below(mut self, parent: &str) -> Self {
        self.path = match (parent, self.path.as_str()) {
            ("", _) => return self,
            (_, "") => parent.to_owned(),
            (_, path) => format!("{parent}.{path}"),
        };
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.problem)
    }
}

/// Reads a value, and tells where it is if it is not what was expected.
fn at<T>(path: &str, value: Result<T, String>) -> Result<T, Malformed> {
    value.map_err(|problem| Malformed::new(path, problem))
}

impl<'a> Pod<'a> {
    /// Reads a pod's `spec`. A pod without containers is refused, as by the API server.
    pub fn read(spec: Json<'a>) -> Result<Self, Malformed> {
        Self::read_spec(spec).map_err(|problem| problem.below("spec"))
    }

    fn read_spec(spec: Json<'a>) -> Result<Self, Malformed> {
        let members = at("", spec.object())?;
        let containers = read_list(&members, "containers", Container::read)?;
        if containers.is_empty() {
            return Err(Malformed::new(
                "containers",
                "there is none; a pod has at least one",
            ));
        }
        let operating_system = members.given("os").map_or(Ok(None), |os| {
            at("", os.object().and_then(|os| os.string("name")))
        })?;
        let boolean = |name| at("", members.boolean(name));
        let grace = at("", members.integer("terminationGracePeriodSeconds"))?;
        Ok(Pod {
            containers,
            init_containers: read_list(&members, "initContainers", Container::read)?,
            ephemeral_containers: read_list(&members, "ephemeralContainers", Container::read)?,
            run_as_user: at("securityContext", run_as_user(&members))?,
            volumes: read_list(&members, "volumes", Volume::read)?,
            restart_policy: RestartPolicy::read(&members)?.unwrap_or(RestartPolicy::Always),
            termination_grace_period_seconds: grace.unwrap_or(30),
            is_windows: operating_system.is_some_and(|name| &*name == "windows"),
            uses_host_network: boolean("hostNetwork")? == Some(true),
            uses_host_pid: boolean("hostPID")? == Some(true),
            shares_process_namespace: boolean("shareProcessNamespace")?,
            image_pull_secrets: read_list(&members, "imagePullSecrets", |it| {
                at("", it.object().and_then(|it| it.string("name")))
            })?,
            service_account_name: at("", members.string("serviceAccountName"))?,
        })
    }

    /// The name of its service account, which is `default` where the pod does not say.
    pub fn service_account(&self) -> &str {
        self.service_account_name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
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

/// The user in the security context of a pod or a container.
fn run_as_user(members: &Members<'_>) -> Result<Option<i64>, String> {
    match members.given("securityContext") {
        Some(context) => context.object()?.integer("runAsUser"),
        None => Ok(None),
    }
}

/// The container that a field of a container's resources is of, if the object at `source` is such a field.
fn resource_field<'a>(source: &Members<'a>) -> Result<Option<Text<'a>>, String> {
    match source.given("resourceFieldRef") {
        Some(field) => field.object()?.string("containerName"),
        None => Ok(None),
    }
}

/// The items of the list `name` of an object; none where there is no such list. What is wrong in an item is told with its
/// place, which is written only then: the items are many.
fn read_list<'a, T>(
    members: &Members<'a>,
    name: &str,
    mut read_item: impl FnMut(Json<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let Some(list) = members.given(name) else {
        return Ok(Vec::new());
    };
    let items = at(name, list.items())?;
    let mut read = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let item = read_item(item);
        read.push(item.map_err(|problem| problem.below(&format!("{name}[{index}]")))?);
    }
    Ok(read)
}

/// Which kind an object is of, that has a member for its kind: `expected`, if it has that, for another
/// member may be newer than this policy.
fn kind_of<'m, 'a>(members: &'m Members<'a>, expected: &str) -> Option<(&'m str, Json<'a>)> {
    let mut kinds = members
        .iter()
        .filter(|(kind, value)| kind != "name" && !value.is_null())
        .map(|(kind, value)| (kind.as_ref(), *value));
    let first = kinds.next()?;
    match first.0 == expected {
        true => Some(first),
        false => kinds.find(|(kind, _)| *kind == expected).or(Some(first)),
    }
}

impl RestartPolicy {
    /// The policy of a pod or a container, if it has one of its own.
    fn read(members: &Members<'_>) -> Result<Option<Self>, Malformed> {
        let path = "restartPolicy";
        let policy = at(path, members.string(path))?;
        match policy.as_deref() {
            None => Ok(None),
            Some("Always") => Ok(Some(RestartPolicy::Always)),
            Some("OnFailure") => Ok(Some(RestartPolicy::OnFailure)),
            Some("Never") => Ok(Some(RestartPolicy::Never)),
            Some(_) => Err(Malformed::new(path, "expected Always, OnFailure or Never")),
        }
    }
}

impl<'a> Container<'a> {
    fn read(json: Json<'a>) -> Result<Self, Malformed> {
        let members = at("", json.object())?;
        let name = members.string("name");
        let rules = members.given("restartPolicyRules").map(Json::items);
        let (mut resource_fields, mut file_volumes) = (Vec::new(), Vec::new());
        read_list(&members, "env", |variable| {
            let mut read = || {
                let Some(source) = variable.object()?.given("valueFrom") else {
                    return Ok(());
                };
                let source = source.object()?;
                resource_fields.extend(resource_field(&source)?);
                if let Some(key) = source.given("fileKeyRef") {
                    file_volumes.extend(key.object()?.string("volumeName")?);
                }
                Ok(())
            };
            at("", read())
        })?;
        let lifecycle = members.given("lifecycle");
        Ok(Container {
            name: at("", name.and_then(|name| required(name, "name")))?,
            json,
            run_as_user: at("securityContext", run_as_user(&members))?,
            volume_devices: read_list(&members, "volumeDevices", |device| {
                let name = device.object().and_then(|device| device.string("name"));
                at("", name.and_then(|name| required(name, "name")))
            })?,
            resource_fields,
            file_volumes,
            target_container: at("", members.string("targetContainerName"))?,
            restart_policy: RestartPolicy::read(&members)?,
            has_restart_rules: at("", rules.transpose())?.is_some_and(|rules| !rules.is_empty()),
            volume_mounts: read_list(&members, "volumeMounts", |mount| {
                let mount = mount.object().and_then(|mount| VolumeMount::read(&mount));
                at("", mount)
            })?,
            has_lifecycle: lifecycle.is_some(),
            post_start: match lifecycle {
                Some(lifecycle) => at("lifecycle", PostStart::read(lifecycle))?,
                None => PostStart::None,
            },
            has_command: !read_list(&members, "command", |_| Ok(()))?.is_empty(),
            ports: read_list(&members, "ports", |port| {
                let port = port.object().and_then(|port| port.integer("containerPort"));
                at("", port.and_then(|port| required(port, "containerPort")))
            })?,
        })
    }

    /// The container's mount of the whole volume `name`.
    pub fn mount_of(&self, name: &str) -> Option<&VolumeMount<'a>> {
        self.volume_mounts
            .iter()
            .find(|mount| &*mount.name == name && !mount.is_partial())
    }
}

impl PostStart {
    fn read(lifecycle: Json<'_>) -> Result<Self, String> {
        let lifecycle = lifecycle.object()?;
        let hook = lifecycle.given("postStart").map(Json::members);
        let hook = hook.transpose()?.unwrap_or_default();
        Ok(match kind_of(&hook, "exec") {
            None => PostStart::None,
            Some(("exec", exec)) => {
                let exec = exec.object()?;
                let command = exec.given("command").map(Json::items).transpose()?;
                let words = command.unwrap_or_default().into_iter().map(|word| {
                    let word = word.string()?;
                    Ok(word.0.into_owned())
                });
                PostStart::Exec(words.collect::<Result<_, String>>()?)
            }
            Some(_) => PostStart::Other,
        })
    }
}

impl<'a> Volume<'a> {
    fn read(json: Json<'a>) -> Result<Self, Malformed> {
        let members = at("", json.members())?;
        let name = at("", required(members.get("name"), "name"))?;
        let name = at("name", name.string())?;
        // The API server makes a volume without a source an emptyDir.
        let Some((kind, source)) = kind_of(&members, "emptyDir") else {
            return Ok(Volume {
                name,
                json,
                source: VolumeSource::EmptyDir { in_memory: false },
                resource_fields: Vec::new(),
            });
        };
        let mut resource_fields = Vec::new();
        let source = match kind {
            "emptyDir" => {
                let medium = source.object().and_then(|it| it.string("medium"));
                VolumeSource::EmptyDir {
                    in_memory: at(kind, medium)?.is_some_and(|medium| &*medium == "Memory"),
                }
            }
            "secret" => {
                let files = source.object().and_then(|secret| Files::read(&secret));
                VolumeSource::Secret(at(kind, files)?)
            }
            "downwardAPI" => {
                let fields = source.object().and_then(|source| downward_fields(&source));
                resource_fields = at(kind, fields)?;
                VolumeSource::Other(kind.to_owned())
            }
            "projected" => {
                let members = at(kind, source.object())?;
                let sources = read_list(&members, "sources", |source| {
                    let source = at("", source.object())?;
                    if let Some(api) = source.given("downwardAPI") {
                        let fields = api.object().and_then(|api| downward_fields(&api));
                        resource_fields.extend(at("downwardAPI", fields)?);
                    }
                    at("", Projection::read(&source))
                });
                let sources = sources.map_err(|problem| problem.below(kind))?;
                VolumeSource::Projected(sources.into_iter().flatten().collect())
            }
            kind => VolumeSource::Other(kind.to_owned()),
        };
        Ok(Volume {
            name,
            json,
            source,
            resource_fields,
        })
    }
}

/// The containers whose resources the items of a `downwardAPI` have.
fn downward_fields<'a>(source: &Members<'a>) -> Result<Vec<Text<'a>>, String> {
    let items = source.given("items").map(Json::items).transpose()?;
    let fields = items.unwrap_or_default().into_iter().map(|item| {
        let item = item.object()?;
        resource_field(&item)
    });
    Ok(fields
        .collect::<Result<Vec<_>, String>>()?
        .into_iter()
        .flatten()
        .collect())
}

impl<'a> Projection<'a> {
    fn read(source: &Members<'a>) -> Result<Option<Self>, String> {
        if let Some(token) = source.given("serviceAccountToken") {
            let token = token.object()?;
            let audience = token.string("audience")?;
            return Ok(Some(Projection::ServiceAccountToken {
                path: required(token.string("path")?, "path")?,
                has_audience: audience.is_some_and(|audience| !audience.is_empty()),
            }));
        }
        if let Some(secret) = source.given("secret") {
            return Ok(Some(Projection::Secret(Files::read(&secret.object()?)?)));
        }
        for other in ["configMap", "downwardAPI"] {
            if let Some(source) = source.given(other) {
                return Ok(Some(Projection::Other(Files::read(&source.object()?)?)));
            }
        }
        // Of a newer kind, which may have any file.
        let kind = source.iter().find(|(_, value)| !value.is_null());
        Ok(kind.map(|_| Projection::Other(Files(None))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(spec: &str) -> String {
        let spec = Json::parse(spec).unwrap();
        Pod::read(spec).unwrap_err().to_string()
    }

    #[test]
    fn a_malformed_pod_is_told_by_path_and_never_by_value() {
        for (spec, expected) in [
            ("[]", "spec: expected an object, found a list"),
            (
                "{}",
                "spec.containers: there is none; a pod has at least one",
            ),
            (
                r#"{"containers":null}"#,
                "spec.containers: there is none; a pod has at least one",
            ),
            (
                r#"{"containers":[{"name":"a"},"hunter2"]}"#,
                "spec.containers[1]: expected an object, found a string",
            ),
            (
                r#"{"containers":[{"image":"hunter2"}]}"#,
                "spec.containers[0]: missing field `name`",
            ),
            (
                r#"{"containers":[{"name":"a","volumeMounts":[{"name":"b"}]}]}"#,
                "spec.containers[0].volumeMounts[0]: missing field `mountPath`",
            ),
            (
                r#"{"containers":[{"name":"a"}],"volumes":[{"emptyDir":{}}]}"#,
                "spec.volumes[0]: missing field `name`",
            ),
            (
                r#"{"containers":[{"name":"a"}],"restartPolicy":"hunter2"}"#,
                "spec.restartPolicy: expected Always, OnFailure or Never",
            ),
            (
                r#"{"containers":[{"name":"a","lifecycle":{"postStart":{"exec":{"command":"hunter2"}}}}]}"#,
                "spec.containers[0].lifecycle: expected a list, found a string",
            ),
        ] {
            assert_eq!(problem(spec), expected);
        }
    }

    #[test]
    fn nulls_read_as_absent() {
        let spec = r#"{"containers":[{"name":"a","volumeMounts":null,"lifecycle":{"postStart":null},"restartPolicy":null}],
            "initContainers":null,"volumes":[{"name":"v","emptyDir":null}],"restartPolicy":null,"os":null}"#;
        let pod = Pod::read(Json::parse(spec).unwrap()).unwrap();
        assert_eq!(pod.restart_policy, RestartPolicy::Always);
        assert_eq!(pod.containers[0].post_start, PostStart::None);
        assert!(pod.containers[0].has_lifecycle);
        assert_eq!(
            pod.volumes[0].source,
            VolumeSource::EmptyDir { in_memory: false }
        );
    }

    #[test]
    fn paths_are_compared_by_their_segments() {
        assert!(same_path("/a//b/", "/a/./b"));
        assert!(same_path("/../a/x/../b", "/a/b"));
        assert!(!same_path("/a/b", "/a/bc"));
        assert!(!same_path("/a/b", "/a"));
        for (left, right) in [
            ("/a/b", "/a"),
            ("/a", "/a//b/c"),
            ("/a/b", "/a/b/"),
            ("/", "/a"),
        ] {
            assert!(are_nested(left, right), "{left} {right}");
        }
        assert!(!are_nested("/a/b", "/a/bc"));
    }
}
