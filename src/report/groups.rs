//! How an optimizer moves the parameters of a network, group by group.

use crate::error::Result;
use crate::graph::{Graph, ParameterSettings};
use crate::layers::ParameterKind;
use crate::optimizers::Optimizer;

/// A line for every group of parameters that an optimizer moves alike: those of its own groups, and all others; how
/// many they are, how many numbers they hold, and by which learning rate and weight decay they move. Frozen
/// parameters and statistics are left out.
///
/// ```
/// use caudal::model::Model;
/// use caudal::optimizers::{AdamW, Decays};
/// use caudal::report::parameter_groups;
///
/// let graph = Model::open(Some("mnist-cnn"))?.graph;
/// let lines = parameter_groups(&graph, &AdamW::new(0.001).decays(Decays::Weights))?;
/// assert!(lines[0].starts_with("no group: ") && lines[0].ends_with("weight decay 0.01"));
/// assert!(lines[1].ends_with("weight decay 0"), "{lines:?}");
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// As [`Graph::parameter_settings`].
pub fn parameter_groups(graph: &Graph, optimizer: &dyn Optimizer) -> Result<Vec<String>> {
    // In the order in which parameters come; there are few.
    let mut kinds: Vec<(ParameterSettings, usize, usize)> = Vec::new();
    let settings = graph.parameter_settings(optimizer)?;
    for (parameter, settings) in graph.parameters().iter().zip(settings) {
        if !parameter.trainable || parameter.spec.kind != ParameterKind::Learned {
            continue;
        }
        let count = parameter.spec.count();
        match kinds.iter_mut().find(|(known, ..)| *known == settings) {
            Some((_, parameters, numbers)) => {
                *parameters += 1;
                *numbers += count;
            }
            None => kinds.push((settings, 1, count)),
        }
    }
    // The optimizer's own groups first, as they are written.
    kinds.sort_by_key(|(settings, ..)| settings.group.unwrap_or(usize::MAX));
    let line = |(settings, parameters, numbers): &(ParameterSettings, usize, usize)| {
        let group = settings.group.map(|number| &optimizer.groups()[number].pattern);
        let name =
            group.map_or("no group".to_owned(), |it| format!("group `{}`", it.escape_debug()));
        let rate = match settings.learning_rate_factor {
            1.0 => "the learning rate".to_owned(),
            factor => format!("{factor} times the learning rate"),
        };
        let decay = settings.weight_decay.map(|decay| format!(", weight decay {decay}"));
        let noun = if *parameters == 1 { "parameter" } else { "parameters" };
        let decay = decay.unwrap_or_default();
        format!("{name}: {parameters} {noun} of {numbers} numbers, {rate}{decay}")
    };
    Ok(kinds.iter().map(line).collect())
}
