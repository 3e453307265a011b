//! Requests as text, because most of what makes one expensive is not JSON that a library writes: names that stand twice,
//! escapes that are not needed, white space, brackets without end.

use std::collections::BTreeMap;

/// The prefix of annotations, where the settings do not say.
pub const PREFIX: &str = "sidecar.vault.talend.org";

/// An object or a list of a request to which more can be added.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    Payload,
    Request,
    Kind,
    Object,
    Metadata,
    Annotations,
    Labels,
    Owners,
    Owner,
    Spec,
    Containers,
    InitContainers,
    Volumes,
    PullSecrets,
    PullSecret,
    /// Members of the first volume.
    Volume,
    EmptyDir,
    /// Members of the first container.
    Container,
    Command,
    Environment,
    /// Members of its first variable.
    Variable,
    Ports,
    Port,
    Mounts,
    Mount,
    RestartRules,
    Lifecycle,
    PostStart,
    Exec,
    /// The words of its own postStart hook.
    Hook,
}

/// A request about a pod with one of everything, to which more is added.
///
/// What is added comes last: names are looked for from the end.
#[derive(Clone, Default)]
pub struct Pod {
    is_annotated: bool,
    added: BTreeMap<Place, String>,
    settings: String,
}

impl Pod {
    /// A pod without annotations.
    pub fn plain() -> Self {
        Pod {
            settings: "{}".to_owned(),
            ..Pod::default()
        }
    }

    /// An annotated pod.
    pub fn annotated_pod() -> Self {
        Pod {
            is_annotated: true,
            ..Pod::plain()
        }
    }

    /// Adds members or items, with commas between them.
    pub fn with(mut self, place: Place, more: impl AsRef<str>) -> Self {
        let added = self.added.entry(place).or_default();
        *added = joined(&[added, more.as_ref()]);
        self
    }

    /// Adds an annotation of the policy's, of which the value may hold escapes of JSON.
    pub fn annotated(self, name: &str, value: impl AsRef<str>) -> Self {
        let annotation = format!(r#""{PREFIX}/{name}":"{}""#, value.as_ref());
        self.with(Place::Annotations, annotation)
    }

    /// In mode `job`, with containers that end.
    pub fn job(self) -> Self {
        self.annotated("mode", "job")
            .with(Place::Spec, r#""restartPolicy":"Never""#)
    }

    /// With settings, as JSON.
    pub fn under(mut self, settings: impl Into<String>) -> Self {
        self.settings = settings.into();
        self
    }

    fn added(&self, place: Place) -> &str {
        self.added.get(&place).map_or("", String::as_str)
    }

    fn object(&self, place: Place, members: &str) -> String {
        format!("{{{}}}", joined(&[members, self.added(place)]))
    }

    fn list(&self, place: Place, items: &str) -> String {
        format!("[{}]", joined(&[items, self.added(place)]))
    }

    /// The members that a pod and a pod template have both.
    pub fn template(&self) -> String {
        let annotated = format!(
            r#""{PREFIX}/inject":"true","{PREFIX}/role":"app","{PREFIX}/secrets-path":"secret/app""#
        );
        let annotations = self.object(
            Place::Annotations,
            if self.is_annotated { &annotated } else { "" },
        );
        let labels = self.object(
            Place::Labels,
            r#""com.talend.application":"app","com.talend.service":"service""#,
        );
        let owner = self.object(Place::Owner, r#""kind":"ReplicaSet","controller":false"#);
        let owners = self.list(Place::Owners, &owner);
        let metadata = self.object(
            Place::Metadata,
            &format!(r#""name":"app","annotations":{annotations},"labels":{labels},"ownerReferences":{owners}"#),
        );
        let spec = self.spec();
        format!(r#""metadata":{metadata},"spec":{spec}"#)
    }

    fn spec(&self) -> String {
        let volume = self.object(
            Place::Volume,
            &format!(
                r#""name":"data","emptyDir":{}"#,
                self.object(Place::EmptyDir, "")
            ),
        );
        let pull_secret = self.object(Place::PullSecret, r#""name":"registry""#);
        self.object(
            Place::Spec,
            &format!(
                r#""containers":{},"initContainers":{},"volumes":{},"imagePullSecrets":{}"#,
                self.list(Place::Containers, &self.container()),
                self.list(Place::InitContainers, ""),
                self.list(Place::Volumes, &volume),
                self.list(Place::PullSecrets, &pull_secret),
            ),
        )
    }

    fn container(&self) -> String {
        let variable = self.object(Place::Variable, r#""name":"A","value":"b""#);
        let port = self.object(Place::Port, r#""containerPort":80"#);
        let mount = self.object(Place::Mount, r#""name":"data","mountPath":"/data""#);
        let hook = self.list(Place::Hook, r#""/hook""#);
        let exec = self.object(Place::Exec, &format!(r#""command":{hook}"#));
        let post_start = self.object(Place::PostStart, &format!(r#""exec":{exec}"#));
        let lifecycle = self.object(Place::Lifecycle, &format!(r#""postStart":{post_start}"#));
        self.object(
            Place::Container,
            &format!(
                r#""name":"a","command":{},"env":{},"ports":{},"volumeMounts":{},"restartPolicyRules":{},"lifecycle":{lifecycle}"#,
                self.list(Place::Command, r#""/app""#),
                self.list(Place::Environment, &variable),
                self.list(Place::Ports, &port),
                self.list(Place::Mounts, &mount),
                self.list(Place::RestartRules, ""),
            ),
        )
    }

    /// The payload of a request to create the pod.
    pub fn payload(&self) -> String {
        let members = format!(r#""apiVersion":"v1","kind":"Pod",{}"#, self.template());
        let object = self.object(Place::Object, &members);
        self.payload_of(&format!(
            r#""kind":{},"operation":"CREATE","object":{object}"#,
            self.object(Place::Kind, r#""group":"","version":"v1","kind":"Pod""#)
        ))
    }

    /// The payload of a request to create a CronJob of the pod.
    pub fn payload_of_cron_job(&self) -> String {
        let template = self.template();
        self.payload_of(&format!(
            r#""kind":{{"group":"batch","version":"v1","kind":"CronJob"}},"operation":"CREATE","object":{{"metadata":{{}},"spec":{{"jobTemplate":{{"spec":{{"template":{{{template}}}}}}}}}}}"#
        ))
    }

    /// The payload of a request to create an object of another kind, with this in its spec.
    pub fn payload_of_other(spec: &str) -> String {
        Pod::plain().payload_of(&format!(
            r#""kind":{{"group":"example.org","version":"v1","kind":"Fleet"}},"operation":"CREATE","object":{{"metadata":{{}},"spec":{{{spec}}}}}"#
        ))
    }

    /// The payload of a request to change an object of another kind, from one spec to the other.
    pub fn payload_of_other_update(old: &str, new: &str) -> String {
        Pod::plain().payload_of(&format!(
            r#""kind":{{"group":"example.org","version":"v1","kind":"Fleet"}},"operation":"UPDATE","object":{{"metadata":{{}},"spec":{{{new}}}}},"oldObject":{{"metadata":{{}},"spec":{{{old}}}}}"#
        ))
    }

    /// The payload of a request to change the template of a Deployment to the pod.
    pub fn payload_of_update(&self, old: &Pod) -> String {
        let deployment = |template: String| {
            format!(r#"{{"metadata":{{}},"spec":{{"template":{{{template}}}}}}}"#)
        };
        self.payload_of(&format!(
            r#""kind":{{"group":"apps","version":"v1","kind":"Deployment"}},"operation":"UPDATE","object":{},"oldObject":{}"#,
            deployment(self.template()),
            deployment(old.template())
        ))
    }

    /// The payload of a request to change a pod to this one.
    pub fn payload_of_pod_update(&self, old: &Pod) -> String {
        let (new, old) = (self.template(), old.template());
        self.payload_of(&format!(
            r#""kind":{{"group":"","version":"v1","kind":"Pod"}},"operation":"UPDATE","object":{{{new}}},"oldObject":{{{old}}}"#,
        ))
    }

    pub fn payload_of(&self, request: &str) -> String {
        let members = format!(r#""uid":"1","namespace":"shop","userInfo":{{}},{request}"#);
        let request = self.object(Place::Request, &members);
        let settings = &self.settings;
        self.object(
            Place::Payload,
            &format!(r#""settings":{settings},"request":{request}"#),
        )
    }
}

/// What is not empty, with commas between.
fn joined(parts: &[&str]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(",")
}

/// What makes the text of a piece from its number.
pub type Piece = fn(usize) -> String;

/// Pieces with commas between them, which have `bytes` together.
pub fn list_of(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    separated(bytes, ",", piece)
}

/// Pieces with a separator between them, which have `bytes` together or a little more.
pub fn separated(bytes: usize, separator: &str, piece: impl Fn(usize) -> String) -> String {
    let mut text = piece(0);
    for number in 1.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(separator);
        text.push_str(&piece(number));
    }
    text
}

/// One piece over and over with commas between, of `bytes` together or a little more.
pub fn many(bytes: usize, piece: &str) -> String {
    let mut text = format!("{piece},").repeat(bytes / (piece.len() + 1) + 1);
    text.pop();
    text
}

/// A text over and over, of `bytes` or a little more.
pub fn repeated(bytes: usize, text: &str) -> String {
    text.repeat(bytes.div_ceil(text.len()))
}

/// A short name for a number, another one for each. It has no vowels, as all names have that mean something.
pub fn name(mut number: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz23456789";
    let mut name = String::new();
    loop {
        name.push(char::from(LETTERS[number % LETTERS.len()]));
        number /= LETTERS.len();
        if number == 0 {
            return name;
        }
    }
}
