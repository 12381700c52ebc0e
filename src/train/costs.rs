//! What tasks cost, measured in a few early steps, for the policy that orders them.

use std::sync::Arc;

use crate::error::Result;
use crate::flow::trace::Recorder;
use crate::flow::{Executor, Observer};
use crate::run::Run;

/// Steps before the first that is measured: pages and caches are cold.
const WARM_UP: usize = 5;

/// Steps that are measured.
const MEASURED: usize = 5;

/// How far the measuring of one run has come.
#[derive(Debug, Default)]
pub(super) struct CostMeasurement {
    steps: usize,
    recorder: Option<Arc<Recorder>>,
}

impl CostMeasurement {
    /// Executes `run`. Once a few steps have been measured, `executor` learns the costs of the tasks,
    /// and no further step is. While somebody else observes the run, nothing is measured.
    pub(super) fn execute(&mut self, run: &mut Run, executor: &mut dyn Executor) -> Result<()> {
        let known = self.steps >= WARM_UP + MEASURED;
        if known || executor.workers() == 1 || run.is_observed() {
            return executor.execute(run);
        }
        if self.steps >= WARM_UP {
            let plan = run.plan();
            let new = || Arc::new(Recorder::of_executions(plan, MEASURED));
            let recorder = self.recorder.get_or_insert_with(new);
            let observer: Arc<dyn Observer> = Arc::clone(recorder) as _;
            run.observe(Some(observer));
        }
        let outcome = executor.execute(run);
        run.observe(None);
        self.steps += usize::from(outcome.is_ok());
        if self.steps == WARM_UP + MEASURED
            && let Some(recorder) = self.recorder.take()
        {
            let plan = run.plan();
            executor.learn(plan, &plan.evened_out(&recorder.task_seconds(plan)));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::flow::{Execute, Pool, TaskGraph, sealed};
    use crate::model::Model;
    use crate::train::{FitOptions, Network, NetworkOptions};

    /// After how many steps something was learned, and what.
    type Learned = Arc<Mutex<Vec<(usize, Vec<f64>)>>>;

    /// A pool of two workers that notes when it learns what.
    struct Learner {
        pool: Pool,
        steps: usize,
        learned: Learned,
    }

    impl sealed::Sealed for Learner {}

    impl Executor for Learner {
        fn name(&self) -> &'static str {
            "learner"
        }

        fn workers(&self) -> usize {
            2
        }

        fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
            self.learned.lock().unwrap().push((self.steps, seconds.to_vec()));
            self.pool.learn(graph, seconds);
        }

        fn execute(&mut self, run: &mut dyn Execute) -> Result<()> {
            self.steps += 1;
            self.pool.execute(run)
        }
    }

    fn network(measured_costs: bool) -> (Network, Learned) {
        let model = Model::open(Some("towers-small")).unwrap().without_metrics().unwrap();
        let options = NetworkOptions::default().measured_costs(measured_costs);
        let optimizer = model.training.optimizer;
        let mut network = Network::from_parts(model.graph, optimizer, options).unwrap();
        let learned = Arc::default();
        let pool = Pool::new(2, "critical-path").unwrap();
        network.set_executor(Box::new(Learner { pool, steps: 0, learned: Arc::clone(&learned) }));
        (network, learned)
    }

    #[test]
    fn the_executor_learns_once_what_tasks_took_and_weights_are_the_same_without() {
        let (train, _) = crate::data::digits().unwrap();
        let fit = FitOptions::default().batch_size(32).max_steps(25);
        let (mut with, learned) = network(true);
        with.fit(&train, &fit).unwrap();
        let (mut without, nothing) = network(false);
        without.fit(&train, &fit).unwrap();
        assert_eq!(with.weights_sha256(), without.weights_sha256());
        assert!(nothing.lock().unwrap().is_empty());
        let learned = learned.lock().unwrap();
        let [(steps, seconds)] = learned.as_slice() else { panic!("{}", learned.len()) };
        assert_eq!(*steps, WARM_UP + MEASURED);
        let tasks = with.run(crate::context::Mode::Training, 32).unwrap().plan().task_count();
        assert_eq!(seconds.len(), tasks);
        assert!(seconds.iter().all(|it| it.is_finite()) && seconds.iter().sum::<f64>() > 0.0);
    }

    #[test]
    fn whoever_observes_a_run_goes_on_doing_so() {
        let (train, _) = crate::data::digits().unwrap();
        let fit = FitOptions::default().batch_size(32).max_steps(25);
        let (mut network, learned) = network(true);
        let run = network.run(crate::context::Mode::Training, 32).unwrap();
        let recorder = Arc::new(Recorder::new());
        run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
        network.fit(&train, &fit).unwrap();
        assert_eq!(recorder.executions().len(), 25);
        assert!(learned.lock().unwrap().is_empty());
    }
}
