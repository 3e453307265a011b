//! A scenario: a namespace with its own ways to Vault and the API server, its own role, and its pods.

use std::time::Duration;

use pod_runner::link::Link;
use pod_runner::service_account::subject;
use serde_json::{Value, json};

use super::running::Running;
use super::{cluster, figures};

/// The ways in which sidecars run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sidecars {
    Classic,
    Native,
}

/// For scenarios that make sense with both.
pub const BOTH: &[Sidecars] = &[Sidecars::Classic, Sidecars::Native];
pub const CLASSIC: &[Sidecars] = &[Sidecars::Classic];
pub const NATIVE: &[Sidecars] = &[Sidecars::Native];

/// The script of an application that has nothing to do, and ends when it is told to.
pub const WAIT: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

impl Sidecars {
    /// As the annotation has it.
    pub fn name(self) -> &'static str {
        match self {
            Sidecars::Classic => "classic",
            Sidecars::Native => "native",
        }
    }
}

/// A namespace of the cluster, its service account `app`, and Vault's role for that, which are all called
/// like the scenario.
pub struct Scenario {
    /// The namespace, and what else is called like the scenario.
    pub name: String,
    pub sidecars: Sidecars,
    /// The pods' way to Vault, which a scenario may cut.
    pub vault: Link,
    /// The same to the port that speaks TLS.
    pub vault_tls: Link,
    /// The pods' way to the API server.
    pub api_server: Link,
}

impl Scenario {
    /// Makes the namespace and its role.
    pub fn new(name: &str, sidecars: Sidecars) -> Self {
        let cluster = cluster();
        let link = |port| Link::to(port).expect("a port is free");
        let scenario = Self {
            name: format!("{}-{}", name.replace('_', "-"), sidecars.name()),
            sidecars,
            vault: link(cluster.vault.port),
            vault_tls: link(cluster.vault.tls_port),
            api_server: link(cluster.api_server.port),
        };
        let name = &scenario.name;
        let policy: String = [
            format!("secret/data/{name}/*"),
            format!("kv1/{name}/*"),
            format!("leased-{name}/*"),
            format!("renewable-{name}/*"),
        ]
        .map(|path| format!("path \"{path}\" {{ capabilities = [\"read\", \"update\"] }}\n"))
        .concat();
        scenario.write(
            &format!("sys/policies/acl/{name}"),
            &json!({"policy": policy}),
        );
        scenario.change_role(json!({}));
        scenario
    }

    /// Makes the role that pods log in with, with `changes` to what it is otherwise.
    pub fn change_role(&self, changes: Value) {
        let mut role = json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_subject": subject(&self.name, "app"),
            "bound_audiences": [pod_runner::service_account::API_AUDIENCE],
            "token_policies": [self.name],
            "token_ttl": "10m",
        });
        for (name, value) in changes.as_object().expect("changes are an object") {
            role[name] = value.clone();
        }
        self.write(&format!("auth/kubernetes/role/{}", self.name), &role);
    }

    /// Writes to Vault as its administrator.
    pub fn write(&self, path: &str, body: &Value) -> Value {
        cluster().vault.write(path, body).expect("Vault takes it")
    }

    /// Writes a secret of KV version 2, and returns its path for `secrets-path`.
    pub fn secret(&self, name: &str, data: Value) -> String {
        let namespace = &self.name;
        self.write(
            &format!("secret/data/{namespace}/{name}"),
            &json!({"data": data}),
        );
        format!("secret/data/{namespace}/{name}")
    }

    /// Writes a secret of KV version 1, and returns its path.
    pub fn secret_v1(&self, name: &str, data: Value) -> String {
        let path = format!("kv1/{}/{name}", self.name);
        self.write(&path, &data);
        path
    }

    /// Mounts an engine whose every answer has a lease, and returns the path to ask it at, with
    /// `common_name=app.test`.
    pub fn leased_secrets(&self) -> String {
        let engine = format!("leased-{}", self.name);
        self.write(&format!("sys/mounts/{engine}"), &json!({"type": "pki"}));
        self.write(
            &format!("{engine}/root/generate/internal"),
            &json!({"common_name": "test", "key_type": "ec", "ttl": "24h"}),
        );
        self.write(
            &format!("{engine}/roles/app"),
            &json!({"allow_any_name": true, "key_type": "ec", "generate_lease": true, "ttl": "1h"}),
        );
        format!("{engine}/issue/app")
    }

    /// How many leases of [`leased_secrets`](Self::leased_secrets) there are.
    pub fn leases(&self) -> usize {
        let path = format!("sys/leases/lookup/leased-{}/issue/app", self.name);
        cluster().vault.list(&path).expect("Vault answers").len()
    }

    /// Whether a certificate of [`leased_secrets`](Self::leased_secrets) is revoked, as it is when its lease
    /// ends.
    pub fn is_revoked(&self, serial_number: &str) -> bool {
        let path = format!("leased-{}/cert/{serial_number}", self.name);
        let answer = cluster().vault.read(&path).expect("Vault answers");
        let answer = answer.unwrap_or_else(|| panic!("there is no certificate {serial_number}"));
        answer["data"]["revocation_time"] != json!(0)
    }

    /// How many logins there were.
    pub fn logins(&self) -> usize {
        let path = "/v1/auth/kubernetes/login";
        ["PUT", "POST"]
            .map(|method| self.vault.count(&format!("{method} {path}")))
            .iter()
            .sum()
    }

    /// How many tokens with the scenario's policy there are, whoever has logged in for them.
    pub fn tokens(&self) -> usize {
        let vault = &cluster().vault;
        let accessors = vault.list("auth/token/accessors").expect("Vault answers");
        let has_policy = |accessor: &String| {
            let body = json!({"accessor": accessor});
            // Another scenario's may have been revoked meanwhile.
            vault
                .write("auth/token/lookup-accessor", &body)
                .is_ok_and(|found| {
                    let mut policies = found["data"]["policies"].as_array().into_iter().flatten();
                    policies.any(|policy| *policy == json!(self.name))
                })
        };
        accessors.iter().filter(|it| has_policy(it)).count()
    }

    /// Whether a token can still be used.
    pub fn is_valid(&self, token: &str) -> bool {
        cluster().vault.is_valid(token).expect("Vault answers")
    }

    /// Lets the service account of the pods get pods, as deploy/rbac-job.yaml does.
    pub fn allow_to_get_pods(&self) {
        cluster().api_server.allow(&subject(&self.name, "app"));
    }

    /// The policy's settings: all defaults, but for the address of Vault.
    pub fn settings(&self) -> Value {
        json!({"vault": {"address": format!("http://127.0.0.1:{}", self.vault.port)}})
    }

    /// Begins a pod that asks for injection.
    pub fn pod(&self) -> PodBuilder<'_> {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "app",
                "namespace": self.name,
                "annotations": {
                    "sidecar.vault.talend.org/inject": "true",
                    "sidecar.vault.talend.org/sidecars": self.sidecars.name(),
                    "sidecar.vault.talend.org/role": self.name,
                },
            },
            "spec": {
                "serviceAccountName": "app",
                "terminationGracePeriodSeconds": 30,
                "containers": [],
            },
        });
        PodBuilder {
            scenario: self,
            object,
            settings: self.settings(),
        }
    }

    /// Notes a time for the report.
    pub fn took(&self, what: &str, time: Duration) {
        figures::note(&self.name, what, figures::seconds(time));
    }

    /// Notes a number for the report.
    pub fn counted(&self, what: &str, number: usize) {
        figures::note(&self.name, what, number);
    }
}

/// A pod that is still to be submitted.
pub struct PodBuilder<'s> {
    scenario: &'s Scenario,
    /// The manifest.
    pub object: Value,
    /// The policy's settings.
    pub settings: Value,
}

impl PodBuilder<'_> {
    /// Sets an annotation of the policy's, by its key.
    pub fn annotate(mut self, key: &str, value: &str) -> Self {
        let name = format!("sidecar.vault.talend.org/{key}");
        self.object["metadata"]["annotations"][name] = json!(value);
        self
    }

    /// Removes one that [`Scenario::pod`] has set.
    pub fn without(mut self, key: &str) -> Self {
        let annotations = self.object["metadata"]["annotations"].as_object_mut();
        let annotations = annotations.expect("there are annotations");
        annotations.remove(&format!("sidecar.vault.talend.org/{key}"));
        self
    }

    /// Adds a container that runs a shell script.
    pub fn container(self, name: &str, script: &str) -> Self {
        self.container_with(json!({
            "name": name,
            "image": "test/shell:1",
            "command": ["/bin/sh", "-c", script],
        }))
    }

    /// Adds a container by its manifest.
    pub fn container_with(mut self, container: Value) -> Self {
        let containers = self.object["spec"]["containers"].as_array_mut();
        containers.expect("a list").push(container);
        self
    }

    /// Adds an init container that runs a shell script.
    pub fn init_container(mut self, name: &str, script: &str) -> Self {
        let containers = &mut self.object["spec"]["initContainers"];
        let mut list = containers.as_array().cloned().unwrap_or_default();
        list.push(json!({
            "name": name,
            "image": "test/shell:1",
            "command": ["/bin/sh", "-c", script],
        }));
        *containers = json!(list);
        self
    }

    /// Sets a field of the spec.
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.object["spec"][field] = value;
        self
    }

    /// Sets the policy's settings other than the defaults, at a path such as `/vault/tls`.
    pub fn setting(mut self, path: &str, value: Value) -> Self {
        let mut place = &mut self.settings;
        for name in path.split('/').skip(1) {
            place = &mut place[name];
        }
        *place = value;
        self
    }

    /// Submits the pod and runs it.
    pub fn run(self) -> Running {
        let cluster = cluster();
        let admitted = cluster.admit(self.object, &self.settings);
        let admitted = admitted.unwrap_or_else(|error| panic!("not admitted: {error:#}"));
        let (pod, worker) = cluster
            .run(admitted, self.scenario.api_server.port)
            .unwrap_or_else(|error| panic!("cannot be run: {error:#}"));
        Running::new(pod, worker)
    }
}
