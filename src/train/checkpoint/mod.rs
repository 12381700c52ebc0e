//! Trained networks in safetensors files: the weights, and all that training needs to go on.
//!
//! A file holds every parameter under its name, row-major, and every array of the optimizer's state
//! as `optimizer.STATE.PARAMETER`, as 32-bit floats. Its metadata holds one entry, `caudal`, which is
//! a JSON object: the `version` of the format, the `step`, the `model` as the text of a model
//! file, and since version 2 as `data` what training fitted to its data, if it did. Files of other programs, without that entry, can give their weights to a network.

mod file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use file::{ENTRY, read, refuse, write_whole};

use super::network::{Network, NetworkOptions};
use crate::data::{DataConfig, Fitted};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::model::{CustomKinds, Model, TrainingConfig};
use crate::tensor::{Tensor, describe_shape};

/// The version of the format; those before it can be read.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    step: u64,
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Fitted>,
}

/// What a file holds: weights, the optimizer's state and the step.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    step: u64,
    data: DataConfig,
    tensors: BTreeMap<String, Tensor>,
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
/// [`Error::Io`] if the file can't be read, and [`Error::Model`] if it is damaged, if another program
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
    let (entry, tensors) = read(path)?;
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
    let origin = format!("the model in {}", path.display());
    let mut model = Model::from_toml_with(&entry.model, &origin, kinds)?;
    model.data.fitted = entry.data.map(Arc::new);
    check_weights(path, &model.graph, &tensors)?;
    let data = model.data.clone();
    Ok((model, Checkpoint { path: path.to_owned(), step: entry.step, data, tensors }))
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
    /// network.fit(&data, &FitOptions { max_steps: Some(3), ..FitOptions::default() })?;
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
    /// either the old one or the new one.
    ///
    /// ```
    /// use caudal::model::Model;
    /// use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};
    ///
    /// let (data, _) = caudal::data::digits()?;
    /// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
    /// let options = NetworkOptions::default;
    /// let mut network = Network::from_parts(graph, training.optimizer.clone(), options())?;
    /// let fit = FitOptions { max_steps: Some(5), ..FitOptions::default() };
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
    /// [`Error::Io`] if the system refuses, [`Error::Model`] if two arrays would have one name, and
    /// [`Error::Node`] if a node is of a kind that is in no table.
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
        let path = path.as_ref();
        let training = TrainingConfig { optimizer: self.optimizer().clone(), ..training.clone() };
        let data = self.data();
        let fitted = data.fitted.as_deref().cloned();
        let model = Model { graph: self.graph().clone(), training, data: data.clone() };
        let model = model.to_toml_with(kinds)?;
        let entry = Entry { version: VERSION, step: self.step(), model, data: fitted };
        let entry = serde_json::to_string(&entry)
            .map_err(|error| refuse(path, error.to_string(), "rename the model"))?;

        let mut arrays: BTreeMap<String, (&[usize], Vec<u8>)> = BTreeMap::new();
        let mut add = |name: String, shape, values: &Tensor| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            match arrays.insert(name.clone(), (shape, bytes)) {
                None => Ok(()),
                Some(_) => Err(refuse(
                    path,
                    format!("two arrays would be called `{name}`"),
                    "rename the node whose name begins with `optimizer.`",
                )),
            }
        };
        // What has no loss is not trained: the model names no optimizer, whose state would be nobody's.
        let trained = !self.graph().losses().is_empty();
        for (index, parameter) in self.graph().parameters().iter().enumerate() {
            let (name, shape) = (&parameter.name, parameter.spec.shape.as_slice());
            add(name.clone(), shape, &self.parameters().weights(self.graph(), index))?;
            let states = if trained { parameter.state(self.optimizer().as_ref()) } else { &[] };
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
                TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| (name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(unfit)?;
        let metadata = HashMap::from([(ENTRY.to_owned(), entry)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(unfit)?;
        write_whole(path, &bytes)
    }

    /// Takes the weights from a file: of this crate, or of another program that writes safetensors.
    /// The optimizer's state and the step stay as they are.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Model`] for files that can't be read, [`Error::Parameter`] if a
    /// parameter is missing, has another shape, or is not of this graph. No weight has then changed.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let (_, tensors) = read(path)?;
        check_weights(path, self.graph(), &tensors)?;
        self.take_weights(&tensors)
    }

    /// Goes on where a network of the same graph was saved: takes the weights, the optimizer's state,
    /// the step, and what is known of the data.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the graph or the optimizer's state is another. Nothing has then
    /// changed.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let tensors = &checkpoint.tensors;
        check_weights(&checkpoint.path, self.graph(), tensors)?;
        check_state(&checkpoint.path, self, tensors)?;
        self.take_weights(tensors)?;
        let graph = self.graph().clone();
        for (index, parameter) in graph.parameters().iter().enumerate() {
            let states = parameter.state(self.optimizer().as_ref());
            for (number, state) in states.iter().enumerate() {
                if let Some(values) = tensors.get(&state_name(state, &parameter.name)) {
                    self.parameters().set_state(&graph, index, number, values)?;
                }
            }
        }
        self.set_step(checkpoint.step);
        self.set_data(checkpoint.data.clone());
        Ok(())
    }

    fn take_weights(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let graph = self.graph().clone();
        for (index, parameter) in graph.parameters().iter().enumerate() {
            if let Some(values) = tensors.get(&parameter.name) {
                self.parameters().set_weights(&graph, index, values)?;
            }
        }
        Ok(())
    }
}

/// The name of an array of the optimizer's state.
fn state_name(state: &str, parameter: &str) -> String {
    format!("optimizer.{state}.{parameter}")
}

fn misfit(path: &Path, parameter: &str, problem: &str, remedy: &str) -> Error {
    Error::Parameter {
        parameter: parameter.to_owned(),
        problem: format!("in {}, {problem}", path.display()),
        remedy: remedy.to_owned(),
    }
}

/// Looks for one array; its shape must be `shape`.
fn check_array(
    path: &Path,
    name: &str,
    shape: &[usize],
    tensors: &BTreeMap<String, Tensor>,
    remedy: &str,
) -> Result<()> {
    let problem = match tensors.get(name) {
        Some(tensor) if tensor.shape() == shape => return Ok(()),
        Some(tensor) => format!(
            "its shape is {}, but the graph needs {}",
            describe_shape(tensor.shape()),
            describe_shape(shape)
        ),
        None => format!("it is missing; its shape would be {}", describe_shape(shape)),
    };
    Err(misfit(path, name, &problem, remedy))
}

/// Every parameter of the graph must be there, and nothing else but the optimizer's state.
fn check_weights(path: &Path, graph: &Graph, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let parameters = graph.parameters();
    for parameter in parameters {
        let remedy = "use a file of the same graph";
        check_array(path, &parameter.name, &parameter.spec.shape, tensors, remedy)?;
    }
    let names: HashSet<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let extra = |name: &&String| !names.contains(name.as_str()) && !name.starts_with("optimizer.");
    match tensors.keys().find(extra) {
        None => Ok(()),
        Some(name) => Err(misfit(
            path,
            name,
            &format!("it is no parameter of graph `{}`", graph.name()),
            "use a file of the same graph, or remove this array from the file",
        )),
    }
}

/// Every array of the optimizer's state must be there, and no other.
fn check_state(path: &Path, network: &Network, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let kind = network.optimizer().kind();
    let remedy = format!("go on with the optimizer that was saved; this one is `{kind}`");
    let mut expected = HashSet::new();
    for parameter in network.graph().parameters() {
        for state in parameter.state(network.optimizer().as_ref()) {
            let name = state_name(state, &parameter.name);
            check_array(path, &name, &parameter.spec.shape, tensors, &remedy)?;
            expected.insert(name);
        }
        expected.insert(parameter.name.clone());
    }
    match tensors.keys().find(|name| !expected.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(misfit(path, name, "it is a state that nobody keeps here", &remedy)),
    }
}
