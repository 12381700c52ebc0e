//! The weights of recurrent operators: of ONNX's arrays, every gate gets its part.

use std::sync::Arc;

use super::super::call::Call;
use super::super::constant::Constant;
use super::super::network::Values;
use crate::layers::Misfit;

/// The arrays of a node, and their sizes.
pub(super) struct Weights {
    pub(super) of_input: Constant,
    pub(super) of_state: Constant,
    pub(super) bias: Option<Constant>,
    /// Those of all three.
    floats: [Values; 3],
    gates: usize,
    pub(super) units: usize,
    features: usize,
}

/// What a dense node of a gate multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// What comes in, with the state behind it.
    Joined,
    Input,
    State,
}

impl Weights {
    pub(super) fn of(
        call: &Call<'_>,
        gates: usize,
        directions: usize,
        features: usize,
    ) -> Result<Self, Misfit> {
        let (of_input, of_state) = (call.constant(1)?, call.constant(2)?);
        let bias = if call.is_given(3) { Some(call.constant(3)?) } else { None };
        let units = of_state.shape.last().copied().unwrap_or(0);
        let rows = gates.saturating_mul(units);
        let fits = units > 0
            && of_input.shape[..] == [directions, rows, features]
            && of_state.shape[..] == [directions, rows, units]
            && bias.as_ref().is_none_or(|it| it.shape[..] == [directions, rows.saturating_mul(2)]);
        let floats = [Some(&of_input), Some(&of_state), bias.as_ref()]
            .map(|it| it.map_or_else(|| Some(Values::default()), Constant::as_floats));
        let [Some(a), Some(b), Some(c)] = floats else {
            return Err(Misfit::new("its weights are no numbers", "export it again"));
        };
        if !fits {
            let problem = format!(
                "its weights of shapes {:?} and {:?} do not fit {directions} direction(s) over steps of {features} numbers",
                of_input.shape, of_state.shape
            );
            return Err(Misfit::new(problem, "export it again"));
        }
        Ok(Self { of_input, of_state, bias, floats: [a, b, c], gates, units, features })
    }

    /// The parameters of the dense node of a gate: rows of what is multiplied, by units; ONNX has them turned.
    pub(super) fn dense(
        &self,
        direction: usize,
        gate: usize,
        part: Part,
    ) -> Vec<(&'static str, Values)> {
        let Self { floats: [of_input, of_state, bias], gates, units, features, .. } = self;
        let first = (direction * gates + gate) * units;
        let mut weight = Vec::new();
        for (floats, size, of) in
            [(of_input, *features, Part::Input), (of_state, *units, Part::State)]
        {
            if part == Part::Joined || part == of {
                let column =
                    |row| (first..first + units).map(move |unit| floats[unit * size + row]);
                weight.extend((0..size).flat_map(column));
            }
        }
        // Of every direction the biases of what comes in stand before those of the state.
        let start = direction * 2 * gates * units + gate * units;
        let number = |unit: usize, after: usize| {
            bias.get(start + after * gates * units + unit).copied().unwrap_or(0.0)
        };
        let biases = (0..*units).map(|unit| match part {
            Part::Joined => number(unit, 0) + number(unit, 1),
            Part::Input => number(unit, 0),
            Part::State => number(unit, 1),
        });
        vec![("weight", Arc::new(weight)), ("bias", Arc::new(biases.collect()))]
    }
}
