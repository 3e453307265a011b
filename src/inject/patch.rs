//! The change: what is injected as an RFC 6902 patch, and its application to what was submitted.

use std::mem::take;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use k8s_openapi::api::core::v1::{ExecAction, Lifecycle, LifecycleHandler, LocalObjectReference};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ContainerChange, Injection, MOST_ADDED, too_much};
use crate::pod::{List, Pod, PostStart};
use crate::rejection::{Place, Rejection};

/// The patch that makes the submitted pod the injected one, with the containers taken out of `injection`: it adds, and replaces nothing but commands that get words of
/// ours before their own.
pub fn patch(injection: &mut Injection, pod: &Pod<'_>) -> Patch {
    let mut operations = Operations::default();
    for (name, value) in &injection.annotations {
        operations.add(["metadata", "annotations", name], value);
    }
    let volumes = ["spec", "volumes"];
    operations.append(volumes, !pod.volumes.is_empty(), injection.volumes.iter());
    for change in &injection.changes {
        operations.change_container(change, pod);
    }
    let (first, last) = (
        take(&mut injection.first_containers),
        take(&mut injection.last_containers),
    );
    operations.insert("containers", true, Some(0), first);
    operations.insert("containers", true, None, last);
    let (first, last) = (
        take(&mut injection.init_containers),
        take(&mut injection.last_init_containers),
    );
    let has_init_containers = !pod.init_containers.is_empty();
    let has_any_before_last = has_init_containers || !first.is_empty();
    operations.insert(
        "initContainers",
        has_init_containers,
        Some(injection.behind),
        first,
    );
    operations.insert("initContainers", has_any_before_last, None, last);
    let pull_secrets = injection.image_pull_secrets.iter();
    operations.append(
        ["spec", "imagePullSecrets"],
        !pod.image_pull_secrets.is_empty(),
        pull_secrets.map(|name| LocalObjectReference { name: name.clone() }),
    );
    if injection.shares_process_namespace {
        operations.add(["spec", "shareProcessNamespace"], &true);
    }
    Patch(operations.0)
}

/// Rejects a patch that adds more text than an object can have.
pub fn reject_too_much(patch: &Patch) -> Result<(), Rejection> {
    let values = || {
        patch.iter().filter_map(|operation| match operation {
            PatchOperation::Add(operation) => Some(&operation.value),
            _ => None,
        })
    };
    // To write what is added takes long, and next to nobody adds so much. A byte is written as six at the most: `\u0000`.
    let is_little = values().map(length).sum::<usize>() <= MOST_ADDED / 6;
    if is_little || values().map(|value| value.to_string().len()).sum::<usize>() <= MOST_ADDED {
        return Ok(());
    }
    Err(too_much())
}

/// How many bytes a value has, without escapes and with more punctuation than there is.
fn length(value: &Value) -> usize {
    const PUNCTUATION: usize = 8;
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(length).sum(),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, member)| name.len() + length(member));
            members.sum()
        }
    };
    inside + PUNCTUATION
}

/// The submitted object with the patch applied to it. Everything that no operation touches keeps its value, known to this
/// policy or not.
pub fn apply(patch: &Patch, object: &RawValue) -> Result<Value, Rejection> {
    let reject = |problem| Place::field("object").rejected(problem);
    let mut object: Value = serde_json::from_str(object.get())
        .map_err(|_| reject("not JSON, or nested too deeply; expected at most 127 levels"))?;
    // What is unsafe is that a failure leaves the object half changed: it is dropped then.
    json_patch::patch_unsafe(&mut object, patch)
        .map_err(|_| reject("a defect of the policy: its change does not fit the pod"))?;
    Ok(object)
}

#[derive(Default)]
struct Operations(Vec<PatchOperation>);

impl Operations {
    fn add<'t>(
        &mut self,
        path: impl IntoIterator<Item = &'t str>,
        value: &(impl Serialize + ?Sized),
    ) {
        let value =
            serde_json::to_value(value).expect("Kubernetes' objects can be written as JSON");
        self.add_json(path, value);
    }

    fn add_json<'t>(&mut self, path: impl IntoIterator<Item = &'t str>, value: Value) {
        self.0.push(PatchOperation::Add(AddOperation {
            path: PointerBuf::from_tokens(path),
            value,
        }));
    }

    /// Appends items to a list: one operation for all of them where the list does not exist or is empty.
    fn append<'t, T: Serialize>(
        &mut self,
        list: impl IntoIterator<Item = &'t str> + Clone,
        exists: bool,
        items: impl IntoIterator<Item = T>,
    ) {
        let items: Vec<T> = items.into_iter().collect();
        if exists {
            for item in &items {
                self.add(list.clone().into_iter().chain(["-"]), item);
            }
        } else if !items.is_empty() {
            self.add(list, &items);
        }
    }

    /// Puts containers behind the first ones of the list `name` of the pod's spec, or behind all.
    fn insert(&mut self, name: &str, exists: bool, behind: Option<usize>, containers: Vec<Value>) {
        if !exists {
            if !containers.is_empty() {
                self.add_json(["spec", name], Value::Array(containers));
            }
            return;
        }
        for (index, container) in containers.into_iter().enumerate() {
            let at = behind.map_or("-".to_owned(), |behind| (behind + index).to_string());
            self.add_json(["spec", name, &at], container);
        }
    }

    fn change_container(&mut self, change: &ContainerChange, pod: &Pod<'_>) {
        let (list, containers) = match change.list {
            List::Containers => ("containers", &pod.containers),
            List::InitContainers => ("initContainers", &pod.init_containers),
        };
        let container = &containers[change.index];
        let index = change.index.to_string();
        let at = ["spec", list, &index];
        let below = |names: &[&'static str]| [&at, names].concat();
        self.append(
            below(&["volumeMounts"]),
            !container.volume_mounts.is_empty(),
            &change.volume_mounts,
        );
        for (command, before) in &change.words_before {
            let mut words: Vec<_> = before.iter().map(|word| word.as_str().into()).collect();
            words.append(&mut container.words(*command));
            self.add(below(command.path()), &Value::Array(words));
        }
        if let Some(arguments) = &change.arguments {
            self.add(below(&["args"]), arguments);
        }
        let Some(command) = &change.post_start else {
            return;
        };
        let hook = LifecycleHandler {
            exec: Some(ExecAction {
                command: Some(command.clone()),
            }),
            ..LifecycleHandler::default()
        };
        match container.post_start() {
            _ if !container.has_lifecycle() => self.add(
                below(&["lifecycle"]),
                &Lifecycle {
                    post_start: Some(hook),
                    ..Lifecycle::default()
                },
            ),
            PostStart::Exec(_) => self.add(
                below(&["lifecycle", "postStart", "exec", "command"]),
                command,
            ),
            // Another kind has been rejected.
            PostStart::None | PostStart::Other => {
                self.add(below(&["lifecycle", "postStart"]), &hook);
            }
        }
    }
}
