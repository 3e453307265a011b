//! Files with settings of the policy: the settings alone, or in the manifest of a Kubewarden policy.

use std::{fmt, fs, io, path::Path};

use serde_json::{Value, json};
use vault_sidecar_injector::Key;

use crate::{
    manifests::{self, Mistake, Node},
    printable::Printable,
    reference::annotations::Words,
};

/// Settings, and where they were found.
#[derive(Debug)]
pub(crate) struct Given {
    /// The file as people know it.
    pub(crate) file: Printable,
    /// The policy that they are of, if the file does not have the settings alone.
    pub(crate) policy: Option<Printable>,
    pub(crate) settings: Value,
    /// Why the policy that they are of would not work.
    pub(crate) doubts: Vec<Doubt>,
    /// The document that has them, and the path to them in it.
    document: Node,
    path: Vec<String>,
}

/// What of a policy, beside its settings, keeps it from injecting anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// It may not change anything.
    NeverMutates,
    /// Its conditions are about another inject annotation than this, which is that of its settings.
    NeverAsked(Printable),
}

impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverMutates => formatter
                .write_str("spec.mutating is not true: every annotated pod would be rejected"),
            Self::NeverAsked(annotation) => write!(
                formatter,
                "spec.matchConditions have another annotation than {annotation}, which spec.settings configure: no pod would get sidecars"
            ),
        }
    }
}

impl Given {
    /// The line of a setting such as `vault.address`, or of the nearest thing around it.
    pub(crate) fn line_of(&self, setting: &str) -> usize {
        let inside = setting.split('.').filter(|name| !name.is_empty());
        let path: Vec<_> = self.path.iter().map(String::as_str).chain(inside).collect();
        self.document.line_of(&path)
    }
}

/// Why a file has no settings that could be judged.
#[derive(Debug)]
pub(crate) enum Unusable {
    Unreadable {
        file: Printable,
        source: io::Error,
    },
    Malformed {
        file: Printable,
        mistake: Mistake,
    },
    /// What the file has in place of settings or a policy: `a Deployment (apps/v1)`.
    AnotherObject {
        file: Printable,
        object: Printable,
    },
    NoPolicyAmong {
        file: Printable,
        documents: usize,
    },
    SeveralPolicies {
        file: Printable,
        policies: Vec<Printable>,
    },
}

impl std::error::Error for Unusable {}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, source } => {
                write!(formatter, "cannot read the settings {file}: {source}")
            }
            Self::Malformed { file, mistake } => {
                let Mistake {
                    line,
                    column,
                    message,
                    ..
                } = mistake;
                write!(formatter, "{file}:{line}:{column}: {message}")
            }
            Self::AnotherObject { file, object } => write!(
                formatter,
                "{file} has neither settings nor a policy, but {object}; a policy is a ClusterAdmissionPolicy or an AdmissionPolicy of {GROUP}"
            ),
            Self::NoPolicyAmong { file, documents } => write!(
                formatter,
                "{file} has {documents} documents, and none is a ClusterAdmissionPolicy or an AdmissionPolicy of {GROUP}; plain settings are one document"
            ),
            Self::SeveralPolicies { file, policies } => write!(
                formatter,
                "{file} has several policies, and the settings of one are needed: {}",
                policies
                    .iter()
                    .map(Printable::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }
}

const GROUP: &str = "policies.kubewarden.io";

/// The settings in a file: its own, or those of each policy in it. `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<Given>, Unusable> {
    let (file, text) = match path == Path::new("-") {
        true => (Printable::from("stdin"), io::read_to_string(io::stdin())),
        false => (Printable::from(path), fs::read_to_string(path)),
    };
    match text {
        Ok(text) => find(file, &text),
        Err(source) => Err(Unusable::Unreadable { file, source }),
    }
}

/// The settings in a file that should have no more than one policy.
pub(crate) fn read_only(path: &Path) -> Result<Given, Unusable> {
    let mut all = read(path)?;
    if all.len() == 1 {
        return Ok(all.swap_remove(0));
    }
    Err(Unusable::SeveralPolicies {
        file: Printable::from(path),
        policies: all.into_iter().filter_map(|given| given.policy).collect(),
    })
}

fn find(file: Printable, text: &str) -> Result<Vec<Given>, Unusable> {
    let mut documents = Vec::new();
    for document in manifests::documents(text) {
        match document.content {
            Ok(node) => documents.extend(node),
            Err(mistake) => return Err(Unusable::Malformed { file, mistake }),
        }
    }
    let mut policies = Vec::new();
    for document in &documents {
        find_policies(&file, document, &document.to_value(), &[], &mut policies);
    }
    if !policies.is_empty() {
        return Ok(policies);
    }
    let document = match documents.len() {
        0 => Node::from_value(&json!({})),
        1 => documents.swap_remove(0),
        documents => return Err(Unusable::NoPolicyAmong { file, documents }),
    };
    let settings = document.to_value();
    if let (Some(api_version), Some(kind)) =
        (member(&settings, "apiVersion"), member(&settings, "kind"))
    {
        let object = Printable::from(format!("a {kind} ({api_version})"));
        return Err(Unusable::AnotherObject { file, object });
    }
    Ok(vec![Given {
        file,
        policy: None,
        settings,
        doubts: Vec::new(),
        document,
        path: Vec::new(),
    }])
}

/// Adds the policies that an object at `path` of a document is, or has in its list.
fn find_policies(
    file: &Printable,
    document: &Node,
    object: &Value,
    path: &[String],
    policies: &mut Vec<Given>,
) {
    if let (Some("List"), Some(Value::Array(items))) = (member(object, "kind"), object.get("items"))
    {
        for (index, item) in items.iter().enumerate() {
            let path = [path, &["items".to_owned(), index.to_string()]].concat();
            find_policies(file, document, item, &path, policies);
        }
    }
    let Some(policy) = name_of_policy(object) else {
        return;
    };
    let spec = &object["spec"];
    policies.push(Given {
        file: file.clone(),
        policy: Some(policy),
        settings: spec["settings"].clone(),
        doubts: doubts(spec),
        document: document.clone(),
        path: [path, &["spec".to_owned(), "settings".to_owned()]].concat(),
    });
}

/// A patch for kustomize, which has no module, has what it changes and no more.
fn doubts(spec: &Value) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let is_complete = spec.get("module").is_some();
    let may_mutate = match &spec["mutating"] {
        Value::Null => !is_complete,
        given => *given == true,
    };
    if !may_mutate {
        doubts.push(Doubt::NeverMutates);
    }
    let words = Words::with(&spec["settings"]);
    let conditions = spec["matchConditions"].as_array().into_iter().flatten();
    let expressions: Vec<_> = conditions
        .filter_map(|condition| member(condition, "expression"))
        .collect();
    let is_about = |text: &str| expressions.iter().any(|it| it.contains(text));
    let mut inject = words.iter().map(|words| words.name(Key::Inject));
    if is_complete
        && is_about("/inject'")
        && let Some(inject) = inject.find(|inject| !is_about(&format!("'{inject}'")))
    {
        doubts.push(Doubt::NeverAsked(inject.into()));
    }
    doubts
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// What people call a policy; `None` for other objects.
fn name_of_policy(object: &Value) -> Option<Printable> {
    let (group, _) = member(object, "apiVersion")?.split_once('/')?;
    let kind = member(object, "kind")?;
    if group != GROUP || !["ClusterAdmissionPolicy", "AdmissionPolicy"].contains(&kind) {
        return None;
    }
    let metadata = &object["metadata"];
    let name = member(metadata, "name").unwrap_or("without a name");
    Some(Printable::from(match member(metadata, "namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (Option<Printable>, Value, Vec<Doubt>);

    fn found(text: &str) -> Result<Vec<Found>, String> {
        let all = find("settings.yaml".into(), text).map_err(|error| error.to_string())?;
        let found = all
            .into_iter()
            .map(|given| (given.policy, given.settings, given.doubts));
        Ok(found.collect())
    }

    #[test]
    fn one_document_that_is_not_a_kubernetes_object_is_settings() {
        for (text, settings) in [
            ("sidecars: native\n", json!({"sidecars": "native"})),
            (
                "---\nsidecars: native\n---\n",
                json!({"sidecars": "native"}),
            ),
            ("{\"sidecars\": \"native\"}", json!({"sidecars": "native"})),
            ("", json!({})),
            ("# Nothing.\n", json!({})),
            ("[]", json!([])),
        ] {
            assert_eq!(
                found(text),
                Ok(vec![(None, settings, Vec::new())]),
                "{text}"
            );
        }
    }

    const POLICIES: &str = "\
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: {name: all}
spec: {mutating: true, settings: {sidecars: native}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: List
items:
  - apiVersion: policies.kubewarden.io/v1alpha2
    kind: AdmissionPolicy
    metadata: {name: own, namespace: shop}
    spec:
      mutating: false
      settings:
        vault:
          address: http://vault
";

    #[test]
    fn the_settings_of_every_policy_are_taken() {
        let expected = [
            (
                Some("ClusterAdmissionPolicy all".into()),
                json!({"sidecars": "native"}),
                Vec::new(),
            ),
            (
                Some("AdmissionPolicy shop/own".into()),
                json!({"vault": {"address": "http://vault"}}),
                vec![Doubt::NeverMutates],
            ),
        ];
        assert_eq!(found(POLICIES).unwrap(), expected);
    }

    #[test]
    fn a_policy_is_doubted_where_it_could_not_inject() {
        let condition = json!([
            {"name": "a", "expression": "request.userInfo.username != 'a'"},
            {"name": "b", "expression": "'sidecar.vault.talend.org/inject' in object.metadata.annotations"},
        ]);
        let asked = |prefix: &str| {
            json!({"module": "m", "mutating": true, "matchConditions": condition,
                "settings": {"annotations": {"prefix": prefix}}})
        };
        let other = Doubt::NeverAsked("vault.example.org/inject".into());
        for (spec, expected) in [
            (json!({"settings": {}}), vec![]),
            (json!({"mutating": false}), vec![Doubt::NeverMutates]),
            (json!({"module": "m"}), vec![Doubt::NeverMutates]),
            (json!({"module": "m", "mutating": true}), vec![]),
            (
                json!({"module": "m", "mutating": true, "matchConditions": condition}),
                vec![],
            ),
            (
                json!({"module": "m", "mutating": true, "matchConditions": [condition[0]],
                "settings": {"annotations": {"prefix": "vault.example.org"}}}),
                vec![],
            ),
            (asked("sidecar.vault.talend.org"), vec![]),
            (asked("vault.example.org"), vec![other]),
        ] {
            assert_eq!(doubts(&spec), expected, "{spec}");
        }
    }

    #[test]
    fn a_setting_has_a_line() {
        let all = find("policies.yaml".into(), POLICIES).unwrap();
        assert_eq!(all[0].line_of("sidecars"), 4);
        assert_eq!(all[1].line_of("vault.address"), 20);
        assert_eq!(all[1].line_of("vault.namespace"), 19);
        assert_eq!(all[1].line_of(""), 18);
    }

    #[test]
    fn a_file_without_settings_is_reported_with_what_it_has() {
        for (text, expected) in [
            (
                "a: 1\n---\nb: 2\n",
                "settings.yaml has 2 documents, and none is a ClusterAdmissionPolicy",
            ),
            (
                "apiVersion: apps/v1\nkind: Deployment\n",
                "settings.yaml has neither settings nor a policy, but a Deployment (apps/v1); a policy is",
            ),
            (
                "apiVersion: policies.kubewarden.io/v1\nkind: PolicyServer\n",
                "but a PolicyServer (policies.kubewarden.io/v1);",
            ),
            ("a: 1\nb: [", "settings.yaml:2:6: expected a value"),
            (
                "a: 1\na: 2\n",
                "settings.yaml:2:1: the key `a` is given twice, first on line 1",
            ),
        ] {
            let error = found(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
