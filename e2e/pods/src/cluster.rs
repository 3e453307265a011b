//! What stands in for a cluster: admission with the policy, the objects of namespaces, the API server, and
//! Vault.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{self as core, ServiceAccountTokenProjection};
use policy_host::{Guest, Policy, service_account::mount_token};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, Pods};
use crate::certificates::Authority;
use crate::image::Images;
use crate::pod::{Node, Pod};
use crate::programs::Programs;
use crate::runtime::Runtime;
use crate::service_account::{API_AUDIENCE, TokenSigner, subject};
use crate::vault::VaultServer;
use crate::volume::Objects;

/// A cluster of one node.
pub struct Cluster {
    pub vault: VaultServer,
    pub api_server: ApiServer,
    /// The authority of the servers' certificates.
    pub authority: Authority,
    policy: Policy,
    node: Arc<Node>,
    state: Arc<State>,
    directory: PathBuf,
    admitted: AtomicUsize,
}

/// An object's namespace and name.
type Key = (String, String);

struct State {
    signer: TokenSigner,
    root_certificate: String,
    secrets: Mutex<BTreeMap<Key, BTreeMap<String, Vec<u8>>>>,
    config_maps: Mutex<BTreeMap<Key, BTreeMap<String, Vec<u8>>>>,
    pods: Mutex<BTreeMap<Key, Arc<Pod>>>,
    users: Mutex<BTreeMap<String, String>>,
}

impl Cluster {
    /// Starts the servers, with all files in `directory`, and sets Vault up: `secret` is KV version 2, `kv1`
    /// version 1, and `auth/kubernetes` takes the tokens of this cluster's service accounts.
    ///
    /// # Errors
    ///
    /// If one of them does not start, or the policy at `module` is none.
    pub fn start(programs: &Programs, module: &Path, directory: &Path) -> Result<Self> {
        let authority = Authority::new("pod-runner")?;
        let state = Arc::new(State {
            signer: TokenSigner::new()?,
            root_certificate: authority.certificate.clone(),
            secrets: Mutex::default(),
            config_maps: Mutex::default(),
            pods: Mutex::default(),
            users: Mutex::default(),
        });
        let pods: Arc<dyn Pods> = Arc::clone(&state) as Arc<dyn Pods>;
        let vault = directory.join("vault");
        let vault = VaultServer::start(&programs.vault, &vault, &authority.identity()?)?;
        set_up(&vault, &state.signer)?;
        let node = Node {
            runtime: Runtime {
                program: programs.runc.clone(),
                state: directory.join("runc"),
            },
            images: Images::make(&directory.join("images"), programs)?,
            objects: Arc::clone(&state) as Arc<dyn Objects + Send + Sync>,
        };
        Ok(Self {
            api_server: ApiServer::start(pods, &authority.identity()?)?,
            vault,
            authority,
            policy: Policy::from_file(module)?,
            node: Arc::new(node),
            state,
            directory: directory.to_owned(),
            admitted: AtomicUsize::new(0),
        })
    }

    /// Makes a Secret, or replaces it.
    pub fn put_secret(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let key = (namespace.to_owned(), name.to_owned());
        lock(&self.state.secrets).insert(key, values(data));
    }

    /// Makes a ConfigMap, or replaces it.
    pub fn put_config_map(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let key = (namespace.to_owned(), name.to_owned());
        lock(&self.state.config_maps).insert(key, values(data));
    }

    /// What becomes of a pod at its admission: the service account's token, what the policy makes of it, and
    /// the token again for the containers that the policy has added.
    ///
    /// # Errors
    ///
    /// What the policy says where it rejects the pod.
    pub fn admit(&self, mut pod: Value, settings: &Value) -> Result<core::Pod> {
        let number = self.admitted.fetch_add(1, Ordering::Relaxed);
        let metadata = &mut pod["metadata"];
        metadata["uid"] = json!(format!("pod-{number}"));
        mount_token(&mut pod);
        let request = json!({
            "uid": "1", "operation": "CREATE", "userInfo": {"username": "e2e"},
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "object": pod,
        });
        let response = self.policy.validate(&request, settings)?;
        if !response.allowed {
            let status = response.status.unwrap_or_default();
            bail!("rejected: {}", status.message.unwrap_or_default());
        }
        pod = response.apply_to(&pod)?;
        mount_token(&mut pod);
        serde_json::from_value(pod).context("the admitted pod is one")
    }

    /// Runs an admitted pod. The API server is at `api_server_port` for it.
    ///
    /// # Errors
    ///
    /// If it asks for what the runner does not do.
    pub fn run(&self, pod: core::Pod, api_server_port: u16) -> Result<(Arc<Pod>, JoinHandle<()>)> {
        let key = (
            pod.metadata.namespace.clone().unwrap_or_default(),
            pod.metadata.name.clone().unwrap_or_default(),
        );
        let id = pod.metadata.uid.clone().unwrap_or_default();
        let directory = self.directory.join("pods").join(id);
        let (pod, worker) = Pod::start(pod, Arc::clone(&self.node), directory, api_server_port)?;
        lock(&self.state.pods).insert(key, Arc::clone(&pod));
        Ok((pod, worker))
    }
}

/// Mounts engines and logins that all scenarios share.
fn set_up(vault: &VaultServer, signer: &TokenSigner) -> Result<()> {
    vault.write(
        "sys/mounts/kv1",
        &json!({"type": "kv", "options": {"version": "1"}}),
    )?;
    vault.write("sys/auth/approle", &json!({"type": "approle"}))?;
    vault.write("sys/auth/kubernetes", &json!({"type": "jwt"}))?;
    vault.write(
        "auth/kubernetes/config",
        &json!({
            "jwt_validation_pubkeys": [signer.public_key()],
            "jwt_supported_algs": ["EdDSA"],
            "bound_issuer": API_AUDIENCE,
        }),
    )?;
    Ok(())
}

/// The ConfigMap that every namespace has, with the authority of the API server's certificate.
const ROOT_CERTIFICATE: &str = "kube-root-ca.crt";

impl Objects for State {
    fn secret(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let key = (namespace.to_owned(), name.to_owned());
        lock(&self.secrets).get(&key).cloned()
    }

    fn config_map(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        if name == ROOT_CERTIFICATE {
            return Some(values(&[("ca.crt", &self.root_certificate)]));
        }
        let key = (namespace.to_owned(), name.to_owned());
        lock(&self.config_maps).get(&key).cloned()
    }

    fn token(&self, pod: &core::Pod, projection: &ServiceAccountTokenProjection) -> String {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let spec = pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.as_deref());
        let account = account.unwrap_or("default");
        let audience = projection.audience.as_deref().unwrap_or(API_AUDIENCE);
        let token = self.signer.token(namespace, account, audience);
        if audience == API_AUDIENCE {
            lock(&self.users).insert(token.clone(), subject(namespace, account));
        }
        token
    }
}

impl Pods for State {
    fn pod(&self, namespace: &str, name: &str) -> Option<Value> {
        let key = (namespace.to_owned(), name.to_owned());
        let pod = lock(&self.pods).get(&key).map(Arc::clone)?;
        serde_json::to_value(pod.object_with_status()).ok()
    }

    fn user_of(&self, token: &str) -> Option<String> {
        lock(&self.users).get(token).cloned()
    }
}

fn values(data: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let data = data.iter();
    data.map(|&(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
