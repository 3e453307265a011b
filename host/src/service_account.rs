//! What the API server's service account plugin does to a pod before webhooks see it, and how to take it
//! back.
//!
//! The plugin runs again behind the webhooks, so that a container which they add gets the token as well:
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#serviceaccount>.

use serde_json::{Map, Value, json};

/// Where the plugin mounts the token.
pub const TOKEN_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How the names of the plugin's volumes begin.
const VOLUME_PREFIX: &str = "kube-api-access-";

/// Five letters come behind the prefix, of which none is ever a zero in a cluster.
const VOLUME: &str = "kube-api-access-00000";

const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

/// Gives a pod its service account, and the account's token to every container that has nothing mounted
/// at [`TOKEN_DIRECTORY`], unless the pod says `automountServiceAccountToken: false`.
///
/// That the account itself may say so cannot be known here.
pub fn mount_token(pod: &mut Value) {
    let Some(Value::Object(spec)) = pod.get_mut("spec") else {
        return;
    };
    if text(spec.get("serviceAccountName")).is_empty() {
        spec.insert("serviceAccountName".to_owned(), json!("default"));
    }
    if spec.get("automountServiceAccountToken") == Some(&json!(false)) {
        return;
    }
    let own = items(spec, "volumes")
        .filter(|volume| volume.get("projected").is_some())
        .map(|volume| text(volume.get("name")).to_owned())
        .find(|name| name.starts_with(VOLUME_PREFIX));
    let has_volume = own.is_some();
    let name = own.unwrap_or_else(|| VOLUME.to_owned());

    let mut is_used = false;
    for container in containers_mut(spec) {
        let is_taken = items(container, "volumeMounts")
            .any(|mount| text(mount.get("mountPath")).trim_end_matches('/') == TOKEN_DIRECTORY);
        if !is_taken {
            is_used = true;
            let mount = json!({"name": name, "mountPath": TOKEN_DIRECTORY, "readOnly": true});
            push(container, "volumeMounts", mount);
        }
    }
    if is_used && !has_volume {
        let volume = json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ]}});
        push(spec, "volumes", volume);
    }
}

/// Takes back what [`mount_token`] has made of `submitted`, in `pod`, to which a policy may have added
/// containers and volumes.
///
/// A volume of the plugin that `submitted` had already stays, and all mounts of it.
pub fn unmount_token(pod: &mut Value, submitted: &Value) {
    let Some(Value::Object(spec)) = pod.get_mut("spec") else {
        return;
    };
    let empty = Map::new();
    let submitted = submitted
        .get("spec")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    match submitted.get("serviceAccountName") {
        Some(name) => spec.insert("serviceAccountName".to_owned(), name.clone()),
        None => spec.remove("serviceAccountName"),
    };
    remove(spec, "volumes", submitted.contains_key("volumes"));
    for container in containers_mut(spec) {
        let name = container.get("name");
        let had_mounts = CONTAINER_LISTS
            .iter()
            .flat_map(|list| items(submitted, list))
            .any(|own| own.get("name") == name && own.get("volumeMounts").is_some());
        remove(container, "volumeMounts", had_mounts);
    }
}

/// Removes what is named [`VOLUME`] from a list, and the list if it is empty then and should not be kept.
fn remove(object: &mut Map<String, Value>, list: &str, is_kept: bool) {
    if let Some(Value::Array(items)) = object.get_mut(list) {
        items.retain(|item| text(item.get("name")) != VOLUME);
        if items.is_empty() && !is_kept {
            object.remove(list);
        }
    }
}

fn containers_mut(
    spec: &mut Map<String, Value>,
) -> impl Iterator<Item = &mut Map<String, Value>> + use<'_> {
    spec.iter_mut()
        .filter(|(name, _)| CONTAINER_LISTS.contains(&name.as_str()))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn items<'v>(
    object: &'v Map<String, Value>,
    list: &str,
) -> impl Iterator<Item = &'v Value> + use<'v> {
    let items = object.get(list).and_then(Value::as_array);
    items.map_or(&[][..], Vec::as_slice).iter()
}

/// Adds to a list that may be missing or null.
fn push(object: &mut Map<String, Value>, list: &str, item: Value) {
    match object.entry(list).or_insert(Value::Null) {
        Value::Array(items) => items.push(item),
        missing @ Value::Null => *missing = json!([item]),
        // The API server would have rejected it.
        _ => {}
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(pod: &Value) -> Value {
        let mut mounted = pod.clone();
        mount_token(&mut mounted);
        mounted
    }

    fn pod(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "spec": spec})
    }

    #[test]
    fn every_container_without_something_there_gets_the_token() {
        let pod = mounted(&pod(json!({
            "initContainers": [{"name": "setup"}],
            "containers": [
                {"name": "app", "volumeMounts": [{"name": "own", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount/"}]},
                {"name": "other", "volumeMounts": null},
            ],
            "volumes": [{"name": "own", "emptyDir": {}}],
        })));
        let mount = json!([{"name": VOLUME, "mountPath": TOKEN_DIRECTORY, "readOnly": true}]);
        assert_eq!(pod["spec"]["initContainers"][0]["volumeMounts"], mount);
        assert_eq!(
            pod["spec"]["containers"][0]["volumeMounts"][0]["name"],
            "own"
        );
        assert_eq!(
            pod["spec"]["containers"][0]["volumeMounts"][1],
            Value::Null,
            "it has something there"
        );
        assert_eq!(pod["spec"]["containers"][1]["volumeMounts"], mount);
        assert_eq!(pod["spec"]["volumes"][1]["name"], VOLUME);
        assert_eq!(pod["spec"]["serviceAccountName"], "default");
    }

    #[test]
    fn a_pod_that_wants_no_token_gets_none() {
        let spec = json!({"automountServiceAccountToken": false, "serviceAccountName": "shop", "containers": [{"name": "app"}]});
        assert_eq!(mounted(&pod(spec.clone())), pod(spec));
    }

    #[test]
    fn a_volume_of_the_plugin_is_used_again() {
        let spec = json!({
            "serviceAccountName": "shop",
            "containers": [{"name": "new"}],
            "volumes": [{"name": "kube-api-access-x7k2p", "projected": {}}],
        });
        let mounted = mounted(&pod(spec));
        assert_eq!(
            mounted["spec"]["containers"][0]["volumeMounts"][0]["name"],
            "kube-api-access-x7k2p"
        );
        assert_eq!(mounted["spec"]["volumes"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn what_was_mounted_is_taken_back() {
        for spec in [
            json!({"containers": [{"name": "app"}]}),
            json!({"containers": [{"name": "app", "volumeMounts": []}], "volumes": []}),
            json!({"serviceAccountName": "shop", "initContainers": [{"name": "setup"}], "containers": [{"name": "app"}]}),
            json!({"serviceAccountName": "", "containers": null}),
            json!({"automountServiceAccountToken": false, "containers": [{"name": "app"}]}),
        ] {
            let submitted = pod(spec);
            let mut taken_back = mounted(&submitted);
            assert_ne!(taken_back, submitted);
            unmount_token(&mut taken_back, &submitted);
            assert_eq!(taken_back, submitted);
        }
    }

    #[test]
    fn what_a_policy_has_added_loses_the_token_and_nothing_else() {
        let submitted = pod(json!({"containers": [{"name": "app"}]}));
        let mut admitted = mounted(&submitted);
        let token = admitted["spec"]["containers"][0]["volumeMounts"][0].clone();
        let shared = json!({"name": "shared", "mountPath": "/shared"});
        let containers = admitted["spec"]["containers"].as_array_mut().unwrap();
        containers.push(json!({"name": "agent", "volumeMounts": [token, shared]}));
        unmount_token(&mut admitted, &submitted);
        assert_eq!(
            admitted,
            pod(json!({"containers": [
                {"name": "app"},
                {"name": "agent", "volumeMounts": [shared]},
            ]}))
        );
    }

    #[test]
    fn what_is_not_a_pod_is_not_changed() {
        for value in [
            json!(null),
            json!({"spec": 1}),
            json!({"spec": {"containers": 1}}),
            json!({"spec": {"serviceAccountName": "a", "volumes": 1, "containers": [{"name": "a", "volumeMounts": {}}]}}),
        ] {
            let mut pod = value.clone();
            mount_token(&mut pod);
            unmount_token(&mut pod, &value);
            assert_eq!(pod, value);
        }
    }
}
