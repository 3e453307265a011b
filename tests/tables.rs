//! What the tables of annotations and settings say is what the policy does.

mod support;

use serde_json::{Value, json};
use support::{evaluate_natively, payload, root};
use vault_sidecar_injector::Key;
use vault_sidecar_injector::reference::{self, Default};

const PREFIX: &str = "sidecar.vault.talend.org";

#[test]
fn the_default_of_an_annotation_can_be_written_out() {
    let settings = reference::settings();
    let text_of = |path: &str| match &settings.iter().find(|it| it.path == path)?.default {
        Value::String(text) => Some(text.clone()),
        // A section has what several annotations set.
        _ => None,
    };
    let mut written_out = Vec::new();
    for key in Key::ALL {
        let default = match key.default() {
            Default::Value(text) => Some(text.to_owned()),
            Default::Setting(path) => text_of(path),
            Default::None | Default::From(_) => None,
        };
        let Some(default) = default else { continue };
        let annotation = (key.name(), default.as_str());
        let refers = *key == Key::TransitPath;
        assert_eq!(
            injected(Some(annotation), refers),
            injected(None, refers),
            "{annotation:?} changes something"
        );
        written_out.push(key.name());
    }
    // Some of each kind: a default that is not looked up would pass.
    for name in [
        "proxy-port",
        "secrets-destination",
        "sa-token",
        "vault-image",
        "sidecars",
    ] {
        assert!(written_out.contains(&name), "{name}");
    }
}

/// A pod with files and the proxy, without its annotations, and with a variable that refers to Vault if that is
/// needed.
fn injected(annotation: Option<(&str, &str)>, refers: bool) -> Value {
    let path = root().join("test_data/requests/deployment-pod.json");
    let text = std::fs::read_to_string(path).expect("the request is there");
    let mut request: Value = serde_json::from_str(&text).expect("it is JSON");
    if refers {
        let container = &mut request["object"]["spec"]["containers"][0];
        container["env"] = json!([{"name": "A", "value": "vault:secret/app#key"}]);
        container["command"] = json!(["/app"]);
    }
    let annotations = &mut request["object"]["metadata"]["annotations"];
    *annotations =
        json!({format!("{PREFIX}/inject"): "true", format!("{PREFIX}/mode"): "secrets,proxy"});
    if let Some((name, value)) = annotation
        // The pod's value is not the default.
        && name != "mode"
    {
        annotations[format!("{PREFIX}/{name}")] = json!(value);
    }
    let answer = evaluate_natively(&payload(&request, &json!({})));
    assert_eq!(answer["accepted"], true, "{annotation:?}: {answer}");
    assert_eq!(answer["warnings"], Value::Null, "{annotation:?}: {answer}");
    let mut object = answer["mutated_object"].clone();
    assert!(object.is_object(), "{annotation:?}: {answer}");
    object["metadata"]["annotations"] = Value::Null;
    object
}
