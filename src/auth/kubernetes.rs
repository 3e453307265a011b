//! The login with the pod's service account: Vault's method `kubernetes`.

use k8s_openapi::api::core::v1::VolumeMount;
use serde::Serialize;

use crate::annotations::Key;
use crate::kubernetes::{Volume, Volumes, read_only};
use crate::names;
use crate::path::same_path;
use crate::rejection::{Place, Rejection};
use crate::service_account::{self, Found, TOKEN};
use crate::subject::Subject;
use crate::values::FilePath;

/// The role to log in with, and the token.
#[derive(Debug)]
pub struct Login {
    role: String,
    /// The token at this path in the application's containers; `None` for the pod's own, or for one made for Vault where
    /// the settings name an audience.
    token: Option<FilePath>,
}

/// The method's configuration.
#[derive(Debug, Serialize)]
pub struct Config<'a> {
    role: &'a str,
    token_path: String,
}

impl Login {
    /// Reads role and token from the annotations; by default the role is the application label's.
    pub fn read(subject: &Subject<'_>) -> Result<Self, Rejection> {
        Ok(Login {
            role: role(subject)?,
            token: subject.annotations.sa_token()?,
        })
    }

    /// The configuration, mounts and volumes of the agent, which runs as `user`. The token is the application's, or one of
    /// the policy's where there is none that it can read, or where Vault expects an audience of its own.
    ///
    /// # Errors
    ///
    /// If the annotation names a file in a volume that cannot hold a token: the application could write it.
    pub fn plan(
        &self,
        user: Option<i64>,
        subject: &Subject<'_>,
        volumes: &mut Volumes,
    ) -> Result<(Config<'_>, Vec<VolumeMount>), Rejection> {
        let audience = subject
            .settings
            .vault
            .auth
            .kubernetes
            .token_audience
            .as_ref();
        let found = match &self.token {
            None if audience.is_some() => None,
            None => Found::find(names::SERVICE_ACCOUNT_TOKEN, subject),
            Some(path) => Found::find(path.as_str(), subject),
        };
        let (mount, file) = match (found, &self.token) {
            (Some(found), Some(path)) if !found.can_be_token() => {
                return Err(subject.annotations.rejected(
                    Key::SaToken,
                    format!(
                        "volume {} ({}) has no token at {}; expected the path of a serviceAccountToken of a projected volume, or of a key of a Secret",
                        &*found.volume.name,
                        found.volume.source.kind(),
                        path.as_str()
                    ),
                ));
            }
            (Some(found), _)
                if found.can_be_token()
                    && found.is_allowed(subject)
                    && found.is_readable(user, subject) =>
            {
                let directory = match found.is_default() {
                    true => names::SERVICE_ACCOUNT_DIRECTORY,
                    false => names::LOGIN_TOKEN_DIRECTORY,
                };
                (read_only(&found.volume.name, directory), found.path)
            }
            (found, _) => {
                let known = found.as_ref().and_then(Found::own_token);
                let audience = match known {
                    // The agent cannot read it, and gets one like it.
                    Some(known) => known.audience,
                    None => {
                        self.warn_of_own_token(found.as_ref(), subject);
                        audience.map(String::as_str)
                    }
                };
                let sources = vec![service_account::projection(audience)];
                volumes.add(Volume::projected(names::LOGIN_TOKEN_VOLUME, sources));
                let directory = match self.is_at_default() {
                    true => names::SERVICE_ACCOUNT_DIRECTORY,
                    false => names::LOGIN_TOKEN_DIRECTORY,
                };
                let mount = read_only(names::LOGIN_TOKEN_VOLUME, directory);
                (mount, TOKEN.to_owned())
            }
        };
        let config = Config {
            role: &self.role,
            token_path: format!("{}/{file}", mount.mount_path),
        };
        let mut mounts = vec![mount];
        if mounts[0].mount_path != names::SERVICE_ACCOUNT_DIRECTORY {
            mounts.push(service_account::none(volumes));
        }
        Ok((config, mounts))
    }

    fn is_at_default(&self) -> bool {
        let path = self.token.as_ref();
        path.is_none_or(|path| same_path(path.as_str(), names::SERVICE_ACCOUNT_TOKEN))
    }

    /// Warns that the agent gets a token of its own, where the pod seems to have one for it.
    fn warn_of_own_token(&self, found: Option<&Found<'_, '_>>, subject: &Subject<'_>) {
        match (found, &self.token) {
            (Some(found), _) => subject.warnings.add(format!(
                "volume {}: at {} it has no token that the pod may choose; the agent gets a token of its own",
                &*found.volume.name,
                names::SERVICE_ACCOUNT_DIRECTORY
            )),
            // The API server gives it to the pods of a template.
            (None, Some(path)) if !(subject.is_template && self.is_at_default()) => {
                subject.warnings.add(format!(
                    "annotation {}: no container of the application mounts a volume that has {}; the agent gets a token of its own",
                    subject.annotations.name(Key::SaToken),
                    path.as_str()
                ));
            }
            (None, _) => {}
        }
    }
}

/// The role of the annotation or, by default, of the application label.
fn role(subject: &Subject<'_>) -> Result<String, Rejection> {
    let settings = subject.settings;
    let label = &settings.annotations.application_label;
    let (role, place) = match subject.annotations.role()? {
        Some(role) => {
            let name = subject.annotations.name(Key::Role);
            (role, Place::Annotation(name))
        }
        None => {
            let role = subject.label(label, Key::Role)?;
            (role, Place::Label(label.as_str().to_owned()))
        }
    };
    let restrictions = &settings.restrictions;
    let work = &mut subject.work.borrow_mut();
    restrictions.allow_role(&role, place, subject.identity(), work)?;
    Ok(role)
}
