//! Environment variables that refer to Vault become what they refer to, and keep their container from starting where they
//! cannot.

use std::net::TcpStream;

use cluster_scenarios::admission::LOCAL_REGISTRY;
use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, NATIVE, entry};
use crate::support::running::{AGENT_INIT, Running};
use crate::support::scenario::{PodBuilder, Scenario, WAIT, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("reference_forms", CLASSIC, reference_forms).quick(),
    entry("reference_every_byte", CLASSIC, reference_every_byte),
    entry("references_200", CLASSIC, references_200).vault_only(),
    entry("references_in_containers", BOTH, references_in_containers),
    entry("references_with_files", BOTH, references_with_files),
    entry("reference_in_job", BOTH, reference_in_job),
    entry("reference_without_key", CLASSIC, reference_without_key).quick(),
    entry(
        "reference_without_secret",
        CLASSIC,
        reference_without_secret,
    ),
    entry("reference_forbidden", CLASSIC, reference_forbidden),
    entry("reference_leased", CLASSIC, reference_leased),
    entry(
        "reference_without_answer",
        CLASSIC,
        reference_without_answer,
    ),
    entry("reference_in_config_map", CLASSIC, reference_in_config_map),
    entry("reference_restarts", BOTH, reference_restarts).quick(),
    entry(
        "reference_leased_restarts",
        NATIVE,
        reference_leased_restarts,
    ),
    entry("file_restarts", BOTH, file_restarts),
    entry("restart_grace", CLASSIC, restart_grace),
    entry("env_names", CLASSIC, env_names),
    entry("image_lookup", CLASSIC, image_lookup).local().quick(),
    entry("image_lookup_probes", CLASSIC, image_lookup_probes).local(),
    entry("image_lookup_missing", CLASSIC, image_lookup_missing).local(),
];

/// A container with these variables, which runs a script.
fn container(name: &str, script: &str, env: &[(&str, &str)]) -> Value {
    let env = env
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}));
    shell_container_with(name, script, json!({"env": env.collect::<Vec<_>>()}))
}

fn pod<'s>(scenario: &'s Scenario, script: &str, env: &[(&str, &str)]) -> PodBuilder<'s> {
    scenario.pod().container_with(container("app", script, env))
}

/// The variables of a container, one in each line.
const SHOW: &str = "env | sort | grep ^V_; ";

fn show() -> String {
    format!("{SHOW}{WAIT}")
}

fn reference_forms(scenario: &Scenario) {
    let own = format!("own-{}", scenario.name);
    let (transit, pki) = (format!("{own}/transit"), format!("{own}/pki"));
    scenario.write(
        &format!("sys/mounts/{transit}"),
        &json!({"type": "transit"}),
    );
    scenario.write(&format!("{transit}/keys/app"), &json!({}));
    let encrypted = scenario.write(
        &format!("{transit}/encrypt/app"),
        &json!({"plaintext": "c2hvcCBrZWVwZXI="}),
    );
    let encrypted = encrypted["data"]["ciphertext"]
        .as_str()
        .expect("it encrypts");
    scenario.write(&format!("sys/mounts/{pki}"), &json!({"type": "pki"}));
    let root = json!({"common_name": "test", "key_type": "ec", "ttl": "24h"});
    scenario.write(&format!("{pki}/root/generate/internal"), &root);
    let role = json!({"allow_any_name": true, "key_type": "ec", "ttl": "1h"});
    scenario.write(&format!("{pki}/roles/app"), &role);

    let v2 = scenario.secret("app", json!({"user": "old", "password": "first"}));
    scenario.secret(
        "app",
        json!({"user": "shop", "password": "a b\nc", "list": [1, {"a": null}]}),
    );
    let v1 = scenario.secret_v1("app", json!({"user": "one", "number": 12_345_678_901_u64}));
    let issue = format!(r##">>vault:{pki}/issue/app#KEY#{{"common_name": "app.test"}}"##);
    let env = [
        ("V_BAO", format!("bao:{v2}#user")),
        ("V_CERTIFICATE", issue.replace("KEY", "serial_number")),
        ("V_CERTIFICATE_TOO", issue.replace("KEY", "serial_number")),
        (
            "V_INLINE",
            format!("<${{vault:{v2}#user}}:${{vault:{v1}#user}}>"),
        ),
        ("V_LIST", format!("vault:{v2}#list")),
        ("V_NUMBER", format!("vault:{v1}#number")),
        ("V_OLD", format!("vault:{v2}#user#1")),
        (
            "V_TEMPLATE",
            format!("vault:{v2}#${{ .user | upper | b64enc }}/${{.user}}"),
        ),
        ("V_TRANSIT", encrypted.to_owned()),
        ("V_USER", format!("vault:{v2}#user")),
        ("V_ZZ", format!("vault:{v2}#password")),
    ];
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let pod = pod(scenario, &show(), &env)
        .annotate("transit-key", "app")
        .annotate("transit-path", &transit)
        .run();
    pod.wait_for_log("app", "V_ZZ=");
    let log = pod.log("app");
    let serial = log
        .lines()
        .find_map(|line| line.strip_prefix("V_CERTIFICATE="));
    let serial = serial.expect("a certificate").to_owned();
    assert!(serial.contains(':'), "{serial}");
    assert_eq!(
        log.replace(&serial, "SERIAL"),
        "V_BAO=shop\nV_CERTIFICATE=SERIAL\nV_CERTIFICATE_TOO=SERIAL\nV_INLINE=<shop:one>\nV_LIST=[1,{\"a\":null}]\n\
         V_NUMBER=12345678901\nV_OLD=old\nV_TEMPLATE=U0hPUA==/shop\nV_TRANSIT=shop keeper\nV_USER=shop\nV_ZZ=a b\n"
    );
    let value = pod.shell("app", "tr '\\0' '\\n' </proc/1/environ | grep -A1 ^V_ZZ");
    assert_eq!(value, "V_ZZ=a b\nc\n", "the whole of it");
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
    assert_eq!(pod.containers(), [AGENT_INIT, "tvsi-env-init", "app"]);
}

/// All bytes that a variable can have; Vault's own answers are text, and transit's are not.
fn reference_every_byte(scenario: &Scenario) {
    let transit = format!("own-{}/transit", scenario.name);
    scenario.write(
        &format!("sys/mounts/{transit}"),
        &json!({"type": "transit"}),
    );
    scenario.write(&format!("{transit}/keys/app"), &json!({}));
    let bytes: Vec<u8> = (1..=255).chain(b"\n\x01\n\n".iter().copied()).collect();
    let plaintext = base64(&bytes);
    let encrypted = scenario.write(
        &format!("{transit}/encrypt/app"),
        &json!({"plaintext": plaintext}),
    );
    let encrypted = encrypted["data"]["ciphertext"]
        .as_str()
        .expect("it encrypts");
    let pod = pod(scenario, WAIT, &[("V", encrypted)])
        .annotate("transit-key", "app")
        .annotate("transit-path", &transit)
        .run();
    pod.wait_until_started("app");
    pod.wait_until_true("the application has the value", || {
        let environment = pod.read("app", "/proc/1/environ");
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable.strip_prefix(b"V=") == Some(&bytes))
    });
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let number = number << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() {
                letter.into()
            } else {
                '='
            });
        }
    }
    text
}

/// Each path is read once, whatever the number of variables.
fn references_200(scenario: &Scenario) {
    let value = |number: usize| format!("value {number} of many");
    let mut first = json!({});
    for number in 0..200 {
        first[format!("key{number}")] = json!(value(number));
    }
    let path = scenario.secret_v1("many", first);
    let env = (0..200).map(|number| (format!("V_{number}"), format!("vault:{path}#key{number}")));
    let env: Vec<_> = env.collect();
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let pod = pod(scenario, &show(), &env).run();
    pod.wait_for_log("app", "V_99=");
    let log = pod.log("app");
    for number in 0..200 {
        let line = format!("V_{number}={}\n", value(number));
        assert!(log.contains(&line), "{line}");
    }
    let reads = scenario
        .vault
        .count_requests(&path, &["\"operation\":\"read\""]);
    assert_eq!(reads.expect("the audit log can be read"), 1);
}

/// A container has its own values and no other's, and so have probes and init containers.
fn references_in_containers(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"a": "for a", "b": "for b"}));
    let (a, b) = (format!("vault:{path}#a"), format!("vault:{path}#b"));
    let probe = "until echo \"probe: $V\" >/proc/1/fd/1; do sleep 0.1; done";
    let mut with_probe = container("app", &show(), &[("V_A", &a), ("V", &a)]);
    with_probe["readinessProbe"] =
        json!({"exec": {"command": ["sh", "-c", probe]}, "periodSeconds": 1});
    let files = "find /opt/talend/tvsi-values -type f | sort; ";
    let mut pod = scenario
        .pod()
        .container_with(with_probe)
        .container_with(container(
            "other",
            &format!("{SHOW}{files}{WAIT}"),
            &[("V_B", &b)],
        ))
        .container("none", &format!("{files}{WAIT}"));
    pod.object["spec"]["initContainers"] = json!([container("migrate", SHOW, &[("V_B", &b)])]);
    let pod = pod.run();
    pod.wait_until_ready();
    assert_eq!(pod.log("migrate"), "V_B=for b\n");
    pod.wait_for_log("app", "probe: for a\n");
    assert!(pod.log("app").starts_with("V_A=for a\n"));
    pod.wait_for_log("other", "variables");
    assert_eq!(
        pod.log("other"),
        "V_B=for b\n/opt/talend/tvsi-values/variables\n"
    );
    pod.wait_for_log("none", "No such file");
}

/// Files follow their secret, beside variables that do not.
fn references_with_files(scenario: &Scenario) {
    let path = scenario.change_word("first");
    let file = "/opt/talend/secrets/word";
    let pod = pod(
        scenario,
        &show(),
        &[("V_WORD", &format!("vault:{path}#word"))],
    )
    .annotate("secrets-path", &path)
    .annotate("secrets-destination", "word")
    .run();
    pod.wait_for_log("app", "V_WORD=first\n");
    scenario.change_word("second");
    pod.wait_until_true("the file follows", || {
        let read = pod.execute("app", &["cat", file]);
        read.is_ok_and(|read| read.text().contains("word=second\n"))
    });
    assert_eq!(pod.log("app"), "V_WORD=first\n");
    assert_eq!(pod.restarts("app"), 0);
    scenario.delete_without_traces(&pod);
}

fn reference_in_job(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let pod = pod(scenario, SHOW, &[("V_USER", &format!("vault:{path}#user"))])
        .spec("restartPolicy", json!("Never"))
        .run();
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_eq!(pod.log("app"), "V_USER=shop\n");
    assert_eq!(scenario.tokens(), 0, "the token was revoked");
}

/// Why the container does not start is in the message of the init container, which names variable and path.
fn never_starts(pod: &Running, words: &[&str]) {
    let (end, _) = pod.wait_until_first_run_ended(AGENT_INIT);
    assert_ne!(end.status, 0);
    for word in words {
        assert!(end.message.contains(word), "{word}: {}", end.message);
    }
    pod.assert_never_began("app");
}

fn reference_without_key(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "hidden"}));
    let pod = pod(
        scenario,
        WAIT,
        &[("V_USER", &format!("vault:{path}#users"))],
    )
    .run();
    never_starts(&pod, &["V_USER", &path, "the secret has no key users"]);
    assert!(!pod.log(AGENT_INIT).contains("hidden"));
}

fn reference_without_secret(scenario: &Scenario) {
    let path = format!("secret/data/{}/later", scenario.name);
    let other = scenario.secret("app", json!({"user": "shop"}));
    let env = [
        ("V_USER", format!("vault:{path}#user")),
        ("V_TOO", format!("x${{vault:{path}#user}}")),
        ("V_OTHER", format!("vault:{other}#user")),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let pod = pod(scenario, &show(), &env).run();
    never_starts(&pod, &["app V_USER, app V_TOO", &path, "no secret exists"]);
    assert!(!pod.end_of(AGENT_INIT).message.contains("V_OTHER"));
    scenario.secret("later", json!({"user": "shop"}));
    pod.wait_for_log("app", "V_OTHER=shop\nV_TOO=xshop\nV_USER=shop\n");
}

fn reference_forbidden(scenario: &Scenario) {
    let path = "secret/data/of-somebody-else/app";
    let pod = pod(scenario, WAIT, &[("V_USER", &format!("vault:{path}#user"))]).run();
    never_starts(&pod, &["app V_USER", path, "permission denied"]);
}

fn reference_leased(scenario: &Scenario) {
    let path = scenario.leased_secrets();
    let value = format!(r##">>vault:{path}#certificate#{{"common_name": "app.test"}}"##);
    let pod = pod(scenario, WAIT, &[("V_CERTIFICATE", &value)]).run();
    never_starts(
        &pod,
        &["V_CERTIFICATE", &path, "is dynamic", "on-change: restart"],
    );
    assert!(!pod.log(AGENT_INIT).contains("BEGIN"));
}

/// KV version 1 answers nothing to a write.
fn reference_without_answer(scenario: &Scenario) {
    let path = scenario.secret_v1("app", json!({"user": "shop"}));
    let value = format!(r##">>vault:{path}#user#{{"user": "other"}}"##);
    let pod = pod(scenario, WAIT, &[("V_USER", &value)]).run();
    let (end, _) = pod.wait_until_first_run_ended("app");
    assert_eq!(end.status, 1);
    pod.wait_for_log(
        "app",
        "the variable V_USER refers to Vault and is not resolved",
    );
}

/// What comes from a ConfigMap cannot be seen when the pod is admitted.
fn reference_in_config_map(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let reference = format!("vault:{path}#user");
    scenario.put_config_map("app", &[("V_HIDDEN", &reference)]);
    let mut app = container("app", WAIT, &[("V_USER", &reference)]);
    app["envFrom"] = json!([{"configMapRef": {"name": "app"}}]);
    let pod = scenario.pod().container_with(app).run();
    let (end, _) = pod.wait_until_first_run_ended("app");
    assert_eq!(end.status, 1);
    pod.wait_for_log(
        "app",
        "the variable V_HIDDEN refers to Vault and is not resolved",
    );
}

fn reference_restarts(scenario: &Scenario) {
    let path = scenario.change_word("first");
    let script = format!("{SHOW}trap 'echo stopping; exit 0' TERM; sleep 1000 & wait");
    let pod = pod(
        scenario,
        &script,
        &[("V_WORD", &format!("vault:{path}#word"))],
    )
    .annotate("on-change", "restart")
    .run();
    pod.wait_for_log("app", "V_WORD=first\n");
    pod.wait_until_ready();
    scenario.change_word("second");
    pod.wait_for_log("app", "V_WORD=second\n");
    assert_eq!(pod.restarts("app"), 1);
    let said = "tvsi: env: a secret has changed: the application ends, to be started again\n";
    let log = pod.log("app");
    // Output and errors come in any order.
    assert_eq!(
        log.replacen(said, "", 1),
        "V_WORD=first\nstopping\nV_WORD=second\n"
    );
    assert_ne!(log, log.replacen(said, "", 1));
    scenario.delete_without_traces(&pod);
    pod.assert_not_killed();
}

/// Both variables are of one certificate, and the next run has those of the next one.
fn reference_leased_restarts(scenario: &Scenario) {
    let path = scenario.leased_secrets();
    scenario.write(
        &format!("leased-{}/roles/app", scenario.name),
        &json!({"allow_any_name": true, "key_type": "ec", "generate_lease": true, "ttl": "30s"}),
    );
    let value = format!(r##">>vault:{path}#serial_number#{{"common_name": "app.test"}}"##);
    let pod = pod(scenario, &show(), &[("V_A", &value), ("V_B", &value)])
        .annotate("on-change", "restart")
        .run();
    pod.wait_for_log("app", "V_B=");
    let numbers = |name: &str| {
        let log = pod.log("app");
        let numbers = log.lines().filter_map(|line| line.strip_prefix(name));
        numbers.map(str::to_owned).collect::<Vec<_>>()
    };
    pod.wait_until_true("the application was started again", || {
        numbers("V_B=").len() > 1
    });
    let numbers_of_a = numbers("V_A=");
    assert_ne!(numbers_of_a[0], numbers_of_a[1]);
    assert_eq!(numbers_of_a, numbers("V_B="));
}

fn file_restarts(scenario: &Scenario) {
    let path = scenario.change_word("first");
    let script = format!("grep word /opt/talend/secrets/word; {WAIT}");
    let pod = scenario
        .pod()
        .annotate("secrets-path", &path)
        .annotate("secrets-destination", "word")
        .annotate("on-change", "restart")
        .container("app", &script)
        .run();
    pod.wait_for_log("app", "word=first\n");
    scenario.change_word("second");
    pod.wait_for_log("app", "word=second\n");
    assert_eq!(pod.restarts("app"), 1);
    scenario.delete_without_traces(&pod);
    pod.assert_not_killed();
}

/// An application that does not mind TERM is killed after the pod's grace period.
fn restart_grace(scenario: &Scenario) {
    let path = scenario.change_word("first");
    let script = format!("trap 'echo no' TERM; {SHOW} while :; do sleep 1; done");
    let pod = pod(
        scenario,
        &script,
        &[("V_WORD", &format!("vault:{path}#word"))],
    )
    .annotate("on-change", "restart")
    .spec("terminationGracePeriodSeconds", json!(4))
    .run();
    pod.wait_for_log("app", "V_WORD=first\n");
    scenario.change_word("second");
    pod.wait_for_log("app", "V_WORD=second\n");
    assert!(pod.log("app").contains("no\n"));
    let (end, _) = pod.wait_until_first_run_ended("app");
    assert_eq!(end.status, 137);
}

fn env_names(scenario: &Scenario) {
    let path = scenario.secret(
        "app",
        json!({"user": "shop", "pass word": "x", "other": "no"}),
    );
    let too = scenario.secret("too", json!({"key": "k"}));
    let pod = scenario
        .pod()
        .annotate("secrets-type", "static")
        .annotate("secrets-injection-method", "env")
        .annotate("secrets-path", &format!("{path},{too}"))
        .annotate("secrets-destination", "a,b")
        .annotate("env-prefix", "V_,V_TOO_")
        .annotate("env-names", "user, V_PASSWORD=pass word\n---\nkey")
        .container("app", &show())
        .run();
    pod.wait_for_log("app", "V_user=");
    assert_eq!(pod.log("app"), "V_PASSWORD=x\nV_TOO_key=k\nV_user=shop\n");
}

/// An image of the cluster on this machine, if its registry has images.
fn image(name: &str) -> Option<String> {
    TcpStream::connect(LOCAL_REGISTRY).ok()?;
    Some(format!("{LOCAL_REGISTRY}/test/{name}:1"))
}

const NO_REGISTRY: &str = "there is no registry: docker-registry is not installed";

/// Containers without a command run what their images do, which is looked up in the registry.
fn image_lookup(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"user": "shop"}));
    let env = json!([{"name": "V", "value": format!("vault:{path}#user")}, {"name": "A", "value": "of a"}]);
    let images = ["entrypoint", "cmd", "both", "shell", "user", "distroless"];
    let mut pod = scenario.pod().spec("restartPolicy", json!("Never"));
    for name in images {
        let Some(image) = image(name) else {
            return scenario.was_not_run(NO_REGISTRY);
        };
        pod = pod.container_with(json!({
            "name": name, "image": image, "env": env,
            "securityContext": {"readOnlyRootFilesystem": true},
        }));
    }
    let arguments = json!({
        "name": "arguments", "image": image("both"), "env": env, "args": ["check", "$(A)"],
    });
    let pod = pod.container_with(arguments).run();
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    for name in images.into_iter().chain(["arguments"]) {
        let log = pod.log(name);
        assert!(
            log.contains("\nV=shop\n") || log.starts_with("V=shop\n"),
            "{name}: {log}"
        );
    }
    // Of an image's command, Kubernetes replaces nothing.
    assert!(pod.log("both").starts_with("$(A) two  words\n"));
    assert!(pod.log("arguments").starts_with("check of a\n"));
}

/// Probes and hooks see the variables too.
fn image_lookup_probes(scenario: &Scenario) {
    let Some(image) = image("serve") else {
        return scenario.was_not_run(NO_REGISTRY);
    };
    let path = scenario.secret("app", json!({"user": "shop"}));
    let look = |what: &str| {
        let script = format!("until echo \"{what}: $V\" >/proc/1/fd/1; do sleep 0.1; done");
        json!({"command": ["/bin/sh", "-c", script]})
    };
    let container = json!({
        "name": "app", "image": image,
        "env": [{"name": "V", "value": format!("vault:{path}#user")}],
        "readinessProbe": {"exec": look("readiness"), "periodSeconds": 1},
        "lifecycle": {"postStart": {"exec": look("postStart")}, "preStop": {"exec": look("preStop")}},
    });
    let pod = scenario.pod().container_with(container).run();
    pod.wait_until_ready();
    for what in ["app", "postStart", "readiness"] {
        pod.wait_for_log("app", &format!("{what}: shop\n"));
    }
    pod.delete();
    pod.wait_for_log("app", "preStop: shop\n");
}

fn image_lookup_missing(scenario: &Scenario) {
    let Some(image) = image("nothing-of-this-name") else {
        return scenario.was_not_run(NO_REGISTRY);
    };
    let path = scenario.secret("app", json!({"user": "shop"}));
    let mut app = container("app", "", &[("V", &format!("vault:{path}#user"))]);
    app["image"] = json!(image);
    app.as_object_mut().expect("an object").remove("command");
    let error = scenario.try_to_apply(scenario.pod().container_with(app).object);
    let error = format!("{:#}", error.expect_err("it is rejected"));
    assert!(error.contains("container app: has no command"), "{error}");
    assert!(error.contains("its registry cannot be reached"), "{error}");
}
