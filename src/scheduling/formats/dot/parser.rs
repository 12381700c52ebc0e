//! The statements of a DOT file.

use std::collections::{BTreeMap, HashMap};

use super::lexer::{Token, tokens};
use crate::data::refuse;
use crate::error::{Error, Result};
use crate::scheduling::{MOST_EDGES, MOST_TASKS};

/// Groups of nodes within groups are read to this depth.
const DEEPEST: usize = 64;

pub(super) type Attributes = BTreeMap<String, String>;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) attributes: Attributes,
}

#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
    pub(super) attributes: Attributes,
}

#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) name: Option<String>,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
}

/// Reads the nodes and edges of one digraph, with attributes of their own and those that hold for all that follow.
pub(super) fn parse(text: &str, origin: &str) -> Result<Parsed> {
    let tokens = tokens(text, origin)?;
    let mut parser = Parser {
        origin,
        tokens,
        at: 0,
        nodes: Vec::new(),
        numbers: HashMap::new(),
        edges: Vec::new(),
    };
    let mut word = parser.name("`digraph`")?;
    if word.eq_ignore_ascii_case("strict") {
        word = parser.name("`digraph`")?;
    }
    if !word.eq_ignore_ascii_case("digraph") {
        let remedy = "write a digraph, with edges as a -> b";
        return Err(parser.refuse(format!("expected `digraph`, got `{word}`"), remedy));
    }
    let name = if parser.peek() == Some(&Token::Sign('{')) {
        None
    } else {
        Some(parser.name("the graph's name")?)
    };
    parser.sign('{')?;
    parser.statements(&Defaults::default(), 0)?;
    if parser.at < parser.tokens.len() {
        let problem = "something follows the graph";
        return Err(parser.refuse(problem, "write one graph a file"));
    }
    Ok(Parsed { name, nodes: parser.nodes, edges: parser.edges })
}

/// Attributes of all nodes and edges that follow in a group.
#[derive(Clone, Default)]
struct Defaults {
    node: Attributes,
    edge: Attributes,
}

struct Parser<'t> {
    origin: &'t str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    nodes: Vec<Node>,
    numbers: HashMap<String, usize>,
    edges: Vec<Edge>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.1)
    }

    /// The line of the next token, or of the last.
    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.0)
    }

    fn refuse(&self, problem: impl Into<String>, remedy: &str) -> Error {
        refuse(format!("{}, line {}", self.origin, self.line()), problem, remedy)
    }

    fn expected(&self, what: &str) -> Error {
        let found = match self.peek() {
            None => "the end of the file".to_owned(),
            Some(Token::Arrow) => "`->`".to_owned(),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
            Some(Token::Name { text, .. }) => format!("`{text}`"),
        };
        let remedy = "write statements as a [cost=1]; and a -> b [bytes=8];";
        self.refuse(format!("expected {what}, got {found}"), remedy)
    }

    /// A name or a number; texts in quotes may be joined by `+`.
    fn name(&mut self, what: &str) -> Result<String> {
        let Some(Token::Name { text, .. }) = self.peek() else { return Err(self.expected(what)) };
        let mut name = text.clone();
        self.at += 1;
        while self.eat('+') {
            let Some(Token::Name { text, quoted: true }) = self.peek() else {
                return Err(self.expected("a text in quotes"));
            };
            name.push_str(text);
            self.at += 1;
        }
        Ok(name)
    }

    /// Whether the next token is this sign, which is then passed.
    fn eat(&mut self, sign: char) -> bool {
        let is = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: char) -> Result<()> {
        if self.eat(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    fn is_keyword(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Name { text, quoted: false })
            if text.eq_ignore_ascii_case(word))
    }

    /// Statements to the end of a group; the names of all nodes in it, each once.
    fn statements(&mut self, outer: &Defaults, depth: usize) -> Result<Vec<String>> {
        if depth > DEEPEST {
            let problem = format!("groups lie in groups more than {DEEPEST} deep");
            return Err(self.refuse(problem, "write them side by side"));
        }
        let mut defaults = outer.clone();
        let mut names = Vec::new();
        while !self.eat('}') {
            if self.peek().is_none() {
                return Err(self.expected("`}`"));
            }
            if !self.eat(';') {
                names.extend(self.statement(&mut defaults, depth)?);
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn statement(&mut self, defaults: &mut Defaults, depth: usize) -> Result<Vec<String>> {
        for kind in ["node", "edge", "graph"] {
            if self.is_keyword(kind) {
                self.at += 1;
                let attributes = self.attributes()?;
                match kind {
                    "node" => defaults.node.extend(attributes),
                    "edge" => defaults.edge.extend(attributes),
                    _ => {}
                }
                return Ok(Vec::new());
            }
        }
        let assigns = self.tokens.get(self.at + 1).map(|token| &token.1) == Some(&Token::Sign('='));
        if assigns {
            self.name("an attribute of the graph")?;
            self.sign('=')?;
            self.name("its value")?;
            return Ok(Vec::new());
        }
        let line = self.line();
        let mut ends = vec![self.end(defaults, depth)?];
        while self.peek() == Some(&Token::Arrow) {
            self.at += 1;
            ends.push(self.end(defaults, depth)?);
        }
        let attributes = self.attributes()?;
        if let [(names, is_group)] = &ends[..] {
            if !is_group {
                // Attributes that are given later count.
                let node = &mut self.nodes[self.numbers[&names[0]]];
                node.attributes.extend(attributes);
                node.line = line;
            }
            return Ok(ends.swap_remove(0).0);
        }
        let mut all = defaults.edge.clone();
        all.extend(attributes);
        for pair in ends.windows(2) {
            let count = pair[0].0.len().saturating_mul(pair[1].0.len());
            if self.edges.len().saturating_add(count) > MOST_EDGES {
                let problem = format!("there are more than {MOST_EDGES} edges");
                return Err(self.refuse(problem, "divide it into several graphs"));
            }
            for from in &pair[0].0 {
                for to in &pair[1].0 {
                    let (from, to, attributes) = (from.clone(), to.clone(), all.clone());
                    self.edges.push(Edge { from, to, line, attributes });
                }
            }
        }
        Ok(ends.into_iter().flat_map(|end| end.0).collect())
    }

    /// One end of an edge: a node, or a group of them, and whether it is a group.
    fn end(&mut self, defaults: &Defaults, depth: usize) -> Result<(Vec<String>, bool)> {
        if self.is_keyword("subgraph") {
            self.at += 1;
            if self.peek() != Some(&Token::Sign('{')) {
                self.name("the name of a group")?;
            }
            if self.peek() != Some(&Token::Sign('{')) {
                return Err(self.expected("`{`"));
            }
        }
        if self.eat('{') {
            return Ok((self.statements(defaults, depth + 1)?, true));
        }
        let line = self.line();
        let name = self.name("a node")?;
        while self.eat(':') {
            self.name("a port")?;
        }
        if !self.numbers.contains_key(&name) {
            if self.nodes.len() >= MOST_TASKS {
                let problem = format!("there are more than {MOST_TASKS} nodes");
                return Err(self.refuse(problem, "divide it into several graphs"));
            }
            self.numbers.insert(name.clone(), self.nodes.len());
            let attributes = defaults.node.clone();
            self.nodes.push(Node { name: name.clone(), line, attributes });
        }
        Ok((vec![name], false))
    }

    /// Any number of lists in square brackets.
    fn attributes(&mut self) -> Result<Attributes> {
        let mut attributes = Attributes::new();
        while self.eat('[') {
            while !self.eat(']') {
                let key = self.name("an attribute")?;
                let value = if self.eat('=') { self.name("its value")? } else { "true".to_owned() };
                attributes.insert(key, value);
                let _ = self.eat(',') || self.eat(';');
            }
        }
        Ok(attributes)
    }
}
