//! The local proxy: the application requests secrets at 127.0.0.1, and needs no token for it.

use serde_json::json;

use crate::support::entry::{BOTH, Entry, Sidecars, entry};
use crate::support::running::{AGENT, BABYSITTER, BABYSITTER_INIT, PROXY_PORT, Running, since};
use crate::support::scenario::{PodBuilder, SHELL, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry("proxy", BOTH, proxy).quick(),
    entry("proxy_leases", BOTH, proxy_leases),
    entry("proxy_job", BOTH, proxy_job),
];

/// Stands in for RabbitMQ: every user can be made and deleted.
const BROKER: &str = r"read -r request; printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'; cat >/dev/null";

const BROKER_PORT: u16 = 15672;

fn proxy(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let read = format!("wget -qO- http://127.0.0.1:{PROXY_PORT}/v1/{path}");
    let script = format!("{}; {WAIT}", at_the_start(scenario, &read));
    let pod = pod(scenario).container("app", &script).run();
    pod.wait_for_log("app", "\"data\":{\"user\":\"shop\"}");
    let expected = match scenario.sidecars {
        Sidecars::Classic => ["app", AGENT],
        Sidecars::Native => [AGENT, "app"],
    };
    assert_eq!(pod.containers(), expected);
    assert_eq!(pod.restarts("app"), 0);

    // What the token is not good for stays forbidden.
    let other = format!("http://127.0.0.1:{PROXY_PORT}/v1/secret/data/of-somebody-else/app");
    pod.assert_fails("app", &format!("wget -qO- {other}"), "403");

    let token = pod.token();
    scenario.delete_pod(&pod);
    assert!(!scenario.is_valid(&token));
}

fn proxy_leases(scenario: &Scenario) {
    let path = renewable_secrets(scenario);
    let leases = || {
        let leases = scenario.vault.list(&format!("sys/leases/lookup/{path}"));
        leases.expect("Vault answers").len()
    };
    let pod = pod(scenario).container("app", WAIT).run();
    let mut first = None;
    pod.wait_until_true("the proxy answers", || {
        first = request(&pod, &path, None);
        first.is_some()
    });
    assert!(
        first
            .as_ref()
            .is_some_and(|first| first.contains("\"renewable\":true"))
    );
    assert_eq!(request(&pod, &path, None), first, "it is the same secret");
    assert_eq!(leases(), 1);

    // What cannot be renewed is not kept: the proxy does not know how long it is good for.
    let path = scenario.leased_secrets();
    let body = "--post-data={\"common_name\":\"app.test\"}";
    let first = request(&pod, &path, Some(body)).expect("it is answered");
    assert!(first.contains("\"renewable\":false"));
    assert_ne!(request(&pod, &path, Some(body)), Some(first));
    assert_eq!(scenario.leases(), 2);

    scenario.delete_pod(&pod);
    pod.wait_until_true("the leases end with the token", || {
        leases() + scenario.leases() == 0
    });
}

fn proxy_job(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let read = format!("wget -qO- http://127.0.0.1:{PROXY_PORT}/v1/{path}");
    scenario.allow_to_get_pods();
    let pod = pod(scenario)
        .annotate("mode", "proxy,job")
        .spec("restartPolicy", json!("OnFailure"))
        .container("app", &at_the_start(scenario, &read))
        .run();
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    pod.wait_for_log("app", "\"data\":{\"user\":\"shop\"}");
    let expected: &[&str] = match scenario.sidecars {
        Sidecars::Classic => &[BABYSITTER_INIT, "app", AGENT, BABYSITTER],
        Sidecars::Native => &[AGENT, "app"],
    };
    assert_eq!(pod.containers(), expected);
    assert_eq!(pod.restarts("app"), 0);
    assert_eq!(pod.end_of(AGENT).status, 0);
    assert_eq!(scenario.logins(), 1);
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    let lasted = since(pod.end_of(AGENT).at, pod.end_of("app").at);
    scenario.took("end of the agent after the job's", lasted);
}

fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    scenario
        .pod()
        .annotate("mode", "proxy")
        .annotate("proxy-port", &PROXY_PORT.to_string())
}

/// With native sidecars the proxy answers from the start; with classic ones the application must try.
fn at_the_start(scenario: &Scenario, command: &str) -> String {
    match scenario.sidecars {
        Sidecars::Classic => format!("until {command}; do sleep 1; done"),
        Sidecars::Native => command.to_owned(),
    }
}

/// What the proxy answers to the application, if it does; `body` is an option of `wget`.
fn request(pod: &Running, path: &str, body: Option<&str>) -> Option<String> {
    let url = format!("http://127.0.0.1:{PROXY_PORT}/v1/{path}");
    let mut command = vec!["wget", "-qO-", &url];
    command.extend(body);
    let answer = pod.execute("app", &command).ok()?;
    answer.succeeded().then(|| answer.text())
}

/// Mounts an engine whose answers have leases that can be renewed, and returns the path to read one at.
fn renewable_secrets(scenario: &Scenario) -> String {
    let engine = format!("renewable-{}", scenario.name);
    let broker = start_broker(scenario);
    for (path, body) in [
        (format!("sys/mounts/{engine}"), json!({"type": "rabbitmq"})),
        (
            format!("{engine}/config/connection"),
            json!({
                "connection_uri": broker, "username": "vault", "password": "vault", "verify_connection": false,
            }),
        ),
        (
            format!("{engine}/config/lease"),
            json!({"ttl": 600, "max_ttl": 3600}),
        ),
        (format!("{engine}/roles/app"), json!({"tags": "app"})),
    ] {
        scenario.write(&path, &body);
    }
    format!("{engine}/creds/app")
}

/// Starts what stands in for RabbitMQ, and returns its address.
fn start_broker(scenario: &Scenario) -> String {
    let port = BROKER_PORT.to_string();
    scenario.apply(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "broker", "labels": {"app": "broker"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "broker",
                "image": SHELL,
                "command": ["nc", "-ll", "-p", port, "-e", "sh", "-c", BROKER],
            }],
        },
    }));
    scenario.apply(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "broker"},
        "spec": {"selector": {"app": "broker"}, "ports": [{"port": BROKER_PORT}]},
    }));
    format!(
        "http://broker.{}.svc.cluster.local:{BROKER_PORT}",
        scenario.name
    )
}
