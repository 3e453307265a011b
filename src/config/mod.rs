//! The configuration of Vault Agent and Consul Template as serializable types.
//!
//! Both programs read JSON with HCL1's parser, which flattens an object whose members are all objects: so
//! every block is a list of one object, and what is empty is left out. Durations and permissions are
//! strings, for a JSON number is read as nanoseconds or as a decimal number.

pub mod agent;
pub mod consul_template;

use serde::Serialize;

/// One file to render. Both programs read the same, but for the blocks in it: Consul Template takes them
/// as objects and Vault Agent as lists of one object.
#[derive(Debug, Serialize)]
pub struct Template<'a, W, E> {
    pub contents: &'a str,
    pub destination: String,
    pub perms: &'a str,
    pub error_on_missing_key: bool,
    /// Whether an error in this template ends the program, and with it all others.
    pub error_fatal: bool,
    pub wait: W,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub function_denylist: Vec<&'a str>,
    /// Below it alone can templates read files.
    pub sandbox_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<E>,
}

impl<'a> Template<'a, Wait, Exec<'a>> {
    /// The same for Vault Agent.
    pub fn in_blocks(self) -> agent::Template<'a> {
        Template {
            contents: self.contents,
            destination: self.destination,
            perms: self.perms,
            error_on_missing_key: self.error_on_missing_key,
            error_fatal: self.error_fatal,
            wait: [self.wait],
            function_denylist: self.function_denylist,
            sandbox_path: self.sandbox_path,
            exec: self.exec.map(|exec| [exec]),
        }
    }
}

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
