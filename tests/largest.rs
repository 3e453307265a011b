//! Requests as large as the API server takes them, 3 MiB: each is answered after its parts have been read once.
//! Where every part was compared with every other, these tests would take minutes.

mod support;

use serde_json::{Value, json};
use support::{creation_of, evaluate_natively, payload};

/// Evaluates a pod of that spec with these annotations, of which it has some already.
fn evaluate(annotations: Value, spec: Value, settings: Value) -> Value {
    let mut all = json!({
        "sidecar.vault.talend.org/inject": "true",
        "sidecar.vault.talend.org/role": "app",
    });
    for (name, value) in annotations.as_object().into_iter().flatten() {
        all[format!("sidecar.vault.talend.org/{name}")] = value.clone();
    }
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "annotations": all},
        "spec": spec,
    });
    evaluate_natively(&payload(&creation_of(&pod), &settings))
}

fn one_container() -> Value {
    json!({"containers": [{"name": "app"}]})
}

/// As many templates as are looked at.
fn templates(template: &str) -> Value {
    let destinations: Vec<_> = (0..5).map(|file| file.to_string()).collect();
    json!({
        "secrets-destination": destinations.join(","),
        "secrets-template": vec![template; 5].join("\n---\n"),
    })
}

fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or_default()
}

#[test]
fn templates_of_many_actions() {
    let template = "{{.}}".repeat(96 * 1024 / 5);
    let answer = evaluate(templates(&template), one_container(), json!({}));
    assert!(message(&answer).contains("bytes, and at most"), "{answer}");
}

#[test]
fn templates_of_many_blocks_and_breaks() {
    let begin = "{{if .}}".repeat(4000);
    let breaks = "{{break}}".repeat(3500);
    let end = "{{end}}".repeat(4000);
    let template = format!("{{{{range .}}}}{begin}{breaks}{end}{{{{end}}}}");
    let answer = evaluate(templates(&template), one_container(), json!({}));
    assert!(message(&answer).contains("bytes, and at most"), "{answer}");
}

#[test]
fn many_names_of_many_containers() {
    let mut containers = vec![json!({"name": "a"}); 100_000];
    containers.push(json!({"name": "z"}));
    let answer = evaluate(
        json!({"secrets-path": "secret/app", "inject-containers": vec!["z"; 400_000].join(",")}),
        json!({"containers": containers}),
        json!({}),
    );
    assert_eq!(answer["accepted"], true);
    let containers = &answer["mutated_object"]["spec"]["containers"];
    assert_eq!(containers[0], json!({"name": "a"}));
    assert_eq!(containers[100_000]["volumeMounts"][0]["name"], "secrets");
}

#[test]
fn long_destinations_in_many_hooks() {
    let long = format!("{0}/{0}/{0}", "d".repeat(250));
    let destinations: Vec<_> = (0..100).map(|file| format!("{file}/{long}")).collect();
    let answer = evaluate(
        json!({
            "secrets-hook": "true",
            "secrets-path": vec!["a"; 100].join(","),
            "secrets-destination": destinations.join(","),
        }),
        json!({"containers": vec![json!({"name": "a"}); 200_000]}),
        json!({}),
    );
    assert!(
        message(&answer).starts_with("more than 524288 bytes"),
        "{answer}"
    );
}

#[test]
fn many_unknown_annotations() {
    let annotations: serde_json::Map<_, _> = (0..60_000)
        .map(|number| (format!("secrets-destinatio{number}"), json!("")))
        .chain([("secrets-path".to_owned(), json!("secret/app"))])
        .collect();
    let answer = evaluate(Value::Object(annotations), one_container(), json!({}));
    assert_eq!(answer["accepted"], true);
    let warnings = answer["warnings"].as_array().expect("there are warnings");
    let last = warnings
        .iter()
        .filter_map(Value::as_str)
        .find(|warning| warning.contains("more annotations"));
    assert_eq!(
        last,
        Some("59980 more annotations under sidecar.vault.talend.org are unknown and ignored")
    );
}

#[test]
fn a_long_path_and_a_long_service_account() {
    let long = "a".repeat(1_400_000);
    let answer = evaluate(
        json!({"secrets-path": long}),
        json!({"serviceAccountName": long, "containers": [{"name": "app"}]}),
        json!({"restrictions": {"allowedVaultPaths": ["*{serviceAccount}"]}}),
    );
    assert!(
        message(&answer).contains("restrictions.allowedVaultPaths"),
        "{answer}"
    );
}
