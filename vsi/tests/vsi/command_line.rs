//! `vsi` as its users run it: arguments, files, outputs and exit codes.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::guests;

const ACCEPTED: &str =
    "{\"uid\":\"u1\",\"allowed\":true,\"auditAnnotations\":null,\"warnings\":null}\n";
const REJECTION: &str = r#"{"accepted":false,"message":"no","code":422}"#;
const MUTATION: &str = r#"{"accepted":true,"warnings":["careful"],"mutated_object":{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"shop-","labels":{"tier":"front"}}}}"#;

/// A directory of one test's own, with the files that most of them need.
struct Workspace(PathBuf);

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Workspace {
    fn new(test: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let workspace = Self(directory);
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "u1",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "operation": "CREATE",
                "userInfo": {},
                "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "shop-"}},
            },
        });
        workspace.write("request.json", review.to_string());
        workspace
    }

    fn with_policy(test: &str, module: Vec<u8>) -> Self {
        let workspace = Self::new(test);
        workspace.write("policy.wasm", module);
        workspace
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vsi"));
        command
            .current_dir(&self.0)
            .args(arguments)
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE");
        command
    }

    fn vsi(&self, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(arguments))
    }
}

fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Outcome {
    fn succeeded_with(&self, stdout: &str) {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""));
        assert_eq!(self.stdout, stdout);
    }

    fn failed_with(&self, code: i32, stderr: &str) {
        assert_eq!((self.code, &*self.stdout), (Some(code), ""));
        assert!(self.stderr.contains(stderr), "{}", self.stderr);
    }
}

#[test]
fn run_prints_one_line_of_json() {
    let workspace = Workspace::with_policy("run_prints", guests::answering(MUTATION));
    let outcome = workspace.vsi(&["run", "policy.wasm", "-r", "request.json"]);
    // The patch: [{"op":"add","path":"/metadata/labels","value":{"tier":"front"}}]
    outcome.succeeded_with(
        "{\"uid\":\"u1\",\"allowed\":true,\"patchType\":\"JSONPatch\",\"patch\":\"W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7InRpZXIiOiJmcm9udCJ9fV0=\",\"auditAnnotations\":null,\"warnings\":[\"careful\"]}\n",
    );
}

#[test]
fn run_ends_with_0_when_the_policy_rejects() {
    let workspace = Workspace::with_policy("run_rejects", guests::answering(REJECTION));
    workspace
        .vsi(&["run", "policy.wasm", "-r", "request.json"])
        .succeeded_with("{\"uid\":\"u1\",\"allowed\":false,\"status\":{\"message\":\"no\",\"code\":422},\"auditAnnotations\":null,\"warnings\":null}\n");
}

#[test]
fn run_takes_kwctls_arguments() {
    let workspace =
        Workspace::with_policy("run_arguments", guests::answering(r#"{"accepted":true}"#));
    workspace.write("settings.yaml", "vault:\n  address: https://vault:8200\n");
    workspace.write("empty.yaml", "");
    let uri = url::Url::from_file_path(workspace.0.join("policy.wasm")).unwrap();

    for arguments in [
        &["--request-path", "request.json"][..],
        &["-r", "request.json", "-s", "settings.yaml"],
        &["-r", "request.json", "--settings-path", "empty.yaml"],
        &["-r", "request.json", "--settings-json", "{\"a\":1}"],
        &["-r", "request.json", "--settings-json", "null"],
        &["-r", "request.json", "-e", "kubewarden"],
        &["-r", "request.json", "--disable-wasmtime-cache"],
    ] {
        for policy in ["policy.wasm", uri.as_str()] {
            workspace
                .vsi(&[&["run", policy], arguments].concat())
                .succeeded_with(ACCEPTED);
        }
    }
}

#[test]
fn run_reads_the_request_from_standard_input() {
    let workspace = Workspace::with_policy("run_stdin", guests::answering(r#"{"accepted":true}"#));
    let request = fs::read(workspace.0.join("request.json")).unwrap();
    let mut child = workspace
        .command(&["run", "policy.wasm", "-r", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&request).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), ACCEPTED);
}

#[test]
fn the_policy_gets_the_settings_of_a_yaml_file_and_a_raw_request_as_it_is() {
    let workspace = Workspace::with_policy("run_settings", guests::quoting());
    workspace.write("settings.yaml", "list: [a, 'on', on]\nnothing: ~\n");
    workspace.write("raw.json", "{\"uid\": \"r1\", \"nothing\": null}");
    let outcome = workspace.vsi(&[
        "run",
        "policy.wasm",
        "--raw",
        "-r",
        "raw.json",
        "-s",
        "settings.yaml",
    ]);
    let response: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(response["uid"], "r1");
    assert_eq!(
        response["status"]["message"],
        r#"internal server error: Guest call failure: {"request":{"nothing":null,"uid":"r1"},"settings":{"list":["a","on","on"],"nothing":null}}"#
    );
}

#[test]
fn a_raw_policy_gets_its_request_raw() {
    let metadata = r#"{"rules":[],"mutating":false,"policyType":"raw","protocolVersion":"v1"}"#;
    let module = guests::answering_annotated(r#"{"accepted":true}"#, metadata);
    let workspace = Workspace::with_policy("raw", module);
    workspace.write("raw.json", "[1]");
    workspace
        .vsi(&["run", "policy.wasm", "-r", "raw.json"])
        .succeeded_with(&ACCEPTED.replace("u1", ""));
}

#[test]
fn a_policy_for_another_runtime_is_rejected_unless_the_mode_is_given() {
    let metadata = r#"{"rules":[],"mutating":false,"executionMode":"gatekeeper"}"#;
    let module = guests::answering_annotated(r#"{"accepted":true}"#, metadata);
    let workspace = Workspace::with_policy("runtime", module);
    let arguments = ["run", "policy.wasm", "-r", "request.json"];
    workspace.vsi(&arguments).failed_with(
        1,
        "vsi: error: the policy policy.wasm cannot be used: its metadata has the execution mode gatekeeper",
    );
    workspace
        .vsi(&[&arguments[..], &["-e", "kubewarden"]].concat())
        .succeeded_with(ACCEPTED);
}

#[test]
fn settings_that_the_policy_refuses_are_an_error() {
    let workspace = Workspace::with_policy("rejected", guests::rejecting_settings());
    for subcommand in ["run", "diff"] {
        workspace
            .vsi(&[subcommand, "policy.wasm", "-r", "request.json"])
            .failed_with(1, "vsi: error: Provided settings are not valid: a\n");
    }
}

#[test]
fn bad_input_is_an_error_that_names_it() {
    let workspace = Workspace::with_policy("bad_input", guests::answering(REJECTION));
    workspace.write("broken.json", "{");
    workspace.write("broken.yaml", "a: [");
    workspace.write("other.json", "{\"uid\": \"u1\"}");
    workspace.write("no.wasm", "text");

    for (arguments, message) in [
        (
            &["absent.wasm", "-r", "request.json"][..],
            "cannot read the policy absent.wasm: No such file",
        ),
        (
            &["no.wasm", "-r", "request.json"],
            "the policy no.wasm cannot be used: the policy is not a valid WebAssembly module: ",
        ),
        (
            &["registry://example.com/policy:v1", "-r", "request.json"],
            "only local files can be run here",
        ),
        (
            &["policy.wasm", "-r", "absent.json"],
            "cannot read the request absent.json: No such file",
        ),
        (
            &["policy.wasm", "-r", "broken.json"],
            "the request broken.json is not valid JSON: EOF while parsing",
        ),
        (
            &["policy.wasm", "-r", "other.json"],
            "the request is not a valid AdmissionRequest: missing field `kind`",
        ),
        (
            &["policy.wasm", "-r", "request.json", "-s", "absent.yaml"],
            "cannot read the settings absent.yaml: No such file",
        ),
        (
            &["policy.wasm", "-r", "request.json", "-s", "broken.yaml"],
            "the settings broken.yaml are not valid YAML or JSON: ",
        ),
        (
            &["policy.wasm", "-r", "request.json", "--settings-json", "{"],
            "--settings-json is not valid JSON: EOF",
        ),
        (
            &["policy.wasm", "-r", "request.json", "--settings-json", "[]"],
            "settings must be an object (or null, for none), not a list",
        ),
    ] {
        for subcommand in ["run", "diff"] {
            let outcome = workspace.vsi(&[&[subcommand], arguments].concat());
            outcome.failed_with(1, message);
            assert!(
                outcome.stderr.starts_with("vsi: error: "),
                "{}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let workspace = Workspace::with_policy("usage", guests::answering(REJECTION));
    for arguments in [
        &[][..],
        &["walk"],
        &["run", "policy.wasm"],
        &["run"],
        &["run", "policy.wasm", "-r", "request.json", "-e", "opa"],
        &[
            "run",
            "policy.wasm",
            "-r",
            "request.json",
            "-s",
            "a",
            "--settings-json",
            "{}",
        ],
    ] {
        workspace.vsi(arguments).failed_with(2, "--help");
    }
}

#[test]
fn diff_shows_the_change_as_yaml() {
    let workspace = Workspace::with_policy("diff_change", guests::answering(MUTATION));
    let outcome = workspace.vsi(&["diff", "policy.wasm", "-r", "request.json"]);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stderr, "vsi: warning: careful\n");
    assert_eq!(
        outcome.stdout,
        "\
--- Pod/shop-* as submitted
+++ Pod/shop-* as admitted
@@ -2,3 +2,5 @@
 kind: Pod
 metadata:
   generateName: shop-
+  labels:
+    tier: front
"
    );
}

#[test]
fn diff_has_colours_where_they_are_wanted() {
    let workspace = Workspace::with_policy("diff_colours", guests::answering(MUTATION));
    let arguments = ["diff", "policy.wasm", "-r", "request.json"];
    let coloured = outcome(workspace.command(&arguments).env("CLICOLOR_FORCE", "1"));
    assert!(
        coloured.stdout.contains("\u{1b}[32m+  labels:\u{1b}[0m\n"),
        "{:?}",
        coloured.stdout
    );
    let without = outcome(workspace.command(&arguments).env("NO_COLOR", "1"));
    assert!(!without.stdout.contains('\u{1b}'));
}

#[test]
fn diff_prints_the_patch_or_the_object() {
    let workspace = Workspace::with_policy("diff_formats", guests::answering(MUTATION));
    let arguments = ["diff", "policy.wasm", "-r", "request.json", "-o"];
    let patch = workspace.vsi(&[&arguments[..], &["patch"]].concat());
    assert_eq!(
        serde_json::from_str::<Value>(&patch.stdout).unwrap(),
        json!([{"op": "add", "path": "/metadata/labels", "value": {"tier": "front"}}])
    );
    let object = workspace.vsi(&[&arguments[..], &["yaml"]].concat());
    assert_eq!(
        object.stdout,
        "apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: shop-\n  labels:\n    tier: front\n"
    );
}

#[test]
fn diff_says_when_there_is_nothing_to_show() {
    let workspace = Workspace::with_policy("diff_none", guests::answering(r#"{"accepted":true}"#));
    let arguments = ["diff", "policy.wasm", "-r", "request.json"];
    let outcome = workspace.vsi(&arguments);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""));
    assert_eq!(
        outcome.stderr,
        "vsi: accepted; the policy changes nothing\n"
    );
    let patch = workspace.vsi(&[&arguments[..], &["-o", "patch"]].concat());
    assert_eq!(patch.stdout, "[]\n");
}

#[test]
fn diff_ends_with_1_when_the_policy_rejects() {
    let workspace = Workspace::with_policy("diff_rejects", guests::answering(REJECTION));
    let outcome = workspace.vsi(&["diff", "policy.wasm", "-r", "request.json"]);
    outcome.failed_with(1, "vsi: rejected (code 422): no\n");
}
