//! The annotations that stand for themselves: the login, images, amounts, names.

use super::modes::Modes;
use super::value::Given;
use super::{AppRole, Delivery, Login, Overrides, Refusal, Token, restricted};
use crate::annotations::{Annotations, Key};
use crate::json::Members;
use crate::settings::{self, Amounts, Checked, Directory, Identity, Image, Settings, Work};

/// The most bytes of a single name or path. What a container gets as a variable, an argument or a mount path
/// of its own has to fit what Linux takes, which for a path is 4,096 with what comes behind it.
const LONGEST_VALUE: usize = 1024;

/// What an intent is read from.
pub struct Reader<'a> {
    pub annotations: &'a Annotations<'a>,
    pub labels: &'a Members<'a>,
    pub settings: &'a Settings,
    /// Whether a Job makes the pod.
    pub is_of_job: bool,
    pub identity: Identity<'a>,
}

impl<'a> Reader<'a> {
    /// The annotation on one line, if it is given.
    pub fn line(&self, key: Key) -> Result<Option<Given<'a>>, Refusal> {
        Given::line(self.annotations, key)
    }

    /// The annotation that is a single name or path, if it is given.
    pub fn short_line(&self, key: Key) -> Result<Option<Given<'a>>, Refusal> {
        match self.line(key)? {
            Some(given) if given.text.len() > LONGEST_VALUE => Err(Refusal::TooLong {
                annotation: given.name,
                bytes: given.text.len(),
                limit: LONGEST_VALUE,
            }),
            given => Ok(given),
        }
    }

    /// The boolean annotation; false where it is not given.
    pub fn boolean(&self, key: Key) -> Result<bool, Refusal> {
        self.line(key)?.map_or(Ok(false), |given| given.boolean())
    }

    /// The one of `values` that the annotation names, in any case; `default` where it is not given.
    pub fn one_of<T: Copy>(
        &self,
        key: Key,
        values: &[(&'static str, T)],
        default: T,
    ) -> Result<T, Refusal> {
        self.line(key)?
            .map_or(Ok(default), |given| given.one_of(values))
    }

    /// The names in a comma list, if it is given.
    pub fn names(&self, key: Key) -> Result<Option<Vec<String>>, Refusal> {
        let Some(given) = self.line(key)? else {
            return Ok(None);
        };
        let names = given.list()?;
        Ok(Some(names.into_iter().map(str::to_owned).collect()))
    }

    /// Warns of each of `keys` that is given, because it has no effect.
    pub fn warn_unused(&self, keys: &[Key], why: &str, warnings: &mut Vec<String>) {
        let given = keys
            .iter()
            .filter(|key| self.annotations.get(**key).is_some());
        warnings.extend(given.map(|key| {
            let name = self.annotations.name(*key);
            format!("annotation {name} has no effect {why}")
        }));
    }

    /// The value of a label that stands in for the annotation `key`.
    pub fn label(&self, label: &settings::LabelKey, key: Key) -> Result<String, Refusal> {
        let value = self
            .labels
            .get(label.as_str())
            .and_then(|value| value.string().ok())
            .filter(|value| !value.is_empty());
        match value {
            Some(value) if value.contains(char::is_control) => {
                Err(Refusal::ControlCharacterInLabel {
                    label: label.as_str().to_owned(),
                })
            }
            Some(value) => Ok(value.to_string()),
            None => Err(Refusal::MissingLabel {
                label: label.as_str().to_owned(),
                annotation: self.annotations.name(key),
            }),
        }
    }

    /// How the agent logs in.
    pub fn login(&self, modes: &Modes, warnings: &mut Vec<String>) -> Result<Login, Refusal> {
        let methods = [("kubernetes", false), ("approle", true)];
        let is_approle = self.one_of(Key::Auth, &methods, false)?;
        let secret = self.short_line(Key::ApproleSecret)?;
        if !is_approle {
            self.warn_unused(&[Key::ApproleSecret], "without auth approle", warnings);
            return Ok(Login::Kubernetes {
                role: self.role()?,
                token: self.token()?,
            });
        }
        self.warn_unused(&[Key::Role, Key::SaToken], "with auth approle", warnings);
        match secret {
            Some(given) => Ok(Login::AppRole(AppRole::Secret(parse(given)?))),
            None if matches!(modes.delivery, Some(Delivery::Static { .. })) => {
                Err(Refusal::ApproleOfStatic {
                    annotation: self.annotations.name(Key::Auth),
                    remedy: self.annotations.name(Key::ApproleSecret),
                })
            }
            None => Ok(Login::AppRole(AppRole::Files)),
        }
    }

    fn role(&self) -> Result<String, Refusal> {
        let label = &self.settings.annotations.application_label;
        let given = self.short_line(Key::Role)?;
        let role = match &given {
            Some(given) => given.text.to_owned(),
            None => self.label(label, Key::Role)?,
        };
        restricted::allow(
            &role,
            || match given {
                Some(given) => format!("annotation {}", given.name),
                None => format!("label {}", label.as_str()),
            },
            self.settings.restrictions.allowed_roles.as_deref(),
            "restrictions.allowedRoles",
            self.identity,
            &mut Work::default(),
        )?;
        Ok(role)
    }

    fn image(&self) -> Result<Option<Image>, Refusal> {
        let Some(given) = self.short_line(Key::VaultImage)? else {
            return Ok(None);
        };
        let image: Image = parse(given)?;
        restricted::allow(
            image.as_str(),
            || format!("annotation {}", self.annotations.name(Key::VaultImage)),
            self.settings.restrictions.allowed_images.as_deref(),
            "restrictions.allowedImages",
            self.identity,
            &mut Work::default(),
        )?;
        Ok(Some(image))
    }

    fn token(&self) -> Result<Token, Refusal> {
        match self.optional(Key::SaToken)? {
            Some(path) => Ok(Token::At(path)),
            None => Ok(Token::Default),
        }
    }

    /// Where the application sees the files.
    pub fn mount_path(&self) -> Result<Option<Directory>, Refusal> {
        self.optional(Key::SecretsMountPath)
    }

    /// What the pod wants differently for Vault Agent.
    pub fn agent_overrides(&self) -> Result<Overrides, Refusal> {
        Ok(Overrides {
            image: self.image()?,
            requests: self.amounts(Key::AgentRequestsCpu, Key::AgentRequestsMemory)?,
            limits: self.amounts(Key::AgentLimitsCpu, Key::AgentLimitsMemory)?,
        })
    }

    /// What the pod wants differently for Consul Template.
    pub fn consul_template_overrides(&self) -> Result<Overrides, Refusal> {
        Ok(Overrides {
            image: None,
            requests: self.amounts(
                Key::ConsulTemplateRequestsCpu,
                Key::ConsulTemplateRequestsMemory,
            )?,
            limits: self.amounts(
                Key::ConsulTemplateLimitsCpu,
                Key::ConsulTemplateLimitsMemory,
            )?,
        })
    }

    fn amounts(&self, cpu: Key, memory: Key) -> Result<Amounts, Refusal> {
        Ok(Amounts {
            cpu: self.optional(cpu)?,
            memory: self.optional(memory)?,
        })
    }

    fn optional<T: Checked>(&self, key: Key) -> Result<Option<T>, Refusal> {
        self.short_line(key)?.map(parse).transpose()
    }
}

fn parse<T: Checked>(given: Given<'_>) -> Result<T, Refusal> {
    T::parse(given.text).ok_or(Refusal::Unusable {
        annotation: given.name,
        allowed: T::ALLOWED,
    })
}
