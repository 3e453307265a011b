//! A container of the agent with the pod's JSON patch applied to it, checked against what it was: no patch makes it less safe.

use json_patch::Patch;
use k8s_openapi::api::core::v1::Container;
use serde_json::Value;

use crate::annotations::Key;
use crate::rejection::Rejection;
use crate::secrets::can_be_mounted;
use crate::subject::Subject;
use crate::values::VariablePattern;

/// Fields in which a patched container must be what it was.
const FIXED: [&str; 7] = [
    "/name",
    "/restartPolicy",
    "/restartPolicyRules",
    "/command",
    "/args",
    "/terminationMessagePath",
    "/volumeDevices",
];

/// Fields of the security context that may be what they were, or one of these: what Pod Security `restricted` lets pass.
const SAFE: [(&str, &[&str]); 8] = [
    ("privileged", &["false"]),
    ("allowPrivilegeEscalation", &["false"]),
    ("runAsNonRoot", &["true"]),
    ("readOnlyRootFilesystem", &["true"]),
    ("procMount", &["\"Default\""]),
    ("capabilities", &["{\"drop\":[\"ALL\"]}"]),
    ("seccompProfile", &["{\"type\":\"RuntimeDefault\"}"]),
    ("appArmorProfile", &["{\"type\":\"RuntimeDefault\"}"]),
];

/// The container as JSON, with the patch that `key` has.
pub fn patched(
    container: &Container,
    key: Key,
    patch: Option<&Patch>,
    subject: &Subject<'_>,
) -> Result<Value, Rejection> {
    let before =
        serde_json::to_value(container).expect("Kubernetes' objects can be written as JSON");
    let Some(patch) = patch else {
        return Ok(before);
    };
    let reject = |problem: String| Err(subject.annotations.rejected(key, problem));
    let mut after = before.clone();
    if json_patch::patch(&mut after, patch).is_err() {
        return reject("cannot be applied to the container; `kubectl get pod -o yaml` shows the container without the patch".to_owned());
    }
    let denied = &subject.settings.env_shell.denied_names;
    let weakened =
        weakened(&before, &after).or_else(|| loads_something_else(&before, &after, denied));
    if let Some(field) = weakened {
        return reject(format!(
            "changes {field} of the container and makes it less safe; remove that operation"
        ));
    }
    let image = |container: &Value| container["image"].as_str().unwrap_or_default().to_owned();
    if image(&after) != image(&before) {
        let restrictions = &subject.settings.restrictions;
        let place = subject.annotations.place(key);
        let work = &mut subject.work.borrow_mut();
        restrictions.allow_image(&image(&after), place, subject.identity(), work)?;
    }
    Ok(after)
}

/// What of a container is not as safe as it was, if something is.
fn weakened(before: &Value, after: &Value) -> Option<String> {
    let changed = FIXED
        .iter()
        .find(|field| before.pointer(field) != after.pointer(field));
    if let Some(field) = changed {
        return Some(field[1..].to_owned());
    }
    let ports = after["ports"].as_array().into_iter().flatten();
    if ports.clone().any(|port| port.get("hostPort").is_some()) {
        return Some("ports".to_owned());
    }
    if let Some(variable) = other_variable(before, after) {
        return Some(variable);
    }
    let (before, after) = (&before["securityContext"], &after["securityContext"]);
    let names = [before, after]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|context| context.keys());
    for name in names {
        let (before, after) = (&before[name], &after[name]);
        let safe = SAFE.iter().find(|(field, _)| *field == name);
        let text = after.to_string();
        let is_safe = safe.is_some_and(|(_, values)| values.contains(&&*text));
        if before != after && !is_safe {
            return Some(format!("securityContext.{name}"));
        }
    }
    None
}

/// What makes a program of the image load or run something else, if something does that was not there: a variable such as
/// `PATH`, or a volume over a directory of the image.
fn loads_something_else(
    before: &Value,
    after: &Value,
    denied: &[VariablePattern],
) -> Option<String> {
    let items = |container: &Value, list: &str| -> Vec<Value> {
        container[list].as_array().cloned().unwrap_or_default()
    };
    let added = |list: &str| {
        let known = items(before, list);
        let mut all = items(after, list);
        all.retain(|item| !known.contains(item));
        all
    };
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let variable = added("env").iter().find_map(|variable| {
        let name = text(variable, "name");
        let is_denied = denied.iter().any(|pattern| pattern.matches(&name));
        is_denied.then(|| format!("env {name}"))
    });
    let mount = || {
        let paths = added("volumeMounts");
        let mut paths = paths.iter().map(|mount| text(mount, "mountPath"));
        paths.find(|path| !can_be_mounted(path))
    };
    variable.or_else(|| mount().map(|path| format!("volumeMounts at {path}")))
}

/// A variable that decides where Vault is and what the agent does, if it is not what it was.
fn other_variable(before: &Value, after: &Value) -> Option<String> {
    if after.get("envFrom").is_some() {
        return Some("envFrom".to_owned());
    }
    let ours = |container: &'_ Value| -> Vec<Value> {
        let variables = container["env"].as_array().into_iter().flatten();
        let is_ours = |variable: &&Value| {
            let name = variable["name"].as_str().unwrap_or_default();
            let starts = [
                "VAULT_",
                "BAO_",
                "TVSI_",
                "HTTP",
                "http",
                "HOME",
                "SSL_CERT_",
                "GODEBUG",
            ];
            starts.iter().any(|start| name.starts_with(start))
        };
        variables.filter(is_ours).cloned().collect()
    };
    let (before, after) = (ours(before), ours(after));
    let changed = after
        .iter()
        .zip(&before)
        .find(|(after, before)| after != before);
    let (longer, shorter) = match after.len() > before.len() {
        true => (&after, &before),
        false => (&before, &after),
    };
    let changed = changed
        .map(|(after, _)| after)
        .or(longer.get(shorter.len()));
    changed.map(|variable| format!("env {}", variable["name"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_field_is_less_safe_than_it_was() {
        let before = json!({
            "name": "vault-agent",
            "command": ["/bin/sh"],
            "securityContext": {
                "runAsUser": 100, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}
            }
        });
        let with = |pointer: &str, value: Value| {
            let mut after = before.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            after.pointer_mut(parent).unwrap()[name] = value;
            weakened(&before, &after)
        };
        for (pointer, value) in [
            ("/env", json!([{"name": "A", "value": "b"}])),
            ("/securityContext/privileged", json!(false)),
            ("/securityContext/procMount", json!("Default")),
            ("/image", json!("other")),
        ] {
            assert_eq!(with(pointer, value), None, "{pointer}");
        }
        for (pointer, value) in [
            ("/name", json!("app")),
            (
                "/env",
                json!([{"name": "VAULT_ADDR", "value": "https://other"}]),
            ),
            ("/envFrom", json!([{"secretRef": {"name": "x"}}])),
            ("/command", json!(["sh"])),
            ("/restartPolicy", json!("Never")),
            ("/ports", json!([{"containerPort": 1, "hostPort": 1}])),
            ("/securityContext", json!(null)),
            ("/securityContext/runAsUser", json!(0)),
            ("/securityContext/runAsUser", json!(1000)),
            ("/securityContext/runAsUser", json!("100")),
            ("/securityContext/privileged", json!(true)),
            (
                "/securityContext/capabilities",
                json!({"add": ["SYS_ADMIN"], "drop": ["ALL"]}),
            ),
            ("/securityContext/capabilities", json!(null)),
            (
                "/securityContext/seccompProfile",
                json!({"type": "Unconfined"}),
            ),
            ("/securityContext/runAsNonRoot", json!(null)),
            ("/securityContext/newerThanThis", json!("x")),
        ] {
            assert!(with(pointer, value.clone()).is_some(), "{pointer} {value}");
        }
    }
}
