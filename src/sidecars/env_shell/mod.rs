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
    let denied = settings.denied_names.iter().map(|name| name.as_str());
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

/// The words in front of such a command of a container that has these files.
pub fn words_before(command: Command, files: &[String]) -> Vec<String> {
    let shell = [names::ENV_BUSYBOX, "sh", names::ENV_SCRIPT];
    let files = files.iter().map(|path| match command.is_expanded() {
        true => literal(path),
        false => path.clone(),
    });
    let words = shell.map(str::to_owned).into_iter().chain(files);
    words.chain(["--".to_owned()]).collect()
}
