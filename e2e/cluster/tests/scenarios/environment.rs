//! Static secrets become environment variables of the application, and of nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, entry};
use crate::support::running::{AGENT_INIT, FILE, Running};
use crate::support::scenario::{PodBuilder, SHELL, Scenario, WAIT, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("env_hostile_values", BOTH, env_hostile_values).quick(),
    entry("env_denied_names", CLASSIC, env_denied_names),
    entry("env_image_without_shell", CLASSIC, env_image_without_shell),
    entry("env_arguments", CLASSIC, env_arguments).vault_only(),
    entry("env_process", CLASSIC, env_process).vault_only(),
    entry("env_probes_and_hooks", CLASSIC, env_probes_and_hooks)
        .vault_only()
        .quick(),
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
    let container = |name: &str| {
        json!({
            "name": name,
            "image": SHELL,
            "command": ["sleep", "1000"],
            "env": [
                {"name": "OWN", "value": "of $(KUBERNETES_SERVICE_HOST), not $$(HOME)"},
                {"name": "own.dotted", "value": "`touch /tmp/run` 'kept'  $HOME"},
            ],
        })
    };
    let pod = pod(scenario, &path)
        .annotate("inject-containers", "app")
        // `sleep` has no trap for TERM.
        .spec("terminationGracePeriodSeconds", json!(1))
        .container_with(container("app"))
        .container_with(container("other"))
        .run();
    pod.wait_until_started("app");
    pod.wait_until_started("other");
    let mut environment = environment(&pod, "app");
    for (name, value) in values {
        assert_eq!(environment.remove(name).as_deref(), Some(value), "{name}");
    }
    let address = &environment["KUBERNETES_SERVICE_HOST"];
    assert_eq!(environment["OWN"], format!("of {address}, not $(HOME)"));
    assert_eq!(environment["own.dotted"], "`touch /tmp/run` 'kept'  $HOME");
    // What Kubernetes, the runtime and the image set depends on the cluster.
    assert_eq!(environment, self::environment(&pod, "other"));
    let has_run = pod.execute("app", &["test", "-e", "/tmp/run"]);
    assert!(
        !has_run.expect("it runs").succeeded(),
        "nothing was evaluated"
    );
    assert_eq!(pod.log("app"), "");
    let expected = [AGENT_INIT, "tvsi-env-init", "app", "other"];
    assert_eq!(pod.containers(), expected);
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
    let environment = environment(&pod, "app");
    assert_eq!(environment["zuletzt"], "allowed");
    let arrived: Vec<_> = environment
        .iter()
        .filter(|(_, value)| value.contains("evil"))
        .collect();
    assert!(arrived.is_empty(), "{arrived:?}");
    let message =
        |line| format!("tvsi: env: line {line} of {FILE} is skipped: its name is not allowed\n");
    let expected: String = (1..=denied.len()).map(message).collect();
    pod.wait_for_log("app", &message(denied.len()));
    assert_eq!(pod.log("app"), expected);
}

/// None of the policy's images is without a shell. So the application's program is in a volume, and an empty directory
/// hides all that its image has.
fn env_image_without_shell(scenario: &Scenario) {
    let path = scenario.secret(
        "app",
        json!({"USER_NAME": "shop\nkeeper", "number": 12_345_678_901_u64}),
    );
    let container = |name: &str, command: Value| {
        json!({
            "name": name,
            "image": SHELL,
            "command": command,
            "securityContext": {"runAsUser": 4711, "readOnlyRootFilesystem": true},
            "volumeMounts": [
                {"name": "program", "mountPath": "/program"},
                {"name": "nothing", "mountPath": "/bin"},
                {"name": "nothing", "mountPath": "/usr"},
            ],
        })
    };
    let copy = "cp /bin/busybox /program/cat && cp /bin/busybox /program/find";
    let search = json!(["/program/find", "/bin/", "/usr/", "!", "-type", "d"]);
    let pod = pod(scenario, &path)
        .spec("restartPolicy", json!("Never"))
        .spec(
            "volumes",
            json!([{"name": "program", "emptyDir": {}}, {"name": "nothing", "emptyDir": {}}]),
        )
        .spec(
            "initContainers",
            json!([shell_container_with(
                "copy",
                copy,
                json!({"volumeMounts": [{"name": "program", "mountPath": "/program"}]}),
            )]),
        )
        .container_with(container(
            "app",
            json!(["/program/cat", "/proc/self/environ"]),
        ))
        .container_with(container("search", search))
        .run();
    for name in ["app", "search"] {
        assert_eq!(pod.wait_until_over(name).status, 0, "{name}");
    }
    pod.wait_for_log("app", "USER_NAME=shop\nkeeper\0");
    pod.wait_for_log("app", "number=12345678901\0");
    let environment = parse(&pod.log("app"));
    assert_eq!(environment["USER_NAME"], "shop\nkeeper");
    assert_eq!(environment["number"], "12345678901");
    assert_eq!(pod.log("search"), "", "there is no program but its own");
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
        // The application has no trap for TERM.
        .spec("terminationGracePeriodSeconds", json!(1))
        .container_with(json!({
            "name": "app",
            "image": SHELL,
            "command": ["sh", "-c", script],
            "args": arguments,
            "workingDir": "/home",
        }))
        .run();
    pod.wait_until_started("app");
    wait_for_application(&pod, "app");
    let mut expected = vec!["sh", "-c", script];
    expected.extend(arguments);
    // The kubelet makes one of two.
    *expected.last_mut().unwrap() = "$(HOME)";
    let command = String::from_utf8(pod.read("app", "/proc/1/cmdline")).unwrap();
    let command: Vec<&str> = command.strip_suffix('\0').unwrap().split('\0').collect();
    assert_eq!(command, expected);
    // It is a link in some images.
    let shell = pod.shell("app", "readlink -f /bin/sh");
    assert_eq!(pod.shell("app", "readlink /proc/1/exe"), shell);
    assert_eq!(pod.shell("app", "readlink /proc/1/cwd"), "/home\n");
}

/// The application is the container's first process, and there is no other: so TERM reaches it.
fn env_process(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"USER_NAME": "shop"}));
    let script = "trap 'echo stopping; exit 7' TERM; mkfifo /tmp/no && exec 3<>/tmp/no; echo ready; \
                  while :; do read -r _ <&3; done";
    let pod = pod(scenario, &path).container("app", script).run();
    pod.wait_for_log("app", "ready\n");
    let processes = pod.shell("app", "echo /proc/[0-9]*");
    let own = processes.split_whitespace().count() - 1;
    assert_eq!(
        own, 1,
        "besides the one that looks there is only {processes}"
    );
    assert!(processes.starts_with("/proc/1 "));

    scenario.delete_pod(&pod);
    let end = pod.end_of("app");
    assert_eq!(end.status, 7);
    pod.wait_for_log("app", "stopping\n");
    assert_eq!(pod.log("app"), "ready\nstopping\n");
}

/// Probes, hooks and init containers have the variables as the application does, and Kubernetes expands in their commands
/// what it would expand otherwise. An init container whose image brings its command has the files only.
fn env_probes_and_hooks(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"USER_NAME": "shop"}));
    // A hook may come before the container's first process is the application's, whose output it writes to.
    let script = "until echo \"$0: ${USER_NAME-none}, $1\" >/proc/1/fd/1; do sleep 0.1; done";
    let look = |what: &str| json!({"command": ["/bin/sh", "-c", script, what, "$(OWN)"]});
    let probe = |what: &str| json!({"exec": look(what), "periodSeconds": 1, "timeoutSeconds": 30});
    let hook = |what: &str| json!({"exec": look(what)});
    let application = format!("echo \"app: $USER_NAME\"; {WAIT}");
    let without_command = json!({
        "name": "image", "image": SHELL,
        // The image has no ENTRYPOINT, so that this is its command.
        "args": ["sh", "-c", format!("echo \"${{USER_NAME-none}}, $(cat {FILE})\"")],
    });
    let mut pod = pod(scenario, &path)
        .init_container("migrate", "echo \"$USER_NAME\"")
        .container_with(shell_container_with(
            "app",
            &application,
            json!({
                "env": [{"name": "OWN", "value": "own"}],
                "startupProbe": probe("startup"),
                "livenessProbe": probe("liveness"),
                "readinessProbe": probe("readiness"),
                "lifecycle": {"postStart": hook("postStart"), "preStop": hook("preStop")},
            }),
        ));
    let init_containers = pod.object["spec"]["initContainers"].as_array_mut();
    init_containers.expect("a list").push(without_command);
    let pod = pod.run();
    pod.wait_for_log("app", "app: shop\n");
    assert_eq!(pod.log("migrate"), "shop\n");
    assert_eq!(pod.log("image"), "none, USER_NAME=shop\n");
    // Kubernetes expands variables that it knows in probes, and none in hooks.
    pod.wait_for_log("app", "postStart: shop, $(OWN)\n");
    for what in ["startup", "readiness", "liveness"] {
        pod.wait_for_log("app", &format!("{what}: shop, own\n"));
    }
    pod.wait_until_ready();
    assert_eq!(pod.restarts("app"), 0);

    pod.delete();
    pod.wait_for_log("app", "preStop: shop, $(OWN)\n");
    assert_eq!(pod.end_of("app").status, 0);
    let log = pod.log("app");
    assert_eq!(log.matches(": shop").count(), log.lines().count(), "{log}");
}

fn pod<'s>(scenario: &'s Scenario, path: &str) -> PodBuilder<'s> {
    scenario
        .pod()
        .annotate("secrets-type", "static")
        .annotate("secrets-injection-method", "env")
        .annotate("secrets-path", path)
}

/// The environment of a container's first process, once that is the application.
fn environment(pod: &Running, container: &str) -> BTreeMap<String, String> {
    wait_for_application(pod, container);
    let environment = pod.read(container, "/proc/1/environ");
    parse(&String::from_utf8(environment).expect("it is UTF-8"))
}

/// Waits until the shell has become the application.
fn wait_for_application(pod: &Running, container: &str) {
    pod.wait_until_true("the application runs", || {
        let program = pod.execute(container, &["readlink", "/proc/1/exe"]);
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
