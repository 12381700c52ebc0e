//! Every preset trains to the same bits on every executor.

use std::sync::Arc;

use caudal::context::Mode;
use caudal::data::synthetic_for;
use caudal::flow::policy::POLICIES;
use caudal::plan::{Plan, PlanOptions};
use caudal::presets::PRESETS;
use caudal::train::{FitOptions, Network, NetworkOptions};

use crate::own_process::number;

#[test]
fn every_preset_gives_the_same_bits_on_every_executor() {
    let mut executors = Vec::new();
    for policy in POLICIES {
        executors.extend([1, 2, 3, 4, 8].map(|workers| ("pool", workers, policy.name)));
        executors.extend([1, 3].map(|workers| ("channels", workers, policy.name)));
    }
    // Each preset takes one of so many, beginning at another one, so that the presets together take all.
    let apart = number("CAUDAL_EXECUTORS_APART", 7) as usize;
    for (number, spec) in PRESETS.iter().enumerate() {
        let model = spec.model().unwrap();
        let data = synthetic_for(&model.graph, 60, 5).unwrap();
        let train = |executor: &str, workers, policy: &str| {
            let options = NetworkOptions::default()
                .seed(7)
                .executor(executor)
                .workers(workers)
                .policy(policy);
            let (graph, optimizer) =
                (Arc::clone(&model.graph), Arc::clone(&model.training.optimizer));
            let mut network = Network::from_parts(graph, optimizer, options).unwrap();
            // Batches of 8, and of 4 at the end of an epoch.
            let options = FitOptions::default().epochs(3).batch_size(8).max_steps(20);
            let history = network.fit(&data, &options).unwrap();
            assert_eq!(history.steps, 20, "{}", spec.name);
            (network.weights_sha256(), history.train.last().map(|report| report.loss.to_bits()))
        };
        let expected = train("sequential", 1, "fifo");
        let own = executors.iter().skip(number % apart).step_by(apart);
        for &(executor, workers, policy) in [("actors", 1, "fifo")].iter().chain(own) {
            let found = train(executor, workers, policy);
            assert_eq!(found, expected, "{}: {executor}, {workers}, {policy}", spec.name);
        }
    }
}

type Switch = fn(&mut PlanOptions);

#[test]
fn every_idea_switched_off_gives_the_same_bits_on_every_executor() {
    let switches: [(&str, Switch); 6] = [
        ("backward", |options| options.split_backward = false),
        ("updates", |options| options.overlap_updates = false),
        ("parts", |options| options.parts = false),
        ("fusion", |options| options.fusion = false),
        ("chunks", |options| options.chunk_bytes = usize::MAX),
        ("all", |options| {
            *options = PlanOptions::plain().split_backward(false).overlap_updates(false);
        }),
    ];
    for name in ["towers-small", "inception:side=12,batch=64", "chain:depth=6,width=256", "nasnet"]
    {
        let model = caudal::presets::open(name).unwrap();
        let (graph, optimizer) = (&model.graph, &model.training.optimizer);
        let data = synthetic_for(graph, 64, 5).unwrap();
        let mut unlike = Vec::new();
        for (switch, set) in switches {
            let mut plan = PlanOptions::default();
            set(&mut plan);
            let train = |executor: &str, workers, plan| {
                let options = NetworkOptions::default()
                    .seed(7)
                    .executor(executor)
                    .workers(workers)
                    .plan(plan);
                let (graph, optimizer) = (Arc::clone(graph), Arc::clone(optimizer));
                let mut network = Network::from_parts(graph, optimizer, options).unwrap();
                let options = FitOptions::default().epochs(3).batch_size(32);
                network.fit(&data, &options).unwrap();
                network.weights_sha256()
            };
            let expected = train("sequential", 1, plan);
            for (executor, workers) in
                [("actors", 1), ("channels", 2), ("pool", 1), ("pool", 2), ("pool", 4)]
            {
                let found = train(executor, workers, plan);
                assert_eq!(found, expected, "{name} without {switch}: {executor}, {workers}");
            }
            if expected != train("sequential", 1, PlanOptions::default()) {
                unlike.push(switch);
            }
        }
        // These two change the order of tasks alone, and no sum.
        assert!(
            !unlike.contains(&"backward") && !unlike.contains(&"updates"),
            "{name}: {unlike:?}"
        );
    }
}

#[test]
fn joined_gradients_and_barriers_make_the_critical_path_longer() {
    let model = caudal::presets::open("chain:depth=8,width=256").unwrap();
    let longest = |set: Switch| {
        let mut options = PlanOptions::default().fusion(false);
        set(&mut options);
        let (graph, optimizer) = (&model.graph, &model.training.optimizer);
        let plan = Plan::compile(graph, Mode::Training, 32, optimizer, options).unwrap();
        plan.critical_path(plan.estimated_costs())
    };
    let (_, apart) = longest(|_| ());
    let (_, joined) = longest(|options| options.split_backward = false);
    let (path, barrier) = longest(|options| options.overlap_updates = false);
    assert!(joined > 1.2 * apart, "{joined} {apart}");
    assert!(barrier >= apart && path.len() > 16, "{barrier} {apart}");
}
