//! Dynamic secrets become files, byte for byte.

use cluster_scenarios::certificates::Identity;
use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, entry};
use crate::support::running::{FILE, Running, SECRETS};
use crate::support::scenario::{Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry("kv_v1_and_v2_by_default_template", BOTH, |scenario| {
        secrets_of_both_versions(scenario, "consul-template");
    })
    .quick(),
    entry(
        "default_template_with_engine_vault_agent",
        BOTH,
        |scenario| {
            secrets_of_both_versions(scenario, "vault-agent");
        },
    )
    .quick(),
    entry(
        "default_template_whatever_is_denied",
        CLASSIC,
        whatever_is_denied,
    )
    .settings(|| json!({"restrictions": {"deniedTemplateFunctions": ["*"]}})),
    entry("own_templates", BOTH, |scenario| {
        templates(scenario, "consul-template");
    }),
    entry("own_templates_with_engine_vault_agent", BOTH, |scenario| {
        templates(scenario, "vault-agent");
    }),
    entry("templates_with_other_delimiters", CLASSIC, other_delimiters),
    entry("formats_of_the_default_template", CLASSIC, formats),
    entry("certificate_and_key_in_two_files", CLASSIC, two_files),
    entry(
        "files_belong_to_the_sidecars_and_are_read_only",
        BOTH,
        read_only,
    )
    .quick(),
];

/// What Kubernetes, shells, HCL and templates have ideas of their own about.
const HOSTILE: &str = r#"p$(HOME)$$$é${X}"'`\n\\{{ .x }} %s #=, Grüße, 世界 🔑"#;

/// A file of 64 KB, and with it a configuration that is not far from the limit.
const LARGE: usize = 64 * 1024;

fn secrets_of_both_versions(scenario: &Scenario, engine: &str) {
    // `data` distinguishes the versions.
    let first = scenario.secret_v1(
        "app",
        json!({"user": "shop", "data": "x", "password": HOSTILE}),
    );
    let second = scenario.secret(
        "app",
        json!({"user": "shop", "data": "x", "password": HOSTILE}),
    );
    // Both programs find out that a mount is of version 2.
    let short = second.replace("secret/data/", "secret/");
    let pod = scenario
        .pod()
        .annotate("template-engine", engine)
        .annotate("secrets-path", &format!("{first},{second},{short}"))
        .annotate(
            "secrets-destination",
            "one.properties,deep/er/two.properties,three",
        )
        .container("app", &format!("ls {SECRETS}; sleep 1000"))
        .run();
    let content = format!("data=x\npassword={HOSTILE}\nuser=shop\n");
    for file in ["one.properties", "deep/er/two.properties", "three"] {
        let path = format!("{SECRETS}/{file}");
        pod.wait_for_content("app", &path, content.as_bytes());
    }
    took_to_start(scenario, &pod);
}

/// How long it took from the pod's submission until its files were seen.
fn took_to_start(scenario: &Scenario, pod: &Running) {
    scenario.took("from the pod's start to its files", pod.age());
    pod.assert_no_restarts(&pod.containers());
}

/// The administrator can deny all functions to the pods' own templates.
fn whatever_is_denied(scenario: &Scenario) {
    let pod = scenario
        .pod_with_secret(json!({"user": "shop"}))
        .container("app", WAIT)
        .run();
    pod.wait_for_content("app", FILE, b"user=shop\n");
}

fn templates(scenario: &Scenario, engine: &str) {
    let path = scenario.secret("app", json!({"password": HOSTILE}));
    let literal = r#"$(HOME) $$ $é ${X} "quoted" 'single' `back` \n \\ é 世界 🔑 <%= %> a,b"#;
    let large = "0123456789abcde\n".repeat(LARGE / 16);
    let templates = [
        format!("{literal}\n"),
        format!("{{{{ with secret \"{path}\" }}}}{{{{ .Data.data.password }}}}{{{{ end }}}}"),
        format!("{{{{ with secret \"{path}\" }}}}{{{{ .Data.data | toJSON }}}}{{{{ end }}}}"),
        large.clone(),
    ];
    let pod = scenario
        .pod()
        .annotate("template-engine", engine)
        .annotate("secrets-destination", "literal,password,secret.json,large")
        .annotate("secrets-template", &templates.join("\n---\n"))
        .container("app", "sleep 1000")
        .run();
    let json = json!({"password": HOSTILE}).to_string();
    // A template ends with the line break in front of `---`.
    let large = large.trim_end();
    let expected = [
        ("literal", literal),
        ("password", HOSTILE),
        ("secret.json", &json),
    ];
    for (file, content) in expected.into_iter().chain([("large", large)]) {
        let path = format!("{SECRETS}/{file}");
        pod.wait_until_true(&format!("{file} is there"), || {
            let found = pod.execute("app", &["test", "-e", &path]);
            found.is_ok_and(|found| found.succeeded())
        });
        let read = String::from_utf8(pod.read("app", &path)).expect("it is UTF-8");
        assert_eq!(
            read.trim_end_matches('\n'),
            content.trim_end_matches('\n'),
            "{file}"
        );
    }
}

const ENGINES: [&str; 2] = ["consul-template", "vault-agent"];

/// As in a Helm chart, for which `{{ }}` is its own. Programs that know templates by their text alone get two that are alike.
fn other_delimiters(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"password": HOSTILE}));
    let template = format!(
        "[[ with secret \"{path}\" ]][[ .Data.data.password ]] {{{{ .Values.a }}}}[[ end ]]\n"
    );
    for engine in ENGINES {
        let pod = scenario
            .pod()
            .name(engine)
            .annotate("template-engine", engine)
            .annotate("template-left-delimiter", "[[")
            .annotate("template-right-delimiter", "]]")
            .annotate("secrets-destination", "one,two")
            .annotate("secrets-template", &format!("{template}---\n{template}"))
            .container("app", WAIT)
            .run();
        let content = format!("{HOSTILE} {{{{ .Values.a }}}}\n");
        for file in ["one", "two"] {
            pod.wait_for_content("app", &format!("{SECRETS}/{file}"), content.as_bytes());
        }
    }
}

/// The same secret as properties, as JSON, and as lines that a shell reads.
fn formats(scenario: &Scenario) {
    let secret = json!({
        "BACKSLASHES": r"a\b\\ \n",
        "DOLLARS": "$HOME ${HOME} $(touch /tmp/run) `touch /tmp/run` $",
        "EMPTY": "",
        "LINES": "first\n  second 'quoted' $HOME\n",
        "MAP": {"host": "db", "inner": {"text": "it's $HOME <&>"}, "ports": [5432, 5433]},
        "NOTHING": null,
        "NUMBER": 12_345_678_901_u64,
        "PLAIN": "postgres://db:5432/shop",
        "QUOTES": "'\"`'",
        "TRAILING": r"'single' and \",
        "UTF8": HOSTILE,
        "`touch /tmp/run`": "is no name",
    });
    let path = scenario.secret("app", secret.clone());
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let values = secret.as_object().expect("it is one");
    let lines = values
        .iter()
        .map(|(key, value)| format!("{key}={}\n", text(value)));
    let lines: String = lines.collect();
    let (names, values): (Vec<_>, Vec<_>) = values
        .iter()
        .filter(|(key, _)| !key.starts_with('`'))
        .map(|(key, value)| (format!("\"${{{key}?}}\""), text(value) + "\0"))
        .unzip();
    let show = format!(". {SECRETS}/app.env; printf '%s\\0' {}", names.join(" "));
    for engine in ENGINES {
        let pod = scenario
            .pod()
            .name(engine)
            .annotate("template-engine", engine)
            .annotate("secrets-path", &format!("{path},{path},{path}"))
            .annotate("secrets-format", "properties,json,dotenv")
            .annotate("secrets-destination", "app.properties,app.json,app.env")
            .container("app", WAIT)
            .run();
        for file in ["app.properties", "app.json", "app.env"] {
            pod.wait_until_true(&format!("{file} is there"), || {
                let found = pod.execute("app", &["test", "-e", &format!("{SECRETS}/{file}")]);
                found.is_ok_and(|found| found.succeeded())
            });
        }
        let read = |file: &str| {
            let content = pod.read("app", &format!("{SECRETS}/{file}"));
            String::from_utf8(content).expect("it is UTF-8")
        };
        assert_eq!(read("app.properties"), lines);
        let parsed: Value = serde_json::from_str(&read("app.json")).expect("it is JSON");
        assert_eq!(parsed, secret);
        assert_eq!(
            pod.shell("app", &show),
            values.concat(),
            "{}",
            read("app.env")
        );
        pod.assert_fails("app", "cat /tmp/run", "No such file");
    }
}

/// Two templates that call `secret` with the same arguments get the same answer, so that key and certificate belong together. With
/// `pkiCert` each has a certificate of its own, of which the policy warns.
fn two_files(scenario: &Scenario) {
    let path = scenario.leased_secrets();
    let arguments = format!("\"{path}\" \"common_name=app.test\" \"private_key_format=pkcs8\"");
    let template = |function: &str, field: &str| {
        format!("{{{{ with {function} {arguments} }}}}{{{{ {field} }}}}{{{{ end }}}}")
    };
    for engine in ENGINES {
        let is_pair = |function: &str, certificate: &str, private_key: &str| {
            let [certificate, private_key] =
                [certificate, private_key].map(|field| template(function, field));
            let pod = scenario
                .pod()
                .name(&format!("{engine}-{}", function.to_lowercase()))
                .annotate("template-engine", engine)
                .annotate("secrets-destination", "tls.crt,tls.key")
                .annotate(
                    "secrets-template",
                    &format!("{certificate}\n---\n{private_key}"),
                )
                .container("app", WAIT)
                .run();
            let [certificate, private_key] = ["tls.crt", "tls.key"].map(|file| {
                let path = format!("{SECRETS}/{file}");
                pod.wait_until_true(&format!("{file} is there"), || {
                    let found = pod.execute("app", &["test", "-s", &path]);
                    found.is_ok_and(|found| found.succeeded())
                });
                String::from_utf8(pod.read("app", &path)).expect("it is PEM")
            });
            let identity = Identity {
                certificate,
                private_key,
            };
            identity.is_pair().expect("they can be read")
        };
        assert!(is_pair("secret", ".Data.certificate", ".Data.private_key"));
        assert!(!is_pair("pkiCert", ".Cert", ".Key"));
    }
}

fn read_only(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"a": "b"}));
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", "sleep 1000")
        .run();
    pod.wait_for_content("app", FILE, b"a=b\n");
    let stat = format!("stat -c '%a %u %g' {FILE}");
    assert_eq!(pod.shell("app", &stat), "644 100 1000\n");
    // Even root cannot change a file there, nor add one.
    for path in [FILE, &format!("{SECRETS}/new")] {
        pod.assert_fails("app", &format!("touch {path}"), "Read-only file system");
    }
}
