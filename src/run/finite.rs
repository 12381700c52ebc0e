//! Looking for numbers that are not finite: at losses and gradients in every step, at everything in a
//! search.

use super::state::RunState;
use crate::context::{Call, Context, Finite, Found, Operand, ParameterIndex, Phase};
use crate::graph::Role;
use crate::kernels::{self, MatrixRef};

/// The largest size of a matrix' numbers.
fn largest(rows: MatrixRef<'_>) -> f32 {
    let numbers = (0..rows.rows()).flat_map(|row| rows.row(row));
    numbers.fold(0.0, |largest: f32, number| largest.max(number.abs()))
}

impl RunState {
    /// Refuses to let parameters move after a loss that is not finite.
    ///
    /// # Errors
    /// If there is one.
    pub(super) fn check_losses(&self) -> Result<(), String> {
        if self.finite.is(Finite::Off) || self.finite.is(Finite::Search) {
            return Ok(());
        }
        let plan = &self.plan;
        let values = plan.graph.losses().into_iter().map(|id| plan.activations[id]);
        for value in values.flatten() {
            let rows = self.rows(Operand::without_message(value), &(0..plan.batch()));
            let sum = (0..rows.rows()).flat_map(|row| rows.row(row));
            let sum: f64 = sum.map(|&number| f64::from(number)).sum();
            if !sum.is_finite() {
                self.finite.break_off();
                if !self.finite.is(Finite::Look) {
                    return Err("a loss is not finite".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Whether a parameter moves by this gradient.
    pub(super) fn lets_move(&self, gradient: &[f32]) -> bool {
        let broken = self.finite.is(Finite::Watch) && !kernels::all_finite(gradient);
        if broken {
            self.finite.break_off();
        }
        !broken
    }

    /// Makes a call as ever, and looks at what it read and wrote, unless something was found.
    pub(super) fn make_searching(
        &self,
        context: &Context<'_>,
        call: &Call,
        make: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        if self.finite.has_found()
            || !matches!(call.phase, Phase::Forward | Phase::InputGrad | Phase::Accumulate)
        {
            return make();
        }
        let plan = &self.plan;
        let is_metric = matches!(plan.graph.nodes[call.node].role, Role::Metric(_));
        let read = |operand: &Operand| largest(self.rows(*operand, &context.items));
        let operands = call.inputs.of(&plan.layout.operands);
        let read: Vec<f32> = match call.phase {
            Phase::InputGrad => call.output_grad.iter().map(read).collect(),
            _ => operands.iter().map(read).collect(),
        };
        make()?;
        for target in call.writes.of(&plan.targets).iter().filter(|it| !it.view) {
            let rows = self.rows(Operand::without_message(target.value), &context.items);
            let bad = (0..rows.rows()).find_map(|row| {
                let number = rows.row(row).iter().find(|number| !number.is_finite())?;
                Some((row, *number))
            });
            if let Some((row, number)) = bad.filter(|_| !is_metric) {
                let rows_of_item = (rows.rows() / context.items.len().max(1)).max(1);
                self.finite.note(Found {
                    node: call.node.index(),
                    phase: call.phase,
                    parameter: None,
                    item: Some(context.first_item + row / rows_of_item),
                    number,
                    read: read.clone(),
                });
            }
        }
        Ok(())
    }

    /// Notes what a search finds in the complete gradient of a parameter.
    pub(super) fn search_gradient(&self, call: &Call, gradient: &[f32]) {
        if let Some(&number) = gradient.iter().find(|number| !number.is_finite()) {
            self.finite.note(Found {
                node: call.node.index(),
                phase: Phase::ParamGrad,
                parameter: call.parameter.map(ParameterIndex::index),
                item: None,
                number,
                read: Vec::new(),
            });
        }
    }
}
