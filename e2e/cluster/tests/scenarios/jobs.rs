//! The sidecars of a Job end when the job's work is done, and not before.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::run::run;
use crate::support::running::{
    AGENT, BABYSITTER, BABYSITTER_INIT, CONSUL_TEMPLATE, LIMIT, Running, SOON, since,
    wait_until_true,
};
use crate::support::scenario::{PodBuilder, Scenario, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("job_that_succeeds", BOTH, succeeds).quick(),
    entry("job_that_fails", BOTH, fails),
    entry("job_that_is_tried_again", BOTH, is_tried_again),
    entry(
        "job_that_is_tried_again_in_a_new_pod",
        BOTH,
        is_tried_again_in_a_new_pod,
    ),
    entry("job_with_a_deadline", BOTH, has_a_deadline),
    entry("job_with_two_containers", BOTH, has_two_containers),
    entry("pod_that_ends", CLASSIC, is_no_jobs_pod).vault_only(),
    entry("pod_that_ends_in_mode_secrets", CLASSIC, asks_for_secrets).vault_only(),
    entry("job_with_sidecars_that_are_killed", CLASSIC, loses_sidecars),
    entry("job_with_a_mesh_proxy", CLASSIC, has_a_mesh_proxy),
    entry("job_without_permission", CLASSIC, has_no_permission).vault_only(),
    entry("job_with_late_permission", CLASSIC, gets_permission_late).vault_only(),
    entry("job_without_api_server", CLASSIC, ends_without_api_server)
        .vault_only()
        .local()
        .alone(),
    entry("job_that_cannot_reach_the_api_server", CLASSIC, is_cut_off).vault_only(),
    entry("job_without_mounted_token", BOTH, has_no_mounted_token),
    entry("job_that_is_deleted", BOTH, is_deleted),
];

/// Waits for the secrets, shows them, and waits for permission to end.
const WORK: &str = "
until [ -s /opt/talend/secrets/secrets.properties ]; do sleep 1; done
cat /opt/talend/secrets/secrets.properties
until [ -e /tmp/go ]; do sleep 0.2; done
";

/// Its name, and the label of its pods.
const JOB: &str = "job";

/// In which the babysitter reads its pod more than once.
const SOME_READINGS: Duration = Duration::from_secs(8);

fn pod<'s>(scenario: &'s Scenario, restart_policy: &str) -> PodBuilder<'s> {
    scenario
        .pod_with_secret(json!({"user": "shop"}))
        .spec("restartPolicy", json!(restart_policy))
}

/// A pod that no Job has made, and says that it is one's.
fn lone_pod<'s>(scenario: &'s Scenario, restart_policy: &str) -> PodBuilder<'s> {
    pod(scenario, restart_policy).annotate("mode", "job")
}

/// Makes a Job of these pods, which the policy is to recognize by their owner, and waits for the first of them.
fn start_job(scenario: &Scenario, pod: PodBuilder<'_>, mut spec: Value) -> Running {
    spec["template"] = pod.template(JOB);
    scenario.apply(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": JOB}, "spec": spec,
    }));
    wait_for_new_pod(scenario, &[])
}

/// Waits for a pod of the Job that is not one of `known`.
fn wait_for_new_pod(scenario: &Scenario, known: &[&Running]) -> Running {
    let mut pods = Vec::new();
    wait_until_true(LIMIT, "the Job has another pod", || {
        pods = scenario.new_pods(JOB, known);
        !pods.is_empty()
    });
    pods.remove(0)
}

/// Waits until the Job has ended, and returns its status, in which `condition` is true.
fn wait_until_job(scenario: &Scenario, condition: &str) -> Value {
    let mut status = Value::Null;
    let has_ended = |status: &Value| ["Complete", "Failed"].map(|it| reason(status, it).is_some());
    wait_until_true(LIMIT, "the Job has ended", || {
        let job = scenario.get("batch/v1", "Job", JOB);
        status = job.expect("the Job is there")["status"].clone();
        has_ended(&status).contains(&true)
    });
    assert!(reason(&status, condition).is_some(), "{status}");
    status
}

/// The reason of a condition that is true.
fn reason<'v>(status: &'v Value, condition: &str) -> Option<&'v str> {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let is_it = |it: &&Value| it["type"] == condition && it["status"] == "True";
    let found = conditions.find(is_it)?;
    Some(found["reason"].as_str().unwrap_or_default())
}

fn let_end(pod: &Running, container: &str) {
    pod.shell(container, "touch /tmp/go");
}

fn sidecars(scenario: &Scenario) -> &'static [&'static str] {
    match scenario.sidecars {
        Sidecars::Classic => &[AGENT, CONSUL_TEMPLATE, BABYSITTER],
        Sidecars::Native => &[AGENT, CONSUL_TEMPLATE],
    }
}

/// Watches for a while that none of these containers ends.
fn assert_none_ends(time: Duration, pod: &Running, names: &[&str]) {
    pod.assert_not_within(time, &format!("one of {names:?} has ended"), |life| {
        names
            .iter()
            .any(|name| life.container(name).end().is_some())
    });
}

/// Asserts that the sidecars have ended in order, soon after the job's container has.
fn assert_ended_after(sidecars: &[&str], pod: &Running, last: SystemTime) {
    for name in sidecars {
        let end = pod.end_of(name);
        let time = since(end.at, last);
        assert_eq!(end.status, 0, "{name}: {}", end.message);
        assert!(end.at >= last, "{name} has ended before the job");
        assert!(time < SOON, "{name} has ended after {time:?}");
    }
    pod.assert_no_restarts(sidecars);
    pod.assert_not_killed();
}

fn succeeds(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = pod(scenario, "Never").container("job", WORK);
    let pod = start_job(scenario, pod, json!({"backoffLimit": 0}));
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();
    assert_none_ends(SOME_READINGS, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let_end(&pod, "job");
    let status = wait_until_job(scenario, "Complete");
    assert_eq!(status["succeeded"], 1);
    assert!(status["failed"].is_null(), "{status}");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    let job = pod.end_of("job");
    assert_ended_after(sidecars(scenario), &pod, job.at);
    let last = sidecars(scenario).iter().map(|it| pod.end_of(it).at).max();
    scenario.took(
        "end of a Job's sidecars after its own",
        since(last.expect("there are sidecars"), job.at),
    );
    assert!(!scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 1);
}

fn fails(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("{WORK} exit 3");
    let pod = pod(scenario, "Never").container("job", &script);
    let pod = start_job(scenario, pod, json!({"backoffLimit": 0}));
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();

    let_end(&pod, "job");
    let status = wait_until_job(scenario, "Failed");
    assert_eq!(reason(&status, "Failed"), Some("BackoffLimitExceeded"));
    assert_eq!(pod.wait_until_ended(), "Failed");
    let end = pod.end_of("job");
    assert_eq!(end.status, 3);
    assert_eq!(pod.restarts("job"), 0);
    assert_ended_after(sidecars(scenario), &pod, end.at);
    assert!(!scenario.is_valid(&token));
}

/// Two tries fail: after the second, the kubelet waits for ten seconds, in which the API server shows a container that
/// has ended. A sidecar that is started again would count against the limit of three.
fn is_tried_again(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script =
        format!("echo try >>/state/tries; [ $(wc -l </state/tries) -gt 2 ] || exit 1; {WORK}");
    let pod = pod(scenario, "OnFailure")
        .spec("volumes", json!([{"name": "state", "emptyDir": {}}]))
        .container_with(shell_container_with(
            "job",
            &script,
            json!({"volumeMounts": [{"name": "state", "mountPath": "/state"}]}),
        ));
    let pod = start_job(scenario, pod, json!({"backoffLimit": 3}));
    pod.wait_for_log("job", "user=shop\n");
    assert_eq!(pod.restarts("job"), 2);
    let token = pod.token();
    assert_none_ends(SOME_READINGS, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let_end(&pod, "job");
    let status = wait_until_job(scenario, "Complete");
    assert!(status["failed"].is_null(), "{status}");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
    assert!(!scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 1);
}

/// Each try has a pod, a login and a token of its own.
fn is_tried_again_in_a_new_pod(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("{WORK} exit $(cat /tmp/status)");
    let first = pod(scenario, "Never").container("job", &script);
    let first = start_job(scenario, first, json!({"backoffLimit": 1}));
    first.wait_for_log("job", "user=shop\n");
    let old_token = first.token();
    first.shell("job", "echo 3 >/tmp/status && touch /tmp/go");
    assert_eq!(first.wait_until_ended(), "Failed");
    assert_ended_after(sidecars(scenario), &first, first.end_of("job").at);
    assert!(!scenario.is_valid(&old_token));

    let second = wait_for_new_pod(scenario, &[&first]);
    second.wait_for_log("job", "user=shop\n");
    let token = second.token();
    second.shell("job", "echo 0 >/tmp/status && touch /tmp/go");
    let status = wait_until_job(scenario, "Complete");
    assert_eq!(status["failed"], 1);
    assert_eq!(status["succeeded"], 1);
    assert_eq!(second.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &second, second.end_of("job").at);
    assert!(!scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 2);
    assert_eq!(scenario.tokens(), 0);
}

/// Long enough for the pod to start on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(40);

/// A Job that lasts too long is ended as one that is deleted: its pod ends within its grace, and leaves no token.
fn has_a_deadline(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("trap 'exit 143' TERM; {WORK}");
    let pod = pod(scenario, "Never").container("job", &script);
    let begin = Instant::now();
    let limits = json!({"backoffLimit": 0, "activeDeadlineSeconds": DEADLINE.as_secs()});
    let pod = start_job(scenario, pod, limits);
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();

    pod.wait_until_gone();
    let time = begin.elapsed();
    assert!(time >= DEADLINE - Duration::from_secs(1), "{time:?}");
    assert!(time < DEADLINE + SOON, "{time:?}");
    assert_ended_early(scenario, &pod, &token);
    let status = wait_until_job(scenario, "Failed");
    assert_eq!(reason(&status, "Failed"), Some("DeadlineExceeded"));
}

/// Asserts that the pod has ended in order before its job was done.
fn assert_ended_early(scenario: &Scenario, pod: &Running, token: &str) {
    assert_eq!(pod.end_of("job").status, 143);
    for name in sidecars(scenario) {
        assert_eq!(pod.end_of(name).status, 0, "{name}");
    }
    pod.assert_not_killed();
    assert!(!scenario.is_valid(token));
}

fn has_two_containers(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = lone_pod(scenario, "Never")
        .container("first", WORK)
        .container("second", WORK)
        .run();
    pod.wait_for_log("first", "user=shop\n");
    pod.wait_for_log("second", "user=shop\n");
    let token = pod.token();

    let_end(&pod, "first");
    let first = pod.wait_until_over("first");
    assert_none_ends(SOME_READINGS, &pod, &["second"]);
    assert_none_ends(Duration::ZERO, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let_end(&pod, "second");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    let second = pod.end_of("second");
    assert!(second.at >= first.at);
    assert_ended_after(sidecars(scenario), &pod, second.at);
    assert!(!scenario.is_valid(&token));
}

/// Neither a Job nor an annotation says that its work can be done: its restartPolicy does.
fn is_no_jobs_pod(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = pod(scenario, "Never").container("job", WORK).run();
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();
    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
    assert!(!scenario.is_valid(&token));
}

/// Sidecars of a pod in mode secrets, without mode job, stay when the work is done.
fn asks_for_secrets(scenario: &Scenario) {
    let pod = pod(scenario, "Never")
        .annotate("mode", "secrets")
        .container("job", WORK)
        .run();
    pod.wait_for_log("job", "user=shop\n");
    let_end(&pod, "job");
    assert_eq!(pod.wait_until_over("job").status, 0);
    assert_eq!(pod.containers(), ["job", AGENT, CONSUL_TEMPLATE]);
    assert_none_ends(SOME_READINGS, &pod, &[AGENT, CONSUL_TEMPLATE]);
    assert_eq!(pod.life().phase(), "Running");
    scenario.delete_without_traces(&pod);
}

/// The kubelet does not start a container of such a pod again, and one that fails would fail the job: the programs are
/// started again inside their containers. The agent logs in anew.
fn loses_sidecars(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = pod(scenario, "Never").container("job", WORK);
    let pod = start_job(scenario, pod, json!({"backoffLimit": 0}));
    pod.wait_for_log("job", "user=shop\n");
    let first = pod.token();
    pod.kill(CONSUL_TEMPLATE, "consul-template");
    pod.kill(AGENT, "vault");
    for sidecar in [CONSUL_TEMPLATE, AGENT] {
        pod.wait_for_log(sidecar, "ended with status 137; starting again");
    }
    pod.wait_until_true("the agent has another token", || pod.token() != first);
    let second = pod.token();
    assert_none_ends(SOME_READINGS, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&second));

    let_end(&pod, "job");
    wait_until_job(scenario, "Complete");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
    assert!(!scenario.is_valid(&second));
    assert_eq!(scenario.logins(), 2);
}

/// A proxy of a service mesh never ends automatically: nobody waits for it.
fn has_a_mesh_proxy(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let proxy = "trap 'exit 0' TERM; while :; do sleep 1; done";
    let pod = lone_pod(scenario, "Never")
        .container("job", WORK)
        .container("istio-proxy", proxy)
        .run();
    pod.wait_for_log("job", "user=shop\n");

    let_end(&pod, "job");
    let job = pod.wait_until_over("job");
    for name in sidecars(scenario) {
        pod.wait_until_over(name);
    }
    assert_ended_after(sidecars(scenario), &pod, job.at);
    assert!(pod.life().container("istio-proxy").is_running());
    pod.delete();
    assert!(pod.end_of("istio-proxy").at >= pod.end_of(AGENT).at);
}

fn has_no_permission(scenario: &Scenario) {
    let pod = lone_pod(scenario, "Never").container("job", WORK).run();
    assert_eq!(pod.wait_until_ended(), "Failed");
    let check = pod.end_of(BABYSITTER_INIT);
    scenario.took(
        "check of a Job's permission that fails",
        since(check.at, pod.began(BABYSITTER_INIT)),
    );
    assert_eq!(check.status, 1);
    let message = format!(
        "service account app may not get pods in namespace {}, which mode job needs: bind it to a Role with verb get on pods, or use native sidecars (annotation sidecars)\n",
        scenario.name
    );
    assert_eq!(check.message, message);
    pod.assert_never_began("job");
    pod.assert_never_began(AGENT);
    assert_eq!(scenario.logins(), 0);
}

fn gets_permission_late(scenario: &Scenario) {
    let pod = lone_pod(scenario, "Never").container("job", WORK).run();
    pod.wait_for_log(BABYSITTER_INIT, "Forbidden");
    scenario.allow_to_get_pods();
    pod.wait_for_log("job", "user=shop\n");
    assert_eq!(pod.end_of(BABYSITTER_INIT).status, 0);
    assert_eq!(pod.restarts(BABYSITTER_INIT), 0);

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
}

/// The job ends while the API server is away: the babysitter goes on until it gets an answer.
fn ends_without_api_server(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = lone_pod(scenario, "Never").container("job", WORK).run();
    pod.wait_for_log("job", "user=shop\n");
    pod.wait_until_started(BABYSITTER);
    let token = pod.token();

    let a_minute = Duration::from_secs(60);
    pod.shell("job", "(sleep 5; touch /tmp/go) >/dev/null 2>&1 &");
    let local = run().local.as_ref().expect("the scenario is local");
    local
        .pause_for("kube-apiserver", a_minute)
        .expect("it runs");
    // Times in statuses are whole seconds.
    let back = SystemTime::now() - Duration::from_secs(1);
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert!(since(back, pod.end_of("job").at) > a_minute / 2);
    assert_ended_after(sidecars(scenario), &pod, back);
    assert!(!scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 1);
}

/// Keeps the pod from the API server until there is `/tmp/open`, as a service mesh that lets nobody through yet.
const CUT_OFF: &str = "
trap 'exit 0' TERM
ip route add unreachable $KUBERNETES_SERVICE_HOST && touch /tmp/closed
until [ -e /tmp/open ]; do sleep 0.2; done
ip route del unreachable $KUBERNETES_SERVICE_HOST
sleep 1000 & wait
";

/// The check gives up without an answer, and the job begins. It ends once the babysitter gets one.
fn is_cut_off(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let proxy = shell_container_with(
        "istio-proxy",
        CUT_OFF,
        json!({
            "restartPolicy": "Always",
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
            "startupProbe": {"exec": {"command": ["test", "-e", "/tmp/closed"]}, "periodSeconds": 1},
        }),
    );
    let pod = lone_pod(scenario, "Never")
        .spec("initContainers", json!([proxy]))
        .container("job", WORK)
        .run();
    pod.wait_for_log("job", "user=shop\n");
    let check = pod.end_of(BABYSITTER_INIT);
    assert_eq!(check.status, 0);
    scenario.took(
        "check of a Job's permission that is not answered",
        since(check.at, pod.began(BABYSITTER_INIT)),
    );
    let message = "the API server did not answer; the job begins without the check: ";
    pod.wait_for_log(BABYSITTER_INIT, message);
    let token = pod.token();
    let_end(&pod, "job");
    pod.wait_until_over("job");
    assert_none_ends(SOME_READINGS, &pod, sidecars(scenario));

    // Times in statuses are whole seconds.
    let open = SystemTime::now() - Duration::from_secs(1);
    pod.shell("istio-proxy", "touch /tmp/open");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &pod, open);
    assert!(!scenario.is_valid(&token));
}

/// Neither the agent nor the babysitter depends on the token that the API server mounts.
fn has_no_mounted_token(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = lone_pod(scenario, "Never")
        .spec("automountServiceAccountToken", json!(false))
        .container("job", WORK)
        .run();
    pod.wait_for_log("job", "user=shop\n");
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let read = pod.execute("job", &["cat", token]).expect("it runs");
    assert!(!read.succeeded(), "the job has a token");

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
}

/// A job that is deleted is not done, but its sidecars end all the same.
fn is_deleted(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("trap 'exit 143' TERM; {WORK}");
    let pod = pod(scenario, "Never").container("job", &script);
    let pod = start_job(scenario, pod, json!({}));
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();

    let begin = Instant::now();
    scenario.delete("batch/v1", "Job", JOB);
    pod.wait_until_gone();
    let time = begin.elapsed();
    scenario.took("the pod was deleted", time);
    assert!(time < SOON, "{time:?}");
    assert_ended_early(scenario, &pod, &token);
}
