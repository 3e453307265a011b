//! Findings as GitHub's workflow commands:
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>.

use std::io::{self, Write};

use crate::findings::{Finding, Severity};

pub(super) fn write(output: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let column = finding.column.map(|column| format!(",col={column}"));
    writeln!(
        output,
        "::{command} file={},line={}{},title={}::{}",
        property(&finding.file.to_string()),
        finding.line,
        column.unwrap_or_default(),
        property(&finding.place()),
        data(&finding.message.to_string())
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn a_finding_is_a_line_whatever_is_in_it() {
        let finding = Finding {
            file: "a\n::b%".into(),
            object: Some("Pod/a\r,::b".into()),
            annotation: None,
            message: "##[c]\n::d\u{1b}".into(),
            ..example()
        };
        let mut output = Vec::new();
        write(&mut output, &finding).unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "::error file=a\\n%3A%3Ab%25,line=12,title=document 2%2C Pod/a\\r%2C%3A%3Ab::\\u{23}#[c]\\n::d\\u{1b}\n"
        );
    }

    #[test]
    fn what_means_something_in_a_command_is_escaped() {
        let mut output = Vec::new();
        write(&mut output, &example()).unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "::error file=apps/shop%2C old.yaml,line=12,title=document 2%2C Deployment/orders%2C sidecar.vault.talend.org/mode::100%25 wrong: `x`\n"
        );
    }
}
