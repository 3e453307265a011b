//! The Consul Template sidecar: renders the secrets to files and notifies the application.

mod config;

use k8s_openapi::api::core::v1::Container;

use super::{Order, configuration, connection, native, overridden, render, running_script, script};
use crate::intent::{Intent, Stage};
use crate::kubernetes::{Volume, env, read_only, writable};
use crate::names::{self, TOKEN};
use crate::rejection::Rejection;
use crate::service_account;
use crate::settings::Settings;
use crate::values::Sidecars;
use config::{Config, Retry, Vault};

/// The environment variable with Consul Template's configuration.
const CONFIG_VARIABLE: &str = "TVSI_CONSUL_TEMPLATE_CONFIG";

/// Builds the sidecar that keeps the files up to date.
pub fn sidecar(order: &mut Order<'_, '_>) -> Result<Container, Rejection> {
    let (intent, settings) = (order.intent, order.subject.settings);
    order
        .volumes
        .add(Volume::small(names::CONFIG_VOLUME, "1Mi"));
    let mut mounts = vec![
        writable(names::CONFIG_VOLUME, names::CONFIG_DIRECTORY),
        read_only(TOKEN.mounted.volume, TOKEN.mounted.directory),
    ];
    let mut directories = match intent.renders_files(Stage::Beside) {
        true => render::directory_mounts(intent),
        false => Vec::new(),
    }
    .into_iter();
    mounts.extend(directories.next());
    mounts.push(service_account::none(order.volumes));
    let mut arguments = vec![TOKEN.file];
    let job = order.job().map(|job| {
        mounts.push(job.mount);
        arguments.push(job.signal);
        job.script
    });
    let (mut variables, tls_mounts) = connection::connection(order, names::CONFIG_DIRECTORY);
    mounts.extend(tls_mounts);
    mounts.extend(directories);
    mounts.extend(render::values_mount(intent, Stage::Beside));
    mounts.extend(render::template_mount(intent, order.volumes));
    let config = config(settings, intent);
    let config = configuration(order.subject, CONFIG_VARIABLE, &config)?;
    variables.push(env(CONFIG_VARIABLE, &config));
    variables.extend(job);
    variables.extend(render::notification(intent));

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
        Sidecars::Native => native(
            container,
            "",
            None,
            &render::destinations(intent, Stage::Beside),
        ),
    })
}

fn config<'a>(settings: &'a Settings, intent: &'a Intent) -> Config<'a> {
    Config {
        kill_signal: "SIGTERM",
        log_level: settings.consul_template.log_level.as_str(),
        vault: Vault {
            vault_agent_token_file: TOKEN.file,
            renew_token: false,
            default_lease_duration: intent.options.refresh.as_deref(),
            retry: Retry {
                attempts: 0,
                backoff: "500ms",
                max_backoff: "30s",
            },
        },
        template: render::templates(settings, intent, Stage::Beside),
    }
}
