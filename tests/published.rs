//! What the project is published with agrees with itself: versions, names and addresses stand in many places, because each
//! of their readers looks in its own.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use support::{read_yaml, root};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn metadata() -> Value {
    read_yaml(&root().join("policy-metadata.yml"))
}

/// An annotation of the module's metadata.
fn annotation(name: &str) -> String {
    let value = metadata()["annotations"][name].clone();
    let text = value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
    text.to_owned()
}

/// The paths and texts of all files in the repository, except for what is built there.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut directories = vec![root().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                let is_built = ["target", "corpus", "artifacts", ".git"]
                    .contains(&entry.file_name().to_str().unwrap());
                directories.extend((!is_built).then_some(path));
            } else if let Ok(text) = fs::read_to_string(&path) {
                texts.push((path.display().to_string(), text));
            }
        }
    }
    texts
}

/// The list is that of Kubewarden's own policies, and what `kwctl inspect`, Artifact Hub and the policy reports show.
#[test]
fn the_metadata_has_every_annotation() {
    let metadata = metadata();
    let found: BTreeSet<_> = metadata["annotations"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = BTreeSet::from([
        "io.artifacthub.displayName",
        "io.artifacthub.keywords",
        "io.artifacthub.resources",
        "io.kubewarden.policy.author",
        "io.kubewarden.policy.category",
        "io.kubewarden.policy.description",
        "io.kubewarden.policy.license",
        "io.kubewarden.policy.ociUrl",
        "io.kubewarden.policy.severity",
        "io.kubewarden.policy.source",
        "io.kubewarden.policy.title",
        "io.kubewarden.policy.url",
        "io.kubewarden.policy.version",
    ]);
    assert_eq!(found, expected);
    assert_eq!(
        annotation("io.kubewarden.policy.title"),
        env!("CARGO_PKG_NAME")
    );
    assert_eq!(
        annotation("io.kubewarden.policy.license"),
        env!("CARGO_PKG_LICENSE")
    );
    assert_eq!(annotation("io.kubewarden.policy.source"), REPOSITORY);
    assert_eq!(annotation("io.kubewarden.policy.url"), REPOSITORY);
}

/// Kubewarden's limits on the words that policy reports are grouped by.
#[test]
fn severity_and_resources_are_words_that_are_known() {
    let severity = annotation("io.kubewarden.policy.severity");
    assert!(["critical", "high", "medium", "low", "info"].contains(&severity.as_str()));
    let metadata = metadata();
    let resources: BTreeSet<_> = metadata["rules"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["resources"].as_array().unwrap())
        .map(|resource| resource.as_str().unwrap())
        .filter(|resource| !resource.contains('/'))
        .map(|resource| resource.trim_end_matches('s').to_owned())
        .collect();
    let kinds: BTreeSet<_> = annotation("io.artifacthub.resources")
        .split(", ")
        .map(str::to_lowercase)
        .collect();
    assert_eq!(kinds, resources);
}

#[test]
fn every_place_has_the_version_of_the_crate() {
    assert_eq!(annotation("io.kubewarden.policy.version"), VERSION);
    let artifact_hub = read_yaml(&root().join("artifacthub-pkg.yml"));
    assert_eq!(artifact_hub["version"], VERSION);
    let krew = read_yaml(&root().join("deploy/krew/vsi.yaml"));
    assert_eq!(krew["spec"]["version"], format!("v{VERSION}"));

    let changelog = text("CHANGELOG.md");
    let newest = changelog
        .lines()
        .find_map(|line| line.strip_prefix("## "))
        .unwrap();
    let (version, date) = newest.split_once(" - ").unwrap();
    assert_eq!(version, VERSION, "the newest entry of CHANGELOG.md");
    let is_date = date.split('-').map(str::len).eq([4, 2, 2]);
    assert!(is_date || date == "Unreleased", "CHANGELOG.md: {date}");
}

/// Manifests and documentation name the module with its version, so that what they show can be used as it is.
#[test]
fn every_reference_to_the_module_has_the_version_of_the_crate() {
    let module = annotation("io.kubewarden.policy.ociUrl");
    let mut found = 0;
    for (path, text) in texts() {
        for reference in text.split(&format!("{module}:")).skip(1) {
            let is_tag = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            let end = reference
                .find(|letter| !is_tag(letter))
                .unwrap_or(reference.len());
            assert_eq!(
                reference[..end].trim_end_matches('.'),
                format!("v{VERSION}"),
                "{path}"
            );
            found += 1;
        }
    }
    assert!(found > 3, "{found}");
}

/// Who publishes it elsewhere changes `example` everywhere; CONTRIBUTING.md says so.
#[test]
fn every_address_is_below_one_owner() {
    let (host_and_owner, _) = REPOSITORY.rsplit_once('/').unwrap();
    let (_, owner) = host_and_owner.rsplit_once('/').unwrap();
    let module = annotation("io.kubewarden.policy.ociUrl");
    assert_eq!(
        module,
        format!("ghcr.io/{owner}/policies/vault-sidecar-injector")
    );
    for (path, text) in texts() {
        for prefix in ["https://github.com/", "ghcr.io/"] {
            for rest in text.split(prefix).skip(1) {
                let ends_name =
                    |letter: char| !letter.is_ascii_alphanumeric() && !"-_./".contains(letter);
                let name = rest.split(ends_name).next().unwrap_or_default();
                if name.contains("vault-sidecar-injector") && !name.starts_with("Talend/") {
                    assert!(name.starts_with(owner), "{path}: {prefix}{name}");
                }
            }
        }
    }
}

/// What `kwctl scaffold artifacthub` makes of the metadata and the form, except for how to install it; `make golden` writes it
/// anew.
#[test]
fn artifact_hub_gets_the_metadata_of_the_module() {
    let path = root().join("artifacthub-pkg.yml");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let document: Value = yaml_serde::from_str(&committed).unwrap_or_default();
    let expected = artifact_hub_package(&document["createdAt"]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let header = "# What Artifact Hub shows. `make golden` makes it of policy-metadata.yml and questions-ui.yml; \
             a release\n# puts its date.\n";
        let yaml = yaml_serde::to_string(&expected).unwrap();
        fs::write(&path, format!("{header}{yaml}")).unwrap();
    } else {
        assert_eq!(
            document, expected,
            "artifacthub-pkg.yml is not up to date; run `make golden`"
        );
    }
}

fn artifact_hub_package(created_at: &Value) -> Value {
    let module = format!("{}:v{VERSION}", annotation("io.kubewarden.policy.ociUrl"));
    let author = annotation("io.kubewarden.policy.author");
    let (name, email) = author.trim_end_matches('>').split_once(" <").unwrap();
    let keywords = annotation("io.artifacthub.keywords");
    let metadata = metadata();
    json!({
        "version": VERSION,
        "name": annotation("io.kubewarden.policy.title"),
        "displayName": annotation("io.artifacthub.displayName"),
        "createdAt": created_at,
        "description": annotation("io.kubewarden.policy.description"),
        "license": annotation("io.kubewarden.policy.license"),
        "homeURL": REPOSITORY,
        "containersImages": [{"name": "policy", "image": module}],
        "keywords": keywords.split(", ").collect::<Vec<_>>(),
        "links": [
            {"name": "policy", "url": format!("{REPOSITORY}/releases/download/v{VERSION}/policy.wasm")},
            {"name": "source", "url": REPOSITORY},
        ],
        "install": format!("\
With [kustomize](https://kubectl.docs.kubernetes.io): take an overlay of `deploy/overlays`, put the address of your
Vault into its `settings.yaml`, and apply it.

```console
git clone --branch v{VERSION} {REPOSITORY}
kubectl apply -k vault-sidecar-injector/deploy/overlays/production
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
            "kubewarden/questions-ui": text("questions-ui.yml"),
            "kubewarden/resources": annotation("io.artifacthub.resources"),
            "kubewarden/rules": yaml_serde::to_string(&metadata["rules"]).unwrap(),
        },
    })
}

/// What the release does with the manifest for krew.
#[test]
fn the_manifest_for_krew_gets_the_checksums_of_a_release() {
    let release = format!("{REPOSITORY}/releases/download/v{VERSION}");
    let archives = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];
    let sums: Vec<_> = ["1", "2", "3", "a"].map(|digit| digit.repeat(64)).into();
    let checksums: Vec<_> = sums
        .iter()
        .zip(archives)
        .map(|(sum, archive)| format!("{sum}  vsi-{archive}.tar.gz\n"))
        .collect();

    let manifest = krew_manifest(&release, &checksums.concat()).unwrap();
    let manifest: Value = yaml_serde::from_str(&manifest).unwrap();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    let filled: Vec<_> = platforms
        .iter()
        .map(|platform| &platform["sha256"])
        .collect();
    assert_eq!(filled, sums.iter().collect::<Vec<_>>());

    for (release, checksums, problem) in [
        (
            release.as_str(),
            checksums[1..].concat(),
            "no checksum of vsi-linux-amd64.tar.gz",
        ),
        (
            "https://github.com/other/project/releases/download/v9",
            checksums.concat(),
            "version",
        ),
    ] {
        let message = krew_manifest(release, &checksums).unwrap_err();
        assert!(message.contains(problem), "{message}");
    }
}

fn krew_manifest(release: &str, checksums: &str) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), checksums).unwrap();
    let output = Command::new(root().join(".ci/krew-manifest"))
        .arg(release)
        .arg(file.path())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}
