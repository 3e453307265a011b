//! The change: what is injected as an RFC 6902 patch, and its application to the submitted text, of which
//! everything that no operation touches is written out again as it came in.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use serde::Serialize;

use crate::injection::{ContainerChange, Injection, MOST_ADDED, Refusal};
use crate::json::{self, Json};
use crate::kubernetes::{
    Container, ExecAction, Lifecycle, LifecycleHandler, LocalObjectReference, to_json,
};
use crate::pod::{List, Pod, PostStart};

/// Operations of RFC 6902, in their order. Values are JSON text already: they are written once, and a library's
/// type of a patch would take them apart again.
#[derive(Debug)]
pub struct Patch(Vec<Operation>);

/// `add` where there is nothing at the path, and `replace` where there is a member.
#[derive(Debug)]
struct Operation {
    path: Path,
    value: String,
}

/// The names and positions on the way to a value; `-` is the place behind a list's end.
#[derive(Clone, Debug)]
struct Path(Vec<Cow<'static, str>>);

/// The patch that makes the submitted pod the injected one: it adds, and replaces nothing but the command
/// of the postStart hook of a container that gets ours before its own.
pub fn build(injection: Injection, pod: &Pod<'_>) -> Patch {
    let mut operations = Operations(Vec::new());
    for (name, value) in injection.annotations {
        let annotations = Path::of(["metadata", "annotations"]);
        operations.add(annotations.below(name), &value);
    }
    let spec = Path::of(["spec"]);
    operations.append(
        spec.below("volumes"),
        !pod.volumes.is_empty(),
        injection.volumes.iter().map(to_json).collect(),
    );
    for change in injection.changes {
        operations.change_container(&change, pod);
    }
    operations.insert("containers", true, all(&injection.first_containers));
    operations.append(
        spec.below("containers"),
        true,
        all(&injection.last_containers),
    );
    let has_init_containers = !pod.init_containers.is_empty();
    operations.insert(
        "initContainers",
        has_init_containers,
        all(&injection.init_containers),
    );
    operations.append(
        spec.below("initContainers"),
        has_init_containers || !injection.init_containers.is_empty(),
        all(&injection.last_init_containers),
    );
    let pull_secrets: Vec<_> = injection
        .image_pull_secrets
        .into_iter()
        .map(|name| to_json(&LocalObjectReference { name }))
        .collect();
    let has_pull_secrets = !pod.image_pull_secrets.is_empty();
    operations.append(
        spec.below("imagePullSecrets"),
        has_pull_secrets,
        pull_secrets,
    );
    if injection.shares_process_namespace {
        operations.add(spec.below("shareProcessNamespace"), &true);
    }
    Patch(operations.0)
}

fn all(containers: &[Container]) -> Vec<String> {
    containers.iter().map(Container::to_json).collect()
}

/// Refuses a patch that adds more text than an object can have.
pub fn refuse_too_much(patch: &Patch) -> Result<(), Refusal> {
    let added = patch.0.iter().map(|operation| operation.value.len());
    match added.sum() {
        0..=MOST_ADDED => Ok(()),
        _ => Err(Refusal::TooMuch),
    }
}

impl Path {
    fn of<const N: usize>(names: [&'static str; N]) -> Self {
        Path(names.map(Cow::Borrowed).into())
    }

    fn below(&self, name: impl Into<Cow<'static, str>>) -> Self {
        let mut path = Vec::with_capacity(self.0.len() + 1);
        path.extend_from_slice(&self.0);
        path.push(name.into());
        Path(path)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|name| write!(formatter, "/{name}"))
    }
}

struct Operations(Vec<Operation>);

impl Operations {
    fn add(&mut self, path: Path, value: &(impl Serialize + ?Sized)) {
        self.set(path, to_json(value));
    }

    fn set(&mut self, path: Path, value: String) {
        self.0.push(Operation { path, value });
    }

    /// Appends items, in JSON, to a list: one operation for all of them where the list does not exist or is empty.
    fn append(&mut self, list: Path, exists: bool, items: Vec<String>) {
        if !exists && !items.is_empty() {
            self.set(list, format!("[{}]", items.join(",")));
        } else {
            for item in items {
                self.set(list.below("-"), item);
            }
        }
    }

    /// Puts items, in JSON, before all others in the list `name` of the pod's spec.
    fn insert(&mut self, name: &'static str, exists: bool, items: Vec<String>) {
        let list = Path::of(["spec", name]);
        if !exists {
            return self.append(list, exists, items);
        }
        for (index, item) in items.into_iter().enumerate() {
            self.set(list.below(index.to_string()), item);
        }
    }

    fn change_container(&mut self, change: &ContainerChange, pod: &Pod<'_>) {
        let (list, containers) = match change.list {
            List::Containers => ("containers", &pod.containers),
            List::InitContainers => ("initContainers", &pod.init_containers),
        };
        let container = &containers[change.index];
        let path = Path::of(["spec", list]).below(change.index.to_string());
        self.append(
            path.below("volumeMounts"),
            !container.volume_mounts.is_empty(),
            change.volume_mounts.iter().map(to_json).collect(),
        );
        for (place, word) in change.command.iter().enumerate() {
            self.add(path.below("command").below(place.to_string()), word);
        }
        let Some(command) = &change.post_start else {
            return;
        };
        let handler = LifecycleHandler {
            exec: ExecAction {
                command: command.clone(),
            },
        };
        let lifecycle = path.below("lifecycle");
        if !container.has_lifecycle {
            let post_start = handler;
            return self.add(lifecycle, &Lifecycle { post_start });
        }
        let hook = lifecycle.below("postStart");
        match &container.post_start {
            PostStart::Exec(_) => self.add(hook.below("exec").below("command"), command),
            // Another kind has been refused.
            PostStart::None | PostStart::Other => self.add(hook, &handler),
        }
    }
}

/// The submitted object with a patch applied to it.
///
/// It is taken apart only along the paths of the patch; all else is still the submitted text.
#[derive(Debug)]
pub enum Patched<'a> {
    Submitted(Json<'a>),
    Added(String),
    Object(Vec<(Cow<'a, str>, Patched<'a>)>),
    List(Vec<Patched<'a>>),
}

/// An operation whose path is not in the object: a defect of this policy, never of a manifest.
#[derive(Debug)]
pub struct NoSuchPath(Path);

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
    /// Applies the operations of `patch`.
    pub fn new(object: Json<'a>, patch: Patch) -> Result<Self, NoSuchPath> {
        let mut patched = Patched::Submitted(object);
        let mut operations = patch.0;
        patched.apply(&mut operations, 0)?;
        Ok(patched)
    }

    /// Applies operations whose paths have led here with their first `depth` names. Those in a row that go on in the
    /// same way go on together: to look a member up for each of them would take time that grows with both.
    fn apply(&mut self, mut operations: &mut [Operation], depth: usize) -> Result<(), NoSuchPath> {
        self.open();
        while let Some(first) = operations.first() {
            let name = &first.path.0[depth];
            let is_last = |operation: &Operation| operation.path.0.len() == depth + 1;
            let together = match is_last(first) {
                true => 1,
                false => operations
                    .iter()
                    .take_while(|other| !is_last(other) && other.path.0[depth] == *name)
                    .count(),
            };
            let (these, others) = operations.split_at_mut(together);
            let child = match these {
                [only] if is_last(only) => {
                    let value = mem::take(&mut only.value);
                    self.set(&only.path.0[depth], value).map(|()| None)
                }
                _ => self.child(&these[0].path.0[depth]).map(Some),
            };
            match child {
                Some(Some(child)) => child.apply(these, depth + 1)?,
                Some(None) => {}
                None => return Err(NoSuchPath(these[0].path.clone())),
            }
            operations = others;
        }
        Ok(())
    }

    /// Sets the member, or inserts the list item, of this name; `None` if there can be none.
    fn set(&mut self, name: &str, value: String) -> Option<()> {
        match self {
            Patched::Object(members) => {
                match members.iter_mut().rev().find(|(known, _)| known == name) {
                    Some((_, member)) => *member = Patched::Added(value),
                    None => members.push((name.to_owned().into(), Patched::Added(value))),
                }
            }
            Patched::List(items) => {
                let index = match name {
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
    fn open(&mut self) {
        if let Patched::Submitted(json) = *self {
            if let Ok(items) = json.items() {
                *self = Patched::List(items.into_iter().map(Patched::Submitted).collect());
            } else if let Ok(members) = json.members() {
                let members = members.0.into_iter();
                *self = Patched::Object(
                    members
                        .map(|(name, value)| (name, Patched::Submitted(value)))
                        .collect(),
                );
            }
        }
    }

    fn child(&mut self, step: &str) -> Option<&mut Self> {
        match self {
            Patched::Object(members) => members
                .iter_mut()
                .rev()
                .find(|(name, _)| name == step)
                .map(|(_, member)| member),
            Patched::List(items) => items.get_mut(step.parse::<usize>().ok()?),
            Patched::Submitted(_) | Patched::Added(_) => None,
        }
    }
}

impl Patched<'_> {
    /// About how many bytes the text has.
    pub fn length(&self) -> usize {
        match self {
            Patched::Submitted(json) => json.text().len(),
            Patched::Added(value) => value.len(),
            Patched::List(items) => items.iter().map(|item| item.length() + 1).sum(),
            Patched::Object(members) => members
                .iter()
                .map(|(name, member)| name.len() + member.length() + 4)
                .sum(),
        }
    }

    /// Appends the text.
    pub fn write(&self, output: &mut String) {
        match self {
            Patched::Submitted(json) => output.push_str(json.text()),
            Patched::Added(value) => output.push_str(value),
            Patched::List(items) => {
                output.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        output.push(',');
                    }
                    item.write(output);
                }
                output.push(']');
            }
            Patched::Object(members) => {
                output.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        output.push(',');
                    }
                    json::write_string(name, output);
                    output.push(':');
                    member.write(output);
                }
                output.push('}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn apply(object: &str, operations: &[(&str, Value)]) -> Result<String, NoSuchPath> {
        let mut patch = Operations(Vec::new());
        for (path, value) in operations {
            let names = path.split_whitespace().map(|name| name.to_owned().into());
            patch.add(Path(names.collect()), value);
        }
        let patched = Patched::new(Json::parse(object).unwrap(), Patch(patch.0))?;
        let mut output = String::new();
        patched.write(&mut output);
        Ok(output)
    }

    #[test]
    fn what_is_not_touched_is_the_submitted_text() {
        let object = r#"{"z":1.50,"big":123456789012345678901234567890,"n":null,"e":"\u00e9","a":{"l":[ 1, 2 ],"x":{}}}"#;
        let patched = apply(object, &[("a l -", json!(3)), ("a y", json!(null))]);
        assert_eq!(
            patched.unwrap(),
            r#"{"z":1.50,"big":123456789012345678901234567890,"n":null,"e":"\u00e9","a":{"l":[1,2,3],"x":{},"y":null}}"#
        );
    }

    #[test]
    fn items_are_inserted_and_members_replaced() {
        let patched = apply(
            r#"{"l":["b"],"o":{"k":1}}"#,
            &[
                ("l 0", json!("a")),
                ("l 2", json!("c")),
                ("o k", json!(2)),
                ("o a/b~c", json!(3)),
            ],
        );
        assert_eq!(
            patched.unwrap(),
            r#"{"l":["a","b","c"],"o":{"k":2,"a/b~c":3}}"#
        );
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        for path in ["nothing here", "l 7", "n x", "l x"] {
            let operation = (path, json!(1));
            assert!(apply(r#"{"l":[],"n":1}"#, &[operation]).is_err(), "{path}");
        }
    }
}
