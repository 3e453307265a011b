//! What the policy can be told, by annotations and by settings: the tables behind the commands that explain
//! and show them.

pub(crate) mod annotations;
#[cfg(test)]
mod documents;
pub(crate) mod effective;
pub(crate) mod settings;
