//! A case: the request that it makes, and the outcome that it expects.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::injected::Additions;
use crate::standard::Standard;
use crate::{file, injected, submitted, yaml};

/// A golden case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The path of its file below `test_data`, and its name in the file if that is a table.
    pub name: String,
    /// The object as the API server sends it: a pod, or a workload.
    pub object: Value,
    /// The settings of the policy; the defaults where the case has none.
    pub settings: Value,
    /// What registries have of images, by name: the configuration for each platform.
    pub images: BTreeMap<String, Vec<Value>>,
    file: PathBuf,
    /// Its name in the table.
    row: Option<String>,
    old: Option<Value>,
    /// What the request says besides.
    request: Option<Value>,
    /// The part of the file that says what becomes of the object.
    outcome: Written,
}

/// What becomes of an object, and what the user is warned of.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The warnings in their order.
    pub warnings: Vec<String>,
}

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The request is rejected with a message.
    Rejected(String),
    /// The object is accepted as it is.
    Unchanged,
    /// This is the pod that results.
    Injected(Value),
}

/// A case as it is written, or what all cases of a table have in common.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Written {
    case: Option<String>,
    pub bare: bool,
    pub annotations: Option<Value>,
    pub pod: Option<Value>,
    pub object: Option<Value>,
    old: Option<Value>,
    request: Option<Value>,
    settings: Option<Value>,
    images: BTreeMap<String, Vec<ImageConfig>>,
    warnings: Vec<String>,
    rejected: Option<String>,
    unchanged: bool,
    injected: Option<Additions>,
    cases: Vec<Written>,
}

/// What an image runs on a platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageConfig {
    #[serde(default = "amd64")]
    architecture: String,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    cmd: Vec<String>,
}

fn amd64() -> String {
    "amd64".to_owned()
}

impl ImageConfig {
    /// The configuration of an image, as registries have it.
    fn to_json(&self) -> Value {
        json!({
            "os": "linux",
            "architecture": self.architecture,
            "config": {"Entrypoint": self.entrypoint, "Cmd": self.cmd},
            "rootfs": {"type": "layers", "diff_ids": []},
            "history": [],
        })
    }
}

impl Case {
    /// All cases, by name.
    ///
    /// # Panics
    ///
    /// If one cannot be read.
    pub fn all() -> Vec<Case> {
        let folders = entries(&test_data()).filter(|path| path.is_dir());
        let subjects = folders.filter(|path| !path.ends_with("requests"));
        let mut files: Vec<_> = subjects.flat_map(|subject| entries(&subject)).collect();
        files.sort();
        let cases: Vec<_> = files.iter().flat_map(|path| Case::in_file(path)).collect();
        let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len(), "two cases have the same name");
        cases
    }

    /// The case of that name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn named(name: &str) -> Case {
        let case = Case::all().into_iter().find(|case| case.name == name);
        case.unwrap_or_else(|| panic!("there is no golden case {name}"))
    }

    fn in_file(path: &Path) -> Vec<Case> {
        let text = fs::read_to_string(path).expect("a case can be read");
        let written: Written = yaml_serde::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if written.cases.is_empty() {
            return vec![Case::new(path, &[&written])];
        }
        let rows = written.cases.iter();
        let cases = rows.map(|row| {
            assert!(row.case.is_some(), "{}: a case has no name", path.display());
            Case::new(path, &[&written, row])
        });
        cases.collect()
    }

    /// The case that these make together, each saying more than the one before.
    fn new(path: &Path, layers: &[&Written]) -> Case {
        let outcome = (*layers.last().expect("a case is written somewhere")).clone();
        let path_of_case = path.with_extension("");
        let name = path_of_case.strip_prefix(test_data()).expect("it is there");
        let mut name = name.display().to_string();
        if let Some(row) = &outcome.case {
            name = format!("{name}/{row}");
        }
        let last = |part: fn(&Written) -> &Option<Value>| {
            let mut parts = layers.iter().rev();
            parts.find_map(|layer| part(layer).clone())
        };
        let settings = last(|layer| &layer.settings).unwrap_or(json!({}));
        let object = submitted::object(layers, prefix(&settings));
        // The object before an update is written as what was different.
        let old = last(|layer| &layer.old).map(|difference| {
            let mut old = object.clone();
            json_patch::merge(&mut old, &difference);
            old
        });
        let images = layers.iter().flat_map(|layer| &layer.images);
        let images = images.map(|(name, configs)| {
            let configs = configs.iter().map(ImageConfig::to_json).collect();
            (name.clone(), configs)
        });
        Case {
            name,
            object,
            settings,
            images: images.collect(),
            file: path.to_owned(),
            row: outcome.case.clone(),
            old,
            request: last(|layer| &layer.request),
            outcome,
        }
    }

    /// What stands before the slash in the policy's annotations.
    pub fn prefix(&self) -> &str {
        prefix(&self.settings)
    }

    /// The request to create the object, or to change it, as the API server sends it.
    pub fn request(&self) -> Value {
        self.request_for(&self.object)
    }

    /// The same request with another object.
    pub fn request_for(&self, object: &Value) -> Value {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = object["kind"].as_str().unwrap_or_default();
        let resource = format!("{}s", kind.to_lowercase());
        let namespace = object["metadata"]["namespace"].as_str();
        let mut request = json!({
            "uid": "00000000-0000-0000-0000-000000000000",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": object["metadata"]["name"],
            "namespace": namespace.unwrap_or("default"),
            "operation": "CREATE",
            "userInfo": {},
            "object": object,
            "dryRun": false,
        });
        if let Some(old) = &self.old {
            request["operation"] = json!("UPDATE");
            request["oldObject"] = old.clone();
        }
        if let Some(differences) = &self.request {
            for (name, value) in differences.as_object().expect("a request by key") {
                request[name] = value.clone();
            }
        }
        request
    }

    /// What the policy's function `validate` gets.
    pub fn payload(&self) -> Vec<u8> {
        self.payload_for(&self.object)
    }

    /// The same with another object.
    pub fn payload_for(&self, object: &Value) -> Vec<u8> {
        let payload = json!({"request": self.request_for(object), "settings": self.settings});
        payload.to_string().into_bytes()
    }

    /// Whether the object is the whole of the case: no settings, no images, and no request but the one to create it.
    pub fn is_plain(&self) -> bool {
        let is_alone = self.settings == json!({}) && self.images.is_empty();
        is_alone && self.old.is_none() && self.request.is_none()
    }

    /// The outcome that the case expects; `None` if it has none yet.
    ///
    /// # Panics
    ///
    /// If it has more than one, or one that no pod can have.
    pub fn expected(&self) -> Option<Outcome> {
        let written = &self.outcome;
        let verdict = match (&written.rejected, written.unchanged, &written.injected) {
            (Some(message), false, None) => Verdict::Rejected(message.clone()),
            (None, true, None) => Verdict::Unchanged,
            (None, false, Some(additions)) => {
                let pod = injected::pod(&self.object, self.prefix(), additions);
                Verdict::Injected(pod.unwrap_or_else(|problem| panic!("{}: {problem}", self.name)))
            }
            (None, false, None) => return None,
            _ => panic!("{}: expected one outcome", self.name),
        };
        let warnings = written.warnings.clone();
        Some(Outcome { verdict, warnings })
    }

    /// Whether the case expects an injected pod.
    pub fn is_injected(&self) -> bool {
        self.outcome.injected.is_some()
    }

    /// The pod that is expected to result, if it is injected.
    pub fn injected(&self) -> Option<Value> {
        match self.expected()?.verdict {
            Verdict::Injected(pod) => Some(pod),
            _ => None,
        }
    }

    /// An outcome as the case would show it.
    ///
    /// # Errors
    ///
    /// What of it cannot be shown.
    pub fn shown(&self, outcome: &Outcome) -> Result<String, String> {
        let value = match &outcome.verdict {
            Verdict::Rejected(message) => message.as_str().into(),
            Verdict::Unchanged => true.into(),
            Verdict::Injected(pod) => {
                let additions = injected::additions(&self.object, self.prefix(), pod)?;
                yaml_serde::to_value(additions).map_err(|error| error.to_string())?
            }
        };
        let mut shown = yaml_serde::Mapping::new();
        if !outcome.warnings.is_empty() {
            shown.insert("warnings".into(), outcome.warnings.clone().into());
        }
        shown.insert(outcome.verdict.key().into(), value);
        Ok(yaml::text(&shown.into()))
    }

    /// Writes `outcome` into the case's file as the expected one, and leaves the rest of the file as it is.
    ///
    /// # Errors
    ///
    /// What of it cannot be shown.
    pub fn write(&self, outcome: &Outcome) -> Result<(), String> {
        let text = fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
        let shown = self.shown(outcome)?;
        let changed = file::with_outcome(&text, self.row.as_deref(), &shown);
        fs::write(&self.file, changed).map_err(|error| error.to_string())
    }
}

impl Outcome {
    /// Reads the policy's answer.
    ///
    /// # Panics
    ///
    /// If the policy cannot give it.
    pub fn of(answer: &Value) -> Outcome {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let verdict = match (&answer["accepted"], answer.get("mutated_object")) {
            (Value::Bool(true), None) => Verdict::Unchanged,
            (Value::Bool(true), Some(pod)) => Verdict::Injected(pod.clone()),
            (Value::Bool(false), None) => {
                assert_eq!(answer["code"], 422, "{answer}");
                Verdict::Rejected(text(&answer["message"]))
            }
            _ => panic!("not an answer: {answer}"),
        };
        let warnings = answer["warnings"].as_array().into_iter().flatten();
        let warnings = warnings.map(text).collect();
        Outcome { verdict, warnings }
    }
}

impl Verdict {
    /// What a case calls it.
    pub fn key(&self) -> &'static str {
        match self {
            Verdict::Rejected(_) => "rejected",
            Verdict::Unchanged => "unchanged",
            Verdict::Injected(_) => "injected",
        }
    }
}

fn prefix(settings: &Value) -> &str {
    if settings["agentInjector"]["enabled"] == true {
        return AGENT_INJECTOR;
    }
    let prefix = settings["annotations"]["prefix"].as_str();
    prefix.unwrap_or(&Standard::get().prefix)
}

/// The prefix of the other vocabulary, which a case has whose settings enable it.
pub(crate) const AGENT_INJECTOR: &str = "vault.hashicorp.com";

pub(crate) fn test_data() -> PathBuf {
    root().join("test_data")
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let mut ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    ancestors.nth(2).expect("the package is in tests/cases")
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.expect("a directory can be read").path())
}
