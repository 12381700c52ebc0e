//! Networks from ONNX files, and back.
//!
//! [`open`] reads a file into a graph with its weights: channels that ONNX has first come last, and weights are brought
//! into the order that this needs. [`write()`] writes a network that every runtime loads. `docs/onnx.md` has the
//! operators and the rules.

// ONNX counts in signed numbers; sizes that come from a file are far below what these hold.
#![allow(clippy::cast_possible_wrap)]

mod activation;
mod broadcast;
mod call;
mod constant;
mod external;
mod import;
mod network;
mod operators;
mod patterns;
mod proto;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use operators::{OPERATORS, Operator};
pub use write::{LayerWriter, WRITERS, to_bytes, write};

use self::external::External;
use self::import::{Converted, import};
use self::network::Draft;
use crate::error::{Error, Result, escaped};
use crate::files;
use crate::graph::{Graph, GraphBuilder};
use crate::layers::Misfit;
use crate::memory;
use crate::model::{CustomKinds, Model, TrainingConfig};
use crate::tensor::Tensor;
use crate::train::Network;

/// The weights of a network by the names of its parameters, as [`Network::set_weights`] takes them.
pub type Weights = BTreeMap<String, Tensor>;

/// What an ONNX file holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The network. It has a loss, metrics and targets if a file beside says which.
    pub model: Model,
    /// Its weights.
    pub weights: Weights,
    /// The inputs and outputs whose channels come last here and first in the file.
    pub channels_last: Vec<String>,
    /// The inputs and outputs whose batch is the first axis here and another one in the file, as where recurrent networks
    /// have the steps first; with that axis, counted from 0.
    pub batch_axes: BTreeMap<String, usize>,
    /// The file beside that says how it is trained, if there is one: see [`training_file`].
    pub training_file: Option<PathBuf>,
}

/// The file that says how the network of an ONNX file is trained, if it is there: beside `net.onnx` that is
/// `net.onnx.toml`. In the words of model files, it has targets, losses and metrics, columns of inputs, and `[train]`.
///
/// # Errors
/// [`Error::Io`] if that can't be found out.
pub fn training_file(path: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    let mut name = path.as_ref().as_os_str().to_owned();
    name.push(".toml");
    let beside = PathBuf::from(name);
    let is_there = beside.try_exists().map_err(|source| Error::io(&beside, source))?;
    Ok(is_there.then_some(beside))
}

/// Reads an ONNX file: the network, its weights, and what a file beside it says of its training, if there is one
/// ([`training_file`]); without that it has no loss.
///
/// Inputs whose items are images of channels x height x width become images of height x width x channels, as Caudal's
/// data has them, wherever convolutions, pooling and the like use them; so do outputs that are such images. Nodes have
/// the names of the file; what gives an output has the output's. The batch is the first axis of all inputs and outputs,
/// also where recurrent networks of the file have the steps of a sequence first.
///
/// # Errors
/// [`Error::Io`] if the file can't be read, and [`Error::Model`] if it is damaged, if an operator is not covered, or
/// if a layer lacks what a node asks for: names the node, its operator and what could be done; or if the file beside it is
/// wrong, with its line.
pub fn open(path: impl AsRef<Path>) -> Result<Imported> {
    open_with(path, &CustomKinds::new())
}

/// As [`open`], where the file beside may name losses, metrics and optimizers of your own.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: impl AsRef<Path>, kinds: &CustomKinds) -> Result<Imported> {
    let path = path.as_ref();
    let io = |source| Error::io(path, source);
    let origin = path.display().to_string();
    let about = std::fs::metadata(path).map_err(io)?;
    let size = usize::try_from(about.len()).unwrap_or(usize::MAX);
    if !about.is_file() {
        return Err(refuse(&origin, Misfit::new("it is not a file", "name an ONNX file")));
    }
    // The file, and its arrays beside it.
    memory::check(size.saturating_mul(2)).map_err(|problem| {
        let problem = format!("it has {}, {problem}", memory::amount(size));
        refuse(&origin, Misfit::new(problem, "use a smaller network"))
    })?;
    let bytes = std::fs::read(path).map_err(io)?;
    let folder = path
        .parent()
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let mut imported = from_bytes(&bytes, &origin, folder)?;
    if let Some(beside) = training_file(path)? {
        let name = beside.display().to_string();
        let text = files::text_of(&beside)?;
        imported.model = imported.model.trained_as(&text, &name, kinds)?;
        imported.training_file = Some(beside);
    }
    Ok(imported)
}

/// As [`open`], for the bytes of a file, beside which there is none. `origin` stands in errors for where they are from; arrays in other files are
/// looked for in `folder`, and refused without one.
///
/// # Errors
/// As [`open`].
pub fn from_bytes(bytes: &[u8], origin: &str, folder: Option<&Path>) -> Result<Imported> {
    let refused = |misfit| refuse(origin, misfit);
    let model = proto::read(bytes).map_err(refused)?;
    let mut converted = import(&model, &mut External::new(folder)).map_err(refused)?;
    let channels_last = std::mem::take(&mut converted.channels_last);
    let batch_axes = std::mem::take(&mut converted.batch_axes);
    let named = Path::new(origin).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = match model.graph.name {
        "" | "main_graph" | "torch_jit" | "torch-jit-export" => named.unwrap_or_default(),
        name => escaped(name),
    };
    let (graph, weights) = build(&name, converted).map_err(|error| match error {
        Error::Node { node, problem, remedy } => {
            refuse(origin, Misfit::new(format!("node `{node}`: {problem}"), remedy))
        }
        Error::Graph { problem, remedy, .. } => refuse(origin, Misfit::new(problem, remedy)),
        other => other,
    })?;
    let model = Model::new(graph, TrainingConfig::default());
    Ok(Imported { model, weights, channels_last, batch_axes, training_file: None })
}

impl Network {
    /// Takes weights by the names of its parameters, such as those that [`onnx::open`](crate::onnx::open) reads. Parameters
    /// that are not among them stay as they are.
    ///
    /// # Errors
    /// If a name is none of its parameters, or if a shape differs.
    pub fn set_all_weights(&mut self, weights: &Weights) -> Result<()> {
        for (name, values) in weights {
            self.set_weights(name, values)?;
        }
        Ok(())
    }
}

fn refuse(origin: &str, misfit: Misfit) -> Error {
    Error::Model { origin: origin.to_owned(), problem: misfit.problem, remedy: misfit.remedy }
}

/// The graph of what was read, and its weights.
fn build(name: &str, converted: Converted) -> Result<(Graph, Weights)> {
    let Converted { network, outputs, .. } = converted;
    let mut builder = GraphBuilder::new(name);
    for draft in &network.drafts {
        let inputs = draft.inputs.iter().map(|&input| &network.drafts[input].name);
        match (&draft.layer, draft.shares) {
            (None, _) => drop(builder.input(&draft.name, draft.shape.clone())),
            (Some(layer), Some(owner)) => {
                let owner = network.drafts[owner].name.clone();
                builder.shared_layer_sharing(&draft.name, layer.clone(), inputs, owner);
            }
            (Some(layer), None) => drop(builder.shared_layer(&draft.name, layer.clone(), inputs)),
        }
        if !draft.trainable && draft.shares.is_none() {
            builder.trainable(&draft.name, false);
        }
    }
    for &output in &outputs {
        builder.output(&network.drafts[output].name);
    }
    builder.prune();
    let graph = builder.build()?;
    let drafts = &network.drafts;
    let by_name: BTreeMap<&str, &Draft> =
        drafts.iter().map(|draft| (draft.name.as_str(), draft)).collect();
    let mut weights = Weights::new();
    for parameter in graph.parameters() {
        let node = &graph.nodes()[parameter.node].name;
        let draft = by_name.get(node.as_str()).copied();
        // The node that the parameters were read for may lead nowhere.
        let owner = draft.map(|draft| draft.shares.map_or(draft, |owner| &drafts[owner]));
        let numbers = owner.and_then(|owner| {
            owner.parameters.iter().find(|(name, _)| *name == parameter.spec.name)
        });
        if let Some((_, numbers)) = numbers {
            let shape = parameter.spec.shape.as_slice();
            let tensor = Tensor::from_shape_vec(shape, numbers.to_vec());
            let tensor = tensor.map_err(|error| Error::Parameter {
                parameter: parameter.name.clone(),
                problem: error.to_string(),
                remedy: "export the network again".to_owned(),
            })?;
            weights.insert(parameter.name.clone(), tensor);
        }
    }
    Ok((graph, weights))
}
