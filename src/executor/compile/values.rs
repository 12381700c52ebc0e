//! Where every activation and every gradient lies.
//!
//! A value either has a storage of its own or lies in that of another: an input of a concat in the
//! concat's columns, the output of an in-place layer over its input, a flattened image in the image.

use std::ops::Range;

use super::PlanOptions;
use crate::executor::plan::{Mode, NONE, part_range};
use crate::graph::{Graph, NodeId, Role};
use crate::layers::{Reads, Split, View};

/// A value before storages have numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    /// The value in whose storage it lies: itself, if it has one of its own.
    pub(super) root: u32,
    pub(super) offset: usize,
    pub(super) stride: usize,
    /// Rows of one item; 0 for values without a batch axis.
    pub(super) item_rows: usize,
    pub(super) cols: usize,
    /// For values without a batch axis.
    pub(super) floats: usize,
    pub(super) contributions: u32,
    /// Nobody else reads these numbers, so whoever reads them may write over them.
    pub(super) exclusive: bool,
    /// It must outlive the run.
    pub(super) kept: bool,
    /// Its storage holds all items of the batch, though they may come chunk by chunk.
    pub(super) whole: bool,
    /// Items in its storage.
    pub(super) items: usize,
}

/// The gradient with respect to one input of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contribution {
    pub(super) value: u32,
    pub(super) input: u32,
    pub(super) in_place: bool,
    pub(super) view: bool,
}

#[derive(Debug)]
pub(super) struct Values {
    pub(super) drafts: Vec<Draft>,
    /// By node: its activation.
    pub(super) activations: Vec<u32>,
    /// By node: the gradient of its output, or [`NONE`].
    pub(super) gradients: Vec<u32>,
    /// By node: the gradients of its inputs that are needed.
    pub(super) contributions: Vec<Vec<Contribution>>,
    /// By node: the gradients that its consumers send, in edge order.
    pub(super) received: Vec<Vec<u32>>,
    /// By node: whether each input is already where the output wants it.
    pub(super) placed: Vec<Vec<bool>>,
    /// The items of each chunk that the batch is worked on in.
    pub(super) chunks: Vec<Range<usize>>,
    /// Values of one chunk.
    count: usize,
    batch: usize,
}

/// Rows that lie a multiple of this many floats apart, a page, compete for the same places in the
/// first-level cache; a product reads more of them side by side than fit there.
const PAGE: usize = 1024;
/// Floats of a cache line.
const LINE: usize = 16;

/// From one row of `cols` numbers to the next, such that rows do not compete for places in the cache.
fn spread(cols: usize) -> usize {
    if cols > 0 && cols.is_multiple_of(PAGE) { cols + LINE } else { cols }
}

/// Whether the rows of a node's output may lie apart: nobody outside the plan reads them, and nobody
/// inside sees them with other axes.
fn may_spread(graph: &Graph, id: NodeId) -> bool {
    let reshapes = |id: NodeId| {
        let node = &graph.nodes[id];
        let Role::Layer(layer) = &node.role else { return false };
        let shapes: Vec<&[usize]> =
            node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice()).collect();
        layer.view(&shapes) == View::Reshape
    };
    let is_layer = matches!(graph.nodes[id].role, Role::Layer(_));
    is_layer
        && !reshapes(id)
        && !graph.consumers[id].iter().any(|&(consumer, _)| reshapes(consumer))
}

/// A shape as a matrix: rows of one item, columns.
fn matrix(shape: &[usize]) -> (usize, usize) {
    match shape.split_last() {
        None => (1, 1),
        Some((&cols, leading)) => (leading.iter().product(), cols),
    }
}

impl Values {
    pub(super) fn place(
        graph: &Graph,
        mode: Mode,
        batch: usize,
        included: &[bool],
        options: PlanOptions,
        chunks: usize,
    ) -> Self {
        let count = graph.nodes.len();
        let mut values = Self {
            drafts: Vec::new(),
            activations: vec![NONE; count],
            gradients: vec![NONE; count],
            contributions: vec![Vec::new(); count],
            received: vec![Vec::new(); count],
            placed: vec![Vec::new(); count],
            chunks: std::iter::once(0..batch).collect(),
            count: 0,
            batch,
        };
        let mut is_output = vec![false; count];
        if mode == Mode::Prediction {
            graph.outputs.iter().for_each(|&id| is_output[id] = true);
        }
        for (id, node) in graph.nodes.iter().enumerate() {
            if included[id] {
                values.activations[id] = values.add(&node.shape);
                values.placed[id] = vec![false; node.inputs.len()];
                let kept = match node.role {
                    Role::Loss { .. } | Role::Metric(_) | Role::Input | Role::Target => true,
                    Role::Layer(_) => is_output[id],
                };
                let draft = &mut values.drafts[values.activations[id] as usize];
                draft.kept = kept;
                if options.in_place && !kept && may_spread(graph, id) {
                    draft.stride = spread(draft.cols);
                }
            }
        }
        if options.in_place {
            values.place_activations(graph, mode, included);
        }
        if mode == Mode::Training {
            values.place_gradients(graph, options);
        }
        values.count = values.drafts.len();
        if chunks > 1 {
            if options.micro_batches.is_none() {
                values.keep_whole(graph, mode);
            }
            values.keep_kept_whole();
            values.divide(chunks);
        }
        values
    }

    /// Marks the storages that whole-batch parameter gradients read: they must hold all items.
    fn keep_whole(&mut self, graph: &Graph, mode: Mode) {
        let mut whole = Vec::new();
        for (id, node) in graph.nodes.iter().enumerate() {
            let Role::Layer(layer) = &node.role else { continue };
            let shapes: Vec<&[usize]> =
                node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice()).collect();
            let by_items = layer.param_split(&shapes) == Split::Items;
            if mode != Mode::Training || !graph.trains(id) || by_items {
                continue;
            }
            let reads = layer.param_grad_reads();
            if reads.inputs {
                whole.extend(node.inputs.iter().map(|&input| self.activations[input]));
            }
            if reads.output {
                whole.push(self.activations[id]);
            }
            whole.push(self.gradients[id]);
        }
        for value in whole.into_iter().filter(|&value| value != NONE) {
            let root = self.drafts[value as usize].root;
            self.drafts[root as usize].whole = true;
        }
    }

    /// Marks the storages that are read after the run.
    fn keep_kept_whole(&mut self) {
        for value in 0..self.count {
            let root = self.drafts[value].root as usize;
            self.drafts[root].whole |= self.drafts[root].kept;
        }
    }

    /// Makes values for every chunk: after those of the whole batch, all of the first chunk, then all
    /// of the second. Those in whole storages are the chunk's rows of it.
    fn divide(&mut self, chunks: usize) {
        self.chunks = (0..chunks).map(|chunk| part_range(chunks, chunk, self.batch)).collect();
        for (chunk, items) in self.chunks.iter().enumerate() {
            let shift = (self.count * (chunk + 1)) as u32;
            for value in 0..self.count {
                let mut draft = self.drafts[value];
                let root = self.drafts[draft.root as usize];
                draft.items = items.len();
                draft.kept = false;
                if root.whole {
                    draft.offset += items.start * root.item_rows * root.stride;
                } else {
                    draft.root += shift;
                }
                self.drafts.push(draft);
            }
        }
    }

    /// The value of a chunk, given that of the whole batch.
    pub(super) fn of_chunk(&self, value: u32, chunk: usize) -> u32 {
        if value == NONE || self.chunks.len() == 1 {
            value
        } else {
            value + (self.count * (chunk + 1)) as u32
        }
    }

    /// Whether the value has a storage of its own that some step uses.
    pub(super) fn has_storage(&self, value: u32) -> bool {
        let draft = self.drafts[value as usize];
        let unused = self.chunks.len() > 1 && (value as usize) < self.count && !draft.whole;
        draft.root == value && !unused
    }

    fn push(&mut self, draft: Draft) -> u32 {
        self.drafts.push(draft);
        // Plans have fewer than 2^32 values: a graph of that size does not fit into memory.
        (self.drafts.len() - 1) as u32
    }

    /// A value of one item's `shape` with a storage of its own.
    fn add(&mut self, shape: &[usize]) -> u32 {
        let (item_rows, cols) = matrix(shape);
        self.push(Draft {
            root: self.drafts.len() as u32,
            offset: 0,
            stride: cols,
            item_rows,
            cols,
            floats: 0,
            contributions: 1,
            exclusive: true,
            kept: false,
            whole: false,
            items: self.batch,
        })
    }

    /// A value without a batch axis: `contributions` times `floats`, one after another.
    pub(super) fn add_flat(&mut self, floats: usize, contributions: usize, kept: bool) -> u32 {
        self.push(Draft {
            root: self.drafts.len() as u32,
            offset: 0,
            stride: floats,
            item_rows: 0,
            cols: floats,
            floats,
            contributions: contributions as u32,
            exclusive: true,
            kept,
            whole: true,
            items: self.batch,
        })
    }

    /// A value of `shape` that lies in `parent`, from `column` on.
    fn add_within(&mut self, shape: &[usize], parent: u32, column: usize) -> u32 {
        let value = self.add(shape);
        self.put_within(value, parent, column);
        value
    }

    fn put_within(&mut self, value: u32, parent: u32, column: usize) {
        let outer = self.drafts[parent as usize];
        let draft = &mut self.drafts[value as usize];
        draft.root = outer.root;
        draft.offset = outer.offset + column;
        draft.stride = outer.stride;
        draft.exclusive = outer.exclusive;
    }

    /// Whether the rows touch, so that the same numbers can be seen with other axes.
    fn is_contiguous(&self, value: u32) -> bool {
        let draft = self.drafts[value as usize];
        draft.offset == 0 && draft.stride == draft.cols
    }

    fn put_reshaped(&mut self, value: u32, parent: u32) {
        self.put_within(value, parent, 0);
        let draft = &mut self.drafts[value as usize];
        draft.stride = draft.cols;
    }

    fn has_own_storage(&self, value: u32) -> bool {
        self.drafts[value as usize].root == value
    }

    /// Consumers first: when a node is visited, its own place is settled, and it settles that of its
    /// inputs.
    fn place_activations(&mut self, graph: &Graph, mode: Mode, included: &[bool]) {
        for &id in graph.order.iter().rev() {
            let node = &graph.nodes[id];
            let Role::Layer(layer) = &node.role else { continue };
            if !included[id] {
                continue;
            }
            let shapes: Vec<&[usize]> =
                node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice()).collect();
            let own = self.activations[id];
            match layer.view(&shapes) {
                View::Reshape => {
                    let input = node.inputs[0];
                    let value = self.activations[input];
                    if self.movable(graph, input) && self.is_contiguous(own) {
                        self.put_reshaped(value, own);
                        self.placed[id][0] = true;
                    } else if self.has_own_storage(own)
                        && !self.drafts[own as usize].kept
                        && self.is_contiguous(value)
                        && matches!(graph.nodes[input].role, Role::Input)
                    {
                        self.put_reshaped(own, value);
                        self.placed[id][0] = true;
                    }
                }
                View::Columns => {
                    let mut column = 0;
                    for (number, &input) in node.inputs.iter().enumerate() {
                        if self.movable(graph, input) {
                            self.put_within(self.activations[input], own, column);
                            self.placed[id][number] = true;
                        }
                        column += graph.nodes[input].shape.last().copied().unwrap_or(1);
                    }
                }
                View::Computed => {
                    let Some(&input) = node.inputs.first() else { continue };
                    let may_overwrite = layer.in_place()
                        && self.movable(graph, input)
                        && sole_consumer(graph, included, input)
                        && graph.nodes[input].shape == node.shape
                        && overwritable(graph, input, mode)
                        && (mode != Mode::Training || !layer.input_grad_reads().inputs);
                    if may_overwrite {
                        self.put_within(self.activations[input], own, 0);
                        self.placed[id][0] = true;
                    }
                }
            }
        }
    }

    /// Whether the node's activation may be put into another storage.
    fn movable(&self, graph: &Graph, id: NodeId) -> bool {
        let value = self.activations[id];
        matches!(graph.nodes[id].role, Role::Layer(_))
            && self.has_own_storage(value)
            && !self.drafts[value as usize].kept
    }

    /// Says who needs gradients, and places them: consumers first again.
    fn place_gradients(&mut self, graph: &Graph, options: PlanOptions) {
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
                let value = self.gradients[id];
                if value != NONE {
                    let root = self.drafts[value as usize].root;
                    self.drafts[root as usize].kept = true;
                }
            }
        }
    }

    /// The gradient of a node's output: the only one received, or a sum of those received.
    fn settle_gradient(&mut self, graph: &Graph, id: NodeId, options: PlanOptions) {
        self.gradients[id] = match self.received[id].as_slice() {
            [] => NONE,
            [only] => *only,
            [first, ..] => {
                let first = *first;
                if options.in_place && self.drafts[first as usize].exclusive {
                    self.add_within(&graph.nodes[id].shape, first, 0)
                } else {
                    self.add_gradient(graph, id, options)
                }
            }
        };
    }

    /// A gradient of a node's output, with a storage of its own.
    fn add_gradient(&mut self, graph: &Graph, id: NodeId, options: PlanOptions) -> u32 {
        let value = self.add(&graph.nodes[id].shape);
        if options.in_place && !options.keep_gradients && may_spread(graph, id) {
            let draft = &mut self.drafts[value as usize];
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
        let shapes: Vec<&[usize]> =
            node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice()).collect();
        let needed: Vec<usize> = (0..node.inputs.len())
            .filter(|&number| wants[node.inputs[number]] && differentiable(&node.role, number))
            .collect();
        let own = self.gradients[id];
        let mut column = 0;
        for (number, &input) in node.inputs.iter().enumerate() {
            let start = column;
            column += shapes[number].last().copied().unwrap_or(1);
            if !needed.contains(&number) {
                continue;
            }
            let shape = shapes[number];
            let mut contribution =
                Contribution { value: NONE, input: number as u32, in_place: false, view: false };
            contribution.value = match &node.role {
                Role::Layer(layer) if options.in_place => match layer.view(&shapes) {
                    View::Columns => {
                        contribution.view = true;
                        self.add_within(shape, own, start)
                    }
                    View::Reshape if self.is_contiguous(own) => {
                        contribution.view = true;
                        let value = self.add(shape);
                        self.put_reshaped(value, own);
                        value
                    }
                    View::Computed if layer.passes_gradient() => {
                        contribution.view = true;
                        let value = self.add_within(shape, own, 0);
                        self.drafts[value as usize].exclusive &= needed.len() == 1;
                        value
                    }
                    View::Computed
                        if layer.in_place()
                            && number == 0
                            && node.inputs.len() == 1
                            && node.parameters.is_empty()
                            && self.drafts[own as usize].exclusive =>
                    {
                        contribution.in_place = true;
                        self.add_within(shape, own, 0)
                    }
                    View::Computed | View::Reshape => self.add_gradient(graph, input, options),
                },
                _ => self.add_gradient(graph, input, options),
            };
            self.received[input].push(contribution.value);
            self.contributions[id].push(contribution);
        }
    }

    /// Floats of the storage whose root is `value`.
    pub(super) fn storage_floats(&self, value: u32) -> usize {
        let draft = self.drafts[value as usize];
        if draft.item_rows == 0 {
            draft.floats * draft.contributions as usize
        } else {
            draft.items * draft.item_rows * draft.stride
        }
    }
}

fn sole_consumer(graph: &Graph, included: &[bool], id: NodeId) -> bool {
    graph.consumers[id].iter().filter(|(consumer, _)| included[*consumer]).count() == 1
}

/// Whether nobody but the consumer needs the numbers that the node computed.
fn overwritable(graph: &Graph, id: NodeId, mode: Mode) -> bool {
    let node = &graph.nodes[id];
    let Role::Layer(layer) = &node.role else { return false };
    let shapes: Vec<&[usize]> =
        node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice()).collect();
    if layer.view(&shapes) != View::Computed {
        return false;
    }
    let reads = |reads: Reads| reads.output;
    mode != Mode::Training
        || !(reads(layer.input_grad_reads()) || graph.trains(id) && reads(layer.param_grad_reads()))
}

/// Whether the node has a gradient with respect to its input number `input`.
fn differentiable(role: &Role, input: usize) -> bool {
    match role {
        Role::Layer(layer) => layer.differentiable(input),
        Role::Loss { loss, .. } => loss.differentiable(input),
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
