//! Literals of Python, as far as headers of arrays have them.

/// A literal.
#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(u64),
    Bool(bool),
    /// A tuple or a list.
    List(Vec<Literal>),
    Table(Vec<(Literal, Literal)>),
    None,
}

/// More brackets within each other are refused.
const DEEPEST: usize = 16;

impl Literal {
    /// Reads a text that is one literal.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let literal = parser.literal()?;
        match parser.peek() {
            None => Ok(literal),
            Some(more) => Err(format!("expected its end, found {more:?}")),
        }
    }

    /// What stands under a key of a table.
    pub(super) fn entry(&self, key: &str) -> Option<&Self> {
        let Self::Table(entries) = self else { return None };
        let is_key = |(name, _): &&(Self, Self)| matches!(name, Self::Text(text) if text == key);
        entries.iter().find(is_key).map(|(_, value)| value)
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl Parser<'_> {
    /// The next character that is no white space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r', '\0']);
        self.rest.chars().next()
    }

    /// Takes a character, if it comes next.
    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("its brackets are too deep".to_owned());
        }
        let literal = match self.peek() {
            Some(quote @ ('\'' | '"')) => self.text(quote),
            Some('(') => self.list('(', ')'),
            Some('[') => self.list('[', ']'),
            Some('{') => self.table(),
            Some('0'..='9') => self.number(),
            Some(_) => self.word(),
            None => Err("it ends too early".to_owned()),
        };
        self.depth -= 1;
        literal
    }

    fn text(&mut self, quote: char) -> Result<Literal, String> {
        self.takes(quote);
        let end = self.rest.find(quote).ok_or("a text has no end")?;
        let text = self.rest[..end].to_owned();
        self.rest = &self.rest[end + 1..];
        Ok(Literal::Text(text))
    }

    fn list(&mut self, open: char, close: char) -> Result<Literal, String> {
        self.takes(open);
        let mut items = Vec::new();
        while !self.takes(close) {
            items.push(self.literal()?);
            if !self.takes(',') && self.peek() != Some(close) {
                return Err(format!("expected `,` or `{close}`"));
            }
        }
        Ok(Literal::List(items))
    }

    fn table(&mut self) -> Result<Literal, String> {
        self.takes('{');
        let mut entries = Vec::new();
        while !self.takes('}') {
            let key = self.literal()?;
            if !self.takes(':') {
                return Err("expected `:`".to_owned());
            }
            entries.push((key, self.literal()?));
            if !self.takes(',') && self.peek() != Some('}') {
                return Err("expected `,` or `}`".to_owned());
            }
        }
        Ok(Literal::Table(entries))
    }

    fn number(&mut self) -> Result<Literal, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        // Python 2 marked long numbers.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().map(Literal::Number).map_err(|error| format!("{digits}: {error}"))
    }

    fn word(&mut self) -> Result<Literal, String> {
        let words = [
            ("True", Literal::Bool(true)),
            ("False", Literal::Bool(false)),
            ("None", Literal::None),
        ];
        for (word, literal) in words {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(literal);
            }
        }
        Err(format!("{:?} begins nothing", self.peek().unwrap_or(' ')))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_read() {
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2L), }   \n";
        let literal = Literal::parse(text).unwrap();
        assert_eq!(literal.entry("descr"), Some(&Literal::Text("<f8".to_owned())));
        assert_eq!(literal.entry("fortran_order"), Some(&Literal::Bool(false)));
        let shape = Literal::List(vec![Literal::Number(3), Literal::Number(2)]);
        assert_eq!(literal.entry("shape"), Some(&shape));
        assert_eq!(literal.entry("other"), None);
        let structured = Literal::parse("{'descr': [('a', '<i4'), (\"b\", '<f4', (2,))]}").unwrap();
        assert!(
            matches!(structured.entry("descr"), Some(Literal::List(fields)) if fields.len() == 2)
        );
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        for text in [
            "",
            "{",
            "{'a'",
            "{'a':",
            "{'a': 1",
            "(1",
            "(1 2)",
            "'a",
            "-1",
            "x",
            "1 2",
            "99999999999999999999",
        ] {
            assert!(Literal::parse(text).is_err(), "{text}");
        }
        assert!(Literal::parse(&"(".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"[\[\](){}'":,0-9LTrueé \n]{0,40}"#) {
            let _ = Literal::parse(&text);
        }
    }
}
