//! Policies that choose among ready tasks and workers.

#![allow(clippy::needless_range_loop)] // loops over numbers, as the papers have them

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Matrices, Place, Plan};

pub(super) fn dls(it: &Matrices) -> Vec<Place> {
    let median = |task: usize| {
        let mut seconds = it.seconds[task].clone();
        seconds.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let middle = it.workers / 2;
        match it.workers % 2 {
            1 => seconds[middle],
            _ => f64::midpoint(seconds[middle - 1], seconds[middle]),
        }
    };
    let medians: Vec<f64> = (0..it.count).map(median).collect();
    let levels = it.longest_ways(&medians, false);
    let level = |(task, place): (usize, &Place)| {
        levels[task] - place.2 + (medians[task] - it.seconds[task][place.0])
    };
    it.in_pairs(|_, one, other| level(one) > level(other))
}

pub(super) fn etf(it: &Matrices) -> Vec<Place> {
    let levels = it.longest_ways(&it.mean_seconds, false);
    it.in_pairs(|_, (task, place), (other, at)| {
        if place.2 != at.2 {
            place.2 < at.2
        } else if levels[task] != levels[other] {
            levels[task] > levels[other]
        } else {
            place.3 < at.3
        }
    })
}

pub(super) fn hlfet(it: &Matrices) -> Vec<Place> {
    let levels = it.longest_ways(&it.mean_seconds, false);
    it.in_pairs(|_, (task, place), (other, at)| {
        if task == other {
            place.2 < at.2 || (place.2 == at.2 && place.3 < at.3)
        } else {
            levels[task] > levels[other]
        }
    })
}

/// Of pairs of one task the one that ends first; of two tasks the one whose best end `goes_first`.
pub(super) fn min_min(it: &Matrices, goes_first: impl Fn(f64, f64) -> bool) -> Vec<Place> {
    let mut plan = Plan { places: vec![None; it.count] };
    loop {
        let mut chosen: Option<(usize, Place)> = None;
        for task in it.ready(&plan) {
            let mut best = it.behind(&plan, task, 0);
            for worker in 1..it.workers {
                let other = it.behind(&plan, task, worker);
                if other.3 < best.3 {
                    best = other;
                }
            }
            if chosen.as_ref().is_none_or(|(_, place)| goes_first(best.3, place.3)) {
                chosen = Some((task, best));
            }
        }
        let Some((task, place)) = chosen else { return plan.finish() };
        plan.places[task] = Some(place);
    }
}

pub(super) fn sufferage(it: &Matrices) -> Vec<Place> {
    let mut plan = Plan { places: vec![None; it.count] };
    loop {
        let ready = it.ready(&plan);
        if ready.is_empty() {
            return plan.finish();
        }
        let mut taken: Vec<Option<usize>> = vec![None; it.workers];
        let mut loss = vec![0.0; it.count];
        for task in ready {
            let end = |worker: usize| it.behind(&plan, task, worker).3;
            let mut best = 0;
            for worker in 1..it.workers {
                if end(worker) < end(best) {
                    best = worker;
                }
            }
            let others = (0..it.workers).filter(|&worker| worker != best);
            let second = others.map(end).fold(f64::INFINITY, f64::min);
            loss[task] = if it.workers == 1 { 0.0 } else { second - end(best) };
            match taken[best] {
                Some(other) if loss[other] >= loss[task] => {}
                _ => taken[best] = Some(task),
            }
        }
        for (worker, task) in taken.into_iter().enumerate() {
            if let Some(task) = task {
                plan.places[task] = Some(it.behind(&plan, task, worker));
            }
        }
    }
}

pub(super) fn bil(it: &Matrices) -> Vec<Place> {
    let mut levels = it.seconds.clone();
    for _ in 0..it.count {
        for (from, to, between, _) in &it.edges {
            for worker in 0..it.workers {
                let mut least = levels[*to][worker];
                for other in 0..it.workers {
                    if other != worker {
                        least = least.min(levels[*to][other] + between[worker][other]);
                    }
                }
                let level = it.seconds[*from][worker] + least;
                levels[*from][worker] = levels[*from][worker].max(level);
            }
        }
    }
    let mut plan = Plan { places: vec![None; it.count] };
    loop {
        let ready = it.ready(&plan);
        let mut chosen: Option<(usize, f64)> = None;
        for &task in &ready {
            let mut makespans = Vec::new();
            for worker in 0..it.workers {
                makespans.push(it.behind(&plan, task, worker).2 + levels[task][worker]);
            }
            makespans.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let priority = *makespans.get(ready.len() - 1).unwrap_or(makespans.last().unwrap());
            if chosen.is_none_or(|(_, other)| priority > other) {
                chosen = Some((task, priority));
            }
        }
        let Some((task, _)) = chosen else { return plan.finish() };
        let crowd = (ready.len() as f64 / it.workers as f64 - 1.0).max(0.0);
        let revised = |worker: usize| {
            let start = it.behind(&plan, task, worker).2;
            start + levels[task][worker] + it.seconds[task][worker] * crowd
        };
        let mut best = 0;
        for worker in 1..it.workers {
            if revised(worker) < revised(best) {
                best = worker;
            }
        }
        plan.places[task] = Some(it.behind(&plan, task, best));
    }
}

pub(super) fn dmda(it: &Matrices) -> Vec<Place> {
    let mut plan = Plan { places: vec![None; it.count] };
    loop {
        let mut next: Option<(usize, f64)> = None;
        for task in it.ready(&plan) {
            let mut from = it.release[task];
            for edge in it.edges.iter().filter(|edge| edge.1 == task) {
                from = from.max(plan.places[edge.0].as_ref().unwrap().3);
            }
            if next.is_none_or(|(_, other)| from < other) {
                next = Some((task, from));
            }
        }
        let Some((task, _)) = next else { return plan.finish() };
        let mut best = it.behind(&plan, task, 0);
        for worker in 1..it.workers {
            let other = it.behind(&plan, task, worker);
            if other.3 < best.3 {
                best = other;
            }
        }
        plan.places[task] = Some(best);
    }
}

pub(super) fn random(it: &Matrices, seed: u64) -> Vec<Place> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut plan = Plan { places: vec![None; it.count] };
    loop {
        let ready = it.ready(&plan);
        if ready.is_empty() {
            return plan.finish();
        }
        let task = ready[random.random_range(0..ready.len())];
        let worker = random.random_range(0..it.workers);
        plan.places[task] = Some(it.behind(&plan, task, worker));
    }
}
