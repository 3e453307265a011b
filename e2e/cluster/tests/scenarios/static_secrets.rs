//! Static secrets: fetched once by an init container, before the application starts.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::running::{AGENT, AGENT_INIT, FILE, PROXY_PORT, since};
use crate::support::scenario::{PodBuilder, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry("static_secrets", BOTH, static_secrets).quick(),
    entry("static_vault_away", CLASSIC, static_vault_away).own_vault(),
    entry("static_vault_away_long", CLASSIC, static_vault_away_long).own_vault(),
    entry("static_missing", CLASSIC, static_missing),
    entry("static_forbidden", CLASSIC, static_forbidden),
    entry("static_with_proxy", BOTH, static_with_proxy).quick(),
];

fn static_secrets(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let pod = pod(scenario, &path)
        .init_container("migration", &format!("cat {FILE}"))
        .run();
    pod.wait_for_log("app", "user=shop\n");
    assert_eq!(pod.log("app"), "user=shop\n", "its first command has it");
    pod.wait_for_log("migration", "user=shop\n");
    assert_eq!(pod.log("migration"), "user=shop\n");
    assert_eq!(pod.containers(), [AGENT_INIT, "migration", "app"]);
    assert_eq!(pod.restarts(AGENT_INIT), 0);

    assert_eq!(scenario.logins(), 1);
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    let took = since(pod.end_of(AGENT_INIT).at, pod.began(AGENT_INIT));
    scenario.took("static secrets were there", took);
}

fn static_vault_away(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario.vault.stop().expect("it can be stopped");
    let pod = pod(scenario, &path).run();
    pod.wait_for_log(AGENT_INIT, "no login; trying again in 2 s");
    scenario.vault.restore().expect("it starts again");
    let restored = Instant::now();
    pod.wait_for_log("app", "user=shop\n");
    scenario.took("start after Vault is back", restored.elapsed());
    assert_eq!(pod.restarts(AGENT_INIT), 0, "it has tried again itself");
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
}

/// Longer than the init container tries: the kubelet starts it again, and the pod is not lost.
fn static_vault_away_long(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario.vault.stop().expect("it can be stopped");
    let pod = pod(scenario, &path).run();
    let (end, tried) = pod.wait_until_first_run_ended(AGENT_INIT);
    assert_ne!(end.status, 0);
    assert!(
        end.message.contains("connection refused"),
        "{}",
        end.message
    );
    assert!(tried >= Duration::from_secs(30), "tried for {tried:?}");
    scenario.took("init container without Vault", tried);
    scenario.vault.restore().expect("it starts again");
    pod.wait_for_log("app", "user=shop\n");
    assert_eq!(pod.log("app"), "user=shop\n");
}

fn static_missing(scenario: &Scenario) {
    let path = format!("secret/data/{}/later", scenario.name);
    let pod = pod(scenario, &path).run();
    pod.wait_until_true("the init container has logged in", || {
        scenario.tokens() == 1
    });
    let (end, tried) = pod.wait_until_first_run_ended(AGENT_INIT);
    assert_ne!(end.status, 0);
    assert!(end.message.contains(&path), "{}", end.message);
    assert!(end.message.contains("no secret exists"), "{}", end.message);
    scenario.took("init container without the secret", tried);

    scenario.secret("later", json!({"user": "shop"}));
    pod.wait_for_log("app", "user=shop\n");
    assert!(pod.restarts(AGENT_INIT) > 0);
    assert_eq!(scenario.tokens(), 0, "all tokens were revoked");
}

fn static_forbidden(scenario: &Scenario) {
    let path = "secret/data/of-somebody-else/app";
    let pod = pod(scenario, path)
        .spec("restartPolicy", json!("Never"))
        .run();
    assert_eq!(pod.wait_until_ended(), "Failed");
    let end = pod.end_of(AGENT_INIT);
    assert_ne!(end.status, 0);
    assert!(end.message.contains(path), "{}", end.message);
    assert!(end.message.contains("permission denied"), "{}", end.message);
    pod.assert_never_began("app");
    assert_eq!(scenario.logins(), 1);
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    scenario.took(
        "static secrets failed",
        since(end.at, pod.began(AGENT_INIT)),
    );
}

fn static_with_proxy(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    // The order of a container's two outputs is lost, and the classic application reads too early.
    let read = format!("wget -qO- http://127.0.0.1:{PROXY_PORT}/v1/{path} 2>/dev/null");
    let script = match scenario.sidecars {
        Sidecars::Classic => format!("cat {FILE}; until {read}; do sleep 1; done; {WAIT}"),
        Sidecars::Native => format!("cat {FILE}; {read}; {WAIT}"),
    };
    let pod = scenario
        .pod()
        .annotate("mode", "secrets,proxy")
        .annotate("proxy-port", &PROXY_PORT.to_string())
        .annotate("secrets-type", "static")
        .annotate("secrets-path", &path)
        .container("app", &script)
        .run();
    pod.wait_for_log("app", "\"data\":{\"user\":\"shop\"}");
    assert!(pod.log("app").starts_with("user=shop\n"));
    let expected = match scenario.sidecars {
        Sidecars::Classic => [AGENT_INIT, "app", AGENT],
        Sidecars::Native => [AGENT_INIT, AGENT, "app"],
    };
    assert_eq!(pod.containers(), expected);
    assert_eq!(scenario.logins(), 2);
    assert_eq!(scenario.tokens(), 1, "that of the proxy is left");
    assert!(scenario.is_valid(&pod.token()));

    scenario.delete_pod(&pod);
    assert_eq!(scenario.tokens(), 0);
}

/// A pod whose application logs what it finds at its start.
fn pod<'s>(scenario: &'s Scenario, path: &str) -> PodBuilder<'s> {
    scenario
        .pod()
        .annotate("secrets-type", "static")
        .annotate("secrets-path", path)
        .container("app", &format!("cat {FILE}; {WAIT}"))
}
