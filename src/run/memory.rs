//! What a run takes of the machine's memory: refused before it begins where it can't be had.

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::memory::{amount, check};
use crate::optimizers::Optimizer;
use crate::plan::Plan;
use crate::tensor::describe_shape;

/// Refuses a run whose activations and gradients pass the machine's memory.
pub(super) fn check_run(plan: &Plan) -> Result<()> {
    let bytes = plan.run_bytes();
    check(bytes).map_err(|room| {
        let graph = plan.graph();
        let size = |shape: &[usize]| shape.iter().product::<usize>();
        let largest = graph.nodes().iter().max_by_key(|node| size(&node.shape));
        let largest = largest.map_or_else(String::new, |node| {
            let shape = describe_shape(&node.shape);
            format!("; the largest output is that of `{}`, {} x {shape}", node.name, plan.batch())
        });
        Error::Graph {
            graph: graph.name().to_owned(),
            problem: format!(
                "memory does not hold a batch of {}: its activations and gradients take {}, {room}{largest}",
                plan.batch(),
                amount(bytes),
            ),
            remedy: "use smaller batches or smaller layers".to_owned(),
        }
    })
}

/// Refuses parameters that, with what the optimizer keeps for them, pass the machine's memory.
pub(super) fn check_parameters(graph: &Graph, optimizer: &dyn Optimizer) -> Result<()> {
    let (mut numbers, mut bytes) = (0_usize, 0_usize);
    for parameter in graph.parameters() {
        let average = usize::from(parameter.is_averaged(optimizer));
        let arrays = 1 + average + parameter.state(optimizer).len();
        numbers = numbers.saturating_add(parameter.spec.count());
        let floats = parameter.spec.floats().saturating_mul(arrays);
        bytes = bytes.saturating_add(floats.saturating_mul(size_of::<f32>()));
    }
    let largest = graph.parameters().iter().max_by_key(|parameter| parameter.spec.count());
    let largest = largest.map_or_else(String::new, |parameter| {
        format!(
            "; the largest is `{}` of {}",
            parameter.name,
            describe_shape(&parameter.spec.shape)
        )
    });
    check(bytes).map_err(|room| Error::Graph {
        graph: graph.name().to_owned(),
        problem: format!(
            "memory does not hold its {numbers} weights and what optimizer `{}` keeps beside them: they take \
             {}, {room}{largest}",
            optimizer.kind(),
            amount(bytes),
        ),
        remedy: "use smaller layers".to_owned(),
    })
}
