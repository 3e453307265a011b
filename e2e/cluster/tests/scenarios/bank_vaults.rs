//! Workloads such as Bank-Vaults tries its webhook with, with this policy's annotations in place of its own.

use std::net::TcpStream;

use cluster_scenarios::admission::LOCAL_REGISTRY;
use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, entry};
use crate::support::running::Running;
use crate::support::scenario::{PodBuilder, Scenario, WAIT, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("bank_vaults_deployment", CLASSIC, deployment).local(),
    entry("bank_vaults_user", CLASSIC, user),
    entry("bank_vaults_sidecar_user", CLASSIC, sidecar_user),
    entry("bank_vaults_agent_configuration", BOTH, agent_configuration),
    entry("bank_vaults_retries", CLASSIC, retries),
];

const NAME: &str = "AWS_SECRET_ACCESS_KEY";

/// A container that shows the variable.
fn container(name: &str, reference: &str) -> Value {
    let script = format!("echo ${NAME} && echo going to sleep && {WAIT}");
    shell_container_with(
        name,
        &script,
        json!({"env": [{"name": NAME, "value": reference}]}),
    )
}

/// A pod with one, and the path of its secret.
fn pod(scenario: &Scenario) -> (PodBuilder<'_>, String) {
    let path = scenario.secret(
        "aws",
        json!({NAME: "s3cr3t", "AWS_ACCESS_KEY_ID": "secretId"}),
    );
    let app = container("app", &format!("vault:{path}#{NAME}"));
    (scenario.pod().container_with(app), path)
}

fn shows(pod: &Running) {
    pod.wait_for_log("app", "s3cr3t\n");
}

/// An init container with a template, a container with a command, and one without.
fn deployment(scenario: &Scenario) {
    if TcpStream::connect(LOCAL_REGISTRY).is_err() {
        return scenario.was_not_run("there is no registry: docker-registry is not installed");
    }
    let (pod, path) = pod(scenario);
    let mut init = container("init", &format!("vault:{path}#${{.{NAME}}}"));
    let script = format!("echo ${NAME} && echo initContainers ready");
    init["command"] = json!(["sh", "-c", script]);
    let redis = json!({
        "name": "redis", "image": format!("{LOCAL_REGISTRY}/test/serve:1"),
        "env": [{"name": "V", "value": format!("vault:{path}#{NAME}")}],
    });
    let mut pod = pod.container_with(redis);
    pod.object["spec"]["initContainers"] = json!([init]);
    let pod = pod.run();
    shows(&pod);
    pod.wait_for_log("redis", "app: s3cr3t\n");
    assert_eq!(pod.log("init"), "s3cr3t\ninitContainers ready\n");
}

/// The application's user is the pod's.
fn user(scenario: &Scenario) {
    let (pod, path) = pod(scenario);
    let mut pod = pod.spec("securityContext", json!({"runAsUser": 1000}));
    let init = container("init", &format!("vault:{path}#{NAME}"));
    pod.object["spec"]["initContainers"] = json!([init]);
    pod.object["spec"]["initContainers"][0]["command"] =
        json!(["sh", "-c", format!("echo ${NAME}; id -u")]);
    let pod = pod.run();
    shows(&pod);
    assert_eq!(pod.log("init"), "s3cr3t\n1000\n");
}

/// The injected containers' user is another.
fn sidecar_user(scenario: &Scenario) {
    let (pod, _) = pod(scenario);
    let pod = pod
        .annotate("run-as-user", "1000")
        .annotate("run-as-group", "1000");
    shows(&pod.run());
}

/// The agent's configuration is in a ConfigMap.
fn agent_configuration(scenario: &Scenario) {
    let path = scenario.secret(
        "aws",
        json!({NAME: "s3cr3t", "AWS_ACCESS_KEY_ID": "secretId"}),
    );
    let config = format!(
        r#"
        auto_auth {{
          method "kubernetes" {{
            mount_path = "auth/kubernetes"
            config = {{ role = "{role}" }}
          }}
          sink "file" {{ config = {{ path = "/opt/talend/tvsi/.vault-token" }} }}
        }}
        template {{
          contents = <<EOH
        {{{{- with secret "{path}" }}}}{{"id": "{{{{ .Data.data.AWS_ACCESS_KEY_ID }}}}"}}{{{{ end }}}}
          EOH
          destination = "/opt/talend/secrets/config.yaml"
        }}
        "#,
        role = scenario.name
    );
    scenario.put_config_map("agent", &[("config.hcl", &config)]);
    let file = "/vault/secrets/config.yaml";
    let pod = scenario
        .pod()
        .annotate("agent-configmap", "agent")
        .annotate("template-engine", "vault-agent")
        .annotate("secrets-template", "not used")
        .annotate("secrets-mount-path", "/vault/secrets")
        .container(
            "app",
            &format!("until cat {file}; do sleep 1; done; {WAIT}"),
        )
        .run();
    pod.wait_for_log("app", "\"id\": \"secretId\"");
}

/// A configuration that has nothing but retries is not needed.
fn retries(scenario: &Scenario) {
    let (pod, _) = pod(scenario);
    let pod = pod
        .annotate("run-as-user", "1000")
        .annotate("run-as-group", "1000")
        .annotate("client-max-retries", "3");
    shows(&pod.run());
}
