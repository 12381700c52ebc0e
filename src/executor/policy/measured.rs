//! Measured costs, without what is chance in them.

use std::collections::HashMap;

use crate::executor::plan::{Phase, Plan};
use crate::statistics::median;

/// What tells tasks apart that can't be told apart by their costs: the estimate, and phase and kind of
/// each step.
type Likeness<'a> = (u64, Vec<(Phase, &'a str)>);

/// Gives every task the median of the measured seconds of all tasks like it, with the same steps on the
/// same shapes.
///
/// Equal tasks never take exactly as long as each other. Ranked by that, their order would be drawn by
/// chance, where the plan's order uses numbers while they are in a cache.
pub(in crate::executor) fn evened_out(plan: &Plan, seconds: &[f64]) -> Vec<f64> {
    let mut alike: HashMap<Likeness<'_>, Vec<usize>> = HashMap::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        let steps = plan.steps[task.steps.range()].iter();
        let steps = steps.map(|it| (it.phase, plan.graph.nodes[it.node as usize].role.kind()));
        let likeness = (plan.costs[number].to_bits(), steps.collect());
        alike.entry(likeness).or_default().push(number);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::executor::{Mode, PlanOptions};
    use crate::graph::GraphBuilder;
    use crate::layers::{Dense, Tanh};
    use crate::optimizers::{Optimizer, Sgd};

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
        for (node, evened_out) in nodes.iter().zip(evened_out(&plan, &seconds)) {
            let expected = if ["a", "b", "c"].contains(node) { 2.5 } else { of(node) };
            assert_eq!(evened_out, expected, "{node} of {nodes:?}");
        }
        assert_eq!(nodes.iter().filter(|node| of(node) > 0.0).count(), took.len());
    }
}
