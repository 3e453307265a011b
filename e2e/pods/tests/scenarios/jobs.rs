//! The sidecars of a Job end when the job's work is done, and not before.

use std::time::{Duration, Instant};

use pod_runner::pod::Phase;
use serde_json::json;

use super::Entry;
use crate::support::running::{AGENT, BABYSITTER, BABYSITTER_INIT, CONSUL_TEMPLATE, Running};
use crate::support::scenario::{BOTH, CLASSIC, PodBuilder, Scenario, Sidecars};

pub const SCENARIOS: &[Entry] = &[
    ("job_that_succeeds", BOTH, succeeds),
    ("job_that_fails", BOTH, fails),
    ("job_that_is_tried_again", BOTH, is_tried_again),
    ("job_with_two_containers", BOTH, has_two_containers),
    ("job_with_a_mesh_proxy", CLASSIC, has_a_mesh_proxy),
    ("job_without_permission", CLASSIC, has_no_permission),
    ("job_with_late_permission", CLASSIC, gets_permission_late),
    ("job_without_api_server", CLASSIC, ends_without_api_server),
    ("job_without_mounted_token", BOTH, has_no_mounted_token),
    ("job_that_is_deleted", BOTH, is_deleted),
];

/// Waits for the secrets, shows them, and waits to be told to end.
const WORK: &str = "
until [ -s /opt/talend/secrets/secrets.properties ]; do sleep 1; done
cat /opt/talend/secrets/secrets.properties
until [ -e /tmp/go ]; do sleep 0.2; done
";

/// The sidecars have nothing to wait for any more, but end as slowly as the machine lets them. Native ones
/// would be killed after the grace period of 30 s.
const SOON: Duration = Duration::from_secs(25);

/// In which the babysitter asks the API server more than once.
const SOME_QUESTIONS: Duration = Duration::from_secs(8);

fn job<'s>(scenario: &'s Scenario, restart_policy: &str) -> PodBuilder<'s> {
    let path = scenario.secret("app", json!({"user": "shop"}));
    scenario
        .pod()
        .annotate("mode", "job")
        .annotate("secrets-path", &path)
        .spec("restartPolicy", json!(restart_policy))
}

fn let_end(pod: &Running, container: &str) {
    let told = pod.execute(container, &["touch", "/tmp/go"]);
    assert!(told.is_ok_and(|told| told.succeeded()));
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
            .any(|name| life.container(name).is_some_and(|it| it.end().is_some()))
    });
}

/// Asserts that the sidecars have ended in order, soon after the job's container has.
fn assert_ended_after(sidecars: &[&str], pod: &Running, last: Instant) {
    for name in sidecars {
        let end = pod.end_of(name);
        let time = end.at.saturating_duration_since(last);
        assert_eq!(end.status, 0, "{name}: {}", end.message);
        assert!(end.at > last, "{name} has ended before the job");
        assert!(time < SOON, "{name} has ended after {time:?}");
        assert_eq!(pod.restarts(name), 0, "{name}");
    }
    pod.assert_not_killed();
}

fn succeeds(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = job(scenario, "Never").container("job", WORK).run();
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();
    assert_none_ends(SOME_QUESTIONS, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    let job = pod.end_of("job");
    assert_ended_after(sidecars(scenario), &pod, job.at);
    for name in sidecars(scenario) {
        let time = pod.end_of(name).at - job.at;
        scenario.took(&format!("end of {name} after the job's"), time);
    }
    assert!(!scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 1);
}

fn fails(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("{WORK} exit 3");
    let pod = job(scenario, "Never").container("job", &script).run();
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), Phase::Failed);
    let end = pod.end_of("job");
    assert_eq!(end.status, 3);
    assert_eq!(pod.restarts("job"), 0);
    assert_ended_after(sidecars(scenario), &pod, end.at);
    assert!(!scenario.is_valid(&token));
}

/// Two tries fail: behind the second, the kubelet waits for ten seconds, in which the API server shows a
/// container that has ended.
fn is_tried_again(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = "
until [ -s /opt/talend/secrets/secrets.properties ]; do sleep 1; done
echo try >>/state/tries
[ $(wc -l </state/tries) -gt 2 ] || exit 1
cat /opt/talend/secrets/secrets.properties
until [ -e /tmp/go ]; do sleep 0.2; done
";
    let pod = job(scenario, "OnFailure")
        .spec("volumes", json!([{"name": "state", "emptyDir": {}}]))
        .container_with(json!({
            "name": "job",
            "image": "test/shell:1",
            "command": ["/bin/sh", "-c", script],
            "volumeMounts": [{"name": "state", "mountPath": "/state"}],
        }))
        .run();
    pod.wait_for_log("job", "user=shop\n");
    assert_eq!(pod.restarts("job"), 2);
    let token = pod.token();
    assert_none_ends(SOME_QUESTIONS, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
    assert!(!scenario.is_valid(&token));
    assert_eq!(scenario.logins(), 1);
}

fn has_two_containers(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = job(scenario, "Never")
        .container("first", WORK)
        .container("second", WORK)
        .run();
    pod.wait_for_log("first", "user=shop\n");
    pod.wait_for_log("second", "user=shop\n");
    let token = pod.token();

    let_end(&pod, "first");
    let first = pod.wait_until_over("first");
    assert_none_ends(SOME_QUESTIONS, &pod, &["second"]);
    assert_none_ends(Duration::ZERO, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let_end(&pod, "second");
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    let second = pod.end_of("second");
    assert!(second.at > first.at);
    assert_ended_after(sidecars(scenario), &pod, second.at);
    assert!(!scenario.is_valid(&token));
}

/// A proxy of a service mesh never ends by itself: nobody waits for it.
fn has_a_mesh_proxy(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let proxy = "trap 'exit 0' TERM; while :; do sleep 1; done";
    let pod = job(scenario, "Never")
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
    pod.delete();
    assert!(pod.end_of("istio-proxy").at > pod.end_of(AGENT).at);
}

fn has_no_permission(scenario: &Scenario) {
    let pod = job(scenario, "Never").container("job", WORK).run();
    assert_eq!(pod.wait_until_ended(), Phase::Failed);
    let check = pod.end_of(BABYSITTER_INIT);
    scenario.took("the check", check.at - pod.began(BABYSITTER_INIT));
    assert_eq!(check.status, 1);
    let message = format!(
        "service account app may not get pods in namespace {}, which mode job needs: bind it to a Role with verb get on pods, or use native sidecars\n",
        scenario.name
    );
    assert_eq!(check.message, message);
    pod.assert_never_began("job");
    pod.assert_never_began(AGENT);
    assert_eq!(scenario.logins(), 0);
}

fn gets_permission_late(scenario: &Scenario) {
    let pod = job(scenario, "Never").container("job", WORK).run();
    pod.wait_for_log(BABYSITTER_INIT, "Forbidden");
    scenario.allow_to_get_pods();
    pod.wait_for_log("job", "user=shop\n");
    assert_eq!(pod.end_of(BABYSITTER_INIT).status, 0);
    assert_eq!(pod.restarts(BABYSITTER_INIT), 0);

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
}

/// The job ends while the API server is away: the babysitter goes on asking.
fn ends_without_api_server(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = job(scenario, "Never").container("job", WORK).run();
    pod.wait_for_log("job", "user=shop\n");
    pod.wait_until_started(BABYSITTER);
    let token = pod.token();

    scenario.api_server.cut();
    let_end(&pod, "job");
    pod.wait_until_over("job");
    pod.wait_for_log(BABYSITTER, "rejected");
    let a_minute = Duration::from_secs(60);
    assert_none_ends(a_minute, &pod, sidecars(scenario));
    assert!(scenario.is_valid(&token));

    let back = Instant::now();
    scenario.api_server.restore().expect("the port is free");
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    assert_ended_after(sidecars(scenario), &pod, back);
    assert!(!scenario.is_valid(&token));
}

/// Neither the agent nor the babysitter depends on the token that the API server mounts.
fn has_no_mounted_token(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = job(scenario, "Never")
        .spec("automountServiceAccountToken", json!(false))
        .container("job", WORK)
        .run();
    pod.wait_for_log("job", "user=shop\n");
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let read = pod.execute("job", &["cat", token]).expect("it runs");
    assert!(!read.succeeded(), "the job has a token");

    let_end(&pod, "job");
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    assert_ended_after(sidecars(scenario), &pod, pod.end_of("job").at);
}

/// A job that is deleted is not done, but its sidecars end all the same.
fn is_deleted(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("trap 'exit 143' TERM; {WORK}");
    let pod = job(scenario, "Never").container("job", &script).run();
    pod.wait_for_log("job", "user=shop\n");
    let token = pod.token();

    let time = pod.delete();
    scenario.took("deletion", time);
    assert!(time < SOON, "{time:?}");
    assert_eq!(pod.end_of("job").status, 143);
    for name in sidecars(scenario) {
        assert_eq!(pod.end_of(name).status, 0, "{name}");
    }
    pod.assert_not_killed();
    assert!(!scenario.is_valid(&token));
}
