//! What a container of the agent runs, and does at its end, in place of the shell's words for it.

use serde_json::{Map, Value, json};

use crate::tree::text;

/// Where a configuration from a ConfigMap is.
const CONFIGURATIONS: &str = "/vault/configs/";

/// The variable of the policy that names such a configuration, and the one that says that a token is not revoked.
const CONFIG_FILE: &str = "TVSI_AGENT_CONFIG_FILE";
const KEEP_TOKEN: &str = "TVSI_KEEP_TOKEN";

/// Puts what a container runs into its member `runs`, in place of its command, and when its token is revoked into `revokes`,
/// in place of what does it. What is neither stays.
pub fn read(container: &mut Map<String, Value>) {
    let words = ["command", "args"].map(|key| container.get(key).map_or_else(String::new, text));
    let words = words.join(" ");
    // The policy's scripts read the variable, or that of the configuration itself.
    let is_ours = words.contains(CONFIG_FILE);
    let file = match is_ours {
        true => take_variable(container, CONFIG_FILE),
        false => words.split_once(CONFIGURATIONS).map(|(_, rest)| {
            let name = rest.split(['"', ' ']).next().unwrap_or_default();
            format!("{CONFIGURATIONS}{name}")
        }),
    };
    let revokes = match is_ours {
        true => of_script(container),
        false => of_hook(container),
    };
    let runs = match file {
        Some(file) => Some(format!("the agent with {file}")),
        None if container.contains_key("config") => {
            Some("the agent with its configuration".to_owned())
        }
        None => None,
    };
    if let Some(runs) = runs {
        container.remove("command");
        container.remove("args");
        container.insert("runs".to_owned(), json!(runs));
    }
    if let Some(revokes) = revokes {
        container.insert("revokes".to_owned(), revokes);
    }
}

/// The policy's script gets the seconds as its second argument, if it is that of a sidecar.
fn of_script(container: &mut Map<String, Value>) -> Option<Value> {
    if take_variable(container, KEEP_TOKEN).is_some() {
        return None;
    }
    let seconds = container.get("args").and_then(|args| args.get(1));
    Some(json!({"afterSeconds": seconds.map_or_else(|| "0".to_owned(), text)}))
}

/// The Agent Injector has a hook.
fn of_hook(container: &mut Map<String, Value>) -> Option<Value> {
    let hook = container
        .get("lifecycle")?
        .pointer("/preStop/exec/command/2")?;
    let hook = text(hook);
    let words = hook.strip_prefix("/bin/sleep ")?;
    let (seconds, words) = words.split_once(" && /bin/vault token revoke ")?;
    container.remove("lifecycle");
    Some(json!({"afterSeconds": seconds, "with": words}))
}

fn take_variable(container: &mut Map<String, Value>, name: &str) -> Option<String> {
    let env = container.get_mut("env")?.as_object_mut()?;
    env.remove(name).map(|variable| text(&variable["value"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::object;

    fn read_of(mut container: Value) -> Value {
        read(object(&mut container));
        container
    }

    #[test]
    fn how_a_configuration_is_written_down_does_not_matter() {
        let theirs = read_of(json!({
            "command": ["/bin/sh", "-ec"],
            "args": ["decode it and run it"],
            "config": {},
        }));
        let ours = read_of(json!({
            "command": ["/bin/sh", "-c", "... TVSI_AGENT_CONFIG_FILE ...", "vault-agent"],
            "args": ["/home/vault/.vault-token", "0"],
            "env": {"TVSI_KEEP_TOKEN": {"value": "true"}},
            "config": {},
        }));
        assert_eq!(ours["env"], json!({}));
        assert_eq!(theirs["runs"], ours["runs"]);
        assert_eq!(theirs["runs"], "the agent with its configuration");
    }

    #[test]
    fn a_configuration_of_ones_own_has_a_file() {
        let theirs = read_of(json!({
            "command": ["/bin/sh", "-ec"],
            "args": ["vault agent -config=/vault/configs/config.hcl"],
        }));
        let ours = read_of(json!({
            "command": ["/bin/sh", "-c", "... TVSI_AGENT_CONFIG_FILE ...", "vault-agent"],
            "args": ["/home/vault/.vault-token", "0"],
            "env": {"TVSI_AGENT_CONFIG_FILE": {"value": "/vault/configs/config.hcl"}},
        }));
        assert_eq!(theirs["runs"], ours["runs"]);
        assert_eq!(theirs["runs"], "the agent with /vault/configs/config.hcl");
    }

    #[test]
    fn another_command_stays() {
        let container = json!({"command": ["sleep", "1"], "lifecycle": {"preStop": {}}});
        assert_eq!(read_of(container.clone()), container);
    }

    #[test]
    fn a_script_that_revokes_says_when() {
        let script = [
            "/bin/sh",
            "-c",
            "... TVSI_AGENT_CONFIG_FILE ...",
            "vault-agent",
        ];
        let sidecar = json!({"command": script, "args": ["/token", "5"], "config": {}});
        assert_eq!(read_of(sidecar)["revokes"], json!({"afterSeconds": "5"}));
        let once = json!({"command": script, "args": ["/token"], "config": {}});
        assert_eq!(read_of(once)["revokes"], json!({"afterSeconds": "0"}));
    }

    #[test]
    fn a_hook_that_revokes_says_when() {
        let hook = "/bin/sleep 5 && /bin/vault token revoke -address=https://vault:8200 -self";
        let exec = json!({"exec": {"command": ["/bin/sh", "-c", hook]}});
        let revoking = read_of(json!({"lifecycle": {"preStop": exec}}));
        let revokes = json!({"afterSeconds": "5", "with": "-address=https://vault:8200 -self"});
        assert_eq!(revoking, json!({"revokes": revokes}));
    }
}
