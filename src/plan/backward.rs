//! The calls of the backward phase: sums of gradients, input gradients and parameter gradients.

use std::ops::Range;

use super::calls::{CallDraft, CallIndex, Lister, SMALLEST_ROWS, Write, parts, seconds};
use crate::context::Phase;
use crate::flow::index::ValueIndex;
use crate::graph::{NodeId, Role};
use crate::layers::{Cost, ParameterKind, Pass, Reads, Split};

/// The most nodes that share parameters whose gradients are summed in one call: more could keep workers waiting.
const MOST_USERS: usize = 8;

/// Nodes that share parameters, whose gradients a call can sum over several of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    /// How many there are.
    pub(super) all: usize,
    /// How many of them have come in the chunk at hand.
    pub(super) came: usize,
    /// Those among them that no call has yet.
    pub(super) waiting: Vec<NodeId>,
}

impl Lister<'_> {
    /// The gradients of a node in the chunk at hand.
    pub(super) fn backward(&mut self, id: NodeId) {
        let values = self.values;
        let gradient = self.output_grad(id);
        let received: Vec<ValueIndex> =
            values.received[id].iter().map(|&it| self.here(it)).collect();
        if let Some(gradient) = gradient
            && received.len() > 1
        {
            let mut call = self.draft(Phase::Accumulate, id);
            let draft = values.drafts[gradient];
            let first = values.drafts[received[0]];
            let tiled = values.tiled[id];
            let in_place = draft.root == first.root;
            let placed = |number| tiled || in_place && number == 0;
            call.placed = (0..received.len()).map(placed).collect();
            call.writes.push(Write { in_place, view: tiled, ..Write::new(gradient) });
            let numbers = self.items.len() * draft.item_rows * draft.cols * received.len();
            let floats = numbers as f64;
            let sum = Cost { flops: floats, floats: 1.5 * floats };
            call.seconds = seconds(if tiled { Cost::default() } else { sum });
            call.after = self.awaited_with(&received);
            call.inputs = received;
            self.calls.push(call);
        }
        if gradient.is_some() {
            self.summarize(id, Pass::Backward);
        }
        // The input gradient first: it is what others wait for.
        let input_grad = (!values.contributions[id].is_empty()).then(|| self.input_grad(id));
        if gradient.is_some()
            && self.graph.trains(id)
            && (self.by_chunk(self.param_split(id)) || values.chunks.len() == 1)
        {
            let own = self.param_grad(id);
            if let (false, Some(input), Some(own)) = (self.options.split_backward, input_grad, own)
            {
                // One after the other, as within one task.
                self.calls.list[own].after.push(input);
                self.joined.resize(input.index() + 1, None);
                self.joined[input] = Some(own);
            }
        }
    }

    /// The parameter gradients that are awaited together with these gradients.
    fn awaited_with<'a>(
        &self,
        gradients: impl IntoIterator<Item = &'a ValueIndex>,
    ) -> Vec<CallIndex> {
        let producers = gradients.into_iter().filter_map(|&value| self.calls.producer[value]);
        producers.filter_map(|call| self.joined.get(call.index()).copied().flatten()).collect()
    }

    fn param_split(&self, id: NodeId) -> Split {
        match &self.graph.nodes[id].role {
            Role::Layer(layer) => layer.param_split(&self.input_shapes(id)),
            _ => Split::Whole,
        }
    }

    /// Whether every chunk has a parameter gradient of its own, rather than one the whole batch.
    fn by_chunk(&self, split: Split) -> bool {
        split == Split::Items || self.options.micro_batches.is_some()
    }

    /// A parameter gradient that is not summed over items goes over the whole batch, once all chunks
    /// have come so far.
    pub(super) fn whole_param_grad(&mut self, id: NodeId) {
        if self.graph.trains(id)
            && self.values.gradients[id].is_some()
            && self.param_split(id) != Split::Items
        {
            self.param_grad(id);
        }
    }

    fn input_grad(&mut self, id: NodeId) -> CallIndex {
        let node = &self.graph.nodes[id];
        let mut call = self.draft(Phase::InputGrad, id);
        call.output_grad = self.output_grad(id);
        call.summaries = self.summaries[id];
        call.after = self.awaited_with(&call.output_grad);
        match &node.role {
            Role::Layer(layer) => {
                call.split = layer.split();
                call.units = self.items.len() / layer.smallest_part(&self.input_shapes(id)).max(1);
                self.read(&mut call, id, layer.input_grad_reads());
                call.prepared = self.prepare(&call, Pass::Backward);
            }
            Role::Loss { loss, .. } => {
                let reads = loss.input_grad_reads();
                let weighted = node.inputs.len() > 2;
                self.read(&mut call, id, Reads { inputs: reads.inputs || weighted, ..reads });
            }
            Role::Input | Role::Target | Role::Metric(_) => {}
        }
        call.writes.extend(self.values.contributions[id].iter().map(|contribution| Write {
            value: self.here(contribution.value),
            index: contribution.input,
            contribution: 0,
            in_place: contribution.in_place,
            view: contribution.view,
            part: contribution.part,
        }));
        if call.writes.iter().all(|write| write.view) {
            call.seconds = 1e-7;
            call.inputs.clear();
            call.output = None;
        } else if call.writes.iter().all(|write| write.part) {
            let floats: usize = node.shape.iter().product::<usize>() * self.items.len();
            call.seconds = seconds(Cost { flops: 0.0, floats: 2.0 * floats as f64 });
        } else {
            self.estimate(&mut call);
        }
        self.calls.push(call)
    }

    /// The call of the parameter gradients of a node; of nodes that share parameters, it may be that of several, and comes
    /// with the last of them.
    fn param_grad(&mut self, id: NodeId) -> Option<CallIndex> {
        let node = &self.graph.nodes[id];
        let Role::Layer(layer) = &node.role else { return None };
        let others = self.other_users(id)?;
        let mut call = self.param_grad_draft(id);
        for &other in &others {
            let other = self.param_grad_draft(other);
            call.seconds += other.seconds;
            call.flops += other.flops;
            call.after.extend(other.after);
            call.other_users.extend(other.inputs);
            call.other_users.extend(other.output_grad);
        }
        call.split = layer.param_split(&self.input_shapes(id));
        let rows = |&parameter: &usize| self.graph.parameters[parameter].spec.rows();
        if call.split == Split::Rows {
            call.units = node.parameters.iter().map(rows).max().unwrap_or(1) / SMALLEST_ROWS;
        }
        let specs = node.parameters.iter().map(|&parameter| &self.graph.parameters[parameter].spec);
        let floats: Vec<Option<usize>> = specs
            .map(|spec| (spec.kind == ParameterKind::Learned).then(|| spec.floats()))
            .collect();
        let by_items = call.split == Split::Items;
        let by_chunk = self.by_chunk(call.split);
        let contributions = match self.calls.param_grads[id].first() {
            Some(&first) => self.calls.contributions[first],
            None if by_items => {
                // Every part writes sums as large as the parameter, which are then read and added:
                // a part must be worth that.
                let traffic = 2.0 * floats.iter().flatten().sum::<usize>() as f64 / 2e9;
                // Other sums stay in the part's caches.
                let shapes = self.input_shapes(id);
                let sums = layer.param_grad_sums(&shapes, self.options.numerics()) as f64 / 8e9;
                let grain = self.options.grain.max(10.0 * (traffic + sums));
                // The last chunk may have an item less than the first.
                let least = self.values.chunks.iter().map(Range::len).min().unwrap_or(1);
                parts(call.seconds, least, self.options.grain(grain))
            }
            None => 1,
        };
        if self.calls.parameter_gradients[id].is_empty() {
            let chunks = if by_chunk { self.values.chunks.len() } else { 1 };
            for &floats in &floats {
                let kept = self.options.keep_gradients;
                let value =
                    floats.map(|floats| self.calls.add_flat(floats, chunks * contributions, kept));
                self.calls.parameter_gradients[id].push(value);
            }
        }
        let contribution = if by_chunk { self.chunk * contributions } else { 0 };
        let values = self.calls.parameter_gradients[id].iter().enumerate();
        call.writes.extend(values.filter_map(|(index, &value)| {
            Some(Write { index, contribution, ..Write::new(value?) })
        }));
        let index = self.calls.push(call);
        self.calls.contributions.resize(index.index() + 1, 0);
        self.calls.contributions[index] = contributions;
        self.calls.param_grads[id].push(index);
        Some(index)
    }

    /// What the parameter gradients of one node wait for, read and take.
    fn param_grad_draft(&self, id: NodeId) -> CallDraft {
        let mut call = self.draft(Phase::ParamGrad, id);
        let Role::Layer(layer) = &self.graph.nodes[id].role else { return call };
        call.output_grad = self.output_grad(id);
        call.summaries = self.summaries[id];
        self.read(&mut call, id, layer.param_grad_reads());
        if self.chunk == self.values.chunks.len() {
            self.wait_for_all_chunks(&mut call);
        } else {
            call.after = self.awaited_with(&call.output_grad);
        }
        // With a summary of the batch, there is little to be done.
        match call.summaries[1] {
            None => self.estimate(&mut call),
            Some(_) => call.seconds = seconds(Cost::default()),
        }
        call
    }

    /// Whether the parameter gradients of a node can be summed with those of others that share the parameters.
    fn sums(&self, id: NodeId) -> bool {
        match &self.graph.nodes[id].role {
            Role::Layer(layer) => {
                layer.sums_param_grads(&self.input_shapes(id), self.options.numerics())
            }
            _ => false,
        }
    }

    /// The node whose parameters a node uses, which may be its own.
    pub(super) fn owner(&self, id: NodeId) -> NodeId {
        self.graph.shares(id).unwrap_or(id)
    }

    /// Counts the nodes whose parameter gradients can be summed, before any of them comes.
    pub(super) fn count_users(&mut self) {
        for id in 0..self.graph.nodes.len() {
            if self.values.gradients[id].is_some() && self.graph.trains(id) && self.sums(id) {
                self.calls.users.entry(self.owner(id)).or_default().all += 1;
            }
        }
    }

    /// The nodes whose parameter gradients are summed together with those of a node; none while others are to come that
    /// will be, too. An own call for each of many nodes would write, and others read, as many arrays as large as the
    /// parameters.
    fn other_users(&mut self, id: NodeId) -> Option<Vec<NodeId>> {
        if !self.sums(id) {
            return Some(Vec::new());
        }
        let owner = self.owner(id);
        let Some(users) = self.calls.users.get_mut(&owner) else { return Some(Vec::new()) };
        users.came += 1;
        let is_last = users.came == users.all;
        if is_last {
            // The next chunk begins anew.
            users.came = 0;
        }
        if !is_last && users.waiting.len() + 1 < MOST_USERS {
            users.waiting.push(id);
            return None;
        }
        Some(std::mem::take(&mut users.waiting))
    }

    /// Values of the whole batch have no call of their own: those of the chunks write them.
    fn wait_for_all_chunks(&self, call: &mut CallDraft) {
        let values = [call.output, call.output_grad].into_iter().flatten();
        for value in call.inputs.iter().copied().chain(values) {
            for chunk in 0..self.values.chunks.len() {
                let value = self.values.of_chunk(value, chunk);
                call.after.extend(self.calls.producer[value]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::context::Mode;
    use crate::graph::{Block, Graph, GraphBuilder};
    use crate::layers::{Dense, Flatten, Slice, Tanh};
    use crate::losses::MeanSquaredError;
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::{Plan, PlanOptions};

    /// As many layers with one set of parameters.
    fn repeated(times: usize) -> Arc<Graph> {
        let step = Block::new("step", |net, inputs| [net.layer("dense", Dense::new(3), inputs)]);
        let mut net = GraphBuilder::new("repeated");
        let (mut last, y) = (vec![net.input("x", [3])], net.target("y", [3]));
        for time in 0..times {
            let name = format!("step{time}");
            last = match time {
                0 => net.block(name, &step, &last),
                _ => net.shared_block(name, &step, &last, "step0"),
            };
        }
        net.loss("loss", MeanSquaredError, [&last[0], &y]);
        Arc::new(net.build().unwrap())
    }

    #[test]
    fn gradients_of_parts_that_make_up_a_whole_lie_side_by_side() {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
        for (shape, axis, parts, tiled) in [
            (&[4, 3][..], 0, &[(0, 1), (1, 1), (2, 1), (3, 1)][..], true),
            (&[4, 3], 0, &[(2, 2), (0, 2)], true),
            (&[4, 3], 1, &[(1, 2), (0, 1)], true),
            (&[7], -1, &[(0, 3), (3, 4)], true),
            (&[2, 4, 3], -1, &[(0, 1), (1, 2)], true),
            (&[1, 4, 3], 1, &[(0, 3), (3, 1)], true),
            // Neither in one piece nor columns.
            (&[2, 4, 3], 1, &[(0, 3), (3, 1)], false),
            // With a gap, and one upon the other.
            (&[4, 3], 0, &[(0, 1), (2, 2)], false),
            (&[4, 3], 0, &[(0, 3), (2, 2)], false),
            (&[4, 3], 0, &[(0, 3)], false),
        ] {
            let mut net = GraphBuilder::new("parts");
            let x = net.input("x", shape);
            let before = net.layer("before", Tanh, [&x]);
            let part = |&(start, length): &(usize, usize)| (start, length);
            for (number, (start, length)) in parts.iter().map(part).enumerate() {
                let slice = Slice::new(axis, start, length);
                let slice = net.layer(format!("slice{number}"), slice, [&before]);
                let flat = net.layer(format!("flat{number}"), Flatten, [&slice]);
                let logit = net.layer(format!("logit{number}"), Dense::new(2), [&flat]);
                let y = net.target(format!("y{number}"), [2]);
                net.loss(format!("loss{number}"), MeanSquaredError, [&logit, &y]);
            }
            let graph = Arc::new(net.build().unwrap());
            let options = PlanOptions::gradients();
            let plan = Plan::compile(&graph, Mode::Training, 4, &optimizer, options).unwrap();
            let found = plan.targets.iter().filter(|target| target.part).count();
            assert_eq!(found, if tiled { parts.len() } else { 0 }, "{shape:?} {axis} {parts:?}");
        }
    }

    #[test]
    fn eight_nodes_that_share_parameters_share_a_place_for_their_gradients() {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
        for (times, places) in [(1, 1), (2, 1), (8, 1), (9, 2), (20, 3)] {
            for micro_batches in [None, Some(2)] {
                let options = PlanOptions::gradients().micro_batches(micro_batches);
                let graph = repeated(times);
                let plan = Plan::compile(&graph, Mode::Training, 4, &optimizer, options).unwrap();
                let found: Vec<usize> = plan.parameter_gradients.iter().map(Vec::len).collect();
                assert_eq!(found, [places, places], "{times}, {micro_batches:?}");
            }
        }
    }
}
