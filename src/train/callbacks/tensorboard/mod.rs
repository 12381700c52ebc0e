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
use crate::train::{BatchEnd, Callback, Control, EpochEnd, Network};

/// Ranges of a histogram.
const RANGES: usize = 30;

/// Writes files that TensorBoard reads, into two folders: `train` has the loss and the learning rate of every step, and after
/// every epoch its losses and metrics and a histogram of every parameter; `validation` has the losses and metrics of the
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
            let mut histograms = Vec::new();
            for parameter in network.graph().parameters() {
                let weights = network.weights(&parameter.name)?;
                let histogram = Histogram::of(weights.iter().copied(), RANGES);
                let tag = format!("weights/{}", parameter.name);
                histograms.extend(histogram.map(|histogram| (tag, histogram)));
            }
            file.values(step, &event.train.values(), &histograms)?;
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
