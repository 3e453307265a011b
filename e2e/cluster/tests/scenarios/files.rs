//! Dynamic secrets become files, byte for byte.

use serde_json::json;

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
    // `data` is what tells the versions apart.
    let first = scenario.secret_v1(
        "app",
        json!({"user": "shop", "data": "x", "password": HOSTILE}),
    );
    let second = scenario.secret(
        "app",
        json!({"user": "shop", "data": "x", "password": HOSTILE}),
    );
    // Both programs find out by themselves that a mount is of version 2.
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
    // A line break before `---` belongs to the separator, and one at the end to the template.
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
