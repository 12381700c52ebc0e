//! From drafts of nodes to a graph of tasks.

use std::collections::HashMap;
use std::sync::Arc;

use super::builder::{FlowBuilder, SECONDS};
use super::run::{Flow, Parts, Shape, Wire};
use super::{Draft, Sender};
use crate::error::{Error, Result};
use crate::flow::graph::{Edge, PhaseSpec, TaskGraph, Work};
use crate::flow::index::{EdgeIndex, MOST, NodeIndex, Span, TaskIndex, ValueIndex};
use crate::flow::topological::topological_order;

static PHASES: &[PhaseSpec] =
    &[PhaseSpec { name: "forward", stage: 0 }, PhaseSpec { name: "reverse", stage: 1 }];

impl FlowBuilder {
    /// Checks what has been built.
    ///
    /// # Errors
    /// If there is no node, if two have the same name, if a port is connected to no output or to two, or if there
    /// is a cycle; each with the names of the nodes.
    pub fn build(self) -> Result<Flow> {
        let refuse = |problem: String, remedy: &str| Error::Graph {
            graph: self.name.clone(),
            problem,
            remedy: remedy.to_owned(),
        };
        if self.nodes.is_empty() {
            return Err(refuse("it has no node".to_owned(), "add at least one"));
        }
        let mut names = HashMap::with_capacity(self.nodes.len());
        for (number, node) in self.nodes.iter().enumerate() {
            if let Some(earlier) = names.insert(node.name.as_str(), number) {
                let problem = format!(
                    "the name is taken twice, by nodes number {} and {}",
                    earlier + 1,
                    number + 1
                );
                return Err(Error::node(&node.name, problem, "rename one of them"));
            }
        }
        drop(names);
        if self.connects_others {
            let problem = "an output is connected to a port of another flow".to_owned();
            return Err(refuse(problem, "connect ports of the same builder"));
        }
        let senders: Vec<Option<usize>> =
            (0..self.senders.len()).map(|output| self.sender(output).ok()).collect();
        let mut wires = Vec::with_capacity(self.connections.len());
        for (to, node) in self.nodes.iter().enumerate() {
            for (port, &connection) in node.inputs.iter().enumerate() {
                let described = &self.connections[connection];
                let refuse = |problem, remedy| Err(Error::node(&node.name, problem, remedy));
                let what = format_args!("its port {port} ({})", described.kind);
                let sender = match described.output {
                    Some(output) => self.sender(output).map(|_| output),
                    None => Err(&[None][..]),
                };
                match sender {
                    Ok(output) => {
                        let bytes = u32::try_from(described.bytes).unwrap_or(u32::MAX);
                        // Nodes take in connections in the order in which they are made.
                        debug_assert_eq!(connection, wires.len());
                        wires.push(Wire { output, to, bytes });
                    }
                    Err(several) if several.len() > 1 => {
                        let nodes = several.iter().flatten().filter_map(|&it| senders[it]);
                        let names: Vec<String> =
                            nodes.map(|node| format!("`{}`", self.nodes[node].name)).collect();
                        let names = names.join(", ");
                        let problem = format!("several outputs lead to {what}: those of {names}");
                        return refuse(problem, "connect one alone");
                    }
                    Err([_]) => {
                        let problem = format!("an output of another flow leads to {what}");
                        return refuse(problem, "take in outputs of the same builder");
                    }
                    Err(_) => {
                        let problem = format!("no output leads to {what}");
                        return refuse(problem, "connect one to it");
                    }
                }
            }
        }
        // What nobody sends is read by nobody, as has just been seen.
        let senders: Vec<usize> =
            senders.into_iter().map(|sender| sender.unwrap_or(usize::MAX)).collect();
        let parts = self.nodes.iter().map(|node| node.body.parts());
        let parts = parts.fold(self.nodes.len(), usize::saturating_add);
        if parts.max(2 * (self.nodes.len() + wires.len())) >= MOST {
            let problem = format!("it has {MOST} tasks, parts or messages, or more");
            return Err(refuse(problem, "divide it into several flows, or nodes into fewer parts"));
        }
        let order = self.in_order(&wires, &senders)?;
        Ok(Flow::new(Parts {
            id: self.id,
            name: self.name,
            nodes: self.nodes,
            wires,
            senders,
            order,
            sources: self.sources.into(),
            sinks: self.sinks.into(),
        }))
    }

    /// The nodes in an order in which senders come before receivers.
    fn in_order(&self, wires: &[Wire], senders: &[usize]) -> Result<Vec<usize>> {
        let waits_for = |node: &Draft| {
            node.inputs.iter().map(|&connection| senders[wires[connection].output]).collect()
        };
        let waits_for: Vec<Vec<usize>> = self.nodes.iter().map(waits_for).collect();
        topological_order(&waits_for).map_err(|mut cycle| {
            // The one added first stands first, and last again.
            let first = cycle.iter().enumerate().min_by_key(|(_, node)| **node);
            let first = first.map_or(0, |(place, _)| place);
            cycle.rotate_left(first);
            cycle.extend(cycle.first().copied());
            let name = |node: usize| self.nodes[node].name.clone();
            Error::Cycle { nodes: cycle.into_iter().map(name).collect() }
        })
    }

    /// The node whose values an output has, or the outputs that lead there if that is not one.
    fn sender(&self, output: usize) -> Result<usize, &[Option<usize>]> {
        let mut next = output;
        // Ports may be connected in a circle.
        for _ in 0..self.senders.len() {
            match &self.senders[next] {
                Sender::Node(node) => return Ok(*node),
                Sender::Outputs(outputs) => match outputs.as_slice() {
                    [Some(one)] => next = *one,
                    others => return Err(others),
                },
            }
        }
        Err(&[])
    }
}

/// By node: whether it has a task in the reversed phase, and whether it sends messages back.
fn reversed(parts: &Parts) -> (Vec<bool>, Vec<bool>) {
    let mut readers = vec![Vec::new(); parts.nodes.len()];
    for wire in &parts.wires {
        readers[parts.senders[wire.output]].push(wire.to);
    }
    let mut has_reverse = vec![false; parts.nodes.len()];
    let mut sends_back = vec![false; parts.nodes.len()];
    for &node in parts.order.iter().rev() {
        let draft = &parts.nodes[node];
        let hears = readers[node].iter().any(|&reader| sends_back[reader]);
        has_reverse[node] = draft.reverse.is_some() && hears;
        sends_back[node] = draft.turns || has_reverse[node];
    }
    (has_reverse, sends_back)
}

/// The tasks of `copies` runs in flight. With so many that tasks or messages can't be told apart, the first of them
/// that is too many panics; memory mostly ends before.
pub(super) fn shape(parts: &Parts, copies: usize) -> Shape {
    let (has_reverse, sends_back) = reversed(parts);
    let mut writer = Writer {
        graph: TaskGraph::new(parts.name.clone(), PHASES),
        sent: Vec::new(),
        copy_of: Vec::new(),
    };
    writer.graph.nodes = parts.nodes.iter().map(|node| node.name.clone()).collect();
    writer.graph.variant = vec![copies as u64];
    // By output: the connections that lead from it, in the order in which they were made.
    let mut leading = vec![Vec::new(); parts.senders.len()];
    for (number, wire) in parts.wires.iter().enumerate() {
        leading[wire.output].push(number);
    }
    // By node: the connections by which messages come back to it.
    let mut hears = vec![Vec::new(); parts.nodes.len()];
    for (number, wire) in parts.wires.iter().enumerate() {
        if sends_back[wire.to] {
            hears[parts.senders[wire.output]].push(number);
        }
    }
    // What travels along the edges, by the order in which these are added. All wires and forward tasks are filled in.
    let mut on_wires = vec![ValueIndex::new(0); copies * parts.wires.len()];
    let mut back_on_wires = vec![None; copies * parts.wires.len()];
    let mut kept = vec![None; copies * parts.nodes.len()];
    let mut forward = vec![TaskIndex::new(0); copies * parts.nodes.len()];
    let mut reverse = vec![None; copies * parts.nodes.len()];
    for copy in 0..copies {
        for &node in &parts.order {
            let draft = &parts.nodes[node];
            let after_itself = draft.keeps_state && copy > 0;
            let ports = draft.inputs.len() + usize::from(after_itself);
            let task = writer.task(copy, node, 0, draft.body.parts(), ports, draft.seconds);
            forward[copy * parts.nodes.len() + node] = task;
            for (port, &connection) in draft.inputs.iter().enumerate() {
                let wire = parts.wires[connection];
                let from = forward[copy * parts.nodes.len() + parts.senders[wire.output]];
                on_wires[copy * parts.wires.len() + connection] =
                    writer.edge(from, task, port, wire.bytes);
            }
            if after_itself {
                let before = forward[(copy - 1) * parts.nodes.len() + node];
                writer.edge(before, task, draft.inputs.len(), 0);
            }
        }
        for &node in parts.order.iter().rev().filter(|&&node| has_reverse[node]) {
            let own = copy * parts.nodes.len() + node;
            let draft = &parts.nodes[node];
            let keeps = usize::from(draft.reverse.as_ref().is_some_and(|reverse| reverse.keeps()));
            let ports = keeps + hears[node].len();
            let task = writer.task(copy, node, 1, 1, ports, draft.seconds);
            reverse[own] = Some(task);
            if keeps == 1 {
                kept[own] = Some(writer.edge(forward[own], task, 0, 0));
            }
            for (place, &connection) in hears[node].iter().enumerate() {
                let consumer = copy * parts.nodes.len() + parts.wires[connection].to;
                let from = reverse[consumer].unwrap_or(forward[consumer]);
                let bytes = parts.wires[connection].bytes;
                back_on_wires[copy * parts.wires.len() + connection] =
                    Some(writer.edge(from, task, keeps + place, bytes));
            }
        }
    }
    writer.finish(parts, copies, &leading, &on_wires, [&back_on_wires, &kept])
}

struct Writer {
    graph: TaskGraph,
    /// Messages with their senders; the value of an edge is its number here, then bytes.
    sent: Vec<(TaskIndex, Edge, u32)>,
    copy_of: Vec<usize>,
}

impl Writer {
    fn task(
        &mut self,
        copy: usize,
        node: usize,
        phase: u8,
        parts: usize,
        ports: usize,
        seconds: Option<f64>,
    ) -> TaskIndex {
        let work = Work { node: NodeIndex::new(node), phase };
        let expected = seconds.unwrap_or(SECONDS);
        let task = self.graph.add_task(work, parts as u32, ports, expected);
        self.graph.tasks[task].unknown_cost = seconds.is_none();
        self.copy_of.push(copy);
        task
    }

    /// A message; gives the number by which it was added.
    fn edge(&mut self, from: TaskIndex, task: TaskIndex, port: usize, bytes: u32) -> ValueIndex {
        let value = ValueIndex::new(self.sent.len());
        let slot = self.graph.tasks[task].slot(port);
        self.sent.push((from, Edge { task, slot, value: Some(value) }, bytes));
        value
    }

    fn finish(
        mut self,
        parts: &Parts,
        copies: usize,
        leading: &[Vec<usize>],
        on_wires: &[ValueIndex],
        [back_on_wires, kept]: [&[Option<ValueIndex>]; 2],
    ) -> Shape {
        let bytes_of: Vec<u32> = self.sent.iter().map(|sent| sent.2).collect();
        self.graph.connect(self.sent.iter().map(|&(from, edge, _)| (from, edge)).collect());
        // From the number by which an edge was added to its place in the graph, which then numbers what it carries.
        let mut place = vec![EdgeIndex::new(0); bytes_of.len()];
        let mut bytes = Vec::with_capacity(bytes_of.len());
        let mut sender_of = Vec::with_capacity(bytes_of.len());
        for task in self.graph.indices() {
            for number in self.graph.tasks[task].successors.range() {
                let value = &mut self.graph.edges[number].value;
                if let Some(added) = value.replace(ValueIndex::new(number)) {
                    place[added] = EdgeIndex::new(number);
                    bytes.push(bytes_of[added]);
                    sender_of.push(task);
                }
            }
        }
        let placed = |added: Option<ValueIndex>| added.map(|added| place[added]);
        let mut readers = Vec::with_capacity(copies * leading.len());
        let mut reader_edges = Vec::new();
        for copy in 0..copies {
            for connections in leading {
                let own = copy * parts.wires.len();
                let edges = connections.iter().map(|&it| place[on_wires[own + it]]);
                readers.push(Span::append(&mut reader_edges, edges));
            }
        }
        let mut back_of = Vec::with_capacity(self.graph.tasks.len());
        let mut back_edges = Vec::new();
        let mut kept_edge = Vec::with_capacity(self.graph.tasks.len());
        for task in self.graph.indices() {
            let (copy, node) = (self.copy_of[task], self.graph.node_of(task));
            let own = copy * parts.wires.len();
            let edges = parts.nodes[node].inputs.iter().map(|&it| placed(back_on_wires[own + it]));
            back_of.push(Span::append(&mut back_edges, edges));
            kept_edge.push(placed(kept[copy * parts.nodes.len() + node.index()]));
        }
        Shape {
            graph: Arc::new(self.graph),
            copy_of: self.copy_of,
            outputs: leading.len(),
            readers,
            reader_edges,
            back_of,
            back_edges,
            kept_edge,
            sender_of,
            bytes,
            sources: Arc::clone(&parts.sources),
            sinks: Arc::clone(&parts.sinks),
        }
    }
}
