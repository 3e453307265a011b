//! The entry for Artifact Hub, which is made of the metadata and the form.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::names::Names;
use crate::support::read_yaml;

const PACKAGE: &str = "artifacthub-pkg.yml";

const HEADER: &str = "\
# What Artifact Hub shows. `make golden` makes it of policy-metadata.yml and questions-ui.yml; a release
# puts its date.
";

/// The file and its text, if that is another.
pub fn outdated(root: &Path, names: &Names) -> Vec<(PathBuf, String)> {
    let committed = fs::read_to_string(root.join(PACKAGE)).unwrap_or_default();
    let document: Value = yaml_serde::from_str(&committed).unwrap_or_default();
    let package = package(root, names, &document["createdAt"]);
    let text = format!("{HEADER}{}", yaml_serde::to_string(&package).unwrap());
    let is_outdated = text != committed;
    is_outdated
        .then(|| (PACKAGE.into(), text))
        .into_iter()
        .collect()
}

/// What `kwctl scaffold artifacthub` makes of the metadata and the form, except for how to install it.
fn package(root: &Path, names: &Names, created_at: &Value) -> Value {
    let metadata = read_yaml(&root.join("policy-metadata.yml"));
    let annotation = |name: &str| {
        let value = &metadata["annotations"][name];
        value.as_str().unwrap_or_else(|| panic!("{name}: {value}"))
    };
    let questions = fs::read_to_string(root.join("questions-ui.yml")).unwrap();
    let Names {
        version,
        repository,
        ..
    } = names;
    let source = names.source();
    let module = format!("{}:v{version}", names.module());
    let (name, email) = names.contact();
    let keywords = annotation("io.artifacthub.keywords").split(", ");
    json!({
        "version": version,
        "name": annotation("io.kubewarden.policy.title"),
        "displayName": annotation("io.artifacthub.displayName"),
        "createdAt": created_at,
        "description": annotation("io.kubewarden.policy.description"),
        "license": annotation("io.kubewarden.policy.license"),
        "homeURL": source,
        "containersImages": [{"name": "policy", "image": module}],
        "keywords": keywords.collect::<Vec<_>>(),
        "links": [
            {"name": "policy", "url": format!("{source}/releases/download/v{version}/policy.wasm")},
            {"name": "source", "url": source},
        ],
        "install": format!("\
With [kustomize](https://kubectl.docs.kubernetes.io): take an overlay of `deploy/overlays`, put the address of your
Vault into its `settings.yaml`, and apply it.

```console
git clone --branch v{version} {source}
kubectl apply -k {repository}/deploy/overlays/production
```

To see on a laptop what the policy does to a pod:

```console
kwctl pull {module}
kwctl run registry://{module} --request-path request.json
```
"),
        "maintainers": [{"name": name, "email": email}],
        "provider": {"name": "kubewarden"},
        "recommendations": [{"url": "https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller"}],
        "annotations": {
            "kubewarden/mutation": metadata["mutating"].to_string(),
            "kubewarden/questions-ui": questions,
            "kubewarden/resources": annotation("io.artifacthub.resources"),
            "kubewarden/rules": yaml_serde::to_string(&metadata["rules"]).unwrap(),
        },
    })
}
