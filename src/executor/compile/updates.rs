//! The steps that go over single parameters: what their size costs, the norms of their gradients, the
//! commit, and the updates.

use super::steps::{Lister, SMALLEST_ROWS, StepDraft, Write, parts, seconds};
use crate::executor::plan::{NONE, Phase};
use crate::graph::Role;
use crate::layers::{Cost, Split};
use crate::optimizers::NormClip;

/// The gradients of one parameter, to be added, and the steps that compute them.
#[derive(Clone, Debug, Default)]
struct Gradients {
    values: Vec<u32>,
    steps: Vec<u32>,
}

impl Lister<'_> {
    pub(super) fn updates(&mut self, norm_clip: Option<NormClip>) {
        let graph = self.graph;
        let readers = self.weight_readers();
        let mut gradients = self.gradients_by_parameter();
        let mut norms = vec![NONE; graph.parameters.len()];
        if norm_clip.is_some() {
            for (parameter, gradients) in gradients.iter_mut().enumerate() {
                if !gradients.values.is_empty() {
                    norms[parameter] = self.grad_norm(parameter, gradients);
                }
            }
        }
        let (commit, scale) = match norm_clip {
            Some(NormClip::Global(_)) => self.commit(&norms),
            _ => self.commit(&[]),
        };
        for (parameter, described) in graph.parameters.iter().enumerate() {
            let gradients = &gradients[parameter];
            if gradients.values.is_empty() {
                continue;
            }
            let mut step = self.parameter_step(Phase::Update, parameter);
            step.inputs.clone_from(&gradients.values);
            step.after.clone_from(&gradients.steps);
            step.norm = if scale == NONE { norms[parameter] } else { scale };
            step.placed = vec![false; step.inputs.len()];
            step.after.push(commit);
            step.after.extend(&readers[parameter]);
            step.commit = commit;
            let contributions = self.contributions_of(gradients);
            let floats = ((contributions + 4) * described.spec.floats()) as f64;
            step.seconds = seconds(Cost { flops: 0.0, floats });
            self.steps.push(step);
        }
        self.statistics(commit);
    }

    /// By parameter: its gradients, in node order.
    fn gradients_by_parameter(&self) -> Vec<Gradients> {
        let mut gradients = vec![Gradients::default(); self.graph.parameters.len()];
        for (id, node) in self.graph.nodes.iter().enumerate() {
            // A node that no loss needs has no gradient.
            for (&parameter, &value) in
                node.parameters.iter().zip(&self.steps.parameter_gradients[id])
            {
                if value == NONE {
                    continue;
                }
                gradients[parameter].values.push(value);
                gradients[parameter].steps.extend(&self.steps.param_grads[id]);
            }
        }
        gradients
    }

    /// How many arrays are added to one gradient.
    fn contributions_of(&self, gradients: &Gradients) -> usize {
        let flat = |&value: &u32| self.steps.flat[value as usize - self.steps.first_flat];
        gradients.values.iter().map(|value| flat(value).contributions).sum()
    }

    /// A step over the rows of one parameter.
    fn parameter_step(&self, phase: Phase, parameter: usize) -> StepDraft {
        let described = &self.graph.parameters[parameter];
        let mut step = self.draft(phase, described.node);
        step.parameter = parameter as u32;
        step.split = Split::Rows;
        step.units = described.spec.rows() / SMALLEST_ROWS;
        step
    }

    /// Lets every part of a step, which is a task of its own, write one number; gives the value.
    fn push_with_sums(&mut self, mut step: StepDraft, kept: bool) -> u32 {
        let parts = parts(step.seconds, step.units, self.options);
        let value = self.steps.add_flat(1, parts, kept);
        step.writes.push(Write { value, index: 0, contribution: 0, in_place: false, view: false });
        self.steps.push(step);
        value
    }

    /// Adds the gradients of a parameter to one, of which only its update has to know from here on;
    /// gives the norms of its parts.
    fn grad_norm(&mut self, parameter: usize, gradients: &mut Gradients) -> u32 {
        let mut step = self.parameter_step(Phase::GradNorm, parameter);
        step.inputs.clone_from(&gradients.values);
        step.placed = vec![false; step.inputs.len()];
        step.after = std::mem::take(&mut gradients.steps);
        let numbers = self.graph.parameters[parameter].spec.floats() as f64;
        let floats = (self.contributions_of(gradients) + 1) as f64 * numbers;
        step.seconds = seconds(Cost { flops: 2.0 * numbers, floats });
        gradients.values.truncate(1);
        self.push_with_sums(step, false)
    }

    /// What the sizes of parameters cost, which their updates change.
    pub(super) fn regularizers(&mut self) {
        for (parameter, described) in self.graph.parameters.iter().enumerate() {
            if described.regularizer.is_some() {
                let mut step = self.parameter_step(Phase::Regularize, parameter);
                let floats = described.spec.floats() as f64;
                step.seconds = seconds(Cost { flops: 2.0 * floats, floats });
                self.steps.regularization[parameter] = self.push_with_sums(step, true);
            }
        }
    }

    /// One step that follows every step that can fail; all updates follow it. With the norms of all
    /// gradients, it also says by what these are scaled.
    fn commit(&mut self, norms: &[u32]) -> (u32, u32) {
        let graph = self.graph;
        let barrier = !self.options.overlap_updates;
        let can_fail = |step: &StepDraft| match (step.phase, &graph.nodes[step.node].role) {
            _ if barrier => true,
            (Phase::Forward, Role::Input | Role::Target)
            | (Phase::Accumulate | Phase::Regularize | Phase::GradNorm, _) => false,
            (Phase::Forward | Phase::Prepare, _) => true,
            (_, Role::Layer(layer)) => layer.backward_can_fail(),
            (_, Role::Loss { loss, .. }) => loss.backward_can_fail(),
            _ => true,
        };
        // Only those that no other such step waits for: the rest come before anyway.
        let mut last: Vec<bool> = self.steps.list.iter().map(can_fail).collect();
        for index in 0..self.steps.list.len() {
            if can_fail(&self.steps.list[index]) {
                for before in self.steps.waits_for(&self.steps.list[index]) {
                    last[before as usize] = false;
                }
            }
        }
        let mut step = self.draft(Phase::Commit, graph.losses()[0]);
        step.after = (0..last.len() as u32).filter(|&index| last[index as usize]).collect();
        step.split = Split::Whole;
        step.seconds = 1e-7;
        step.inputs = norms.iter().copied().filter(|&norm| norm != NONE).collect();
        step.placed = vec![false; step.inputs.len()];
        let mut scale = NONE;
        if !step.inputs.is_empty() {
            scale = self.steps.add_flat(1, 1, false);
            let value = scale;
            step.writes.push(Write {
                value,
                index: 0,
                contribution: 0,
                in_place: false,
                view: false,
            });
        }
        (self.steps.push(step), scale)
    }

    /// By parameter: the steps that read the weights. Those of the forward phase come before the
    /// commit.
    fn weight_readers(&self) -> Vec<Vec<u32>> {
        let mut readers = vec![Vec::new(); self.graph.parameters.len()];
        for (index, step) in self.steps.list.iter().enumerate() {
            match step.phase {
                Phase::InputGrad | Phase::ParamGrad => {
                    for &parameter in &self.graph.nodes[step.node].parameters {
                        readers[parameter].push(index as u32);
                    }
                }
                Phase::Regularize => readers[step.parameter as usize].push(index as u32),
                _ => {}
            }
        }
        readers
    }
}
