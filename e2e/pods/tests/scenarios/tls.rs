//! Vault behind TLS: the sidecars verify its certificate, unless they are told not to.

use pod_runner::certificates::Authority;
use serde_json::{Value, json};

use super::Entry;
use crate::support::cluster;
use crate::support::running::{AGENT, Running};
use crate::support::scenario::{BOTH, PodBuilder, Scenario, Sidecars};

pub const SCENARIOS: &[Entry] = &[
    ("tls_ca_in_secret", BOTH, ca_in_secret),
    ("tls_ca_in_config_map", BOTH, ca_in_config_map),
    ("tls_agent_renders", BOTH, agent_renders),
    ("tls_wrong_ca", BOTH, wrong_ca),
    (
        "tls_wrong_ca_without_verification",
        BOTH,
        wrong_ca_without_verification,
    ),
    ("tls_no_ca", BOTH, no_ca),
];

/// A pod with Vault's address in HTTPS, and these settings of `vault.tls`.
fn pod<'s>(scenario: &'s Scenario, tls: &Value) -> PodBuilder<'s> {
    let path = scenario.secret("app", json!({"word": "first"}));
    scenario
        .pod()
        .setting(
            "/vault/address",
            json!(format!("https://127.0.0.1:{}", scenario.vault_tls.port)),
        )
        .setting("/vault/tls", tls.clone())
        .annotate("secrets-path", &path)
        .container("app", "trap 'exit 0' TERM; sleep 1000 & wait")
}

fn expect_secrets(scenario: &Scenario, pod: &Running) {
    pod.wait_for_content(
        "app",
        "/opt/talend/secrets/secrets.properties",
        b"word=first\n",
    );
    let token = pod.token();
    scenario.took("the deletion", pod.delete());
    assert!(!scenario.is_valid(&token), "the revocation has TLS too");
    assert_eq!(scenario.logins(), 0, "there is no other way to Vault");
}

/// The log tells why nothing comes, and the pod can be deleted.
fn expect_refusal(scenario: &Scenario, pod: &Running) {
    pod.wait_for_log(AGENT, "certificate signed by unknown authority");
    assert!(!pod.volume("tvsi-shared").join(".vault-token").exists());
    let has_begun = pod.has_begun("app");
    assert_eq!(has_begun, scenario.sidecars == Sidecars::Classic);
    scenario.took("the deletion", pod.delete());
    assert_eq!(pod.end_of(AGENT).status, 0);
}

fn ca_in_secret(scenario: &Scenario) {
    let ca = &cluster().authority.certificate;
    cluster().put_secret(&scenario.name, "vault-ca", &[("ca.crt", ca)]);
    let pod = pod(scenario, &json!({"ca": {"secretName": "vault-ca"}})).run();
    expect_secrets(scenario, &pod);
}

fn ca_in_config_map(scenario: &Scenario) {
    let ca = &cluster().authority.certificate;
    cluster().put_config_map(&scenario.name, "vault-ca", &[("root.pem", ca)]);
    let tls = json!({"ca": {"configMapName": "vault-ca", "key": "root.pem"}});
    expect_secrets(scenario, &pod(scenario, &tls).run());
}

fn agent_renders(scenario: &Scenario) {
    let ca = &cluster().authority.certificate;
    cluster().put_secret(&scenario.name, "vault-ca", &[("ca.crt", ca)]);
    let pod = pod(scenario, &json!({"ca": {"secretName": "vault-ca"}}))
        .annotate("template-engine", "vault-agent")
        .run();
    expect_secrets(scenario, &pod);
}

fn put_wrong_ca(scenario: &Scenario) {
    let other = Authority::new("another").expect("a key can be made");
    let ca = [("ca.crt", other.certificate.as_str())];
    cluster().put_secret(&scenario.name, "vault-ca", &ca);
}

fn wrong_ca(scenario: &Scenario) {
    put_wrong_ca(scenario);
    let tls = json!({"skipVerify": false, "ca": {"secretName": "vault-ca"}});
    expect_refusal(scenario, &pod(scenario, &tls).run());
}

fn wrong_ca_without_verification(scenario: &Scenario) {
    put_wrong_ca(scenario);
    let tls = json!({"skipVerify": true, "ca": {"secretName": "vault-ca"}});
    expect_secrets(scenario, &pod(scenario, &tls).run());
}

/// `VAULT_SKIP_VERIFY=false` would turn the verification off.
fn no_ca(scenario: &Scenario) {
    expect_refusal(
        scenario,
        &pod(scenario, &json!({"skipVerify": false})).run(),
    );
}
