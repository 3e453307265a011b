//! The Vault Agent sidecar: logs in, keeps the token alive, and revokes it at the end.

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::container::{env, read_only, running_script, writable};
use super::service_account::{self, TokenMounts};
use super::{Context, Refusal, configuration, connection, names, scripts};
use crate::annotations::Key;
use crate::config::agent::{AutoAuth, Config, Method, MethodConfig, Sink, SinkConfig};
use crate::intent::{Intent, Login};
use crate::settings::Settings;

/// The environment variable with the agent's configuration.
const CONFIG_VARIABLE: &str = "TVSI_AGENT_CONFIG";

/// Builds the sidecar.
pub fn sidecar(intent: &Intent, context: &mut Context<'_, '_>) -> Result<Container, Refusal> {
    let settings = context.settings;
    let mut mounts = vec![writable(names::SHARED_VOLUME, names::SHARED_DIRECTORY)];
    let login = match &intent.login {
        Login::Kubernetes { role, token } => {
            let TokenMounts {
                mounts: token_mounts,
                path,
            } = service_account::for_login(token, context);
            mounts.extend(token_mounts);
            configuration(
                settings,
                CONFIG_VARIABLE,
                &config(settings, kubernetes(settings, role, &path)),
            )?
        }
        Login::AppRole => {
            mounts.push(read_only(names::SECRETS_VOLUME, names::SECRETS_DIRECTORY));
            mounts.push(service_account::none(&mut context.volumes));
            configuration(
                settings,
                CONFIG_VARIABLE,
                &config(settings, approle(settings)),
            )?
        }
    };
    if intent.is_job {
        mounts.push(read_only(names::JOB_VOLUME, names::JOB_DIRECTORY));
    }
    refuse_shared_mount_path(&mounts, settings)?;

    let grace = settings
        .vault
        .revoke_grace_seconds
        .min(context.pod.termination_grace_period_seconds.max(0) / 2)
        .to_string();
    let arguments = [
        "agent",
        &grace,
        context.signal_file,
        names::TOKEN_FILE,
        "vault",
        "agent",
        "-config",
        names::AGENT_CONFIG_FILE,
    ];
    let mut container = running_script(
        names::VAULT_AGENT,
        &settings.agent.program,
        settings,
        scripts::SIDECAR,
        &arguments,
    );
    if let Some(image) = &intent.agent_image {
        container.image = Some(image.clone());
    }
    let mut variables = connection(settings);
    variables.push(env(CONFIG_VARIABLE, &login));
    container.env = Some(variables);
    container.volume_mounts = Some(mounts);
    Ok(container)
}

/// A token's directory may be any, but not one where the policy has something of its own.
fn refuse_shared_mount_path(mounts: &[VolumeMount], settings: &Settings) -> Result<(), Refusal> {
    for (position, mount) in mounts.iter().enumerate() {
        let is_there = |other: &VolumeMount| other.mount_path == mount.mount_path;
        if mounts[..position].iter().any(is_there) {
            return Err(Refusal::TokenDirectoryTaken {
                annotation: settings.annotations.name(Key::SaToken),
                directory: mount.mount_path.clone(),
            });
        }
    }
    Ok(())
}

fn config<'a>(settings: &Settings, method: Method<'a>) -> Config<'a> {
    Config {
        log_level: settings.agent.log_level.as_str(),
        log_format: settings.agent.log_format.as_str(),
        auto_auth: [AutoAuth {
            method: [method],
            sink: [Sink {
                kind: "file",
                config: [SinkConfig {
                    path: names::TOKEN_FILE,
                }],
            }],
        }],
    }
}

fn kubernetes<'a>(settings: &Settings, role: &'a str, token_path: &'a str) -> Method<'a> {
    Method {
        kind: "kubernetes",
        mount_path: format!("auth/{}", settings.vault.kubernetes.path.as_str()),
        max_backoff: "30s",
        config: [MethodConfig::Kubernetes { role, token_path }],
    }
}

fn approle(settings: &Settings) -> Method<'static> {
    let approle = &settings.vault.approle;
    let file = |name: &str| format!("{}/{name}", names::SECRETS_DIRECTORY);
    Method {
        kind: "approle",
        mount_path: format!("auth/{}", approle.path.as_str()),
        max_backoff: "30s",
        config: [MethodConfig::AppRole {
            role_id_file_path: file(approle.role_id_file.as_str()),
            secret_id_file_path: file(approle.secret_id_file.as_str()),
            remove_secret_id_file_after_reading: false,
        }],
    }
}
