//! Patterns of names and paths, as restrictions have them: `secret/{namespace}/**`.

use crate::values::Checked;

/// The longest text that can be of a pattern. Both grow with the pod: without a bound, comparing them would
/// take longer than policy-server waits.
const LONGEST_TEXT: usize = 1024;

/// The longest name of a namespace or service account that Kubernetes takes.
const LONGEST_NAME: usize = 253;

/// A pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece {
    Letter(char),
    /// `*`
    WithinSegment,
    /// `**`
    Anything,
    Namespace,
    ServiceAccount,
}

/// What a pattern's placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub namespace: &'a str,
    pub service_account: &'a str,
}

impl Pattern {
    /// As the administrator has written it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it may take one pod's names for another's: a placeholder and a star, or two placeholders, have nothing
    /// between them that no such name can have. With `{namespace}-*`, `team-b-x` is of `team` as well as of `team-b`.
    pub fn joins_names(&self) -> bool {
        let mut last = None;
        // Whether a name ends with the last star or placeholder, as far as what came since can tell.
        let mut may_go_on = false;
        for piece in &self.pieces {
            match piece {
                Piece::Letter(letter) => {
                    let of_names = letter.is_ascii_lowercase()
                        || letter.is_ascii_digit()
                        || *letter == '-'
                        || (*letter == '.' && last != Some(Piece::Namespace));
                    may_go_on &= of_names;
                }
                piece => {
                    let is_name =
                        |piece: Piece| matches!(piece, Piece::Namespace | Piece::ServiceAccount);
                    if may_go_on && (is_name(*piece) || last.is_some_and(is_name)) {
                        return true;
                    }
                    (last, may_go_on) = (Some(*piece), true);
                }
            }
        }
        false
    }

    /// Whether it has the pod's namespace or service account in it where that is one of `names`.
    pub fn depends_on(&self, names: &[&str], identity: Identity<'_>) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Namespace => names.contains(&identity.namespace),
            Piece::ServiceAccount => names.contains(&identity.service_account),
            _ => false,
        })
    }

    /// Whether all of `text` is of this pattern, for a pod of that identity.
    ///
    /// # Errors
    ///
    /// If that takes more than what is left of `work`.
    pub fn matches(
        &self,
        text: &str,
        identity: Identity<'_>,
        work: &mut Work,
    ) -> Result<bool, TooMuchWork> {
        let names = [identity.namespace, identity.service_account];
        if text.len() > LONGEST_TEXT || names.iter().any(|name| name.len() > LONGEST_NAME) {
            return Ok(false);
        }
        // Most patterns begin with what most texts do not, and that is found out in one step.
        let mut rest = text;
        let mut pieces = self.pieces.iter();
        let pieces = loop {
            let behind = pieces.as_slice();
            let start = match pieces.next() {
                None => return Ok(rest.is_empty()),
                Some(Piece::Letter(letter)) => rest.strip_prefix(*letter),
                Some(Piece::Namespace) => rest.strip_prefix(identity.namespace),
                Some(Piece::ServiceAccount) => rest.strip_prefix(identity.service_account),
                Some(Piece::WithinSegment | Piece::Anything) => break behind,
            };
            work.spend(1)?;
            match start {
                Some(start) => rest = start,
                None => return Ok(false),
            }
        };
        let mut expanded = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Namespace => expanded.extend(letters(identity.namespace)),
                Piece::ServiceAccount => expanded.extend(letters(identity.service_account)),
                piece => expanded.push(*piece),
            }
        }
        if expanded == [Piece::Anything] {
            return Ok(true);
        }
        work.spend(expanded.len() * (rest.len() + 1))?;
        Ok(matches_all(&expanded, rest))
    }
}

/// How much may be compared in one evaluation, in letters of texts times pieces of patterns. Nobody who does not try to
/// comes near it.
pub struct Work(usize);

/// More was to be compared than can be in time.
#[derive(Debug, Eq, PartialEq)]
pub struct TooMuchWork;

impl Default for Work {
    fn default() -> Self {
        Work(2_000_000)
    }
}

impl Work {
    /// Takes away from it what a comparison needs.
    ///
    /// # Errors
    ///
    /// If that is more than is left.
    pub fn spend(&mut self, work: usize) -> Result<(), TooMuchWork> {
        self.0 = self.0.checked_sub(work).ok_or(TooMuchWork)?;
        Ok(())
    }
}

/// Whether `text` is of the pattern that `pieces` are.
fn matches_all(pieces: &[Piece], text: &str) -> bool {
    // The places in the pattern at which the text read so far may end: no text takes longer for being chosen to.
    let mut places = vec![false; pieces.len() + 1];
    let mut next = places.clone();
    places[0] = true;
    skip_stars(pieces, &mut places);
    for letter in text.chars() {
        next.fill(false);
        for (place, piece) in pieces.iter().enumerate() {
            if !places[place] {
                continue;
            }
            match piece {
                Piece::Anything => next[place] = true,
                Piece::WithinSegment => next[place] |= letter != '/',
                Piece::Letter(wanted) => next[place + 1] |= *wanted == letter,
                Piece::Namespace | Piece::ServiceAccount => {}
            }
        }
        skip_stars(pieces, &mut next);
        std::mem::swap(&mut places, &mut next);
    }
    places[pieces.len()]
}

fn letters(text: &str) -> impl Iterator<Item = Piece> {
    text.chars().map(Piece::Letter)
}

/// A star may stand for nothing.
fn skip_stars(pieces: &[Piece], places: &mut [bool]) {
    for (place, piece) in pieces.iter().enumerate() {
        if places[place] && matches!(piece, Piece::Anything | Piece::WithinSegment) {
            places[place + 1] = true;
        }
    }
}

impl Checked for Pattern {
    const EXPECTED: &'static str = "a pattern such as secret/{namespace}/**, in which * stands for any part of a path segment, ** for any part of a path, and {namespace} and {serviceAccount} for the pod's";

    fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let special = [
                ("**", Piece::Anything),
                ("*", Piece::WithinSegment),
                ("{namespace}", Piece::Namespace),
                ("{serviceAccount}", Piece::ServiceAccount),
            ]
            .into_iter()
            .find_map(|(word, piece)| Some((piece, rest.strip_prefix(word)?)));
            let (piece, behind) = match special {
                Some(special) => special,
                None if letter.is_control() || matches!(letter, '{' | '}') => return None,
                None => (Piece::Letter(letter), &rest[letter.len_utf8()..]),
            };
            pieces.push(piece);
            rest = behind;
        }
        (!pieces.is_empty()).then(|| Self {
            text: text.to_owned(),
            pieces,
        })
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let identity = Identity {
            namespace: "team-a",
            service_account: "orders",
        };
        is_of(pattern, text, identity)
    }

    fn is_of(pattern: &str, text: &str, identity: Identity<'_>) -> bool {
        let pattern = Pattern::parse(pattern).unwrap();
        pattern
            .matches(text, identity, &mut Work::default())
            .unwrap()
    }

    #[test]
    fn what_is_too_long_for_kubernetes_or_vault_is_of_no_pattern() {
        assert!(matches("**", &"a".repeat(LONGEST_TEXT)));
        assert!(!matches("**", &"a".repeat(LONGEST_TEXT + 1)));
        let of = |length| {
            let identity = Identity {
                namespace: "team-a",
                service_account: &"a".repeat(length),
            };
            is_of("a*", "a", identity)
        };
        assert!(of(LONGEST_NAME));
        assert!(!of(LONGEST_NAME + 1));
    }

    #[test]
    fn a_star_stays_in_its_segment() {
        assert!(matches("secret/*", "secret/a"));
        assert!(matches("secret/*", "secret/"));
        assert!(matches("*/b", "a/b"));
        assert!(!matches("secret/*", "secret/a/b"));
        assert!(!matches("secret/*", "secret"));
    }

    #[test]
    fn two_stars_do_not() {
        assert!(matches("secret/**", "secret/a/b"));
        assert!(matches("**", ""));
        assert!(matches("a/**/z", "a/b/c/z"));
        assert!(!matches("a/**/z", "a/z"));
        assert!(!matches("secret/**", "other/secret/a"));
    }

    #[test]
    fn all_of_the_text_has_to_match() {
        assert!(matches("app", "app"));
        assert!(!matches("app", "app2"));
        assert!(!matches("app", "my-app"));
        assert!(matches("é*", "éa"));
    }

    #[test]
    fn placeholders_are_the_pod_s() {
        assert!(matches("secret/{namespace}/*", "secret/team-a/x"));
        assert!(!matches("secret/{namespace}/*", "secret/team-b/x"));
        assert!(matches("{namespace}-{serviceAccount}", "team-a-orders"));
    }

    /// An account could have any name: it is compared letter by letter.
    #[test]
    fn what_a_placeholder_stands_for_is_not_a_pattern() {
        let identity = Identity {
            namespace: "**",
            service_account: "*",
        };
        for pattern in [
            "a/{namespace}/{serviceAccount}",
            "*/{namespace}/{serviceAccount}",
        ] {
            assert!(is_of(pattern, "a/**/*", identity));
            assert!(!is_of(pattern, "a/b/c", identity));
        }
    }

    #[test]
    fn a_hostile_text_takes_no_longer() {
        let pattern = "**a".repeat(60);
        assert!(!matches(&pattern, &"a".repeat(59)));
        assert!(!matches(&pattern, &format!("{}b", "a".repeat(5000))));
    }

    #[test]
    fn what_is_compared_together_is_bounded() {
        let pattern = Pattern::parse(&"**a".repeat(60)).unwrap();
        let identity = Identity {
            namespace: "a",
            service_account: "a",
        };
        let mut work = Work::default();
        let text = format!("{}b", "a".repeat(1000));
        let comparisons = (0..1000).map(|_| pattern.matches(&text, identity, &mut work));
        let answers: Vec<_> = comparisons.collect();
        assert_eq!(answers[0], Ok(false));
        assert_eq!(answers[999], Err(TooMuchWork));
    }

    #[test]
    fn names_that_run_into_one_another_are_found() {
        for pattern in [
            "{namespace}-*",
            "{namespace}*",
            "*-{namespace}",
            "{namespace}-x-*",
            "{namespace}-{serviceAccount}",
            "{serviceAccount}.*",
            "secret/{namespace}**",
        ] {
            assert!(Pattern::parse(pattern).unwrap().joins_names(), "{pattern}");
        }
        for pattern in [
            "{namespace}",
            "{namespace}_*",
            "{namespace}.*",
            "{namespace}-app",
            "app-{namespace}",
            "{namespace}_{serviceAccount}",
            "secret/{namespace}/**",
            "secret/*/{namespace}/{serviceAccount}/*",
            "*",
        ] {
            assert!(!Pattern::parse(pattern).unwrap().joins_names(), "{pattern}");
        }
    }

    /// What a namespace can be called must not decide whose name a text is of.
    #[test]
    fn a_pattern_tells_whether_it_has_such_a_name_in_it() {
        let identity = Identity {
            namespace: "data",
            service_account: "app",
        };
        let depends = |pattern| {
            let pattern = Pattern::parse(pattern).unwrap();
            pattern.depends_on(&["data"], identity)
        };
        assert!(depends("kv/{namespace}/**"));
        assert!(!depends("kv/{serviceAccount}/data"));
    }

    #[test]
    fn other_braces_and_control_characters_are_rejected() {
        for text in ["", "{", "a}", "{Namespace}", "{}", "a\nb"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
