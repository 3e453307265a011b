//! Findings for people, in the form of compilers: a line each, which editors can follow.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::findings::{Finding, Severity};

const PLACE: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

pub(super) fn write(output: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let (style, severity) = match finding.severity {
        Severity::Error => (ERROR, "error"),
        Severity::Warning => (WARNING, "warning"),
        Severity::Note => (NOTE, "note"),
    };
    let column = finding.column.map(|column| format!(":{column}"));
    writeln!(
        output,
        "{PLACE}{}:{}{}:{PLACE:#} {style}{severity}:{style:#} {}: {}",
        finding.file,
        finding.line,
        column.unwrap_or_default(),
        finding.place(),
        finding.message
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn plain(finding: &Finding) -> String {
        let mut output = Vec::new();
        write(&mut output, finding).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(output).unwrap()).to_string()
    }

    #[test]
    fn a_finding_is_a_line() {
        assert_eq!(
            plain(&example()),
            "apps/shop, old.yaml:12: error: document 2, Deployment/orders, sidecar.vault.talend.org/mode: 100% wrong: `x`\n"
        );
    }

    #[test]
    fn a_mistake_in_yaml_has_its_column() {
        let finding = Finding {
            column: Some(3),
            object: None,
            annotation: None,
            message: "a tab cannot indent".into(),
            ..example()
        };
        assert_eq!(
            plain(&finding),
            "apps/shop, old.yaml:12:3: error: document 2: a tab cannot indent\n"
        );
    }
}
