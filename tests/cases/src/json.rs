//! JSON as Kubernetes has it: lists that grow, patches, and items that the standard has by name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What a name of the standard stands for; anything else as it is.
pub fn named(item: &Value, standard: &BTreeMap<String, Value>) -> Value {
    let Some((name, value)) = item.as_str().and_then(|name| standard.get_key_value(name)) else {
        return item.clone();
    };
    let mut value = value.clone();
    value["name"] = json!(name);
    value
}

/// The name of what the standard has; anything else as it is.
pub fn name_of(item: &Value, standard: &BTreeMap<String, Value>) -> Value {
    match &item["name"] {
        name if named(name, standard) == *item => name.clone(),
        _ => item.clone(),
    }
}

/// Adds items to a list, which may be missing.
pub fn append(list: &mut Value, items: Vec<Value>) {
    match list {
        Value::Array(list) => list.extend(items),
        list => *list = Value::Array(items),
    }
}

/// What comes after the items that were there before, if there is something.
pub fn appended(before: &Value, after: &Value) -> Option<Vec<Value>> {
    let none = Vec::new();
    let before = before.as_array().unwrap_or(&none);
    let added = after.as_array()?.strip_prefix(before.as_slice())?;
    (!added.is_empty()).then(|| added.to_vec())
}

/// The JSON merge patch (RFC 7396) from one value to another; `None` if they are equal.
pub fn patch(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (before, after) if before == after => None,
        (Value::Object(before), Value::Object(after)) => {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            let gone = gone.map(|name| (name.clone(), Value::Null));
            let changed = after.iter().filter_map(|(name, after)| {
                let before = before.get(name).unwrap_or(&Value::Null);
                Some((name.clone(), patch(before, after)?))
            });
            Some(gone.chain(changed).collect())
        }
        _ => Some(after.clone()),
    }
}

/// YAML that is JSON too.
pub fn json_of(value: &yaml_serde::Value) -> Value {
    serde_json::to_value(value).expect("it is JSON")
}

/// JSON as YAML.
pub fn yaml_of(value: &Value) -> yaml_serde::Value {
    yaml_serde::to_value(value).expect("JSON is YAML")
}
