//! What is evaluated: a pod that asks for injection, with what is known of it beside its spec.

use crate::annotations::{Annotations, Key};
use crate::pattern::Identity;
use crate::pod::{Container, Pod};
use crate::raw::{Members, Text};
use crate::rejection::{Place, Rejection, Warnings};
use crate::settings::Settings;
use crate::values::LabelKey;
use crate::words::set;

/// The pod that is evaluated, with all that it is judged by.
pub struct Subject<'a> {
    /// Those of the policy.
    pub annotations: Annotations<'a>,
    /// All annotations of the pod.
    pub all_annotations: &'a Members<'a>,
    pub labels: Members<'a>,
    pub pod: Pod<'a>,
    /// The namespace of the request.
    pub namespace: &'a str,
    /// Whether it is a template still, which the API server has not given its service account's token.
    pub is_template: bool,
    /// Whether a Job makes the pod.
    pub is_of_job: bool,
    pub settings: &'a Settings,
    pub warnings: &'a Warnings,
}

impl<'a> Subject<'a> {
    /// What the placeholders of patterns stand for.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: self.namespace,
            service_account: self.pod.service_account(),
        }
    }

    /// The value of a label that stands in for the annotation `key`.
    pub fn label(&self, label: &LabelKey, key: Key) -> Result<String, Rejection> {
        let label = label.as_str();
        let value = self.labels.get(label);
        let value = value.and_then(|value| serde_json::from_str::<Text<'_>>(value.get()).ok());
        match value.filter(|value| !value.is_empty()) {
            Some(value) if value.contains(char::is_control) => Err(Place::Label(label.to_owned())
                .rejected("must not have a line break or another control character")),
            Some(value) => Ok(value.to_string()),
            None => Err(self.annotations.rejected(
                key,
                format!(
                    "missing, and so is label {label}, which gives its default; set one of them"
                ),
            )),
        }
    }

    /// The containers of the application: all but the proxies of service meshes.
    pub fn applications(&self) -> impl Iterator<Item = (usize, &Container<'a>)> {
        self.without_ignored(&self.pod.containers)
    }

    /// The containers of a list of the pod's without the proxies of service meshes, each with its place.
    pub fn without_ignored<'s>(
        &self,
        containers: &'s [Container<'a>],
    ) -> impl Iterator<Item = (usize, &'s Container<'a>)> {
        let ignored = self.settings.jobs.ignored_containers.iter();
        let ignored = set(ignored.map(|name| name.as_str()));
        let containers = containers.iter().enumerate();
        containers.filter(move |(_, container)| !ignored.contains(&*container.name))
    }
}
