//! What the policy can be told, by annotations and by settings: the tables behind the commands that explain
//! and show them.

pub(crate) mod annotations;
pub(crate) mod effective;
#[cfg(test)]
mod questions;
pub(crate) mod settings;
