//! What can be wrong with a template.

use std::fmt;

/// What is wrong with a template, and in which of its lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    pub kind: MistakeKind,
}

/// What is wrong at a place of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MistakeKind {
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
    /// A number that is not valid.
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

/// A word that is not a function.
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

impl fmt::Display for MistakeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActionWithoutEnd => write!(formatter, "{{{{ without }}}}"),
            Self::CommentWithoutEnd => write!(formatter, "a comment without */"),
            Self::CommentNotAlone => write!(
                formatter,
                "a comment must end its action; expected */}}}} or */ -}}}}"
            ),
            Self::LiteralWithoutEnd => write!(formatter, "a string without its second quote"),
            Self::Character(letter) => {
                write!(
                    formatter,
                    "{letter:?} is not allowed at this place of an action"
                )
            }
            Self::Number => write!(formatter, "a number that is not valid"),
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
                    _ => "after if, with, range, define or block",
                };
                write!(
                    formatter,
                    "{{{{ {} }}}} belongs {belongs}",
                    keyword.as_str()
                )
            }
            Self::BehindKeyword(keyword) => write!(
                formatter,
                "{} must end its action; only else can have if or with after it, in a block of the same kind",
                keyword.as_str()
            ),
            Self::KeywordInside(keyword) => {
                write!(formatter, "{} must begin its action", keyword.as_str())
            }
            Self::Denied(function) => write!(
                formatter,
                "function {function} is denied by the setting restrictions.deniedTemplateFunctions"
            ),
        }
    }
}

impl Keyword {
    pub const ALL: [Self; 10] = [
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
