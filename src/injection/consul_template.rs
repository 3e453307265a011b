//! The Consul Template sidecar: renders the secrets to files and notifies the application.

use super::container::{env, native, read_only, running_script, writable};
use super::volumes::empty_dir;
use super::{
    Context, Refusal, configuration, connection, names, scripts, service_account, templates,
};
use crate::config::consul_template::{Config, Retry, Vault};
use crate::intent::{Intent, SecretFile, Sidecars};
use crate::kubernetes::Container;
use crate::settings::{Seconds, Settings};

/// The environment variable with Consul Template's configuration.
const CONFIG_VARIABLE: &str = "TVSI_CONSUL_TEMPLATE_CONFIG";

/// Builds the sidecar that keeps `files` up to date.
pub fn sidecar(
    intent: &Intent,
    files: &[SecretFile],
    context: &mut Context<'_, '_>,
) -> Result<Container, Refusal> {
    let settings = context.settings;
    let limit = Some("1Mi");
    context.volumes.add(empty_dir(names::CONFIG_VOLUME, limit));
    let mut mounts = vec![
        writable(names::CONFIG_VOLUME, names::CONFIG_DIRECTORY),
        read_only(names::SHARED_VOLUME, names::SHARED_DIRECTORY),
        writable(names::SECRETS_VOLUME, names::SECRETS_DIRECTORY),
        service_account::none(&mut context.volumes),
    ];
    if intent.needs_babysitter() {
        mounts.push(read_only(names::JOB_VOLUME, names::JOB_DIRECTORY));
    }
    let mut arguments = vec![names::TOKEN_FILE];
    arguments.extend(context.signal_file);
    let program = context.program(
        &settings.consul_template.program,
        &intent.consul_template,
        "consul-template",
    )?;
    let mut container = running_script(
        names::CONSUL_TEMPLATE,
        &program,
        settings,
        scripts::CONSUL_TEMPLATE,
        &arguments,
    );
    let (mut variables, tls_mount) = connection(intent, context, names::CONFIG_DIRECTORY);
    mounts.extend(tls_mount);
    let config = configuration(settings, CONFIG_VARIABLE, &config(settings, files))?;
    variables.push(env(CONFIG_VARIABLE, &config));
    variables.extend(templates::notification(files));
    container.env = variables;
    container.volume_mounts = mounts;
    Ok(match intent.sidecars {
        Sidecars::Classic => container,
        Sidecars::Native => native(container, "", None, &templates::destinations(files)),
    })
}

fn config<'a>(settings: &'a Settings, files: &'a [SecretFile]) -> Config<'a> {
    Config {
        kill_signal: "SIGTERM",
        log_level: settings.consul_template.log_level.as_str(),
        vault: Vault {
            vault_agent_token_file: names::TOKEN_FILE,
            renew_token: false,
            default_lease_duration: settings.secrets.refresh_interval.map(Seconds::as_duration),
            retry: Retry {
                attempts: 0,
                backoff: "500ms",
                max_backoff: "30s",
            },
        },
        template: files
            .iter()
            .map(|file| templates::template(settings, file, false))
            .collect(),
    }
}
