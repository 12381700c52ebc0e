//! What the layers have in common that compute every number of the output from the same number of the
//! only input.

use super::{ItemSplit, Layer, Misfit, Reads};
use crate::context::{Context, Numerics};
use crate::kernels::{MatrixMut, MatrixRef};
use crate::tensor::Shape;

/// A function of every number by itself. What implements it is a [`Layer`] whose output has the input's
/// shape, which may write over its input, and whose gradient never fails.
pub(super) trait Pointwise: std::fmt::Debug + Send + Sync {
    /// What [`Pointwise::gradient`] reads beside the gradient of the output.
    const GRADIENT_READS: Reads;

    /// As [`Layer::kind`].
    fn kind(&self) -> &'static str;

    /// As [`Layer::attributes`].
    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    /// Whether its attributes can be, whatever the input is.
    fn check(&self) -> Result<(), Misfit> {
        Ok(())
    }

    /// Writes the function of every number of `input`, or, where there is none, of what `output` holds.
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>);

    /// Writes the derivative at every number times that of `output_grad`, or, where there is none, times
    /// what `gradient` holds.
    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    );
}

impl<T: Pointwise> Layer for T {
    fn kind(&self) -> &'static str {
        Pointwise::kind(self)
    }

    fn attributes(&self) -> toml::Table {
        Pointwise::attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        self.check()?;
        Ok(inputs[0].to_vec())
    }

    fn item_split(&self, _inputs: &[&[usize]], _numerics: Numerics) -> ItemSplit {
        ItemSplit::SamePlace
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        T::GRADIENT_READS
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    #[inline]
    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        self.function((!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        self.gradient(context, output_grad, gradient);
        Ok(())
    }
}
