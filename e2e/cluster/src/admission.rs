//! The policy before the API server: the webhooks of deploy/base, answered by what the cluster or this machine has.
//!
//! Each scenario needs settings of its own, so there are several policies; a namespace's label says which is its own.

mod kubewarden;
mod policy_server;
mod this_process;

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::certificates::{Authority, Identity};
use crate::cluster::{Cluster, RUN_LABEL, run_name};
use policy_server::PolicyServer;
use this_process::ThisProcess;

/// The label of a namespace that names its policy.
pub const POLICY_LABEL: &str = "cluster-scenarios/policy";

/// The policies of a run, which end with it.
pub struct Admission {
    server: Server,
    cluster: Arc<Cluster>,
}

enum Server {
    Kubewarden(kubewarden::Kubewarden),
    Webhook(Mutex<Webhook>),
}

type StartWebhook = Box<dyn Fn() -> Result<Box<dyn WebhookProcess>> + Send>;

/// A webhook server on this machine.
struct Webhook {
    description: String,
    start: StartWebhook,
    running: Option<Box<dyn WebhookProcess>>,
}

/// A server that ends when this is dropped.
trait WebhookProcess: Send {
    /// Its memory in MiB, where it is a process of its own.
    fn memory(&self) -> Option<f64>;
}

/// What a webhook server is started with.
#[derive(Clone)]
struct WebhookOptions {
    address: IpAddr,
    port: u16,
    identity: Arc<Identity>,
    policies: Arc<Vec<Named>>,
}

/// Where the registry of a cluster on this machine is, which has no TLS.
pub const LOCAL_REGISTRY: &str = "10.200.0.1:5000";

/// A policy: its name, and its settings.
struct Named {
    name: String,
    settings: Value,
}

/// The name of the policy with this number.
pub fn name(number: usize) -> String {
    format!("{}-{number}", run_name())
}

impl Admission {
    /// Sets up a policy for each of these settings. `root` is the folder of the repository.
    ///
    /// Kubewarden takes them where it is in the cluster, with the module at `KUBEWARDEN_MODULE`; otherwise policy-server
    /// where it is on PATH and `annotated-policy.wasm` was built; otherwise this process.
    ///
    /// # Errors
    ///
    /// If that does not work.
    pub fn start(cluster: &Arc<Cluster>, root: &Path, settings: Vec<Value>) -> Result<Self> {
        let base = root.join("deploy/base/cluster-admission-policy.yaml");
        let base = std::fs::read_to_string(&base).context("deploy/base has the policy")?;
        let base: Value = yaml_serde::from_str(&base)?;
        let named = |(number, settings)| Named {
            name: name(number),
            settings,
        };
        let policies: Vec<Named> = settings.into_iter().enumerate().map(named).collect();
        let server = if cluster.has_api_group(kubewarden::GROUP)? {
            Server::Kubewarden(kubewarden::Kubewarden::start(cluster, &base, &policies)?)
        } else {
            let webhook = start_webhook(cluster, root, &base, policies)?;
            Server::Webhook(Mutex::new(webhook))
        };
        Ok(Self {
            server,
            cluster: Arc::clone(cluster),
        })
    }

    /// What answers the webhooks, with its version.
    pub fn description(&self) -> String {
        match &self.server {
            Server::Kubewarden(kubewarden) => kubewarden.description.clone(),
            Server::Webhook(webhook) => webhook.lock().description.clone(),
        }
    }

    /// Whether Kubewarden's controller is in the cluster.
    pub fn is_kubewarden(&self) -> bool {
        matches!(self.server, Server::Kubewarden(_))
    }

    /// The memory of policy-server in MiB, where it is a process of this machine.
    pub fn memory(&self) -> Option<f64> {
        match &self.server {
            Server::Kubewarden(_) => None,
            Server::Webhook(webhook) => webhook.lock().running.as_ref()?.memory(),
        }
    }

    /// Stops the server, as it is when its node fails.
    ///
    /// # Errors
    ///
    /// If that does not work.
    pub fn stop(&self) -> Result<()> {
        match &self.server {
            Server::Kubewarden(_) => kubewarden::stop(&self.cluster),
            Server::Webhook(webhook) => {
                webhook.lock().running = None;
                Ok(())
            }
        }
    }

    /// Starts the server again.
    ///
    /// # Errors
    ///
    /// If that does not work.
    pub fn restore(&self) -> Result<()> {
        match &self.server {
            Server::Kubewarden(_) => kubewarden::restore(&self.cluster),
            Server::Webhook(webhook) => {
                let mut webhook = webhook.lock();
                let running = (webhook.start)()?;
                webhook.running = Some(running);
                Ok(())
            }
        }
    }

    /// Removes the policies of this run, or of one that was interrupted, from the cluster.
    ///
    /// # Errors
    ///
    /// If the API server rejects that.
    pub fn remove(cluster: &Cluster) -> Result<()> {
        if cluster.has_api_group(kubewarden::GROUP)? {
            kubewarden::remove(cluster)?;
        }
        cluster.delete_all(
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
        )
    }
}

fn start_webhook(
    cluster: &Arc<Cluster>,
    root: &Path,
    base: &Value,
    policies: Vec<Named>,
) -> Result<Webhook> {
    let address = own_address(cluster)?;
    let authority = Authority::new("cluster-scenarios")?;
    let options = WebhookOptions {
        address,
        port: free_port(address)?,
        identity: Arc::new(authority.identity(&[&address.to_string()])?),
        policies: Arc::new(policies),
    };
    let configuration = configuration(base, &options, &authority);
    let annotated = root.join("annotated-policy.wasm");
    let module = root.join("policy.wasm");
    let (description, run): (String, StartWebhook) = match policy_server::version() {
        Some(version) if annotated.exists() => {
            let run = move || {
                let server = PolicyServer::start(&annotated, &options)?;
                Ok(Box::new(server) as Box<dyn WebhookProcess>)
            };
            (version, Box::new(run))
        }
        found => {
            let why = match found {
                Some(_) => "annotated-policy.wasm was not built",
                None => "policy-server is not on PATH",
            };
            let cluster = Arc::clone(cluster);
            let run = move || {
                let server = ThisProcess::start(&cluster, &module, &options)?;
                Ok(Box::new(server) as Box<dyn WebhookProcess>)
            };
            (format!("the test's own process ({why})"), Box::new(run))
        }
    };
    let running = run()?;
    cluster.apply(&configuration)?;
    Ok(Webhook {
        description,
        start: run,
        running: Some(running),
    })
}

/// The webhooks as Kubewarden makes them of a policy.
fn configuration(base: &Value, options: &WebhookOptions, authority: &Authority) -> Value {
    let spec = &base["spec"];
    let webhook = |policy: &Named| {
        let name = &policy.name;
        json!({
            "name": format!("{name}.cluster-scenarios.test"),
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {
                "url": format!("https://{}:{}/validate/{name}", options.address, options.port),
                "caBundle": STANDARD.encode(&authority.certificate),
            },
            "rules": spec["rules"],
            "matchConditions": spec["matchConditions"],
            "failurePolicy": spec["failurePolicy"],
            "timeoutSeconds": spec["timeoutSeconds"],
            "namespaceSelector": {"matchLabels": {POLICY_LABEL: name}},
        })
    };
    let webhooks: Vec<Value> = options.policies.iter().map(webhook).collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": format!("cluster-{}", run_name()), "labels": {RUN_LABEL: run_name()}},
        "webhooks": webhooks,
    })
}

/// The address at which the API server reaches this machine: the one this machine reaches it from.
fn own_address(cluster: &Cluster) -> Result<IpAddr> {
    let api_server: http::Uri = cluster.address.parse()?;
    let host = api_server.host().context("the API server has no address")?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((host.trim_matches(['[', ']']), 443))?;
    Ok(socket.local_addr()?.ip())
}

fn free_port(address: IpAddr) -> Result<u16> {
    Ok(std::net::TcpListener::bind((address, 0))?
        .local_addr()?
        .port())
}
