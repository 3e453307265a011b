//! Vault Agent: as a sidecar that keeps the token alive, and as an init container that fetches secrets once.

mod config;
mod copied;
mod options;
mod patched;

use std::borrow::Cow;

use k8s_openapi::api::core::v1::Container;
use serde_json::Value;

use super::render::Template;
use super::{Order, configuration, connection, native, overridden, render, running_script, script};
use crate::annotations::Key;
use crate::auth::Method;
use crate::intent::Stage;
use crate::kubernetes::{Volume, env, env_from_field, read_only, writable};
use crate::names::{self, Mounted, Token};
use crate::rejection::Rejection;
use crate::values::{AgentFeature, CacheToken, Count, Sidecars, TemplateEngine};
use config::{
    ApiProxy, AutoAuth, Cache, Config, Listener, Persist, Retry, Sink, SinkConfig, TemplateConfig,
    Vault,
};
pub use options::Options;

/// The environment variable with the agent's configuration, or with the file that has it.
const CONFIG_VARIABLE: &str = "TVSI_AGENT_CONFIG";
const CONFIG_FILE_VARIABLE: &str = "TVSI_AGENT_CONFIG_FILE";

/// Says that the token is not revoked.
const KEEP_TOKEN_VARIABLE: &str = "TVSI_KEEP_TOKEN";

/// Names the variables that refer to a path that cannot be read.
const SHOW: &str = include_str!(concat!(env!("OUT_DIR"), "/scripts/variables.sh"));

/// How often the init container tries before it fails: about half a minute.
const TRIES_ONCE: u32 = 7;

/// How often the sidecar tries to get a secret: for ever, in effect. After giving up, it would read the
/// others again too, and take new leases each time.
const TRIES: u32 = 1_000_000;

/// In what the sidecar and the init container differ.
struct Role {
    name: &'static str,
    script: &'static str,
    /// The first of the script's arguments, behind the token file.
    grace: Option<String>,
    token: &'static Token,
    /// When it renders, if it does.
    renders: Option<Stage>,
    runs_once: bool,
    /// The file of a ConfigMap that has its whole configuration, if one does.
    config_file: &'static str,
    /// Whether its token ends with it.
    revokes: bool,
    patch: Key,
}

/// Builds the sidecar.
pub fn sidecar(order: &mut Order<'_, '_>) -> Result<Value, Rejection> {
    let (intent, names) = (order.intent, order.subject.names());
    let renders = intent.engine() == Some(TemplateEngine::VaultAgent);
    let renders = renders.then_some(Stage::Beside);
    let is_native = intent.sidecars == Sidecars::Native;
    let role = Role {
        name: names.agent,
        script: script!("agent.sh"),
        grace: Some(grace(order, is_native).to_string()),
        token: &names.token,
        renders,
        runs_once: false,
        config_file: "config.hcl",
        revokes: intent.options.revokes,
        patch: Key::AgentJsonPatch,
    };
    let mut container = agent(order, &role)?;
    if is_native {
        let files = renders.map(|stage| render::destinations(intent, stage));
        let (token, files) = match files {
            // What its own configuration renders, and where its token is, cannot be determined.
            _ if intent.options.config_map.is_some() => ("", Vec::new()),
            Some(files) if !files.is_empty() => ("", files),
            _ => (role.token.file, Vec::new()),
        };
        container = native(container, token, intent.options.listens_at(), &files);
    }
    let patch = intent.options.patch.as_ref();
    patched::patched(&container, role.patch, patch, order.subject)
}

/// Builds the init container that renders secrets.
pub fn init_container(order: &mut Order<'_, '_>) -> Result<Value, Rejection> {
    let names = order.subject.names();
    let options = &order.intent.options;
    // What has been leased for files is the application's until the sidecar has more.
    let passes_on =
        order.intent.has_sidecars_that_render() && order.intent.renders_files(Stage::Before);
    let role = Role {
        name: names.agent_init,
        script: script!("agent-init.sh"),
        grace: None,
        token: &names.init_token,
        renders: Some(Stage::Before),
        runs_once: true,
        config_file: "config-init.hcl",
        // What it has leased ends with its token.
        revokes: options.revokes && !options.is_populated_only && !options.token_file && !passes_on,
        patch: Key::AgentInitJsonPatch,
    };
    let container = agent(order, &role)?;
    let patch = options.init_patch.as_ref();
    patched::patched(&container, role.patch, patch, order.subject)
}

/// The seconds between TERM and the agent's end. A native sidecar gets TERM when the application has ended.
fn grace(order: &Order<'_, '_>, is_native: bool) -> i64 {
    let period = order.subject.pod.termination_grace_period_seconds();
    let options = &order.intent.options;
    match is_native || !options.revokes {
        true => 0,
        false => options.grace.min(period.max(0) / 2),
    }
}

fn agent(order: &mut Order<'_, '_>, role: &Role) -> Result<Container, Rejection> {
    let (intent, settings) = (order.intent, order.subject.settings);
    let (options, names) = (&intent.options, order.subject.names());
    let token = &role.token.mounted;
    order.volumes.add(Volume::small(token.volume, "4Mi"));
    let mut mounts = vec![writable(token.volume, token.directory)];
    let mut secrets = render::directory_mounts(intent).into_iter();
    let renders_files = role
        .renders
        .is_some_and(|stage| intent.renders_files(stage));
    if renders_files || options.token_file {
        mounts.extend(secrets.next());
    } else if intent.reads_ids_from_files() {
        mounts.push(read_only(
            order.subject.secrets_volume,
            names::SECRETS_DIRECTORY,
        ));
    }
    let mut arguments = vec![role.token.file];
    arguments.extend(role.grace.as_deref());
    let job = order.job().filter(|_| !role.runs_once).map(|job| {
        mounts.push(job.mount);
        arguments.push(job.signal);
        job.script
    });
    let (mut variables, tls_mounts) = connection::connection(order, names.home);
    mounts.extend(tls_mounts);
    let login = intent
        .login
        .plan(intent.user(), role.runs_once, order.subject, order.volumes)?;
    mounts.extend(login.mounts);
    mounts.extend(secrets.filter(|_| renders_files));
    mounts.extend(
        role.renders
            .and_then(|stage| render::values_mount(intent, stage)),
    );
    if let Some(secret) = &options.extra_secret {
        let Mounted { volume, directory } = names.extra_secret;
        order
            .volumes
            .add(Volume::whole_secret(volume, secret.as_str()));
        mounts.push(read_only(volume, directory));
    }
    if intent.passes_leases_on() {
        let Mounted { volume, directory } = names.cache;
        order.volumes.add(Volume::small(volume, "16Mi"));
        mounts.push(writable(volume, directory));
    }
    mounts.extend(render::template_mount(intent, order.volumes));
    mounts.extend(copied::mounts(
        &mounts,
        intent.secrets.as_ref(),
        order.subject,
    )?);

    match &options.config_map {
        None => {
            let config = config(order, role, login.method, login.token.as_deref());
            let config = configuration(order.subject, CONFIG_VARIABLE, &config)?;
            variables.push(env(CONFIG_VARIABLE, &config));
        }
        Some(config_map) => {
            let Mounted { volume, directory } = names.config_map;
            let source = connection::from_config_map(config_map.as_str(), &[]);
            order.volumes.add(Volume::projected(volume, vec![source]));
            mounts.push(read_only(volume, directory));
            let file = format!("{directory}/{}", role.config_file);
            variables.push(env(CONFIG_FILE_VARIABLE, &file));
            variables.push(env("VAULT_LOG_LEVEL", options.log_level.as_str()));
            variables.push(env("VAULT_LOG_FORMAT", options.log_format.as_str()));
        }
    }
    variables.extend(job);
    if role.renders.is_some() {
        variables.extend(render::notification(intent));
    }
    let by_path = role.renders.filter(|_| role.runs_once);
    if let Some(by_path) = by_path.and_then(|stage| render::by_path(intent, stage)) {
        variables.extend([by_path, env("TVSI_SHOW", SHOW)]);
    }
    variables.extend((!role.revokes).then(|| env(KEEP_TOKEN_VARIABLE, "true")));
    let fields = names.variables.iter();
    variables.extend(fields.map(|(name, field)| env_from_field(name, field)));
    variables.extend(login.variables);

    let program = overridden(&settings.agent.program, &intent.agent, order.subject)?;
    Ok(Container {
        env: Some(variables),
        volume_mounts: Some(mounts),
        ..running_script(role.name, &program, intent, role.script, &arguments)
    })
}

/// The configuration. `token` is the path of the service account token of the login, if it has one.
fn config<'s>(
    order: &Order<'s, '_>,
    role: &Role,
    method: Method<'s>,
    token: Option<&'s str>,
) -> Config<'s> {
    let (intent, settings) = (order.intent, order.subject.settings);
    let options = &intent.options;
    let tries = match (role.runs_once, options.exits_on_retry_failure) {
        (true, Some(false)) | (false, Some(true)) => None,
        (true, _) => Some(TRIES_ONCE),
        // The number is the proxy's too, which must answer some time; and it keeps what is leased.
        (false, _) if role.renders.is_some() && options.proxy.is_none() => Some(TRIES),
        _ => None,
    };
    let templates = role.renders.into_iter();
    let templates = templates.flat_map(|stage| render::templates(settings, intent, stage));
    let persist = token
        .filter(|_| intent.passes_leases_on())
        .map(|token| Persist {
            kind: "kubernetes",
            path: order.subject.names().cache.directory,
            service_account_token_file: token,
            exit_on_err: options.exits_on_cache_error,
        });
    let may_listen = !role.runs_once || persist.is_some() || options.quit.is_some();
    let proxy = options.proxy.filter(|_| may_listen);
    let listens_at = options.listens_at().filter(|_| may_listen);
    let features = |list: &[AgentFeature]| list.iter().map(|it| it.as_str()).collect();
    Config {
        log_level: options.log_level.as_str(),
        log_format: options.log_format.as_str(),
        auto_auth: [AutoAuth {
            method: [method],
            sink: sinks(order, role),
        }],
        api_proxy: proxy.and_then(|_| {
            let use_auto_auth_token = match options.proxy_token {
                CacheToken::True => true.into(),
                CacheToken::Force => "force".into(),
                CacheToken::False => return None,
            };
            Some([ApiProxy {
                use_auto_auth_token,
            }])
        }),
        cache: listens_at.map(|_| {
            [Cache {
                persist: persist.map(|persist| [persist]),
            }]
        }),
        listener: listens_at.map(|port| [Listener::on(port, options.quit.is_some())]),
        disable_idle_connections: features(&options.idle_connections_disabled),
        disable_keep_alives: features(&options.keep_alives_disabled),
        telemetry: (!options.telemetry.is_empty()).then_some([&options.telemetry]),
        exit_after_auth: role.runs_once,
        vault: tries.map(|num_retries| {
            [Vault {
                retry: [Retry { num_retries }],
            }]
        }),
        template_config: template_config(role, options),
        template: templates.map(Template::in_blocks).collect(),
    }
}

/// Where the token goes.
fn sinks<'s>(order: &Order<'s, '_>, role: &Role) -> Vec<Sink<'s>> {
    let sink = |path: Cow<'s, str>, mode| Sink {
        kind: "file",
        config: [SinkConfig { path, mode }],
    };
    let mut sinks = vec![sink(role.token.file.into(), None)];
    if let Some(secrets) = &order.intent.secrets
        && order.intent.options.token_file
    {
        let path = format!("{}/token", secrets.directories[0].in_sidecars);
        let permissions = order.subject.settings.secrets.file_permissions.as_str();
        let mode = u32::from_str_radix(permissions, 8).ok();
        sinks.push(sink(path.into(), mode));
    }
    sinks
}

fn template_config<'s>(role: &Role, options: &'s Options) -> Option<[TemplateConfig<'s>; 1]> {
    let threshold = options.lease_renewal_threshold.as_ref();
    let config = TemplateConfig {
        exit_on_retry_failure: options.exits_on_retry_failure.unwrap_or(role.runs_once),
        static_secret_render_interval: options
            .refresh
            .as_deref()
            .filter(|_| role.renders.is_some() && !role.runs_once),
        max_connections_per_host: options.max_connections.map(|Count(count)| count),
        lease_renewal_threshold: threshold.and_then(|it| serde_json::from_str(it.as_str()).ok()),
    };
    (config != TemplateConfig::default()).then_some([config])
}
