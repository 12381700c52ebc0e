//! Policies that plan ahead: the rules that all of them keep, a second version of each, and examples.

mod examples;
mod instances;
mod naive;

use caudal::scheduling::{
    Annealing, Heft, Instance, PartialSchedule, Platform, RandomGraph, STATIC_POLICIES, Schedule,
    StaticPolicy, static_policy,
};

use instances::{drawn, lower_bound};
use naive::Matrices;

const SEEDS: u64 = 300;

fn scheduled(instance: &Instance<'_>, policy: &str) -> Schedule {
    let schedule = static_policy(policy).unwrap().schedule(instance).unwrap();
    let check = schedule.check(instance);
    check.unwrap_or_else(|error| panic!("{policy} on {}: {error}", instance.graph().name()));
    schedule
}

#[test]
fn every_policy_keeps_the_rules() {
    let (mut alone, mut zero, mut wide, mut late) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let (graph, platform) = drawn(seed);
        let instance = Instance::new(&graph, &platform).unwrap();
        let tasks = graph.tasks();
        let is_late = tasks.iter().any(|task| task.release > 0.0);
        zero += usize::from((0..tasks.len()).any(|task| instance.least_seconds(task) == 0.0));
        wide += usize::from(tasks.iter().any(|task| task.workers > 1));
        late += usize::from(is_late);
        alone += usize::from(tasks.len() == 1);
        let bound = lower_bound(&instance);
        for spec in STATIC_POLICIES {
            // What searches tries less here, to take less time.
            let policy = if spec.name == "annealing" { "annealing:0:100" } else { spec.name };
            let schedule = scheduled(&instance, policy);
            let makespan = schedule.makespan();
            assert!(makespan >= bound, "{} {seed}: {makespan} < {bound}", spec.name);
            if instance.workers() == 1 && !is_late {
                let sum: f64 = (0..tasks.len()).map(|task| instance.seconds(task, 0)).sum();
                assert_eq!(makespan, sum, "{} {seed}: one worker never waits", spec.name);
            }
            assert_eq!(schedule, scheduled(&instance, policy), "{policy}: the same again");
        }
    }
    assert!(alone > 5 && zero > 50 && wide > 30 && late > 50, "{alone} {zero} {wide} {late}");
}

#[test]
fn every_policy_makes_what_a_second_version_makes() {
    for seed in 0..SEEDS {
        let (graph, platform) = drawn(seed);
        let instance = Instance::new(&graph, &platform).unwrap();
        let matrices = Matrices::new(&instance);
        for spec in STATIC_POLICIES {
            let Some(expected) = naive::schedule(spec.name, &matrices) else {
                assert_eq!(spec.name, "annealing", "write a second version");
                continue;
            };
            let schedule = scheduled(&instance, spec.name);
            let places = schedule.placements().iter();
            let own: Vec<naive::Place> =
                places.map(|it| (it.worker, it.others.clone(), it.start, it.finish)).collect();
            assert_eq!(own, expected, "{} {seed}: {graph:#?} {platform:?}", spec.name);
        }
    }
}

/// The least makespan of all: of every order in which tasks may go, each on every worker.
fn optimum(instance: &Instance<'_>, partial: &PartialSchedule<'_>) -> f64 {
    let graph = instance.graph();
    let open = |task: usize| partial.placement(task).is_none();
    let (mut best, mut is_whole) = (f64::INFINITY, true);
    for task in (0..graph.task_count()).filter(|&task| open(task)) {
        is_whole = false;
        if graph.incoming(task).any(|edge| open(edge.from)) {
            continue;
        }
        for worker in 0..instance.workers() {
            let mut next = partial.clone();
            next.place(partial.fit_behind(task, worker));
            best = best.min(optimum(instance, &next));
        }
    }
    if is_whole { partial.clone().finish().unwrap().makespan() } else { best }
}

#[test]
fn annealing_finds_the_optimum_of_small_graphs_and_nothing_worse_than_heft() {
    let (mut small, mut found, mut better) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (graph, platform) = drawn(seed);
        let instance = Instance::new(&graph, &platform).unwrap();
        let heft = Heft.schedule(&instance).unwrap();
        let is_wide = graph.tasks().iter().any(|task| task.workers > 1);
        let is_small = graph.task_count() <= 5 && instance.workers() <= 3 && !is_wide;
        let annealed = scheduled(&instance, if is_small { "annealing" } else { "annealing:1:200" });
        assert!(annealed.makespan() <= heft.makespan(), "{seed}");
        better += usize::from(annealed.makespan() < heft.makespan());
        assert_eq!(Annealing::new(3).evaluations(0_usize).schedule(&instance).unwrap(), heft);
        if !is_small {
            continue;
        }
        let optimum = optimum(&instance, &PartialSchedule::new(&instance));
        small += 1;
        found += usize::from(annealed.makespan() == optimum);
        for spec in STATIC_POLICIES.iter().filter(|spec| spec.name != "annealing") {
            assert!(scheduled(&instance, spec.name).makespan() >= optimum, "{} {seed}", spec.name);
        }
    }
    assert!(small > 30 && found == small, "{found} of {small} optima");
    assert!(better > 50, "better than heft on {better}");
}

#[test]
fn arguments_are_seeds() {
    let (graph, platform) = drawn(3);
    let instance = Instance::new(&graph, &platform).unwrap();
    for policy in ["random-plan", "annealing"] {
        let with = |argument: &str| scheduled(&instance, &format!("{policy}{argument}"));
        assert_eq!(with(""), with(":0"), "{policy}");
        let others: Vec<String> = (1..10).map(|seed| format!(":{seed}")).collect();
        assert!(others.iter().any(|other| with(other) != with("")), "{policy} draws by its seed");
        for wrong in [":", ":x", ":-1", ":1:", ":1:x", ":18446744073709551616"] {
            let error = static_policy(&format!("{policy}{wrong}")).unwrap_err().to_string();
            assert!(error.contains("expected a whole number"), "{error}");
        }
    }
    assert_eq!(scheduled(&instance, "annealing:0:2000"), scheduled(&instance, "annealing"));
    for spec in STATIC_POLICIES.iter().filter(|spec| spec.arguments.is_empty()) {
        let error = static_policy(&format!("{}:1", spec.name)).unwrap_err().to_string();
        assert!(error.contains("expected nothing after the name, got `1`"), "{error}");
    }
}

/// The mean schedule length ratios over random graphs of Topcuoglu, Hariri and Wu 2002.
#[test]
fn mean_schedule_length_ratios_have_the_order_of_the_literature() {
    let policies = ["lookahead", "heft", "cpop", "hlfet", "random-plan", "peft", "dls"];
    let mut sums = [0.0; 7];
    let mut seed = 0;
    for tasks in [20, 60, 100] {
        for ccr in [0.1, 0.5, 1.0, 5.0, 10.0] {
            for (shape, heterogeneity) in [(0.5, 0.1), (1.0, 0.5), (2.0, 1.0), (0.5, 1.0)] {
                for out_degree in [2_usize, 4] {
                    seed += 1;
                    let random = RandomGraph::new(tasks, 4).ccr(ccr).shape(shape);
                    let random = random.heterogeneity(heterogeneity).out_degree(out_degree);
                    let graph = random.generate(seed).unwrap();
                    let platform = Platform::equal(4).unwrap();
                    let instance = Instance::new(&graph, &platform).unwrap();
                    for (place, policy) in policies.iter().enumerate() {
                        sums[place] += scheduled(&instance, policy).metrics(&instance).slr;
                    }
                }
            }
        }
    }
    let shown = format!("{policies:?}: {sums:?}");
    let [lookahead, heft, cpop, hlfet, random, peft, dls] = sums;
    // Bittencourt et al. 2010.
    assert!(lookahead < heft, "{shown}");
    // Topcuoglu et al. 2002.
    assert!(heft < cpop && heft < dls, "{shown}");
    // Arabnejad and Barbosa 2014.
    assert!(peft < cpop, "{shown}");
    assert!(cpop < hlfet && hlfet < random, "the baselines: {shown}");
}
