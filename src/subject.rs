//! What is evaluated: an annotated pod, with what is known of it beside its spec.

use std::cell::RefCell;

use crate::annotations::{Annotations, Key};
use crate::images::Images;
use crate::names::Names;
use crate::pattern::{Identity, Work};
use crate::pod::{Container, Pod, RestartPolicy};
use crate::raw::{Members, Text};
use crate::rejection::{Place, Rejection, Warnings};
use crate::settings::Settings;
use crate::values::{LabelKey, Switch};
use crate::words::set;

/// The pod that is evaluated, and everything that decides about it.
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
    /// The volume with the secrets: a pod may have one of another kind that is called so.
    pub secrets_volume: &'static str,
    pub settings: &'a Settings,
    pub warnings: &'a Warnings,
    /// What comparing with patterns may still cost in this request.
    pub work: &'a RefCell<Work>,
    /// What images run.
    pub images: &'a Images<'a>,
}

impl<'a> Subject<'a> {
    /// What the containers, volumes and directories are called.
    pub fn names(&self) -> &'static Names {
        self.annotations.vocabulary().names()
    }

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
        if !self.annotations.vocabulary().is_own() {
            return Err(self
                .annotations
                .rejected(key, "missing; give it a value")
                .unless_filled_in());
        }
        let value = self.labels.get(label);
        let value = value.and_then(|value| serde_json::from_str::<Text<'_>>(value.get()).ok());
        match value.filter(|value| !value.is_empty()) {
            Some(value) if value.contains(char::is_control) => Err(Place::Label(label.to_owned())
                .rejected("must not have a line break or another control character")),
            Some(value) => Ok(value.to_string()),
            None => Err(self
                .annotations
                .rejected(
                    key,
                    format!(
                        "missing, and label {label} is missing too; add one of them{}",
                        self.or_references(key)
                    ),
                )
                .unless_filled_in()),
        }
    }

    /// What else to do where a pod gets no secret by `key`.
    fn or_references(&self, key: Key) -> &'static str {
        let are_resolved = self.settings.references == Switch::Enabled;
        match key == Key::SecretsPath && are_resolved {
            true => ", or values such as vault:PATH#KEY in env of a container",
            false => "",
        }
    }

    /// How many of the pod's init containers are in front of the policy's: where the proxy of a service mesh is one of
    /// them and keeps running, it provides the network, and there is none before it.
    pub fn behind_mesh_proxy(&self) -> usize {
        let ignored = &self.settings.jobs.ignored_containers;
        let is_proxy = |container: &Container<'_>| {
            container.restart_policy == Some(RestartPolicy::Always)
                && ignored.iter().any(|name| name.as_str() == &*container.name)
        };
        let proxy = self.pod.init_containers.iter().rposition(is_proxy);
        proxy.map_or(0, |index| index + 1)
    }

    /// The annotation with which the sidecars end automatically, as messages recommend it.
    pub fn native_sidecars(&self) -> String {
        format!(
            "annotation {}: native",
            self.annotations.name(Key::Sidecars)
        )
    }

    /// Whether all containers of the application can end for good.
    pub fn can_end(&self) -> bool {
        self.pod.restart_policy != RestartPolicy::Always
            && !self
                .applications()
                .any(|(_, container)| container.restart_policy == Some(RestartPolicy::Always))
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
