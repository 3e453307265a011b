//! What becomes of an object when it is applied to a cluster that has the policy: of a pod, and of the pods
//! that a controller makes of a workload's template.

use policy_host::{
    AdmissionRequest, AdmissionResponse, Guest, Request,
    service_account::{mount_token, unmount_token},
};
use serde_json::{Map, Value, json};
use vault_sidecar_injector::template_path;

/// A cluster with the policy, and nothing else.
pub(crate) struct Cluster<'p> {
    pub(crate) policy: &'p dyn Guest,
    pub(crate) settings: &'p Value,
    /// The namespace of objects that name none.
    pub(crate) namespace: &'p str,
}

/// What the policy says to an object and to the pods that are made of it.
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
    /// Its pod gets sidecars: the object with the pod as it is then, without what a cluster adds by itself.
    Injected(Value),
    /// It, or its pods, are rejected.
    Rejected(String),
}

impl Cluster<'_> {
    /// Creates the object; `None` if the policy does not look at its kind.
    ///
    /// # Errors
    ///
    /// If the policy cannot be run.
    pub(crate) fn admit(&self, object: &Value) -> anyhow::Result<Option<Admission>> {
        let Some(path) = template_of(object) else {
            return Ok(None);
        };
        let mut admission = Admission::default();
        if path.is_empty() {
            self.admit_pod(object, object, &mut admission)?;
            return Ok(Some(admission));
        }
        let response = self.create(object.clone(), object)?;
        if !admission.hear(&response) {
            return Ok(Some(admission));
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        let Some(template) = object.pointer(&pointer).filter(|it| it.is_object()) else {
            return Ok(Some(admission));
        };
        let pod = pod_of(template, object);
        self.admit_pod(&pod, object, &mut admission)?;
        if let Verdict::Injected(pod) = &admission.verdict {
            let mut workload = object.clone();
            if let Some(template) = workload.pointer_mut(&pointer) {
                put_back(pod, template);
            }
            admission.verdict = Verdict::Injected(workload);
        }
        Ok(Some(admission))
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
        if admission.hear(&response) && response.patch.is_some() {
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
        Ok(self.policy.validate_request(&request, self.settings)?)
    }
}

impl Admission {
    /// Takes in what an answer says, and whether it lets the object go on.
    ///
    /// A workload and its pods are told the same.
    fn hear(&mut self, response: &AdmissionResponse) -> bool {
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
    let owner = match text(workload, "kind") {
        "CronJob" => "Job",
        "Deployment" => "ReplicaSet",
        other => other,
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
            json!([{"kind": owner, "name": name, "controller": true}]),
        );
    }
    pod
}

/// Puts what the policy can change of a pod into the template that it was made of.
fn put_back(pod: &Value, template: &mut Value) {
    if let Some(spec) = pod.get("spec") {
        template["spec"] = spec.clone();
    }
    let annotations = pod.pointer("/metadata/annotations");
    if let (Some(annotations), Some(metadata)) = (annotations, object_in(template, "metadata")) {
        metadata.insert("annotations".to_owned(), annotations.clone());
    }
}

/// The object in a field, which is made if it is missing or null.
fn object_in<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Map<String, Value>> {
    let field = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = json!({});
    }
    field.as_object_mut()
}
