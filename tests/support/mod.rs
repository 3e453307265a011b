//! What the tests share: the built module, and requests as the API server sends them.

#![allow(dead_code, reason = "each test uses its part")]

pub mod kept;
pub mod templates;

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use policy_host::{AdmissionRequest, Guest, Images, Native, NoImages, Policy};
use serde_json::{Value, json};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The module as `make policy.wasm` has built it, compiled once.
pub fn module() -> &'static Policy {
    static MODULE: OnceLock<Policy> = OnceLock::new();
    MODULE
        .get_or_init(|| Policy::from_bytes(&module_bytes()).expect("policy.wasm is a waPC module"))
}

/// The bytes of the module as `make policy.wasm` has built it.
///
/// # Panics
///
/// If it is missing or older than the sources: a test of an old module would show nothing.
pub fn module_bytes() -> Vec<u8> {
    let path = root().join("policy.wasm");
    let built =
        modified(&path).unwrap_or_else(|| panic!("policy.wasm is missing; run `make policy.wasm`"));
    let sources = ["src", "build", "Cargo.toml", "Cargo.lock", ".cargo"];
    for source in sources {
        assert!(
            newest(&root().join(source)) <= built,
            "policy.wasm is older than {source}; run `make policy.wasm`"
        );
    }
    fs::read(&path).expect("policy.wasm can be read")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// When a file, or the newest one below a directory, was changed.
fn newest(path: &Path) -> SystemTime {
    if !path.is_dir() {
        return modified(path).expect("a source has a time");
    }
    let entries = fs::read_dir(path).expect("a directory can be read");
    let paths = entries.map(|entry| entry.expect("a directory can be read").path());
    paths
        .map(|path| newest(&path))
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The policy compiled into the test.
pub fn evaluate_natively(payload: &[u8]) -> Value {
    evaluate(&native(Arc::new(NoImages)), payload)
}

/// The policy compiled into the test, with what it looks up.
pub fn native(images: Arc<dyn Images>) -> Native {
    Native {
        images,
        validate: vault_sidecar_injector::validate_with,
        validate_settings: vault_sidecar_injector::validate_settings,
    }
}

/// The policy as it is shipped.
pub fn evaluate_module(payload: &[u8]) -> Value {
    evaluate(module(), payload)
}

/// What a policy answers.
pub fn evaluate(policy: &dyn Guest, payload: &[u8]) -> Value {
    let answer = policy.call_validate(payload).expect("validate never fails");
    serde_json::from_slice(&answer).expect("an answer is JSON")
}

/// A request to create `object` in its namespace, as the API server sends it.
pub fn creation_of(object: &Value) -> Value {
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or("default");
    let request = AdmissionRequest::creation(object.clone(), namespace);
    serde_json::to_value(request).expect("a request is JSON")
}

/// The payload of waPC function `validate`.
pub fn payload(request: &Value, settings: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({"request": request, "settings": settings})).expect("JSON")
}

/// A YAML file as a JSON value.
///
/// # Panics
///
/// If it is missing or no YAML.
pub fn read_yaml(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
