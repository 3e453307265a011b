//! The files of a pod with an annotation for each part of each secret: `secret-NAME`, `file-NAME`, ...

use std::collections::BTreeSet;

use super::checks::{
    MOST_FILES, OwnTemplate, allow_paths, check_templates, problem_of_destination, reject_templates,
};
use super::copied::is_of_pod;
use super::directory::Directories;
use super::pairs::{self, Places};
use super::template::{Delimiters, Format, default_template};
use super::{Delivery, SecretFile, SecretsDirectory, Template};
use crate::annotations::{Commas, Key, Lines, Named, Value};
use crate::auth::Login;
use crate::names;
use crate::path::below;
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;
use crate::values::Checked;
use crate::values::{DataKey, Delimiter, Directory, FilePath, ObjectName, SecretsFormat};
use crate::words::{MOST_NAMES, quoted, set};

/// The most bytes of a directory for some of the files.
const LONGEST_DIRECTORY: usize = 256;

/// What a secret is made of: one of these must be there.
const SOURCES: [Key; 4] = [
    Key::Template,
    Key::TemplateConfigMap,
    Key::TemplateFile,
    Key::Secret,
];

/// What else may be said of one.
const PARTS: [Key; 11] = [
    Key::EnvPrefixOf,
    Key::EnvNamesOf,
    Key::SecretLeftDelimiter,
    Key::SecretRightDelimiter,
    Key::File,
    Key::Directory,
    Key::Permissions,
    Key::Format,
    Key::Command,
    Key::ErrorOnMissingKey,
    Key::PreserveCase,
];

/// The lists that say the same for all secrets.
const LISTS: [Key; 7] = [
    Key::EnvNames,
    Key::SecretsPath,
    Key::SecretsDestination,
    Key::SecretsTemplate,
    Key::TemplateLeftDelimiter,
    Key::TemplateRightDelimiter,
    Key::Notify,
];

/// Whether the pod uses these annotations: it names a secret, or its vocabulary has no lists.
///
/// # Errors
///
/// If it uses lists as well.
pub fn is_used(subject: &Subject<'_>) -> Result<bool, Rejection> {
    let annotations = &subject.annotations;
    let first = |keys: &[Key]| keys.iter().find_map(|key| annotations.first_place(*key));
    match (first(&SOURCES), first(&LISTS)) {
        (Some(named), Some(list)) => Err(named.rejected(format!(
            "must not be used with {list}; use lists or annotations for each secret"
        ))),
        (Some(_), None) => Ok(true),
        (None, _) if annotations.vocabulary().is_own() => {
            warn_of_orphans(&BTreeSet::new(), subject);
            Ok(false)
        }
        (None, _) => Ok(true),
    }
}

/// One secret as the pod describes it.
struct Request<'s, 'a> {
    name: &'s str,
    subject: &'s Subject<'a>,
}

impl<'s, 'a> Request<'s, 'a> {
    fn given(&self, key: Key) -> Option<&'s Named<'a>> {
        let mut given = self.subject.annotations.of(key);
        given.find(|given| given.name == self.name && !is_blank(given, self.subject))
    }

    fn value<T: Value<'s>>(&self, key: Key) -> Result<Option<T>, Rejection> {
        let given = self.given(key);
        given
            .map(|given| self.subject.annotations.value_of(given))
            .transpose()
    }

    fn place(&self, key: Key) -> Place {
        Place::Annotation(self.subject.annotations.name_of(key, self.name))
    }
}

/// Whether an annotation counts as not given.
fn is_blank(given: &Named<'_>, subject: &Subject<'_>) -> bool {
    !subject.annotations.vocabulary().is_own() && given.value.trim().is_empty()
}

/// Reads the files, in the order of their names, and their directories.
pub fn read(
    subject: &Subject<'_>,
    login: &Login,
    delivery: Delivery,
) -> Result<(Vec<SecretFile>, Vec<SecretsDirectory>), Rejection> {
    let annotations = &subject.annotations;
    let given = SOURCES.iter().flat_map(|key| annotations.of(*key));
    let given = given.filter(|given| !is_blank(given, subject));
    let secrets = set(given.map(|given| given.name.as_str()));
    warn_of_orphans(&secrets, subject);
    if secrets.len() > MOST_FILES {
        let place = annotations.first_place(Key::Secret);
        let place = place.unwrap_or(annotations.place(Key::Secret));
        return Err(place.rejected(format!(
            "{} secrets; expected at most {MOST_FILES}",
            secrets.len()
        )));
    }
    let requests = secrets.iter().map(|name| Request { name, subject });
    let requests: Vec<_> = requests.collect();
    let main = SecretsDirectory::main(subject)?;
    let mut paths = Vec::new();
    for request in &requests {
        let path: Option<Directory> = request.value(Key::Directory)?;
        let path = path.map(|path| path.text());
        if let Some(problem) = path
            .as_deref()
            .and_then(|path| problem_of_directory(path, &main, delivery))
        {
            return Err(request.place(Key::Directory).rejected(problem));
        }
        paths.push(path);
    }
    let directories = Directories::of(
        main,
        set(paths.iter().flatten().map(String::as_str)),
        subject,
    )?;
    let mut files = Vec::new();
    let mut places = Vec::new();
    for (request, path) in requests.iter().zip(&paths) {
        let place = path.as_deref().and_then(|path| directories.place_of(path));
        let (directory, below) = place.unwrap_or_default();
        let (name, place) = file_name(request)?;
        places.push(place);
        files.push(file(
            request,
            directory,
            format!("{below}{name}"),
            delivery,
        )?);
    }
    check_destinations(&files, &places, login, subject)?;
    check_own_templates(&files, &requests, subject)?;
    Ok((files, directories.all))
}

/// What is wrong with a directory for some of the files, if something is.
fn problem_of_directory(path: &str, main: &SecretsDirectory, delivery: Delivery) -> Option<String> {
    let shell = delivery
        .is_into_environment()
        .then_some(names::ENV_DIRECTORY);
    let mut inside = [&*main.in_application].into_iter().chain(shell);
    if path.len() > LONGEST_DIRECTORY {
        return Some(format!(
            "too long; expected at most {LONGEST_DIRECTORY} bytes"
        ));
    }
    // A volume there would be in front of it.
    let inside = inside.find(|inside| below(inside, path).is_some())?;
    Some(format!(
        "{} has {inside} in it, which is another volume; expected a directory beside or below it",
        quoted(path)
    ))
}

/// Warns of what is said of a secret that nothing says the source of.
fn warn_of_orphans(secrets: &BTreeSet<&str>, subject: &Subject<'_>) {
    let annotations = &subject.annotations;
    let said = PARTS.iter().flat_map(|key| annotations.of(*key));
    for said in said
        .filter(|said| !secrets.contains(&*said.name))
        .take(MOST_NAMES)
    {
        subject.warnings.add(format!(
            "{}: no effect without {} or {}",
            annotations.place_of(said),
            annotations.name_of(Key::Secret, &said.name),
            annotations.name_of(Key::Template, &said.name)
        ));
    }
}

/// The file's name in its directory, and where it is given.
fn file_name(request: &Request<'_, '_>) -> Result<(String, Place), Rejection> {
    let annotations = &request.subject.annotations;
    let is_own = annotations.vocabulary().is_own();
    if let Some(given) = request.value::<&str>(Key::File)? {
        // As the Agent Injector joins it to the directory.
        let name = match is_own {
            true => given.to_owned(),
            false => given
                .split('/')
                .filter(|name| !matches!(*name, "" | "."))
                .collect::<Vec<_>>()
                .join("/"),
        };
        return Ok((name, request.place(Key::File)));
    }
    let mut sources = SOURCES.iter().filter(|key| request.given(**key).is_some());
    let place = request.place(*sources.next().unwrap_or(&Key::Secret));
    let keeps_case = match request.value(Key::PreserveCase)? {
        Some(keeps_case) => keeps_case,
        None => is_own || annotations.preserve_secret_case()?.unwrap_or(false),
    };
    let name = match keeps_case {
        true => request.name.to_owned(),
        false => request.name.to_lowercase(),
    };
    Ok((name, place))
}

fn file(
    request: &Request<'_, '_>,
    directory: usize,
    destination: String,
    delivery: Delivery,
) -> Result<SecretFile, Rejection> {
    let (annotations, settings) = (
        &request.subject.annotations,
        &request.subject.settings.secrets,
    );
    let (template, is_own) = template(request, delivery)?;
    let permissions = match request.value(Key::Permissions)? {
        Some(permissions) => permissions,
        None => for_all(
            Key::FilePermissions,
            annotations.file_permissions()?,
            request.subject,
        )?
        .unwrap_or_else(|| settings.file_permissions.clone()),
    };
    let delimiters = Delimiters {
        left: request.value::<Delimiter>(Key::SecretLeftDelimiter)?,
        right: request.value::<Delimiter>(Key::SecretRightDelimiter)?,
    };
    let error_on_missing_key = request.value(Key::ErrorOnMissingKey)?;
    Ok(SecretFile {
        destination,
        directory,
        template,
        // The default template is written with its own.
        delimiters: if is_own {
            delimiters
        } else {
            Delimiters::default()
        },
        has_own_template: is_own,
        permissions,
        error_on_missing_key: error_on_missing_key.unwrap_or(settings.error_on_missing_key),
        notify: command(request, delivery)?,
    })
}

/// The one value of an annotation that is for all secrets.
fn for_all<T>(
    key: Key,
    given: Option<Commas<T>>,
    subject: &Subject<'_>,
) -> Result<Option<T>, Rejection> {
    let Some(Commas(mut all)) = given else {
        return Ok(None);
    };
    match all.len() {
        1 => Ok(all.pop()),
        count => Err(subject.annotations.rejected(
            key,
            format!(
                "{count} items; expected one for all secrets, where each has annotations of its own"
            ),
        )),
    }
}

/// The template, and whether it is the pod's.
fn template(request: &Request<'_, '_>, delivery: Delivery) -> Result<(Template, bool), Rejection> {
    let (annotations, subject) = (&request.subject.annotations, request.subject);
    let is_own = annotations.vocabulary().is_own();
    let mut templates = SOURCES[..3]
        .iter()
        .filter(|key| request.given(**key).is_some());
    let Some(first) = templates.next().copied() else {
        return default(request, delivery).map(|text| (Template::Contents(text), false));
    };
    if let Some(other) = templates.next() {
        let (first, other) = (request.place(first), request.place(*other));
        match is_own {
            true => {
                return Err(
                    other.rejected(format!("must not be used with {first}; remove one of them"))
                );
            }
            false => subject
                .warnings
                .add(format!("{other}: no effect with {first}")),
        }
    }
    reject_templates(
        subject,
        request.place(first),
        annotations.name_of(Key::Secret, request.name).as_str(),
    )?;
    let template = match first {
        Key::Template => {
            let Lines(text) = request.value(Key::Template)?.unwrap_or(Lines(""));
            if text.trim().is_empty() {
                return Err(request
                    .place(first)
                    .rejected("empty; give it a value or remove it"));
            }
            Template::Contents(text.to_owned())
        }
        Key::TemplateFile => {
            let path: Option<FilePath> = request.value(first)?;
            let path = path.map(|path| path.text()).unwrap_or_default();
            if !is_of_pod(&path, subject)? {
                return Err(request.place(first).rejected(format!(
                    "{} is not in a volume that only Kubernetes writes; expected a file of annotation {}, below {}, or of a ConfigMap, Secret or projected volume of the container in annotation {}",
                    quoted(&path),
                    annotations.name(Key::ExtraSecret),
                    subject.names().extra_secret.directory,
                    annotations.name(Key::CopyVolumeMounts)
                )));
            }
            Template::Source(path)
        }
        _ => {
            let text: &str = request.value(first)?.unwrap_or_default();
            let Some((name, key)) = config_map_key(text) else {
                return Err(request.place(first).rejected(
                    "not valid; expected the name of a ConfigMap of the pod's namespace, a slash and a key, such as templates/app.ctmpl",
                ));
            };
            Template::ConfigMap { name, key }
        }
    };
    Ok((template, true))
}

/// A ConfigMap and a key of it.
fn config_map_key(text: &str) -> Option<(ObjectName, DataKey)> {
    let (name, key) = text.split_once('/')?;
    Some((ObjectName::parse(name)?, DataKey::parse(key)?))
}

fn default(request: &Request<'_, '_>, delivery: Delivery) -> Result<String, Rejection> {
    let subject = request.subject;
    let path: &str = request.value(Key::Secret)?.unwrap_or_default();
    allow_paths(subject, &[path], || request.place(Key::Secret))?;
    if delivery.is_into_environment() {
        let prefix = match request.value(Key::EnvPrefixOf)? {
            Some(prefix) => Some(prefix),
            None => for_all(Key::EnvPrefix, subject.annotations.env_prefix()?, subject)?,
        };
        let names: Option<Lines<'_>> = request.value(Key::EnvNamesOf)?;
        let places = Places {
            prefix: request.place(Key::EnvPrefixOf),
            names: request.place(Key::EnvNamesOf),
        };
        let pairs = pairs::of_one(prefix, names.map(|Lines(list)| list), &places, subject)?;
        return Ok(default_template(path, Format::Environment(&pairs)));
    }
    let format = match request.value(Key::Format)? {
        Some(format) => format,
        None => for_all(
            Key::SecretsFormat,
            subject.annotations.secrets_format()?,
            subject,
        )?
        .unwrap_or(SecretsFormat::Properties),
    };
    Ok(default_template(path, Format::File(format)))
}

/// The command to run after the file has changed.
fn command(request: &Request<'_, '_>, delivery: Delivery) -> Result<Option<String>, Rejection> {
    let Some(Lines(command)) = request.value(Key::Command)? else {
        return Ok(None);
    };
    let reject = |problem| Err(request.place(Key::Command).rejected(problem));
    let is_unprintable = |letter: char| letter.is_control() && !"\n\r\t".contains(letter);
    if command.trim().is_empty() {
        return reject("empty; give it a value or remove it");
    }
    if command.contains(is_unprintable) {
        return reject("must not have control characters except line breaks and tabs");
    }
    let is_own = request.subject.annotations.vocabulary().is_own();
    match delivery {
        // Nothing changes that the application could be notified of.
        Delivery::Static { .. } if is_own => Ok(None),
        _ => Ok(Some(command.trim().to_owned())),
    }
}

/// Rejects files that cannot be where they are to be.
fn check_destinations(
    files: &[SecretFile],
    places: &[Place],
    login: &Login,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let count = files
        .iter()
        .map(|file| file.directory + 1)
        .max()
        .unwrap_or(0);
    for directory in 0..count {
        let of_login = login.files(subject).filter(|_| directory == 0);
        let here = || {
            files
                .iter()
                .zip(places)
                .filter(|(file, _)| file.directory == directory)
        };
        let all = set(here().map(|(file, _)| file.destination.as_str()));
        let mut before = BTreeSet::new();
        for (file, place) in here() {
            let destination = file.destination.as_str();
            let problem = problem_of_destination(destination, &all, &mut before, of_login);
            if let Some(problem) = problem {
                return Err(place
                    .clone()
                    .rejected(format!("{} {problem}", quoted(destination))));
            }
        }
    }
    Ok(())
}

fn check_own_templates(
    files: &[SecretFile],
    requests: &[Request<'_, '_>],
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let own = files.iter().zip(requests).filter_map(|(file, request)| {
        let Template::Contents(text) = &file.template else {
            return None;
        };
        file.has_own_template.then(|| OwnTemplate {
            text: text.clone(),
            delimiters: file.delimiters.clone(),
            destination: Some(&file.destination),
            place: request.place(Key::Template),
        })
    });
    check_templates(subject, &own.collect::<Vec<_>>())
}
