//! What the tests share: the built module, requests as the API server sends them, and the golden cases.

#![allow(dead_code, reason = "each test uses its part")]

pub mod kept;
pub mod templates;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use policy_host::{AdmissionRequest, Policy};
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
    for sources in ["build", "src"] {
        assert!(
            newest(&root().join(sources)) <= built,
            "policy.wasm is older than {sources}/; run `make policy.wasm`"
        );
    }
    fs::read(&path).expect("policy.wasm can be read")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn newest(directory: &Path) -> SystemTime {
    fs::read_dir(directory)
        .expect("sources are there")
        .map(|entry| entry.expect("a directory can be read").path())
        .map(|path| match path.is_dir() {
            true => newest(&path),
            false => modified(&path).expect("a file has a time"),
        })
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The policy compiled into the test.
pub fn evaluate_natively(payload: &[u8]) -> Value {
    let answer = vault_sidecar_injector::validate(payload).expect("validate never fails");
    serde_json::from_slice(&answer).expect("an answer is JSON")
}

/// The policy as it is shipped.
pub fn evaluate_module(payload: &[u8]) -> Value {
    let answer = module()
        .call_validate(payload)
        .expect("validate never fails");
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

/// One golden case: a folder with a pod and what becomes of it.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub directory: PathBuf,
}

/// What becomes of a pod, each in a file of its own.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub file: &'static str,
    pub value: Value,
    pub warnings: Vec<Value>,
}

/// Every file that an outcome can be in.
pub const OUTCOME_FILES: [&str; 3] = ["injected.yaml", "accepted.yaml", "rejected.yaml"];

impl Case {
    /// All cases, by name.
    pub fn all() -> Vec<Case> {
        let mut cases: Vec<_> = fs::read_dir(root().join("test_data/inject"))
            .expect("there are golden cases")
            .map(|entry| entry.expect("a directory can be read").path())
            .filter(|path| path.is_dir())
            .map(|directory| Case {
                name: directory
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                directory,
            })
            .collect();
        cases.sort_by(|left, right| left.name.cmp(&right.name));
        assert!(!cases.is_empty(), "there are golden cases");
        cases
    }

    /// The object as submitted: a pod, or a workload.
    pub fn object(&self) -> Value {
        match self.directory.join("workload.yaml") {
            workload if workload.exists() => read_yaml(&workload),
            _ => read_yaml(&self.directory.join("pod.yaml")),
        }
    }

    /// The settings of the case; all defaults where it has none.
    pub fn settings(&self) -> Value {
        match self.directory.join("settings.yaml") {
            path if path.exists() => read_yaml(&path),
            _ => json!({}),
        }
    }

    /// The payload for the case's object.
    pub fn payload(&self) -> Vec<u8> {
        self.payload_with(&self.object())
    }

    /// The same for another object.
    pub fn payload_with(&self, object: &Value) -> Vec<u8> {
        payload(&self.request_for(object), &self.settings())
    }

    /// The request to create `object`, or to change what is in `old.yaml` to it, with what `request.yaml`
    /// says differently.
    pub fn request_for(&self, object: &Value) -> Value {
        let mut request = creation_of(object);
        let old = self.directory.join("old.yaml");
        if old.exists() {
            request["operation"] = json!("UPDATE");
            request["oldObject"] = read_yaml(&old);
        }
        let path = self.directory.join("request.yaml");
        if path.exists() {
            let Value::Object(differences) = read_yaml(&path) else {
                panic!("{}: expected a mapping", path.display());
            };
            for (name, value) in differences {
                request[name] = value;
            }
        }
        request
    }

    /// The outcome that is expected.
    pub fn expected(&self) -> Option<Outcome> {
        let file = OUTCOME_FILES
            .into_iter()
            .find(|file| self.directory.join(file).exists())?;
        let warnings = self.directory.join("warnings.yaml");
        Some(Outcome {
            file,
            value: with_scripts(read_yaml(&self.directory.join(file))),
            warnings: match warnings.exists() {
                true => match read_yaml(&warnings) {
                    Value::Array(warnings) => warnings,
                    _ => panic!("{}: expected a list", warnings.display()),
                },
                false => Vec::new(),
            },
        })
    }

    /// Writes `outcome` as the expected one.
    pub fn write(&self, outcome: &Outcome) {
        for file in OUTCOME_FILES.iter().chain(&["warnings.yaml"]) {
            let _ = fs::remove_file(self.directory.join(file));
        }
        let write = |file: &str, value: &Value| {
            let text = yaml_serde::to_string(value).expect("JSON is YAML");
            fs::write(self.directory.join(file), text).expect("the case can be written");
        };
        write(outcome.file, &without_scripts(outcome.value.clone()));
        if !outcome.warnings.is_empty() {
            write("warnings.yaml", &Value::Array(outcome.warnings.clone()));
        }
    }
}

impl Outcome {
    /// Reads the policy's answer.
    pub fn of(answer: &Value) -> Outcome {
        let (file, value) = match (&answer["accepted"], answer.get("mutated_object")) {
            (Value::Bool(true), Some(object)) => ("injected.yaml", object.clone()),
            (Value::Bool(true), None) => ("accepted.yaml", json!({"unchanged": true})),
            _ => (
                "rejected.yaml",
                json!({"code": answer["code"], "message": answer["message"]}),
            ),
        };
        Outcome {
            file,
            value,
            warnings: answer["warnings"].as_array().cloned().unwrap_or_default(),
        }
    }
}

/// The scripts by the mark that stands for each in a golden case, where their text would hide the pod.
///
/// A script appears as it is in a hook, and with `$` doubled where Kubernetes expands variables.
fn script_marks() -> &'static [(String, String)] {
    static MARKS: OnceLock<Vec<(String, String)>> = OnceLock::new();
    MARKS.get_or_init(|| {
        let mut marks = Vec::new();
        let mut files: Vec<_> = fs::read_dir(concat!(env!("OUT_DIR"), "/scripts"))
            .expect("scripts are there")
            .map(|entry| entry.expect("a directory can be read").path())
            .collect();
        files.sort();
        for path in files {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&path).expect("a script is text");
            let doubled = text.replace('$', "$$");
            marks.push((format!("<<with $ doubled: {name}>>"), doubled));
            marks.push((format!("<<{name}>>"), text));
        }
        marks
    })
}

fn with_scripts(value: Value) -> Value {
    replace_in_strings(value, |text| {
        script_marks()
            .iter()
            .fold(text, |text, (mark, script)| text.replace(mark, script))
    })
}

/// `value` with marks in the place of scripts.
pub fn without_scripts(value: Value) -> Value {
    replace_in_strings(value, |text| {
        script_marks()
            .iter()
            .fold(text, |text, (mark, script)| text.replace(script, mark))
    })
}

fn replace_in_strings(value: Value, replace: impl Fn(String) -> String + Copy) -> Value {
    match value {
        Value::String(text) => Value::String(replace(text)),
        Value::Array(items) => items
            .into_iter()
            .map(|item| replace_in_strings(item, replace))
            .collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, replace_in_strings(member, replace)))
            .collect(),
        other => other,
    }
}
