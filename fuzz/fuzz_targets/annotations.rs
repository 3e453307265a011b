//! The annotations: any values, and any names under the prefix, on some valid pods under some settings.
//!
//! The first byte of an input chooses the settings and the second the pod; behind them are annotations
//! `name=value`, each after a byte `ff`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use vault_sidecar_injector_fuzz::{check_injected, creation_of, evaluate};

const PREFIX: &str = "sidecar.vault.talend.org";

static SETTINGS: LazyLock<[Value; 4]> = LazyLock::new(|| {
    [
        json!({}),
        json!({
            "sidecars": "native",
            "templateEngine": "vault-agent",
            "securityContext": null,
            "imagePullSecrets": ["registry"],
            "secrets": {"refreshSeconds": 60, "sizeLimit": null, "readOnly": false},
        }),
        json!({
            "restrictions": {
                "allowedImages": ["hashicorp/*", "registry.example.org/**"],
                "allowedRoles": ["{namespace}-*", "app"],
                "allowedVaultPaths": ["secret/{namespace}/**", "*/{serviceAccount}"],
                "allowTemplates": true,
                "lockedAnnotations": ["vault-namespace"],
                "deniedTemplateFunctions": ["*file*", "env"],
            },
            "jobs": {"autoDetect": false},
        }),
        json!({
            "vault": {
                "namespace": "team$(A)",
                "tls": {
                    "ca": {"configMapName": "ca"},
                    "clientCertificate": {"secretName": "client"},
                },
                "auth": {"kubernetes": {"tokenAudience": "vault"}},
            },
            "agent": {"resources": null},
            "secrets": {"mountPath": "/secrets"},
        }),
    ]
});

static PODS: LazyLock<[Value; 4]> = LazyLock::new(|| {
    let token_mount = json!({
        "name": "kube-api-access",
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": true,
    });
    let token_volume = json!({
        "name": "kube-api-access",
        "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
    });
    let pod = |spec: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "app",
                "labels": {"com.talend.application": "app", "com.talend.service": "orders"},
            },
            "spec": spec,
        })
    };
    let plain = pod(json!({
        "containers": [{"name": "app", "image": "app", "volumeMounts": [token_mount]}],
        "volumes": [token_volume],
    }));
    let mut of_job = pod(json!({
        "restartPolicy": "OnFailure",
        "containers": [
            {"name": "app", "image": "app", "command": ["run", "$(X)"], "volumeMounts": [token_mount]},
            {"name": "istio-proxy", "image": "proxy"},
        ],
        "volumes": [token_volume],
    }));
    of_job["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "job", "controller": true}]);
    let with_own_parts = pod(json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 4,
        "securityContext": {"runAsUser": 1000},
        "initContainers": [
            {"name": "istio-proxy", "image": "proxy", "restartPolicy": "Always"},
            {"name": "setup", "image": "setup", "command": ["set", "up"], "volumeMounts": null},
        ],
        "containers": [
            {
                "name": "app",
                "image": "app",
                "command": ["run"],
                "args": ["$HOME"],
                "livenessProbe": {"exec": {"command": ["check", "$(X)"]}},
                "lifecycle": {
                    "postStart": {"exec": {"command": ["warm", "up"]}},
                    "preStop": {"exec": {"command": ["cool", "down"]}},
                },
                "volumeMounts": [token_mount, {"name": "secrets", "mountPath": "/app/secrets/"}],
            },
            {"name": "web", "image": "web", "lifecycle": null, "ports": [{"containerPort": 8080}]},
        ],
        "volumes": [token_volume, {"name": "secrets", "emptyDir": {}}],
    }));
    let bare = pod(json!({
        "automountServiceAccountToken": false,
        "serviceAccountName": "orders",
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [{"name": "app", "image": "app", "command": ["run"]}],
    }));
    [plain, of_job, with_own_parts, bare]
});

fuzz_target!(|input: &[u8]| {
    let [settings, pod, annotations @ ..] = input else {
        return;
    };
    let settings = &SETTINGS[usize::from(*settings) % 4];
    let mut pod = PODS[usize::from(*pod) % 4].clone();
    pod["metadata"]["annotations"] = json!({
        "kept": "as it is",
        format!("{PREFIX}/inject"): "true",
    });
    for annotation in annotations.split(|byte| *byte == 0xff) {
        let annotation = String::from_utf8_lossy(annotation);
        if let Some((name, value)) = annotation.split_once('=') {
            pod["metadata"]["annotations"][format!("{PREFIX}/{name}")] = json!(value);
        }
    }
    let Some(injected) = evaluate(&creation_of(&pod, settings)).mutated_object else {
        return;
    };
    let injected = serde_json::from_str(injected.get()).expect("an injected pod is JSON");
    check_injected(&injected, &pod);
    let again = evaluate(&creation_of(&injected, settings));
    assert!(again.accepted && again.mutated_object.is_none() && again.warnings.is_empty());
});
