//! Where the pod is in the submitted object: a pod itself, or the pod template of a workload.

use std::borrow::Cow;

use crate::admission::Request;
use crate::json::{Json, Members};
use crate::pod::Malformed;

/// The most bytes of an object that asks for injection: as much as all annotations of an object can have. What is in it
/// is read several times, and whoever submits it chooses how much of it there is.
pub const MOST_BYTES: usize = 256 * 1024;

/// A pod as submitted, or a pod template, of which only the annotations have been read.
#[derive(Debug)]
pub struct PodTemplate<'a> {
    pub annotations: Members<'a>,
    labels: Option<Json<'a>>,
    pub spec: Option<Json<'a>>,
    /// The whole object that holds it.
    pub object: Json<'a>,
    kind: &'static str,
    owner_references: Option<Json<'a>>,
    /// The workload whose template it is; `None` for a pod.
    pub workload: Option<Workload<'a>>,
}

/// A workload around a pod template.
#[derive(Debug)]
pub struct Workload<'a> {
    /// Where the template is, as in messages: `spec.template`.
    pub path: &'static str,
    pub annotations: Members<'a>,
    is_being_deleted: bool,
    template: Json<'a>,
    /// The template before an update.
    old_template: Option<Json<'a>>,
}

/// The kinds of object that hold a pod, by API group and kind, and where they do.
const KINDS: [(&str, &str, &str); 8] = [
    ("", "Pod", ""),
    ("apps", "Deployment", "spec.template"),
    ("apps", "StatefulSet", "spec.template"),
    ("apps", "DaemonSet", "spec.template"),
    ("apps", "ReplicaSet", "spec.template"),
    ("", "ReplicationController", "spec.template"),
    ("batch", "Job", "spec.template"),
    ("batch", "CronJob", "spec.jobTemplate.spec.template"),
];

fn entry(group: &str, kind: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    KINDS
        .iter()
        .find(|entry| (entry.0, entry.1) == (group, kind))
}

/// Where objects of an API group and kind have their pod template, as names between dots: `spec.template`, and
/// nothing for a pod itself. `None` for all kinds that the policy does not look at.
pub fn template_path(group: &str, kind: &str) -> Option<&'static str> {
    entry(group, kind).map(|(_, _, path)| *path)
}

/// The specs of a pod that is there already, before and after a change; `None` for all other requests.
pub fn changed_pod<'a>(request: &Request<'a>) -> Result<Option<(Json<'a>, Json<'a>)>, Malformed> {
    let is_pod = (&*request.group, &*request.kind) == ("", "Pod");
    if !is_pod || request.operation != "UPDATE" {
        return Ok(None);
    }
    let old = request.old_object.and_then(|old| at(old, "spec"));
    // A pod without containers has none of the policy's.
    let Some(old) = old.filter(|old| at(*old, "containers").is_some()) else {
        return Ok(None);
    };
    let missing = || Malformed::new("spec", "missing");
    let new = request.object.and_then(|new| at(new, "spec"));
    Ok(Some((old, new.ok_or_else(missing)?)))
}

fn is_checked(request: &Request<'_>, is_pod: bool) -> bool {
    request.operation == "CREATE" || (request.operation == "UPDATE" && !is_pod)
}

/// The parts of an object or a template that are read.
struct Shape<'a> {
    metadata: Members<'a>,
    spec: Option<Json<'a>>,
}

impl<'a> Shape<'a> {
    fn read(members: &Members<'a>, path: &str) -> Result<Self, Malformed> {
        let malformed = |problem| Malformed::new(below(path, "metadata"), problem);
        Ok(Shape {
            metadata: match members.given("metadata") {
                Some(metadata) => metadata.object().map_err(malformed)?,
                None => Members::default(),
            },
            spec: members.given("spec"),
        })
    }

    fn annotations(&self, path: &str) -> Result<Members<'a>, Malformed> {
        let path = below(path, "metadata.annotations");
        members(self.metadata.given("annotations"), &path)
    }
}

impl<'a> PodTemplate<'a> {
    /// Whether a request is one that [`find`](Self::find) looks into.
    pub fn is_in(request: &Request<'_>) -> bool {
        let entry = entry(&request.group, &request.kind);
        entry.is_some_and(|(_, _, path)| is_checked(request, path.is_empty()))
    }

    /// Finds the pod in the object of a request that creates one, or that creates or changes a workload;
    /// `None` for all other requests.
    pub fn find(request: &Request<'a>) -> Result<Option<Self>, Malformed> {
        let Some((_, kind, path)) = entry(&request.group, &request.kind) else {
            return Ok(None);
        };
        let is_pod = path.is_empty();
        if !is_checked(request, is_pod) {
            return Ok(None);
        }
        let Some(object) = request.object else {
            return Err(Malformed::new("object", "missing"));
        };
        let members = object.object();
        let members = members.map_err(|problem| Malformed::new("metadata", problem))?;
        if members.0.is_empty() {
            return Ok(None);
        }
        let shape = Shape::read(&members, "")?;
        let owner_references = shape.metadata.given("ownerReferences");
        if is_pod {
            return Ok(Some(PodTemplate {
                annotations: shape.annotations("")?,
                labels: shape.metadata.given("labels"),
                spec: shape.spec,
                object,
                kind,
                owner_references,
                workload: None,
            }));
        }
        let Some(template) = at(object, path) else {
            return Ok(None);
        };
        let workload = Workload {
            path,
            annotations: shape.annotations("")?,
            is_being_deleted: shape.metadata.given("deletionTimestamp").is_some(),
            template,
            old_template: match &*request.operation {
                // One that is so much larger is another one.
                "UPDATE" => request
                    .old_object
                    .filter(|old| old.text().len() <= 2 * MOST_BYTES)
                    .and_then(|old| at(old, path)),
                _ => None,
            },
        };
        let template_members = template
            .object()
            .map_err(|problem| Malformed::new(below(path, "metadata"), problem))?;
        let shape = Shape::read(&template_members, path)?;
        Ok(Some(PodTemplate {
            annotations: shape.annotations(path)?,
            labels: shape.metadata.given("labels"),
            spec: shape.spec,
            object,
            kind,
            owner_references,
            workload: Some(workload),
        }))
    }

    /// The labels, which only a pod that asks for injection needs read.
    pub fn labels(&self) -> Result<Members<'a>, Malformed> {
        members(self.labels, "metadata.labels")
    }

    /// Whether an annotation may ask for injection, whatever the prefix: cheap enough for every pod.
    pub fn may_ask(&self) -> bool {
        let ends_in_inject = |(name, _): &(Cow<'_, str>, _)| name.ends_with("/inject");
        let workload = self.workload.iter();
        workload
            .flat_map(|workload| workload.annotations.iter())
            .chain(self.annotations.iter())
            .any(ends_in_inject)
    }

    /// Whether it is not to be checked: the template of a workload that is going away, that another object
    /// controls, or whose template stays as it is. Nothing that is already running may be blocked.
    ///
    /// The API server writes both templates from the same types, and the policy server both with the same writer: what
    /// is the same has the same text. To compare them member by member would take time that whoever submits them
    /// chooses.
    pub fn is_left_alone(&self) -> bool {
        self.workload.as_ref().is_some_and(|workload| {
            let is_same = |old: Json<'_>| old.text() == workload.template.text();
            workload.is_being_deleted
                || self.is_controlled_by(|_| true)
                || workload.old_template.is_some_and(is_same)
        })
    }

    /// Whether a Job makes pods of it, or has made this one.
    pub fn is_of_job(&self) -> bool {
        match self.workload {
            Some(_) => matches!(self.kind, "Job" | "CronJob"),
            None => self.is_controlled_by(|kind| kind == "Job"),
        }
    }

    /// Whether a controller of such a kind owns the object.
    fn is_controlled_by(&self, is_kind: impl Fn(&str) -> bool) -> bool {
        let owners = self.owner_references.map(Json::items);
        let owners = owners.and_then(Result::ok).unwrap_or_default();
        owners.into_iter().any(|owner| {
            let Ok(owner) = owner.object() else {
                return false;
            };
            owner.boolean("controller") == Ok(Some(true))
                && owner
                    .string("kind")
                    .ok()
                    .flatten()
                    .is_some_and(|kind| is_kind(&kind))
        })
    }
}

/// The member at a path of names between dots.
fn at<'a>(object: Json<'a>, path: &str) -> Option<Json<'a>> {
    path.split('.')
        .try_fold(object, |object, name| object.members().ok()?.get(name))
}

fn members<'a>(json: Option<Json<'a>>, path: &str) -> Result<Members<'a>, Malformed> {
    json.map_or(Ok(Members::default()), |json| {
        let members = json.members();
        members.map_err(|problem| Malformed::new(path, problem))
    })
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}
