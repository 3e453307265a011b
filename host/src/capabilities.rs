//! What a policy may ask of its host while it runs; here that is almost nothing, because there is no
//! cluster and no network behind this host.

/// Takes the log events that Kubewarden's SDK sends and drops them, and rejects everything else by
/// name, so that a policy that needs more says so instead of behaving differently.
pub(crate) fn answer(
    binding: &str,
    namespace: &str,
    operation: &str,
    _payload: &[u8],
) -> Result<Vec<u8>, String> {
    match (binding, namespace, operation) {
        ("kubewarden", "tracing", "log") => Ok(Vec::new()),
        ("kubewarden", _, _) => Err(format!(
            "the host capability {namespace}/{operation} is not available here, where policies run without a cluster"
        )),
        _ => Err(format!("unknown binding: {binding}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_events_are_taken_and_capabilities_are_rejected_by_name() {
        assert!(answer("kubewarden", "tracing", "log", b"{}").is_ok());

        let rejection = answer("kubewarden", "kubernetes", "get_resource", b"{}").unwrap_err();
        assert!(rejection.contains("kubernetes/get_resource"));
        assert!(answer("elsewhere", "tracing", "log", b"{}").is_err());
    }
}
