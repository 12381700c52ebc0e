//! Gradients beside the weights that training moves.

use std::sync::Arc;

use super::network::Network;
use crate::context::Mode;
use crate::error::Result;
use crate::plan::{Plan, PlanOptions};
use crate::run::Run;
use crate::tensor::Tensor;

impl Network {
    /// The gradients of all losses and regularizers over the batch of the last step, at the weights as they are now: one for
    /// every parameter of the graph, in its order, of the parameter's shape. There is none for parameters that do not train, and
    /// none at all before the first step, also of a network that was resumed, or once the batch is no longer held.
    ///
    /// Training keeps no gradient, for an update takes it up as soon as it is there; so this compiles a plan that does,
    /// and executes it once. That takes the time and the memory of a step, moves nothing, and leaves later steps as they would have been.
    /// Random layers draw what they drew in that step. No gradient is clipped by a norm.
    ///
    /// ```
    /// use caudal::model::Model;
    /// use caudal::train::{FitOptions, Network, NetworkOptions};
    ///
    /// let (train, _) = caudal::data::digits()?;
    /// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
    /// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// network.fit(&train, &FitOptions::default().max_steps(3))?;
    /// let gradients = network.last_batch_gradients()?;
    /// for (parameter, gradient) in network.graph().parameters().iter().zip(gradients) {
    ///     assert_eq!(gradient.unwrap().shape(), parameter.spec.shape);
    /// }
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If memory does not hold a second run, or if a node fails.
    pub fn last_batch_gradients(&mut self) -> Result<Vec<Option<Tensor>>> {
        let graph = Arc::clone(self.graph());
        let Some(items) = self.last_items() else {
            return Ok(vec![None; graph.parameters().len()]);
        };
        // An executor with a thread for every node gets every node as it was written.
        let fusion = self.options().plan.fusion && self.executor().fuses();
        let options =
            PlanOptions { fusion, updates: false, keep_gradients: true, ..self.options().plan };
        let plan = Plan::compile(&graph, Mode::Training, items, self.optimizer(), options)?;
        let mut run = Run::new(Arc::new(plan), self.shared_parameters())?;
        run.set_seed(self.options().seed);
        run.set_step(self.step() - 1);
        let last = self.run(Mode::Training, items)?;
        for id in graph.inputs().into_iter().chain(graph.targets()) {
            if let Some(numbers) = last.kept(id) {
                run.bind(id, numbers)?;
            }
        }
        self.executor().execute(&mut run)?;
        Ok((0..graph.parameters().len()).map(|index| run.parameter_gradient(index)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, GraphBuilder};
    use crate::layers::{BatchNorm, Dense, Dropout, Tanh};
    use crate::losses::MeanSquaredError;
    use crate::optimizers::Sgd;
    use crate::regularizers::L2;
    use crate::train::NetworkOptions;

    /// With a layer that draws at random, one with statistics, and a regularizer.
    fn graph() -> Graph {
        let mut net = GraphBuilder::new("small");
        let x = net.input("x", [3]);
        let y = net.target("y", [2]);
        let first = net.layer("first", Dense::new(5), [&x]);
        let norm = net.layer("norm", BatchNorm::default(), [&first]);
        let tanh = net.layer("tanh", Tanh, [&norm]);
        let dropped = net.layer("dropped", Dropout::new(0.3), [&tanh]);
        let last = net.layer("last", Dense::new(2), [&dropped]);
        net.regularizer(&last, "weight", L2::new(0.1));
        net.loss("loss", MeanSquaredError, [&last, &y]);
        net.build().unwrap()
    }

    fn network(executor: &str, plan: PlanOptions) -> Network {
        let options = NetworkOptions::default().executor(executor).workers(3).seed(5).plan(plan);
        Network::new(graph(), Sgd::new(0.2).momentum(0.5), options).unwrap()
    }

    fn batch(items: usize) -> [(&'static str, Tensor); 2] {
        let numbers = |width, factor: f32| {
            let number = |[item, at]: [usize; 2]| (factor * (item * width + at) as f32).sin();
            Tensor::from_shape_fn(vec![items, width], |index| number([index[0], index[1]]))
        };
        [("x", numbers(3, 1.7)), ("y", numbers(2, 0.9))]
    }

    fn train(network: &mut Network, items: usize) -> f64 {
        let [(x, of_x), (y, of_y)] = batch(items);
        network.train_batch(&[(x, &of_x), (y, &of_y)]).unwrap().loss
    }

    #[test]
    fn gradients_are_those_of_the_last_batch_at_the_weights_as_they_are() {
        for executor in ["sequential", "pool", "actors"] {
            let mut trained = network(executor, PlanOptions::default());
            assert!(trained.last_batch_gradients().unwrap().iter().all(Option::is_none));
            train(&mut trained, 9);
            train(&mut trained, 6);
            let weights = trained.weights_sha256();
            let gradients = trained.last_batch_gradients().unwrap();
            assert_eq!((trained.weights_sha256(), trained.step()), (weights, 2));
            // Moves nothing, and has the masks of the second step.
            let mut probe = network("sequential", PlanOptions::gradients());
            let parameters: Vec<String> =
                graph().parameters().iter().map(|it| it.name.clone()).collect();
            for name in &parameters {
                probe.set_weights(name, &trained.weights(name).unwrap()).unwrap();
            }
            probe.set_step(1);
            train(&mut probe, 6);
            let own = probe.run(Mode::Training, 6).unwrap();
            let expected: Vec<_> =
                (0..parameters.len()).map(|index| own.parameter_gradient(index)).collect();
            assert_eq!(gradients, expected, "{executor}");
            let none: Vec<bool> = gradients.iter().map(Option::is_none).collect();
            let statistic = |name: &String| name.starts_with("norm.running");
            assert_eq!(none, parameters.iter().map(statistic).collect::<Vec<_>>());
            // And they are slopes of the loss.
            for (name, gradient) in parameters.iter().zip(gradients) {
                let Some(gradient) = gradient else { continue };
                let weights = trained.weights(name).unwrap();
                let mut at = |moved: f32| {
                    let mut weights = weights.clone();
                    weights.as_slice_mut().unwrap()[0] += moved;
                    probe.set_weights(name, &weights).unwrap();
                    train(&mut probe, 6)
                };
                let slope = (at(0.01) - at(-0.01)) / 0.02;
                at(0.0);
                let computed = f64::from(*gradient.first().unwrap());
                assert!((slope - computed).abs() < 1e-3, "{name}: {slope}, not {computed}");
            }
        }
    }

    #[test]
    fn asking_for_gradients_changes_no_later_step() {
        let mut bits = Vec::new();
        for (executor, asks) in [("sequential", false), ("pool", true), ("sequential", true)] {
            let mut network = network(executor, PlanOptions::default());
            for items in [9, 6, 9] {
                train(&mut network, items);
                if asks {
                    network.last_batch_gradients().unwrap();
                }
            }
            bits.push(network.weights_sha256());
        }
        assert!(bits.iter().all(|it| *it == bits[0]), "{bits:?}");
    }

    #[test]
    fn a_network_that_no_longer_holds_the_batch_has_no_gradients() {
        let mut network = network("sequential", PlanOptions::default());
        train(&mut network, 9);
        network.set_step(7);
        assert!(network.last_batch_gradients().unwrap().iter().all(Option::is_none));
        network.set_step(1);
        assert!(network.last_batch_gradients().unwrap().iter().any(Option::is_some));
    }
}
