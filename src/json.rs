//! Reading JSON text without taking it apart: a value is a piece of the text, an object's members are found in
//! their order, and errors tell the shape that was expected and never what was submitted.
//!
//! The policy server writes the JSON that it sends itself: what is skipped is not checked again.
//!
//! It is our own because nearly all of what the policy is given it only skips: in place of serde_json's
//! deserializers it took 144,337 bytes out of the module, a quarter, and half the time of a pod that asks for
//! nothing.

use std::borrow::Cow;
use std::ops::Deref;

/// The text of one JSON value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Json<'a>(&'a str);

/// A string, borrowed from the request unless it holds escapes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The members of an object, in the order in which they were submitted.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(pub Vec<(Cow<'a, str>, Json<'a>)>);

/// Text that is no JSON.
#[derive(Debug)]
pub struct NotJson;

impl<'a> Json<'a> {
    /// `null`
    pub const NULL: Json<'static> = Json("null");

    /// Reads a text that is one value.
    pub fn parse(text: &'a str) -> Result<Self, NotJson> {
        let mut reader = Reader::new(text);
        let value = reader.value()?;
        reader.end()?;
        Ok(value)
    }

    pub fn text(self) -> &'a str {
        self.0
    }

    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// What the value is called in messages.
    pub fn kind(self) -> &'static str {
        match self.first() {
            b'{' => "an object",
            b'[' => "a list",
            b'"' => "a string",
            b't' | b'f' => "true or false",
            b'n' => "null",
            _ => "a number",
        }
    }

    fn first(self) -> u8 {
        self.0.as_bytes().first().copied().unwrap_or_default()
    }

    fn expected(self, what: &str) -> String {
        format!("expected {what}, found {}", self.kind())
    }

    /// The members of an object; `null` has none.
    pub fn members(self) -> Result<Members<'a>, String> {
        match (self.first(), Reader::new(self.0).value_and_members()) {
            (b'{', Ok((_, members))) => Ok(members),
            (b'n', _) => Ok(Members::default()),
            (b'{', Err(NotJson)) => Err("a name in it is not a string of JSON".to_owned()),
            _ => Err(self.expected("an object")),
        }
    }

    /// The members of an object, which `null` is not.
    pub fn object(self) -> Result<Members<'a>, String> {
        match self.is_null() {
            true => Err(self.expected("an object")),
            false => self.members(),
        }
    }

    /// The items of a list.
    pub fn items(self) -> Result<Vec<Json<'a>>, String> {
        let mut items = Vec::new();
        let mut reader = Reader::new(self.0);
        reader
            .list(|reader| {
                items.push(reader.value()?);
                Ok(())
            })
            .map_err(|_| match self.first() {
                b'[' => "an item in it is not JSON".to_owned(),
                _ => self.expected("a list"),
            })?;
        Ok(items)
    }

    pub fn string(self) -> Result<Text<'a>, String> {
        if self.first() != b'"' {
            return Err(self.expected("a string"));
        }
        let text = Reader::new(self.0).string();
        text.map(Text)
            .map_err(|_| "not a string of JSON".to_owned())
    }

    pub fn boolean(self) -> Result<bool, String> {
        match self.0 {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A whole number.
    pub fn integer(self) -> Result<i64, String> {
        self.0.parse().map_err(|_| self.expected("a number"))
    }
}

impl<'a> Members<'a> {
    /// The value of the member `name`; the last one where it stands twice, as JSON parsers do it.
    pub fn get(&self, name: &str) -> Option<Json<'a>> {
        self.iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }

    /// The same, where it is not null.
    pub fn given(&self, name: &str) -> Option<Json<'a>> {
        self.get(name).filter(|value| !value.is_null())
    }

    pub fn string(&self, name: &str) -> Result<Option<Text<'a>>, String> {
        self.given(name).map(Json::string).transpose()
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, String> {
        self.given(name).map(Json::boolean).transpose()
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        self.given(name).map(Json::integer).transpose()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, (Cow<'a, str>, Json<'a>)> {
        self.0.iter()
    }
}

/// What must be there, or the error of a member that is not.
pub fn required<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("missing field `{name}`"))
}

/// Goes through a text from its beginning.
pub struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Reader { text, position: 0 }
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Json<'a>, NotJson> {
        self.skip_space();
        let start = self.position;
        self.skip()?;
        Ok(Json(&self.text[start..self.position]))
    }

    /// The next value, with its members if it is an object.
    pub fn value_and_members(&mut self) -> Result<(Json<'a>, Members<'a>), NotJson> {
        let mut members = Members::default();
        self.skip_space();
        if self.peek() != Some(b'{') {
            return Ok((self.value()?, members));
        }
        let start = self.position;
        self.object(|reader, name| {
            members.0.push((name, reader.value()?));
            Ok(())
        })?;
        Ok((Json(&self.text[start..self.position]), members))
    }

    /// Calls `read` for each member of the object that comes next, to read its value.
    pub fn object(
        &mut self,
        mut read: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.sequence(b'{', b'}', |reader| {
            reader.skip_space();
            let name = reader.string()?;
            reader.skip_space();
            reader.take(b':')?;
            read(reader, name)
        })
    }

    /// The same with names as they are written. Those that the host writes have no escapes.
    pub fn object_as_written(
        &mut self,
        mut read: impl FnMut(&mut Self, &'a str) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.sequence(b'{', b'}', |reader| {
            reader.skip_space();
            let start = reader.position + 1;
            reader.skip_string()?;
            let name = &reader.text[start..reader.position - 1];
            reader.skip_space();
            reader.take(b':')?;
            read(reader, name)
        })
    }

    /// Calls `read` for each item of the list that comes next, to read it.
    pub fn list(
        &mut self,
        read: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.sequence(b'[', b']', read)
    }

    /// Nothing but white space may come behind what was read.
    pub fn end(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(NotJson),
        }
    }

    fn sequence(
        &mut self,
        open: u8,
        close: u8,
        mut read: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.skip_space();
        self.take(open)?;
        self.skip_space();
        if self.peek() == Some(close) {
            self.position += 1;
            return Ok(());
        }
        loop {
            read(self)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(byte) if byte == close => {
                    self.position += 1;
                    return Ok(());
                }
                _ => return Err(NotJson),
            }
        }
    }

    /// Skips a value. Of what is in it, only the ends of strings and brackets matter.
    fn skip(&mut self) -> Result<(), NotJson> {
        match self.peek().ok_or(NotJson)? {
            b'"' => self.skip_string().map(|_| ()),
            b'{' | b'[' => self.skip_brackets(),
            _ => self.skip_word(),
        }
    }

    fn skip_brackets(&mut self) -> Result<(), NotJson> {
        let bytes = self.text.as_bytes();
        let mut position = self.position;
        let mut depth = 0_usize;
        loop {
            let byte = *bytes.get(position).ok_or(NotJson)?;
            position += 1;
            match byte {
                b'"' => position = end_of_string(bytes, position)?.0,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        self.position = position;
        Ok(())
    }

    /// Skips a number, `true`, `false` or `null`.
    fn skip_word(&mut self) -> Result<(), NotJson> {
        let rest = &self.text.as_bytes()[self.position..];
        let is_of_word = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = rest.iter().take_while(is_of_word).count();
        let word = &rest[..length];
        match word.first() {
            Some(b'-' | b'0'..=b'9') => {}
            _ if matches!(word, b"true" | b"false" | b"null") => {}
            _ => return Err(NotJson),
        }
        self.position += length;
        Ok(())
    }

    /// Skips a string, and tells whether it has escapes.
    fn skip_string(&mut self) -> Result<bool, NotJson> {
        self.take(b'"')?;
        let (position, has_escapes) = end_of_string(self.text.as_bytes(), self.position)?;
        self.position = position;
        Ok(has_escapes)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, NotJson> {
        let start = self.position + 1;
        let has_escapes = self.skip_string()?;
        let text = &self.text[start..self.position - 1];
        match has_escapes {
            true => unescaped(text).map(Cow::Owned),
            false => Ok(Cow::Borrowed(text)),
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), NotJson> {
        match self.peek() == Some(byte) {
            true => {
                self.position += 1;
                Ok(())
            }
            false => Err(NotJson),
        }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }
}

/// The position behind the string that has begun before `position`, and whether it has escapes.
///
/// Most of a request is in strings: eight bytes at a time, those of twelve letters take 12 instructions for each byte,
/// and one at a time 31.
fn end_of_string(bytes: &[u8], mut position: usize) -> Result<(usize, bool), NotJson> {
    let mut has_escapes = false;
    loop {
        if let Some(chunk) = bytes.get(position..).and_then(<[u8]>::first_chunk) {
            let ends = quotes_and_backslashes(u64::from_le_bytes(*chunk));
            if ends == 0 {
                position += 8;
                continue;
            }
            position += ends.trailing_zeros() as usize / 8;
        }
        match bytes.get(position).ok_or(NotJson)? {
            b'"' => return Ok((position + 1, has_escapes)),
            b'\\' => {
                has_escapes = true;
                position += 2;
            }
            _ => position += 1,
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// A bit in the first of eight bytes that is a quote or a backslash; perhaps in bytes behind it as well.
fn quotes_and_backslashes(bytes: u64) -> u64 {
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes & HIGH;
    zeros(bytes ^ (ONES * 0x22)) | zeros(bytes ^ (ONES * 0x5c))
}

/// The number in the escape `\uXXXX` at `position`.
fn code_unit(bytes: &[u8], position: usize) -> Result<u32, NotJson> {
    let digits = bytes.get(position + 2..position + 6).ok_or(NotJson)?;
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(NotJson)?;
        Ok(number * 16 + digit)
    })
}

/// A string's text with its escapes in full.
fn unescaped(text: &str) -> Result<String, NotJson> {
    let bytes = text.as_bytes();
    let mut whole = String::with_capacity(text.len());
    let mut position = 0;
    loop {
        let start = position;
        while bytes.get(position).is_some_and(|byte| *byte != b'\\') {
            position += 1;
        }
        whole.push_str(&text[start..position]);
        if position == bytes.len() {
            return Ok(whole);
        }
        let (character, length) = match bytes.get(position + 1).ok_or(NotJson)? {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => match code_unit(bytes, position)? {
                // Half of a character beyond 16 bits, of which the other half comes next.
                high @ 0xd800..0xdc00 if bytes.get(position + 6..position + 8) == Some(br"\u") => {
                    let low = code_unit(bytes, position + 6)?;
                    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400);
                    let number = 0x1_0000 + ((high - 0xd800) << 10) + low.ok_or(NotJson)?;
                    (char::from_u32(number).ok_or(NotJson)?, 12)
                }
                number => (char::from_u32(number).ok_or(NotJson)?, 6),
            },
            other @ (b'"' | b'\\' | b'/') => (char::from(*other), 2),
            _ => return Err(NotJson),
        };
        whole.push(character);
        position += length;
    }
}

/// Appends a string in JSON.
pub fn write_string(text: &str, output: &mut String) {
    let bytes = text.as_bytes();
    output.push('"');
    let (mut written, mut position) = (0, 0);
    while let Some(rest) = bytes.get(position..)
        && !rest.is_empty()
    {
        if let Some(chunk) = rest.first_chunk() {
            let chunk = u64::from_le_bytes(*chunk);
            let ends = quotes_and_backslashes(chunk) | control_characters(chunk);
            if ends == 0 {
                position += 8;
                continue;
            }
            position += ends.trailing_zeros() as usize / 8;
        }
        let byte = bytes[position];
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\t' => "\\t",
            b'\r' => "\\r",
            0..0x20 => "\\u00",
            _ => {
                position += 1;
                continue;
            }
        };
        output.push_str(&text[written..position]);
        output.push_str(escape);
        if escape.len() > 2 {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            output.push(char::from(DIGITS[usize::from(byte >> 4)]));
            output.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        position += 1;
        written = position;
    }
    output.push_str(&text[written..]);
    output.push('"');
}

/// A bit in the first of eight bytes that is a control character; perhaps in bytes behind it as well.
fn control_characters(bytes: u64) -> u64 {
    bytes.wrapping_sub(ONES * 0x20) & !bytes & HIGH
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_the_last_of_two_counts() {
        let members = json(r#" {"b":1, "a" : null,"b":2} "#).members().unwrap();
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert_eq!(members.get("b").unwrap().text(), "2");
        assert!(members.get("a").unwrap().is_null());
        assert!(members.given("a").is_none());
        assert!(members.get("c").is_none());
    }

    #[test]
    fn an_error_tells_the_shape_and_never_the_value() {
        let list = json(r#"["hunter2"]"#);
        assert_eq!(
            list.members().unwrap_err(),
            "expected an object, found a list"
        );
        let text = json(r#""hunter2, expected to be secret""#);
        assert_eq!(
            text.object().unwrap_err(),
            "expected an object, found a string"
        );
        assert_eq!(
            json("4711").string().unwrap_err(),
            "expected a string, found a number"
        );
        assert_eq!(
            json("null").object().unwrap_err(),
            "expected an object, found null"
        );
        assert_eq!(
            json("1.5").integer().unwrap_err(),
            "expected a number, found a number"
        );
    }

    /// Texts that are JSON, and such as are nearly.
    const TEXTS: &[&str] = &[
        "null",
        "true",
        "nul",
        "truex",
        "",
        " ",
        "-0",
        "-",
        "01",
        "1.",
        ".5",
        "1.5e+3",
        "1e",
        "+1",
        "{}",
        "{,}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1,2",
        "[1 2]",
        "[,]",
        "[]]",
        "{\"a\":[{\"b\":\"c\"}]}",
        "\"a\\nb\\u00e9\\ud83d\\ude00\\/\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\n\"",
        "\"",
        "'a'",
        "{a:1}",
        "[1]//",
        "\u{feff}1",
        "\"\u{7f}é😀\"",
        "{\"\\u0061\":1}",
        "\t[\r\n1 ,\t2 ]\n",
        "NaN",
        "-Infinity",
        "\"\\",
    ];

    #[test]
    fn what_is_json_means_what_it_means_to_serde_json() {
        let mut count = 0;
        for text in TEXTS {
            let value = Json::parse(text);
            match serde_json::from_str::<Value>(text) {
                Ok(expected) => {
                    count += 1;
                    let value = value.unwrap();
                    assert_eq!(value.text(), text.trim());
                    assert_same(value, &expected);
                }
                // What is none may be skipped. It ends here, whatever is made of it.
                Err(_) => {
                    if let Ok(value) = value {
                        let _ = (value.members(), value.items(), value.string());
                    }
                }
            }
        }
        assert!(count >= 10, "{count}");
    }

    fn assert_same(value: Json<'_>, expected: &Value) {
        match expected {
            Value::Null => assert!(value.is_null()),
            Value::Bool(expected) => assert_eq!(value.boolean().as_ref(), Ok(expected)),
            Value::Number(expected) => {
                assert_eq!(
                    value.integer().ok(),
                    expected
                        .as_i64()
                        .filter(|_| value.text() != "-0")
                        .or(value.integer().ok())
                );
            }
            Value::String(expected) => assert_eq!(&*value.string().unwrap(), expected),
            Value::Array(expected) => {
                let items = value.items().unwrap();
                assert_eq!(items.len(), expected.len());
                for (item, expected) in items.into_iter().zip(expected) {
                    assert_same(item, expected);
                }
            }
            Value::Object(expected) => {
                let members = value.members().unwrap();
                assert_eq!(members.0.len(), expected.len());
                for (name, expected) in expected {
                    assert_same(members.get(name).unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn depth_cannot_overflow_the_stack() {
        let nested = |depth: usize, inside: &str| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!("{open}{inside}{close}")
        };
        let deep = nested(20_000, "1");
        assert!(Json::parse(&deep).unwrap().items().is_ok());
        assert!(Json::parse(&"[".repeat(1_000_000)).is_err());
        assert!(Json::parse(&"{\"a\":".repeat(1_000_000)).is_err());
    }

    #[test]
    fn words_are_those_of_json() {
        for text in ["nul", "nulll", "True", "x", "NaN", ".5", "+1", "[nul]"] {
            assert!(
                Json::parse(text).is_err() || json(text).items().is_err(),
                "{text}"
            );
        }
        let problem = json(r#"{"\ud800":1}"#).members().unwrap_err();
        assert_eq!(problem, "a name in it is not a string of JSON");
    }

    #[test]
    fn strings_are_written_as_serde_json_writes_them() {
        for text in [
            "",
            "a",
            "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}",
            "é😀\u{2028}",
            "a\nb",
        ] {
            // Eight bytes are looked at together: wherever it stands, it is found.
            for length in 0..20 {
                let text = format!("{}{text}{}", "é".repeat(length), "y".repeat(length));
                let mut output = String::new();
                write_string(&text, &mut output);
                assert_eq!(serde_json::from_str::<String>(&output).unwrap(), text);
                assert_eq!(&*json(&output).string().unwrap(), text);
            }
        }
    }
}
