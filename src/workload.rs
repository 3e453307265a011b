//! Where the pod is in the submitted object.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::admission::Request;
use crate::json::{self, Members, Object};
use crate::pod::Malformed;

/// A pod as submitted, of which only the metadata has been read.
#[derive(Debug)]
pub struct PodTemplate<'a> {
    pub annotations: Members<'a>,
    labels: Option<&'a RawValue>,
    pub spec: Option<&'a RawValue>,
    /// The whole object that holds it.
    pub object: &'a RawValue,
}

impl<'a> PodTemplate<'a> {
    /// Finds the pod in the object of a request that creates one; `None` for all other requests.
    pub fn find(request: &Request<'a>) -> Result<Option<Self>, Malformed> {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(borrow, default)]
            metadata: Option<Object<Metadata<'a>>>,
            #[serde(borrow, default)]
            spec: Option<&'a RawValue>,
        }

        #[derive(Deserialize)]
        struct Metadata<'a> {
            #[serde(borrow, default)]
            annotations: Option<&'a RawValue>,
            #[serde(borrow, default)]
            labels: Option<&'a RawValue>,
        }

        let is_pod = request.group.is_empty() && request.kind == "Pod";
        if !is_pod || request.operation != "CREATE" {
            return Ok(None);
        }
        let Some(object) = request.object else {
            return Err(malformed("object", "missing".to_owned()));
        };
        let shape: Shape<'a> =
            json::read_object(object).map_err(|problem| malformed("metadata", problem))?;
        let (annotations, labels) = match shape.metadata {
            Some(Object(metadata)) => (metadata.annotations, metadata.labels),
            None => (None, None),
        };
        let annotations = members(annotations, "metadata.annotations")?;
        Ok(Some(PodTemplate {
            annotations,
            labels,
            spec: shape.spec,
            object,
        }))
    }

    /// The pod's labels, which only a pod that asks for injection needs read.
    pub fn labels(&self) -> Result<Members<'a>, Malformed> {
        members(self.labels, "metadata.labels")
    }

    /// Whether an annotation may ask for injection, whatever the prefix: cheap enough for every pod.
    pub fn may_ask(&self) -> bool {
        let ends_in_inject = |(name, _): &(Cow<'_, str>, _)| name.ends_with("/inject");
        self.annotations.iter().any(ends_in_inject)
    }
}

fn members<'a>(raw: Option<&'a RawValue>, path: &str) -> Result<Members<'a>, Malformed> {
    raw.map_or(Ok(Members::default()), |raw| {
        json::read(raw).map_err(|problem| malformed(path, problem))
    })
}

fn malformed(path: &str, problem: String) -> Malformed {
    Malformed {
        path: path.to_owned(),
        problem,
    }
}
