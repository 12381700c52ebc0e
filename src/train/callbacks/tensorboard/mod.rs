//! Files for TensorBoard.

mod event_file;
mod graph_def;
mod histogram;

use std::path::{Path, PathBuf};

use self::event_file::EventFile;
use self::graph_def::graph_def;
use self::histogram::Histogram;
use crate::error::{Error, Result};
use crate::files;
use crate::tensor::Tensor;
use crate::train::{BatchEnd, Callback, Control, EpochEnd, Network};

/// Ranges of a histogram.
const RANGES: usize = 30;

/// Writes files that TensorBoard reads, into two folders: `train` has the loss and the learning rate of every step, and after
/// every epoch its losses and metrics and two histograms of every parameter, of its weights and of their gradients
/// ([`Network::last_batch_gradients`], which takes the time and the memory of one step an epoch); `validation` has the losses and metrics of the
/// validation data, if there are such, under the same names, so that TensorBoard draws both in one chart. `train` holds the graph
/// as well. Steps count as [`Network::step`] does, after the step.
///
/// Files that are there stay: a training that goes on adds others, and what is known of steps after the one with which it goes on
/// is forgotten by TensorBoard.
///
/// ```
/// use caudal::model::Model;
/// use caudal::train::callbacks::TensorBoardLog;
/// use caudal::train::{FitOptions, Network, NetworkOptions};
///
/// let (train, _) = caudal::data::digits()?;
/// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
/// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
/// # let folder = std::env::temp_dir().join(format!("caudal-tensorboard-{}", std::process::id()));
/// let mut log = TensorBoardLog::new(&folder);
/// network.fit_with(&train, &FitOptions::default(), &mut [&mut log])?;
/// assert_eq!(folder.join("train").read_dir().unwrap().count(), 1);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorBoardLog {
    folder: PathBuf,
    train: Option<EventFile>,
    validation: Option<EventFile>,
    /// The step with which this training went on.
    start: u64,
}

impl TensorBoardLog {
    /// Writes into folders in `folder`, which are made where there are none.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), train: None, validation: None, start: 0 }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Refuses, before a training, a folder that files could not be written into. The folder is made.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`], which name it.
    pub fn check(&self) -> Result<()> {
        let folder = self.folder.join("train");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        files::check_writable(folder.join("events.out.tfevents"))
    }
}

/// The spread of all weights, and of the gradients that the epoch's last batch has there.
fn histograms(network: &mut Network) -> Result<Vec<(String, Histogram)>> {
    let gradients = network.last_batch_gradients()?;
    let mut histograms = Vec::new();
    let mut add = |kind: &str, name: &str, numbers: &Tensor| {
        let histogram = Histogram::of(numbers.iter().copied(), RANGES);
        histograms.extend(histogram.map(|histogram| (format!("{kind}/{name}"), histogram)));
    };
    for (parameter, gradient) in network.graph().parameters().iter().zip(&gradients) {
        add("weights", &parameter.name, &network.weights(&parameter.name)?);
        if let Some(gradient) = gradient {
            add("gradients", &parameter.name, gradient);
        }
    }
    Ok(histograms)
}

impl Callback for TensorBoardLog {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        let mut file = EventFile::create(&self.folder.join("train"))?;
        self.start = network.step();
        if self.start > 0 {
            file.go_on(self.start + 1)?;
        }
        file.graph(&graph_def(network.graph()))?;
        self.train = Some(file);
        self.validation = None;
        Ok(())
    }

    fn batch_end(&mut self, network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        if let Some(file) = &mut self.train {
            let rate = network.last_learning_rate();
            let values = [("step/loss", event.loss()), ("step/learning_rate", rate.into())];
            let values = values.map(|(name, value)| (name.to_owned(), value));
            file.values(network.step(), &values, &[])?;
        }
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        let step = network.step();
        if let Some(file) = &mut self.train {
            file.values(step, &event.train.values(), &histograms(network)?)?;
            file.flush()?;
        }
        if let Some(report) = event.validation {
            let file = match &mut self.validation {
                Some(file) => file,
                none => {
                    let mut file = EventFile::create(&self.folder.join("validation"))?;
                    if self.start > 0 {
                        file.go_on(self.start + 1)?;
                    }
                    none.insert(file)
                }
            };
            file.values(step, &report.values(), &[])?;
            file.flush()?;
        }
        Ok(Control::Continue)
    }

    fn after_training(&mut self, _: &mut Network) -> Result<()> {
        self.train.iter_mut().chain(&mut self.validation).try_for_each(EventFile::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, digits};
    use crate::graph::GraphBuilder;
    use crate::layers::{Dense, Dropout, Flatten};
    use crate::losses::SoftmaxCrossEntropy;
    use crate::optimizers::Sgd;
    use crate::protobuf::Writer;
    use crate::train::{FitOptions, NetworkOptions};

    /// Two epochs of a network that drops at random, on so many workers, with a log or without.
    fn trained(workers: usize, data: &Dataset, log: Option<&Path>) -> Network {
        let mut net = GraphBuilder::new("dropping");
        let image = net.input("image", [8, 8, 1]);
        let label = net.target("label", []);
        let pixels = net.layer("pixels", Flatten, [&image]);
        let dropped = net.layer("dropped", Dropout::new(0.4), [&pixels]);
        let logits = net.layer("logits", Dense::new(10), [&dropped]);
        net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
        let options = NetworkOptions::default().workers(workers);
        let mut network = Network::new(net.build().unwrap(), Sgd::new(0.1), options).unwrap();
        let fit = FitOptions::default().epochs(2).max_batches(3).validation(data);
        match log {
            Some(folder) => {
                let mut log = TensorBoardLog::new(folder);
                network.fit_with(data, &fit, &mut [&mut log]).unwrap();
            }
            None => drop(network.fit(data, &fit).unwrap()),
        }
        network
    }

    #[test]
    fn gradients_of_the_last_batch_are_in_the_log_and_leave_training_as_it_was() {
        let (data, _) = digits().unwrap();
        let without = trained(2, &data, None).weights_sha256();
        for workers in [1, 2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let mut network = trained(workers, &data, Some(folder.path()));
            assert_eq!(network.weights_sha256(), without, "{workers} workers");
            let file = folder.path().join("train").read_dir().unwrap().next().unwrap().unwrap();
            let written = std::fs::read(file.path()).unwrap();
            let gradients = network.last_batch_gradients().unwrap();
            for (parameter, gradient) in network.graph().parameters().iter().zip(gradients) {
                let gradient = gradient.unwrap();
                let histogram = Histogram::of(gradient.iter().copied(), RANGES).unwrap();
                let mut entry = Writer::default();
                entry.text(1, &format!("gradients/{}", parameter.name));
                entry.message(5, |message| histogram.write(message));
                let there = written.windows(entry.bytes.len()).any(|it| it == entry.bytes);
                assert!(there, "{}", parameter.name);
            }
        }
    }
}
