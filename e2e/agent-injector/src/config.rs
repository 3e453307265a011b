//! The agent's configuration in a container, whichever way it is there, as objects only.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::tree::{insert, object, path, text};

/// The variable with the Agent Injector's configuration, in base64.
const THEIRS: &str = "VAULT_CONFIG";

/// The variable with the policy's, in which every `$` is doubled.
const OURS: &str = "TVSI_AGENT_CONFIG";

/// The blocks of which there may be several, and the members by which they have a name.
const NAMED: [(&str, &[&str]); 3] = [
    ("template", &["destination"]),
    ("sink", &["config", "path"]),
    ("listener", &["address"]),
];

/// Puts the configuration into member `config` of a container, in place of the variable.
///
/// # Errors
///
/// Why it cannot be read.
pub fn read(container: &mut Map<String, Value>) -> Result<(), String> {
    let Some(Value::Object(env)) = container.get_mut("env") else {
        return Ok(());
    };
    let config = if let Some(theirs) = env.remove(THEIRS) {
        let decoded = STANDARD.decode(text(&theirs["value"]));
        decoded.map_err(|error| format!("{THEIRS}: {error}"))?
    } else if let Some(ours) = env.remove(OURS) {
        text(&ours["value"]).replace("$$", "$").into_bytes()
    } else {
        return Ok(());
    };
    let config = serde_json::from_slice(&config)
        .map_err(|error| format!("the agent's configuration: {error}"))?;
    container.insert("config".to_owned(), unwrapped(config));
    Ok(())
}

/// The configuration without the lists that blocks are in.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| {
                let value = match NAMED.iter().find(|(name, _)| *name == key) {
                    Some((_, path)) => by_name(value, path),
                    None => unwrapped(value),
                };
                (key, value)
            });
            Value::Object(members.collect())
        }
        Value::Array(mut items) if items.len() == 1 && items[0].is_object() => {
            unwrapped(items.remove(0))
        }
        other => other,
    }
}

fn by_name(blocks: Value, member: &[&str]) -> Value {
    let Value::Array(mut blocks) = blocks else {
        return blocks;
    };
    // Theirs have another order each time, which matters where two have one name.
    blocks.sort_by_cached_key(Value::to_string);
    let mut named = Map::new();
    for block in blocks {
        let mut block = unwrapped(block);
        let name = text(&take(&mut block, member));
        insert(&mut named, path(&name), block);
    }
    Value::Object(named)
}

fn take(value: &mut Value, path: &[&str]) -> Value {
    match path {
        [] => json!(null),
        [last] => object(value).remove(*last).unwrap_or_default(),
        [first, rest @ ..] => take(&mut value[*first], rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_in(variable: &str, value: &str) -> Value {
        let mut container = json!({"env": {variable: {"value": value}}});
        read(object(&mut container)).unwrap();
        assert_eq!(container["env"], json!({}));
        container["config"].take()
    }

    #[test]
    fn both_ways_to_write_it_become_one() {
        let theirs = json!({
            "auto_auth": {"method": {"type": "kubernetes", "config": {"role": "shop"}}, "sink": [{"type": "file", "config": {"path": "/token"}}]},
            "template": [{"destination": "/b", "contents": "$"}, {"destination": "/a", "contents": "a"}],
            "listener": [{"type": "tcp", "address": "127.0.0.1:8200"}],
            "telemetry": {"prefix_filter": ["+a"]},
        });
        let ours = json!({
            "auto_auth": [{"method": [{"type": "kubernetes", "config": [{"role": "shop"}]}], "sink": [{"type": "file", "config": [{"path": "/token"}]}]}],
            "template": [{"destination": "/a", "contents": "a"}, {"destination": "/b", "contents": "$$"}],
            "listener": [{"type": "tcp", "address": "127.0.0.1:8200"}],
            "telemetry": [{"prefix_filter": ["+a"]}],
        });
        let expected = json!({
            "auto_auth": {"method": {"type": "kubernetes", "config": {"role": "shop"}}, "sink": {"/token": {"type": "file", "config": {}}}},
            "template": {"/a": {"contents": "a"}, "/b": {"contents": "$"}},
            "listener": {"127.0.0.1:8200": {"type": "tcp"}},
            "telemetry": {"prefix_filter": ["+a"]},
        });
        assert_eq!(
            config_in(THEIRS, &STANDARD.encode(theirs.to_string())),
            expected
        );
        assert_eq!(config_in(OURS, &ours.to_string()), expected);
    }

    #[test]
    fn what_is_not_a_configuration_is_a_problem() {
        for value in ["e30", "bm8="] {
            let mut container = json!({"env": {THEIRS: {"value": value}}});
            assert!(read(object(&mut container)).is_err());
        }
    }

    #[test]
    fn a_container_without_one_stays_as_it_is() {
        for value in [json!({}), json!({"env": {"A": {"value": "1"}}})] {
            let mut container = value.clone();
            read(object(&mut container)).unwrap();
            assert_eq!(container, value);
        }
    }
}
