//! Reports findings: to people, and to the tools that show them beside the manifests.

mod github;
mod sarif;
mod text;

use std::io::{self, Write};

use clap::ValueEnum;

use crate::findings::Finding;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// A line for each finding
    Text,
    /// Workflow commands, which GitHub shows in pull requests
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

impl Format {
    /// Writes the findings; through `anstream`, which takes the colours out where they do not belong.
    pub(crate) fn write(self, output: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
        match self {
            Self::Text => findings
                .iter()
                .try_for_each(|finding| text::write(output, finding)),
            Self::Github => findings
                .iter()
                .try_for_each(|finding| github::write(output, finding)),
            Self::Sarif => sarif::write(output, findings),
        }
    }
}

/// A finding for the tests of all formats.
#[cfg(test)]
fn example() -> Finding {
    Finding {
        severity: crate::findings::Severity::Error,
        file: "apps/shop, old.yaml".into(),
        line: 12,
        column: None,
        document: 2,
        object: Some("Deployment/orders".into()),
        annotation: Some("sidecar.vault.talend.org/mode".into()),
        message: "100% wrong: `x`".into(),
    }
}
