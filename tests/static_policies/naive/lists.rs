//! Policies that order the tasks first.

#![allow(clippy::needless_range_loop)] // loops over numbers, as the papers have them

use super::{Matrices, Place};

pub(super) fn cpop(it: &Matrices) -> Vec<Place> {
    let up = it.longest_ways(&it.mean_seconds, true);
    let mut down = it.release.clone();
    for _ in 0..it.count {
        for (from, to, _, mean) in &it.edges {
            down[*to] = down[*to].max(down[*from] + it.mean_seconds[*from] + mean);
        }
    }
    let priority: Vec<f64> = (0..it.count).map(|task| up[task] + down[task]).collect();
    let is_source = |task: usize| it.edges.iter().all(|edge| edge.1 != task);
    let mut path = vec![false; it.count];
    let mut next: Vec<usize> = (0..it.count).filter(|&task| is_source(task)).collect();
    while !next.is_empty() {
        let mut best = next[0];
        for &task in &next {
            if priority[task] > priority[best] {
                best = task;
            }
        }
        path[best] = true;
        next = it.edges.iter().filter(|edge| edge.0 == best).map(|edge| edge.1).collect();
        next.sort_unstable();
    }
    // The order of the path's tasks matters to no sum here, since times have no rounding.
    let total = |worker: usize| -> f64 {
        (0..it.count).filter(|&task| path[task]).map(|task| it.seconds[task][worker]).sum()
    };
    let mut critical = 0;
    for worker in 1..it.workers {
        if total(worker) < total(critical) {
            critical = worker;
        }
    }
    it.in_turn(
        |a, b| priority[a] > priority[b] || (priority[a] == priority[b] && a < b),
        |plan, task| {
            if path[task] { it.in_gap(plan, task, critical) } else { it.first_to_end(plan, task) }
        },
    )
}

pub(super) fn peft(it: &Matrices) -> Vec<Place> {
    let mut table = vec![vec![0.0f64; it.workers]; it.count];
    for _ in 0..it.count {
        for task in 0..it.count {
            for worker in 0..it.workers {
                let mut longest = 0.0f64;
                for (_, to, _, mean) in it.edges.iter().filter(|edge| edge.0 == task) {
                    let mut least = f64::INFINITY;
                    for next in 0..it.workers {
                        let message = if next == worker { 0.0 } else { *mean };
                        least = least.min(table[*to][next] + it.seconds[*to][next] + message);
                    }
                    longest = longest.max(least);
                }
                table[task][worker] = longest;
            }
        }
    }
    let mean = |task: usize| table[task].iter().sum::<f64>() / it.workers as f64;
    it.in_turn(
        |a, b| mean(a) > mean(b),
        |plan, task| {
            let mut best = it.in_gap(plan, task, 0);
            for worker in 1..it.workers {
                let other = it.in_gap(plan, task, worker);
                if other.3 + table[task][worker] < best.3 + table[task][best.0] {
                    best = other;
                }
            }
            best
        },
    )
}

pub(super) fn mcp(it: &Matrices) -> Vec<Place> {
    let ways = it.longest_ways(&it.mean_seconds, true);
    let length = ways.iter().copied().fold(0.0, f64::max);
    let list = |task: usize| {
        let mut list = vec![length - ways[task]];
        list.extend(
            it.edges.iter().filter(|edge| edge.0 == task).map(|edge| length - ways[edge.1]),
        );
        list.sort_by(|a, b| a.partial_cmp(b).unwrap());
        list
    };
    let comes_before = |a: usize, b: usize| {
        let (one, other) = (list(a), list(b));
        for place in 0..one.len().min(other.len()) {
            if one[place] != other[place] {
                return one[place] < other[place];
            }
        }
        one.len() < other.len()
    };
    it.in_turn(comes_before, |plan, task| {
        let mut best = it.in_gap(plan, task, 0);
        for worker in 1..it.workers {
            let other = it.in_gap(plan, task, worker);
            if other.2 < best.2 || (other.2 == best.2 && other.3 < best.3) {
                best = other;
            }
        }
        best
    })
}

pub(super) fn lookahead(it: &Matrices) -> Vec<Place> {
    let ranks = it.longest_ways(&it.mean_seconds, true);
    it.in_turn(
        |a, b| ranks[a] > ranks[b],
        |plan, task| {
            let mut after: Vec<usize> =
                it.edges.iter().filter(|edge| edge.0 == task).map(|edge| edge.1).collect();
            after.sort_by_key(|&task| it.rank_of_equals[task]);
            after.sort_by(|&a, &b| ranks[b].partial_cmp(&ranks[a]).unwrap());
            let mut best: Option<(f64, Place)> = None;
            for worker in 0..it.workers {
                let place = it.in_gap(plan, task, worker);
                let mut trial = plan.clone();
                trial.places[task] = Some(place.clone());
                let mut last = if after.is_empty() { place.3 } else { 0.0 };
                for &next in &after {
                    let place = it.first_to_end(&trial, next);
                    last = f64::max(last, place.3);
                    trial.places[next] = Some(place);
                }
                let is_better = match &best {
                    None => true,
                    Some((least, own)) => last < *least || (last == *least && place.3 < own.3),
                };
                if is_better {
                    best = Some((last, place));
                }
            }
            best.unwrap().1
        },
    )
}
