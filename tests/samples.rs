//! The workloads of `deploy/samples`: each is injected with what it promises, and without a warning unless it shows
//! what one is about.

mod support;

use std::path::{Path, PathBuf};

use policy_host::service_account::mount_token;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{creation_of, evaluate_module, evaluate_natively, payload, read_yaml, root};

/// What each pod has in the end, its init containers and its containers. Those that are injected are
/// J (`tvsi-job-babysitter-init`), I (`tvsi-vault-agent-init`), E (`tvsi-env-init`), A (`tvsi-vault-agent`),
/// C (`tvsi-consul-template`) and B (`tvsi-job-babysitter`).
const SAMPLES: [(&str, &str, &str); 28] = [
    ("cronjob-dynamic-proxy.yaml", "J", "backup A C B"),
    ("cronjob-static.yaml", "I", "report"),
    ("daemonset-vault-agent-engine.yaml", "", "log-shipper A"),
    ("deployment-approle-files.yaml", "approle", "mailer A C"),
    ("deployment-approle-secret.yaml", "I", "images"),
    ("deployment-dotenv.yaml", "I", "basket"),
    ("deployment-dynamic.yaml", "", "orders A C"),
    ("deployment-env.yaml", "I E", "checkout"),
    ("deployment-files-in-directories.yaml", "I", "pages A C"),
    ("deployment-helm.yaml", "", "catalog A C"),
    ("deployment-jwt.yaml", "", "returns A C"),
    ("deployment-mesh.yaml", "A C", "payments"),
    ("deployment-one-of-several.yaml", "", "search metrics A C"),
    ("deployment-proxy.yaml", "", "cards A"),
    ("deployment-references.yaml", "I E", "orders"),
    ("deployment-restart.yaml", "E", "billing A C"),
    ("deployment-signal.yaml", "", "A C nginx"),
    ("deployment-static-proxy.yaml", "I", "invoices A"),
    ("deployment-static.yaml", "I", "web"),
    ("job-dynamic.yaml", "J", "migration A C B"),
    ("job-native.yaml", "A C", "invoices"),
    ("job-proxy.yaml", "J", "rotation A B"),
    ("job-static-proxy.yaml", "J I", "import A B"),
    ("other-vault/deployment.yaml", "", "reports A C"),
    ("statefulset-dynamic-proxy.yaml", "", "stock A C"),
    ("statefulset-hook.yaml", "", "A C ledger"),
    ("statefulset-same-user.yaml", "I", "postgres"),
    ("statefulset-templates-notify.yaml", "", "prometheus A C"),
];

#[test]
fn every_sample_is_in_the_table() {
    let samples = root().join("deploy/samples");
    let mut names: Vec<_> = files(&samples)
        .iter()
        .map(|path| path.strip_prefix(&samples).unwrap().display().to_string())
        .filter(|name| !name.ends_with("/settings.yaml"))
        .collect();
    names.sort();
    assert_eq!(names, SAMPLES.map(|(name, ..)| name));
}

#[test]
fn every_sample_gets_what_it_promises() {
    for (name, init_containers, containers) in SAMPLES {
        let pod = submitted_pod(&workload(&root().join("deploy/samples").join(name)));
        let payload = payload(&creation_of(&pod), &settings(name));
        let answer = evaluate_module(&payload);
        assert_eq!(answer, evaluate_natively(&payload), "{name}");
        assert_eq!(answer["accepted"], true, "{name}: {answer}");
        let warnings = answer["warnings"].as_array().map_or(0, Vec::len);
        let shares_processes =
            ["deployment-signal.yaml", "statefulset-same-user.yaml"].contains(&name);
        assert_eq!(warnings > 0, shares_processes, "{name}: {answer}");
        let spec = &answer["mutated_object"]["spec"];
        assert_eq!(names(&spec["initContainers"]), init_containers, "{name}");
        assert_eq!(names(&spec["containers"]), containers, "{name}");
    }
}

/// What docs/how-to/openshift.md promises: no user and no group of ours, which OpenShift would reject.
#[test]
fn samples_leave_the_user_to_openshift() {
    let overlay = read_yaml(&root().join("deploy/overlays/openshift/settings.yaml"));
    let settings = &overlay["spec"]["settings"];
    for name in ["deployment-dynamic.yaml", "job-native.yaml"] {
        let pod = submitted_pod(&workload(&root().join("deploy/samples").join(name)));
        let answer = evaluate_natively(&payload(&creation_of(&pod), settings));
        assert_eq!(answer["accepted"], true, "{name}: {answer}");
        let spec = &answer["mutated_object"]["spec"];
        let containers = ["initContainers", "containers"].map(|list| spec[list].as_array());
        let injected: Vec<_> = containers
            .into_iter()
            .flatten()
            .flatten()
            .filter(|container| container["name"].as_str().unwrap().starts_with("tvsi-"))
            .collect();
        assert_eq!(injected.len(), 2, "{name}");
        for container in injected {
            let context = container["securityContext"].as_object().unwrap();
            assert_eq!(context["runAsNonRoot"], true, "{name}");
            assert!(!context.contains_key("runAsUser"), "{name}: {container}");
            assert!(!context.contains_key("runAsGroup"), "{name}: {container}");
        }
    }
}

/// The API server, etcd and everyone who reads a pod pay for what is added. A pod with two classic sidecars grows by at most
/// 8 KB, and one with native sidecars, which have startup probes, by at most 9. Those of classic Jobs get two more
/// containers.
#[test]
fn pods_with_two_sidecars_stay_small() {
    let mut held = 0;
    for (name, init_containers, containers) in SAMPLES {
        let names = init_containers.split(' ').chain(containers.split(' '));
        let injected: String = names.filter(|name| name.len() == 1).collect();
        let most = match (init_containers, &*injected) {
            ("A C", "AC") => 9 * 1024,
            (_, "AC") => 8 * 1024,
            _ => continue,
        };
        let pod = submitted_pod(&workload(&root().join("deploy/samples").join(name)));
        let answer = evaluate_natively(&payload(&creation_of(&pod), &settings(name)));
        let added = answer["mutated_object"].to_string().len() - pod.to_string().len();
        assert!(
            added <= most,
            "{name} grows by {added} bytes, and by at most {most}"
        );
        held += 1;
    }
    assert_eq!(held, 12);
}

/// The pictures of docs/concepts.md: the containers of a sample in their order, and which volumes in memory they can
/// write or only read.
#[test]
fn pictures_show_what_samples_get() {
    let pictures = ["dynamic", "env", "job", "native", "proxy", "static"];
    for name in pictures {
        let path = root().join(format!("docs/concepts-{name}.svg"));
        let picture = Picture::read(&std::fs::read_to_string(&path).unwrap());
        let pod = submitted_pod(&workload(&root().join(&picture.sample)));
        let answer = evaluate_natively(&payload(&creation_of(&pod), &json!({})));
        let spec = &answer["mutated_object"]["spec"];
        let of_kind = |kind: &str| spec[kind].as_array().cloned().unwrap_or_default();
        let containers = [of_kind("initContainers"), of_kind("containers")].concat();
        let rows: Vec<_> = containers
            .iter()
            .map(|container| row(container, &picture.volumes))
            .collect();
        assert_eq!(picture.rows, rows, "{name}");
        for volume in &picture.volumes {
            let pod_has_it = of_kind("volumes").iter().any(|of_pod| {
                of_pod["name"] == volume.as_str() && of_pod["emptyDir"]["medium"] == "Memory"
            });
            assert!(pod_has_it, "{name}: {volume}");
        }
    }
}

/// A container, and for each volume that it mounts whether it can write there.
type Row = (String, Vec<(String, &'static str)>);

fn row(container: &Value, volumes: &[String]) -> Row {
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    let mut shown: Vec<_> = mounts
        .filter_map(|mount| {
            let name = mount["name"].as_str()?.to_owned();
            let way = if mount["readOnly"] == true {
                "reads"
            } else {
                "writes"
            };
            volumes.contains(&name).then_some((name, way))
        })
        .collect();
    shown.sort();
    (container["name"].as_str().unwrap().to_owned(), shown)
}

/// What a picture says, whose texts are in lines of their own.
struct Picture {
    sample: String,
    volumes: Vec<String>,
    rows: Vec<Row>,
}

impl Picture {
    fn read(svg: &str) -> Self {
        let mut picture = Picture {
            sample: String::new(),
            volumes: Vec::new(),
            rows: Vec::new(),
        };
        // The volumes are the heads of columns.
        let mut columns: Vec<(&str, &str)> = Vec::new();
        for line in svg
            .lines()
            .filter(|line| line.trim_start().starts_with("<text "))
        {
            let attribute = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap_or_default();
                rest.split('"').next().unwrap_or_default()
            };
            let (class, x) = (attribute(" class"), attribute(" x"));
            let text = line.split('>').nth(1).unwrap().split('<').next().unwrap();
            match class {
                "code end" => picture.sample = text.to_owned(),
                "code middle" => columns.push((x, text)),
                "name" => picture.rows.push((text.to_owned(), Vec::new())),
                "on middle" | "off middle" => {
                    let column = columns.iter().find(|(at, _)| *at == x).unwrap();
                    let way = if text == "writes" { "writes" } else { "reads" };
                    let row = picture.rows.last_mut().unwrap();
                    row.1.push((column.1.to_owned(), way));
                    row.1.sort();
                }
                _ => {}
            }
        }
        picture.volumes = columns.iter().map(|(_, name)| (*name).to_owned()).collect();
        picture
    }
}

/// What a sample needs: the defaults, or what a file beside it says where it has a directory of its own.
fn settings(name: &str) -> Value {
    match name.split_once('/') {
        Some((directory, _)) => {
            read_yaml(&root().join(format!("deploy/samples/{directory}/settings.yaml")))
        }
        None => json!({}),
    }
}

/// The files of a directory, and of those in it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// The one document of a file that has a pod template; others may be what it needs.
fn workload(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let documents = yaml_serde::Deserializer::from_str(&text);
    let mut workloads: Vec<_> = documents
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| pod_template(document).is_some())
        .collect();
    assert_eq!(workloads.len(), 1, "{}", path.display());
    workloads.remove(0)
}

fn pod_template(workload: &Value) -> Option<&Value> {
    workload
        .pointer("/spec/template")
        .or_else(|| workload.pointer("/spec/jobTemplate/spec/template"))
}

/// The pod of a workload as the API server sends it: with the service account's token.
fn submitted_pod(workload: &Value) -> Value {
    let mut pod = pod_template(workload).unwrap().clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    mount_token(&mut pod);
    pod
}

/// The names of containers, in their order, with letters for those that are injected.
fn names(containers: &Value) -> String {
    let containers = containers.as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<_> = containers
        .iter()
        .map(|container| match container["name"].as_str().unwrap() {
            "tvsi-job-babysitter-init" => "J",
            "tvsi-vault-agent-init" => "I",
            "tvsi-env-init" => "E",
            "tvsi-vault-agent" => "A",
            "tvsi-consul-template" => "C",
            "tvsi-job-babysitter" => "B",
            own => own,
        })
        .collect();
    names.join(" ")
}
