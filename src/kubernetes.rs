//! The Kubernetes objects that the policy writes, with the fields that it writes and no others.
//!
//! They have the names of Kubernetes' API reference. The types of `k8s-openapi`, against which a test holds what
//! is injected, have every field there is: with them the module had 858,394 bytes, and without them 587,180.

use serde::Serialize;

use crate::json;

/// A container, whether or not it is an init container.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    pub name: String,
    pub image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// The command is a shell that runs this, in which every `$` is doubled, with the container's name as `$0`.
    #[serde(skip)]
    pub script: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(skip)]
    pub env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    pub termination_message_policy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
}

impl Container {
    /// The container in JSON, with its command and its environment.
    pub fn to_json(&self) -> String {
        let mut output = to_json(self);
        output.pop();
        for (index, variable) in self.env.iter().enumerate() {
            output.push_str(if index == 0 { r#","env":["# } else { "," });
            variable.write(&mut output);
        }
        output.push_str(if self.env.is_empty() { "" } else { "]" });
        output.push_str(r#","command":["/bin/sh","-c","#);
        json::write_string(&self.script, &mut output);
        output.push(',');
        json::write_string(&self.name, &mut output);
        output.push_str("]}");
        output
    }
}

/// An object in JSON.
pub fn to_json(object: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(object).expect("Kubernetes' objects can be written as JSON")
}

/// An environment variable.
#[derive(Clone, Debug)]
pub struct EnvVar {
    pub name: &'static str,
    pub value: EnvValue,
}

#[derive(Clone, Debug)]
pub enum EnvValue {
    Text(String),
    Field(ObjectFieldSelector),
}

impl EnvVar {
    fn write(&self, output: &mut String) {
        output.push_str(r#"{"name":"#);
        json::write_string(self.name, output);
        match &self.value {
            EnvValue::Text(text) => {
                output.push_str(r#","value":"#);
                json::write_string(text, output);
            }
            EnvValue::Field(field) => {
                output.push_str(r#","valueFrom":{"fieldRef":"#);
                output.push_str(&to_json(field));
                output.push('}');
            }
        }
        output.push('}');
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectFieldSelector {
    pub api_version: &'static str,
    pub field_path: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    pub name: String,
    pub mount_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirements {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<SeccompProfile>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompProfile {
    #[serde(rename = "type")]
    pub type_: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub localhost_profile: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub exec: ExecAction,
    pub period_seconds: u32,
    pub timeout_seconds: u32,
    pub failure_threshold: u32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecAction {
    pub command: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    pub post_start: LifecycleHandler,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleHandler {
    pub exec: ExecAction,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalObjectReference {
    pub name: String,
}

/// A volume of one of these kinds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    pub name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolumeSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolumeSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedVolumeSource>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDirVolumeSource {
    pub medium: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolumeSource {
    pub secret_name: String,
    pub items: Vec<KeyToPath>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyToPath {
    pub key: String,
    pub path: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedVolumeSource {
    pub sources: Vec<VolumeProjection>,
}

/// A source of a projected volume.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VolumeProjection {
    ServiceAccountToken(ServiceAccountTokenProjection),
    Secret(ObjectProjection),
    ConfigMap(ObjectProjection),
    #[serde(rename = "downwardAPI")]
    DownwardApi(DownwardApiProjection),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountTokenProjection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    pub expiration_seconds: i64,
    pub path: String,
}

/// Keys of a Secret or a ConfigMap.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectProjection {
    pub name: String,
    pub items: Vec<KeyToPath>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DownwardApiProjection {
    pub items: Vec<DownwardApiVolumeFile>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DownwardApiVolumeFile {
    pub path: &'static str,
    pub field_ref: ObjectFieldSelector,
}
