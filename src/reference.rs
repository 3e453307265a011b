//! Every annotation and every setting, for what explains and documents them.

use serde_json::Value;

pub use crate::annotations::{Default, Need};
pub use crate::settings::{DENIED_NAMES, Field, Shape};
use crate::settings::{Section, Settings};
pub use crate::workload::KINDS;

/// A setting or a section of settings.
#[derive(Clone, Debug)]
pub struct Setting {
    /// `vault.auth.kubernetes.path`
    pub path: String,
    /// Where it is in a form.
    pub group: &'static str,
    /// What it is called there.
    pub label: String,
    /// What it means; empty where the section around it, or the same key further up, says it.
    pub documentation: String,
    /// The value where it is not given; of a section, those of all that is in it.
    pub default: Value,
    /// What it can be.
    pub shape: Shape,
}

impl Setting {
    /// Whether it is an object of settings.
    pub fn is_section(&self) -> bool {
        matches!(self.shape, Shape::Section { .. })
    }
}

/// All settings, each section before what is in it.
pub fn settings() -> Vec<Setting> {
    let mut all = Vec::new();
    let defaults = Value::Object(Settings::default().to_json());
    list(Settings::fields(), "", "", "", &defaults, &mut all);
    all
}

fn list(
    fields: Vec<Field>,
    path: &str,
    group: &'static str,
    label: &str,
    defaults: &Value,
    all: &mut Vec<Setting>,
) {
    for field in fields {
        let path = match path {
            "" => field.key.to_owned(),
            path => format!("{path}.{}", field.key),
        };
        let label = match (label, field.label) {
            ("", label) => label.to_owned(),
            (label, "") => label.to_owned(),
            (section, label) => format!("{section}: {label}"),
        };
        let group = field.group.unwrap_or(group);
        let default = &defaults[field.key];
        all.push(Setting {
            path: path.clone(),
            group,
            label: label.clone(),
            documentation: field.documentation.trim().to_owned(),
            default: default.clone(),
            shape: field.shape,
        });
        if let Shape::Section { fields, .. } = field.shape {
            list(fields(), &path, group, &label, default, all);
        }
    }
}
