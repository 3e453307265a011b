//! `vsi inject`: annotated pods come out injected, and everything else as it was.

use serde_json::{Value, json};

use crate::support::{Directory, json_documents, output_of, vsi, yaml_documents};

const PLAIN: &str = "\
# A ConfigMap: nothing to do.
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}   # with a comment
data:
  enabled: 'yes'
  mode: 0644
";

const POD: &str = "\
# The shop.
apiVersion: v1
kind: Pod
metadata:
  name: shop
  annotations:
    sidecar.vault.talend.org/inject: 'true'
    sidecar.vault.talend.org/role: shop
    sidecar.vault.talend.org/secrets-path: secret/shop
spec:
  containers:
    - name: shop
      image: shop:1
      env:
        - {name: ENABLED, value: \"yes\"}
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders}
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata:
      labels: {app: orders}
      annotations:
        sidecar.vault.talend.org/inject: 'true'
        sidecar.vault.talend.org/role: shop
        sidecar.vault.talend.org/secrets-path: secret/shop
    spec:
      containers: [{name: orders, image: 'orders:1'}]
";

fn names(containers: &Value) -> Vec<&str> {
    let containers = containers.as_array().map_or(&[][..], Vec::as_slice);
    containers
        .iter()
        .map(|container| container["name"].as_str().unwrap_or_default())
        .collect()
}

#[test]
fn what_changes_nothing_passes_byte_for_byte() {
    let no_manifest = "replicas: 3\nimage: {tag: on}\n";
    let text = format!("{PLAIN}---\n{no_manifest}---\n# nothing here\n---\n{PLAIN}...\n");
    let directory = Directory::with("app.yaml", &text);
    let command = directory.vsi(&["inject", "-f", "app.yaml"]);
    assert_eq!(output_of(command), text);
}

#[test]
fn an_injected_document_keeps_its_place_its_order_and_its_quotes() {
    let text = format!("{PLAIN}---\n{POD}---\n{PLAIN}");
    let directory = Directory::with("app.yaml", &text);
    let output = output_of(directory.vsi(&["inject", "-f", "app.yaml"]));

    let rest = output.strip_prefix(&format!("{PLAIN}---\n")).unwrap();
    let pod = rest.strip_suffix(&format!("---\n{PLAIN}")).unwrap();
    let head = "\
# The shop.
apiVersion: v1
kind: Pod
metadata:
  name: shop
  annotations:
    sidecar.vault.talend.org/inject: 'true'
    sidecar.vault.talend.org/role: shop
    sidecar.vault.talend.org/secrets-path: secret/shop
    sidecar.vault.talend.org/status: injected
spec:
  containers:
  - name: shop
    image: shop:1
    env:
    - {name: ENABLED, value: \"yes\"}
    volumeMounts:
";
    assert!(pod.starts_with(head), "{pod}");
    assert!(!pod.contains("kube-api-access"), "{pod}");
    let containers = &yaml_documents(pod)[0]["spec"]["containers"];
    assert_eq!(
        names(containers),
        ["shop", "tvsi-vault-agent", "tvsi-consul-template"]
    );
}

#[test]
fn the_same_documents_come_out_in_json() {
    let text = format!("{PLAIN}---\n{POD}---\n# nothing\n---\n{DEPLOYMENT}");
    let directory = Directory::with("app.yaml", &text);
    let yaml = output_of(directory.vsi(&["inject", "-f", "app.yaml"]));
    let json = json_documents(&output_of(
        directory.vsi(&["inject", "-f", "app.yaml", "-o", "json"]),
    ));
    let kinds: Vec<_> = json.iter().map(|document| &document["kind"]).collect();
    assert_eq!(kinds, ["ConfigMap", "Pod", "Deployment"]);
    // To kubectl, whose reading the JSON has, 0644 is octal; to YAML 1.2 it is not.
    assert_eq!(json[0]["data"]["mode"], 420);
    assert_eq!(yaml_documents(&yaml)[1], json[1]);
    assert_eq!(yaml_documents(&yaml)[3], json[2]);
}

#[test]
fn patches_make_the_submitted_documents_the_injected_ones() {
    let text = format!("{PLAIN}---\n{POD}---\n{DEPLOYMENT}");
    let directory = Directory::with("app.yaml", &text);
    let injected = json_documents(&output_of(
        directory.vsi(&["inject", "-f", "app.yaml", "-o", "json"]),
    ));
    let patches = json_documents(&output_of(
        directory.vsi(&["inject", "-f", "app.yaml", "-o", "patch"]),
    ));
    assert_eq!(patches.len(), 3);
    assert_eq!(patches[0], json!([]));
    for index in [1, 2] {
        let mut document = yaml_documents(&text)[index].clone();
        let patch: json_patch::Patch = serde_json::from_value(patches[index].clone()).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
        assert_eq!(document, injected[index]);
    }
}

#[test]
fn a_diff_shows_what_is_added_and_nothing_else() {
    let text = format!("{PLAIN}---\n{DEPLOYMENT}");
    let directory = Directory::with("app.yaml", text);
    let output = output_of(directory.vsi(&["inject", "-f", "app.yaml", "-o", "diff"]));
    let (table, difference) = output.split_once("---").expect("there is a difference");
    let names = table.lines().map(|line| line.split_whitespace().nth(1));
    let expected = [
        "container",
        "orders",
        "tvsi-vault-agent",
        "tvsi-consul-template",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected.map(Some), "{table}");
    let mut lines = difference.lines();
    assert_eq!(lines.next(), Some(" app.yaml (Deployment/orders)"));
    assert_eq!(
        lines.next(),
        Some("+++ app.yaml (Deployment/orders), injected")
    );
    assert!(output.contains("\n+        sidecar.vault.talend.org/status: injected\n"));
    assert!(!output.contains('\u{1b}'), "no colours in a pipe");
    assert!(output.contains(" lines, which --full shows)\n"), "{output}");
    assert!(!output.contains("vault agent -config"), "{output}");
}

#[test]
fn a_full_diff_shows_the_scripts() {
    let directory = Directory::with("app.yaml", DEPLOYMENT);
    let difference =
        output_of(directory.vsi(&["inject", "-f", "app.yaml", "-o", "diff", "--full"]));
    let injected = output_of(directory.vsi(&["inject", "-f", "app.yaml"]));
    let added = |text: &str| {
        text.lines()
            .filter(|line| line.contains("vault agent -config"))
            .count()
    };
    assert_eq!(added(&difference), added(&injected));
    assert_ne!(added(&difference), 0);
    assert!(!difference.contains("--full"), "{difference}");
}

#[test]
fn a_diff_has_colours_where_they_are_wanted() {
    let directory = Directory::with("app.yaml", DEPLOYMENT);
    let mut command = directory.vsi(&["inject", "-f", "app.yaml", "-o", "diff"]);
    command.env("CLICOLOR_FORCE", "1");
    assert!(output_of(command).contains("\u{1b}[32m+"));

    let mut command = directory.vsi(&["inject", "-f", "app.yaml", "-o", "diff"]);
    command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    assert!(!output_of(command).contains('\u{1b}'));
}

#[test]
fn the_objects_of_lists_are_injected_where_they_are() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        yaml_documents(PLAIN)[0],
        yaml_documents(DEPLOYMENT)[0],
        {"apiVersion": "v1", "kind": "List", "items": [yaml_documents(POD)[0]]},
    ]});
    let directory = Directory::with("list.json", list.to_string());
    let output = output_of(directory.vsi(&["inject", "-f", "list.json", "-o", "json"]));
    let injected = &json_documents(&output)[0];
    assert_eq!(injected["items"][0], list["items"][0]);
    let template = &injected["items"][1]["spec"]["template"];
    assert_eq!(
        names(&template["spec"]["containers"]),
        ["orders", "tvsi-vault-agent", "tvsi-consul-template"]
    );
    let pod = &injected["items"][2]["items"][0];
    assert_eq!(
        names(&pod["spec"]["containers"]),
        ["shop", "tvsi-vault-agent", "tvsi-consul-template"]
    );
}

#[test]
fn the_items_of_a_typed_list_need_not_say_what_they_are() {
    let mut pod = yaml_documents(POD)[0].clone();
    let fields = pod.as_object_mut().unwrap();
    fields.remove("apiVersion");
    fields.remove("kind");
    let list = json!({"apiVersion": "v1", "kind": "PodList", "items": [pod]});
    let directory = Directory::with("list.json", list.to_string());
    let output = output_of(directory.vsi(&["inject", "-f", "list.json", "-o", "json"]));
    let injected = &json_documents(&output)[0]["items"][0];
    assert_eq!(injected.get("kind"), None);
    assert_eq!(injected.get("apiVersion"), None);
    assert_eq!(
        names(&injected["spec"]["containers"]),
        ["shop", "tvsi-vault-agent", "tvsi-consul-template"]
    );
}

#[test]
fn what_is_injected_is_left_alone() {
    let once = output_of(vsi(&["inject", "-f", "deploy/samples"]));
    assert!(once.contains("sidecar.vault.talend.org/status: injected"));
    let directory = Directory::with("injected.yaml", &once);
    let twice = output_of(directory.vsi(&["inject", "-f", "injected.yaml"]));
    assert_eq!(twice, once);
}

#[test]
fn files_directories_and_standard_input_are_read_in_the_order_given() {
    let config_map =
        |name| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let directory = Directory::new();
    for (file, name) in [
        ("last.yaml", "last"),
        ("all/b.yml", "b"),
        ("all/a.json", "{\"kind\": \"A\"}"),
        ("all/README.md", "no manifest"),
        ("all/below/c.yaml", "c"),
    ] {
        let content = match name.starts_with('{') {
            true => name.to_owned(),
            false => config_map(name),
        };
        directory.write(file, content);
    }
    let read = |arguments: &[&str]| {
        let mut command = directory.vsi(&[&["inject", "-o", "json"], arguments].concat());
        command.write_stdin(config_map("piped"));
        json_documents(&output_of(command))
            .iter()
            .map(|it| it.pointer("/metadata/name").unwrap_or(&it["kind"]))
            .map(|name| name.as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        read(&["-f", "all", "-f", "-", "-f", "last.yaml"]),
        "A b piped last"
    );
    assert_eq!(read(&["-R", "-f", "all", "last.yaml"]), "A b c last");
    assert_eq!(read(&["-f", "-"]), "piped");
}

#[test]
fn the_pods_of_jobs_are_in_mode_job() {
    let output = output_of(vsi(&[
        "inject",
        "-f",
        "deploy/samples/cronjob-dynamic-proxy.yaml",
        "-o",
        "json",
    ]));
    let template = json_documents(&output)
        .into_iter()
        .find(|document| document["kind"] == "CronJob")
        .unwrap()["spec"]["jobTemplate"]["spec"]["template"]
        .clone();
    assert!(names(&template["spec"]["containers"]).contains(&"tvsi-job-babysitter"));
    // What is assumed of the job's pod is not left behind.
    assert_eq!(template["metadata"].get("ownerReferences"), None);
    assert_eq!(template["metadata"].get("generateName"), None);
    assert_eq!(template.get("kind"), None);
}

#[test]
fn settings_and_the_namespace_count() {
    let directory = Directory::with("pod.yaml", POD);
    directory.write("settings.yaml", "agent: {image: 'mirror/vault:1'}\n");
    directory.write(
        "policy.yaml",
        "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {name: vault}\nspec:\n  mutating: true\n  settings: {agent: {image: 'mirror/vault:2'}}\n",
    );
    for (file, image) in [
        ("settings.yaml", "mirror/vault:1"),
        ("policy.yaml", "mirror/vault:2"),
    ] {
        let output = output_of(directory.vsi(&["inject", "-f", "pod.yaml", "--settings", file]));
        assert!(output.contains(&format!("image: {image}\n")), "{output}");
    }
    // Namespaces that the settings ignore are left alone.
    let output = output_of(directory.vsi(&["inject", "-f", "pod.yaml", "-n", "kube-system"]));
    assert_eq!(output, POD);
}

#[test]
fn nothing_is_printed_when_something_is_rejected() {
    let wrong = POD.replace("role: shop", "mode: sideways");
    let directory = Directory::with("app.yaml", format!("{DEPLOYMENT}---\n{wrong}"));
    for format in ["yaml", "json", "patch", "diff"] {
        directory
            .vsi(&["inject", "-f", "app.yaml", "-o", format])
            .assert()
            .code(1)
            .stdout("")
            .stderr(predicates::str::contains(
                "app.yaml:23: error: document 2, Pod/shop, sidecar.vault.talend.org/mode: ",
            ));
    }
}

#[test]
fn a_warning_does_not_hold_back_the_output() {
    let mistyped = POD.replace(
        "role: shop",
        "role: shop\n    sidecar.vault.talend.org/notfy: x",
    );
    let directory = Directory::with("app.yaml", mistyped);
    directory
        .vsi(&["inject", "-f", "app.yaml"])
        .assert()
        .success()
        .stdout(predicates::str::contains("tvsi-vault-agent"))
        .stderr(predicates::str::contains(
            "app.yaml:9: warning: document 1, Pod/shop, sidecar.vault.talend.org/notfy: ",
        ));
}

#[test]
fn it_reports_that_nothing_is_annotated() {
    vsi(&["inject", "-f", "-"])
        .write_stdin(PLAIN)
        .assert()
        .success()
        .stdout(PLAIN)
        .stderr("vsi: 0 of 0 pods and workloads injected\n");
}

#[test]
fn what_cannot_be_read_is_an_error_of_the_command() {
    let directory = Directory::with("empty/README.md", "");
    directory.write("latin.yaml", b"name: caf\xe9\n");
    for (arguments, message) in [
        (
            &["inject", "-f", "missing.yaml"][..],
            "cannot read the manifests missing.yaml",
        ),
        (
            &["inject", "-f", "empty"],
            "the directory empty has no file",
        ),
        (
            &["inject", "-f", "latin.yaml"],
            "latin.yaml: stream did not contain valid UTF-8",
        ),
        (&["inject"], "--filename <FILE>"),
        (
            &["inject", "-f", "-", "-o", "toml"],
            "yaml, json, patch, diff",
        ),
        (
            &["inject", "-f", "-", "--policy", "missing.wasm"],
            "cannot read the policy missing.wasm",
        ),
        (
            &["inject", "-f", "-", "--settings", "missing.yaml"],
            "missing.yaml",
        ),
    ] {
        directory
            .vsi(arguments)
            .write_stdin("")
            .assert()
            .code(2)
            .stdout("")
            .stderr(predicates::str::contains(message));
    }
}

/// As a cluster makes them: only what Jobs of the group `batch` own is theirs.
#[test]
fn pods_of_jobs_are_known_by_their_owner() {
    let template = json!({
        "metadata": {"annotations": {
            "sidecar.vault.talend.org/inject": "true",
            "sidecar.vault.talend.org/role": "shop",
            "sidecar.vault.talend.org/secrets-path": "secret/shop",
        }},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "import"}]},
    });
    let job = json!({"spec": {"template": template}});
    let cron_job = json!({"spec": {"jobTemplate": job}});
    for (api_version, kind, mut object, path) in [
        ("batch/v1", "Job", job, "/spec/template"),
        (
            "batch/v1",
            "CronJob",
            cron_job,
            "/spec/jobTemplate/spec/template",
        ),
    ] {
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        object["metadata"] = json!({"name": "import"});
        let directory = Directory::with("app.json", object.to_string());
        let mut inject = directory.vsi(&["inject", "-f", "app.json", "-o", "json"]);
        let output = inject
            .assert()
            .success()
            .stderr("")
            .get_output()
            .stdout
            .clone();
        let injected = &json_documents(&String::from_utf8(output).unwrap())[0];
        let spec = &injected.pointer(path).unwrap()["spec"];
        assert_eq!(
            names(&spec["containers"]).last(),
            Some(&"tvsi-job-babysitter"),
            "{kind}"
        );
    }
}

/// The controller gives its pods a volume for each claim; what is printed has none of them.
#[test]
fn a_stateful_sets_claims_are_volumes_of_its_pods() {
    let set = |claim: &str| {
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "keys"},
            "spec": {
                "volumeClaimTemplates": [{"metadata": {"name": claim}}],
                "template": {
                    "metadata": {"annotations": {
                        "sidecar.vault.talend.org/inject": "true",
                        "sidecar.vault.talend.org/role": "shop",
                        "sidecar.vault.talend.org/secrets-path": "secret/shop",
                    }},
                    "spec": {
                        "containers": [{
                            "name": "keys",
                            "volumeMounts": [{"name": claim, "mountPath": "/data"}],
                        }],
                        "volumes": [
                            {"name": "first", "emptyDir": {}},
                            {"name": "data", "emptyDir": {}},
                            {"name": "last", "emptyDir": {}},
                        ],
                    },
                },
            },
        })
    };
    let directory = Directory::with("app.json", set("data").to_string());
    let output = output_of(directory.vsi(&["inject", "-f", "app.json", "-o", "json"]));
    let injected = &json_documents(&output)[0];
    let volumes = &injected["spec"]["template"]["spec"]["volumes"];
    assert_eq!(
        names(volumes),
        [
            "first",
            "data",
            "last",
            "secrets",
            "tvsi-shared",
            "tvsi-config",
            "tvsi-no-token"
        ]
    );
    assert_eq!(volumes[1], json!({"name": "data", "emptyDir": {}}));

    // What a claim brings is the application's, whatever it is called.
    let directory = Directory::with("app.json", set("secrets").to_string());
    let output = output_of(directory.vsi(&["inject", "-f", "app.json", "-o", "json"]));
    let injected = &json_documents(&output)[0]["spec"]["template"]["spec"];
    let volumes = names(&injected["volumes"]);
    assert_eq!(volumes[3], "tvsi-secrets", "{volumes:?}");
    assert!(!volumes.contains(&"secrets"), "{volumes:?}");
    let mounts = &injected["containers"][0]["volumeMounts"];
    assert_eq!(names(mounts), ["secrets", "tvsi-secrets"]);
}

/// What becomes of its pods only the controller knows.
#[test]
fn other_kinds_are_printed_as_they_are() {
    let rollout = DEPLOYMENT
        .replace("apps/v1", "argoproj.io/v1alpha1")
        .replace("Deployment", "Rollout");
    let directory = Directory::with("app.yaml", &rollout);
    let mut inject = directory.vsi(&["inject", "-f", "app.yaml"]);
    inject
        .assert()
        .success()
        .stdout(rollout)
        .stderr("vsi: 0 of 1 pods and workloads injected, 1 of other kinds checked\n");
}

/// The Agent Injector's annotations, for the settings that enable them.
#[test]
fn annotations_of_the_agent_injector_are_enabled_by_settings() {
    let pod = POD
        .replace(
            "sidecar.vault.talend.org/inject",
            "vault.hashicorp.com/agent-inject",
        )
        .replace("sidecar.vault.talend.org/role", "vault.hashicorp.com/role")
        .replace(
            "sidecar.vault.talend.org/secrets-path",
            "vault.hashicorp.com/agent-inject-secret-db",
        );
    let directory = Directory::with("app.yaml", &pod);
    directory.write("settings.yaml", "agentInjector: {enabled: true}\n");
    let disabled = directory.vsi(&["inject", "-f", "app.yaml"]);
    assert_eq!(output_of(disabled), pod);

    let enabled = directory.vsi(&["inject", "-f", "app.yaml", "--settings", "settings.yaml"]);
    let pod = yaml_documents(&output_of(enabled)).remove(0);
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(
        annotations["vault.hashicorp.com/agent-inject-status"],
        "injected"
    );
    let spec = &pod["spec"];
    assert_eq!(names(&spec["initContainers"]), ["vault-agent-init"]);
    assert_eq!(names(&spec["containers"]), ["shop", "vault-agent"]);
    assert_eq!(
        spec["containers"][0]["volumeMounts"][0]["mountPath"],
        "/vault/secrets"
    );
}
