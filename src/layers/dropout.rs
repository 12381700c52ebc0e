//! Numbers dropped at random, in training.

use serde::{Deserialize, Serialize};

use super::{Cost, Layer, LayerSpec, Misfit, Reads, Sample, finite, parse, to_attributes};
use crate::context::{Context, Mode};
use crate::kernels::{self, MatrixMut, MatrixRef};
use crate::random;
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "dropout",
    summary: "in training: numbers at random become 0, the others grow; else the input",
    attributes: &[(
        "drop",
        "probability that a number becomes 0, from 0 up to but not 1; the others are divided by \
         1 - drop; required",
    )],
    parse: parse::<Dropout>,
    samples: &[
        Sample { attributes: "drop = 0.5", inputs: &[&[5]] },
        Sample { attributes: "drop = 0.25", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "drop = 0.9", inputs: &[&[40]] },
    ],
};

/// Inverted dropout (Srivastava and others 2014): in training, each number becomes 0 with probability
/// `drop`, and is divided by `1 - drop` otherwise, so that its expectation stays; in evaluation and
/// prediction, the output is the input.
///
/// What is dropped follows from the run's seed, the node's name, the step, the item and the place in
/// it, so that a step has one mask, however it is split.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    #[serde(deserialize_with = "finite")]
    drop: f32,
}

impl Dropout {
    /// Drops numbers with probability `drop`, from 0 up to but not 1.
    pub fn new(drop: f32) -> Self {
        Self { drop }
    }

    /// Drops numbers of the input or, in the backward phase, of the output's gradient; without any,
    /// of what the output holds.
    fn apply(&self, context: &Context<'_>, from: Option<MatrixRef<'_>>, to: MatrixMut<'_>) {
        if context.mode() == Mode::Training {
            let rows = to.rows() / context.items().max(1);
            let (step, first) = (context.random_key(), context.first_item());
            let key = |row: usize| {
                let (item, row) = (first + row / rows, row % rows);
                random::key(&[step, item as u64, row as u64])
            };
            kernels::dropout(self.drop, key, from, to);
        } else if let Some(from) = from {
            kernels::copy(from, to);
        }
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if !(0.0..1.0).contains(&self.drop) {
            return Err(Misfit::new(
                format!("it drops a number with probability {}", self.drop),
                "give `drop` a number from 0 up to but not 1",
            ));
        }
        Ok(inputs[0].to_vec())
    }

    fn cost(&self, _inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = output.iter().product::<usize>() as f64;
        Cost { flops: 20.0 * floats, floats: 2.0 * floats }
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        self.apply(context, (!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        self.apply(context, (!context.in_place()).then(|| context.output_grad()), gradient);
        Ok(())
    }
}
