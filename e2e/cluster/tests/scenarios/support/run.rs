//! This run: the cluster, the policies in it, and the Vault servers that scenarios share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use cluster_scenarios::admission::Admission;
use cluster_scenarios::certificates::Authority;
use cluster_scenarios::cluster::{Cluster, RUN_LABEL, run_name};
use cluster_scenarios::local::LocalCluster;
use cluster_scenarios::vault::{Product, VaultServer};
use serde_json::{Value, json};

use super::entry::Entry;

static RUN: OnceLock<Run> = OnceLock::new();

/// What all scenarios share.
pub struct Run {
    pub cluster: Arc<Cluster>,
    pub admission: Admission,
    /// The authority of the Vault servers' certificates.
    pub authority: Authority,
    /// The cluster of `make cluster-up`, if it is that one.
    pub local: Option<LocalCluster>,
    /// The settings of each policy, by its number.
    policies: Vec<Value>,
    servers: Vec<(Product, Arc<VaultServer>)>,
}

/// This run.
pub fn run() -> &'static Run {
    RUN.get().expect("main has begun the run")
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

/// Connects to the cluster, and starts what the scenarios share in it.
pub fn begin(entries: &[Entry], products: &[Product]) -> Result<&'static Run> {
    LocalCluster::resume_all(&root());
    let cluster = Arc::new(Cluster::connect()?);
    // What a run that was interrupted has left.
    clean_up(&cluster)?;
    let begun = begin_in(&cluster, entries, products);
    if begun.is_err() {
        clean_up(&cluster)?;
    }
    begun
}

fn begin_in(
    cluster: &Arc<Cluster>,
    entries: &[Entry],
    products: &[Product],
) -> Result<&'static Run> {
    let mut policies: Vec<Value> = Vec::new();
    for &product in products {
        for entry in entries.iter().filter(|it| it.products.contains(&product)) {
            let settings = settings(product, entry)?;
            if !policies.contains(&settings) {
                policies.push(settings);
            }
        }
    }
    let admission = Admission::start(cluster, &root(), policies.clone())?;
    let authority = Authority::new("vault")?;
    let start = |&product: &Product| {
        let namespace = format!("{}-{}", run_name(), product.name().to_lowercase());
        cluster.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {RUN_LABEL: run_name()}},
        }))?;
        let image = image(product)?;
        let identity = authority.identity(&["vault"])?;
        let server = VaultServer::start(cluster, &namespace, &image, &identity)?;
        anyhow::Ok((product, Arc::new(server)))
    };
    let servers = products.iter().map(start).collect::<Result<_>>()?;
    let run = Run {
        local: LocalCluster::find(&root(), cluster),
        cluster: Arc::clone(cluster),
        admission,
        authority,
        policies,
        servers,
    };
    assert!(RUN.set(run).is_ok(), "there is one run");
    Ok(self::run())
}

/// Removes what the run has made.
pub fn end() -> Result<()> {
    clean_up(&run().cluster)
}

/// Removes everything that has the run's label. All of it is tried; the first error is returned.
fn clean_up(cluster: &Cluster) -> Result<()> {
    let removed = [
        Admission::remove(cluster),
        cluster.uncordon(),
        cluster.delete_all("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        cluster.wait_for_end_of_namespaces(Duration::from_secs(180)),
    ];
    removed.into_iter().collect()
}

impl Run {
    /// The server that scenarios share.
    pub fn server(&self, product: Product) -> &Arc<VaultServer> {
        let mut servers = self.servers.iter();
        let server = servers.find(|(found, _)| *found == product);
        &server.expect("it was started").1
    }

    /// Starts a server in a scenario's namespace.
    pub fn start_server(&self, namespace: &str, product: Product) -> Result<VaultServer> {
        let identity = self.authority.identity(&["vault"])?;
        VaultServer::start(&self.cluster, namespace, &image(product)?, &identity)
    }

    /// What the scenarios run with: programs and their versions.
    pub fn programs(&self) -> Vec<(String, String)> {
        let mut programs = vec![("kube-apiserver".to_owned(), self.cluster.version.clone())];
        let mut add = |program: &str, version: &str| {
            programs.push((program.to_owned(), version.to_owned()));
        };
        let nodes = self.cluster.nodes().unwrap_or_default();
        let node = nodes
            .first()
            .and_then(|node| node.status.clone()?.node_info);
        if let Some(node) = node {
            add("kubelet", &node.kubelet_version);
            let runtime = node.container_runtime_version.split_once("://");
            let (runtime, version) = runtime.unwrap_or(("container runtime", ""));
            add(runtime, version);
            add(&node.operating_system, &node.kernel_version);
        }
        add("the policy's webhook", &self.admission.description());
        for (product, server) in &self.servers {
            let version = server.version().unwrap_or_else(|error| error.to_string());
            add(&format!("{} (server and agent)", product.name()), &version);
        }
        for (program, version) in self.local.iter().flat_map(LocalCluster::versions) {
            add(&program, &version);
        }
        programs
    }

    /// The name of the policy with a scenario's settings.
    pub fn policy(&self, product: Product, entry: &Entry) -> String {
        let settings = settings(product, entry).expect("it was read before");
        let number = self.policies.iter().position(|found| *found == settings);
        cluster_scenarios::admission::name(number.expect("all were set up"))
    }
}

/// The policy's settings for a scenario: those of deploy/ for the server, its address, and the scenario's own.
fn settings(product: Product, entry: &Entry) -> Result<Value> {
    let mut settings = match product {
        Product::Vault => json!({}),
        Product::OpenBao => overlay("openbao")?,
    };
    merge(
        &mut settings,
        &json!({"vault": {"address": "http://vault:8200"}}),
    );
    merge(&mut settings, &(entry.settings)());
    Ok(settings)
}

/// The settings of one of deploy/overlays.
pub fn overlay(name: &str) -> Result<Value> {
    let file = root()
        .join("deploy/overlays")
        .join(name)
        .join("settings.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let policy: Value = yaml_serde::from_str(&text)?;
    Ok(policy["spec"]["settings"].clone())
}

/// The image of the server and its agent: the policy's default, or that of the overlay.
fn image(product: Product) -> Result<String> {
    let settings = match product {
        Product::Vault => {
            let defaults =
                std::fs::read_to_string(root().join("docs/reference/settings-example.yaml"))?;
            yaml_serde::from_str(&defaults)?
        }
        Product::OpenBao => overlay("openbao")?,
    };
    let image = settings["agent"]["image"].as_str();
    Ok(image.context("the agent has an image")?.to_owned())
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
