//! What a layer sees of a run, and the calls that a part of a task makes.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::memory;
use super::plan::{Mode, Operand, Phase, Step, Target, TaskSplit, part_range};
use super::state::RunState;
use crate::graph::{Node, Role};
use crate::kernels::{self, MatrixMut, MatrixRef, Panels};
use crate::layers::{ParameterKind, Pass};
use crate::optimizers::MOST_STATE;
use crate::random;

/// What a layer, loss or metric sees of a run: the rows of its part's items, and its parameters.
#[derive(Debug)]
pub struct Context<'a> {
    run: &'a RunState,
    pub(super) step: &'a Step,
    pub(super) node: &'a Node,
    /// Of the task's chunk.
    items: Range<usize>,
    /// Of the batch.
    first_item: usize,
    in_place: bool,
    read_next: &'a [&'a [f32]],
}

impl<'a> Context<'a> {
    /// Items of the batch in this part.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// The first of them, counted within the batch.
    pub fn first_item(&self) -> usize {
        self.first_item
    }

    /// What the plan is for; layers may act differently in training.
    pub fn mode(&self) -> Mode {
        self.run.plan.mode
    }

    /// A key for random numbers that follows from the run's seed, the node's name and the step, and
    /// from nothing else: forward and backward of one step have the same.
    pub fn random_key(&self) -> u64 {
        let seed = self.run.seed.load(Ordering::Relaxed);
        let step = self.run.step.load(Ordering::Relaxed);
        random::key(&[seed, random::hash(&self.node.name), step])
    }

    /// Items of the whole batch.
    pub fn batch(&self) -> usize {
        self.run.plan.batch
    }

    /// In the gradient of a parameter: what the step after it reads, laid out as the gradient is, so that a
    /// kernel can ask for it early; nothing where that step is another task's.
    pub fn read_next(&self) -> &'a [&'a [f32]] {
        self.read_next
    }

    /// How many inputs the node has.
    pub fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    /// The shape of one item of input number `input`.
    pub fn input_shape(&self, input: usize) -> &'a [usize] {
        &self.run.plan.graph.nodes[self.node.inputs[input]].shape
    }

    /// The shape of one item of the node's output.
    pub fn output_shape(&self) -> &'a [usize] {
        &self.node.shape
    }

    /// The part's rows of input number `input`. In gradients, only if the layer says that it reads
    /// its inputs.
    pub fn input(&self, input: usize) -> MatrixRef<'a> {
        let operands = &self.run.plan.operands[self.step.inputs.range()];
        self.run.rows(operands[input], &self.items)
    }

    /// The part's rows of the node's own activation, in gradients of layers that say so.
    pub fn output(&self) -> MatrixRef<'a> {
        self.run.rows(self.step.output, &self.items)
    }

    /// The part's rows of the gradient of the node's output.
    pub fn output_grad(&self) -> MatrixRef<'a> {
        self.run.rows(self.step.output_grad, &self.items)
    }

    /// Whether the output lies over the first input (forward), or the gradient of the input over
    /// that of the output (backward): what is to be written holds what is to be read, which must not
    /// be asked for.
    pub fn in_place(&self) -> bool {
        self.in_place
    }

    /// Whether input number `input` already lies in the output where it belongs.
    pub fn is_placed(&self, input: usize) -> bool {
        self.run.plan.operands[self.step.inputs.range()][input].placed
    }

    /// Parameter number `parameter` of the node, as it lies in memory.
    pub fn parameter(&self, parameter: usize) -> &'a [f32] {
        let index = self.node.parameters[parameter];
        // SAFETY: the plan orders updates after every task that reads the weights in this step.
        unsafe { self.run.parameters.entries[index].weights.as_slice() }
    }

    /// Parameter number `parameter` of the node, which asked for panels in one group.
    pub fn panels(&self, parameter: usize) -> Panels<'a> {
        self.group_panels(parameter, 0)
    }

    /// One group of parameter number `parameter` of the node, which asked for panels.
    pub fn group_panels(&self, parameter: usize, group: usize) -> Panels<'a> {
        let index = self.node.parameters[parameter];
        let described = &self.run.plan.graph.parameters[index];
        memory::panels(described, self.parameter(parameter), group)
    }

    /// What [`crate::layers::PreparedWeights::prepare`] wrote.
    pub fn prepared(&self) -> &'a [f32] {
        self.run.flat(self.step.prepared)
    }

    /// What [`crate::layers::WholeBatch::combine`] wrote for this step: of the forward pass, or, in the
    /// gradients, of the backward pass too. Nothing outside training, and in layers that do not train.
    pub fn summary(&self, pass: Pass) -> Option<&'a [f32]> {
        let operand = self.step.summaries[pass as usize];
        (operand.value != super::plan::NONE).then(|| self.run.flat(operand))
    }

    fn target(&self, target: &Target) -> MatrixMut<'a> {
        self.run.rows_mut(target.value, &self.items)
    }
}

// The few lines where a run's buffers are split into the rows that each part may touch.
impl RunState {
    /// The rows of `items` of a value that a step reads.
    pub(super) fn rows(&self, operand: Operand, items: &Range<usize>) -> MatrixRef<'_> {
        let value = self.value(operand.value);
        let start = value.offset + items.start * value.item_rows * value.stride;
        let rows = items.len() * value.item_rows;
        // SAFETY: the storage is as large as the plan says, and held until this task is done; its
        // writers came before, since the value's message did.
        unsafe {
            let first = self.base_of(operand).add(start);
            MatrixRef::from_raw(first, rows, value.cols, value.stride)
        }
    }

    /// The rows of `items` of a value that a step writes.
    fn rows_mut(&self, value: u32, items: &Range<usize>) -> MatrixMut<'_> {
        let described = *self.value(value);
        let start = described.offset + items.start * described.item_rows * described.stride;
        let rows = items.len() * described.item_rows;
        let operand = Operand { value, slot: super::plan::NONE, placed: false };
        // SAFETY: as above; a value has one writer, its parts write the rows of different items,
        // values in one storage have different columns, and where a value lies over one that is
        // read, the reader is this step alone.
        unsafe {
            let first = self.base_of(operand).add(start);
            MatrixMut::from_raw(first, rows, described.cols, described.stride)
        }
    }

    /// A value without a batch axis that a step reads.
    pub(super) fn flat(&self, operand: Operand) -> &[f32] {
        let value = self.value(operand.value);
        let floats = value.floats * value.contributions as usize;
        // SAFETY: as for `rows`.
        unsafe { std::slice::from_raw_parts(self.base_of(operand), floats) }
    }

    /// A range of a value without a batch axis, to write.
    #[allow(clippy::mut_from_ref)] // which range belongs to whom is the plan's, as for `rows_mut`
    pub(super) fn flat_mut(&self, operand: Operand, range: Range<usize>) -> &mut [f32] {
        // SAFETY: as for `rows_mut`: every part has its own contribution or its own rows.
        unsafe {
            let first = self.base_of(operand).add(range.start);
            std::slice::from_raw_parts_mut(first, range.len())
        }
    }

    /// Makes every call of one part; an error or a panic becomes a failure.
    pub(super) fn compute(&self, task: usize, part: u32) {
        let mut at = 0;
        let calls = catch_unwind(AssertUnwindSafe(|| {
            for step in self.plan.tasks[task].steps.range() {
                at = step;
                self.call(task, part, &self.plan.steps[step])?;
            }
            Ok::<(), String>(())
        }));
        match calls {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => self.fail(task, part, at, &cause),
            Err(panic) => self.fail(task, part, at, &describe_panic(panic.as_ref())),
        }
    }

    fn call(&self, task: usize, part: u32, step: &Step) -> Result<(), String> {
        let plan = &*self.plan;
        let node = &plan.graph.nodes[step.node as usize];
        let items = match plan.tasks[task].split {
            TaskSplit::Items => plan.part_range(task, part, plan.tasks[task].items as usize),
            TaskSplit::Rows => 0..plan.tasks[task].items as usize,
        };
        let first_item = plan.tasks[task].first_item as usize + items.start;
        let mut context =
            Context { run: self, step, node, items, first_item, in_place: false, read_next: &[] };
        let targets = &plan.targets[step.writes.range()];
        match step.phase {
            Phase::Summarize => self.summarize(task, part, &context, Pass::Forward),
            Phase::SummarizeGrad => self.summarize(task, part, &context, Pass::Backward),
            Phase::Combine => self.combine(&context, Pass::Forward),
            Phase::CombineGrad => self.combine(&context, Pass::Backward),
            Phase::Forward => {
                let Some(target) = targets.first().filter(|target| !target.view) else {
                    return Ok(());
                };
                context.in_place = plan.operands[step.inputs.range()]
                    .first()
                    .is_some_and(|operand| operand.placed);
                let output = context.target(target);
                match &node.role {
                    Role::Layer(layer) => layer.forward(&context, output),
                    Role::Loss { loss, .. } => loss.forward(&context, output),
                    Role::Metric(metric) => metric.forward(&context, output),
                    Role::Input | Role::Target => Ok(()),
                }
            }
            Phase::Prepare => match &node.role {
                Role::Layer(layer) => {
                    let operand = written(targets[0].value);
                    let floats = self.value(operand.value).floats;
                    let weights = layer.prepared_weights().ok_or("it prepares no weights")?;
                    weights.prepare(&context, self.flat_mut(operand, 0..floats))
                }
                _ => Ok(()),
            },
            Phase::Accumulate => {
                self.accumulate(&context, &targets[0]);
                Ok(())
            }
            Phase::InputGrad => {
                for target in targets.iter().filter(|target| !target.view) {
                    context.in_place = target.in_place;
                    let gradient = context.target(target);
                    let input = target.index as usize;
                    match &node.role {
                        Role::Layer(layer) => layer.input_grad(&context, input, gradient)?,
                        Role::Loss { loss, weight } => {
                            let scale = weight / plan.batch as f32;
                            loss.input_grad(&context, input, scale, gradient)?;
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Phase::ParamGrad => self.param_grad(task, part, &context, targets),
            Phase::Regularize => {
                self.regularize(task, part, step);
                Ok(())
            }
            Phase::GradNorm => {
                self.grad_norm(task, part, step);
                Ok(())
            }
            Phase::Commit => {
                self.commit(task);
                self.clip_scale(step);
                Ok(())
            }
            Phase::Update => {
                let spec = &plan.graph.parameters[step.parameter as usize].spec;
                match spec.kind {
                    ParameterKind::Learned => self.update(task, part, step),
                    ParameterKind::Statistic => {
                        self.move_statistic(&context);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Adds gradients in the order of the edges that they came by.
    fn accumulate(&self, context: &Context<'_>, target: &Target) {
        let operands = &self.plan.operands[context.step.inputs.range()];
        let onto = operands.first().is_some_and(|first| first.placed);
        let gradients = operands[usize::from(onto)..].iter();
        let gradients = gradients.map(|operand| self.rows(*operand, &context.items));
        kernels::sum(gradients, onto, context.target(target));
    }

    fn param_grad(
        &self,
        task: usize,
        part: u32,
        context: &Context<'_>,
        targets: &[Target],
    ) -> Result<(), String> {
        let Role::Layer(layer) = &context.node.role else { return Ok(()) };
        for target in targets {
            let parameter = context.node.parameters[target.index as usize];
            let spec = &self.plan.graph.parameters[parameter].spec;
            let operand = written(target.value);
            let floats = self.value(target.value).floats;
            let start = |contribution: u32| contribution as usize * floats;
            let (rows, floats) = match self.plan.tasks[task].split {
                TaskSplit::Items => {
                    let start = start(target.contribution + part);
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
                let context = Context { read_next, items: context.items.clone(), ..*context };
                let gradient = self.flat_mut(operand, floats);
                layer.param_grad(&context, target.index as usize, rows, gradient)?;
            }
        }
        Ok(())
    }

    /// Summarises the part's blocks of items.
    fn summarize(
        &self,
        task: usize,
        part: u32,
        context: &Context<'_>,
        pass: Pass,
    ) -> Result<(), String> {
        let Role::Layer(layer) = &context.node.role else { return Ok(()) };
        let whole = layer.whole_batch().ok_or("it summarises no batch")?;
        let target = self.plan.targets[context.step.writes.range()][0].value;
        let value = *self.value(target);
        let blocks = value.contributions as usize;
        for block in self.plan.part_range(task, part, blocks) {
            let items = part_range(blocks, block, self.plan.batch);
            let first_item = items.start;
            let context = Context { items, first_item, ..*context };
            let floats = block * value.floats..(block + 1) * value.floats;
            whole.summarize(&context, pass, self.flat_mut(written(target), floats))?;
        }
        Ok(())
    }

    /// Brings the summaries of all blocks together.
    fn combine(&self, context: &Context<'_>, pass: Pass) -> Result<(), String> {
        let Role::Layer(layer) = &context.node.role else { return Ok(()) };
        let whole = layer.whole_batch().ok_or("it summarises no batch")?;
        let operand = self.plan.operands[context.step.inputs.range()][0];
        let value = *self.value(operand.value);
        let blocks = value.contributions as usize;
        let items = |block| part_range(blocks, block, self.plan.batch).len();
        let summaries = self.flat(operand).chunks(value.floats).enumerate();
        let mut summaries = summaries.map(|(block, summary)| (items(block), summary));
        let target = written(self.plan.targets[context.step.writes.range()][0].value);
        let summary = self.flat_mut(target, 0..value.floats);
        whole.combine(context, pass, &mut summaries, summary)
    }
}

/// A value that a step writes, as an operand of its own task.
pub(super) fn written(value: u32) -> Operand {
    Operand { value, slot: super::plan::NONE, placed: false }
}

pub(super) fn describe_panic(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => format!("panicked: {text}"),
        None => "panicked".to_owned(),
    }
}
