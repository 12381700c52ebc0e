//! Records what ran where and when.

use parking_lot::Mutex;

use super::plan::Plan;
use super::run::{Observer, PartEvent};

/// How many logs there are; workers share them evenly.
const LOGS: usize = 64;

/// An [`Observer`] that keeps every part's event.
///
/// Each worker writes to a log of its own, so that recording does not make workers wait for each
/// other (beyond 64 workers, some share).
#[derive(Debug)]
pub struct Recorder {
    logs: Vec<Mutex<Vec<PartEvent>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// An empty recorder.
    pub fn new() -> Self {
        Self { logs: (0..LOGS).map(|_| Mutex::default()).collect() }
    }

    /// Everything recorded so far, by start time.
    pub fn events(&self) -> Vec<PartEvent> {
        let mut all: Vec<PartEvent> = self.logs.iter().flat_map(|log| log.lock().clone()).collect();
        all.sort_by_key(|event| (event.start, event.task, event.part));
        all
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.logs.iter().for_each(|log| log.lock().clear());
    }

    /// The seconds of every task of `plan`, all its parts together: the median over the runs
    /// recorded, 0 for tasks that never ran.
    pub fn task_seconds(&self, plan: &Plan) -> Vec<f64> {
        let mut runs: Vec<Vec<f64>> = vec![Vec::new(); plan.task_count()];
        let mut parts: Vec<usize> = vec![0; plan.task_count()];
        for event in self.events() {
            let seconds = (event.end - event.start) as f64 * 1e-9;
            let task = event.task;
            // The parts of one run come before those of the next.
            if parts[task].is_multiple_of(plan.tasks[task].parts as usize) {
                runs[task].push(0.0);
            }
            parts[task] += 1;
            if let Some(sum) = runs[task].last_mut() {
                *sum += seconds;
            }
        }
        runs.into_iter().map(median).collect()
    }
}

/// The middle value, or 0 if there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

impl Observer for Recorder {
    fn part(&self, event: PartEvent) {
        self.logs[event.worker % LOGS].lock().push(event);
    }
}
