//! The words of a DOT file.

use crate::data::refuse;
use crate::error::{Error, Result};

/// A word or sign of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a number; whether it stood in quotes, so that it is no keyword.
    Name { text: String, quoted: bool },
    /// `{`, `}`, `[`, `]`, `=`, `;`, `,`, `:` or `+`.
    Sign(char),
    /// `->`
    Arrow,
}

/// All tokens of a text, with their lines.
pub(super) fn tokens(text: &str, origin: &str) -> Result<Vec<(usize, Token)>> {
    let mut lexer = Lexer { text, at: 0, line: 1, origin };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    origin: &'t str,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn refuse(&self, line: usize, problem: impl Into<String>, remedy: &str) -> Error {
        refuse(format!("{}, line {line}", self.origin), problem, remedy)
    }

    /// Goes on by so many bytes.
    fn skip(&mut self, bytes: usize) {
        self.line += self.text[self.at..self.at + bytes].matches('\n').count();
        self.at += bytes;
    }

    /// Skips blanks and comments.
    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            self.skip(blanks);
            let before = self.text[..self.at].trim_end_matches([' ', '\t']);
            let begins_line = before.is_empty() || before.ends_with('\n');
            let rest = self.rest();
            let comment = if rest.starts_with("//") || begins_line && rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").map(|end| end + 2);
                end.ok_or_else(|| {
                    let remedy = "close it with */";
                    self.refuse(self.line, "a comment does not end", remedy)
                })?
            } else {
                return Ok(());
            };
            self.skip(comment);
        }
    }

    fn next(&mut self) -> Result<Option<(usize, Token)>> {
        self.skip_blanks()?;
        let line = self.line;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let token = if rest.starts_with("->") {
            self.skip(2);
            Token::Arrow
        } else if rest.starts_with("--") {
            let remedy = "write a digraph, with edges as a -> b";
            return Err(self.refuse(line, "an edge has no direction", remedy));
        } else if "{}[]=;,:+".contains(first) {
            self.skip(1);
            Token::Sign(first)
        } else if first == '"' {
            self.quoted()?
        } else if first == '<' {
            let remedy = "write names and labels in quotes";
            return Err(self.refuse(line, "a label in HTML is not read", remedy));
        } else {
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || !c.is_ascii();
            // A number may have a sign, also in its exponent.
            let sign = usize::from(first == '-');
            let mut end = sign;
            let mut before = ' ';
            for c in rest[sign..].chars() {
                let exponent = matches!(c, '-' | '+')
                    && matches!(before, 'e' | 'E')
                    && rest[sign..].starts_with(|c: char| c.is_ascii_digit() || c == '.');
                if !is_name(c) && !exponent {
                    break;
                }
                end += c.len_utf8();
                before = c;
            }
            if end == sign {
                let problem = format!("`{first}` is not expected");
                return Err(self.refuse(line, problem, "write names of other signs in quotes"));
            }
            let text = rest[..end].to_owned();
            self.skip(end);
            Token::Name { text, quoted: false }
        };
        Ok(Some((line, token)))
    }

    /// A text in quotes, which begins here.
    fn quoted(&mut self) -> Result<Token> {
        let (mut text, mut escaped) = (String::new(), false);
        for (at, c) in self.rest().char_indices().skip(1) {
            if escaped {
                match c {
                    '"' | '\\' => text.push(c),
                    // A line goes on.
                    '\n' => {}
                    other => text.extend(['\\', other]),
                }
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                self.skip(at + 1);
                return Ok(Token::Name { text, quoted: true });
            } else {
                text.push(c);
            }
        }
        Err(self.refuse(self.line, "a text in quotes does not end", "close the quotes"))
    }
}
