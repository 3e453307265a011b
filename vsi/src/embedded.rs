//! The policy that every `vsi` has in it: the module that its build script has built.

/// The module, to be run through [`policy_host::Policy::from_bytes`].
pub(crate) const MODULE: &[u8] = include_bytes!(env!("POLICY_MODULE"));
