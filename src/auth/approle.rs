//! The login with a role id and a secret id: Vault's method `approle`.

use k8s_openapi::api::core::v1::VolumeMount;

use super::Configuration;
use crate::annotations::Key;
use crate::kubernetes::{Volume, Volumes, read_only};
use crate::names;
use crate::rejection::Rejection;
use crate::settings::AppRoleAuth;
use crate::subject::Subject;
use crate::values::{Checked, ObjectName};

/// Where the ids come from.
#[derive(Debug)]
pub enum Ids {
    /// From files in the secrets directory, which the pod's own init container writes.
    Files,
    /// From a Secret of the pod's namespace.
    Secret(ObjectName),
}

/// The keys of that Secret.
const ROLE_ID: &str = "role-id";
const SECRET_ID: &str = "secret-id";

impl Ids {
    /// Reads where the ids are, from the Secret that the annotation names if there is one.
    pub fn read(
        subject: &Subject<'_>,
        secret: Option<String>,
        fetches_once: bool,
    ) -> Result<Self, Rejection> {
        let annotations = &subject.annotations;
        match secret {
            Some(secret) => ObjectName::parse(&secret).map(Ids::Secret).ok_or_else(|| {
                let expected = ObjectName::EXPECTED;
                annotations.rejected(Key::ApproleSecret, format!("not valid; expected {expected}"))
            }),
            // Its vocabulary has no other way.
            None if !annotations.vocabulary().is_own() => Err(annotations.rejected(
                Key::Auth,
                format!(
                    "the login with approle needs the files with its ids; name a Secret with them in annotation {}, and the files in {} and {}",
                    annotations.name(Key::ExtraSecret),
                    annotations.name_of(Key::AuthConfig, "role-id-file-path"),
                    annotations.name_of(Key::AuthConfig, "secret-id-file-path")
                ),
            )),
            None if fetches_once => Err(annotations.rejected(
                Key::Auth,
                format!(
                    "the login with approle needs its ids before an init container of the pod can write them; name a Secret with the ids in annotation {}",
                    annotations.name(Key::ApproleSecret)
                ),
            )),
            None => Ok(Ids::Files),
        }
    }

    /// Adds to the agent's configuration where the ids are, and gives the mount with them.
    pub fn plan(
        &self,
        settings: &AppRoleAuth,
        config: &mut Configuration,
        volumes: &mut Volumes,
    ) -> Option<VolumeMount> {
        let (directory, role_id, secret_id, mount) = match self {
            Ids::Files => (
                names::SECRETS_DIRECTORY,
                settings.role_id_file.as_str(),
                settings.secret_id_file.as_str(),
                None,
            ),
            Ids::Secret(secret) => {
                let keys = [ROLE_ID, SECRET_ID];
                volumes.add(Volume::secret(
                    names::APPROLE_VOLUME,
                    secret.as_str(),
                    &keys,
                ));
                let mount = read_only(names::APPROLE_VOLUME, names::APPROLE_DIRECTORY);
                (names::APPROLE_DIRECTORY, ROLE_ID, SECRET_ID, Some(mount))
            }
        };
        let mut add = |key: &str, value| {
            config.entry(key).or_insert(value);
        };
        add("role_id_file_path", format!("{directory}/{role_id}").into());
        add(
            "secret_id_file_path",
            format!("{directory}/{secret_id}").into(),
        );
        mount
    }

    /// The files in the secrets directory that the login reads.
    pub fn files<'s>(&self, settings: &'s AppRoleAuth) -> Option<[&'s str; 2]> {
        match self {
            Ids::Files => Some([
                settings.role_id_file.as_str(),
                settings.secret_id_file.as_str(),
            ]),
            Ids::Secret(_) => None,
        }
    }
}
