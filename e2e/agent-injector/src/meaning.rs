//! An answer in the words of neither: what both say in ways of their own is in one place, and what says nothing is left out.

use serde_json::{Map, Value, json};

use crate::{
    quantity::canonical,
    tree::{AGENTS, CONTAINER_LISTS, object, text},
};

/// What Vault is reached by: the member of `connection`, the configuration's, and the variable that it is in otherwise.
const CONNECTION: [(&str, &[&str], &str); 8] = [
    ("address", &["vault", "address"], "VAULT_ADDR"),
    ("caCert", &["vault", "ca_cert"], "VAULT_CACERT"),
    ("caPath", &["vault", "ca_path"], "VAULT_CAPATH"),
    ("clientCert", &["vault", "client_cert"], "VAULT_CLIENT_CERT"),
    ("clientKey", &["vault", "client_key"], "VAULT_CLIENT_KEY"),
    (
        "serverName",
        &["vault", "tls_server_name"],
        "VAULT_TLS_SERVER_NAME",
    ),
    (
        "skipVerify",
        &["vault", "tls_skip_verify"],
        "VAULT_SKIP_VERIFY",
    ),
    (
        "namespace",
        &["auto_auth", "method", "namespace"],
        "VAULT_NAMESPACE",
    ),
];

/// How the agent logs, in the same way.
const LOG: [(&str, &[&str], &str); 2] = [
    ("level", &["log_level"], "VAULT_LOG_LEVEL"),
    ("format", &["log_format"], "VAULT_LOG_FORMAT"),
];

/// What is the same as not said where it is false.
const FALSE_BY_DEFAULT: [&str; 9] = [
    "readOnly",
    "skipVerify",
    "exit_after_auth",
    "exit_on_err",
    "exit_on_retry_failure",
    "error_on_missing_key",
    "disable_hostname",
    "enable_quit",
    "shareProcessNamespace",
];

/// What is the same as not said where it is empty.
const EMPTY_BY_DEFAULT: [&str; 12] = [
    "lifecycle",
    "resources",
    "requests",
    "limits",
    "securityContext",
    "env",
    "volumeMounts",
    "volumes",
    "annotations",
    "vault",
    "template_config",
    "config",
];

/// The meaning of a [tree](crate::tree).
pub fn meaning(mut tree: Value) -> Value {
    let mut spec = object(&mut tree).remove("spec").unwrap_or_default();
    for list in CONTAINER_LISTS {
        let Some(Value::Object(containers)) = spec.get_mut(list) else {
            continue;
        };
        for (name, container) in containers {
            if AGENTS.contains(&name.as_str()) {
                said_once(object(container));
            }
            if let Some(resources) = container.get_mut("resources") {
                each_text(resources, &mut |amount| *amount = canonical(amount));
            }
        }
    }
    if let Some(Value::Object(volumes)) = spec.get_mut("volumes") {
        volumes.values_mut().map(object).for_each(volume);
    }
    // What is in the specification needs no longer path than what is beside it.
    let tree = object(&mut tree);
    tree.extend(std::mem::take(object(&mut spec)));
    if let Some(Value::Object(metadata)) = tree.remove("metadata") {
        tree.extend(metadata);
    }
    let mut meaning = Value::Object(std::mem::take(tree));
    leave_out(&mut meaning);
    meaning
}

/// Brings what is said of an agent in the container and in its configuration to one place.
fn said_once(agent: &mut Map<String, Value>) {
    let mut config = agent.remove("config").unwrap_or_default();
    let has_config = config.is_object();
    let mut env = agent.remove("env").unwrap_or_default();
    let members = object(&mut env);
    for (place, said) in [("connection", &CONNECTION[..]), ("log", &LOG[..])] {
        let place = object(agent.entry(place).or_insert(Value::Null));
        for (name, path, variable) in said {
            let configured = take(&mut config, path);
            let variable = members.remove(*variable).map(|mut it| it["value"].take());
            // The agent takes a variable before its configuration.
            if let Some(value) = variable.or(configured) {
                place.insert((*name).to_owned(), json!(text(&value)));
            }
        }
    }
    agent.insert("env".to_owned(), env);
    // The flags of the revocation say no more than the connection.
    if let Some(Value::Object(revokes)) = agent.get_mut("revokes") {
        revokes.remove("with");
    }
    if let Some(Value::Object(templates)) = config.get_mut("template") {
        templates.values_mut().map(object).for_each(template);
    }
    proxy(&mut config);
    if has_config {
        // Everything is a text to the language of the agent's configuration.
        each_scalar(&mut config);
        agent.insert("config".to_owned(), config);
    }
}

/// The cache's use of the token is the proxy's: the agent takes the older word for the newer.
fn proxy(config: &mut Value) {
    if let Some(usage) = take(config, &["cache", "use_auto_auth_token"])
        && text(&usage) != "false"
    {
        config["api_proxy"]["use_auto_auth_token"] = usage;
    }
}

/// A projection of one ConfigMap and nothing else is that ConfigMap.
fn volume(volume: &mut Map<String, Value>) {
    let source = volume.get_mut("projected").and_then(|projected| {
        let sources = projected.get_mut("sources")?.as_array_mut()?;
        match sources.as_mut_slice() {
            [source] => take(source, &["configMap"]),
            _ => None,
        }
    });
    if let Some(source) = source {
        volume.remove("projected");
        volume.insert("configMap".to_owned(), source);
    }
}

/// A template's command as the shell gets it, whoever calls the shell, and no delimiters that are the usual ones.
fn template(template: &mut Map<String, Value>) {
    if let Some(Value::Object(exec)) = template.get_mut("exec")
        && let Some(Value::Array(mut words)) = exec.remove("command")
        && let Some(last) = words.pop()
    {
        template.insert("command".to_owned(), last);
    }
    for (side, usual) in [("left_delimiter", "{{"), ("right_delimiter", "}}")] {
        if template.get(side) == Some(&json!(usual)) {
            template.remove(side);
        }
    }
}

fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    match path {
        [] => None,
        [last] => value.as_object_mut()?.remove(*last),
        [first, rest @ ..] => take(value.get_mut(*first)?, rest),
    }
}

fn each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Object(members) => members.values_mut().for_each(|it| each_text(it, change)),
        Value::Array(items) => items.iter_mut().for_each(|it| each_text(it, change)),
        _ => {}
    }
}

fn each_scalar(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(each_scalar),
        Value::Array(items) => items.iter_mut().for_each(each_scalar),
        scalar => *scalar = json!(text(scalar)),
    }
}

/// Leaves out what says no more than its absence.
fn leave_out(value: &mut Value) {
    let Value::Object(members) = value else {
        return;
    };
    members.values_mut().for_each(leave_out);
    members.retain(|key, value| match value {
        Value::String(version) if version == "v1" => key != "apiVersion",
        Value::Null => false,
        Value::Bool(false) => !FALSE_BY_DEFAULT.contains(&key.as_str()),
        Value::String(text) if text == "false" => !FALSE_BY_DEFAULT.contains(&key.as_str()),
        Value::Object(members) if members.is_empty() => !EMPTY_BY_DEFAULT.contains(&key.as_str()),
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(container: Value) -> Value {
        let mut meaning = meaning(json!({"spec": {"containers": {"vault-agent": container}}}));
        meaning["containers"]["vault-agent"].take()
    }

    #[test]
    fn a_connection_is_in_the_configuration_or_in_variables() {
        let configured = agent(json!({
            "env": {},
            "config": {
                "vault": {"address": "https://vault", "ca_cert": "/ca.crt", "tls_skip_verify": true},
                "auto_auth": {"method": {"namespace": "team"}},
            },
        }));
        let variables = agent(json!({
            "env": {
                "VAULT_ADDR": {"value": "https://vault"},
                "VAULT_CACERT": {"value": "/ca.crt"},
                "VAULT_SKIP_VERIFY": {"value": "true"},
                "VAULT_NAMESPACE": {"value": "team"},
            },
            "config": {"auto_auth": {"method": {}}},
        }));
        assert_eq!(configured, variables);
        assert_eq!(
            configured["connection"],
            json!({"address": "https://vault", "caCert": "/ca.crt", "skipVerify": "true", "namespace": "team"})
        );
    }

    #[test]
    fn what_is_false_by_default_is_not_said() {
        let said = agent(json!({
            "env": {"VAULT_SKIP_VERIFY": {"value": "false"}},
            "config": {"exit_after_auth": false, "template_config": {"exit_on_retry_failure": false}},
        }));
        assert_eq!(said, agent(json!({"config": {"template_config": {}}})));
    }

    #[test]
    fn numbers_and_texts_of_a_configuration_are_equal() {
        let theirs = agent(json!({"config": {"template_config": {"max_connections_per_host": 3}}}));
        let ours = agent(json!({"config": {"template_config": {"max_connections_per_host": "3"}}}));
        assert_eq!(theirs, ours);
    }

    #[test]
    fn a_command_is_the_shells() {
        let theirs = agent(json!({"config": {"template": {"/a": {"command": "kill -HUP 1"}}}}));
        let exec =
            json!({"command": ["/bin/sh", "-c", "x", "notify", "kill -HUP 1"], "timeout": "30s"});
        let ours = agent(json!({"config": {"template": {"/a": {"exec": exec}}}}));
        let template = |agent: &Value| agent["config"]["template"]["/a"].clone();
        assert_eq!(template(&theirs)["command"], template(&ours)["command"]);
        assert_eq!(template(&ours)["exec"], json!({"timeout": "30s"}));
    }

    #[test]
    fn usual_delimiters_are_not_said() {
        let template = |template: Value| agent(json!({"config": {"template": {"/a": template}}}));
        let usual = template(json!({"left_delimiter": "{{", "right_delimiter": "}}"}));
        assert_eq!(usual, template(json!({})));
        let others = template(json!({"left_delimiter": "[["}));
        assert_ne!(others, usual);
    }

    #[test]
    fn amounts_are_equal_however_they_are_written() {
        let amounts = |cpu: &str| agent(json!({"resources": {"limits": {"cpu": cpu}}}));
        assert_eq!(amounts("1"), amounts("1000m"));
        assert_ne!(amounts("1"), amounts("1m"));
    }

    #[test]
    fn the_token_of_a_cache_is_the_proxys() {
        let theirs = agent(json!({"config": {"cache": {"use_auto_auth_token": "true"}}}));
        let ours = json!({"cache": {}, "api_proxy": {"use_auto_auth_token": true}});
        assert_eq!(theirs, agent(json!({"config": ours})));
        let without = agent(json!({"config": {"cache": {"use_auto_auth_token": "false"}}}));
        assert_eq!(without, agent(json!({"config": {"cache": {}}})));
    }

    #[test]
    fn a_projection_of_one_config_map_is_that_config_map() {
        let volume = |volume: Value| meaning(json!({"spec": {"volumes": {"a": volume}}}));
        let source = json!({"configMap": {"name": "b"}});
        let projected = volume(json!({"projected": {"sources": [source]}}));
        assert_eq!(projected, volume(source));
    }

    #[test]
    fn what_an_empty_object_says_stays() {
        let meaning = meaning(json!({"spec": {
            "containers": {"app": {"lifecycle": {}, "volumeMounts": {"/data": {"name": "data", "readOnly": false}}}},
            "volumes": {"data": {"emptyDir": {}}},
        }, "metadata": {"annotations": {}}}));
        assert_eq!(
            meaning,
            json!({
                "containers": {"app": {"volumeMounts": {"/data": {"name": "data"}}}},
                "volumes": {"data": {"emptyDir": {}}},
            })
        );
    }
}
