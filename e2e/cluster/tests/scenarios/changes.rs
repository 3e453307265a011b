//! A secret changes: the file follows, and the application is notified.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, entry};
use crate::support::running::{FILE, Running, SECRETS, renderer};
use crate::support::scenario::{Scenario, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("change_is_followed", BOTH, |scenario| {
        change_is_followed(scenario, "consul-template");
    })
    .settings(read_often)
    .quick(),
    entry(
        "change_is_followed_by_engine_vault_agent",
        BOTH,
        |scenario| {
            change_is_followed(scenario, "vault-agent");
        },
    )
    .settings(read_often)
    .quick(),
    entry("change_in_several_files", BOTH, |scenario| {
        change_in_several_files(scenario, "consul-template");
    })
    .settings(read_often),
    entry(
        "change_in_several_files_with_engine_vault_agent",
        BOTH,
        |scenario| {
            change_in_several_files(scenario, "vault-agent");
        },
    )
    .settings(read_often),
    entry("failing_notify_harms_nothing", BOTH, |scenario| {
        failing_notify(scenario, "consul-template");
    })
    .settings(read_often),
    entry(
        "failing_notify_harms_nothing_with_engine_vault_agent",
        CLASSIC,
        |scenario| {
            failing_notify(scenario, "vault-agent");
        },
    )
    .settings(read_often),
    entry("notify_signals_the_application", BOTH, signal)
        .settings(read_often)
        .quick(),
];

fn read_often() -> Value {
    json!({"secrets": {"refreshSeconds": 5}})
}

/// KV version 2 has no leases: it is read again as often as the settings say. A secret of version 1 has a field that
/// says how long it is valid.
fn change_is_followed(scenario: &Scenario, engine: &str) {
    let second = scenario.secret("app", json!({"password": "before"}));
    let first = scenario.secret_v1("app", json!({"password": "before", "ttl": "5s"}));
    let pod = scenario
        .pod()
        .annotate("template-engine", engine)
        .annotate("secrets-path", &format!("{second},{first}"))
        .annotate("secrets-destination", "secrets.properties,first.properties")
        .annotate(
            "notify",
            "echo notified with $0 and $(id -u), true; echo é >&2\n---\necho first",
        )
        .container("app", "sleep 1000")
        .run();
    let renderer = renderer(engine);
    pod.wait_for_content("app", FILE, b"password=before\n");
    pod.wait_for_log(renderer, "notified with sh and 100, true");
    pod.wait_for_log(renderer, "é");
    let notified = |pod: &Running| pod.log(renderer).matches("notified with").count();
    let notified_before = notified(&pod);

    scenario.secret("app", json!({"password": "after"}));
    let changed = Instant::now();
    pod.wait_for_content("app", FILE, b"password=after\n");
    scenario.took(
        "KV v2, from the change to the file, read every 5 s",
        changed.elapsed(),
    );
    pod.wait_until_true("the application is notified", || {
        notified(&pod) > notified_before
    });
    scenario.took(
        "KV v2, from the change to the notification",
        changed.elapsed(),
    );

    scenario.secret_v1("app", json!({"password": "after", "ttl": "5s"}));
    let changed = Instant::now();
    let first = format!("{SECRETS}/first.properties");
    pod.wait_for_content("app", &first, b"password=after\nttl=5s\n");
    scenario.took(
        "KV v1 with ttl 5s, from the change to the file",
        changed.elapsed(),
    );
    assert_eq!(pod.restarts(renderer), 0);
}

/// One secret in three files, each with a command of its own.
fn change_in_several_files(scenario: &Scenario, engine: &str) {
    let path = scenario.secret("app", json!({"a": "before"}));
    let names = ["one", "two", "three"];
    let commands = names.map(|name| format!("echo {name} $(cat {SECRETS}/{name})"));
    let pod = scenario
        .pod()
        .annotate("template-engine", engine)
        .annotate("secrets-path", &[path.as_str(); 3].join(","))
        .annotate("secrets-destination", &names.join(","))
        .annotate("notify", &commands.join("\n---\n"))
        .container("app", "sleep 1000")
        .run();
    for name in names {
        pod.wait_for_content("app", &format!("{SECRETS}/{name}"), b"a=before\n");
    }
    scenario.secret("app", json!({"a": "after"}));
    for name in names {
        pod.wait_for_content("app", &format!("{SECRETS}/{name}"), b"a=after\n");
        pod.wait_for_log(renderer(engine), &format!("{name} a=after"));
    }
}

/// A command that fails, one whose program is missing, and one that does not end.
fn failing_notify(scenario: &Scenario, engine: &str) {
    let paths = ["one", "two", "three"].map(|name| scenario.secret(name, json!({"a": "before"})));
    let pod = scenario
        .pod()
        .annotate("template-engine", engine)
        .annotate("secrets-path", &paths.join(","))
        .annotate("secrets-destination", "one,two,three")
        .annotate(
            "notify",
            "exit 7\n---\n/no/such/program --reload\n---\nsleep 1000",
        )
        .container("app", "sleep 1000")
        .run();
    let renderer = renderer(engine);
    pod.wait_for_log(renderer, "the command ended with status 7");
    pod.wait_for_log(renderer, "/no/such/program: not found");
    pod.wait_for_log(renderer, "the command ended with status 127");
    // Ended after 25 seconds.
    pod.wait_for_log(renderer, "the command ended with status 143");
    for (name, path) in ["one", "two", "three"].iter().zip(&paths) {
        assert!(path.ends_with(name));
        scenario.secret(name, json!({"a": "after"}));
    }
    for name in ["one", "two", "three"] {
        pod.wait_for_content("app", &format!("{SECRETS}/{name}"), b"a=after\n");
    }
    assert_eq!(pod.restarts(renderer), 0);
    assert_eq!(scenario.logins(), 1);
}

/// With a shared process namespace, a process of the same user can be sent a signal.
fn signal(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"a": "before"}));
    let script = "trap 'echo reloaded; cat /opt/talend/secrets/*' HUP; echo ready
        while :; do sleep 1 & wait $!; done";
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .annotate("share-process-namespace", "true")
        .annotate(
            "notify",
            "kill -HUP $(grep -l '[e]cho ready' /proc/[0-9]*/cmdline | cut -d/ -f3)",
        )
        .container_with(shell_container_with(
            "app",
            script,
            json!({"securityContext": {"runAsUser": 100, "runAsGroup": 1000}}),
        ))
        .run();
    pod.wait_for_log("app", "ready");
    pod.wait_for_content("app", FILE, b"a=before\n");
    scenario.secret("app", json!({"a": "after"}));
    pod.wait_for_log("app", "reloaded\na=after");
    assert_eq!(pod.restarts("app"), 0);
}
