//! Predictions of few items: calls whose items are too few to be divided may have their output divided, within
//! each item.
//!
//! Which call, and into how many parts, follows from shapes alone, as everywhere in a plan; and every number is
//! summed in the same order in whatever part it is computed, so that a division changes no bit.

use super::PlanOptions;
use super::calls::{CallDraft, CallIndex, Calls, parts};
use super::fusion::fuse;
use super::group_order::{PARTS_ALONE, parts_alone, topological};
use super::values::Values;
use crate::context::{Axis, Division, Mode, Phase};
use crate::graph::{Graph, Role};
use crate::layers::ItemSplit;

/// Weights that a core reads in a second: a product of few rows takes as long as its weights take to come.
const WEIGHTS: f64 = 1.6e10;

/// Of a call beside which nothing runs, a part has at least so many estimated seconds.
const SECONDS: f64 = 8e-6;

/// The most parts of one call.
const MOST_PARTS: usize = 16;

/// A call's division, before it is known whether something else runs beside it.
fn division(graph: &Graph, call: &CallDraft, options: PlanOptions) -> Option<Division> {
    let node = &graph.nodes[call.node];
    let Role::Layer(layer) = &node.role else { return None };
    let (&columns, leading) = node.shape.split_last()?;
    let rows: usize = leading.iter().product();
    let (axis, extent, unit) = match layer.item_split(&graph.input_shapes(node), options.numerics())
    {
        ItemSplit::Rows(unit) if call.items.len() == 1 => (Axis::Rows, rows, unit),
        ItemSplit::Columns(unit) => (Axis::Columns, columns, unit),
        _ => return None,
    };
    let [extent, unit] = [extent, unit.max(1)].map(|size| u32::try_from(size).ok());
    Some(Division { axis, extent: extent?, unit: unit?, same_place: false })
}

/// Decides for every forward call of a prediction whether, and how, it is divided.
pub(super) fn divide_items(
    graph: &Graph,
    mode: Mode,
    values: &Values,
    calls: &mut Calls,
    options: PlanOptions,
) {
    if mode != Mode::Prediction || !options.parts {
        return;
    }
    let mut candidates = Vec::new();
    for (index, call) in CallIndex::below(calls.list.len()).zip(&mut calls.list) {
        if call.phase != Phase::Forward {
            continue;
        }
        if let Some(division) = division(graph, call, options) {
            let parameters = graph.nodes[call.node].parameters.iter();
            let floats: usize = parameters.map(|&it| graph.parameters[it].spec.floats()).sum();
            call.seconds = call.seconds.max(floats as f64 / WEIGHTS);
            candidates.push((index, division));
        }
    }
    if candidates.is_empty() {
        return;
    }
    // Each call by itself, to see beside which nothing runs.
    let groups = fuse(graph, values, calls, options.fusion(false));
    let (_, alone) = topological(calls, &groups);
    for (group, alone) in groups.iter().zip(alone) {
        let &[index] = group.calls.as_slice() else { continue };
        let Ok(place) = candidates.binary_search_by_key(&index, |&(index, _)| index) else {
            continue;
        };
        let (division, call) = (candidates[place].1, &mut calls.list[index]);
        let by_items = if alone {
            parts_alone(group, call.items.len(), options)
        } else {
            parts(call.seconds, call.units, options)
        };
        if by_items >= PARTS_ALONE {
            continue;
        }
        let units = (division.extent as usize).div_ceil(division.unit as usize);
        let grain = if alone { options.grain.min(SECONDS) } else { options.grain };
        let wanted = (call.seconds / grain) as usize;
        let most = wanted.min(MOST_PARTS);
        // All as large, or a power of two.
        let parts = if most >= units { units } else { 1 << most.max(1).ilog2() };
        if parts > by_items {
            call.division = Some((division, parts));
        }
    }
}
