//! What pods may not ask for, however they do it.

use super::pattern::Pattern;
use super::reader::{FromSetting, Section, expected};
use super::values::{FunctionPattern, SharedProcesses};
use crate::annotations::Key;
use crate::json::Json;
use crate::suggestion;

/// What pods may not ask for. `None` allows everything, and an empty list nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restrictions {
    /// For annotation `vault-image`.
    pub allowed_images: Option<Vec<Pattern>>,
    /// For the role of the `kubernetes` login, also where it is taken from a label.
    pub allowed_roles: Option<Vec<Pattern>>,
    /// For `secrets-path`, also where it is taken from labels.
    pub allowed_vault_paths: Option<Vec<Pattern>>,
    /// Whether pods may bring templates; `None`: unless there are `allowed_vault_paths`, because what a
    /// template reads cannot be told.
    pub allow_templates: Option<bool>,
    /// Annotations that pods may not use.
    pub locked_annotations: Vec<LockableKey>,
    /// Functions that no template may call.
    pub denied_template_functions: Vec<FunctionPattern>,
    /// What becomes of pods whose containers may reach the sidecars' processes.
    pub shared_processes: SharedProcesses,
}

/// An annotation that can be locked: all but the one that asks for injection, and the one that pods never set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LockableKey(pub Key);

impl Default for Restrictions {
    fn default() -> Self {
        Self {
            allowed_images: None,
            allowed_roles: None,
            allowed_vault_paths: None,
            allow_templates: None,
            locked_annotations: Vec::new(),
            shared_processes: SharedProcesses::Warn,
            denied_template_functions: [
                "plugin",
                "writeToFile",
                "file",
                "env",
                "mustEnv",
                "envOrDefault",
            ]
            .map(FunctionPattern::known)
            .into(),
        }
    }
}

impl Restrictions {
    pub(super) fn read_from(&mut self, section: &mut Section<'_, '_>) {
        section.field("allowedImages", &mut self.allowed_images);
        section.field("allowedRoles", &mut self.allowed_roles);
        section.field("allowedVaultPaths", &mut self.allowed_vault_paths);
        section.field("allowTemplates", &mut self.allow_templates);
        section.field("lockedAnnotations", &mut self.locked_annotations);
        section.field(
            "deniedTemplateFunctions",
            &mut self.denied_template_functions,
        );
        section.field("sharedProcesses", &mut self.shared_processes);
    }

    /// Whether pods may not use this annotation.
    pub fn is_locked(&self, key: Key) -> bool {
        self.locked_annotations.contains(&LockableKey(key))
    }

    /// The setting by which templates are refused, if they are.
    pub fn refuses_templates(&self) -> Option<&'static str> {
        match (self.allow_templates, &self.allowed_vault_paths) {
            (Some(false), _) => Some("restrictions.allowTemplates"),
            (None, Some(_)) => Some("restrictions.allowedVaultPaths"),
            _ => None,
        }
    }
}

impl FromSetting for LockableKey {
    fn from_setting(value: Json<'_>) -> Result<Self, String> {
        let Ok(name) = value.string() else {
            return Err(expected(
                "the name of an annotation without its prefix",
                value,
            ));
        };
        let name = &*name;
        match Key::ALL.iter().find(|key| key.name() == name) {
            Some(Key::Inject | Key::Status) => Err(format!("{name} cannot be locked")),
            Some(key) => Ok(Self(*key)),
            None => {
                let names = Key::ALL.iter().map(|key| key.name());
                Err(match suggestion::nearest(name, names) {
                    Some(known) => format!("unknown annotation; did you mean `{known}`?"),
                    None => "unknown annotation; give its name without the prefix".to_owned(),
                })
            }
        }
    }
}
