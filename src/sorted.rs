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
}

impl<'a> FromIterator<&'a str> for Sorted<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names: BinaryHeap<&str> = names.into_iter().collect();
        Sorted(names.into_sorted_vec())
    }
}

/// The first of many names in their order, and how many more there are: messages name no more, for clients show 4,096
/// letters of a warning, and whoever submits the names chooses how many there are.
#[derive(Default)]
pub struct First<'a> {
    names: BinaryHeap<&'a str>,
    more: usize,
}

impl<'a> First<'a> {
    /// The most names that are kept.
    pub const MOST: usize = 20;

    pub fn add(&mut self, name: &'a str) {
        if self.names.len() < Self::MOST {
            self.names.push(name);
            return;
        }
        self.more += 1;
        if let Some(mut last) = self.names.peek_mut()
            && name < *last
        {
            *last = name;
        }
    }

    /// Counts a name that is not to be told.
    pub fn add_unnamed(&mut self) {
        self.more += 1;
    }

    /// The names in their order, and the number of the others.
    pub fn into_sorted(self) -> (Vec<&'a str>, usize) {
        (self.names.into_sorted_vec(), self.more)
    }
}

impl<'a> FromIterator<&'a str> for First<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut first = First::default();
        names.into_iter().for_each(|name| first.add(name));
        first
    }
}

/// A list for a message: the first names as they come, and how many more there are.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let named: Vec<_> = names.by_ref().take(First::MOST).collect();
    let named = named.join(", ");
    match names.count() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found() {
        let names: Sorted<'_> = ["b", "a", "c", "a"].into_iter().collect();
        assert_eq!(names.0, ["a", "a", "b", "c"]);
        assert!(names.contains("b"));
        assert!(!names.contains("d"));
        let none: Sorted<'_> = [].into_iter().collect();
        assert!(!none.contains(""));
    }

    #[test]
    fn the_first_of_many_names_are_kept() {
        let names: Vec<_> = (0..100).map(|number| format!("{number:02}")).collect();
        let backwards: First<'_> = names.iter().rev().map(String::as_str).collect();
        let (first, more) = backwards.into_sorted();
        assert_eq!(first, names[..First::MOST]);
        assert_eq!(more, 100 - First::MOST);
    }

    #[test]
    fn a_long_list_ends_with_a_number() {
        assert_eq!(listed(["b", "a"]), "b, a");
        let names = ["a"; 25];
        assert!(
            listed(names).ends_with(", a and 5 more"),
            "{}",
            listed(names)
        );
    }
}
