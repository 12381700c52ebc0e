//! Every output is a weighted sum of all inputs, plus a bias.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Cost, FormReaders, ItemSplit, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec,
    Pass, PreparedWeights, Reads, Sample, Split, parse, to_attributes,
};
use crate::context::{Context, Numerics, Phase, Precision};
use crate::initializers::{Choice, Constant, GlorotUniform};
use crate::kernels::{self, MatrixMut, PairPanels, Panels};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "dense",
    summary: "output = input · weight + bias, over the last axis",
    attributes: &[
        ("units", "size of the output's last axis, at least 1; required"),
        (
            "initializer",
            "where the weight's first values come from, by kind or as a table; default \"glorot_uniform\"",
        ),
    ],
    parse: parse::<Dense>,
    samples: &[
        Sample { attributes: "units = 3", inputs: &[&[4]] },
        Sample { attributes: "units = 2\ninitializer = \"he_normal\"", inputs: &[&[3]] },
        Sample { attributes: "units = 1", inputs: &[&[1]] },
        Sample { attributes: "units = 37", inputs: &[&[19]] },
        Sample { attributes: "units = 5", inputs: &[&[2, 3, 7]] },
    ],
};

/// With so many parts that read the transposed weight, it is packed once for all of them.
const PARTS_TO_PREPARE: usize = 4;

/// A fully connected layer over the last axis: an input of shape `[…, in]` gives `[…, units]`. Its
/// parameters are `weight` of shape `[in, units]` and `bias` of shape `[units]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    units: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initializer: Option<Choice>,
}

impl Dense {
    /// A layer with `units` outputs.
    pub fn new(units: usize) -> Self {
        Self { units, initializer: None }
    }

    /// Takes the first values of the weight from another initializer.
    #[must_use]
    pub fn initializer(mut self, initializer: impl Into<Choice>) -> Self {
        self.initializer = Some(initializer.into());
        self
    }

    /// Whether products with the weight of that many features are computed with 16-bit numbers.
    fn is_bf16(&self, features: usize, numerics: Numerics) -> bool {
        numerics.precision == Precision::Bf16 && kernels::bf16_pays(features, self.units)
    }

    /// The same for a call.
    fn computes_bf16(&self, context: &Context<'_>) -> bool {
        self.is_bf16(features(context.input_shape(0)), context.numerics())
    }
}

/// The size of an input's last axis.
fn features(input: &[usize]) -> usize {
    input.last().copied().unwrap_or(0)
}

impl Layer for Dense {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let shape = inputs[0];
        if self.units == 0 {
            return Err(Misfit::new("it has no units", "give `units` a value of at least 1"));
        }
        let Some((_, leading)) = shape.split_last() else {
            return Err(Misfit::new(
                format!("it needs an input with at least one axis, not {}", describe_shape(shape)),
                "connect it to a node whose items have features",
            ));
        };
        Ok([leading, &[self.units]].concat())
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let features = features(inputs[0]);
        let spec = |name, shape, initializer, layout| ParameterSpec {
            name,
            shape,
            initializer,
            fan_in: features,
            fan_out: self.units,
            layout,
            kind: ParameterKind::Learned,
        };
        vec![
            spec(
                "weight",
                vec![features, self.units],
                match &self.initializer {
                    Some(initializer) => initializer.get(),
                    None => Arc::new(GlorotUniform::default()),
                },
                Layout::Panels { groups: 1 },
            ),
            spec("bias", vec![self.units], Arc::new(Constant::new(0.0)), Layout::Plain),
        ]
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let outputs = output.iter().product::<usize>() as f64;
        let features = features(inputs[0]) as f64;
        let inputs = inputs[0].iter().product::<usize>() as f64;
        Cost { flops: 2.0 * outputs * features, floats: inputs + outputs }
    }

    fn work(
        &self,
        _phase: Phase,
        inputs: &[&[usize]],
        output: &[usize],
        numerics: Numerics,
    ) -> Cost {
        let cost = self.cost(inputs, output);
        // Two 16-bit products take as long as one of 32 bits.
        let half = if self.is_bf16(features(inputs[0]), numerics) { 0.5 } else { 1.0 };
        Cost { flops: half * cost.flops, ..cost }
    }

    fn smallest_part(&self, inputs: &[&[usize]]) -> usize {
        let rows: usize = inputs[0].iter().rev().skip(1).product();
        32usize.div_ceil(rows.max(1))
    }

    fn item_split(&self, _inputs: &[&[usize]], _numerics: Numerics) -> ItemSplit {
        ItemSplit::Columns(kernels::PANEL)
    }

    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Rows
    }

    fn sums_param_grads(&self, inputs: &[&[usize]], numerics: Numerics) -> bool {
        !self.is_bf16(features(inputs[0]), numerics)
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn prepared_weights(&self) -> Option<&dyn PreparedWeights> {
        Some(self)
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let (input, columns) = (context.input(0), context.output_columns());
        let bias = &context.parameter(1)[columns.clone()];
        if self.computes_bf16(context) {
            let weight = PairPanels::new(context.prepared(), input.cols(), self.units);
            kernels::bf16_product(input, weight.columns(columns), Some(bias), output);
        } else {
            kernels::product(input, context.panels(0).columns(columns), Some(bias), output);
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = context.output_grad();
        if self.computes_bf16(context) {
            let weight = PairPanels::new(context.prepared(), self.units, gradient.cols());
            kernels::bf16_product(output_grad, weight, None, gradient);
        } else if context.is_prepared() {
            let weight = Panels::new(context.prepared(), self.units, gradient.cols());
            kernels::product(output_grad, weight, None, gradient);
        } else {
            kernels::product_transposed(output_grad, context.panels(0), gradient);
        }
        Ok(())
    }

    fn param_grad(
        &self,
        context: &Context<'_>,
        parameter: usize,
        rows: Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        let (users, soon) = (context.users(), context.read_next());
        let of_user = |user| context.rows_of_user(user, 0);
        if parameter > 0 {
            kernels::column_sums_of_all(users, |user| of_user(user)[1], gradient);
        } else if self.computes_bf16(context) {
            let [input, output_grad] = of_user(0);
            kernels::bf16_weight_gradient(input, output_grad, rows, soon, gradient);
        } else {
            kernels::weight_gradient(users, of_user, rows, soon, gradient);
        }
        Ok(())
    }
}

impl PreparedWeights for Dense {
    fn floats(
        &self,
        pass: Pass,
        inputs: &[&[usize]],
        numerics: Numerics,
        readers: FormReaders,
    ) -> usize {
        let features = features(inputs[0]);
        let rows = readers.items * inputs[0].iter().rev().skip(1).product::<usize>();
        match pass {
            Pass::Backward if !self.is_bf16(features, numerics) => {
                // Every part would pack the transposed weight for itself.
                let pays = readers.parts >= PARTS_TO_PREPARE
                    && kernels::packs_transposed(rows, features, self.units);
                if pays { kernels::panel_len(self.units, features) } else { 0 }
            }
            _ if !self.is_bf16(features, numerics) => 0,
            Pass::Forward => kernels::pair_panels_len(features, self.units),
            Pass::Backward => kernels::pair_panels_len(self.units, features),
        }
    }

    fn prepare(
        &self,
        context: &Context<'_>,
        pass: Pass,
        prepared: &mut [f32],
    ) -> Result<(), String> {
        match pass {
            _ if !self.computes_bf16(context) => {
                kernels::pack_all_transposed(context.panels(0), prepared);
            }
            Pass::Forward => kernels::bf16_panels(context.panels(0), prepared),
            Pass::Backward => kernels::bf16_panels_transposed(context.panels(0), prepared),
        }
        Ok(())
    }
}
