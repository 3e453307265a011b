//! A scenario: a namespace with its own service account, its own role in Vault, and its pods.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster_scenarios::admission::POLICY_LABEL;
use cluster_scenarios::cluster::{Cluster, RUN_LABEL, run_name};
use cluster_scenarios::pod::Pod;
use cluster_scenarios::report::Ending;
use cluster_scenarios::vault::{Product, VaultServer};
use k8s_openapi::api::core::v1 as core;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::entry::{Entry, Sidecars};
use super::report;
use super::run::{root, run};
use super::running::{AGENT, LIMIT, Running, wait_until_true};

/// The image of applications: a static busybox, which the policy's defaults have too.
pub const SHELL: &str = "busybox:1.37-musl";

/// The script of an application that has nothing to do, and ends when it gets TERM.
pub const WAIT: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

/// A namespace, its service account `app`, and Vault's role for that, which are all called like the scenario.
pub struct Scenario {
    /// The namespace, and what else is called like the scenario.
    pub name: String,
    pub sidecars: Sidecars,
    /// The server at `http://vault:8200` for its pods.
    pub vault: Arc<VaultServer>,
    is_not_run: AtomicBool,
}

impl Scenario {
    /// Makes the namespace and its role.
    pub fn new(entry: &Entry, sidecars: Sidecars, product: Product) -> Self {
        let name = namespace(entry.name, sidecars, product);
        let cluster = cluster();
        let mut labels = json!({RUN_LABEL: run_name()});
        if !entry.is_without_policy {
            labels[POLICY_LABEL] = json!(run().policy(product, entry));
        }
        for (key, value) in entry.labels {
            labels[key] = json!(value);
        }
        let apply = |object: Value| cluster.apply(&object).expect("the API server takes it");
        apply(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }));
        apply(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "app", "namespace": name},
        }));
        let vault = if entry.has_own_vault {
            Arc::new(
                run()
                    .start_server(&name, product)
                    .expect("the server starts"),
            )
        } else {
            let server = run().server(product);
            apply(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "vault", "namespace": name},
                "spec": {
                    "type": "ExternalName",
                    "externalName": format!("vault.{}.svc.cluster.local", server.namespace),
                },
            }));
            Arc::clone(server)
        };
        let scenario = Self {
            name,
            sidecars,
            vault,
            is_not_run: AtomicBool::new(false),
        };
        let name = &scenario.name;
        let policy: String = [
            format!("secret/data/{name}/*"),
            format!("kv1/{name}/*"),
            format!("leased-{name}/*"),
            format!("renewable-{name}/*"),
            format!("own-{name}/*"),
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
            "bound_service_account_names": ["app"],
            "bound_service_account_namespaces": [self.name],
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
        self.vault.write(path, body).expect("Vault takes it")
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

    /// Mounts an engine whose every answer has a lease, and returns the path to read it at, with
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

    /// Mounts the engine of [`leased_secrets`](Self::leased_secrets), and returns a template for the serial number of
    /// one of its certificates.
    pub fn lease_template(&self) -> String {
        let path = self.leased_secrets();
        format!(
            "{{{{ with secret \"{path}\" \"common_name=app.test\" }}}}{{{{ .Data.serial_number }}}}{{{{ end }}}}"
        )
    }

    /// Writes a secret that the sidecars request again every few seconds, and returns its path.
    pub fn change_word(&self, word: &str) -> String {
        self.secret_v1("app", json!({"word": word, "ttl": "5s"}))
    }

    /// How many leases of [`leased_secrets`](Self::leased_secrets) there are.
    pub fn leases(&self) -> usize {
        let path = format!("sys/leases/lookup/leased-{}/issue/app", self.name);
        self.vault.list(&path).expect("Vault answers").len()
    }

    /// Whether a certificate of [`leased_secrets`](Self::leased_secrets) is revoked, as it is when its lease ends.
    pub fn is_revoked(&self, serial_number: &str) -> bool {
        let path = format!("leased-{}/cert/{serial_number}", self.name);
        let answer = self.vault.read(&path).expect("Vault answers");
        let answer = answer.unwrap_or_else(|| panic!("there is no certificate {serial_number}"));
        answer["data"]["revocation_time"] != json!(0)
    }

    /// How many logins were tried with the scenario's role.
    pub fn logins(&self) -> usize {
        let role = format!("\"role\":\"{}\"", self.name);
        let count = self.vault.count_requests("auth/kubernetes/login", &[&role]);
        count.expect("the audit log can be read")
    }

    /// How many tokens with the scenario's policy there are, whoever has logged in for them.
    pub fn tokens(&self) -> usize {
        let accessors = self
            .vault
            .list("auth/token/accessors")
            .expect("Vault answers");
        let has_policy = |accessor: &String| {
            let body = json!({"accessor": accessor});
            // Another scenario's may have been revoked meanwhile.
            self.vault
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
        self.vault.is_valid(token).expect("Vault answers")
    }

    /// Lets the service account of the pods get pods, as deploy/rbac-job.yaml does.
    pub fn allow_to_get_pods(&self) {
        let text = std::fs::read_to_string(root().join("deploy/rbac-job.yaml"));
        let text = text.expect("deploy/ has it");
        for document in yaml_serde::Deserializer::from_str(&text) {
            let mut object: Value = serde::Deserialize::deserialize(document).expect("it is YAML");
            object["metadata"]["namespace"] = json!(self.name);
            if object["kind"] == "RoleBinding" {
                object["subjects"] =
                    json!([{"kind": "ServiceAccount", "name": "app", "namespace": self.name}]);
            }
            self.apply(object);
        }
    }

    /// Makes an object of the scenario's namespace, or changes it.
    pub fn apply(&self, object: Value) {
        let applied = self.try_to_apply(object);
        applied.unwrap_or_else(|error| panic!("not admitted: {error:#}"));
    }

    /// Makes an object of the scenario's namespace, or changes it, if it is admitted.
    pub fn try_to_apply(&self, mut object: Value) -> anyhow::Result<()> {
        object["metadata"]["namespace"] = json!(self.name);
        cluster().apply(&object).map(drop)
    }

    /// An object of the scenario's namespace as it is now.
    pub fn get(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        let object = self.reference(api_version, kind, name);
        cluster().get(&object).expect("the API server answers")
    }

    /// Changes an object of the scenario's namespace by a merge patch, if that is admitted.
    pub fn change(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        change: &Value,
    ) -> anyhow::Result<()> {
        let object = self.reference(api_version, kind, name);
        cluster().merge(&object, change).map(drop)
    }

    /// Adds an ephemeral container to a pod, as `kubectl debug` does, if that is admitted.
    pub fn debug(&self, pod: &str, container: &Value) -> kube::Result<()> {
        let api: Api<core::Pod> = Api::namespaced(cluster().client.clone(), &self.name);
        let change = Patch::Strategic(json!({"spec": {"ephemeralContainers": [container]}}));
        let params = PatchParams::default();
        cluster()
            .wait(api.patch_ephemeral_containers(pod, &params, &change))
            .map(drop)
    }

    /// Deletes an object of the scenario's namespace.
    pub fn delete(&self, api_version: &str, kind: &str, name: &str) {
        let object = self.reference(api_version, kind, name);
        cluster().delete(&object).expect("the API server takes it");
    }

    fn reference(&self, api_version: &str, kind: &str, name: &str) -> Value {
        json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": self.name},
        })
    }

    /// Makes a Secret, or replaces it.
    pub fn put_secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: std::collections::BTreeMap<_, _> = data.iter().copied().collect();
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        }));
    }

    /// Makes a ConfigMap, or replaces it.
    pub fn put_config_map(&self, name: &str, data: &[(&str, &str)]) {
        let data: std::collections::BTreeMap<_, _> = data.iter().copied().collect();
        self.apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data,
        }));
    }

    /// The pods of a workload with this value of the label `app` that are not known yet. They are observed from now on.
    pub fn new_pods(&self, app: &str, known: &[&Running]) -> Vec<Running> {
        let api: Api<core::Pod> = Api::namespaced(cluster().client.clone(), &self.name);
        let of_app = ListParams::default().labels(&format!("app={app}"));
        let pods = cluster()
            .wait(api.list(&of_app))
            .expect("pods can be listed");
        let is_new = |pod: &core::Pod| known.iter().all(|it| it.name() != pod.name_any());
        let observe = |pod| Running::new(Pod::observe(cluster(), pod));
        let new = pods.items.into_iter().filter(is_new);
        new.map(observe).collect()
    }

    /// Deletes a pod, and reports and returns how long it took until it was gone.
    pub fn delete_pod(&self, pod: &Running) -> Duration {
        let time = pod.delete();
        self.took("the pod was deleted", time);
        time
    }

    /// Deletes a pod, and returns how long it took until it was gone. No container is killed, the agent's token is
    /// revoked by then, and no other token of the scenario is left.
    pub fn delete_without_traces(&self, pod: &Running) -> Duration {
        let has_agent = pod.containers().iter().any(|name| name == AGENT);
        let token = has_agent.then(|| pod.token());
        let time = pod.delete();
        pod.assert_not_killed();
        if let Some(token) = token {
            assert!(!self.is_valid(&token), "the token is revoked");
        }
        wait_until_true(LIMIT, "no token is left", || self.tokens() == 0);
        time
    }

    /// Begins a pod that requests injection.
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
        }
    }

    /// Begins a pod that requests a secret with these data.
    pub fn pod_with_secret(&self, data: Value) -> PodBuilder<'_> {
        let path = self.secret("app", data);
        self.pod().annotate("secrets-path", &path)
    }

    /// Notes that the scenario was not run, because the cluster does not have what it needs.
    pub fn was_not_run(&self, why: &str) {
        println!("# {} was not run: {why}", self.name);
        self.is_not_run.store(true, Ordering::Relaxed);
    }

    /// How it has ended, once it has.
    pub fn ending(&self) -> Ending {
        match self.is_not_run.load(Ordering::Relaxed) {
            true => Ending::NotRun,
            false => Ending::Passed,
        }
    }

    /// Notes a time for the report.
    pub fn took(&self, what: &str, time: Duration) {
        report::figure(&self.name, self.sidecars, what, time.as_secs_f64(), "s");
    }

    /// Notes a number for the report.
    pub fn measured(&self, what: &str, number: f64, unit: &str) {
        report::figure(&self.name, self.sidecars, what, number, unit);
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name},
        });
        if let Err(error) = cluster().delete(&namespace) {
            eprintln!("{}: {error:#}", self.name);
        }
    }
}

/// The cluster of this run.
pub fn cluster() -> &'static Arc<Cluster> {
    &run().cluster
}

/// The namespace of a scenario, which may have 63 characters.
pub fn namespace(name: &str, sidecars: Sidecars, product: Product) -> String {
    let sidecars = &sidecars.name()[..1];
    let product = match product {
        Product::Vault => "hv",
        Product::OpenBao => "ob",
    };
    format!("{}-{sidecars}-{product}", name.replace('_', "-"))
}

/// The manifest of a container that runs a shell script.
pub fn shell_container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": SHELL, "command": ["/bin/sh", "-c", script]})
}

/// The manifest of a container that runs a shell script, and has these other fields.
pub fn shell_container_with(name: &str, script: &str, fields: Value) -> Value {
    let mut container = shell_container(name, script);
    for (field, value) in fields.as_object().expect("fields are an object") {
        container[field] = value.clone();
    }
    container
}

/// A pod that is still to be submitted.
pub struct PodBuilder<'s> {
    scenario: &'s Scenario,
    /// The manifest.
    pub object: Value,
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

    /// Calls the pod something else than `app`.
    pub fn name(mut self, name: &str) -> Self {
        self.object["metadata"]["name"] = json!(name);
        self
    }

    /// Adds a container that runs a shell script.
    pub fn container(self, name: &str, script: &str) -> Self {
        self.container_with(shell_container(name, script))
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
        list.push(shell_container(name, script));
        *containers = json!(list);
        self
    }

    /// Sets a field of the spec.
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.object["spec"][field] = value;
        self
    }

    /// The pod template of a workload, with the label `app` of this value.
    pub fn template(mut self, app: &str) -> Value {
        self.object["metadata"]["labels"] = json!({"app": app});
        let annotations = &self.object["metadata"]["annotations"];
        json!({
            "metadata": {"labels": {"app": app}, "annotations": annotations},
            "spec": self.object["spec"],
        })
    }

    /// Submits the pod.
    pub fn run(self) -> Running {
        let admitted = cluster().create(&self.object);
        let pod = admitted.unwrap_or_else(|error| panic!("not admitted: {error:#}"));
        let pod: core::Pod = serde_json::to_value(pod)
            .and_then(serde_json::from_value)
            .expect("it is a pod");
        Running::new(Pod::observe(cluster(), pod))
    }

    /// Submits the pod, which is rejected, and returns the message.
    pub fn rejected(self) -> String {
        match cluster().create(&self.object) {
            Ok(_) => panic!("{} was admitted", self.scenario.name),
            Err(error) => format!("{error:#}"),
        }
    }
}
