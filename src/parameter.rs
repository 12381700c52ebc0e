//! The parameters that layers ask for, and how they lie in memory.

use std::ops::Range;
use std::sync::Arc;

use crate::initializers::Initializer;
use crate::kernels;
use crate::setters::setters;
use crate::tensor::Shape;

/// How a parameter's numbers lie in memory while a network runs. Files and
/// [`crate::train::Network::weights`] always have the plain layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// Row-major.
    Plain,
    /// A matrix of (all axes but the last) x (last axis) in column panels, which the matrix kernels
    /// read without packing: so many equal ranges of columns, each in panels of its own. Only layers of the
    /// crate ask for it, since only they can read it.
    #[non_exhaustive]
    Panels {
        /// How many ranges; 1 for most.
        groups: usize,
    },
}

/// What moves a parameter in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterKind {
    /// The optimizer, by its gradient.
    Learned,
    /// Its layer, by what it saw in the batch: [`crate::layers::WholeBatch::move_statistic`]. It has no gradient.
    Statistic,
}

/// A parameter that a layer asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParameterSpec {
    /// Its name within the node, such as `weight`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// Where its first values come from.
    pub initializer: Arc<dyn Initializer>,
    /// Inputs that one output number sums over.
    pub fan_in: usize,
    /// Outputs that one input number reaches.
    pub fan_out: usize,
    /// How it lies in memory.
    pub layout: Layout,
    /// What moves it.
    pub kind: ParameterKind,
}

impl ParameterSpec {
    setters! {
        fan_in: usize,
        fan_out: usize,
        layout: Layout,
        kind: ParameterKind,
    }

    /// A row-major parameter that the optimizer moves. Its last axis counts outputs and the others inputs, unless
    /// [`fan_in`](Self::fan_in) and [`fan_out`](Self::fan_out) say otherwise; initializers read both.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use caudal::initializers::GlorotUniform;
    /// use caudal::layers::ParameterSpec;
    ///
    /// let weight = ParameterSpec::new("weight", [5, 3], Arc::new(GlorotUniform::default()));
    /// assert_eq!((weight.fan_in, weight.fan_out, weight.count()), (5, 3, 15));
    /// ```
    pub fn new(
        name: &'static str,
        shape: impl Into<Shape>,
        initializer: Arc<dyn Initializer>,
    ) -> Self {
        let shape = shape.into();
        let fan_out = shape.last().copied().unwrap_or(1);
        let fan_in = shape.iter().rev().skip(1).product();
        let (layout, kind) = (Layout::Plain, ParameterKind::Learned);
        Self { name, shape, initializer, fan_in, fan_out, layout, kind }
    }

    /// How many numbers it holds.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The shape as a matrix: (all axes but the last) x (last axis).
    pub(crate) fn matrix(&self) -> (usize, usize) {
        let columns = self.shape.last().copied().unwrap_or(1);
        (self.count() / columns, columns)
    }

    /// Floats in memory, padding included.
    pub(crate) fn floats(&self) -> usize {
        let (rows, columns) = self.matrix();
        match self.layout {
            Layout::Plain => rows * columns,
            Layout::Panels { groups } => groups * kernels::panel_len(rows, columns / groups),
        }
    }

    /// Rows along which a parameter gradient can be split.
    pub(crate) fn rows(&self) -> usize {
        let (rows, columns) = self.matrix();
        match self.layout {
            Layout::Plain => rows,
            Layout::Panels { groups } => groups * kernels::panel_rows(rows, columns / groups),
        }
    }

    /// Where a range of those rows lies in memory.
    pub(crate) fn floats_of(&self, range: Range<usize>) -> Range<usize> {
        let (rows, columns) = self.matrix();
        match self.layout {
            Layout::Plain => range.start * columns..range.end * columns,
            Layout::Panels { groups } => {
                let columns = columns / groups;
                let of_group = kernels::panel_rows(rows, columns);
                let start = |row: usize| {
                    let (group, row) = (row / of_group, row % of_group);
                    let within = kernels::panel_rows_floats(rows, columns, 0..row);
                    group * kernels::panel_len(rows, columns) + within.end
                };
                start(range.start)..start(range.end)
            }
        }
    }
}
