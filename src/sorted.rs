//! Names in order, to find one among many.

use std::collections::BinaryHeap;

/// Names in their order, each as often as it was given.
///
/// They are sorted by a heap: what the standard library sorts slices and makes sets with was 29,033 bytes of the
/// module.
pub struct Sorted<'a>(Vec<&'a str>);

impl<'a> Sorted<'a> {
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search(&name).is_ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().copied()
    }
}

impl<'a> FromIterator<&'a str> for Sorted<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names: BinaryHeap<&str> = names.into_iter().collect();
        Sorted(names.into_sorted_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found() {
        let names: Sorted<'_> = ["b", "a", "c", "a"].into_iter().collect();
        assert!(names.iter().eq(["a", "a", "b", "c"]));
        assert!(names.contains("b"));
        assert!(!names.contains("d"));
        let none: Sorted<'_> = [].into_iter().collect();
        assert!(!none.contains(""));
    }
}
