//! Where the pod is in the submitted object: a pod itself, or the pod template of a workload.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::pod::Volume;
use crate::raw::{self, Members, Text, may_have_escapes, null_as_default, objects};
use crate::rejection::{Place, Rejection, read};
use crate::request::Request;
use crate::search::Template;

/// The most bytes of an annotated object: as much as all annotations of an object can have. What is in it
/// is read several times, and whoever submits it chooses how much of it there is.
pub const MOST_BYTES: usize = 256 * 1024;

/// The kinds of object that hold a pod, by API group and kind, and where they do.
pub const KINDS: [(&str, &str, &str); 8] = [
    ("", "Pod", ""),
    ("apps", "Deployment", "spec.template"),
    ("apps", "StatefulSet", "spec.template"),
    ("apps", "DaemonSet", "spec.template"),
    ("apps", "ReplicaSet", "spec.template"),
    ("", "ReplicationController", "spec.template"),
    ("batch", "Job", "spec.template"),
    ("batch", "CronJob", "spec.jobTemplate.spec.template"),
];

/// Where objects of an API group and kind have their pod template, as names between dots: `spec.template`, and
/// nothing for a pod itself. `None` for all kinds that the policy does not look at.
pub fn template_path(group: &str, kind: &str) -> Option<&'static str> {
    let mut kinds = KINDS.iter();
    let entry = kinds.find(|entry| (entry.0, entry.1) == (group, kind));
    entry.map(|(_, _, path)| *path)
}

/// A pod as submitted, or a pod template, of which only the metadata has been read.
#[derive(Debug)]
pub struct PodTemplate<'a> {
    pub metadata: Metadata<'a>,
    pub spec: Option<&'a RawValue>,
    /// The whole object that holds it.
    pub object: &'a RawValue,
    /// Where it is in the object: `spec.template`; empty for a pod.
    pub path: &'a str,
    /// What it was found as, in an object of a kind that the policy does not know.
    pub found: Option<&'a Template<'a>>,
    /// Whether a Job makes pods of it, or has made this one.
    pub is_of_job: bool,
    is_left_alone: bool,
}

/// The parts of an object or a template that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
struct Shape<'a> {
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Metadata<'a> {
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub annotations: Members<'a>,
    #[serde(borrow)]
    pub labels: Option<&'a RawValue>,
    #[serde(borrow)]
    deletion_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    owner_references: Option<&'a RawValue>,
}

objects!(Shape<'a>, Metadata<'a>);

impl Metadata<'_> {
    /// Whether the object is going away, or another one controls it: nothing that is already running may be blocked.
    fn is_left_alone(&self) -> bool {
        self.deletion_timestamp.is_some() || self.is_controlled_by(|_, _| true)
    }

    /// Whether a controller of such an API group and kind owns the object.
    fn is_controlled_by(&self, is_kind: impl Fn(&str, &str) -> bool) -> bool {
        let owners = self.owner_references.map_or_else(Vec::new, raw::items);
        owners.into_iter().any(|owner| {
            // An error would cost more than to look: there may be very many owners.
            if !owner.get().starts_with('{') {
                return false;
            }
            let Ok(owner) = serde_json::from_str::<Members<'_>>(owner.get()) else {
                return false;
            };
            let controller: Option<bool> = owner.read("controller").unwrap_or_default();
            let text = |name| -> Option<Text<'_>> { owner.read(name).unwrap_or_default() };
            let (version, kind) = (text("apiVersion"), text("kind"));
            let group = version
                .as_deref()
                .and_then(|version| version.split_once('/'));
            let group = group.map_or("", |(group, _)| group);
            controller == Some(true) && kind.is_some_and(|kind| is_kind(group, &kind))
        })
    }
}

impl<'a> PodTemplate<'a> {
    /// A pod template in an object of another kind.
    pub fn found(template: &'a Template<'a>, object: &'a RawValue) -> Result<Self, Rejection> {
        let path = &template.path;
        let Shape { metadata, spec } = read(template.json, path)?;
        Ok(PodTemplate {
            metadata,
            spec,
            object,
            path,
            found: Some(template),
            is_of_job: false,
            is_left_alone: false,
        })
    }

    /// Finds the pod in the object of a request that creates one, or that creates or changes a workload;
    /// `None` for all other requests.
    pub fn find(request: &Request<'a>) -> Result<Option<Self>, Rejection> {
        let kind = &*request.kind.kind;
        let Some(path) = template_path(&request.kind.group, kind) else {
            return Ok(None);
        };
        let object = request.object;
        let object =
            object.ok_or_else(|| Place::field("object").rejected("missing; expected an object"))?;
        let shape: Shape<'a> = read(object, "object")?;
        if path.is_empty() {
            return Ok(Some(PodTemplate {
                is_of_job: shape
                    .metadata
                    .is_controlled_by(|group, kind| (group, kind) == ("batch", "Job")),
                metadata: shape.metadata,
                spec: shape.spec,
                object,
                path,
                found: None,
                is_left_alone: false,
            }));
        }
        let Some(template) = at(object, path) else {
            return Ok(None);
        };
        let workload = shape.metadata;
        let Shape { metadata, spec } = read(template, path)?;
        Ok(Some(PodTemplate {
            metadata,
            spec,
            object,
            path,
            found: None,
            is_of_job: matches!(kind, "Job" | "CronJob"),
            is_left_alone: workload.is_left_alone() || is_unchanged(template, request, path),
        }))
    }

    /// Whether it may be annotated, as [`may_be_annotated`] finds in the text, or in other letters.
    pub fn may_be_annotated(&self) -> bool {
        let mut annotations = self.metadata.annotations.iter();
        annotations.any(|(name, _)| name.ends_with("/inject") || name.ends_with("/agent-inject"))
            || has_inject(self.object)
    }

    /// Whether it is the template of a workload, and no pod itself.
    pub fn is_template(&self) -> bool {
        !self.path.is_empty()
    }

    /// The path of a field in the object.
    pub fn field(&self, name: &str) -> String {
        match self.path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// The volumes that a StatefulSet's pods have besides those of its template.
    pub fn claims(&self) -> Result<Vec<Volume<'a>>, Rejection> {
        const PATH: &str = "spec.volumeClaimTemplates";
        let has_claims = self.is_template() && self.found.is_none();
        let claims = has_claims.then(|| at(self.object, PATH)).flatten();
        let Some(claims) = claims else {
            return Ok(Vec::new());
        };
        let claims: Vec<&'a RawValue> = read(claims, PATH)?;
        let names = claims
            .into_iter()
            .filter_map(|claim| at(claim, "metadata.name"));
        let volumes = names.map(|name| Ok(Volume::of_claim(read(name, PATH)?)));
        volumes.collect()
    }

    /// Whether it is not to be checked: the template of a workload that is going away, that another object
    /// controls, or whose template stays as it is. Nothing that is already running may be blocked.
    pub fn is_left_alone(&self) -> bool {
        self.is_left_alone
    }
}

/// Whether a request has an object in which something may be annotated, whatever the prefix: by its text, which is
/// cheap enough for every pod.
pub fn may_be_annotated(request: &Request<'_>) -> bool {
    let is_pod = template_path(&request.kind.group, &request.kind.kind) == Some("");
    let brings_pods = match &*request.operation {
        "CREATE" => true,
        "UPDATE" => !is_pod,
        _ => false,
    };
    brings_pods
        && (request.object).is_none_or(|object| has_inject(object) || may_have_escapes(object))
}

fn has_inject(object: &RawValue) -> bool {
    let text = object.get();
    let mut ends = text.match_indices("inject\"");
    ends.any(|(start, _)| text[..start].ends_with('/') || text[..start].ends_with("/agent-"))
}

/// Whether an object is going away, or another one controls it, as far as that can be read.
pub fn is_left_alone(object: &RawValue) -> bool {
    let shape: Result<Shape<'_>, _> = read(object, "object");
    shape.is_ok_and(|shape| shape.metadata.is_left_alone())
}

/// Whether an update leaves the template as it is.
///
/// The API server writes both templates from the same types, and the policy server both with the same writer: what
/// is the same has the same text. To compare them member by member would take time that whoever submits them
/// chooses.
fn is_unchanged(template: &RawValue, request: &Request<'_>, path: &str) -> bool {
    // One that is so much larger is another one.
    let old = request
        .old_object
        .filter(|old| &*request.operation == "UPDATE" && old.get().len() <= 2 * MOST_BYTES);
    old.and_then(|old| at(old, path))
        .is_some_and(|old| old.get() == template.get())
}

/// The specs of a pod that is there already, before and after a change; `None` for all other requests.
pub fn changed_pod<'a>(
    request: &Request<'a>,
) -> Result<Option<(&'a RawValue, &'a RawValue)>, Rejection> {
    let is_pod = (&*request.kind.group, &*request.kind.kind) == ("", "Pod");
    if !is_pod || &*request.operation != "UPDATE" {
        return Ok(None);
    }
    let old = request.old_object.filter(|old| may_be_injected(old));
    let Some(old) = old.and_then(|old| at(old, "spec")) else {
        return Ok(None);
    };
    let missing = || Place::field("spec").rejected("missing; expected an object");
    let new = request.object.and_then(|new| at(new, "spec"));
    Ok(Some((old, new.ok_or_else(missing)?)))
}

/// Whether a pod may have a name of the policy's in it, by its text: without one it was not injected.
fn may_be_injected(pod: &RawValue) -> bool {
    names_ours(pod) || may_have_escapes(pod)
}

/// Whether the text of a pod has a name of the policy's in it.
pub fn names_ours(pod: &RawValue) -> bool {
    let text = pod.get();
    text.contains("\"tvsi-") || text.contains("\"TVSI_AGENT_CONFIG")
}

/// The member at a path of names between dots.
fn at<'a>(object: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    path.split('.').try_fold(object, raw::member)
}
