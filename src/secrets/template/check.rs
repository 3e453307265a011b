//! Whether a Go template can be parsed: its actions end, its blocks do too, and it calls no function that is
//! denied.
//!
//! Go's own parser (`text/template/parse`) is the reference. What it takes is taken here too; of what it
//! rejects, all is rejected that comes from text that was cut off, pasted twice or meant for another language.

use super::Delimiters;
use super::lexer::{Lexer, Token};
use super::mistake::{Keyword, Mistake, MistakeKind};

/// Words that are values, and not the functions of a pattern that they match.
const VALUES: [&str; 3] = ["true", "false", "nil"];

/// Checks `template`, in which no function may be called for whose name `is_denied`.
pub fn check(
    template: &str,
    delimiters: &Delimiters,
    is_denied: impl Fn(&str) -> bool,
) -> Result<(), Mistake> {
    let mut blocks = Blocks::default();
    let mut action: Option<Action> = None;
    let mut line = 1;
    for (token, text) in Lexer::new(template, delimiters) {
        match (token, &mut action) {
            (Token::Open, _) => action = Some(Action::new(line)),
            (Token::Close, Some(ended)) => {
                ended.end(&mut blocks, line)?;
                action = None;
            }
            (token, Some(action)) => {
                let seen = action.see(token, text, line, &blocks, &is_denied);
                seen.map_err(|kind| Mistake { line, kind })?;
            }
            (_, None) => {}
        }
        line += text.bytes().filter(|&byte| byte == b'\n').count();
    }
    let unended = match (action, blocks.open.pop()) {
        // Where it begins says more than where the template ends.
        (Some(action), _) => Some((action.line, MistakeKind::ActionWithoutEnd)),
        (None, Some(block)) => Some((block.line, MistakeKind::BlockWithoutEnd(block.keyword))),
        (None, None) => None,
    };
    match unended {
        Some((line, kind)) => Err(Mistake { line, kind }),
        None => Ok(()),
    }
}

/// What has been seen of an action.
struct Action {
    /// The line in which it begins.
    line: usize,
    /// How many parentheses are open.
    depth: usize,
    /// How many tokens there are.
    count: usize,
    is_comment: bool,
    /// The keyword that it begins with, and its line.
    keyword: Option<(Keyword, usize)>,
}

impl Action {
    fn new(line: usize) -> Self {
        Action {
            line,
            depth: 0,
            count: 0,
            is_comment: false,
            keyword: None,
        }
    }

    fn see(
        &mut self,
        token: Token,
        text: &str,
        line: usize,
        blocks: &Blocks,
        is_denied: &impl Fn(&str) -> bool,
    ) -> Result<(), MistakeKind> {
        match token {
            Token::Space => return Ok(()),
            Token::Mistake(kind) => return Err(kind),
            Token::Comment => self.is_comment = true,
            Token::LeftParenthesis => self.depth += 1,
            Token::RightParenthesis => {
                let depth = self.depth.checked_sub(1);
                self.depth = depth.ok_or(MistakeKind::Parenthesis)?;
            }
            Token::Word => match Keyword::ALL.iter().find(|it| it.as_str() == text) {
                Some(&keyword) if self.count == 0 => self.keyword = Some((keyword, line)),
                // `else if` and `else with`
                Some(&keyword @ (Keyword::If | Keyword::With))
                    if self.count == 1 && matches!(self.keyword, Some((Keyword::Else, _))) =>
                {
                    blocks.chain(keyword)?;
                    self.keyword = None;
                }
                Some(&keyword) => return Err(MistakeKind::KeywordInside(keyword)),
                None if !VALUES.contains(&text) && is_denied(text) => {
                    return Err(MistakeKind::Denied(text.to_owned()));
                }
                None => {}
            },
            Token::Text | Token::Open | Token::Close | Token::Literal | Token::Other => {}
        }
        self.count += 1;
        Ok(())
    }

    /// Its end, which is in this line.
    fn end(&self, blocks: &mut Blocks, line: usize) -> Result<(), Mistake> {
        if self.is_comment {
            return Ok(());
        }
        let here = |kind| Err(Mistake { line, kind });
        if self.depth > 0 {
            return here(MistakeKind::Parenthesis);
        }
        if self.count == 0 {
            return here(MistakeKind::NothingInAction);
        }
        match self.keyword {
            Some((keyword, line)) => blocks
                .see(keyword, self.count, self.line)
                .map_err(|kind| Mistake { line, kind }),
            None => Ok(()),
        }
    }
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

impl Blocks {
    /// An action of `count` tokens that begins with a keyword.
    fn see(&mut self, keyword: Keyword, count: usize, line: usize) -> Result<(), MistakeKind> {
        let misplaced = MistakeKind::Misplaced(keyword);
        let stands_alone = matches!(
            keyword,
            Keyword::Break | Keyword::Continue | Keyword::Else | Keyword::End
        );
        if stands_alone && count > 1 {
            return Err(MistakeKind::BehindKeyword(keyword));
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
                self.can_have_else()?;
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
    fn chain(&self, keyword: Keyword) -> Result<(), MistakeKind> {
        self.can_have_else()?;
        match self.open.last() {
            Some(block) if block.keyword == keyword => Ok(()),
            _ => Err(MistakeKind::BehindKeyword(Keyword::Else)),
        }
    }

    fn can_have_else(&self) -> Result<(), MistakeKind> {
        match self.open.last() {
            Some(Block {
                keyword: Keyword::If | Keyword::With | Keyword::Range,
                had_else: false,
                ..
            }) => Ok(()),
            _ => Err(MistakeKind::Misplaced(Keyword::Else)),
        }
    }
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
                check(template, &Delimiters::default(), |_| false).is_ok(),
                is_possible,
                "{template}"
            );
        }
    }

    #[test]
    fn a_block_without_end_is_reported_where_it_begins() {
        let template = "a\n{{ if . }}\n{{ with . }}{{ end }}\n";
        let expected = Mistake {
            line: 2,
            kind: MistakeKind::BlockWithoutEnd(Keyword::If),
        };
        assert_eq!(
            check(template, &Delimiters::default(), |_| false),
            Err(expected)
        );
    }
}
