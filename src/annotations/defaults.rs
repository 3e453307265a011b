//! What holds where a pod does not say, in place of the documented default: the administrator's choice.

use super::{Key, Vocabulary};
use crate::values::Checked;

/// An annotation, by its name without the prefix, and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DefaultAnnotation {
    pub name: String,
    pub value: String,
}

impl DefaultAnnotation {
    /// The annotation in these words: one that has a default at all.
    pub fn key(&self, vocabulary: Vocabulary) -> Option<Key> {
        let key = vocabulary.key(&self.name)?;
        let never = [
            Key::Inject,
            Key::Status,
            Key::RequestNamespace,
            Key::Workload,
        ];
        // Those have settings of their own.
        let is_amount = ["-requests-", "-limits-"]
            .iter()
            .any(|it| key.name().contains(it));
        (!never.contains(&key) && !is_amount).then_some(key)
    }
}

impl Checked for DefaultAnnotation {
    const EXPECTED: &'static str =
        "an annotation without its prefix, =, and its value, such as run-as-same-user=true";

    fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        (!name.is_empty() && !value.is_empty()).then_some(DefaultAnnotation { name, value })
    }

    fn text(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}
