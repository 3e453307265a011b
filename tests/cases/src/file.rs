//! The text of a case's file, in which its outcome is written anew.

/// The keys of an outcome. Nothing of a case is behind them.
const OUTCOME: [&str; 4] = ["warnings:", "rejected:", "unchanged:", "injected:"];

/// The text of a file with `outcome` as that of its case, or of the case `row` if it is a table.
pub fn with_outcome(text: &str, row: Option<&str>, outcome: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (case, indentation) = match row {
        Some(row) => (lines_of_row(&lines, row), 4),
        None => (0..lines.len(), 0),
    };
    let is_outcome = |line: &&str| {
        let line = line.get(indentation..).unwrap_or_default();
        OUTCOME.iter().any(|key| line.starts_with(key))
    };
    let begin = lines[case.clone()].iter().position(is_outcome);
    let begin = begin.map_or(case.end, |begin| case.start + begin);
    let indented = outcome.lines().map(|line| match line {
        "" => String::new(),
        line => format!("{:indentation$}{line}", ""),
    });
    let kept = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut changed = kept(&lines[..begin]);
    changed.extend(indented);
    changed.extend(kept(&lines[case.end..]));
    changed.join("\n") + "\n"
}

/// The lines of one case of a table, without the empty ones behind it.
fn lines_of_row(lines: &[&str], row: &str) -> std::ops::Range<usize> {
    let first = format!("  - case: {row}");
    let start = lines.iter().position(|line| line.trim_end() == first);
    let start = start.unwrap_or_else(|| panic!("there is no line {first:?}"));
    let is_behind = |line: &&str| !line.is_empty() && !line.starts_with("    ");
    let length = lines[start + 1..].iter().position(is_behind);
    let mut end = length.map_or(lines.len(), |length| start + 1 + length);
    while lines[end - 1].is_empty() {
        end -= 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::with_outcome;

    #[test]
    fn what_is_before_the_outcome_stays() {
        let text = "# Why.\npod: {a:   1}   # odd\n\nwarnings: [x]\nrejected: y\n";
        assert_eq!(
            with_outcome(text, None, "unchanged: true\n"),
            "# Why.\npod: {a:   1}   # odd\n\nunchanged: true\n"
        );
        assert_eq!(
            with_outcome("bare: true\n", None, "unchanged: true\n"),
            "bare: true\nunchanged: true\n"
        );
    }

    #[test]
    fn other_cases_of_a_table_stay() {
        let table = "cases:\n  # One.\n  - case: a\n    bare: true\n    rejected: x\n\n  # Two.\n  - case: b\n";
        assert_eq!(
            with_outcome(table, Some("a"), "rejected: |-\n  y\n\n  z\n"),
            "cases:\n  # One.\n  - case: a\n    bare: true\n    rejected: |-\n      y\n\n      z\n\n  # Two.\n  - case: b\n"
        );
        assert_eq!(
            with_outcome(table, Some("b"), "unchanged: true\n"),
            format!("{table}    unchanged: true\n")
        );
    }
}
