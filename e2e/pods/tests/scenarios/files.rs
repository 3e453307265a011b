//! Dynamic secrets become files, byte for byte.

use serde_json::json;

use super::Entry;
use crate::support::scenario::{BOTH, Scenario};

pub const SCENARIOS: &[Entry] = &[("kv_v2", BOTH, kv_v2)];

const FILE: &str = "/opt/talend/secrets/secrets.properties";

fn kv_v2(scenario: &Scenario) {
    let path = scenario.secret(
        "app",
        json!({"user": "shop", "password": "p$(HOME)$$é\"'`"}),
    );
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .container("app", "sleep 1000")
        .run();
    pod.wait_for_content(
        "app",
        FILE,
        "password=p$(HOME)$$é\"'`\nuser=shop\n".as_bytes(),
    );
}
