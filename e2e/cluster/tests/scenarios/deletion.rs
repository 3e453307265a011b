//! A pod that is deleted ends soon, has Vault until its application has drained, and leaves no token behind.

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::support::entry::{BOTH, Entry, Sidecars, entry};
use crate::support::running::{
    AGENT, AGENT_INIT, CONSUL_TEMPLATE, FILE, PROXY_PORT, Running, SOON, since,
};
use crate::support::scenario::{PodBuilder, Scenario};

pub const SCENARIOS: &[Entry] = &[
    entry("deletion", BOTH, consul_template).quick(),
    entry("deletion_with_vault_agent", BOTH, vault_agent).quick(),
    entry("deletion_of_a_pod_without_token", BOTH, has_no_token).own_vault(),
    entry(
        "deletion_while_static_secrets_wait",
        BOTH,
        waits_for_static_secrets,
    )
    .own_vault(),
];

/// How long the agent of a pod with classic sidecars keeps its token after TERM.
const REVOCATION_GRACE: Duration = Duration::from_secs(5);

fn consul_template(scenario: &Scenario) {
    drains(scenario, scenario.pod(), &[AGENT, CONSUL_TEMPLATE]);
}

fn vault_agent(scenario: &Scenario) {
    let pod = scenario.pod().annotate("template-engine", "vault-agent");
    drains(scenario, pod, &[AGENT]);
}

/// The application reads from Vault while it drains. With classic sidecars, it must end within the revocation grace;
/// with native ones, it has the time that the grace period leaves.
fn drains(scenario: &Scenario, pod: PodBuilder<'_>, sidecars: &[&str]) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let reads = match scenario.sidecars {
        Sidecars::Classic => 3,
        Sidecars::Native => 9,
    };
    let pod = pod
        .annotate("mode", "secrets,proxy")
        .annotate("proxy-port", &PROXY_PORT.to_string())
        .annotate("secrets-path", &path)
        .container("app", &draining(&path, reads))
        .run();
    pod.wait_for_log("app", "ready");
    let token = pod.token();

    let begin = Instant::now();
    let begun = begin_deletion(&pod);
    assert_valid_while_it_drains(scenario, &pod, &token, reads);
    pod.wait_until_gone();
    let time = begin.elapsed();
    scenario.took("the pod was deleted", time);

    assert!(time < SOON, "{time:?}");
    let read: String = (1..=reads).map(|n| format!("read {n}\n")).collect();
    assert_eq!(pod.log("app"), format!("ready\n{read}"));
    let app = pod.end_of("app");
    assert_eq!(app.status, 0);
    assert_ended_in_order(&pod, sidecars);
    let agent = pod.end_of(AGENT);
    scenario.took(
        "end of the agent after the application's",
        since(agent.at, app.at),
    );
    assert!(agent.at >= app.at);
    if scenario.sidecars == Sidecars::Classic {
        assert!(since(agent.at, begun) >= REVOCATION_GRACE);
    }
    assert!(!scenario.is_valid(&token), "the token is still valid");
    assert_eq!(scenario.logins(), 1);
}

/// The script of an application that reads a secret so many times after TERM, once a second.
fn draining(path: &str, reads: usize) -> String {
    let read = format!("wget -qO- http://127.0.0.1:{PROXY_PORT}/v1/{path}");
    format!(
        "
drain() {{
    for number in $(seq {reads}); do
        {read} >/tmp/answer && grep -q shop /tmp/answer && echo \"read $number\"
        sleep 1
    done
    exit 0
}}
trap drain TERM
until [ -s {FILE} ]; do sleep 1; done
echo ready
while :; do sleep 0.2; done
"
    )
}

/// A status reports no container's end before all have ended, so the log must say how far the application is.
fn assert_valid_while_it_drains(scenario: &Scenario, pod: &Running, token: &str, reads: usize) {
    let last = format!("read {reads}\n");
    pod.wait_until_true("the application has drained", || {
        let is_valid = scenario.is_valid(token);
        let has_drained = pod.log("app").contains(&last);
        assert!(is_valid, "the token was revoked too early");
        has_drained
    });
}

/// Deletes the pod, and returns when the API server was requested to, in whole seconds.
fn begin_deletion(pod: &Running) -> SystemTime {
    pod.begin_deletion();
    let mut begun = None;
    // The last status has another time: that of the end.
    pod.wait_until("the deletion has begun", |life| {
        let metadata = &life.pod.metadata;
        let deadline = metadata.deletion_timestamp.clone();
        let grace = metadata.deletion_grace_period_seconds.unwrap_or(0);
        begun = deadline.map(|deadline| {
            SystemTime::from(deadline.0) - Duration::from_secs(grace.unsigned_abs())
        });
        begun.is_some()
    });
    begun.expect("it has been waited for")
}

/// Neither the agent, which cannot log in, nor Consul Template, which has no token, is in the way.
fn has_no_token(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario.vault.stop().expect("it can be stopped");
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", "trap 'exit 0' TERM; while :; do sleep 0.2; done")
        .run();
    pod.wait_for_log(AGENT, "connection refused");
    let sidecars = match scenario.sidecars {
        Sidecars::Classic => {
            pod.wait_until_started(CONSUL_TEMPLATE);
            [AGENT, CONSUL_TEMPLATE].as_slice()
        }
        Sidecars::Native => [AGENT].as_slice(),
    };

    let time = scenario.delete_pod(&pod);
    assert!(time < SOON, "{time:?}");
    assert_ended_in_order(&pod, sidecars);
    if scenario.sidecars == Sidecars::Native {
        pod.assert_never_began(CONSUL_TEMPLATE);
        pod.assert_never_began("app");
    }
}

fn assert_ended_in_order(pod: &Running, sidecars: &[&str]) {
    for name in sidecars {
        let end = pod.end_of(name);
        assert_eq!(end.status, 0, "{name}: {}", end.message);
    }
    pod.assert_no_restarts(sidecars);
    pod.assert_not_killed();
}

/// The init agent that tries its login again does not end with success after TERM.
fn waits_for_static_secrets(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario.vault.stop().expect("it can be stopped");
    let pod = scenario
        .pod()
        .annotate("secrets-type", "static")
        .annotate("secrets-path", &path)
        .container("app", "sleep 1000")
        .run();
    pod.wait_for_log(AGENT_INIT, "trying again");

    let time = scenario.delete_pod(&pod);
    assert!(time < SOON, "{time:?}");
    assert_eq!(pod.end_of(AGENT_INIT).status, 143);
    pod.assert_never_began("app");
    pod.assert_not_killed();
}
