//! What a scalar means to kubectl, and how a string is written so that every reader reads a string.
//!
//! kubectl reads YAML 1.1 with go-yaml 2, which has words and numbers of its own: `yes` and `y` are true,
//! `0644` is 420, and so is `0o644`; `12:30` is a string. What it read becomes JSON, where a number
//! without a fraction is an integer, however it was written.

use serde_json::{Number, Value};

use crate::printable;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What a scalar without quotes is to kubectl.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Boolean(bool),
    Integer(i64),
    /// An integer beyond the signed ones.
    Unsigned(u64),
    /// Also the infinite ones and "not a number", which have no place in JSON.
    Float(f64),
    Text,
}

impl Meaning {
    /// What JSON has for it; nothing for a float that JSON cannot write.
    pub(super) fn into_value(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => boolean.into(),
            Self::Integer(integer) => integer.into(),
            Self::Unsigned(integer) => integer.into(),
            Self::Float(float) => number_from_float(float)?.into(),
            Self::Text => text.into(),
        })
    }

    /// What kubectl makes of it as a key of a mapping; nothing for what it rejects.
    pub(super) fn into_key(self, text: &str) -> Option<String> {
        Some(match self {
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Float(float) => key_from_float(float),
            Self::Text => text.to_owned(),
            Self::Null | Self::Unsigned(_) => return None,
        })
    }
}

/// The number as it arrives in a cluster: one without a fraction is an integer.
pub(super) fn number_from_float(float: f64) -> Option<Number> {
    const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

    if float.fract() == 0.0 && float.abs() < BEYOND_INTEGERS {
        // Exact: it has no fraction and fits.
        return Some(Number::from(float as i64));
    }
    Number::from_f64(float)
}

/// As Go's `strconv.FormatFloat(float, 'g', -1, 32)`, which kubectl uses for keys: with half the digits.
fn key_from_float(float: f64) -> String {
    let float = float as f32;
    if float.is_nan() {
        return ".nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => float.to_string(),
    }
}

/// What `text` means where it stands without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Boolean(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Boolean(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Meaning::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        // Here Go itself looks at the underscores, and wants a digit on both sides.
        b'.' if has_underscores_between_digits(text) => float(&text.replace('_', "")),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    number.unwrap_or(Meaning::Text)
}

fn integer(text: &str) -> Option<Meaning> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(magnitude) = magnitude(unsigned) {
        let signed = if negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        if let Some(signed) = signed {
            return Some(Meaning::Integer(signed));
        }
        // Go's unsigned integers have no sign, not even a `+`.
        if unsigned.len() == text.len() {
            return Some(Meaning::Unsigned(magnitude));
        }
    }
    // go-yaml takes a sign behind the `0b` as well.
    let binary = text.strip_prefix("0b")?;
    let binary_digits = binary.strip_prefix(['+', '-'])?;
    let magnitude = digits(binary_digits, 2)?;
    if binary.starts_with('-') {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
    .map(Meaning::Integer)
}

/// An integer without a sign in Go's notation, with underscores taken out.
fn magnitude(text: &str) -> Option<u64> {
    let Some(behind_zero) = text.strip_prefix('0') else {
        return digits(text, 10);
    };
    match behind_zero.as_bytes() {
        [] => Some(0),
        [b'b' | b'B', _, ..] => digits(&behind_zero[1..], 2),
        [b'o' | b'O', _, ..] => digits(&behind_zero[1..], 8),
        [b'x' | b'X', _, ..] => digits(&behind_zero[1..], 16),
        _ => digits(behind_zero, 8),
    }
}

/// Rust takes a sign here, Go does not.
fn digits(text: &str, radix: u32) -> Option<u64> {
    if text.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(text, radix).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, unless it is too large for a float.
fn float(text: &str) -> Option<Meaning> {
    if !is_decimal_float(text) {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    float.is_finite().then_some(Meaning::Float(float))
}

fn has_underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    text.match_indices('_')
        .all(|(index, _)| is_digit(bytes.get(index - 1)) && is_digit(bytes.get(index + 1)))
}

fn is_decimal_float(text: &str) -> bool {
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let without_sign = |text: &'_ str| text.strip_prefix(['+', '-']).map_or(text.len(), str::len);

    let unsigned = &text[text.len() - without_sign(text)..];
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let mantissa_is_right = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_is_right = exponent.is_none_or(|exponent| {
        let digits = &exponent[exponent.len() - without_sign(exponent)..];
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_is_right && exponent_is_right
}

/// The style of a string that comes from no file: without quotes only if every YAML reader, of 1.1 and
/// of 1.2, takes it for a string then.
pub(super) fn string_style(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if is_plainly_a_string(text) {
        Style::Plain
    } else if text.contains(['"', '\\']) {
        // As JSON has them, which would be hard to read with each one escaped.
        Style::SingleQuoted
    } else {
        Style::DoubleQuoted
    }
}

/// Whether the text needs escapes, and so double quotes. A terminal would act on such characters, and at some of
/// them libyaml's emitter breaks lines, as YAML 1.1 does and YAML 1.2 does not.
pub(super) fn must_be_escaped(text: &str) -> bool {
    !text.chars().all(printable::is_data)
}

/// Says which texts are certainly strings, and not which ones are not: readers differ too much.
fn is_plainly_a_string(text: &str) -> bool {
    let is_word_with_a_meaning = || {
        const WORDS: [&str; 13] = [
            "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
            "none",
        ];
        let bare = text.trim_start_matches('-');
        WORDS.iter().any(|word| bare.eq_ignore_ascii_case(word))
    };
    let begins_like_a_string = || match text.as_bytes() {
        [first, ..] if first.is_ascii_alphabetic() => true,
        [b'/' | b'_' | b'$' | b'(', ..] => true,
        // A flag of a command: -a, --all.
        [b'-', letter, ..] | [b'-', b'-', letter, ..] if letter.is_ascii_alphabetic() => true,
        [first, ..] if first.is_ascii_digit() => is_a_quantity_with_a_unit(text),
        _ => false,
    };
    let has_only_common_characters = || {
        text.chars().all(|character| {
            matches!(character, ' '..='~') || (character > '\u{a0}' && character.is_alphanumeric())
        })
    };
    let has_no_syntax =
        || !text.ends_with([' ', ':']) && !text.contains(": ") && !text.contains(" #");
    begins_like_a_string()
        && !is_word_with_a_meaning()
        && has_only_common_characters()
        && has_no_syntax()
}

/// Such as 250m, 64Mi or 1h30m: a letter that no notation of numbers has (hexadecimal digits, `e` of
/// an exponent, `b`, `o` and `x` of a base, `_` between digits) makes it a string.
fn is_a_quantity_with_a_unit(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        && text.bytes().any(|byte| {
            let byte = byte.to_ascii_lowercase();
            matches!(byte, b'g'..=b'z') && byte != b'o' && byte != b'x'
        })
}
