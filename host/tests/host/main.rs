//! The library with policies of every temper.

#[allow(dead_code, reason = "the tests of vsi use the others")]
mod guests;
mod metered;
mod policy;
