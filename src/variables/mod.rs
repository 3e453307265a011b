//! Environment variables of the pod's containers whose values refer to Vault: `vault:secret/app#password`.

mod found;
mod grammar;
mod template;

use crate::pod::List;
use crate::values::TemplateEngine;

pub use found::are_resolved;
pub use template::{CALLED_BY_VARIABLES, contents};

/// The variables of all containers that have some.
#[derive(Debug)]
pub struct Variables {
    pub containers: Vec<OfContainer>,
    /// What keeps them up to date beside the application; `None` where an init container gets them once.
    pub engine: Option<TemplateEngine>,
}

/// The variables of a container: at least one.
#[derive(Debug)]
pub struct OfContainer {
    pub list: List,
    /// Its place in the list as submitted.
    pub index: usize,
    pub container: String,
    pub variables: Vec<Variable>,
}

/// A variable, and what its value is made of.
#[derive(Debug)]
pub struct Variable {
    pub name: String,
    pub value: Vec<Piece>,
}

/// A part of a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    Text(String),
    Reference(Reference),
}

/// What a reference stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    pub request: Request,
    pub wanted: Wanted,
}

/// What is read from Vault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    pub path: String,
    /// The version of a secret of KV version 2.
    pub version: Option<u64>,
    /// What is written, where the path takes that: `key=value`.
    pub arguments: Option<Vec<String>>,
}

/// What of the answer becomes the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    Key(String),
    /// What a template of Consul Template makes of the data.
    Template(String),
    /// What transit has decrypted.
    Plaintext,
}

impl Variables {
    /// The variables of a container, by its place.
    pub fn of(&self, list: List, index: usize) -> Option<&OfContainer> {
        let mut containers = self.containers.iter();
        containers.find(|it| it.list == list && it.index == index)
    }
}

impl Reference {
    /// Whether it changes something in Vault. Transit decrypts what is sent to it, and keeps nothing.
    pub fn writes(&self) -> bool {
        self.request.arguments.is_some() && self.wanted != Wanted::Plaintext
    }
}

impl Variable {
    /// The references in its value.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.value.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Text(_) => None,
        })
    }
}
