//! Vault Agent: as a sidecar that keeps the token alive, and as an init container that fetches secrets once.

mod config;

use k8s_openapi::api::core::v1::Container;

use super::{Order, configuration, connection, native, overridden, render, running_script, script};
use crate::auth::Method;
use crate::kubernetes::{env, read_only, writable};
use crate::names;
use crate::rejection::Rejection;
use crate::secrets::SecretFile;
use crate::settings::Settings;
use crate::values::{Seconds, Sidecars, TemplateEngine};
use config::{
    ApiProxy, AutoAuth, Cache, Config, Listener, Retry, Sink, SinkConfig, TemplateConfig, Vault,
};

/// The environment variable with the agent's configuration.
const CONFIG_VARIABLE: &str = "TVSI_AGENT_CONFIG";

/// How often the init container tries before it fails: about half a minute.
const TRIES_ONCE: u32 = 7;

/// How often the sidecar tries to get a secret: for ever, in effect. Having given up, it would ask for the
/// others again too, and take new leases each time.
const TRIES: u32 = 1_000_000;

/// In what the sidecar and the init container differ.
struct Role {
    name: &'static str,
    script: &'static str,
    /// The first of the script's arguments, behind the token file.
    grace: Option<String>,
    token_file: &'static str,
    renders: bool,
    runs_once: bool,
}

/// Builds the sidecar.
pub fn sidecar(order: &mut Order<'_, '_>) -> Result<Container, Rejection> {
    let intent = order.intent;
    let renders = intent.engine() == Some(TemplateEngine::VaultAgent);
    let is_native = intent.sidecars == Sidecars::Native;
    let role = Role {
        name: names::VAULT_AGENT,
        script: script!("agent.sh"),
        grace: Some(grace(order, is_native).to_string()),
        token_file: names::TOKEN_FILE,
        renders,
        runs_once: false,
    };
    let container = agent(order, &role)?;
    if !is_native {
        return Ok(container);
    }
    let (token, files) = match &intent.secrets {
        Some(secrets) if renders => ("", render::destinations(&secrets.files)),
        _ => (names::TOKEN_FILE, Vec::new()),
    };
    Ok(native(container, token, intent.proxy_port, &files))
}

/// Builds the init container that renders static secrets.
pub fn init_container(order: &mut Order<'_, '_>) -> Result<Container, Rejection> {
    let role = Role {
        name: names::VAULT_AGENT_INIT,
        script: script!("agent-init.sh"),
        grace: None,
        token_file: names::INIT_TOKEN_FILE,
        renders: true,
        runs_once: true,
    };
    agent(order, &role)
}

/// The seconds between TERM and the agent's end. A native sidecar gets TERM when the application has ended.
fn grace(order: &Order<'_, '_>, is_native: bool) -> i64 {
    let period = order.subject.pod.termination_grace_period_seconds();
    match is_native {
        true => 0,
        false => order
            .settings()
            .vault
            .revoke_grace_seconds
            .min(period.max(0) / 2),
    }
}

fn agent(order: &mut Order<'_, '_>, role: &Role) -> Result<Container, Rejection> {
    let (intent, settings) = (order.intent, order.subject.settings);
    let mut mounts = vec![writable(names::SHARED_VOLUME, names::SHARED_DIRECTORY)];
    if role.renders {
        mounts.push(writable(
            order.subject.secrets_volume,
            names::SECRETS_DIRECTORY,
        ));
    } else if intent.reads_ids_from_files() {
        mounts.push(read_only(
            order.subject.secrets_volume,
            names::SECRETS_DIRECTORY,
        ));
    }
    let mut arguments = vec![role.token_file];
    arguments.extend(role.grace.as_deref());
    let job = order.job().filter(|_| !role.runs_once).map(|job| {
        mounts.push(job.mount);
        arguments.push(job.signal);
        job.script
    });
    let (mut variables, tls_mount) = connection::connection(order, names::NO_HOME);
    mounts.extend(tls_mount);
    let login = intent
        .login
        .plan(intent.user(), order.subject, order.volumes)?;
    mounts.extend(login.mounts);

    let files = match &intent.secrets {
        Some(secrets) if role.renders => secrets.files.as_slice(),
        _ => &[],
    };
    let config = config(order, role, login.method, files);
    let config = configuration(order.subject, CONFIG_VARIABLE, &config)?;
    variables.push(env(CONFIG_VARIABLE, &config));
    variables.extend(job);
    variables.extend(render::notification(files));
    variables.extend(login.variables);

    let program = overridden(&settings.agent.program, &intent.agent, order.subject)?;
    Ok(Container {
        env: Some(variables),
        volume_mounts: Some(mounts),
        ..running_script(role.name, &program, intent, role.script, &arguments)
    })
}

fn config<'s>(
    order: &Order<'s, '_>,
    role: &Role,
    mut method: Method<'s>,
    files: &'s [SecretFile],
) -> Config<'s> {
    let (intent, settings) = (order.intent, order.subject.settings);
    method.exit_on_err |= role.runs_once;
    let tries = match intent.proxy_port {
        _ if role.runs_once => Some(TRIES_ONCE),
        // The number is the proxy's too, which has to answer some time; and it keeps what is leased.
        None if role.renders => Some(TRIES),
        _ => None,
    };
    let templates = files
        .iter()
        .map(|file| render::template(settings, file, role.runs_once).in_blocks());
    let proxy_port = intent.proxy_port.filter(|_| !role.runs_once);
    Config {
        log_level: settings.agent.log_level.as_str(),
        log_format: settings.agent.log_format.as_str(),
        auto_auth: [AutoAuth {
            method: [method],
            sink: [Sink {
                kind: "file",
                config: [SinkConfig {
                    path: role.token_file,
                }],
            }],
        }],
        api_proxy: proxy_port.map(|_| {
            [ApiProxy {
                use_auto_auth_token: true,
            }]
        }),
        cache: proxy_port.map(|_| [Cache {}]),
        listener: proxy_port.map(|port| [Listener::on(port)]),
        exit_after_auth: role.runs_once,
        vault: tries.map(|num_retries| {
            [Vault {
                retry: [Retry { num_retries }],
            }]
        }),
        template_config: template_config(role, settings),
        template: templates.collect(),
    }
}

fn template_config(role: &Role, settings: &Settings) -> Option<[TemplateConfig; 1]> {
    let config = TemplateConfig {
        exit_on_retry_failure: role.runs_once,
        static_secret_render_interval: settings
            .secrets
            .refresh_interval
            .filter(|_| role.renders && !role.runs_once)
            .map(Seconds::as_duration),
    };
    (config != TemplateConfig::default()).then_some([config])
}
