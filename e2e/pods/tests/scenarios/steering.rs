//! Nothing that the application can write decides where a sidecar writes, what it loads or what it runs: each mode and
//! engine, with classic and native sidecars.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use super::Entry;
use crate::support::running::{AGENT, AGENT_INIT, CONSUL_TEMPLATE, Running};
use crate::support::scenario::{BOTH, PodBuilder, Scenario, Sidecars};

pub const SCENARIOS: &[Entry] = &[
    ("planted_files_and_consul_template", BOTH, |scenario| {
        plants(scenario, "consul-template", "dynamic");
    }),
    ("planted_files_and_vault_agent", BOTH, |scenario| {
        plants(scenario, "vault-agent", "dynamic");
    }),
    ("planted_files_and_static_secrets", BOTH, |scenario| {
        plants(scenario, "consul-template", "static");
    }),
    ("consul_template_can_write_the_secrets_only", BOTH, renderer),
    ("vault_agent_has_no_files_but_its_token", BOTH, agent),
];

const SECRETS: &str = "/opt/talend/secrets";

/// The names by which a token, configuration, or a helper of Vault's would be loaded.
const NAMES: [&str; 4] = [
    ".vault-token",
    "agent.json",
    "consul-template.json",
    ".vault",
];

/// A container that can write to the secrets, as manifests of Vault Sidecar Injector have it, and puts links to where
/// the sidecars have things of their own in the place of each file, again and again.
const PLANT: &str = "cd /opt/talend/secrets; trap 'exit 0' TERM
while :; do
    for name in .vault-token agent.json consul-template.json .vault; do
        for target in tvsi tvsi-config tvsi/init; do ln -sfn \"/opt/talend/$target/$name\" \"$name\"; done
    done
    sleep 1
done";

fn plants(scenario: &Scenario, engine: &str, secrets_type: &str) {
    let path = scenario.secret("app", json!({"word": "first"}));
    let container = |name: &str, script: &str| {
        json!({
            "name": name,
            "image": "test/shell:1",
            "command": ["/bin/sh", "-c", script],
            "volumeMounts": [{"name": "secrets", "mountPath": SECRETS}],
        })
    };
    let once = PLANT.replace("while :; do", "for once in 1; do");
    let pod = scenario
        .pod()
        .setting("/secrets", json!({"refreshSeconds": 1}))
        .annotate("template-engine", engine)
        .annotate("secrets-type", secrets_type)
        .annotate("secrets-path", &[path.as_str(); 4].join(","))
        .annotate("secrets-destination", &NAMES.join(","))
        .spec("initContainers", json!([container("plant", &once)]))
        .spec(
            "volumes",
            json!([{"name": "secrets", "emptyDir": {"medium": "Memory"}}]),
        )
        .container_with(container("app", PLANT))
        .run();
    pod.wait_until("app runs", |life| {
        let mut containers = life.containers.iter();
        containers.any(|container| container.spec.name == "app" && !container.runs.is_empty())
    });
    if secrets_type == "static" {
        // It fetched them before anything could be planted, and ended.
        assert_eq!(scenario.tokens(), 0, "its token was revoked");
        assert_eq!(only_the_token_of(&pod, "tvsi-shared/init"), NAMES[..1]);
        return;
    }
    let token = pod.token();
    // The files are written again beside the links, and in their place.
    for word in ["second", "third"] {
        scenario.secret("app", json!({"word": word}));
        pod.wait_until_true("the renderer has written what changed", || {
            let directory = pod.volume("secrets");
            let content = |name: &&str| {
                let path = directory.join(name);
                let metadata = fs::symlink_metadata(&path);
                metadata.is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
                    && fs::read_to_string(path).is_ok_and(|text| text == format!("word={word}\n"))
            };
            NAMES.iter().any(content)
        });
    }
    assert_eq!(pod.token(), token, "the token is the one of the login");
    assert!(scenario.is_valid(&token));
    assert_eq!(only_the_token_of(&pod, "tvsi-shared"), NAMES[..1]);
    for sidecar in [AGENT, CONSUL_TEMPLATE] {
        if pod.containers().contains(&sidecar.to_owned()) {
            assert_eq!(pod.restarts(sidecar), 0, "{sidecar}");
        }
    }
    pod.delete();
    assert!(!scenario.is_valid(&token), "it was revoked");
}

/// The names of the files in a directory of a volume on the node.
fn only_the_token_of(pod: &Running, directory: &str) -> Vec<String> {
    let (volume, rest) = directory.split_once('/').unwrap_or((directory, ""));
    let files = fs::read_dir(pod.volume(volume).join(rest)).expect("it is there");
    files
        .map(|file| file.expect("a directory can be read").file_name())
        .map(|name| name.into_string().expect("names are text"))
        .collect()
}

fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    let path = scenario.secret("app", json!({"word": "first"}));
    scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", crate::support::scenario::WAIT)
}

fn assert_fails(pod: &Running, container: &str, script: &str) {
    let run = pod.execute(container, &["sh", "-c", script]);
    assert!(!run.expect("it runs").succeeded(), "{container}: {script}");
}

fn assert_succeeds(pod: &Running, container: &str, script: &str) {
    let run = pod
        .execute(container, &["sh", "-c", script])
        .expect("it runs");
    let output = String::from_utf8_lossy(&run.output).into_owned();
    assert!(run.succeeded(), "{container}: {script}: {output}");
}

fn renderer(scenario: &Scenario) {
    let pod = pod(scenario).run();
    let file = format!("{SECRETS}/secrets.properties");
    pod.wait_for_content("app", &file, b"word=first\n");
    assert_succeeds(&pod, CONSUL_TEMPLATE, "touch /opt/talend/secrets/own");
    assert_succeeds(
        &pod,
        CONSUL_TEMPLATE,
        "[ -s /opt/talend/tvsi/.vault-token ] && [ -z \"$(ls -A /opt/talend/tvsi-config)\" ]",
    );
    for script in [
        "echo x >/opt/talend/tvsi/.vault-token",
        "touch /opt/talend/tvsi/consul-template.json",
        "echo x >\"/proc/$(pidof consul-template)/fd/3\"",
        "touch /own",
        "touch /bin/own",
        "touch /tmp/own",
        "touch /etc/own",
    ] {
        assert_fails(&pod, CONSUL_TEMPLATE, script);
    }
}

fn agent(scenario: &Scenario) {
    let pod = pod(scenario)
        .annotate("template-engine", "vault-agent")
        .run();
    let file = format!("{SECRETS}/secrets.properties");
    pod.wait_for_content("app", &file, b"word=first\n");
    assert_eq!(only_the_token_of(&pod, "tvsi-shared"), NAMES[..1]);
    assert_succeeds(&pod, AGENT, "[ -n \"$HOME\" ] && [ ! -e \"$HOME\" ]");
    for script in [
        "mkdir \"$HOME\"",
        "touch /own",
        "touch /bin/own",
        "touch /etc/own",
    ] {
        assert_fails(&pod, AGENT, script);
    }
    let is_native = scenario.sidecars == Sidecars::Native;
    assert_eq!(pod.containers()[0] == AGENT, is_native);
    assert!(!pod.containers().contains(&AGENT_INIT.to_owned()));
}
