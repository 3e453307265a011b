//! What images run: their ENTRYPOINT and CMD, which the host looks up in their registry.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::words::quoted;

/// Calls the host: an operation of its capability `oci`, and what it is called with. The error is the host's own text.
pub type HostCall<'h> = dyn Fn(&str, &[u8]) -> Result<Vec<u8>, String> + 'h;

/// Kubewarden's host capabilities by which an image is looked up, without `oci/` in front.
const MANIFEST: &str = "v1/oci_manifest";
const MANIFEST_AND_CONFIG: &str = "v1/oci_manifest_config";

/// What policy-server says of a capability that the policy's manifest does not grant.
const NOT_GRANTED: &str = "not been granted access";

/// The message for every other failure: which one it was would reveal servers that policy-server reaches.
pub const NOT_FOUND: &str =
    "cannot be looked up: its registry cannot be reached, or rejects the request";

/// The platforms that an image of several must agree for, where the pod does not say on which it runs.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// The most images that are looked up for one request: each takes up to three requests to its registry, and policy-server
/// gives an evaluation two seconds.
const MOST_IMAGES: usize = 8;

/// The most bytes of a command that a message repeats.
const MOST_SHOWN: usize = 200;

/// What an image runs, where a container does not say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageCommand {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
}

/// A container's image, and what of it counts.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub image: &'a str,
    /// The architecture of the pod's nodes, if it says.
    pub architecture: Option<&'a str>,
    /// Whether the container has arguments, which replace CMD.
    pub has_arguments: bool,
}

/// The images of one request, each looked up once.
pub struct Images<'h> {
    host: &'h HostCall<'h>,
    known: RefCell<BTreeMap<String, Vec<(String, ImageCommand)>>>,
}

impl<'h> Images<'h> {
    pub fn new(host: &'h HostCall<'h>) -> Self {
        Images {
            host,
            known: RefCell::default(),
        }
    }

    /// What a container runs that has no command. The error says why that cannot be determined, and begins with the image.
    pub fn command(&self, wanted: Wanted<'_>) -> Result<ImageCommand, String> {
        let image = quoted(wanted.image);
        let fail = |problem: String| Err(format!("image {image} {problem}"));
        let platforms = match self.platforms(wanted.image) {
            Ok(platforms) => platforms,
            Err(problem) => return fail(problem),
        };
        let counts = |architecture: &str| match wanted.architecture {
            Some(wanted) => architecture == wanted,
            None => ARCHITECTURES.contains(&architecture),
        };
        let mut commands = platforms
            .into_iter()
            // Of an image for one platform, the node decides whether it can be run.
            .filter(|(architecture, _)| architecture.is_empty() || counts(architecture))
            .map(|(architecture, mut command)| {
                if wanted.has_arguments {
                    command.cmd.clear();
                }
                (architecture, command)
            });
        let Some((first, command)) = commands.next() else {
            return fail(match wanted.architecture {
                Some(other) if !ARCHITECTURES.contains(&other) => format!(
                    "is looked up only for linux/amd64 and linux/arm64, and the pod chooses nodes of {}",
                    quoted(other)
                ),
                Some(expected) => format!("is not there for linux/{expected}"),
                None => "is not there for linux/amd64 or linux/arm64".to_owned(),
            });
        };
        if let Some((other, different)) = commands.find(|(_, it)| *it != command) {
            return fail(format!(
                "runs {} on linux/{first} and {} on linux/{other}, and the pod may run on both",
                shown(&command),
                shown(&different)
            ));
        }
        let runs_nothing = command.entrypoint.is_empty() && command.cmd.is_empty();
        match runs_nothing && !wanted.has_arguments {
            true => fail("has neither ENTRYPOINT nor CMD".to_owned()),
            false => Ok(command),
        }
    }

    /// What the image runs on each architecture; one that is for one platform only has that without a name.
    fn platforms(&self, image: &str) -> Result<Vec<(String, ImageCommand)>, String> {
        if let Some(known) = self.known.borrow().get(image) {
            return Ok(known.clone());
        }
        if self.known.borrow().len() == MOST_IMAGES {
            return Err(format!(
                "is one too many: at most {MOST_IMAGES} images are looked up for one request"
            ));
        }
        // As JSON: with the types of Kubewarden's SDK, which have all of it, the module would have 110 KB more.
        let manifest = self.call(MANIFEST, image)?;
        let mut found = Vec::new();
        match manifest["manifests"].as_array() {
            None => found.push((String::new(), self.config(image)?)),
            Some(manifests) => {
                for manifest in manifests {
                    let platform = &manifest["platform"];
                    let architecture = platform["architecture"].as_str().unwrap_or_default();
                    if platform["os"] == "linux"
                        && ARCHITECTURES.contains(&architecture)
                        && !found.iter().any(|(known, _)| known == architecture)
                    {
                        let digest = manifest["digest"].as_str().unwrap_or_default();
                        let command = self.config(&with_digest(image, digest))?;
                        found.push((architecture.to_owned(), command));
                    }
                }
            }
        }
        let mut known = self.known.borrow_mut();
        known.insert(image.to_owned(), found.clone());
        Ok(found)
    }

    fn config(&self, image: &str) -> Result<ImageCommand, String> {
        let answer = self.call(MANIFEST_AND_CONFIG, image)?;
        let config = &answer["config"]["config"];
        let words = |key: &str| {
            let words = config[key].as_array().into_iter().flatten();
            words.map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let (entrypoint, cmd): (Option<_>, Option<_>) = (words("Entrypoint"), words("Cmd"));
        match (entrypoint, cmd) {
            (Some(entrypoint), Some(cmd)) => Ok(ImageCommand { entrypoint, cmd }),
            _ => Err(NOT_FOUND.to_owned()),
        }
    }

    /// Calls the host. What it says of a failure is not repeated: it may be what somebody's server has answered, and whoever
    /// submits a pod chooses the server.
    fn call(&self, operation: &str, image: &str) -> Result<Value, String> {
        let payload = Value::from(image).to_string();
        let answer = (self.host)(operation, payload.as_bytes()).map_err(|problem| {
            match problem.contains(NOT_GRANTED) {
                true => format!(
                    "cannot be looked up: the policy does not have the host capability oci/{operation}, which spec.namespacedPoliciesCapabilities of the PolicyServer grants to policies of a namespace"
                ),
                false => NOT_FOUND.to_owned(),
            }
        })?;
        serde_json::from_slice(&answer).map_err(|_| NOT_FOUND.to_owned())
    }
}

/// The words of a command, as Docker writes them; of a long one, the beginning.
fn shown(command: &ImageCommand) -> String {
    let words = [&*command.entrypoint, &*command.cmd].concat();
    let mut text = Value::from(words).to_string();
    if text.len() > MOST_SHOWN {
        let end = (0..=MOST_SHOWN)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push_str("...");
    }
    text
}

/// An image of the same name by its digest.
fn with_digest(image: &str, digest: &str) -> String {
    let name = image.split('@').next().unwrap_or_default();
    // A registry may have a port: `host:5000/name:tag`.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[last..].find(':').map_or(name.len(), |tag| last + tag);
    format!("{}@{digest}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_replaces_tag_and_digest() {
        for (image, expected) in [
            ("busybox", "busybox@sha256:1"),
            ("busybox:1.37", "busybox@sha256:1"),
            ("host:5000/a/b", "host:5000/a/b@sha256:1"),
            ("host:5000/a/b:tag", "host:5000/a/b@sha256:1"),
            ("a/b:tag@sha256:2", "a/b@sha256:1"),
        ] {
            assert_eq!(with_digest(image, "sha256:1"), expected, "{image}");
        }
    }
}
