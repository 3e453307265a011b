//! Writes the inputs that the fuzz targets begin with, made from the golden cases: one folder for each target,
//! below the directory that is given.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use golden_cases::Case;
use serde_json::{Value, json};

/// What stands before the slash in the annotations of the cases.
const PREFIX: &str = "sidecar.vault.talend.org/";

/// Members of a request that the policy does not read.
const NOT_READ: [&str; 5] = ["uid", "name", "resource", "userInfo", "dryRun"];

/// What separates the annotations in an input of target `annotations`; no UTF-8 text has this byte.
const SEPARATOR: u8 = 0xff;

fn main() -> Result<(), Box<dyn Error>> {
    let output = std::env::args_os().nth(1).ok_or("usage: seeds DIRECTORY")?;
    let mut seeds = Seeds::default();
    for case in Case::all() {
        seeds.add_case(&case);
    }
    seeds.write(Path::new(&output))
}

/// The inputs by target, each once.
#[derive(Default)]
struct Seeds {
    request: BTreeSet<Vec<u8>>,
    annotations: BTreeSet<Vec<u8>>,
    template: BTreeSet<Vec<u8>>,
}

impl Seeds {
    fn add_case(&mut self, case: &Case) {
        let mut request = case.request();
        // What the policy does not read: short inputs are changed to the point.
        if let Value::Object(members) = &mut request {
            members.retain(|name, _| !NOT_READ.contains(&name.as_str()));
        }
        let payload = json!({"request": request, "settings": case.settings});
        self.request.insert(payload.to_string().into_bytes());
        self.request.insert(case.settings.to_string().into_bytes());
        if let Value::Object(annotations) = &case.object["metadata"]["annotations"] {
            self.add_annotations(annotations);
        }
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
