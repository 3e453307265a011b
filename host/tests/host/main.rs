//! The library with policies of every temper.

mod cost;
#[allow(dead_code, reason = "the tests of vsi use the others")]
mod guests;
mod policy;
