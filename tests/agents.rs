//! The configuration of every login method, and of every option of the agent's, is checked against real agents: each starts
//! with it and tries to log in.
//!
//! The programs are those on `PATH` and those of `make cluster-programs`. Without one, the test says that it was left out.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use golden_cases::Case;
use serde_json::{Value, json};
use support::{creation_of, evaluate_natively, payload, root};

/// The cases with what a pod can say of the agent.
const CASES: [&str; 5] = [
    "login/",
    "agent/options/",
    "agent-injector/agent/",
    "agent-injector/secrets/",
    "agent-injector/switches/",
];

/// What an agent logs when it has read its configuration and begins to log in.
const LOGS_IN: &str = "authenticating";

/// How the agent ends, with its configuration read, where a login looks for its cloud first.
const NEEDS_ITS_CLOUD: [(&str, &str); 1] = [(
    "oci",
    "Error creating oci auth method: failed to create instance principal configuration provider: ",
)];

/// The whole environment of an agent: keys, and what keeps it from asking the cloud that the test may run in. Nothing listens at
/// the proxy.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("VAULT_ADDR", "http://127.0.0.1:1"),
    ("VAULT_MAX_RETRIES", "0"),
    ("HTTP_PROXY", "http://127.0.0.1:1"),
    ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ("NO_PROXY", ""),
    ("AWS_ACCESS_KEY_ID", "key"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("ALICLOUD_ACCESS_KEY", "key"),
    ("ALICLOUD_SECRET_KEY", "secret"),
    ("GCE_METADATA_HOST", "127.0.0.1:1"),
];

/// The methods of Vault Agent that OpenBao's does not have.
const NOT_IN_OPENBAO: [&str; 7] = ["alicloud", "aws", "azure", "cf", "gcp", "ldap", "oci"];

/// What an agent says of a method that it does not have.
const UNKNOWN: &str = "unknown auto-auth method type";

/// The service account's token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What has not happened by then never will.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn real_agents_take_every_configuration_and_try_to_log_in() {
    let agents = agents();
    if agents.is_empty() {
        println!("neither vault nor bao was found: no configuration was checked against an agent");
    }
    let known = known_methods();
    for agent in agents {
        let is_openbao = agent.ends_with("bao");
        let is_expected = |method: &str| !is_openbao || !NOT_IN_OPENBAO.contains(&method);
        let mut tried = BTreeMap::<String, BTreeMap<&str, usize>>::new();
        let mut failed = Vec::new();
        for (case, config) in configurations() {
            let method = method_of(&config);
            // A method of a plugin is in no agent.
            if !known.contains(&method) {
                continue;
            }
            match tries_to_log_in(&agent, &config, &method) {
                Ok(how) => *tried.entry(method).or_default().entry(how).or_default() += 1,
                Err(log) if !is_expected(&method) && log.contains(UNKNOWN) => {}
                Err(log) => failed.push(format!("{case}:\n{log}")),
            }
        }
        println!("{}: {tried:#?}", agent.display());
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        let untried: Vec<_> = known
            .iter()
            .filter(|method| is_expected(method) && !tried.contains_key(*method))
            .collect();
        assert!(untried.is_empty(), "no case has {untried:?}");
    }
}

fn agents() -> Vec<PathBuf> {
    let of_cluster = root().join("target/cluster/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = [of_cluster]
        .into_iter()
        .chain(env::split_paths(&path))
        .collect();
    let find = |name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|it| it.is_file())
    };
    ["vault", "bao"].into_iter().filter_map(find).collect()
}

/// The agents' configurations in the cases, by the case's name: each once.
fn configurations() -> Vec<(String, Value)> {
    let mut all = BTreeMap::new();
    for case in Case::all() {
        if !CASES.iter().any(|start| case.name.starts_with(start)) {
            continue;
        }
        let Some(pod) = case.injected() else { continue };
        for list in ["initContainers", "containers"] {
            for container in pod["spec"][list].as_array().into_iter().flatten() {
                let variables = container["env"].as_array().into_iter().flatten();
                let mut configs = variables.filter(|it| it["name"] == "TVSI_AGENT_CONFIG");
                if let Some(config) = configs.next() {
                    let text = config["value"].as_str().expect("a text").replace("$$", "$");
                    let name = format!("{} {}", case.name, container["name"]);
                    all.entry(text).or_insert(name);
                }
            }
        }
    }
    let all = all.into_iter();
    all.map(|(text, name)| (name, serde_json::from_str(&text).expect("it is JSON")))
        .collect()
}

/// The method of a configuration, as an annotation names it.
fn method_of(config: &Value) -> String {
    let method = &config["auto_auth"][0]["method"][0]["type"];
    method
        .as_str()
        .expect("there is a method")
        .replace('_', "-")
}

/// The methods of `src/auth/methods.rs`, as the rejection of another lists them.
fn known_methods() -> BTreeSet<String> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "annotations": {
            "sidecar.vault.talend.org/inject": "true",
            "sidecar.vault.talend.org/auth": "unknown",
        }},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    });
    let answer = evaluate_natively(&payload(&creation_of(&pod), &json!({})));
    let message = answer["message"].as_str().expect("it is rejected");
    let (_, names) = message
        .split_once("expected one of ")
        .expect("the message lists the methods");
    names.split(", ").map(str::to_owned).collect()
}

/// Runs an agent with a configuration until it has begun to log in, and says how far it came. The error is its log.
fn tries_to_log_in(agent: &Path, config: &Value, method: &str) -> Result<&'static str, String> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (input, log) = (folder.path().join("config.json"), folder.path().join("log"));
    fs::write(&input, in_folder(config, folder.path())).expect("it can be written");
    let mut child = Command::new(agent)
        .args(["agent", "-config"])
        .arg(&input)
        .env_clear()
        .envs(ENVIRONMENT)
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(File::create(&log).expect("it can be made"))
        .stderr(
            File::options()
                .append(true)
                .open(&log)
                .expect("it is there"),
        )
        .spawn()
        .expect("the agent can be started");
    let result = wait(&mut child, &log, method);
    // It may have ended.
    let _ = child.kill();
    let _ = child.wait();
    result
}

fn wait(child: &mut Child, log: &Path, method: &str) -> Result<&'static str, String> {
    let begun = Instant::now();
    loop {
        let has_ended = child.try_wait().expect("it is a child").is_some();
        let text = fs::read_to_string(log).unwrap_or_default();
        let needs_cloud = NEEDS_ITS_CLOUD
            .iter()
            .any(|(of, error)| *of == method && text.contains(error));
        if text.contains(LOGS_IN) {
            return Ok("logs in");
        }
        if needs_cloud {
            return Ok("looks for its cloud");
        }
        if has_ended || begun.elapsed() > LIMIT {
            return Err(text);
        }
        sleep(Duration::from_millis(50));
    }
}

/// The configuration with the directories of a pod in a folder, and ports that are free.
fn in_folder(config: &Value, folder: &Path) -> String {
    let sinks = config["auto_auth"][0]["sink"].as_array();
    let sinks = sinks.into_iter().flatten();
    let files = sinks.filter_map(|sink| sink["config"][0]["path"].as_str());
    let directories = files
        .filter_map(|path| path.rsplit_once('/'))
        .map(|(directory, _)| directory);
    let cache = config["cache"][0]["persist"][0]["path"].as_str();
    for directory in directories.chain(cache) {
        let inside = format!("{}{directory}", folder.display());
        fs::create_dir_all(inside).expect("a directory can be made");
    }
    // What is leased is kept encrypted with it.
    let token = format!("{}{TOKEN}", folder.display());
    let parent = Path::new(&token).parent().expect("it is in the folder");
    fs::create_dir_all(parent).expect("a directory can be made");
    fs::write(&token, "token").expect("it can be written");
    let mut text = config.to_string();
    text = text.replace(TOKEN, &token);
    for directory in ["/opt/talend/", "/vault/", "/home/vault/", "/app/"] {
        let inside = format!("{}{directory}", folder.display());
        text = text.replace(&format!("\"{directory}"), &format!("\"{inside}"));
    }
    for port in [8200, 8300] {
        text = text.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:0");
    }
    text
}
