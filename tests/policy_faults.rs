//! Policies that give what they may not, or panic: an error that says so, whatever the schedule, no part
//! twice, and a pool that works again as soon as its policy does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use caudal::Error;
use caudal::context::Mode;
use caudal::data::digits;
use caudal::flow::policy::{Policy, ReadyPart};
use caudal::flow::{Executor, Pool, TaskGraph, TaskIndex};
use caudal::model::Model;
use caudal::plan::PlanOptions;
use caudal::train::{FitOptions, Network, NetworkOptions};

use crate::protocol::{run_of, tiny};
use crate::watchdog::watch;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// The second part comes twice.
    Twice,
    /// The sink comes before anything else.
    TooEarly,
    /// A task that the plan does not have.
    NoSuchTask,
    /// A part that the task does not have.
    NoSuchPart,
    /// The part behind the last of a task, while the next task's first part, which would stand there, is ready.
    PartBehind,
    /// `push` panics.
    Push,
    /// `pop` panics at its second call.
    Pop,
    /// `done` panics.
    Done,
}

/// The largest index that there is.
const LAST: TaskIndex = TaskIndex::new(u32::MAX as usize - 1);

#[derive(Debug)]
struct Rogue {
    waiting: Vec<ReadyPart>,
    given: usize,
    wrong: Arc<Mutex<Wrong>>,
    supervises: bool,
    sink: TaskIndex,
}

impl Rogue {
    fn wrong(&self) -> Wrong {
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policy for Rogue {
    fn name(&self) -> &'static str {
        "rogue"
    }

    fn supervises(&self) -> bool {
        self.supervises
    }

    fn begin(&mut self, _plan: &caudal::flow::TaskGraph, _workers: usize) -> caudal::Result<()> {
        self.waiting.clear();
        self.given = 0;
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        assert!(self.wrong() != Wrong::Push, "no room");
        self.waiting.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.given += 1;
        let first = self.waiting.first().copied();
        match self.wrong() {
            Wrong::TooEarly => return Some(ReadyPart { task: self.sink, part: 0 }),
            Wrong::NoSuchTask => return Some(ReadyPart { task: LAST, part: 0 }),
            Wrong::NoSuchPart => return first.map(|it| ReadyPart { part: 7, ..it }),
            Wrong::PartBehind => {
                let ready = |task: usize| self.waiting.iter().any(|it| it.task.index() == task);
                let mut all = self.waiting.iter();
                if let Some(it) = all.find(|it| ready(it.task.index() + 1)) {
                    return Some(ReadyPart { part: 1, ..*it });
                }
            }
            Wrong::Twice if self.given <= 2 => return first,
            Wrong::Pop => assert!(self.given < 2, "no such part"),
            _ => {}
        }
        (!self.waiting.is_empty()).then(|| self.waiting.remove(0))
    }

    fn done(&mut self, _part: ReadyPart, _worker: usize) {
        assert!(self.wrong() != Wrong::Done, "unknown part");
    }
}

#[test]
fn what_a_policy_may_not_give_does_not_run() {
    watch(|scenario| {
        let graph = tiny(4);
        let mut run = run_of(&graph, Mode::Prediction, PlanOptions::plain());
        let sink = TaskIndex::new(run.plan().task_count() - 1);
        for (wrong, says) in [
            (Wrong::Twice, "it gave part 0 of task"),
            (Wrong::TooEarly, "(`sum`, forward), which it did not hold"),
            (Wrong::NoSuchTask, "task 4294967294 of 6, which it did not hold"),
            (Wrong::NoSuchPart, "it gave part 7 of task 0 (`x`, forward)"),
            (Wrong::PartBehind, "it gave part 1 of task"),
            (Wrong::Push, "it panicked: no room"),
            (Wrong::Pop, "it panicked: no such part"),
            (Wrong::Done, "it panicked: unknown part"),
        ] {
            for (workers, supervises) in
                [(1, false), (2, false), (4, false), (1, true), (2, true), (4, true)]
            {
                // Several workers may take what is ready before two tasks in a row are.
                if wrong == Wrong::Done && !supervises || wrong == Wrong::PartBehind && workers > 1
                {
                    continue;
                }
                let what = format!("{wrong:?}, {workers} workers, supervises: {supervises}");
                scenario.enter(&what);
                let now = Arc::new(Mutex::new(Wrong::Nothing));
                let policy = Rogue {
                    waiting: Vec::new(),
                    given: 0,
                    wrong: Arc::clone(&now),
                    supervises,
                    sink,
                };
                let mut pool = Pool::with_policy(workers, Box::new(policy)).unwrap();
                pool.execute(&mut run).unwrap();
                let expected = run.kept(graph.outputs()[0]).unwrap().to_vec();
                for _ in 0..20 {
                    *now.lock().unwrap_or_else(PoisonError::into_inner) = wrong;
                    let error = pool.execute(&mut run).unwrap_err();
                    let text = error.to_string();
                    assert!(matches!(error, Error::Policy { .. }), "{what}: {text}");
                    assert!(
                        text.contains("policy `rogue`") && text.contains(says),
                        "{what}: {text}"
                    );
                    assert!(!text.contains("have moved"), "{what}: {text}");
                    *now.lock().unwrap_or_else(PoisonError::into_inner) = Wrong::Nothing;
                    pool.execute(&mut run).unwrap();
                    assert_eq!(run.kept(graph.outputs()[0]).unwrap(), expected, "{what}");
                }
            }
        }
    });
}

/// How a policy goes wrong once parameters move.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Late {
    Nothing,
    Panics,
    /// It gives nothing any more.
    Keeps,
    /// It gives the commit again.
    Twice,
}

/// Does as fifo until the commit has run, after which updates are pushed. Parts that are ready alone skip the policy, so that it
/// may be asked for none any more.
#[derive(Debug)]
struct GivesUp {
    waiting: VecDeque<ReadyPart>,
    commit: Option<ReadyPart>,
    after_commit: Vec<usize>,
    committed: bool,
    late: Arc<Mutex<Late>>,
    supervises: bool,
    /// Whether it was asked after the commit.
    was_asked: Arc<AtomicBool>,
}

impl Policy for GivesUp {
    fn name(&self) -> &'static str {
        "gives-up"
    }

    fn supervises(&self) -> bool {
        self.supervises
    }

    fn begin(&mut self, graph: &TaskGraph, _workers: usize) -> caudal::Result<()> {
        let is_commit = |task: &usize| graph.task(*task).phase == "commit";
        let commit = (0..graph.task_count()).find(is_commit);
        self.after_commit = commit.map(|task| graph.task(task).successors).unwrap_or_default();
        self.commit = commit.map(|task| ReadyPart { task: TaskIndex::new(task), part: 0 });
        self.committed = false;
        self.waiting.clear();
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.committed |= self.after_commit.contains(&part.task.index());
        self.waiting.push_back(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        let late = *self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if self.committed && !self.waiting.is_empty() {
            self.was_asked.store(true, Ordering::Relaxed);
            match late {
                Late::Nothing => {}
                Late::Panics => panic!("that is all"),
                Late::Keeps => return None,
                Late::Twice => return self.commit,
            }
        }
        self.waiting.pop_front()
    }
}

#[test]
fn a_step_that_has_moved_parameters_ends_without_the_policy() {
    let (data, _) = digits().unwrap();
    let network = |executor: Option<Box<dyn Executor>>| {
        let Model { graph, training, .. } = Model::open(Some("article-dag")).unwrap();
        let options = NetworkOptions::default().executor("sequential").measured_costs(false);
        let mut network = Network::from_parts(graph, training.optimizer, options).unwrap();
        if let Some(executor) = executor {
            network.set_executor(executor);
        }
        network
    };
    let step = move |network: &mut Network| {
        let at = network.step();
        network.fit(&data, &FitOptions::default().start(at).max_steps(at + 1)).map(drop)
    };
    let mut oracle = network(None);
    let mut hashes = vec![oracle.weights_sha256()];
    for _ in 0..2 {
        step(&mut oracle).unwrap();
        hashes.push(oracle.weights_sha256());
    }
    watch(move |scenario| {
        for (wrong, says) in [
            (Late::Panics, "it panicked: that is all"),
            (Late::Keeps, "it gave no part, though it held some"),
            (Late::Twice, "it gave part 0 of task"),
        ] {
            for (workers, supervises) in
                [(1, false), (2, false), (4, false), (1, true), (2, true), (4, true)]
            {
                let what = format!("{wrong:?}, {workers} workers, supervises: {supervises}");
                scenario.enter(&what);
                let late = Arc::new(Mutex::new(wrong));
                let first_step = || {
                    let was_asked = Arc::new(AtomicBool::new(false));
                    let policy = GivesUp {
                        waiting: VecDeque::new(),
                        commit: None,
                        after_commit: Vec::new(),
                        committed: false,
                        late: Arc::clone(&late),
                        supervises,
                        was_asked: Arc::clone(&was_asked),
                    };
                    let pool = Pool::with_policy(workers, Box::new(policy)).unwrap();
                    let mut network = network(Some(Box::new(pool)));
                    step(&mut network).unwrap();
                    assert_eq!(
                        (network.step(), network.weights_sha256()),
                        (1, hashes[1].clone()),
                        "{what}"
                    );
                    was_asked.load(Ordering::Relaxed).then_some(network)
                };
                let asked = (0..100).find_map(|_| first_step());
                let mut network = asked.unwrap_or_else(|| panic!("{what}: it was never asked"));
                let error = step(&mut network).unwrap_err();
                let text = error.to_string();
                assert!(matches!(error, Error::Policy { .. }), "{what}: {text}");
                assert!(text.contains(says) && text.contains("ended without it"), "{what}: {text}");
                assert_eq!(
                    (network.step(), network.weights_sha256()),
                    (1, hashes[1].clone()),
                    "{what}"
                );
                *late.lock().unwrap() = Late::Nothing;
                step(&mut network).unwrap();
                assert_eq!(
                    (network.step(), network.weights_sha256()),
                    (2, hashes[2].clone()),
                    "{what}"
                );
            }
        }
    });
}

/// Panics in one of the methods that are called while nothing runs.
#[derive(Debug)]
struct Panics {
    waiting: Vec<ReadyPart>,
    at: &'static str,
}

impl Panics {
    fn at(&self, method: &str) {
        assert!(self.at != method, "in {method}");
    }
}

impl Policy for Panics {
    fn name(&self) -> &'static str {
        self.at("name");
        "panics"
    }

    fn supervises(&self) -> bool {
        self.at("supervises");
        false
    }

    fn begin(&mut self, _graph: &TaskGraph, _workers: usize) -> caudal::Result<()> {
        self.at("begin");
        Ok(())
    }

    fn learn(&mut self, _graph: &TaskGraph, _seconds: &[f64]) {
        self.at("learn");
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.waiting.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.waiting.pop()
    }
}

#[test]
fn no_panic_of_a_policy_leaves_an_executor() {
    let graph = tiny(4);
    let pool = |at| Pool::with_policy(2, Box::new(Panics { waiting: Vec::new(), at }));
    for at in ["name", "supervises"] {
        let text = pool(at).unwrap_err().to_string();
        assert!(text.contains(&format!("it panicked: in {at}")), "{text}");
    }
    let mut run = run_of(&graph, Mode::Prediction, PlanOptions::plain());
    let mut begins = pool("begin").unwrap();
    for _ in 0..2 {
        let text = begins.execute(&mut run).unwrap_err().to_string();
        assert!(text.contains("it panicked: in begin, so the step did not begin"), "{text}");
    }
    let mut learns = pool("learn").unwrap();
    let seconds = vec![1e-6; run.plan().task_count()];
    learns.learn(run.plan(), &seconds);
    let text = learns.execute(&mut run).unwrap_err().to_string();
    assert!(text.contains("it panicked: in learn"), "{text}");
    learns.execute(&mut run).unwrap();
}
