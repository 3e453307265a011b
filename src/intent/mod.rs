//! What a pod asks for: its annotations and labels, read once into types that cannot be wrong.

mod refusal;
pub mod template;
mod value;

use std::collections::BTreeSet;

use crate::annotations::{Annotations, Key};
use crate::json::{self, Members, Text};
use crate::settings::{self, Settings};

pub use refusal::Refusal;
pub use value::FilePath;
use value::{Given, is_relative_path};

/// Where Kubernetes mounts the token of a pod's service account.
pub const DEFAULT_TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The most files that a pod can ask for.
const MOST_FILES: usize = 256;

/// The most bytes of a destination. With the directory in front, Linux takes 4,096.
const LONGEST_DESTINATION: usize = 1024;

/// What the pod asks for.
#[derive(Debug)]
pub struct Intent {
    pub login: Login,
    /// The image of Vault Agent for this pod, in place of the setting.
    pub agent_image: Option<String>,
    /// The files with secrets, at least one.
    pub files: Vec<SecretFile>,
    /// Whether the application's containers wait for their files in a postStart hook.
    pub waits_in_hook: bool,
    /// Whether the sidecars end when the pod's work is done.
    pub is_job: bool,
}

/// How Vault Agent logs in.
#[derive(Debug)]
pub enum Login {
    Kubernetes { role: String, token: Token },
    AppRole,
}

/// The service account token to log in with.
#[derive(Debug)]
pub enum Token {
    /// The pod's own, or one made for Vault where the settings name an audience.
    Default,
    /// The one at this path in the application's containers.
    At(FilePath),
}

/// One file with secrets.
#[derive(Debug)]
pub struct SecretFile {
    /// Its path below the secrets directory.
    pub destination: String,
    /// The Consul Template template that makes it.
    pub template: String,
    /// The command to run after it has changed.
    pub notify: Option<String>,
}

/// The answer to whether a pod asks for injection.
#[derive(Debug)]
pub enum Ask {
    No,
    /// Not in a way that can be understood: the pod is left alone, with a warning.
    Unclear(String),
    Yes,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Secrets,
    Proxy,
    Job,
}

/// Whether the pod asks for injection and has not been injected already.
pub fn asks(annotations: &Annotations<'_>) -> Ask {
    if let Some(status) = annotations.get(Key::Status) {
        return match status {
            "injected" => Ask::No,
            _ => Ask::Unclear(format!(
                "annotation {} is set by the policy alone; the pod is left as it is",
                annotations.name(Key::Status)
            )),
        };
    }
    match annotations.get(Key::Inject).map(value::boolean) {
        Some(Some(true)) => Ask::Yes,
        Some(None) => Ask::Unclear(format!(
            "annotation {} is no boolean (true or false); the pod is left as it is",
            annotations.name(Key::Inject)
        )),
        Some(Some(false)) | None => Ask::No,
    }
}

impl Intent {
    /// Reads what the pod asks for. What is accepted but should be changed is added to `warnings`.
    pub fn read(
        annotations: &Annotations<'_>,
        labels: &Members<'_>,
        settings: &Settings,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Refusal> {
        warnings.extend(annotations.warnings_of_unknown());
        refuse_what_comes_later(annotations)?;
        let reader = Reader {
            annotations,
            labels,
            settings,
        };
        let login = reader.login(warnings)?;
        let is_job = reader.is_job(warnings)?;
        let waits_in_hook = match reader.line(Key::SecretsHook)? {
            Some(given) => given.boolean()?,
            None => false,
        };
        if waits_in_hook && is_job {
            return Err(Refusal::HookInJob {
                annotation: annotations.name(Key::SecretsHook),
            });
        }
        Ok(Intent {
            agent_image: reader.agent_image()?,
            files: reader.files(&login, warnings)?,
            login,
            waits_in_hook,
            is_job,
        })
    }
}

/// Annotations and values of the reference that this version does not carry out yet are refused rather
/// than ignored: a pod that started without them would not be the pod that was asked for.
fn refuse_what_comes_later(annotations: &Annotations<'_>) -> Result<(), Refusal> {
    for (key, here, later) in [
        (Key::SecretsType, "dynamic", "static"),
        (Key::SecretsInjectionMethod, "file", "env"),
    ] {
        if let Some(given) = Given::line(annotations, key)?
            && given.one_of(&[(here, false), (later, true)])?
        {
            return Err(Refusal::NotYet {
                annotation: format!("{}: {later}", given.name),
            });
        }
    }
    match annotations.get(Key::ProxyPort) {
        Some(_) => Err(Refusal::NotYet {
            annotation: annotations.name(Key::ProxyPort),
        }),
        None => Ok(()),
    }
}

struct Reader<'a> {
    annotations: &'a Annotations<'a>,
    labels: &'a Members<'a>,
    settings: &'a Settings,
}

impl<'a> Reader<'a> {
    fn line(&self, key: Key) -> Result<Option<Given<'a>>, Refusal> {
        Given::line(self.annotations, key)
    }

    /// The value of a label that stands in for the annotation `key`.
    fn label(&self, label: &settings::LabelKey, key: Key) -> Result<String, Refusal> {
        let value = self
            .labels
            .get(label.as_str())
            .and_then(|value| json::read::<Text<'_>>(value).ok())
            .filter(|value| !value.is_empty());
        match value {
            Some(value) if value.contains(char::is_control) => {
                Err(Refusal::ControlCharacterInLabel {
                    label: label.as_str().to_owned(),
                })
            }
            Some(value) => Ok(value.to_string()),
            None => Err(Refusal::MissingLabel {
                label: label.as_str().to_owned(),
                annotation: self.annotations.name(key),
            }),
        }
    }

    fn is_job(&self, warnings: &mut Vec<String>) -> Result<bool, Refusal> {
        let mut is_job = false;
        if let Some(given) = self.line(Key::Mode)? {
            let modes = given.some_of(&[
                ("secrets", Mode::Secrets),
                ("proxy", Mode::Proxy),
                ("job", Mode::Job),
            ])?;
            if modes.contains(&Mode::Proxy) {
                return Err(Refusal::NotYet {
                    annotation: format!("{}: proxy", given.name),
                });
            }
            is_job = modes.contains(&Mode::Job);
        }
        if let Some(given) = self.line(Key::Workload)? {
            given.one_of(&[("job", ())])?;
            is_job = true;
            warnings.push(format!(
                "annotation {} is deprecated; use {}: job",
                given.name,
                self.annotations.name(Key::Mode)
            ));
        }
        Ok(is_job)
    }

    fn login(&self, warnings: &mut Vec<String>) -> Result<Login, Refusal> {
        let approle = match self.line(Key::Auth)? {
            Some(given) => given.one_of(&[("kubernetes", false), ("approle", true)])?,
            None => false,
        };
        let role = self.line(Key::Role)?;
        let token = self.line(Key::SaToken)?;
        if approle {
            for given in [role, token].into_iter().flatten() {
                warnings.push(format!(
                    "annotation {} is ignored with {}: approle",
                    given.name,
                    self.annotations.name(Key::Auth)
                ));
            }
            return Ok(Login::AppRole);
        }
        let role = match role {
            Some(given) => given.text.to_owned(),
            None => self.label(&self.settings.annotations.application_label, Key::Role)?,
        };
        let token = match token {
            Some(given) => match FilePath::new(given.text) {
                Some(path) => Token::At(path),
                None => {
                    return Err(Refusal::NotAFilePath {
                        annotation: given.name,
                        example: DEFAULT_TOKEN_PATH,
                    });
                }
            },
            None => Token::Default,
        };
        Ok(Login::Kubernetes { role, token })
    }

    fn agent_image(&self) -> Result<Option<String>, Refusal> {
        match self.line(Key::VaultImage)? {
            Some(given) if settings::is_image(given.text) => Ok(Some(given.text.to_owned())),
            Some(given) => Err(Refusal::NotAnImage {
                annotation: given.name,
            }),
            None => Ok(None),
        }
    }

    fn files(&self, login: &Login, warnings: &mut Vec<String>) -> Result<Vec<SecretFile>, Refusal> {
        let destinations = self.destinations(login)?;
        let templates = match Given::verbatim(self.annotations, Key::SecretsTemplate) {
            Some(given) => {
                if self.annotations.get(Key::SecretsPath).is_some() {
                    warnings.push(format!(
                        "annotation {} is ignored, because {} is given",
                        self.annotations.name(Key::SecretsPath),
                        given.name
                    ));
                }
                self.own_templates(&given, destinations.len(), warnings)?
            }
            None => self.default_templates(destinations.len())?,
        };
        let mut commands = self.commands(destinations.len())?.into_iter();
        Ok(destinations
            .into_iter()
            .zip(templates)
            .map(|(destination, template)| SecretFile {
                destination,
                template,
                notify: commands.next(),
            })
            .collect())
    }

    fn destinations(&self, login: &Login) -> Result<Vec<String>, Refusal> {
        let Some(given) = self.line(Key::SecretsDestination)? else {
            return Ok(vec!["secrets.properties".to_owned()]);
        };
        let destinations = given.list()?;
        if destinations.len() > MOST_FILES {
            return Err(Refusal::TooMany {
                annotation: given.name,
                count: destinations.len(),
                limit: MOST_FILES,
            });
        }
        let refuse = |position: usize, problem| {
            Err(Refusal::Destination {
                annotation: given.name.clone(),
                position: position + 1,
                problem,
            })
        };
        let approle = &self.settings.vault.approle;
        let login_files = [
            approle.role_id_file.as_str(),
            approle.secret_id_file.as_str(),
        ];
        let all: BTreeSet<_> = destinations.iter().copied().collect();
        let mut seen = BTreeSet::new();
        for (position, destination) in destinations.iter().copied().enumerate() {
            if !is_relative_path(destination) {
                return refuse(
                    position,
                    "must be relative to the secrets directory, without empty, . or .. segments",
                );
            }
            if destination.len() > LONGEST_DESTINATION
                || destination.split('/').any(|name| name.len() > 255)
            {
                return refuse(
                    position,
                    "is too long: at most 1024 bytes are possible, and 255 between slashes",
                );
            }
            if !seen.insert(destination) {
                return refuse(position, "is there already");
            }
            if directories(destination).any(|directory| all.contains(directory)) {
                return refuse(position, "is below another destination, which is a file");
            }
            if matches!(login, Login::AppRole) {
                if login_files.contains(&destination) {
                    return refuse(position, "is a file that the login with approle reads");
                }
                if directories(destination).any(|directory| login_files.contains(&directory)) {
                    return refuse(
                        position,
                        "is below a file that the login with approle reads",
                    );
                }
            }
        }
        Ok(destinations.into_iter().map(str::to_owned).collect())
    }

    fn default_templates(&self, count: usize) -> Result<Vec<String>, Refusal> {
        let settings = &self.settings.annotations;
        let Some(given) = self.line(Key::SecretsPath)? else {
            if count != 1 {
                return Err(self.count_mismatch(Key::SecretsPath, 1, count));
            }
            let path = format!(
                "secret/{}/{}",
                self.label(&settings.application_label, Key::SecretsPath)?,
                self.label(&settings.service_label, Key::SecretsPath)?
            );
            return Ok(vec![template::default_template(&path)]);
        };
        let paths = given.list()?;
        if paths.len() != count {
            return Err(self.count_mismatch(Key::SecretsPath, paths.len(), count));
        }
        Ok(paths.into_iter().map(template::default_template).collect())
    }

    /// The pod's own templates: separated by lines `---`, or as the reference's releases did it, where
    /// only that gives one template per destination.
    fn own_templates(
        &self,
        given: &Given<'_>,
        count: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<String>, Refusal> {
        let by_lines = given.between_dashed_lines();
        let mut pieces = by_lines.clone();
        if by_lines.len() != count {
            let by_commas = match by_lines.len() {
                1 => template::split_at_commas(given.text),
                _ => Vec::new(),
            };
            let by_dashes = given.text.split("---").collect();
            let old_ways = [("commas", by_commas), ("--- inside a line", by_dashes)];
            let old_way = old_ways
                .into_iter()
                .find(|(_, pieces)| count > 1 && pieces.len() == count);
            let Some((separator, old)) = old_way else {
                return Err(self.count_mismatch(Key::SecretsTemplate, by_lines.len(), count));
            };
            warnings.push(format!(
                "annotation {} is separated by {separator}; separate templates by lines ---",
                given.name
            ));
            pieces = old.into_iter().map(str::trim_start).collect();
        }
        given.items(pieces.iter().copied())?;
        Ok(pieces
            .into_iter()
            .map(template::without_heredoc_escapes)
            .collect())
    }

    /// The commands of the first files; fewer than files are fine.
    fn commands(&self, count: usize) -> Result<Vec<String>, Refusal> {
        let Some(given) = Given::verbatim(self.annotations, Key::Notify) else {
            return Ok(Vec::new());
        };
        let mut pieces = given.between_dashed_lines();
        if pieces.len() == 1 && count > 1 {
            pieces = given.text.split(',').collect();
        }
        if pieces.len() > count {
            return Err(self.count_mismatch(Key::Notify, pieces.len(), count));
        }
        let commands = given.items(pieces.into_iter())?;
        let is_unprintable = |letter: char| letter.is_control() && !"\n\r\t".contains(letter);
        if given.text.contains(is_unprintable) {
            return Err(Refusal::ControlCharacterInCommand {
                annotation: given.name,
            });
        }
        Ok(commands.into_iter().map(str::to_owned).collect())
    }

    /// That `key` has another number of items than there are destinations.
    fn count_mismatch(&self, key: Key, count: usize, destinations: usize) -> Refusal {
        const EACH: &str = "each needs its counterpart";
        let name = |key| self.annotations.name(key);
        let is_given = |key| self.annotations.get(key).is_some();
        let destination = name(Key::SecretsDestination);
        if key == Key::SecretsPath && !is_given(key) {
            return Refusal::CountMismatch {
                annotation: destination,
                count: destinations,
                other: format!("{}, which is not given, has", name(key)),
                other_count: "1 by default (from the labels)".to_owned(),
                remedy: "give one path or template for each",
            };
        }
        let (other, other_count, remedy) = if is_given(Key::SecretsDestination) {
            let remedy = match key {
                Key::Notify => "give at most one command for each destination",
                _ => EACH,
            };
            (
                format!("{destination} has"),
                destinations.to_string(),
                remedy,
            )
        } else {
            (
                format!("{destination}, which is not given, has"),
                "1 by default (secrets.properties)".to_owned(),
                "give one destination for each",
            )
        };
        Refusal::CountMismatch {
            annotation: name(key),
            count,
            other,
            other_count,
            remedy,
        }
    }
}

/// The directories that a relative path goes through: `a` and `a/b` for `a/b/c`.
fn directories(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}
