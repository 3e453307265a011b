//! Looking through a whole object: for the pod templates in objects of which the policy does not know the fields, and for
//! annotation `inject` where nobody reads it.

use serde_json::value::RawValue;

use crate::annotations::{Annotations, Key};
use crate::pod::{Pod, RestartPolicy, UNNAMED};
use crate::raw::{Members, Text, items, may_have_escapes, member};
use crate::rejection::{Rejection, read};

/// How deep is looked: each level reads again what is in it.
const DEEPEST: usize = 12;

/// The longest path that is looked at: whoever submits an object chooses its names.
const LONGEST_PATH: usize = 512;

/// Where pods and their templates have their annotations.
pub const ANNOTATIONS: &str = "metadata.annotations";

/// What is found in an object. A path is as people write it: `spec.templates[0].metadata`.
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// The pod templates that have the annotation, in their order.
    pub templates: Vec<Template<'a>>,
    /// Where else the annotation is: the paths of what holds it.
    pub elsewhere: Vec<String>,
}

/// A pod template in an object of a kind that the policy does not know.
#[derive(Debug)]
pub struct Template<'a> {
    pub path: String,
    pub json: &'a RawValue,
    /// The nearest object around it.
    pub holder: &'a RawValue,
}

impl<'a> Found<'a> {
    /// Looks for pod templates and for the annotations `inject` in an object.
    pub fn templates(object: &'a RawValue, inject: &[String]) -> Self {
        Search::new(inject, None).of(object)
    }

    /// Looks for the annotations alone.
    pub fn annotations(object: &'a RawValue, inject: &[String]) -> Vec<String> {
        Search::new(inject, Some(0)).of(object).elsewhere
    }
}

struct Search<'a, 's> {
    inject: &'s [String],
    quoted: Vec<String>,
    /// Where it is.
    path: String,
    depth: usize,
    /// How long the path is of the pod template that it is in, in which there is no other.
    template: Option<usize>,
    found: Found<'a>,
}

impl<'a, 's> Search<'a, 's> {
    fn new(inject: &'s [String], template: Option<usize>) -> Self {
        Search {
            inject,
            quoted: inject.iter().map(|it| format!("\"{it}\"")).collect(),
            path: String::new(),
            depth: 0,
            template,
            found: Found::default(),
        }
    }

    fn of(mut self, object: &'a RawValue) -> Found<'a> {
        self.visit(object, object);
        self.found
    }

    /// Visits a value, of which `holder` is the nearest object around it.
    fn visit(&mut self, value: &'a RawValue, holder: &'a RawValue) {
        let length = self.path.len();
        let text = value.get();
        let has_one = self.quoted.iter().any(|inject| text.contains(inject));
        let may_have_it = has_one || may_have_escapes(value);
        if !may_have_it || self.depth > DEEPEST || length > LONGEST_PATH {
            return;
        }
        self.depth += 1;
        if text.starts_with('[') {
            for (index, item) in items(value).into_iter().enumerate() {
                self.step(&format!("[{index}]"), item, holder);
            }
        } else if text.starts_with('{') {
            let members: Members<'a> = serde_json::from_str(text).unwrap_or_default();
            let is_template = self.template.is_none() && self.is_template(&members);
            if is_template {
                self.template = Some(length);
                self.found.templates.push(Template {
                    path: self.path.clone(),
                    json: value,
                    holder,
                });
            }
            let below = self.template.map_or("", |at| &self.path[at..]);
            if self.inject.iter().any(|it| members.has(it))
                && below.strip_prefix('.') != Some(ANNOTATIONS)
            {
                self.found.elsewhere.push(self.path.clone());
            }
            let dot = if length > 0 { "." } else { "" };
            for (name, member) in members.iter() {
                // A controller writes what is below `status`, and nothing may keep it from that.
                let is_status = self.depth == 1 && &**name == "status";
                if member.get().starts_with(['{', '[']) && !is_status {
                    let name = name.replace(char::is_control, "?");
                    self.step(&format!("{dot}{name}"), member, value);
                }
            }
            if is_template {
                self.template = None;
            }
        }
        self.depth -= 1;
    }

    fn step(&mut self, step: &str, value: &'a RawValue, holder: &'a RawValue) {
        let length = self.path.len();
        self.path.push_str(step);
        self.visit(value, holder);
        self.path.truncate(length);
    }

    /// Whether an object is a pod template that has the annotation: never the whole object, whose metadata is its own.
    fn is_template(&self, members: &Members<'_>) -> bool {
        let annotations = members.get("metadata");
        let annotations = annotations.and_then(|metadata| member(metadata, "annotations"));
        let has_one = |it| {
            self.inject
                .iter()
                .any(|inject| member(it, inject).is_some())
        };
        let has_annotation = annotations.is_some_and(has_one);
        let has_containers = || match members.get("spec") {
            Some(spec) => member(spec, "containers").is_some_and(|it| it.get().starts_with('[')),
            None => {
                let is_item = self.path.ends_with(']');
                is_item && STEP.iter().any(|name| members.get(name).is_some())
            }
        };
        has_annotation && !self.path.is_empty() && has_containers()
    }
}

/// What a step of an Argo Workflow runs: one of these.
const STEP: [&str; 3] = ["container", "script", "containerSet"];

/// The pod that a controller of an unknown kind makes of a template: what Kubernetes requires of a pod and is missing, it fills in.
pub fn pod<'a>(
    template: &Template<'a>,
    annotations: &Annotations<'_>,
) -> Result<Pod<'a>, Rejection> {
    let Template { json, holder, .. } = *template;
    let (mut pod, name) = match member(json, "spec") {
        None => (step(template)?, "main"),
        Some(spec) => {
            let mut pod: Pod<'a> = read(spec, &format!("{}.spec", template.path))?;
            if member(spec, "restartPolicy").is_none() {
                let beside = member(holder, "restartPolicy");
                let beside = beside.and_then(|it| serde_json::from_str::<Text<'_>>(it.get()).ok());
                let beside = beside.and_then(|it| RestartPolicy::try_from(it.to_string()).ok());
                let modes = annotations.get(Key::Mode).unwrap_or_default().split(',');
                let mut modes = modes.chain(annotations.get(Key::Workload));
                let is_job = modes.any(|mode| mode.trim().eq_ignore_ascii_case("job"));
                pod.restart_policy = match beside.unwrap_or_default() {
                    RestartPolicy::Always if is_job => RestartPolicy::Never,
                    beside => beside,
                };
            }
            (pod, "user-container")
        }
    };
    for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
        if container.name.is_empty() || &*container.name == UNNAMED {
            container.name = Text(name.into());
        }
    }
    Ok(pod)
}

/// The pod of a step, which has the other fields of a pod beside its container. The workflow's volumes are its own as well, and
/// are not looked at: they would be read for each step again.
fn step<'a>(template: &Template<'a>) -> Result<Pod<'a>, Rejection> {
    let Template { path, json, holder } = template;
    let mut pod: Pod<'a> = read(json, path)?;
    let account = member(holder, "serviceAccountName");
    let account = account.and_then(|it| serde_json::from_str(it.get()).ok());
    pod.service_account_name = pod.service_account_name.or(account);
    let [container, script, set] = STEP.map(|name| member(json, name));
    let lists = [
        set.and_then(|set| member(set, "containers")),
        member(json, "sidecars"),
    ];
    let lists = lists.into_iter().flatten().flat_map(items);
    for container in container.into_iter().chain(script).chain(lists) {
        pod.containers.push(read(container, path)?);
    }
    pod.restart_policy = RestartPolicy::Never;
    Ok(pod)
}

/// Whether a controller puts something in the place of `{{name}}` or `${name}` in annotations that are no templates and no
/// commands.
pub fn are_filled_in(annotations: &Annotations<'_>) -> bool {
    let is_filled_in = |value: &str| value.contains("{{") || value.contains("${");
    Key::ALL.iter().any(|key| {
        let is_text = matches!(
            key,
            Key::SecretsTemplate | Key::Notify | Key::Template | Key::Command
        );
        let value = annotations.get(*key).unwrap_or_default();
        !is_text
            && (is_filled_in(value) || annotations.of(*key).any(|named| is_filled_in(&named.value)))
    })
}
