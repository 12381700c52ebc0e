//! What steps of a network took here: the costs of its parts on one worker, and, for comparison, steps
//! on several.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Machine, Options, PartCosts, Subject, simulate};
use crate::error::Result;
use crate::flow::policy::policy;
use crate::flow::trace::Recorder;
use crate::flow::{Executor, Observer, PartEvent, Pool};
use crate::measure::{Probe, Watch, is_near, prepare, settle, time_block};
use crate::model::Model;
use crate::plan::{Plan, PlanOptions};
use crate::run::Run;
use crate::statistics::median;
use crate::topology::Pinning;

/// For how long parts are timed in a round, one step at least.
const OBSERVED: Duration = Duration::from_millis(4);
/// The fewest and the most rounds of blocks; without time, one must do.
const ROUNDS: (usize, usize) = (5, 200);
/// How many times as long as asked for a measurement may take while others take its cores away.
const PATIENCE: u32 = 5;
/// The share of a median that its standard error may be.
const CERTAIN: f64 = 0.02;
/// Steps of one executor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepTimes {
    /// Its workers.
    pub workers: usize,
    /// Its policy.
    pub policy: String,
    /// Seconds of a step: the median.
    pub seconds: f64,
    /// By how much the median would differ from one measurement to the next: its standard error, from
    /// the spread of the middle half of the steps.
    pub uncertainty: f64,
    /// The medians of all sittings that count, this one's among them: see [`super::Sittings`].
    pub sittings: Vec<f64>,
    /// What ran when in some of the steps, step by step.
    pub traces: Vec<Vec<PartEvent>>,
}

/// Steps on one worker by one policy, whose order and own work make a difference there too.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Alone {
    /// The policy.
    pub policy: String,
    /// Seconds of a step: the median.
    pub seconds: f64,
    /// The parts' costs.
    pub costs: PartCosts,
}

/// What steps of a network took here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Measurement {
    /// The network's name.
    pub name: String,
    /// Its training plan.
    pub plan: Arc<Plan>,
    /// Steps on one worker, by each of the policies that were asked for.
    pub alone: Vec<Alone>,
    /// Steps of others, as asked for.
    pub others: Vec<StepTimes>,
    /// The most bytes of recycled buffers that were in use at one time.
    pub peak_bytes: usize,
    /// Rounds of steps that count, and rounds that do not because another process had a core of this
    /// machine; if none counts, all those that do not.
    pub rounds: (usize, usize),
    /// Seconds of a handover from one core to another after rounds that count: the median.
    pub handover: f64,
}

/// One executor, and what its steps took.
struct Candidate {
    executor: Pool,
    times: Vec<f64>,
    traces: Vec<Vec<PartEvent>>,
    /// Those of rounds in which the cores were not free.
    disturbed: (Vec<f64>, Vec<Vec<PartEvent>>),
    /// How many of the times and traces are of earlier rounds.
    kept: (usize, usize),
}

impl Candidate {
    fn new(workers: usize, name: &str, pinning: Pinning) -> Result<Self> {
        Ok(Self {
            executor: Pool::with_pinning(workers, policy(name)?, pinning)?,
            times: Vec::new(),
            traces: Vec::new(),
            disturbed: Default::default(),
            kept: (0, 0),
        })
    }

    /// Puts what the round gave aside unless it `keeps`.
    fn end_round(&mut self, keeps: bool) {
        if !keeps {
            self.disturbed.0.extend(self.times.drain(self.kept.0..));
            self.disturbed.1.extend(self.traces.drain(self.kept.1..));
        }
        self.kept = (self.times.len(), self.traces.len());
    }

    /// Falls back to what was disturbed, if there is nothing else.
    fn settle(&mut self) {
        if self.times.is_empty() {
            (self.times, self.traces) = std::mem::take(&mut self.disturbed);
        }
    }

    /// Its turn in a round, which ends with steps of which every part is timed. Says whether its threads
    /// had cores.
    fn take_turn(&mut self, run: &mut Run, recorder: &Arc<Recorder>) -> Result<bool> {
        settle(|| self.executor.execute(run))?;
        let watch = Watch::start();
        time_block(|| self.executor.execute(run), &mut self.times)?;
        self.observe(run, recorder)?;
        Ok(watch.had_cores())
    }

    fn observe(&mut self, run: &mut Run, recorder: &Arc<Recorder>) -> Result<()> {
        recorder.clear();
        run.observe(Some(Arc::clone(recorder) as Arc<dyn Observer>));
        let began = Instant::now();
        let mut ran = self.executor.execute(run);
        while ran.is_ok() && began.elapsed() < OBSERVED {
            ran = self.executor.execute(run);
        }
        run.observe(None);
        ran?;
        self.traces.extend(recorder.executions().into_iter().map(|it| it.events));
        Ok(())
    }

    /// What it took, being of one worker.
    fn alone(mut self, plan: &Plan, clock: f64) -> Alone {
        let events: Vec<PartEvent> = self.traces.drain(..).flatten().collect();
        let costs = PartCosts::measured(plan, &events, clock);
        let times = self.times();
        Alone { policy: times.policy, seconds: times.seconds, costs }
    }

    fn times(mut self) -> StepTimes {
        let seconds = median(&mut self.times);
        let count = self.times.len();
        let quartile = |share: f64| self.times[((count - 1) as f64 * share).round() as usize];
        // Of a normal distribution, the quartiles are 1.349 deviations apart, and the standard error
        // of the median is 1.253 times that of the mean.
        let deviation = (quartile(0.75) - quartile(0.25)) / 1.349;
        StepTimes {
            workers: self.executor.workers(),
            policy: self.executor.policy().unwrap_or_default().to_owned(),
            seconds,
            uncertainty: 1.253 * deviation / (count as f64).sqrt(),
            sittings: vec![seconds],
            traces: self.traces,
        }
    }
}

impl Measurement {
    /// Runs training steps of `model`, whose batch is synthetic, for about `limit`, in alternating blocks
    /// on one worker by each of `policies`, or by critical-path if there are none, and on each of `others`,
    /// which are numbers of workers and policies.
    ///
    /// # Errors
    /// If the network can't be trained, a policy is unknown, or a node fails.
    pub fn new(
        model: &Model,
        policies: &[&str],
        others: &[(usize, &str)],
        limit: Duration,
    ) -> Result<Self> {
        let subject =
            Subject { model, policies, others: others.to_vec(), limit, pinning: Pinning::None };
        let most = others.iter().map(|&(workers, _)| workers).max().unwrap_or(1);
        Self::with_probe(&subject, &mut Probe::new(most, Pinning::None))
    }

    /// As [`Measurement::new`], with a probe that may know this machine better.
    pub(super) fn with_probe(subject: &Subject<'_>, probe: &mut Probe) -> Result<Self> {
        let &Subject { model, policies, ref others, limit, pinning } = subject;
        let training = &model.training;
        let options = PlanOptions::default();
        let optimizer = &training.optimizer;
        let mut run = prepare(&model.graph, training.batch_size, optimizer, options)?;
        let policies = if policies.is_empty() { &["critical-path"] } else { policies };
        // Those on one worker come first.
        let all = policies.iter().map(|&policy| (1, policy)).chain(others.iter().copied());
        let mut candidates: Vec<Candidate> = all
            .map(|(workers, policy)| Candidate::new(workers, policy, pinning))
            .collect::<Result<_>>()?;
        let recorder = Arc::new(Recorder::new());
        let began = Instant::now();
        let patience = limit * PATIENCE;
        let fewest = if limit.is_zero() { 1 } else { ROUNDS.0 };
        let (mut rounds, mut disturbed) = (0, 0);
        let mut handovers = Vec::new();
        let mut waited = Duration::ZERO;
        let mut free = probe.wait(patience);
        waited += began.elapsed();
        while rounds < ROUNDS.1 {
            let enough = rounds >= fewest && began.elapsed() > limit + waited;
            let late = began.elapsed() > limit + patience;
            // Other networks have used the time of all: one round must do.
            let over = rounds + disturbed > 0 && probe.is_late();
            if enough || over || (disturbed >= fewest && late) {
                break;
            }
            if !free {
                let waiting = Instant::now();
                probe.wait(patience.saturating_sub(waited));
                waited += waiting.elapsed();
            }
            let mut had_cores = true;
            for candidate in &mut candidates {
                had_cores &= candidate.take_turn(&mut run, &recorder)?;
            }
            free = probe.cores_are_free() && probe.cores_are_near();
            let keeps = free && had_cores;
            for candidate in &mut candidates {
                candidate.end_round(keeps);
            }
            rounds += usize::from(keeps);
            if keeps {
                // None on one core.
                handovers.push(probe.handover().map_or(0.0, |it| it.median_ns * 1e-9));
            }
            disturbed += usize::from(!keeps);
        }
        let plan = Arc::clone(run.plan());
        candidates.iter_mut().for_each(Candidate::settle);
        let others = candidates.split_off(policies.len());
        let clock = super::calibration::clock();
        let alone = candidates.into_iter().map(|candidate| candidate.alone(&plan, clock));
        Ok(Self {
            name: model.graph.name().to_owned(),
            alone: alone.collect(),
            others: others.into_iter().map(Candidate::times).collect(),
            peak_bytes: run.peak_recycled_bytes(),
            rounds: (rounds, disturbed),
            handover: if handovers.is_empty() { f64::INFINITY } else { median(&mut handovers) },
            plan,
        })
    }

    /// Whether predictions can be judged by it: as many rounds count as are wanted at least, every
    /// median is certain to two hundredths, and the cores were about as near to each other as they
    /// can be, with a handover of `shortest` seconds.
    pub fn is_quiet(&self, shortest: f64) -> bool {
        let certain = |times: &StepTimes| times.uncertainty <= CERTAIN * times.seconds;
        let many = self.rounds.0 >= ROUNDS.0;
        many && self.others.iter().all(certain) && is_near(self.handover, shortest)
    }

    /// Seconds of the shortest handover of some measurements.
    pub fn shortest_handover<'a>(all: impl IntoIterator<Item = &'a Self>) -> f64 {
        all.into_iter().map(|it| it.handover).fold(f64::INFINITY, f64::min)
    }

    /// Seconds of the handover of all that are quiet.
    pub fn quiet_handovers(all: &[Self]) -> Vec<f64> {
        let shortest = Self::shortest_handover(all);
        all.iter().filter(|it| it.is_quiet(shortest)).map(|it| it.handover).collect()
    }

    /// Seconds of a step on one worker by each policy, and on each of the others.
    pub(super) fn times(&self) -> Vec<f64> {
        let others = self.others.iter().map(|other| other.seconds);
        self.alone.iter().map(|alone| alone.seconds).chain(others).collect()
    }

    /// Steps on one worker by `policy`, or by the first policy if there were none by that.
    pub fn alone(&self, policy: &str) -> &Alone {
        // There is always one.
        self.alone.iter().find(|alone| alone.policy == policy).unwrap_or(&self.alone[0])
    }

    /// The parts' costs by `policy`, all multiplied by the one factor with which one worker of `machine`
    /// takes as long as one worker took: parts were timed one by one, which takes some time itself.
    ///
    /// # Errors
    /// As for [`simulate`].
    pub fn costs_on(&self, machine: &Machine, policy: &str) -> Result<PartCosts> {
        let alone = self.alone(policy);
        fitted(&alone.costs, &self.plan, machine, &alone.policy, alone.seconds)
    }
}

/// All `costs` multiplied by the one factor with which one worker of `machine` takes `seconds` for a
/// step by the policy called `name`.
pub(super) fn fitted(
    costs: &PartCosts,
    plan: &Plan,
    machine: &Machine,
    name: &str,
    seconds: f64,
) -> Result<PartCosts> {
    let one = machine.with_workers(1);
    // Without chance, since one worker has nobody to share with.
    let took = simulate(plan, policy(name)?.as_mut(), &one, costs, Options::default())?.makespan;
    let work = costs.work();
    let scheduling = took - work;
    let factor = if work > 0.0 { ((seconds - scheduling) / work).max(0.5) } else { 1.0 };
    Ok(costs.clone().scaled(factor))
}
