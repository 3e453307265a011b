//! Nothing that the application can write decides where a sidecar writes, what it loads or what it runs: each mode and
//! engine, with classic and native sidecars.

use cluster_scenarios::admission::POLICY_LABEL;
use serde_json::json;

use crate::support::entry::{BOTH, Entry, Sidecars, entry};
use crate::support::running::{
    AGENT, AGENT_INIT, CONSUL_TEMPLATE, FILE, Running, SECRETS, renderer as renderer_of,
};
use crate::support::scenario::{PodBuilder, Scenario, WAIT, cluster, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("planted_files_and_consul_template", BOTH, |scenario| {
        plants(scenario, "consul-template", "dynamic");
    })
    .settings(|| json!({"secrets": {"refreshSeconds": 1}})),
    entry("planted_files_and_vault_agent", BOTH, |scenario| {
        plants(scenario, "vault-agent", "dynamic");
    })
    .settings(|| json!({"secrets": {"refreshSeconds": 1}})),
    entry("planted_files_and_static_secrets", BOTH, |scenario| {
        plants(scenario, "consul-template", "static");
    }),
    entry("links_of_root_and_consul_template", BOTH, |scenario| {
        plants_as_root(scenario, "consul-template");
    })
    .settings(|| json!({"secrets": {"refreshSeconds": 1}})),
    entry("links_of_root_and_vault_agent", BOTH, |scenario| {
        plants_as_root(scenario, "vault-agent");
    })
    .settings(|| json!({"secrets": {"refreshSeconds": 1}})),
    entry("consul_template_can_write_the_secrets_only", BOTH, renderer).quick(),
    entry("vault_agent_has_no_files_but_its_token", BOTH, agent).quick(),
];

/// Where the agent has its token.
const SHARED: &str = "/opt/talend/tvsi";

/// The names by which a token, configuration, or a helper of Vault's would be loaded.
const NAMES: [&str; 4] = [
    ".vault-token",
    "agent.json",
    "consul-template.json",
    ".vault",
];

/// Puts links to where the sidecars have things of their own in the place of each file, and notes what it has found
/// there: the number of its names, and its content.
const PLANT: &str = r#"for name in .vault-token agent.json consul-template.json .vault; do
    for target in tvsi tvsi-config tvsi/init; do
        if [ -f "$name" ] && [ ! -L "$name" ]; then
            echo "$name $(stat -c %h "$name") $(cat "$name")"
        fi
        ln -sfn "/opt/talend/$target/$name" "$name"
    done
done"#;

/// The file that makes the application stop planting links.
const END: &str = "/tmp/end";

/// The user of the sidecars.
const THEIR_USER: u32 = 100;

/// A pod that plants, as this user. Its containers can write to the secrets, as manifests of Vault Sidecar Injector have
/// it.
fn planting<'s>(
    scenario: &'s Scenario,
    engine: &str,
    secrets_type: &str,
    user: u32,
) -> PodBuilder<'s> {
    let path = scenario.secret("app", json!({"word": "first"}));
    let container = |name: &str, script: &str| {
        shell_container_with(
            name,
            &format!("cd {SECRETS}\n{script}"),
            json!({
                "securityContext": {"runAsUser": user},
                "volumeMounts": [{"name": "secrets", "mountPath": SECRETS}],
            }),
        )
    };
    let names = NAMES.join(" ");
    let again = format!(
        "trap 'exit 0' TERM; until [ -e {END} ]; do\n{PLANT}\nsleep 1\ndone; rm -f {names}; {WAIT}"
    );
    scenario
        .pod()
        .annotate("template-engine", engine)
        .annotate("secrets-type", secrets_type)
        .annotate("secrets-path", &[path.as_str(); 4].join(","))
        .annotate("secrets-destination", &NAMES.join(","))
        .spec("initContainers", json!([container("plant", PLANT)]))
        .spec(
            "volumes",
            json!([{"name": "secrets", "emptyDir": {"medium": "Memory"}}]),
        )
        .container_with(container("app", &again))
}

/// With the user of the sidecars, whose files are replaced, and who replace what is planted.
fn plants(scenario: &Scenario, engine: &str, secrets_type: &str) {
    let pod = planting(scenario, engine, secrets_type, THEIR_USER).run();
    pod.wait_until_started("app");
    if secrets_type == "static" {
        // It fetched them before anything could be planted, and ended.
        assert_eq!(scenario.tokens(), 0, "its token was revoked");
        look_into(&pod, scenario, "tvsi-shared");
        assert_eq!(files(&pod, "look", "/look/init"), NAMES[..1]);
        return;
    }
    let token = pod.token();
    // The files are written again beside the links, and in their place.
    for word in ["second", "third"] {
        scenario.secret("app", json!({"word": word}));
        pod.wait_until_true("the renderer has written what changed", || {
            let log = pod.log("app");
            let mut found = log.lines();
            found.any(|found| {
                NAMES
                    .iter()
                    .any(|name| found == format!("{name} 1 word={word}"))
            })
        });
    }
    assert_untouched(&pod, scenario, &token);
    pod.delete();
    assert!(!scenario.is_valid(&token), "it was revoked");
}

/// Nobody else may replace the links of another user, because the kubelet makes volumes in memory with the sticky bit: the
/// renderer writes its files when they are gone.
fn plants_as_root(scenario: &Scenario, engine: &str) {
    let pod = planting(scenario, engine, "dynamic", 0).run();
    pod.wait_until_started("app");
    let token = pod.token();
    scenario.secret("app", json!({"word": "second"}));
    pod.wait_for_log(renderer_of(engine), "operation not permitted");
    assert_untouched(&pod, scenario, &token);

    pod.shell("app", &format!("touch {END}"));
    pod.wait_until_true("the links are gone", || {
        let links = pod.shell("app", &format!("find {SECRETS} -type l"));
        links.is_empty()
    });
    scenario.secret("app", json!({"word": "third"}));
    for name in NAMES {
        pod.wait_for_content("app", &format!("{SECRETS}/{name}"), b"word=third\n");
    }
    assert_untouched(&pod, scenario, &token);
}

/// The sidecars have gone on with what is theirs.
fn assert_untouched(pod: &Running, scenario: &Scenario, token: &str) {
    assert_eq!(pod.token(), token, "the token is the one of the login");
    assert!(scenario.is_valid(token));
    assert_eq!(files(pod, AGENT, SHARED), NAMES[..1]);
    let mut sidecars = pod.containers();
    sidecars.retain(|name| [AGENT, CONSUL_TEMPLATE].contains(&name.as_str()));
    pod.assert_no_restarts(&sidecars);
}

/// The names of the files in a directory of a container.
fn files(pod: &Running, container: &str, directory: &str) -> Vec<String> {
    let names = pod.shell(container, &format!("ls -A {directory}"));
    names.lines().map(str::to_owned).collect()
}

/// Adds the container `look` for debugging, which has a volume of the policy's at `/look`. The policy rejects that; so
/// for a look into the volume the namespace goes out of its reach.
fn look_into(pod: &Running, scenario: &Scenario, volume: &str) {
    let mount = json!({"volumeMounts": [{"name": volume, "mountPath": "/look"}]});
    let look = shell_container_with("look", WAIT, mount);
    let error = scenario.debug(pod.name(), &look);
    let error = error.expect_err("the policy rejects it");
    let message = format!("container look: uses volume {volume}, which is reserved");
    assert!(error.to_string().contains(&message), "{error}");

    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scenario.name},
    });
    let without_policy = json!({"metadata": {"labels": {POLICY_LABEL: null}}});
    let changed = cluster().merge(&namespace, &without_policy);
    changed.expect("the label is removed");
    pod.wait_until_true("the container look is added", || {
        scenario.debug(pod.name(), &look).is_ok()
    });
    pod.wait_until_true("the container look runs", || pod.can_execute("look"));
}

fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    scenario
        .pod_with_secret(json!({"word": "first"}))
        .container("app", WAIT)
}

fn renderer(scenario: &Scenario) {
    let pod = pod(scenario).run();
    pod.wait_for_content("app", FILE, b"word=first\n");
    pod.shell(CONSUL_TEMPLATE, &format!("touch {SECRETS}/own"));
    pod.shell(
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
        pod.assert_fails(CONSUL_TEMPLATE, script, "");
    }
}

fn agent(scenario: &Scenario) {
    let pod = pod(scenario)
        .annotate("template-engine", "vault-agent")
        .run();
    pod.wait_for_content("app", FILE, b"word=first\n");
    assert_eq!(files(&pod, AGENT, SHARED), NAMES[..1]);
    pod.shell(AGENT, "[ -n \"$HOME\" ] && [ ! -e \"$HOME\" ]");
    for script in [
        "mkdir \"$HOME\"",
        "touch /own",
        "touch /bin/own",
        "touch /etc/own",
    ] {
        pod.assert_fails(AGENT, script, "");
    }
    let is_native = scenario.sidecars == Sidecars::Native;
    assert_eq!(pod.containers()[0] == AGENT, is_native);
    assert!(!pod.containers().contains(&AGENT_INIT.to_owned()));
}
