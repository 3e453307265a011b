//! The lexer of Go's templates (`text/template/parse`): where actions are, and what is in them.

use super::Delimiters;
use super::mistake::MistakeKind;

/// What a piece of a template is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Token {
    /// Text that is copied to the output.
    Text,
    /// What begins an action, with a trim mark.
    Open,
    /// What ends it, with its trim mark.
    Close,
    /// A comment, which is an action's only content.
    Comment,
    Space,
    /// A function's name, a keyword or a value that is a word.
    Word,
    LeftParenthesis,
    RightParenthesis,
    /// A string or a character.
    Literal,
    /// Fields, variables, numbers and signs.
    Other,
    /// What Go's lexer rejects. It is as long as it takes to go on behind it.
    Mistake(MistakeKind),
}

/// The pieces of a template, of which nothing is left out.
pub struct Lexer<'t> {
    rest: &'t str,
    delimiters: &'t Delimiters,
    place: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Text,
    /// Right behind what begins an action.
    Begin,
    /// Right behind that and a trim mark, with space to come.
    TrimmedBegin,
    Action,
    /// Behind a comment.
    CommentEnd,
    /// Behind a name that something follows which cannot.
    NameEnd,
}

impl<'t> Lexer<'t> {
    pub fn new(template: &'t str, delimiters: &'t Delimiters) -> Self {
        Lexer {
            rest: template,
            delimiters,
            place: Place::Text,
        }
    }

    /// What comes next, and its length; the place is what comes behind it.
    fn token(&mut self, first: char) -> (Token, usize) {
        let rest = self.rest;
        let mistake = |kind| (Token::Mistake(kind), first.len_utf8());
        if self.place == Place::Text {
            let left = self.delimiters.left();
            let Some(inside) = rest.strip_prefix(left) else {
                return (Token::Text, rest.find(left).unwrap_or(rest.len()));
            };
            let trimmed = inside.strip_prefix('-');
            if trimmed.is_some_and(|inside| inside.starts_with(is_space)) {
                self.place = Place::TrimmedBegin;
                return (Token::Open, left.len() + 1);
            }
            self.place = Place::Begin;
            return (Token::Open, left.len());
        }
        let place = std::mem::replace(&mut self.place, Place::Action);
        let comment = match place {
            Place::Begin => comment(rest, rest),
            Place::TrimmedBegin => comment(rest, &rest[1..]),
            _ => None,
        };
        if let Some(comment) = comment {
            self.place = Place::CommentEnd;
            return comment;
        }
        let right = self.delimiters.right();
        if let Some(length) = right_delimiter(rest, right) {
            self.place = Place::Text;
            return (Token::Close, length);
        }
        match place {
            Place::CommentEnd => return mistake(MistakeKind::CommentNotAlone),
            Place::NameEnd => return mistake(MistakeKind::Character(first)),
            _ => {}
        }
        let second = rest.chars().nth(1);
        match first {
            _ if is_space(first) => (Token::Space, 1),
            '(' => (Token::LeftParenthesis, 1),
            ')' => (Token::RightParenthesis, 1),
            ':' if second == Some('=') => (Token::Other, 2),
            '"' | '\'' | '`' => literal(rest, first),
            '.' if !second.is_some_and(|second| second.is_ascii_digit()) => {
                self.name(Token::Other, 1)
            }
            '$' => self.name(Token::Other, 1),
            '.' | '+' | '-' | '0'..='9' => match number(rest) {
                Some(length) => (Token::Other, length),
                None => mistake(MistakeKind::Number),
            },
            _ if is_alphanumeric(first) => self.name(Token::Word, 0),
            '|' | '=' | ',' => (Token::Other, 1),
            other => mistake(MistakeKind::Character(other)),
        }
    }

    /// A name that begins behind `prefix` bytes.
    fn name(&mut self, token: Token, prefix: usize) -> (Token, usize) {
        let rest = self.rest;
        let length = prefix
            + rest[prefix..]
                .find(|letter| !is_alphanumeric(letter))
                .unwrap_or(rest.len() - prefix);
        let behind = &rest[length..];
        let can_follow = match behind.chars().next() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(next) => is_space(next) || behind.starts_with(self.delimiters.right()),
        };
        if !can_follow {
            self.place = Place::NameEnd;
        }
        (token, length)
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = (Token, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rest.chars().next()?;
        let (token, length) = self.token(first);
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some((token, text))
    }
}

/// The comment that `inside` of an action begins with, which is at the beginning of `text`, up to the end if it has none.
fn comment(inside: &str, text: &str) -> Option<(Token, usize)> {
    let text = text.strip_prefix("/*")?;
    Some(match text.find("*/") {
        Some(end) => (Token::Comment, inside.len() - text.len() + end + 2),
        None => {
            let mistake = Token::Mistake(MistakeKind::CommentWithoutEnd);
            (mistake, inside.len())
        }
    })
}

/// The length of what ends an action, which a trim mark may be in front of.
fn right_delimiter(rest: &str, right: &str) -> Option<usize> {
    if rest.starts_with(right) {
        return Some(right.len());
    }
    let trimmed = rest.strip_prefix(is_space)?.strip_prefix('-')?;
    trimmed.starts_with(right).then_some(2 + right.len())
}

/// The literal that `rest` begins with, with its quotes.
fn literal(rest: &str, quote: char) -> (Token, usize) {
    let mut is_escaped = false;
    for (offset, letter) in rest.char_indices().skip(1) {
        match letter {
            '\n' if quote != '`' => break,
            _ if is_escaped => is_escaped = false,
            '\\' if quote != '`' => is_escaped = true,
            _ if letter == quote => return (Token::Literal, offset + 1),
            _ => {}
        }
    }
    (Token::Mistake(MistakeKind::LiteralWithoutEnd), rest.len())
}

/// The length of a number. Like Go's lexer, it accepts some that are not valid.
fn number(rest: &str) -> Option<usize> {
    let real = part_of_number(rest)?;
    let imaginary = &rest[real..];
    if !imaginary.starts_with(['+', '-']) {
        return Some(real);
    }
    let length = part_of_number(imaginary)?;
    imaginary[..length].ends_with('i').then_some(real + length)
}

fn part_of_number(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut is_digit: fn(char) -> bool = |letter| letter.is_ascii_digit() || letter == '_';
    let mut exponent: &[char] = &['e', 'E'];
    if let Some(behind) = rest.strip_prefix('0') {
        rest = behind;
        if let Some(behind) = rest.strip_prefix(['x', 'X']) {
            rest = behind;
            is_digit = |letter| letter.is_ascii_hexdigit() || letter == '_';
            exponent = &['p', 'P'];
        } else if let Some(behind) = rest.strip_prefix(['o', 'O']) {
            rest = behind;
            is_digit = |letter| matches!(letter, '0'..='7' | '_');
            exponent = &[];
        } else if let Some(behind) = rest.strip_prefix(['b', 'B']) {
            rest = behind;
            is_digit = |letter| matches!(letter, '0' | '1' | '_');
            exponent = &[];
        }
    }
    rest = rest.trim_start_matches(is_digit);
    if let Some(behind) = rest.strip_prefix('.') {
        rest = behind.trim_start_matches(is_digit);
    }
    if let Some(behind) = rest.strip_prefix(exponent) {
        let behind = behind.strip_prefix(['+', '-']).unwrap_or(behind);
        rest = behind.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    }
    rest = rest.strip_prefix('i').unwrap_or(rest);
    match rest.chars().next() {
        Some(next) if is_alphanumeric(next) => None,
        _ => Some(text.len() - rest.len()),
    }
}

/// What separates the words of an action, and a trim mark from them.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// Go's letters and decimal digits. Rust counts some more as letters and numbers, such as combining vowel
/// signs: what those are part of is left to Go.
fn is_alphanumeric(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}
