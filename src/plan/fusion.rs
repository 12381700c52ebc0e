//! Which calls become one task.
//!
//! A call joins the task of the call before it where that is the only way on, where both can be split
//! alike, and where one of them is small or hardly computes: rectifiers after products, pooling and its gradient, a loss
//! and its gradient, runs of tiny layers, an update after its parameter gradient. Whatever else the call waits for must be
//! done before anyway, so that joining delays nothing and can't close a cycle.

use super::PlanOptions;
use super::calls::{CallDraft, CallIndex, Calls, MOST_PARTS, arithmetic, parts};
use super::values::Values;
use crate::context::{Division, Phase};
use crate::flow::index::index_types;
use crate::graph::{Graph, Role};
use crate::layers::{ItemSplit, Split};

/// With this many parts, a task keeps all cores of a machine busy.
const ENOUGH_PARTS: usize = 16;

index_types! {
    /// A group of calls, by the order in which groups are begun.
    pub(super) GroupIndex;
}

/// Calls of one task, in order.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) calls: Vec<CallIndex>,
    pub(super) seconds: f64,
    pub(super) flops: f64,
    pub(super) split: Split,
    pub(super) units: usize,
    /// As its first call has it.
    pub(super) division: Option<(Division, usize)>,
}

struct Fusion<'a> {
    graph: &'a Graph,
    calls: &'a Calls,
    options: PlanOptions,
    groups: Vec<Group>,
    /// By call, of those that have been put into one.
    group_of: Vec<GroupIndex>,
}

/// Calls to groups; every call is in one.
pub(super) fn fuse(
    graph: &Graph,
    values: &Values,
    calls: &Calls,
    options: PlanOptions,
) -> Vec<Group> {
    let mut fusion = Fusion {
        graph,
        calls,
        options,
        groups: Vec::new(),
        group_of: Vec::with_capacity(calls.list.len()),
    };
    for call in CallIndex::below(calls.list.len()) {
        let target = if options.fusion { fusion.place_for(call, values) } else { None };
        fusion.put(call, target);
    }
    fusion.groups
}

impl Fusion<'_> {
    fn put(&mut self, index: CallIndex, target: Option<GroupIndex>) {
        let call = &self.calls.list[index];
        self.group_of.push(target.unwrap_or(GroupIndex::new(self.groups.len())));
        match target.map(|target| &mut self.groups[target]) {
            Some(group) => {
                group.calls.push(index);
                group.seconds += call.seconds;
                group.flops += call.flops;
                // An update takes its parameter gradient's rows, few as its own may be.
                if call.phase != Phase::Update {
                    group.units = group.units.min(call.units);
                }
            }
            None => self.groups.push(Group {
                calls: vec![index],
                seconds: call.seconds,
                flops: call.flops,
                split: call.split,
                units: call.units,
                division: call.division,
            }),
        }
    }

    fn place_for(&self, index: CallIndex, values: &Values) -> Option<GroupIndex> {
        let call = &self.calls.list[index];
        match call.phase {
            // What looks at a batch as a whole waits for all parts of the call before.
            Phase::Forward | Phase::InputGrad if call.summaries != [None; 2] => None,
            Phase::Forward => self.after_only_input(call),
            Phase::InputGrad => self.after_gradient(call, values),
            Phase::Update => self.after_param_grad(call, values),
            Phase::Combine | Phase::CombineGrad => self.after_only_block(call),
            Phase::Accumulate
            | Phase::Summarize
            | Phase::SummarizeGrad
            | Phase::ParamGrad
            | Phase::Prepare
            | Phase::Regularize
            | Phase::GradNorm
            | Phase::Commit => None,
        }
    }

    /// A forward call after the one computing input, if the input has no other consumer.
    fn after_only_input(&self, call: &CallDraft) -> Option<GroupIndex> {
        let node = &self.graph.nodes[call.node];
        let mut only = None;
        for &input in &node.inputs {
            if matches!(self.graph.nodes[input].role, Role::Input | Role::Target) {
                continue;
            }
            if only.replace(input).is_some() {
                return None;
            }
        }
        let input = only?;
        if self.graph.consumers[input].len() != 1 {
            return None;
        }
        let producer = self.calls.waits_for(call).into_iter().find(|&producer| {
            let producer = &self.calls.list[producer];
            producer.phase == Phase::Forward && producer.node == input
        })?;
        self.if_it_fits(self.group_of[producer], call)
    }

    /// A combining call after the one that summarises, if that has one block.
    fn after_only_block(&self, call: &CallDraft) -> Option<GroupIndex> {
        let producer = self.calls.producer[call.inputs[0]]?;
        let group = self.group_of[producer];
        (self.groups[group].units == 1).then_some(group)
    }

    /// A gradient call after the one computing the gradient that it passes on; a loss's gradient
    /// after the loss.
    fn after_gradient(&self, call: &CallDraft, values: &Values) -> Option<GroupIndex> {
        if let Role::Loss { .. } = self.graph.nodes[call.node].role {
            let loss = values.of_chunk(values.activations[call.node]?, call.chunk);
            return self.if_it_fits(self.group_of[self.calls.producer[loss]?], call);
        }
        if !call.after.is_empty() {
            // It waits for more than the gradient, which may wait for the group itself.
            return None;
        }
        let producer = self.calls.producer[call.output_grad?]?;
        if self.calls.list[producer].writes.len() > 1 {
            // Several ways on, which can go side by side.
            return None;
        }
        self.if_it_fits(self.group_of[producer], call)
    }

    /// An update after its parameter gradient, if the parameter has only that one, is not clipped by a
    /// norm, and every call that can fail belongs to the forward phase: else the gradient would wait
    /// for the whole backward phase.
    fn after_param_grad(&self, call: &CallDraft, values: &Values) -> Option<GroupIndex> {
        let &[gradient] = call.inputs.as_slice() else { return None };
        if call.norm.is_some() {
            return None;
        }
        let producer = self.calls.producer[gradient]?;
        debug_assert_eq!(self.calls.list[producer].phase, Phase::ParamGrad);
        let commit = &self.calls.list[call.commit?];
        let fails_in_backward = commit.after.iter().any(|&before| {
            let before = &self.calls.list[before];
            !matches!(before.phase, Phase::Forward | Phase::Prepare)
        });
        let split = self.calls.list[producer].split;
        let sums = values.chunks.len() * self.calls.contributions[producer];
        let by_chunk = split == Split::Items || self.options.micro_batches.is_some();
        let whole = !by_chunk || sums <= 1;
        (whole && !fails_in_backward).then_some(self.group_of[producer])
    }

    fn if_it_fits(&self, group: GroupIndex, call: &CallDraft) -> Option<GroupIndex> {
        let into = &self.groups[group];
        if into.division.is_some() || call.division.is_some() {
            return self.is_divided_alike(into, call).then_some(group);
        }
        let alike = into.split == Split::Items && call.split == Split::Items;
        let small = call.seconds <= 0.25 * into.seconds
            || into.seconds <= 0.25 * call.seconds
            || into.seconds + call.seconds <= self.options.grain;
        // Nor does a call join that can be split less.
        let apart = parts(into.seconds, into.units, self.options);
        let together = parts(into.seconds + call.seconds, into.units.min(call.units), self.options);
        // Where both have as many parts as there can be, parts gain nothing from waiting for all
        // parts of the call before: their own rows are in the cache.
        let most = call.units.clamp(1, MOST_PARTS);
        let both_split = apart == most
            && most >= ENOUGH_PARTS
            && into.units == call.units
            && parts(call.seconds, call.units, self.options) == most;
        // What moves numbers and hardly computes finds them in a cache if it goes on with a part.
        let moves = |seconds, flops| arithmetic(flops) <= 0.25 * seconds;
        let moves = (moves(into.seconds, into.flops) || moves(call.seconds, call.flops))
            && together >= parts(call.seconds, call.units, self.options);
        (alike && (small || both_split || moves) && together >= apart).then_some(group)
    }

    /// Whether the parts of a group that is divided within items can go on with a call: it works on the same
    /// places, of which they have just made the numbers, or it computes nothing.
    fn is_divided_alike(&self, group: &Group, call: &CallDraft) -> bool {
        let (first, node) = (&self.calls.list[group.calls[0]], &self.graph.nodes[call.node]);
        let Role::Layer(layer) = &node.role else { return false };
        group.division.is_some()
            && call.division.is_none()
            && node.shape == self.graph.nodes[first.node].shape
            && layer.item_split(&self.graph.input_shapes(node), self.options.numerics())
                == ItemSplit::SamePlace
    }
}
