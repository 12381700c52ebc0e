//! The calls that a part of a task makes.

use std::ops::Range;

use crate::context::{Call, Context, Division, Finite, Operand, Pass, Phase, Target, part_range};
use crate::flow::index::TaskIndex;
use crate::flow::policy::ReadyPart;
use crate::graph::Role;
use crate::kernels::{self, MatrixMut, MatrixRef};
use crate::layers::ParameterKind;
use crate::optimizers::MOST_STATE;
use crate::plan::TaskSplit;

use super::item_weights;
use super::state::RunState;

/// What a part writes of each item.
#[cold]
#[inline(never)]
#[allow(clippy::unnecessary_wraps)] // as the context holds it
fn window(division: Division, parts: u32, part: u32) -> Option<(Division, Range<usize>)> {
    Some((division, division.range(parts as usize, part as usize)))
}

/// Copies the gradient of an output to its part of the gradient of the input, an item of which may be one row there.
#[cold]
#[inline(never)]
fn copy_part(from: MatrixRef<'_>, mut to: MatrixMut<'_>) {
    if from.cols() == to.cols() {
        return kernels::copy(from, to);
    }
    let (cols, each) = (from.cols(), to.cols() / from.cols());
    for row in 0..from.rows() {
        let start = row % each * cols;
        to.row_mut(row / each)[start..start + cols].copy_from_slice(from.row(row));
    }
}

impl RunState {
    /// Makes every call of one part; `at` is the one under way.
    #[inline]
    pub(super) fn make_calls(&self, part: ReadyPart, at: &mut usize) -> Result<(), String> {
        if self.finite.is(Finite::Search) {
            return self.make_calls_searching(part, at);
        }
        for (number, call) in self.plan.calls_of(part.task).iter().enumerate() {
            *at = number;
            self.make(part.task, part.part, call)?;
        }
        Ok(())
    }

    /// The same, with a look at what each call reads and writes.
    #[cold]
    #[inline(never)]
    fn make_calls_searching(&self, part: ReadyPart, at: &mut usize) -> Result<(), String> {
        for (number, call) in self.plan.calls_of(part.task).iter().enumerate() {
            *at = number;
            let context = self.context(part.task, part.part, call);
            let make = || self.make(part.task, part.part, call);
            self.make_searching(&context, call, make)?;
        }
        Ok(())
    }

    /// What a call of a part sees.
    #[inline]
    fn context<'a>(&'a self, task: TaskIndex, part: u32, call: &'a Call) -> Context<'a> {
        let plan = &*self.plan;
        let node = &plan.graph.nodes[call.node];
        let described = &plan.flow.tasks[task];
        let all = described.items.len();
        let items = if described.by_items {
            part_range(described.parts as usize, part as usize, all)
        } else {
            0..all
        };
        let first_item = described.items.start() + items.start;
        let window = call.division.and_then(|division| window(division, described.parts, part));
        Context {
            tensors: &self.tensors,
            call,
            node,
            items,
            first_item,
            window,
            in_place: false,
            read_next: &[],
        }
    }

    #[allow(clippy::inline_always)]
    #[inline(always)] // a call of a tiny layer takes some 30 ns, of which a call of this would be one or two
    fn make(&self, task: TaskIndex, part: u32, call: &Call) -> Result<(), String> {
        let plan = &*self.plan;
        let node = &plan.graph.nodes[call.node];
        let mut context = self.context(task, part, call);
        let targets = call.writes.of(&plan.targets);
        match call.phase {
            Phase::Summarize => self.summarize(task, part, &context, Pass::Forward),
            Phase::SummarizeGrad => self.summarize(task, part, &context, Pass::Backward),
            Phase::Combine => self.combine(&context, Pass::Forward),
            Phase::CombineGrad => self.combine(&context, Pass::Backward),
            Phase::Forward => self.forward(&mut context),
            Phase::Prepare => self.prepare(&context),
            Phase::Accumulate => {
                if !targets[0].view {
                    self.accumulate(&context, &targets[0]);
                }
                Ok(())
            }
            Phase::InputGrad => {
                for target in targets.iter().filter(|target| !target.view) {
                    context.in_place = target.in_place;
                    let gradient = context.target(target);
                    let input = target.index;
                    if target.part {
                        copy_part(context.output_grad(), gradient);
                        continue;
                    }
                    match &node.role {
                        Role::Layer(layer) => layer.input_grad(&context, input, gradient)?,
                        Role::Loss { loss, weight } => {
                            let scale = weight / plan.layout.batch as f32;
                            loss.input_grad(&context, input, scale, gradient)?;
                            item_weights::weigh(&context, || context.target(target))?;
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Phase::ParamGrad => self.param_grad(task, part, &context, targets),
            Phase::Regularize => {
                self.regularize(task, part, call);
                Ok(())
            }
            Phase::GradNorm => {
                self.grad_norm(task, part, call);
                Ok(())
            }
            Phase::Commit => {
                self.check_losses()?;
                self.core.commit(task);
                self.clip_scale(call);
                Ok(())
            }
            Phase::Update => {
                let spec = &self.parameter(call).spec;
                match spec.kind {
                    ParameterKind::Learned => self.update(task, part, call),
                    ParameterKind::Statistic if self.finite.is(Finite::Search) => Ok(()),
                    ParameterKind::Statistic => {
                        self.move_statistic(&context);
                        Ok(())
                    }
                }
            }
        }
    }

    #[allow(clippy::inline_always)]
    #[inline(always)] // the call that tiny layers make
    pub(super) fn forward(&self, context: &mut Context<'_>) -> Result<(), String> {
        let call = context.call;
        let targets = call.writes.of(&self.plan.targets);
        let Some(target) = targets.first().filter(|target| !target.view) else {
            return Ok(());
        };
        let first = call.inputs.of(&self.plan.layout.operands).first();
        context.in_place = first.is_some_and(|operand| operand.placed);
        let output = context.target(target);
        match self.role(context) {
            Role::Layer(layer) => layer.forward(context, output),
            Role::Loss { loss, .. } => {
                loss.forward(context, output)?;
                item_weights::weigh(context, || context.target(target))
            }
            Role::Metric(metric) => metric.forward(context, output),
            Role::Input | Role::Target => Ok(()),
        }
    }

    pub(super) fn prepare(&self, context: &Context<'_>) -> Result<(), String> {
        let Role::Layer(layer) = self.role(context) else { return Ok(()) };
        let target = &context.call.writes.of(&self.plan.targets)[0];
        let operand = Operand::without_message(target.value);
        let floats = self.value(target.value).floats;
        let weights = layer.prepared_weights().ok_or("it prepares no weights")?;
        let pass = if target.index == 0 { Pass::Forward } else { Pass::Backward };
        weights.prepare(context, pass, self.flat_mut(operand, 0..floats))
    }

    /// What the node of a call computes.
    pub(super) fn role(&self, context: &Context<'_>) -> &Role {
        &self.plan.graph.nodes[context.call.node].role
    }

    /// Adds gradients in the order of the edges that they came by.
    fn accumulate(&self, context: &Context<'_>, target: &Target) {
        let operands = context.call.inputs.of(&self.plan.layout.operands);
        let onto = operands.first().is_some_and(|first| first.placed);
        let gradients = operands[usize::from(onto)..].iter();
        let gradients = gradients.map(|operand| self.rows(*operand, &context.items));
        kernels::sum(gradients, onto, context.target(target));
    }

    fn param_grad(
        &self,
        task: TaskIndex,
        part: u32,
        context: &Context<'_>,
        targets: &[Target],
    ) -> Result<(), String> {
        let Role::Layer(layer) = self.role(context) else { return Ok(()) };
        for target in targets {
            let parameter = context.node.parameters[target.index];
            let spec = &self.plan.graph.parameters[parameter].spec;
            let operand = Operand::without_message(target.value);
            let floats = self.value(target.value).floats;
            let start = |contribution: usize| contribution * floats;
            let (rows, floats) = match self.plan.split(task) {
                TaskSplit::Items => {
                    let start = start(target.contribution + part as usize);
                    (0..spec.rows(), start..start + floats)
                }
                TaskSplit::Rows => {
                    let rows = self.plan.part_range(task, part, spec.rows());
                    let (start, within) =
                        (start(target.contribution), spec.floats_of(rows.clone()));
                    (rows, start + within.start..start + within.end)
                }
            };
            if !rows.is_empty() {
                let mut arrays: [&[f32]; 1 + MOST_STATE] = Default::default();
                let read_next = self.read_by_update(task, parameter, &rows, &mut arrays);
                let (items, window) = (context.items.clone(), context.window.clone());
                let context = Context { items, window, read_next, ..*context };
                let gradient = self.flat_mut(operand, floats);
                layer.param_grad(&context, target.index, rows, gradient)?;
            }
        }
        Ok(())
    }

    /// Summarises the part's blocks of items.
    fn summarize(
        &self,
        task: TaskIndex,
        part: u32,
        context: &Context<'_>,
        pass: Pass,
    ) -> Result<(), String> {
        let Role::Layer(layer) = self.role(context) else { return Ok(()) };
        let whole = layer.whole_batch().ok_or("it summarises no batch")?;
        let target = context.call.writes.of(&self.plan.targets)[0].value;
        let value = *self.value(target);
        let blocks = value.contributions as usize;
        for block in self.plan.part_range(task, part, blocks) {
            let items = part_range(blocks, block, self.plan.layout.batch);
            let first_item = items.start;
            let context = Context { items, first_item, window: None, ..*context };
            let floats = block * value.floats..(block + 1) * value.floats;
            whole.summarize(
                &context,
                pass,
                self.flat_mut(Operand::without_message(target), floats),
            )?;
        }
        Ok(())
    }

    /// Brings the summaries of all blocks together.
    fn combine(&self, context: &Context<'_>, pass: Pass) -> Result<(), String> {
        let Role::Layer(layer) = self.role(context) else { return Ok(()) };
        let whole = layer.whole_batch().ok_or("it summarises no batch")?;
        let operand = context.call.inputs.of(&self.plan.layout.operands)[0];
        let value = *self.value(operand.value);
        let blocks = value.contributions as usize;
        let items = |block| part_range(blocks, block, self.plan.layout.batch).len();
        let summaries = self.flat(operand).chunks(value.floats).enumerate();
        let mut summaries = summaries.map(|(block, summary)| (items(block), summary));
        let target = Operand::without_message(context.call.writes.of(&self.plan.targets)[0].value);
        let summary = self.flat_mut(target, 0..value.floats);
        whole.combine(context, pass, &mut summaries, summary)
    }
}
