//! `caudal speedup`: how much faster several workers are, and why not more.

use std::sync::Arc;
use std::time::Duration;

use caudal::flow::policy::POLICIES;
use caudal::flow::{Executor, executor, pinned_executor};
use caudal::measure::speedup::{Idea, Row, Speedup as Measured, ideas, speedup};
use caudal::measure::{Conditions, CoreWatch, prepare};
use caudal::model::Model;
use caudal::plan::{Plan, PlanOptions};
use caudal::report::{Page, Simulated, speedup_page};
use caudal::simulator::calibration::{self, Calibration};
use caudal::simulator::{MOST_WORKERS, prediction};
use caudal::topology::Pinning;
use clap::Args;
use serde_json::json;

use super::output::line;
use super::outputs::Outputs;
use super::report::Report;
use super::{Stop, conditions, options, results};

/// Simulated curves go on to at least so many workers.
const FEWEST_SIMULATED: usize = 128;

/// Measures one training step on every executor, policy and number of workers, and says what kept it
/// from being faster.
///
/// The batch is synthetic and as large as the model says; metrics are left out. Steps of all rows are
/// timed in turn. Then parts are timed one by one, for the bounds and for where the workers' time
/// went, and each idea of the executor is switched off in turn. A page also shows what the simulator
/// makes of the first policy with more workers than there are (see `caudal simulate`).
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
pub(super) struct Speedup {
    /// A preset, with arguments as in chain:depth=64,width=32, a .toml file or a saved .safetensors file
    /// [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Numbers of threads of the pool [default: 1, 2, 4, ... up to one for every core]
    #[arg(long, value_name = "N,...", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Vec<u16>,
    /// Policies of the pool (see `caudal policies`) [default: all]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    policies: Vec<String>,
    /// Items in a batch [default: the model's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Times the executors for this long, and the switches as long again
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = super::bench::seconds)]
    seconds: f64,
    #[command(flatten)]
    report: Report,
    #[command(flatten)]
    pin: options::Pin,
    #[command(flatten)]
    computing: options::Computing,
    #[command(flatten)]
    mixed: conditions::MixedStates,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    json: bool,
}

impl Speedup {
    pub(super) fn run(self) -> Result<(), Stop> {
        self.report.check()?;
        self.report.outputs(Outputs::default()).check()?;
        let model = self.computing.open(self.model.as_deref())?.without_metrics()?;
        let workers = options::workers_or_doubled(&self.workers);
        let policies: Vec<&str> = if self.policies.is_empty() {
            POLICIES.iter().map(|spec| spec.name).collect()
        } else {
            self.policies.iter().map(String::as_str).collect()
        };
        let training = &model.training;
        let batch = self.batch_size.map_or(training.batch_size, |size| size as usize);
        let pinning = self.pin.pinning();
        let provenance = conditions::provenance().pinning(pinning).seed(0);
        let measure = || self.measure(&model, batch, &workers, &policies);
        let figures = self.mixed.steady(measure, |figures| &figures.conditions)?;
        let Figures { measured, ideas, most, simulated, plan, conditions } = figures;
        let tables = [
            results::speedup(&measured),
            results::lost_time(&measured),
            results::stages(&measured),
            results::ideas(&ideas, most),
            [vec![String::new()], conditions::lines(&conditions, &provenance)].concat(),
        ];
        for text in tables.iter().flatten() {
            line(text)?;
        }
        if self.report.is_wanted() {
            let mut page = Page::new(format!("Speedup of {}", model.graph.name()));
            page.table("Milliseconds of a step", &tables[0]);
            speedup_page(&mut page, &plan, &measured, simulated.as_ref());
            page.table("Where the workers' time went", &tables[1]);
            page.table("Forward, backward and updates apart", &tables[2]);
            page.table("One idea switched off at a time", &tables[3]);
            page.text("The cores, and where the figures are from", &tables[4]);
            self.report.write(&page)?;
        }
        if self.json {
            let object = json!({
                "model": model.graph.name(),
                "speedup": measured,
                "ideas": ideas,
                "ideas_workers": most,
                "ideas_policy": policies[0],
            });
            line(conditions::object(&object, &conditions, &provenance)?.to_string())?;
        }
        Ok(())
    }

    /// Measures everything once.
    fn measure(
        &self,
        model: &Model,
        batch: usize,
        workers: &[usize],
        policies: &[&str],
    ) -> Result<Figures, Stop> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pinning = self.pin.pinning();
        // As many workers as are of use.
        let most = workers.iter().copied().filter(|&it| it <= cores).max().unwrap_or(cores);
        let mut watch = CoreWatch::start(most, pinning);
        let mut executors: Vec<Box<dyn Executor>> =
            vec![executor("sequential", 1, policies[0])?, executor("actors", 1, policies[0])?];
        for &workers in workers {
            for policy in policies {
                executors.push(pinned_executor("pool", workers, policy, pinning)?);
            }
        }
        let optimizer = &model.training.optimizer;
        let mut run = prepare(&model.graph, batch, optimizer, PlanOptions::default())?;
        let limit = Duration::from_secs_f64(self.seconds);
        // It has a watch of its own.
        watch.pause();
        let measured = speedup(&mut run, &mut executors, limit)?;
        watch.resume();
        watch.include(&measured.conditions);
        drop(executors);
        let mut pool = pinned_executor("pool", most, policies[0], pinning)?;
        let ideas = ideas(&model.graph, batch, optimizer, pool.as_mut(), limit, &mut watch)?;
        drop(pool);
        let plan = Arc::clone(run.plan());
        let simulated = if self.report.is_wanted() {
            Some(simulate(&measured, &plan, policies[0], limit, pinning, &mut watch)?)
        } else {
            None
        };
        Ok(Figures { measured, ideas, most, simulated, plan, conditions: watch.end() })
    }
}

/// All that is measured of a network.
struct Figures {
    measured: Measured,
    ideas: Vec<Idea>,
    /// Workers of the ideas.
    most: usize,
    simulated: Option<Simulated>,
    plan: Arc<Plan>,
    conditions: Conditions,
}

/// What the simulator makes of the measured step by a policy: on as many workers as were measured, and
/// beyond.
fn simulate(
    measured: &Measured,
    plan: &Plan,
    policy: &str,
    limit: Duration,
    pinning: Pinning,
    watch: &mut CoreWatch,
) -> Result<Simulated, Stop> {
    conditions::announce_calibration(limit / 10, Duration::ZERO);
    let Calibration { machine, handovers, .. } = calibration::calibrate(limit / 10, pinning, &[])?;
    watch.include_seconds(&handovers);
    let pools = measured.rows.iter().filter(|row| row.executor == "pool");
    let most = pools.clone().map(|row| row.workers).max().unwrap_or(1);
    let most = FEWEST_SIMULATED.max(4 * most).min(MOST_WORKERS);
    let mut workers: Vec<usize> = pools.map(|row| row.workers).filter(|it| *it <= most).collect();
    workers.extend((0..).map(|power| 1 << power).take_while(|workers| *workers <= most));
    workers.sort_unstable();
    workers.dedup();
    // One worker of the pool, or the baseline.
    let is_one = |row: &&Row| row.workers == 1 && row.policy.as_deref() == Some(policy);
    let one = measured.rows.iter().find(is_one).or(measured.rows.first());
    let alone = one.map_or(f64::NAN, |row| row.step_ms) * 1e-3;
    let seconds =
        prediction::curve(plan, &measured.part_seconds, alone, &machine, policy, &workers)?;
    let step_ms = workers.into_iter().zip(seconds.into_iter().map(|it| it * 1e3)).collect();
    Ok(Simulated::new(policy, step_ms))
}
