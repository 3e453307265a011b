//! What the comparison has found.

use std::{collections::BTreeMap, fmt};

use crate::{
    answer::{Answer, Source},
    cases::Case,
    difference::{Difference, differences},
    listed::Subject,
};

/// The most characters of a value in the report.
const MOST: usize = 160;

/// The outcome of all cases.
#[derive(Debug, Default)]
pub struct Report {
    source: Source,
    equal: usize,
    listed: usize,
    otherwise: usize,
    /// The differences that no entry allows, with the cases in which they are.
    unlisted: BTreeMap<Difference, Vec<String>>,
    /// The entries, or the alternatives in them, that allow nothing.
    unused: Vec<String>,
}

impl Report {
    /// Compares the answers to each case. Both have them in the order of the cases.
    pub fn new(
        cases: &[Case],
        (source, theirs): (Source, &[Answer]),
        ours: &[Answer],
        list: &[Subject],
    ) -> Self {
        let entries: Vec<_> = list.iter().flat_map(|it| &it.differences).collect();
        let alternatives: Vec<_> = entries.iter().map(|it| it.alternatives()).collect();
        let mut used: Vec<_> = alternatives
            .iter()
            .map(|it| vec![false; it.len()])
            .collect();
        let mut report = Self {
            source,
            ..Self::default()
        };
        for ((case, theirs), ours) in cases.iter().zip(theirs).zip(ours) {
            let found = differences(theirs, ours);
            let (mut all, mut listed) = (0, 0);
            for difference in found {
                all += 1;
                let mut is_listed = false;
                for (entry, used) in entries.iter().zip(&mut used) {
                    for alternative in entry.allowing(&difference, case) {
                        (is_listed, used[alternative]) = (true, true);
                    }
                }
                match is_listed {
                    true => listed += 1,
                    false => {
                        let cases = report.unlisted.entry(difference).or_default();
                        cases.push(case.name.clone());
                    }
                }
            }
            *match (all, all - listed) {
                (0, _) => &mut report.equal,
                (_, 0) => &mut report.listed,
                _ => &mut report.otherwise,
            } += 1;
        }
        let used = used.into_iter().flatten();
        let unused = alternatives.into_iter().flatten().zip(used);
        let unused = unused.filter(|(_, used)| !used);
        report.unused = unused.map(|(alternative, _)| alternative).collect();
        report
    }

    /// Whether all differences are listed, and all that is listed differs.
    pub fn is_good(&self) -> bool {
        self.otherwise == 0 && self.unused.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            equal,
            listed,
            otherwise,
            ..
        } = self;
        let pods = equal + listed + otherwise;
        writeln!(
            formatter,
            "{pods} pods, {source} answers of the Agent Injector: {equal} equal, {listed} differing as listed, {otherwise} differing otherwise"
        )?;
        for (difference, cases) in &self.unlisted {
            writeln!(
                formatter,
                "not listed: {}\n  theirs: {}\n  ours:   {}\n  in {} pods, such as {}",
                difference.path,
                cut(&difference.theirs),
                cut(&difference.ours),
                cases.len(),
                cases[0]
            )?;
        }
        for entry in &self.unused {
            writeln!(formatter, "listed, but in no pod: {entry}")?;
        }
        Ok(())
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((index, _)) => format!("{}...", &text[..index]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(name: &str) -> Case {
        Case {
            name: name.to_owned(),
            annotations: BTreeMap::new(),
            pod_name: String::new(),
            namespace: String::new(),
            pod: json!({}),
        }
    }

    fn report(list: &str) -> Report {
        let cases = ["first", "second", "third"].map(case);
        let injected = |value| Answer::Injected(json!({"a": value}));
        let theirs = [injected(1), injected(1), injected(1)];
        let ours = [injected(1), injected(2), injected(3)];
        let list: Vec<Subject> = yaml_serde::from_str(list).unwrap();
        Report::new(&cases, (Source::Recorded, &theirs), &ours, &list)
    }

    #[test]
    fn what_is_listed_is_counted_apart() {
        let report =
            report("[{subject: A, differences: [{what: a, path: a, ours: '2', reason: because}]}]");
        assert!(!report.is_good());
        assert_eq!(
            report.to_string(),
            "3 pods, recorded answers of the Agent Injector: 1 equal, 1 differing as listed, 1 differing otherwise\n\
             not listed: a\n  theirs: 1\n  ours:   3\n  in 1 pods, such as third\n"
        );
    }

    #[test]
    fn an_entry_that_allows_nothing_is_a_mistake() {
        let report = report(
            "[{subject: A, differences: [{what: a, path: a, reason: all}, {what: b, path: b, reason: none}, {what: c, path: a, where: [d], reason: none}]}]",
        );
        assert!(!report.is_good());
        assert_eq!(
            report.to_string(),
            "3 pods, recorded answers of the Agent Injector: 1 equal, 2 differing as listed, 0 differing otherwise\n\
             listed, but in no pod: b: b\n\
             listed, but in no pod: c: a\n\
             listed, but in no pod: c: d\n"
        );
    }
}
