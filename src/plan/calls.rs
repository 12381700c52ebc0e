//! Every call of a layer, loss or metric, and every sum, in topological order; `updates` adds the calls
//! that go over parameters.

use std::ops::Range;

use super::PlanOptions;
use super::values::Values;
use crate::context::{Mode, Phase};
use crate::flow::graph::NONE;
use crate::graph::{Graph, NodeId, Role};
use crate::layers::{Cost, Pass, Reads, Split};
use crate::optimizers::NormClip;

/// A call before tasks and slots exist. Values are positions in [`Values::drafts`].
#[derive(Clone, Debug)]
pub(super) struct CallDraft {
    pub(super) phase: Phase,
    pub(super) node: NodeId,
    pub(super) parameter: u32,
    pub(super) inputs: Vec<u32>,
    pub(super) placed: Vec<bool>,
    pub(super) output: u32,
    pub(super) output_grad: u32,
    pub(super) prepared: u32,
    /// What the forward and the backward pass know of the whole batch.
    pub(super) summaries: [u32; 2],
    pub(super) norm: u32,
    pub(super) writes: Vec<Write>,
    /// Calls that must end before, beside those whose values it reads.
    pub(super) after: Vec<u32>,
    /// For updates: the commit.
    pub(super) commit: u32,
    pub(super) split: Split,
    /// Into how many parts it can be split.
    pub(super) units: usize,
    /// The chunk that it belongs to; the number of chunks, if it goes over all.
    pub(super) chunk: usize,
    /// The items of the batch that it works on.
    pub(super) items: Range<usize>,
    /// Estimated seconds.
    pub(super) seconds: f64,
    pub(super) flops: f64,
}

impl CallDraft {
    /// The values that it reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = u32> + '_ {
        let others = [self.output, self.output_grad, self.prepared, self.norm].into_iter();
        let all = self.inputs.iter().copied().chain(others).chain(self.summaries);
        all.filter(|&value| value != NONE)
    }
}

/// A value that a call writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) value: u32,
    pub(super) index: u32,
    pub(super) contribution: u32,
    pub(super) in_place: bool,
    pub(super) view: bool,
}

#[derive(Debug)]
pub(super) struct Calls {
    pub(super) list: Vec<CallDraft>,
    /// By value: the call that writes it, or [`NONE`].
    pub(super) producer: Vec<u32>,
    /// Values without a batch axis, added to those of the placement: prepared weights and parameter
    /// gradients.
    pub(super) flat: Vec<FlatValue>,
    /// By node: its parameter gradients, in the order of its parameters; [`NONE`] for statistics.
    pub(super) parameter_gradients: Vec<Vec<u32>>,
    /// By parameter: the cost of its regularizer, or [`NONE`].
    pub(super) regularization: Vec<u32>,
    /// Parts of each parameter gradient call, which its values have a place for.
    pub(super) contributions: Vec<usize>,
    /// By node: the calls of its parameter gradients, one a chunk.
    pub(super) param_grads: Vec<Vec<u32>>,
    /// By node: the prepared form of its weights, or [`NONE`].
    prepared: Vec<u32>,
    pub(super) first_flat: usize,
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
    const FLOPS: f64 = 8e10;
    const FLOATS: f64 = 4e9;
    1e-7 + cost.flops / FLOPS + cost.floats / FLOATS
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
    mode: Mode,
    pub(super) values: &'a Values,
    pub(super) options: PlanOptions,
    pub(super) calls: Calls,
    /// By call that computes input gradients: the parameter gradient that is awaited together with it,
    /// or [`NONE`].
    pub(super) joined: Vec<u32>,
    /// Where the lister stands.
    pub(super) chunk: usize,
    pub(super) items: Range<usize>,
    /// By node: what the forward and the backward pass know of the whole batch, or [`NONE`].
    pub(super) summaries: Vec<[u32; 2]>,
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
            producer: vec![NONE; values.drafts.len()],
            flat: Vec::new(),
            parameter_gradients: vec![Vec::new(); graph.nodes.len()],
            regularization: vec![NONE; graph.parameters.len()],
            contributions: Vec::new(),
            param_grads: vec![Vec::new(); graph.nodes.len()],
            prepared: vec![NONE; graph.nodes.len()],
            first_flat: values.drafts.len(),
        };
        let (chunk, items) = (0, 0..0);
        let summaries = vec![[NONE; 2]; graph.nodes.len()];
        let joined = Vec::new();
        let mut lister =
            Lister { graph, mode, values, options, calls, joined, chunk, items, summaries };
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

    pub(super) fn push(&mut self, call: CallDraft) -> u32 {
        let index = self.list.len() as u32;
        for write in &call.writes {
            self.producer[write.value as usize] = index;
        }
        self.list.push(call);
        index
    }

    pub(super) fn add_flat(&mut self, floats: usize, contributions: usize, kept: bool) -> u32 {
        self.flat.push(FlatValue { floats, contributions, kept });
        self.producer.push(NONE);
        (self.first_flat + self.flat.len() - 1) as u32
    }

    /// The calls whose values a call reads, and those that it must follow.
    pub(super) fn waits_for(&self, call: &CallDraft) -> Vec<u32> {
        let producers = call
            .reads()
            .map(|value| self.producer[value as usize])
            .filter(|&producer| producer != NONE);
        let mut all: Vec<u32> = producers.chain(call.after.iter().copied()).collect();
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
            parameter: NONE,
            inputs: Vec::new(),
            placed: Vec::new(),
            output: NONE,
            output_grad: NONE,
            prepared: NONE,
            summaries: [NONE; 2],
            norm: NONE,
            writes: Vec::new(),
            after: Vec::new(),
            commit: NONE,
            split: Split::Items,
            units: self.items.len(),
            chunk: self.chunk,
            items: self.items.clone(),
            seconds: 0.0,
            flops: 0.0,
        }
    }

    pub(super) fn input_shapes(&self, id: NodeId) -> Vec<&[usize]> {
        let inputs = &self.graph.nodes[id].inputs;
        inputs.iter().map(|&input| self.graph.nodes[input].shape.as_slice()).collect()
    }

    /// The gradient of a node's output.
    pub(super) fn output_grad(&self, id: NodeId) -> u32 {
        self.here(self.values.gradients[id])
    }

    fn input_values(&self, id: NodeId) -> Vec<u32> {
        let inputs = &self.graph.nodes[id].inputs;
        inputs.iter().map(|&input| self.here(self.values.activations[input])).collect()
    }

    /// The chunk's value, given that of the whole batch.
    pub(super) fn here(&self, value: u32) -> u32 {
        if self.chunk == self.values.chunks.len() {
            value
        } else {
            self.values.of_chunk(value, self.chunk)
        }
    }

    /// The work of one pass over the chunk.
    pub(super) fn cost(&self, id: NodeId) -> Cost {
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
        let items = self.items.len() as f64;
        Cost { flops: item.flops * items, floats: item.floats * items }
    }

    fn forward(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        let mut call = self.draft(Phase::Forward, id);
        call.inputs = self.input_values(id);
        if self.mode == Mode::Training {
            call.summaries = self.summarize(id, Pass::Forward);
        }
        call.placed.clone_from(&self.values.placed[id]);
        let value = self.here(self.values.activations[id]);
        let is_source = matches!(node.role, Role::Input | Role::Target);
        let mut view = is_source;
        if let Role::Layer(layer) = &node.role {
            call.split = layer.split();
            call.units = self.items.len() / layer.smallest_part(&self.input_shapes(id)).max(1);
            call.prepared = self.prepare(id, Pass::Forward);
            let computed = layer.view(&self.input_shapes(id)) == crate::layers::View::Computed;
            view = !computed && call.placed.iter().all(|&placed| placed);
        }
        if view {
            call.seconds = 1e-7;
        } else {
            let cost = self.cost(id);
            call.seconds = seconds(cost);
            call.flops = cost.flops;
        }
        call.writes.push(Write { value, index: 0, contribution: 0, in_place: false, view });
        self.calls.push(call);
    }

    /// Fills in the activations that a gradient call reads.
    pub(super) fn read(&self, call: &mut CallDraft, id: NodeId, reads: Reads) {
        if reads.inputs {
            call.inputs = self.input_values(id);
            call.placed = vec![false; call.inputs.len()];
        }
        if reads.output {
            call.output = self.here(self.values.activations[id]);
        }
    }

    /// Weights are prepared once for all chunks, for layers that ask for it.
    pub(super) fn prepare(&mut self, id: NodeId, pass: Pass) -> u32 {
        let Role::Layer(layer) = &self.graph.nodes[id].role else { return NONE };
        let Some(weights) = layer.prepared_weights().filter(|it| it.read_in() == pass) else {
            return NONE;
        };
        let floats = weights.floats(&self.input_shapes(id));
        if floats == 0 || self.calls.prepared[id] != NONE {
            return self.calls.prepared[id];
        }
        let value = self.calls.add_flat(floats, 1, false);
        let mut call = self.draft(Phase::Prepare, id);
        call.split = Split::Whole;
        call.seconds = seconds(Cost { flops: 0.0, floats: 2.0 * floats as f64 });
        call.writes.push(Write { value, index: 0, contribution: 0, in_place: false, view: false });
        self.calls.push(call);
        self.calls.prepared[id] = value;
        value
    }
}
