//! What is trained, and how: by the options, the file to resume, and the model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use caudal::data::Dataset;
use caudal::model::Model;
use caudal::optimizers::Optimizer;
use caudal::plan::PlanOptions;
use caudal::report::parameter_groups;
use caudal::train::Network;
use caudal::train::checkpoint::{self, Checkpoint, FitRecord};

use super::Train;
use crate::cli::Stop;
use crate::cli::augmenting::Augmenting;
use crate::cli::callbacks::Callbacks;
use crate::cli::output::{note, printable};
use crate::cli::resume::Settling;
use crate::cli::{options, run_record};

impl Train {
    /// The network with its first weights, or those of `--init`.
    pub(in crate::cli) fn network(
        &self,
        model: &Model,
        record: &FitRecord,
    ) -> Result<Network, Stop> {
        let network = self.run.network(record.seed)?;
        let settings = network
            .plan(PlanOptions::default().micro_batches(record.micro_batches))
            .measured_costs(!self.estimated_costs)
            .check_finite(self.check_finite == super::Switch::On);
        let optimizer = Arc::clone(&model.training.optimizer);
        let mut network = Network::from_parts(Arc::clone(&model.graph), optimizer, settings)?;
        if self.resume.is_none() {
            options::load_onnx(self.model.as_deref(), &mut network)?;
        }
        self.start.load(&mut network, self.quiet)?;
        Ok(network)
    }

    /// The data, if the options name them.
    pub(in crate::cli) fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// Whether the options bring about a validation part.
    pub(in crate::cli) fn has_validation(&self) -> bool {
        self.dividing.has_validation() || self.fitting.chooses_by_options()
    }

    /// What no two trainings can share, if an option names such.
    pub(in crate::cli) fn not_for_sweeps(&self) -> Option<&'static str> {
        let given = [
            (self.model.is_some(), "a second model"),
            (self.save.is_some(), "--save"),
            (self.resume.is_some(), "--resume"),
            (self.folds.is_some(), "--folds"),
            (self.trace.is_some(), "--trace"),
            (self.report.is_wanted(), "--report or --pictures"),
            (self.json, "--json"),
            (self.quiet, "--quiet"),
            (self.fitting.best.is_some(), "--best"),
            (self.fitting.log.is_some(), "--log"),
            (self.fitting.learning_rate_log.is_some(), "--learning-rate-log"),
            (self.fitting.log_dir.is_some(), "--log-dir"),
            (self.dividing.writes(), "--write-split"),
        ];
        given.iter().find(|(given, _)| *given).map(|(_, name)| *name)
    }

    /// Says how parameters move that have settings of their own.
    pub(super) fn tell_groups(&self, network: &Network) -> Result<(), Stop> {
        if let Some(decay) = network.optimizer().ema_decay().filter(|_| !self.quiet) {
            note(format_args!(
                "validation, tests and predictions use averages of the weights (ema_decay {decay})"
            ));
        }
        let lines = parameter_groups(network.graph(), network.optimizer().as_ref())?;
        if lines.len() > 1 && !self.quiet {
            for text in lines {
                note(format_args!("{}", printable(&text)));
            }
        }
        Ok(())
    }

    /// Counts classes where losses ask for it, and says which weights they have then.
    pub(super) fn balance_classes(
        &self,
        network: &mut Network,
        data: &Dataset,
    ) -> Result<(), Stop> {
        let before = Arc::clone(network.graph());
        network.balance_classes(data)?;
        for (node, before) in network.graph().nodes().iter().zip(before.nodes()) {
            let weights = node.role.attributes().remove("class_weights");
            if weights != before.role.attributes().remove("class_weights") && !self.quiet {
                let weights = weights.map_or_else(String::new, |weights| weights.to_string());
                note(format_args!("class weights of `{}`: {weights}", printable(&node.name)));
            }
        }
        Ok(())
    }

    /// Takes the log back to the batch of an epoch at which a training goes on.
    pub(super) fn go_on(
        &self,
        (epoch, batch): (usize, usize),
        callbacks: &mut Callbacks,
    ) -> Result<(), Stop> {
        callbacks.cut_log(epoch)?;
        if batch > 0 && !self.quiet {
            note(format_args!(
                "goes on within epoch {}: what is said of its training data is of its batches from {} on",
                epoch + 1,
                batch + 1
            ));
        }
        Ok(())
    }

    /// What decides the numbers: by the options, the file to resume, and the model.
    pub(super) fn settle(
        &self,
        model: &mut Model,
        saved: Option<&(Checkpoint, Model)>,
    ) -> Result<FitRecord, Stop> {
        let before = saved.and_then(|(checkpoint, _)| checkpoint.fit());
        let mut settling = Settling::new(self.resume.as_deref(), before);
        let mut record = FitRecord::default();
        record.seed = settling.or("--seed", self.seed, |saved| saved.seed, 0);
        let data = |saved: &FitRecord| saved.data.clone();
        record.data = settling.some("--data", self.data.clone(), data);
        record.data.get_or_insert_with(|| "digits".to_owned());
        record.micro_batches =
            settling
                .some("--micro-batches", self.micro_batches.count(), |saved| saved.micro_batches);
        self.fitting.settle(&mut settling, &mut record)?;
        self.adjust(model, saved.map(|(checkpoint, _)| checkpoint))?;
        let described = |optimizer: &Arc<dyn Optimizer>| {
            format!("{} {}", optimizer.kind(), optimizer.attributes()).replace('\n', ", ")
        };
        if let Some((_, before)) = saved {
            let [convolution, of_before] = [&*model, before].map(|it| it.graph.convolution());
            if convolution != of_before {
                settling.replaced("--convolution", &convolution, &of_before);
            }
            let [precision, of_before] = [&*model, before].map(|it| it.graph.precision());
            if precision != of_before {
                settling.replaced("--precision", &precision, &of_before);
            }
            let (training, before) = (&model.training, &before.training);
            if training.batch_size != before.batch_size {
                settling.replaced("--batch-size", &training.batch_size, &before.batch_size);
            }
            Augmenting::compare(&mut settling, training, before);
            let [own, before] = [&training.optimizer, &before.optimizer].map(described);
            if own != before {
                let trim = |text: &str| text.trim_end_matches(", ").to_owned();
                settling.replaced("the optimizer", &trim(&own), &trim(&before));
            }
        }
        settling.tell();
        Ok(record)
    }

    /// Puts in how many items the data has, and says so if it is another number than before.
    pub(super) fn with_items(
        mut record: FitRecord,
        items: usize,
        checkpoint: Option<&Checkpoint>,
    ) -> FitRecord {
        record.items = items;
        if let Some(before) = checkpoint.and_then(Checkpoint::fit)
            && before.items != items
        {
            note(format_args!(
                "the training part has {items} items, not {} as before: the result is not that of a \
                 training without a break",
                before.items
            ));
        }
        record
    }

    /// What makes this training what it is, by the names that sweeps and options have.
    pub(super) fn settings(
        &self,
        model: &Model,
        record: &FitRecord,
    ) -> Result<BTreeMap<String, String>, Stop> {
        let mut settings = run_record::settings(model, record)?;
        let file = |path: &Path| path.display().to_string();
        let more = [
            ("max_steps", self.max_steps.map(|steps| steps.to_string())),
            ("init", self.start.init.as_deref().map(file)),
            ("workers", Some(self.run.workers().to_string())),
            ("policy", Some(self.run.policy().to_owned())),
            ("pinning", Some(self.run.pinning().name().to_owned())),
        ];
        let given = more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        settings.extend(given);
        Ok(settings)
    }

    /// The network to train, as its file or preset says, and where it was when it was saved, with the model that it
    /// then was.
    pub(super) fn model(&self) -> Result<(Model, Option<(Checkpoint, Model)>), Stop> {
        let Some(path) = &self.resume else {
            return Ok((self.start.freeze(options::open_model(self.model.as_deref())?)?, None));
        };
        let (saved, checkpoint) = checkpoint::open(path)?;
        if self.model.is_none() && saved.graph.losses().is_empty() {
            return Err(Stop::Usage(format!(
                "{}: it has no loss, as frozen models have not, and can't be trained; resume the model that it was made of",
                path.display()
            )));
        }
        let model = match &self.model {
            Some(name) => options::open_model(Some(name))?,
            None => saved.clone(),
        };
        Ok((model, Some((checkpoint, saved))))
    }

    /// Applies the options that replace what the model says.
    fn adjust(&self, model: &mut Model, resumed: Option<&Checkpoint>) -> Result<(), Stop> {
        // Only what is resumed goes on with what was fitted before.
        model.data = match resumed {
            Some(checkpoint) => checkpoint.data().clone(),
            None => model.data.unfitted(),
        };
        self.dividing.set_columns(&mut model.data, resumed.is_some())?;
        self.run.set_computing(model, self.model.as_deref())?;
        let training = &mut model.training;
        self.fitting.augmenting.adjust(training)?;
        if let Some(epochs) = self.epochs {
            training.epochs = epochs as usize;
        }
        if let Some(size) = self.batch_size {
            training.batch_size = size as usize;
        }
        self.optimizing.apply(&mut training.optimizer)?;
        Ok(())
    }
}
