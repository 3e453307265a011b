//! The Consul Template sidecar: renders the secrets to files and notifies the application.

mod config;

use k8s_openapi::api::core::v1::Container;

use super::{Order, configuration, connection, native, overridden, render, running_script, script};
use crate::kubernetes::{Volume, env, read_only, writable};
use crate::names;
use crate::rejection::Rejection;
use crate::secrets::SecretFile;
use crate::service_account;
use crate::settings::Settings;
use crate::values::{Seconds, Sidecars};
use config::{Config, Retry, Vault};

/// The environment variable with Consul Template's configuration.
const CONFIG_VARIABLE: &str = "TVSI_CONSUL_TEMPLATE_CONFIG";

/// Builds the sidecar that keeps `files` up to date.
pub fn sidecar(files: &[SecretFile], order: &mut Order<'_, '_>) -> Result<Container, Rejection> {
    let (intent, settings) = (order.intent, order.subject.settings);
    order
        .volumes
        .add(Volume::small(names::CONFIG_VOLUME, "1Mi"));
    let mut mounts = vec![
        writable(names::CONFIG_VOLUME, names::CONFIG_DIRECTORY),
        read_only(names::SHARED_VOLUME, names::SHARED_DIRECTORY),
        writable(order.subject.secrets_volume, names::SECRETS_DIRECTORY),
        service_account::none(order.volumes),
    ];
    let mut arguments = vec![names::TOKEN_FILE];
    let job = order.job().map(|job| {
        mounts.push(job.mount);
        arguments.push(job.signal);
        job.script
    });
    let (mut variables, tls_mount) = connection::connection(order, names::CONFIG_DIRECTORY);
    mounts.extend(tls_mount);
    let config = configuration(order.subject, CONFIG_VARIABLE, &config(settings, files))?;
    variables.push(env(CONFIG_VARIABLE, &config));
    variables.extend(job);
    variables.extend(render::notification(files));

    let program = &settings.consul_template.program;
    let program = overridden(program, &intent.consul_template, order.subject)?;
    let script = script!("consul-template.sh");
    let container = Container {
        env: Some(variables),
        volume_mounts: Some(mounts),
        ..running_script(names::CONSUL_TEMPLATE, &program, intent, script, &arguments)
    };
    Ok(match intent.sidecars {
        Sidecars::Classic => container,
        Sidecars::Native => native(container, "", None, &render::destinations(files)),
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
            .map(|file| render::template(settings, file, false))
            .collect(),
    }
}
