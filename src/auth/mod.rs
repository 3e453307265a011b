//! How Vault Agent logs in: one file for each method.

pub mod approle;
pub mod kubernetes;

use k8s_openapi::api::core::v1::VolumeMount;
use serde::Serialize;

use crate::annotations::Need;
use crate::kubernetes::Volumes;
use crate::rejection::Rejection;
use crate::subject::Subject;
use crate::values::AuthMethod;

/// What the pod asks for.
#[derive(Debug)]
pub enum Login {
    Kubernetes(kubernetes::Login),
    AppRole(approle::Login),
}

/// The block `method` of the agent's configuration.
#[derive(Debug, Serialize)]
pub struct Method<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    mount_path: String,
    max_backoff: &'static str,
    /// Whether the agent ends when a login fails.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_on_err: bool,
    config: [Config<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Config<'a> {
    Kubernetes(kubernetes::Config<'a>),
    AppRole(approle::Config),
}

/// What the agent needs for its login.
pub struct LoginPlan<'a> {
    pub method: Method<'a>,
    pub mounts: Vec<VolumeMount>,
}

impl Login {
    /// Reads how the pod wants to log in. `fetches_once` says that an init container of the policy's does it.
    pub fn read(subject: &Subject<'_>, fetches_once: bool) -> Result<Self, Rejection> {
        let annotations = &subject.annotations;
        let secret = annotations.approle_secret()?;
        match annotations.auth()? {
            None | Some(AuthMethod::Kubernetes) => {
                annotations.warn_unmet(Need::AppRole, subject.warnings);
                kubernetes::Login::read(subject).map(Login::Kubernetes)
            }
            Some(AuthMethod::AppRole) => {
                annotations.warn_unmet(Need::Kubernetes, subject.warnings);
                approle::Login::read(subject, secret, fetches_once).map(Login::AppRole)
            }
        }
    }

    /// The configuration, mounts and volumes for it of the agent, which runs as `user`.
    pub fn plan<'s>(
        &'s self,
        user: Option<i64>,
        subject: &Subject<'_>,
        volumes: &mut Volumes,
    ) -> Result<LoginPlan<'s>, Rejection> {
        let settings = &subject.settings.vault.auth;
        let (kind, path, config, mounts) = match self {
            Login::Kubernetes(login) => {
                let (config, mounts) = login.plan(user, subject, volumes)?;
                let path = &settings.kubernetes.path;
                ("kubernetes", path, Config::Kubernetes(config), mounts)
            }
            Login::AppRole(login) => {
                let (config, mounts) = login.plan(&settings.approle, volumes);
                let path = &settings.approle.path;
                ("approle", path, Config::AppRole(config), mounts)
            }
        };
        let method = Method {
            kind,
            mount_path: format!("auth/{}", path.as_str()),
            max_backoff: "30s",
            exit_on_err: false,
            config: [config],
        };
        Ok(LoginPlan { method, mounts })
    }
}
