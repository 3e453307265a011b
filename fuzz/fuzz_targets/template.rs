//! The template checker: any text as `secrets-template`, for one file and for two.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use vault_sidecar_injector_fuzz::{check_injected, creation_of, evaluate};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for destinations in [&["a"][..], &["a", "b"]] {
        check(&text, destinations);
    }
});

fn check(text: &str, destinations: &[&str]) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "app",
            "annotations": {
                "sidecar.vault.talend.org/inject": "true",
                "sidecar.vault.talend.org/role": "app",
                "sidecar.vault.talend.org/secrets-destination": destinations.join(","),
                "sidecar.vault.talend.org/secrets-template": text,
            },
        },
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    });
    let payload = creation_of(&pod, &json!({}));
    let first = vault_sidecar_injector::validate(&payload).expect("validate never fails");
    let second = vault_sidecar_injector::validate(&payload).expect("validate never fails");
    assert!(first == second, "two answers to one request");

    let answer = evaluate(&payload);
    if let Some(message) = &answer.message
        && let Some((destination, line)) = place(message)
    {
        assert!(destinations.contains(&destination), "{message}");
        let lines = 1 + text.matches('\n').count();
        assert!((1..=lines).contains(&line), "{message}");
    }
    if let Some(injected) = &answer.mutated_object {
        let injected: Value = serde_json::from_str(injected.get()).expect("JSON");
        check_injected(&injected, &pod);
    }
}

/// The file and the line in a rejection: `..: the template for "a", line 3: ..`
fn place(message: &str) -> Option<(&str, usize)> {
    let (_, rest) = message.split_once("secrets-template: the template for \"")?;
    let (destination, rest) = rest.split_once("\", line ")?;
    let (line, _) = rest.split_once(':')?;
    Some((destination, line.parse().expect("a number")))
}
