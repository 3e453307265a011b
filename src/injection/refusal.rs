//! Why a pod cannot be injected, in the words of the person who must fix the manifest.

use std::fmt;

use super::names;

/// The largest configuration, in bytes. An environment string may have 131,071, of which the name takes
/// some; Linux refuses to start a program with a longer one.
pub const CONFIGURATION_LIMIT: usize = 128_000;

/// The most bytes of text that may be added to a pod: etcd refuses objects of more than 1.5 MB, and every
/// change of the pod's status carries all of it.
pub const MOST_ADDED: usize = 512 * 1024;

/// What in the pod stands against the injection.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    Windows,
    /// Over [`MOST_ADDED`].
    TooMuch,
    ContainerNameTaken {
        container: String,
    },
    VolumeNameTaken {
        volume: String,
    },
    /// A volume of the policy's, mounted by a container that is not.
    VolumeUsed {
        container: String,
        volume: String,
    },
    /// A container of the policy's, in a field of something that is not.
    SidecarReferred {
        /// The container or volume, with that word.
        by: String,
        sidecar: String,
    },
    AnnotationOfSidecar {
        annotation: String,
    },
    /// A container of an injected pod is to become another.
    SidecarChanged {
        container: String,
    },
    /// The volumes of the policy's are to become others.
    VolumesChanged,
    /// An ephemeral container called like one of the policy's.
    NameReserved {
        container: String,
    },
    /// An ephemeral container that mounts the secrets.
    SecretsMounted {
        container: String,
    },
    SecretsVolumeKind {
        kind: String,
    },
    MountPathTaken {
        container: String,
        path: String,
        volume: String,
        ours: String,
    },
    MountPathOfShell {
        /// The annotation or setting that names the path.
        chosen_by: String,
    },
    MountPathTakenByPart {
        container: String,
        path: String,
    },
    /// The file of annotation `sa-token` is in a volume that cannot hold a token.
    NotATokenVolume {
        annotation: String,
        path: String,
        volume: String,
        kind: String,
    },
    /// A field that does what a locked annotation does.
    FieldLocked {
        field: &'static str,
        locked: &'static str,
    },
    ProcessesShared {
        reasons: String,
    },
    /// A file in a directory that something else than what renders it could replace by a link.
    DestinationInOpenDirectory {
        annotation: String,
        position: usize,
        /// Who else can write to the volume.
        writer: String,
        remedy: &'static str,
    },
    NoApplicationContainer,
    NoSuchContainer {
        annotation: String,
        position: usize,
        /// Of what it is none: `application` or `pod`.
        of: &'static str,
        /// Those that there are, in one text.
        known: String,
    },
    NoCommand {
        annotation: String,
        container: String,
    },
    ProxyOnHostNetwork {
        annotation: String,
    },
    ProxyPortTaken {
        annotation: String,
        port: u16,
        container: String,
    },
    ProcessNamespaceNotShared {
        annotation: String,
    },
    ProcessNamespaceOfHost {
        annotation: String,
    },
    RequestOverLimit {
        annotation: String,
        request: String,
        limit: String,
        remedy: String,
    },
    HookTaken {
        annotation: String,
        container: String,
    },
    JobRestartsAlways {
        annotation: String,
    },
    JobContainerRestartsAlways {
        container: String,
    },
    JobContainerHasRestartRules {
        container: String,
    },
    ConfigurationTooLarge {
        variable: &'static str,
        bytes: usize,
        annotation: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooMuch => write!(
                formatter,
                "more than {MOST_ADDED} bytes would be added to the pod; ask for fewer or shorter templates and destinations, or for fewer containers with them (inject-containers)"
            ),
            Refusal::Windows => formatter.write_str(
                "spec.os.name is windows, and the injected containers run on linux only",
            ),
            Refusal::ContainerNameTaken { container } => write!(
                formatter,
                "container {container} is in the pod already, and the policy adds one of that name; rename it, or submit the pod as it was before its injection"
            ),
            Refusal::VolumeNameTaken { volume } => write!(
                formatter,
                "volume {volume} is in the pod already, and the policy adds one of that name; rename it"
            ),
            Refusal::VolumeUsed { container, volume } => write!(
                formatter,
                "container {container} mounts volume {volume}, which is reserved for the policy's containers; remove the mount"
            ),
            Refusal::SidecarReferred { by, sidecar } => write!(
                formatter,
                "{by} refers to container {sidecar}, which is reserved for the policy; remove the reference"
            ),
            Refusal::AnnotationOfSidecar { annotation } => write!(
                formatter,
                "annotation {annotation} names a container or volume that is reserved for the policy; remove it"
            ),
            Refusal::SidecarChanged { container } => write!(
                formatter,
                "container {container}, which is the policy's, was changed, added or removed: in an injected pod only its resources can change; change the settings or annotations and create the pod again"
            ),
            Refusal::NameReserved { container } => write!(
                formatter,
                "spec.ephemeralContainers: the name {container} is reserved for the policy; choose another"
            ),
            Refusal::SecretsMounted { container } => write!(
                formatter,
                "container {container} mounts volume secrets, which the containers that are added to an injected pod must not mount; remove the mount"
            ),
            Refusal::VolumesChanged => formatter.write_str(
                "spec.volumes: a volume of the policy was changed, added or removed, which is not possible in an injected pod; create the pod again",
            ),
            Refusal::SecretsVolumeKind { kind } => write!(
                formatter,
                "volume secrets is of kind {kind}; the secrets need an emptyDir: make it one with medium Memory, or rename it"
            ),
            Refusal::MountPathTaken {
                container,
                path,
                volume,
                ours,
            } => write!(
                formatter,
                "container {container} mounts volume {volume} at {path}, where the policy mounts volume {ours}; mount it elsewhere"
            ),
            Refusal::MountPathOfShell { chosen_by } => write!(
                formatter,
                "{chosen_by}: {} is a directory of the policy's own; choose another",
                names::ENV_DIRECTORY
            ),
            Refusal::MountPathTakenByPart { container, path } => write!(
                formatter,
                "container {container} mounts a subPath of volume secrets at {path}, where the policy mounts the whole volume; mount it elsewhere, or without subPath"
            ),
            Refusal::NotATokenVolume {
                annotation,
                path,
                volume,
                kind,
            } => write!(
                formatter,
                "annotation {annotation}: volume {volume} ({kind}) has no token at {path}; expected the path of a serviceAccountToken of a projected volume, or of a key of a Secret"
            ),
            Refusal::FieldLocked { field, locked } => write!(
                formatter,
                "{field} is true, but the setting restrictions.lockedAnnotations locks {locked}, which has the same effect; remove {field}"
            ),
            Refusal::ProcessesShared { reasons } => write!(
                formatter,
                "{reasons}; the setting restrictions.sharedProcesses refuses it: use another user and a process namespace of its own for each container"
            ),
            Refusal::DestinationInOpenDirectory {
                annotation,
                position,
                writer,
                remedy,
            } => write!(
                formatter,
                "annotation {annotation}: item {position} is in a subdirectory, and {writer} can write to volume secrets and could replace the subdirectory by a link; {remedy}"
            ),
            Refusal::NoApplicationContainer => formatter.write_str(
                "spec.containers: every container is one of those that the setting jobs.ignoredContainers leaves out; there is none to inject secrets into",
            ),
            Refusal::NoSuchContainer {
                annotation,
                position,
                of,
                known,
            } => write!(
                formatter,
                "annotation {annotation}: item {position} is no container of the {of}; it has {known}"
            ),
            Refusal::NoCommand {
                annotation,
                container,
            } => write!(
                formatter,
                "container {container} has no command, and annotation {annotation}: env needs one, because the image's own cannot be seen from here; add the image's ENTRYPOINT as command"
            ),
            Refusal::ProxyOnHostNetwork { annotation } => write!(
                formatter,
                "annotation {annotation}: proxy cannot be used with spec.hostNetwork, with which every process of the node could use the pod's token"
            ),
            Refusal::ProxyPortTaken {
                annotation,
                port,
                container,
            } => write!(
                formatter,
                "container {container} declares port {port}, which is the local proxy's; choose another in annotation {annotation}"
            ),
            Refusal::ProcessNamespaceNotShared { annotation } => write!(
                formatter,
                "annotation {annotation} is true and spec.shareProcessNamespace is false; remove one of them"
            ),
            Refusal::ProcessNamespaceOfHost { annotation } => write!(
                formatter,
                "annotation {annotation} cannot be used with spec.hostPID, with which the processes are seen already; remove it"
            ),
            Refusal::RequestOverLimit {
                annotation,
                request,
                limit,
                remedy,
            } => write!(
                formatter,
                "annotation {annotation}: the limit is {limit} and {request} is requested; {remedy}"
            ),
            Refusal::HookTaken {
                annotation,
                container,
            } => write!(
                formatter,
                "container {container} has a postStart hook that is no exec hook, and only an exec hook can run after the wait for the secrets; change it, or remove annotation {annotation}"
            ),
            Refusal::JobRestartsAlways { annotation } => write!(
                formatter,
                "spec.restartPolicy is Always, and annotation {annotation}: job needs Never or OnFailure"
            ),
            Refusal::JobContainerRestartsAlways { container } => write!(
                formatter,
                "container {container} has restartPolicy Always and never ends, and mode job waits for its end: allowed are Never and OnFailure"
            ),
            Refusal::JobContainerHasRestartRules { container } => write!(
                formatter,
                "container {container} has restartPolicyRules, with which mode job cannot tell when it has ended; remove them"
            ),
            Refusal::ConfigurationTooLarge {
                variable,
                bytes,
                annotation,
            } => write!(
                formatter,
                "the configuration in {variable} would have {bytes} bytes, and at most {CONFIGURATION_LIMIT} are possible; shorten annotation {annotation}, or what else makes the configuration long (paths, destinations, commands)"
            ),
        }
    }
}
