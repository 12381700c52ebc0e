//! Schedules and policies that are executed. Nothing here says how long anything may take: a task lasts as long as it
//! should or longer, and begins when it may or later.

use caudal::Error;
use caudal::flow::policy::{POLICIES, Policy, PolicySpec, ReadyPart, register};
use caudal::scheduling::{
    Communication, ComparisonOptions, ExecutionOptions, Instance, Link, Load, Platform,
    STATIC_POLICIES, Schedule, WeightedGraph, WeightedTask, compare, execute_policy,
    execute_schedule, static_policy,
};

use super::random_graph;
use crate::command_line::{json, path, refused, told};

/// A tenth of a millisecond a second.
const UNIT: f64 = 1e-4;

fn options() -> ExecutionOptions {
    ExecutionOptions::default().unit(UNIT)
}

/// Graphs of [`random_graph`] with neither releases nor wide tasks where `plain`.
fn graph(seed: u64, plain: bool) -> WeightedGraph {
    let drawn = random_graph(seed, 3 + seed as usize % 12, 2);
    let mut graph = WeightedGraph::builder("executed");
    for task in drawn.tasks() {
        let task = task.clone();
        graph.task(if plain { task.release(0.0).workers(1_usize) } else { task }).unwrap();
    }
    for edge in drawn.edges() {
        graph.edge(edge.from, edge.to, edge.communication).unwrap();
    }
    graph.build().unwrap()
}

fn platform() -> Platform {
    let platform = Platform::with_speeds(vec![1.0, 2.0, 0.5]).unwrap();
    platform.between(|from, to| Link::new(from as f64 * 0.5, 1.0 + to as f64)).unwrap()
}

/// Asserts that nothing was quicker than it may be, and that no worker did two things at a time.
fn assert_possible(instance: &Instance<'_>, executed: &Schedule, sent_at_the_end: bool) {
    let (graph, slack) = (instance.graph(), 1e-6);
    for (task, placed) in executed.placements().iter().enumerate() {
        let takes = placed.workers().map(|it| instance.seconds(task, it)).fold(0.0, f64::max);
        assert!(placed.finish - placed.start >= takes - slack, "{placed:?} takes {takes}");
        assert!(placed.start >= graph.tasks()[task].release - slack, "{placed:?}");
        assert_eq!(placed.workers().count(), graph.tasks()[task].workers);
        for edge in graph.incoming(task) {
            let before = &executed.placements()[edge.from];
            assert!(placed.start >= before.finish - slack, "{before:?} {placed:?}");
            if sent_at_the_end {
                let travels = instance.transfer_seconds(edge, before.worker, placed.worker);
                assert!(placed.start >= before.finish + travels - slack, "{before:?} {placed:?}");
            }
        }
    }
    for list in executed.by_worker(instance.workers()) {
        for pair in list.windows(2) {
            assert!(pair[1].start >= pair[0].finish - slack, "{pair:?}");
        }
    }
}

#[test]
fn plans_are_executed_by_their_workers_in_their_order() {
    let platform = platform();
    for (seed, spec) in (0..).zip(STATIC_POLICIES).chain((20..).zip(STATIC_POLICIES)) {
        let graph = graph(seed, false);
        let instance = Instance::new(&graph, &platform).unwrap();
        let planned = static_policy(spec.name).unwrap().schedule(&instance).unwrap();
        let executed = execute_schedule(&instance, &planned, &options()).unwrap();
        assert_possible(&instance, &executed.schedule, true);
        assert_eq!(executed.makespan, executed.schedule.makespan());
        assert!(executed.error(&planned.retimed(&instance)) >= -1e-6, "{}", spec.name);
        let lists = planned.by_worker(3);
        for (planned, executed) in lists.iter().zip(executed.schedule.by_worker(3)) {
            let tasks = |list: &[&caudal::scheduling::Placement]| {
                // Tasks of no time may be planned to start with others.
                let lasting = list.iter().filter(|it| graph.tasks()[it.task].cost > 0.0);
                lasting.map(|it| it.task).collect::<Vec<_>>()
            };
            assert_eq!(tasks(planned), tasks(&executed), "{} {seed}", spec.name);
        }
        for (planned, executed) in planned.placements().iter().zip(executed.schedule.placements()) {
            assert_eq!(planned.worker, executed.worker);
            assert_eq!(planned.others, executed.others);
        }
    }
}

#[test]
fn policies_of_the_pool_decide_while_tasks_run() {
    let platform = platform();
    for (seed, spec) in (40..).zip(POLICIES).chain((60..).zip(POLICIES)) {
        let graph = graph(seed, true);
        let instance = Instance::new(&graph, &platform).unwrap();
        let executed = execute_policy(&instance, spec.name, &options().repeats(3)).unwrap();
        assert_possible(&instance, &executed.schedule, false);
        let mut makespans = executed.makespans.clone();
        makespans.sort_by(f64::total_cmp);
        assert_eq!((makespans.len(), makespans[1]), (3, executed.makespan));
    }
}

/// With one worker nothing is left to chance: the order is that of the simulation.
#[test]
fn one_worker_runs_what_was_simulated() {
    let one = Platform::equal(1).unwrap();
    for (seed, spec) in (80..).zip(POLICIES) {
        let graph = graph(seed, true);
        let names: Vec<&str> = POLICIES.iter().map(|spec| spec.name).collect();
        let none = ComparisonOptions::default().time_limit(std::time::Duration::ZERO);
        let mut comparison = compare(&graph, &one, &names, &none).unwrap();
        comparison.execute(&Instance::new(&graph, &one).unwrap(), &options()).unwrap();
        for row in &comparison.rows {
            let order = |schedule: &Schedule| {
                let list = schedule.by_worker(1).swap_remove(0).into_iter();
                let lasting = list.filter(|it| graph.tasks()[it.task].cost > 0.0);
                lasting.map(|it| it.task).collect::<Vec<_>>()
            };
            let executed = &row.executed.as_ref().unwrap().schedule;
            assert_eq!(order(row.schedule.as_ref().unwrap()), order(executed), "{}", row.policy);
            assert!(row.execution_error.unwrap() >= -1e-6, "{} {}", spec.name, row.policy);
        }
    }
}

#[test]
fn a_wide_task_waits_for_its_workers() {
    let mut graph = WeightedGraph::builder("wide");
    graph.task(WeightedTask::new("long", 30.0)).unwrap();
    graph.task(WeightedTask::new("wide", 20.0).workers(2_usize)).unwrap();
    graph.task(WeightedTask::new("small", 10.0)).unwrap();
    let graph = graph.build().unwrap();
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let executed = execute_policy(&instance, "fifo", &options().unit(1e-3)).unwrap();
    let placed = executed.schedule.placements();
    assert_eq!(placed[1].others.len(), 1);
    assert!(
        placed[2].start >= placed[1].finish && placed[1].start >= placed[0].finish,
        "{placed:?}"
    );
}

#[test]
fn tasks_spin_and_change_memory_as_well() {
    let mut graph = WeightedGraph::builder("chain");
    for name in ["a", "b", "c"] {
        graph.task(WeightedTask::new(name, 20.0)).unwrap();
    }
    graph.edge(0, 1, Communication::Bytes(1e6)).unwrap();
    graph.edge(1, 2, Communication::Seconds(1.0)).unwrap();
    let graph = graph.build().unwrap();
    let platform = Platform::equal(1).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let planned = static_policy("heft").unwrap().schedule(&instance).unwrap();
    let spun = execute_schedule(&instance, &planned, &options().load(Load::Spin)).unwrap();
    assert!(spun.makespan >= 60.0, "{spun:?}");
    let changed = execute_schedule(&instance, &planned, &options().load(Load::Memory)).unwrap();
    assert!(changed.makespan > 0.0 && changed.schedule.placements()[2].start > 0.0);
    let starts: Vec<f64> = changed.schedule.placements().iter().map(|it| it.start).collect();
    assert!(starts.is_sorted(), "{starts:?}");
}

/// Gives the first task again and again.
#[derive(Debug, Default)]
struct Again(Option<ReadyPart>);

impl Policy for Again {
    fn name(&self) -> &'static str {
        "executed-again"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.0.get_or_insert(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.0
    }
}

static AGAIN: PolicySpec =
    PolicySpec::new("executed-again", "the first task, again", |_| Ok(Box::new(Again::default())));

#[test]
fn what_cannot_be_executed_is_refused() {
    let graph = graph(3, true);
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    register(&AGAIN).unwrap();
    let error = execute_policy(&instance, "executed-again", &options()).unwrap_err().to_string();
    assert!(
        error.contains("policy `executed-again`: it gave task 0, which is not ready"),
        "{error}"
    );
    let error = execute_policy(&instance, "fif", &options()).unwrap_err().to_string();
    assert!(error.contains("did you mean `fifo`?"), "{error}");
    for (wrong, expected) in [
        (options().unit(0.0), "a second takes 0 seconds"),
        (options().unit(f64::NAN), "a second takes NaN seconds"),
        (options().repeats(0_u32), "0 executions"),
    ] {
        let error = execute_policy(&instance, "fifo", &wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let wrong = Schedule::new(Vec::new());
    let error = execute_schedule(&instance, &wrong, &options()).unwrap_err().to_string();
    assert!(error.contains("tasks are placed"), "{error}");
    let many = Platform::equal(1000).unwrap();
    let instance = Instance::new(&graph, &many).unwrap();
    for load in [Load::Spin, Load::Memory] {
        let error = execute_policy(&instance, "fifo", &options().load(load)).unwrap_err();
        assert!(matches!(error, Error::Threads { threads: 1000, .. }), "{error}");
    }
    let mut late = WeightedGraph::builder("late");
    late.task(WeightedTask::new("at \u{1b}[31m", 1.0).release(5.0)).unwrap();
    let late = late.build().unwrap();
    let one = Platform::equal(1).unwrap();
    let instance = Instance::new(&late, &one).unwrap();
    let error = execute_policy(&instance, "fifo", &options()).unwrap_err().to_string();
    assert!(error.contains("is released at 5") && !error.contains('\u{1b}'), "{error}");
    let mut large = WeightedGraph::builder("large");
    large.task(WeightedTask::new("a", 1.0)).unwrap();
    large.task(WeightedTask::new("b", 1.0)).unwrap();
    large.edge(0, 1, Communication::Bytes(1e18)).unwrap();
    let large = large.build().unwrap();
    let instance = Instance::new(&large, &one).unwrap();
    let memory = options().load(Load::Memory);
    let error = execute_policy(&instance, "fifo", &memory).unwrap_err().to_string();
    assert!(error.contains("graph `large`: its workers and messages need"), "{error}");
}

#[test]
fn the_command_executes_and_tells_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (graph, page) = (super::file("diamond.toml"), path(&folder, "both.html"));
    let run = ["schedule", &graph, "--speeds", "1,2", "--policies", "heft,fifo", "--run", "sleep"];
    let run = [&run[..], &["--unit", "1e-3", "--repeats", "3", "--gantt", &page]].concat();
    let case = &json(&run)["schedules"][0];
    for row in case["rows"].as_array().unwrap() {
        let executed = &row["executed"];
        let makespans = executed["makespans"].as_array().unwrap();
        let [executed, simulated] =
            [executed, &row["metrics"]].map(|it| it["makespan"].as_f64().unwrap());
        assert_eq!(makespans.len(), 3);
        let error = row["execution_error"].as_f64().unwrap();
        assert!((error - (executed / simulated - 1.0)).abs() < 1e-9, "{row}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("A, planned: ") && page.contains("A, executed: "), "{page}");
    // Of several machines, a table of errors follows.
    let run = ["schedule", &graph, "--policies", "heft,fifo", "--run", "sleep", "--unit", "1e-4"];
    let shown = told(&run);
    assert!(
        shown.contains("tasks take ") && shown.contains("a larger --unit errs less"),
        "{shown}"
    );
    let errors = shown.lines().skip_while(|line| !line.contains("mean error"));
    let rows: Vec<Vec<&str>> = errors.map(|line| line.split_whitespace().collect()).collect();
    assert_eq!([rows[1][..2].to_vec(), rows[3][..2].to_vec()], [["heft", "3"], ["all", "6"]]);
    // Copies of bytes that the simulation takes for free are told of.
    let sends = path(&folder, "sends.dot");
    std::fs::write(&sends, "digraph { a [cost=1] b [cost=1] a -> b [bytes=8] }").unwrap();
    let memory = ["schedule", &sends, "--run", "memory", "--unit", "1e-6", "--policies", "heft"];
    let notes = |more: &[&str]| told(&[&memory[..], more].concat()).contains("take no time in the");
    assert!(!notes(&["--workers", "1"]));
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        assert!(notes(&["--workers", "2"]));
        assert!(!notes(&["--workers", "2", "--bandwidth", "1e9"]));
    }
    let csv = told(&[&run[..], &["--csv"]].concat());
    assert!(csv.lines().next().unwrap().contains("executed,execution_error"), "{csv}");
    for (arguments, expected) in [
        (&["--run", "walk"][..], "expected spin, sleep or memory"),
        (&["--unit", "2"], "--run"),
        (&["--run", "sleep", "--unit", "0"], "expected 1e-9 to 1e9"),
        (&["--run", "sleep", "--seeds", "2"], "cannot be used"),
        (&["--run", "sleep", "--unit", "1000"], "more than --run-limit 300; with --unit"),
        (&["--run", "sleep", "--run-limit", "0"], "more than --run-limit 0; raise --run-limit"),
        (&["--run", "sleep", "--run-limit", "1e-7"], "; raise --run-limit"),
        (&["--run", "spin", "--workers", "1,1000", "--unit", "1e-6"], "need one each"),
    ] {
        let (code, line) = refused(&[&["schedule", &graph][..], arguments].concat());
        assert_eq!(code, 2, "{arguments:?}: {line}");
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}
