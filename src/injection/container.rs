//! What all injected containers have in common.

use super::scripts;
use crate::kubernetes::{
    self, Capabilities, Container, EnvValue, EnvVar, ExecAction, ObjectFieldSelector, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext, VolumeMount,
};
use crate::settings::{self, Amounts, Program, Settings};

/// Begins a container that runs a constant shell script with these arguments.
pub fn running_script(
    name: &str,
    program: &Program,
    settings: &Settings,
    script: &str,
    arguments: &[&str],
) -> Container {
    Container {
        name: name.to_owned(),
        image: program.image.as_str().to_owned(),
        image_pull_policy: program
            .image_pull_policy
            .map(|policy| policy.as_str().to_owned()),
        script: literal(script),
        args: arguments.iter().copied().map(literal).collect(),
        env: Vec::new(),
        volume_mounts: Vec::new(),
        resources: program.resources.as_ref().map(resources),
        security_context: settings.security_context.as_ref().map(security_context),
        // The end of the log becomes the message of a container that fails: `kubectl describe` shows why.
        termination_message_policy: "FallbackToLogsOnError",
        restart_policy: None,
        startup_probe: None,
    }
}

/// Makes the container a native sidecar: an init container that keeps running, and of which the next
/// container waits for the startup probe, for ten minutes at the most.
pub fn native(container: Container, token: &str, port: Option<u16>, files: &[String]) -> Container {
    let port = port.map(|port| port.to_string()).unwrap_or_default();
    let mut command = vec!["/bin/sh", "-c", scripts::READY, "tvsi-ready", token, &port];
    command.extend(files.iter().map(String::as_str));
    Container {
        restart_policy: Some("Always"),
        startup_probe: Some(Probe {
            exec: ExecAction {
                command: command.into_iter().map(literal).collect(),
            },
            period_seconds: 2,
            timeout_seconds: 5,
            failure_threshold: 300,
        }),
        ..container
    }
}

/// Doubles every `$`, so that the text is taken as it is.
///
/// Kubernetes expands `$(VAR)` and `$$` in `command`, `args`, `env` values and exec probes, and corrupts
/// even a `$` before a letter that is not ASCII. It does not in lifecycle hooks.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// An environment variable with exactly this value.
pub fn env(name: &'static str, value: &str) -> EnvVar {
    EnvVar {
        name,
        value: EnvValue::Text(literal(value)),
    }
}

/// An environment variable with the value of a field of the pod.
pub fn env_from_field(name: &'static str, field_path: &'static str) -> EnvVar {
    EnvVar {
        name,
        value: EnvValue::Field(field(field_path)),
    }
}

/// A field of the pod, by its path.
pub fn field(path: &'static str) -> ObjectFieldSelector {
    ObjectFieldSelector {
        api_version: "v1",
        field_path: path,
    }
}

/// A mount that the container writes to.
pub fn writable(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        sub_path: None,
        read_only: None,
    }
}

/// A mount that the container only reads.
pub fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..writable(volume, path)
    }
}

fn resources(resources: &settings::Resources) -> ResourceRequirements {
    ResourceRequirements {
        requests: resources.requests.as_ref().map(amounts),
        limits: resources.limits.as_ref().map(amounts),
    }
}

fn amounts(amounts: &Amounts) -> kubernetes::Amounts {
    let text = |amount: &settings::Quantity| amount.as_str().to_owned();
    kubernetes::Amounts {
        cpu: amounts.cpu.as_ref().map(text),
        memory: amounts.memory.as_ref().map(text),
    }
}

fn security_context(context: &settings::SecurityContext) -> SecurityContext {
    let names = |capabilities: &[settings::Capability]| {
        let names = capabilities.iter().map(|name| name.as_str().to_owned());
        names.collect()
    };
    SecurityContext {
        run_as_user: context.run_as_user,
        run_as_group: context.run_as_group,
        run_as_non_root: context.run_as_non_root,
        read_only_root_filesystem: context.read_only_root_filesystem,
        allow_privilege_escalation: context.allow_privilege_escalation,
        capabilities: context.capabilities.as_ref().map(|value| Capabilities {
            add: names(&value.add),
            drop: names(&value.drop),
        }),
        seccomp_profile: context
            .seccomp_profile
            .as_ref()
            .map(|value| SeccompProfile {
                type_: value.kind.as_str().to_owned(),
                localhost_profile: value.localhost_profile.clone(),
            }),
    }
}
