//! Pods with several annotations at once, the same ones every time.

use crate::cases::{Changes, Pod, Row, Table};

/// How many there are.
const PODS: usize = 160;

/// Annotations with which nothing else would be looked at, and the row of those that do not exist.
const NOT_COMBINED: [&str; 3] = ["agent-inject", "agent-inject-status", "unknown"];

/// SplitMix64: numbers that look random, and are the same on every machine.
struct Numbers(u64);

impl Numbers {
    /// A number less than `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Less than a length, which fits.
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Pods with two to six rows of the table each: good values, and in every sixth pod a bad one. Half of them are the first pod.
pub fn combinations<'a>(
    table: &'a Table,
    pods: &'a [Pod],
) -> impl Iterator<Item = (&'a Pod, Changes)> {
    let rows: Vec<&Row> = table
        .annotations
        .iter()
        .filter(|row| !NOT_COMBINED.contains(&row.annotation.as_str()))
        .collect();
    let mut numbers = Numbers(1);
    (0..PODS).map(move |number| {
        let pod = match numbers.below(2) {
            0 => &pods[0],
            _ => numbers.one_of(pods),
        };
        let mut changes = Changes::new();
        for _ in 0..2 + numbers.below(5) {
            let row = numbers.one_of(&rows);
            changes.extend(of_row(row, &row.good, &mut numbers));
        }
        if number % 6 == 5 {
            let row = numbers.one_of(&rows);
            changes.extend(of_row(row, &row.bad, &mut numbers));
        }
        (pod, changes)
    })
}

fn of_row(row: &Row, values: &[String], numbers: &mut Numbers) -> Changes {
    // Where there are both, one in four has several annotations.
    let has_several = !row.also.is_empty();
    match values.is_empty() || (has_several && numbers.below(4) == 0) {
        true if has_several => numbers.one_of(&row.also).clone(),
        true => Changes::new(),
        false => {
            let value: &String = numbers.one_of(values);
            row.changes(value)
        }
    }
}
