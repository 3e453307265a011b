//! The table of every setting, as the policy has it, with what each means in full.

use std::sync::LazyLock;

use serde_json::Value;
use vault_sidecar_injector::reference::{self, Setting, Shape};

/// A setting, or a section of settings.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) setting: Setting,
    /// What it means; where the policy's table does not say, what the same key further up means, or the section it is in.
    pub(crate) documentation: String,
}

impl Entry {
    pub(crate) fn path(&self) -> &str {
        &self.setting.path
    }

    /// The key itself: `path`.
    pub(crate) fn key(&self) -> &str {
        key(self.path())
    }

    pub(crate) fn default(&self) -> &Value {
        &self.setting.default
    }

    pub(crate) fn is_section(&self) -> bool {
        self.setting.is_section()
    }

    /// Whether `null` unsets it. To the policy any other section that is `null` is one in which nothing is given.
    pub(crate) fn can_be_null(&self) -> bool {
        match self.setting.shape {
            Shape::Section { can_be_null, .. } => can_be_null,
            _ => true,
        }
    }

    /// Whether the documentation is its own, and not that of another.
    pub(crate) fn is_documented(&self) -> bool {
        all()
            .iter()
            .find(|entry| entry.documentation == self.documentation)
            .is_some_and(|first| first.path() == self.path())
    }
}

/// All settings, in the order of the policy's table.
pub(crate) fn all() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let mut entries: Vec<Entry> = Vec::new();
        for setting in reference::settings() {
            let documentation = match setting.documentation.as_str() {
                "" => borrowed_documentation(&entries, &setting.path),
                own => own.to_owned(),
            };
            entries.push(Entry {
                setting,
                documentation,
            });
        }
        entries
    });
    &ENTRIES
}

/// The setting or section at a path.
pub(crate) fn find(path: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.path() == path)
}

/// What is directly in a section, or at the top (`None`).
pub(crate) fn children(section: Option<&str>) -> impl Iterator<Item = &'static Entry> {
    all()
        .iter()
        .filter(move |entry| parent(entry.path()) == section)
}

/// Whether `path` is that of something in the section, at any depth.
pub(crate) fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn key(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(section, _)| section)
}

/// The documentation of the section around a setting.
fn borrowed_documentation(above: &[Entry], path: &str) -> String {
    let section = above
        .iter()
        .find(|entry| Some(entry.path()) == parent(path));
    section
        .map(|entry| entry.documentation.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        for entry in all() {
            assert!(!entry.documentation.is_empty(), "{}", entry.path());
        }
        assert!(all().len() > 80, "{}", all().len());
    }

    /// Only where one text says it all: elsewhere a setting needs one of its own.
    #[test]
    fn few_sections_speak_for_what_is_in_them() {
        let undocumented = all()
            .iter()
            .filter(|entry| entry.setting.documentation.is_empty());
        let mut sections: Vec<_> = undocumented
            .map(|entry| {
                let speaks = |section: &&Entry| {
                    is_below(entry.path(), section.path())
                        && !section.setting.documentation.is_empty()
                };
                all()
                    .iter()
                    .rfind(speaks)
                    .map(|section| section.path())
                    .unwrap_or_default()
            })
            .collect();
        sections.dedup();
        assert_eq!(
            sections,
            [
                "agent.resources",
                "consulTemplate.resources",
                "jobBabysitter.resources",
                "envShell.resources",
                "securityContext"
            ]
        );
    }
}
