//! What a value says that refers to Vault. The forms are those of Bank-Vaults:
//!
//! - `vault:PATH#KEY`, and `vault:PATH#KEY#VERSION` for a version of KV version 2;
//! - `vault:PATH#${ .KEY | FUNCTION }`, a Go template with the functions of sprig;
//! - `>>vault:PATH#KEY#{"NAME": "VALUE"}`, which writes and takes what Vault answers;
//! - `vault:v1:CIPHERTEXT`, which transit decrypts;
//! - each of them as `${...}` inside other text, and with `bao:` in place of `vault:`.

use serde_json::{Map, Value};

use super::{Piece, Reference, Request, Wanted};
use crate::secrets::template::of_sprig;

/// What refers to Vault.
const SCHEMES: [&str; 2] = ["vault:", "bao:"];

/// What is wrong with a reference that names no key.
const NO_KEY: &str = "a reference without a key; expected vault:PATH#KEY";

/// What is in front of one that writes.
const WRITES: &str = ">>";

/// Where transit decrypts, if the pod says.
pub struct Transit<'a> {
    pub path: &'a str,
    pub key: Option<&'a str>,
    /// The annotation that says it.
    pub annotation: &'a str,
}

/// Whether JSON may have a reference in it: it is looked at no further otherwise.
pub fn may_refer(json: &str) -> bool {
    SCHEMES.iter().any(|scheme| json.contains(scheme))
}

/// The pieces of a value, as the kubelet would have it; `None` if it does not refer to Vault. The error says what is wrong.
pub fn pieces(value: &str, transit: &Transit<'_>) -> Result<Option<Vec<Piece>>, String> {
    let mut braces = Braces::default();
    if let Some(reference) = scheme_of(value) {
        let reference = read(reference, transit, &mut braces)?;
        return Ok(reference.map(|reference| vec![Piece::Reference(reference)]));
    }
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), value);
    let mut has_reference = false;
    while let Some((before, inside)) = rest.split_once("${") {
        text.push_str(before);
        let Some(reference) = scheme_of(inside) else {
            text.push_str("${");
            rest = inside;
            continue;
        };
        let end = braces
            .end_of(inside)
            .ok_or("${ without }; expected ${vault:PATH#KEY}")?;
        let reference = scheme_of(&inside[..end]).unwrap_or(reference);
        let Some(reference) = read(reference, transit, &mut braces)? else {
            return Err(NO_KEY.to_owned());
        };
        has_reference = true;
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Reference(reference));
        rest = &inside[end + 1..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(has_reference.then_some(pieces))
}

/// A reference without its scheme.
#[derive(Clone, Copy)]
struct Scheme<'v> {
    writes: bool,
    rest: &'v str,
}

fn scheme_of(value: &str) -> Option<Scheme<'_>> {
    let (writes, value) = match value.strip_prefix(WRITES) {
        Some(value) => (true, value),
        None => (false, value),
    };
    let mut schemes = SCHEMES.iter();
    let rest = schemes.find_map(|scheme| value.strip_prefix(scheme))?;
    Some(Scheme { writes, rest })
}

/// Looks for the end of braces in a value. What is not found once is not looked for again: for each brace, that would take too
/// long.
#[derive(Default)]
struct Braces {
    /// Whether quotes have no end.
    ignores_quotes: bool,
    /// Whether a brace has none.
    are_open: bool,
}

impl Braces {
    /// Where the `}` of a `${` is that was before `inside`. Braces in quotes do not count, unless quotes have no end.
    fn end_of(&mut self, inside: &str) -> Option<usize> {
        let minding = match self.ignores_quotes {
            true => None,
            false => end_of(inside, true),
        };
        if minding.is_some() || self.are_open {
            return minding;
        }
        self.ignores_quotes = true;
        let end = end_of(inside, false);
        self.are_open = end.is_none();
        end
    }
}

fn end_of(inside: &str, minds_quotes: bool) -> Option<usize> {
    let (mut depth, mut quote, mut is_escaped) = (0, None, false);
    for (place, letter) in inside.char_indices() {
        match (letter, quote) {
            _ if is_escaped => is_escaped = false,
            ('\\', Some('"')) => is_escaped = true,
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '`', None) if minds_quotes => quote = Some(letter),
            ('{', None) => depth += 1,
            ('}', None) if depth == 0 => return Some(place),
            ('}', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Reads what comes behind the scheme; `None` for text that only looks like it, such as `vault:8200`.
fn read(
    scheme: Scheme<'_>,
    transit: &Transit<'_>,
    braces: &mut Braces,
) -> Result<Option<Reference>, String> {
    let Scheme { writes, rest } = scheme;
    if is_ciphertext(rest) && !writes {
        return of_transit(rest, transit).map(Some);
    }
    if rest == "login" {
        return Err(
            "vault:login is not supported; use annotation token-file, which writes the token to a file"
                .to_owned(),
        );
    }
    let Some((path, behind)) = rest.split_once('#') else {
        return match (rest.contains('/') && !is_address(rest)) || writes {
            true => Err(NO_KEY.to_owned()),
            false => Ok(None),
        };
    };
    let (key, last) = split_key(behind, braces);
    if key.is_empty() {
        return Err(NO_KEY.to_owned());
    }
    let (version, arguments) = match (writes, last) {
        (false, None) => (None, None),
        (false, Some(version)) => (Some(version_of(version)?), None),
        // Without one, nothing would be written.
        (true, None) => (None, Some(vec![String::new()])),
        (true, Some(data)) => (None, Some(arguments(data)?)),
    };
    let wanted = match key.contains("${") {
        true => Wanted::Template(of_sprig(key)?),
        false => Wanted::Key(key.to_owned()),
    };
    Ok(Some(Reference {
        request: Request {
            path: path.to_owned(),
            version,
            arguments,
        },
        wanted,
    }))
}

/// The key, or the template, and what comes behind it. A `#` in an action of a template does not end it.
fn split_key<'t>(text: &'t str, braces: &mut Braces) -> (&'t str, Option<&'t str>) {
    let mut rest = text;
    let mut end = 0;
    while let Some(place) = rest.find(['#', '$']) {
        end += place;
        rest = &rest[place..];
        if let Some(inside) = rest.strip_prefix("${")
            && !braces.are_open
            && let Some(length) = braces.end_of(inside)
        {
            end += length + 3;
            rest = &rest[length + 3..];
            continue;
        }
        if rest.starts_with('#') {
            return (&text[..end], Some(&text[end + 1..]));
        }
        end += 1;
        rest = &rest[1..];
    }
    (text, None)
}

/// Whether it is what stands behind `vault:` in an address: `vault:8200/v1`, or `vault://`, which Spring has.
fn is_address(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default();
    host.bytes().all(|byte| byte.is_ascii_digit())
}

fn version_of(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(version) if version > 0 => Ok(version),
        _ => Err("the version is not a number from 1; expected vault:PATH#KEY#VERSION".to_owned()),
    }
}

/// What is written, as Consul Template takes it.
fn arguments(data: &str) -> Result<Vec<String>, String> {
    const EXPECTED: &str = "expected >>vault:PATH#KEY#{\"NAME\": \"VALUE\"}";
    let data: Map<String, Value> = serde_json::from_str(data)
        .map_err(|_| format!("the data is not a JSON object; {EXPECTED}"))?;
    if data.is_empty() {
        return Ok(vec![String::new()]);
    }
    let arguments = data.into_iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!(
                    "the data has a value that is not a string, number or boolean; {EXPECTED}"
                ));
            }
        };
        // As Consul Template takes it.
        let is_changed = name.contains('=') || name.trim() != name || value.trim() != value;
        match name.is_empty() || is_changed {
            true => Err(format!(
                "the data has an empty name, a name with =, or white space around a name or value; {EXPECTED}"
            )),
            false => Ok(format!("{name}={value}")),
        }
    });
    arguments.collect()
}

/// Whether this is what transit has encrypted, without `vault:` in front.
fn is_ciphertext(text: &str) -> bool {
    let version = text.strip_prefix('v').and_then(|text| text.split_once(':'));
    version.is_some_and(|(version, rest)| {
        let is_number = !version.is_empty() && version.bytes().all(|it| it.is_ascii_digit());
        is_number && !rest.contains('#')
    })
}

fn of_transit(ciphertext: &str, transit: &Transit<'_>) -> Result<Reference, String> {
    let Some(key) = transit.key else {
        return Err(format!(
            "encrypted by transit; add annotation {}",
            transit.annotation
        ));
    };
    Ok(Reference {
        request: Request {
            path: format!("{}/decrypt/{key}", transit.path),
            version: None,
            arguments: Some(vec![format!("ciphertext=vault:{ciphertext}")]),
        },
        wanted: Wanted::Plaintext,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSIT: Transit<'_> = Transit {
        path: "transit",
        key: Some("app"),
        annotation: "x/transit-key",
    };

    fn key(path: &str, key: &str) -> Piece {
        Piece::Reference(Reference {
            request: Request {
                path: path.to_owned(),
                version: None,
                arguments: None,
            },
            wanted: Wanted::Key(key.to_owned()),
        })
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn references(value: &str) -> Vec<Piece> {
        pieces(value, &TRANSIT).unwrap().unwrap()
    }

    #[test]
    fn a_reference_is_a_path_and_a_key() {
        for value in [
            "vault:secret/data/app#password",
            "bao:secret/data/app#password",
        ] {
            assert_eq!(references(value), [key("secret/data/app", "password")]);
        }
    }

    #[test]
    fn text_that_only_looks_like_one_is_left_alone() {
        for value in [
            "",
            "vault",
            "vault:8200",
            "bao:8200",
            "http://vault:8200/a#b",
            "a vault:a/b#c",
            "$vault:a/b#c",
            "${VAR} $(VAR)",
            "v1:abc",
            "vault://",
            "vault://secret/app",
            "vault:8200/v1/secret",
        ] {
            assert_eq!(pieces(value, &TRANSIT), Ok(None), "{value}");
        }
    }

    #[test]
    fn references_are_found_inside_text() {
        assert_eq!(
            references("postgres://${vault:db#user}:${bao:db#password}@${HOST}/x"),
            [
                text("postgres://"),
                key("db", "user"),
                text(":"),
                key("db", "password"),
                text("@${HOST}/x"),
            ]
        );
    }

    #[test]
    fn the_third_part_is_a_version_or_what_is_written() {
        let request = |value: &str| match references(value).remove(0) {
            Piece::Reference(reference) => reference.request,
            Piece::Text(text) => panic!("{text}"),
        };
        assert_eq!(request("vault:kv/a#k#3").version, Some(3));
        let written =
            request(r#">>vault:pki/issue/a#certificate#{"common_name":"a#b","n":1,"x":true}"#);
        let arguments = ["common_name=a#b", "n=1", "x=true"].map(str::to_owned);
        assert_eq!(written.arguments.unwrap(), arguments);
        let inside = request(r#"${>>vault:pki/issue/a#certificate#{"common_name":"a"}}"#);
        assert_eq!(inside.arguments.unwrap(), ["common_name=a"]);
        for value in [">>vault:a/b#c", ">>vault:a/b#c#{}"] {
            assert_eq!(request(value).arguments.unwrap(), [""], "{value}");
        }
    }

    #[test]
    fn a_template_ends_where_its_actions_do() {
        let wanted = |value: &str| match references(value).remove(0) {
            Piece::Reference(reference) => (reference.request.version, reference.wanted),
            Piece::Text(text) => panic!("{text}"),
        };
        let template = |text: &str| Wanted::Template(text.to_owned());
        assert_eq!(
            wanted("vault:a/b#${ .k | b64enc }#2"),
            (Some(2), template("{{ .k | sprig_b64enc }}"))
        );
        assert_eq!(
            wanted(r##"${vault:a/b#${.k | replace "#" "}"}}y"##).1,
            template(r##"{{.k | sprig_replace "#" "}"}}"##)
        );
        assert_eq!(
            wanted("vault:a/b#${.user}:${.password}").1,
            template("{{.user}}:{{.password}}")
        );
    }

    #[test]
    fn transit_decrypts() {
        let value = "vault:v2:8SDd3WHDOjf7mq69";
        let [Piece::Reference(reference)] = &references(value)[..] else {
            panic!("one reference");
        };
        assert_eq!(reference.request.path, "transit/decrypt/app");
        let arguments = reference.request.arguments.as_ref().unwrap();
        assert_eq!(arguments, &[format!("ciphertext={value}")]);
        let without = Transit {
            key: None,
            ..TRANSIT
        };
        assert!(pieces(value, &without).is_err());
    }

    #[test]
    fn mistakes_are_reported() {
        for value in [
            "vault:secret/app",
            ">>vault:x",
            "vault:secret/app#",
            "vault:secret/app##2",
            "vault:secret/app#k#0",
            "vault:secret/app#k#new",
            ">>vault:pki#k#[]",
            ">>vault:pki#k#{\"a\":{}}",
            ">>vault:pki#k#{\"a=\":1}",
            "a ${vault:secret/app#k",
            "a ${vault:secret}",
        ] {
            assert!(pieces(value, &TRANSIT).is_err(), "{value}");
        }
    }
}
