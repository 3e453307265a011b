//! `secrets-hook`: the application's containers are ready only with their secrets, and never wait for ever.
//!
//! While a hook runs, the kubelet reports nothing new of the pod, and no log of it can be read. But what runs already can
//! be entered.

use std::time::{Duration, SystemTime};

use cluster_scenarios::pod::Life;
use serde_json::{Value, json};

use crate::support::entry::{CLASSIC, Entry, NATIVE, entry};
use crate::support::running::{AGENT, CONSUL_TEMPLATE, FILE, Running, since};
use crate::support::scenario::{PodBuilder, Scenario, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("hook_waits_for_vault", CLASSIC, waits_for_vault).own_vault(),
    entry("hook_gives_up_once", CLASSIC, gives_up_once)
        .settings(|| json!({"secrets": {"hookTimeoutSeconds": 45}}))
        .own_vault(),
    entry("hook_that_fails_reports_why", CLASSIC, reports_why)
        .settings(|| json!({"secrets": {"hookTimeoutSeconds": 3}}))
        .vault_only(),
    entry(
        "hook_before_one_of_the_containers_own",
        CLASSIC,
        runs_before_own,
    )
    .vault_only()
    .quick(),
    entry("hook_in_two_containers", CLASSIC, is_in_two_containers).vault_only(),
    entry(
        "hook_that_waits_when_the_pod_is_deleted",
        CLASSIC,
        is_waiting_at_deletion,
    )
    .settings(|| json!({"secrets": {"hookTimeoutSeconds": TIMEOUT.as_secs()}}))
    .own_vault()
    .vault_only(),
    entry("hook_is_not_needed", NATIVE, is_not_needed).quick(),
];

/// The timeout of the hook that waits when its pod is deleted.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Runs until it gets TERM.
const APPLICATION: &str = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario
        .pod()
        .annotate("secrets-hook", "true")
        .annotate("secrets-path", &path)
}

/// Waits until the hook waits in a container.
fn wait_for_hook(pod: &Running, name: &str) {
    // In brackets, so that it does not find itself.
    let script = "grep -q 'tvsi-secrets-hoo[k]' /proc/[0-9]*/cmdline";
    pod.wait_until_true(&format!("the hook of {name} waits"), || {
        let found = pod.execute(name, &["sh", "-c", script]);
        found.is_ok_and(|found| found.succeeded())
    });
}

fn assert_no_hook_failed(pod: &Running) {
    let events = pod.events();
    let failed = events.iter().find(|event| event.contains("PostStartHook"));
    assert_eq!(failed, None);
}

/// When a container's first process has begun, in hundredths of a second: statuses have whole seconds.
fn began(pod: &Running, name: &str) -> u64 {
    let began = pod.shell(name, "cut -d ' ' -f 22 /proc/1/stat");
    began.trim().parse().expect("it is a number")
}

/// The sidecars come first: what starts behind a container waits for its hook.
fn assert_began_in_order(pod: &Running, applications: &[&str]) {
    let order: Vec<&str> = [AGENT, CONSUL_TEMPLATE]
        .iter()
        .chain(applications)
        .copied()
        .collect();
    for pair in order.windows(2) {
        assert!(began(pod, pair[0]) < began(pod, pair[1]), "{pair:?}");
    }
}

/// Vault is away at the start, but not for longer than the hook waits.
fn waits_for_vault(scenario: &Scenario) {
    let pod = pod(scenario)
        .container("app", APPLICATION)
        .container("second", APPLICATION);
    scenario.vault.stop().expect("it stops");
    let pod = pod.run();
    wait_for_hook(&pod, "app");
    pod.assert_not_within(Duration::from_secs(5), "app has started", |life| {
        life.container("app").has_started()
    });
    assert!(!pod.can_execute("second"));

    scenario.vault.restore().expect("it starts");
    // It starts when the hook of the one before it has ended.
    pod.wait_until_started("second");
    assert_eq!(pod.read("app", FILE), b"user=shop\n");
    pod.wait_for_log(AGENT, "connection refused");
    assert_began_in_order(&pod, &["app", "second"]);
    pod.wait_until_ready();
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE, "app", "second"]);
    assert_no_hook_failed(&pod);
}

/// Vault is away for longer: the container is started again, and then has its secrets. The agent waits at most 30 s with
/// its next login, so the second time the hook has more than enough.
fn gives_up_once(scenario: &Scenario) {
    let pod = pod(scenario)
        .container("app", APPLICATION)
        .container("second", APPLICATION);
    scenario.vault.stop().expect("it stops");
    let pod = pod.run();
    // No status says so before the second hook has ended: the next container is started when the first hook has failed.
    pod.wait_until_true("the second container has started", || {
        pod.can_execute("second")
    });
    scenario.vault.restore().expect("it starts");
    // What a hook writes may be secret, so events do not have it.
    pod.wait_for_event("FailedPostStartHook: PostStartHook failed");
    pod.wait_for_content("second", FILE, b"user=shop\n");
    pod.wait_for_content("app", FILE, b"user=shop\n");
    pod.wait_until_ready();
    assert_eq!(pod.restarts("app"), 1);
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE, "second"]);
    assert_eq!(scenario.logins(), 1);
}

/// Nobody can log in: while the container waits for its next start, its status has what the hook has written.
fn reports_why(scenario: &Scenario) {
    let pod = pod(scenario)
        .annotate("role", "nobody")
        .container("app", APPLICATION)
        .run();
    let message = format!("tvsi: the secrets file {FILE} did not come in time");
    pod.wait_until("the status says why", |life| {
        waiting_message(life, "app").contains(&message)
    });
    pod.wait_until("it is started again", |life| {
        life.container("app").restarts() > 0
    });
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
}

/// Why a container waits for its next start.
fn waiting_message(life: &Life, name: &str) -> String {
    let status = life.pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let mut containers = containers.into_iter().flatten();
    let container = containers.find(|container| container.name == name);
    let state = container.and_then(|container| container.state.as_ref());
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let message = waiting.and_then(|waiting| waiting.message.clone());
    message.unwrap_or_default()
}

fn with_own_hook(name: &str, command: Value) -> Value {
    let hook = json!({"lifecycle": {"postStart": {"exec": {"command": command}}}});
    shell_container_with(name, APPLICATION, hook)
}

/// A container's own hook finds the secrets, and its arguments are as they were: in hooks the kubelet expands nothing.
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
    pod.wait_until_ready();
    let expected = "user=shop\n<$(HOME)><$$><two words><><--><é>";
    assert_eq!(pod.read("app", "/tmp/own"), expected.as_bytes());
    assert_eq!(pod.restarts("app"), 0);
    assert_no_hook_failed(&pod);
}

/// Each container has its hook: whichever is looked at, the secrets are there once its own hook has run.
fn is_in_two_containers(scenario: &Scenario) {
    let look = json!(["/bin/cp", FILE, "/tmp/own"]);
    let pod = pod(scenario)
        .container_with(with_own_hook("app", look.clone()))
        .container_with(with_own_hook("second", look))
        .run();
    pod.wait_until_ready();
    assert_began_in_order(&pod, &["app", "second"]);
    for name in ["app", "second"] {
        assert_eq!(pod.read(name, "/tmp/own"), b"user=shop\n");
    }
    pod.assert_no_restarts(&["app", "second"]);
    assert_no_hook_failed(&pod);
}

/// The kubelet does not cut a hook off: the pod ends when the hook has given up, which is the longest that it takes, and
/// then in order.
fn is_waiting_at_deletion(scenario: &Scenario) {
    let pod = pod(scenario).container("app", APPLICATION);
    scenario.vault.stop().expect("it stops");
    let pod = pod.run();
    wait_for_hook(&pod, "app");
    let began = SystemTime::now();
    let time = scenario.delete_pod(&pod);
    let app = pod.end_of("app");
    assert!(
        since(app.at, began) >= TIMEOUT / 2,
        "not the hook has ended it"
    );
    assert!(time < TIMEOUT + Duration::from_secs(25), "{time:?}");
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
    let spec = life.pod.spec.as_ref().expect("it has a spec");
    let app = spec.containers.iter().find(|found| found.name == "app");
    assert_eq!(app.expect("it is there").lifecycle, None);
}
