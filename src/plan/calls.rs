//! Every call of a layer, loss or metric, and every sum, in topological order; `updates` adds the calls
//! that go over parameters.

use std::collections::HashMap;
use std::ops::Range;

use super::PlanOptions;
use super::backward::Users;
use super::values::Values;
use crate::context::{Division, Mode, ParameterIndex, Phase};
use crate::flow::index::{ValueIndex, index_types};
use crate::graph::{Graph, NodeId, Role};
use crate::layers::{Cost, Layer, Pass, Reads, Split};
use crate::optimizers::NormClip;

index_types! {
    /// A call of a plan that is being made: its place in [`Calls::list`].
    pub(super) CallIndex;
}

/// A call before tasks and slots exist. Values are positions in [`Values::drafts`].
#[derive(Clone, Debug)]
pub(super) struct CallDraft {
    pub(super) phase: Phase,
    pub(super) node: NodeId,
    pub(super) parameter: Option<ParameterIndex>,
    pub(super) inputs: Vec<ValueIndex>,
    pub(super) placed: Vec<bool>,
    pub(super) output: Option<ValueIndex>,
    pub(super) output_grad: Option<ValueIndex>,
    /// The inputs, and then the gradient of the output, of each other node whose parameter gradient is part of the same sum.
    pub(super) other_users: Vec<ValueIndex>,
    pub(super) prepared: Option<ValueIndex>,
    /// What the forward and the backward pass know of the whole batch.
    pub(super) summaries: [Option<ValueIndex>; 2],
    pub(super) norm: Option<ValueIndex>,
    pub(super) writes: Vec<Write>,
    /// Calls that must end before, beside those whose values it reads.
    pub(super) after: Vec<CallIndex>,
    /// For updates: the commit.
    pub(super) commit: Option<CallIndex>,
    pub(super) split: Split,
    /// Into how many parts it can be split.
    pub(super) units: usize,
    /// The chunk that it belongs to; the number of chunks, if it goes over all.
    pub(super) chunk: usize,
    /// The items of the batch that it works on.
    pub(super) items: Range<usize>,
    /// How its parts divide the output of each item, and how many they are, if they do not divide the items.
    pub(super) division: Option<(Division, usize)>,
    /// Estimated seconds.
    pub(super) seconds: f64,
    pub(super) flops: f64,
}

impl CallDraft {
    /// The values that it reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = ValueIndex> + '_ {
        let others = [self.output, self.output_grad, self.prepared, self.norm].into_iter();
        let many = self.inputs.iter().chain(&self.other_users).copied();
        many.chain(others.chain(self.summaries).flatten())
    }
}

/// A value that a call writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) value: ValueIndex,
    pub(super) index: usize,
    pub(super) contribution: usize,
    pub(super) in_place: bool,
    pub(super) view: bool,
    pub(super) part: bool,
}

impl Write {
    /// A value with a place of its own, computed anew.
    pub(super) fn new(value: ValueIndex) -> Self {
        Self { value, index: 0, contribution: 0, in_place: false, view: false, part: false }
    }
}

#[derive(Debug)]
pub(super) struct Calls {
    pub(super) list: Vec<CallDraft>,
    /// Calls that no task makes: where no weights move, they come before the first run and after each change of
    /// the weights, in this order, and what they write lasts.
    pub(super) lasting: Vec<CallDraft>,
    /// By value: the call that writes it, if one does.
    pub(super) producer: Vec<Option<CallIndex>>,
    /// Values without a batch axis, added to those of the placement: prepared weights and parameter
    /// gradients.
    pub(super) flat: Vec<FlatValue>,
    /// By node: its parameter gradients, in the order of its parameters; none for statistics.
    pub(super) parameter_gradients: Vec<Vec<Option<ValueIndex>>>,
    /// By parameter: the cost of its regularizer, if it has one.
    pub(super) regularization: Vec<Option<ValueIndex>>,
    /// Parts of each parameter gradient call, which its values have a place for.
    pub(super) contributions: Vec<usize>,
    /// By node that owns parameters: the nodes with them whose parameter gradients are to be summed in one call.
    pub(super) users: HashMap<NodeId, Users>,
    /// By node: the calls of its parameter gradients, one a chunk.
    pub(super) param_grads: Vec<Vec<CallIndex>>,
    /// By node: the forms of its weights that the forward and the backward pass read, once it has them; nodes that share
    /// parameters have those of the owner.
    pub(super) prepared: Vec<[Option<ValueIndex>; 2]>,
    pub(super) first_flat: usize,
}

/// What a call takes, estimated from shapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) seconds: f64,
    pub(super) flops: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct FlatValue {
    pub(super) floats: usize,
    pub(super) contributions: usize,
    pub(super) kept: bool,
}

/// Seconds that some work takes on one core of any machine: only ratios matter, and only shapes
/// count, so that plans do not depend on where they are compiled.
pub(super) fn seconds(cost: Cost) -> f64 {
    const FLOATS: f64 = 4e9;
    1e-7 + arithmetic(cost.flops) + cost.floats / FLOATS
}

/// The share of operations in [`seconds`].
pub(super) fn arithmetic(flops: f64) -> f64 {
    const FLOPS: f64 = 8e10;
    flops / FLOPS
}

/// The most parts of one task.
pub(super) const MOST_PARTS: usize = 32;

/// The fewest rows of a parameter that a part is worth.
pub(super) const SMALLEST_ROWS: usize = 48;

/// How many parts estimated work of `seconds` makes.
pub(super) fn parts(seconds: f64, units: usize, options: PlanOptions) -> usize {
    if !options.parts {
        return 1;
    }
    ((seconds / options.grain) as usize).clamp(1, units.clamp(1, MOST_PARTS))
}

pub(super) struct Lister<'a> {
    pub(super) graph: &'a Graph,
    pub(super) mode: Mode,
    pub(super) values: &'a Values,
    pub(super) options: PlanOptions,
    pub(super) calls: Calls,
    /// By call that computes input gradients: the parameter gradient that is awaited together with it,
    /// if one is.
    pub(super) joined: Vec<Option<CallIndex>>,
    /// Where the lister stands.
    pub(super) chunk: usize,
    pub(super) items: Range<usize>,
    /// By node: what the forward and the backward pass know of the whole batch.
    pub(super) summaries: Vec<[Option<ValueIndex>; 2]>,
}

impl Calls {
    pub(super) fn list(
        graph: &Graph,
        mode: Mode,
        batch: usize,
        included: &[bool],
        values: &Values,
        options: PlanOptions,
        norm_clip: Option<NormClip>,
    ) -> Self {
        let calls = Self {
            list: Vec::new(),
            lasting: Vec::new(),
            producer: vec![None; values.drafts.len()],
            flat: Vec::new(),
            parameter_gradients: vec![Vec::new(); graph.nodes.len()],
            regularization: vec![None; graph.parameters.len()],
            contributions: Vec::new(),
            users: HashMap::new(),
            param_grads: vec![Vec::new(); graph.nodes.len()],
            prepared: vec![[None; 2]; graph.nodes.len()],
            first_flat: values.drafts.len(),
        };
        let (chunk, items) = (0, 0..0);
        let summaries = vec![[None; 2]; graph.nodes.len()];
        let joined = Vec::new();
        let mut lister =
            Lister { graph, mode, values, options, calls, joined, chunk, items, summaries };
        lister.count_users();
        for (chunk, items) in values.chunks.iter().enumerate() {
            (lister.chunk, lister.items) = (chunk, items.clone());
            for &id in graph.order.iter().filter(|&&id| included[id]) {
                lister.forward(id);
            }
            if mode == Mode::Training {
                for &id in graph.order.iter().rev() {
                    lister.backward(id);
                }
            }
        }
        (lister.chunk, lister.items) = (values.chunks.len(), 0..batch);
        if mode != Mode::Prediction {
            lister.regularizers();
        }
        if mode == Mode::Training {
            if values.chunks.len() > 1 && options.micro_batches.is_none() {
                for &id in graph.order.iter().rev() {
                    lister.whole_param_grad(id);
                }
            }
            if options.updates {
                lister.updates(norm_clip);
            }
        }
        lister.calls
    }

    pub(super) fn push(&mut self, call: CallDraft) -> CallIndex {
        let index = CallIndex::new(self.list.len());
        for write in &call.writes {
            self.producer[write.value] = Some(index);
        }
        self.list.push(call);
        index
    }

    pub(super) fn add_flat(
        &mut self,
        floats: usize,
        contributions: usize,
        kept: bool,
    ) -> ValueIndex {
        self.flat.push(FlatValue { floats, contributions, kept });
        self.producer.push(None);
        ValueIndex::new(self.first_flat + self.flat.len() - 1)
    }

    /// The calls whose values a call reads, and those that it must follow.
    pub(super) fn waits_for(&self, call: &CallDraft) -> Vec<CallIndex> {
        let producers = call.reads().filter_map(|value| self.producer[value]);
        let mut all: Vec<CallIndex> = producers.chain(call.after.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Lister<'_> {
    pub(super) fn draft(&self, phase: Phase, node: NodeId) -> CallDraft {
        CallDraft {
            phase,
            node,
            parameter: None,
            inputs: Vec::new(),
            placed: Vec::new(),
            output: None,
            output_grad: None,
            other_users: Vec::new(),
            prepared: None,
            summaries: [None; 2],
            norm: None,
            writes: Vec::new(),
            after: Vec::new(),
            commit: None,
            split: Split::Items,
            units: self.items.len(),
            chunk: self.chunk,
            items: self.items.clone(),
            division: None,
            seconds: 0.0,
            flops: 0.0,
        }
    }

    pub(super) fn input_shapes(&self, id: NodeId) -> Vec<&[usize]> {
        self.graph.input_shapes(&self.graph.nodes[id])
    }

    /// The gradient of a node's output.
    pub(super) fn output_grad(&self, id: NodeId) -> Option<ValueIndex> {
        self.values.gradients[id].map(|value| self.here(value))
    }

    /// The activation of a node.
    pub(super) fn activation(&self, id: NodeId) -> Option<ValueIndex> {
        self.values.activations[id].map(|value| self.here(value))
    }

    /// The activations that a node takes in: a plan that holds a node holds them.
    fn input_values(&self, id: NodeId) -> Vec<ValueIndex> {
        self.graph.nodes[id].inputs.iter().filter_map(|&input| self.activation(input)).collect()
    }

    /// The chunk's value, given that of the whole batch.
    pub(super) fn here(&self, value: ValueIndex) -> ValueIndex {
        if self.chunk == self.values.chunks.len() {
            value
        } else {
            self.values.of_chunk(value, self.chunk)
        }
    }

    /// Estimates a call that makes a pass over the chunk: its seconds by the work as it is done, its operations as
    /// textbooks count them.
    pub(super) fn estimate(&self, call: &mut CallDraft) {
        let Estimate { seconds, flops } = self.estimated(call);
        (call.seconds, call.flops) = (seconds, flops);
    }

    /// The same, without writing it down.
    pub(super) fn estimated(&self, call: &CallDraft) -> Estimate {
        let work = |layer: &dyn Layer| {
            let (shapes, node) = (self.input_shapes(call.node), &self.graph.nodes[call.node]);
            layer.work(call.phase, &shapes, &node.shape, self.options.numerics())
        };
        let counted = self.cost(call.node);
        let done = match &self.graph.nodes[call.node].role {
            Role::Layer(layer) => self.over_chunk(work(layer.as_ref())),
            _ => counted,
        };
        Estimate { seconds: seconds(done), flops: counted.flops }
    }

    /// The work of one item, for all items of the chunk.
    fn over_chunk(&self, item: Cost) -> Cost {
        let items = self.items.len() as f64;
        Cost { flops: item.flops * items, floats: item.floats * items }
    }

    /// The work of one pass over the chunk, as textbooks count it.
    fn cost(&self, id: NodeId) -> Cost {
        let node = &self.graph.nodes[id];
        let shapes = self.input_shapes(id);
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let item = match &node.role {
            Role::Layer(layer) => layer.cost(&shapes, &node.shape),
            Role::Input | Role::Target => Cost::default(),
            Role::Loss { .. } | Role::Metric(_) => {
                let read = shapes.iter().map(|shape| floats(shape)).sum::<f64>();
                Cost { flops: 10.0 * read, floats: read }
            }
        };
        self.over_chunk(item)
    }

    fn forward(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        let mut call = self.draft(Phase::Forward, id);
        call.inputs = self.input_values(id);
        if self.mode == Mode::Training {
            call.summaries = self.summarize(id, Pass::Forward);
        }
        call.placed.clone_from(&self.values.placed[id]);
        let Some(value) = self.activation(id) else { return };
        let is_source = matches!(node.role, Role::Input | Role::Target);
        let mut view = is_source;
        if let Role::Layer(layer) = &node.role {
            call.split = layer.split();
            call.units = self.items.len() / layer.smallest_part(&self.input_shapes(id)).max(1);
            call.prepared = self.prepare(&call, Pass::Forward);
            let computed = layer.view(&self.input_shapes(id)) == crate::layers::View::Computed;
            view = !computed && call.placed.iter().all(|&placed| placed);
        }
        if view {
            call.seconds = 1e-7;
        } else {
            self.estimate(&mut call);
        }
        call.writes.push(Write { view, ..Write::new(value) });
        if self.values.constant[id] {
            self.calls.lasting.push(call);
        } else {
            self.calls.push(call);
        }
    }

    /// Fills in the activations that a gradient call reads.
    pub(super) fn read(&self, call: &mut CallDraft, id: NodeId, reads: Reads) {
        if reads.inputs {
            call.inputs = self.input_values(id);
            call.placed = vec![false; call.inputs.len()];
        }
        if reads.output {
            call.output = self.activation(id);
        }
    }
}
