//! The configuration of Vault Agent and Consul Template as serializable types.
//!
//! Both programs read JSON with HCL1's parser, which flattens an object whose members are all objects: so
//! every block is a list of one object, and what is empty is left out. Durations and permissions are
//! strings, for a JSON number is read as nanoseconds or as a decimal number.

pub mod agent;
pub mod consul_template;

use serde::Serialize;

/// How often a file is written at the most.
#[derive(Debug, Serialize)]
pub struct Wait {
    pub min: &'static str,
    pub max: &'static str,
}

/// What runs after a file has changed.
#[derive(Debug, Serialize)]
pub struct Exec<'a> {
    /// As a list, it is run as it is; a string would be split at commas.
    pub command: Vec<&'a str>,
    pub timeout: &'static str,
}
