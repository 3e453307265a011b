//! Kubewarden's controller in the cluster, which gets a ClusterAdmissionPolicy for each policy.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Named, POLICY_LABEL};
use crate::cluster::{Cluster, RUN_LABEL, run_name};

const API_VERSION: &str = "policies.kubewarden.io/v1";

/// The controller starts policy-server anew for each change, which compiles all modules.
const ACTIVE_LIMIT: Duration = Duration::from_secs(180);

/// The policies, once they are active.
pub(super) struct Kubewarden {
    pub(super) description: String,
}

impl Kubewarden {
    pub(super) fn start(cluster: &Cluster, base: &Value, policies: &[Named]) -> Result<Self> {
        let module = env::var("MODULE");
        let module = module.context("MODULE is not set: where Kubewarden gets the module")?;
        remove(cluster)?;
        let started = Instant::now();
        let objects: Vec<Value> = policies
            .iter()
            .map(|it| object(base, &module, it))
            .collect();
        for object in &objects {
            cluster.apply(object)?;
        }
        for object in &objects {
            wait_until_active(cluster, object)?;
        }
        let server = policy_server();
        let server = cluster
            .get(&server)?
            .context("Kubewarden has no policy server default")?;
        let image = &server["spec"]["image"];
        let image = image.as_str().unwrap_or_default();
        let seconds = started.elapsed().as_secs();
        let count = policies.len();
        let description =
            format!("Kubewarden with {image} ({count} policies active after {seconds} s)");
        Ok(Self { description })
    }

    pub(super) fn stop(&self, cluster: &Cluster) -> Result<()> {
        scale(cluster, 0)
    }

    pub(super) fn restore(&self, cluster: &Cluster) -> Result<()> {
        scale(cluster, 1)
    }
}

/// Removes the policies of this or of an earlier run.
pub(super) fn remove(cluster: &Cluster) -> Result<()> {
    cluster.delete_all(API_VERSION, "ClusterAdmissionPolicy")
}

fn object(base: &Value, module: &str, policy: &Named) -> Value {
    let mut object = base.clone();
    object["metadata"] = json!({"name": policy.name, "labels": {RUN_LABEL: run_name()}});
    let spec = &mut object["spec"];
    spec["module"] = json!(module);
    spec["settings"] = policy.settings.clone();
    // Some versions drop matchLabels.
    spec["namespaceSelector"] = json!({
        "matchExpressions": [{"key": POLICY_LABEL, "operator": "In", "values": [policy.name]}],
    });
    object
}

fn wait_until_active(cluster: &Cluster, object: &Value) -> Result<()> {
    let deadline = Instant::now() + ACTIVE_LIMIT;
    loop {
        let found = cluster.get(object)?.unwrap_or_default();
        if found["status"]["policyStatus"] == "active" {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("a policy does not become active: {}", found["status"]);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn policy_server() -> Value {
    json!({"apiVersion": API_VERSION, "kind": "PolicyServer", "metadata": {"name": "default"}})
}

fn scale(cluster: &Cluster, replicas: u32) -> Result<()> {
    cluster.merge(&policy_server(), &json!({"spec": {"replicas": replicas}}))?;
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "policy-server-default", "namespace": "kubewarden"},
    });
    let deadline = Instant::now() + ACTIVE_LIMIT;
    loop {
        let found = cluster.get(&deployment)?.unwrap_or_default();
        let ready = found["status"]["readyReplicas"].as_u64().unwrap_or(0);
        if ready == u64::from(replicas) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "policy-server is not scaled to {replicas}: {}",
                found["status"]
            );
        }
        thread::sleep(Duration::from_millis(500));
    }
}
