//! The host capabilities of a policy while it runs: here only the look-up of images, because there is no
//! cluster behind this host.

use serde_json::Value;

use crate::Images;

/// Takes the log events that Kubewarden's SDK sends and drops them, looks up images, and rejects everything else by name, so
/// that a policy that needs more says so instead of behaving differently.
pub(crate) fn answer(
    images: &dyn Images,
    binding: &str,
    namespace: &str,
    operation: &str,
    payload: &[u8],
) -> Result<Vec<u8>, String> {
    match (binding, namespace, operation) {
        ("kubewarden", "tracing", "log") => Ok(Vec::new()),
        ("kubewarden", "oci", "v1/oci_manifest") => images.manifest(&name(payload)?).map(bytes),
        ("kubewarden", "oci", "v1/oci_manifest_config") => {
            images.manifest_and_config(&name(payload)?).map(bytes)
        }
        ("kubewarden", _, _) => Err(format!(
            "the host capability {namespace}/{operation} is not available here, where policies run without a cluster"
        )),
        _ => Err(format!("unknown binding: {binding}")),
    }
}

fn name(payload: &[u8]) -> Result<String, String> {
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

fn bytes(answer: Value) -> Vec<u8> {
    answer.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoImages;

    #[test]
    fn log_events_are_taken_and_capabilities_are_rejected_by_name() {
        let answer =
            |binding, namespace, operation| answer(&NoImages, binding, namespace, operation, b"{}");
        assert!(answer("kubewarden", "tracing", "log").is_ok());

        let rejection = answer("kubewarden", "kubernetes", "get_resource").unwrap_err();
        assert!(rejection.contains("kubernetes/get_resource"));
        assert!(answer("elsewhere", "tracing", "log").is_err());
    }
}
