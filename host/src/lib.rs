//! Runs a Kubewarden policy the way policy-server runs it, so that tests and the `vsi` command line
//! tool see what a cluster would see.
//!
//! A policy is a WebAssembly module that speaks waPC: the host calls its function `validate` with
//! `{"request": .., "settings": ..}` and gets a verdict back, with the changed object if the policy
//! wants a change. Of the things that policy-server does around that call, this crate keeps the ones
//! that a policy can notice:
//!
//! - the module is read once, and every evaluation has a fresh instance ([`Policy`]);
//! - an evaluation that takes too long is cut off ([`EVALUATION_FUEL`]);
//! - the request reaches the policy with the fields of Kubernetes' AdmissionRequest and no others
//!   ([`Request`]);
//! - the answer to the API server carries a JSON patch computed from the two objects
//!   ([`AdmissionResponse`]).
//!
//! The module runs in an interpreter, which is there in a moment and counts what an evaluation costs, in fuel and memory
//! instead of time ([`Policy::measure`]). A policy that is compiled into the program answers the same requests without
//! one ([`Native`]): what the two have in common is [`Guest`].
//!
//! There is no cluster behind it: of the capabilities that policy-server lends to policies, only the one that looks up
//! images is there ([`Images`], and `Registry` with the feature of that name), and all others (Kubernetes look-ups, DNS, certificates) answer with an error.
//!
//! ```no_run
//! use policy_host::{Guest, Policy};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), policy_host::HostError> {
//! let policy = Policy::from_file("policy.wasm")?;
//! let request = json!({
//!     "uid": "1", "operation": "CREATE", "userInfo": {},
//!     "kind": {"group": "", "version": "v1", "kind": "Pod"},
//!     "resource": {"group": "", "version": "v1", "resource": "pods"},
//!     "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}},
//! });
//! let response = policy.validate(&request, &json!({}))?;
//! assert!(response.allowed);
//! let admitted = response.apply_to(&request["object"])?;
//! # Ok(())
//! # }
//! ```

mod capabilities;
pub mod diff;
mod error;
mod guest;
mod images;
mod imports;
mod metadata;
mod policy;
#[cfg(feature = "registry")]
mod registry;
mod request;
mod response;
pub mod service_account;

pub use error::{GuestFailure, HostError};
pub use guest::{Guest, HostCall, Native};
pub use images::{Images, KnownImages, NoImages};
pub use kubewarden_policy_sdk::{
    metadata::ProtocolVersion, response::ValidationResponse, settings::SettingsValidationResponse,
};
pub use metadata::{ExecutionMode, Metadata, PolicyType};
pub use policy::{Cost, EVALUATION_FUEL, Policy};
#[cfg(feature = "registry")]
pub use registry::Registry;
pub use request::{
    AdmissionRequest, GroupVersionKind, GroupVersionResource, Request, UserInfo, payload,
};
pub use response::{AdmissionResponse, PatchType, Status};
