//! Indices to rows of a learned table.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Cost, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Reads, Sample, Split,
    parse, read_indices, to_attributes,
};
use crate::context::Context;
use crate::initializers::GlorotUniform;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "embedding",
    summary: "indices to rows of a learned table",
    attributes: &[
        ("entries", "rows of the table: indices go from 0 to one less, so at least 1; required"),
        ("features", "numbers in a row, at least 1; required"),
    ],
    parse: parse::<Embedding>,
    samples: &[
        Sample { attributes: "entries = 4\nfeatures = 3", inputs: &[&[]] },
        Sample { attributes: "entries = 7\nfeatures = 19", inputs: &[&[5]] },
        Sample { attributes: "entries = 101\nfeatures = 2", inputs: &[&[2, 3]] },
        Sample { attributes: "entries = 1\nfeatures = 1", inputs: &[&[1]] },
    ],
};

/// Takes indices of shape `[…]`, whole numbers from 0 to `entries - 1`, to rows of its parameter
/// `weight` of shape `[entries, features]`, giving `[…, features]`: a dense layer without bias over
/// one-hot rows. Other numbers are an error. The indices have no gradient; that of a row of the table
/// is the sum of those of its uses, in the order of the items.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    entries: usize,
    features: usize,
}

impl Embedding {
    /// A table of `entries` rows of `features` numbers.
    pub fn new(entries: usize, features: usize) -> Self {
        Self { entries, features }
    }
}

impl Layer for Embedding {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if self.entries == 0 || self.features == 0 {
            return Err(Misfit::new(
                format!("its table is {} x {}", self.entries, self.features),
                "give `entries` and `features` values of at least 1",
            ));
        }
        Ok([inputs[0], &[self.features]].concat())
    }

    fn parameters(&self, _inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        vec![ParameterSpec {
            name: "weight",
            shape: vec![self.entries, self.features],
            initializer: Arc::new(GlorotUniform::default()),
            fan_in: self.entries,
            fan_out: self.features,
            layout: Layout::Plain,
            kind: ParameterKind::Learned,
        }]
    }

    fn cost(&self, _inputs: &[&[usize]], output: &[usize]) -> Cost {
        Cost { flops: 0.0, floats: 2.0 * output.iter().product::<usize>() as f64 }
    }

    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Rows
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn indices(&self, _input: usize) -> Option<usize> {
        Some(self.entries)
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let table = context.parameter(0);
        read_indices(context, self.entries, |row, index| {
            let entry = &table[index * self.features..(index + 1) * self.features];
            output.row_mut(row).copy_from_slice(entry);
        })
    }

    fn input_grad(
        &self,
        _context: &Context<'_>,
        _input: usize,
        _gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        Ok(())
    }

    fn param_grad(
        &self,
        context: &Context<'_>,
        _parameter: usize,
        rows: Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        let grads = context.output_grad();
        gradient.fill(0.0);
        // Rows by entry, so that those of a frequent one are added as exactly as those of a rare one.
        let mut named = Vec::with_capacity(grads.rows());
        read_indices(context, self.entries, |row, index| {
            if rows.contains(&index) {
                named.push((index, row as u32));
            }
        })?;
        named.sort_unstable();
        let mut of_entry = Vec::new();
        for same in named.chunk_by(|one, other| one.0 == other.0) {
            of_entry.clear();
            of_entry.extend(same.iter().map(|&(_, row)| row));
            let start = (same[0].0 - rows.start) * self.features;
            kernels::sum_of_rows(grads, &of_entry, &mut gradient[start..start + self.features]);
        }
        Ok(())
    }
}
