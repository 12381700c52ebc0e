//! `caudal find-rate`.

use std::sync::Arc;

use caudal::data::{self, LoadOptions};
use caudal::report::{Page, rate_page};
use caudal::train::{Network, RangeTest, RangeTestOptions};
use clap::Args;
use serde_json::{Value, json};

use super::dividing::Dividing;
use super::optimizing::Optimizing;
use super::output::{line, notes};
use super::outputs::Outputs;
use super::report::Report;
use super::start::Start;
use super::{Stop, options};

/// Lines of the printed table.
const SHOWN: usize = 20;

/// Looks for a learning rate: trains a copy of the network at rates that grow from step to step, and prints
/// the loss at each, until it has become four times the lowest one.
///
/// The smoothed loss is the mean over a twentieth of all steps to each side. The rate to begin with is a quarter of
/// the one with the lowest smoothed loss, at which training is about to diverge, or the one at which the loss falls
/// most steeply over the logarithm of the rate, if that is lower. The optimizer's schedule is left out, and items are
/// not changed at random. Only the training part of the data is used.
#[derive(Debug, Args)]
pub(super) struct FindRate {
    /// A preset's name, a .toml file or a saved .safetensors file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    #[arg(long, value_name = "DATA", default_value = "digits",
        help = options::data_help("What to train on"))]
    data: String,
    /// The learning rate of the first step
    #[arg(long, value_name = "X", default_value_t = 1e-6)]
    from: f32,
    /// The learning rate of the last step
    #[arg(long, value_name = "X", default_value_t = 10.0)]
    to: f32,
    /// Steps between them
    #[arg(long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(10..))]
    steps: u32,
    /// Items in a batch [default: the model's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// For the first weights, the order of the items, and every other random number
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    optimizing: Optimizing,
    #[command(flatten)]
    dividing: Dividing,
    #[command(flatten)]
    run: options::Run,
    #[command(flatten)]
    start: Start,
    #[command(flatten)]
    report: Report,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    json: bool,
}

impl FindRate {
    pub(super) fn run(self) -> Result<(), Stop> {
        self.report.check()?;
        let files =
            Outputs::default().reads("--init", self.start.init.as_deref()).reads_data(&self.data);
        self.report.outputs(self.dividing.outputs(files)).check()?;
        let mut model = self.start.freeze(self.run.open(self.model.as_deref())?)?;
        model.data = model.data.unfitted();
        self.dividing.set_columns(&mut model.data, false)?;
        let training = &mut model.training;
        training.batch_size = self.batch_size.map_or(training.batch_size, |size| size as usize);
        self.optimizing.apply(&mut training.optimizer)?;
        let load = LoadOptions::new(&model.graph, &model.data)
            .batch(model.training.batch_size)
            .split(self.dividing.split(&model.data)?);
        let loaded = data::load(&self.data, &load)?;
        notes(&loaded.notes);
        self.dividing.write(&loaded.items)?;
        let optimizer = Arc::clone(&model.training.optimizer);
        let options = self.run.network(self.seed)?;
        let mut network = Network::from_parts(Arc::clone(&model.graph), optimizer, options)?;
        options::load_onnx(self.model.as_deref(), &mut network)?;
        self.start.load(&mut network, false)?;
        let options = RangeTestOptions::default()
            .from(self.from)
            .to(self.to)
            .steps(self.steps as usize)
            .batch_size(model.training.batch_size)
            .seed(self.seed);
        let test = network.find_learning_rate(&loaded.train, options)?;
        for text in table(&test) {
            line(text)?;
        }
        if let Some(ended) = &test.ended {
            line(format!("ended early: {ended}"))?;
        }
        line(test.to_string())?;
        if self.report.is_wanted() {
            let mut page = Page::new(format!("Learning rates for {}", model.graph.name()));
            rate_page(&mut page, &test);
            self.report.write(&page)?;
        }
        if self.json {
            let mut object = json!(test);
            if let Value::Object(object) = &mut object {
                object.insert("suggested".to_owned(), test.suggested().into());
                object.insert("lowest".to_owned(), test.lowest().into());
            }
            line(object.to_string())?;
        }
        Ok(())
    }
}

/// Some of the steps, the first and the last among them.
fn table(test: &RangeTest) -> Vec<String> {
    let count = test.points.len();
    let shown = count.min(SHOWN);
    let mut lines = vec![format!("{:>6}{:>12}{:>14}{:>14}", "step", "rate", "loss", "smoothed")];
    for number in 0..shown {
        let at = if shown == 1 { 0 } else { number * (count - 1) / (shown - 1) };
        let point = &test.points[at];
        let cells = format!("{:>12.3e}{:>14.6}{:>14.6}", point.rate, point.loss, point.smoothed);
        lines.push(format!("{:>6}{cells}", at + 1));
    }
    lines
}
