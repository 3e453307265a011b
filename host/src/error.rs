//! Everything that can go wrong around a policy, as opposed to what a policy decides.

use std::{io, path::PathBuf};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a policy's function failed with, in the words that policy-server has for it.
#[derive(Debug, thiserror::Error)]
#[error("Guest call failure: {0}")]
pub struct GuestFailure(pub String);

/// Why the host could not get an answer out of a policy.
///
/// The messages leave out the underlying cause, which is in
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The module's file cannot be read.
    #[error("cannot read the policy {}", path.display())]
    ReadModule {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// The bytes are not a WebAssembly module that the interpreter accepts.
    #[error("the policy is not a valid WebAssembly module")]
    CompileModule(#[source] Cause),

    /// The module does not speak waPC.
    #[error(
        "the policy does not export `__guest_call`: only waPC policies can be run{}",
        if *rego { ", and this one was built from Rego" } else { "" }
    )]
    NotWapc {
        /// It was built by the Open Policy Agent's compiler.
        rego: bool,
    },

    /// The module's custom section `io.kubewarden.metadata` cannot be understood.
    #[error(
        "the policy's metadata (custom section `{}`) cannot be read",
        crate::metadata::SECTION
    )]
    Metadata(#[source] Cause),

    /// The module's initialisation failed: its imports, `_start` or `wapc_init`.
    #[error("cannot instantiate the policy")]
    Instantiate(#[source] Cause),

    /// The policy ran for too long, in its initialisation or in a function.
    #[error("the policy was interrupted after {fuel} units of fuel")]
    OutOfFuel {
        /// What it may burn.
        fuel: u64,
    },

    /// The function trapped, or the policy answered with an error of its own.
    #[error("the policy's function `{operation}` failed")]
    Call {
        /// The waPC function called.
        operation: String,
        /// The trap or the policy's error.
        source: GuestFailure,
    },

    /// The function returned something other than what Kubewarden's protocol has there.
    #[error("the answer of the policy's function `{operation}` cannot be understood")]
    Answer {
        /// The waPC function called.
        operation: String,
        /// Where the JSON deviates.
        source: serde_json::Error,
    },

    /// The request is neither an AdmissionReview nor an AdmissionRequest.
    #[error("{0}")]
    Request(&'static str),

    /// The request lacks a field of an AdmissionRequest, or has one of another type.
    #[error("the request is not a valid AdmissionRequest")]
    AdmissionRequest(#[source] serde_json::Error),

    /// The settings are neither an object nor null.
    #[error("settings must be an object (or null, for none), not {0}")]
    Settings(&'static str),

    /// The response's patch is not base64 of an RFC 6902 patch.
    #[error("the response's patch is not a base64 encoded JSON patch")]
    PatchEncoding(#[source] Cause),

    /// The patch does not fit the object.
    #[error("the response's patch cannot be applied to the object")]
    PatchApplication(#[source] json_patch::PatchError),

    /// A value has no representation in YAML.
    #[error("the object cannot be shown as YAML")]
    Yaml(#[source] yaml_serde::Error),
}
