//! A pod as objects only: what has a name in a list is a member by that name, so that two pods can be compared.

use serde_json::{Map, Value, json};

use crate::{config, runs};

/// The names of volumes for the files of single secrets, with a number behind.
const CUSTOM: &str = "vault-secrets-custom-";

/// The names of the agent's containers.
pub const AGENTS: [&str; 2] = ["vault-agent-init", "vault-agent"];

/// The lists of containers of a pod, from which its tree has objects.
pub const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

/// The pod as a tree, with no more of its annotations than differ from the submitted pod's.
///
/// # Errors
///
/// Why the configuration of an agent cannot be read.
pub fn tree(pod: &Value, submitted: &Value) -> Result<Value, String> {
    let mut tree = pod.clone();
    let mut order = Map::new();
    let spec = object(&mut tree["spec"]);
    let custom = custom_volumes(spec);
    for list in CONTAINER_LISTS {
        let Some(Value::Array(containers)) = spec.remove(list) else {
            continue;
        };
        let names: Vec<_> = containers.iter().map(|it| text(&it["name"])).collect();
        order.insert(list.to_owned(), json!(names.join(", ")));
        let mut named = Map::new();
        for mut container in containers {
            let members = object(&mut container);
            let name = members.remove("name");
            name_items(members, "volumeMounts", "mountPath", &custom);
            name_items(members, "env", "name", &[]);
            config::read(members)?;
            let name = text(&name.unwrap_or_default());
            if AGENTS.contains(&name.as_str()) {
                runs::read(members);
            }
            insert(&mut named, name, container);
        }
        spec.insert(list.to_owned(), Value::Object(named));
    }
    name_items(spec, "volumes", "name", &custom);
    tree["order"] = Value::Object(order);
    let annotations = object(&mut tree["metadata"]["annotations"]);
    annotations.retain(|key, value| submitted["metadata"]["annotations"].get(key) != Some(value));
    Ok(tree)
}

/// The volumes with a number in their names, and where they are mounted, by which they have the same name whatever the order
/// in which they were added.
fn custom_volumes(spec: &Map<String, Value>) -> Vec<(String, String)> {
    let containers = CONTAINER_LISTS.iter().filter_map(|list| spec.get(*list));
    let mounts = containers
        .flat_map(items)
        .flat_map(|container| items(&container["volumeMounts"]));
    let mut custom: Vec<_> = mounts
        .map(|mount| (text(&mount["name"]), path(&text(&mount["mountPath"]))))
        .filter(|(name, _)| name.starts_with(CUSTOM))
        .map(|(name, path)| (name, format!("{CUSTOM}{path}")))
        .collect();
    custom.sort();
    custom.dedup();
    custom
}

/// Makes an object of a list, by a member of its items.
fn name_items(
    object: &mut Map<String, Value>,
    list: &str,
    key: &str,
    renamed: &[(String, String)],
) {
    let Some(Value::Array(items)) = object.remove(list) else {
        return;
    };
    let mut named = Map::new();
    for mut item in items {
        if let Some(Value::String(name)) = item.get_mut("name")
            && let Some((_, new)) = renamed.iter().find(|(old, _)| old == name)
        {
            name.clone_from(new);
        }
        let members = self::object(&mut item);
        let name = path(&text(&members.remove(key).unwrap_or_default()));
        insert(&mut named, name, item);
    }
    object.insert(list.to_owned(), Value::Object(named));
}

/// Inserts what may be there already, which then has a name with a number.
pub fn insert(members: &mut Map<String, Value>, name: String, item: Value) {
    let mut free = name.clone();
    let mut number = 1;
    while members.contains_key(&free) {
        number += 1;
        free = format!("{name}#{number}");
    }
    members.insert(free, item);
}

/// The members of an object; what is not one becomes an empty one.
pub fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it has just been made one")
}

/// The items of a list; what is not one has none.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A path as one text, however many slashes it was written with; a name stays as it is.
pub fn path(text: &str) -> String {
    let mut path = String::new();
    for part in text.split_inclusive('/') {
        if part != "/" || !path.ends_with('/') {
            path.push_str(part);
        }
    }
    match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter.to_owned(),
        _ => path,
    }
}

/// A text, or what is not one as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_name_is_a_member() {
        let submitted = json!({"metadata": {"annotations": {"a": "1"}}});
        let pod = json!({
            "metadata": {"annotations": {"a": "1", "b": "2"}},
            "spec": {
                "containers": [{
                    "name": "app",
                    "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        });
        assert_eq!(
            tree(&pod, &submitted).unwrap(),
            json!({
                "metadata": {"annotations": {"b": "2"}},
                "order": {"containers": "app"},
                "spec": {
                    "containers": {"app": {
                        "env": {"A": {"value": "1"}, "A#2": {"value": "2"}},
                        "volumeMounts": {"/data": {"name": "data"}},
                    }},
                    "volumes": {"data": {"emptyDir": {}}},
                },
            })
        );
    }

    #[test]
    fn slashes_do_not_make_another_path() {
        for (text, expected) in [
            ("/a/b", "/a/b"),
            ("/a//b/", "/a/b"),
            ("a///", "a"),
            ("//", "/"),
            ("/", "/"),
            ("", ""),
            ("NAME", "NAME"),
        ] {
            assert_eq!(path(text), expected);
        }
    }

    #[test]
    fn a_volume_with_a_number_is_named_by_where_it_is() {
        let pod = |first: &str, second: &str| {
            let mounts =
                json!([{"name": first, "mountPath": "/a"}, {"name": second, "mountPath": "/b"}]);
            json!({"spec": {
                "containers": [{"name": "app", "volumeMounts": mounts}],
                "volumes": [{"name": first}, {"name": second}],
            }})
        };
        let first = pod("vault-secrets-custom-0", "vault-secrets-custom-1");
        let second = pod("vault-secrets-custom-1", "vault-secrets-custom-0");
        let first = tree(&first, &json!({})).unwrap();
        assert_eq!(first, tree(&second, &json!({})).unwrap());
        assert_eq!(
            first["spec"]["volumes"],
            json!({"vault-secrets-custom-/a": {}, "vault-secrets-custom-/b": {}})
        );
    }
}
