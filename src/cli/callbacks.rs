//! What `caudal train` does between steps. A file that can't be written does not end the training.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use caudal::Result;
use caudal::graph::Graph;
use caudal::model::{CustomKinds, TrainingConfig};
use caudal::train::callbacks::{
    BestCheckpoint, CsvLog, EarlyStopping, LearningRateLog, PeriodicCheckpoint, TensorBoardLog,
    Watch,
};
use caudal::train::checkpoint::FitRecord;
use caudal::train::{BatchEnd, BatchStart, Callback, Control, EpochEnd, Network};

use super::Stop;
use super::fitting::Fitting;
use super::output::{Kept, note, write_file};

/// What is called between the steps of a training.
#[derive(Debug)]
pub(super) struct Callbacks {
    stopping: Option<EarlyStopping>,
    best: Option<(BestCheckpoint, Kept)>,
    log: Option<Kept>,
    /// Nothing as soon as it can't be written.
    tensorboard: Option<TensorBoardLog>,
    /// The rates of this training's steps.
    rates: LearningRateLog,
    /// Where they go in the end, and what is there of the steps of a training before.
    rates_file: Option<(PathBuf, String)>,
    saving: Option<(PeriodicCheckpoint, Kept)>,
    training: TrainingConfig,
    record: FitRecord,
    /// What could not be written.
    problems: Vec<String>,
}

impl Callbacks {
    /// Those of a network of this graph. `resumed` is the step and the record of a training that goes on,
    /// `validates` whether there is a validation part.
    pub(super) fn new(
        fitting: &Fitting,
        save: Option<&Path>,
        (graph, training): (&Graph, &TrainingConfig),
        record: &FitRecord,
        resumed: Option<(u64, Option<&FitRecord>)>,
        validates: bool,
    ) -> Result<Self, Stop> {
        let watch = Watch::of(graph, &record.watch)?;
        let before = resumed.and_then(|(_, before)| before).filter(|it| it.watch == record.watch);
        let stopping = record.patience.map(|patience| {
            let stopping = EarlyStopping::new(watch.clone(), patience);
            let stopping = if record.restore_best { stopping.restore_best() } else { stopping };
            match before.and_then(|before| before.stopping.clone()) {
                Some(state) => stopping.resume(state),
                None => stopping,
            }
        });
        let best = fitting.best.as_ref().map(|path| {
            let best = BestCheckpoint::new(watch, path, training.clone());
            let best = match before.and_then(|before| before.best) {
                Some(value) => best.start_from(value),
                None => best,
            };
            (best, Kept::new(path))
        });
        if let Some(path) = &fitting.log {
            CsvLog::new(path).check(graph, validates)?;
        }
        let log = fitting.log.as_ref().map(|path| Kept::new(path));
        let tensorboard = fitting.log_dir.as_ref().map(TensorBoardLog::new);
        tensorboard.as_ref().map_or(Ok(()), TensorBoardLog::check)?;
        let rates = LearningRateLog::new();
        let rates_file = fitting.learning_rate_log.as_ref().map(|path| {
            let before = resumed.map_or_else(String::new, |(step, _)| rates_before(path, step));
            (path.clone(), before)
        });
        let saving = fitting.save_every.zip(save).map(|(every, path)| {
            let saving = PeriodicCheckpoint::new(every, path, training.clone(), record.clone());
            (saving, Kept::new(path))
        });
        let (training, record) = (training.clone(), record.clone());
        let problems = Vec::new();
        Ok(Self {
            stopping,
            best,
            log,
            tensorboard,
            rates,
            rates_file,
            saving,
            training,
            record,
            problems,
        })
    }

    /// The learning rate of every step of this training.
    pub(super) fn rates(&self) -> &[(u64, f32)] {
        self.rates.rates()
    }

    /// Calls the log for TensorBoard; the first failure is a problem, and the last call.
    fn tensorboard<T>(&mut self, call: impl FnOnce(&mut TensorBoardLog) -> Result<T>) {
        let Some(mut log) = self.tensorboard.take() else { return };
        match call(&mut log) {
            Ok(_) => self.tensorboard = Some(log),
            Err(error) => {
                let folder = log.folder().display();
                self.problem(Err(Stop::Failed(format!("--log-dir {folder}: {error}"))));
            }
        }
    }

    /// Removes rows of a log that come again, when the training goes on with this epoch.
    pub(super) fn cut_log(&self, epoch: usize) -> Result<(), Stop> {
        let Some(log) = &self.log else { return Ok(()) };
        let cut = CsvLog::new(log.path()).cut_from(epoch)?;
        if cut > 0 {
            note(format_args!(
                "{}: rows of epochs that come again are removed, {cut} at its end",
                log.path().display()
            ));
        }
        Ok(())
    }

    /// What a file to go on from holds beside the model, as of now.
    pub(super) fn record(&self) -> FitRecord {
        let mut record = self.record.clone();
        record.stopping = self.stopping.as_ref().map(EarlyStopping::state);
        record.best = self.best.as_ref().and_then(|(best, _)| best.watch().best());
        record
    }

    /// Writes what is only known in the end, also where the training failed.
    pub(super) fn finish(&mut self) {
        let Some((path, before)) = &self.rates_file else { return };
        let header = "step,learning_rate\n";
        let mut text = if before.is_empty() { header.to_owned() } else { before.clone() };
        for (step, rate) in self.rates.rates() {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{step},{rate}");
        }
        let written = write_file(path, &text);
        self.problem(written);
    }

    /// Says why training ended early, if it did, and what no epoch was taken for an improvement for.
    pub(super) fn tell(&mut self, quiet: bool) {
        let stopped = self.stopping.as_ref().filter(|stopping| !quiet && stopping.stopped());
        if let Some(best) = stopped.and_then(EarlyStopping::best_epoch) {
            note(format_args!("ended early: no epoch was better than epoch {}", best + 1));
        }
        let watches = self.stopping.iter().map(EarlyStopping::watch);
        let mut watches = watches.chain(self.best.iter().map(|(best, _)| best.watch()));
        if let Some(watch) = watches.find(|watch| watch.not_finite() > 0) {
            note(format_args!(
                "the watched value `{}` was infinite, undefined or no number in {} of the epochs, \
                 which count as no improvement",
                watch.name(),
                watch.not_finite()
            ));
        }
        let nothing = |stopping: &&EarlyStopping| stopping.best_epoch().is_none();
        if self.record.restore_best && self.stopping.as_ref().is_some_and(|it| nothing(&it)) {
            let problem = "--restore-best: no epoch had a finite value to go back to";
            self.problems.push(problem.to_owned());
        }
        if let Some((best, _)) = &self.best
            && best.watch().best().is_none()
        {
            self.problems.push(format!(
                "{}: not written, since no epoch had a finite value of `{}`",
                best.path().display(),
                best.watch().name()
            ));
        }
    }

    /// Takes note of what could not be written.
    pub(super) fn problem(&mut self, written: Result<(), Stop>) {
        match written {
            Err(Stop::Failed(problem) | Stop::Usage(problem)) => {
                note(format_args!("caudal: {problem}"));
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
            Err(Stop::Interrupted(_) | Stop::Unread) | Ok(()) => {}
        }
    }

    /// All that could not be written.
    pub(super) fn problems(&self) -> Result<(), Stop> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Stop::Failed(format!("not all could be written: {}", self.problems.join("; "))))
    }

    /// Saves the network to where `kept` says, with how far everything has come.
    fn save(&mut self, network: &Network, mut kept: Kept) -> Kept {
        let (kinds, record) = (CustomKinds::new(), self.record());
        let written = kept.write(|path| network.save_fit(path, &self.training, &kinds, &record));
        self.problem(written);
        kept
    }

    /// Saves the network to a file of its own.
    pub(super) fn save_apart(&mut self, network: &Network, path: &Path) {
        self.save(network, Kept::new(path));
    }

    /// Saves the network in the end.
    pub(super) fn save_last(&mut self, network: &Network, path: &Path) {
        let kept = self.saving.take().map_or_else(|| Kept::new(path), |(_, kept)| kept);
        self.save(network, kept);
    }
}

/// What a file of rates holds of the steps before `step`, with its header; nothing where it is no such file.
fn rates_before(path: &Path, step: u64) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some("step,learning_rate") {
        return String::new();
    }
    let earlier = |line: &&str| {
        let number = line.split(',').next().and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| number < step)
    };
    let rows = lines.take_while(earlier);
    rows.fold("step,learning_rate\n".to_owned(), |text, row| text + row + "\n")
}

impl Callback for Callbacks {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        self.tensorboard(|log| log.before_training(network));
        if let Some(stopping) = &mut self.stopping {
            stopping.before_training(network)?;
        }
        // What is saved before the first epoch ends says how far the training had come that goes on here.
        let record = self.record();
        if let Some((saving, _)) = &mut self.saving {
            *saving.record() = record;
            saving.before_training(network)?;
        }
        Ok(())
    }

    fn before_batch(&mut self, network: &mut Network, event: &BatchStart) -> Result<()> {
        self.rates.before_batch(network, event)
    }

    fn batch_end(&mut self, network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        if let Some((mut saving, mut kept)) = self.saving.take() {
            if saving.batch_end(network, event).is_err() {
                kept = self.save(network, kept);
            }
            self.saving = Some((saving, kept));
        }
        self.tensorboard(|log| log.batch_end(network, event));
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        if let Some(mut log) = self.log.take() {
            let network = &*network;
            let written = log.write(|path| CsvLog::new(path).append(network, event));
            self.problem(written);
            self.log = Some(log);
        }
        self.tensorboard(|log| log.epoch_end(network, event));
        let control = match &mut self.stopping {
            Some(stopping) => stopping.epoch_end(network, event)?,
            None => Control::Continue,
        };
        let record = self.record();
        if let Some((mut best, mut kept)) = self.best.take() {
            best.set_record(record);
            // It notes the value before it writes; so a failure is one of the file.
            let before = best.watch().best();
            match best.epoch_end(network, event) {
                Err(error) if best.watch().best() == before => {
                    self.best = Some((best, kept));
                    return Err(error);
                }
                Err(_) => kept = self.save(network, kept),
                Ok(_) => {}
            }
            self.best = Some((best, kept));
        }
        if let Some((mut saving, mut kept)) = self.saving.take() {
            *saving.record() = self.record();
            if saving.epoch_end(network, event).is_err() {
                kept = self.save(network, kept);
            }
            self.saving = Some((saving, kept));
        }
        Ok(control)
    }

    fn after_training(&mut self, network: &mut Network) -> Result<()> {
        self.tensorboard(|log| log.after_training(network));
        self.stopping.as_mut().map_or(Ok(()), |stopping| stopping.after_training(network))
    }
}
