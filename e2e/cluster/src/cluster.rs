//! The cluster in `KUBECONFIG`: its API, for callers that wait.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Who has made what is in the cluster.
const MANAGER: &str = "cluster-scenarios";

/// The label of everything that a run makes and a namespace does not contain.
pub const RUN_LABEL: &str = "cluster-scenarios/run";

/// The run's name, the label's value: `RUN`, which keeps runs in one cluster apart, or `scenarios`.
pub fn run_name() -> String {
    std::env::var("RUN").unwrap_or_else(|_| "scenarios".to_owned())
}

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
    /// If there is no configuration, or the API server does not answer.
    pub fn connect() -> Result<Self> {
        // Two libraries bring one each.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new()?;
        let (client, address, version) = runtime.block_on(async {
            let mut config = Config::infer()
                .await
                .context("KUBECONFIG names no cluster")?;
            // Scenarios see the first answer, such as that of a budget that rejects an eviction.
            config.default_retry = false;
            let address = config.cluster_url.to_string();
            let client = Client::try_from(config)?;
            let version = client.apiserver_version().await;
            let version = version.with_context(|| format!("{address} does not answer"))?;
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

    /// What would become of an object if it were made.
    ///
    /// # Errors
    ///
    /// If the API server rejects it.
    pub fn try_to_create(&self, object: &Value) -> Result<Value> {
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
        Ok(self.wait(api.patch(&object.name_any(), &params, &Patch::Apply(&object)))?)
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    ///
    /// If the API server rejects it.
    pub fn merge(&self, object: &Value, change: &Value) -> Result<DynamicObject> {
        let (api, object) = self.place(object)?;
        let params = PatchParams::default();
        Ok(self.wait(api.patch(&object.name_any(), &params, &Patch::Merge(change)))?)
    }

    /// An object as it is now; only its kind, name and namespace are asked for.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn get(&self, object: &Value) -> Result<Option<Value>> {
        let (api, object) = self.place(object)?;
        let found = self.wait(api.get_opt(&object.name_any()))?;
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

    /// Deletes all objects of a kind that an earlier run may have left in the cluster.
    ///
    /// # Errors
    ///
    /// If the API server rejects that.
    pub fn delete_all(&self, api_version: &str, kind: &str) -> Result<()> {
        let resource = resource(api_version, kind)?;
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", run_name()));
        self.wait(api.delete_collection(&DeleteParams::background(), &ours))?;
        Ok(())
    }

    /// Waits until the namespaces of a run are gone.
    ///
    /// # Errors
    ///
    /// If some are left after the limit.
    pub fn wait_for_end_of_namespaces(&self, limit: Duration) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", run_name()));
        let deadline = Instant::now() + limit;
        loop {
            let left = self.wait(api.list(&ours))?.items;
            for namespace in &left {
                if namespace.metadata.deletion_timestamp.is_none() {
                    let name = namespace.name_any();
                    self.wait(api.delete(&name, &DeleteParams::background()))?;
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let names: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
                bail!("these namespaces do not end: {}", names.join(", "));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
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

    /// The nodes' programs, as `kubelet v1.36.3, containerd://2.1.9, Linux 6.18`.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        let api: Api<Node> = Api::all(self.client.clone());
        Ok(self.wait(api.list(&ListParams::default()))?.items)
    }

    /// Whether the API server has a resource.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn has(&self, group: &str) -> Result<bool> {
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

fn resource(api_version: &str, kind: &str) -> Result<ApiResource> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    Ok(ApiResource::from_gvk(&kind))
}
