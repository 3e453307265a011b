//! The files of a pod with lists: destinations, templates and commands, which go together by their order.

use std::collections::BTreeSet;

use super::checks::{
    MOST_FILES, OwnTemplate, allow_paths, check_templates, problem_of_destination, reject_templates,
};
use super::template::{Delimiters, Format, default_template};
use super::{Delivery, SecretFile, Template, pairs, template};
use crate::annotations::{Commas, Key, Lines, Need};
use crate::auth::Login;
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;
use crate::values::SecretsFormat;
use crate::words::{quoted, set};

/// The destination, where the pod does not say.
const DEFAULT_DESTINATION: &str = "secrets.properties";

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
    let (templates, delimiters) = match own_templates {
        Some(templates) => {
            annotations.warn_unmet(Need::DefaultTemplate, subject.warnings);
            annotations.warn_unmet(Need::Pairs, subject.warnings);
            own(subject, templates, &destinations)?
        }
        None => {
            annotations.warn_unmet(Need::OwnTemplate, subject.warnings);
            let templates = defaults(subject, delivery, count)?;
            (templates, Delimiters::default())
        }
    };
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
            directory: 0,
            template: Template::Contents(template),
            delimiters: delimiters.clone(),
            has_own_template: own_templates.is_some(),
            permissions,
            error_on_missing_key: subject.settings.secrets.error_on_missing_key,
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
    reject_templates(
        subject,
        annotations.place(Key::SecretsTemplate),
        "secrets-path",
    )?;
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
    if delivery.is_into_environment() {
        annotations.warn_unmet(Need::DefaultTemplate, subject.warnings);
        let pairs = pairs::read(subject, count)?;
        let templates = paths.iter().zip(&pairs);
        return Ok(templates
            .map(|(path, pairs)| default_template(path, Format::Environment(pairs)))
            .collect());
    }
    annotations.warn_unmet(Need::Pairs, subject.warnings);
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
    let of_login = login.files(subject);
    let all = set(destinations.iter().copied());
    let mut before = BTreeSet::new();
    for destination in destinations.iter().copied() {
        let problem = problem_of_destination(destination, &all, &mut before, of_login);
        let Some(problem) = problem else { continue };
        return Err(annotations.rejected(
            Key::SecretsDestination,
            format!("{} {problem}", quoted(destination)),
        ));
    }
    Ok(destinations.into_iter().map(str::to_owned).collect())
}

/// The path in Vault that the labels give.
pub fn path_of_labels(subject: &Subject<'_>) -> Result<String, Rejection> {
    let settings = &subject.settings.annotations;
    let [application, service] = [&settings.application_label, &settings.service_label];
    Ok(format!(
        "secret/{}/{}",
        subject.label(application, Key::SecretsPath)?,
        subject.label(service, Key::SecretsPath)?
    ))
}

/// The paths in Vault, one for each of `count` files.
fn paths(subject: &Subject<'_>, count: usize) -> Result<Vec<String>, Rejection> {
    let Some(Commas(paths)) = subject.annotations.secrets_path()? else {
        if count != 1 {
            return Err(count_mismatch(subject, Key::SecretsPath, 1, count));
        }
        let path = path_of_labels(subject)?;
        let settings = &subject.settings.annotations;
        let (application, service) = (&settings.application_label, &settings.service_label);
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
    let own = templates.into_iter().zip(destinations);
    let own: Vec<_> = own
        .map(|(text, destination)| OwnTemplate {
            text,
            delimiters: delimiters.clone(),
            destination: Some(destination),
            place: annotations.place(Key::SecretsTemplate),
        })
        .collect();
    check_templates(subject, &own)?;
    Ok(own.into_iter().map(|own| own.text).collect())
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
            let problem = format!("the {what} for {} is empty; add it", quoted(destination));
            Err(subject.annotations.rejected(key, problem))
        }
        None => Ok(()),
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
        let problem = "must not have control characters except line breaks and tabs";
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
