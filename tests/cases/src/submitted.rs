//! The object that a case submits: what it says of it, with what every pod has.

use serde_json::{Value, json};

use crate::case::{AGENT_INJECTOR, Written};
use crate::standard::Standard;

/// The lists of containers to which the API server adds the token.
const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

/// The object that the layers make together; `prefix` is that of the policy's annotations.
pub fn object(layers: &[&Written], prefix: &str) -> Value {
    let mut objects = layers.iter().filter_map(|layer| layer.object.as_ref());
    if let Some(object) = objects.next() {
        let is_pod = |layer: &&Written| layer.pod.is_some() || layer.annotations.is_some();
        assert!(
            !layers.iter().any(is_pod),
            "what is said of the standard pod has no effect on an object"
        );
        let mut object = object.clone();
        objects.for_each(|patch| json_patch::merge(&mut object, patch));
        return expanded(object);
    }
    let standard = Standard::get();
    let mut pod = standard.pod.clone();
    let is_admitted = !layers.iter().any(|layer| layer.bare);
    if is_admitted {
        json_patch::merge(&mut pod, &standard.admitted.pod);
    }
    let implied = match prefix {
        AGENT_INJECTOR => json!({"agent-inject": "true"}),
        _ => json!({"inject": "true"}),
    };
    let annotations = layers.iter().filter_map(|layer| layer.annotations.as_ref());
    for annotations in [&implied].into_iter().chain(annotations) {
        let annotations = with_prefix(annotations, prefix);
        json_patch::merge(&mut pod, &json!({"metadata": {"annotations": annotations}}));
    }
    for patch in layers.iter().filter_map(|layer| layer.pod.as_ref()) {
        json_patch::merge(&mut pod, patch);
    }
    let mut pod = expanded(pod);
    if let Some(Value::Object(spec)) = pod.get_mut("spec") {
        let has_token =
            is_admitted && spec.get("automountServiceAccountToken") != Some(&json!(false));
        complete(spec, has_token);
    }
    pod
}

/// Annotations with the prefix before the names that have none.
fn with_prefix(annotations: &Value, prefix: &str) -> Value {
    let members = annotations.as_object().expect("annotations by name");
    let named = members
        .iter()
        .map(|(name, value)| match name.contains('/') {
            true => (name.clone(), value.clone()),
            false => (format!("{prefix}/{name}"), value.clone()),
        });
    named.collect()
}

/// Adds to the containers of a pod's specification what the case leaves out.
fn complete(spec: &mut serde_json::Map<String, Value>, has_token: bool) {
    let admitted = &Standard::get().admitted;
    for list in CONTAINERS {
        let Some(Value::Array(containers)) = spec.get_mut(list) else {
            continue;
        };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let name = container.get("name").and_then(Value::as_str);
            if let (Some(name), None) = (name, container.get("image")) {
                let image = format!("registry.example.org/{name}:1.0");
                container.insert("image".to_owned(), json!(image));
            }
            if has_token && container.get("volumeMounts") != Some(&Value::Null) {
                put_first(container, "volumeMounts", "mountPath", &admitted.mount);
            }
            container.retain(|name, value| {
                !(value.is_null() && ["image", "volumeMounts"].contains(&name.as_str()))
            });
        }
    }
    if has_token {
        put_first(spec, "volumes", "name", &admitted.volume);
    }
}

/// Puts `item` before the others of a list, if none of them has the same `key`.
fn put_first(object: &mut serde_json::Map<String, Value>, list: &str, key: &str, item: &Value) {
    let list = object.entry(list).or_insert(json!([]));
    if let Some(items) = list.as_array_mut()
        && !items.iter().any(|other| other[key] == item[key])
    {
        items.insert(0, item.clone());
    }
}

/// The value with every long text in full: `{repeat: TEXT, times: N}`, in which `{n}` is the number of the repetition
/// (and `{nnn}` with zeros before it), and `{concat: [TEXT, ...]}`.
pub fn expanded(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(expanded).collect(),
        Value::Object(members) => {
            let members: serde_json::Map<_, _> = members
                .into_iter()
                .map(|(name, member)| (name, expanded(member)))
                .collect();
            if let Some(Value::Array(parts)) = members.get("concat") {
                let parts: String = parts.iter().filter_map(Value::as_str).collect();
                return Value::String(parts);
            }
            match (members.get("repeat"), members.get("times")) {
                (Some(Value::String(text)), Some(Value::Number(times))) => {
                    let from = members.get("from").and_then(Value::as_u64).unwrap_or(0);
                    let times = times.as_u64().unwrap_or(0);
                    let texts = (from..from + times).map(|number| numbered(text, number));
                    Value::String(texts.collect())
                }
                _ => Value::Object(members),
            }
        }
        other => other,
    }
}

fn numbered(text: &str, number: u64) -> String {
    let texts = (1..=4).map(|width| (format!("{{{}}}", "n".repeat(width)), width));
    texts.fold(text.to_owned(), |text, (place, width)| {
        text.replace(&place, &format!("{number:0width$}"))
    })
}
