//! Weights of another network's file, as far as they fit.

use std::collections::BTreeMap;
use std::path::Path;

use super::BEST;
use super::checks::average_name;
use super::file::{read, refuse};
use crate::error::{Error, Result};
use crate::patterns;
use crate::tensor::{Shape, Tensor, describe_shape};
use crate::train::Network;

/// A parameter whose array in a file has another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShapeMisfit {
    /// The parameter's name.
    pub name: String,
    /// Its shape in the network.
    pub shape: Shape,
    /// The shape in the file.
    pub found: Shape,
}

/// What became of the parameters of a network that took from a file what fits: [`Network::load_matching`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// Those that have the file's values now.
    pub loaded: Vec<String>,
    /// Those that were asked for, but have another shape in the file.
    pub misfits: Vec<ShapeMisfit>,
    /// Those that were asked for, but are not in the file.
    pub missing: Vec<String>,
    /// Those that no pattern asked for.
    pub left: Vec<String>,
    /// Arrays of the file, beside the optimizer's, that no parameter is called like.
    pub unused: Vec<String>,
}

impl Transfer {
    /// What there is to say, a line for each kind of parameters that there is.
    pub fn lines(&self) -> Vec<String> {
        let misfit = |it: &ShapeMisfit| {
            let [here, there] = [&it.shape, &it.found].map(|shape| describe_shape(shape));
            format!("`{}` ({here}, there {there})", it.name)
        };
        let quoted = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect();
        let kinds: [(&str, Vec<String>); 5] = [
            ("loaded", quoted(&self.loaded)),
            ("left at their first values, since they have another shape there", {
                self.misfits.iter().map(misfit).collect()
            }),
            ("left at their first values, since they are not there", quoted(&self.missing)),
            ("left at their first values, since nobody asked for them", quoted(&self.left)),
            ("in the file, but not here", quoted(&self.unused)),
        ];
        kinds
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| line(what, names))
            .collect()
    }
}

fn line(what: &str, names: &[String]) -> String {
    const SHOWN: usize = 6;
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    format!("{} {what}: {}{more}", names.len(), shown.join(", "))
}

/// The arrays of a file with averages in the place of weights that have some.
pub(super) fn for_prediction(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let names: Vec<String> = tensors.keys().cloned().collect();
    for name in names {
        if let Some(average) = tensors.remove(&average_name(&name)) {
            tensors.insert(name, average);
        }
    }
    tensors
}

impl Network {
    /// Takes from a file the weights of all parameters that it has by name and shape, and leaves the others as they
    /// are; with patterns, only of those whose names fit one. In a pattern `*` stands for any characters and `?` for
    /// one, as in `encoder/*`. Of a training with averages it takes these. The file may be of this crate, or of another program that writes safetensors. The
    /// optimizer's state and the step stay as they are.
    ///
    /// ```
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::{Dense, Relu};
    /// use caudal::model::TrainingConfig;
    /// use caudal::optimizers::Sgd;
    /// use caudal::train::{Network, NetworkOptions};
    ///
    /// let network = |classes| {
    ///     let mut net = GraphBuilder::new("classes");
    ///     let x = net.input("x", [4]);
    ///     let base = net.layer("base", Dense::new(8), [&x]);
    ///     let base = net.layer("relu", Relu, [&base]);
    ///     let head = net.layer("head", Dense::new(classes), [&base]);
    ///     net.output(&head);
    ///     Network::new(net.build()?, Sgd::default(), NetworkOptions::default().seed(classes as u64))
    /// };
    /// # let folder = std::env::temp_dir().join(format!("caudal-transfer-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("ten.safetensors");
    /// let ten = network(10)?;
    /// ten.save(&path, &TrainingConfig::default())?;
    /// let mut three = network(3)?;
    /// let transfer = three.load_matching(&path, &[] as &[&str])?;
    /// assert_eq!(transfer.loaded, ["base.weight", "base.bias"]);
    /// assert_eq!(transfer.misfits[0].name, "head.weight");
    /// assert_eq!(three.weights("base.weight")?, ten.weights("base.weight")?);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Model`] for files that can't be read, or if nothing in it fits; [`Error::Training`] if
    /// a pattern fits no parameter. No weight has then changed.
    pub fn load_matching(
        &mut self,
        path: impl AsRef<Path>,
        wanted: &[impl AsRef<str>],
    ) -> Result<Transfer> {
        let path = path.as_ref();
        let graph = self.graph().clone();
        let names = || graph.parameters().iter().map(|parameter| parameter.name.as_str());
        for pattern in wanted.iter().map(AsRef::as_ref) {
            if !names().any(|name| patterns::matches(pattern, name)) {
                return Err(Error::Training {
                    problem: format!("the pattern `{}` fits no parameter", pattern.escape_debug()),
                    remedy: patterns::suggest(pattern, names()),
                });
            }
        }
        let tensors = for_prediction(read(path)?.tensors);
        let mut transfer = Transfer::default();
        let mut taken = BTreeMap::new();
        for parameter in graph.parameters() {
            let (name, shape) = (parameter.name.clone(), &parameter.spec.shape);
            let fits = |pattern: &str| patterns::matches(pattern, &name);
            if !wanted.is_empty() && !wanted.iter().any(|it| fits(it.as_ref())) {
                transfer.left.push(name);
                continue;
            }
            match tensors.get(&name) {
                None => transfer.missing.push(name),
                Some(tensor) if tensor.shape() == shape.as_slice() => {
                    taken.insert(name.clone(), tensor.clone());
                    transfer.loaded.push(name);
                }
                Some(tensor) => {
                    let (shape, found) = (shape.clone(), tensor.shape().to_vec());
                    transfer.misfits.push(ShapeMisfit { name, shape, found });
                }
            }
        }
        let own = |name: &&String| {
            let beside = name.starts_with("optimizer.") || name.starts_with(BEST);
            !beside && !names().any(|own| own == name.as_str())
        };
        transfer.unused = tensors.keys().filter(own).cloned().collect();
        if transfer.loaded.is_empty() {
            let problem = "no array in it fits a parameter that was asked for, by name and shape";
            let lines = transfer.lines();
            return Err(refuse(path, format!("{problem}: {}", lines.join("; ")), REMEDY));
        }
        self.take_weights(&taken)?;
        Ok(transfer)
    }
}

const REMEDY: &str = "name a file of a network whose layers are called alike, or rename layers";
