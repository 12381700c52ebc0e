//! Which array feeds which node.

use std::sync::Arc;

use super::{Array, ArraySource, Named};
use crate::data::readers::Request;
use crate::data::table::ColumnOptions;
use crate::data::{Column, Dataset, escaped, file_name, refuse, target_classes};
use crate::graph::{Graph, NodeId, Role};
use crate::{Result, describe_shape, memory};

/// The option that says whether numbers are held in memory.
pub(in crate::data::readers) const MEMORY_OPTION: (&str, &str) = (
    "memory",
    "whether all numbers are held in memory: yes, or no, which reads items as they are used; default no where they \
     would take more than a quarter of the memory",
);

/// The arrays that the nodes of the request's network take, as a data set. With `only`, a single input takes a
/// single array whatever it is called. Targets whose array is not there are left out where none are needed.
///
/// # Errors
/// If an array is missing or does not fit its node, or if its elements are refused.
pub(in crate::data::readers) fn dataset(
    request: &Request<'_>,
    arrays: Vec<Named>,
    only: bool,
) -> Result<Dataset> {
    let origin = escaped(request.source);
    let Some((graph, _)) = request.network else {
        return Err(refuse(origin, "no network was given that could take its arrays", "give one"));
    };
    let held = request.memory()?;
    let (names, mut arrays): (Vec<String>, Vec<Option<Result<Array>>>) =
        arrays.into_iter().map(|(name, array)| (name, Some(array))).unzip();
    let alone = only && names.len() == 1 && graph.inputs().len() == 1;
    let mut taken = Vec::new();
    for (id, target) in graph
        .inputs()
        .into_iter()
        .map(|id| (id, false))
        .chain(graph.targets().into_iter().map(|id| (id, true)))
    {
        let node = &graph.nodes()[id].name;
        let wanted = wanted(request, &origin, graph, id)?;
        let place = names.iter().position(|name| *name == wanted);
        let place = place.or((alone && !target && wanted == *node).then_some(0));
        let Some(place) = place else {
            if target && !request.targets {
                continue;
            }
            return Err(lacks(&origin, node, &wanted, &names));
        };
        let Some(array) = arrays[place].take() else {
            return Err(refuse(
                &origin,
                format!(
                    "array `{}` should feed two nodes, one of which is `{node}`",
                    escaped(&wanted)
                ),
                "give every input and target an array of its own",
            ));
        };
        let array = array?;
        let shape = fitting_shape(graph, id, &array)?;
        taken.push((id, target, array, shape));
    }
    let numbers = taken.iter().map(|(_, _, array, _)| array.shape.iter().product::<usize>());
    let all = numbers.fold(0_usize, usize::saturating_add).saturating_mul(size_of::<f32>());
    let stream_all = held.map_or_else(|| memory::is_large(all), |held| !held);
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for (id, target, array, shape) in taken {
        let classes = target && target_classes(graph, id).is_some();
        let name = &graph.nodes()[id].name;
        let column = match (stream_all && array.item_size() > 1, array.whole_because()) {
            (true, Some(why)) if held.is_some() => {
                return Err(refuse(&array.origin, "its items can't be read one by one", why));
            }
            (true, None) => streamed(name, array, shape, classes)?,
            _ => Column::new(name, array.load(&shape, classes)?),
        };
        if target { targets.push(column) } else { inputs.push(column) }
    }
    Dataset::new(file_name(request.path()), inputs, targets)
}

/// A column whose items are read as they are used.
fn streamed(name: &str, mut array: Array, shape: Vec<usize>, classes: bool) -> Result<Column> {
    let Some((file, start)) = array.position.take() else {
        return Err(refuse(&array.origin, "its place in the file is not known", "write it again"));
    };
    let source = ArraySource { array, shape, classes, file, start };
    Ok(Column::from_source(name, Arc::new(source)))
}

/// The name of the array that a node takes: what its `columns` say, or its own name.
fn wanted(request: &Request<'_>, origin: &str, graph: &Graph, id: NodeId) -> Result<String> {
    let node = &graph.nodes()[id];
    let Some(said) = request.config.and_then(|config| config.nodes.get(&node.name)) else {
        return Ok(node.name.clone());
    };
    let plain = ColumnOptions::default();
    if said.options != plain || said.columns.iter().any(|it| it.options != plain) {
        return Err(refuse(
            origin,
            format!(
                "node `{}` has `scale`, `missing`, `categories` or `unknown`, which are for tables",
                node.name
            ),
            "leave them out, and store the numbers as the network should see them",
        ));
    }
    match said.columns.as_slice() {
        [] => Ok(node.name.clone()),
        [one] => Ok(one.columns.clone()),
        several => Err(refuse(
            origin,
            format!("node `{}` should take {} arrays", node.name, several.len()),
            format!("name one, as in `--columns {}=NAME`", node.name),
        )),
    }
}

fn lacks(origin: &str, node: &str, wanted: &str, names: &[String]) -> crate::Error {
    const SHOWN: usize = 20;
    let mut list: Vec<String> =
        names.iter().take(SHOWN).map(|name| format!("`{}`", escaped(name))).collect();
    if names.len() > SHOWN {
        list.push(format!("{} more", names.len() - SHOWN));
    }
    refuse(
        origin,
        format!(
            "it has no array `{}` for node `{node}`; its arrays are {}",
            escaped(wanted),
            list.join(", ")
        ),
        format!(
            "save the array under this name, or say which one it is with `--columns {node}=NAME`"
        ),
    )
}

/// The shape that items of the array have at a node, if they fit it.
fn fitting_shape(graph: &Graph, id: NodeId, array: &Array) -> Result<Vec<usize>> {
    let node = &graph.nodes()[id];
    let what = if matches!(node.role, Role::Target) { "target" } else { "input" };
    let Some((_, item)) = array.shape.split_first() else {
        return Err(refuse(
            &array.origin,
            format!(
                "it is a single number, but {what} `{}` takes one item after the other",
                node.name
            ),
            "store an array whose first axis counts the items",
        ));
    };
    // Axes of length 1 at the end say nothing.
    let trimmed = |shape: &[usize]| {
        let end = shape.iter().rposition(|&length| length != 1).map_or(0, |last| last + 1);
        shape[..end].to_vec()
    };
    if trimmed(item) == trimmed(&node.shape) {
        return Ok(node.shape.clone());
    }
    let mut channels_last = item.to_vec();
    if !channels_last.is_empty() {
        channels_last.rotate_left(1);
    }
    let remedy = if item.len() > 1 && channels_last == node.shape {
        "put channels last, as np.moveaxis(x, 1, -1) does".to_owned()
    } else {
        format!(
            "store it with the shape items x {}, or write `shape = [{}]` at the node",
            describe_shape(&node.shape),
            item.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
        )
    };
    Err(refuse(
        &array.origin,
        format!(
            "expected items of {} for {what} `{}`, found the shape {}, whose first axis counts the items",
            describe_shape(&node.shape),
            node.name,
            describe_shape(&array.shape)
        ),
        remedy,
    ))
}
