//! The decoder: any bytes as a payload of `validate` and of `validate_settings`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;
use vault_sidecar_injector_fuzz::{check_injected, evaluate};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsAnswer {
    valid: bool,
    #[serde(default)]
    message: Option<String>,
}

fuzz_target!(|payload: &[u8]| {
    let answer =
        vault_sidecar_injector::validate_settings(payload).expect("validate_settings never fails");
    let answer: SettingsAnswer = serde_json::from_slice(&answer).expect("an answer is JSON");
    assert_eq!(answer.valid, answer.message.is_none());

    // The host writes what the policy gets from a value that it has read. For what is not JSON any answer is
    // right, but there must be one.
    let Ok(value) = serde_json::from_slice::<Value>(payload) else {
        vault_sidecar_injector::validate(payload).expect("validate never fails");
        return;
    };
    let Some(injected) = evaluate(payload).mutated_object else {
        return;
    };
    let mut payload = value;
    let Ok(injected) = serde_json::from_str::<Value>(injected.get()) else {
        return;
    };
    let object = &mut payload["request"]["object"];
    check_injected(&injected, object);
    *object = injected;
    let again = evaluate(&serde_json::to_vec(&payload).expect("a value can be written as JSON"));
    assert!(again.accepted && again.mutated_object.is_none() && again.warnings.is_empty());
});
