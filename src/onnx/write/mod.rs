//! Networks as ONNX files that every runtime loads.

mod call;
mod images;
mod layers;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

pub use layers::{LayerWriter, WRITERS};

use crate::error::{Error, Result};
use crate::files;
use crate::graph::{Graph, Node, NodeId, Role};
use crate::layers::Misfit;
use crate::protobuf::Writer;
use crate::tensor::Tensor;
use crate::train::Network;

/// The operators' version in written files, and the format's that came with it: runtimes of 2021 read them.
const OPSET: i64 = 13;
const FORMAT: i64 = 7;

/// Larger files are no messages of Protocol Buffers.
const LARGEST_FILE: usize = (1 << 31) - 1;

/// Writes what a prediction needs of a network to an ONNX file, in opset 13, at once and whole: nodes have the
/// network's names, and inputs and outputs the layout that they have in Caudal, channels last. Of a training with
/// averages the file has these.
///
/// ```
/// use caudal::model::Model;
/// use caudal::onnx;
/// use caudal::train::{Network, NetworkOptions};
///
/// let Model { graph, training, .. } = Model::open(Some("digits"))?;
/// let network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
/// # let folder = std::env::temp_dir().join(format!("caudal-onnx-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("digits.onnx");
/// onnx::write(&path, &network)?;
/// let again = onnx::open(&path)?;
/// assert_eq!(again.model.graph.parameter_count(), network.graph().parameter_count());
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// As [`to_bytes`], and [`Error::Io`] or [`Error::File`] if the file can't be written.
pub fn write(path: impl AsRef<Path>, network: &Network) -> Result<()> {
    files::replace(path, &to_bytes(network)?)
}

/// As [`write()`], to memory.
///
/// # Errors
/// [`Error::Node`] for a layer that is none of Caudal's own, and [`Error::Graph`] for a network of 2 GiB and more.
pub fn to_bytes(network: &Network) -> Result<Vec<u8>> {
    let graph = network.graph().for_prediction()?;
    let mut weights = BTreeMap::new();
    let mut size = 0_usize;
    for parameter in graph.parameters() {
        size = size.saturating_add(parameter.spec.count().saturating_mul(4));
        weights.insert(parameter.name.clone(), network.averaged_weights(&parameter.name)?);
    }
    let too_large = |size| Error::Graph {
        graph: graph.name().to_owned(),
        problem: format!("an ONNX file of it would have {size} bytes, more than 2 GiB"),
        remedy: "save it as .safetensors".to_owned(),
    };
    if size > LARGEST_FILE {
        return Err(too_large(size));
    }
    let mut file = File::new(&graph, &weights);
    for &id in graph.topological_order() {
        let node = &graph.nodes()[id];
        file.node(id, node).map_err(|misfit| Error::Node {
            node: node.name.clone(),
            problem: misfit.problem,
            remedy: misfit.remedy,
        })?;
    }
    let bytes = file.finish();
    if bytes.len() > LARGEST_FILE { Err(too_large(bytes.len())) } else { Ok(bytes) }
}

/// An attribute of a node.
pub(super) enum Attr<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Text(&'a str),
}

/// The names of a node's value in the file: as Caudal has it, and with the last axis as first of the item.
#[derive(Clone, Default)]
struct Names {
    own: Option<String>,
    first: Option<String>,
}

/// A file that is being written.
pub(super) struct File<'g> {
    graph: &'g Graph,
    weights: &'g BTreeMap<String, Tensor>,
    nodes: Writer,
    arrays: Writer,
    names: Vec<Names>,
    /// Values and arrays that there are.
    taken: HashSet<String>,
    node_names: HashSet<String>,
    /// The arrays of parameters, by number.
    parameters: HashMap<usize, String>,
}

impl<'g> File<'g> {
    fn new(graph: &'g Graph, weights: &'g BTreeMap<String, Tensor>) -> Self {
        let count = graph.nodes().len();
        // The values of the nodes themselves keep their names.
        let taken = graph.nodes().iter().map(|node| node.name.clone()).collect();
        Self {
            graph,
            weights,
            nodes: Writer::default(),
            arrays: Writer::default(),
            names: vec![Names::default(); count],
            taken,
            node_names: HashSet::new(),
            parameters: HashMap::new(),
        }
    }

    fn node(&mut self, id: NodeId, node: &'g Node) -> Result<(), Misfit> {
        let Role::Layer(layer) = &node.role else {
            self.names[id].own = Some(node.name.clone());
            return Ok(());
        };
        let Some(writer) = WRITERS.iter().find(|writer| writer.kind == layer.kind()) else {
            return Err(Misfit::new(
                format!("ONNX has no operator for its kind `{}`", layer.kind()),
                "use kinds of Caudal's own tables",
            ));
        };
        (writer.write)(&mut call::Call { file: self, id, node, attributes: layer.attributes() });
        Ok(())
    }

    /// A name that no value or array has.
    fn free_name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Writes a node.
    fn operator(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attr<'_>)],
    ) {
        let mut unique = name.to_owned();
        let mut number = 1;
        while !self.node_names.insert(unique.clone()) {
            number += 1;
            unique = format!("{name}_{number}");
        }
        self.nodes.message(1, |node| {
            for input in inputs {
                node.text(1, input);
            }
            node.text(2, output);
            node.text(3, &unique);
            node.text(4, operator);
            for (name, value) in attributes {
                node.message(5, |attribute| {
                    attribute.text(1, name);
                    match value {
                        Attr::Float(number) => {
                            attribute.float(2, *number);
                            attribute.number(20, 1);
                        }
                        Attr::Int(number) => {
                            attribute.number(3, *number);
                            attribute.number(20, 2);
                        }
                        Attr::Text(text) => {
                            attribute.text(4, text);
                            attribute.number(20, 3);
                        }
                        Attr::Ints(numbers) => {
                            for &number in *numbers {
                                attribute.number(8, number);
                            }
                            attribute.number(20, 7);
                        }
                    }
                });
            }
        });
    }

    /// Writes an array: of 32-bit floats (type 1) or 64-bit integers (type 7). Gives its name.
    fn array(&mut self, wanted: &str, kind: i64, shape: &[usize], bytes: &[u8]) -> String {
        let name = self.free_name(wanted);
        self.arrays.message(5, |array| {
            for &size in shape {
                array.number(1, size as i64);
            }
            array.number(2, kind);
            array.text(8, &name);
            array.bytes(9, bytes);
        });
        name
    }

    fn floats(&mut self, wanted: &str, shape: &[usize], floats: &[f32]) -> String {
        let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
        self.array(wanted, 1, shape, &bytes)
    }

    fn ints(&mut self, wanted: &str, ints: &[i64]) -> String {
        let bytes: Vec<u8> = ints.iter().flat_map(|int| int.to_le_bytes()).collect();
        self.array(wanted, 7, &[ints.len()], &bytes)
    }

    /// The order of axes that brings the last one of an item to its front, or back.
    fn turn(rank: usize, to_first: bool) -> Vec<i64> {
        let rank = rank as i64;
        if to_first {
            [0, rank].into_iter().chain(1..rank).collect()
        } else {
            [0].into_iter().chain(2..=rank).chain([1]).collect()
        }
    }

    /// The value of a node as Caudal has it.
    fn own(&mut self, id: NodeId) -> String {
        if let Some(name) = &self.names[id].own {
            return name.clone();
        }
        let name = self.graph.nodes()[id].name.clone();
        let from = self.names[id].first.clone().unwrap_or_default();
        let order = Self::turn(self.graph.nodes()[id].shape.len(), false);
        let node = format!("{name}.channels_last");
        self.operator("Transpose", &node, &[&from], &name, &[("perm", Attr::Ints(&order))]);
        self.names[id].own = Some(name.clone());
        name
    }

    /// The value of a node with the last axis of its items as their first.
    fn first(&mut self, id: NodeId) -> String {
        if let Some(name) = &self.names[id].first {
            return name.clone();
        }
        let from = self.own(id);
        let order = Self::turn(self.graph.nodes()[id].shape.len(), true);
        let name = self.free_name(&format!("{}.channels_first", self.graph.nodes()[id].name));
        self.operator("Transpose", &name, &[&from], &name, &[("perm", Attr::Ints(&order))]);
        self.names[id].first = Some(name.clone());
        name
    }

    fn finish(mut self) -> Vec<u8> {
        for &id in self.graph.outputs() {
            self.own(id);
        }
        let mut graph = Writer { bytes: std::mem::take(&mut self.nodes.bytes) };
        graph.text(2, self.graph.name());
        graph.bytes.append(&mut self.arrays.bytes);
        for (field, ids) in [(11, self.graph.inputs()), (12, self.graph.outputs().to_vec())] {
            for id in ids {
                let node = &self.graph.nodes()[id];
                graph.message(field, |value| {
                    value.text(1, &node.name);
                    value.message(2, |kind| {
                        kind.message(1, |tensor| {
                            tensor.number(1, 1);
                            tensor.message(2, |shape| {
                                shape.message(1, |batch| batch.text(2, "batch"));
                                for &size in &node.shape {
                                    shape.message(1, |dim| dim.number(1, size as i64));
                                }
                            });
                        });
                    });
                });
            }
        }
        let mut model = Writer::default();
        model.number(1, FORMAT);
        model.text(2, "caudal");
        model.text(3, env!("CARGO_PKG_VERSION"));
        model.bytes(7, &graph.bytes);
        model.message(8, |opset| {
            opset.text(1, "");
            opset.number(2, OPSET);
        });
        model.bytes
    }
}
