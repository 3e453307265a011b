//! Paths in Vault.

use crate::values::is_relative_path;

/// Whether two segments of a path in a row are these. Before them may be a namespace of Vault's.
fn segments_are(path: &str, wanted: [&str; 2]) -> bool {
    let segments: Vec<_> = path.split('/').collect();
    segments.windows(2).any(|two| two == wanted)
}

/// What in a path of Vault's is not plain: Vault, or the programs that call it, would read another path. They
/// read it as the path of a URL, from which they remove white space and slashes at both ends.
pub fn not_plain(path: &str) -> Option<&'static str> {
    let is_unusual = |letter: char| {
        letter.is_control()
            || "?#%".contains(letter)
            || !(letter.is_ascii() || letter.is_alphanumeric())
    };
    let first = path.split('/').next().unwrap_or_default();
    if path.split('/').any(str::is_empty) {
        Some("has an empty segment, or a slash at an end")
    } else if !is_relative_path(path) {
        Some("has a segment . or ..")
    } else if path.contains(is_unusual) {
        Some(
            "has a ?, #, % or control character, or one that is neither ASCII nor a letter or digit",
        )
    } else if segments_are(path, ["auth", "token"]) {
        Some("returns the sidecars' own token")
    } else if first.contains(':') {
        Some("has a : in its first segment")
    } else if path != path.trim() {
        Some("begins or ends with white space")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_is_what_is_read_from_vault() {
        for path in [
            "secret/app",
            "secret/data/app",
            "secret/my app/a.b/..a/a../_-+=@",
            "secret/été/部",
            "aws/sts/arn:aws:iam\\x",
            "secret",
        ] {
            assert_eq!(not_plain(path), None, "{path}");
        }
        for path in [
            "",
            "/",
            "///",
            "/secret",
            "secret/",
            "a//b",
            ".",
            "./a",
            "a/./b",
            "a/..",
            "../a",
            "?x",
            "a?version=2",
            "a#b",
            "%2e/a",
            "a/%2e%2e",
            "x:a/b",
            "http://h/a",
            "a/\u{7f}",
            "a/\u{a0}b",
            "a/\u{200b}",
            "a/\u{202e}",
            "a/e\u{301}",
            "a/b\t",
            " a",
            "a ",
        ] {
            assert!(not_plain(path).is_some(), "{path:?}");
        }
    }
}
