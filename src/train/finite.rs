//! Which node made the first number that is not finite.

use std::sync::Arc;

use super::network::Network;
use crate::context::{Finite, Found, Mode, Phase};
use crate::error::{Error, Result};
use crate::flow::{Executor, Sequential};
use crate::graph::{Graph, NodeId, Role};
use crate::plan::{Plan, PlanOptions};
use crate::run::Run;

/// What helps against numbers that grow beyond all bounds.
const REMEDY: &str = "lower the learning rate, clip gradients (`clip_norm` of the optimizer), bring the \
                      inputs to mean 0 and variance 1, or go on regardless (`--check-finite off`, `NetworkOptions::check_finite`)";

impl Network {
    /// Runs the step at hand once more, on the weights as they are and the numbers that are bound in the
    /// run for batches of `items` items, looks at everything that it computes, and moves nothing. The error
    /// is the same whatever executor found that something is wrong.
    pub(super) fn search_not_finite(&mut self, items: usize) -> Error {
        let step = self.step() + 1;
        match self.first_not_finite(items) {
            Ok(Some(error)) | Err(error) => error,
            Ok(None) => {
                let graph = self.graph();
                let loss = graph.losses().first().map(|&id| graph.nodes()[id].name.clone());
                Error::NotFinite {
                    step,
                    node: loss.unwrap_or_default(),
                    problem: "the sum of its losses is not finite, though every number is"
                        .to_owned(),
                    remedy: REMEDY.to_owned(),
                }
            }
        }
    }

    /// Whether all that training moves is finite, the optimizer's state included.
    pub(super) fn is_finite(&self) -> bool {
        self.parameter_not_finite().is_none()
    }

    fn parameter_not_finite(&self) -> Option<usize> {
        let graph = self.graph();
        let moves = |index: usize| graph.parameters()[index].trainable;
        self.parameters().first_not_finite(moves)
    }

    /// The same, if anything is not finite.
    ///
    /// # Errors
    /// If the step can't be executed for another reason.
    pub(super) fn first_not_finite(&mut self, items: usize) -> Result<Option<Error>> {
        let graph = Arc::clone(self.graph());
        let step = self.step();
        let number = step + 1;
        let options = PlanOptions { fusion: false, ..self.options().plan };
        let optimizer = Arc::clone(self.optimizer());
        let plan = Plan::compile(&graph, Mode::Training, items, &optimizer, options)?;
        let mut search = Run::new(Arc::new(plan), self.shared_parameters())?;
        search.set_seed(self.options().seed);
        search.set_step(step);
        let bound = self.run(Mode::Training, items)?;
        for id in graph.inputs().iter().copied().chain(graph.targets()) {
            let Some(numbers) = bound.kept(id) else { continue };
            if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
                return Ok(Some(not_finite_data(&graph, id, number, at, numbers[at])));
            }
            search.bind(id, numbers)?;
        }
        search.set_finite(Finite::Search);
        // Whatever else goes wrong, what was found before stands.
        let outcome = Sequential::new().execute(&mut search);
        if let Some(found) = search.take_found() {
            return Ok(Some(self.describe(&graph, number, &found)));
        }
        outcome.map(|()| None)
    }

    fn describe(&self, graph: &Graph, step: u64, found: &Found) -> Error {
        let node = &graph.nodes()[found.node];
        let what = match (found.phase, found.parameter) {
            (_, Some(parameter)) => {
                format!("the gradient of `{}`", graph.parameters()[parameter].name)
            }
            (Phase::InputGrad, _) => "the gradient of its inputs".to_owned(),
            (Phase::Accumulate, _) => "the gradient of its output".to_owned(),
            _ => "its output".to_owned(),
        };
        let place =
            found.item.map_or_else(String::new, |item| format!(" in item {item} of the batch"));
        let mut largest: Vec<String> = Vec::new();
        let size = |name: String, size: f32| format!("{name} {size:.3e}");
        if found.phase == Phase::Forward {
            let inputs = node.inputs.iter().zip(&found.read);
            largest
                .extend(inputs.map(|(&id, &it)| size(format!("`{}`", graph.nodes()[id].name), it)));
        } else {
            let read = found.read.iter();
            largest.extend(read.map(|&it| size("the gradient of its output".to_owned(), it)));
        }
        let mut broken = None;
        for &parameter in &node.parameters {
            let name = &graph.parameters()[parameter].name;
            let numbers = self.parameters().weights(graph, parameter);
            let most = numbers.iter().fold(0.0f32, |most, it| most.max(it.abs()));
            if numbers.iter().any(|number| !number.is_finite()) {
                broken.get_or_insert_with(|| name.clone());
            } else {
                largest.push(size(format!("`{name}`"), most));
            }
        }
        let mut problem =
            format!("{what} is the first that is not finite: {}{place}", found.number);
        if !largest.is_empty() {
            problem.push_str("; the largest numbers that it had were ");
            problem.push_str(&largest.join(", "));
        }
        let remedy = match broken {
            Some(name) => {
                format!("`{name}` was not finite before the step: begin with other weights")
            }
            None if matches!(node.role, Role::Loss { .. }) => {
                format!("look at its target, {REMEDY}")
            }
            None => REMEDY.to_owned(),
        };
        Error::NotFinite { step, node: node.name.clone(), problem, remedy }
    }
}

fn not_finite_data(graph: &Graph, id: NodeId, step: u64, at: usize, number: f32) -> Error {
    let node = &graph.nodes()[id];
    let each = node.shape.iter().product::<usize>().max(1);
    Error::NotFinite {
        step,
        node: node.name.clone(),
        problem: format!("its data are not finite: {number} in item {} of the batch", at / each),
        remedy: "take such items out of the data, or put numbers in their place".to_owned(),
    }
}

/// What the last step has made of a parameter, or of the optimizer's state, though no gradient was to blame.
pub(super) fn parameter_not_finite(network: &Network) -> Error {
    let graph = network.graph();
    let parameter = network.parameter_not_finite().map(|index| &graph.parameters()[index]);
    let node = parameter.map_or("", |it| graph.nodes()[it.node].name.as_str());
    let name = parameter.map_or("", |it| it.name.as_str());
    Error::NotFinite {
        step: network.step(),
        node: node.to_owned(),
        problem: format!(
            "`{name}`, or what optimizer `{}` keeps beside it, is no longer finite after the step, \
             though its gradient was",
            network.optimizer().kind()
        ),
        remedy: REMEDY.to_owned(),
    }
}
