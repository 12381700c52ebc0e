//! Trained networks in safetensors files: the weights, and all that training needs to go on.
//!
//! A file holds every parameter under its name, row-major, and every array of the optimizer's state
//! as `optimizer.STATE.PARAMETER`, and the average of a parameter, where training keeps one, as
//! `optimizer.average.PARAMETER`, all as 32-bit floats. Its metadata has an entry `caudal`, which is
//! a JSON object: the `version` of the format, the `step`, the `model` as the text of a model file, where a
//! training wrote it `fit`, a [`FitRecord`], and since version 2 as `data` what training fitted to its data, if
//! it did, and as `plateau` how far a schedule of that kind has come. Since version 3 there is a second entry,
//! `caudal.sha256`, the SHA-256 of the first and of all arrays, so that a bit that flips is found. A model whose text is longer than a MiB
//! is an array of bytes, `caudal.model`, since headers have 100 MB at the most. What early stopping would go back to stands there as `early_stopping.NUMBER`. Files of other programs,
//! without that entry, can give their weights to a network.

mod checks;
mod file;
mod large;
mod record;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};

use checks::{average_name, check_counts, check_state, check_weights, state_name};
use file::{CHECKSUM, Contents, ENTRY, MODEL, checksum, read, refuse};
use large::LONGEST_IN_HEADER;
use record::{Entry, best_of};
pub use record::{FitRecord, StoppingState};
use transfer::for_prediction;
pub use transfer::{ShapeMisfit, Transfer};

use super::network::Network;
use super::options::NetworkOptions;
use crate::data::DataConfig;
use crate::error::Result;
use crate::files;
use crate::model::{CustomKinds, Model, TrainingConfig};
use crate::optimizers::schedules::PlateauState;
use crate::tensor::Tensor;

/// The version of the format; those before it can be read.
const VERSION: u32 = 3;
/// Since this version files have a checksum.
const CHECKED: u32 = 3;

/// What the arrays of the best network of early stopping are called, before their numbers.
const BEST: &str = "early_stopping.";

/// What a file holds: weights, the optimizer's state and the step.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    step: u64,
    data: DataConfig,
    tensors: BTreeMap<String, Tensor>,
    fit: Option<FitRecord>,
    plateau: PlateauState,
}

impl Checkpoint {
    /// How many steps the network had been trained.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What decides the training's numbers beside the model, if [`Network::save_fit`] wrote the file.
    pub fn fit(&self) -> Option<&FitRecord> {
        self.fit.as_ref()
    }

    /// Which columns of tables feed the network, and what its training fitted to them.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// All arrays by their names in the file.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

/// Reads a file that [`Network::save`] wrote. A network of the model then goes on with
/// [`Network::resume`].
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the file can't be read, and [`Error::Model`](crate::Error::Model) if it is damaged, if another program
/// wrote it, or if its arrays are not those of its model.
pub fn open(path: impl AsRef<Path>) -> Result<(Model, Checkpoint)> {
    open_with(path, &CustomKinds::new())
}

/// As [`open`], for files that may name kinds of your own.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: impl AsRef<Path>, kinds: &CustomKinds) -> Result<(Model, Checkpoint)> {
    let path = path.as_ref();
    let Contents { entry, checked, model, tensors } = read(path)?;
    let entry = entry.ok_or_else(|| {
        let remedy = "read its weights into a model of your own instead, with --init or \
                      `Network::load_weights`";
        refuse(path, "it holds weights, but no model", remedy)
    })?;
    let entry: Entry = serde_json::from_str(&entry).map_err(|error| {
        refuse(path, format!("its metadata can't be read: {error}"), "save it again")
    })?;
    if !(1..=VERSION).contains(&entry.version) {
        return Err(refuse(
            path,
            format!("its format has version {}, not one from 1 to {VERSION}", entry.version),
            "use the version of caudal that wrote it",
        ));
    }
    if entry.version >= CHECKED && !checked {
        return Err(refuse(path, "its checksum is missing", "name an undamaged file"));
    }
    check_counts(path, &entry)?;
    let origin = format!("the model in {}", path.display());
    let text = model.filter(|_| entry.model.is_empty()).unwrap_or(entry.model);
    let mut model = Model::from_toml_with(&text, &origin, kinds)?;
    model.data.fitted = entry.data.map(Arc::new);
    check_weights(path, &model.graph, &tensors)?;
    let mut fit = entry.fit;
    if let Some(stopping) = fit.as_mut().and_then(|fit| fit.stopping.as_mut()) {
        stopping.parameters = best_of(&tensors);
    }
    let data = model.data.clone();
    let (path, step) = (path.to_owned(), entry.step);
    let plateau = entry.plateau.unwrap_or_default();
    Ok((model, Checkpoint { path, step, data, tensors, fit, plateau }))
}

impl Network {
    /// The network in a file that [`Network::save`] wrote, with its weights, its optimizer and the
    /// optimizer's state: it trains on to the same bits. [`open`] and [`Network::resume`] do the same
    /// in two steps, for what else is in the file.
    ///
    /// ```
    /// use caudal::model::{Model, TrainingConfig};
    /// use caudal::train::{FitOptions, Network, NetworkOptions};
    ///
    /// let (data, _) = caudal::data::digits()?;
    /// let Model { graph, training, .. } = Model::open(Some("digits"))?;
    /// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// network.fit(&data, &FitOptions::default().max_steps(3))?;
    /// # let folder = std::env::temp_dir().join(format!("caudal-load-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("digits.safetensors");
    /// network.save(&path, &TrainingConfig::default())?;
    ///
    /// let again = Network::load(&path, NetworkOptions::default())?;
    /// assert_eq!((again.step(), again.weights_sha256()), (3, network.weights_sha256()));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`], and as [`Network::from_parts`].
    pub fn load(path: impl AsRef<Path>, options: NetworkOptions) -> Result<Self> {
        let (Model { graph, training, .. }, checkpoint) = open(path)?;
        let mut network = Self::from_parts(graph, training.optimizer, options)?;
        network.resume(&checkpoint)?;
        Ok(network)
    }

    /// Writes weights, optimizer, step and model to one file, from which [`open`] and
    /// [`Network::resume`] go on to the same bits. The optimizer is the network's, whatever
    /// `training` holds.
    ///
    /// The file appears at `path` at once and whole, in place of what was there: a crash leaves
    /// either the old one or the new one ([`files::replace`]).
    ///
    /// ```
    /// use caudal::model::Model;
    /// use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};
    ///
    /// let (data, _) = caudal::data::digits()?;
    /// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
    /// let options = NetworkOptions::default;
    /// let mut network = Network::from_parts(graph, training.optimizer.clone(), options())?;
    /// let fit = FitOptions::default().max_steps(5);
    /// network.fit(&data, &fit)?;
    /// # let folder = std::env::temp_dir().join(format!("caudal-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("article.safetensors");
    /// network.save(&path, &training)?;
    ///
    /// let (model, checkpoint) = checkpoint::open(&path)?;
    /// let optimizer = model.training.optimizer;
    /// let mut again = Network::from_parts(model.graph, optimizer, options())?;
    /// again.resume(&checkpoint)?;
    /// assert_eq!(again.step(), 5);
    /// assert_eq!(again.weights_sha256(), network.weights_sha256());
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system refuses, [`Error::Model`](crate::Error::Model) if two arrays would have one name, and
    /// [`Error::Node`](crate::Error::Node) if a node is of a kind that is in no table.
    pub fn save(&self, path: impl AsRef<Path>, training: &TrainingConfig) -> Result<()> {
        self.save_with(path, training, &CustomKinds::new())
    }

    /// As [`Network::save`], for a network that may have kinds of your own; [`open_with`] reads it.
    ///
    /// # Errors
    /// As [`Network::save`], where a node is neither of the tables nor of `kinds`.
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        training: &TrainingConfig,
        kinds: &CustomKinds,
    ) -> Result<()> {
        self.write(path.as_ref(), training, kinds, None)
    }

    /// As [`Network::save_with`], with what decides the training's numbers beside the model:
    /// [`Checkpoint::fit`] has it again.
    ///
    /// ```
    /// use caudal::model::{CustomKinds, Model};
    /// use caudal::train::checkpoint::{self, FitRecord};
    /// use caudal::train::{Network, NetworkOptions};
    ///
    /// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
    /// let optimizer = training.optimizer.clone();
    /// let network = Network::from_parts(graph, optimizer, NetworkOptions::default())?;
    /// # let folder = std::env::temp_dir().join(format!("caudal-record-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("article.safetensors");
    /// let record = FitRecord::default().seed(7).order("shuffled");
    /// network.save_fit(&path, &training, &CustomKinds::new(), &record)?;
    /// let (_, checkpoint) = checkpoint::open(&path)?;
    /// assert_eq!(checkpoint.fit(), Some(&record));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Network::save_with`].
    pub fn save_fit(
        &self,
        path: impl AsRef<Path>,
        training: &TrainingConfig,
        kinds: &CustomKinds,
        record: &FitRecord,
    ) -> Result<()> {
        self.write(path.as_ref(), training, kinds, Some(record))
    }

    fn write(
        &self,
        path: &Path,
        training: &TrainingConfig,
        kinds: &CustomKinds,
        record: Option<&FitRecord>,
    ) -> Result<()> {
        self.check_save(path)?;
        let training = training.clone().optimizer(self.optimizer().clone());
        let (data, fit) = (self.data().clone(), record.cloned());
        let fitted = data.fitted.as_deref().cloned();
        let text = Model { graph: self.graph().clone(), training, data }.to_toml_with(kinds)?;
        let length = [text.len()];
        let (model, long) =
            if text.len() > LONGEST_IN_HEADER { (String::new(), Some(text)) } else { (text, None) };
        let plateau = self.optimizer().plateau().map(|_| self.plateau());
        let (version, step) = (VERSION, self.step());
        let entry = Entry { version, step, model, fit, data: fitted, plateau };
        let entry = serde_json::to_string(&entry)
            .map_err(|error| refuse(path, error.to_string(), "rename the model"))?;

        let stopping = record.and_then(|record| record.stopping.as_ref());
        let best = stopping.and_then(|stopping| stopping.parameters.as_deref());
        let best_shapes: Vec<[usize; 1]> =
            best.into_iter().flatten().map(|array| [array.len()]).collect();
        let mut arrays: BTreeMap<String, (&[usize], Vec<u8>)> = BTreeMap::new();
        let bytes = |values: &mut dyn Iterator<Item = &f32>| -> Vec<u8> {
            values.flat_map(|value| value.to_le_bytes()).collect()
        };
        for (number, array) in best.into_iter().flatten().enumerate() {
            let array = (&best_shapes[number][..], bytes(&mut array.iter()));
            arrays.insert(format!("{BEST}{number}"), array);
        }
        let is_long = long.is_some();
        if let Some(long) = long {
            arrays.insert(MODEL.to_owned(), (&length, long.into_bytes()));
        }
        let mut add = |name: String, shape, values: &Tensor| {
            let bytes = bytes(&mut values.iter());
            match arrays.insert(name.clone(), (shape, bytes)) {
                None => Ok(()),
                Some(_) => Err(refuse(
                    path,
                    format!("two arrays would be called `{name}`"),
                    "rename the node whose name begins with `optimizer.`, or is `caudal`",
                )),
            }
        };
        // What has no loss is not trained: the model names no optimizer, whose state would be nobody's.
        let trained = !self.graph().losses().is_empty();
        for (index, parameter) in self.graph().parameters().iter().enumerate() {
            let (name, shape) = (&parameter.name, parameter.spec.shape.as_slice());
            add(name.clone(), shape, &self.parameters().weights(self.graph(), index))?;
            let states = if trained { parameter.state(self.optimizer().as_ref()) } else { &[] };
            if let Some(average) =
                self.parameters().average(self.graph(), index).filter(|_| trained)
            {
                add(average_name(name), shape, &average)?;
            }
            for (number, state) in states.iter().enumerate() {
                let values = self.parameters().state(self.graph(), index, number);
                add(state_name(state, name), shape, &values)?;
            }
        }
        let unfit = |error: safetensors::SafeTensorError| {
            refuse(path, error.to_string(), "use a smaller model")
        };
        let views = arrays
            .iter()
            .map(|(name, (shape, bytes))| {
                let dtype = if is_long && name == MODEL { Dtype::U8 } else { Dtype::F32 };
                TensorView::new(dtype, shape.to_vec(), bytes).map(|view| (name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(unfit)?;
        let summed = arrays.iter().map(|(name, (shape, bytes))| (&**name, *shape, &**bytes));
        let checksum = checksum(&entry, summed);
        let metadata = [(ENTRY.to_owned(), entry), (CHECKSUM.to_owned(), checksum)];
        let unordered = HashMap::from(metadata.clone());
        let mut bytes = safetensors::serialize(views, Some(unordered)).map_err(unfit)?;
        file::order_metadata(&mut bytes, &metadata);
        files::replace(path, &bytes)
    }

    /// Takes all weights from a file: of this crate, or of another program that writes safetensors.
    /// ([`Network::load_matching`] takes those that fit.) Of a training with averages it takes these. The optimizer's state and the step stay as they are.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) and [`Error::Model`](crate::Error::Model) for files that can't be read, [`Error::Parameter`](crate::Error::Parameter) if a
    /// parameter is missing, has another shape, or is not of this graph. No weight has then changed.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let tensors = read(path)?.tensors;
        check_weights(path, self.graph(), &tensors)?;
        self.take_weights(&for_prediction(tensors))
    }

    /// Goes on where a network of the same graph was saved: takes the weights, the optimizer's state, how far its
    /// plateau has come, the step, and what is known of the data.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) if the graph or the optimizer's state is another. Nothing has then
    /// changed.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let tensors = &checkpoint.tensors;
        check_weights(&checkpoint.path, self.graph(), tensors)?;
        check_state(&checkpoint.path, self, tensors)?;
        self.take_weights(tensors)?;
        let graph = self.graph().clone();
        for (index, parameter) in graph.parameters().iter().enumerate() {
            if let Some(average) = tensors.get(&average_name(&parameter.name)) {
                self.parameters().set_average(&graph, index, average)?;
            }
            let states = parameter.state(self.optimizer().as_ref());
            for (number, state) in states.iter().enumerate() {
                if let Some(values) = tensors.get(&state_name(state, &parameter.name)) {
                    self.parameters().set_state(&graph, index, number, values)?;
                }
            }
        }
        self.set_step(checkpoint.step);
        self.rate.plateau = checkpoint.plateau;
        self.set_data(checkpoint.data.clone());
        Ok(())
    }

    fn take_weights(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        self.note_change();
        let graph = self.graph().clone();
        for (index, parameter) in graph.parameters().iter().enumerate() {
            if let Some(values) = tensors.get(&parameter.name) {
                self.parameters().set_weights(&graph, index, values)?;
            }
        }
        Ok(())
    }
}
