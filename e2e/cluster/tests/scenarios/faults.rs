//! What goes wrong while a pod lives: Vault is away, a token ends, a sidecar is killed, a secret is missing.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::running::{AGENT, CONSUL_TEMPLATE, Running, SECRETS, renderer};
use crate::support::scenario::{PodBuilder, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry(
        "secret_missing_for_minutes_agent_renders",
        CLASSIC,
        secret_missing_for_minutes_agent_renders,
    ),
    entry("vault_down_until_the_token_has_ended", BOTH, |scenario| {
        lose_vault_until_the_token_has_ended(scenario, "consul-template");
    })
    .own_vault(),
    entry(
        "vault_down_until_the_token_has_ended_agent_renders",
        BOTH,
        |scenario| {
            lose_vault_until_the_token_has_ended(scenario, "vault-agent");
        },
    )
    .own_vault(),
    entry("vault_down_for_a_minute", BOTH, |scenario| {
        lose_vault_for_a_minute(scenario, "consul-template");
    })
    .own_vault(),
    entry("vault_down_for_a_minute_agent_renders", BOTH, |scenario| {
        lose_vault_for_a_minute(scenario, "vault-agent");
    })
    .own_vault(),
    entry("vault_down_at_start", BOTH, |scenario| {
        start_without_vault(scenario, "consul-template");
    })
    .own_vault(),
    entry("vault_down_at_start_agent_renders", BOTH, |scenario| {
        start_without_vault(scenario, "vault-agent");
    })
    .own_vault(),
    entry("token_ends", BOTH, |scenario| {
        see_token_end(scenario, "consul-template");
    }),
    entry("token_ends_agent_renders", BOTH, |scenario| {
        see_token_end(scenario, "vault-agent");
    }),
    entry("agent_killed", BOTH, agent_killed),
    entry("consul_template_killed", BOTH, consul_template_killed).quick(),
    entry("secret_missing", BOTH, |scenario| {
        wait_for_a_missing_secret(scenario, "consul-template");
    }),
    entry("secret_missing_agent_renders", BOTH, |scenario| {
        wait_for_a_missing_secret(scenario, "vault-agent");
    }),
    entry("key_missing", BOTH, key_missing).vault_only(),
    entry("key_missing_is_an_error", BOTH, key_missing_is_an_error)
        .settings(error_on_missing_key)
        .vault_only(),
    entry("template_fails", BOTH, template_fails)
        .settings(error_on_missing_key)
        .vault_only(),
    entry("wrong_role", BOTH, wrong_role).quick(),
];

fn error_on_missing_key() -> Value {
    json!({"secrets": {"errorOnMissingKey": true}})
}

const WORD: &str = "/opt/talend/secrets/word";
const SERIAL: &str = "/opt/talend/secrets/serial";

/// A pod with the file `word`, which follows the secret of that name, and `serial`, the serial number of a
/// certificate that is revoked when its lease ends.
fn pod_with_lease(scenario: &Scenario) -> PodBuilder<'_> {
    let word = scenario.change_word("first");
    let serial = scenario.lease_template();
    let templates =
        format!("{{{{ with secret \"{word}\" }}}}{{{{ .Data.word }}}}{{{{ end }}}}\n---\n{serial}");
    scenario
        .pod()
        .annotate("secrets-destination", "word,serial")
        .annotate("secrets-template", &templates)
        .container("app", WAIT)
}

/// Waits until the pod has both files, and returns the serial number.
fn wait_for_both(pod: &Running) -> String {
    pod.wait_for_content("app", WORD, b"first\n");
    pod.wait_until_true("there is a certificate", || {
        pod.execute("app", &["test", "-s", SERIAL])
            .is_ok_and(|test| test.succeeded())
    });
    serial(pod)
}

fn serial(pod: &Running) -> String {
    String::from_utf8_lossy(&pod.read("app", SERIAL)).into_owned()
}

/// Waits until the application has a certificate that is not revoked, and has no longer the one it had.
fn wait_for_another_certificate(scenario: &Scenario, pod: &Running, old: &str) {
    pod.wait_until_true("the certificate is another, and is good", || {
        let serial = serial(pod);
        serial != old && !scenario.is_revoked(&serial)
    });
}

/// Changes the secret, and waits until the file has changed.
fn expect_changes_to_arrive(scenario: &Scenario, pod: &Running) {
    let begin = Instant::now();
    scenario.change_word("second");
    pod.wait_for_content("app", WORD, b"second\n");
    scenario.took("a changed secret arrived", begin.elapsed());
}

/// Deletes the pod, behind which neither a token nor a lease may be left.
fn delete_without_leases(scenario: &Scenario, pod: &Running) {
    assert_ne!(scenario.leases(), 0);
    scenario.took("the pod was deleted", scenario.delete_without_traces(pod));
    pod.wait_until_true("no lease is left", || scenario.leases() == 0);
}

/// At the end of its maximum TTL a token takes its leases with it: the sidecars go on with the next, and the
/// application does not keep what has been revoked.
fn see_token_end(scenario: &Scenario, engine: &str) {
    scenario.change_role(json!({"token_ttl": "20s", "token_max_ttl": "40s"}));
    let pod = pod_with_lease(scenario)
        .annotate("template-engine", engine)
        .annotate("notify", &format!("echo changed >>{SECRETS}/notified,true"))
        .run();
    let old_serial = wait_for_both(&pod);
    let old_token = pod.token();
    pod.wait_until_true("the agent has another token", || pod.token() != old_token);
    pod.wait_until_true("the old token has ended", || !scenario.is_valid(&old_token));
    let begin = Instant::now();
    wait_for_another_certificate(scenario, &pod, &old_serial);
    scenario.took(
        "a good certificate was there after the old token's end",
        begin.elapsed(),
    );
    let notified = format!("{SECRETS}/notified");
    assert_eq!(pod.read("app", &notified), b"changed\n", "at first only");
    expect_changes_to_arrive(scenario, &pod);
    pod.wait_for_content("app", &notified, b"changed\nchanged\n");

    pod.assert_no_restarts(&pod.containers());
    assert!(scenario.logins() > 1);
    delete_without_leases(scenario, &pod);
}

/// An agent that is killed leaves a token that nobody renews: it logs in again, and Consul Template goes over
/// to the new token, and to leases of that one.
fn agent_killed(scenario: &Scenario) {
    scenario.change_role(json!({"token_ttl": "60s"}));
    let pod = pod_with_lease(scenario).run();
    let old_serial = wait_for_both(&pod);
    let old_token = pod.token();
    pod.kill(AGENT, "vault");
    pod.wait_until("the agent runs again", |life| {
        life.container(AGENT).runs.len() == 2
    });
    pod.wait_for_log(AGENT, "tvsi: agent: ended with status 137");
    pod.wait_until_true("the agent has another token", || pod.token() != old_token);
    wait_for_another_certificate(scenario, &pod, &old_serial);
    expect_changes_to_arrive(scenario, &pod);
    pod.assert_no_restarts(&[CONSUL_TEMPLATE, "app"]);

    pod.wait_until_true("the old token has ended", || !scenario.is_valid(&old_token));
    pod.wait_until_true("it has taken its leases along", || scenario.leases() == 1);
    assert!(!scenario.is_revoked(&serial(&pod)));
    delete_without_leases(scenario, &pod);
}

/// Consul Template that is killed renders again; what it had leased stays until the token ends.
fn consul_template_killed(scenario: &Scenario) {
    let pod = pod_with_lease(scenario).run();
    let old_serial = wait_for_both(&pod);
    pod.kill(CONSUL_TEMPLATE, "consul-template");
    pod.wait_for_log(
        CONSUL_TEMPLATE,
        "tvsi: consul-template: ended with status 137",
    );
    wait_for_another_certificate(scenario, &pod, &old_serial);
    expect_changes_to_arrive(scenario, &pod);
    assert_eq!(pod.restarts(CONSUL_TEMPLATE), 1);
    assert_eq!(pod.restarts(AGENT), 0);
    assert_eq!(scenario.logins(), 1);
    delete_without_leases(scenario, &pod);
}

/// The sidecars wait for Vault, and need not be started again for it.
fn start_without_vault(scenario: &Scenario, engine: &str) {
    let pod = pod_with_lease(scenario).annotate("template-engine", engine);
    scenario.vault.stop().expect("Vault ends");
    let pod = pod.run();
    pod.wait_for_log(AGENT, "connection refused");
    thread::sleep(Duration::from_secs(20));
    scenario.vault.restore().expect("Vault is back");
    let begin = Instant::now();
    wait_for_both(&pod);
    scenario.took("the files came after Vault was back", begin.elapsed());
    pod.assert_no_restarts(&pod.containers());
    assert_eq!(scenario.logins(), 1);
    assert_eq!(scenario.leases(), 1);
    delete_without_leases(scenario, &pod);
}

/// The files stay while Vault is away, and what has changed meanwhile comes when it is back, without a new
/// login and without new leases.
fn lose_vault_for_a_minute(scenario: &Scenario, engine: &str) {
    let pod = pod_with_lease(scenario)
        .annotate("template-engine", engine)
        .run();
    let old_serial = wait_for_both(&pod);
    let old_token = pod.token();
    change_word_without_vault(scenario, &pod, engine);
    assert_eq!(pod.token(), old_token, "the token is still good");
    assert_eq!(serial(&pod), old_serial, "the lease is still good");
    assert_eq!(scenario.logins(), 1);
    assert_eq!(scenario.leases(), 1);
    delete_without_leases(scenario, &pod);
}

/// The agent logs in again when Vault is back, and the leases that have ended are replaced.
fn lose_vault_until_the_token_has_ended(scenario: &Scenario, engine: &str) {
    scenario.change_role(json!({"token_ttl": "30s"}));
    let pod = pod_with_lease(scenario)
        .annotate("template-engine", engine)
        .run();
    let old_serial = wait_for_both(&pod);
    let old_token = pod.token();
    change_word_without_vault(scenario, &pod, engine);
    assert!(!scenario.is_valid(&old_token), "the token has ended");
    wait_for_another_certificate(scenario, &pod, &old_serial);
    assert!(scenario.logins() > 1);
    delete_without_leases(scenario, &pod);
}

/// Stops Vault for a minute, and changes the secret before the sidecars have found out that it is back.
fn change_word_without_vault(scenario: &Scenario, pod: &Running, engine: &str) {
    scenario.vault.stop().expect("Vault ends");
    pod.wait_for_log(renderer(engine), "connection refused");
    thread::sleep(Duration::from_secs(60));
    assert_eq!(pod.read("app", WORD), b"first\n");
    scenario.vault.restore().expect("Vault is back");
    let begin = Instant::now();
    scenario.change_word("second");
    pod.wait_for_content("app", WORD, b"second\n");
    scenario.took(
        "a changed secret arrived after Vault was back",
        begin.elapsed(),
    );
    pod.assert_no_restarts(&pod.containers());
}

/// A pod with `word` and `serial`, and one more file.
fn pod_with_a_third<'s>(
    scenario: &'s Scenario,
    engine: &str,
    name: &str,
    template: &str,
) -> PodBuilder<'s> {
    let pod = pod_with_lease(scenario).annotate("template-engine", engine);
    let annotations = &pod.object["metadata"]["annotations"];
    let templates = annotations["sidecar.vault.talend.org/secrets-template"].clone();
    let templates = templates.as_str().expect("a template");
    pod.annotate("secrets-destination", &format!("word,serial,{name}"))
        .annotate("secrets-template", &format!("{templates}\n---\n{template}"))
}

/// The other files do not wait for a secret that is not there yet. An application with native sidecars does.
fn wait_for_a_missing_secret(scenario: &Scenario, engine: &str) {
    let late = format!("kv1/{}/late", scenario.name);
    let template = format!("{{{{ with secret \"{late}\" }}}}{{{{ .Data.word }}}}{{{{ end }}}}");
    let pod = pod_with_a_third(scenario, engine, "late", &template).run();
    let renderer = renderer(engine);
    pod.wait_for_content(renderer, WORD, b"first\n");
    pod.wait_for_log(renderer, &format!("no secret exists at {late}"));
    pod.wait_for_log(renderer, "retry attempt 5");
    let has_begun = pod.has_begun("app");
    assert_eq!(has_begun, scenario.sidecars == Sidecars::Classic);

    let begin = Instant::now();
    scenario.secret_v1("late", json!({"word": "late"}));
    pod.wait_for_content(renderer, &format!("{SECRETS}/late"), b"late");
    scenario.took("the file came after the secret", begin.elapsed());
    pod.wait_until_started("app");
    scenario.took("the application ran after the secret came", begin.elapsed());
    pod.assert_no_restarts(&pod.containers());
    assert_eq!(scenario.leases(), 1);
    delete_without_leases(scenario, &pod);
}

/// An agent that has tried often enough must not begin all over again: it would take new leases for the
/// secrets that are there.
fn secret_missing_for_minutes_agent_renders(scenario: &Scenario) {
    let missing = format!("kv1/{}/missing", scenario.name);
    let template = format!("{{{{ with secret \"{missing}\" }}}}{{{{ .Data.word }}}}{{{{ end }}}}");
    let pod = pod_with_a_third(scenario, "vault-agent", "missing", &template).run();
    let old_serial = wait_for_both(&pod);
    for attempt in [8, 10, 12, 14] {
        pod.wait_for_log(AGENT, &format!("retry attempt {attempt} "));
    }
    assert_eq!(serial(&pod), old_serial);
    assert_eq!(scenario.leases(), 1);
    expect_changes_to_arrive(scenario, &pod);
    delete_without_leases(scenario, &pod);
}

/// As in the reference, a key that is missing reads `<no value>`.
fn key_missing(scenario: &Scenario) {
    let template = "{{ with secret \"PATH\" }}{{ .Data.none }}{{ end }}";
    let template = template.replace("PATH", &scenario.change_word("first"));
    let pod = pod_with_a_third(scenario, "consul-template", "none", &template).run();
    wait_for_both(&pod);
    pod.wait_for_content("app", &format!("{SECRETS}/none"), b"<no value>");
    expect_changes_to_arrive(scenario, &pod);
    pod.assert_no_restarts(&pod.containers());
    delete_without_leases(scenario, &pod);
}

/// With the setting that makes it an error, the log reports it, and the other files come none the less.
fn key_missing_is_an_error(scenario: &Scenario) {
    let template = "{{ with secret \"PATH\" }}{{ .Data.none }}{{ end }}";
    see_a_template_fail(scenario, template, "map has no entry for key \"none\"");
}

/// A template that fails ends nothing, and the log reports it.
fn template_fails(scenario: &Scenario) {
    let template = "{{ with secret \"PATH\" }}{{ index .Data.word 1000 }}{{ end }}";
    see_a_template_fail(scenario, template, "index out of range: 1000");
}

fn see_a_template_fail(scenario: &Scenario, template: &str, why: &str) {
    let template = template.replace("PATH", &scenario.change_word("first"));
    let pod = pod_with_a_third(scenario, "consul-template", "none", &template).run();
    pod.wait_for_content(CONSUL_TEMPLATE, WORD, b"first\n");
    pod.wait_for_log(CONSUL_TEMPLATE, why);
    scenario.change_word("second");
    pod.wait_for_content(CONSUL_TEMPLATE, WORD, b"second\n");
    pod.assert_fails(CONSUL_TEMPLATE, &format!("test -e {SECRETS}/none"), "");
    let has_begun = pod.has_begun("app");
    assert_eq!(has_begun, scenario.sidecars == Sidecars::Classic);
    pod.assert_no_restarts(&pod.containers());
    delete_without_leases(scenario, &pod);
}

/// A role that does not exist: the log says so, and the pod can be deleted at any time.
fn wrong_role(scenario: &Scenario) {
    let pod = pod_with_lease(scenario).annotate("role", "none").run();
    pod.wait_for_log(AGENT, "invalid role name \"none\"");
    let has_begun = pod.has_begun("app");
    assert_eq!(has_begun, scenario.sidecars == Sidecars::Classic);
    scenario.delete_pod(&pod);
    pod.assert_not_killed();
    for name in pod.containers() {
        if name.starts_with("tvsi-") && pod.has_begun(&name) {
            assert_eq!(pod.end_of(&name).status, 0, "{name}");
        }
    }
    assert_eq!(scenario.leases(), 0);
}
