//! `$(VAR)` in environment values, commands and arguments, as the kubelet expands it.

use std::collections::BTreeMap;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Expands `$(VAR)` and `$$`; what names no variable stays as it is.
///
/// The kubelet goes by bytes, and writes the one behind a `$` that begins no reference as the character
/// of that number: `$é` does not survive, and neither do strings of ours that leave a `$` single.
/// (Kubernetes, `third_party/forked/golang/expansion/expand.go`)
pub fn expand(text: &str, variables: &Variables) -> String {
    let mut expanded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let (b'$', Some(&next)) = (byte, rest.first()) else {
            expanded.push(byte);
            continue;
        };
        let closing = rest.iter().position(|&byte| byte == b')');
        match (next, closing) {
            (b'$', _) => {
                expanded.push(b'$');
                rest = &rest[1..];
            }
            (b'(', Some(end)) => {
                let name = String::from_utf8_lossy(&rest[1..end]);
                match variables.get(name.as_ref()) {
                    Some(value) => expanded.extend_from_slice(value.as_bytes()),
                    None => expanded.extend_from_slice(format!("$({name})").as_bytes()),
                }
                rest = &rest[end + 1..];
            }
            _ => {
                let mut character = [0; 4];
                expanded.push(b'$');
                expanded.extend_from_slice(char::from(next).encode_utf8(&mut character).as_bytes());
                rest = &rest[1..];
            }
        }
    }
    String::from_utf8_lossy(&expanded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        let variables = [("HOME", "/root"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        expand(text, &variables.into())
    }

    #[test]
    fn variables_are_replaced() {
        assert_eq!(expanded("a $(HOME) b$(EMPTY)c"), "a /root bc");
    }

    #[test]
    fn unknown_and_open_references_stay() {
        assert_eq!(expanded("$(NOTHING) $(OPEN"), "$(NOTHING) $(OPEN");
    }

    #[test]
    fn a_doubled_dollar_is_one() {
        assert_eq!(expanded("$$(HOME) $$$$ $$"), "$(HOME) $$ $");
        assert_eq!(expanded("$$é"), "$é");
    }

    #[test]
    fn a_single_dollar_stays_before_ascii_only() {
        assert_eq!(expanded("$1 ${A} $"), "$1 ${A} $");
        assert_ne!(expanded("$é"), "$é");
    }
}
