//! Rayon has no graphs. A counter for each node makes one of a scope: whoever completes the last predecessor
//! spawns the node. What such code costs is what a library has to compete with.

use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

use crate::common::{Graph, Library, Lists, Settings, measure, visit};

struct Counted {
    /// Predecessors that have not run, for each node.
    left: Vec<AtomicUsize>,
    predecessors: Vec<usize>,
    successors: Lists,
    sources: Vec<usize>,
}

impl Counted {
    fn new(graph: &Graph) -> Self {
        let predecessors: Vec<_> =
            (0..graph.nodes()).map(|k| graph.predecessors.of(k).len()).collect();
        Self {
            left: predecessors.iter().map(|&count| AtomicUsize::new(count)).collect(),
            sources: (0..graph.nodes()).filter(|&k| predecessors[k] == 0).collect(),
            successors: crate::successors(graph),
            predecessors,
        }
    }

    /// Whether that was the last predecessor; then the counter is set for the next run.
    fn count_down(&self, node: usize) -> bool {
        // With one predecessor nobody else counts.
        let last = self.predecessors[node] == 1 || self.left[node].fetch_sub(1, AcqRel) == 1;
        if last {
            self.left[node].store(self.predecessors[node], Relaxed);
        }
        last
    }
}

fn spawn<'s>(scope: &Scope<'s>, graph: &'s Counted, node: usize) {
    scope.spawn(move |scope| {
        visit(node);
        for &next in graph.successors.of(node) {
            if graph.count_down(next) {
                spawn(scope, graph, next);
            }
        }
    });
}

/// The same, but the first node that became ready runs without a spawn.
fn spawn_inline<'s>(scope: &Scope<'s>, graph: &'s Counted, node: usize) {
    scope.spawn(move |scope| {
        let mut now = Some(node);
        while let Some(node) = now.take() {
            visit(node);
            for &next in graph.successors.of(node) {
                if graph.count_down(next) {
                    if now.is_none() {
                        now = Some(next);
                    } else {
                        spawn_inline(scope, graph, next);
                    }
                }
            }
        }
    });
}

fn pool(settings: &Settings) -> Result<ThreadPool, String> {
    ThreadPoolBuilder::new()
        .num_threads(settings.threads)
        .build()
        .map_err(|error| error.to_string())
}

/// Counters in a scope.
pub fn scope(settings: &Settings, graph: &Graph, inline: bool) -> Result<String, String> {
    let pool = pool(settings)?;
    let name = if inline { "rayon-inline" } else { "rayon-scope" };
    let library = Library { name, version: crate::version("rayon"), reuses: true };
    let run = |counted: &mut Counted| {
        let counted = &*counted;
        pool.scope(|scope| {
            for &source in &counted.sources {
                if inline {
                    spawn_inline(scope, counted, source)
                } else {
                    spawn(scope, counted, source)
                }
            }
        });
    };
    measure(settings, &library, graph, || Counted::new(graph), run)
}

/// Recursion with `join`, down to single nodes, where the shape has one. There is no graph then: the code is
/// the shape. A wavefront's quarters wait for each other, which is more than its edges ask for.
pub fn join(settings: &Settings, graph: &Graph) -> Result<String, String> {
    let pool = pool(settings)?;
    let library = Library { name: "rayon-join", version: crate::version("rayon"), reuses: true };
    let nodes = graph.nodes();
    match &*settings.shape {
        "fan" => measure(
            settings,
            &library,
            graph,
            || (),
            |()| {
                pool.install(|| {
                    visit(0);
                    every(1..nodes - 1);
                    visit(nodes - 1);
                });
            },
        ),
        "wavefront" => {
            let side = nodes.isqrt();
            measure(
                settings,
                &library,
                graph,
                || (),
                |()| pool.install(|| wave(0..side, 0..side, side)),
            )
        }
        shape => Err(format!("no way to write {shape} as recursion with join")),
    }
}

fn every(range: Range<usize>) {
    if range.len() == 1 {
        return visit(range.start);
    }
    let (first, second) = halves(&range);
    rayon::join(|| every(first), || every(second));
}

fn wave(rows: Range<usize>, columns: Range<usize>, side: usize) {
    match (rows.len(), columns.len()) {
        (0, _) | (_, 0) => {}
        (1, 1) => visit(rows.start * side + columns.start),
        _ => {
            let ((top, bottom), (left, right)) = (halves(&rows), halves(&columns));
            // Of one row or column the first half is empty.
            wave(top.clone(), left.clone(), side);
            rayon::join(|| wave(top, right.clone(), side), || wave(bottom.clone(), left, side));
            wave(bottom, right, side);
        }
    }
}

fn halves(range: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start.midpoint(range.end);
    (range.start..middle, middle..range.end)
}
