//! The baseline of the benchmarks: a policy that does the least that one made with Kubewarden's Rust SDK does. It
//! decodes the request into the SDK's type and accepts it.

use std::hint::black_box;

use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest,
    request::ValidationRequest,
    settings::Validatable,
    validate_settings,
    wapc_guest::{CallResult, register_function},
};
use serde::{Deserialize, Serialize};

/// No settings: whatever they are, they are skipped.
#[derive(Default, Deserialize, Serialize)]
struct Settings {}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Called by the host once for each instance.
#[allow(unsafe_code, reason = "the name is the waPC protocol's")]
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    // A policy looks at the request; here it must not be optimised away.
    black_box(ValidationRequest::<Settings>::new(payload)?);
    accept_request()
}
