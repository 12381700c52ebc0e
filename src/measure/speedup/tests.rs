//! Bounds, categories and switches on small networks.

use super::*;
use crate::context::{Mode, Phase};
use crate::flow::executor;
use crate::flow::index::TaskIndex;
use crate::measure::{prepare, tiny_nodes};
use crate::optimizers::{Optimizer, Sgd};
use crate::plan::{Plan, PlanOptions};
use crate::presets;
use crate::run::Parameters;

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// A run of a preset's training step.
fn run_of(preset: &str, batch: usize) -> Run {
    let model = presets::open(preset).unwrap().without_metrics().unwrap();
    let optimizer = &model.training.optimizer;
    prepare(&model.graph, batch, optimizer, PlanOptions::default()).unwrap()
}

#[test]
fn the_bound_lies_between_one_and_the_workers() {
    let graph = Arc::new(tiny_nodes("fan", 50).unwrap());
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let options = PlanOptions::plain();
    let plan = Plan::compile(&graph, Mode::Prediction, 1, &optimizer, options).unwrap();
    let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0).unwrap();
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
    let mut executors: Vec<_> = [("sequential", 1), ("pool", 2)]
        .map(|(name, workers)| executor(name, workers, "fifo").unwrap())
        .into();
    let speedup = speedup(&mut run, &mut executors, Duration::ZERO).unwrap();
    assert_eq!((speedup.tasks, speedup.parts), (50, 50));
    assert!(speedup.steps >= 6, "two blocks of three: {}", speedup.steps);
    assert!(speedup.critical_path_ms <= speedup.work_ms);
    let [one, two] = &speedup.rows[..] else { panic!("two executors") };
    assert!(close(one.bound, 1.0) && close(one.graham, 1.0) && one.executor == "sequential");
    assert!((1.0..=2.0).contains(&two.bound) && two.graham <= two.bound + 1e-9);
    assert!(close(two.efficiency, two.speedup / 2.0));
    assert!(two.quartiles_ms[0] <= two.step_ms && two.step_ms <= two.quartiles_ms[1]);
    assert_eq!((speedup.phases.len(), speedup.stages.len()), (1, 1));
    assert!(close(speedup.phases[0].share, 1.0));
}

#[test]
fn a_training_step_is_explained() {
    let mut run = run_of("wavefront:rows=4,columns=4", 16);
    let mut executors: Vec<_> = [("sequential", 1), ("pool", 2), ("actors", 1)]
        .map(|(name, workers)| executor(name, workers, "fifo").unwrap())
        .into();
    let speedup = speedup(&mut run, &mut executors, Duration::ZERO).unwrap();
    let stages: Vec<Stage> = speedup.stages.iter().map(|stage| stage.stage).collect();
    // All updates are fused to their gradients here.
    assert_eq!(stages, [Stage::Forward, Stage::Backward]);
    let work: f64 = speedup.stages.iter().map(|stage| stage.work_ms).sum();
    assert!(close(work, speedup.work_ms));
    assert!(speedup.stages.iter().all(|stage| stage.critical_path_ms <= stage.work_ms + 1e-9));
    let path: f64 = speedup.critical_path.iter().map(|task| task.ms).sum();
    assert!(close(path, speedup.critical_path_ms));
    assert!(speedup.critical_path.len() >= 7, "at least the diagonal: {:?}", speedup.critical_path);
    for row in &speedup.rows[..2] {
        let lost = row.lost.unwrap();
        assert!(close(lost.useful_ms, speedup.work_ms), "{lost:?}");
        // The clock inside the executor begins a little later than that outside.
        assert!(lost.accounted > 0.5 && lost.accounted < 1.02, "{lost:?}");
        assert!(lost.no_work_ms >= 0.0 && lost.queue_wait_ms >= 0.0 && lost.overhead_ms >= 0.0);
        assert_eq!(row.execution.events.len(), speedup.parts);
    }
    assert!(speedup.rows[2].lost.is_none());
    assert_eq!(speedup.rows[1].stages.len(), 2);
}

/// Two workers; everything known.
#[test]
fn lost_time_adds_up_on_a_schedule_made_by_hand() {
    let run = run_of("fan:branches=2,width=8", 4);
    let plan = run.plan();
    let mut events = Vec::new();
    // One part after another on worker 0, 90 ns each and 10 ns apart; worker 1 never wakes.
    let alone: Vec<Vec<f64>> =
        (0..plan.task_count()).map(|task| vec![60e-9; plan.task(task).parts]).collect();
    for (task, parts) in alone.iter().enumerate() {
        for part in 0..parts.len() {
            let start = 1000 + 100 * events.len() as u64;
            let ready = start - 10;
            events.push(crate::flow::PartEvent {
                task,
                part,
                worker: 0,
                ready,
                start,
                end: start + 90,
            });
        }
    }
    let count = events.len() as f64;
    let ended = 1000 + 100 * events.len() as u64;
    let execution = Execution { began: 990, ended, events, ..Execution::default() };
    let step = (ended - 990) as f64;
    let lost = lost_time(plan, &alone, 2, &[execution], &[step * 1e-9]).unwrap();
    let nanoseconds = |ms: f64| (ms * 1e6).round();
    assert_eq!(nanoseconds(lost.useful_ms), 60.0 * count);
    assert_eq!(nanoseconds(lost.slower_ms), 30.0 * count);
    assert_eq!(nanoseconds(lost.total_ms()), 2.0 * step);
    assert!((lost.accounted - 1.0).abs() < 1e-6);
    // Worker 1 could have had a part for 10 ns each time; of the rest there was none.
    assert_eq!(nanoseconds(lost.queue_wait_ms + lost.overhead_ms), 2.0 * 10.0 * count);
    assert_eq!(nanoseconds(lost.no_work_ms), step - 10.0 * count + 10.0);
}

#[test]
fn ideas_are_switched_off_one_at_a_time() {
    let model = presets::open("inception:side=12").unwrap().without_metrics().unwrap();
    let mut pool = executor("pool", 2, "fifo").unwrap();
    let optimizer = &model.training.optimizer;
    let mut watch = CoreWatch::start(2, Pinning::None);
    let limit = Duration::ZERO;
    let ideas = ideas(&model.graph, 32, optimizer, pool.as_mut(), limit, &mut watch).unwrap();
    // Two blocks, between a look before and one after.
    assert_eq!(watch.end().looks, 4);
    assert_eq!((ideas.len(), ideas[0].without), (6, "nothing"));
    assert!(close(ideas[0].slowdown, 1.0));
    let tasks = |without: &str| ideas.iter().find(|idea| idea.without == without).unwrap().tasks;
    assert!(tasks("fusion") > tasks("nothing"));
    assert!(ideas.iter().all(|idea| idea.critical_path_ms <= idea.work_ms + 1e-9));
}

#[test]
fn what_waits_for_no_gradient_counts_as_forward() {
    let run = run_of("mnist-cnn", 4);
    let plan = run.plan();
    let seconds: Vec<Vec<f64>> =
        (0..plan.task_count()).map(|task| vec![1e-6; plan.task(task).parts]).collect();
    let first = |phase| (0..plan.task_count()).filter(move |&it| plan.task(it).phase == phase);
    let [prepared, forward] = [Phase::Prepare, Phase::Forward].map(|phase| first(phase).count());
    assert!(prepared > 0 && forward > 0, "{prepared} {forward}");
    let stages = stages::alone(plan, &seconds);
    let tasks = stages.iter().map(|it| (it.stage, it.tasks)).collect::<Vec<_>>();
    assert_eq!(tasks[0], (Stage::Forward, prepared + forward));
    // The engine's policies rank by the same stages.
    for task in 0..plan.task_count() {
        let stage = plan.stage(TaskIndex::new(task));
        assert_eq!(stage, plan.task(task).phase.stage() as u8);
    }
}
