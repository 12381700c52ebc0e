//! One execution of a plan, as its user sees it. A run is used again for every step.

mod calls;
mod finite;
mod item_weights;
mod lasting;
mod memory;
mod moving;
mod parameters;
mod state;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::state::RunState;
pub use crate::context::Parameters;
use crate::context::{Finite, Found, Mode, Operand, ParameterIndex, Phase, Place};
use crate::error::{Error, Result};
use crate::flow::index::ValueIndex;
use crate::flow::{CancelToken, Execute, Observer, Running, sealed};
use crate::graph::{NodeId, Role};
use crate::plan::Plan;
use crate::tensor::{Tensor, describe_shape};

/// Refuses a plan that needs instructions which the processor lacks.
fn check_processor(plan: &Plan) -> Result<()> {
    let precision = plan.layout.numerics.precision;
    let missing = precision.missing();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Graph {
        graph: plan.graph.name().to_owned(),
        problem: format!(
            "precision {precision} needs instructions that this processor lacks: {}",
            missing.join(", ")
        ),
        remedy: "use precision f32, or a processor with AVX-512 BF16".to_owned(),
    })
}

/// One execution of a plan, used again for every step.
#[derive(Debug)]
pub struct Run {
    state: Arc<RunState>,
}

impl Run {
    /// A run of `plan` over `parameters`. Runs may share them: executed on several threads, predictions
    /// run side by side, and a training step waits until it is alone.
    ///
    /// # Errors
    /// If these are not parameters of the plan's graph, or lack what its optimizer keeps; if memory does not
    /// hold what the run computes; if the processor lacks instructions that the plan's precision needs.
    pub fn new(plan: Arc<Plan>, parameters: Arc<Parameters>) -> Result<Self> {
        let optimizer = (plan.mode() == Mode::Training).then_some(plan.optimizer.as_ref());
        parameters.check(&plan.graph, optimizer)?;
        check_processor(&plan)?;
        memory::check_run(&plan)?;
        Ok(Self { state: Arc::new(RunState::new(plan, parameters)) })
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.state.plan
    }

    /// Copies a batch of numbers, row-major, into an input or target node.
    ///
    /// # Errors
    /// If the node is no input or target of the plan, or if the count is wrong.
    pub fn bind(&mut self, node: NodeId, values: &[f32]) -> Result<()> {
        let plan = &self.state.plan;
        let described = &plan.graph.nodes[node];
        let batch = plan.batch();
        let expected = batch * described.shape.iter().product::<usize>();
        let takes_data = matches!(described.role, Role::Input | Role::Target);
        let Some(value) = plan.activations[node].filter(|_| takes_data) else {
            return Err(Error::node(
                &described.name,
                "it takes no data in this plan",
                "bind inputs, and targets where there is a loss",
            ));
        };
        if values.len() != expected {
            return Err(Error::Input {
                node: described.name.clone(),
                expected: format!(
                    "{batch} items of {} ({expected} numbers)",
                    describe_shape(&described.shape)
                ),
                found: format!("{} numbers", values.len()),
                remedy: "bind one batch".to_owned(),
            });
        }
        // SAFETY: the value is a kept one in the arena with room for `expected` floats, and no run
        // is under way, since `execute` borrows this run exclusively.
        let into = unsafe { std::slice::from_raw_parts_mut(self.state.base(value), expected) };
        into.copy_from_slice(values);
        Ok(())
    }

    /// Tells the optimizer how many steps came before.
    pub fn set_step(&mut self, step: u64) {
        self.state.step.store(step, Ordering::Relaxed);
    }

    /// Multiplies the optimizer's learning rate by a factor, 1 at first.
    pub fn set_rate_factor(&mut self, factor: f32) {
        self.state.rate_factor.store(factor.to_bits(), Ordering::Relaxed);
    }

    /// Seeds what layers draw at random in training.
    pub fn set_seed(&mut self, seed: u64) {
        self.state.seed.store(seed, Ordering::Relaxed);
    }

    /// Says how closely to look whether numbers are finite.
    pub(crate) fn set_finite(&mut self, level: Finite) {
        self.state.finite.set(level);
    }

    /// Whether a loss or a gradient was not finite since the last time.
    pub(crate) fn take_broken(&mut self) -> bool {
        self.state.finite.take_broken()
    }

    /// What a search has found first.
    pub(crate) fn take_found(&mut self) -> Option<Found> {
        self.state.finite.take_found()
    }

    /// Reports every part to `observer`, or to nobody.
    pub fn observe(&mut self, observer: Option<Arc<dyn Observer>>) {
        self.state.core.observe(observer);
    }

    /// Whether anybody observes it.
    pub(crate) fn is_observed(&self) -> bool {
        self.state.core.is_observed()
    }

    /// What stops this run from another thread.
    pub fn cancel_token(&self) -> CancelToken {
        self.state.core.cancel_token()
    }

    /// The numbers of a node that the plan keeps: outputs of prediction plans, losses and metrics,
    /// inputs and targets.
    pub fn kept(&self, node: NodeId) -> Option<&[f32]> {
        let plan = &self.state.plan;
        self.kept_value((*plan.activations.get(node)?)?)
    }

    fn kept_value(&self, value: ValueIndex) -> Option<&[f32]> {
        let plan = &self.state.plan;
        let described = plan.layout.values.get(value.index())?;
        let storage = plan.layout.storages[described.storage?];
        let own = described.offset == 0 && described.stride == described.cols;
        let Place::Arena(_) = storage.place else { return None };
        let floats = if described.item_rows == 0 {
            described.floats * described.contributions as usize
        } else {
            plan.batch() * described.item_rows * described.cols
        };
        // SAFETY: the arena is as large as the plan says, and no run is under way, since `execute`
        // borrows this run exclusively.
        own.then(|| unsafe { std::slice::from_raw_parts(self.state.base(value), floats) })
    }

    /// The gradient of all losses with respect to an input node, if the plan keeps gradients.
    pub fn input_gradient(&self, node: NodeId) -> Option<Vec<f32>> {
        let plan = &self.state.plan;
        let value = (*plan.kept_gradients.get(node)?)?;
        let described = plan.layout.values[value];
        let rows = self.state.rows(Operand::without_message(value), &(0..plan.batch()));
        let mut copy = Vec::with_capacity(plan.batch() * described.item_rows * described.cols);
        (0..rows.rows()).for_each(|row| copy.extend_from_slice(rows.row(row)));
        Some(copy)
    }

    /// What the regularizer of parameter number `parameter` says that its weights cost, before they
    /// were moved; nothing without one, and nothing in predictions.
    pub fn regularization(&self, parameter: usize) -> Option<f64> {
        let costs = self.kept_value((*self.state.plan.regularization.get(parameter)?)?)?;
        Some(costs.iter().map(|&cost| f64::from(cost)).sum())
    }

    /// The gradient of all losses and of its regularizer with respect to parameter number
    /// `parameter`, row-major, if the plan keeps gradients; where it moves parameters, as it was
    /// clipped by a norm.
    pub fn parameter_gradient(&self, parameter: usize) -> Option<Tensor> {
        let plan = &self.state.plan;
        let values = plan.parameter_gradients.get(parameter)?;
        let described = &plan.graph.parameters[parameter];
        let floats = described.spec.floats();
        let mut sum = vec![0.0f32; floats];
        // An update adds all contributions to the first one.
        let added = plan.calls.iter().any(|call| {
            call.phase == Phase::Update && call.parameter == Some(ParameterIndex::new(parameter))
        });
        let add = |sum: &mut [f32], more: &[f32]| {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        let operands: Vec<Operand> =
            values.iter().map(|&value| Operand::without_message(value)).collect();
        let most = if added { 1 } else { usize::MAX };
        let mut own = vec![0.0f32; floats];
        for contributions in plan.contributions(&operands).take(most) {
            own.fill(0.0);
            for (operand, number) in contributions.take(most) {
                add(&mut own, &self.kept_value(operand.value)?[number * floats..][..floats]);
            }
            add(&mut sum, &own);
        }
        if let Some(regularizer) = described.regularizer.as_ref().filter(|_| !added) {
            self.state
                .parameters
                .with_memory(parameter, |weights| regularizer.add_gradient(weights, &mut sum));
        }
        (!values.is_empty()).then(|| parameters::from_memory(described, &sum))
    }

    /// The most bytes of recycled buffers that were in use at one time.
    pub fn peak_recycled_bytes(&self) -> usize {
        self.state.recycler.peak()
    }
}

impl sealed::Sealed for Run {}

impl Execute for Run {
    fn with(&mut self, execute: &mut dyn FnMut(&Running) -> Result<()>) -> Result<()> {
        // Held for the execution.
        let parameters = self.state.parameters.hold(self.state.plan.mode() == Mode::Training);
        self.state.make_lasting(&parameters)?;
        execute(&Running::new(Arc::clone(&self.state)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::kernels::with_bf16_missing;
    use crate::layers::Dense;
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::{PlanOptions, Precision};

    #[test]
    fn a_plan_is_refused_whose_instructions_the_processor_lacks() {
        let mut net = GraphBuilder::new("alone");
        let x = net.input("x", [64]);
        let dense = net.layer("dense", Dense::new(64), [&x]);
        net.output(&dense);
        let graph = Arc::new(net.build().unwrap());
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let run = |precision: Precision| {
            let options = PlanOptions::default().precision(precision);
            let plan = Plan::compile(&graph, Mode::Prediction, 4, &optimizer, options)?;
            let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 1)?;
            with_bf16_missing("avx512_bf16", || {
                Run::new(Arc::new(plan), Arc::new(parameters)).map(|_| ())
            })
        };
        run(Precision::F32).unwrap();
        assert_eq!(
            run(Precision::Bf16).unwrap_err().to_string(),
            "graph `alone`: precision bf16 needs instructions that this processor lacks: avx512_bf16; use \
             precision f32, or a processor with AVX-512 BF16"
        );
    }
}
