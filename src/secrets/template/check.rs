//! Whether a Go template can be parsed: its actions end, its blocks do too, and it calls no function that is
//! denied.
//!
//! Go's own parser (`text/template/parse`) is the reference. What it takes is taken here too; of what it
//! refuses, all is refused that comes from text that was cut off, pasted twice or meant for another language.

use std::fmt;

/// What is wrong with a template, and in which of its lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    pub kind: ProblemKind,
}

/// What is wrong at a place of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProblemKind {
    /// `{{` without `}}`.
    ActionWithoutEnd,
    /// `/*` without `*/`.
    CommentWithoutEnd,
    /// A comment and something else in one action.
    CommentNotAlone,
    /// A quote without another one in its line, or a backquote without another one.
    LiteralWithoutEnd,
    /// A character that no action has, at that place.
    Character(char),
    /// A number that is none.
    Number,
    /// `(` without `)`, or the other way round.
    Parenthesis,
    /// An action without anything in it.
    NothingInAction,
    /// `if`, `with`, `range`, `define` or `block` without `end`.
    BlockWithoutEnd(Keyword),
    /// `else`, `end`, `define`, `break` or `continue` where there is no block for it.
    Misplaced(Keyword),
    /// Something behind `end`, `break`, `continue`, or an `else` that begins no other block.
    BehindKeyword(Keyword),
    /// Something in front of a word that begins or ends a block.
    KeywordInside(Keyword),
    /// A function that is denied.
    Denied(String),
}

/// Words that are values, and not the functions of a pattern that they match.
const VALUES: [&str; 3] = ["true", "false", "nil"];

/// A word that is no function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActionWithoutEnd => write!(formatter, "{{{{ without }}}}"),
            Self::CommentWithoutEnd => write!(formatter, "a comment without */"),
            Self::CommentNotAlone => write!(
                formatter,
                "a comment has to end its action: */}}}} or */ -}}}}"
            ),
            Self::LiteralWithoutEnd => write!(formatter, "a string without its second quote"),
            Self::Character(letter) => {
                write!(
                    formatter,
                    "{letter:?} cannot stand in an action at this place"
                )
            }
            Self::Number => write!(formatter, "a number that is none"),
            Self::Parenthesis => write!(formatter, "a parenthesis without its counterpart"),
            Self::NothingInAction => write!(formatter, "{{{{ }}}} with nothing in it"),
            Self::BlockWithoutEnd(keyword) => {
                write!(
                    formatter,
                    "{{{{ {} }}}} without {{{{ end }}}}",
                    keyword.as_str()
                )
            }
            Self::Misplaced(keyword) => {
                let belongs = match keyword {
                    Keyword::Break | Keyword::Continue => "inside range",
                    Keyword::Define => "outside all blocks",
                    Keyword::Else => "once, inside if, with or range",
                    _ => "behind if, with, range, define or block",
                };
                write!(
                    formatter,
                    "{{{{ {} }}}} belongs {belongs}",
                    keyword.as_str()
                )
            }
            Self::BehindKeyword(keyword) => write!(
                formatter,
                "nothing can follow {} in its action, but if or with an else in a block of the same kind",
                keyword.as_str()
            ),
            Self::KeywordInside(keyword) => {
                write!(formatter, "{} has to begin its action", keyword.as_str())
            }
            Self::Denied(function) => write!(
                formatter,
                "function {function} is denied by the setting restrictions.deniedTemplateFunctions"
            ),
        }
    }
}

impl Keyword {
    const ALL: [Self; 10] = [
        Self::Block,
        Self::Break,
        Self::Continue,
        Self::Define,
        Self::Else,
        Self::End,
        Self::If,
        Self::Range,
        Self::Template,
        Self::With,
    ];

    /// As templates have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Break => "break",
            Self::Continue => "continue",
            Self::Define => "define",
            Self::Else => "else",
            Self::End => "end",
            Self::If => "if",
            Self::Range => "range",
            Self::Template => "template",
            Self::With => "with",
        }
    }
}

/// Checks `template`, in which no function may be called for whose name `is_denied`.
pub fn check(template: &str, is_denied: impl Fn(&str) -> bool) -> Result<(), Problem> {
    let mut blocks = Blocks::default();
    let mut rest = template;
    let mut line = 1;
    while let Some(start) = rest.find("{{") {
        line += line_breaks(&rest[..start]);
        let action = &rest[start + 2..];
        rest = blocks
            .read_action(action, line, &is_denied)
            .map_err(|(at, kind)| Problem {
                line: line + line_breaks(&action[..action.len() - at.len()]),
                kind,
            })?;
        line += line_breaks(&action[..action.len() - rest.len()]);
    }
    match blocks.open.pop() {
        Some(block) => Err(Problem {
            line: block.line,
            kind: ProblemKind::BlockWithoutEnd(block.keyword),
        }),
        None => Ok(()),
    }
}

fn line_breaks(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// The blocks that are open.
#[derive(Default)]
struct Blocks {
    open: Vec<Block>,
}

struct Block {
    keyword: Keyword,
    /// The line in which it begins.
    line: usize,
    had_else: bool,
    /// Whether `break` and `continue` have a loop here.
    is_in_loop: bool,
}

/// Where something is wrong in the rest of a template, and what.
type Failure<'t> = (&'t str, ProblemKind);

impl Blocks {
    /// Reads an action or a comment from behind its `{{` up to behind its `}}`, and returns what comes then.
    fn read_action<'t>(
        &mut self,
        action: &'t str,
        line: usize,
        is_denied: &impl Fn(&str) -> bool,
    ) -> Result<&'t str, Failure<'t>> {
        let trimmed = action
            .strip_prefix('-')
            .filter(|rest| rest.starts_with(is_space));
        // The space of a trim mark may be in front of a comment.
        let comment = trimmed.map_or(action, |trimmed| &trimmed[1..]);
        if let Some(comment) = comment.strip_prefix("/*") {
            let end = comment.find("*/");
            let end = end.ok_or((action, ProblemKind::CommentWithoutEnd))?;
            let behind = &comment[end + 2..];
            return right_delimiter(behind).ok_or((behind, ProblemKind::CommentNotAlone));
        }
        let mut rest = trimmed.unwrap_or(action);
        let mut depth = 0_usize;
        let mut first = None;
        let mut count = 0_usize;
        loop {
            if let Some(after) = right_delimiter(rest) {
                if depth > 0 {
                    return Err((rest, ProblemKind::Parenthesis));
                }
                if count == 0 {
                    return Err((rest, ProblemKind::NothingInAction));
                }
                if let Some((keyword, place)) = first {
                    self.see(keyword, place, count, line)?;
                }
                return Ok(after);
            }
            let Some(first_letter) = rest.chars().next() else {
                // Where it begins says more than where the template ends.
                return Err((action, ProblemKind::ActionWithoutEnd));
            };
            let (token, length) = token(rest, first_letter)?;
            let (text, after) = rest.split_at(length);
            match token {
                Token::Space => {}
                Token::LeftParenthesis => depth += 1,
                Token::RightParenthesis => {
                    depth = depth
                        .checked_sub(1)
                        .ok_or((rest, ProblemKind::Parenthesis))?;
                }
                Token::Word => match Keyword::ALL.iter().find(|it| it.as_str() == text) {
                    Some(&keyword) if count == 0 => first = Some((keyword, rest)),
                    // `else if` and `else with`
                    Some(&keyword @ (Keyword::If | Keyword::With))
                        if count == 1 && is_else(first) =>
                    {
                        self.chain(keyword, rest)?;
                        first = None;
                    }
                    Some(&keyword) => return Err((rest, ProblemKind::KeywordInside(keyword))),
                    None if !VALUES.contains(&text) && is_denied(text) => {
                        return Err((rest, ProblemKind::Denied(text.to_owned())));
                    }
                    None => {}
                },
                Token::Other => {}
            }
            if token != Token::Space {
                count += 1;
            }
            rest = after;
        }
    }

    /// An action of `count` tokens that begins with a keyword.
    fn see<'t>(
        &mut self,
        keyword: Keyword,
        place: &'t str,
        count: usize,
        line: usize,
    ) -> Result<(), Failure<'t>> {
        let misplaced = (place, ProblemKind::Misplaced(keyword));
        let stands_alone = matches!(
            keyword,
            Keyword::Break | Keyword::Continue | Keyword::Else | Keyword::End
        );
        if stands_alone && count > 1 {
            return Err((place, ProblemKind::BehindKeyword(keyword)));
        }
        let is_in_loop = self.open.last().is_some_and(|block| block.is_in_loop);
        match keyword {
            Keyword::Template => {}
            Keyword::Define if !self.open.is_empty() => return Err(misplaced),
            Keyword::If | Keyword::With | Keyword::Range | Keyword::Block | Keyword::Define => {
                self.open.push(Block {
                    keyword,
                    line,
                    had_else: false,
                    is_in_loop: match keyword {
                        Keyword::Range => true,
                        Keyword::Block | Keyword::Define => false,
                        _ => is_in_loop,
                    },
                })
            }
            Keyword::Else => {
                self.can_have_else(place)?;
                let outer = self.open.iter().rev().nth(1);
                let is_in_outer_loop = outer.is_some_and(|block| block.is_in_loop);
                if let Some(block) = self.open.last_mut() {
                    block.had_else = true;
                    block.is_in_loop = match block.keyword {
                        Keyword::Range => is_in_outer_loop,
                        _ => is_in_loop,
                    };
                }
            }
            Keyword::End => {
                self.open.pop().ok_or(misplaced)?;
            }
            Keyword::Break | Keyword::Continue if !is_in_loop => return Err(misplaced),
            Keyword::Break | Keyword::Continue => {}
        }
        Ok(())
    }

    /// `else` and another `if` or `with`, which ends with the block that it goes on with.
    fn chain<'t>(&self, keyword: Keyword, place: &'t str) -> Result<(), Failure<'t>> {
        self.can_have_else(place)?;
        match self.open.last() {
            Some(block) if block.keyword == keyword => Ok(()),
            _ => Err((place, ProblemKind::BehindKeyword(Keyword::Else))),
        }
    }

    fn can_have_else<'t>(&self, place: &'t str) -> Result<(), Failure<'t>> {
        match self.open.last() {
            Some(Block {
                keyword: Keyword::If | Keyword::With | Keyword::Range,
                had_else: false,
                ..
            }) => Ok(()),
            _ => Err((place, ProblemKind::Misplaced(Keyword::Else))),
        }
    }
}

fn is_else(first: Option<(Keyword, &str)>) -> bool {
    matches!(first, Some((Keyword::Else, _)))
}

/// What a piece of an action is, as far as it matters here.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    Space,
    /// A function's name, a keyword or one of the [`VALUES`].
    Word,
    LeftParenthesis,
    RightParenthesis,
    /// Literals, fields, variables and signs.
    Other,
}

/// The token that `rest` begins with, of which `first` is the first letter, and its length. `rest` does not
/// begin with `}}`.
fn token(rest: &str, first: char) -> Result<(Token, usize), Failure<'_>> {
    let second = rest.chars().nth(1);
    match first {
        _ if is_space(first) => Ok((Token::Space, 1)),
        '(' => Ok((Token::LeftParenthesis, 1)),
        ')' => Ok((Token::RightParenthesis, 1)),
        ':' if second == Some('=') => Ok((Token::Other, 2)),
        ':' => Err((rest, ProblemKind::Character(':'))),
        '"' | '\'' | '`' => literal(rest, first).map(|length| (Token::Other, length)),
        '.' if !second.is_some_and(|second| second.is_ascii_digit()) => {
            name(rest, 1).map(|length| (Token::Other, length))
        }
        '$' => name(rest, 1).map(|length| (Token::Other, length)),
        '.' | '+' | '-' | '0'..='9' => number(rest).map(|length| (Token::Other, length)),
        _ if is_alphanumeric(first) => name(rest, 0).map(|length| (Token::Word, length)),
        '|' | '=' | ',' => Ok((Token::Other, 1)),
        other => Err((rest, ProblemKind::Character(other))),
    }
}

/// What comes behind `}}`, which a trim mark may be in front of.
fn right_delimiter(rest: &str) -> Option<&str> {
    rest.strip_prefix("}}").or_else(|| {
        let trimmed = rest.strip_prefix(is_space)?;
        trimmed.strip_prefix("-}}")
    })
}

/// The length of a name that begins behind `prefix` bytes.
fn name(rest: &str, prefix: usize) -> Result<usize, Failure<'_>> {
    let length = prefix
        + rest[prefix..]
            .find(|letter| !is_alphanumeric(letter))
            .unwrap_or(rest.len() - prefix);
    let behind = &rest[length..];
    match behind.chars().next() {
        None | Some('.' | ',' | '|' | ':' | ')' | '(') => Ok(length),
        Some(space) if is_space(space) => Ok(length),
        Some(_) if behind.starts_with("}}") => Ok(length),
        Some(other) => Err((behind, ProblemKind::Character(other))),
    }
}

/// The length of a literal with its quotes.
fn literal(rest: &str, quote: char) -> Result<usize, Failure<'_>> {
    let mut is_escaped = false;
    for (offset, letter) in rest.char_indices().skip(1) {
        match letter {
            '\n' if quote != '`' => break,
            _ if is_escaped => is_escaped = false,
            '\\' if quote != '`' => is_escaped = true,
            _ if letter == quote => return Ok(offset + 1),
            _ => {}
        }
    }
    Err((rest, ProblemKind::LiteralWithoutEnd))
}

/// The length of a number. Like Go's lexer it takes some that are none.
fn number(rest: &str) -> Result<usize, Failure<'_>> {
    let real = part_of_number(rest).ok_or((rest, ProblemKind::Number))?;
    let imaginary = &rest[real..];
    if !imaginary.starts_with(['+', '-']) {
        return Ok(real);
    }
    match part_of_number(imaginary) {
        Some(length) if imaginary[..length].ends_with('i') => Ok(real + length),
        _ => Err((rest, ProblemKind::Number)),
    }
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
pub(super) fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// Go's letters and decimal digits. Rust counts some more as letters and numbers, such as combining vowel
/// signs: what those are part of is left to Go.
fn is_alphanumeric(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_belongs_in_the_loop_of_a_range() {
        for (template, is_possible) in [
            ("{{ range . }}{{ break }}{{ end }}", true),
            (
                "{{ range . }}{{ if . }}{{ else }}{{ break }}{{ end }}{{ end }}",
                true,
            ),
            ("{{ range . }}{{ else }}{{ break }}{{ end }}", false),
            (
                "{{ range . }}{{ range . }}{{ else }}{{ break }}{{ end }}{{ end }}",
                true,
            ),
            (
                "{{ range . }}{{ block \"b\" . }}{{ break }}{{ end }}{{ end }}",
                false,
            ),
            (
                "{{ range . }}{{ end }}{{ if . }}{{ continue }}{{ end }}",
                false,
            ),
            (
                "{{ if . }}{{ range . }}{{ continue }}{{ end }}{{ end }}",
                true,
            ),
        ] {
            assert_eq!(
                check(template, |_| false).is_ok(),
                is_possible,
                "{template}"
            );
        }
    }

    #[test]
    fn a_block_without_end_is_told_where_it_begins() {
        let template = "a\n{{ if . }}\n{{ with . }}{{ end }}\n";
        let expected = Problem {
            line: 2,
            kind: ProblemKind::BlockWithoutEnd(Keyword::If),
        };
        assert_eq!(check(template, |_| false), Err(expected));
    }
}
