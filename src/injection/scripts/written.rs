//! A script as it stands in a container's command: JSON, in which every `$` is doubled, written by the compiler.
//!
//! Two containers have the longest script. To write it for every pod took a third of an annotated one's instructions.

/// How many bytes [`write`] makes of a script.
pub const fn length(script: &str) -> usize {
    let bytes = script.as_bytes();
    let (mut length, mut index) = (2, 0);
    while index < bytes.len() {
        length += 1 + second(bytes[index]).is_some() as usize;
        index += 1;
    }
    length
}

/// Writes a script to an array that is as long as [`length`] says.
pub const fn write<const LENGTH: usize>(script: &str) -> [u8; LENGTH] {
    let bytes = script.as_bytes();
    let mut written = [b'"'; LENGTH];
    let (mut index, mut end) = (0, 1);
    while index < bytes.len() {
        match second(bytes[index]) {
            Some(second) => {
                written[end] = if bytes[index] == b'$' { b'$' } else { b'\\' };
                written[end + 1] = second;
                end += 2;
            }
            None => {
                written[end] = bytes[index];
                end += 1;
            }
        }
        index += 1;
    }
    written
}

/// The second of the two bytes that stand for one.
const fn second(byte: u8) -> Option<u8> {
    match byte {
        b'$' | b'"' | b'\\' => Some(byte),
        b'\n' => Some(b'n'),
        b'\t' => Some(b't'),
        0..0x20 => panic!("a script has no other control characters"),
        _ => None,
    }
}

/// The [`Written`](crate::json::Written) of a script that is known when the policy is compiled.
macro_rules! written {
    ($script:expr) => {{
        const LENGTH: usize = written::length($script);
        const BYTES: [u8; LENGTH] = written::write($script);
        match std::str::from_utf8(&BYTES) {
            Ok(text) => crate::json::Written(text),
            Err(_) => panic!("it was text before"),
        }
    }};
}

pub(super) use written;

#[cfg(test)]
mod tests {
    use super::super::written;

    #[test]
    fn a_script_is_written_as_serde_json_writes_it() {
        const SCRIPT: &str = "echo \"$HOME\" '\\\\n' é\n\techo $$\n";
        let written = written!(SCRIPT);
        let expected = serde_json::to_string(&SCRIPT.replace('$', "$$")).unwrap();
        assert_eq!(written.0, expected);
    }
}
