//! How long values, runs and workers live.

use super::*;

/// The value of an earlier execution is not taken for that of one that failed.
#[test]
fn values_do_not_outlive_the_next_execution() {
    let mut flow = FlowBuilder::new("old");
    let (number, output) = flow.source::<i32>("number");
    let root = flow.try_node("root", output, |number| match number {
        0.. => Ok(f64::from(number).sqrt()),
        _ => Err("it has no root"),
    });
    let root = flow.sink("result", root);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        run.feed(&number, 4).unwrap();
        executor.execute(&mut run).unwrap();
        run.feed(&number, -4).unwrap();
        assert!(executor.execute(&mut run).is_err());
        let error = run.take(&root).unwrap_err().to_string();
        assert!(error.contains("no value has come to it"), "{error}");
    }
}

/// A run is executed by whatever executor is at hand.
#[test]
fn one_run_serves_all_executors_in_turn() {
    let Article { flow, a, b, loss } = article();
    let mut run = flow.run();
    let mut results = Vec::new();
    for mut executor in executors().into_iter().chain(executors()) {
        run.feed(&a, 0.1).unwrap();
        run.feed(&b, 0.2).unwrap();
        let run: &mut dyn Execute = &mut run;
        executor.execute(run).unwrap();
        results.push(());
    }
    assert_eq!(results.len(), 2 * 2 * EXECUTORS.len());
    assert!(run.take(&loss).is_ok());
}

/// A pool's workers hold nothing of a run when the pool is gone.
#[test]
fn who_drops_a_pool_waits_for_its_workers() {
    for _ in 0..50 {
        let held = Arc::new(());
        let in_node = Arc::clone(&held);
        let mut flow = FlowBuilder::new("held");
        let nodes: Vec<_> = (0..20)
            .map(|number| {
                let in_node = Arc::clone(&in_node);
                flow.node(format!("n{number}"), (), move |()| Arc::strong_count(&in_node))
            })
            .collect();
        drop(in_node);
        let all = flow.sink("all", nodes);
        let flow = flow.build().unwrap();
        let mut run = flow.run();
        let mut pool = crate::flow::Pool::new(3, "fifo").unwrap();
        pool.execute(&mut run).unwrap();
        assert_eq!(run.take(&all).unwrap().len(), 20);
        drop((run, flow));
        drop(pool);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

/// An executor says how many work for it; the actors are as many as the nodes of the latest graph.
#[test]
fn executors_count_their_workers() {
    let chain = |nodes: usize| {
        let mut flow = FlowBuilder::new("chain");
        let mut output = flow.node("first", (), |()| 1);
        for number in 1..nodes {
            output = flow.node(format!("n{number}"), output, |number| number + 1);
        }
        flow.sink("end", output);
        flow.build().unwrap()
    };
    let (short, long) = (chain(2), chain(5));
    let mut actors = executor("actors", 3, "fifo").unwrap();
    assert_eq!(actors.workers(), 0, "none before the first run");
    let mut after = |flow: &Flow| {
        actors.execute(&mut flow.run()).unwrap();
        actors.workers()
    };
    let few = after(&short);
    assert!(few >= 2, "{few}");
    assert_eq!(after(&long), few + 3);
    assert_eq!(after(&short), few, "its threads are still there, and count again");
    for name in ["pool", "channels"] {
        assert_eq!(executor(name, 3, "fifo").unwrap().workers(), 3, "{name}");
    }
    assert_eq!(executor("sequential", 3, "fifo").unwrap().workers(), 1);
}
