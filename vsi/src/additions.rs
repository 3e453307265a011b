//! What is added to the containers of an object, as a table in front of the difference. Programs that read differences skip it.

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::printable::Printable;

const COLUMNS: [&str; 5] = [
    "container",
    "image",
    "requests",
    "limits",
    "volumes mounted",
];

/// A table with a row for each container that is new or mounts more than before; `None` if there are none.
pub(crate) fn table(before: &Value, after: &Value) -> Option<String> {
    let mut rows = Vec::new();
    collect(before, after, &mut rows);
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(COLUMNS);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| format!("# {}\n", line.trim_end()));
    Some(lines.collect())
}

type Row = [String; COLUMNS.len()];

/// Adds the rows of all pod templates in `after`.
fn collect(before: &Value, after: &Value, rows: &mut Vec<Row>) {
    match after {
        Value::Object(fields) => {
            if after["containers"].is_array() {
                for list in ["initContainers", "containers"] {
                    rows.extend(rows_of(list, before, after));
                }
            }
            for (name, field) in fields {
                collect(&before[name], field, rows);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&before[index], item, rows);
            }
        }
        _ => {}
    }
}

fn rows_of<'a>(
    list: &'a str,
    before: &'a Value,
    after: &'a Value,
) -> impl Iterator<Item = Row> + use<'a> {
    let old = before[list].as_array();
    let containers = after[list].as_array().into_iter().flatten();
    containers.filter_map(move |container| {
        let same = |it: &&Value| it["name"] == container["name"];
        let old = old.and_then(|old| old.iter().find(same));
        let mounts = mounts(container);
        let old_mounts = old.map(self::mounts).unwrap_or_default();
        let added = mounts.into_iter().filter(|it| !old_mounts.contains(it));
        let added = added.collect::<Vec<_>>().join(", ");
        let name = match (list, container["restartPolicy"].as_str()) {
            ("initContainers", Some("Always")) => " (native sidecar)",
            ("initContainers", _) => " (init)",
            _ => "",
        };
        let name = format!("{}{name}", shown(&container["name"]));
        match old {
            Some(_) if added.is_empty() => None,
            Some(_) => Some([name, String::new(), String::new(), String::new(), added]),
            None => Some([
                name,
                shown(&container["image"]),
                resources(&container["resources"]["requests"]),
                resources(&container["resources"]["limits"]),
                added,
            ]),
        }
    })
}

/// The volumes that a container mounts, each once.
fn mounts(container: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let name = shown(&mount["name"]);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Quantities such as `cpu 50m, memory 64Mi`.
fn resources(quantities: &Value) -> String {
    let quantities = quantities.as_object().into_iter().flatten();
    let quantities =
        quantities.map(|(name, it)| format!("{} {}", Printable::from(name), shown(it)));
    quantities.collect::<Vec<_>>().join(", ")
}

fn shown(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    Printable::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn new_containers_and_new_mounts_are_rows() {
        let before = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "a"}, {"name": "same"},
        ]}}}});
        let after = json!({"spec": {"template": {"spec": {
            "initContainers": [{"name": "first", "image": "b", "restartPolicy": "Always"}],
            "containers": [
                {"name": "app", "image": "a", "volumeMounts": [{"name": "v"}, {"name": "w"}, {"name": "v"}]},
                {"name": "same"},
                {"name": "n\new", "image": "c", "resources": {"limits": {"cpu": "1", "memory": "2Mi"}}},
            ],
        }}}});
        let expected = "\
# container               image  requests  limits             volumes mounted
# first (native sidecar)  b
# app                                                         v, w
# n\\new                   c                cpu 1, memory 2Mi
";
        assert_eq!(table(&before, &after).as_deref(), Some(expected));
        assert_eq!(table(&after, &after), None);
    }
}
