//! What happens to a node or the control plane: API server or policy server away, memory that is not enough, pods that
//! must go, and many pods at once.

use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::EvictParams;
use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::policy_server::{NO_ANSWER, PolicyServerAway};
use crate::support::run::run;
use crate::support::running::{
    AGENT, CONSUL_TEMPLATE, FILE, LIMIT, Running, SECRETS, since, wait_until_true,
};
use crate::support::scenario::{PodBuilder, Scenario, WAIT, cluster, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("agent_out_of_memory", BOTH, agent_out_of_memory)
        .settings(|| json!({"secrets": {"sizeLimit": "256Mi"}})),
    entry(
        "agent_with_too_little_memory",
        BOTH,
        agent_with_too_little_memory,
    )
    // How little is too little depends on the program.
    .vault_only(),
    entry("pod_evicted", BOTH, pod_evicted).quick(),
    entry(
        "api_server_away_for_a_minute",
        BOTH,
        api_server_away_for_a_minute,
    )
    .vault_only()
    .local()
    .alone(),
    entry(
        "api_server_away_when_the_token_ends",
        CLASSIC,
        api_server_away_when_the_token_ends,
    )
    .vault_only()
    .local()
    .alone(),
    entry("policy_server_away", BOTH, policy_server_away)
        .vault_only()
        .alone(),
    entry("node_drained", BOTH, node_drained)
        .vault_only()
        .alone(),
    entry("rolling_update_of_20_pods", BOTH, rolling_update_of_20_pods)
        .vault_only()
        .alone(),
];

/// The Deployments of these scenarios, and the label of their pods.
const APP: &str = "app";

const A_MINUTE: Duration = Duration::from_secs(60);

/// Well below the grace of 30 s.
const SOON: Duration = Duration::from_secs(20);

/// What [`FILE`] has after [`Scenario::change_word`].
fn content(word: &str) -> String {
    format!("ttl=5s\nword={word}\n")
}

fn wait_for_word(pod: &Running, word: &str) {
    pod.wait_for_content("app", FILE, content(word).as_bytes());
}

/// A pod with the word `first` in [`FILE`].
fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    let path = scenario.change_word("first");
    scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", WAIT)
}

/// Waits until the agent was killed for the memory that it has used.
fn wait_until_out_of_memory(pod: &Running) {
    let (end, _) = pod.wait_until_first_run_ended(AGENT);
    // containerd reports OOMKilled, or Error where the container has ended before it has heard of that.
    assert_eq!(end.status, 137);
    let is_reported = end.reason == "OOMKilled" || end.message.contains("Killed");
    assert!(is_reported, "{end:?}");
}

/// Files in memory count for the container that has written them. An agent that has reached its limit is killed, and
/// logs in again; the application does not notice.
fn agent_out_of_memory(scenario: &Scenario) {
    let pod = pod(scenario)
        .annotate("template-engine", "vault-agent")
        .run();
    wait_for_word(&pod, "first");
    pod.wait_until_started("app");
    let old_token = pod.token();
    // The command may not survive it either.
    let fill = format!("dd if=/dev/zero of={SECRETS}/large bs=1M count=160");
    let _ = pod.execute(AGENT, &["sh", "-c", &fill]);
    wait_until_out_of_memory(&pod);

    pod.wait_until("the agent runs again", |life| {
        let agent = life.container(AGENT);
        agent.runs.len() == 2 && agent.is_running()
    });
    pod.wait_until_true("it has another token", || pod.token() != old_token);
    scenario.change_word("second");
    wait_for_word(&pod, "second");
    assert_eq!(pod.restarts(AGENT), 1);
    assert_eq!(pod.restarts("app"), 0);
    let token = pod.token();
    scenario.delete_pod(&pod);
    assert!(!scenario.is_valid(&token));
}

/// An agent that can never start is reported, and harms nothing but what waits for it.
fn agent_with_too_little_memory(scenario: &Scenario) {
    let pod = pod(scenario)
        .annotate("agent-requests-memory", "8Mi")
        .annotate("agent-limits-memory", "16Mi")
        .run();
    wait_until_out_of_memory(&pod);
    pod.wait_for_event("Back-off restarting failed container");
    pod.wait_until("the agent was started again", |life| {
        life.container(AGENT).restarts() > 0
    });
    match scenario.sidecars {
        Sidecars::Classic => {
            assert!(pod.life().container("app").is_running());
            pod.assert_no_restarts(&["app", CONSUL_TEMPLATE]);
        }
        Sidecars::Native => pod.assert_never_began("app"),
    }
    let time = scenario.delete_pod(&pod);
    assert!(time < SOON, "{time:?}");
    if scenario.sidecars == Sidecars::Classic {
        assert_eq!(pod.end_of("app").status, 0);
        assert_eq!(pod.end_of(CONSUL_TEMPLATE).status, 0);
    }
    assert_eq!(scenario.tokens(), 0);
}

/// Evicts a pod as `kubectl drain` does, and returns the first answer.
fn evict(scenario: &Scenario, pod: &Running) -> anyhow::Result<()> {
    let api: Api<core::Pod> = Api::namespaced(cluster().client.clone(), &scenario.name);
    cluster().wait(api.evict(pod.name(), &EvictParams::default()))?;
    Ok(())
}

/// An eviction is a deletion: the application drains, and the token is revoked after that.
fn pod_evicted(scenario: &Scenario) {
    let path = scenario.change_word("first");
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", "trap 'sleep 3; exit 0' TERM; sleep 1000 & wait")
        .run();
    wait_for_word(&pod, "first");
    let token = pod.token();

    let begin = Instant::now();
    evict(scenario, &pod).expect("no budget is in the way");
    pod.wait_until_gone();
    let time = begin.elapsed();
    scenario.took("eviction of a pod that drains for 3 s", time);
    assert!(time > Duration::from_secs(3) && time < SOON, "{time:?}");
    for name in pod.containers() {
        assert_eq!(pod.end_of(&name).status, 0, "{name}");
    }
    assert!(pod.end_of(AGENT).at >= pod.end_of("app").at);
    assert!(!scenario.is_valid(&token));
}

/// Pauses the API server for a minute, and returns when it was away.
fn pause_api_server() -> (SystemTime, SystemTime) {
    let local = run().local.as_ref().expect("the scenario is local");
    let begin = SystemTime::now();
    let paused = local.pause_for("kube-apiserver", A_MINUTE);
    paused.expect("it runs");
    (begin, SystemTime::now())
}

/// Notes each serial number that [`FILE`] has, and since when.
const NOTE_SERIAL_NUMBERS: &str = "
trap 'exit 0' TERM
last=
while sleep 1; do
    [ -s /opt/talend/secrets/secrets.properties ] || continue
    serial=$(cat /opt/talend/secrets/secrets.properties)
    [ \"$serial\" = \"$last\" ] || echo \"$(date +%s) $serial\"
    last=$serial
done
";

/// A pod with a certificate that must be replaced after seconds.
fn pod_with_short_lease(scenario: &Scenario) -> PodBuilder<'_> {
    let template = scenario.lease_template();
    scenario.write(
        &format!("leased-{}/roles/app", scenario.name),
        &json!({"allow_any_name": true, "key_type": "ec", "generate_lease": true, "ttl": "20s"}),
    );
    scenario
        .pod()
        .annotate("secrets-template", &template)
        .container("app", NOTE_SERIAL_NUMBERS)
}

/// The serial numbers that the application has noted from one moment to another.
fn noted(pod: &Running, from: SystemTime, to: SystemTime) -> Vec<String> {
    let log = pod.log("app");
    let of_line = |line: &str| {
        let (seconds, serial) = line.split_once(' ')?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().ok()?);
        (time > from && time < to).then(|| serial.to_owned())
    };
    log.lines().filter_map(of_line).collect()
}

/// The sidecars need no API server: meanwhile the token is renewed, and certificates are replaced.
fn api_server_away_for_a_minute(scenario: &Scenario) {
    scenario.change_role(json!({"token_ttl": "20s"}));
    let pod = pod_with_short_lease(scenario).run();
    pod.wait_until_true("there is a certificate", || !pod.log("app").is_empty());
    let token = pod.token();

    let (from, to) = pause_api_server();
    assert_eq!(pod.token(), token, "it was renewed");
    assert!(scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 1);
    pod.wait_until_true("what was noted meanwhile is known", || {
        noted(&pod, from, to).len() > 1
    });
    pod.assert_no_restarts(&pod.containers());
    scenario.delete_pod(&pod);
    assert!(!scenario.is_valid(&token));
    pod.wait_until_true("no lease is left", || scenario.leases() == 0);
}

/// Vault verifies a login with the API server: the agent goes on trying until that is back, and the application has a
/// good certificate again.
fn api_server_away_when_the_token_ends(scenario: &Scenario) {
    scenario.change_role(json!({"token_ttl": "20s", "token_max_ttl": "30s"}));
    let pod = pod_with_short_lease(scenario).run();
    pod.wait_until_true("there is a certificate", || !pod.log("app").is_empty());
    let old_token = pod.token();

    let (_, back) = pause_api_server();
    pod.wait_until_true("the agent has another token", || pod.token() != old_token);
    assert!(!scenario.is_valid(&old_token));
    let later = back + LIMIT;
    pod.wait_until_true("there is a good certificate", || {
        let noted = noted(&pod, back, later);
        noted.last().is_some_and(|it| !scenario.is_revoked(it))
    });
    let now = SystemTime::now();
    scenario.took(
        "new certificate after the API server was back, the token having ended",
        since(now, back),
    );
    pod.assert_no_restarts(&pod.containers());
    let token = pod.token();
    pod.delete();
    assert!(!scenario.is_valid(&token));
}

/// A Deployment of these pods, whose updates leave out a quarter of 20 of them at once.
fn deployment(pod: PodBuilder<'_>, replicas: usize) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APP},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": APP}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 5, "maxSurge": 5}},
            "template": pod.template(APP),
        },
    })
}

/// A pod that is ready when its file is there.
fn replica<'s>(scenario: &'s Scenario, path: &str) -> PodBuilder<'s> {
    scenario
        .pod()
        .annotate("secrets-path", path)
        .container_with(shell_container_with(
            "app",
            WAIT,
            json!({
                "readinessProbe": {"exec": {"command": ["test", "-e", FILE]}, "periodSeconds": 1},
            }),
        ))
}

/// Waits until the Deployment has so many pods that are not `known`.
fn wait_for_replicas(scenario: &Scenario, known: &[&Running], number: usize) -> Vec<Running> {
    let mut pods: Vec<Running> = Vec::new();
    wait_until_true(LIMIT, &format!("there are {number} pods"), || {
        let seen: Vec<&Running> = known.iter().copied().chain(&pods).collect();
        let new = scenario.new_pods(APP, &seen);
        pods.extend(new);
        pods.len() == number
    });
    pods
}

/// What requests injection must wait, and nothing else notices.
fn policy_server_away(scenario: &Scenario) {
    let path = scenario.change_word("first");
    scenario.apply(deployment(replica(scenario, &path), 1));
    let replicas = wait_for_replicas(scenario, &[], 1);
    let lone = pod(scenario).name("lone").run();
    wait_for_word(&replicas[0], "first");
    wait_for_word(&lone, "first");

    let away = PolicyServerAway::begin();
    see_what_is_rejected(scenario, &lone);
    see_what_goes_on(scenario, &replicas[0], &lone);
    see_a_replica_wait(scenario);
    drop(away);

    let begin = Instant::now();
    let new = wait_for_replicas(scenario, &[&replicas[0]], 1);
    scenario.took(
        "missing pod after the policy server was back",
        begin.elapsed(),
    );
    wait_for_word(&new[0], "second");
}

fn see_what_is_rejected(scenario: &Scenario, lone: &Running) {
    let message = pod(scenario).name("rejected").rejected();
    assert!(message.contains(NO_ANSWER), "{message}");
    let path = scenario.change_word("first");
    let other = deployment(replica(scenario, &path).annotate("notify", "true"), 1);
    let error = scenario
        .try_to_apply(other)
        .expect_err("it has a new template");
    assert!(format!("{error:#}").contains(NO_ANSWER), "{error:#}");
    let mut containers = json!(lone.life().pod)["spec"]["containers"].take();
    containers[0]["image"] = json!("busybox:other");
    let change = json!({"spec": {"containers": containers}});
    let error = scenario.change("v1", "Pod", lone.name(), &change);
    let error = error.expect_err("it has another image");
    assert!(format!("{error:#}").contains(NO_ANSWER), "{error:#}");
}

fn see_what_goes_on(scenario: &Scenario, replica: &Running, lone: &Running) {
    let other = scenario
        .pod()
        .without("inject")
        .name("other")
        .container("app", WAIT)
        .run();
    other.wait_until_started("app");
    assert_eq!(other.containers(), ["app"]);

    let note = json!({"metadata": {"annotations": {"note": "a"}, "labels": {"note": "a"}}});
    for (api_version, kind, name) in [
        ("v1", "Pod", replica.name()),
        ("apps/v1", "Deployment", APP),
    ] {
        scenario
            .change(api_version, kind, name, &note)
            .expect("it is admitted");
    }

    let token = lone.token();
    let time = lone.delete();
    assert!(time < SOON, "{time:?}");
    assert!(!scenario.is_valid(&token));

    replica.kill(CONSUL_TEMPLATE, "consul-template");
    scenario.change_word("second");
    wait_for_word(replica, "second");
    replica.wait_until("Consul Template was started again", |life| {
        life.container(CONSUL_TEMPLATE).restarts() == 1
    });
}

/// A Deployment can be scaled, and reports why its pod does not come.
fn see_a_replica_wait(scenario: &Scenario) {
    let scaled = json!({"spec": {"replicas": 2}});
    scenario
        .change("apps/v1", "Deployment", APP, &scaled)
        .expect("it is admitted");
    wait_until_true(LIMIT, "the Deployment reports why", || {
        let deployment = scenario.get("apps/v1", "Deployment", APP);
        let deployment = deployment.expect("it is there");
        let conditions = deployment["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| {
            let message = it["message"].as_str().unwrap_or_default();
            it["type"] == "ReplicaFailure" && message.contains(NO_ANSWER)
        })
    });
}

/// All nodes cordoned, until this is dropped.
struct Cordoned;

impl Cordoned {
    fn begin() -> Self {
        cluster().cordon().expect("nodes can be changed");
        Self
    }
}

impl Drop for Cordoned {
    fn drop(&mut self) {
        let changed = cluster().uncordon();
        changed.unwrap_or_else(|error| eprintln!("nodes stay cordoned: {error:#}"));
    }
}

/// Injected pods leave a node as others do, budgets are respected, and no token stays behind.
fn node_drained(scenario: &Scenario) {
    let path = scenario.change_word("first");
    scenario.apply(json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": APP},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": APP}}},
    }));
    scenario.apply(deployment(replica(scenario, &path), 2));
    let old = wait_for_replicas(scenario, &[], 2);
    for pod in &old {
        pod.wait_until_ready();
    }
    wait_until_true(LIMIT, "one pod may be away", || {
        let budget = scenario.get("policy/v1", "PodDisruptionBudget", APP);
        budget.is_some_and(|it| it["status"]["disruptionsAllowed"] == 1)
    });

    let cordoned = Cordoned::begin();
    leave_node(scenario, &old[0]);
    let first = wait_for_replicas(scenario, &[&old[0], &old[1]], 1).remove(0);
    first.wait_until("it cannot be scheduled", is_unschedulable);
    let error = evict(scenario, &old[1]).expect_err("one pod has to be available");
    assert!(
        format!("{error:#}").contains("disruption budget"),
        "{error:#}"
    );
    assert!(scenario.is_valid(&old[1].token()));
    scenario.delete("policy/v1", "PodDisruptionBudget", APP);
    leave_node(scenario, &old[1]);
    let second = wait_for_replicas(scenario, &[&old[0], &old[1], &first], 1).remove(0);
    second.wait_until("it cannot be scheduled", is_unschedulable);
    assert_eq!(scenario.tokens(), 0);
    drop(cordoned);

    for pod in [&first, &second] {
        pod.wait_until_ready();
        wait_for_word(pod, "first");
        pod.token();
    }
    assert_eq!(scenario.tokens(), 2);
}

fn leave_node(scenario: &Scenario, pod: &Running) {
    let token = pod.token();
    let begin = Instant::now();
    evict(scenario, pod).expect("it may be evicted");
    pod.wait_until_gone();
    let time = begin.elapsed();
    scenario.took("eviction from a drained node", time);
    assert!(time < SOON, "{time:?}");
    pod.assert_not_killed();
    assert!(!scenario.is_valid(&token));
}

fn is_unschedulable(life: &cluster_scenarios::pod::Life) -> bool {
    let status = json!(life.pod)["status"].take();
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    life.phase() == "Pending" && conditions.any(|it| it["reason"] == "Unschedulable")
}

const MANY: usize = 20;

/// Each pod of the new template has its own login and the new file, and none of the old tokens is left.
fn rolling_update_of_20_pods(scenario: &Scenario) {
    let path = scenario.change_word("first");
    let begin = Instant::now();
    scenario.apply(deployment(replica(scenario, &path), MANY));
    let old = wait_for_replicas(scenario, &[], MANY);
    wait_until_rolled_out(scenario, MANY);
    scenario.took("start of 20 pods", begin.elapsed());
    let tokens: Vec<String> = old.iter().map(Running::token).collect();

    let path = scenario.secret_v1("other", json!({"word": "other", "ttl": "5s"}));
    let begin = Instant::now();
    scenario.apply(deployment(replica(scenario, &path), MANY));
    wait_until_rolled_out(scenario, MANY);
    scenario.took("rolling update of 20 pods", begin.elapsed());
    for pod in &old {
        pod.wait_until_gone();
        for name in pod.containers() {
            assert_eq!(pod.end_of(&name).status, 0, "{name}");
        }
    }
    let known: Vec<&Running> = old.iter().collect();
    let new = scenario.new_pods(APP, &known);
    assert_eq!(new.len(), MANY);
    for pod in &new {
        wait_for_word(pod, "other");
        pod.assert_no_restarts(&pod.containers());
    }
    assert!(tokens.iter().all(|token| !scenario.is_valid(token)));
    assert_eq!(scenario.tokens(), MANY);
    assert_eq!(scenario.logins(), 2 * MANY);
}

/// Waits until all pods of the Deployment have its newest template and are available. Each change may take its time.
fn wait_until_rolled_out(scenario: &Scenario, replicas: usize) {
    let is_done = |updated: usize| {
        let deployment = scenario.get("apps/v1", "Deployment", APP);
        let deployment = deployment.expect("it is there");
        let status = &deployment["status"];
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && status["updatedReplicas"].as_u64().unwrap_or(0) >= updated as u64
            && (updated < replicas
                || ["replicas", "availableReplicas"]
                    .iter()
                    .all(|it| status[it] == json!(replicas)))
    };
    wait_until_true(LIMIT, "half of the pods are updated", || {
        is_done(replicas / 2)
    });
    wait_until_true(LIMIT, "all pods are updated and available", || {
        is_done(replicas)
    });
}
