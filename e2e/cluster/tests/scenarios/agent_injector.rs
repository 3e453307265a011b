//! Pods with the annotations of HashiCorp's Agent Injector: what its users write most, unchanged.

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::running::Running;
use crate::support::scenario::{PodBuilder, Scenario, WAIT};

/// The Agent Injector's directory and containers.
const SECRETS: &str = "/vault/secrets";
const AGENT: &str = "vault-agent";
const AGENT_INIT: &str = "vault-agent-init";

pub const SCENARIOS: &[Entry] = &[
    entry("hc_secret", BOTH, secret).settings(enabled).quick(),
    entry("hc_template_and_command", BOTH, template_and_command).settings(enabled),
    entry("hc_json", CLASSIC, json_of_all).settings(enabled),
    entry("hc_job", CLASSIC, job).settings(enabled).quick(),
    entry("hc_without_init_container", CLASSIC, without_init_container).settings(enabled),
    entry("hc_init_first", CLASSIC, init_first).settings(enabled),
    entry("hc_directories", CLASSIC, directories).settings(enabled),
    entry("hc_token_and_cache", CLASSIC, token_and_cache).settings(enabled),
    entry("hc_approle", CLASSIC, approle).settings(enabled),
    entry("hc_own_configuration", CLASSIC, own_configuration).settings(enabled),
    entry("hc_template_of_a_config_map", CLASSIC, copied_template).settings(enabled),
    entry("hc_revocation", CLASSIC, revocation).settings(enabled),
];

fn enabled() -> Value {
    json!({"agentInjector": {"enabled": true}})
}

/// A pod with an annotation of the Agent Injector's for each of these, and no other.
fn pod<'s>(scenario: &'s Scenario, annotations: &[(&str, &str)]) -> PodBuilder<'s> {
    let mut pod = scenario.pod();
    let mut all = json!({
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/role": scenario.name,
    });
    if scenario.sidecars == Sidecars::Native {
        all["vault.hashicorp.com/sidecars"] = json!("native");
    }
    for (name, value) in annotations {
        all[format!("vault.hashicorp.com/{name}")] = json!(value);
    }
    pod.object["metadata"]["annotations"] = all;
    pod
}

fn wait_for(pod: &Running, file: &str, content: &str) {
    let path = format!("{SECRETS}/{file}");
    pod.wait_for_content("app", &path, content.as_bytes());
}

/// Two annotations: the file is there when the application starts, and follows the secret.
fn secret(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop", "password": "p$(HOME)$$"}));
    let settings = [
        ("agent-inject-secret-db", path.as_str()),
        ("template-static-secret-render-interval", "5s"),
    ];
    let script = format!("cat {SECRETS}/db; {WAIT}");
    let pod = pod(scenario, &settings).container("app", &script).run();
    let content = "password: p$(HOME)$$\nuser: shop\n";
    pod.wait_for_log("app", content);
    assert_eq!(pod.log("app"), content, "its first command has it");
    let containers: &[&str] = match scenario.sidecars {
        Sidecars::Classic => &[AGENT_INIT, "app", AGENT],
        Sidecars::Native => &[AGENT, "app"],
    };
    assert_eq!(pod.containers(), containers);
    scenario.secret("app", json!({"user": "other"}));
    wait_for(&pod, "db", "user: other\n");
    pod.assert_no_restarts(containers);
}

fn template_and_command(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let template =
        format!("{{{{ with secret \"{path}\" }}}}{{{{ .Data.data.user }}}}{{{{ end }}}}");
    let command = format!("cp {SECRETS}/Conf/app.conf {SECRETS}/copy");
    let pod = pod(
        scenario,
        &[
            ("agent-inject-secret-APP", &path),
            ("agent-inject-template-APP", &template),
            ("agent-inject-file-APP", "Conf/app.conf"),
            ("agent-inject-perms-APP", "0444"),
            ("agent-inject-command-APP", &command),
        ],
    );
    let pod = pod.container("app", WAIT).run();
    wait_for(&pod, "Conf/app.conf", "shop");
    wait_for(&pod, "copy", "shop");
    let mode = pod.shell("app", &format!("stat -c %a {SECRETS}/Conf/app.conf"));
    assert_eq!(mode.trim(), "444");
}

/// What applications read that were written for its default template `json`.
fn json_of_all(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let settings = [
        ("agent-inject-secret-db", path.as_str()),
        ("agent-inject-default-template", "json"),
    ];
    let pod = pod(scenario, &settings).container("app", WAIT).run();
    let file = format!("{SECRETS}/db");
    let mut read = Value::Null;
    pod.wait_until_true("the file is JSON", || {
        let text = pod.execute("app", &["cat", &file]);
        let text = text.map(|read| read.text()).unwrap_or_default();
        read = serde_json::from_str(&text).unwrap_or_default();
        !read.is_null()
    });
    assert_eq!(read["data"], json!({"user": "shop"}));
    assert!(read["metadata"].is_object(), "{read}");
}

/// Its answer for Jobs: what an init container has leased lives on while the job works.
fn job(scenario: &Scenario) {
    let template = scenario.lease_template();
    let settings = [
        ("agent-pre-populate-only", "true"),
        ("agent-inject-template-serial", template.as_str()),
    ];
    let pod = pod(scenario, &settings)
        .spec("restartPolicy", json!("Never"))
        .container("app", &format!("cat {SECRETS}/serial; sleep 5"))
        .run();
    pod.wait_for_log("app", ":");
    let serial = pod.log("app");
    assert!(!scenario.is_revoked(serial.trim()), "it is leased still");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_eq!(pod.containers(), [AGENT_INIT, "app"]);
}

fn without_init_container(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let settings = [
        ("agent-pre-populate", "false"),
        ("agent-inject-secret-db", path.as_str()),
    ];
    let pod = pod(scenario, &settings).container("app", WAIT).run();
    wait_for(&pod, "db", "user: shop\n");
    assert_eq!(pod.containers(), ["app", AGENT]);
}

fn init_first(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let settings = [
        ("agent-init-first", "true"),
        ("agent-inject-secret-db", path.as_str()),
    ];
    let pod = pod(scenario, &settings)
        .init_container("migrate", &format!("cat {SECRETS}/db"))
        .container("app", WAIT)
        .run();
    pod.wait_for_log("migrate", "user: shop\n");
    assert_eq!(pod.containers(), [AGENT_INIT, "migrate", "app", AGENT]);
}

fn directories(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let pod = pod(
        scenario,
        &[
            ("agent-inject-secret-a", &path),
            ("agent-inject-secret-b", &path),
            ("secret-volume-path-b", "/app/config"),
            ("agent-inject-secret-c", &path),
            ("secret-volume-path-c", "/vault/secrets/nested"),
            ("agent-inject-secret-d", &path),
            ("secret-volume-path-d", "/etc/app"),
        ],
    );
    let pod = pod.container("app", WAIT).run();
    for path in [
        "/vault/secrets/a",
        "/app/config/b",
        "/vault/secrets/nested/c",
        "/etc/app/d",
    ] {
        pod.wait_for_content("app", path, b"user: shop\n");
    }
}

fn token_and_cache(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let settings = [
        ("agent-inject-secret-db", path.as_str()),
        ("agent-inject-token", "true"),
        ("agent-cache-enable", "true"),
        ("agent-cache-listener-port", "8300"),
    ];
    let read = format!("wget -qO- http://127.0.0.1:8300/v1/{path}");
    let pod = pod(scenario, &settings).container("app", WAIT).run();
    wait_for(&pod, "db", "user: shop\n");
    let token = pod.shell("app", &format!("cat {SECRETS}/token"));
    assert!(scenario.is_valid(token.trim()));
    pod.wait_until_true("the agent answers", || {
        let answer = pod.execute("app", &["sh", "-c", &read]);
        answer.is_ok_and(|answer| answer.text().contains("\"user\":\"shop\""))
    });
    pod.assert_no_restarts(&[AGENT_INIT, AGENT]);
}

/// With the ids from a Secret, as its documentation shows it.
fn approle(scenario: &Scenario) {
    let name = &scenario.name;
    let path = scenario.secret("app", json!({"user": "shop"}));
    let role = format!("auth/approle/role/{name}");
    scenario.write(&role, &json!({"token_policies": [name]}));
    let role_id = scenario.vault.read(&format!("{role}/role-id"));
    let role_id = role_id.expect("Vault answers").expect("there is one");
    let secret_id = scenario.write(&format!("{role}/secret-id"), &json!({}));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (role_id, secret_id) = (
        text(&role_id["data"]["role_id"]),
        text(&secret_id["data"]["secret_id"]),
    );
    scenario.put_secret("ids", &[("role", &role_id), ("secret", &secret_id)]);
    let pod = pod(
        scenario,
        &[
            ("agent-inject-secret-db", &path),
            ("agent-extra-secret", "ids"),
            ("auth-type", "approle"),
            ("auth-path", "auth/approle"),
            ("auth-config-role-id-file-path", "/vault/custom/role"),
            ("auth-config-secret-id-file-path", "/vault/custom/secret"),
            ("auth-config-remove-secret-id-file-after-reading", "false"),
        ],
    );
    let pod = pod.container("app", WAIT).run();
    wait_for(&pod, "db", "user: shop\n");
}

fn own_configuration(scenario: &Scenario) {
    let name = &scenario.name;
    let path = scenario.secret("app", json!({"user": "shop"}));
    let config = |is_init: bool| {
        format!(
            r#"exit_after_auth = {is_init}
auto_auth {{
  method "kubernetes" {{
    mount_path = "auth/kubernetes"
    config = {{ role = "{name}" }}
  }}
  sink "file" {{ config = {{ path = "/home/vault/.vault-token" }} }}
}}
vault {{ address = "http://vault:8200" }}
template {{
  contents = "{{{{ with secret \"{path}\" }}}}{{{{ .Data.data.user }}}}{{{{ end }}}}"
  destination = "/vault/secrets/user"
}}
"#
        )
    };
    scenario.put_config_map(
        "agent",
        &[
            ("config.hcl", &config(false)),
            ("config-init.hcl", &config(true)),
        ],
    );
    let settings = [("agent-configmap", "agent")];
    let script = format!("cat {SECRETS}/user; echo; {WAIT}");
    let pod = pod(scenario, &settings).container("app", &script).run();
    pod.wait_for_log("app", "shop");
    pod.wait_until_started(AGENT);
    pod.assert_no_restarts(&[AGENT_INIT, AGENT]);
}

/// A template in a ConfigMap that the application mounts, which the agent mounts as well.
fn copied_template(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let template =
        format!("{{{{ with secret \"{path}\" }}}}{{{{ .Data.data.user }}}}{{{{ end }}}}");
    scenario.put_config_map("templates", &[("app.ctmpl", &template)]);
    let settings = [
        ("agent-inject-template-file-app", "/templates/app.ctmpl"),
        ("agent-copy-volume-mounts", "app"),
    ];
    let container = json!({
        "name": "app",
        "image": "busybox:1.37-musl",
        "command": ["/bin/sh", "-c", WAIT],
        "volumeMounts": [{"name": "templates", "mountPath": "/templates"}],
    });
    let pod = pod(scenario, &settings)
        .container_with(container)
        .spec(
            "volumes",
            json!([{"name": "templates", "configMap": {"name": "templates"}}]),
        )
        .run();
    wait_for(&pod, "app", "shop");
}

/// The token ends with the pod only where the pod says so, and then after the application has had its time.
fn revocation(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let settings = [
        ("agent-pre-populate", "false"),
        ("agent-inject-token", "true"),
        ("agent-inject-secret-db", path.as_str()),
        ("agent-revoke-on-shutdown", "true"),
        ("agent-revoke-grace", "1"),
    ];
    let pod = pod(scenario, &settings).container("app", WAIT).run();
    wait_for(&pod, "db", "user: shop\n");
    let token = pod.shell("app", &format!("cat {SECRETS}/token"));
    assert!(scenario.is_valid(token.trim()));
    pod.delete();
    assert!(!scenario.is_valid(token.trim()), "it was revoked");
}
