//! The service account token of a login, which Vault's methods `kubernetes` and `jwt` take.

use k8s_openapi::api::core::v1::VolumeMount;
use serde_json::Value;

use crate::annotations::Key;
use crate::kubernetes::{Volume, Volumes, read_only};
use crate::names;
use crate::path::same_path;
use crate::rejection::Rejection;
use crate::service_account::{self, Found, TOKEN};
use crate::subject::Subject;
use crate::values::{Checked, FilePath};

/// Where the token is.
#[derive(Debug)]
pub enum Token {
    /// At this path in the application's containers, as the annotation says.
    At {
        path: FilePath,
        /// That of a token made in its place.
        audience: Option<String>,
    },
    /// In a volume of the pod's.
    In { volume: String, path: String },
    /// The pod's own, or one made for Vault where it expects an audience of its own.
    Own { audience: Option<String> },
}

impl Token {
    /// Reads where the token is. `audience` is that of the settings.
    pub fn read(subject: &Subject<'_>, audience: Option<&String>) -> Result<Self, Rejection> {
        let annotations = &subject.annotations;
        if let Some(path) = annotations.sa_token()? {
            for other in [Key::TokenVolume, Key::TokenAudience] {
                let why = format!("with {}", annotations.name(Key::SaToken));
                annotations.warn_unused(other, &why, subject.warnings);
            }
            let audience = audience.cloned();
            return Ok(Token::At { path, audience });
        }
        if let Some(volume) = annotations.token_volume()? {
            let source = subject.pod.volume(&volume).map(|volume| &volume.source);
            let path = source.and_then(|source| source.token_path());
            let path = path.filter(|path| source.is_some_and(|it| it.can_hold_token(path)));
            let Some(path) = path else {
                return Err(annotations
                    .rejected(
                        Key::TokenVolume,
                        "not a volume of this pod that has a service account token; expected a projected volume with a serviceAccountToken",
                    )
                    .unless_filled_in());
            };
            let path = path.to_owned();
            return Ok(Token::In { volume, path });
        }
        let of_pod = annotations.token_audience()?;
        Ok(Token::Own {
            audience: of_pod.or_else(|| audience.cloned()),
        })
    }

    /// A token at the path that the method's configuration has, if the application mounts a volume that has it.
    pub fn configured(path: &Value, subject: &Subject<'_>) -> Option<Self> {
        let path = FilePath::parse(path.as_str()?)?;
        let found = Found::find(path.as_str(), subject).filter(Found::can_be_token);
        let is_default = same_path(path.as_str(), names::SERVICE_ACCOUNT_TOKEN);
        (found.is_some() || is_default).then_some(Token::At {
            path,
            audience: None,
        })
    }

    /// The path of the token in the agent, which runs as `user`, and its mounts. The token is the application's, or one of
    /// the policy's where there is none that the agent can read, or where Vault expects an audience of its own.
    ///
    /// # Errors
    ///
    /// If the annotation names a file in a volume that cannot hold a token: the application could write it.
    pub fn plan(
        &self,
        user: Option<i64>,
        subject: &Subject<'_>,
        volumes: &mut Volumes,
    ) -> Result<(String, Vec<VolumeMount>), Rejection> {
        let (found, audience) = match self {
            Token::At { path, audience } => {
                (Found::find(path.as_str(), subject), audience.as_deref())
            }
            Token::In { .. } => (None, None),
            Token::Own { audience: None } => {
                (Found::find(names::SERVICE_ACCOUNT_TOKEN, subject), None)
            }
            Token::Own { audience } => (None, audience.as_deref()),
        };
        let (mount, file) = match (found, self) {
            (_, Token::In { volume, path }) => (
                read_only(volume, names::LOGIN_TOKEN_DIRECTORY),
                path.clone(),
            ),
            (Some(found), Token::At { path, .. }) if !found.can_be_token() => {
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
                        audience
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
        let path = format!("{}/{file}", mount.mount_path);
        Ok((path, vec![mount]))
    }

    fn is_at_default(&self) -> bool {
        match self {
            Token::At { path, .. } => same_path(path.as_str(), names::SERVICE_ACCOUNT_TOKEN),
            Token::In { .. } => false,
            Token::Own { .. } => true,
        }
    }

    /// Warns that the agent gets a token of its own, where the pod seems to have one for it.
    fn warn_of_own_token(&self, found: Option<&Found<'_, '_>>, subject: &Subject<'_>) {
        match (found, self) {
            (Some(found), _) => subject.warnings.add(format!(
                "volume {}: has no service account token at {}; the agent gets a token of its own",
                &*found.volume.name,
                names::SERVICE_ACCOUNT_DIRECTORY
            )),
            // The API server gives it to the pods of a template.
            (None, Token::At { path, .. }) if !(subject.is_template && self.is_at_default()) => {
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
