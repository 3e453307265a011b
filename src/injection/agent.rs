//! Vault Agent: as a sidecar that keeps the token alive, and as an init container that fetches secrets once.

use super::container::{env, native, read_only, running_script, writable};
use super::service_account::{self, TokenMounts};
use super::{Context, Refusal, configuration, connection, names, scripts, templates, volumes};
use crate::config::agent::{
    ApiProxy, AutoAuth, Cache, Config, Listener, Method, MethodConfig, Proxy, Retry, Sink,
    SinkConfig, Template, TemplateConfig, Vault,
};
use crate::intent::{AppRole, Engine, Intent, Login, Sidecars};
use crate::kubernetes::{Container, SecretVolumeSource, Volume, VolumeMount};
use crate::settings::{Seconds, Settings};

/// The environment variable with the agent's configuration.
const CONFIG_VARIABLE: &str = "TVSI_AGENT_CONFIG";

/// How often the init container tries before it fails: about half a minute.
const TRIES_ONCE: u32 = 7;

/// How often the sidecar tries to get a secret: for ever, in effect. Having given up, it would ask for the
/// others again too, and take new leases each time.
const TRIES: u32 = 1_000_000;

/// Builds the sidecar.
pub fn sidecar(intent: &Intent, context: &mut Context<'_, '_>) -> Result<Container, Refusal> {
    let renders = intent.engine() == Some(Engine::VaultAgent);
    let is_native = intent.sidecars == Sidecars::Native;
    // A native sidecar is told to end when the application has ended.
    let grace = match is_native {
        true => 0,
        false => context
            .settings
            .vault
            .revoke_grace_seconds
            .min(context.pod.termination_grace_period_seconds.max(0) / 2),
    };
    let container = agent(
        intent,
        context,
        &Agent {
            name: names::VAULT_AGENT,
            script: scripts::AGENT,
            grace: Some(grace.to_string()),
            token_file: names::TOKEN_FILE,
            renders,
            runs_once: false,
        },
    )?;
    if !is_native {
        return Ok(container);
    }
    let (token, files) = match &intent.secrets {
        Some(secrets) if renders => ("", templates::destinations(&secrets.files)),
        _ => (names::TOKEN_FILE, Vec::new()),
    };
    Ok(native(container, token, intent.proxy_port, &files))
}

/// Builds the init container that renders static secrets.
pub fn init_container(
    intent: &Intent,
    context: &mut Context<'_, '_>,
) -> Result<Container, Refusal> {
    agent(
        intent,
        context,
        &Agent {
            name: names::VAULT_AGENT_INIT,
            script: scripts::AGENT_INIT,
            grace: None,
            token_file: names::INIT_TOKEN_FILE,
            renders: true,
            runs_once: true,
        },
    )
}

/// In what the two agents differ.
struct Agent {
    name: &'static str,
    script: &'static str,
    /// How many seconds pass between TERM and the agent's end; none for one that is not needed any more.
    grace: Option<String>,
    token_file: &'static str,
    renders: bool,
    runs_once: bool,
}

fn agent(
    intent: &Intent,
    context: &mut Context<'_, '_>,
    agent: &Agent,
) -> Result<Container, Refusal> {
    let settings = context.settings;
    let mut mounts = vec![writable(names::SHARED_VOLUME, names::SHARED_DIRECTORY)];
    if agent.renders {
        mounts.push(writable(names::SECRETS_VOLUME, names::SECRETS_DIRECTORY));
    } else if intent.reads_ids_from_files() {
        mounts.push(read_only(names::SECRETS_VOLUME, names::SECRETS_DIRECTORY));
    }
    if !agent.runs_once && intent.needs_babysitter() {
        mounts.push(read_only(names::JOB_VOLUME, names::JOB_DIRECTORY));
    }
    let (mut variables, tls_mount) = connection(intent, context, names::NO_HOME);
    mounts.extend(tls_mount);
    let (method, login_mounts) = login(intent, context)?;
    mounts.extend(login_mounts);

    let files = match &intent.secrets {
        Some(secrets) if agent.renders => secrets.files.as_slice(),
        _ => &[],
    };
    let template: Vec<Template<'_>> = files
        .iter()
        .map(|file| templates::template(settings, file, agent.runs_once).in_blocks())
        .collect();
    let tries = match intent.proxy_port {
        _ if agent.runs_once => Some(TRIES_ONCE),
        // The number is the proxy's too, which has to answer some time; and it keeps what is leased.
        None if agent.renders => Some(TRIES),
        _ => None,
    };
    let config = Config {
        log_level: settings.agent.log_level.as_str(),
        log_format: settings.agent.log_format.as_str(),
        auto_auth: [AutoAuth {
            method: [Method {
                exit_on_err: agent.runs_once,
                ..method
            }],
            sink: [Sink {
                kind: "file",
                config: [SinkConfig {
                    path: agent.token_file,
                }],
            }],
        }],
        proxy: match intent.proxy_port {
            Some(port) if !agent.runs_once => Some(proxy(port)),
            _ => None,
        },
        exit_after_auth: agent.runs_once,
        vault: tries.map(|num_retries| {
            [Vault {
                retry: [Retry { num_retries }],
            }]
        }),
        template_config: template_config(agent, settings),
        template,
    };
    let config = configuration(settings, CONFIG_VARIABLE, &config)?;

    let mut arguments = vec![agent.token_file];
    if let Some(grace) = &agent.grace {
        arguments.push(grace);
        arguments.extend(context.signal_file);
    }
    let program = context.program(&settings.agent.program, &intent.agent, "agent")?;
    let mut container = running_script(agent.name, &program, settings, agent.script, &arguments);
    variables.push(env(CONFIG_VARIABLE, &config));
    variables.extend(templates::notification(files));
    container.env = variables;
    container.volume_mounts = mounts;
    Ok(container)
}

/// How the agent logs in, and what it has to mount for it.
fn login<'a>(
    intent: &'a Intent,
    context: &mut Context<'_, '_>,
) -> Result<(Method<'a>, Vec<VolumeMount>), Refusal> {
    let settings = context.settings;
    let approle = &settings.vault.approle;
    let (kind, path, config, mounts) = match &intent.login {
        Login::Kubernetes { role, token } => {
            let TokenMounts { mounts, path } = service_account::for_login(token, context)?;
            let config = MethodConfig::Kubernetes {
                role,
                token_path: path,
            };
            (
                "kubernetes",
                &settings.vault.kubernetes.path,
                config,
                mounts,
            )
        }
        Login::AppRole(source) => {
            let mut mounts = vec![service_account::none(&mut context.volumes)];
            let (directory, role_id, secret_id) = match source {
                AppRole::Files => (
                    names::SECRETS_DIRECTORY,
                    approle.role_id_file.as_str(),
                    approle.secret_id_file.as_str(),
                ),
                AppRole::Secret(name) => {
                    context.volumes.add(ids(name.as_str()));
                    mounts.push(read_only(names::APPROLE_VOLUME, names::APPROLE_DIRECTORY));
                    (names::APPROLE_DIRECTORY, ROLE_ID, SECRET_ID)
                }
            };
            let config = MethodConfig::AppRole {
                role_id_file_path: format!("{directory}/{role_id}"),
                secret_id_file_path: format!("{directory}/{secret_id}"),
                remove_secret_id_file_after_reading: false,
            };
            ("approle", &approle.path, config, mounts)
        }
    };
    let method = Method {
        kind,
        mount_path: format!("auth/{}", path.as_str()),
        max_backoff: "30s",
        exit_on_err: false,
        config: [config],
    };
    Ok((method, mounts))
}

/// The keys of the Secret that annotation `approle-secret` names.
const ROLE_ID: &str = "role-id";
const SECRET_ID: &str = "secret-id";

/// The ids from a Secret. One without the keys keeps the pod waiting, with an event that names them.
fn ids(secret: &str) -> Volume {
    Volume {
        name: names::APPROLE_VOLUME,
        empty_dir: None,
        secret: Some(SecretVolumeSource {
            secret_name: secret.to_owned(),
            items: volumes::items(&[(ROLE_ID, ROLE_ID), (SECRET_ID, SECRET_ID)]),
        }),
        projected: None,
    }
}

fn proxy(port: u16) -> Proxy {
    Proxy {
        api_proxy: [ApiProxy {
            use_auto_auth_token: true,
        }],
        cache: [Cache {}],
        listener: [Listener {
            kind: "tcp",
            address: format!("127.0.0.1:{port}"),
            tls_disable: true,
        }],
    }
}

fn template_config(agent: &Agent, settings: &Settings) -> Option<[TemplateConfig; 1]> {
    let config = TemplateConfig {
        exit_on_retry_failure: agent.runs_once,
        static_secret_render_interval: settings
            .secrets
            .refresh_interval
            .filter(|_| agent.renders && !agent.runs_once)
            .map(Seconds::as_duration),
    };
    (config != TemplateConfig::default()).then_some([config])
}
