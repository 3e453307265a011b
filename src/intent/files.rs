//! The files with secrets: their destinations, templates and commands, which go together by their order.

use std::cell::{Cell, RefCell};

use super::reader::Reader;
use super::value::{Given, is_relative_path, not_plain};
use super::{AppRole, Delivery, Login, Refusal, SecretFile, restricted, template};
use crate::annotations::Key;
use crate::settings::{TooMuchWork, Work};

/// The most files that a pod can ask for.
const MOST_FILES: usize = 256;

/// The most bytes of a destination. With the directory in front, Linux takes 4,096.
const LONGEST_DESTINATION: usize = 1024;

/// The most bytes of a template.
const LONGEST_TEMPLATE: usize = 96 * 1024;

/// Reads the files, at least one.
pub fn read(
    reader: &Reader<'_>,
    login: &Login,
    delivery: Delivery,
    warnings: &mut Vec<String>,
) -> Result<Vec<SecretFile>, Refusal> {
    let destinations = destinations(reader, login)?;
    let count = destinations.len();
    let given = Given::verbatim(reader.annotations, Key::SecretsTemplate);
    let has_own_template = given.is_some();
    let templates = match given {
        Some(given) => {
            if let Some(rule) = reader.settings.restrictions.refuses_templates() {
                return Err(Refusal::TemplatesRefused {
                    annotation: given.name,
                    rule,
                });
            }
            let why = format!("where {} is given", given.name);
            reader.warn_unused(&[Key::SecretsPath], &why, warnings);
            own_templates(reader, &given, count, warnings)?
        }
        None => {
            let default_template = match delivery {
                Delivery::Static {
                    into_environment: true,
                } => template::default_for_environment,
                _ => template::default_for_file,
            };
            let paths = paths(reader, count)?;
            paths.iter().map(|path| default_template(path)).collect()
        }
    };
    let commands = commands(reader, count)?;
    let mut commands = match delivery {
        Delivery::Dynamic { .. } => commands,
        // Nothing changes that the application could be told of.
        Delivery::Static { .. } => Vec::new(),
    }
    .into_iter();
    Ok(destinations
        .into_iter()
        .zip(templates)
        .map(|(destination, template)| SecretFile {
            destination,
            template,
            has_own_template,
            notify: commands.next(),
        })
        .collect())
}

fn destinations(reader: &Reader<'_>, login: &Login) -> Result<Vec<String>, Refusal> {
    let Some(given) = reader.line(Key::SecretsDestination)? else {
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
    let approle = &reader.settings.vault.approle;
    let login_files = match login {
        Login::AppRole(AppRole::Files) => vec![
            approle.role_id_file.as_str(),
            approle.secret_id_file.as_str(),
        ],
        _ => Vec::new(),
    };
    let relations = relations(&destinations);
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
        match relations[position] {
            Relation::None => {}
            Relation::Same => return refuse(position, "is there already"),
            Relation::Below => {
                return refuse(position, "is below another destination, which is a file");
            }
        }
        if login_files.contains(&destination) {
            return refuse(position, "is a file that the login with approle reads");
        }
        let first = destination.split('/').next().unwrap_or_default();
        if login_files.contains(&first) {
            return refuse(
                position,
                "is below a file that the login with approle reads",
            );
        }
    }
    Ok(destinations.into_iter().map(str::to_owned).collect())
}

/// What a path is to those before it in a list, or to those that are a directory of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    None,
    Same,
    Below,
}

/// What each path is to the others.
///
/// In the order of their names, all that is in a directory comes right behind it: each path need only be compared
/// with the one before it, or with what that is in.
fn relations(paths: &[&str]) -> Vec<Relation> {
    // A slash comes before all that a name can have.
    let bytes = |index: usize| {
        let bytes = paths[index].bytes();
        bytes.map(|byte| if byte == b'/' { 0 } else { byte })
    };
    let mut order: Vec<_> = (0..paths.len()).collect();
    order.sort_by(|left, right| bytes(*left).cmp(bytes(*right)));
    let mut relations = vec![Relation::None; paths.len()];
    let mut before: Option<&str> = None;
    for index in order {
        let path = paths[index];
        let rest = before.and_then(|before| path.strip_prefix(before));
        relations[index] = match rest {
            Some("") => Relation::Same,
            Some(rest) if rest.starts_with('/') => Relation::Below,
            _ => {
                before = Some(path);
                Relation::None
            }
        };
    }
    relations
}

/// The paths in Vault, one for each of `count` files.
fn paths(reader: &Reader<'_>, count: usize) -> Result<Vec<String>, Refusal> {
    let Some(given) = reader.line(Key::SecretsPath)? else {
        if count != 1 {
            return Err(count_mismatch(reader, Key::SecretsPath, 1, count));
        }
        let settings = &reader.settings.annotations;
        let path = format!(
            "secret/{}/{}",
            reader.label(&settings.application_label, Key::SecretsPath)?,
            reader.label(&settings.service_label, Key::SecretsPath)?
        );
        let source = || {
            format!(
                "labels {} and {}",
                settings.application_label.as_str(),
                settings.service_label.as_str()
            )
        };
        allow_paths(reader, &[&path], source)?;
        return Ok(vec![path]);
    };
    let paths = given.list()?;
    if paths.len() != count {
        return Err(count_mismatch(reader, Key::SecretsPath, paths.len(), count));
    }
    allow_paths(reader, &paths, || format!("annotation {}", given.name))?;
    Ok(paths.into_iter().map(str::to_owned).collect())
}

/// Refuses paths that are not plain or not allowed.
fn allow_paths(
    reader: &Reader<'_>,
    paths: &[&str],
    source: impl Fn() -> String,
) -> Result<(), Refusal> {
    let mut work = Work::default();
    for (index, path) in paths.iter().enumerate() {
        if let Some(problem) = not_plain(path) {
            return Err(Refusal::PathNotPlain {
                source: source(),
                position: index + 1,
                problem,
            });
        }
        let restrictions = &reader.settings.restrictions;
        restricted::allow_path(path, &source, restrictions, reader.identity, &mut work)?;
    }
    Ok(())
}

/// The pod's own templates: separated by lines `---`, or as the reference's releases did it, where only
/// that gives one template per destination.
fn own_templates(
    reader: &Reader<'_>,
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
            let found = by_lines.len();
            return Err(count_mismatch(reader, Key::SecretsTemplate, found, count));
        };
        warnings.push(format!(
            "annotation {} is separated by {separator}; separate templates by lines ---",
            given.name
        ));
        pieces = old.into_iter().map(str::trim_start).collect();
    }
    given.items(pieces.iter().copied())?;
    let templates: Vec<_> = pieces
        .into_iter()
        .map(template::without_heredoc_escapes)
        .collect();
    let denied = reader
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
    for (position, template) in (1..).zip(&templates) {
        if template.len() > LONGEST_TEMPLATE {
            return Err(Refusal::TemplateTooLong {
                annotation: given.name.clone(),
                position,
                bytes: template.len(),
                limit: LONGEST_TEMPLATE,
            });
        }
        template::check(template, is_denied).map_err(|problem| match is_too_much.get() {
            true => Refusal::TooMuchToCompare {
                source: format!("annotation {}", given.name),
                rule: "restrictions.deniedTemplateFunctions",
            },
            false => Refusal::Template {
                annotation: given.name.clone(),
                position,
                problem,
            },
        })?;
    }
    Ok(templates)
}

/// The commands of the first files; fewer than files are fine.
fn commands(reader: &Reader<'_>, count: usize) -> Result<Vec<String>, Refusal> {
    let Some(given) = Given::verbatim(reader.annotations, Key::Notify) else {
        return Ok(Vec::new());
    };
    let mut pieces = given.between_dashed_lines();
    if pieces.len() == 1 && count > 1 {
        pieces = given.text.split(',').collect();
    }
    if pieces.len() > count {
        return Err(count_mismatch(reader, Key::Notify, pieces.len(), count));
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
fn count_mismatch(reader: &Reader<'_>, key: Key, count: usize, destinations: usize) -> Refusal {
    let name = |key| reader.annotations.name(key);
    let is_given = |key| reader.annotations.get(key).is_some();
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
            _ => "each needs its counterpart",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_or_below_another_is_found_in_any_order() {
        let paths = [
            "b", "a/b/c", "a-b/c", "a/b", "a.b", "a/b/d", "a/bc", "b/c/d/e", "a/b", "a.b",
        ];
        let names = "-B---B-BSS".chars();
        let expected: Vec<_> = names
            .map(|name| match name {
                'B' => Relation::Below,
                'S' => Relation::Same,
                _ => Relation::None,
            })
            .collect();
        assert_eq!(relations(&paths), expected);
    }
}
