//! Runs that share parameters, on several threads.

use std::sync::Arc;

use caudal::Error;
use caudal::context::Mode;
use caudal::flow::{Executor, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::Dense;
use caudal::losses::MeanSquaredError;
use caudal::optimizers::{Adam, Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};

fn wide(width: usize) -> Arc<Graph> {
    let mut net = GraphBuilder::new("wide");
    let x = net.input("x", [4]);
    let y = net.target("y", [2]);
    let a = net.layer("a", Dense::new(width), [&x]);
    let b = net.layer("b", Dense::new(2), [&a]);
    net.loss("loss", MeanSquaredError, [&b, &y]);
    net.output(&b);
    Arc::new(net.build().unwrap())
}

fn plan(graph: &Arc<Graph>, mode: Mode, optimizer: &Arc<dyn Optimizer>) -> Arc<Plan> {
    Arc::new(Plan::compile(graph, mode, 3, optimizer, PlanOptions::default()).unwrap())
}

fn run(plan: &Arc<Plan>, parameters: &Arc<Parameters>) -> Run {
    let mut run = Run::new(Arc::clone(plan), Arc::clone(parameters)).unwrap();
    let graph = Arc::clone(plan.graph());
    for (id, node) in graph.nodes().iter().enumerate().filter(|(_, it)| it.inputs.is_empty()) {
        if plan.mode() == Mode::Prediction && node.name == "y" {
            continue;
        }
        let count = 3 * node.shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|it| it as f32 * 0.25 - 1.0).collect();
        run.bind(id, &values).unwrap();
    }
    run
}

#[test]
fn training_steps_on_several_threads_take_turns() {
    let graph = wide(300);
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(1e-4));
    let (training, prediction) =
        (plan(&graph, Mode::Training, &optimizer), plan(&graph, Mode::Prediction, &optimizer));
    let (threads, steps) = (4, 50);
    let fresh = || Arc::new(Parameters::initialize(&graph, optimizer.as_ref(), 3).unwrap());
    let predicted = |parameters: &Arc<Parameters>| {
        let mut run = run(&prediction, parameters);
        Sequential::new().execute(&mut run).unwrap();
        run.kept(graph.outputs()[0]).unwrap().to_vec()
    };
    // All states that a prediction may see.
    let alone = fresh();
    let mut states = vec![predicted(&alone)];
    let mut step = run(&training, &alone);
    for _ in 0..threads * steps {
        Sequential::new().execute(&mut step).unwrap();
        states.push(predicted(&alone));
    }
    let shared = fresh();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (training, shared) = (&training, &shared);
            scope.spawn(move || {
                let mut pool = Pool::new(1 + thread % 2, "fifo").unwrap();
                let mut run = run(training, shared);
                (0..steps).for_each(|_| pool.execute(&mut run).unwrap());
            });
        }
        let mut latest = 0;
        while latest < threads * steps {
            let seen = predicted(&shared);
            let later = states[latest..].iter().position(|state| *state == seen);
            latest += later.expect("a prediction sees whole steps, in order");
        }
    });
    assert_eq!(predicted(&shared), states[threads * steps]);
}

#[test]
fn parameters_of_another_graph_or_optimizer_are_refused() {
    let sgd: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    let adam: Arc<dyn Optimizer> = Arc::new(Adam::default());
    let (small, large) = (wide(2), wide(64));
    let mut other = GraphBuilder::new("other");
    let x = other.input("x", [4]);
    other.output(&x);
    let none = Arc::new(other.build().unwrap());
    let of = |graph: &Arc<Graph>, optimizer: &Arc<dyn Optimizer>| {
        Arc::new(Parameters::initialize(graph, optimizer.as_ref(), 0).unwrap())
    };
    for (parameters, optimizer, mode, says) in [
        (of(&small, &sgd), &sgd, Mode::Prediction, "parameter `a.weight`"),
        (of(&none, &sgd), &sgd, Mode::Prediction, "its graph has 4 parameters, but these are 0"),
        (of(&large, &sgd), &adam, Mode::Training, "its optimizer keeps 2 arrays"),
    ] {
        let refused = Run::new(plan(&large, mode, optimizer), parameters).unwrap_err();
        assert!(matches!(refused, Error::Parameter { .. }), "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    // A prediction needs nothing of the optimizer.
    assert!(Run::new(plan(&large, Mode::Prediction, &adam), of(&large, &sgd)).is_ok());
}
