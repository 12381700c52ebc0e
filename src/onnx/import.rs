//! From the graph of an ONNX file to a network with its weights.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::activation::Activation;
use super::call::{Call, Owners, Value};
use super::constant::Constant;
use super::external::External;
use super::network::Network;
use super::operators::{self, Needs};
use super::patterns::shortened;
use super::proto::{Attribute, DimProto, ModelProto, NodeProto, ValueProto};
use crate::error::escaped;
use crate::layers::{Add, Misfit};
use crate::tensor::Shape;

/// The oldest version of the operators that is read, and the newest that is known.
pub(super) const OPSETS: [i64; 2] = [11, 28];

/// What was read: the nodes, and which of them give the outputs of the file.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) network: Network,
    pub(super) outputs: Vec<usize>,
    /// Inputs and outputs whose channels come last, where the file has them first.
    pub(super) channels_last: Vec<String>,
    /// Inputs and outputs whose batch is another axis than the first in the file, with that axis.
    pub(super) batch_axes: BTreeMap<String, usize>,
}

/// What is known while nodes are read.
struct Import<'a> {
    values: HashMap<&'a str, Value>,
    /// How often values are used, outputs of the file included.
    uses: HashMap<&'a str, usize>,
    network: Network,
    owners: Owners,
    opset: i64,
    batch: Option<i64>,
    channels_last: Vec<String>,
    batch_axes: BTreeMap<String, usize>,
    outputs: Vec<usize>,
}

/// Reads a graph.
///
/// # Errors
/// With the node, its operator and what could be done.
pub(super) fn import(
    model: &ModelProto<'_>,
    external: &mut External<'_>,
) -> Result<Converted, Misfit> {
    let graph = &model.graph;
    let opset = opset(model)?;
    if graph.is_sparse {
        return Err(Misfit::new("it has sparse arrays", "export it with dense ones"));
    }
    let nodes = shortened(graph);
    let mut uses = HashMap::new();
    let used = nodes.iter().flat_map(|node| node.inputs.iter().copied());
    for name in used.chain(graph.outputs.iter().map(|output| output.name)) {
        *uses.entry(name).or_insert(0) += 1;
    }
    let mut import = Import {
        values: HashMap::new(),
        uses,
        network: Network::default(),
        owners: Owners::new(),
        opset,
        batch: None,
        channels_last: Vec::new(),
        batch_axes: BTreeMap::new(),
        outputs: Vec::new(),
    };
    for initializer in &graph.initializers {
        let constant = Constant { learned: true, ..Constant::read(initializer, external)? };
        import.network.stored += constant.count();
        import.define(initializer.name, constant.into())?;
    }
    let (images, by_steps) = (images(&nodes), by_steps(&nodes));
    for input in &graph.inputs {
        // Older files list their arrays among the inputs.
        if !import.values.contains_key(input.name) {
            let batch = usize::from(by_steps.contains(input.name));
            import.input(input, images.contains(input.name), batch)?;
        }
    }
    for (number, node) in nodes.iter().enumerate() {
        import.node(node, number, model, external)?;
    }
    let outputs = graph.outputs.iter().map(|output| import.output(output.name));
    let outputs = outputs.collect::<Result<Vec<usize>, Misfit>>()?;
    if outputs.is_empty() {
        return Err(Misfit::new("it has no outputs", "export it again"));
    }
    let Import { network, channels_last, batch_axes, .. } = import;
    Ok(Converted { network, outputs, channels_last, batch_axes })
}

/// The version of the operators of ONNX itself.
fn opset(model: &ModelProto<'_>) -> Result<i64, Misfit> {
    let own = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let version = model.opsets.iter().find(|(domain, _)| own(domain)).map(|(_, version)| *version);
    let [oldest, newest] = OPSETS;
    match version {
        Some(version) if (oldest..=newest).contains(&version) => Ok(version),
        Some(version) => Err(Misfit::new(
            format!("its operators are of opset {version}, not one from {oldest} to {newest}"),
            "export it with another opset, or convert it with onnx.version_converter",
        )),
        None => Err(Misfit::new("it does not say which opset it uses", "export it again")),
    }
}

/// The values whose channels had better be last: those that images operators use, through operators that leave the
/// layout alone.
fn images<'a>(nodes: &[NodeProto<'a>]) -> HashSet<&'a str> {
    let mut images = HashSet::new();
    for node in nodes.iter().rev() {
        let Some(operator) = operators::find(node.operator) else { continue };
        let is_image = match operator.needs {
            Needs::ChannelsLast => true,
            Needs::AnyLayout => node.outputs.iter().any(|output| images.contains(output)),
            Needs::ItsOwn => false,
        };
        if is_image {
            images.extend(node.inputs.iter().copied());
        }
    }
    images
}

/// The values whose first axis are the steps of a sequence, or the layers of states, and the second the batch: what
/// recurrent operators take, and what becomes that.
fn by_steps<'a>(nodes: &[NodeProto<'a>]) -> HashSet<&'a str> {
    let mut found: HashSet<&'a str> = HashSet::new();
    for node in nodes.iter().rev() {
        let Some(operator) = operators::find(node.operator) else { continue };
        let of_batch = |(name, value): &(&str, Attribute<'_>)| {
            *name == "layout" && !matches!(value, Attribute::Int(0))
        };
        let inputs = &node.inputs;
        match (node.operator, operator.needs) {
            ("LSTM" | "GRU" | "RNN", _) if !node.attributes.iter().any(of_batch) => {
                found.extend(inputs.iter().take(1).chain(inputs.iter().skip(5).take(2)));
            }
            _ if !node.outputs.iter().any(|output| found.contains(output)) => {}
            (_, Needs::AnyLayout) => found.extend(inputs),
            ("Gather", _) => found.extend(inputs.iter().skip(1)),
            ("MatMul" | "Slice" | "Split" | "LayerNormalization", _) => {
                found.extend(inputs.iter().take(1));
            }
            _ => {}
        }
    }
    // What is left out is called nothing.
    found.remove("");
    found
}

/// The sizes of an item of an input, and how many items a batch has, if that is fixed.
fn item_shape(input: &ValueProto<'_>, batch: usize) -> Result<(Shape, Option<i64>), Misfit> {
    let name = escaped(input.name);
    let refuse = |problem: String, remedy: &str| {
        Err(Misfit::new(format!("input `{name}`: {problem}"), remedy))
    };
    let Some(dims) = &input.shape else {
        return refuse("it has no shape".to_owned(), "export it with one");
    };
    if !matches!(input.data_type, 1..=7 | 9..=13 | 16) {
        return refuse("its items are no numbers".to_owned(), "export a network of numbers");
    }
    let Some(of_batch) = dims.get(batch) else {
        return refuse("it has no batch axis".to_owned(), "export it with one, as the first axis");
    };
    let mut shape = Shape::new();
    for (axis, dim) in dims.iter().enumerate().filter(|(axis, _)| *axis != batch) {
        match dim {
            DimProto::Number(size @ 1..) => {
                shape.push(usize::try_from(*size).unwrap_or(usize::MAX));
            }
            DimProto::Number(size) => {
                return refuse(format!("its axis {axis} has size {size}"), "export it again");
            }
            DimProto::Name(symbol) => {
                let problem = format!("its axis {axis} has the open size `{}`", escaped(symbol));
                return refuse(problem, "export it with fixed sizes; only the batch may be open");
            }
            DimProto::Unknown => {
                let problem = format!("its axis {axis} has an open size");
                return refuse(problem, "export it with fixed sizes; only the batch may be open");
            }
        }
    }
    let batch = match of_batch {
        DimProto::Number(size) => Some(*size),
        DimProto::Name(_) | DimProto::Unknown => None,
    };
    Ok((shape, batch))
}

impl<'a> Import<'a> {
    fn define(&mut self, name: &'a str, value: Value) -> Result<(), Misfit> {
        if self.values.insert(name, value).is_none() {
            return Ok(());
        }
        Err(Misfit::new(
            format!("two values are called `{}`", escaped(name)),
            "name an undamaged file, or export it again",
        ))
    }

    /// Takes an input whose batch is the axis `place`.
    fn input(
        &mut self,
        input: &ValueProto<'a>,
        is_image: bool,
        place: usize,
    ) -> Result<(), Misfit> {
        let (shape, batch) = item_shape(input, place)?;
        if let (Some(before), Some(batch)) = (self.batch, batch)
            && before != batch
        {
            return Err(Misfit::new(
                format!(
                    "input `{}`: its axis {place}, the batch, has size {batch}, that of another input {before}",
                    escaped(input.name)
                ),
                "export it with the batch as first axis of all inputs",
            ));
        }
        self.batch = self.batch.or(batch);
        let order: Vec<usize> = match shape.len() {
            rank @ (2 | 3) if is_image && place == 0 => (1..rank).chain([0]).collect(),
            rank => (0..rank).collect(),
        };
        if order.first() == Some(&1) {
            self.channels_last.push(escaped(input.name));
        }
        let here = order.iter().map(|&axis| shape[axis]).collect();
        let located = |misfit: Misfit| {
            let problem = format!("input `{}`: {}", escaped(input.name), misfit.problem);
            Misfit { problem, ..misfit }
        };
        let node = self.network.input(input.name, here).map_err(located)?;
        self.network.drafts[node].is_whole = !matches!(input.data_type, 1 | 10 | 11 | 16);
        if place > 0 {
            self.batch_axes.insert(escaped(input.name), place);
        }
        let value = Activation::of_axes(node, &shape, &order).with_batch(place);
        self.define(input.name, value.into())
    }

    fn node(
        &mut self,
        node: &NodeProto<'a>,
        number: usize,
        model: &ModelProto<'_>,
        external: &mut External<'_>,
    ) -> Result<(), Misfit> {
        let own = [node.name, node.outputs.first().copied().unwrap_or_default()];
        let name = own.into_iter().find(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("{}_{number}", node.operator), str::to_owned);
        let (opset, batch) = (self.opset, self.batch);
        let located = |misfit: Misfit| {
            let domain = if node.domain.is_empty() { "" } else { "." };
            Misfit::new(
                format!(
                    "node `{}`, {}{domain}{} of opset {}: {}",
                    escaped(&name),
                    escaped(node.domain),
                    escaped(node.operator),
                    opset,
                    misfit.problem
                ),
                misfit.remedy,
            )
        };
        let is_own = matches!(node.domain, "" | "ai.onnx");
        let operator = operators::find(node.operator).filter(|_| is_own);
        let Some(operator) = operator else {
            let is_function = model.functions.contains(&node.operator);
            return Err(located(operators::not_covered(node.operator, is_function)));
        };
        let mut inputs = Vec::new();
        for input in &node.inputs {
            let value = self.values.get(input).cloned();
            if value.is_none() && !input.is_empty() {
                return Err(located(Misfit::new(
                    format!(
                        "its input `{}` is of no node before it: nodes are out of order, or have a cycle",
                        escaped(input)
                    ),
                    "export it again",
                )));
            }
            if let Some(Value::Activation(value)) = &value
                && !operator.any_batch
            {
                value.check_batch_first().map_err(located)?;
            }
            inputs.push(value);
        }
        let only_use = node.inputs.iter().map(|input| self.uses.get(input) == Some(&1)).collect();
        let (network, owners) = (&mut self.network, &mut self.owners);
        let mut call =
            Call { node, name: name.clone(), opset, inputs, only_use, network, owners, batch };
        let outputs = (operator.convert)(&mut call, external).map_err(located)?;
        for (at, output) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            match outputs.get(at) {
                Some(value) => {
                    if let Value::Constant(constant) = value {
                        if node.operator == "Constant" {
                            self.network.stored += constant.count();
                        }
                        self.network.make(constant.count()).map_err(located)?;
                    }
                    self.define(output, value.clone()).map_err(located)?;
                }
                None if self.uses.contains_key(output) => {
                    let problem = format!("its output `{}` is used", escaped(output));
                    return Err(located(Misfit::new(problem, operators::EXTRA_OUTPUT)));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The node that gives an output of the file, with its name.
    fn output(&mut self, name: &'a str) -> Result<usize, Misfit> {
        let shown = escaped(name);
        let value = match self.values.get(name) {
            Some(Value::Activation(value)) => value.clone(),
            Some(Value::Constant(_)) => {
                let problem = format!("output `{shown}` does not depend on the items");
                return Err(Misfit::new(problem, "leave it out"));
            }
            None => {
                let problem = format!("output `{shown}` is of no node");
                return Err(Misfit::new(problem, "name an undamaged file, or export it again"));
            }
        };
        let rank = value.axes.len();
        let last: Vec<usize> = (1..rank).chain((rank > 0).then_some(0)).collect();
        let order = match value.axis_order() {
            // Images stay channels last.
            Some(order)
                if rank == 3
                    && value.batch == 0
                    && value.shape()[1..].iter().any(|&size| size > 1) =>
            {
                if order == last {
                    last
                } else {
                    (0..rank).collect()
                }
            }
            _ => (0..rank).collect(),
        };
        if order.first() == Some(&1) {
            self.channels_last.push(shown);
        }
        if value.batch > 0 {
            self.batch_axes.insert(escaped(name), value.batch);
        }
        let node = self.network.laid_out(name, &value, &order)?;
        let is_taken = self.network.drafts[node].layer.is_none() || self.outputs.contains(&node);
        // What is an input, or another output, hands its numbers on under the name.
        let node = if is_taken {
            self.network.add(name, Add, &[node], Vec::new())?
        } else {
            self.network.rename(node, name, &self.outputs);
            node
        };
        self.outputs.push(node);
        Ok(node)
    }
}
