//! Logging in with an AppRole, whose ids come from an init container of the pod's own or from a Secret.

use serde_json::{Value, json};

use super::Entry;
use crate::support::cluster;
use crate::support::running::{AGENT, AGENT_INIT, Running};
use crate::support::scenario::{BOTH, CLASSIC, PodBuilder, Scenario, Sidecars, WAIT};

pub const SCENARIOS: &[Entry] = &[
    ("approle_files", BOTH, approle_files),
    ("approle_secret", BOTH, approle_secret),
    ("approle_secret_static", CLASSIC, approle_secret_static),
    ("approle_secret_late", BOTH, approle_secret_late),
];

const FILE: &str = "/opt/talend/secrets/secrets.properties";

/// The name of the Secret with the ids.
const SECRET: &str = "app-ids";

fn approle_files(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    let write = format!(
        "cd /opt/talend/secrets && printf %s {} >approle_roleid && printf %s {} >approle_secretid",
        ids.role, ids.secret
    );
    let pod = pod(scenario).init_container("ids", &write).run();
    pod.wait_for_content("app", FILE, b"user=shop\n");
    assert!(pod.began("ids") < pod.began(AGENT));
    if scenario.sidecars == Sidecars::Native {
        assert_eq!(pod.log("app"), "user=shop\n", "it is there at the start");
    }
    let read_only = pod.execute("app", &["touch", "/opt/talend/secrets/own"]);
    assert!(!read_only.expect("it runs").succeeded());
    assert_eq!(login_path(&pod.token()), "auth/approle/login");
    assert_eq!(scenario.logins(), 0);

    // The files are still there for an agent that is started again.
    let first = pod.token();
    let killed = pod.execute(AGENT, &["killall", "-KILL", "vault"]);
    assert!(killed.expect("it runs").succeeded());
    pod.wait_until_true("the agent has logged in again", || pod.token() != first);
    assert_eq!(pod.restarts(AGENT), 1);
    assert_eq!(approle_logins(scenario), 2);

    let token = pod.token();
    scenario.took("deletion", pod.delete());
    assert!(!scenario.is_valid(&token));
}

fn approle_secret(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    ids.put_secret(scenario);
    let pod = pod(scenario).annotate("approle-secret", SECRET).run();
    pod.wait_for_content("app", FILE, b"user=shop\n");
    if scenario.sidecars == Sidecars::Native {
        assert_eq!(pod.log("app"), "user=shop\n", "it is there at the start");
    }
    assert_eq!(login_path(&pod.token()), "auth/approle/login");
    ids.assert_known_to_the_agent_only(&pod);
}

fn approle_secret_static(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    ids.put_secret(scenario);
    let pod = pod(scenario)
        .annotate("approle-secret", SECRET)
        .annotate("secrets-type", "static")
        .run();
    pod.wait_for_log("app", "user=shop\n");
    assert_eq!(pod.containers(), [AGENT_INIT, "app"]);
    assert_eq!(approle_logins(scenario), 1);
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    assert_eq!(ids.found_in(&pod, "app"), "");
}

fn approle_secret_late(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    let pod = pod(scenario).annotate("approle-secret", SECRET).run();
    let wait_for_event = |text: &str| {
        pod.wait_until(&format!("an event says {text:?}"), |life| {
            life.events.iter().any(|(_, event)| event.contains(text))
        });
    };
    wait_for_event("secret app-ids is not there");
    cluster().put_secret(&scenario.name, SECRET, &[("role-id", &ids.role)]);
    wait_for_event("there is no key secret-id");
    pod.wait_until("nothing has begun", |life| {
        life.containers.iter().all(|it| it.runs.is_empty())
    });

    ids.put_secret(scenario);
    pod.wait_for_content("app", FILE, b"user=shop\n");
    assert_eq!(pod.restarts(AGENT), 0);
    assert_eq!(approle_logins(scenario), 1);
}

/// A pod that logs in with an AppRole. Its application tells what it finds at its start, or, with classic
/// sidecars, as soon as there is something.
fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let script = match scenario.sidecars {
        Sidecars::Classic => {
            format!("trap 'exit 0' TERM; until cat {FILE}; do sleep 1; done; {WAIT}")
        }
        Sidecars::Native => format!("cat {FILE}; {WAIT}"),
    };
    scenario
        .pod()
        .without("role")
        .annotate("auth", "approle")
        .annotate("secrets-path", &path)
        .container("app", &script)
}

/// What an AppRole is logged in with.
struct Ids {
    role: String,
    secret: String,
}

impl Ids {
    /// Makes a role for the scenario, and a secret id.
    fn of(scenario: &Scenario) -> Self {
        let path = format!("auth/approle/role/{}", scenario.name);
        scenario.write(
            &path,
            &json!({"token_policies": [scenario.name], "token_ttl": "10m"}),
        );
        let role = cluster().vault.read(&format!("{path}/role-id"));
        let role = role.expect("Vault answers").expect("there is the role");
        let secret = scenario.write(&format!("{path}/secret-id"), &Value::Null);
        let text = |value: &Value| value.as_str().expect("an id is text").to_owned();
        Self {
            role: text(&role["data"]["role_id"]),
            secret: text(&secret["data"]["secret_id"]),
        }
    }

    fn put_secret(&self, scenario: &Scenario) {
        let data = [("role-id", &*self.role), ("secret-id", &*self.secret)];
        cluster().put_secret(&scenario.name, SECRET, &data);
    }

    fn assert_known_to_the_agent_only(&self, pod: &Running) {
        assert_ne!(self.found_in(pod, AGENT), "", "it can be found");
        for container in pod.containers().iter().filter(|name| *name != AGENT) {
            assert_eq!(self.found_in(pod, container), "", "{container}");
        }
    }

    /// The files of a container, its first process's environment among them, that have one of the ids.
    fn found_in(&self, pod: &Running, container: &str) -> String {
        let search = "grep -rslF -e \"$1\" -e \"$2\" /[!dps]* /proc/1/environ";
        let command = ["sh", "-c", search, "search", &self.role, &self.secret];
        let found = pod.execute(container, &command).expect("it runs");
        String::from_utf8_lossy(&found.output).into_owned()
    }
}

fn approle_logins(scenario: &Scenario) -> usize {
    ["PUT", "POST"]
        .map(|method| {
            scenario
                .vault
                .count(&format!("{method} /v1/auth/approle/login"))
        })
        .iter()
        .sum()
}

/// Where a token was given.
fn login_path(token: &str) -> String {
    let found = cluster()
        .vault
        .write("auth/token/lookup", &json!({"token": token}));
    let path = &found.expect("the token is valid")["data"]["path"];
    path.as_str().expect("a path is text").to_owned()
}
