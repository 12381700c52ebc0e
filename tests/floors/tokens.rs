//! The words and signs of Rust sources, and which of them ship.

/// A word, a `::`, or one other sign. Comments, strings and characters are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Its line, from 1.
    pub(super) line: usize,
}

/// Reads a source from its beginning.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Goes `length` bytes further, and gives them.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Goes behind the next `end`, or to the end of the source.
    fn take_past(&mut self, end: &str) {
        let length = self.rest.find(end).map_or(self.rest.len(), |at| at + end.len());
        self.take(length);
    }

    /// Goes behind the comment that begins here; such comments may hold others.
    fn take_block_comment(&mut self) {
        let mut open = 0;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                open += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                open -= 1;
                self.take(2);
                if open == 0 {
                    return;
                }
            } else {
                self.take_character();
            }
        }
    }

    fn take_character(&mut self) -> &'a str {
        self.take(self.rest.chars().next().map_or(0, char::len_utf8))
    }

    /// Goes behind what stands in quotes, from behind the first of them.
    fn take_quoted(&mut self, quote: char) {
        while let Some(character) = self.rest.chars().next() {
            self.take_character();
            if character == '\\' {
                self.take_character();
            } else if character == quote {
                return;
            }
        }
    }

    /// Goes behind a character in quotes, or behind the sign of a lifetime or label.
    fn take_character_or_sign(&mut self) {
        self.take(1);
        let mut next = self.rest.chars();
        let first = next.next();
        if first == Some('\\') || next.next() == Some('\'') {
            self.take_quoted('\'');
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// All tokens of a source.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(character) = reader.rest.chars().next() {
        let line = reader.line;
        if reader.rest.starts_with("//") {
            reader.take_past("\n");
        } else if reader.rest.starts_with("/*") {
            reader.take_block_comment();
        } else if character == '"' {
            reader.take(1);
            reader.take_quoted('"');
        } else if character == '\'' {
            reader.take_character_or_sign();
        } else if is_word(character) {
            let word = reader.rest.split(|it| !is_word(it)).next().unwrap_or_default();
            reader.take(word.len());
            let hashes = reader.rest.len() - reader.rest.trim_start_matches('#').len();
            let behind = &reader.rest[hashes..];
            if matches!(word, "r" | "br" | "cr") && behind.starts_with('"') {
                reader.take(hashes + 1);
                reader.take_past(&format!("\"{}", "#".repeat(hashes)));
            } else if word == "r" && hashes == 1 && behind.starts_with(is_word) {
                // A word that would be a keyword; it follows.
                reader.take(1);
            } else {
                tokens.push(Token { text: word.to_owned(), line });
            }
        } else if character.is_whitespace() {
            reader.take_character();
        } else {
            let length = if reader.rest.starts_with("::") { 2 } else { character.len_utf8() };
            tokens.push(Token { text: reader.take(length).to_owned(), line });
        }
    }
    tokens
}

/// What of a file ships.
#[derive(Debug, Default)]
pub(super) struct Shipping {
    /// All tokens but those of items under `#[cfg(test)]`.
    pub(super) tokens: Vec<Token>,
    /// The modules in files of their own that are declared under `#[cfg(test)]`.
    pub(super) test_modules: Vec<String>,
}

/// Leaves out what is compiled for tests only.
pub(super) fn shipping(tokens: &[Token]) -> Shipping {
    let mut shipping = Shipping::default();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = 0;
    while at < tokens.len() {
        let inner = text(at) == "#" && text(at + 1) == "!" && text(at + 2) == "[";
        let attribute = at + usize::from(inner) + 1;
        if text(at) == "#" && text(attribute) == "[" {
            let end = closing(tokens, attribute);
            if is_for_tests(&tokens[attribute + 1..end]) {
                if inner {
                    // All of the file, or of the module in it, which no file here has.
                    return Shipping::default();
                }
                let begin = past_attributes(tokens, end + 1);
                if text(begin) == "mod" && text(begin + 2) == ";" {
                    shipping.test_modules.push(text(begin + 1).to_owned());
                }
                at = item_end(tokens, begin);
                continue;
            }
            shipping.tokens.extend_from_slice(&tokens[at..=end.min(tokens.len() - 1)]);
            at = end + 1;
        } else {
            shipping.tokens.push(tokens[at].clone());
            at += 1;
        }
    }
    shipping
}

/// Whether an attribute is `cfg(test)`, or `cfg(all(...))` with `test` among the conditions.
fn is_for_tests(attribute: &[Token]) -> bool {
    let text: String = attribute.iter().map(|token| token.text.as_str()).collect();
    let Some(condition) = text.strip_prefix("cfg(").and_then(|text| text.strip_suffix(')')) else {
        return false;
    };
    let all = condition.strip_prefix("all(").and_then(|text| text.strip_suffix(')'));
    condition == "test"
        || all.is_some_and(|all| !all.contains('(') && all.split(',').any(|it| it == "test"))
}

/// Where the bracket at `open` is closed, or the end.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

fn past_attributes(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        at = closing(tokens, at + 1) + 1;
    }
    at
}

/// The first token behind the item, field, arm or statement that begins at `begin`. Where an item is
/// written in an unusual way, this may be too early, so that more of it counts as shipping, never less.
fn item_end(tokens: &[Token], begin: usize) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = begin;
    if text(at) == "pub" {
        at += 1;
        if text(at) == "(" {
            at = closing(tokens, at) + 1;
        }
    }
    let value = matches!(text(at), "use" | "const" | "static" | "type" | "let");
    while matches!(text(at), "const" | "unsafe" | "async" | "extern" | "default") {
        at += 1;
    }
    let body = matches!(
        text(at),
        "fn" | "mod" | "struct" | "enum" | "union" | "trait" | "impl" | "macro_rules"
    );
    let mut at = begin;
    while at < tokens.len() {
        match text(at) {
            ";" => return at + 1,
            "," if !body && !value => return at + 1,
            ")" | "]" | "}" => return at,
            "(" | "[" => at = closing(tokens, at) + 1,
            "{" => {
                at = closing(tokens, at) + 1;
                if body || !value {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}
