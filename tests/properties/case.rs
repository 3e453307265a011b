//! One request with the settings it is evaluated under, and the answer to it.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use vault_sidecar_injector::Key;

use super::SECRET;
use super::annotations::{self, Asked, SPICE, SPICE_IN_LITERAL};
use super::pods;
use super::settings::settings;
use super::support;
use super::tree::Tree;

#[derive(Clone)]
pub struct Case {
    /// The pod, without its annotations.
    pod: Tree,
    /// By their whole names; in those of the policy, hostile text is a mark.
    annotations: Vec<(String, Tree)>,
    prefix: String,
    pub hostile: String,
    pub settings: Value,
    workload: Option<&'static str>,
}

/// Pods, of which most can be injected.
pub fn any_pod() -> BoxedStrategy<Case> {
    let asked = (annotations::asked(), strays(), replaced());
    let labels = (
        select(vec![
            ("app".to_owned(), "svc".to_owned()),
            (format!("app{SPICE}"), format!("svc{SPICE}")),
        ]),
        any::<bool>(),
    );
    let damages = prop_oneof![6 => Just(Vec::new()), 1 => vec(pods::damage(), 1..3)];
    let is_fitted = prop::bool::weighted(0.95);
    let world = (settings(), annotations::hostile());
    let owner = (any::<bool>(), select(vec!["Job", "ReplicaSet"]));
    (
        asked,
        pods::spec(),
        labels,
        damages,
        is_fitted,
        world,
        owner,
    )
        .prop_map(
            |((mut asked, strays, replaced), mut spec, labels, damages, is_fitted, world, owner)| {
                let (settings, hostile) = world;
                if is_fitted {
                    fit(&mut spec, &mut asked);
                }
                for damage in damages {
                    damage.apply(&mut spec);
                }
                let prefix = settings["annotations"]["prefix"].as_str();
                let prefix = prefix.unwrap_or("sidecar.vault.talend.org").to_owned();
                let mut annotations = Tree::EMPTY;
                for (name, value) in strays {
                    *annotations.entry(&name.replace("PREFIX", &prefix)) = value;
                }
                for (key, value) in asked.annotations {
                    *annotations.entry(&key.below(&prefix)) = Tree::Text(value);
                }
                for (key, value) in replaced {
                    *annotations.entry(&key.below(&prefix)) = value;
                }
                let ((application, service), has_deletion) = labels;
                let mut pod = Tree::from(json!({
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {
                        "name": "app",
                        "namespace": "default",
                        "labels": {
                            "com.talend.application": application,
                            "com.talend.service": service,
                            "app": application,
                            "example.org/other": "x",
                        },
                    },
                    "status": {"phase": null},
                }));
                let of_job = asked.is_job && owner.1 == "Job";
                if owner.0 && (of_job || owner.1 != "Job") {
                    let version = if of_job { "batch/v1" } else { "apps/v1" };
                    let owner = json!([{"apiVersion": version, "kind": owner.1, "name": "x", "controller": true, "uid": "1"}]);
                    *pod.entry_at(&["metadata", "ownerReferences"]) = owner.into();
                }
                if has_deletion {
                    *pod.entry_at(&["metadata", "deletionGracePeriodSeconds"]) = Tree::null();
                }
                *pod.entry("spec") = spec;
                Case {
                    pod,
                    annotations: annotations.members().to_vec(),
                    prefix,
                    hostile,
                    settings,
                    workload: None,
                }
            },
        )
        .boxed()
}

/// Pods, and now and then workloads with such a pod as their template.
pub fn any_object() -> impl Strategy<Value = Case> {
    let kinds = vec![
        "Deployment",
        "StatefulSet",
        "Job",
        "CronJob",
        "ReplicationController",
    ];
    (any_pod(), option::weighted(0.2, select(kinds)))
        .prop_map(|(case, workload)| Case { workload, ..case })
}

/// Annotations that mean nothing to the policy, or that have no effect where they are.
fn strays() -> impl Strategy<Value = Vec<(String, Tree)>> {
    let strays = vec![
        ("example.org/token".to_owned(), Tree::text(SECRET)),
        (
            "kubectl.kubernetes.io/default-container".to_owned(),
            Tree::text("app-0"),
        ),
        ("PREFIX/secret-path".to_owned(), Tree::text(SECRET)),
        ("PREFIX/zzz".to_owned(), Tree::text("")),
        ("é \"/~1".to_owned(), Tree::text("$(HOME) é\u{0}")),
        ("other.example.org/inject".to_owned(), Tree::text("true")),
    ];
    proptest::sample::subsequence(strays, 0..=3)
}

/// Garbage in the place of what goes together.
fn replaced() -> impl Strategy<Value = Vec<(Key, Tree)>> {
    let keys = Key::ALL.to_vec();
    let garbage = (select(keys), annotations::garbage()).prop_map(|(key, text)| {
        // A restriction may quote what it rejects, a clash or a missing token the path, and a mistake its container or
        // file.
        let is_repeated = [
            Key::Role,
            Key::VaultImage,
            Key::SecretsPath,
            Key::SecretsDestination,
            Key::SecretsMountPath,
            Key::SaToken,
            Key::InjectContainers,
            Key::JobContainers,
            Key::CopyVolumeMounts,
        ];
        let text = match is_repeated.contains(&key) {
            true => text.replace(SECRET, "x"),
            false => text,
        };
        vec![(key, Tree::Text(text))]
    });
    let unasked = select(vec![
        (Key::Inject, Tree::text("false")),
        (Key::Inject, Tree::text("maybe")),
        (Key::Inject, Tree::Literal("true".to_owned())),
        (Key::Status, Tree::text("injected")),
        (Key::Status, Tree::text(SECRET)),
        (Key::Notify, json!({ SECRET: SECRET }).into()),
    ]);
    prop_oneof![
        14 => Just(Vec::new()),
        4 => garbage,
        1 => unasked.prop_map(|annotation| vec![annotation]),
    ]
}

/// Gives the pod what it needs for its annotations.
fn fit(spec: &mut Tree, asked: &mut Asked) {
    let can_end = matches!(spec.text_of("restartPolicy"), Some("Never" | "OnFailure"));
    if asked.is_job && !can_end {
        *spec.entry("restartPolicy") = Tree::text("OnFailure");
    }
    // It would be taken for a job.
    if asked.has_hook {
        spec.remove("restartPolicy");
    }
    let mut names = names_of(spec, "containers");
    names.extend(names_of(spec, "initContainers"));
    for (key, value) in &mut asked.annotations {
        if *key == Key::InjectContainers {
            let mut named: Vec<_> = value.split(',').collect();
            named.retain(|name| names.contains(&name.trim().to_owned()));
            *value = match named.is_empty() {
                true => "app-0".to_owned(),
                false => named.join(","),
            };
        }
    }
    let same_user = Key::RunAsSameUser;
    if asked.annotations.contains(&(same_user, "true".to_owned())) {
        asked.annotations.retain(|(key, _)| *key != Key::RunAsUser);
        for list in ["containers", "initContainers"] {
            for container in members_of(spec, list) {
                let user = container.at(&["securityContext", "runAsUser"]);
                if user.is_some_and(|user| *user == Tree::Literal("0".to_owned())) {
                    container.remove("securityContext");
                }
            }
        }
        *spec.entry_at(&["securityContext", "runAsUser"]) = Tree::Literal("1000".to_owned());
    }
    for list in ["containers", "initContainers"] {
        for container in members_of(spec, list) {
            let is_named = list == "containers"
                || asked.annotations.iter().any(|(key, value)| {
                    *key == Key::InjectContainers
                        && container
                            .text_of("name")
                            .is_some_and(|name| value.contains(name))
                });
            if asked.fills_environment && is_named && container.list_of("command").is_empty() {
                *container.entry("command") = Tree::from(json!(["/bin/app", "$(HOME)"]));
            }
            let hook = container.at(&["lifecycle", "postStart"]);
            if asked.has_hook && hook.is_some_and(|hook| hook.get("httpGet").is_some()) {
                container.remove("lifecycle");
            }
        }
    }
}

fn names_of(spec: &Tree, list: &str) -> Vec<String> {
    let names = spec.list_of(list).iter();
    let names = names.filter_map(|container| container.text_of("name"));
    names.map(str::to_owned).collect()
}

/// The containers of a list, which is left as it is where there are none.
fn members_of<'t>(spec: &'t mut Tree, list: &str) -> impl Iterator<Item = &'t mut Tree> {
    let items = match spec.list_of(list).is_empty() {
        true => None,
        false => Some(spec.list_entry(list)),
    };
    items.into_iter().flatten()
}

impl Case {
    /// The same with another pod, annotations and all.
    pub fn with_object(&self, object: Tree) -> Submission {
        Submission {
            object,
            settings: self.settings.clone(),
        }
    }

    /// The same with these annotations of the policy's, in the place of those about its files.
    pub fn with_files(mut self, values: Vec<(Key, String)>) -> Case {
        let of_files = [
            Key::SecretsPath,
            Key::SecretsDestination,
            Key::SecretsTemplate,
            Key::TemplateLeftDelimiter,
            Key::TemplateRightDelimiter,
            Key::SecretsFormat,
            Key::FilePermissions,
            Key::Notify,
        ];
        let given = values.iter().map(|(key, _)| *key);
        for key in given.chain(of_files) {
            let name = key.below(&self.prefix);
            self.annotations.retain(|(known, _)| *known != name);
        }
        for (key, value) in values {
            let name = key.below(&self.prefix);
            self.annotations.push((name, Tree::Text(value)));
        }
        self
    }

    /// The same with that many more containers like the first.
    pub fn with_containers(mut self, count: usize) -> Case {
        let containers = self.pod.entry("spec").list_entry("containers");
        if let Some(first) = containers.first().cloned() {
            for index in 0..count {
                let mut container = first.clone();
                *container.entry("name") = Tree::text(format!("more-{index}"));
                containers.push(container);
            }
        }
        self
    }

    /// The request, with the hostile text in its places.
    pub fn submission(&self) -> Submission {
        self.with_object(self.object(&self.hostile))
    }

    /// The same with harmless text.
    pub fn harmless(&self) -> Submission {
        self.with_object(self.object(HARMLESS))
    }

    /// Every form in which the hostile text can have been submitted, longest first.
    pub fn hostile_forms(&self) -> Vec<String> {
        let keys = Key::ALL
            .iter()
            .map(|key| annotations::fitted(*key, &self.hostile));
        let mut forms: Vec<_> = keys.collect();
        // In templates of our own, and in those of the pod's.
        forms.extend(
            forms
                .clone()
                .iter()
                .map(|form| annotations::in_go_literal(form)),
        );
        // As messages quote names.
        forms.extend(
            forms
                .clone()
                .iter()
                .map(|form| format!("{form:?}").trim_matches('"').to_owned()),
        );
        forms.extend(forms.clone().iter().map(|form| doubled(form)));
        forms.sort_by(|left, right| right.len().cmp(&left.len()).then(left.cmp(right)));
        forms.dedup();
        forms
    }

    /// The value of an annotation of the policy's as it is submitted.
    pub fn annotation(&self, key: Key) -> Option<String> {
        let submission = self.submission();
        let annotations = submission.object.at(&["metadata", "annotations"])?;
        annotations
            .text_of(&key.below(&self.prefix))
            .map(str::to_owned)
    }

    /// The files, as they are below their directory.
    pub fn destinations(&self) -> Vec<String> {
        let all = self.annotation(Key::SecretsDestination);
        let all = all.as_deref().unwrap_or("secrets.properties").split(',');
        all.map(|file| file.trim().to_owned()).collect()
    }

    /// Whether annotation `mode` names this; for secrets it need not.
    pub fn is_in_mode(&self, wanted: &str) -> bool {
        let given = self.annotation(Key::Mode).unwrap_or_default();
        let given = given.to_ascii_lowercase();
        let has = |mode: &str| given.split(',').any(|given| given.trim() == mode);
        has(wanted) || (wanted == "secrets" && !has("proxy"))
    }

    /// The whole name of the annotation that the policy sets.
    pub fn status(&self) -> String {
        Key::Status.below(&self.prefix)
    }

    fn object(&self, hostile: &str) -> Tree {
        let fit = |key: Key, text: &str| {
            let fitted = annotations::fitted(key, hostile);
            let in_literal = annotations::in_go_literal(&fitted);
            text.replace(SPICE, &fitted)
                .replace(SPICE_IN_LITERAL, &in_literal)
        };
        let mut pod = self.pod.clone();
        let labels = pod.entry_at(&["metadata", "labels"]);
        // The path may come from them.
        *labels = labels.map_texts(&|text| fit(Key::SecretsPath, text));
        let annotations = pod.entry_at(&["metadata", "annotations"]);
        for (name, value) in &self.annotations {
            let key = Key::ALL.iter().find(|key| key.below(&self.prefix) == *name);
            *annotations.entry(name) = match key {
                Some(key) => value.map_texts(&|text| fit(*key, text)),
                None => value.clone(),
            };
        }
        let Some(kind) = self.workload else {
            return pod;
        };
        let (group, path): (_, &[&str]) = match kind {
            "CronJob" => ("batch/v1", &["spec", "jobTemplate", "spec", "template"]),
            "Job" => ("batch/v1", &["spec", "template"]),
            "ReplicationController" => ("v1", &["spec", "template"]),
            _ => ("apps/v1", &["spec", "template"]),
        };
        let mut workload = Tree::from(json!({
            "apiVersion": group,
            "kind": kind,
            "metadata": {"name": "app", "namespace": "default"},
        }));
        *workload.entry_at(path) = pod;
        workload
    }
}

/// What stands for hostile text in a harmless twin.
pub const HARMLESS: &str = "harmless";

/// With every `$` doubled, as Kubernetes wants it where it expands variables.
pub fn doubled(text: &str) -> String {
    text.replace('$', "$$")
}

/// What a failing property shows: the request's object and the settings.
impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.submission().fmt(formatter)
    }
}

/// An object that is created, and the settings.
#[derive(Clone, Debug)]
pub struct Submission {
    pub object: Tree,
    pub settings: Value,
}

impl Submission {
    pub fn payload(&self) -> Vec<u8> {
        let stub = json!({
            "apiVersion": self.object.text_of("apiVersion"),
            "kind": self.object.text_of("kind"),
            "metadata": {"name": "app", "namespace": "default"},
        });
        let mut payload = Tree::from(json!({ "settings": self.settings }));
        *payload.entry("request") = support::creation_of(&stub).into();
        *payload.entry_at(&["request", "object"]) = self.object.clone();
        payload.to_string().into_bytes()
    }

    /// The answer of the policy compiled into the test.
    pub fn answer(&self) -> Answer {
        let answer = vault_sidecar_injector::validate(&self.payload()).expect("never an error");
        Answer(Tree::parse(
            std::str::from_utf8(&answer).expect("an answer is text"),
        ))
    }

    /// The injected pod, if the answer is one.
    pub fn injected(&self) -> Option<Tree> {
        self.answer().injected().cloned()
    }

    /// The pod's spec as submitted.
    pub fn spec(&self) -> Tree {
        self.object.get("spec").cloned().unwrap_or(Tree::EMPTY)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer(pub Tree);

impl Answer {
    pub fn injected(&self) -> Option<&Tree> {
        self.0.get("mutated_object")
    }

    pub fn is_accepted(&self) -> bool {
        self.0.get("accepted") == Some(&Tree::Literal("true".to_owned()))
    }

    pub fn warnings(&self) -> &[Tree] {
        self.0.list_of("warnings")
    }
}
