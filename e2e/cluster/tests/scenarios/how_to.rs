//! The manifests of the pages in docs/how-to, each as it stands there, except for what belongs to a cluster: the image and
//! the command of the application, the service account and the role, and where in Vault the secrets are.

use std::fs;

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, NATIVE, Sidecars, entry};
use crate::support::run::{overlay, root, run};
use crate::support::running::{LIMIT, Running, wait_until_true};
use crate::support::scenario::{SHELL, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry("how_to_files", BOTH, files).vault_only(),
    entry("how_to_environment_variables", BOTH, environment_variables).vault_only(),
    entry("how_to_jobs", NATIVE, jobs).vault_only(),
    entry("how_to_pki", BOTH, pki).vault_only(),
    entry("how_to_database_credentials", BOTH, database_credentials).vault_only(),
    entry("how_to_helm", BOTH, helm).vault_only(),
    entry("how_to_service_meshes", NATIVE, service_meshes).vault_only(),
    entry("how_to_openshift", CLASSIC, openshift)
        .settings(openshift_settings)
        .vault_only(),
    entry("how_to_several_vaults", BOTH, several_vaults)
        .settings(|| json!({"restrictions": {"allowedAddresses": [OTHER_VAULT]}}))
        .vault_only(),
];

/// The run's Vault at its port with TLS, where a page has another one than that of the settings.
const OTHER_VAULT: &str = "https://vault:8202";

/// Names in the manifests, and what stands for them in a scenario. An engine of KV version 1 stands for that of databases.
fn replacements(namespace: &str) -> [(&'static str, String); 8] {
    [
        ("secret/shop/", format!("secret/{namespace}/")),
        ("secret/data/shop/", format!("secret/data/{namespace}/")),
        ("secret/reports/", format!("secret/{namespace}/")),
        ("database/creds/", format!("kv1/{namespace}/")),
        ("pki/issue/shop", format!("leased-{namespace}/issue/app")),
        (
            "https://vault-emea.example.org:8200",
            OTHER_VAULT.to_owned(),
        ),
        ("kubernetes-emea", "kubernetes".to_owned()),
        // The run's image of Consul Template has Debian's busybox, without pkill.
        ("pkill -HUP -o nginx", "killall -HUP nginx".to_owned()),
    ]
}

/// Applies a manifest of deploy/samples whose application is this script, and returns its first pod.
fn apply(scenario: &Scenario, sample: &str, script: &str) -> Running {
    apply_with(scenario, sample, script, |_| {})
}

fn apply_with(
    scenario: &Scenario,
    sample: &str,
    script: &str,
    change: impl FnOnce(&mut Value),
) -> Running {
    const APP: &str = "how-to";
    let file = root().join("deploy/samples").join(sample);
    let mut text = fs::read_to_string(&file).expect("the sample is there");
    for (from, to) in replacements(&scenario.name) {
        text = text.replace(from, &to);
    }
    let mut object: Value = yaml_serde::from_str(&text).expect("it is YAML");
    if object["spec"]["selector"].is_object() {
        object["spec"]["selector"] = json!({"matchLabels": {"app": APP}});
        object["spec"]["replicas"] = json!(1);
    }
    let template = &mut object["spec"]["template"];
    template["metadata"]["labels"]["app"] = json!(APP);
    let annotations = &mut template["metadata"]["annotations"];
    annotations["sidecar.vault.talend.org/role"] = json!(scenario.name);
    annotations["sidecar.vault.talend.org/sidecars"] = json!(scenario.sidecars.name());
    template["spec"]["serviceAccountName"] = json!("app");
    let container = &mut template["spec"]["containers"][0];
    container["image"] = json!(SHELL);
    container["command"] = json!(["/bin/sh", "-c", script]);
    container.as_object_mut().expect("an object").remove("args");
    change(&mut template["spec"]);
    scenario.apply(object);

    let mut pods = Vec::new();
    wait_until_true(LIMIT, "there is a pod", || {
        pods = scenario.new_pods(APP, &[]);
        !pods.is_empty()
    });
    pods.remove(0)
}

/// Writes the credentials that stand for a database's, which are read again every few seconds.
fn credentials(scenario: &Scenario, name: &str, user: &str) {
    let data = json!({"username": user, "password": "p", "ttl": "5s"});
    scenario.secret_v1(name, data);
}

fn files(scenario: &Scenario) {
    scenario.secret("orders", json!({"url": "https://orders"}));
    credentials(scenario, "orders", "first");
    let pod = apply(scenario, "deployment-dynamic.yaml", WAIT);
    let content = |path: &str, content: &[u8]| {
        pod.wait_for_content("orders", &format!("/opt/talend/secrets/{path}"), content);
    };
    content("orders.properties", b"url=https://orders\n");
    content(
        "database.properties",
        b"password=p\nttl=5s\nusername=first\n",
    );
    credentials(scenario, "orders", "second");
    content(
        "database.properties",
        b"password=p\nttl=5s\nusername=second\n",
    );
}

fn environment_variables(scenario: &Scenario) {
    scenario.secret("db", json!({"user": "u", "password": "$(id)"}));
    scenario.secret("mail", json!({"user": "m"}));
    let script = format!("echo \"$DB_USER $DB_PASSWORD $MAIL_URL $LOG_LEVEL\"; {WAIT}");
    let pod = apply(scenario, "deployment-references.yaml", &script);
    pod.wait_for_log("orders", "u $(id) smtp://m@mail:587 info\n");
}

fn jobs(scenario: &Scenario) {
    scenario.secret("invoices", json!({"a": "b"}));
    let script = "cat /opt/talend/secrets/secrets.properties";
    let pod = apply(scenario, "job-native.yaml", script);
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_eq!(pod.log("invoices"), "a=b\n");
}

/// A program called nginx gets the signal when there is another certificate.
fn pki(scenario: &Scenario) {
    scenario.leased_secrets();
    let nginx = "#!/bin/sh\ntrap 'echo read again' HUP\nwhile :; do sleep 1; done";
    let script = format!(
        "printf '%s\\n' {} >/tmp/nginx; chmod +x /tmp/nginx; exec /tmp/nginx",
        quoted(nginx)
    );
    // Vault gives a certificate of a minute, so that the next one comes soon.
    let role = json!({"allow_any_name": true, "key_type": "ec", "max_ttl": "1m"});
    scenario.write(&format!("leased-{}/roles/app", scenario.name), &role);
    let pod = apply(scenario, "deployment-signal.yaml", &script);
    pod.wait_for_log("nginx", "read again\n");
    let file = pod.read("nginx", "/opt/talend/secrets/tls.pem");
    let text = String::from_utf8(file).expect("it is text");
    assert!(text.contains("BEGIN CERTIFICATE"), "{text}");
    assert!(text.contains("BEGIN EC PRIVATE KEY"), "{text}");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn database_credentials(scenario: &Scenario) {
    credentials(scenario, "shop", "first");
    let script = format!("echo \"$PGUSER $PGPASSWORD\"; {WAIT}");
    let pod = apply(scenario, "deployment-restart.yaml", &script);
    pod.wait_for_log("billing", "first p\n");
    credentials(scenario, "shop", "second");
    pod.wait_for_log("billing", "second p\n");
    assert_eq!(pod.restarts("billing"), 1);
}

fn helm(scenario: &Scenario) {
    credentials(scenario, "catalog", "first");
    scenario.secret("catalog", json!({"search-key": "k"}));
    let pod = apply(scenario, "deployment-helm.yaml", WAIT);
    let content = b"database:\n  user: \"first\"\n  password: \"p\"\nsearchKey: \"k\"\n";
    pod.wait_for_content("catalog", "/opt/talend/secrets/catalog.yaml", content);
}

/// Without a mesh: the annotations and the order of the containers are what a mesh would find.
fn service_meshes(scenario: &Scenario) {
    scenario.secret("payments", json!({"a": "b"}));
    let pod = apply(scenario, "deployment-mesh.yaml", WAIT);
    pod.wait_for_content(
        "payments",
        "/opt/talend/secrets/secrets.properties",
        b"a=b\n",
    );
}

fn openshift_settings() -> Value {
    let mut settings = overlay("openshift").expect("the overlay is there");
    settings["vault"]["address"] = json!("http://vault:8200");
    settings
}

/// What OpenShift adds to a pod stands in the scenario: the namespace's user.
fn openshift(scenario: &Scenario) {
    assert_eq!(scenario.sidecars, Sidecars::Classic);
    scenario.secret("orders", json!({"url": "https://orders"}));
    credentials(scenario, "orders", "first");
    let pod = apply_with(scenario, "deployment-dynamic.yaml", WAIT, |spec| {
        let id = 1_000_660_000;
        spec["securityContext"] = json!({"runAsUser": id, "fsGroup": id, "runAsNonRoot": true});
    });
    let path = "/opt/talend/secrets/orders.properties";
    pod.wait_for_content("orders", path, b"url=https://orders\n");
    assert_eq!(
        pod.shell("orders", &format!("stat -c %u {path}")),
        "1000660000\n"
    );
}

fn several_vaults(scenario: &Scenario) {
    scenario.secret("warehouse", json!({"a": "b"}));
    let ca = &run().authority.certificate;
    scenario.put_secret("vault-emea-ca", &[("ca.crt", ca)]);
    let pod = apply(scenario, "other-vault/deployment.yaml", WAIT);
    pod.wait_for_content(
        "reports",
        "/opt/talend/secrets/secrets.properties",
        b"a=b\n",
    );
}
