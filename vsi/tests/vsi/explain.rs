//! `vsi explain` as its users run it.

use assert_cmd::{Command, assert::Assert};
use serde_json::{Value, json};

fn explain(arguments: &[&str]) -> Assert {
    Command::new(env!("CARGO_BIN_EXE_vsi"))
        .arg("explain")
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .assert()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let assert = explain(arguments).success();
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

#[test]
fn the_list_is_for_grep() {
    let list = stdout(&explain(&[]).success().stderr(""));
    let found = |text: &str| -> Vec<String> {
        let lines = list.lines().filter(|line| line.contains(text));
        lines
            .map(|line| line.split("  ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        found("Namespace of Vault Enterprise"),
        ["sidecar.vault.talend.org/vault-namespace"]
    );
    assert_eq!(
        found("classic"),
        ["sidecar.vault.talend.org/sidecars", "sidecars"]
    );
    assert!(!list.contains('\u{1b}') && !list.contains('…'), "{list}");
    // Annotations come first, and no line is empty or belongs to another.
    let kinds: Vec<_> = list
        .lines()
        .map(|line| line.starts_with("sidecar.vault.talend.org/"))
        .collect();
    assert!(kinds.is_sorted_by(|left, right| left >= right), "{list}");
    assert!(list.lines().all(|line| line.contains("  ")), "{list}");
}

#[test]
fn an_annotation_has_two_names() {
    for name in ["mode", "sidecar.vault.talend.org/mode"] {
        explain(&[name]).success().stderr("").stdout(
            "\
annotation sidecar.vault.talend.org/mode
  Default: `secrets`, and `secrets,job` in a pod that can end (setting `jobs.autoDetect`)
  Comma list of `secrets`, `proxy` and `job`. `job` alone implies `secrets`.
",
        );
    }
}

#[test]
fn a_setting_is_explained_by_its_path() {
    explain(&["vault.address", "imagePullSecrets"])
        .success()
        .stdout(
            "\
setting vault.address
  Default: https://vault:8200
  The address of Vault's or OpenBao's API.

setting imagePullSecrets
  Default: []
  Secrets to pull images with, added to those of the pod.
",
        );
}

#[test]
fn a_section_is_explained_with_what_is_in_it() {
    explain(&["vault.auth"]).success().stdout(
        "\
settings vault.auth
  How Vault Agent logs in: annotation auth chooses.

setting vault.auth.method
  Default: kubernetes
  The method of pods that name none: kubernetes, approle, jwt, ...

setting vault.auth.methods
  Default: []
  Methods besides those of Vault Agent 2.0 that pods may name, as the agent's image calls them.

setting vault.auth.minBackoff
  Default: null
  How long the agent waits after a first login that has failed, such as 1s; twice as long each time. null: a second.

setting vault.auth.maxBackoff
  Default: 30s
  The longest time that it waits. null: 5 minutes.

settings vault.auth.kubernetes
  With the pod's service account.

setting vault.auth.kubernetes.path
  Default: kubernetes
  Where the auth method is mounted, below auth/.

setting vault.auth.kubernetes.tokenAudience
  Default: null
  The audience of the service account token, if Vault expects another than the API server's. The pods then get a separate token for the login.

settings vault.auth.approle
  With a role id and a secret id, in two files or in the Secret of annotation approle-secret.

setting vault.auth.approle.path
  Default: approle
  Where the auth method is mounted, below auth/.

setting vault.auth.approle.roleIdFile
  Default: approle_roleid
  The file in the secrets volume into which an init container of the pod writes the role id.

setting vault.auth.approle.secretIdFile
  Default: approle_secretid
  The file in the secrets volume into which it writes the secret id.

settings vault.auth.jwt
  With a service account token that is made for it: Vault's method jwt.

setting vault.auth.jwt.path
  Default: jwt
  Where the auth method is mounted, below auth/.

setting vault.auth.jwt.tokenAudience
  Default: null
  The audience of the token. null: the API server's.
",
    );
}

#[test]
fn a_name_of_both_shows_both() {
    let text = stdout(&explain(&["sidecars"]).success());
    let headings: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(' '))
        .collect();
    assert_eq!(
        headings,
        [
            "annotation sidecar.vault.talend.org/sidecars",
            "setting sidecars"
        ]
    );
}

#[test]
fn an_unknown_name_is_rejected_with_a_suggestion() {
    for (arguments, message) in [
        (
            &["mdoe"][..],
            "no annotation or setting has the name mdoe; did you mean mode?",
        ),
        (
            &["mode", "vault.adress"],
            "no annotation or setting has the name vault.adress; did you mean vault.address?",
        ),
        (
            &["logLevel", "-o", "json"],
            "no annotation or setting has the name logLevel; did you mean agent.logLevel or consulTemplate.logLevel?",
        ),
        (
            &["gibberish"],
            "no annotation or setting has the name gibberish; `vsi explain` lists all of them",
        ),
    ] {
        explain(arguments)
            .code(2)
            .stdout("")
            .stderr(format!("vsi: error: {message}\n"));
    }
}

#[test]
fn programs_get_json() {
    assert_eq!(
        json(&["role", "vault.namespace", "-o", "json"]),
        json!({
            "annotations": [{
                "name": "role",
                "fullName": "sidecar.vault.talend.org/role",
                "default": "the application label",
                "documentation": "The Vault role to log in with; for `cert` the name of the certificate role.",
            }],
            "settings": [{
                "path": "vault.namespace",
                "isSection": false,
                "default": null,
                "documentation": "A namespace of Vault Enterprise or OpenBao.",
            }],
        })
    );
    let all = json(&["-o", "json"]);
    assert_eq!(all["annotations"][0]["name"], "inject");
    assert_eq!(all["annotations"][0]["default"], Value::Null);
    let settings = all["settings"].as_array().unwrap();
    assert_eq!(settings[0]["path"], "vault");
    assert_eq!(settings[0].get("default"), None);
    assert_eq!(
        settings.last().unwrap()["default"],
        json!(["kube-system", "kube-public"])
    );
}

#[test]
fn names_are_bold_where_colours_are_wanted() {
    let text = Command::new(env!("CARGO_BIN_EXE_vsi"))
        .args(["explain", "mode"])
        .env_remove("NO_COLOR")
        .env("CLICOLOR_FORCE", "1")
        .assert()
        .success();
    assert!(
        stdout(&text).starts_with("annotation \u{1b}[1msidecar.vault.talend.org/mode\u{1b}[0m\n"),
        "{:?}",
        stdout(&text)
    );
}
