//! Patterns in which `*` stands for any text, and `!` at the start for any other text than the rest.

/// Whether a text is of a pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    if let Some(other) = pattern.strip_prefix('!') {
        return !matches(other, text);
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(index) => rest = &rest[index + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "a.b"),
            ("a*", "a"),
            ("a*c", "a.b.c"),
            ("*.b.*", "a.b.c"),
            ("a*b*c", "abbc"),
            ("!a*", "ba"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("", "a"),
            ("a*a", "a"),
            ("*b", "a"),
            ("a*b*c", "acb"),
            ("!a*", "ab"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
