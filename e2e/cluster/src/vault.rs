//! A Vault or OpenBao server in a pod of the cluster, with the `kubernetes` login of this cluster.
//!
//! It keeps what it knows in a volume of the pod, so that the program can be stopped and started again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use kube::client::Body;
use serde_json::{Value, json};

use crate::certificates::Identity;
use crate::cluster::{Cluster, RUN_LABEL, run_name};
use crate::{exec, wait};

/// The name of the server's pod, and of all that belongs to it.
const NAME: &str = "vault-server";

/// Where the server writes what was requested.
const AUDIT_LOG: &str = "/vault/data/audit.log";

/// Runs the server, unless the file `stop` is there. A pod whose container ended would wait for the kubelet's back-off.
const SERVER_SCRIPT: &str = r#"
trap 'kill $!; exit 0' TERM
while :; do
    if [ -e /vault/data/stop ]; then
        sleep 0.2
    else
        vault server -config=/vault/config/server.json & wait
    fi
done"#;

/// How long a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// HashiCorp Vault.
    Vault,
    /// OpenBao.
    OpenBao,
}

impl Product {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Product::Vault => "Vault",
            Product::OpenBao => "OpenBao",
        }
    }
}

/// A server. It ends with its namespace.
pub struct VaultServer {
    /// The namespace it runs in.
    pub namespace: String,
    cluster: Arc<Cluster>,
    root_token: String,
    unseal_key: String,
}

impl VaultServer {
    /// Starts a server in a namespace, with the Service `vault`: port 8200 speaks HTTP, and 8202 HTTPS with the given
    /// certificate. `secret` is KV version 2, `kv1` version 1.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start(
        cluster: &Arc<Cluster>,
        namespace: &str,
        image: &str,
        identity: &Identity,
    ) -> Result<Self> {
        for object in objects(namespace, image, identity) {
            cluster.apply(&object)?;
        }
        let mut server = Self {
            namespace: namespace.to_owned(),
            cluster: Arc::clone(cluster),
            root_token: String::new(),
            unseal_key: String::new(),
        };
        server.wait_for_answer("sys/init")?;
        let keys = json!({"secret_shares": 1, "secret_threshold": 1});
        let keys = server.write("sys/init", &keys)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        server.root_token = text(&keys["root_token"]);
        server.unseal_key = text(&keys["keys_base64"][0]);
        server.unseal()?;
        server.set_up()?;
        Ok(server)
    }

    /// Ends the program as a node that fails would: nothing answers at its address.
    ///
    /// # Errors
    ///
    /// If that does not work.
    pub fn stop(&self) -> Result<()> {
        let stop = "touch /vault/data/stop; killall -KILL vault || killall -KILL bao";
        self.execute(&["sh", "-c", stop])?;
        Ok(())
    }

    /// Starts the program again.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn restore(&self) -> Result<()> {
        self.execute(&["rm", "/vault/data/stop"])?;
        self.wait_for_answer("sys/init")?;
        self.unseal()
    }

    /// Reads what is at a path; none if there is nothing.
    ///
    /// # Errors
    ///
    /// If the server rejects it.
    pub fn read(&self, path: &str) -> Result<Option<Value>> {
        self.request("GET", path, None, &self.root_token)
    }

    /// Writes to a path, and returns what the server answers.
    ///
    /// # Errors
    ///
    /// If the server rejects it.
    pub fn write(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.request("POST", path, Some(body), &self.root_token)?;
        answer.with_context(|| format!("POST {path}: 404: there is no such path"))
    }

    /// Lists the names below a path; none if there is nothing.
    ///
    /// # Errors
    ///
    /// If the server rejects it.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        let answer = self.read(&format!("{path}?list=true"))?;
        let keys = answer.unwrap_or_default()["data"]["keys"]
            .as_array()
            .cloned();
        let keys = keys.unwrap_or_default();
        Ok(keys
            .iter()
            .filter_map(|key| Some(key.as_str()?.to_owned()))
            .collect())
    }

    /// Whether a token can still be used.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub fn is_valid(&self, token: &str) -> Result<bool> {
        match self.request("GET", "auth/token/lookup-self", None, token) {
            Ok(_) => Ok(true),
            Err(error) if error.to_string().contains(": 403") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many requests were made to a path that have all of these texts in what the server notes of them. What it
    /// notes of a login has `"role":"NAME"`.
    ///
    /// # Errors
    ///
    /// If that cannot be read.
    pub fn count_requests(&self, path: &str, texts: &[&str]) -> Result<usize> {
        let log = self.execute(&["cat", AUDIT_LOG])?;
        if !log.contains("\"type\":\"request\"") {
            bail!("{AUDIT_LOG} has no requests");
        }
        let of_path = format!("\"path\":\"{path}\"");
        let has_all = |line: &&str| {
            line.contains("\"type\":\"request\"")
                && line.contains(&of_path)
                && texts.iter().all(|text| line.contains(text))
        };
        Ok(log.lines().filter(has_all).count())
    }

    /// What the program has written.
    ///
    /// # Errors
    ///
    /// If the API server does not answer.
    pub fn log(&self) -> Result<String> {
        Ok(self
            .cluster
            .wait(self.pods().logs(NAME, &LogParams::default()))?)
    }

    /// The program's version, as it reports it.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub fn version(&self) -> Result<String> {
        let version = self.execute(&["vault", "version"])?;
        // `Vault v1.21.0 (COMMIT), built TIME`
        let mut words = version.split([' ', ',', '\n']);
        Ok(words.nth(1).unwrap_or_default().to_owned())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    fn execute(&self, command: &[&str]) -> Result<String> {
        let pods = self.pods();
        let run = exec::execute(&pods, NAME, None, command);
        let run = self.cluster.wait(run)?;
        if let Some(failure) = &run.failure {
            bail!("{command:?} in {NAME}: {failure}: {}", run.text());
        }
        Ok(run.text())
    }

    fn wait_for_answer(&self, path: &str) -> Result<()> {
        let answers = || Ok(self.request("GET", path, None, "").is_ok());
        wait::until("the server answers", START_LIMIT, answers)
            .with_context(|| self.log().unwrap_or_default())
    }

    fn unseal(&self) -> Result<()> {
        self.write("sys/unseal", &json!({"key": self.unseal_key}))?;
        // It takes a moment until it is active.
        self.wait_for_answer("sys/health")
    }

    /// Mounts engines and logins that all scenarios share.
    fn set_up(&self) -> Result<()> {
        let version = |number: &str| json!({"type": "kv", "options": {"version": number}});
        self.write("sys/mounts/kv1", &version("1"))?;
        self.write("sys/mounts/secret", &version("2"))?;
        self.write("sys/auth/approle", &json!({"type": "approle"}))?;
        self.write("sys/auth/kubernetes", &json!({"type": "kubernetes"}))?;
        self.write(
            "sys/auth/kubernetes/tune",
            &json!({"audit_non_hmac_request_keys": ["role"]}),
        )?;
        self.write(
            "auth/kubernetes/config",
            &json!({"kubernetes_host": "https://kubernetes.default.svc"}),
        )?;
        let audit = json!({"type": "file", "options": {"file_path": AUDIT_LOG}});
        self.write("sys/audit/file", &audit)?;
        Ok(())
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        token: &str,
    ) -> Result<Option<Value>> {
        let namespace = &self.namespace;
        let proxy = format!("/api/v1/namespaces/{namespace}/pods/{NAME}:8200/proxy/v1/{path}");
        let body = body.map(|body| body.to_string().into_bytes());
        let request = http::Request::builder()
            .method(method)
            .uri(proxy)
            .header("X-Vault-Token", token)
            .header("Content-Type", "application/json")
            .body(Body::from(body.unwrap_or_default()))?;
        let (status, text) = self.cluster.wait(async {
            let answer = self.cluster.client.send(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect_bytes().await?;
            anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
        })?;
        match status.as_u16() {
            200..300 if text.is_empty() => Ok(Some(Value::Null)),
            200..300 => Ok(Some(serde_json::from_str(&text)?)),
            // Vault's own 404 has errors; that of the API server, which has no such pod, has not.
            404 if text.contains("\"errors\"") => Ok(None),
            status => bail!("{method} {path}: {status}: {text}"),
        }
    }
}

fn objects(namespace: &str, image: &str, identity: &Identity) -> Vec<Value> {
    let metadata = json!({"name": NAME, "namespace": namespace, "labels": {"app": NAME}});
    let config = json!({
        "storage": {"file": {"path": "/vault/data/storage"}},
        "listener": [
            {"tcp": {"address": "[::]:8200", "tls_disable": true}},
            {"tcp": {
                "address": "[::]:8202",
                "tls_cert_file": "/vault/tls/tls.crt",
                "tls_key_file": "/vault/tls/tls.key",
            }},
        ],
        "api_addr": "http://vault:8200",
        "disable_mlock": true,
        // OpenBao takes no audit device by its API otherwise; Vault reports that it does not know the field.
        "unsafe_allow_api_audit_creation": true,
    });
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        // To verify the tokens of service accounts.
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{NAME}-{namespace}"), "labels": {RUN_LABEL: run_name()}},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"server.json": config.to_string()},
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": identity.certificate, "tls.key": identity.private_key},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "vault", "namespace": namespace},
            "spec": {
                "selector": {"app": NAME},
                "ports": [{"name": "http", "port": 8200}, {"name": "https", "port": 8202}],
                // A server that is stopped is to refuse connections, not to vanish.
                "publishNotReadyAddresses": true,
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {
                "serviceAccountName": NAME,
                "terminationGracePeriodSeconds": 2,
                "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "vault",
                    "image": image,
                    "command": ["sh", "-c", SERVER_SCRIPT],
                    "env": [{"name": "HOME", "value": "/vault/data"}],
                    "securityContext": {
                        "runAsUser": 100, "runAsGroup": 1000, "runAsNonRoot": true,
                        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/vault/data"},
                        {"name": "config", "mountPath": "/vault/config"},
                        {"name": "tls", "mountPath": "/vault/tls"},
                    ],
                }],
                "volumes": [
                    {"name": "data", "emptyDir": {}},
                    {"name": "config", "configMap": {"name": NAME}},
                    {"name": "tls", "secret": {"secretName": NAME}},
                ],
            },
        }),
    ]
}
