//! The local proxy: the application asks Vault at 127.0.0.1, and needs no token for it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use pod_runner::pod::Phase;
use pod_runner::port;
use serde_json::json;

use super::Entry;
use crate::support::cluster;
use crate::support::running::{AGENT, BABYSITTER, BABYSITTER_INIT};
use crate::support::scenario::{BOTH, PodBuilder, Scenario, Sidecars, WAIT};

pub const SCENARIOS: &[Entry] = &[
    ("proxy", BOTH, proxy),
    ("proxy_leases", BOTH, proxy_leases),
    ("proxy_job", BOTH, proxy_job),
];

fn proxy(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let port = port::free().expect("a port is free");
    let read = format!("wget -qO- http://127.0.0.1:{port}/v1/{path}");
    let script = format!("{}; {WAIT}", at_the_start(scenario, &read));
    let pod = pod(scenario, port).container("app", &script).run();
    pod.wait_for_log("app", "\"data\":{\"user\":\"shop\"}");
    let expected = match scenario.sidecars {
        Sidecars::Classic => ["app", AGENT],
        Sidecars::Native => [AGENT, "app"],
    };
    assert_eq!(pod.containers(), expected);

    // What the token is not good for stays forbidden.
    let other = format!("http://127.0.0.1:{port}/v1/secret/data/of-somebody-else/app");
    let rejected = pod
        .execute("app", &["wget", "-qO-", &other])
        .expect("it runs");
    let answer = String::from_utf8_lossy(&rejected.output).into_owned();
    assert!(!rejected.succeeded() && answer.contains("403"), "{answer}");

    let token = pod.token();
    scenario.took("deletion", pod.delete());
    assert!(!scenario.is_valid(&token));
}

fn proxy_leases(scenario: &Scenario) {
    let path = renewable_secrets(scenario);
    let leases = || {
        let leases = cluster().vault.list(&format!("sys/leases/lookup/{path}"));
        leases.expect("Vault answers").len()
    };
    let port = port::free().expect("a port is free");
    let pod = pod(scenario, port).container("app", WAIT).run();
    let ask = |path: &str, body: Option<&str>| {
        let url = format!("http://127.0.0.1:{port}/v1/{path}");
        let mut command = vec!["wget", "-qO-", &url];
        command.extend(body);
        let answer = pod.execute("app", &command).ok()?;
        let is_there = answer.succeeded();
        is_there.then(|| String::from_utf8_lossy(&answer.output).into_owned())
    };
    let mut first = None;
    pod.wait_until_true("the proxy answers", || {
        first = ask(&path, None);
        first.is_some()
    });
    assert!(
        first
            .as_ref()
            .is_some_and(|first| first.contains("\"renewable\":true"))
    );
    assert_eq!(ask(&path, None), first, "it is the same secret");
    assert_eq!(leases(), 1);

    // What cannot be renewed is not kept: the proxy does not know how long it is good for.
    let path = scenario.leased_secrets();
    let body = "--post-data={\"common_name\":\"app.test\"}";
    let first = ask(&path, Some(body)).expect("it is answered");
    assert!(first.contains("\"renewable\":false"));
    assert_ne!(ask(&path, Some(body)), Some(first));
    assert_eq!(scenario.leases(), 2);

    scenario.took("deletion", pod.delete());
    pod.wait_until_true("the leases end with the token", || {
        leases() + scenario.leases() == 0
    });
}

fn proxy_job(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let port = port::free().expect("a port is free");
    let read = format!("wget -qO- http://127.0.0.1:{port}/v1/{path}");
    scenario.allow_to_get_pods();
    let pod = pod(scenario, port)
        .annotate("mode", "proxy,job")
        .spec("restartPolicy", json!("OnFailure"))
        .container("app", &at_the_start(scenario, &read))
        .run();
    assert_eq!(pod.wait_until_ended(), Phase::Succeeded);
    assert!(pod.log("app").contains("\"data\":{\"user\":\"shop\"}"));
    let expected: &[&str] = match scenario.sidecars {
        Sidecars::Classic => &[BABYSITTER_INIT, "app", AGENT, BABYSITTER],
        Sidecars::Native => &[AGENT, "app"],
    };
    assert_eq!(pod.containers(), expected);
    assert_eq!(pod.restarts("app"), 0);
    assert_eq!(pod.end_of(AGENT).status, 0);
    assert_eq!(scenario.logins(), 1);
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    let lasted = pod.end_of(AGENT).at - pod.end_of("app").at;
    scenario.took("end of the agent after the job's", lasted);
}

fn pod(scenario: &Scenario, port: u16) -> PodBuilder<'_> {
    scenario
        .pod()
        .annotate("mode", "proxy")
        .annotate("proxy-port", &port.to_string())
}

/// With native sidecars the proxy answers from the start; with classic ones the application has to try.
fn at_the_start(scenario: &Scenario, command: &str) -> String {
    match scenario.sidecars {
        Sidecars::Classic => format!("until {command}; do sleep 1; done"),
        Sidecars::Native => command.to_owned(),
    }
}

/// Mounts an engine whose answers have leases that can be renewed, and returns the path to read one at.
fn renewable_secrets(scenario: &Scenario) -> String {
    let engine = format!("renewable-{}", scenario.name);
    let broker = format!("http://127.0.0.1:{}", broker().expect("a port is free"));
    for (path, body) in [
        (format!("sys/mounts/{engine}"), json!({"type": "rabbitmq"})),
        (
            format!("{engine}/config/connection"),
            json!({
                "connection_uri": broker, "username": "vault", "password": "vault", "verify_connection": false,
            }),
        ),
        (
            format!("{engine}/config/lease"),
            json!({"ttl": 600, "max_ttl": 3600}),
        ),
        (format!("{engine}/roles/app"), json!({"tags": "app"})),
    ] {
        scenario.write(&path, &body);
    }
    format!("{engine}/creds/app")
}

/// Stands in for RabbitMQ, at the port returned: every user can be made and deleted.
fn broker() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let answer = |mut client: TcpStream| -> io::Result<()> {
        client.read_exact(&mut [0])?;
        client.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
        client.shutdown(Shutdown::Write)?;
        io::copy(&mut client, &mut io::sink())?;
        Ok(())
    };
    thread::spawn(move || listener.incoming().flatten().try_for_each(answer));
    Ok(port)
}
