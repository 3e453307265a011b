//! `Policy` with guests that accept, change, reject, and misbehave.

use policy_host::{AdmissionResponse, Guest, HostError, Policy, ProtocolVersion, Request, payload};
use serde_json::{Value, json};

use crate::guests;

fn request() -> Value {
    json!({
        "uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}},
    })
}

fn evaluate(module: &[u8]) -> AdmissionResponse {
    let policy = Policy::from_bytes(module).unwrap();
    policy.validate(&request(), &Value::Null).unwrap()
}

fn status(response: AdmissionResponse) -> (String, Option<u16>) {
    assert!(!response.allowed);
    let status = response.status.unwrap();
    (status.message.unwrap(), status.code)
}

#[test]
fn a_mutated_object_becomes_a_patch() {
    let mutated =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop", "labels": {}}});
    let answer = json!({"accepted": true, "mutated_object": mutated, "warnings": ["careful"]});
    let response = evaluate(&guests::answering(&answer.to_string()));

    assert!(response.allowed);
    assert_eq!(
        response.apply_to(&request()["object"]).unwrap(),
        answer["mutated_object"]
    );
    assert_eq!(response.warnings.unwrap(), ["careful"]);
}

#[test]
fn a_rejection_is_handed_on() {
    let answer = r#"{"accepted":false,"message":"no","code":422}"#;
    let response = evaluate(&guests::answering(answer));
    assert_eq!(status(response), ("no".to_owned(), Some(422)));
}

#[test]
fn the_guest_sees_the_payload_byte_for_byte() {
    let policy = Policy::from_bytes(&guests::echoing()).unwrap();
    let request = Request::from_json(&request()).unwrap();
    let payload = payload(&request, &json!({"a": "é"})).unwrap();
    assert_eq!(policy.call_validate(&payload).unwrap(), payload);
}

#[test]
fn a_guest_error_is_an_internal_server_error() {
    let response = evaluate(&guests::failing("out of ideas"));
    assert_eq!(
        status(response),
        (
            "internal server error: Guest call failure: out of ideas".to_owned(),
            Some(500)
        )
    );
}

#[test]
fn a_trap_is_an_internal_server_error() {
    let (message, code) = status(evaluate(&guests::trapping()));
    assert!(
        message.starts_with("internal server error: Guest call failure: "),
        "{message}"
    );
    assert_eq!(code, Some(500));
}

#[test]
fn an_answer_without_a_verdict_is_an_internal_server_error() {
    let (message, code) = status(evaluate(&guests::answering("{}")));
    assert_eq!(
        message,
        "internal server error: invalid response from policy: missing field `accepted` at line 1 column 2"
    );
    assert_eq!(code, Some(500));
}

#[test]
fn an_evaluation_that_does_not_end_is_cut_off() {
    for module in [guests::looping(), guests::looping_at_start()] {
        let policy = Policy::from_bytes(&module).unwrap().with_fuel(1_000_000);
        let response = policy.validate(&request(), &Value::Null).unwrap();
        assert_eq!(
            status(response),
            (
                "Policy execution interrupted because it exceeded the allowed execution time"
                    .to_owned(),
                Some(500)
            )
        );
        assert!(matches!(
            policy.call_validate(b"{}"),
            Err(HostError::OutOfFuel { .. })
        ));
    }
}

#[test]
fn every_evaluation_has_a_fresh_instance() {
    let policy = Policy::from_bytes(&guests::counting(r#"{"accepted":true}"#)).unwrap();
    for _ in 0..3 {
        let response = policy.validate(&request(), &Value::Null).unwrap();
        assert!(response.allowed, "{response:?}");
    }
}

#[test]
fn a_policy_can_be_shared_between_threads() {
    let policy = Policy::from_bytes(&guests::counting(r#"{"accepted":true}"#)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(policy.validate(&request(), &Value::Null).unwrap().allowed);
            });
        }
    });
}

#[test]
fn settings_and_protocol_version_come_from_the_policy() {
    let policy = Policy::from_bytes(&guests::answering("")).unwrap();
    assert!(policy.validate_settings(&json!({"a": 1})).unwrap().valid);
    assert!(matches!(
        policy.validate_settings(&json!("a")),
        Err(HostError::Settings("a string"))
    ));
    assert_eq!(policy.protocol_version().unwrap(), ProtocolVersion::V1);

    let policy = Policy::from_bytes(&guests::rejecting_settings()).unwrap();
    let answer = policy.validate_settings(&Value::Null).unwrap();
    assert_eq!(
        (answer.valid, answer.message.as_deref()),
        (false, Some("a"))
    );
}

#[test]
fn a_module_that_cannot_be_a_policy_is_rejected_when_it_is_loaded() {
    assert!(matches!(
        Policy::from_bytes(b"no module"),
        Err(HostError::CompileModule(_))
    ));
    assert!(matches!(
        Policy::from_bytes(&guests::parsed("(module)")),
        Err(HostError::NotWapc { rego: false })
    ));
    assert!(matches!(
        Policy::from_bytes(&guests::parsed(r#"(module (func (export "opa_eval")))"#)),
        Err(HostError::NotWapc { rego: true })
    ));
    let wants_more = r#"(module (import "wapc" "more" (func)) (func (export "__guest_call")))"#;
    assert!(matches!(
        Policy::from_bytes(&guests::parsed(wants_more)),
        Err(HostError::Instantiate(_))
    ));
    assert!(matches!(
        Policy::from_file("no/such/policy.wasm"),
        Err(HostError::ReadModule { .. })
    ));
}

#[test]
fn a_failed_initialisation_is_an_error_of_the_host() {
    let policy = Policy::from_bytes(&guests::trapping_at_start()).unwrap();
    assert!(matches!(
        policy.validate(&request(), &Value::Null),
        Err(HostError::Instantiate(_))
    ));
}
