//! Which columns of a table feed which node of a graph.

use super::config::{ColumnOptions, DataConfig};
use super::text::Table;
use crate::data::{escaped, refuse};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::tensor::describe_shape;

/// The columns of a node, by their places in the table.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) id: NodeId,
    pub(super) columns: Vec<(usize, ColumnOptions)>,
}

/// What a selector means.
enum Selected {
    Columns(Vec<usize>),
    Others,
}

/// The columns of every input, and of every target if `targets` are wanted, in node order. The columns
/// in `reserved` are for something else: no node has them by default.
pub(super) fn bind(
    table: &Table,
    graph: &Graph,
    config: &DataConfig,
    reserved: &[&str],
    targets: bool,
) -> Result<Vec<Bound>> {
    let mut ids = graph.inputs();
    let target_ids = if targets { graph.targets() } else { Vec::new() };
    ids.extend(&target_ids);
    ids.sort_unstable();
    check_nodes(table, graph, config)?;

    let mut free: Vec<bool> =
        table.columns.iter().map(|name| !reserved.contains(&name.as_str())).collect();
    let mut bound: Vec<(NodeId, Vec<(usize, ColumnOptions)>)> = Vec::new();
    let mut others: Vec<NodeId> = Vec::new();
    let mut open: Vec<NodeId> = Vec::new();
    // Columns that are named.
    for &id in &ids {
        let node = &graph.nodes()[id];
        let said = config.nodes.get(&node.name);
        let options = said.map(|said| said.options.clone()).unwrap_or_default();
        let selectors = said.map(|said| said.columns.as_slice()).unwrap_or_default();
        if selectors.is_empty() {
            open.push(id);
            continue;
        }
        let mut columns = Vec::new();
        for selector in selectors {
            let options = selector.options.or(&options);
            match select(table, &node.name, &selector.columns)? {
                Selected::Others => {
                    others.push(id);
                    columns.push((usize::MAX, options));
                }
                Selected::Columns(places) => {
                    columns.extend(places.into_iter().map(|at| (at, options.clone())));
                }
            }
        }
        for (at, _) in &columns {
            if let Some(free) = free.get_mut(*at) {
                *free = false;
            }
        }
        bound.push((id, columns));
    }
    let size = |id: NodeId| graph.nodes()[id].shape.iter().product::<usize>();
    let options_of = |id: NodeId| {
        config.nodes.get(&graph.nodes()[id].name).map(|it| it.options.clone()).unwrap_or_default()
    };
    bind_images(table, &target_ids, &mut open, &mut |id, at| {
        free[at] = false;
        bound.push((id, vec![(at, options_of(id))]));
    })?;
    // Nodes that are called like a column.
    open.retain(|&id| {
        let options = options_of(id);
        let found = table.column(&graph.nodes()[id].name).filter(|&at| free[at]);
        let fits = size(id) == 1 || options.categories.is_some();
        let Some(at) = found.filter(|_| fits) else { return true };
        free[at] = false;
        bound.push((id, vec![(at, options)]));
        false
    });
    // The last target takes the last columns.
    let open_targets: Vec<NodeId> =
        open.iter().copied().filter(|id| target_ids.contains(id)).collect();
    if let [id] = open_targets[..] {
        let options = options_of(id);
        let count = if options.categories.is_some() { 1 } else { size(id) };
        let last: Vec<usize> = (0..free.len()).rev().filter(|&at| free[at]).take(count).collect();
        let inputs_left = open.len() > 1 || !others.is_empty();
        let left = free.iter().filter(|free| **free).count() - last.len();
        if last.len() == count && (left > 0 || !inputs_left) {
            for &at in &last {
                free[at] = false;
            }
            bound.push((id, last.into_iter().rev().map(|at| (at, options.clone())).collect()));
            open.retain(|&other| other != id);
        }
    }
    // The last input takes all others.
    let rest: Vec<usize> = (0..free.len()).filter(|&at| free[at]).collect();
    for (id, columns) in bound.iter_mut().filter(|(id, _)| others.contains(id)) {
        expand(table, &graph.nodes()[*id].name, columns, &rest)?;
    }
    if let [id] = open[..]
        && others.is_empty()
        && !target_ids.contains(&id)
        && !rest.is_empty()
    {
        let options = options_of(id);
        bound.push((id, rest.into_iter().map(|at| (at, options.clone())).collect()));
        open.clear();
    }
    if let Some(&id) = open.first() {
        return Err(unbound(table, graph, id, &bound, &free));
    }
    bound.sort_by_key(|(id, _)| *id);
    Ok(bound.into_iter().map(|(id, columns)| Bound { id, columns }).collect())
}

/// Binds the open inputs of a folder of images to its files, and its only open target to the classes.
fn bind_images(
    table: &Table,
    targets: &[NodeId],
    open: &mut Vec<NodeId>,
    bind: &mut dyn FnMut(NodeId, usize),
) -> Result<()> {
    let Some(file) = table.file_column() else { return Ok(()) };
    open.retain(|id| {
        let is_target = targets.contains(id);
        if !is_target {
            bind(*id, file);
        }
        is_target
    });
    match (&open[..], table.class_column()) {
        ([], _) => {}
        (_, None) => {
            return Err(refuse(
                &table.origin,
                "its images have no classes, which the targets need",
                "put the images of every class into a folder of its own, as in cats/1.png",
            ));
        }
        (&[id], Some(class)) => {
            bind(id, class);
            open.clear();
        }
        _ => {}
    }
    Ok(())
}

/// The columns that some nodes have, by their places.
pub(crate) fn columns_of(
    table: &Table,
    graph: &Graph,
    config: &DataConfig,
    reserved: &[&str],
    nodes: &[NodeId],
) -> Result<Vec<usize>> {
    let bound = bind(table, graph, config, reserved, true)?;
    let wanted = bound.into_iter().filter(|bound| nodes.contains(&bound.id));
    Ok(wanted.flat_map(|bound| bound.columns).map(|(at, _)| at).collect())
}

/// Puts the columns that no node takes in the place of `others`.
fn expand(
    table: &Table,
    node: &str,
    columns: &mut Vec<(usize, ColumnOptions)>,
    rest: &[usize],
) -> Result<()> {
    if rest.is_empty() {
        return Err(refuse(
            &table.origin,
            format!("expected columns for `others` of node `{node}`, other nodes take all"),
            "leave `others` out",
        ));
    }
    let all = std::mem::take(columns).into_iter().flat_map(|(at, options)| {
        let places = if at == usize::MAX { rest.to_vec() } else { vec![at] };
        places.into_iter().map(move |at| (at, options.clone()))
    });
    *columns = all.collect();
    Ok(())
}

/// Refuses what is said of nodes that take no data.
fn check_nodes(table: &Table, graph: &Graph, config: &DataConfig) -> Result<()> {
    let data = || graph.inputs().into_iter().chain(graph.targets());
    let names: Vec<&str> = data().map(|id| graph.nodes()[id].name.as_str()).collect();
    match config.nodes.keys().find(|name| !names.contains(&name.as_str())) {
        // Frozen networks have no targets any more.
        Some(name) if !graph.targets().is_empty() => Err(refuse(
            &table.origin,
            format!("columns are given for `{}`, which is no input or target", escaped(name)),
            format!("the inputs and targets are {}", Table::list(&names)),
        )),
        _ => Ok(()),
    }
}

/// The columns that a selector names. A column of exactly this name goes first.
fn select(table: &Table, node: &str, selector: &str) -> Result<Selected> {
    if let Some(at) = table.column(selector) {
        return Ok(Selected::Columns(vec![at]));
    }
    if selector == "others" {
        return Ok(Selected::Others);
    }
    let Some((from, to)) = selector.split_once("..") else {
        return Err(lacks(table, node, selector));
    };
    let place = |name: &str| table.column(name).ok_or_else(|| lacks(table, node, name));
    let (first, last) = (place(from)?, place(to)?);
    if first > last {
        return Err(refuse(
            &table.origin,
            format!("`{}` of node `{node}` ends before it begins", escaped(selector)),
            "write the column that stands first in the table first",
        ));
    }
    Ok(Selected::Columns((first..=last).collect()))
}

/// The refusal of a table that has no such column.
pub(super) fn lacks(table: &Table, node: &str, column: &str) -> Error {
    let near = crate::names::nearest(column, table.columns.iter().map(String::as_str));
    let near = near.map(|near| format!("; did you mean `{}`?", escaped(near))).unwrap_or_default();
    refuse(
        &table.origin,
        format!(
            "it lacks column `{}` of node `{node}`; its columns are {}{near}",
            escaped(column),
            table.list_columns()
        ),
        "add the column, or give the node another one",
    )
}

/// The refusal of a table that does not say which of its columns a node takes.
fn unbound(
    table: &Table,
    graph: &Graph,
    id: NodeId,
    bound: &[(NodeId, Vec<(usize, ColumnOptions)>)],
    free: &[bool],
) -> Error {
    let names = |places: &[usize]| {
        let names: Vec<&str> = places.iter().map(|&at| table.columns[at].as_str()).collect();
        Table::list(&names)
    };
    let ids = graph.inputs().into_iter().chain(graph.targets());
    let nodes = ids.map(|other| {
        let node = &graph.nodes()[other];
        let kind = node.role.kind();
        let shape = describe_shape(&node.shape);
        let taken = bound.iter().find(|(bound, _)| *bound == other).map(|(_, columns)| {
            names(
                &columns
                    .iter()
                    .map(|(at, _)| *at)
                    .filter(|&at| at < free.len())
                    .collect::<Vec<_>>(),
            )
        });
        let taken = taken.unwrap_or_else(|| "nothing yet".to_owned());
        format!("{kind} `{}` ({shape}) takes {taken}", node.name)
    });
    let nodes = nodes.collect::<Vec<_>>().join(", ");
    let left: Vec<usize> = (0..free.len()).filter(|&at| free[at]).collect();
    let node = &graph.nodes()[id];
    let size = node.shape.iter().product::<usize>().max(1);
    let example: Vec<String> = left
        .iter()
        .chain(std::iter::repeat_with(|| &0).take(usize::from(left.is_empty())))
        .take(size.min(3))
        .map(|&at| format!("\"{}\"", escaped(&table.columns[at])))
        .collect();
    refuse(
        &table.origin,
        format!(
            "which columns feed node `{}`? {nodes}; columns that no node takes: {}",
            node.name,
            names(&left)
        ),
        format!(
            "write the columns into the model file at that node, as in `columns = [{}]`, or give them \
             with `--columns {}=NAME,...`",
            example.join(", "),
            node.name
        ),
    )
}
