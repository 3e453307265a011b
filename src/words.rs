//! Names: to find one among many, the known one nearest to a mistyped one, and lists in messages.

use std::collections::BTreeSet;

/// A name of Kubernetes' has no more letters; what is longer is not worth the comparison.
pub const LONGEST_NAME: usize = 63;

/// The known name that `name` was most likely meant to be, if one is near enough.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    // A third of the letters may be wrong, and in a short name one or two.
    let letters = name.chars().count();
    let limit = (letters / 3).max(2);
    known
        .into_iter()
        // To find the distance takes longer, and it is no less than this.
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a name is a known one except for one letter, which is missing, too many or another.
pub fn is_slip<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> bool {
    let differs_by_one = |known: &str| {
        let (longest, shortest) = (name.len().max(known.len()), name.len().min(known.len()));
        if name == known || longest - shortest > 1 {
            return false;
        }
        let pairs = name.bytes().zip(known.bytes());
        let alike = pairs.take_while(|(one, other)| one == other).count();
        let from_end = name.bytes().rev().zip(known.bytes().rev());
        let alike_at_end = from_end.take_while(|(one, other)| one == other).count();
        alike + alike_at_end + 1 >= longest
    };
    known.into_iter().any(differs_by_one)
}

/// The number of letters to insert, remove or change, or neighbours to swap (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        text.chars()
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let (left, right) = (letters(left), letters(right));
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for row in 1..=left.len() {
        let mut current = vec![row];
        for column in 1..=right.len() {
            let change = usize::from(left[row - 1] != right[column - 1]);
            let mut least = (rows[row - 1][column - 1] + change)
                .min(rows[row - 1][column] + 1)
                .min(current[column - 1] + 1);
            let swapped = row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1];
            if swapped {
                least = least.min(rows[row - 2][column - 2] + 1);
            }
            current.push(least);
        }
        rows.push(current);
    }
    rows[left.len()][right.len()]
}

/// Names, to find one among many. They are added one by one: what the standard library sorts them with otherwise is 10 KB
/// of the module.
pub fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut set = BTreeSet::new();
    set.extend(names);
    set
}

/// The most names in a message: clients show 4,096 letters of a warning, and whoever submits the names chooses how many
/// there are.
pub const MOST_NAMES: usize = 20;

/// The first names as they come, and how many more there are.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let named: Vec<_> = names.by_ref().take(MOST_NAMES).collect();
    let named = named.join(", ");
    match names.count() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The longest name that is repeated whole.
const LONGEST_QUOTED: usize = 200;

/// A name in quotes, as messages repeat it; of a long one, its beginning.
pub fn quoted(name: &str) -> String {
    let (quoted, dots) = beginning(name);
    format!("{quoted}{dots}")
}

/// The same without quotes, where a word in front says what it is: `environment variable A`.
pub fn unquoted(name: &str) -> String {
    let (quoted, dots) = beginning(name);
    format!("{}{dots}", &quoted[1..quoted.len() - 1])
}

/// The first letters of a name in quotes, and what stands for those that are left out.
fn beginning(name: &str) -> (String, &'static str) {
    let mut letters = name.chars();
    let beginning: String = letters.by_ref().take(LONGEST_QUOTED).collect();
    let dots = match letters.next() {
        None => "",
        Some(_) => "...",
    };
    (format!("{beginning:?}"), dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_ends_with_a_number() {
        assert_eq!(listed(["b", "a"]), "b, a");
        let names = listed(["a"; 25]);
        assert!(names.ends_with(", a and 5 more"), "{names}");
    }

    #[test]
    fn a_name_is_repeated_without_what_could_mislead() {
        assert_eq!(quoted("a\n\"b"), r#""a\n\"b""#);
        assert_eq!(unquoted("a\n\"b"), r#"a\n\"b"#);
        let long = "a".repeat(LONGEST_QUOTED + 1);
        assert_eq!(unquoted(&long), format!("{}...", &long[1..]));
    }

    const KNOWN: [&str; 4] = ["role", "secrets-path", "secrets-destination", "notify"];

    #[test]
    fn a_slip_finds_its_name() {
        for (slip, meant) in [
            ("secret-path", "secrets-path"),
            ("secrets_path", "secrets-path"),
            ("Secrets-Path", "secrets-path"),
            ("notfiy", "notify"),
            ("rol", "role"),
        ] {
            assert_eq!(nearest(slip, KNOWN), Some(meant), "{slip}");
        }
    }

    #[test]
    fn a_slip_is_one_letter() {
        for name in [
            "secret-path",
            "secrets-path-",
            "secrets-pafh",
            "otify",
            "roles",
        ] {
            assert!(is_slip(name, KNOWN), "{name}");
        }
        for name in ["role", "secret-paths", "secret-db", "r", "template-app"] {
            assert!(!is_slip(name, KNOWN), "{name}");
        }
    }

    #[test]
    fn what_is_far_from_all_finds_none() {
        let long = "role".repeat(250_000);
        for name in ["xyz", "", "proxy-port", "ab", &long] {
            assert_eq!(nearest(name, KNOWN), None, "{name}");
        }
    }
}
