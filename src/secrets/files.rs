//! The files with secrets: their destinations, templates and commands, which go together by their order.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::path::not_plain;
use super::template::{Delimiters, Format, default_template};
use super::{Delivery, SecretFile, template};
use crate::annotations::{Commas, Key, Lines, Need};
use crate::auth::Login;
use crate::pattern::TooMuchWork;
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;
use crate::values::{SecretsFormat, is_relative_path};
use crate::words::{quoted, set};

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
    let (mut templates, delimiters) = match own_templates {
        Some(templates) => {
            annotations.warn_unmet(Need::DefaultTemplate, subject.warnings);
            own(subject, templates, &destinations)?
        }
        None => {
            annotations.warn_unmet(Need::OwnTemplate, subject.warnings);
            let templates = defaults(subject, delivery, count)?;
            (templates, Delimiters::default())
        }
    };
    make_distinct(&mut templates, &delimiters);
    let commands = commands(subject, &destinations)?;
    let mut commands = match delivery {
        Delivery::Dynamic { .. } => commands,
        // Nothing changes that the application could be notified of.
        Delivery::Static { .. } => Vec::new(),
    }
    .into_iter();
    let permissions = annotations.file_permissions()?;
    let permissions = one_for_each(subject, Key::FilePermissions, permissions, count, || {
        subject.settings.secrets.file_permissions.clone()
    })?;
    Ok(destinations
        .into_iter()
        .zip(templates)
        .zip(permissions)
        .map(|((destination, template), permissions)| SecretFile {
            destination,
            template,
            delimiters: delimiters.clone(),
            has_own_template: own_templates.is_some(),
            permissions,
            notify: commands.next(),
        })
        .collect())
}

/// The templates that the pod brings.
fn own(
    subject: &Subject<'_>,
    templates: Lines<'_>,
    destinations: &[String],
) -> Result<(Vec<String>, Delimiters), Rejection> {
    let annotations = &subject.annotations;
    if let Some(rule) = subject.settings.restrictions.rejects_templates() {
        return Err(annotations.rejected(
            Key::SecretsTemplate,
            format!("not allowed by the setting {rule}; use secrets-path"),
        ));
    }
    let why = format!("where {} is given", annotations.name(Key::SecretsTemplate));
    annotations.warn_unused(Key::SecretsPath, &why, subject.warnings);
    let delimiters = Delimiters {
        left: annotations.template_left_delimiter()?,
        right: annotations.template_right_delimiter()?,
    };
    let alone = match (&delimiters.left, &delimiters.right) {
        (Some(_), None) => Some((Key::TemplateLeftDelimiter, Key::TemplateRightDelimiter)),
        (None, Some(_)) => Some((Key::TemplateRightDelimiter, Key::TemplateLeftDelimiter)),
        _ => None,
    };
    if let Some((given, missing)) = alone {
        let missing = annotations.name(missing);
        let problem = format!("needs its counterpart; add annotation {missing}");
        return Err(annotations.rejected(given, problem));
    }
    let templates = read_templates(subject, templates, &delimiters, destinations)?;
    Ok((templates, delimiters))
}

/// Default templates, one for each of `count` paths.
fn defaults(
    subject: &Subject<'_>,
    delivery: Delivery,
    count: usize,
) -> Result<Vec<String>, Rejection> {
    let annotations = &subject.annotations;
    let paths = paths(subject, count)?;
    let into_environment = Delivery::Static {
        into_environment: true,
    };
    if delivery == into_environment {
        annotations.warn_unmet(Need::DefaultTemplate, subject.warnings);
        let templates = paths.iter();
        return Ok(templates
            .map(|path| default_template(path, Format::Environment))
            .collect());
    }
    let formats = annotations.secrets_format()?;
    let formats = one_for_each(subject, Key::SecretsFormat, formats, count, || {
        SecretsFormat::Properties
    })?;
    let templates = paths.iter().zip(formats);
    Ok(templates
        .map(|(path, format)| default_template(path, Format::File(format)))
        .collect())
}

/// The values of an annotation that has one for all files, or one for each of `count`.
fn one_for_each<T: Clone>(
    subject: &Subject<'_>,
    key: Key,
    given: Option<Commas<T>>,
    count: usize,
    default: impl FnOnce() -> T,
) -> Result<Vec<T>, Rejection> {
    match given {
        None => Ok(vec![default(); count]),
        Some(Commas(all)) if all.len() == 1 => Ok(vec![all[0].clone(); count]),
        Some(Commas(each)) if each.len() == count => Ok(each),
        Some(Commas(other)) => Err(count_mismatch(subject, key, other.len(), count)),
    }
}

/// Makes templates differ, by a comment in front of each. Consul Template before 0.41.3, which is in Vault Agent, and
/// OpenBao's fork of it know a template by its content alone: of the files with the same one, they update only the first.
fn make_distinct(templates: &mut [String], delimiters: &Delimiters) {
    if set(templates.iter().map(String::as_str)).len() == templates.len() {
        return;
    }
    for (position, template) in (1..).zip(templates) {
        template.insert_str(0, &delimiters.comment(position));
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
    let login_files = login.files(subject);
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
    for destination in destinations.iter().copied() {
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
        return Err(annotations.rejected(
            Key::SecretsDestination,
            format!("{} {problem}", quoted(destination)),
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
    let mut work = subject.work.borrow_mut();
    for path in paths {
        if let Some(problem) = not_plain(path) {
            return Err(place().rejected(format!(
                "{} {problem}; expected a plain path such as secret/team/app (for a version, use secrets-template)",
                quoted(path)
            )));
        }
        restrictions.allow_path(path, &place, subject.identity(), &mut work)?;
    }
    Ok(())
}

/// The pod's own templates: separated by lines `---`, or as the releases of Vault Sidecar Injector did it, where only
/// that gives one template per destination. A single file is made of all of it.
fn read_templates(
    subject: &Subject<'_>,
    given: Lines<'_>,
    delimiters: &Delimiters,
    destinations: &[String],
) -> Result<Vec<String>, Rejection> {
    let (annotations, count) = (&subject.annotations, destinations.len());
    let by_lines = given.between_dashed_lines();
    let mut pieces = by_lines.clone();
    if count == 1 {
        pieces = vec![given.0];
        if by_lines.len() > 1 && annotations.get(Key::SecretsDestination).is_none() {
            subject.warnings.add(format!(
                "annotation {}: all of it is one template, because annotation {} names no files; give one destination for each template",
                annotations.name(Key::SecretsTemplate),
                annotations.name(Key::SecretsDestination)
            ));
        }
    } else if by_lines.len() != count {
        let by_commas = match by_lines.len() {
            1 => template::split_at_commas(given.0, delimiters),
            _ => Vec::new(),
        };
        let by_dashes = given.0.split("---").collect();
        let old_ways = [("commas", by_commas), ("--- inside a line", by_dashes)];
        let old_way = old_ways
            .into_iter()
            .find(|(_, pieces)| pieces.len() == count);
        let Some((separator, old)) = old_way else {
            let found = by_lines.len();
            return Err(count_mismatch(subject, Key::SecretsTemplate, found, count));
        };
        subject.warnings.add(format!(
            "annotation {}: separated by {separator}; separate templates by lines ---",
            annotations.name(Key::SecretsTemplate)
        ));
        pieces = old.into_iter().map(str::trim_start).collect();
    }
    reject_empty(
        subject,
        Key::SecretsTemplate,
        "template",
        &pieces,
        destinations,
    )?;
    let templates = pieces
        .into_iter()
        .map(|piece| template::without_heredoc_escapes(piece, delimiters));
    let templates: Vec<_> = templates.collect();
    check_templates(subject, &templates, delimiters, destinations)?;
    warn_of_plain_text(subject, &templates, delimiters, destinations);
    warn_of_other_certificates(subject, &templates, delimiters, destinations);
    Ok(templates)
}

fn reject_empty(
    subject: &Subject<'_>,
    key: Key,
    what: &str,
    pieces: &[&str],
    destinations: &[String],
) -> Result<(), Rejection> {
    let mut all = pieces.iter().zip(destinations);
    match all.find(|(piece, _)| piece.trim().is_empty()) {
        Some((_, destination)) => {
            let problem = format!("the {what} for {} is empty", quoted(destination));
            Err(subject.annotations.rejected(key, problem))
        }
        None => Ok(()),
    }
}

/// Rejects templates that Go cannot parse, or that call what they must not.
fn check_templates(
    subject: &Subject<'_>,
    templates: &[String],
    delimiters: &Delimiters,
    destinations: &[String],
) -> Result<(), Rejection> {
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
    let is_too_much = Cell::new(false);
    let is_denied = |function: &str| {
        if names.contains(&function) {
            return true;
        }
        let letters = patterns.len() * (function.len() + 1);
        match subject.work.borrow_mut().spend(letters) {
            Ok(()) => patterns.iter().any(|pattern| pattern.matches(function)),
            Err(TooMuchWork) => {
                is_too_much.set(true);
                true
            }
        }
    };
    for (template, destination) in templates.iter().zip(destinations) {
        let bytes = template.len();
        if bytes > LONGEST_TEMPLATE {
            return reject(format!(
                "the template for {} has {bytes} bytes; expected at most {LONGEST_TEMPLATE}",
                quoted(destination)
            ));
        }
        match template::check(template, delimiters, is_denied) {
            Ok(()) => {}
            Err(_) if is_too_much.get() => {
                return reject(format!(
                    "too much to compare with the patterns of the setting {RULE}; call fewer functions"
                ));
            }
            Err(mistake) => {
                let kind = mistake.kind.to_string();
                let kind = kind.replace("{{", delimiters.left());
                return reject(format!(
                    "the template for {}, line {}: {}",
                    quoted(destination),
                    mistake.line,
                    kind.replace("}}", delimiters.right())
                ));
            }
        }
    }
    Ok(())
}

/// Warns of templates in which nothing is done, as where another program has taken the braces away.
fn warn_of_plain_text(
    subject: &Subject<'_>,
    templates: &[String],
    delimiters: &Delimiters,
    destinations: &[String],
) {
    let annotations = &subject.annotations;
    for (template, destination) in templates.iter().zip(destinations) {
        if template::is_plain_text(template, delimiters) {
            subject.warnings.add(format!(
                "annotation {}: the template for {} has no {} {}, and the file will have its text as it is; where another program such as Helm needs these, annotations {} and {} name others",
                annotations.name(Key::SecretsTemplate),
                quoted(destination),
                delimiters.left(),
                delimiters.right(),
                annotations.name(Key::TemplateLeftDelimiter),
                annotations.name(Key::TemplateRightDelimiter)
            ));
        }
    }
}

/// Warns of files that have each a certificate of its own, though they look like parts of one: Consul Template has Vault
/// issue one for each template that calls `pkiCert`.
fn warn_of_other_certificates(
    subject: &Subject<'_>,
    templates: &[String],
    delimiters: &Delimiters,
    destinations: &[String],
) {
    let files = || templates.iter().zip(destinations);
    let mut before = BTreeSet::new();
    for (template, destination) in files() {
        let issued = set(template::issued_by(template, delimiters));
        if let Some(path) = issued.iter().find(|path| before.contains(**path)) {
            let mut with = files().filter(|(template, _)| {
                let mut issued = template::issued_by(template, delimiters);
                issued.any(|it| it == *path)
            });
            let first = with.next().map_or("", |(_, destination)| destination);
            subject.warnings.add(format!(
                "annotation {}: the templates for {} and {} call pkiCert with the same path, and Vault issues a certificate for each of them: a key in one does not match the certificate in the other; write both with one template, or call secret with the same arguments in both",
                subject.annotations.name(Key::SecretsTemplate),
                quoted(first),
                quoted(destination)
            ));
            return;
        }
        before.extend(issued);
    }
}

/// The commands of the first files; fewer than files are fine.
fn commands(subject: &Subject<'_>, destinations: &[String]) -> Result<Vec<String>, Rejection> {
    let (annotations, count) = (&subject.annotations, destinations.len());
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
    reject_empty(subject, Key::Notify, "command", &pieces, destinations)?;
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
        (true, Key::FilePermissions | Key::SecretsFormat) => "give one for all, or one for each",
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
