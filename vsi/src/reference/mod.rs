//! What annotations and settings can configure: the tables behind the commands that explain
//! and show them.

pub(crate) mod annotations;
#[cfg(test)]
mod documents;
pub(crate) mod effective;
pub(crate) mod settings;
