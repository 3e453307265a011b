//! `secrets-hook`: the application's containers are ready only with their secrets, and never wait for ever.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Entry;
use crate::support::running::{AGENT, CONSUL_TEMPLATE, Running};
use crate::support::scenario::{CLASSIC, NATIVE, PodBuilder, Scenario};

pub const SCENARIOS: &[Entry] = &[
    ("hook_waits_for_vault", CLASSIC, waits_for_vault),
    ("hook_gives_up_once", CLASSIC, gives_up_once),
    (
        "hook_before_one_of_the_containers_own",
        CLASSIC,
        runs_before_own,
    ),
    ("hook_in_two_containers", CLASSIC, is_in_two_containers),
    (
        "hook_that_waits_when_the_pod_is_deleted",
        CLASSIC,
        is_waiting_at_deletion,
    ),
    ("hook_is_not_needed", NATIVE, is_not_needed),
];

const FILE: &str = "/opt/talend/secrets/secrets.properties";

/// Runs until it is told to end.
const APPLICATION: &str = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario
        .pod()
        .annotate("secrets-hook", "true")
        .annotate("secrets-path", &path)
}

fn has_failed_hook(pod: &Running) -> bool {
    let events = pod.events();
    events
        .iter()
        .any(|event| event.starts_with("FailedPostStartHook"))
}

/// The sidecars come first: what starts behind a container waits for its hook.
fn assert_sidecars_began_before(pod: &Running, application: &str) {
    assert!(pod.began(AGENT) < pod.began(CONSUL_TEMPLATE));
    assert!(pod.began(CONSUL_TEMPLATE) < pod.began(application));
}

/// Vault is away at the start, but not for longer than the hook waits.
fn waits_for_vault(scenario: &Scenario) {
    scenario.vault.cut();
    let pod = pod(scenario)
        .container("app", APPLICATION)
        .container("second", APPLICATION)
        .run();
    pod.wait_until_started("app");
    pod.wait_for_log(AGENT, "rejected");
    pod.assert_never_began("second");

    scenario.vault.restore().expect("the port is free");
    // It starts when the hook of the one before it has ended.
    pod.wait_until_started("second");
    assert_eq!(pod.read("app", FILE), b"user=shop\n");
    assert_sidecars_began_before(&pod, "app");
    for name in [AGENT, CONSUL_TEMPLATE, "app"] {
        assert_eq!(pod.restarts(name), 0, "{name}");
    }
    assert!(!has_failed_hook(&pod), "{:?}", pod.events());
}

/// Vault is away for longer: the container is started again, and then has its secrets. The agent
/// waits at most 30 s with its next login, so the second time the hook has more than enough.
fn gives_up_once(scenario: &Scenario) {
    scenario.vault.cut();
    let pod = pod(scenario)
        .setting("/secrets/hookTimeoutSeconds", json!(45))
        .container("app", APPLICATION)
        .container("second", APPLICATION)
        .run();
    pod.wait_until("the hook has given up", |life| {
        life.container("app").is_some_and(|app| app.end().is_some())
    });
    scenario.vault.restore().expect("the port is free");
    let message =
        format!("FailedPostStartHook: app: tvsi: the secrets file {FILE} did not come in time");
    let events = pod.events();
    assert!(
        events.iter().any(|event| event.starts_with(&message)),
        "{events:?}"
    );

    pod.wait_for_content("second", FILE, b"user=shop\n");
    pod.wait_for_content("app", FILE, b"user=shop\n");
    assert_eq!(pod.restarts("app"), 1);
    for name in [AGENT, CONSUL_TEMPLATE] {
        assert_eq!(pod.restarts(name), 0, "{name}");
    }
    assert_eq!(scenario.logins(), 1);
}

fn with_own_hook(name: &str, command: Value) -> Value {
    json!({
        "name": name,
        "image": "test/shell:1",
        "command": ["/bin/sh", "-c", APPLICATION],
        "lifecycle": {"postStart": {"exec": {"command": command}}},
    })
}

/// A container's own hook finds the secrets, and its arguments are as they were: in hooks the kubelet
/// expands nothing.
fn runs_before_own(scenario: &Scenario) {
    let script = format!("cat {FILE} >/tmp/own; printf '<%s>' \"$0\" \"$@\" >>/tmp/own");
    let arguments = [
        "/bin/sh",
        "-c",
        &script,
        "$(HOME)",
        "$$",
        "two words",
        "",
        "--",
        "é",
    ];
    let pod = pod(scenario)
        .container_with(with_own_hook("app", json!(arguments)))
        .run();
    let expected = "user=shop\n<$(HOME)><$$><two words><><--><é>";
    pod.wait_for_content("app", "/tmp/own", expected.as_bytes());
    assert_eq!(pod.restarts("app"), 0);
    assert!(!has_failed_hook(&pod), "{:?}", pod.events());
}

/// Each container has its hook: whichever is asked, the secrets are there once its own hook has run.
fn is_in_two_containers(scenario: &Scenario) {
    let look = json!(["/bin/cp", FILE, "/tmp/own"]);
    let pod = pod(scenario)
        .container_with(with_own_hook("app", look.clone()))
        .container_with(with_own_hook("second", look))
        .run();
    pod.wait_for_content("app", "/tmp/own", b"user=shop\n");
    pod.wait_for_content("second", "/tmp/own", b"user=shop\n");
    assert_sidecars_began_before(&pod, "app");
    assert!(pod.began("app") < pod.began("second"));
    for name in ["app", "second"] {
        assert_eq!(pod.restarts(name), 0, "{name}");
    }
}

/// The kubelet does not cut a hook off: the pod ends when the hook has given up, which is the longest that
/// it takes, and then in order.
fn is_waiting_at_deletion(scenario: &Scenario) {
    let limit = 10;
    scenario.vault.cut();
    let pod = pod(scenario)
        .setting("/secrets/hookTimeoutSeconds", json!(limit))
        .container("app", APPLICATION)
        .run();
    pod.wait_until_started("app");
    let began = Instant::now();
    let time = pod.delete();
    scenario.took("deletion", time);
    let app = pod.end_of("app");
    assert!(
        app.at - began > Duration::from_secs(limit / 2),
        "not the hook has ended it"
    );
    assert!(time < Duration::from_secs(limit + 25), "{time:?}");
    assert_eq!(pod.restarts("app"), 0);
    for name in [AGENT, CONSUL_TEMPLATE, "app"] {
        assert_eq!(pod.end_of(name).status, 0, "{name}");
    }
    pod.assert_not_killed();
}

/// With native sidecars nothing starts without its secrets.
fn is_not_needed(scenario: &Scenario) {
    let pod = pod(scenario)
        .container("app", &format!("cat {FILE}; {APPLICATION}"))
        .run();
    pod.wait_for_log("app", "user=shop\n");
    let life = pod.life();
    let app = life.container("app").expect("it is there");
    assert_eq!(app.spec.lifecycle, None);
}
