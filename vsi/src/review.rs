//! Every document of the manifests, and what a cluster would make of the objects in it.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value};
use vault_sidecar_injector::Key;

use crate::{
    admission::{Cluster, Verdict, template_of},
    differences,
    findings::{Finding, Severity, annotation_in, message_without, name_of},
    manifests::{self, Document, Node},
    printable::Printable,
    progress::Progress,
    reference::annotations::Words,
    sources::Source,
};

/// What all manifests come to.
pub(crate) struct Review<'s> {
    pub(crate) documents: Vec<ReviewedDocument<'s>>,
    /// In the order of the manifests and of their lines.
    pub(crate) findings: Vec<Finding>,
    pub(crate) counts: Counts,
}

/// What there was in the manifests, for people.
#[derive(Default)]
pub(crate) struct Counts {
    /// Pods and workloads, and other objects with annotation `inject`.
    pub(crate) objects: usize,
    pub(crate) injected: usize,
    /// Those of kinds whose pods only their controllers know.
    pub(crate) checked: usize,
    pub(crate) rejected: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            objects,
            injected,
            checked,
            rejected,
        } = self;
        write!(
            formatter,
            "{injected} of {objects} pods and workloads injected"
        )?;
        if *checked > 0 {
            write!(formatter, ", {checked} of other kinds checked")?;
        }
        match rejected {
            0 => Ok(()),
            rejected => write!(formatter, ", {rejected} rejected"),
        }
    }
}

/// A document, and what it is with everything in it injected.
pub(crate) struct ReviewedDocument<'s> {
    pub(crate) source: &'s Source,
    pub(crate) document: Document<'s>,
    /// The objects' names, as far as they are pods or workloads.
    pub(crate) names: Vec<Printable>,
    /// `None` where nothing changes.
    pub(crate) injected: Option<Value>,
}

impl<'s> Review<'s> {
    /// Reviews all documents of all sources.
    ///
    /// # Errors
    ///
    /// If the policy cannot be run.
    pub(crate) fn of(sources: &'s [Source], cluster: &Cluster<'_>) -> anyhow::Result<Self> {
        let mut review = Self {
            documents: Vec::new(),
            findings: Vec::new(),
            counts: Counts::default(),
        };
        let progress = Progress::of_bytes(sources.iter().map(|source| source.text.len()).sum());
        for source in sources {
            progress.reads(&source.name);
            for document in manifests::documents(&source.text) {
                let reviewed = review.document(source, document, cluster)?;
                progress.advance(reviewed.document.text.len());
                review.documents.push(reviewed);
            }
        }
        Ok(review)
    }

    pub(crate) fn has_errors(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Error)
    }

    fn document(
        &mut self,
        source: &'s Source,
        document: Document<'s>,
        cluster: &Cluster<'_>,
    ) -> anyhow::Result<ReviewedDocument<'s>> {
        let mut names = Vec::new();
        let mut injected = None;
        let before = self.findings.len();
        match &document.content {
            Ok(Some(node)) => {
                let submitted = node.to_value();
                let mut value = submitted.clone();
                let mut visit = Visit {
                    review: self,
                    source,
                    document: document.number,
                    node,
                    cluster,
                    names: &mut names,
                };
                visit.object(&mut value, &mut Vec::new())?;
                injected = (value != submitted).then_some(value);
            }
            Ok(None) => {}
            Err(mistake) => self.findings.push(Finding {
                severity: Severity::Error,
                file: source.name.clone(),
                line: mistake.line,
                column: Some(mistake.column),
                document: document.number,
                object: None,
                annotation: None,
                message: mistake.message.clone(),
            }),
        }
        self.findings[before..].sort_by_key(|finding| finding.line);
        Ok(ReviewedDocument {
            source,
            document,
            names,
            injected,
        })
    }
}

/// The way through one document.
struct Visit<'v, 's, 'c> {
    review: &'v mut Review<'s>,
    source: &'s Source,
    document: usize,
    node: &'v Node,
    cluster: &'v Cluster<'c>,
    names: &'v mut Vec<Printable>,
}

impl Visit<'_, '_, '_> {
    /// Injects the object, or each object of a list, at `path` in the document.
    fn object(&mut self, object: &mut Value, path: &mut Vec<String>) -> anyhow::Result<()> {
        let Some(kind) = object.get("kind").and_then(Value::as_str) else {
            return Ok(());
        };
        let Some(of) = kind.strip_suffix("List").map(str::to_owned) else {
            return self.admit(object, path);
        };
        let api_version = object.get("apiVersion").cloned();
        let items = object.get_mut("items").and_then(Value::as_array_mut);
        for (index, item) in items.into_iter().flatten().enumerate() {
            path.extend(["items".to_owned(), index.to_string()]);
            let is_typed = item.get("kind").is_some() || of.is_empty();
            let fields = item.as_object_mut().filter(|_| !is_typed);
            if let (Some(fields), Some(api_version)) = (fields, &api_version) {
                // The items of a PodList are pods without saying so.
                fields.insert("kind".to_owned(), of.clone().into());
                let own = fields.insert("apiVersion".to_owned(), api_version.clone());
                self.object(item, path)?;
                if let Some(fields) = item.as_object_mut() {
                    fields.remove("kind");
                    match own {
                        Some(own) => fields.insert("apiVersion".to_owned(), own),
                        None => fields.remove("apiVersion"),
                    };
                }
            } else {
                self.object(item, path)?;
            }
            path.truncate(path.len() - 2);
        }
        Ok(())
    }

    fn admit(&mut self, object: &mut Value, path: &[String]) -> anyhow::Result<()> {
        let Some(admission) = self.cluster.admit(object)? else {
            return Ok(());
        };
        let name = name_of(object);
        self.review.counts.objects += 1;
        for warning in &admission.warnings {
            self.find(Severity::Warning, warning, object, &name, path);
        }
        match admission.verdict {
            Verdict::Unchanged => {
                let mut words = self.cluster.words.iter();
                let without = words.find_map(|words| {
                    let annotation = annotation_without_inject(object, words)?;
                    Some((annotation, words.name(Key::Inject)))
                });
                if let Some((annotation, inject)) = without {
                    let message = format!("annotation {annotation} has no effect without {inject}");
                    self.find(Severity::Warning, &message, object, &name, path);
                }
                self.note_other_injector(object, &name, path);
            }
            Verdict::Checked => self.review.counts.checked += 1,
            Verdict::Injected(injected) => {
                self.review.counts.injected += 1;
                self.note_differences(object, &name, path);
                *object = injected;
            }
            Verdict::Rejected(message) => {
                self.review.counts.rejected += 1;
                self.find(Severity::Error, &message, object, &name, path);
            }
        }
        self.names.push(name);
        Ok(())
    }

    /// Notes what the Agent Injector would do otherwise, in a pod with its annotations.
    fn note_differences(&mut self, object: &Value, name: &Printable, path: &[String]) {
        let mut words = self.cluster.words.iter();
        let Some(words) = words.find(|words| words.is_agent_injector()) else {
            return;
        };
        let inject = words.name(Key::Inject);
        let places = places_of_annotations(object);
        let mut annotations = places.iter().filter_map(|place| place.annotations(object));
        let Some(annotations) = annotations.find(|it| it.contains_key(&inject)) else {
            return;
        };
        for (annotation, difference) in differences::of(annotations, &words.prefix) {
            let message = format!("annotation {annotation}: {}", difference.message());
            self.find(Severity::Note, &message, object, name, path);
        }
        let message = format!(
            "annotation {inject}: what else differs from the Agent Injector's sidecars in most pods is in {}",
            differences::GUIDE
        );
        self.find(Severity::Note, &message, object, name, path);
    }

    /// Notes a pod with the Agent Injector's annotations where the settings do not enable them.
    fn note_other_injector(&mut self, object: &Value, name: &Printable, path: &[String]) {
        let words = Words::of_agent_injector();
        let inject = words.name(Key::Inject);
        let is_known = self.cluster.words.iter().any(Words::is_agent_injector);
        let places = places_of_annotations(object);
        let is_there = annotations_at(object, &places).any(|name| name == inject);
        if is_there && !is_known {
            let message = format!(
                "annotation {inject}: no effect while the setting agentInjector.enabled is false"
            );
            self.find(Severity::Note, &message, object, name, path);
        }
    }

    fn find(
        &mut self,
        severity: Severity,
        message: &str,
        object: &Value,
        name: &Printable,
        path: &[String],
    ) {
        let words = self.cluster.words;
        let mut places = places_of_annotations(object);
        places_below(object, words, &mut Place::default(), &mut places);
        let present = annotations_at(object, &places).collect::<BTreeSet<_>>();
        let mut found = words.iter();
        let annotation = found.find_map(|words| annotation_in(message, &present, &words.prefix));
        let inside = annotation.iter().flat_map(|annotation| {
            let mut having = places.iter().filter(|place| {
                let annotations = place.annotations(object);
                annotations.is_some_and(|it| it.contains_key(annotation))
            });
            let first = having.clone().next();
            let place = having.find(|place| place.is_named_in(message)).or(first);
            let steps = place.or(places.first()).into_iter();
            let steps = steps.flat_map(|place| place.steps.iter().map(String::as_str));
            steps.chain([annotation.as_str()])
        });
        let path: Vec<_> = path.iter().map(String::as_str).chain(inside).collect();
        self.review.findings.push(Finding {
            severity,
            file: self.source.name.clone(),
            line: self.node.line_of(&path),
            column: None,
            document: self.document,
            object: Some(name.clone()),
            message: Printable::from(message_without(message, annotation.as_deref())),
            annotation: annotation.map(Printable::from),
        });
    }
}

/// An annotation of an object without `inject`. A cluster does not report it, because such a pod is not sent to the policy.
fn annotation_without_inject(object: &Value, words: &Words) -> Option<String> {
    let places = places_of_annotations(object);
    let ours: Vec<_> = annotations_at(object, &places)
        .filter(|name| words.has(name))
        .collect();
    // What carries a status has been injected before.
    let explains = [Key::Inject, Key::Status].map(|key| words.name(key));
    let is_explained = explains.iter().any(|name| ours.contains(&name.as_str()));
    let first = ours.first().filter(|_| !is_explained)?;
    Some((*first).to_owned())
}

/// The names of all annotations that an object has at these places.
fn annotations_at<'o>(object: &'o Value, places: &[Place]) -> impl Iterator<Item = &'o str> {
    places
        .iter()
        .filter_map(|place| place.annotations(object))
        .flat_map(|annotations| annotations.keys().map(String::as_str))
}

/// Where in an object there are annotations, or what is meant as such.
#[derive(Clone, Debug, Default)]
struct Place {
    steps: Vec<String>,
    /// As the policy writes it: `spec.templates[0].metadata.annotations`.
    path: String,
}

const ANNOTATIONS: &str = "metadata.annotations";

impl Place {
    fn of(path: &str) -> Self {
        Self {
            steps: path.split('.').map(str::to_owned).collect(),
            path: path.to_owned(),
        }
    }

    fn annotations<'o>(&self, object: &'o Value) -> Option<&'o Map<String, Value>> {
        let pointer: String = self
            .steps
            .iter()
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
            .collect();
        object.pointer(&pointer)?.as_object()
    }

    /// Whether a message of the policy names these annotations, or ends with their pod template.
    fn is_named_in(&self, message: &str) -> bool {
        let template = self.path.strip_suffix(ANNOTATIONS);
        let template = template.and_then(|path| path.strip_suffix('.'));
        template.is_some_and(|template| message.ends_with(&format!(" (in {template})")))
            || [' ', ';']
                .iter()
                .any(|end| message.contains(&format!(" in {}{end}", self.path)))
    }
}

/// Where an object may have annotations of the policy, the pod's own first.
fn places_of_annotations(object: &Value) -> Vec<Place> {
    let template = template_of(object).filter(|path| !path.is_empty());
    let of_template = template.map(|path| Place::of(&format!("{path}.{ANNOTATIONS}")));
    of_template
        .into_iter()
        .chain([Place::of(ANNOTATIONS)])
        .collect()
}

/// All else in `value`, which is at `place`, that has names below a prefix.
fn places_below(value: &Value, words: &[Words], place: &mut Place, places: &mut Vec<Place>) {
    let length = place.path.len();
    let mut visit = |step: String, path: &str, value: &Value| {
        place.steps.push(step);
        place.path.push_str(path);
        places_below(value, words, place, places);
        place.path.truncate(length);
        place.steps.pop();
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if length > 0 { "." } else { "" };
                visit(name.clone(), &format!("{dot}{name}"), member);
            }
            let mut names = members.keys();
            let is_known = places.iter().any(|known| known.path == place.path);
            if !is_known && names.any(|name| words.iter().any(|words| words.has(name))) {
                places.push(place.clone());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(index.to_string(), &format!("[{index}]"), item);
            }
        }
        _ => {}
    }
}
