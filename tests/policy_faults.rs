//! Policies that give what they may not, or panic: an error that says so, whatever the schedule, no part
//! twice, and a pool that works again as soon as its policy does.

use std::sync::{Arc, Mutex, PoisonError};

use caudal::Error;
use caudal::context::Mode;
use caudal::flow::policy::{Policy, ReadyPart};
use caudal::flow::{Executor, Pool, TaskIndex};
use caudal::plan::PlanOptions;

use crate::protocol::{run_of, tiny, trained};
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
            (Wrong::Push, "it panicked: no room"),
            (Wrong::Pop, "it panicked: no such part"),
            (Wrong::Done, "it panicked: unknown part"),
        ] {
            for (workers, supervises) in
                [(1, false), (2, false), (4, false), (1, true), (2, true), (4, true)]
            {
                if wrong == Wrong::Done && !supervises {
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

/// Does as fifo until the commit has run.
#[derive(Debug)]
struct GivesUp {
    waiting: Vec<ReadyPart>,
    commit: TaskIndex,
    committed: bool,
}

impl Policy for GivesUp {
    fn name(&self) -> &'static str {
        "gives-up"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.waiting.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        assert!(!self.committed, "that is all");
        let part = self.waiting.remove(0);
        self.committed = part.task == self.commit;
        Some(part)
    }
}

#[test]
fn an_error_after_the_commit_says_that_parameters_may_have_moved() {
    let graph = trained();
    let mut run = run_of(&graph, Mode::Training, PlanOptions::plain());
    let plan = Arc::clone(run.plan());
    let named = |task: &usize| plan.task(*task).phase.name() == "commit";
    let commit = TaskIndex::new((0..plan.task_count()).find(named).unwrap());
    let policy = GivesUp { waiting: Vec::new(), commit, committed: false };
    let mut pool = Pool::with_policy(1, Box::new(policy)).unwrap();
    let error = pool.execute(&mut run).unwrap_err().to_string();
    assert!(error.contains("it panicked: that is all"), "{error}");
    assert!(error.contains("some parameters have moved"), "{error}");
}
