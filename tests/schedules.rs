//! Schedules are written down, and happen again.

use std::sync::{Arc, Mutex, PoisonError};

use caudal::Error;
use caudal::context::MatrixMut;
use caudal::context::{Context, Mode};
use caudal::flow::policy::policy;
use caudal::flow::schedule::{Event, Recording, Replay, Schedule};
use caudal::flow::{Executor, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Layer, Misfit};
use caudal::optimizers::Sgd;
use caudal::plan::{Convolution, Plan, PlanOptions};
use caudal::run::Run;
use caudal::train::{Network, NetworkOptions};

use crate::protocol::{run_of, tiny, trained};
use crate::support_graphs::{Family, borrowed, specimen};
use crate::watchdog::watch;

/// What layers must never do: they share a list, and fail if they have come in one certain order.
#[derive(Debug)]
struct Sharing {
    number: usize,
    came: Arc<Mutex<Vec<usize>>>,
}

const FAILING: [usize; 4] = [2, 0, 3, 1];

impl Layer for Sharing {
    fn kind(&self) -> &'static str {
        "sharing"
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<caudal::Shape, Misfit> {
        Ok(inputs[0].to_vec())
    }

    fn forward(&self, _: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        output.row_mut(0).fill(1.0);
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.push(self.number);
        if *came == FAILING { Err("came in the order that fails".to_owned()) } else { Ok(()) }
    }

    fn input_grad(&self, _: &Context<'_>, _: usize, _: MatrixMut<'_>) -> Result<(), String> {
        Ok(())
    }
}

fn sharing(came: &Arc<Mutex<Vec<usize>>>) -> Arc<Graph> {
    let mut net = GraphBuilder::new("sharing");
    let x = net.input("x", [2]);
    let ends: Vec<_> = (0..FAILING.len())
        .map(|number| {
            net.layer(number.to_string(), Sharing { number, came: Arc::clone(came) }, [&x])
        })
        .collect();
    let sum = net.layer("sum", Add, &ends);
    net.output(&sum);
    Arc::new(net.build().unwrap())
}

#[test]
fn a_schedule_that_fails_by_chance_fails_in_each_of_twenty_replays() {
    watch(|scenario| {
        for workers in [1, 2, 4] {
            let came = Arc::new(Mutex::new(Vec::new()));
            let mut run = run_of(&sharing(&came), Mode::Prediction, PlanOptions::plain());
            let mut fails = |mut pool: Pool| {
                came.lock().unwrap().clear();
                match pool.execute(&mut run) {
                    Ok(()) => false,
                    Err(Error::Run(failures)) => {
                        assert!(failures[0].cause.contains("the order that fails"));
                        true
                    }
                    Err(other) => panic!("{other}"),
                }
            };
            assert!(!fails(Pool::new(workers, "fifo").unwrap()) || workers > 1);
            let mut tried = 0;
            let failing = (0..2000).find_map(|seed| {
                scenario.enter(format!("{workers} workers, seed {seed}"));
                tried += 1;
                let random = policy(&format!("random:{seed}")).unwrap();
                let recording = Recording::new(random).one_at_a_time();
                let log = recording.log();
                let pool = Pool::with_policy(workers, Box::new(recording)).unwrap();
                fails(pool).then(|| log.schedule())
            });
            let failing = failing.expect("some seed fails");
            assert!(tried > 1, "the first seed fails already: nothing is shown");

            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("failing.jsonl");
            failing.write(&path).unwrap();
            let read = Schedule::read(&path).unwrap();
            assert_eq!(read, failing);
            for replay in 0..20 {
                scenario.enter(format!("{workers} workers, replay {replay}"));
                let policy = Box::new(Replay::new(read.clone()));
                assert!(fails(Pool::with_policy(workers, policy).unwrap()), "replay {replay}");
            }
        }
    });
}

fn starts(schedule: &Schedule) -> Vec<&Event> {
    schedule.events().iter().filter(|event| matches!(event, Event::Start(..))).collect()
}

#[test]
fn a_training_is_replayed_start_by_start() {
    watch(|scenario| {
        for (seed, text) in [(5, "critical-path"), (8, "steal"), (11, "memory"), (160, "random:3")]
        {
            let family = if seed < 150 { Family::Dense } else { Family::Images };
            let specimen = specimen(seed, family);
            let train = |executor: Box<dyn Executor>| {
                let plan = PlanOptions::default().grain(1e-7);
                let options = NetworkOptions::default().plan(plan);
                let optimizer = Sgd::new(0.0005);
                let mut network = Network::new(specimen.graph.clone(), optimizer, options).unwrap();
                network.set_executor(executor);
                for batch in &specimen.batches(seed, 3) {
                    network.train_batch(&borrowed(batch)).unwrap();
                }
                network.weights_sha256()
            };
            let expected = train(Box::new(Sequential::new()));
            for (workers, other) in [(1, 3), (2, 2), (4, 1), (4, 4)] {
                scenario.enter(format!("seed {seed}, {text}, {workers} and {other} workers"));
                let recording = Recording::new(policy(text).unwrap());
                let log = recording.log();
                let pool = Pool::with_policy(workers, Box::new(recording)).unwrap();
                assert_eq!(train(Box::new(pool)), expected);
                let recorded = log.schedule();
                assert_eq!(recorded.runs(), 3);

                let again = Recording::new(Box::new(Replay::new(recorded.clone())));
                let log = again.log();
                let pool = Pool::with_policy(other, Box::new(again)).unwrap();
                assert_eq!(train(Box::new(pool)), expected);
                let replayed = log.schedule();
                if workers == other {
                    assert_eq!(starts(&replayed), starts(&recorded));
                } else {
                    let part = |event: &&Event| match **event {
                        Event::Start(_, task, part) => (task, part),
                        _ => unreachable!("starts only"),
                    };
                    let (replayed, recorded) = (starts(&replayed), starts(&recorded));
                    assert!(replayed.iter().map(part).eq(recorded.iter().map(part)));
                }
            }
        }
    });
}

fn recorded(run: &mut Run) -> Schedule {
    let recording = Recording::new(policy("fifo").unwrap());
    let log = recording.log();
    Pool::with_policy(2, Box::new(recording)).unwrap().execute(run).unwrap();
    log.schedule()
}

#[test]
fn other_plans_and_further_runs_are_refused_and_the_pool_goes_on() {
    let plain = PlanOptions::plain();
    let mut run = run_of(&tiny(3), Mode::Prediction, plain);
    let schedule = recorded(&mut run);
    let mut pool = Pool::with_policy(2, Box::new(Replay::new(schedule))).unwrap();
    for mut other in [
        run_of(&tiny(2), Mode::Prediction, plain),
        run_of(&tiny(3), Mode::Evaluation, plain),
        run_of(&trained(), Mode::Training, plain),
    ] {
        let error = pool.execute(&mut other).unwrap_err().to_string();
        let (expected, found) = (run.plan().fingerprint(), other.plan().fingerprint());
        assert!(error.contains(&expected) && error.contains(&found), "{error}");
        Sequential::new().execute(&mut other).unwrap();
    }
    // An equal plan compiled anew is the same plan.
    pool.execute(&mut run_of(&tiny(3), Mode::Prediction, plain)).unwrap();
    let error = pool.execute(&mut run).unwrap_err().to_string();
    assert!(error.contains("the schedule has 1 run, and no more"), "{error}");
}

#[test]
fn a_record_that_is_not_whole_is_refused_by_line_and_the_run_can_be_used_again() {
    let mut run = run_of(&tiny(3), Mode::Prediction, PlanOptions::plain());
    let whole = recorded(&mut run);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.jsonl");
    whole.write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with(r#"{"run":{"graph":""#) && lines[1] == r#"{"start":[0,0,0]}"#,
        "{text}"
    );
    for keep in 1..lines.len() - 1 {
        std::fs::write(&path, lines[..keep].join("\n")).unwrap();
        let replay = Replay::new(Schedule::read(&path).unwrap());
        let mut pool = Pool::with_policy(2, Box::new(replay)).unwrap();
        match pool.execute(&mut run) {
            // The last part may have started before others ended.
            Ok(()) => assert!(lines[keep..].iter().all(|line| line.contains("end")), "{keep}"),
            Err(error) => {
                let place =
                    format!("cut.jsonl, line {}: the record of the run is not whole", keep + 1);
                assert!(error.to_string().contains(&place), "{error}");
            }
        }
        Pool::new(2, "fifo").unwrap().execute(&mut run).unwrap();
    }
}

#[test]
fn records_that_no_run_can_follow_are_refused_by_line() {
    let mut run = run_of(&tiny(3), Mode::Prediction, PlanOptions::plain());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.jsonl");
    recorded(&mut run).write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let last_start = lines.iter().rposition(|line| line.contains("start")).unwrap();
    for (place, line, problem) in [
        (2, lines[1], "`x` (forward) starts for the second time"),
        (1, lines[last_start], "starts before all that it waits for have ended"),
        (1, r#"{"end":[0,0,0]}"#, "`x` (forward) ends, but does not run"),
        (1, r#"{"start":[0,0,7]}"#, "the graph has no part 7 of a task 0"),
        (1, r#"{"start":[0,900,0]}"#, "the graph has no part 0 of a task 900"),
        (1, r#"{"start":[2,0,0]}"#, "there is no worker 2, but 2 workers"),
    ] {
        let mut lines = lines.clone();
        lines.insert(place, line);
        std::fs::write(&path, lines.join("\n")).unwrap();
        let replay = Replay::new(Schedule::read(&path).unwrap());
        let mut pool = Pool::with_policy(2, Box::new(replay)).unwrap();
        let error = pool.execute(&mut run).unwrap_err().to_string();
        let expected = format!("odd.jsonl, line {}: ", place + 1);
        assert!(error.contains(&expected) && error.contains(problem), "{error}");
    }
}

#[test]
fn files_that_hold_no_schedule_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.jsonl");
    let run = r#"{"run":{"plan":"00","workers":1}}"#;
    for (text, problem) in [
        (r#"{"start":[0,0,0]}"#.to_owned(), "line 1: a schedule begins with a run"),
        (format!("{run}\n{{\"begin\":[0,0,0]}}"), "line 2: this is no event of a schedule"),
        (format!("{run}\n{{\"start\":[0,0]}}"), "line 2: this is no event of a schedule"),
        (format!("{run}\n\n"), "line 2: this is no event of a schedule"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let error = Schedule::read(&path).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("wrong.jsonl"), "{error}");
    }
    let missing = Schedule::read(&folder.path().join("missing")).unwrap_err().to_string();
    assert!(missing.contains("missing"), "{missing}");
}

/// A record of an earlier version can be replayed as long as plans have the same tasks. If they no longer have,
/// on purpose, this number changes with them.
#[test]
fn plans_are_told_apart_as_by_earlier_versions() {
    let model = caudal::model::Model::open(Some("digits")).unwrap();
    let (graph, optimizer) = (&model.graph, &model.training.optimizer);
    let plan = |options| Plan::compile(graph, Mode::Training, 8, optimizer, options).unwrap();
    // Those had no other convolutions.
    let direct = PlanOptions::default().convolution(Convolution::Direct);
    assert_eq!(plan(direct).fingerprint(), "13d3821ecfb2aadc");
    assert_eq!(plan(PlanOptions::default()).fingerprint(), "0758183cf2755d48");
    assert_ne!(plan(PlanOptions::plain()).fingerprint(), "13d3821ecfb2aadc");
    let old = r#"{"run":{"plan":"00","workers":1}}"#;
    let event: Event = serde_json::from_str(old).unwrap();
    assert_eq!(event, Event::Run { graph: "00".to_owned(), workers: 1 });
}
