//! The pods that are submitted: what `cases/` says, and combinations of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    combinations::combinations,
    files::{Problem, own, read_yaml},
};

/// What stands before the slash in every annotation of the Agent Injector.
pub const PREFIX: &str = "vault.hashicorp.com";

/// What stands for the name of a secret in the names of annotations, and the secret that it stands for.
const NAME: (&str, &str) = ("-NAME", "-db");

/// Annotations that are set, or taken away, by their names without the prefix.
pub type Changes = BTreeMap<String, Option<String>>;

/// A pod that is submitted.
#[derive(Clone, Debug)]
pub struct Case {
    /// Says what is special about it.
    pub name: String,
    /// Its annotations, by their names without the prefix.
    pub annotations: BTreeMap<String, String>,
    /// The name of the pod in `cases/pods.yaml`.
    pub pod_name: String,
    /// The namespace of the request.
    pub namespace: String,
    /// The pod, with its annotations.
    pub pod: Value,
}

impl Case {
    fn new(name: String, pod: &Pod, always: &Changes, changes: &Changes) -> Self {
        let mut annotations = BTreeMap::new();
        for (key, value) in always.iter().chain(&pod.annotations).chain(changes) {
            match value {
                Some(value) => annotations.insert(key.clone(), value.clone()),
                None => annotations.remove(key),
            };
        }
        let mut submitted = pod.pod.clone();
        let prefixed: BTreeMap<_, _> = annotations
            .iter()
            .map(|(key, value)| (format!("{PREFIX}/{key}"), value))
            .collect();
        submitted["apiVersion"] = json!("v1");
        submitted["kind"] = json!("Pod");
        submitted["metadata"]["namespace"] = json!(pod.namespace);
        submitted["metadata"]["annotations"] = json!(prefixed);
        Self {
            name,
            annotations,
            pod_name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            pod: submitted,
        }
    }

    /// The request for the Agent Injector's program.
    pub fn question(&self) -> Value {
        json!({"pod": self.pod, "namespace": self.namespace})
    }

    /// A number that changes with the question: FNV-1a.
    pub fn digest(&self) -> String {
        let text = self.question().to_string();
        let digest = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
                (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("{digest:016x}")
    }
}

/// `cases/annotations.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The annotations that each pod has.
    pub always: Changes,
    /// Every annotation there is.
    pub annotations: Vec<Row>,
}

/// An annotation and its values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name without the prefix.
    pub annotation: String,
    /// What it needs to have an effect.
    #[serde(default)]
    pub with: Changes,
    /// Values that mean something.
    #[serde(default)]
    pub good: Vec<String>,
    /// Values that mean nothing.
    #[serde(default)]
    pub bad: Vec<String>,
    /// Several annotations at once.
    #[serde(default)]
    pub also: Vec<Changes>,
}

impl Row {
    /// The annotation's name as pods have it; `None` where the row is of several with a part of the name in common.
    pub fn key(&self) -> Option<String> {
        let has_own = !self.good.is_empty() || !self.bad.is_empty();
        has_own.then(|| self.annotation.replace(NAME.0, NAME.1))
    }

    /// What the row sets in a pod for one of its values.
    pub fn changes(&self, value: &str) -> Changes {
        let mut changes = self.with.clone();
        changes.extend(self.key().map(|key| (key, Some(value.to_owned()))));
        changes
    }
}

/// `cases/pods.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    with: Vec<Changes>,
    /// The pods that the annotations are on.
    pub pods: Vec<Pod>,
}

/// A pod before it has its annotations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// Names it in the names of cases.
    pub name: String,
    /// What is special about it.
    pub about: String,
    #[serde(default = "shop")]
    namespace: String,
    #[serde(default)]
    annotations: Changes,
    pod: Value,
}

fn shop() -> String {
    "shop".to_owned()
}

/// The annotations and their values.
///
/// # Errors
///
/// Those of [`read_yaml`].
pub fn table() -> Result<Table, Problem> {
    read_yaml(&own("cases/annotations.yaml"))
}

/// The pods.
///
/// # Errors
///
/// Those of [`read_yaml`].
pub fn pods() -> Result<Pods, Problem> {
    read_yaml(&own("cases/pods.yaml"))
}

/// All cases, each question once.
///
/// # Errors
///
/// Those of [`read_yaml`].
pub fn cases() -> Result<Vec<Case>, Problem> {
    let (table, pods) = (table()?, pods()?);
    let mut cases = Vec::new();
    let mut add = |about: &str, pod: &Pod, changes: &Changes| {
        let name = format!("{about}{}", shown(changes));
        cases.push(Case::new(name, pod, &table.always, changes));
    };
    // The first pod comes with no more than this first of all.
    for pod in &pods.pods {
        for with in &pods.with {
            add(&format!("{}: ", pod.name), pod, with);
        }
    }
    let one = &pods.pods[0];
    for row in &table.annotations {
        let values = row.good.iter().chain(&row.bad).map(String::as_str);
        let key = row.key();
        for value in values.chain(key.is_some().then_some("")) {
            add("", one, &row.changes(value));
        }
        for changes in &row.also {
            add("", one, changes);
        }
    }
    for (number, (pod, changes)) in combinations(&table, &pods.pods).enumerate() {
        add(&format!("{} on {}: ", number + 1, pod.name), pod, &changes);
    }
    let mut questions = BTreeSet::new();
    cases.retain(|case| questions.insert(case.digest()));
    Ok(cases)
}

fn shown(changes: &Changes) -> String {
    let shown: Vec<_> = changes
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{key}={value:?}"),
            None => format!("no {key}"),
        })
        .collect();
    match shown.is_empty() {
        true => "nothing more".to_owned(),
        false => shown.join(", "),
    }
}
