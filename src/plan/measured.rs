//! Measured costs, without what is chance in them.

use std::collections::HashMap;

use super::Plan;
use crate::context::Phase;
use crate::flow::TaskIndex;
use crate::statistics::median;

/// What tells tasks apart that can't be told apart by their costs: the estimate, and phase and kind of
/// each call.
type Likeness<'a> = (u64, Vec<(Phase, &'a str)>);

impl Plan {
    /// Gives every task the median of the measured seconds of all tasks like it, with the same calls on the
    /// same shapes.
    ///
    /// Equal tasks never take exactly as long as each other. Ranked by that, their order would be drawn by
    /// chance, where the plan's order uses numbers while they are in a cache.
    pub fn evened_out(&self, seconds: &[f64]) -> Vec<f64> {
        let mut alike: HashMap<Likeness<'_>, Vec<TaskIndex>> = HashMap::new();
        for task in self.indices() {
            let calls = self.calls_of(task).iter();
            let calls = calls.map(|it| (it.phase, self.graph.nodes[it.node].role.kind()));
            let likeness = (self.costs[task].to_bits(), calls.collect());
            alike.entry(likeness).or_default().push(task);
        }
        let mut evened_out = seconds.to_vec();
        for tasks in alike.values() {
            let middle = median(&mut tasks.iter().map(|&task| seconds[task]).collect::<Vec<_>>());
            for &task in tasks {
                evened_out[task] = middle;
            }
        }
        evened_out
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::context::Mode;
    use crate::graph::GraphBuilder;
    use crate::layers::{Dense, Tanh};
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::PlanOptions;

    #[test]
    fn tasks_of_equal_steps_and_shapes_cost_the_same_and_others_what_they_took() {
        let mut net = GraphBuilder::new("branches");
        let x = net.input("x", [8]);
        for (name, units) in [("a", 8), ("b", 8), ("c", 8), ("wide", 32)] {
            let branch = net.layer(name, Dense::new(units), [&x]);
            net.output(branch);
        }
        let other = net.layer("other", Tanh, [&x]);
        net.output(other);
        let graph = Arc::new(net.build().unwrap());
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::plain();
        let plan = Plan::compile(&graph, Mode::Prediction, 4, &optimizer, options).unwrap();
        let took = [("a", 3.0), ("b", 1.0), ("c", 2.5), ("wide", 9.0), ("other", 0.5)];
        let of = |node: &str| took.iter().find(|(name, _)| *name == node).map_or(0.0, |it| it.1);
        let nodes: Vec<&str> = (0..plan.task_count()).map(|task| plan.task(task).node).collect();
        let seconds: Vec<f64> = nodes.iter().map(|node| of(node)).collect();
        for (node, evened_out) in nodes.iter().zip(plan.evened_out(&seconds)) {
            let expected = if ["a", "b", "c"].contains(node) { 2.5 } else { of(node) };
            assert_eq!(evened_out, expected, "{node} of {nodes:?}");
        }
        assert_eq!(nodes.iter().filter(|node| of(node) > 0.0).count(), took.len());
    }
}
