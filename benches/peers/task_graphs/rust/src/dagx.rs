//! dagx on Tokio. A graph runs once, so building it is outside the timing of a run but is done for each. A task
//! has at most eight predecessors, so there is no fan.

use std::sync::Arc;

use dagx::{DagRunner, Task, TaskHandle, task};
use tokio::runtime::Builder;

use crate::common::{Graph, Library, Settings, measure, visit};

struct Zero(usize);
struct One(usize);
struct Two(usize);
struct Three(usize);

#[task]
impl Zero {
    async fn run(&self) -> () {
        visit(self.0);
    }
}

#[task]
impl One {
    async fn run(&self, _a: &()) -> () {
        visit(self.0);
    }
}

#[task]
impl Two {
    async fn run(&self, _a: &(), _b: &()) -> () {
        visit(self.0);
    }
}

#[task]
impl Three {
    async fn run(&self, _a: &(), _b: &(), _c: &()) -> () {
        visit(self.0);
    }
}

fn build(graph: &Graph) -> DagRunner {
    let dag = DagRunner::new();
    let mut handles: Vec<TaskHandle<()>> = Vec::with_capacity(graph.nodes());
    for node in 0..graph.nodes() {
        let before = graph.predecessors.of(node);
        let handle = match *before {
            [] => (&dag.add_task(Zero(node))).into(),
            [a] => dag.add_task(One(node)).depends_on(handles[a]),
            [a, b] => dag.add_task(Two(node)).depends_on((&handles[a], &handles[b])),
            [a, b, c] => {
                dag.add_task(Three(node)).depends_on((&handles[a], &handles[b], &handles[c]))
            }
            _ => unreachable!("only a fan has more"),
        };
        handles.push(handle);
    }
    dag
}

/// Measures it.
pub fn line(settings: &Settings, graph: &Graph) -> Result<String, String> {
    if settings.shape == "fan" {
        return Err("no way to give a dagx task more than eight predecessors".to_owned());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(settings.threads)
        .build()
        .map_err(|e| e.to_string())?;
    let library = Library { name: "dagx", version: crate::version("dagx"), reuses: false };
    let run = |dag: &mut Arc<DagRunner>| {
        let dag = Arc::clone(dag);
        // On a worker, so that the calling thread is not one more that computes.
        let whole = runtime.spawn(async move {
            dag.run(|future| {
                tokio::spawn(future);
            })
            .await
        });
        runtime.block_on(whole).expect("no task panics").expect("the graph runs");
    };
    measure(settings, &library, graph, || Arc::new(build(graph)), run)
}
