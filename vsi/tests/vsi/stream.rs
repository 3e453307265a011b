//! A long stream of mixed manifests, as a whole chart repository renders: nothing is lost on the way.

use std::fmt::Write;

use crate::support::{Directory, json_documents};

const BYTES: usize = 5_000_000;

/// What repeats in the stream; `{n}` is a number of its own each time.
const DOCUMENTS: [(&str, bool); 5] = [
    (
        "# Source: shop/templates/config.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: config-{n}}\ndata:\n  text: |\n    first line\n    --- no separator\n    last line\n",
        false,
    ),
    (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: plain-{n}\nspec:\n  template:\n    metadata: {labels: {app: plain}}\n    spec:\n      containers:\n        - {name: app, image: 'app:{n}'}\n",
        false,
    ),
    (
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: asks-{n}\nspec:\n  template:\n    metadata:\n      annotations:\n        sidecar.vault.talend.org/inject: \"true\"\n        sidecar.vault.talend.org/role: shop\n        sidecar.vault.talend.org/secrets-path: secret/shop/{n}\n    spec:\n      containers:\n        - {name: app, image: 'app:{n}'}\n",
        true,
    ),
    ("# only a comment {n}\n", false),
    (
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"secret-{n}\"}, \"data\": {\"padding\": \"{padding}\"}}\n",
        false,
    ),
];

#[test]
fn five_megabytes_come_through() {
    let padding = "c2VjcmV0".repeat(6_000);
    let mut stream = String::new();
    let (mut asking, mut count, mut empty) = (0, 0, 0);
    while stream.len() < BYTES {
        let (document, asks) = DOCUMENTS[count % DOCUMENTS.len()];
        let document = document
            .replace("{n}", &count.to_string())
            .replace("{padding}", &padding);
        writeln!(stream, "---\n{}", document.trim_end()).unwrap();
        asking += usize::from(asks);
        empty += usize::from(document.starts_with("# only"));
        count += 1;
    }
    let directory = Directory::with("stream.yaml", &stream);
    let run = |format: &str| {
        let mut command = directory.vsi(&["inject", "-f", "stream.yaml", "-o", format]);
        let output = command
            .assert()
            .success()
            .stderr("")
            .get_output()
            .stdout
            .clone();
        String::from_utf8(output).unwrap()
    };

    let documents = json_documents(&run("json"));
    assert_eq!(documents.len(), count - empty);
    let is_injected = |document: &&serde_json::Value| {
        let containers = document.pointer("/spec/template/spec/containers");
        containers.and_then(|it| it.as_array()).map(Vec::len) == Some(3)
    };
    assert_eq!(documents.iter().filter(is_injected).count(), asking);

    // Everything that is not annotated is there as it was, in its order.
    let injected = run("yaml");
    let mut rest = injected.as_str();
    for document in stream
        .split("---\n")
        .skip(1)
        .filter(|text| !text.contains("/inject"))
    {
        let text = format!("---\n{document}");
        let at = rest
            .find(&text)
            .unwrap_or_else(|| panic!("lost: {document}"));
        rest = &rest[at + text.len()..];
    }
    assert_eq!(injected.matches("\nkind: StatefulSet\n").count(), asking);
}
