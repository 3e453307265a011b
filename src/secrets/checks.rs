//! What holds for the files of a pod, by whatever annotations: their names, paths and templates.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::path::not_plain;
use super::template::{self, Delimiters};
use super::{SecretFile, Template};
use crate::annotations::Key;
use crate::pattern::TooMuchWork;
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;
use crate::values::is_relative_path;
use crate::words::{quoted, set};

/// The most files of a pod.
pub const MOST_FILES: usize = 256;

/// The most bytes of a destination. With the directory in front, Linux takes 4,096.
const LONGEST_DESTINATION: usize = 1024;

/// The most bytes of a name in a directory: Linux' `NAME_MAX`.
const LONGEST_FILE_NAME: usize = 255;

/// The most bytes of a template.
const LONGEST_TEMPLATE: usize = 96 * 1024;

/// A template that the pod brings.
pub struct OwnTemplate<'s> {
    pub text: String,
    pub delimiters: Delimiters,
    /// The file that it makes, if it does not make the value of a variable.
    pub destination: Option<&'s str>,
    /// Where it is.
    pub place: Place,
}

impl OwnTemplate<'_> {
    /// What messages call it.
    fn name(&self) -> String {
        match self.destination {
            Some(destination) => format!("the template for {}", quoted(destination)),
            None => "the template".to_owned(),
        }
    }
}

/// What is wrong with a destination, if something is. `all` are those of the pod in the same directory, `before` those in
/// front of it, and `of_login` the files that the login reads there.
pub fn problem_of_destination<'d>(
    destination: &'d str,
    all: &BTreeSet<&str>,
    before: &mut BTreeSet<&'d str>,
    of_login: Option<[&str; 2]>,
) -> Option<String> {
    let is_of_login = |path: &str| of_login.iter().flatten().any(|file| *file == path);
    let is_below_another = |path: &str| {
        let mut directories = path.match_indices('/').map(|(end, _)| &path[..end]);
        directories.any(|directory| all.contains(directory))
    };
    let first = destination.split('/').next().unwrap_or_default();
    let names_are_short = || {
        destination
            .split('/')
            .all(|name| name.len() <= LONGEST_FILE_NAME)
    };
    let problem = if !is_relative_path(destination) {
        "is not valid; expected a path in the secrets directory, without empty, . or .. segments"
    } else if destination.len() > LONGEST_DESTINATION || !names_are_short() {
        return Some(format!(
            "is too long; expected at most {LONGEST_DESTINATION} bytes, and {LONGEST_FILE_NAME} between slashes"
        ));
    } else if !before.insert(destination) {
        "is the file of another secret; choose another name"
    } else if is_below_another(destination) {
        "is below another destination, which is a file; choose another name"
    } else if is_of_login(destination) {
        "is a file that the login with approle reads; choose another name"
    } else if is_of_login(first) {
        "is below a file that the login with approle reads; choose another name"
    } else {
        return None;
    };
    Some(problem.to_owned())
}

/// Rejects paths that are not plain or not allowed.
pub fn allow_paths(
    subject: &Subject<'_>,
    paths: &[&str],
    place: impl Fn() -> Place,
) -> Result<(), Rejection> {
    let restrictions = &subject.settings.restrictions;
    let mut work = subject.work.borrow_mut();
    for path in paths {
        if let Some(problem) = not_plain(path) {
            return Err(place().rejected(format!(
                "{} {problem}; expected a plain path such as secret/team/app (for a version, use {})",
                quoted(path),
                match subject.annotations.first_place(Key::Secret) {
                    Some(_) => subject.annotations.vocabulary().name(Key::Template),
                    None => Key::SecretsTemplate.name(),
                }
            )));
        }
        restrictions.allow_path(path, &place, subject.identity(), &mut work)?;
    }
    Ok(())
}

/// Rejects a file in the place of the token's, where the pod wants that too.
pub fn reject_token(files: &[SecretFile], subject: &Subject<'_>) -> Result<(), Rejection> {
    let annotations = &subject.annotations;
    let mut files = files.iter().filter(|file| file.directory == 0);
    let is_taken = files.any(|file| file.destination.split('/').next() == Some("token"));
    match is_taken && annotations.token_file()? == Some(true) {
        true => Err(annotations.rejected(
            Key::TokenFile,
            "token is the file of a secret; give that file another name",
        )),
        false => Ok(()),
    }
}

/// Makes templates differ, by a comment in front of each. Consul Template before 0.41.3, which is in Vault Agent, and
/// OpenBao's fork of it know a template by its content alone: of the files with the same one, they update only the first.
pub fn make_distinct(files: &mut [SecretFile]) {
    let texts = files.iter().filter_map(|file| match &file.template {
        Template::Contents(text) => Some(text.as_str()),
        Template::Source(_) | Template::ConfigMap { .. } => None,
    });
    let texts: Vec<_> = texts.collect();
    if set(texts.iter().copied()).len() == texts.len() {
        return;
    }
    for (position, file) in (1..).zip(files) {
        if let Template::Contents(text) = &mut file.template {
            text.insert_str(0, &file.delimiters.comment(position));
        }
    }
}

/// Rejects templates if the settings do.
pub fn reject_templates(
    subject: &Subject<'_>,
    place: Place,
    instead: &str,
) -> Result<(), Rejection> {
    match subject.settings.restrictions.rejects_templates() {
        Some(rule) => {
            Err(place.rejected(format!("not allowed by the setting {rule}; use {instead}")))
        }
        None => Ok(()),
    }
}

/// Rejects templates that Go cannot parse, or that call what they must not, and warns of those that do not do what they
/// seem to.
pub fn check_templates(
    subject: &Subject<'_>,
    templates: &[OwnTemplate<'_>],
) -> Result<(), Rejection> {
    parse_templates(subject, templates)?;
    warn_of_plain_text(subject, templates);
    warn_of_other_certificates(subject, templates);
    Ok(())
}

fn parse_templates(subject: &Subject<'_>, templates: &[OwnTemplate<'_>]) -> Result<(), Rejection> {
    const RULE: &str = "restrictions.deniedTemplateFunctions";
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
    for own in templates {
        let reject = |problem: String| Err(own.place.clone().rejected(problem));
        let bytes = own.text.len();
        if bytes > LONGEST_TEMPLATE {
            return reject(format!(
                "{} has {bytes} bytes; expected at most {LONGEST_TEMPLATE}",
                own.name()
            ));
        }
        match template::check(&own.text, &own.delimiters, is_denied) {
            Ok(()) => {}
            Err(_) if is_too_much.get() => {
                return reject(format!(
                    "takes too long to compare with the patterns of the setting {RULE}; call fewer functions"
                ));
            }
            Err(mistake) => {
                let kind = mistake.kind.to_string();
                let kind = kind.replace("{{", own.delimiters.left());
                return reject(format!(
                    "{}, line {}: {}",
                    own.name(),
                    mistake.line,
                    kind.replace("}}", own.delimiters.right())
                ));
            }
        }
    }
    Ok(())
}

/// Rejects a template of a variable's that Go cannot parse, or that calls what it must not.
pub fn check_template(subject: &Subject<'_>, text: &str, place: Place) -> Result<(), Rejection> {
    let template = OwnTemplate {
        text: text.to_owned(),
        delimiters: Delimiters::default(),
        destination: None,
        place,
    };
    parse_templates(subject, &[template])
}

/// Warns of templates in which nothing is done, as where another program has taken the braces away.
fn warn_of_plain_text(subject: &Subject<'_>, templates: &[OwnTemplate<'_>]) {
    let annotations = &subject.annotations;
    let (left, right) = match annotations.get(Key::SecretsTemplate) {
        Some(_) => (Key::TemplateLeftDelimiter, Key::TemplateRightDelimiter),
        None => (Key::SecretLeftDelimiter, Key::SecretRightDelimiter),
    };
    let plain = templates
        .iter()
        .filter(|own| template::is_plain_text(&own.text, &own.delimiters));
    for own in plain {
        subject.warnings.add(format!(
            "{}: {} has no {} {}, so that the file will have its text unchanged; if another program such as Helm replaces them, choose others by annotations {} and {}",
            own.place,
            own.name(),
            own.delimiters.left(),
            own.delimiters.right(),
            annotations.name(left),
            annotations.name(right)
        ));
    }
}

/// Warns of files that have each a certificate of its own, though they look like parts of one: Consul Template has Vault
/// issue one for each template that calls `pkiCert`.
fn warn_of_other_certificates(subject: &Subject<'_>, templates: &[OwnTemplate<'_>]) {
    let issued = |own: &OwnTemplate<'_>| -> Vec<String> {
        let issued = template::issued_by(&own.text, &own.delimiters);
        issued.map(str::to_owned).collect()
    };
    let mut before = BTreeSet::new();
    for own in templates {
        let paths = issued(own);
        if let Some(path) = paths.iter().find(|path| before.contains(*path)) {
            let first = templates.iter().find(|own| issued(own).contains(path));
            let first = first.and_then(|own| own.destination).unwrap_or_default();
            subject.warnings.add(format!(
                "{}: the templates for {} and {} call pkiCert with the same path, and Vault issues a certificate for each, so that the key in one does not match the certificate in the other; write both with one template, or call secret with the same arguments in both",
                own.place,
                quoted(first),
                quoted(own.destination.unwrap_or_default())
            ));
            return;
        }
        before.extend(paths);
    }
}
