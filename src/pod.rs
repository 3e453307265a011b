//! The small part of a submitted pod that the policy reads; all the rest stays JSON text.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, Members, Object, Text};

/// A pod, or the pod template of a workload.
#[derive(Debug)]
pub struct Pod<'a> {
    pub containers: Vec<Container<'a>>,
    pub init_containers: Vec<Container<'a>>,
    pub volumes: Vec<Volume<'a>>,
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub mount_path: Text<'a>,
    #[serde(borrow, default)]
    pub sub_path: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub sub_path_expr: Option<Text<'a>>,
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

/// Whether two absolute paths name the same directory: `/a//b/` and `/a/b` do.
pub fn same_path(left: &str, right: &str) -> bool {
    segments(left).eq(segments(right))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter(|segment| !segment.is_empty() && *segment != ".")
}

#[derive(Debug)]
pub struct Volume<'a> {
    pub name: Text<'a>,
    pub source: VolumeSource,
}

#[derive(Debug, Eq, PartialEq)]
pub enum VolumeSource {
    EmptyDir {
        in_memory: bool,
    },
    /// Any other, by its name in the manifest: `configMap`, `hostPath`, ...
    Other(String),
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
        if !parent.is_empty() {
            self.path = format!("{parent}.{}", self.path);
        }
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.problem)
    }
}

fn read<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: impl Fn() -> String,
) -> Result<T, Malformed> {
    json::read(raw).map_err(|problem| Malformed::new(path(), problem))
}

fn read_object<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: impl Fn() -> String,
) -> Result<T, Malformed> {
    read(raw, path).map(|Object(value)| value)
}

impl<'a> Pod<'a> {
    /// Reads a pod's `spec`. A pod without containers is refused, as by the API server.
    pub fn read(spec: &'a RawValue) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape<'a> {
            #[serde(borrow, default)]
            containers: Option<&'a RawValue>,
            #[serde(borrow, default)]
            init_containers: Option<&'a RawValue>,
            #[serde(borrow, default)]
            volumes: Option<&'a RawValue>,
            #[serde(borrow, default)]
            restart_policy: Option<&'a RawValue>,
            #[serde(default)]
            termination_grace_period_seconds: Option<i64>,
            #[serde(borrow, default)]
            os: Option<Object<OperatingSystem<'a>>>,
            #[serde(default)]
            host_network: Option<bool>,
            #[serde(default, rename = "hostPID")]
            host_pid: Option<bool>,
            #[serde(default)]
            share_process_namespace: Option<bool>,
            #[serde(borrow, default)]
            image_pull_secrets: Option<&'a RawValue>,
            #[serde(borrow, default)]
            service_account_name: Option<Text<'a>>,
        }

        #[derive(Deserialize)]
        struct Reference<'a> {
            #[serde(borrow, default)]
            name: Option<Text<'a>>,
        }

        #[derive(Deserialize)]
        struct OperatingSystem<'a> {
            #[serde(borrow, default)]
            name: Option<Text<'a>>,
        }

        let shape: Shape<'a> = read_object(spec, || "spec".to_owned())?;
        let containers = read_list(shape.containers, "spec.containers", Container::read)?;
        if containers.is_empty() {
            return Err(Malformed::new(
                "spec.containers",
                "there is none; a pod has at least one",
            ));
        }
        Ok(Pod {
            containers,
            init_containers: read_list(
                shape.init_containers,
                "spec.initContainers",
                Container::read,
            )?,
            volumes: read_list(shape.volumes, "spec.volumes", Volume::read)?,
            restart_policy: match shape.restart_policy {
                Some(policy) => RestartPolicy::read(policy, "spec")?,
                None => RestartPolicy::Always,
            },
            termination_grace_period_seconds: shape.termination_grace_period_seconds.unwrap_or(30),
            is_windows: shape
                .os
                .and_then(|Object(os)| os.name)
                .is_some_and(|name| &*name == "windows"),
            uses_host_network: shape.host_network == Some(true),
            uses_host_pid: shape.host_pid == Some(true),
            shares_process_namespace: shape.share_process_namespace,
            image_pull_secrets: read_list(
                shape.image_pull_secrets,
                "spec.imagePullSecrets",
                |reference, path| {
                    let Reference { name } = read_object(reference, || path.to_owned())?;
                    Ok(name)
                },
            )?,
            service_account_name: shape.service_account_name,
        })
    }

    /// The name of its service account, which is `default` where the pod does not say.
    pub fn service_account(&self) -> &str {
        self.service_account_name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
    }

    /// All init containers and containers.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().chain(&self.containers)
    }
}

fn read_list<'a, T>(
    list: Option<&'a RawValue>,
    path: &str,
    read_item: impl Fn(&'a RawValue, &str) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let items: Vec<&RawValue> = read(list, || path.to_owned())?;
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| read_item(item, &format!("{path}[{index}]")))
        .collect()
}

/// Which kind an object is of, that has a member for its kind: `expected`, if it has that, for another
/// member may be newer than this policy.
fn kind_of<'m, 'a>(members: &'m Members<'a>, expected: &str) -> Option<(&'m str, &'a RawValue)> {
    let mut kinds: Vec<_> = members
        .iter()
        .filter(|(kind, value)| kind != "name" && !json::is_null(value))
        .map(|(kind, value)| (kind.as_ref(), *value))
        .collect();
    kinds.sort_by_key(|(kind, _)| *kind != expected);
    kinds.first().copied()
}

impl RestartPolicy {
    fn read(policy: &RawValue, path: &str) -> Result<Self, Malformed> {
        let path = || format!("{path}.restartPolicy");
        let Text(policy) = read(policy, path)?;
        match policy.as_ref() {
            "Always" => Ok(RestartPolicy::Always),
            "OnFailure" => Ok(RestartPolicy::OnFailure),
            "Never" => Ok(RestartPolicy::Never),
            _ => Err(Malformed::new(
                path(),
                "expected Always, OnFailure or Never",
            )),
        }
    }
}

impl<'a> Container<'a> {
    fn read(raw: &'a RawValue, path: &str) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape<'a> {
            #[serde(borrow)]
            name: Text<'a>,
            #[serde(borrow, default)]
            restart_policy: Option<&'a RawValue>,
            #[serde(borrow, default)]
            restart_policy_rules: Option<Vec<&'a RawValue>>,
            #[serde(borrow, default)]
            volume_mounts: Option<&'a RawValue>,
            #[serde(borrow, default)]
            lifecycle: Option<&'a RawValue>,
            #[serde(borrow, default)]
            command: Option<&'a RawValue>,
            #[serde(borrow, default)]
            ports: Option<&'a RawValue>,
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct PortShape {
            container_port: i64,
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LifecycleShape<'a> {
            #[serde(borrow, default)]
            post_start: Option<Members<'a>>,
        }

        #[derive(Deserialize)]
        struct ExecShape {
            #[serde(default)]
            command: Option<Vec<String>>,
        }

        let shape: Shape<'a> = read_object(raw, || path.to_owned())?;
        let mut post_start = PostStart::None;
        if let Some(lifecycle) = shape.lifecycle {
            let hook_path = || format!("{path}.lifecycle");
            let lifecycle: LifecycleShape<'a> = read_object(lifecycle, hook_path)?;
            let hook = lifecycle.post_start.unwrap_or_default();
            post_start = match kind_of(&hook, "exec") {
                None => PostStart::None,
                Some(("exec", exec)) => {
                    let exec: ExecShape = read_object(exec, hook_path)?;
                    PostStart::Exec(exec.command.unwrap_or_default())
                }
                Some(_) => PostStart::Other,
            };
        }
        Ok(Container {
            restart_policy: match shape.restart_policy {
                Some(policy) => Some(RestartPolicy::read(policy, path)?),
                None => None,
            },
            has_restart_rules: shape
                .restart_policy_rules
                .is_some_and(|rules| !rules.is_empty()),
            volume_mounts: read_list(
                shape.volume_mounts,
                &format!("{path}.volumeMounts"),
                |mount, path| read_object(mount, || path.to_owned()),
            )?,
            has_lifecycle: shape.lifecycle.is_some(),
            post_start,
            has_command: !read_list(shape.command, &format!("{path}.command"), |_, _| Ok(()))?
                .is_empty(),
            ports: read_list(shape.ports, &format!("{path}.ports"), |port, path| {
                let port: PortShape = read_object(port, || path.to_owned())?;
                Ok(port.container_port)
            })?,
            name: shape.name,
        })
    }

    /// The container's mount of the whole volume `name`.
    pub fn mount_of(&self, name: &str) -> Option<&VolumeMount<'a>> {
        self.volume_mounts
            .iter()
            .find(|mount| &*mount.name == name && !mount.is_partial())
    }
}

impl<'a> Volume<'a> {
    fn read(raw: &'a RawValue, path: &str) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct EmptyDirShape<'a> {
            #[serde(borrow, default)]
            medium: Option<Text<'a>>,
        }

        let members: Members<'a> = read(raw, || path.to_owned())?;
        let Some(name) = members.get("name") else {
            return Err(Malformed::new(path, "missing field `name`"));
        };
        Ok(Volume {
            name: read(name, || format!("{path}.name"))?,
            source: match kind_of(&members, "emptyDir") {
                // The API server makes a volume without a source an emptyDir.
                None => VolumeSource::EmptyDir { in_memory: false },
                Some(("emptyDir", empty_dir)) => {
                    let empty_dir: EmptyDirShape<'a> =
                        read_object(empty_dir, || format!("{path}.emptyDir"))?;
                    VolumeSource::EmptyDir {
                        in_memory: empty_dir.medium.is_some_and(|medium| &*medium == "Memory"),
                    }
                }
                Some((kind, _)) => VolumeSource::Other(kind.to_owned()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(spec: &str) -> String {
        let raw = RawValue::from_string(spec.to_owned()).unwrap();
        Pod::read(&raw).unwrap_err().to_string()
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
        let raw = RawValue::from_string(spec.to_owned()).unwrap();
        let pod = Pod::read(&raw).unwrap();
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
        assert!(!same_path("/a/b", "/a/bc"));
        assert!(!same_path("/a/b", "/a"));
    }
}
