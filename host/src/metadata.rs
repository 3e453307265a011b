//! The metadata that `kwctl annotate` leaves in a policy's module: how it gets there, and what of it decides how the policy
//! is run.

use std::fmt;

use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Section};
use wasmparser::{Parser, Payload};

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
    /// Whether the policy says of itself that it changes objects.
    pub mutating: bool,
}

/// The runtimes of Kubewarden. Only [`KubewardenWapc`](Self::KubewardenWapc) is available here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum PolicyType {
    /// Kubernetes admission requests.
    #[default]
    Kubernetes,
    /// Any JSON document, handed on unchanged.
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
    ///
    /// # Errors
    ///
    /// [`HostError::CompileModule`] if the bytes are no module, [`HostError::Metadata`] if the section
    /// is there and cannot be understood.
    pub fn from_module(module: &[u8]) -> Result<Option<Self>, HostError> {
        if !module.starts_with(b"\0asm") {
            let cause = "it does not begin with the bytes `\\0asm`";
            return Err(HostError::CompileModule(cause.into()));
        }
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.map_err(|error| HostError::CompileModule(error.into()))?;
            if let Payload::CustomSection(section) = payload
                && section.name() == SECTION
            {
                return serde_json::from_slice(section.data())
                    .map(Some)
                    .map_err(|error| HostError::Metadata(error.into()));
            }
        }
        Ok(None)
    }
}

/// Adds metadata to a module. All the rest of it stays as it is, byte for byte.
///
/// # Errors
///
/// Those of [`Metadata::from_module`], and [`HostError::Annotated`] if the module has metadata already.
pub fn annotate(module: &[u8], metadata: &impl Serialize) -> Result<Vec<u8>, HostError> {
    if Metadata::from_module(module)?.is_some() {
        return Err(HostError::Annotated);
    }
    let data = serde_json::to_vec(metadata).map_err(|error| HostError::Metadata(error.into()))?;
    let section = CustomSection {
        name: SECTION.into(),
        data: data.into(),
    };
    let mut annotated = module.to_vec();
    section.append_to(&mut annotated);
    Ok(annotated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(metadata: &str) -> Vec<u8> {
        let text = metadata.replace('"', "\\\"");
        wat::parse_str(format!(r#"(module (@custom "{SECTION}" "{text}"))"#)).unwrap()
    }

    #[test]
    fn a_module_that_was_not_annotated_has_none() {
        let module = wat::parse_str("(module)").unwrap();
        assert_eq!(Metadata::from_module(&module).unwrap(), None);
    }

    #[test]
    fn the_defaults_are_kubewardens() {
        let module = annotated(r#"{"rules":[],"mutating":true,"protocolVersion":"v1"}"#);
        let metadata = Metadata::from_module(&module).unwrap().unwrap();
        assert_eq!(metadata.execution_mode, ExecutionMode::KubewardenWapc);
        assert_eq!(metadata.policy_type, PolicyType::Kubernetes);
        assert!(metadata.mutating);
    }

    #[test]
    fn a_raw_policy_says_so() {
        let module = annotated(r#"{"rules":[],"mutating":false,"policyType":"raw"}"#);
        let metadata = Metadata::from_module(&module).unwrap().unwrap();
        assert_eq!(metadata.policy_type, PolicyType::Raw);
    }

    #[test]
    fn metadata_is_added_once_and_behind_all_the_rest() {
        let module = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
        // More than what one byte can tell the length of.
        let usage = "u".repeat(300);
        let metadata = serde_json::json!({"mutating": true, "annotations": {"usage": usage}});
        let annotated = annotate(&module, &metadata).unwrap();
        assert!(annotated.starts_with(&module));
        assert!(Metadata::from_module(&annotated).unwrap().unwrap().mutating);
        assert!(matches!(
            annotate(&annotated, &metadata),
            Err(HostError::Annotated)
        ));
        assert!(matches!(
            annotate(b"no module", &metadata),
            Err(HostError::CompileModule(_))
        ));
    }

    #[test]
    fn what_is_no_metadata_is_an_error() {
        assert!(matches!(
            Metadata::from_module(&annotated("[")),
            Err(HostError::Metadata(_))
        ));
        assert!(matches!(
            Metadata::from_module(b"no module"),
            Err(HostError::CompileModule(_))
        ));
    }
}
