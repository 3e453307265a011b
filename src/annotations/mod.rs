//! The two vocabularies: one table of every annotation, and the reading of those that a pod has.

mod defaults;
mod table;
mod value;
mod vocabulary;

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::raw::{Members, Text};
use crate::rejection::{Place, Rejection, Warnings};
use crate::values::MOST_VARIABLE;
use crate::words::{self, LONGEST_NAME, MOST_NAMES};

pub use defaults::DefaultAnnotation;
use table::start_of_family;
pub use table::{Default, Key, Need};
pub use value::{Commas, Lines, Value, is_a_word, is_true};
pub use vocabulary::Vocabulary;

/// The annotations of one pod that are under the policy's prefix.
#[derive(Debug)]
pub struct Annotations<'a> {
    prefix: &'a str,
    vocabulary: Vocabulary,
    defaults: &'a [DefaultAnnotation],
    values: [Option<Text<'a>>; Key::ALL.len()],
    /// Those of families, by family and name.
    named: Vec<Named<'a>>,
    /// How many there are that do not exist.
    unknown: usize,
    /// The first of their names that can be ones of annotations.
    unknown_names: Vec<String>,
}

/// The vocabulary of a pod, with its prefix and defaults.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    pub vocabulary: Vocabulary,
    /// What stands before the slash.
    pub prefix: &'a str,
    /// What holds where a pod does not say.
    pub defaults: &'a [DefaultAnnotation],
}

impl Words<'_> {
    /// The whole name of annotation `inject`.
    pub fn inject(&self) -> String {
        full_name(self.prefix, self.vocabulary.name(Key::Inject))
    }

    /// Whether a pod has annotation `inject` with another value than false.
    fn may_inject(&self, members: &Members<'_>) -> bool {
        let value = members.get(&self.inject());
        let text = value.and_then(|value| serde_json::from_str::<Text<'_>>(value.get()).ok());
        text.is_none_or(|text| self.vocabulary.is_true(&text) != Some(false))
    }
}

/// An annotation of a family: `auth-config-region`.
#[derive(Debug)]
pub struct Named<'a> {
    family: Key,
    /// What comes behind the family's start: `region`.
    pub name: String,
    /// The value as submitted.
    pub value: Text<'a>,
}

/// The most annotations of families that a pod can have.
const MOST_NAMED: usize = 2048;

impl<'a> Annotations<'a> {
    /// Reads the annotations whose key is `PREFIX/NAME`, of the one vocabulary that the pod uses; `None` where no
    /// [`Key::Inject`] is among them.
    ///
    /// All annotations of the pod must be strings, as Kubernetes wants it.
    pub fn read(members: &Members<'a>, words: &[Words<'a>]) -> Result<Option<Self>, Rejection> {
        let mut used: Option<Words<'a>> = None;
        for words in words.iter().filter(|it| members.has(&it.inject())) {
            match used {
                // With `false`, a pod does not use the vocabulary.
                Some(_) if !words.may_inject(members) => {}
                Some(other) if other.may_inject(members) => {
                    return Err(Place::Annotation(words.inject()).rejected(format!(
                        "must not be used with {}; use the annotations of one prefix",
                        other.inject()
                    )));
                }
                _ => used = Some(*words),
            }
        }
        used.map(|words| Self::in_words(members, words)).transpose()
    }

    fn in_words(members: &Members<'a>, words: Words<'a>) -> Result<Self, Rejection> {
        let Words {
            vocabulary,
            prefix,
            defaults,
        } = words;
        let families = vocabulary.families();
        let mut annotations = Annotations {
            prefix,
            vocabulary,
            defaults,
            values: [const { None }; Key::ALL.len()],
            named: Vec::new(),
            unknown: 0,
            unknown_names: Vec::new(),
        };
        for (name, value) in members.iter() {
            let reject = |problem| Err(Place::Annotation(name.to_string()).rejected(problem));
            let Ok(text) = serde_json::from_str::<Text<'a>>(value.get()) else {
                return reject("not a string; put the value in quotes".to_owned());
            };
            let Some(short) = name
                .strip_prefix(prefix)
                .and_then(|name| name.strip_prefix('/'))
            else {
                continue;
            };
            let key = vocabulary.key(short);
            let family = || family_of(short, &families, vocabulary);
            let Some((key, name)) = key.map(|key| (key, "")).or_else(family) else {
                annotations.add_unknown(short);
                continue;
            };
            if text.len() > MOST_VARIABLE {
                return reject(format!(
                    "{} bytes; expected at most {MOST_VARIABLE}",
                    text.len()
                ));
            }
            match key.is_family() {
                false => annotations.values[key as usize] = Some(text),
                true if !annotations.add_named(key, name, text) => {
                    return reject(format!(
                        "one of too many; expected at most {MOST_NAMED} annotations of this policy"
                    ));
                }
                true => {}
            }
        }
        Ok(annotations)
    }

    /// Adds one of a family in its place; of two with one name the last one counts, as in every JSON parser. False where
    /// there are too many.
    fn add_named(&mut self, family: Key, name: &str, value: Text<'a>) -> bool {
        let place = self.named.binary_search_by(|named| {
            let of_family = (named.family as usize).cmp(&(family as usize));
            of_family.then_with(|| (*named.name).cmp(name))
        });
        match place {
            Ok(index) => self.named[index].value = value,
            Err(_) if self.named.len() == MOST_NAMED => return false,
            Err(index) => {
                let name = name.to_owned();
                let named = Named {
                    family,
                    name,
                    value,
                };
                self.named.insert(index, named);
            }
        }
        true
    }

    fn add_unknown(&mut self, name: &str) {
        self.unknown += 1;
        if name.len() > LONGEST_NAME {
            return;
        }
        let place = self
            .unknown_names
            .binary_search_by(|named| (**named).cmp(name));
        if let Err(index) = place
            && index < MOST_NAMES
        {
            self.unknown_names.truncate(MOST_NAMES - 1);
            self.unknown_names.insert(index, name.to_owned());
        }
    }

    /// What the settings say of `key`, where the pod does not.
    fn default(&self, key: Key) -> Option<&'a str> {
        let mut defaults = self.defaults.iter();
        let default = defaults.find(|default| default.key(self.vocabulary) == Some(key))?;
        Some(&default.value)
    }

    /// The value of `key` as submitted.
    pub fn get(&self, key: Key) -> Option<&str> {
        self.values[key as usize].as_deref()
    }

    /// Those of a family that the pod has, in the order of their names.
    pub fn of(&self, family: Key) -> impl Iterator<Item = &Named<'a>> {
        let named = self.named.iter();
        named.filter(move |named| named.family == family)
    }

    /// Rejects more of a family than any program takes: what is reported of each costs time.
    pub fn reject_many(&self, family: Key) -> Result<(), Rejection> {
        const MOST: usize = 64;
        match self.of(family).nth(MOST) {
            None => Ok(()),
            Some(named) => Err(self.place_of(named).rejected(format!(
                "one of too many; expected at most {MOST} of {}",
                self.name(family)
            ))),
        }
    }

    /// Where an annotation of a family is.
    pub fn place_of(&self, named: &Named<'_>) -> Place {
        Place::Annotation(self.name_of(named.family, &named.name))
    }

    /// Where `key` is, or the first one of its family, if the pod has it.
    pub fn first_place(&self, key: Key) -> Option<Place> {
        let named = self.of(key).next().map(|named| self.place_of(named));
        self.get(key).map(|_| self.place(key)).or(named)
    }

    /// The whole name of an annotation of a family.
    pub fn name_of(&self, family: Key, name: &str) -> String {
        let start = start_of_family(self.vocabulary.name(family)).unwrap_or_default();
        format!("{}/{start}{name}", self.prefix)
    }

    /// Those that the pod has, except families.
    pub fn given(&self) -> impl Iterator<Item = Key> {
        let keys = Key::ALL.iter().copied();
        keys.filter(|key| self.get(*key).is_some())
    }

    /// The amount that `key` has, which is one of requests or limits.
    pub fn amount(&self, key: Key) -> Result<Option<Quantity>, Rejection> {
        self.value(key)
    }

    /// The whole name of `key`, as it stands in a manifest.
    pub fn name(&self, key: Key) -> String {
        full_name(self.prefix, self.vocabulary.name(key))
    }

    /// The vocabulary of the pod.
    pub fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    /// What stands before the slash of them.
    pub fn prefix(&self) -> &'a str {
        self.prefix
    }

    /// Rejects the pod for what `key` says.
    pub fn rejected(&self, key: Key, problem: impl Into<Cow<'static, str>>) -> Rejection {
        self.place(key).rejected(problem)
    }

    /// Where `key` is.
    #[cold]
    #[inline(never)]
    pub fn place(&self, key: Key) -> Place {
        Place::Annotation(self.name(key))
    }

    /// Warns of each annotation under the prefix that does not exist, and where there are many says how many more there
    /// are.
    pub fn warn_of_unknown(&self, warnings: &Warnings) {
        let prefix = self.prefix;
        for name in &self.unknown_names {
            let known = self.vocabulary.keys().map(|(_, name)| name);
            let hint = words::nearest(name, known);
            warnings.add(match hint {
                Some(known) => format!(
                    "annotation {prefix}/{name}: unknown and ignored; did you mean {known}?"
                ),
                None => format!("annotation {prefix}/{name}: unknown and ignored"),
            });
        }
        let more = self.unknown - self.unknown_names.len();
        if more > 0 {
            warnings.add(format!(
                "annotations below {prefix}: {more} more are unknown and ignored"
            ));
        }
    }

    /// Warns of each annotation that has no effect, because the pod does not use what it needs.
    pub fn warn_unmet(&self, need: Need, warnings: &Warnings) {
        let unmet = match (need, self.vocabulary) {
            // It has neither modes nor lists.
            (Need::Proxy, Vocabulary::AgentInjector) => {
                "without agent-cache-enable or agent-enable-quit"
            }
            (Need::Dynamic, Vocabulary::AgentInjector) => {
                "with agent-pre-populate-only, with which the files do not change"
            }
            _ => need.unmet(),
        };
        for key in Key::ALL.iter().filter(|key| key.needs().contains(&need)) {
            self.warn_unused(*key, unmet, warnings);
        }
    }

    /// Warns that an annotation has no effect, if it is given.
    pub fn warn_unused(&self, key: Key, why: &str, warnings: &Warnings) {
        let places = self.get(key).map(|_| self.place(key)).into_iter();
        for place in places.chain(self.of(key).map(|named| self.place_of(named))) {
            warnings.add(format!("{place}: no effect {why}"));
        }
    }
}

fn full_name(prefix: &str, name: &str) -> String {
    format!("{prefix}/{name}")
}

/// The family of a name, and what comes behind its start; where one start is the beginning of another, the longer one.
fn family_of<'n>(
    short: &'n str,
    families: &[(Key, &str)],
    vocabulary: Vocabulary,
) -> Option<(Key, &'n str)> {
    let families = families.iter().filter_map(|(key, start)| {
        let name = short.strip_prefix(start)?;
        (!name.is_empty()).then_some((*key, name))
    });
    let family = families.min_by_key(|(_, name)| name.len());
    // `secret-path` is not a secret called path.
    let is_slip = || {
        let keys = vocabulary.keys().filter(|(key, _)| !key.is_family());
        words::is_slip(short, keys.map(|(_, name)| name))
    };
    family.filter(|_| !is_slip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Members<'_> {
        serde_json::from_str(text).unwrap()
    }

    fn own() -> Words<'static> {
        Words {
            vocabulary: Vocabulary::Own,
            prefix: "v",
            defaults: &[],
        }
    }

    fn warnings(text: &str) -> Vec<String> {
        let members = members(text);
        let own = [own()];
        let annotations = Annotations::read(&members, &own).unwrap().unwrap();
        let warnings = Warnings::default();
        annotations.warn_of_unknown(&warnings);
        warnings.into_vec()
    }

    #[test]
    fn only_a_pod_with_the_inject_annotation_is_read() {
        let members = members(r#"{"x/inject":"true","n":5}"#);
        let own = [own()];
        assert!(Annotations::read(&members, &own).unwrap().is_none());
    }

    #[test]
    fn a_mistyped_annotation_gets_a_hint() {
        assert_eq!(
            warnings(r#"{"v/inject":"true","v/secret-path":"a","v/zzz":"","w/role":""}"#),
            [
                "annotation v/secret-path: unknown and ignored; did you mean secrets-path?",
                "annotation v/zzz: unknown and ignored"
            ]
        );
    }

    #[test]
    fn of_many_mistyped_annotations_some_are_named() {
        let many: Vec<_> = (0..50)
            .map(|number| format!(r#""v/x{number}":"""#))
            .collect();
        let warnings = warnings(&format!(r#"{{"v/inject":"true",{}}}"#, many.join(",")));
        assert_eq!(warnings.len(), MOST_NAMES + 1);
        assert_eq!(warnings[0], "annotation v/x0: unknown and ignored");
        assert_eq!(
            warnings[MOST_NAMES],
            "annotations below v: 30 more are unknown and ignored"
        );
    }

    #[test]
    fn a_value_that_is_not_a_string_is_reported_by_name() {
        let members = members(r#"{"v/inject":true}"#);
        let own = [own()];
        let rejection = Annotations::read(&members, &own).unwrap_err();
        assert_eq!(
            rejection.to_string(),
            "annotation v/inject: not a string; put the value in quotes"
        );
    }
}
