//! Absolute paths in containers, which container runtimes resolve by their text alone.

/// Whether two paths name the same directory: `/a//b/` and `/a/b` do.
pub fn same_path(left: &str, right: &str) -> bool {
    segments(left).eq(segments(right))
}

/// Whether two paths name the same directory, or one of them is in the other.
pub fn are_nested(left: &str, right: &str) -> bool {
    segments(left)
        .zip(segments(right))
        .all(|(left, right)| left == right)
}

/// What is left of a path below a directory, with plain slashes; `None` if it is not below it.
pub fn below(path: &str, directory: &str) -> Option<String> {
    let mut rest = segments(path);
    if !segments(directory).all(|segment| rest.next() == Some(segment)) {
        return None;
    }
    let rest: Vec<_> = rest.collect();
    (!rest.is_empty()).then(|| rest.join("/"))
}

/// The names in a path, of which `.` and `..` are resolved.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    let names = path
        .split('/')
        .filter(|segment| !matches!(*segment, "" | "."));
    // Most paths climb nowhere, and many are compared with many.
    let climbs = path.contains("..");
    let mut resolved = Vec::new();
    if climbs {
        for name in names.clone() {
            match name {
                ".." => {
                    resolved.pop();
                }
                name => resolved.push(name),
            }
        }
    }
    names.filter(move |_| !climbs).chain(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_their_segments() {
        assert!(same_path("/a//b/", "/a/./b"));
        assert!(same_path("/../a/x/../b", "/a/b"));
        assert!(!same_path("/a/b", "/a/bc"));
        assert!(!same_path("/a/b", "/a"));
        for (left, right) in [
            ("/a/b", "/a"),
            ("/a", "/a//b/c"),
            ("/a/b", "/a/b/"),
            ("/", "/a"),
        ] {
            assert!(are_nested(left, right), "{left} {right}");
        }
        assert!(!are_nested("/a/b", "/a/bc"));
    }
}
