//! Writes the inputs that the fuzz targets begin with, made from the golden cases: one folder for each target,
//! below the directory that is given.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What stands before the slash in the annotations of the cases.
const PREFIX: &str = "sidecar.vault.talend.org/";

/// What separates the annotations in an input of target `annotations`; no UTF-8 text has this byte.
const SEPARATOR: u8 = 0xff;

fn main() -> Result<(), Box<dyn Error>> {
    let output = std::env::args_os().nth(1).ok_or("usage: seeds DIRECTORY")?;
    let mut seeds = Seeds::default();
    for directory in cases()? {
        seeds.add_case(&directory)?;
    }
    seeds.write(Path::new(&output))
}

fn cases() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test_data/inject");
    let mut cases = Vec::new();
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        if path.is_dir() {
            cases.push(path);
        }
    }
    cases.sort();
    Ok(cases)
}

/// The inputs by target, each once.
#[derive(Default)]
struct Seeds {
    request: BTreeSet<Vec<u8>>,
    annotations: BTreeSet<Vec<u8>>,
    template: BTreeSet<Vec<u8>>,
}

impl Seeds {
    fn add_case(&mut self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let workload = read(&directory.join("workload.yaml"))?;
        let object = match workload {
            Some(workload) => workload,
            None => read(&directory.join("pod.yaml"))?.ok_or("a case without an object")?,
        };
        let settings = read(&directory.join("settings.yaml"))?.unwrap_or_else(|| json!({}));
        let mut request = creation_of(&object);
        if let Some(old) = read(&directory.join("old.yaml"))? {
            request["operation"] = json!("UPDATE");
            request["oldObject"] = old;
        }
        if let Some(Value::Object(differences)) = read(&directory.join("request.yaml"))? {
            for (name, value) in differences {
                request[name] = value;
            }
        }
        let payload = json!({"request": request, "settings": settings});
        self.request.insert(serde_json::to_vec(&payload)?);
        self.request.insert(serde_json::to_vec(&settings)?);
        if let Value::Object(annotations) = &object["metadata"]["annotations"] {
            self.add_annotations(annotations);
        }
        Ok(())
    }

    fn add_annotations(&mut self, annotations: &serde_json::Map<String, Value>) {
        // The first two bytes choose settings and pod: each of them gets its share of the cases.
        let turn = self.annotations.len();
        let choice = |turn: usize| b"0123"[turn % 4];
        let mut input = vec![choice(turn), choice(turn / 4)];
        for (name, value) in annotations {
            let (Some(name), Value::String(value)) = (name.strip_prefix(PREFIX), value) else {
                continue;
            };
            if name == "secrets-template" {
                self.template.insert(value.clone().into_bytes());
            }
            if name != "inject" {
                input.push(SEPARATOR);
                input.extend(format!("{name}={value}").into_bytes());
            }
        }
        self.annotations.insert(input);
    }

    fn write(&self, output: &Path) -> Result<(), Box<dyn Error>> {
        let targets = [
            ("request", &self.request),
            ("annotations", &self.annotations),
            ("template", &self.template),
        ];
        for (target, inputs) in targets {
            let directory = output.join(target);
            if directory.exists() {
                fs::remove_dir_all(&directory)?;
            }
            fs::create_dir_all(&directory)?;
            for (number, input) in inputs.iter().enumerate() {
                fs::write(directory.join(format!("golden-{number}")), input)?;
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Value>, Box<dyn Error>> {
    match path.exists() {
        true => Ok(yaml_serde::from_str(&fs::read_to_string(path)?)?),
        false => Ok(None),
    }
}

/// The part of a request that the policy reads: short inputs are changed to the point.
fn creation_of(object: &Value) -> Value {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    json!({
        "kind": {"group": group, "version": version, "kind": object["kind"]},
        "namespace": object["metadata"]["namespace"].as_str().unwrap_or("default"),
        "operation": "CREATE",
        "object": object,
    })
}
