//! What there is to say about a network and its runs: tables, pictures, and pages of both. All of it was
//! measured or simulated before; nothing is measured here.

mod canvas;
mod chart;
mod comparison;
mod confusion;
mod dot;
mod gantt;
mod groups;
mod layout;
mod learning_rates;
mod page;
mod prediction;
mod states;
mod svg;
mod tasks;
mod timeline;
mod training;

pub use chart::{Bar, Series, breakdown, chart, doubling_chart, logarithmic_chart};
pub use comparison::{RunCurves, comparison_page};
pub use confusion::confusion;
pub use dot::dot;
pub use gantt::{gantt, gantt_executed, trace_gantt};
pub use groups::parameter_groups;
pub use learning_rates::rate_page;
pub use page::{Page, Simulated, speedup_page};
pub use prediction::prediction_page;
pub use states::task_states;
pub use svg::{NodeCosts, svg, svg_with_costs};
pub use tasks::{overview, tasks};
pub use timeline::timeline;
pub use training::training_page;

use crate::graph::{Graph, NodeId};
use crate::model::settings;
use crate::optimizers::Optimizer;

/// What a drawing says about the parameters of a node, and about their training where that is not as
/// usual; nothing, if it has none.
fn describe_parameters(graph: &Graph, id: NodeId) -> Option<String> {
    if let Some(owner) = graph.shares(id) {
        return Some(format!("parameters of {}", graph.nodes()[owner].name));
    }
    let parameters = graph.nodes()[id].parameters.iter();
    let parameters: Vec<_> = parameters.map(|&index| &graph.parameters()[index]).collect();
    let first = parameters.first()?;
    let count: usize = parameters.iter().map(|parameter| parameter.spec.count()).sum();
    let mut texts = vec![format!("{count} parameters")];
    if !graph.trains(id) {
        texts.push("frozen".to_owned());
    }
    if first.learning_rate_factor.to_bits() != 1.0f32.to_bits() {
        texts.push(format!("rate x {}", first.learning_rate_factor));
    }
    for parameter in parameters {
        if let Some(regularizer) = &parameter.regularizer {
            texts.push(format!("{} of {}", regularizer.kind(), parameter.spec.name));
        }
    }
    Some(texts.join(", "))
}

/// What a drawing says about the optimizer.
fn describe_optimizer(optimizer: &dyn Optimizer) -> String {
    let kind = [format!("optimizer {}", optimizer.kind())];
    kind.into_iter().chain(settings(optimizer)).collect::<Vec<_>>().join(", ")
}
