//! The cluster in `KUBECONFIG`: its API, for callers that wait.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::client::ClientBuilder;
use kube::config::KubeConfigOptions;
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use crate::retry::WithoutAnswer;
use crate::wait;

/// Who has made what is in the cluster.
const MANAGER: &str = "cluster-scenarios";

/// The label of everything that a run makes and a namespace does not contain.
pub const RUN_LABEL: &str = "cluster-scenarios/run";

/// The run's name, the label's value: `SCENARIOS_RUN`, or `scenarios`.
pub fn run_name() -> String {
    std::env::var("SCENARIOS_RUN").unwrap_or_else(|_| "scenarios".to_owned())
}

/// How long the API server may take to answer at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// A connection to the cluster's API.
pub struct Cluster {
    /// The client that all requests are made with.
    pub client: Client,
    /// The address of the API server.
    pub address: String,
    /// The version of the API server, such as `v1.36.3`.
    pub version: String,
    runtime: Runtime,
}

impl Cluster {
    /// Connects to the cluster that `KUBECONFIG` names.
    ///
    /// # Errors
    ///
    /// If `KUBECONFIG` is not set, or the API server does not answer.
    pub fn connect() -> Result<Self> {
        // The current context of whoever runs this would be the wrong cluster.
        if std::env::var_os("KUBECONFIG").is_none() {
            bail!(
                "KUBECONFIG is not set; run \"make cluster-up\", or set it to the cluster to test"
            );
        }
        // Two libraries bring one each.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new()?;
        let (client, address, version) = runtime.block_on(async {
            let options = KubeConfigOptions::default();
            let config = Config::from_kubeconfig(&options).await;
            let mut config = config.context("KUBECONFIG names no cluster")?;
            // Scenarios see the first answer, such as that of a budget that rejects an eviction.
            config.default_retry = false;
            let address = config.cluster_url.to_string();
            let client = ClientBuilder::try_from(config)?
                .with_layer(&BufferLayer::new(1024))
                .with_layer(&RetryLayer::new(WithoutAnswer::default()))
                .build();
            let version = tokio::time::timeout(CONNECT_LIMIT, client.apiserver_version()).await;
            let version = version
                .map_err(anyhow::Error::from)
                .and_then(|version| version.map_err(anyhow::Error::from))
                .with_context(|| format!("{address} does not answer"))?;
            anyhow::Ok((client, address, version.git_version))
        })?;
        Ok(Self {
            client,
            address,
            version,
            runtime,
        })
    }

    /// Waits for an answer.
    pub fn wait<F: Future>(&self, answer: F) -> F::Output {
        self.runtime.block_on(answer)
    }

    /// Lets something go on in the background.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime.spawn(task)
    }

    /// Makes an object.
    ///
    /// # Errors
    ///
    /// If the API server rejects it.
    pub fn create(&self, object: &Value) -> Result<DynamicObject> {
        let (api, object) = self.place(object)?;
        Ok(self.wait(api.create(&PostParams::default(), &object))?)
    }

    /// Creates an object in dry-run mode, and returns it as admitted.
    ///
    /// # Errors
    ///
    /// If the API server rejects it.
    pub fn dry_run_create(&self, object: &Value) -> Result<Value> {
        let (api, object) = self.place(object)?;
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        Ok(serde_json::to_value(
            self.wait(api.create(&params, &object))?,
        )?)
    }

    /// Makes an object, or changes it, by server-side apply.
    ///
    /// # Errors
    ///
    /// If the API server rejects it.
    pub fn apply(&self, object: &Value) -> Result<DynamicObject> {
        let (api, object) = self.place(object)?;
        let params = PatchParams::apply(MANAGER).force();
        let name = object.name_any();
        let patch = Patch::Apply(&object);
        Ok(self.wait(api.patch(&name, &params, &patch))?)
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    ///
    /// If the API server rejects it.
    pub fn merge(&self, object: &Value, change: &Value) -> Result<DynamicObject> {
        let (api, object) = self.place(object)?;
        let params = PatchParams::default();
        let name = object.name_any();
        let patch = Patch::Merge(change);
        Ok(self.wait(api.patch(&name, &params, &patch))?)
    }

    /// An object as it is now; only its kind, name and namespace count.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn get(&self, object: &Value) -> Result<Option<Value>> {
        let (api, object) = self.place(object)?;
        let name = object.name_any();
        let found = self.wait(api.get_opt(&name))?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// Deletes an object, and what it owns after it.
    ///
    /// # Errors
    ///
    /// If the API server rejects that.
    pub fn delete(&self, object: &Value) -> Result<()> {
        let (api, object) = self.place(object)?;
        self.wait(api.delete(&object.name_any(), &DeleteParams::background()))?;
        Ok(())
    }

    /// Deletes all objects of a kind that have this run's label.
    ///
    /// # Errors
    ///
    /// If the API server rejects that.
    pub fn delete_all(&self, api_version: &str, kind: &str) -> Result<()> {
        let resource = resource(api_version, kind)?;
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        self.wait(api.delete_collection(&DeleteParams::background(), &ours()))?;
        Ok(())
    }

    /// How many objects of a kind have this run's label.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn count(&self, api_version: &str, kind: &str) -> Result<usize> {
        let resource = resource(api_version, kind)?;
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let ours = ours();
        Ok(self.wait(api.list(&ours))?.items.len())
    }

    /// Waits until the namespaces of a run are gone.
    ///
    /// # Errors
    ///
    /// If some are left after the limit.
    pub fn wait_for_end_of_namespaces(&self, limit: Duration) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let ours = ours();
        wait::until("the namespaces of the run are gone", limit, || {
            let left = self.wait(api.list(&ours))?.items;
            for namespace in &left {
                if namespace.metadata.deletion_timestamp.is_none() {
                    let name = namespace.name_any();
                    self.wait(api.delete(&name, &DeleteParams::background()))?;
                }
            }
            Ok(left.is_empty())
        })
    }

    /// Cordons all nodes, and marks those that were not cordoned before.
    ///
    /// # Errors
    ///
    /// If the API server rejects that.
    pub fn cordon(&self) -> Result<()> {
        for node in self.nodes()? {
            let spec = node.spec.as_ref();
            if spec.and_then(|spec| spec.unschedulable) != Some(true) {
                let labels = json!({RUN_LABEL: run_name()});
                let change =
                    json!({"metadata": {"labels": labels}, "spec": {"unschedulable": true}});
                self.change_node(&node, &change)?;
            }
        }
        Ok(())
    }

    /// Uncordons the nodes that this run, or one that was interrupted, has cordoned.
    ///
    /// # Errors
    ///
    /// If the API server rejects that.
    pub fn uncordon(&self) -> Result<()> {
        for node in self.nodes()? {
            if node.labels().get(RUN_LABEL) == Some(&run_name()) {
                let labels = json!({RUN_LABEL: null});
                let change =
                    json!({"metadata": {"labels": labels}, "spec": {"unschedulable": null}});
                self.change_node(&node, &change)?;
            }
        }
        Ok(())
    }

    fn change_node(&self, node: &Node, change: &Value) -> Result<()> {
        let name = node.name_any();
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
        self.merge(&node, change).map(drop)
    }

    /// The cluster's nodes.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        let api: Api<Node> = Api::all(self.client.clone());
        Ok(self.wait(api.list(&ListParams::default()))?.items)
    }

    /// Whether the API server serves an API group, such as `policies.kubewarden.io`.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn has_api_group(&self, group: &str) -> Result<bool> {
        let groups = self.wait(self.client.list_api_groups())?.groups;
        Ok(groups.iter().any(|found| found.name == group))
    }

    fn place(&self, object: &Value) -> Result<(Api<DynamicObject>, DynamicObject)> {
        let text = |field: &str| {
            let found = object[field].as_str();
            found.ok_or_else(|| anyhow!("an object without {field}: {object}"))
        };
        let resource = resource(text("apiVersion")?, text("kind")?)?;
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let client = self.client.clone();
        let api = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        Ok((api, object))
    }
}

/// What belongs to this run, or to one that was interrupted.
fn ours() -> ListParams {
    ListParams::default().labels(&format!("{RUN_LABEL}={}", run_name()))
}

fn resource(api_version: &str, kind: &str) -> Result<ApiResource> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    Ok(ApiResource::from_gvk(&kind))
}
