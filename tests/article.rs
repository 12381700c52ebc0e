//! The article's DAG fires in the article's order, forward and reversed, whoever runs it.

use std::sync::{Arc, Mutex, PoisonError};

use caudal::context::{Mode, Phase};
use caudal::flow::policy::POLICIES;
use caudal::flow::{Actors, Executor, Observer, PartEvent, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Dense};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};

use crate::watchdog::watch;

/// Who waits for whom, forward.
const FORWARD: [(&str, &[&str]); 7] = [
    ("A", &[]),
    ("B", &["A"]),
    ("C", &["A"]),
    ("D", &["B", "C"]),
    ("E", &["B"]),
    ("F", &["C"]),
    ("G", &["E", "D", "F"]),
];

/// Who waits for whom, backward. The article's last line says that A depends on A and C: a slip.
const BACKWARD: [(&str, &[&str]); 7] = [
    ("G", &[]),
    ("E", &["G"]),
    ("F", &["G"]),
    ("D", &["G"]),
    ("B", &["E", "D"]),
    ("C", &["D", "F"]),
    ("A", &["B", "C"]),
];

fn article() -> Arc<Graph> {
    let mut net = GraphBuilder::new("article");
    net.input("A", [8]);
    net.target("wanted", [8]);
    for (node, inputs) in &FORWARD[1..] {
        if inputs.len() == 1 {
            net.layer(*node, Dense::new(8), *inputs);
        } else {
            net.layer(*node, Add, *inputs);
        }
    }
    net.loss("loss", MeanSquaredError, ["G", "wanted"]);
    Arc::new(net.build().unwrap())
}

#[derive(Default)]
struct Diary(Mutex<Vec<PartEvent>>);

impl Observer for Diary {
    fn part(&self, event: PartEvent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// The tasks of a node that belong to a direction; those that pass gradients on come first.
fn tasks(plan: &Plan, node: &str, forward: bool) -> Vec<usize> {
    let wanted: &[Phase] = if forward {
        &[Phase::Forward]
    } else {
        &[Phase::InputGrad, Phase::Accumulate, Phase::ParamGrad]
    };
    let of_phase = |&phase: &Phase| {
        (0..plan.task_count()).find(|&task| {
            let task = plan.task(task);
            task.node == node && task.phase == phase
        })
    };
    wanted.iter().filter_map(of_phase).collect()
}

fn assert_order(plan: &Plan, events: &[PartEvent], what: &str) {
    let event = |task: usize| {
        let mut of_task = events.iter().filter(|event| event.task == task);
        let event = *of_task.next().unwrap_or_else(|| panic!("{what}: task {task} did not fire"));
        assert!(of_task.next().is_none(), "{what}: task {task} fired twice");
        event
    };
    for (list, forward) in [(&FORWARD, true), (&BACKWARD, false)] {
        for (node, waits_for) in list {
            let own = tasks(plan, node, forward);
            assert!(!own.is_empty(), "{what}: {node} has no task");
            for before in *waits_for {
                // Its input gradient, or what it computes forward.
                let end = event(tasks(plan, before, forward)[0]).end;
                for &task in &own {
                    let start = event(task).start;
                    let direction = if forward { "forward" } else { "backward" };
                    assert!(start >= end, "{what}: {node} {direction} did not wait for {before}");
                }
            }
        }
    }
    // Backward begins after forward has come to its end.
    let forward_end = event(tasks(plan, "G", true)[0]).end;
    assert!(event(tasks(plan, "G", false)[0]).start >= forward_end, "{what}");
}

#[test]
fn the_graph_has_the_dependencies_of_the_article() {
    let graph = article();
    for (node, inputs) in FORWARD {
        let named: Vec<&str> = graph
            .node(node)
            .unwrap()
            .inputs
            .iter()
            .map(|&input| graph.nodes()[input].name.as_str())
            .collect();
        assert_eq!(named, inputs, "{node}");
    }
    for (node, waits_for) in BACKWARD {
        let mut users: Vec<&str> = graph
            .consumers(graph.id(node).unwrap())
            .iter()
            .map(|&(user, _)| graph.nodes()[user].name.as_str())
            .filter(|user| *user != "loss")
            .collect();
        let mut waits_for = waits_for.to_vec();
        users.sort_unstable();
        waits_for.sort_unstable();
        assert_eq!(users, waits_for, "{node}");
    }
}

#[test]
fn nodes_fire_in_the_order_of_the_article() {
    watch(|scenario| {
        let graph = article();
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.01));
        let options = PlanOptions::plain().keep_gradients(true);
        let plan = Plan::compile(&graph, Mode::Training, 4, &optimizer, options).unwrap();
        let plan = Arc::new(plan);
        let parameters = Arc::new(Parameters::initialize(&graph, optimizer.as_ref(), 0).unwrap());
        let mut run = Run::new(Arc::clone(&plan), parameters).unwrap();
        let numbers: Vec<f32> = (0..32).map(|number| (number as f32).sin()).collect();
        for node in ["A", "wanted"] {
            run.bind(graph.id(node).unwrap(), &numbers).unwrap();
        }
        let diary = Arc::new(Diary::default());
        run.observe(Some(Arc::clone(&diary) as Arc<dyn Observer>));
        let mut executors: Vec<(String, Box<dyn Executor>, usize)> = vec![
            ("sequential".to_owned(), Box::new(Sequential::new()), 1),
            ("actors".to_owned(), Box::new(Actors::new()), 100),
        ];
        for policy in POLICIES {
            let pool = Pool::new(4, policy.name).unwrap();
            executors.push((format!("pool, {}", policy.name), Box::new(pool), 1000));
            let channels = Pool::new(4, policy.name).unwrap().with_channels();
            executors.push((format!("channels, {}", policy.name), Box::new(channels), 300));
        }
        for (name, executor, runs) in &mut executors {
            for number in 0..*runs {
                let what = format!("{name}, run {number}");
                scenario.enter(&what);
                executor.execute(&mut run).unwrap();
                let events = std::mem::take(&mut *diary.0.lock().unwrap());
                assert_eq!(events.len(), plan.task_count(), "{what}");
                assert_order(&plan, &events, &what);
            }
        }
    });
}
