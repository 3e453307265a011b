//! Templates as Consul Template and Vault Agent take them arrive as they were written, and those that Go's
//! parser rejects are rejected with their line.

mod support;

use std::collections::BTreeSet;

use golden_cases::Case;
use serde_json::{Value, json};
use support::templates::{INVALID, VALID};
use support::{creation_of, evaluate_natively, payload};

/// Templates that Go's parser takes, with the line and the name of the function that is denied by default.
const DENIED: &[(&str, usize, &str)] = &[
    (r#"{{ plugin "id" }}"#, 1, "plugin"),
    (
        r#"{{ writeToFile "/tmp/a" "" "" "0644" .b }}"#,
        1,
        "writeToFile",
    ),
    ("a\n{{ file \"/etc/passwd\" }}", 2, "file"),
    (r#"{{ env "HOME" }}"#, 1, "env"),
    (r#"{{ .a | printf "%s" (mustEnv "HOME") }}"#, 1, "mustEnv"),
    (
        r#"{{ if (envOrDefault "A" "b") }}{{ end }}"#,
        1,
        "envOrDefault",
    ),
    (
        "{{ define \"a\" }}\n{{ with\n env \"A\" }}{{ end }}{{ end }}",
        3,
        "env",
    ),
    (r#"{{ "A"|env }}"#, 1, "env"),
    (r#"{{ (env "A").b }}"#, 1, "env"),
    (r#"{{ $x := env "A" }}"#, 1, "env"),
];

#[test]
fn a_valid_template_arrives_as_it_was_written() {
    for (what, template) in VALID {
        let answer = answer_to(template);
        assert_eq!(answer["accepted"], true, "{what}: {answer}");
        let warnings = match template.contains("{{") {
            true => Value::Null,
            // Braces may have been lost on the way.
            false => json!([
                "annotation sidecar.vault.talend.org/secrets-template: the template for \"secrets.properties\" has no {{ }}, so that the file will have its text unchanged; if another program such as Helm replaces them, choose others by annotations sidecar.vault.talend.org/template-left-delimiter and sidecar.vault.talend.org/template-right-delimiter"
            ]),
        };
        assert_eq!(answer["warnings"], warnings, "{what}");
        assert_eq!(contents(&answer["mutated_object"]), *template, "{what}");
    }
}

#[test]
fn an_invalid_template_is_rejected_with_its_line() {
    for (template, line, problem) in INVALID {
        assert_eq!(message(template), rejection(*line, problem), "{template}");
    }
}

#[test]
fn a_function_is_denied_wherever_it_is_called() {
    for (template, line, function) in DENIED {
        let problem = format!(
            "function {function} is denied by the setting restrictions.deniedTemplateFunctions"
        );
        assert_eq!(message(template), rejection(*line, &problem), "{template}");
    }
}

/// `true`, `false` and `nil` are values to Go.
#[test]
fn where_all_functions_are_denied_values_are_not() {
    let settings = json!({"restrictions": {"deniedTemplateFunctions": ["*"]}});
    let template =
        "{{ if true }}{{ .a }}{{ else if false }}{{ $x := .b.nil }}{{ $x }}{{ end }}{{ (.c nil) }}";
    let answer = answer_by(&settings, template);
    assert_eq!(answer["accepted"], true, "{answer}");
    let answer = answer_by(&settings, "{{ not true }}");
    let problem = "function not is denied by the setting restrictions.deniedTemplateFunctions";
    assert_eq!(answer["message"], rejection(1, problem));
}

/// What the policy itself writes is checked by its own reading of Go's syntax.
#[test]
fn templates_of_the_golden_cases_are_ones() {
    let mut templates = BTreeSet::new();
    for pod in Case::all().iter().filter_map(Case::injected) {
        add_templates(&pod, &mut templates);
    }
    let count = templates.len();
    assert!(count > 100, "{count}");
    let settings = json!({"restrictions": {"deniedTemplateFunctions": []}});
    for template in templates {
        let answer = answer_by(&settings, &template);
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(
            !message.contains("the template for"),
            "{template}: {message}"
        );
    }
}

/// Those of all configurations in `value`, except where they have other delimiters.
fn add_templates(value: &Value, templates: &mut BTreeSet<String>) {
    let name = value["name"].as_str().unwrap_or_default();
    if let Some(text) = value["value"].as_str()
        && name.starts_with("TVSI_")
        && name.ends_with("_CONFIG")
    {
        let configuration: Value =
            serde_json::from_str(&text.replace("$$", "$")).expect("it is JSON");
        let files = configuration["template"].as_array().into_iter().flatten();
        let files = files.filter(|file| file["left_delimiter"].is_null());
        let contents = files.filter_map(|file| file["contents"].as_str());
        templates.extend(contents.map(str::to_owned));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| add_templates(item, templates)),
        Value::Object(fields) => fields
            .values()
            .for_each(|field| add_templates(field, templates)),
        _ => {}
    }
}

fn rejection(line: usize, problem: &str) -> String {
    format!(
        "annotation sidecar.vault.talend.org/secrets-template: the template for \"secrets.properties\", line {line}: {problem}"
    )
}

fn answer_to(template: &str) -> Value {
    answer_by(&json!({}), template)
}

/// The policy's answer to a pod with this template.
fn answer_by(settings: &Value, template: &str) -> Value {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": "team", "annotations": {
            "sidecar.vault.talend.org/inject": "true",
            "sidecar.vault.talend.org/role": "app",
            "sidecar.vault.talend.org/secrets-template": template,
        }},
        "spec": {"containers": [{"name": "app", "image": "registry.example.org/app:1.0"}]},
    });
    evaluate_natively(&payload(&creation_of(&pod), settings))
}

fn message(template: &str) -> String {
    let answer = answer_to(template);
    assert_eq!(answer["code"], 422, "{template}: {answer}");
    answer["message"].as_str().unwrap_or_default().to_owned()
}

/// The template as Consul Template gets it, after Kubernetes has made `$` of `$$`.
fn contents(pod: &Value) -> String {
    let containers = pod["spec"]["containers"].as_array();
    let configuration = containers
        .into_iter()
        .flatten()
        .flat_map(|container| container["env"].as_array().into_iter().flatten())
        .find(|variable| variable["name"] == "TVSI_CONSUL_TEMPLATE_CONFIG")
        .and_then(|variable| variable["value"].as_str())
        .expect("Consul Template has a configuration");
    let configuration: Value =
        serde_json::from_str(&configuration.replace("$$", "$")).expect("it is JSON");
    let contents = configuration["template"][0]["contents"].as_str();
    contents.expect("it has a template").to_owned()
}
