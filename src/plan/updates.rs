//! The calls that go over single parameters: what their size costs, the norms of their gradients, the
//! commit, and the updates.

use std::collections::HashSet;

use super::calls::{CallDraft, CallIndex, Lister, SMALLEST_ROWS, Write, parts, seconds};
use crate::context::{ParameterIndex, Phase};
use crate::flow::index::ValueIndex;
use crate::graph::Role;
use crate::layers::{Cost, Split};
use crate::optimizers::NormClip;

/// The gradients of one parameter, to be added, and the calls that compute them.
#[derive(Clone, Debug, Default)]
struct Gradients {
    values: Vec<ValueIndex>,
    calls: Vec<CallIndex>,
}

impl Lister<'_> {
    pub(super) fn updates(&mut self, norm_clip: Option<NormClip>) {
        let graph = self.graph;
        let readers = self.weight_readers();
        let mut gradients = self.gradients_by_parameter();
        let mut norms = vec![None; graph.parameters.len()];
        if norm_clip.is_some() {
            for (parameter, gradients) in gradients.iter_mut().enumerate() {
                if !gradients.values.is_empty() {
                    norms[parameter] = Some(self.grad_norm(parameter, gradients));
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
            let mut call = self.parameter_call(Phase::Update, parameter);
            call.inputs.clone_from(&gradients.values);
            call.after.clone_from(&gradients.calls);
            call.norm = scale.or(norms[parameter]);
            call.placed = vec![false; call.inputs.len()];
            call.after.push(commit);
            call.after.extend(&readers[parameter]);
            call.commit = Some(commit);
            let contributions = self.contributions_of(gradients);
            let floats = ((contributions + 4) * described.spec.floats()) as f64;
            call.seconds = seconds(Cost { flops: 0.0, floats });
            self.calls.push(call);
        }
        self.statistics(commit);
    }

    /// By parameter: its gradients, in node order.
    fn gradients_by_parameter(&self) -> Vec<Gradients> {
        let mut gradients = vec![Gradients::default(); self.graph.parameters.len()];
        let mut known = HashSet::new();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            // A node that no loss needs has no gradient.
            for (&parameter, &value) in
                node.parameters.iter().zip(&self.calls.parameter_gradients[id])
            {
                let Some(value) = value else { continue };
                if known.insert(value) {
                    gradients[parameter].values.push(value);
                }
                gradients[parameter].calls.extend(&self.calls.param_grads[id]);
            }
        }
        gradients
    }

    /// How many arrays are added to one gradient.
    fn contributions_of(&self, gradients: &Gradients) -> usize {
        let flat = |&value: &ValueIndex| self.calls.flat[value.index() - self.calls.first_flat];
        gradients.values.iter().map(|value| flat(value).contributions).sum()
    }

    /// A call over the rows of one parameter.
    fn parameter_call(&self, phase: Phase, parameter: usize) -> CallDraft {
        let described = &self.graph.parameters[parameter];
        let mut call = self.draft(phase, described.node);
        call.parameter = Some(ParameterIndex::new(parameter));
        call.split = Split::Rows;
        call.units = described.spec.rows() / SMALLEST_ROWS;
        call
    }

    /// Lets every part of a call, which is a task of its own, write one number; gives the value.
    fn push_with_sums(&mut self, mut call: CallDraft, kept: bool) -> ValueIndex {
        let parts = parts(call.seconds, call.units, self.options);
        let value = self.calls.add_flat(1, parts, kept);
        call.writes.push(Write::new(value));
        self.calls.push(call);
        value
    }

    /// Adds the gradients of a parameter to one, of which only its update has to know from here on;
    /// gives the norms of its parts.
    fn grad_norm(&mut self, parameter: usize, gradients: &mut Gradients) -> ValueIndex {
        let mut call = self.parameter_call(Phase::GradNorm, parameter);
        call.inputs.clone_from(&gradients.values);
        call.placed = vec![false; call.inputs.len()];
        call.after = std::mem::take(&mut gradients.calls);
        let numbers = self.graph.parameters[parameter].spec.floats() as f64;
        let floats = (self.contributions_of(gradients) + 1) as f64 * numbers;
        call.seconds = seconds(Cost { flops: 2.0 * numbers, floats });
        gradients.values.truncate(1);
        self.push_with_sums(call, false)
    }

    /// What the sizes of parameters cost, which their updates change.
    pub(super) fn regularizers(&mut self) {
        for (parameter, described) in self.graph.parameters.iter().enumerate() {
            if described.regularizer.is_some() {
                let mut call = self.parameter_call(Phase::Regularize, parameter);
                let floats = described.spec.floats() as f64;
                call.seconds = seconds(Cost { flops: 2.0 * floats, floats });
                self.calls.regularization[parameter] = Some(self.push_with_sums(call, true));
            }
        }
    }

    /// One call that follows every call that can fail; all updates follow it. With the norms of all
    /// gradients, it also says by what these are scaled.
    fn commit(&mut self, norms: &[Option<ValueIndex>]) -> (CallIndex, Option<ValueIndex>) {
        let graph = self.graph;
        let barrier = !self.options.overlap_updates;
        let can_fail = |call: &CallDraft| match (call.phase, &graph.nodes[call.node].role) {
            _ if barrier => true,
            (Phase::Forward, Role::Input | Role::Target)
            | (Phase::Accumulate | Phase::Regularize | Phase::GradNorm, _) => false,
            (Phase::Forward | Phase::Prepare, _) => true,
            (_, Role::Layer(layer)) => layer.backward_can_fail(),
            (_, Role::Loss { loss, .. }) => loss.backward_can_fail(),
            _ => true,
        };
        // Only those that no other such call waits for: the rest come before anyway.
        let mut last: Vec<bool> = self.calls.list.iter().map(can_fail).collect();
        for call in self.calls.list.iter().filter(|call| can_fail(call)) {
            for before in self.calls.waits_for(call) {
                last[before] = false;
            }
        }
        let mut call = self.draft(Phase::Commit, graph.losses()[0]);
        call.after = CallIndex::below(last.len()).filter(|&call| last[call]).collect();
        call.split = Split::Whole;
        call.seconds = 1e-7;
        call.inputs = norms.iter().copied().flatten().collect();
        call.placed = vec![false; call.inputs.len()];
        let mut scale = None;
        if !call.inputs.is_empty() {
            let value = self.calls.add_flat(1, 1, false);
            scale = Some(value);
            call.writes.push(Write::new(value));
        }
        (self.calls.push(call), scale)
    }

    /// By parameter: the calls that read the weights. Those of the forward phase come before the
    /// commit.
    fn weight_readers(&self) -> Vec<Vec<CallIndex>> {
        let mut readers = vec![Vec::new(); self.graph.parameters.len()];
        for (index, call) in CallIndex::below(self.calls.list.len()).zip(&self.calls.list) {
            match call.phase {
                Phase::InputGrad | Phase::ParamGrad => {
                    for &parameter in &self.graph.nodes[call.node].parameters {
                        readers[parameter].push(index);
                    }
                }
                Phase::Regularize => {
                    if let Some(parameter) = call.parameter {
                        readers[parameter].push(index);
                    }
                }
                _ => {}
            }
        }
        readers
    }
}
