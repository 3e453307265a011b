//! Which of the modes a pod asks for, and what is no use together.

use super::reader::Reader;
use super::{Delivery, Engine, Refusal, Sidecars};
use crate::annotations::Key;

/// The port of the local proxy, where the pod does not say.
const DEFAULT_PROXY_PORT: u16 = 8200;

/// What the annotations about modes come to.
pub struct Modes {
    /// How secrets are delivered, in mode `secrets`.
    pub delivery: Option<Delivery>,
    /// The port, in mode `proxy`.
    pub proxy_port: Option<u16>,
    pub is_job: bool,
    pub sidecars: Sidecars,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Secrets,
    Proxy,
    Job,
}

/// Reads the modes and what depends on them.
pub fn read(reader: &Reader<'_>, warnings: &mut Vec<String>) -> Result<Modes, Refusal> {
    let modes = modes(reader, warnings)?;
    let is_job =
        modes.contains(&Mode::Job) || (reader.is_of_job && reader.settings.jobs.auto_detect);
    let sidecars = reader.one_of(Key::Sidecars, Sidecars::NAMED, reader.settings.sidecars)?;
    let has_proxy = modes.contains(&Mode::Proxy);
    // Neither named, or job alone.
    let has_secrets = modes.contains(&Mode::Secrets) || !has_proxy;
    let delivery = match has_secrets {
        true => Some(delivery(reader, is_job, sidecars, warnings)?),
        false => None,
    };

    let proxy_port = proxy_port(reader)?;
    if !has_proxy {
        reader.warn_unused(&[Key::ProxyPort], "without mode proxy", warnings);
    }
    if !has_secrets {
        let of_secrets = [
            Key::SecretsPath,
            Key::SecretsDestination,
            Key::SecretsTemplate,
            Key::SecretsHook,
            Key::SecretsType,
            Key::SecretsInjectionMethod,
            Key::SecretsMountPath,
            Key::Notify,
            Key::TemplateEngine,
            Key::InjectContainers,
        ];
        reader.warn_unused(&of_secrets, "without mode secrets", warnings);
    }
    if !is_job {
        reader.warn_unused(&[Key::JobContainers], "without mode job", warnings);
    }
    Ok(Modes {
        delivery,
        proxy_port: has_proxy.then_some(proxy_port),
        is_job,
        sidecars,
    })
}

fn modes(reader: &Reader<'_>, warnings: &mut Vec<String>) -> Result<Vec<Mode>, Refusal> {
    let mut modes = match reader.line(Key::Mode)? {
        Some(given) => given.some_of(&[
            ("secrets", Mode::Secrets),
            ("proxy", Mode::Proxy),
            ("job", Mode::Job),
        ])?,
        None => Vec::new(),
    };
    if let Some(given) = reader.line(Key::Workload)? {
        given.one_of(&[("job", ())])?;
        modes.push(Mode::Job);
        warnings.push(format!(
            "annotation {} is deprecated; use {}: job",
            given.name,
            reader.annotations.name(Key::Mode)
        ));
    }
    Ok(modes)
}

fn delivery(
    reader: &Reader<'_>,
    is_job: bool,
    sidecars: Sidecars,
    warnings: &mut Vec<String>,
) -> Result<Delivery, Refusal> {
    let types = [("dynamic", false), ("static", true)];
    let is_static = reader.one_of(Key::SecretsType, &types, false)?;
    let methods = [("file", false), ("env", true)];
    let into_environment = reader.one_of(Key::SecretsInjectionMethod, &methods, false)?;
    let waits_in_hook = reader.boolean(Key::SecretsHook)?;
    let engine = reader.one_of(
        Key::TemplateEngine,
        Engine::NAMED,
        reader.settings.template_engine,
    )?;
    if is_static {
        reader.warn_unused(
            &[Key::Notify, Key::TemplateEngine],
            "with static secrets, which do not change",
            warnings,
        );
        if waits_in_hook {
            reader.warn_unused(
                &[Key::SecretsHook],
                "with static secrets, which are there before the application starts",
                warnings,
            );
        }
        return Ok(Delivery::Static { into_environment });
    }
    let name = |key| reader.annotations.name(key);
    if into_environment {
        return Err(Refusal::EnvironmentOfDynamic {
            annotation: name(Key::SecretsInjectionMethod),
            remedy: name(Key::SecretsType),
        });
    }
    if sidecars == Sidecars::Native {
        if waits_in_hook {
            reader.warn_unused(
                &[Key::SecretsHook],
                "with native sidecars, which start before the application",
                warnings,
            );
        }
        return Ok(Delivery::Dynamic {
            engine,
            waits_in_hook: false,
        });
    }
    if waits_in_hook && is_job {
        return Err(Refusal::HookInJob {
            annotation: name(Key::SecretsHook),
        });
    }
    Ok(Delivery::Dynamic {
        engine,
        waits_in_hook,
    })
}

fn proxy_port(reader: &Reader<'_>) -> Result<u16, Refusal> {
    match reader.line(Key::ProxyPort)? {
        Some(given) => match given.text.parse() {
            Ok(port) if port > 0 && given.text.bytes().all(|digit| digit.is_ascii_digit()) => {
                Ok(port)
            }
            _ => Err(Refusal::NotAPort {
                annotation: given.name,
            }),
        },
        None => Ok(DEFAULT_PROXY_PORT),
    }
}
