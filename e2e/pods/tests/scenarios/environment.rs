//! Static secrets as environment variables.

use std::collections::BTreeMap;

use serde_json::json;

use super::Entry;
use crate::support::running::{AGENT_INIT, Running};
use crate::support::scenario::{BOTH, CLASSIC, PodBuilder, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    ("env_hostile_values", BOTH, env_hostile_values),
    ("env_denied_names", CLASSIC, env_denied_names),
    ("env_image_without_shell", CLASSIC, env_image_without_shell),
    ("env_arguments", CLASSIC, env_arguments),
    ("env_process", CLASSIC, env_process),
];

fn env_hostile_values(scenario: &Scenario) {
    let long = "0123456789abcde ".repeat(1280);
    let values = BTreeMap::from([
        (
            "COMMAND",
            "$(touch /tmp/run)`touch /tmp/run`; touch /tmp/run",
        ),
        ("CONTROL", "\u{1}one\n\u{1}two\t\u{7f}\u{1b}[0m"),
        ("DOLLARS", "$(HOME) $$(HOME) $$ $é ${HOME} $HOME $"),
        ("EMPTY", ""),
        ("EQUALS", "=a=b="),
        ("HASH", "# no comment"),
        ("LINES", "first\nsecond=2\n\n# fourth\n  fifth\r\nlast\n"),
        ("LONG", &long),
        ("QUOTES", "'\"`\\ \\n \\\\ %s '"),
        ("SPACES", "  \tinside\t  "),
        ("TEMPLATE", "{{ .Data }} {{ env \"HOME\" }}"),
        ("UTF8", "é 漢字 🔑"),
        ("lower_case", "too"),
    ]);
    let path = scenario.secret("app", json!(values));
    let pod = pod(scenario, &path)
        // The application does not end when it is told to.
        .spec("terminationGracePeriodSeconds", json!(1))
        .container_with(json!({
            "name": "app",
            "image": "test/shell:1",
            "command": ["sleep", "1000"],
            "env": [
                {"name": "OWN", "value": "of $(KUBERNETES_SERVICE_HOST), not $$(HOME)"},
                {"name": "own.dotted", "value": "`touch /tmp/run` 'kept'  $HOME"},
            ],
        }))
        .run();
    pod.wait_until_started("app");
    let mut environment = environment(&pod);
    for (name, value) in values {
        assert_eq!(environment.remove(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(
        environment.remove("OWN").unwrap(),
        "of 127.0.0.1, not $(HOME)"
    );
    assert_eq!(
        environment.remove("own.dotted").unwrap(),
        "`touch /tmp/run` 'kept'  $HOME"
    );
    let others: Vec<&str> = environment.keys().map(String::as_str).collect();
    let expected = [
        "HOME",
        "HOSTNAME",
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
        "PATH",
    ];
    assert_eq!(others, expected);
    let has_run = pod.execute("app", &["test", "-e", "/tmp/run"]);
    assert!(
        !has_run.expect("it runs").succeeded(),
        "nothing was evaluated"
    );
    assert_eq!(pod.log("app"), "");
    assert_eq!(pod.containers(), [AGENT_INIT, "tvsi-env-init", "app"]);
}

fn env_denied_names(scenario: &Scenario) {
    // In the order of their lines.
    let denied = [
        "1ST",
        "BASH_ENV",
        "ENV",
        "IFS",
        "LD_PRELOAD",
        "PATH",
        "_tvsi_name",
        "with-dash",
    ];
    let mut values: BTreeMap<&str, &str> = denied.map(|name| (name, "/tmp/evil")).into();
    values.insert("zuletzt", "allowed");
    let path = scenario.secret("app", json!(values));
    let pod = pod(scenario, &path).container("app", WAIT).run();
    pod.wait_until_started("app");
    let environment = environment(&pod);
    assert_eq!(environment["zuletzt"], "allowed");
    let arrived: Vec<_> = environment
        .iter()
        .filter(|(_, value)| value.contains("evil"))
        .collect();
    assert!(arrived.is_empty(), "{arrived:?}");
    let log = pod.log("app");
    let told: Vec<&str> = log.lines().collect();
    let expected: Vec<String> = (1..=denied.len())
        .map(|line| {
            format!(
                "tvsi: env: line {line} of /opt/talend/secrets/secrets.properties is skipped: its name is not \
                 allowed"
            )
        })
        .collect();
    assert_eq!(told, expected);
}

fn env_image_without_shell(scenario: &Scenario) {
    let path = scenario.secret(
        "app",
        json!({"USER_NAME": "shop\nkeeper", "number": 12_345_678_901_u64}),
    );
    let pod = pod(scenario, &path)
        .spec("restartPolicy", json!("Never"))
        .container_with(json!({
            "name": "app",
            "image": "test/scratch:1",
            "command": ["/cat", "/proc/self/environ"],
            "securityContext": {"runAsUser": 4711, "readOnlyRootFilesystem": true},
        }))
        .run();
    assert_eq!(pod.wait_until_over("app").status, 0);
    let environment = parse(&pod.log("app"));
    assert_eq!(environment["USER_NAME"], "shop\nkeeper");
    assert_eq!(environment["number"], "12345678901");
}

fn env_arguments(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"USER_NAME": "shop"}));
    let script = "while :; do sleep 1; done";
    let arguments = [
        "",
        "  two  words ",
        "*",
        "-n",
        "--",
        "$HOME `id` \"'\\",
        "é\nnew line",
        "a=b",
        "$$(HOME)",
    ];
    let pod = pod(scenario, &path)
        // The application does not end when it is told to.
        .spec("terminationGracePeriodSeconds", json!(1))
        .container_with(json!({
            "name": "app",
            "image": "test/shell:1",
            "command": ["sh", "-c", script],
            "args": arguments,
            "workingDir": "/home",
        }))
        .run();
    pod.wait_until_started("app");
    wait_for_application(&pod);
    let mut expected = vec!["sh", "-c", script];
    expected.extend(arguments);
    // The kubelet makes one of two.
    *expected.last_mut().unwrap() = "$(HOME)";
    let command = String::from_utf8(pod.read("app", "/proc/1/cmdline")).unwrap();
    let command: Vec<&str> = command.strip_suffix('\0').unwrap().split('\0').collect();
    assert_eq!(command, expected);
    for (link, target) in [("exe", "/bin/busybox\n"), ("cwd", "/home\n")] {
        let found = pod.execute("app", &["readlink", &format!("/proc/1/{link}")]);
        let found = found.expect("it runs").output;
        assert_eq!(String::from_utf8_lossy(&found), target);
    }
}

/// The application is the container's first process, and there is no other: so TERM reaches it.
fn env_process(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"USER_NAME": "shop"}));
    let script = "trap 'echo told to stop; exit 7' TERM; mkfifo /tmp/no && exec 3<>/tmp/no; echo ready; \
                  while :; do read -r _ <&3; done";
    let pod = pod(scenario, &path).container("app", script).run();
    pod.wait_for_log("app", "ready\n");
    let processes = pod.execute("app", &["sh", "-c", "echo /proc/[0-9]*"]);
    let processes = String::from_utf8_lossy(&processes.expect("it runs").output).into_owned();
    let own = processes.split_whitespace().count() - 1;
    assert_eq!(own, 1, "besides the question there is only {processes}");
    assert!(processes.starts_with("/proc/1 "));

    scenario.took("deletion", pod.delete());
    let end = pod.end_of("app");
    assert_eq!(end.status, 7);
    assert_eq!(pod.log("app"), "ready\ntold to stop\n");
}

fn pod<'s>(scenario: &'s Scenario, path: &str) -> PodBuilder<'s> {
    scenario
        .pod()
        .annotate("secrets-type", "static")
        .annotate("secrets-injection-method", "env")
        .annotate("secrets-path", path)
}

/// The environment of the application, which is the first process of its container.
fn environment(pod: &Running) -> BTreeMap<String, String> {
    wait_for_application(pod);
    parse(&String::from_utf8(pod.read("app", "/proc/1/environ")).expect("it is UTF-8"))
}

/// Waits until the shell has become the application.
fn wait_for_application(pod: &Running) {
    pod.wait_until_true("the application runs", || {
        let program = pod.execute("app", &["readlink", "/proc/1/exe"]);
        program.is_ok_and(|program| program.output.starts_with(b"/bin/"))
    });
}

/// Every variable, each of which must be there once.
fn parse(environment: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for variable in environment.split_terminator('\0') {
        let (name, value) = variable.split_once('=').expect("NAME=VALUE");
        let before = variables.insert(name.to_owned(), value.to_owned());
        assert_eq!(before, None, "{name} is there twice");
    }
    variables
}
