//! Finds the variables of a pod that refer to Vault, and rejects those that cannot become what they refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::grammar::{Transit, may_refer, pieces};
use super::{OfContainer, Reference, Variable, Variables, Wanted};
use crate::annotations::Key;
use crate::pod::{self, Container, List};
use crate::raw::{self, Text};
use crate::rejection::{Place, Rejection};
use crate::secrets::{check_template, not_plain};
use crate::settings::{WHY_DENIED, same_as_locked};
use crate::subject::Subject;
use crate::values::{Switch, TemplateEngine, is_name_for_shells};
use crate::words::{listed, quoted, unquoted};

/// The most references in one pod. All of them must fit the configuration of the program that resolves them.
const MOST_REFERENCES: usize = 512;

/// The path of transit, where the pod does not say.
const TRANSIT: &str = "transit";

impl Variables {
    /// Finds those of the containers that get secrets; `None` where no container has one. `engine` keeps them up to date, if
    /// that is wanted.
    pub fn read(
        subject: &Subject<'_>,
        is_selected: impl Fn(&str) -> bool,
        engine: Option<TemplateEngine>,
    ) -> Result<Option<Self>, Rejection> {
        if !are_resolved(subject) {
            warn_of_others(subject);
            return Ok(None);
        }
        let transit_path = subject.annotations.transit_path()?;
        let transit_key = subject.annotations.transit_key()?;
        let transit = Transit {
            path: transit_path.as_deref().unwrap_or(TRANSIT),
            key: transit_key.as_deref(),
            annotation: &subject.annotations.name(Key::TransitKey),
        };
        let pod = &subject.pod;
        let fields = referring_fields(subject, &transit);
        let mut all = pod.all_containers();
        if !all.any(|container| may_have_some(container, !fields.is_empty())) {
            return Ok(None);
        }
        let applications = subject.applications();
        let applications = applications.map(|(index, it)| (List::Containers, index, it));
        let init_containers = subject.without_ignored(&pod.init_containers);
        let init_containers = init_containers.map(|(index, it)| (List::InitContainers, index, it));
        let (mut containers, mut count) = (Vec::new(), 0);
        for (list, index, container) in applications.chain(init_containers) {
            let variables = variables(container, subject, &transit, &fields, &mut count)?;
            if variables.is_empty() {
                continue;
            }
            for variable in &variables {
                reject_locked(variable, container, subject)?;
            }
            if engine.is_some() {
                warn_of_writes(&variables, container, subject);
            }
            if !is_selected(&container.name) {
                return Err(place_of(&variables[0].name, container).rejected(format!(
                    "refers to Vault, and the container is not in annotation {}; add it there",
                    subject.annotations.name(Key::InjectContainers)
                )));
            }
            containers.push(OfContainer {
                list,
                index,
                container: container.name.to_string(),
                variables,
            });
        }
        Ok((!containers.is_empty()).then_some(Variables { containers, engine }))
    }
}

/// Whether variables that refer to Vault become what they refer to.
pub fn are_resolved(subject: &Subject<'_>) -> bool {
    let is_own = subject.annotations.vocabulary().is_own();
    is_own && subject.settings.references == Switch::Enabled
}

/// Warns where a pod in the words of the Agent Injector has variables that would be resolved in this policy's.
fn warn_of_others(subject: &Subject<'_>) {
    let transit = Transit {
        path: TRANSIT,
        key: Some(TRANSIT),
        annotation: "",
    };
    let is_other = !subject.annotations.vocabulary().is_own();
    for (_, container) in subject.applications().filter(|_| is_other) {
        if !may_have_some(container, false) {
            continue;
        }
        let refers = |variable: &pod::Variable<'_>| {
            let value = variable.value.as_deref().unwrap_or_default();
            may_refer(value) && !matches!(pieces(value, &transit), Ok(None))
        };
        if let Some(variable) = container.variables().find(refers) {
            subject.warnings.add(format!(
                "{}: refers to Vault and is not changed, because the pod uses the annotations of {}",
                place_of(&variable.name, container),
                subject.annotations.prefix()
            ));
            return;
        }
    }
}

/// Whether a variable of a container may refer to Vault, as its text shows.
fn may_have_some(container: &Container<'_>, has_fields: bool) -> bool {
    container.env().is_some_and(|env| {
        let text = env.get();
        may_refer(text) || raw::may_have_escapes(env) || (has_fields && text.contains("fieldRef"))
    })
}

/// The fields of the pod whose values refer to Vault: annotations and labels, by their paths.
fn referring_fields(subject: &Subject<'_>, transit: &Transit<'_>) -> BTreeSet<String> {
    let kinds = [
        ("annotations", subject.all_annotations),
        ("labels", &subject.labels),
    ];
    let mut fields = BTreeSet::new();
    for (kind, members) in kinds {
        for (name, value) in members.iter().filter(|(_, it)| may_refer(it.get())) {
            let text: Option<Text<'_>> = serde_json::from_str(value.get()).ok();
            if text.is_some_and(|text| pieces(&text, transit) != Ok(None)) {
                fields.insert(format!("metadata.{kind}['{}']", &**name));
            }
        }
    }
    fields
}

fn place(container: &Container<'_>) -> Place {
    Place::Container(container.name.to_string())
}

/// Where a variable of a container is.
fn place_of(variable: &str, container: &Container<'_>) -> Place {
    let variable = unquoted(variable);
    Place::Container(format!(
        "{}: environment variable {variable}",
        &*container.name
    ))
}

/// Those of one container.
fn variables(
    container: &Container<'_>,
    subject: &Subject<'_>,
    transit: &Transit<'_>,
    fields: &BTreeSet<String>,
    count: &mut usize,
) -> Result<Vec<Variable>, Rejection> {
    if !may_have_some(container, !fields.is_empty()) {
        return Ok(Vec::new());
    }
    let reject = |name: &str, problem: String| Err(place_of(name, container).rejected(problem));
    let variables: Vec<_> = container.variables().collect();
    // Of two with one name the last one counts.
    let last: BTreeMap<&str, usize> = variables
        .iter()
        .enumerate()
        .map(|(index, variable)| (&*variable.name, index))
        .collect();
    let mut found = Vec::new();
    for (index, variable) in variables.iter().enumerate() {
        let name = &*variable.name;
        if last.get(name) != Some(&index) {
            continue;
        }
        let field = variable.field.as_ref();
        if let Some(field) = field.filter(|field| fields.contains(&***field)) {
            let problem = format!(
                "the field {} refers to Vault; write the reference as the variable's value",
                quoted(field)
            );
            return reject(name, problem);
        }
        let text = variable.value.as_deref().unwrap_or_default();
        if !may_refer(text) {
            continue;
        }
        let text = match expanded(text) {
            Ok(text) => text,
            // Only in what refers to Vault it is in the way.
            Err(_) if pieces(text, transit) == Ok(None) => continue,
            Err(other) => {
                let problem = format!(
                    "refers to Vault with $({other}), which only the kubelet can replace; write its value in the reference"
                );
                return reject(name, problem);
            }
        };
        let value = match pieces(&text, transit) {
            Ok(None) => continue,
            Ok(Some(value)) => value,
            Err(problem) => return reject(name, problem),
        };
        if !is_name_for_shells(name) {
            return reject(
                name,
                "refers to Vault, and a shell cannot set a variable of this name; expected letters, digits and _".to_owned(),
            );
        }
        if let Some(pattern) = subject.settings.env_shell.denies(name) {
            return reject(
                name,
                format!("refers to Vault, and its name is denied: {pattern} {WHY_DENIED}"),
            );
        }
        found.push(Variable {
            name: name.to_owned(),
            value,
        });
    }
    for variable in &found {
        *count += variable.references().count();
        if *count > MOST_REFERENCES {
            return reject(
                &variable.name,
                format!("too many references; expected at most {MOST_REFERENCES} in a pod"),
            );
        }
        check(variable, container, subject)?;
    }
    reject_dependents(&found, container)?;
    Ok(found)
}

/// Rejects references where pods may not name paths, or templates.
fn reject_locked(
    variable: &Variable,
    container: &Container<'_>,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let is_template = |reference: &Reference| matches!(reference.wanted, Wanted::Template(_));
    let templates: &[Key] = match variable.references().any(is_template) {
        true => &[Key::SecretsTemplate, Key::Template],
        false => &[],
    };
    let restrictions = &subject.settings.restrictions;
    let mut keys = [Key::SecretsPath, Key::Secret].iter().chain(templates);
    match keys.find(|key| restrictions.is_locked(**key)) {
        None => Ok(()),
        Some(locked) => Err(place_of(&variable.name, container).rejected(same_as_locked(*locked))),
    }
}

/// Warns of what is written again and again, and so starts the application again.
fn warn_of_writes(variables: &[Variable], container: &Container<'_>, subject: &Subject<'_>) {
    let written = variables.iter();
    let written = written.filter(|variable| variable.references().any(Reference::writes));
    let names: Vec<_> = written.map(|variable| &*variable.name).collect();
    if !names.is_empty() {
        subject.warnings.add(format!(
            "{}: environment variable {}: written to Vault again when the lease ends, or without a lease at each refresh, and each different answer restarts the application (annotation {}); use it only for secrets with a lease, such as certificates",
            place(container),
            listed(names),
            subject.annotations.name(Key::OnChange)
        ));
    }
}

/// Checks what a variable refers to: its paths and templates.
fn check(
    variable: &Variable,
    container: &Container<'_>,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let name = &*variable.name;
    let variable_place = || place_of(name, container);
    for reference in variable.references() {
        let path = &*reference.request.path;
        if let Some(problem) = not_plain(path) {
            return Err(variable_place().rejected(format!(
                "the path {} {problem}; expected a plain path such as secret/team/app",
                quoted(path)
            )));
        }
        subject.settings.restrictions.allow_path(
            path,
            variable_place,
            subject.identity(),
            &mut subject.work.borrow_mut(),
        )?;
        if reference.writes() {
            subject.settings.restrictions.allow_write(
                path,
                variable_place,
                subject.identity(),
                &mut subject.work.borrow_mut(),
            )?;
        }
        if let Wanted::Template(template) = &reference.wanted {
            if subject.settings.restrictions.allow_templates == Some(false) {
                return Err(variable_place().rejected(
                    "templates are not allowed by the setting restrictions.allowTemplates; use vault:PATH#KEY",
                ));
            }
            check_template(subject, template, variable_place())?;
        }
    }
    Ok(())
}

/// Rejects what has the value of such a variable by `$(NAME)`: the kubelet replaces that, by the reference itself.
fn reject_dependents(found: &[Variable], container: &Container<'_>) -> Result<(), Rejection> {
    let names: BTreeSet<&str> = found.iter().map(|variable| &*variable.name).collect();
    for part in container.expanded().filter(|_| !names.is_empty()) {
        if let Some(name) = dependencies(part.get()).find(|name| names.contains(name)) {
            return Err(place(container).rejected(format!(
                "$({name}) would become the reference and not the secret, because the kubelet replaces it; use variable {name} in a shell"
            )));
        }
    }
    Ok(())
}

/// The names in `$(NAME)`, as Kubernetes expands them: `$$` stands for a `$`.
fn dependencies(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('$')? + 1..];
            if let Some(behind) = rest.strip_prefix('$') {
                rest = behind;
            } else if let Some(inside) = rest.strip_prefix('(') {
                let (name, behind) = inside.split_once(')')?;
                rest = behind;
                return Some(name);
            }
        }
    })
}

/// A value as the kubelet makes it, if it does not depend on another variable: the error is its name.
fn expanded(text: &str) -> Result<String, &str> {
    match dependencies(text).next() {
        Some(name) => Err(name),
        None => Ok(text.replace("$$", "$")),
    }
}
