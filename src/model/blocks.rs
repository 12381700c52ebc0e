//! The nodes of a model file, put into a builder; blocks among them become the nodes that they stand for.

use std::collections::HashMap;

use crate::error::count;
use crate::graph::{Block, DraftRole, GraphBuilder, NodeName};
use crate::names::suggest;

/// One `[[node]]` of a file.
pub(super) struct Entry<'t> {
    pub(super) name: &'t str,
    /// The byte at which it begins.
    pub(super) place: usize,
    pub(super) inputs: Vec<&'t str>,
    pub(super) shares: Option<&'t str>,
    pub(super) content: Content,
}

/// What an entry stands for.
pub(super) enum Content {
    Node(DraftRole),
    Block(Block),
}

/// What is wrong with an entry: where, what, and what to do.
pub(super) type Refusal = (usize, String, String);

/// The outputs of every block of a file.
#[derive(Default)]
pub(super) struct Outputs<'t>(HashMap<&'t str, Vec<NodeName>>);

impl<'t> Outputs<'t> {
    /// Adds all entries to `builder`, each block after those that it takes outputs from.
    pub(super) fn build(
        entries: Vec<Entry<'t>>,
        builder: &mut GraphBuilder,
    ) -> Result<Self, Refusal> {
        let mut blocks = HashMap::new();
        let mut names = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            let is_block = matches!(entry.content, Content::Block(_));
            if let Some(other) = names.insert(entry.name, is_block)
                && (other || is_block)
            {
                let problem = format!("two nodes are called `{}`", entry.name.escape_debug());
                return Err((entry.place, problem, "give each a name of its own".to_owned()));
            }
            if is_block {
                blocks.insert(entry.name, number);
            }
        }
        let mut outputs = Self::default();
        let mut state = vec![State::New; entries.len()];
        let mut entries: Vec<Option<Entry<'t>>> = entries.into_iter().map(Some).collect();
        for number in 0..entries.len() {
            let mut stack = vec![number];
            while let Some(&top) = stack.last() {
                let Some(entry) = &entries[top] else {
                    stack.pop();
                    continue;
                };
                state[top] = State::Begun;
                let before = entry.inputs.iter().chain(&entry.shares);
                let mut before = before.filter_map(|name| blocks.get(block_of(name)).copied());
                match before.find(|&block| state[block] != State::Done) {
                    Some(block) if state[block] == State::Begun => {
                        return Err(cycle(entry, &stack, block, &entries));
                    }
                    Some(block) => stack.push(block),
                    None => {
                        stack.pop();
                        state[top] = State::Done;
                        if let Some(entry) = entries[top].take() {
                            outputs.add(entry, builder)?;
                        }
                    }
                }
            }
        }
        Ok(outputs)
    }

    fn add(&mut self, entry: Entry<'t>, builder: &mut GraphBuilder) -> Result<(), Refusal> {
        let Entry { name, place, inputs, shares, content } = entry;
        let mut resolved: Vec<NodeName> = Vec::new();
        for input in inputs {
            let found = self.resolve(input).map_err(|(problem, remedy)| {
                (place, format!("node `{}`: {problem}", name.escape_debug()), remedy)
            })?;
            resolved.extend(found);
        }
        match (content, shares) {
            (Content::Node(role), shares) => {
                builder.add_sharing(name, role, &resolved, shares.map(str::to_owned));
            }
            (Content::Block(block), None) => {
                self.0.insert(name, builder.block(name, &block, &resolved));
            }
            (Content::Block(block), Some(owner)) if self.0.contains_key(owner) => {
                self.0.insert(name, builder.shared_block(name, &block, &resolved, owner));
            }
            (Content::Block(_), Some(owner)) => {
                let problem = format!(
                    "node `{}`: it shares the parameters of `{}`, which is no block",
                    name.escape_debug(),
                    owner.escape_debug()
                );
                let remedy = suggest(owner, self.0.keys().copied(), "blocks");
                return Err((place, problem, remedy));
            }
        }
        Ok(())
    }

    /// The nodes that an input's name stands for: all outputs of a block, in order, or, with a number in
    /// brackets, one of them, counted from 0 or, if negative, from the end; or a single node.
    pub(super) fn resolve(&self, input: &str) -> Result<Vec<NodeName>, (String, String)> {
        if let Some(all) = self.0.get(input) {
            return Ok(all.clone());
        }
        let block = block_of(input);
        let Some(all) = self.0.get(block).filter(|_| block != input) else {
            return Ok(vec![NodeName::from_path(input)]);
        };
        let number = input[block.len()..].trim_matches(['[', ']']).trim().parse::<isize>().ok();
        let at = number.and_then(|number| {
            let from = if number < 0 { all.len() } else { 0 };
            from.checked_add_signed(number)
        });
        match at.and_then(|at| all.get(at)) {
            Some(output) => Ok(vec![output.clone()]),
            None => Err((
                format!("block `{block}` has {}, and no `{input}`", count(all.len(), "output")),
                format!("they are `{block}[0]` to `{block}[{}]`", all.len().saturating_sub(1)),
            )),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Begun,
    Done,
}

/// The block in `block[2]`; any other name as it is.
fn block_of(name: &str) -> &str {
    match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((block, _)) => block,
        None => name,
    }
}

/// The refusal of blocks that wait for each other.
fn cycle(
    entry: &Entry<'_>,
    stack: &[usize],
    block: usize,
    entries: &[Option<Entry<'_>>],
) -> Refusal {
    let from = stack.iter().position(|&number| number == block).unwrap_or(0);
    let around = stack[from..].iter().chain([&block]);
    let names = around.filter_map(|&number| Some(entries[number].as_ref()?.name));
    // Each takes what the next one gives.
    let names: Vec<&str> = names.collect::<Vec<_>>().into_iter().rev().collect();
    (
        entry.place,
        format!("the graph has a cycle: {}", names.join(" -> ")),
        "remove one of these edges, since a block can't wait for itself".to_owned(),
    )
}
