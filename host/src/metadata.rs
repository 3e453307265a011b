//! The metadata that `kwctl annotate` leaves in a policy's module, as far as it decides how the policy is run.

use std::fmt;

use serde::Deserialize;
use wasmi::Module;

use crate::HostError;

/// The custom section that holds the metadata.
pub(crate) const SECTION: &str = "io.kubewarden.metadata";

/// The part of the policy metadata that a host needs to run the policy.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The runtime that the policy is written for.
    #[serde(default)]
    pub execution_mode: ExecutionMode,
    /// Whether requests are Kubernetes admission requests or any JSON document.
    #[serde(default)]
    pub policy_type: PolicyType,
    /// Whether the policy declares that it changes objects.
    pub mutating: bool,
}

/// The runtimes of Kubewarden. Only [`KubewardenWapc`](Self::KubewardenWapc) is available here.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum ExecutionMode {
    /// waPC, the protocol of Kubewarden's own SDKs.
    #[default]
    #[serde(rename = "kubewarden-wapc")]
    KubewardenWapc,
    /// Rego as the Open Policy Agent runs it.
    #[serde(rename = "opa")]
    Opa,
    /// Rego as Gatekeeper runs it.
    #[serde(rename = "gatekeeper")]
    OpaGatekeeper,
    /// A WASI command that reads standard input.
    #[serde(rename = "wasi")]
    Wasi,
}

/// What a policy's requests are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum PolicyType {
    /// Kubernetes admission requests.
    #[default]
    Kubernetes,
    /// Any JSON document, passed on unchanged.
    Raw,
}

impl fmt::Display for ExecutionMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KubewardenWapc => "kubewarden-wapc",
            Self::Opa => "opa",
            Self::OpaGatekeeper => "gatekeeper",
            Self::Wasi => "wasi",
        })
    }
}

impl Metadata {
    /// Reads the metadata of a module; `None` if it has not been annotated.
    pub(crate) fn of(module: &Module) -> Result<Option<Self>, HostError> {
        let mut sections = module.custom_sections();
        let Some(section) = sections.find(|section| section.name() == SECTION) else {
            return Ok(None);
        };
        serde_json::from_slice(section.data())
            .map(Some)
            .map_err(|error| HostError::Metadata(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use wasmi::Engine;

    use super::*;

    fn read(text: &str) -> Result<Option<Metadata>, HostError> {
        let module = wat::parse_str(text).unwrap();
        Metadata::of(&Module::new(&Engine::default(), &module).unwrap())
    }

    fn annotated(metadata: &str) -> Result<Option<Metadata>, HostError> {
        let text = metadata.replace('"', "\\\"");
        read(&format!(r#"(module (@custom "{SECTION}" "{text}"))"#))
    }

    #[test]
    fn a_module_that_was_not_annotated_has_none() {
        assert_eq!(read("(module)").unwrap(), None);
    }

    #[test]
    fn the_defaults_are_kubewardens() {
        let metadata = annotated(r#"{"rules":[],"mutating":true,"protocolVersion":"v1"}"#);
        let metadata = metadata.unwrap().unwrap();
        assert_eq!(metadata.execution_mode, ExecutionMode::KubewardenWapc);
        assert_eq!(metadata.policy_type, PolicyType::Kubernetes);
        assert!(metadata.mutating);
    }

    #[test]
    fn a_raw_policy_says_so() {
        let metadata = annotated(r#"{"rules":[],"mutating":false,"policyType":"raw"}"#);
        assert_eq!(metadata.unwrap().unwrap().policy_type, PolicyType::Raw);
    }

    #[test]
    fn what_is_not_metadata_is_an_error() {
        assert!(matches!(annotated("["), Err(HostError::Metadata(_))));
    }
}
