//! Settings of the policy: a few of those that change what a pod gets, together.

use proptest::prelude::*;
use serde_json::{Value, json};

/// All defaults half of the time, or else up to four differences from them.
pub fn settings() -> BoxedStrategy<Value> {
    let differences = vec![
        json!({"sidecars": "native"}),
        json!({"templateEngine": "vault-agent"}),
        json!({"securityContext": null}),
        json!({"securityContext": {"runAsUser": null, "capabilities": {"add": ["IPC_LOCK"]}}}),
        json!({"vault": {"namespace": "team/$(HOME)"}}),
        json!({"vault": {"revokeGraceSeconds": 60}}),
        json!({"vault": {"tls": {"skipVerify": true, "serverName": "vault.example.org"}}}),
        json!({"vault": {"tls": {"ca": {"configMapName": "authorities"}, "clientCertificate": {"secretName": "client"}}}}),
        json!({"vault": {"auth": {"kubernetes": {"path": "team/k8s", "tokenAudience": "vault$"}}}}),
        json!({"vault": {"auth": {"approle": {"roleIdFile": "role$id", "secretIdFile": "secret\"id"}}}}),
        json!({"annotations": {"prefix": "vault.example.org", "applicationLabel": "app"}}),
        json!({"secrets": {"mountPath": "/secrets $HOME", "readOnly": false, "sizeLimit": null}}),
        json!({"secrets": {"refreshSeconds": 30, "errorOnMissingKey": true, "hookTimeoutSeconds": 5}}),
        json!({"agent": {"resources": null, "imagePullPolicy": "Always", "logLevel": "trace", "logFormat": "json"}}),
        json!({"consulTemplate": {"resources": {"limits": null}}}),
        json!({"imagePullSecrets": ["registry", "mirror"]}),
        json!({"jobs": {"autoDetect": false, "ignoredContainers": ["own-proxy"]}}),
        json!({"jobs": {"autoDetect": "owner"}}),
        json!({"envShell": {"deniedNames": ["PATH"]}}),
        json!({"ignoredNamespaces": ["default"]}),
        json!({"restrictions": {"allowedImages": ["registry.example.org/**", "openbao:*"]}}),
        json!({"restrictions": {"allowedRoles": ["app*", "{namespace}_*", "**"]}}),
        json!({"restrictions": {"allowedVaultPaths": ["secret/**"], "allowTemplates": true}}),
        json!({"restrictions": {"allowedVaultPaths": ["secret/{namespace}/**"]}}),
        json!({"restrictions": {"lockedAnnotations": ["vault-image", "notify"]}}),
        json!({"restrictions": {"deniedTemplateFunctions": ["sprig_*"]}}),
    ];
    let some = proptest::sample::subsequence(differences, 1..=4).prop_map(|differences| {
        let mut settings = json!({});
        for difference in differences {
            merge(&mut settings, difference);
        }
        settings
    });
    prop_oneof![5 => Just(json!({})), 5 => some].boxed()
}

fn merge(into: &mut Value, difference: Value) {
    match (into, difference) {
        (Value::Object(into), Value::Object(difference)) => {
            for (name, member) in difference {
                merge(into.entry(name).or_insert(Value::Null), member);
            }
        }
        (into, difference) => *into = difference,
    }
}
