//! Amounts of CPU and memory, which can be written in several ways.

/// Suffixes, and the thousandths that one of them is.
const SUFFIXES: [(&str, i128); 15] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("e3", 1_000_000),
    ("", 1_000),
];

/// The amount in thousandths; the text itself, where it is not an amount, or one that is not a whole number of anything.
pub fn canonical(text: &str) -> String {
    let thousandths = SUFFIXES.iter().find_map(|(suffix, factor)| {
        let number = text.strip_suffix(suffix)?;
        let number: i128 = number.parse().ok()?;
        number.checked_mul(*factor)
    });
    match thousandths {
        Some(thousandths) if thousandths % 1_000 == 0 => (thousandths / 1_000).to_string(),
        Some(thousandths) => format!("{thousandths}m"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_write_an_amount_become_one() {
        for (text, expected) in [
            ("1", "1"),
            ("1000m", "1"),
            ("250m", "250m"),
            ("1k", "1000"),
            ("128Mi", "134217728"),
            ("0", "0"),
            ("a lot", "a lot"),
            ("1.5", "1.5"),
            ("", ""),
        ] {
            assert_eq!(canonical(text), expected);
        }
    }
}
