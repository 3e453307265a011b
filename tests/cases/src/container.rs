//! A container of an injected pod: one of the pod's own, to which a case adds, or one that is added.

use serde_json::{Map, Value, json};
use yaml_serde::{Mapping, Value as Yaml};

use crate::json::{append, appended, json_of, name_of, named, patch, yaml_of};
use crate::standard::Standard;
use crate::texts::{by_name, in_full};

/// Lists that a case shows as mappings, with the key by which Kubernetes merges them, and what alone in an item is
/// shown without its name.
const KEYED: [(&str, &str, &str); 2] = [
    ("env", "name", "value"),
    ("volumeMounts", "mountPath", "name"),
];

/// Whether Kubernetes expands variables in this member of a container.
fn is_expanded(key: &str) -> bool {
    key != "lifecycle"
}

/// A container of the pod's own with what a case shows: mounts after its own, words before its command, and the rest
/// merged.
pub fn with_additions(own: &Value, additions: Option<&Yaml>) -> Value {
    let mut container = own.clone();
    let Some(additions) = additions else {
        return container;
    };
    let additions = additions.as_mapping().expect("additions by key");
    for (key, addition) in additions {
        let key = key.as_str().unwrap_or_default();
        let addition = json_of(&in_full(addition.clone(), is_expanded(key)));
        match (key, addition) {
            ("volumeMounts", Value::Array(mounts)) => {
                let mounts = mounts.iter().map(|it| named(it, &Standard::get().mounts));
                append(&mut container[key], mounts.collect());
            }
            ("command", Value::Array(mut words)) => {
                words.extend(container[key].as_array().into_iter().flatten().cloned());
                container[key] = Value::Array(words);
            }
            (key, addition) => json_patch::merge(&mut container, &json!({key: addition})),
        }
    }
    container
}

/// What was added to a container of the pod's own; `None` if nothing was.
pub fn additions(own: &Value, injected: &Value) -> Option<Yaml> {
    let mut additions = Mapping::new();
    let mut add = |key: &str, addition: &Value| {
        additions.insert(key.into(), by_name(yaml_of(addition), is_expanded(key)));
    };
    let mut rest = injected.clone();
    if let Some(mounts) = appended(&own["volumeMounts"], &injected["volumeMounts"]) {
        let mounts = mounts.iter().map(|it| name_of(it, &Standard::get().mounts));
        add("volumeMounts", &mounts.collect());
        restore("volumeMounts", own, &mut rest);
    }
    let (words, own_words) = (injected["command"].as_array(), own["command"].as_array());
    if let (Some(words), Some(own_words)) = (words, own_words)
        && let Some(before_own) = words.strip_suffix(own_words.as_slice())
        && !before_own.is_empty()
    {
        add("command", &json!(before_own));
        restore("command", own, &mut rest);
    }
    if let Some(Value::Object(patch)) = patch(own, &rest) {
        patch.iter().for_each(|(key, addition)| add(key, addition));
    }
    (!additions.is_empty()).then_some(Yaml::Mapping(additions))
}

/// Makes a member of a container what it was.
fn restore(key: &str, own: &Value, container: &mut Value) {
    let members = container.as_object_mut().expect("a container is an object");
    match own.get(key) {
        Some(member) => members.insert(key.to_owned(), member.clone()),
        None => members.remove(key),
    };
}

/// The added container that Kubernetes gets.
pub fn built(name: &str, shown: &Yaml) -> Value {
    let mut container = Map::from_iter([("name".to_owned(), json!(name))]);
    for (key, member) in shown.as_mapping().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        let keyed = KEYED.iter().find(|(list, ..)| key == *list);
        let in_full = |member: &Yaml| in_full(member.clone(), is_expanded(key));
        let member = match (keyed, member) {
            (Some((_, key, alone)), Yaml::Mapping(items)) => {
                let items = items.iter();
                items
                    .map(|(name, item)| match is_config(name) {
                        true => json!({*key: json_of(name), *alone: config_text(item)}),
                        false => built_item(name, &in_full(item), key, alone),
                    })
                    .collect()
            }
            _ => json_of(&in_full(member)),
        };
        container.insert(key.to_owned(), member);
    }
    Value::Object(container)
}

fn built_item(name: &Yaml, item: &Yaml, key: &str, alone: &str) -> Value {
    let name = json_of(name);
    match item {
        Yaml::Mapping(_) => {
            let mut item = json_of(item);
            item[key] = name;
            item
        }
        _ => json!({key: name, alone: json_of(item)}),
    }
}

/// An added container as a case shows it, whole.
pub fn shown(container: &Value) -> Result<Yaml, String> {
    let mut shown = Mapping::new();
    for (key, member) in container.as_object().into_iter().flatten() {
        if key == "name" {
            continue;
        }
        let keyed = KEYED.iter().find(|(list, ..)| key == *list);
        let by_name = |member: Yaml| by_name(member, is_expanded(key));
        let member = match (keyed, member) {
            (Some((_, key, alone)), Value::Array(items)) => {
                let mut mapping = Mapping::new();
                for item in items {
                    let (name, item) = shown_item(item, key, alone)?;
                    let item = match is_config(&name) {
                        true => config_of(&item)?,
                        false => by_name(item),
                    };
                    mapping.insert(name, item);
                }
                Yaml::Mapping(mapping)
            }
            _ => by_name(yaml_of(member)),
        };
        shown.insert(key.as_str().into(), member);
    }
    Ok(Yaml::Mapping(shown))
}

fn shown_item(item: &Value, key: &str, alone: &str) -> Result<(Yaml, Yaml), String> {
    let mut rest = item
        .as_object()
        .cloned()
        .ok_or("expected an object in a list")?;
    let name = rest
        .remove(key)
        .ok_or_else(|| format!("{item} has no {key}"))?;
    let shown = match rest.get(alone) {
        Some(value) if rest.len() == 1 => yaml_of(value),
        _ => yaml_of(&Value::Object(rest)),
    };
    Ok((yaml_of(&name), shown))
}

/// Whether a variable has configuration, which a case shows as YAML.
fn is_config(variable: &Yaml) -> bool {
    let name = variable.as_str().unwrap_or_default();
    name.starts_with("TVSI_") && name.ends_with("_CONFIG")
}

/// Configuration as it is in a variable: compact JSON, in which every `$` is doubled for Kubernetes.
fn config_text(config: &Yaml) -> String {
    let mut config = in_full(config.clone(), false);
    let method = config
        .get_mut("auto_auth")
        .map(|login| &mut login[0]["method"][0]);
    if let Some(Yaml::Sequence(login)) = method.and_then(|method| method.get_mut("config")) {
        login.iter_mut().for_each(sort);
    }
    let text = serde_json::to_string(&config).expect("configuration is JSON");
    text.replace('$', "$$")
}

/// What a login takes comes in the order of its names.
fn sort(config: &mut Yaml) {
    if let Yaml::Mapping(config) = config {
        let mut members: Vec<_> = std::mem::take(config).into_iter().collect();
        members.sort_by(|(name, _), (other, _)| name.as_str().cmp(&other.as_str()));
        config.extend(members);
    }
}

fn config_of(text: &Yaml) -> Result<Yaml, String> {
    let text = text
        .as_str()
        .ok_or("configuration: expected a text")?
        .replace("$$", "$");
    let config = serde_json::from_str(&text).map_err(|error| format!("configuration: {error}"))?;
    Ok(by_name(config, false))
}
