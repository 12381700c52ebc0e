//! The calls of layers that a plan's tasks make: what each reads and writes.

use std::ops::Range;

use serde::Serialize;

use super::layout::part_range;
use crate::flow::graph::PhaseSpec;
use crate::flow::index::{NodeIndex, SlotIndex, Span, StateIndex, ValueIndex};

/// A parameter. To the engine it is a piece of data that outlives a run.
pub(crate) type ParameterIndex = StateIndex;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Forward, backward and updates.
    Training,
    /// Forward with losses and metrics.
    Evaluation,
    /// Forward up to the outputs, without targets, losses and metrics.
    Prediction,
}

/// A way through the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// From inputs to losses.
    Forward,
    /// From losses to parameters.
    Backward,
}

/// What a task does for its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Summarises blocks of the batch that the activation depends on as a whole.
    Summarize,
    /// Brings these summaries together.
    Combine,
    /// Computes the activation.
    Forward,
    /// Brings weights into the form that the input gradient, or the forward call, reads.
    Prepare,
    /// Computes what the size of a parameter costs.
    Regularize,
    /// Adds the gradients from several uses of one output.
    Accumulate,
    /// Summarises blocks of the batch on which the gradients depend as a whole.
    SummarizeGrad,
    /// Brings these summaries together.
    CombineGrad,
    /// Computes the gradients of the inputs.
    InputGrad,
    /// Computes the gradients of the parameters.
    ParamGrad,
    /// Completes the gradient of a parameter, and computes its norm, for clipping.
    GradNorm,
    /// Waits for every task that can fail; after it, parameters move.
    Commit,
    /// Moves a parameter.
    Update,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 13] = [
        Self::Summarize,
        Self::Combine,
        Self::Forward,
        Self::Prepare,
        Self::Regularize,
        Self::Accumulate,
        Self::SummarizeGrad,
        Self::CombineGrad,
        Self::InputGrad,
        Self::ParamGrad,
        Self::GradNorm,
        Self::Commit,
        Self::Update,
    ];

    /// The stage of a training step that it counts as.
    ///
    /// ```
    /// use caudal::context::{Phase, Stage};
    ///
    /// assert_eq!(Phase::Prepare.stage(), Stage::Forward);
    /// assert_eq!(Phase::ParamGrad.stage(), Stage::Backward);
    /// ```
    pub const fn stage(self) -> Stage {
        match self {
            Self::Summarize | Self::Combine | Self::Forward | Self::Prepare | Self::Regularize => {
                Stage::Forward
            }
            Self::Accumulate
            | Self::SummarizeGrad
            | Self::CombineGrad
            | Self::InputGrad
            | Self::ParamGrad
            | Self::GradNorm
            | Self::Commit => Stage::Backward,
            Self::Update => Stage::Update,
        }
    }

    /// The phase's name in errors, traces and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Summarize => "summarize",
            Self::Combine => "combine",
            Self::Forward => "forward",
            Self::Prepare => "prepare",
            Self::Regularize => "regularize",
            Self::Accumulate => "accumulate",
            Self::SummarizeGrad => "summarize_grad",
            Self::CombineGrad => "combine_grad",
            Self::InputGrad => "input_grad",
            Self::ParamGrad => "param_grad",
            Self::GradNorm => "grad_norm",
            Self::Commit => "commit",
            Self::Update => "update",
        }
    }
}

/// A stage of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stage {
    /// Activations and losses, and what waits for no gradient.
    Forward,
    /// Gradients, and what waits for them.
    Backward,
    /// Parameters move.
    Update,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Backward, Self::Update];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// What the engine knows of phases: their names and their stages.
pub(crate) static PHASES: &[PhaseSpec] = &{
    let mut specs = [const { PhaseSpec { name: "", stage: 0 } }; Phase::ALL.len()];
    let mut phase = 0;
    while phase < specs.len() {
        let it = Phase::ALL[phase];
        specs[phase] = PhaseSpec { name: it.name(), stage: it.stage() as u8 };
        phase += 1;
    }
    specs
};

/// A value that a call reads: through the message in `slot`, or, where the same task made it, from
/// its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) value: ValueIndex,
    pub(crate) slot: Option<SlotIndex>,
    /// The call's output already holds it.
    pub(crate) placed: bool,
}

impl Operand {
    /// A value that the same task made, or makes.
    pub(crate) fn without_message(value: ValueIndex) -> Self {
        Self { value, slot: None, placed: false }
    }
}

/// A value that a call writes, for input or parameter number `index`; where weights are prepared, for the pass of that
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) value: ValueIndex,
    pub(crate) index: usize,
    /// For parameter gradients summed over items: the contribution of the task's first part.
    pub(crate) contribution: usize,
    /// It lies where the call's gradient of the output lies.
    pub(crate) in_place: bool,
    /// It is a view of what is there already: nothing to compute.
    pub(crate) view: bool,
    /// It is the part of an input's gradient that comes from the call's node: the gradient of the output, copied.
    pub(crate) part: bool,
}

/// The axis along which the output of an item is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Rows,
    Columns,
}

/// How the parts of a call divide the output of each item, in place of the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Division {
    pub(crate) axis: Axis,
    /// All rows of an item, or all columns.
    pub(crate) extent: u32,
    /// The fewest of them in a part.
    pub(crate) unit: u32,
    /// Whether a part reads that part of the inputs alone.
    pub(crate) same_place: bool,
}

impl Division {
    /// The rows or columns of one of `parts` parts.
    pub(crate) fn range(&self, parts: usize, part: usize) -> Range<usize> {
        let (extent, unit) = (self.extent as usize, self.unit as usize);
        let units = part_range(parts, part, extent.div_ceil(unit));
        units.start * unit..extent.min(units.end * unit)
    }
}

/// One call of a layer, or one sum or update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) phase: Phase,
    pub(crate) node: NodeIndex,
    /// For updates, norms and regularizers: the parameter.
    pub(crate) parameter: Option<ParameterIndex>,
    /// The activations of the inputs; for accumulate, norm and update, the gradients to add, in order;
    /// for combine, the summaries of the blocks; for the commit, the norms of all gradients that are
    /// clipped together.
    pub(crate) inputs: Span<Operand>,
    pub(crate) output: Option<Operand>,
    pub(crate) output_grad: Option<Operand>,
    /// For parameter gradients: the inputs, and then the gradient of the output, of each other node whose gradient is part of
    /// the same sum.
    pub(crate) other_users: Span<Operand>,
    pub(crate) prepared: Option<Operand>,
    /// What the forward and the backward pass know of the whole batch.
    pub(crate) summaries: [Option<Operand>; 2],
    /// For updates: the norms, or the scale, of a gradient that a norm call has completed.
    pub(crate) norm: Option<Operand>,
    pub(crate) writes: Span<Target>,
    /// None where parts are ranges of items, or rows of parameters.
    pub(crate) division: Option<Division>,
}
