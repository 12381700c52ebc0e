//! `caudal simulate`: a training step on machines that are not there.

use std::time::Duration;

use caudal::flow::policy::policy;
use caudal::measure::{Conditions, CoreWatch, Provenance};
use caudal::report::{Page, prediction_page};
use caudal::simulator::prediction::{self, Prediction, Request, predict};
use caudal::simulator::validation::{Errors, Validation, validate};
use caudal::simulator::{MOST_WORKERS, Machine, Measurement, Sittings, Subject, calibration};
use clap::Args;

use super::output::{columns, line, note};
use super::outputs::Outputs;
use super::report::Report;
use super::{Stop, conditions, legends, options};

/// Predicts a training step on virtual workers from what it takes on one worker here.
///
/// First measures this machine: what scheduling costs, and how much parts slow each other down on two
/// workers, by networks of its own. Then measures the model on one worker, and simulates it. Where this
/// machine has the workers, they are measured too, and the error is told; other predictions are marked
/// as not validated. The speedup of P workers is bounded by min(P, T1 / T∞) from above, with T1 all parts
/// one after another and T∞ the longest way through the tasks; and from below by what any schedule reaches
/// without overhead whose workers do not idle beside ready parts (Graham).
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
pub(super) struct Simulate {
    /// A preset's name, a .toml file or a saved .safetensors file [default: the default preset]
    #[arg(value_name = "MODEL", conflicts_with = "validate")]
    model: Option<String>,
    /// Numbers of virtual workers
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8,16,32,64,128",
        value_parser = clap::value_parser!(u16).range(1..=MOST_WORKERS as i64))]
    workers: Vec<u16>,
    /// Which ready part runs next (see `caudal policies`)
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "critical-path,fifo"
    )]
    policies: Vec<String>,
    /// A machine whose workers are so many times as fast as one here, in place of --workers
    #[arg(long, value_name = "X,…", value_delimiter = ',', conflicts_with = "workers",
        value_parser = speed)]
    speeds: Option<Vec<f64>>,
    /// How long the model is measured, all executors together; each network of the calibration takes a
    /// tenth of it
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// For the parts' costs, which are drawn from their measured mean and variance; the step of median
    /// length out of seven counts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Measures the networks of the calibration, and others, and tells how far the predictions for two
    /// workers are from what two workers take; every network takes --seconds
    #[arg(long)]
    validate: bool,
    /// Of every network with --validate, apart in time: all networks are measured once before any is
    /// measured again. The calmest counts: that in which steps, each executor's divided by its shortest
    /// in any sitting, add up to the least. Networks of which none was quiet get up to as many more
    #[arg(long, value_name = "N", default_value_t = 3, requires = "validate",
        value_parser = clap::value_parser!(u16).range(1..=100))]
    sittings: u16,
    /// Tells of every row where the time over the ideal goes: each cost of the machine is switched off in turn, and the
    /// step simulated again
    #[arg(long, conflicts_with = "validate")]
    losses: bool,
    #[command(flatten)]
    report: Report,
    #[command(flatten)]
    pin: options::Pin,
    #[command(flatten)]
    computing: options::Computing,
    #[command(flatten)]
    mixed: conditions::MixedStates,
    /// Ends with one JSON object on a line
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.0..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("expected 0 to 3600 seconds".to_owned())
    }
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (1e-3..=1e3).contains(&speed) { Ok(speed) } else { Err("expected 0.001 to 1000".to_owned()) }
}

impl Simulate {
    pub(super) fn run(self) -> Result<(), Stop> {
        for name in &self.policies {
            policy(name)?;
        }
        self.report.check()?;
        self.report.outputs(Outputs::default()).check()?;
        if self.validate {
            if self.report.is_wanted() {
                let remedy = "a page holds one network; leave --report and --pictures out";
                return Err(Stop::Usage(format!("--validate measures many networks: {remedy}")));
            }
            return self.run_validation();
        }
        let model = self.computing.open(self.model.as_deref())?.without_metrics()?;
        let machines = match &self.speeds {
            Some(speeds) => vec![speeds.clone()],
            None => self.workers.iter().map(|&workers| vec![1.0; workers.into()]).collect(),
        };
        let limit = Duration::from_secs_f64(self.seconds);
        conditions::announce_calibration(limit / 10, limit);
        let pinning = self.pin.pinning();
        let request = Request::new(machines, self.policies.clone(), limit);
        let request = request.seed(self.seed).losses(self.losses).pinning(pinning);
        let provenance = self.provenance();
        let measure = || Ok(predict(&model, &request)?);
        let prediction = self.mixed.steady(measure, |it| &it.conditions)?;
        let rows = table(&prediction);
        rows.iter().try_for_each(line)?;
        if self.report.is_wanted() {
            let mut page = Page::new(format!("Simulation of {}", prediction.model));
            prediction_page(&mut page, &prediction);
            page.table("Predictions", &rows);
            let lines = conditions::lines(&prediction.conditions, &provenance);
            page.text("The cores, and where the figures are from", &lines);
            self.report.write(&page)?;
        }
        self.end(&prediction, &prediction.conditions, &provenance)
    }

    fn run_validation(&self) -> Result<(), Stop> {
        let provenance = self.provenance();
        let (validation, conditions) =
            self.mixed.steady(|| self.validated(), |(_, conditions)| conditions)?;
        validation_table(&validation)?;
        self.end(&validation, &conditions, &provenance)
    }

    fn validated(&self) -> Result<(Validation, Conditions), Stop> {
        let every = usize::from(self.sittings);
        let limit = Duration::from_secs_f64(self.seconds) / u32::from(self.sittings);
        let sittings = Sittings::new(every).more(every);
        let policies: Vec<_> = self.policies.iter().map(String::as_str).collect();
        let pinning = self.pin.pinning();
        let mut watch = CoreWatch::start(2, pinning);
        let overhead = calibration::overhead(pinning)?;
        let networks = [calibration::CALIBRATING, calibration::HELD_OUT].concat();
        let models = calibration::open(&networks)?;
        let on_two = |it| Subject::on_two_workers(it, &policies, limit).pinning(pinning);
        let subjects: Vec<_> = models.iter().map(on_two).collect();
        let mut calibrating = sittings.measure(&subjects, |sitting, name| {
            note(format_args!("# sitting {sitting}: {name}"));
        })?;
        watch.include_seconds(&Measurement::quiet_handovers(&calibrating));
        let conditions = watch.end();
        let held_out = calibrating.split_off(calibration::CALIBRATING.len());
        let machine = Machine::ideal(1).overhead(overhead);
        Ok((validate(&machine, calibrating, held_out)?, conditions))
    }

    fn provenance(&self) -> Provenance {
        conditions::provenance().pinning(self.pin.pinning()).seed(self.seed)
    }

    /// What stands below a table: the state of the cores, where figures are from, and all as JSON if wanted.
    fn end(
        &self,
        figures: &impl serde::Serialize,
        seen: &Conditions,
        provenance: &Provenance,
    ) -> Result<(), Stop> {
        conditions::lines(seen, provenance).into_iter().try_for_each(line)?;
        if self.json {
            line(conditions::object(figures, seen, provenance)?.to_string())?;
        }
        Ok(())
    }
}

/// What the machine was found to cost.
fn described(machine: &Machine) -> Vec<String> {
    let (overhead, slowdown) = (&machine.overhead, &machine.slowdown);
    let nanoseconds = |seconds: f64| seconds * 1e9;
    let scheduling = format!(
        "scheduling: {:.0} ns a part, {:.0} a message, {:.0} through the queue, {:.0} from worker to \
         worker; parks after {:.0} us, wakes in {:.0} us and takes {:.0} us of its waker",
        nanoseconds(overhead.part),
        nanoseconds(overhead.message),
        nanoseconds(overhead.queued),
        nanoseconds(overhead.handover),
        overhead.spin * 1e6,
        overhead.wake * 1e6,
        overhead.notify * 1e6,
    );
    let side_by_side = format!(
        "side by side: {:.0} ns for each part of another worker that is read, {:.3} ns a byte, {:.3} ns a \
         byte of parameters, {:.3} ns a byte written where another had it; slower by {:.1} %",
        nanoseconds(slowdown.fetch),
        nanoseconds(slowdown.transfer),
        nanoseconds(slowdown.weights),
        nanoseconds(slowdown.take),
        100.0 * slowdown.shared,
    );
    vec![scheduling, side_by_side]
}

/// Legends as lines.
fn explained(texts: &[&str]) -> impl Iterator<Item = String> {
    texts.iter().flat_map(|text| legends::lines(text))
}

/// Predictions as lines.
fn table(prediction: &Prediction) -> Vec<String> {
    let mut lines = described(&prediction.machine);
    if !prediction.disturbed.is_empty() {
        note(format_args!(
            "# disturbed whenever they were measured, so expect larger errors: {}",
            prediction.disturbed.join(", ")
        ));
    }
    lines.push(format!(
        "{}, a batch of {}: {} tasks in {} parts; one worker takes {:.3} ms, T1 = {:.3} ms, T∞ = {:.3} \
         ms",
        prediction.model,
        prediction.batch,
        prediction.tasks,
        prediction.parts,
        prediction.alone_ms,
        prediction.work_ms,
        prediction.critical_path_ms
    ));
    lines.push(format!(
        "{:>7}  {:<16}{:>10}{:>9}{:>12}{:>8}{:>10}{:>8}{:>8}  {}",
        "workers",
        "policy",
        "ms",
        "speedup",
        "efficiency",
        "idle",
        "live MiB",
        "least",
        "bound",
        "measured ms"
    ));
    for row in &prediction.rows {
        let prediction::Row { workers, policy, predicted_ms, speedup, .. } = row;
        let least = row.list_schedule_speedup.map_or("-".to_owned(), |least| format!("{least:.2}"));
        let measured = match (row.measured_ms, row.error) {
            (Some(measured), Some(error)) => {
                format!("{measured:.3} (prediction {:+.1} %)", 100.0 * error)
            }
            _ => "not validated".to_owned(),
        };
        lines.push(format!(
            "{workers:>7}  {policy:<16}{predicted_ms:>10.3}{speedup:>9.2}{:>10.0} %{:>6.0} \
             %{:>10.1}{least:>8}{:>8.2}  {measured}",
            100.0 * row.efficiency,
            100.0 * row.idle_share,
            row.peak_live_mib,
            row.bound,
        ));
    }
    lines.extend(explained(&[legends::PREDICTION, legends::MACHINE]));
    lines.extend(losses_table(&prediction.rows));
    lines
}

/// Where the time over the ideal goes, if that was asked for.
fn losses_table(rows: &[prediction::Row]) -> Vec<String> {
    let mut table: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let Some(lost) = &row.losses else { continue };
        if table.is_empty() {
            let head = ["workers", "policy", "ms", "ideal ms"].into_iter();
            let causes = lost.causes.iter().map(|it| it.cause);
            table.push(head.chain(causes).map(str::to_owned).collect());
        }
        let times = [lost.simulated_ms, lost.ideal_ms].map(|ms| format!("{ms:.3}"));
        let causes = lost.causes.iter().map(|it| {
            let share = 100.0 * it.ms / lost.simulated_ms;
            format!("{:.3} {share:>5.1} %", it.ms)
        });
        let cells = [row.workers.to_string(), row.policy.clone()].into_iter().chain(times);
        table.push(cells.chain(causes).collect());
    }
    if table.is_empty() {
        return Vec::new();
    }
    let mut lines = columns(&table, |column| column == 1);
    lines.extend(explained(&[legends::LOSSES]));
    lines
}

fn validation_table(validation: &Validation) -> Result<(), Stop> {
    described(&validation.machine).iter().try_for_each(line)?;
    line(format!(
        "{:<48}{:<16}{:>9}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}  {}",
        "network",
        "policy",
        "1: ms",
        "2: ms",
        "±",
        "sittings",
        "predicted",
        "error",
        "alone",
        "live MiB"
    ))?;
    for row in &validation.rows {
        let kind = if row.held_out { "*" } else { "" };
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        line(format!(
            "{:<48}{:<16}{:>9.3}{:>9.3}{:>8.3}{:>9}{:>9.3}{:>7.1} %{:>7.1} %  {:.1} of {:.1}",
            format!("{}{kind}", row.model),
            row.policy,
            row.alone_ms,
            row.measured_ms,
            row.uncertainty_ms,
            row.sittings_ms.len(),
            row.predicted_ms,
            100.0 * row.error,
            100.0 * row.error_without_slowdown,
            mib(row.peak_bytes.0),
            mib(row.peak_bytes.1),
        ))?;
    }
    explained(&[legends::VALIDATION, legends::MACHINE]).try_for_each(line)?;
    let errors = |what: &str, errors: &Errors| {
        line(format!(
            "{what}: {} predictions, error {:.1} % in the mean, {:.1} % at the 95th percentile, {:.1} % \
             at most, {:+.1} % with signs",
            errors.count,
            100.0 * errors.mean,
            100.0 * errors.percentile_95,
            100.0 * errors.largest,
            100.0 * errors.bias,
        ))
    };
    errors("calibrating", &validation.calibrating)?;
    errors("kept out (*)", &validation.held_out)?;
    if !validation.disturbed.is_empty() {
        line(format!(
            "left out, since the cores were not free, or farther apart than at other times: {}",
            validation.disturbed.join(", ")
        ))?;
    }
    let ranking = &validation.ranking;
    line(format!(
        "policies: {} of {} pairs that differ by more than the noise are in the measured order; {} pairs \
         do not differ",
        ranking.as_measured, ranking.pairs, ranking.equal
    ))
}
