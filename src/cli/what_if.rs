//! `caudal what-if`: what a node that takes less time, or a machine with more of something, would save.

use std::path::Path;
use std::time::Duration;

use caudal::flow::policy::policy;
use caudal::flow::trace::read;
use caudal::measure::{Conditions, Provenance};
use caudal::model::Model;
use caudal::simulator::{self, MOST_WORKERS, what_if_of_model, what_if_of_trace};
use clap::Args;
use serde_json::json;

use super::output::{columns, line, note, printable};
use super::schedule::is_named_as_tasks;
use super::{Stop, conditions, legends, options};

/// Tells which node, and which resource, would shorten a step the most, by simulation.
///
/// SOURCE is a trace that --trace wrote (.csv, .jsonl or .json), or a MODEL, which is measured on one worker first, as
/// `caudal simulate` does it, together with this machine. Every node in turn then takes less time in the simulator, and the
/// nodes are ranked by what that saves; further rows tell what one worker more or faster cores would save, or half of what
/// scheduling costs. A trace does not tell of the traffic between caches: what parts took includes it.
#[derive(Debug, Args)]
pub(super) struct WhatIf {
    /// A trace, or a model
    #[arg(value_name = "SOURCE")]
    source: String,
    /// By how many percent less time a node takes
    #[arg(long, value_name = "PERCENT", default_value_t = 20.0, value_parser = percent)]
    less: f64,
    /// Workers [default: as many as ran parts in the trace; of a model, 2]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=MOST_WORKERS as i64))]
    workers: Option<u16>,
    /// Which ready part runs next (see `caudal policies`): for a trace, the one that it was recorded with
    #[arg(long, value_name = "NAME", default_value = "critical-path")]
    policy: String,
    /// The most nodes that are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// How long a model is measured; each network of the calibration takes a tenth of it
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = super::bench::seconds)]
    seconds: f64,
    #[command(flatten)]
    pin: options::Pin,
    #[command(flatten)]
    mixed: conditions::MixedStates,
    /// Ends with one JSON object on a line
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number of percent".to_owned())?;
    if (0.1..=99.0).contains(&number) { Ok(number) } else { Err("expected 0.1 to 99".to_owned()) }
}

/// Whether a name is that of a trace, and not of a model.
fn is_trace(source: &str) -> bool {
    let ending = Path::new(source).extension().and_then(|it| it.to_str());
    matches!(ending, Some("csv" | "jsonl" | "json"))
}

impl WhatIf {
    pub(super) fn run(self) -> Result<(), Stop> {
        policy(&self.policy)?;
        let (workers, less) = (self.workers.map(usize::from), self.less / 100.0);
        if is_trace(&self.source) {
            let it = what_if_of_trace(&read(&self.source)?, &self.policy, workers, less)?;
            self.table(&it, "recorded")?;
            return if self.json { line(json!(it).to_string()) } else { Ok(()) };
        }
        if is_named_as_tasks(&self.source) {
            let problem = format!("{}: it is neither a trace nor a model", self.source);
            let remedy = "name a trace that --trace wrote (.csv, .jsonl or .json), or a model";
            return Err(Stop::Usage(format!("{problem}; {remedy}")));
        }
        let model = Model::open(Some(&self.source))?.without_metrics()?;
        let networks = simulator::calibration::CALIBRATING.len();
        note(format_args!("# calibrating on {networks} networks"));
        let limit = Duration::from_secs_f64(self.seconds);
        let workers = workers.unwrap_or(2);
        let provenance: Provenance = conditions::provenance().pinning(self.pin.pinning()).seed(0);
        let measure = || {
            let pinning = self.pin.pinning();
            Ok(what_if_of_model(&model, &self.policy, workers, less, limit, pinning)?)
        };
        let (it, seen): (simulator::WhatIf, Conditions) =
            self.mixed.steady(measure, |(_, seen)| seen)?;
        self.table(&it, "measured")?;
        conditions::lines(&seen, &provenance).into_iter().try_for_each(line)?;
        if self.json {
            line(conditions::object(&it, &seen, &provenance)?.to_string())?;
        }
        Ok(())
    }

    fn table(&self, it: &simulator::WhatIf, known: &str) -> Result<(), Stop> {
        let measured = it.measured_ms.map_or(String::new(), |ms| {
            format!(
                "; {known} {ms:.3} ms (simulation {:+.1} %)",
                100.0 * (it.simulated_ms / ms - 1.0)
            )
        });
        line(printable(&format!(
            "{}: {} workers, {}: {:.3} ms by simulation{measured}",
            it.name, it.workers, it.policy, it.simulated_ms
        )))?;
        line(format!(
            "T1 {:.3} ms, T∞ {:.3} ms; parallelism {:.2}, burdened parallelism {:.2} with {:.3} us a message",
            it.work_ms,
            it.critical_path_ms,
            it.parallelism,
            it.burdened_parallelism,
            1e3 * it.burden_ms
        ))?;
        let saved =
            |ms: f64| [format!("{ms:.4}"), format!("{:.2} %", 100.0 * ms / it.simulated_ms)];
        let title = format!("a node that takes {} % less", self.less);
        let mut rows =
            vec![vec!["saves ms".to_owned(), "saves".to_owned(), "of T1".to_owned(), title]];
        for node in it.nodes.iter().take(self.top) {
            let mut row = saved(node.saved_ms).to_vec();
            row.extend([format!("{:.1} %", 100.0 * node.work_share), node.node.clone()]);
            rows.push(row);
        }
        columns(&rows, |column| column == 3).iter().try_for_each(line)?;
        if it.nodes.len() > self.top {
            line(format!("({} others save less)", it.nodes.len() - self.top))?;
        }
        let mut rows = vec![["saves ms", "saves", "a machine with"].map(str::to_owned).to_vec()];
        for resource in &it.resources {
            let mut row = saved(resource.saved_ms).to_vec();
            row.push(resource.change.clone());
            rows.push(row);
        }
        columns(&rows, |column| column == 2).iter().try_for_each(line)?;
        legends::lines(legends::WHAT_IF).into_iter().try_for_each(line)
    }
}
