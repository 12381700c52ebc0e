//! Whether arrays are those of a graph and its optimizer, and counts those of a training.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::BEST;
use super::file::refuse;
use super::record::Entry;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::tensor::{Tensor, describe_shape};
use crate::train::Network;

/// More steps, or epochs, than any training takes: numbers beyond are none of a training's.
const MOST_STEPS: u64 = 1 << 53;

/// Refuses numbers of steps and epochs that no training comes to.
pub(super) fn check_counts(path: &Path, entry: &Entry) -> Result<()> {
    let stopping = entry.fit.as_ref().and_then(|fit| fit.stopping.as_ref());
    let plateau = entry.plateau.as_ref();
    let counts = [
        ("step", Some(entry.step)),
        ("best_step", stopping.and_then(|it| it.best_step)),
        ("best_epoch", stopping.and_then(|it| it.best_epoch).map(|epoch| epoch as u64)),
        ("waited", stopping.map(|it| it.waited as u64)),
        ("waited", plateau.map(|it| it.waited)),
        ("cooldown", plateau.map(|it| it.cooldown)),
    ];
    match counts.into_iter().find(|(_, count)| count.is_some_and(|count| count > MOST_STEPS)) {
        None => Ok(()),
        Some((name, count)) => {
            let count = count.unwrap_or_default();
            let problem = format!("its `{name}` is {count}, more than any training comes to");
            Err(refuse(path, problem, "name an undamaged file"))
        }
    }
}

/// The name of an array of the optimizer's state.
pub(super) fn state_name(state: &str, parameter: &str) -> String {
    format!("optimizer.{state}.{parameter}")
}

/// The name of the array with a parameter's average.
pub(super) fn average_name(parameter: &str) -> String {
    state_name("average", parameter)
}

fn misfit(path: &Path, parameter: &str, problem: &str, remedy: &str) -> Error {
    Error::Parameter {
        parameter: parameter.to_owned(),
        problem: format!("in {}, {problem}", path.display()),
        remedy: remedy.to_owned(),
    }
}

/// Looks for one array; its shape must be `shape`.
fn check_array(
    path: &Path,
    name: &str,
    shape: &[usize],
    tensors: &BTreeMap<String, Tensor>,
    remedy: &str,
) -> Result<()> {
    let problem = match tensors.get(name) {
        Some(tensor) if tensor.shape() == shape => return Ok(()),
        Some(tensor) => format!(
            "its shape is {}, but the graph needs {}",
            describe_shape(tensor.shape()),
            describe_shape(shape)
        ),
        None => format!("it is missing; its shape would be {}", describe_shape(shape)),
    };
    Err(misfit(path, name, &problem, remedy))
}

/// Every parameter of the graph must be there, and nothing else but the optimizer's state.
pub(super) fn check_weights(
    path: &Path,
    graph: &Graph,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<()> {
    let parameters = graph.parameters();
    for parameter in parameters {
        let remedy = "use a file of the same graph";
        check_array(path, &parameter.name, &parameter.spec.shape, tensors, remedy)?;
    }
    let names: HashSet<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let extra = |name: &&String| {
        let beside = name.starts_with("optimizer.") || name.starts_with(BEST);
        !names.contains(name.as_str()) && !beside
    };
    match tensors.keys().find(extra) {
        None => Ok(()),
        Some(name) => Err(misfit(
            path,
            name,
            &format!("it is no parameter of graph `{}`", graph.name()),
            "use a file of the same graph, or remove this array from the file",
        )),
    }
}

/// Every array of the optimizer's state must be there, and no other.
pub(super) fn check_state(
    path: &Path,
    network: &Network,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<()> {
    let kind = network.optimizer().kind();
    let remedy = format!("go on with the optimizer that was saved; this one is `{kind}`");
    let mut expected = HashSet::new();
    for parameter in network.graph().parameters() {
        for state in parameter.state(network.optimizer().as_ref()) {
            let name = state_name(state, &parameter.name);
            check_array(path, &name, &parameter.spec.shape, tensors, &remedy)?;
            expected.insert(name);
        }
        if parameter.is_averaged(network.optimizer().as_ref()) {
            let name = average_name(&parameter.name);
            check_array(path, &name, &parameter.spec.shape, tensors, &remedy)?;
            expected.insert(name);
        }
        expected.insert(parameter.name.clone());
    }
    match tensors.keys().find(|name| !expected.contains(*name) && !name.starts_with(BEST)) {
        None => Ok(()),
        Some(name) => Err(misfit(path, name, "it is a state that nobody keeps here", &remedy)),
    }
}
