//! What happens to an object in a cluster with the policy: to a pod, and to the pods that a controller makes from a
//! workload's template.

use policy_host::{
    AdmissionRequest, AdmissionResponse, Guest, Request,
    service_account::{mount_token, unmount_token},
};
use serde_json::{Map, Value, json, value::to_raw_value};
use vault_sidecar_injector::{Key, places_of, template_path};

use crate::{images::Sources, reference::annotations::Words};

/// A cluster with the policy, and nothing else.
pub(crate) struct Cluster<'p> {
    pub(crate) policy: &'p dyn Guest,
    pub(crate) settings: &'p Value,
    pub(crate) images: &'p Sources,
    /// The namespace of objects that name none.
    pub(crate) namespace: &'p str,
    /// The vocabularies of annotated pods.
    pub(crate) words: &'p [Words],
}

/// The policy's answer for an object and for the pods that are made of it.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    pub(crate) warnings: Vec<String>,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) enum Verdict {
    /// It goes on as it is.
    #[default]
    Unchanged,
    /// It goes on as it is, and its controller makes annotated pods from it, in a way that only the controller knows.
    Checked,
    /// Its pod gets sidecars: the object with the pod as it is then, without what a cluster adds automatically.
    Injected(Value),
    /// It, or its pods, are rejected.
    Rejected(String),
}

impl Cluster<'_> {
    /// Creates the object; `None` if the policy has nothing to do with it.
    ///
    /// # Errors
    ///
    /// If the policy cannot be run.
    pub(crate) fn admit(&self, object: &Value) -> anyhow::Result<Option<Admission>> {
        let Some(path) = template_of(object) else {
            return self.admit_other(object);
        };
        let mut admission = Admission::default();
        if path.is_empty() {
            self.admit_pod(object, object, &mut admission)?;
            return Ok(Some(admission));
        }
        let response = self.create(object.clone(), object)?;
        if !admission.add(&response) {
            return Ok(Some(admission));
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        let Some(template) = object.pointer(&pointer).filter(|it| it.is_object()) else {
            return Ok(Some(admission));
        };
        let annotations = template.pointer("/metadata/annotations");
        let mut inject = self.inject().into_iter();
        if annotations.is_none_or(|it| inject.all(|inject| it.get(inject).is_none())) {
            // The review of the workload has reported what else is in it.
            return Ok(Some(admission));
        }
        let pod = pod_of(template, object);
        self.admit_pod(&pod, object, &mut admission)?;
        if let Verdict::Injected(injected) = &admission.verdict {
            let mut workload = object.clone();
            if let Some(template) = workload.pointer_mut(&pointer) {
                put_back(injected, &pod, template);
            }
            admission.verdict = Verdict::Injected(workload);
        }
        Ok(Some(admission))
    }

    /// Creates an object of a kind that the policy looks at where the annotation is in it.
    fn admit_other(&self, object: &Value) -> anyhow::Result<Option<Admission>> {
        let (templates, elsewhere) = places_of(&to_raw_value(object)?, &self.inject());
        if templates.is_empty() && elsewhere.is_empty() {
            return Ok(None);
        }
        let mut admission = Admission::default();
        let response = self.create(object.clone(), object)?;
        if admission.add(&response) && !templates.is_empty() {
            admission.verdict = Verdict::Checked;
        }
        Ok(Some(admission))
    }

    /// The annotations `inject`.
    fn inject(&self) -> Vec<String> {
        let words = self.words.iter();
        words.map(|words| words.name(Key::Inject)).collect()
    }

    fn admit_pod(
        &self,
        pod: &Value,
        object: &Value,
        admission: &mut Admission,
    ) -> anyhow::Result<()> {
        let mut submitted = pod.clone();
        mount_token(&mut submitted);
        let response = self.create(submitted.clone(), object)?;
        if admission.add(&response) && response.patch.is_some() {
            let mut admitted = response.apply_to(&submitted)?;
            unmount_token(&mut admitted, pod);
            admission.verdict = Verdict::Injected(admitted);
        }
        Ok(())
    }

    /// Creates `created` in the namespace of `object`.
    fn create(&self, created: Value, object: &Value) -> anyhow::Result<AdmissionResponse> {
        let namespace = object
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
            .unwrap_or(self.namespace);
        let request = Request::Admission(Box::new(AdmissionRequest::creation(created, namespace)));
        let mut response = self.policy.validate_request(&request, self.settings)?;
        self.images.explain(&mut response);
        Ok(response)
    }
}

impl Admission {
    /// Adds an answer, and returns whether it accepts the object.
    ///
    /// A workload and its pods get the same messages.
    fn add(&mut self, response: &AdmissionResponse) -> bool {
        for warning in response.warnings.iter().flatten() {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
        if !response.allowed {
            let status = response.status.as_ref();
            let message = status.and_then(|status| status.message.as_deref());
            self.verdict = Verdict::Rejected(message.unwrap_or("rejected").to_owned());
        }
        response.allowed
    }
}

/// Where an object has its pod template, as [`template_path`] says it of its kind.
pub(crate) fn template_of(object: &Value) -> Option<&'static str> {
    let api_version = text(object, "apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    template_path(group, text(object, "kind"))
}

fn text<'v>(object: &'v Value, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The pod that the controllers of a cluster make of a template.
fn pod_of(template: &Value, workload: &Value) -> Value {
    let name = workload.pointer("/metadata/name").and_then(Value::as_str);
    // The one whose pods they are: a CronJob makes Jobs, and a Deployment ReplicaSets.
    let (api_version, kind) = match text(workload, "kind") {
        "CronJob" => ("batch/v1", "Job"),
        "Deployment" => ("apps/v1", "ReplicaSet"),
        kind => (text(workload, "apiVersion"), kind),
    };
    let mut pod = template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    if let Some(metadata) = object_in(&mut pod, "metadata") {
        metadata.insert(
            "generateName".to_owned(),
            json!(format!("{}-", name.unwrap_or_default())),
        );
        metadata.insert(
            "ownerReferences".to_owned(),
            json!([{"apiVersion": api_version, "kind": kind, "name": name, "controller": true}]),
        );
    }
    let claims = volumes_of_claims(workload);
    if !claims.is_empty()
        && let Some(spec) = object_in(&mut pod, "spec")
    {
        let is_claim = |volume: &Value| claims.iter().any(|claim| claim["name"] == volume["name"]);
        let own = items(spec, "volumes");
        let own = own.iter().filter(|volume| !is_claim(volume)).cloned();
        let volumes = claims.iter().cloned().chain(own).collect();
        spec.insert("volumes".to_owned(), volumes);
    }
    pod
}

/// The volumes that the controller of a StatefulSet gives its first pod, before those of the template and in the place of
/// what has the same name there.
fn volumes_of_claims(workload: &Value) -> Vec<Value> {
    let claims = workload.pointer("/spec/volumeClaimTemplates");
    let is_set = text(workload, "kind") == "StatefulSet";
    let claims = claims.and_then(Value::as_array).filter(|_| is_set);
    let set = workload.pointer("/metadata/name").and_then(Value::as_str);
    let names = claims.into_iter().flatten();
    let names = names.filter_map(|claim| claim.pointer("/metadata/name")?.as_str());
    names
        .map(|name| {
            let claim = format!("{name}-{}-0", set.unwrap_or_default());
            json!({"name": name, "persistentVolumeClaim": {"claimName": claim}})
        })
        .collect()
}

/// Puts what the policy has changed of a pod into the template that it was made of.
fn put_back(injected: &Value, made: &Value, template: &mut Value) {
    if let Some(Value::Object(spec)) = injected.get("spec") {
        let mut spec = spec.clone();
        let volumes = |pod: &Value| {
            let spec = pod.get("spec").and_then(Value::as_object);
            spec.map(|spec| items(spec, "volumes").to_vec())
                .unwrap_or_default()
        };
        let (own, made) = (volumes(template), volumes(made));
        if own != made {
            // The policy adds its own behind those that the controller has made of them.
            let added = items(&spec, "volumes").iter().skip(made.len());
            let volumes: Vec<_> = own.iter().chain(added).cloned().collect();
            match volumes.is_empty() {
                true => spec.remove("volumes"),
                false => spec.insert("volumes".to_owned(), volumes.into()),
            };
        }
        template["spec"] = spec.into();
    }
    let annotations = injected.pointer("/metadata/annotations");
    if let (Some(annotations), Some(metadata)) = (annotations, object_in(template, "metadata")) {
        metadata.insert("annotations".to_owned(), annotations.clone());
    }
}

fn items<'v>(object: &'v Map<String, Value>, list: &str) -> &'v [Value] {
    let items = object.get(list).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// The object in a field, which is made if it is missing or null.
fn object_in<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Map<String, Value>> {
    let field = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = json!({});
    }
    field.as_object_mut()
}
