//! The calls that go over the rows of one parameter: what its size costs, the sum of its gradients,
//! its norm, and its update.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::state::RunState;
use crate::context::{Call, Context, Finite, Operand, ParameterIndex, Phase};
use crate::flow::index::TaskIndex;
use crate::graph::{Parameter, Role};
use crate::kernels::{self, Buffer, Store};
use crate::optimizers::{MOST_STATE, Moving, NormClip};
use crate::plan::TaskSplit;

/// A part's rows of the weights of its parameter, or of what the optimizer keeps beside them, before it
/// moves them.
fn rows_before_update(buffer: &Buffer, range: Range<usize>) -> &[f32] {
    // SAFETY: the buffer is as large as the parameter; of the updates, which alone write and come
    // after every other reader, only the part itself writes these rows, later.
    unsafe { std::slice::from_raw_parts(buffer.pointer().add(range.start), range.len()) }
}

/// The same rows for the part's update to move.
#[expect(clippy::mut_from_ref, reason = "the rows are the part's alone")]
fn rows_to_move<'a>(buffer: &'a Buffer, range: &Range<usize>) -> &'a mut [f32] {
    // SAFETY: the buffer is as large as the parameter; the part is the only one with these rows, and all readers
    // of the buffer are done.
    unsafe { std::slice::from_raw_parts_mut(buffer.pointer().add(range.start), range.len()) }
}

/// The parameter that an update, a norm or a regularizer is about.
fn parameter_of(call: &Call) -> ParameterIndex {
    match call.parameter {
        Some(parameter) => parameter,
        None => panic!("{} is about no parameter", call.phase.name()),
    }
}

impl RunState {
    /// The floats of a part's rows of the call's parameter; none where it has no row.
    fn part_floats(&self, task: TaskIndex, part: u32, call: &Call) -> Range<usize> {
        let spec = &self.parameter(call).spec;
        let rows = match self.plan.split(task) {
            TaskSplit::Items => 0..spec.rows(),
            TaskSplit::Rows => self.plan.part_range(task, part, spec.rows()),
        };
        if rows.is_empty() { 0..0 } else { spec.floats_of(rows) }
    }

    pub(super) fn parameter(&self, call: &Call) -> &Parameter {
        &self.plan.graph.parameters[parameter_of(call)]
    }

    /// Whether several workers may have read the weights of a parameter since they were moved last.
    fn several_read(&self, parameter: ParameterIndex) -> bool {
        self.core.is_shared() && self.read_in_parts[parameter.index()]
    }

    /// The weights of a part's rows.
    fn weights(&self, call: &Call, range: Range<usize>) -> &[f32] {
        rows_before_update(&self.parameters.entries[parameter_of(call)].weights, range)
    }

    /// Writes the one number of a part.
    fn write_sum(&self, part: u32, call: &Call, sum: f32) {
        let target = call.writes.of(&self.plan.targets)[0];
        let at = part as usize;
        self.flat_mut(Operand::without_message(target.value), at..at + 1)[0] = sum;
    }

    /// What the part's weights cost.
    pub(super) fn regularize(&self, task: TaskIndex, part: u32, call: &Call) {
        let range = self.part_floats(task, part, call);
        let weights = self.weights(call, range);
        let cost = self.parameter(call).regularizer.as_ref().map_or(0.0, |it| it.cost(weights));
        self.write_sum(part, call, cost as f32);
    }

    /// Adds the gradients of the part's rows in the plan's order, that of the regularizer last, to the
    /// first.
    fn complete_gradient(&self, call: &Call, range: &Range<usize>) -> Option<&mut [f32]> {
        let rows = |(operand, number): (Operand, usize)| {
            let start = number * self.value(operand.value).floats;
            self.flat_mut(operand, start + range.start..start + range.end)
        };
        let mut sum: Option<&mut [f32]> = None;
        for contributions in self.plan.contributions(call.inputs.of(&self.plan.layout.operands)) {
            let mut contributions = contributions.map(rows);
            let Some(own) = contributions.next() else { continue };
            contributions.for_each(|more| kernels::add_slices(own, more));
            match &mut sum {
                None => sum = Some(own),
                Some(sum) => kernels::add_slices(sum, own),
            }
        }
        let gradient = sum?;
        if let Some(regularizer) = &self.parameter(call).regularizer {
            regularizer.add_gradient(self.weights(call, range.clone()), gradient);
        }
        Some(gradient)
    }

    /// Completes the gradient of the part's rows, and writes its norm. A norm rather than a sum of
    /// squares, which could be too large for a float where the gradient is not.
    pub(super) fn grad_norm(&self, task: TaskIndex, part: u32, call: &Call) {
        let range = self.part_floats(task, part, call);
        let gradient = self.complete_gradient(call, &range).map_or(&[][..], |gradient| gradient);
        let squares = kernels::sum_each(gradient, |number| f64::from(number) * f64::from(number));
        self.write_sum(part, call, squares.sqrt() as f32);
    }

    /// The norm of all that these are norms of.
    fn norm_of<'a>(&'a self, norms: impl IntoIterator<Item = &'a Operand>) -> f64 {
        let parts = norms.into_iter().flat_map(|&norms| self.flat(norms));
        parts.map(|&norm| f64::from(norm) * f64::from(norm)).sum::<f64>().sqrt()
    }

    /// Where all gradients are clipped together: by what they are multiplied.
    pub(super) fn clip_scale(&self, call: &Call) {
        let norms = call.inputs.of(&self.plan.layout.operands);
        if let Some(clip) = self.plan.optimizer.norm_clip().filter(|_| !norms.is_empty()) {
            self.write_sum(0, call, clip.scale(self.norm_of(norms)));
        }
    }

    /// By what a gradient is multiplied that a norm call has completed.
    fn scale_of(&self, norm: Operand) -> f32 {
        match self.plan.optimizer.norm_clip() {
            Some(clip @ NormClip::Parameter(_)) => clip.scale(self.norm_of([&norm])),
            Some(NormClip::Global(_)) => self.flat(norm)[0],
            None => 1.0,
        }
    }

    /// What the update reads of these rows of a parameter beside the gradient, if it belongs to the same
    /// task, which is split by rows.
    pub(super) fn read_by_update<'a>(
        &'a self,
        task: TaskIndex,
        parameter: usize,
        rows: &Range<usize>,
        arrays: &'a mut [&'a [f32]; 1 + MOST_STATE],
    ) -> &'a [&'a [f32]] {
        let updates = |call: &Call| {
            call.phase == Phase::Update && call.parameter == Some(ParameterIndex::new(parameter))
        };
        let by_rows = self.plan.split(task) == TaskSplit::Rows;
        if !by_rows || !self.plan.calls_of(task).iter().any(updates) {
            return &[];
        }
        let floats = self.plan.graph.parameters[parameter].spec.floats_of(rows.clone());
        let entry = &self.parameters.entries[parameter];
        let buffers = [&entry.weights].into_iter().chain(&entry.state);
        let count = arrays.len().min(1 + entry.state.len());
        for (array, buffer) in arrays.iter_mut().zip(buffers) {
            *array = rows_before_update(buffer, floats.clone());
        }
        &arrays[..count]
    }

    /// Moves the part's rows of a parameter.
    pub(super) fn update(&self, task: TaskIndex, part: u32, call: &Call) -> Result<(), String> {
        let range = self.part_floats(task, part, call);
        if range.is_empty() {
            return Ok(());
        }
        let gradient = if let Some(norm) = call.norm {
            let first = call.inputs.of(&self.plan.layout.operands)[0];
            let gradient = self.flat_mut(first, range.clone());
            let scale = self.scale_of(norm);
            if scale.to_bits() != 1.0f32.to_bits() {
                for number in gradient.iter_mut() {
                    *number *= scale;
                }
            }
            gradient
        } else {
            let Some(gradient) = self.complete_gradient(call, &range) else { return Ok(()) };
            gradient
        };
        if self.finite.is(Finite::Search) {
            self.search_gradient(call, gradient);
            return Ok(());
        }
        if !self.lets_move(gradient) {
            return Ok(());
        }
        let parameter = parameter_of(call);
        let entry = &self.parameters.entries[parameter];
        let mut state: [&mut [f32]; MOST_STATE] = Default::default();
        for (rows, buffer) in state.iter_mut().zip(&entry.state) {
            *rows = rows_to_move(buffer, &range);
        }
        let factor = f32::from_bits(self.rate_factor.load(Ordering::Relaxed));
        let settings = self.plan.settings[parameter.index()];
        let step = self.step.load(Ordering::Relaxed);
        self.plan.optimizer.update(Moving {
            weights: rows_to_move(&entry.weights, &range),
            gradient,
            state: &mut state[..entry.state.len().min(MOST_STATE)],
            step,
            rate_factor: settings.learning_rate_factor * factor,
            weight_decay: settings.weight_decay,
            store: if self.several_read(parameter) { Store::PastCaches } else { Store::Cached },
        })?;
        if let (Some(decay), Some(average)) = (self.plan.optimizer.ema_decay(), &entry.average) {
            let step = step as f64;
            let moves = 1.0 - decay.min((1.0 + step) / (10.0 + step));
            let weights = rows_before_update(&entry.weights, range.clone());
            kernels::move_toward(rows_to_move(average, &range), weights, moves as f32);
        }
        Ok(())
    }

    /// Moves a parameter that no optimizer moves.
    pub(super) fn move_statistic(&self, context: &Context<'_>) {
        let Role::Layer(layer) = self.role(context) else { return };
        let parameter = parameter_of(context.call);
        let place = context.node.parameters.iter().position(|&it| it == parameter.index());
        let weights = &self.parameters.entries[parameter].weights;
        // SAFETY: this call is the only one that touches the parameter now: in training, none reads
        // it, and those of other nodes that move it come before or after.
        let values = unsafe { std::slice::from_raw_parts_mut(weights.pointer(), weights.len()) };
        // The call belongs to a node that has the parameter.
        if let Some(whole) = layer.whole_batch() {
            whole.move_statistic(context, place.unwrap_or_default(), values);
        }
    }
}
