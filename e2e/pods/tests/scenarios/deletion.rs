//! A pod that is deleted ends soon, has Vault until its application has drained, and leaves no token behind.

use std::time::{Duration, Instant};

use pod_runner::pod::Life;
use pod_runner::port;
use serde_json::json;

use super::Entry;
use crate::support::running::{AGENT, AGENT_INIT, CONSUL_TEMPLATE};
use crate::support::scenario::{BOTH, PodBuilder, Scenario, Sidecars};

pub const SCENARIOS: &[Entry] = &[
    ("deletion", BOTH, consul_template),
    ("deletion_with_vault_agent", BOTH, vault_agent),
    ("deletion_of_a_pod_without_token", BOTH, has_no_token),
    (
        "deletion_while_static_secrets_wait",
        BOTH,
        waits_for_static_secrets,
    ),
];

/// Less than the grace period of 30 s, at whose end containers are killed.
const SOON: Duration = Duration::from_secs(25);

/// How long the agent keeps the token of a pod with classic sidecars after it is told to end.
const REVOCATION_GRACE: Duration = Duration::from_secs(5);

fn consul_template(scenario: &Scenario) {
    drains(scenario, scenario.pod(), &[AGENT, CONSUL_TEMPLATE]);
}

fn vault_agent(scenario: &Scenario) {
    let pod = scenario.pod().annotate("template-engine", "vault-agent");
    drains(scenario, pod, &[AGENT]);
}

/// The application asks Vault while it drains. With classic sidecars, it has to be done within the
/// revocation grace; with native ones, it has the time that the grace period leaves.
fn drains(scenario: &Scenario, pod: PodBuilder<'_>, sidecars: &[&str]) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let port = port::free().expect("a port is free").to_string();
    let questions = match scenario.sidecars {
        Sidecars::Classic => 3,
        Sidecars::Native => 9,
    };
    let script = format!(
        "
drain() {{
    for number in $(seq {questions}); do
        wget -qO- http://127.0.0.1:{port}/v1/{path} >/tmp/answer && grep -q shop /tmp/answer && echo \"asked $number\"
        sleep 1
    done
    exit 0
}}
trap drain TERM
until [ -s /opt/talend/secrets/secrets.properties ]; do sleep 1; done
echo ready
while :; do sleep 0.2; done
"
    );
    let pod = pod
        .annotate("mode", "secrets,proxy")
        .annotate("proxy-port", &port)
        .annotate("secrets-path", &path)
        .container("app", &script)
        .run();
    pod.wait_for_log("app", "ready");
    let token = pod.token();

    let begin = Instant::now();
    pod.begin_deletion();
    let app_runs = |life: &Life| life.container("app").is_some_and(|app| app.is_running());
    let mut looks = 0;
    loop {
        let is_valid = scenario.is_valid(&token);
        if !app_runs(&pod.life()) {
            break;
        }
        assert!(is_valid, "the token is gone while the application drains");
        looks += 1;
    }
    assert!(looks > 0);
    pod.wait_until_ended();
    let time = pod.life().ended.expect("it has ended") - begin;
    scenario.took("deletion", time);

    assert!(time < SOON, "{time:?}");
    let asked: String = (1..=questions).map(|n| format!("asked {n}\n")).collect();
    assert_eq!(pod.log("app"), format!("ready\n{asked}"));
    let app = pod.end_of("app");
    assert_eq!(app.status, 0);
    for name in sidecars {
        let end = pod.end_of(name);
        assert_eq!(end.status, 0, "{name}: {}", end.message);
        assert_eq!(pod.restarts(name), 0, "{name}");
    }
    let agent = pod.end_of(AGENT);
    scenario.took(
        "end of the agent after the application's",
        agent.at - app.at,
    );
    assert!(agent.at > app.at);
    if scenario.sidecars == Sidecars::Classic {
        assert!(agent.at - begin >= REVOCATION_GRACE);
    }
    pod.assert_not_killed();
    assert!(!scenario.is_valid(&token), "the token is still valid");
    assert_eq!(scenario.logins(), 1);
}

/// Neither the agent, which has no Vault to log in to, nor Consul Template, which has no token, is in the way.
fn has_no_token(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario.vault.cut();
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", "trap 'exit 0' TERM; while :; do sleep 0.2; done")
        .run();
    pod.wait_for_log(AGENT, "rejected");
    let sidecars = match scenario.sidecars {
        Sidecars::Classic => {
            pod.wait_until_started(CONSUL_TEMPLATE);
            [AGENT, CONSUL_TEMPLATE].as_slice()
        }
        Sidecars::Native => [AGENT].as_slice(),
    };

    let time = pod.delete();
    scenario.took("deletion", time);
    assert!(time < SOON, "{time:?}");
    for name in sidecars {
        let end = pod.end_of(name);
        assert_eq!(end.status, 0, "{name}: {}", end.message);
        assert_eq!(pod.restarts(name), 0, "{name}");
    }
    if scenario.sidecars == Sidecars::Native {
        pod.assert_never_began(CONSUL_TEMPLATE);
        pod.assert_never_began("app");
    }
    pod.assert_not_killed();
}

/// The init agent that tries its login again is no success when it is told to end.
fn waits_for_static_secrets(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario.vault.cut();
    let pod = scenario
        .pod()
        .annotate("secrets-type", "static")
        .annotate("secrets-path", &path)
        .container("app", "sleep 1000")
        .run();
    pod.wait_for_log(AGENT_INIT, "trying again");

    let time = pod.delete();
    scenario.took("deletion", time);
    assert!(time < SOON, "{time:?}");
    assert_eq!(pod.end_of(AGENT_INIT).status, 143);
    pod.assert_never_began("app");
    pod.assert_not_killed();
}
