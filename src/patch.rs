//! The change: what is injected as an RFC 6902 patch, and its application to the submitted text, of which
//! everything that no operation touches is written out again as it came in.

use std::borrow::Cow;
use std::fmt;

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation};
use k8s_openapi::api::core::v1::{
    Container, ExecAction, Lifecycle, LifecycleHandler, LocalObjectReference,
};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::injection::{ContainerChange, Injection, MOST_ADDED, Refusal};
use crate::json::{self, Members};
use crate::pod::{List, Pod, PostStart};

/// The patch that makes the submitted pod the injected one: it adds, and replaces nothing but the command
/// of the postStart hook of a container that gets ours before its own.
pub fn build(injection: Injection, pod: &Pod<'_>) -> Patch {
    let mut operations = Operations(Vec::new());
    for (name, value) in injection.annotations {
        operations.add(["metadata", "annotations", &name], value);
    }
    operations.append(
        &["spec"],
        "volumes",
        !pod.volumes.is_empty(),
        &injection.volumes,
    );
    for change in injection.changes {
        operations.change_container(&change, pod);
    }
    operations.insert("containers", true, &injection.first_containers);
    operations.append(&["spec"], "containers", true, &injection.last_containers);
    let has_init_containers = !pod.init_containers.is_empty();
    operations.insert(
        "initContainers",
        has_init_containers,
        &injection.init_containers,
    );
    operations.append(
        &["spec"],
        "initContainers",
        has_init_containers || !injection.init_containers.is_empty(),
        &injection.last_init_containers,
    );
    let pull_secrets: Vec<_> = injection
        .image_pull_secrets
        .into_iter()
        .map(|name| LocalObjectReference { name })
        .collect();
    let has_pull_secrets = !pod.image_pull_secrets.is_empty();
    operations.append(
        &["spec"],
        "imagePullSecrets",
        has_pull_secrets,
        &pull_secrets,
    );
    if injection.shares_process_namespace {
        operations.add(["spec", "shareProcessNamespace"], true);
    }
    Patch(operations.0)
}

/// Refuses a patch that adds more text than an object can have.
pub fn refuse_too_much(patch: &Patch) -> Result<(), Refusal> {
    let added = patch.0.iter().map(|operation| match operation {
        PatchOperation::Add(add) => length(&add.value),
        PatchOperation::Replace(replace) => length(&replace.value),
        _ => 0,
    });
    match added.sum() {
        0..=MOST_ADDED => Ok(()),
        _ => Err(Refusal::TooMuch),
    }
}

/// The bytes of all strings and names in a value.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(length).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| name.len() + length(member))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

struct Operations(Vec<PatchOperation>);

impl Operations {
    fn add<'p>(&mut self, path: impl IntoIterator<Item = &'p str>, value: impl Serialize) {
        self.0.push(PatchOperation::Add(AddOperation {
            path: PointerBuf::from_tokens(path),
            value: to_value(value),
        }));
    }

    /// Appends `items` to the list `name` of the object at `parent`: one operation for all of them where
    /// the list does not exist or is empty.
    fn append(&mut self, parent: &[&str], name: &str, exists: bool, items: &[impl Serialize]) {
        let list = parent.iter().copied().chain([name]);
        if !exists && !items.is_empty() {
            self.add(list, items);
        } else {
            for item in items {
                self.add(list.clone().chain(["-"]), item);
            }
        }
    }

    /// Puts `items` before all others in the list `name` of the pod's spec.
    fn insert(&mut self, name: &str, exists: bool, items: &[Container]) {
        if !exists {
            return self.append(&["spec"], name, exists, items);
        }
        for (index, item) in items.iter().enumerate() {
            self.add(["spec", name, &index.to_string()], item);
        }
    }

    fn change_container(&mut self, change: &ContainerChange, pod: &Pod<'_>) {
        let (list, containers) = match change.list {
            List::Containers => ("containers", &pod.containers),
            List::InitContainers => ("initContainers", &pod.init_containers),
        };
        let container = &containers[change.index];
        let index = change.index.to_string();
        let path = ["spec", list, &index];
        self.append(
            &path,
            "volumeMounts",
            !container.volume_mounts.is_empty(),
            &change.volume_mounts,
        );
        for (place, word) in change.command.iter().enumerate() {
            let place = place.to_string();
            self.add(path.into_iter().chain(["command", &place]), word);
        }
        let Some(command) = &change.post_start else {
            return;
        };
        let handler = LifecycleHandler {
            exec: Some(ExecAction {
                command: Some(command.clone()),
            }),
            ..LifecycleHandler::default()
        };
        if !container.has_lifecycle {
            let lifecycle = Lifecycle {
                post_start: Some(handler),
                ..Lifecycle::default()
            };
            self.add(path.into_iter().chain(["lifecycle"]), lifecycle);
            return;
        }
        let path = path.into_iter().chain(["lifecycle", "postStart"]);
        let in_hook = path.clone().chain(["exec", "command"]);
        match &container.post_start {
            PostStart::Exec(own) if !own.is_empty() => {
                self.0.push(PatchOperation::Replace(ReplaceOperation {
                    path: PointerBuf::from_tokens(in_hook),
                    value: to_value(command),
                }));
            }
            PostStart::Exec(_) => self.add(in_hook, command),
            // Another kind has been refused.
            PostStart::None | PostStart::Other => self.add(path, handler),
        }
    }
}

fn to_value(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("Kubernetes types can be written as JSON")
}

/// The submitted object with a patch applied to it.
///
/// It is taken apart only along the paths of the patch; all else is still the submitted text.
#[derive(Debug)]
pub enum Patched<'a> {
    Submitted(&'a RawValue),
    Added(Value),
    Object(Vec<(Cow<'a, str>, Patched<'a>)>),
    List(Vec<Patched<'a>>),
}

/// An operation whose path is not in the object: a defect of this policy, never of a manifest.
#[derive(Debug)]
pub struct NoSuchPath(PointerBuf);

impl fmt::Display for NoSuchPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a defect of the policy: the pod has nothing at {} to change",
            self.0
        )
    }
}

impl<'a> Patched<'a> {
    /// Applies the `add` and `replace` operations of `patch`, the only ones [`build`] makes.
    pub fn new(object: &'a RawValue, patch: Patch) -> Result<Self, NoSuchPath> {
        let mut patched = Patched::Submitted(object);
        for operation in patch.0 {
            let (path, value) = match operation {
                PatchOperation::Add(add) => (add.path, add.value),
                PatchOperation::Replace(replace) => (replace.path, replace.value),
                other => return Err(NoSuchPath(other.path().to_buf())),
            };
            if patched.set(&path, value).is_none() {
                return Err(NoSuchPath(path));
            }
        }
        Ok(patched)
    }

    /// Sets the member, or inserts the list item, at `path`; `None` if its parent is not there.
    fn set(&mut self, path: &Pointer, value: Value) -> Option<()> {
        let (parent, last) = path.split_back()?;
        let mut target = self;
        for token in parent.tokens() {
            target = target.open().child(&token.decoded())?;
        }
        let last = last.decoded();
        match target.open() {
            Patched::Object(members) => {
                match members.iter_mut().rev().find(|(name, _)| *name == last) {
                    Some((_, member)) => *member = Patched::Added(value),
                    None => members.push((last.into_owned().into(), Patched::Added(value))),
                }
            }
            Patched::List(items) => {
                let index = match last.as_ref() {
                    "-" => items.len(),
                    index => index.parse().ok().filter(|index| *index <= items.len())?,
                };
                items.insert(index, Patched::Added(value));
            }
            Patched::Submitted(_) | Patched::Added(_) => return None,
        }
        Some(())
    }

    /// Takes one level apart, if it is an object or a list that is still whole.
    fn open(&mut self) -> &mut Self {
        if let Patched::Submitted(raw) = *self {
            if let Ok(items) = json::read::<Vec<&RawValue>>(raw) {
                *self = Patched::List(items.into_iter().map(Patched::Submitted).collect());
            } else if let Ok(Members(members)) = json::read(raw) {
                let members = members.into_iter();
                *self = Patched::Object(
                    members
                        .map(|(name, value)| (name, Patched::Submitted(value)))
                        .collect(),
                );
            }
        }
        self
    }

    fn child(&mut self, token: &str) -> Option<&mut Self> {
        match self {
            Patched::Object(members) => members
                .iter_mut()
                .rev()
                .find(|(name, _)| name == token)
                .map(|(_, member)| member),
            Patched::List(items) => items.get_mut(token.parse::<usize>().ok()?),
            Patched::Submitted(_) | Patched::Added(_) => None,
        }
    }
}

impl Serialize for Patched<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Patched::Submitted(raw) => raw.serialize(serializer),
            Patched::Added(value) => value.serialize(serializer),
            Patched::List(items) => serializer.collect_seq(items),
            Patched::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(name, member)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(object: &str, patch: Value) -> Result<String, NoSuchPath> {
        let raw = RawValue::from_string(object.to_owned()).unwrap();
        let patch = serde_json::from_value(patch).unwrap();
        Patched::new(&raw, patch).map(|patched| serde_json::to_string(&patched).unwrap())
    }

    #[test]
    fn what_is_not_touched_is_the_submitted_text() {
        let object = r#"{"z":1.50,"big":123456789012345678901234567890,"n":null,"e":"\u00e9","a":{"l":[ 1, 2 ],"x":{}}}"#;
        let patched = apply(
            object,
            json!([{"op": "add", "path": "/a/l/-", "value": 3}, {"op": "add", "path": "/a/y", "value": null}]),
        );
        assert_eq!(
            patched.unwrap(),
            r#"{"z":1.50,"big":123456789012345678901234567890,"n":null,"e":"\u00e9","a":{"l":[1,2,3],"x":{},"y":null}}"#
        );
    }

    #[test]
    fn items_are_inserted_and_members_replaced() {
        let patched = apply(
            r#"{"l":["b"],"o":{"k":1}}"#,
            json!([
                {"op": "add", "path": "/l/0", "value": "a"},
                {"op": "add", "path": "/l/2", "value": "c"},
                {"op": "replace", "path": "/o/k", "value": 2},
                {"op": "add", "path": "/o/a~1b~0c", "value": 3},
            ]),
        );
        assert_eq!(
            patched.unwrap(),
            r#"{"l":["a","b","c"],"o":{"k":2,"a/b~c":3}}"#
        );
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        for path in ["/nothing/here", "/l/7", "/n/x", "/l/x"] {
            let patch = json!([{"op": "add", "path": path, "value": 1}]);
            assert!(apply(r#"{"l":[],"n":1}"#, patch).is_err(), "{path}");
        }
    }
}
