//! Vault behind TLS: the sidecars verify its certificate, unless the settings turn that off.

use cluster_scenarios::certificates::Authority;
use serde_json::{Value, json};

use crate::support::entry::{BOTH, Entry, Sidecars, entry};
use crate::support::run::run;
use crate::support::running::{AGENT, FILE, Running, TOKEN};
use crate::support::scenario::{PodBuilder, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry("tls_ca_in_secret", BOTH, ca_in_secret)
        .settings(|| tls(json!({"ca": {"secretName": "vault-ca"}})))
        .quick(),
    entry("tls_ca_in_config_map", BOTH, ca_in_config_map)
        .settings(|| tls(json!({"ca": {"configMapName": "vault-ca", "key": "root.pem"}}))),
    entry("tls_agent_renders", BOTH, agent_renders)
        .settings(|| tls(json!({"ca": {"secretName": "vault-ca"}}))),
    entry("tls_wrong_ca", BOTH, wrong_ca)
        .settings(|| tls(json!({"skipVerify": false, "ca": {"secretName": "vault-ca"}}))),
    entry(
        "tls_wrong_ca_without_verification",
        BOTH,
        wrong_ca_without_verification,
    )
    .settings(|| tls(json!({"skipVerify": true, "ca": {"secretName": "vault-ca"}}))),
    entry("tls_no_ca", BOTH, no_ca)
        .settings(|| tls(json!({"skipVerify": false})))
        .quick(),
];

const ADDRESS: &str = "https://vault:8202";

/// Settings with Vault's address in HTTPS, and these of `vault.tls`.
fn tls(tls: Value) -> Value {
    json!({"vault": {"address": ADDRESS, "tls": tls}})
}

fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    scenario
        .pod_with_secret(json!({"word": "first"}))
        .container("app", WAIT)
}

fn expect_secrets(scenario: &Scenario, pod: &Running) {
    pod.wait_for_content("app", FILE, b"word=first\n");
    let token = pod.token();
    scenario.delete_pod(pod);
    assert!(!scenario.is_valid(&token), "the revocation has TLS too");
    assert_eq!(scenario.logins(), 1);
    assert_only_address(pod);
}

/// The sidecars know no other way to Vault.
fn assert_only_address(pod: &Running) {
    let pod = json!(pod.life().pod);
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].clone());
    let containers = lists.iter().filter_map(Value::as_array).flatten();
    let variables = containers.filter_map(|it| it["env"].as_array()).flatten();
    let addresses: Vec<&Value> = variables
        .filter(|it| it["name"] == "VAULT_ADDR")
        .map(|it| &it["value"])
        .collect();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|it| **it == ADDRESS), "{addresses:?}");
}

/// The log reports why nothing comes, and the pod can be deleted.
fn expect_refusal(scenario: &Scenario, pod: &Running) {
    pod.wait_for_log(AGENT, "certificate signed by unknown authority");
    let token = pod.execute(AGENT, &["test", "-e", TOKEN]).expect("it runs");
    assert!(!token.succeeded(), "there is a token");
    assert_eq!(scenario.logins(), 0);
    let has_begun = pod.has_begun("app");
    assert_eq!(has_begun, scenario.sidecars == Sidecars::Classic);
    scenario.delete_pod(pod);
    assert_eq!(pod.end_of(AGENT).status, 0);
}

fn ca_in_secret(scenario: &Scenario) {
    let ca = &run().authority.certificate;
    scenario.put_secret("vault-ca", &[("ca.crt", ca)]);
    expect_secrets(scenario, &pod(scenario).run());
}

fn ca_in_config_map(scenario: &Scenario) {
    let ca = &run().authority.certificate;
    scenario.put_config_map("vault-ca", &[("root.pem", ca)]);
    expect_secrets(scenario, &pod(scenario).run());
}

fn agent_renders(scenario: &Scenario) {
    let ca = &run().authority.certificate;
    scenario.put_secret("vault-ca", &[("ca.crt", ca)]);
    let pod = pod(scenario)
        .annotate("template-engine", "vault-agent")
        .run();
    expect_secrets(scenario, &pod);
}

fn put_wrong_ca(scenario: &Scenario) {
    let other = Authority::new("another").expect("a key can be made");
    let ca = [("ca.crt", other.certificate.as_str())];
    scenario.put_secret("vault-ca", &ca);
}

fn wrong_ca(scenario: &Scenario) {
    put_wrong_ca(scenario);
    expect_refusal(scenario, &pod(scenario).run());
}

fn wrong_ca_without_verification(scenario: &Scenario) {
    put_wrong_ca(scenario);
    expect_secrets(scenario, &pod(scenario).run());
}

/// `VAULT_SKIP_VERIFY=false` would turn the verification off.
fn no_ca(scenario: &Scenario) {
    expect_refusal(scenario, &pod(scenario).run());
}
