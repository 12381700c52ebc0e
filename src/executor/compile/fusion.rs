//! Which steps become one task.
//!
//! A step joins the task of the step before it where that is the only way on, where both can be split
//! alike, and where one of them is small: rectifiers after products, a loss and its gradient, runs of
//! tiny layers, an update after its parameter gradient. Whatever else the step waits for must be
//! done before anyway, so that joining delays nothing and can't close a cycle.

use super::PlanOptions;
use super::steps::{MOST_PARTS, StepDraft, Steps, parts};
use super::values::Values;
use crate::executor::plan::{NONE, Phase};
use crate::graph::{Graph, Role};
use crate::layers::Split;

/// With this many parts, a task keeps all cores of a machine busy.
const ENOUGH_PARTS: usize = 16;

/// Steps of one task, in order.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) steps: Vec<u32>,
    pub(super) seconds: f64,
    pub(super) split: Split,
    pub(super) units: usize,
}

struct Fusion<'a> {
    graph: &'a Graph,
    steps: &'a Steps,
    options: PlanOptions,
    groups: Vec<Group>,
    group_of: Vec<u32>,
}

/// Steps to groups; every step is in one.
pub(super) fn fuse(
    graph: &Graph,
    values: &Values,
    steps: &Steps,
    options: PlanOptions,
) -> Vec<Group> {
    let mut fusion = Fusion {
        graph,
        steps,
        options,
        groups: Vec::new(),
        group_of: vec![NONE; steps.list.len()],
    };
    for index in 0..steps.list.len() {
        let target = if options.fusion { fusion.place_for(index, values) } else { None };
        fusion.put(index, target);
    }
    fusion.groups
}

impl Fusion<'_> {
    fn put(&mut self, index: usize, target: Option<u32>) {
        let step = &self.steps.list[index];
        let group = target.unwrap_or(self.groups.len() as u32);
        self.group_of[index] = group;
        match self.groups.get_mut(group as usize) {
            Some(group) => {
                group.steps.push(index as u32);
                group.seconds += step.seconds;
                // An update takes its parameter gradient's rows, few as its own may be.
                if step.phase != Phase::Update {
                    group.units = group.units.min(step.units);
                }
            }
            None => self.groups.push(Group {
                steps: vec![index as u32],
                seconds: step.seconds,
                split: step.split,
                units: step.units,
            }),
        }
    }

    fn place_for(&self, index: usize, values: &Values) -> Option<u32> {
        let step = &self.steps.list[index];
        match step.phase {
            // What looks at a batch as a whole waits for all parts of the step before.
            Phase::Forward | Phase::InputGrad if step.summaries != [NONE; 2] => None,
            Phase::Forward => self.after_only_input(step),
            Phase::InputGrad => self.after_gradient(step, values),
            Phase::Update => self.after_param_grad(step, values),
            Phase::Combine | Phase::CombineGrad => self.after_only_block(step),
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

    /// A forward step after the one computing input, if the input has no other consumer.
    fn after_only_input(&self, step: &StepDraft) -> Option<u32> {
        let node = &self.graph.nodes[step.node];
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
        let producer = self.steps.waits_for(step).into_iter().find(|&producer| {
            let producer = &self.steps.list[producer as usize];
            producer.phase == Phase::Forward && producer.node == input
        })?;
        self.if_it_fits(self.group_of[producer as usize], step)
    }

    /// A combining step after the one that summarises, if that has one block.
    fn after_only_block(&self, step: &StepDraft) -> Option<u32> {
        let producer = self.steps.producer[step.inputs[0] as usize];
        let group = self.group_of[producer as usize];
        (self.groups[group as usize].units == 1).then_some(group)
    }

    /// A gradient step after the one computing the gradient that it passes on; a loss's gradient
    /// after the loss.
    fn after_gradient(&self, step: &StepDraft, values: &Values) -> Option<u32> {
        if let Role::Loss { .. } = self.graph.nodes[step.node].role {
            let loss = values.of_chunk(values.activations[step.node], step.chunk);
            let group = self.group_of[self.steps.producer[loss as usize] as usize];
            return self.if_it_fits(group, step);
        }
        if !step.after.is_empty() {
            // It waits for more than the gradient, which may wait for the group itself.
            return None;
        }
        let producer = self.steps.producer[step.output_grad as usize];
        if self.steps.list[producer as usize].writes.len() > 1 {
            // Several ways on, which can go side by side.
            return None;
        }
        self.if_it_fits(self.group_of[producer as usize], step)
    }

    /// An update after its parameter gradient, if the parameter has only that one, is not clipped by a
    /// norm, and every step that can fail belongs to the forward phase: else the gradient would wait
    /// for the whole backward phase.
    fn after_param_grad(&self, step: &StepDraft, values: &Values) -> Option<u32> {
        let &[gradient] = step.inputs.as_slice() else { return None };
        if step.norm != NONE {
            return None;
        }
        let producer = self.steps.producer[gradient as usize] as usize;
        debug_assert_eq!(self.steps.list[producer].phase, Phase::ParamGrad);
        let commit = &self.steps.list[step.commit as usize];
        let fails_in_backward = commit.after.iter().any(|&before| {
            let before = &self.steps.list[before as usize];
            !matches!(before.phase, Phase::Forward | Phase::Prepare)
        });
        let split = self.steps.list[producer].split;
        let sums = values.chunks.len() * self.steps.contributions[producer];
        let by_chunk = split == Split::Items || self.options.micro_batches.is_some();
        let whole = !by_chunk || sums <= 1;
        (whole && !fails_in_backward).then_some(self.group_of[producer])
    }

    fn if_it_fits(&self, group: u32, step: &StepDraft) -> Option<u32> {
        let into = &self.groups[group as usize];
        let alike = into.split == Split::Items && step.split == Split::Items;
        let small = step.seconds <= 0.25 * into.seconds
            || into.seconds <= 0.25 * step.seconds
            || into.seconds + step.seconds <= self.options.grain;
        // Nor does a step join that can be split less.
        let apart = parts(into.seconds, into.units, self.options);
        let together = parts(into.seconds + step.seconds, into.units.min(step.units), self.options);
        // Where both have as many parts as there can be, parts gain nothing from waiting for all
        // parts of the step before: their own rows are in the cache.
        let most = step.units.clamp(1, MOST_PARTS);
        let both_split = apart == most
            && most >= ENOUGH_PARTS
            && into.units == step.units
            && parts(step.seconds, step.units, self.options) == most;
        (alike && (small || both_split) && together >= apart).then_some(group)
    }
}
