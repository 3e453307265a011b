//! What injection adds to a pod, as a case shows it, and the pod that results from it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use yaml_serde::{Mapping, Value as Yaml};

use crate::case::AGENT_INJECTOR;
use crate::container;
use crate::json::{append, appended, name_of, named, patch};
use crate::standard::Standard;
use crate::yaml::{difference, merge, without_null};

/// What was added to a pod.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Additions {
    /// A merge patch (RFC 7396) of all but the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<Value>,
    /// What comes after the pod's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<Value>,
    /// The whole list, by names; `None` if it is as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    init_containers: Option<Vec<Yaml>>,
    /// The same of the containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Vec<Yaml>>,
}

/// The pod that results when `additions` are added to the one that is submitted.
pub fn pod(submitted: &Value, prefix: &str, additions: &Additions) -> Result<Value, String> {
    let mut pod = submitted.clone();
    if let Some(patch) = &additions.pod {
        json_patch::merge(&mut pod, patch);
    }
    pod["metadata"]["annotations"][status(prefix)] = json!("injected");
    if !additions.volumes.is_empty() {
        let volumes = additions.volumes.iter();
        let volumes = volumes.map(|it| named(it, &Standard::get().volumes));
        append(&mut pod["spec"]["volumes"], volumes.collect());
    }
    for (list, shown) in [
        ("initContainers", &additions.init_containers),
        ("containers", &additions.containers),
    ] {
        if let Some(shown) = shown {
            pod["spec"][list] = containers(&submitted["spec"][list], list, shown)?;
        }
    }
    Ok(pod)
}

/// What was added to the pod that was submitted.
///
/// # Errors
///
/// If what was done to it is more than a case can show.
pub fn additions(submitted: &Value, prefix: &str, injected: &Value) -> Result<Additions, String> {
    let mut before = submitted.clone();
    let mut after = injected.clone();
    if let Some(annotations) = after["metadata"]["annotations"].as_object_mut() {
        annotations.remove(&status(prefix));
    }
    let mut taken = |list: &str| {
        let take = |pod: &mut Value| match pod["spec"].as_object_mut() {
            Some(spec) => spec.remove(list).unwrap_or_default(),
            None => Value::Null,
        };
        let (before, after) = (take(&mut before), take(&mut after));
        (before != after).then_some((before, after))
    };
    let volumes = taken("volumes").map(|(before, after)| {
        let added = appended(&before, &after).ok_or("volumes: not appended")?;
        let added = added.iter().map(|it| name_of(it, &Standard::get().volumes));
        Ok::<_, String>(added.collect())
    });
    let mut shown = |list: &str| {
        let lists = taken(list);
        lists
            .map(|(before, after)| shown_containers(&before, &after, list))
            .transpose()
    };
    let additions = Additions {
        volumes: volumes.transpose()?.unwrap_or_default(),
        init_containers: shown("initContainers")?,
        containers: shown("containers")?,
        pod: patch(&before, &after),
    };
    match pod(submitted, prefix, &additions)? == *injected {
        true => Ok(additions),
        // Differences do not say where in its list something is.
        false => Err("the order is not that of test_data/standard.yaml".to_owned()),
    }
}

fn status(prefix: &str) -> String {
    match prefix {
        AGENT_INJECTOR => format!("{prefix}/agent-inject-status"),
        _ => format!("{prefix}/status"),
    }
}

/// The containers of a list as they come out, from the submitted ones and what a case shows.
fn containers(submitted: &Value, list: &str, shown: &[Yaml]) -> Result<Value, String> {
    let mut own = submitted.as_array().into_iter().flatten().peekable();
    let mut containers = Vec::new();
    for item in shown {
        let (name, difference) = match item {
            Yaml::String(name) => (name.as_str(), None),
            Yaml::Mapping(item) if item.len() == 1 => {
                let (name, difference) = item.iter().next().expect("it has one");
                (name.as_str().unwrap_or_default(), Some(difference))
            }
            _ => return Err(format!("{list}: expected names of containers")),
        };
        let container = match own.next_if(|own| own["name"] == name) {
            Some(own) => container::with_additions(own, difference),
            None => {
                let mut container = standard(list, name)?.clone();
                if let Some(difference) = difference {
                    merge(&mut container, difference);
                }
                container::built(name, &without_null(&container))
            }
        };
        containers.push(container);
    }
    match own.next() {
        Some(own) => Err(format!("{list}: {} is not shown in its place", own["name"])),
        None => Ok(Value::Array(containers)),
    }
}

fn shown_containers(before: &Value, after: &Value, list: &str) -> Result<Vec<Yaml>, String> {
    let mut own = before.as_array().into_iter().flatten().peekable();
    let mut shown = Vec::new();
    for container in after.as_array().into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default();
        let difference = match own.next_if(|own| own["name"] == name) {
            Some(own) => container::additions(own, container),
            None => difference(standard(list, name)?, &container::shown(container)?),
        };
        shown.push(match difference {
            Some(difference) => Yaml::Mapping(Mapping::from_iter([(name.into(), difference)])),
            None => name.into(),
        });
    }
    Ok(shown)
}

fn standard(list: &str, name: &str) -> Result<&'static Yaml, String> {
    let containers = match list {
        "initContainers" => &Standard::get().init_containers,
        _ => &Standard::get().containers,
    };
    let container = containers.get(name);
    container.ok_or_else(|| format!("{list}: test_data/standard.yaml has no container {name}"))
}
