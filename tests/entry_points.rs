//! The waPC functions as the policy server calls them, through the module: whatever it is given, it answers.

mod support;

use policy_host::{Guest, Policy};
use serde_json::{Value, json};
use support::{evaluate_module, evaluate_natively, module, payload, read_yaml, root};

fn validate_settings(module: &Policy, text: &str) -> (bool, String) {
    let answer = module
        .call("validate_settings", text.as_bytes())
        .expect("validate_settings never traps");
    let natively = vault_sidecar_injector::validate_settings(text.as_bytes()).unwrap();
    assert_eq!(answer, natively, "{text}");
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let message = answer["message"].as_str().unwrap_or_default();
    (answer["valid"] == true, message.to_owned())
}

#[test]
fn the_protocol_version_is_v1() {
    let version = module().protocol_version().unwrap();
    assert_eq!(serde_json::to_value(version).unwrap(), json!("v1"));
}

#[test]
fn valid_settings_are_accepted() {
    let example = read_yaml(&root().join("docs/reference/settings-example.yaml"));
    for text in ["", "null", "{}", &example.to_string()] {
        assert_eq!(
            validate_settings(module(), text),
            (true, String::new()),
            "{text}"
        );
    }
}

#[test]
fn invalid_settings_are_rejected_and_never_a_trap() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (text, expected) in [
        ("{", "not valid JSON"),
        ("\u{0}", "not valid JSON"),
        (deep.as_str(), "nested too deeply"),
        ("[]", "expected an object, found a list"),
        (r#"{"vault":[]}"#, "vault: expected an object, found a list"),
        (
            r#"{"valt":{}}"#,
            "valt: unknown setting; did you mean `vault`?",
        ),
        (
            r#"{"vault":{"address":"x"},"secrets":{"readOnly":1}}"#,
            "vault.address: expected a URL such as https://vault.example.org:8200; secrets.readOnly: expected true or false, found a number",
        ),
    ] {
        let (valid, message) = validate_settings(module(), text);
        assert!(!valid, "{text}");
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn a_payload_that_is_not_a_request_is_rejected_without_being_shown() {
    for payload in [
        &b""[..],
        b"hunter2",
        b"\xff\xfe",
        br#"{"request":{"kind":"hunter2"}}"#,
        br#"["hunter2"]"#,
    ] {
        let answer = evaluate_module(payload);
        assert_eq!(answer["accepted"], false);
        assert_eq!(answer["code"], 422);
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
}

/// Trap: policies that parse a pod into types lose what their types do not know.
#[test]
fn what_the_policy_does_not_know_comes_out_as_it_went_in() {
    let object = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"sidecar.vault.talend.org/inject":"true"},"labels":{"com.talend.application":"a","com.talend.service":"b"},"x-future":{"n":1.0,"big":18446744073709551616,"small":1e-7,"null":null,"list":[],"text":"\u00e9\u0001"}},"spec":{"containers":[{"name":"app","future":[{"deep":[1.50]}],"volumeMounts":null}],"volumes":null,"overhead":null}}"#;
    let request = format!(
        r#"{{"request":{{"kind":{{"group":"","version":"v1","kind":"Pod"}},"operation":"CREATE","object":{object}}},"settings":{{}}}}"#
    );
    let answer = evaluate_natively(request.as_bytes());
    let submitted: Value = serde_json::from_str(object).unwrap();
    let injected = &answer["mutated_object"];
    for pointer in [
        "/metadata/x-future",
        "/spec/containers/0/future",
        "/spec/overhead",
    ] {
        let expected = submitted.pointer(pointer);
        assert!(
            expected.is_some() && injected.pointer(pointer) == expected,
            "{pointer}: {answer}"
        );
    }
    assert_eq!(evaluate_module(request.as_bytes()), answer);
}

#[test]
fn native_and_module_agree_to_the_byte_on_the_sample_requests() {
    for name in ["deployment-pod", "job-pod", "native-job-pod", "plain-pod"] {
        let path = root().join(format!("test_data/requests/{name}.json"));
        let request: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let payload = payload(&request, &json!({}));
        let natively = vault_sidecar_injector::validate(&payload).unwrap();
        assert!(
            natively == module().call_validate(&payload).unwrap(),
            "{name}"
        );
    }
}

/// Hosts that write JSON anew have no escapes in names, but the check of an update does not depend on it.
#[test]
fn a_sidecar_is_found_behind_escapes() {
    let request = r#"{"request":{"kind":{"group":"","version":"v1","kind":"Pod"},"operation":"UPDATE","namespace":"team",
        "oldObject":{"spec":{"containers":[{"name":"\u0074vsi-vault-agent","image":"vault"}]}},
        "object":{"spec":{"containers":[{"name":"tvsi-vault-agent","image":"evil"}]}}},"settings":{}}"#;
    let answer = evaluate_module(request.as_bytes());
    assert_eq!(answer["accepted"], false, "{answer}");
    assert_eq!(evaluate_natively(request.as_bytes()), answer);
}
