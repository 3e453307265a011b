//! Secrets as environment variables: the init container that brings a shell with its script, and the commands of the pod's
//! containers that go through it.

use k8s_openapi::api::core::v1::Container;

use super::{Order, overridden, running_script, script};
use crate::kubernetes::{env, literal, writable};
use crate::names;
use crate::pod::Command;
use crate::rejection::Rejection;
use crate::service_account;

/// Where the image has its static busybox.
const IMAGE_BUSYBOX: &str = "/bin/busybox";

/// The script that the commands go through, and the variable that it comes in.
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/scripts/env.sh"));
const SCRIPT_VARIABLE: &str = "TVSI_ENV_SCRIPT";

/// Builds the init container that writes shell, script and the names that are denied.
pub fn init_container(order: &mut Order<'_, '_>) -> Result<Container, Rejection> {
    let (intent, subject) = (order.intent, order.subject);
    let settings = &subject.settings.env_shell;
    let program = overridden(&settings.program, &intent.env_shell, subject)?;
    let denied = settings.denied().map(|name| name.as_str().to_owned());
    // In one argument: a list of its own would hide the rest of the pod.
    let denied = denied.collect::<Vec<_>>().join(" ");
    let arguments = [IMAGE_BUSYBOX, names::ENV_DIRECTORY, &denied];
    Ok(Container {
        env: Some(vec![env(SCRIPT_VARIABLE, SCRIPT)]),
        volume_mounts: Some(vec![
            writable(names::ENV_VOLUME, names::ENV_DIRECTORY),
            service_account::none(order.volumes),
        ]),
        ..running_script(
            names::ENV_INIT,
            &program,
            intent,
            script!("env-init.sh"),
            &arguments,
        )
    })
}

/// How the commands of a container are started.
#[derive(Debug, Default)]
pub struct Wrapping {
    /// The files with variables.
    pub files: Vec<String>,
    /// Files whose change is one of the secrets too.
    pub watched: Vec<String>,
    /// How many seconds the main process waits for both, if they may not be there yet.
    pub wait: Option<i64>,
    /// The seconds between TERM and KILL when one of them changes, if the main process ends then.
    pub grace: Option<i64>,
    /// Whether the main process must not start with a variable that still refers to Vault.
    pub rejects_references: bool,
}

impl Wrapping {
    /// The words in front of such a command.
    pub fn words_before(&self, command: Command) -> Vec<String> {
        let mut words = [names::ENV_BUSYBOX, "sh", names::ENV_SCRIPT]
            .map(str::to_owned)
            .to_vec();
        let path = |path: &String| match command.is_expanded() {
            true => literal(path),
            false => path.clone(),
        };
        if command == Command::Main {
            if self.rejects_references {
                words.push("-r".to_owned());
            }
            for (option, seconds) in [("-w", self.wait), ("-s", self.grace)] {
                let seconds = seconds.map(|seconds| seconds.to_string());
                words.extend(seconds.into_iter().flat_map(|it| [option.to_owned(), it]));
            }
            let watched = self.watched.iter();
            words.extend(watched.flat_map(|file| ["-f".to_owned(), path(file)]));
        }
        words.extend(self.files.iter().map(path));
        words.push("--".to_owned());
        words
    }
}
