//! Where every activation and every gradient lies.
//!
//! A value either has a storage of its own or lies in that of another: an input of a concat in the
//! concat's columns, the output of an in-place layer over its input, a flattened image in the image.

use std::ops::Range;

use super::PlanOptions;
use super::gradients::Contribution;
use super::spreading::{may_spread, spread};
use crate::context::{Mode, part_range};
use crate::flow::index::ValueIndex;
use crate::graph::{Graph, NodeId, Role};
use crate::layers::{Reads, Split, View};

/// A value before storages have numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    /// The value in whose storage it lies: itself, if it has one of its own.
    pub(super) root: ValueIndex,
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

#[derive(Debug)]
pub(super) struct Values {
    pub(super) drafts: Vec<Draft>,
    /// By node: its activation, if the plan holds the node.
    pub(super) activations: Vec<Option<ValueIndex>>,
    /// By node: the gradient of its output, if it is needed.
    pub(super) gradients: Vec<Option<ValueIndex>>,
    /// By node: the gradients of its inputs that are needed.
    pub(super) contributions: Vec<Vec<Contribution>>,
    /// By node: the gradients that its consumers send, in edge order.
    pub(super) received: Vec<Vec<ValueIndex>>,
    /// By node: whether the gradients that its consumers send lie side by side in that of its output.
    pub(super) tiled: Vec<bool>,
    /// By node: whether each input is already where the output wants it.
    pub(super) placed: Vec<Vec<bool>>,
    /// By node: whether its output does not depend on the batch's numbers, and so lasts from run to run.
    pub(super) constant: Vec<bool>,
    /// By node: whether the rows of its output may lie apart.
    pub(super) may_spread: Vec<bool>,
    /// The items of each chunk that the batch is worked on in.
    pub(super) chunks: Vec<Range<usize>>,
    /// Values of one chunk.
    count: usize,
    batch: usize,
}

/// By node: how many uses its output has among the nodes of the plan.
fn uses(graph: &Graph, included: &[bool]) -> Vec<usize> {
    let uses = |consumers: &Vec<(NodeId, usize)>| {
        consumers.iter().filter(|(consumer, _)| included[*consumer]).count()
    };
    graph.consumers.iter().map(uses).collect()
}

/// By node: whether it is a layer that computes the same whatever the numbers of the batch, in plans that move no
/// weights.
fn constant(graph: &Graph, mode: Mode) -> Vec<bool> {
    let mut constant = vec![false; graph.nodes.len()];
    if mode != Mode::Training {
        for &id in &graph.order {
            let node = &graph.nodes[id];
            if let Role::Layer(layer) = &node.role {
                constant[id] =
                    layer.is_constant() || node.inputs.iter().all(|&input| constant[input]);
            }
        }
    }
    constant
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
            activations: vec![None; count],
            gradients: vec![None; count],
            contributions: vec![Vec::new(); count],
            received: vec![Vec::new(); count],
            tiled: vec![false; count],
            placed: vec![Vec::new(); count],
            constant: constant(graph, mode),
            may_spread: may_spread(graph),
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
                let activation = values.add(&node.shape);
                values.activations[id] = Some(activation);
                values.placed[id] = vec![false; node.inputs.len()];
                let kept = match node.role {
                    Role::Loss { .. } | Role::Metric(_) | Role::Input | Role::Target => true,
                    Role::Layer(_) => is_output[id] || values.constant[id],
                };
                let draft = &mut values.drafts[activation];
                draft.kept = kept;
                if options.in_place && !kept && values.may_spread[id] {
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
            let shapes = graph.input_shapes(node);
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
        for value in whole.into_iter().flatten() {
            let root = self.drafts[value].root;
            self.drafts[root].whole = true;
        }
    }

    /// Marks the storages that are read after the run.
    fn keep_kept_whole(&mut self) {
        for value in 0..self.count {
            let root = self.drafts[value].root;
            self.drafts[root].whole |= self.drafts[root].kept;
        }
    }

    /// Makes values for every chunk: after those of the whole batch, all of the first chunk, then all
    /// of the second. Those in whole storages are the chunk's rows of it.
    fn divide(&mut self, chunks: usize) {
        self.chunks = (0..chunks).map(|chunk| part_range(chunks, chunk, self.batch)).collect();
        for (chunk, items) in self.chunks.iter().enumerate() {
            for value in 0..self.count {
                let mut draft = self.drafts[value];
                let root = self.drafts[draft.root];
                draft.items = items.len();
                draft.kept = false;
                if root.whole {
                    draft.offset += items.start * root.item_rows * root.stride;
                } else {
                    draft.root = in_chunk(draft.root, self.count, chunk);
                }
                self.drafts.push(draft);
            }
        }
    }

    /// The value of a chunk, given that of the whole batch.
    pub(super) fn of_chunk(&self, value: ValueIndex, chunk: usize) -> ValueIndex {
        if self.chunks.len() == 1 { value } else { in_chunk(value, self.count, chunk) }
    }

    /// Whether the value has a storage of its own that some call uses.
    pub(super) fn has_storage(&self, value: ValueIndex) -> bool {
        let draft = self.drafts[value];
        let unused = self.chunks.len() > 1 && value.index() < self.count && !draft.whole;
        draft.root == value && !unused
    }

    fn push(&mut self, draft: Draft) -> ValueIndex {
        // Plans have far fewer values than there are indices: a graph of that size does not fit into memory.
        let value = ValueIndex::new(self.drafts.len());
        self.drafts.push(draft);
        value
    }

    /// A value of one item's `shape` with a storage of its own.
    pub(super) fn add(&mut self, shape: &[usize]) -> ValueIndex {
        let (item_rows, cols) = matrix(shape);
        self.push(Draft {
            root: ValueIndex::new(self.drafts.len()),
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
    pub(super) fn add_flat(
        &mut self,
        floats: usize,
        contributions: usize,
        kept: bool,
    ) -> ValueIndex {
        self.push(Draft {
            root: ValueIndex::new(self.drafts.len()),
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
    pub(super) fn add_within(
        &mut self,
        shape: &[usize],
        parent: ValueIndex,
        column: usize,
    ) -> ValueIndex {
        let value = self.add(shape);
        self.put_within(value, parent, column);
        value
    }

    fn put_within(&mut self, value: ValueIndex, parent: ValueIndex, column: usize) {
        let outer = self.drafts[parent];
        let draft = &mut self.drafts[value];
        draft.root = outer.root;
        draft.offset = outer.offset + column;
        draft.stride = outer.stride;
        draft.exclusive = outer.exclusive;
    }

    /// Whether the rows touch, so that the same numbers can be seen with other axes.
    pub(super) fn is_contiguous(&self, value: ValueIndex) -> bool {
        let draft = self.drafts[value];
        draft.offset == 0 && draft.stride == draft.cols
    }

    pub(super) fn put_reshaped(&mut self, value: ValueIndex, parent: ValueIndex) {
        self.put_within(value, parent, 0);
        let draft = &mut self.drafts[value];
        draft.stride = draft.cols;
    }

    fn has_own_storage(&self, value: ValueIndex) -> bool {
        self.drafts[value].root == value
    }

    /// Consumers first: when a node is visited, its own place is settled, and it settles that of its
    /// inputs.
    fn place_activations(&mut self, graph: &Graph, mode: Mode, included: &[bool]) {
        let uses = uses(graph, included);
        for &id in graph.order.iter().rev() {
            let node = &graph.nodes[id];
            let Role::Layer(layer) = &node.role else { continue };
            let shapes = graph.input_shapes(node);
            let Some(own) = self.activations[id] else { continue };
            match layer.view(&shapes) {
                View::Reshape => {
                    let input = node.inputs[0];
                    let Some(value) = self.activations[input] else { continue };
                    if self.movable(graph, input).is_some() && self.is_contiguous(own) {
                        self.put_reshaped(value, own);
                        self.placed[id][0] = true;
                    } else if self.has_own_storage(own)
                        && !self.drafts[own].kept
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
                        if let Some(value) = self.movable(graph, input) {
                            self.put_within(value, own, column);
                            self.placed[id][number] = true;
                        }
                        column += graph.nodes[input].shape.last().copied().unwrap_or(1);
                    }
                }
                View::Computed => {
                    let Some(&input) = node.inputs.first() else { continue };
                    let may_overwrite = layer.in_place()
                        && uses[input] == 1
                        && graph.nodes[input].shape == node.shape
                        && overwritable(graph, input, mode)
                        && (mode != Mode::Training || !layer.input_grad_reads().inputs);
                    if may_overwrite && let Some(value) = self.movable(graph, input) {
                        self.put_within(value, own, 0);
                        self.placed[id][0] = true;
                    }
                }
            }
        }
    }

    /// The node's activation, if it may be put into another storage.
    fn movable(&self, graph: &Graph, id: NodeId) -> Option<ValueIndex> {
        let is_layer = matches!(graph.nodes[id].role, Role::Layer(_));
        self.activations[id]
            .filter(|&value| is_layer && self.has_own_storage(value) && !self.drafts[value].kept)
    }

    /// Floats of the storage whose root is `value`.
    pub(super) fn storage_floats(&self, value: ValueIndex) -> usize {
        let draft = self.drafts[value];
        if draft.item_rows == 0 {
            draft.floats * draft.contributions as usize
        } else {
            draft.items * draft.item_rows * draft.stride
        }
    }
}

/// The value of a chunk, of which each has `count`, given that of the whole batch.
fn in_chunk(value: ValueIndex, count: usize, chunk: usize) -> ValueIndex {
    ValueIndex::new(value.index() + count * (chunk + 1))
}

/// Whether nobody but the consumer needs the numbers that the node computed.
fn overwritable(graph: &Graph, id: NodeId, mode: Mode) -> bool {
    let node = &graph.nodes[id];
    let Role::Layer(layer) = &node.role else { return false };
    let shapes = graph.input_shapes(node);
    if layer.view(&shapes) != View::Computed {
        return false;
    }
    let reads = |reads: Reads| reads.output;
    mode != Mode::Training
        || !(reads(layer.input_grad_reads()) || graph.trains(id) && reads(layer.param_grad_reads()))
}
