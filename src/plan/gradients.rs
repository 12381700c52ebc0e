//! Who needs a gradient, and where it lies.

use super::PlanOptions;
use super::spreading::spread;
use super::values::Values;
use crate::flow::index::ValueIndex;
use crate::graph::{Graph, NodeId, Role};
use crate::layers::View;

/// The gradient with respect to one input of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contribution {
    pub(super) value: ValueIndex,
    pub(super) input: usize,
    pub(super) in_place: bool,
    pub(super) view: bool,
    /// It is a part of the gradient that it belongs to, which others make up with it.
    pub(super) part: bool,
}

impl Values {
    /// Says who needs gradients, and places them: consumers first again.
    pub(super) fn place_gradients(&mut self, graph: &Graph, options: PlanOptions) {
        let wants = wants_gradient(graph, options);
        let reaches = reaches_loss(graph, &wants);
        for &id in graph.order.iter().rev() {
            if !wants[id] || !reaches[id] {
                continue;
            }
            let node = &graph.nodes[id];
            if !matches!(node.role, Role::Loss { .. }) {
                self.settle_gradient(graph, id, options);
            }
            self.place_contributions(graph, id, &wants, options);
        }
        if options.keep_gradients {
            for id in graph.inputs() {
                if let Some(value) = self.gradients[id] {
                    let root = self.drafts[value].root;
                    self.drafts[root].kept = true;
                }
            }
        }
    }

    /// The gradient of a node's output: the only one received, or a sum of those received.
    fn settle_gradient(&mut self, graph: &Graph, id: NodeId, options: PlanOptions) {
        self.gradients[id] = match self.received[id].as_slice() {
            [] => None,
            [only] => Some(*only),
            [first, ..] => {
                let first = *first;
                let tiled = self.tile(graph, id);
                self.tiled[id] = tiled.is_some();
                tiled.or_else(|| {
                    Some(if options.in_place && self.drafts[first].exclusive {
                        self.add_within(&graph.nodes[id].shape, first, 0)
                    } else {
                        self.add_gradient(graph, id, options)
                    })
                })
            }
        };
    }

    /// The gradient of a node's output where all its consumers take parts of it that make it up without a gap, as the steps
    /// of a sequence do: what they send then lies side by side, and nothing has to be added.
    fn tile(&mut self, graph: &Graph, id: NodeId) -> Option<ValueIndex> {
        let shape = &graph.nodes[id].shape;
        let mut parts = Vec::new();
        let mut axis = None;
        for &(user, number) in &graph.consumers[id] {
            let sent = self.contributions[user].iter().position(|sent| sent.input == number);
            let Some(place) = sent else { continue };
            let Role::Layer(layer) = &graph.nodes[user].role else { return None };
            let (along, range) = layer.part_of_input(shape)?;
            if *axis.get_or_insert(along) != along {
                return None;
            }
            parts.push((range, user, place));
        }
        let axis = axis?;
        parts.sort_unstable_by_key(|(range, ..)| range.start);
        let mut end = 0;
        for (range, ..) in &parts {
            if range.start != end {
                return None;
            }
            end = range.end;
        }
        let outer: usize = shape[..axis].iter().product();
        let inner: usize = shape[axis + 1..].iter().product();
        // Parts of an item lie in one piece, or are columns of a matrix.
        if end != shape[axis] || (outer != 1 && inner != 1) {
            return None;
        }
        let whole = self.add(shape);
        for (range, user, place) in parts {
            let sent = &mut self.contributions[user][place];
            sent.part = true;
            let draft = &mut self.drafts[sent.value];
            draft.root = whole;
            draft.offset = range.start * inner;
            draft.item_rows = outer;
            draft.cols = range.len() * inner;
            draft.stride = end * inner;
        }
        Some(whole)
    }

    /// A gradient of a node's output, with a storage of its own.
    fn add_gradient(&mut self, graph: &Graph, id: NodeId, options: PlanOptions) -> ValueIndex {
        let value = self.add(&graph.nodes[id].shape);
        if options.in_place && !options.keep_gradients && self.may_spread[id] {
            let draft = &mut self.drafts[value];
            draft.stride = spread(draft.cols);
        }
        value
    }

    fn place_contributions(
        &mut self,
        graph: &Graph,
        id: NodeId,
        wants: &[bool],
        options: PlanOptions,
    ) {
        let node = &graph.nodes[id];
        let shapes = graph.input_shapes(node);
        let needed: Vec<bool> = (0..node.inputs.len())
            .map(|number| wants[node.inputs[number]] && differentiable(&node.role, number))
            .collect();
        let sole = needed.iter().filter(|&&needed| needed).count() == 1;
        let view = match &node.role {
            Role::Layer(layer) => layer.view(&shapes),
            _ => View::Computed,
        };
        let own = self.gradients[id];
        let mut column = 0;
        for (number, &input) in node.inputs.iter().enumerate() {
            let start = column;
            column += shapes[number].last().copied().unwrap_or(1);
            if !needed[number] {
                continue;
            }
            let shape = shapes[number];
            let (mut in_place, mut is_view) = (false, false);
            let value = match (&node.role, own) {
                (Role::Layer(layer), Some(own)) if options.in_place => match view {
                    View::Columns => {
                        is_view = true;
                        self.add_within(shape, own, start)
                    }
                    View::Reshape if self.is_contiguous(own) => {
                        is_view = true;
                        let value = self.add(shape);
                        self.put_reshaped(value, own);
                        value
                    }
                    View::Computed if layer.passes_gradient() => {
                        is_view = true;
                        let value = self.add_within(shape, own, 0);
                        self.drafts[value].exclusive &= sole;
                        value
                    }
                    View::Computed
                        if layer.in_place()
                            && number == 0
                            && node.inputs.len() == 1
                            && node.parameters.is_empty()
                            && self.drafts[own].exclusive =>
                    {
                        in_place = true;
                        self.add_within(shape, own, 0)
                    }
                    View::Computed | View::Reshape => self.add_gradient(graph, input, options),
                },
                _ => self.add_gradient(graph, input, options),
            };
            self.received[input].push(value);
            self.contributions[id].push(Contribution {
                value,
                input: number,
                in_place,
                view: is_view,
                part: false,
            });
        }
    }
}

/// Whether the node has a gradient with respect to its input number `input`.
fn differentiable(role: &Role, input: usize) -> bool {
    match role {
        Role::Layer(layer) => layer.differentiable(input),
        // The third input has the weights of items.
        Role::Loss { loss, .. } => input < 2 && loss.differentiable(input),
        Role::Input | Role::Target | Role::Metric(_) => false,
    }
}

/// The nodes whose output's gradient is of use: some parameter, or an input whose gradient is asked
/// for, lies at or above them.
fn wants_gradient(graph: &Graph, options: PlanOptions) -> Vec<bool> {
    let mut wants = vec![false; graph.nodes.len()];
    for &id in &graph.order {
        let node = &graph.nodes[id];
        wants[id] =
            match node.role {
                Role::Input => options.keep_gradients,
                Role::Target | Role::Metric(_) => false,
                Role::Layer(_) | Role::Loss { .. } => {
                    graph.trains(id)
                        || node.inputs.iter().enumerate().any(|(number, &input)| {
                            wants[input] && differentiable(&node.role, number)
                        })
                }
            };
    }
    wants
}

/// The nodes from which a loss can be reached along edges that have gradients.
fn reaches_loss(graph: &Graph, wants: &[bool]) -> Vec<bool> {
    let mut reaches = vec![false; graph.nodes.len()];
    for &id in graph.order.iter().rev() {
        let node = &graph.nodes[id];
        if matches!(node.role, Role::Loss { .. }) {
            reaches[id] = wants[id];
        }
        if !reaches[id] {
            continue;
        }
        for (number, &input) in node.inputs.iter().enumerate() {
            reaches[input] |= differentiable(&node.role, number);
        }
    }
    reaches
}
