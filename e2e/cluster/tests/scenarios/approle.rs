//! Logging in with an AppRole, whose ids come from an init container of the pod's own or from a Secret.

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::running::{AGENT, AGENT_INIT, FILE, Running, SECRETS};
use crate::support::scenario::{PodBuilder, Scenario, WAIT};

pub const SCENARIOS: &[Entry] = &[
    entry("approle_files", BOTH, approle_files).quick(),
    entry("approle_secret", BOTH, approle_secret).quick(),
    entry("approle_secret_static", CLASSIC, approle_secret_static).quick(),
    entry("approle_secret_late", BOTH, approle_secret_late),
];

/// The name of the Secret with the ids.
const SECRET: &str = "app-ids";

fn approle_files(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    let write = format!(
        "cd {SECRETS} && printf %s {} >approle_roleid && printf %s {} >approle_secretid",
        ids.role, ids.secret
    );
    let pod = pod(scenario).init_container("ids", &write).run();
    wait_for_file(scenario, &pod);
    assert!(pod.end_of("ids").at <= pod.began(AGENT));
    pod.assert_fails("app", &format!("touch {SECRETS}/own"), "Read-only");
    assert_eq!(login_path(scenario, &pod.token()), "auth/approle/login");
    assert_eq!(scenario.logins(), 0);

    // The files are still there for an agent that is started again.
    let first = pod.token();
    pod.kill(AGENT, "vault");
    pod.wait_until("the agent was started again", |life| {
        life.container(AGENT).restarts() > 0
    });
    pod.wait_until_true("the agent has logged in again", || pod.token() != first);
    assert_eq!(pod.restarts(AGENT), 1);
    assert_eq!(ids.logins(scenario), 2);

    let token = pod.token();
    scenario.delete_pod(&pod);
    assert!(!scenario.is_valid(&token));
}

fn approle_secret(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    ids.put_secret(scenario);
    let pod = pod(scenario).annotate("approle-secret", SECRET).run();
    wait_for_file(scenario, &pod);
    assert_eq!(login_path(scenario, &pod.token()), "auth/approle/login");
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
    assert_eq!(ids.logins(scenario), 1);
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    assert_eq!(ids.found_in(&pod, "app"), "");
}

fn approle_secret_late(scenario: &Scenario) {
    let ids = Ids::of(scenario);
    let pod = pod(scenario).annotate("approle-secret", SECRET).run();
    pod.wait_for_event("secret \"app-ids\" not found");
    scenario.put_secret(SECRET, &[("role-id", &ids.role)]);
    pod.wait_for_event("references non-existent secret key: secret-id");
    for container in pod.containers() {
        pod.assert_never_began(&container);
    }

    ids.put_secret(scenario);
    pod.wait_for_content("app", FILE, b"user=shop\n");
    assert_eq!(pod.restarts(AGENT), 0);
    assert_eq!(ids.logins(scenario), 1);
}

/// A pod that logs in with an AppRole. Its application logs what it finds at its start, or, with classic sidecars, as
/// soon as there is something.
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

fn wait_for_file(scenario: &Scenario, pod: &Running) {
    pod.wait_for_content("app", FILE, b"user=shop\n");
    pod.wait_for_log("app", "user=shop\n");
    if scenario.sidecars == Sidecars::Native {
        assert_eq!(pod.log("app"), "user=shop\n", "it is there at the start");
    }
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
        let role = scenario.vault.read(&format!("{path}/role-id"));
        let role = role.expect("Vault answers").expect("there is the role");
        let secret = scenario.write(&format!("{path}/secret-id"), &Value::Null);
        Self {
            role: text(&role["data"]["role_id"]),
            secret: text(&secret["data"]["secret_id"]),
        }
    }

    fn put_secret(&self, scenario: &Scenario) {
        let data = [("role-id", &*self.role), ("secret-id", &*self.secret)];
        scenario.put_secret(SECRET, &data);
    }

    /// How many logins were tried with them.
    fn logins(&self, scenario: &Scenario) -> usize {
        // The audit log has a hash in place of an id.
        let hash = scenario.write("sys/audit-hash/file", &json!({"input": self.role}));
        let hash = text(&hash["data"]["hash"]);
        let count = scenario
            .vault
            .count_requests("auth/approle/login", &[&hash]);
        count.expect("the audit log can be read")
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
        found.text()
    }
}

/// The path of the login that has given a token.
fn login_path(scenario: &Scenario, token: &str) -> String {
    let found = scenario.write("auth/token/lookup", &json!({"token": token}));
    text(&found["data"]["path"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is text").to_owned()
}
