//! Commands in containers, as `kubectl exec` runs them.

use std::io;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A command that has run in a container.
pub struct Executed {
    /// What it has written, its errors after its output.
    pub output: Vec<u8>,
    /// Why it has failed, if it has.
    pub failure: Option<String>,
}

impl Executed {
    /// Whether it has ended with status 0.
    pub fn succeeded(&self) -> bool {
        self.failure.is_none()
    }

    /// What it has written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

/// Runs a command in a container of a pod; without a name, in the only one.
///
/// # Errors
///
/// If it cannot be run.
pub(crate) async fn execute(
    api: &Api<Pod>,
    pod: &str,
    container: Option<&str>,
    command: &[&str],
) -> Result<Executed> {
    let params = AttachParams {
        container: container.map(str::to_owned),
        ..AttachParams::default()
    };
    let mut process = api.exec(pod, command.iter().copied(), &params).await?;
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let (mut output, errors) = tokio::try_join!(read(stdout), read(stderr))?;
    output.extend(errors);
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let failure = match status {
        Some(status) if status.status.as_deref() == Some("Success") => None,
        Some(status) => Some(status.message.unwrap_or_default()),
        None => Some("the connection ended without a status".to_owned()),
    };
    Ok(Executed { output, failure })
}

/// Reads a stream to its end.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut content).await?;
    }
    Ok(content)
}
