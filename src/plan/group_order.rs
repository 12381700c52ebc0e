//! The order of groups of calls, and which of them run alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::PlanOptions;
use super::calls::{CallIndex, Calls, MOST_PARTS, parts};
use super::fusion::{Group, GroupIndex};
use crate::context::Phase;

/// Groups of fewer estimated seconds do not count as something to do.
const NEGLIGIBLE: f64 = 1e-6;

/// A group that runs alone, however short it is, is divided into up to so many parts, of at least so many
/// seconds and items each: workers would have nothing to do but wait for it.
pub(super) const PARTS_ALONE: usize = 4;
const SECONDS_ALONE: f64 = 8e-6;
const ITEMS_ALONE: usize = 16;

/// Kahn's algorithm over groups. Gives their order, and which of them run alone.
pub(super) fn topological(calls: &Calls, groups: &[Group]) -> (Vec<GroupIndex>, Vec<bool>) {
    let indices = || GroupIndex::below(groups.len());
    // Every call is in one.
    let mut group_of = vec![GroupIndex::new(0); calls.list.len()];
    for (group, members) in indices().zip(groups) {
        for &call in &members.calls {
            group_of[call] = group;
        }
    }
    let mut missing = vec![0u32; groups.len()];
    let mut followers: Vec<Vec<GroupIndex>> = vec![Vec::new(); groups.len()];
    for (group, members) in indices().zip(groups) {
        for &call in &members.calls {
            for before in calls.waits_for(&calls.list[call]) {
                let before = group_of[before];
                if before != group {
                    missing[group] += 1;
                    followers[before].push(group);
                }
            }
        }
    }
    // Of those that are ready, the one listed first: chunk after chunk.
    let first_call = |group: GroupIndex| Reverse((groups[group].calls[0], group));
    let mut ready: BinaryHeap<Reverse<(CallIndex, GroupIndex)>> =
        indices().filter(|&group| missing[group] == 0).map(first_call).collect();
    let mut order = Vec::with_capacity(groups.len());
    while let Some(Reverse((_, group))) = ready.pop() {
        order.push(group);
        for &follower in &followers[group] {
            missing[follower] -= 1;
            if missing[follower] == 0 {
                ready.push(first_call(follower));
            }
        }
    }
    // Calls are listed in topological order, and groups join a call only to the one that it waits
    // for last, so no cycle can have been closed.
    assert_eq!(order.len(), groups.len(), "fusion closed a cycle");
    let counts = |group: &Group| {
        group.seconds > NEGLIGIBLE && calls.list[group.calls[0]].phase != Phase::Prepare
    };
    let alone = alone(groups, &order, &followers, counts);
    (order, alone)
}

/// By group: whether all others come before or after it, but for some that are negligible; so no worker has
/// anything else to do meanwhile.
///
/// Where it stands in a topological order, nothing before it may have its first follower after it, and
/// nothing after it the last one that it waits for before it: then all those before lead to it, and it leads
/// to all those after.
fn alone(
    groups: &[Group],
    order: &[GroupIndex],
    followers: &[Vec<GroupIndex>],
    counts: impl Fn(&Group) -> bool,
) -> Vec<bool> {
    let mut position = vec![0; order.len()];
    for (place, &group) in order.iter().enumerate() {
        position[group] = place;
    }
    let mut first_follower = vec![usize::MAX; order.len()];
    let mut last_awaited = vec![None; order.len()];
    for (place, &group) in order.iter().enumerate() {
        for &follower in &followers[group] {
            let follower = position[follower];
            first_follower[place] = first_follower[place].min(follower);
            last_awaited[follower] = Some(place);
        }
    }
    let counts = |place: usize| counts(&groups[order[place]]);
    let mut alone = vec![false; order.len()];
    // The last of the first followers of all those before.
    let mut reach = 0;
    for place in 0..order.len() {
        alone[order[place]] = reach <= place;
        if counts(place) {
            reach = reach.max(first_follower[place]);
        }
    }
    // The first of those that all those after wait for last.
    let mut reach = Some(usize::MAX);
    for place in (0..order.len()).rev() {
        alone[order[place]] &= reach >= Some(place);
        if counts(place) {
            reach = reach.min(last_awaited[place]);
        }
    }
    alone
}

/// Into how many parts a group that runs alone is divided, over `items` of the batch.
pub(super) fn parts_alone(group: &Group, items: usize, options: PlanOptions) -> usize {
    let usual = parts(group.seconds, group.units, options);
    if !options.parts {
        return usual;
    }
    let most = PARTS_ALONE.min(items / ITEMS_ALONE);
    let parts = usual.max(((group.seconds / SECONDS_ALONE) as usize).min(most));
    // Numbers of cores are even, and an odd part out would be waited for.
    parts.next_power_of_two().min(group.units.clamp(parts, MOST_PARTS))
}
