//! The files with secrets: their destinations, templates and commands, which go together by their order.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::path::not_plain;
use super::{Delivery, SecretFile, template};
use crate::annotations::{Commas, Key, Lines};
use crate::auth::Login;
use crate::pattern::{TooMuchWork, Work};
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;
use crate::values::is_relative_path;
use crate::words::set;

/// The destination, where the pod does not say.
const DEFAULT_DESTINATION: &str = "secrets.properties";

/// The most files that a pod can ask for.
const MOST_FILES: usize = 256;

/// The most bytes of a destination. With the directory in front, Linux takes 4,096.
const LONGEST_DESTINATION: usize = 1024;

/// The most bytes of a name in a directory: Linux' `NAME_MAX`.
const LONGEST_FILE_NAME: usize = 255;

/// The most bytes of a template.
const LONGEST_TEMPLATE: usize = 96 * 1024;

/// Reads the files, at least one.
pub fn read(
    subject: &Subject<'_>,
    login: &Login,
    delivery: Delivery,
) -> Result<Vec<SecretFile>, Rejection> {
    let destinations = destinations(subject, login)?;
    let count = destinations.len();
    let annotations = &subject.annotations;
    let own_templates = annotations.secrets_template()?;
    let mut templates = match own_templates {
        Some(templates) => {
            if let Some(rule) = subject.settings.restrictions.rejects_templates() {
                return Err(annotations.rejected(
                    Key::SecretsTemplate,
                    format!("not allowed by the setting {rule}; use secrets-path"),
                ));
            }
            let why = format!("where {} is given", annotations.name(Key::SecretsTemplate));
            annotations.warn_unused(Key::SecretsPath, &why, subject.warnings);
            read_templates(subject, templates, count)?
        }
        None => {
            let default_template = match delivery {
                Delivery::Static {
                    into_environment: true,
                } => template::default_for_environment,
                _ => template::default_for_file,
            };
            let paths = paths(subject, count)?;
            paths.iter().map(|path| default_template(path)).collect()
        }
    };
    make_distinct(&mut templates);
    let commands = commands(subject, count)?;
    let mut commands = match delivery {
        Delivery::Dynamic { .. } => commands,
        // Nothing changes that the application could be notified of.
        Delivery::Static { .. } => Vec::new(),
    }
    .into_iter();
    Ok(destinations
        .into_iter()
        .zip(templates)
        .map(|(destination, template)| SecretFile {
            destination,
            template,
            has_own_template: own_templates.is_some(),
            notify: commands.next(),
        })
        .collect())
}

/// Makes templates differ, by a comment in front of each. Consul Template before 0.41.3, which is in Vault Agent, and
/// OpenBao's fork of it know a template by its content alone: of the files with the same one, they update only the first.
fn make_distinct(templates: &mut [String]) {
    if set(templates.iter().map(String::as_str)).len() == templates.len() {
        return;
    }
    for (position, template) in (1..).zip(templates) {
        template.insert_str(0, &format!("{{{{/* {position} */}}}}"));
    }
}

fn destinations(subject: &Subject<'_>, login: &Login) -> Result<Vec<String>, Rejection> {
    let annotations = &subject.annotations;
    let Some(Commas(destinations)) = annotations.secrets_destination()? else {
        return Ok(vec![DEFAULT_DESTINATION.to_owned()]);
    };
    if destinations.len() > MOST_FILES {
        let count = destinations.len();
        return Err(annotations.rejected(
            Key::SecretsDestination,
            format!("{count} items; expected at most {MOST_FILES}"),
        ));
    }
    let login_files = match login {
        Login::AppRole(login) => login.files(&subject.settings.vault.auth.approle),
        Login::Kubernetes(_) => None,
    };
    let is_of_login = |path: &str| login_files.iter().flatten().any(|file| *file == path);
    let all = set(destinations.iter().copied());
    let is_below_another = |path: &str| {
        let mut directories = path.match_indices('/').map(|(end, _)| &path[..end]);
        directories.any(|directory| all.contains(directory))
    };
    let too_long = format!(
        "is too long; expected at most {LONGEST_DESTINATION} bytes, and {LONGEST_FILE_NAME} between slashes"
    );
    let mut before = BTreeSet::new();
    for (index, destination) in destinations.iter().copied().enumerate() {
        let first = destination.split('/').next().unwrap_or_default();
        let problem: &str = if !is_relative_path(destination) {
            "must be relative to the secrets directory, without empty, . or .. segments"
        } else if destination.len() > LONGEST_DESTINATION
            || destination
                .split('/')
                .any(|name| name.len() > LONGEST_FILE_NAME)
        {
            &too_long
        } else if !before.insert(destination) {
            "is in the list already"
        } else if is_below_another(destination) {
            "is below another destination, which is a file"
        } else if is_of_login(destination) {
            "is a file that the login with approle reads"
        } else if is_of_login(first) {
            "is below a file that the login with approle reads"
        } else {
            continue;
        };
        let position = index + 1;
        return Err(annotations.rejected(
            Key::SecretsDestination,
            format!("item {position} {problem}"),
        ));
    }
    Ok(destinations.into_iter().map(str::to_owned).collect())
}

/// The paths in Vault, one for each of `count` files.
fn paths(subject: &Subject<'_>, count: usize) -> Result<Vec<String>, Rejection> {
    let Some(Commas(paths)) = subject.annotations.secrets_path()? else {
        if count != 1 {
            return Err(count_mismatch(subject, Key::SecretsPath, 1, count));
        }
        let settings = &subject.settings.annotations;
        let (application, service) = (&settings.application_label, &settings.service_label);
        let path = format!(
            "secret/{}/{}",
            subject.label(application, Key::SecretsPath)?,
            subject.label(service, Key::SecretsPath)?
        );
        let place = || Place::Label(format!("{} or {}", application.as_str(), service.as_str()));
        allow_paths(subject, &[&path], place)?;
        return Ok(vec![path]);
    };
    if paths.len() != count {
        return Err(count_mismatch(
            subject,
            Key::SecretsPath,
            paths.len(),
            count,
        ));
    }
    let place = || Place::Annotation(subject.annotations.name(Key::SecretsPath));
    allow_paths(subject, &paths, place)?;
    Ok(paths.into_iter().map(str::to_owned).collect())
}

/// Rejects paths that are not plain or not allowed.
fn allow_paths(
    subject: &Subject<'_>,
    paths: &[&str],
    place: impl Fn() -> Place,
) -> Result<(), Rejection> {
    let restrictions = &subject.settings.restrictions;
    let mut work = Work::default();
    for (position, path) in (1..).zip(paths) {
        if let Some(problem) = not_plain(path) {
            return Err(place().rejected(format!(
                "item {position} {problem}; expected a plain path such as secret/team/app (for a version, use secrets-template)"
            )));
        }
        restrictions.allow_path(path, &place, subject.identity(), &mut work)?;
    }
    Ok(())
}

/// The pod's own templates: separated by lines `---`, or as the releases of Vault Sidecar Injector did it, where only
/// that gives one template per destination.
fn read_templates(
    subject: &Subject<'_>,
    given: Lines<'_>,
    count: usize,
) -> Result<Vec<String>, Rejection> {
    let by_lines = given.between_dashed_lines();
    let mut pieces = by_lines.clone();
    if by_lines.len() != count {
        let by_commas = match by_lines.len() {
            1 => template::split_at_commas(given.0),
            _ => Vec::new(),
        };
        let by_dashes = given.0.split("---").collect();
        let old_ways = [("commas", by_commas), ("--- inside a line", by_dashes)];
        let old_way = old_ways
            .into_iter()
            .find(|(_, pieces)| count > 1 && pieces.len() == count);
        let Some((separator, old)) = old_way else {
            let found = by_lines.len();
            return Err(count_mismatch(subject, Key::SecretsTemplate, found, count));
        };
        subject.warnings.add(format!(
            "annotation {}: separated by {separator}; separate templates by lines ---",
            subject.annotations.name(Key::SecretsTemplate)
        ));
        pieces = old.into_iter().map(str::trim_start).collect();
    }
    reject_empty(subject, Key::SecretsTemplate, &pieces)?;
    let templates = pieces.into_iter().map(template::without_heredoc_escapes);
    let templates: Vec<_> = templates.collect();
    check_templates(subject, &templates)?;
    Ok(templates)
}

fn reject_empty(subject: &Subject<'_>, key: Key, pieces: &[&str]) -> Result<(), Rejection> {
    match (1..).zip(pieces).find(|(_, piece)| piece.trim().is_empty()) {
        Some((position, _)) => {
            let problem = format!("item {position} is empty");
            Err(subject.annotations.rejected(key, problem))
        }
        None => Ok(()),
    }
}

/// Rejects templates that Go cannot parse, or that call what they must not.
fn check_templates(subject: &Subject<'_>, templates: &[String]) -> Result<(), Rejection> {
    const RULE: &str = "restrictions.deniedTemplateFunctions";
    let reject = |problem: String| Err(subject.annotations.rejected(Key::SecretsTemplate, problem));
    let denied = subject
        .settings
        .restrictions
        .denied_template_functions
        .iter();
    // Most are plain names, and a template can have very many calls.
    let (patterns, names): (Vec<_>, Vec<_>) = denied.partition(|denied| denied.is_pattern());
    let names: Vec<_> = names.into_iter().map(|name| name.as_str()).collect();
    let (work, is_too_much) = (RefCell::new(Work::default()), Cell::new(false));
    let is_denied = |function: &str| {
        if names.contains(&function) {
            return true;
        }
        let letters = patterns.len() * (function.len() + 1);
        match work.borrow_mut().spend(letters) {
            Ok(()) => patterns.iter().any(|pattern| pattern.matches(function)),
            Err(TooMuchWork) => {
                is_too_much.set(true);
                true
            }
        }
    };
    for (position, template) in (1..).zip(templates) {
        let bytes = template.len();
        if bytes > LONGEST_TEMPLATE {
            return reject(format!(
                "template {position} has {bytes} bytes; expected at most {LONGEST_TEMPLATE}"
            ));
        }
        match template::check(template, is_denied) {
            Ok(()) => {}
            Err(_) if is_too_much.get() => {
                return reject(format!(
                    "too much to compare with the patterns of the setting {RULE}; call fewer functions"
                ));
            }
            Err(mistake) => {
                let line = mistake.line;
                return reject(format!(
                    "template {position}, line {line}: {}",
                    mistake.kind
                ));
            }
        }
    }
    Ok(())
}

/// The commands of the first files; fewer than files are fine.
fn commands(subject: &Subject<'_>, count: usize) -> Result<Vec<String>, Rejection> {
    let annotations = &subject.annotations;
    let Some(given) = annotations.notify()? else {
        return Ok(Vec::new());
    };
    let mut pieces = given.between_dashed_lines();
    if pieces.len() == 1 && count > 1 {
        pieces = given.0.split(',').collect();
    }
    if pieces.len() > count {
        return Err(count_mismatch(subject, Key::Notify, pieces.len(), count));
    }
    reject_empty(subject, Key::Notify, &pieces)?;
    let is_unprintable = |letter: char| letter.is_control() && !"\n\r\t".contains(letter);
    if given.0.contains(is_unprintable) {
        let problem = "must not have a control character except a line break or a tab";
        return Err(annotations.rejected(Key::Notify, problem));
    }
    let commands = pieces.into_iter().map(|command| command.trim().to_owned());
    Ok(commands.collect())
}

/// That `key` has another number of items than there are destinations.
fn count_mismatch(subject: &Subject<'_>, key: Key, count: usize, destinations: usize) -> Rejection {
    let annotations = &subject.annotations;
    let is_given = |key| annotations.get(key).is_some();
    let destination = annotations.name(Key::SecretsDestination);
    if key == Key::SecretsPath && !is_given(key) {
        let name = annotations.name(key);
        return annotations.rejected(
            Key::SecretsDestination,
            format!("{destinations} items, and annotation {name}, which is not given, has 1 by default (from the labels); give one path or template for each"),
        );
    }
    let remedy = match (is_given(Key::SecretsDestination), key) {
        (false, _) => "give one destination for each",
        (true, Key::Notify) => "give at most one command for each destination",
        (true, _) => "each needs its counterpart",
    };
    let others = match is_given(Key::SecretsDestination) {
        true => format!("annotation {destination} has {destinations}"),
        false => format!(
            "annotation {destination}, which is not given, has 1 by default ({DEFAULT_DESTINATION})"
        ),
    };
    annotations.rejected(key, format!("{count} items, and {others}; {remedy}"))
}
