//! What a policy answers, whether it is a module or compiled into the program: the functions of Kubewarden's protocol.

use std::sync::Arc;

use kubewarden_policy_sdk::{
    metadata::ProtocolVersion, response::ValidationResponse, settings::SettingsValidationResponse,
    wapc_guest::CallResult,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    AdmissionResponse, GuestFailure, HostError, Images, Request, capabilities,
    request::{payload, settings_object},
};

/// A policy, by its waPC functions: a [`Policy`](crate::Policy) runs them in a module, [`Native`] as they are.
pub trait Guest {
    /// Calls a waPC function, bytes in and bytes out.
    ///
    /// # Errors
    ///
    /// [`HostError::Call`] if the function fails, and for a module those of
    /// [`Policy::measure`](crate::Policy::measure).
    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, HostError>;

    /// Calls `validate`, bytes in and bytes out.
    ///
    /// # Errors
    ///
    /// Those of [`call`](Self::call).
    fn call_validate(&self, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        self.call("validate", payload)
    }

    /// Evaluates a request, which may be an AdmissionReview or the bare request of one.
    ///
    /// Whatever the policy does (trap, return an error, run for ever, answer nonsense) is in the
    /// response, as it would be in a cluster.
    ///
    /// # Errors
    ///
    /// Those of [`Request::from_json`] and [`payload`], for input that policy-server rejects before
    /// the policy sees it, and [`HostError::Instantiate`].
    fn validate(&self, request: &Value, settings: &Value) -> Result<AdmissionResponse, HostError> {
        self.validate_request(&Request::from_json(request)?, settings)
    }

    /// Like [`validate`](Self::validate), for a request of either type.
    ///
    /// # Errors
    ///
    /// [`HostError::Settings`] and [`HostError::Instantiate`].
    fn validate_request(
        &self,
        request: &Request,
        settings: &Value,
    ) -> Result<AdmissionResponse, HostError> {
        match self.verdict(request, settings) {
            Ok(verdict) => Ok(AdmissionResponse::from_verdict(request, verdict)),
            Err(
                error @ (HostError::OutOfFuel { .. }
                | HostError::Call { .. }
                | HostError::Answer { .. }),
            ) => Ok(AdmissionResponse::from_failure(request, &error)),
            Err(error) => Err(error),
        }
    }

    /// The policy's own answer to a request, before a patch is made of it.
    ///
    /// # Errors
    ///
    /// [`HostError::Settings`], and whatever goes wrong in the policy.
    fn verdict(
        &self,
        request: &Request,
        settings: &Value,
    ) -> Result<ValidationResponse, HostError> {
        let payload = payload(request, settings)?;
        decode("validate", &self.call("validate", &payload)?)
    }

    /// Whether the policy accepts these settings.
    ///
    /// As in policy-server, a policy that fails over them has rejected them.
    ///
    /// # Errors
    ///
    /// [`HostError::Settings`] and [`HostError::Instantiate`].
    fn validate_settings(&self, settings: &Value) -> Result<SettingsValidationResponse, HostError> {
        let settings = Value::Object(settings_object(settings)?).to_string();
        let rejected = |message| SettingsValidationResponse {
            valid: false,
            message: Some(message),
        };
        match self.call("validate_settings", settings.as_bytes()) {
            Ok(answer) => Ok(serde_json::from_slice(&answer).unwrap_or_else(|error| {
                rejected(format!("error: InvalidResponseWithError({error:?})"))
            })),
            Err(error @ HostError::Instantiate(_)) => Err(error),
            Err(error) => Ok(rejected(format!(
                "Error invoking settings validation callback: {error:?}"
            ))),
        }
    }

    /// The version of Kubewarden's protocol that the policy speaks.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong in the policy.
    fn protocol_version(&self) -> Result<ProtocolVersion, HostError> {
        decode("protocol_version", &self.call("protocol_version", &[])?)
    }
}

/// Calls the host: an operation of its capability `oci`, and what it is called with.
pub type HostCall<'h> = dyn Fn(&str, &[u8]) -> Result<Vec<u8>, String> + 'h;

/// A policy that is compiled into the program.
#[derive(Clone)]
pub struct Native {
    /// What it looks up.
    pub images: Arc<dyn Images>,
    /// The waPC function `validate`, with the host that it calls.
    pub validate: fn(&[u8], &HostCall<'_>) -> CallResult,
    /// The waPC function `validate_settings`.
    pub validate_settings: fn(&[u8]) -> CallResult,
}

impl Guest for Native {
    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        let answer = match operation {
            "validate" => (self.validate)(payload, &|operation, payload| {
                capabilities::answer(&*self.images, "kubewarden", "oci", operation, payload)
            }),
            "validate_settings" => (self.validate_settings)(payload),
            "protocol_version" => kubewarden_policy_sdk::protocol_version_guest(payload),
            other => Err(format!("No handler registered for function \"{other}\"").into()),
        };
        answer.map_err(|error| HostError::Call {
            operation: operation.to_owned(),
            source: GuestFailure(error.to_string()),
        })
    }
}

fn decode<T: DeserializeOwned>(operation: &str, answer: &[u8]) -> Result<T, HostError> {
    serde_json::from_slice(answer).map_err(|source| HostError::Answer {
        operation: operation.to_owned(),
        source,
    })
}
