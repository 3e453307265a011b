//! Which keys of a secret become environment variables, and by which names.

use crate::annotations::{Commas, Key};
use crate::rejection::{Place, Rejection};
use crate::settings::WHY_DENIED;
use crate::subject::Subject;
use crate::values::{Checked, VariableName};
use crate::words::quoted;

/// The variables that are made of one secret.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pairs {
    /// What the names begin with that are keys.
    pub prefix: Option<VariableName>,
    /// Names and the keys that they are for; `None` for all keys.
    pub names: Option<Vec<(String, String)>>,
}

/// Reads them for each of `count` secrets.
pub fn read(subject: &Subject<'_>, count: usize) -> Result<Vec<Pairs>, Rejection> {
    let annotations = &subject.annotations;
    let prefixes = match annotations.env_prefix()? {
        None => vec![None; count],
        Some(Commas(mut all)) if all.len() == 1 => vec![all.pop(); count],
        Some(Commas(each)) if each.len() == count => each.into_iter().map(Some).collect(),
        Some(Commas(other)) => {
            let problem = format!(
                "number of prefixes {}, number of secrets {count}; expected one prefix for all secrets, or one for each",
                other.len()
            );
            return Err(annotations.rejected(Key::EnvPrefix, problem));
        }
    };
    let lists: Vec<Option<&str>> = match annotations.env_names()? {
        None => vec![None; count],
        Some(lines) => {
            let lists = lines.between_dashed_lines();
            if lists.len() != count {
                let problem = format!(
                    "number of lists {}, number of secrets {count}; expected one list for each secret, separated by lines ---",
                    lists.len()
                );
                return Err(annotations.rejected(Key::EnvNames, problem));
            }
            lists.into_iter().map(Some).collect()
        }
    };
    let all = prefixes.into_iter().zip(lists);
    let places = Places {
        prefix: annotations.place(Key::EnvPrefix),
        names: annotations.place(Key::EnvNames),
    };
    all.map(|(prefix, list)| of_one(prefix, list, &places, subject))
        .collect()
}

/// Where the pairs of a secret are described.
pub struct Places {
    pub prefix: Place,
    pub names: Place,
}

/// Reads them for one secret.
pub fn of_one(
    prefix: Option<VariableName>,
    list: Option<&str>,
    places: &Places,
    subject: &Subject<'_>,
) -> Result<Pairs, Rejection> {
    let names = list.map(|list| names(list, prefix.as_ref(), &places.names));
    let names = names.transpose()?;
    let pairs = Pairs { prefix, names };
    warn_of_denied(&pairs, places, subject);
    Ok(pairs)
}

/// One list of `NAME=KEY` or `KEY`.
fn names(
    list: &str,
    prefix: Option<&VariableName>,
    place: &Place,
) -> Result<Vec<(String, String)>, Rejection> {
    let reject = |problem: String| Err(place.clone().rejected(problem));
    let mut names: Vec<(String, String)> = Vec::new();
    for (position, item) in (1..).zip(list.split(',').map(str::trim)) {
        if item.contains(char::is_control) {
            return reject(format!(
                "item {position}: must not have a control character"
            ));
        }
        let (name, key) = match item.split_once('=') {
            Some((name, key)) => (name.trim().to_owned(), key.trim()),
            None => {
                let prefix = prefix.map_or("", VariableName::as_str);
                (format!("{prefix}{item}"), item)
            }
        };
        if key.is_empty() {
            return reject(format!("item {position}: no key; expected NAME=KEY"));
        }
        if VariableName::parse(&name).is_none() {
            return reject(format!(
                "item {position}: not the name of a variable; expected NAME=KEY, with a name of {}",
                VariableName::EXPECTED
            ));
        }
        if names.iter().any(|(known, _)| *known == name) {
            return reject(format!(
                "item {position}: {} is given twice; remove one of them",
                quoted(&name)
            ));
        }
        names.push((name, key.to_owned()));
    }
    Ok(names)
}

/// Warns of names that no secret gets into the environment with.
fn warn_of_denied(pairs: &Pairs, places: &Places, subject: &Subject<'_>) {
    let shell = &subject.settings.env_shell;
    let warn = |place: &Place, problem: String| subject.warnings.add(format!("{place}: {problem}"));
    for (name, _) in pairs.names.iter().flatten() {
        if let Some(pattern) = shell.denies(name) {
            warn(
                &places.names,
                format!("{name} is not set: {pattern} {WHY_DENIED}"),
            );
        }
    }
    let prefix = pairs.prefix.as_ref().filter(|_| pairs.names.is_none());
    let Some(prefix) = prefix.map(VariableName::as_str) else {
        return;
    };
    let mut denied = shell.denied();
    if let Some(pattern) = denied.find(|denied| denied.matches_all_below(prefix)) {
        let pattern = pattern.as_str();
        warn(
            &places.prefix,
            format!("no variable is set: {pattern} {WHY_DENIED}"),
        );
    }
}
