//! What exporters write as several operators, and Caudal has as one layer.
//!
//! Below opset 20 the exact gelu is a chain around `Erf`, below opset 17 layer normalisation one around `Sqrt`, below
//! opset 24 silu is a product with a sigmoid; and dense layers over several axes are a product and a sum. All are found
//! before the graph is read, and stand there as one node in place of the last of the chain.

use std::collections::{HashMap, HashSet};
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::constant::Constant;
use super::external::External;
use super::proto::{Attribute, GraphProto, NodeProto, TensorProto};

/// A graph whose chains are looked for.
struct Chains<'g, 'a> {
    graph: &'g GraphProto<'a>,
    made_by: HashMap<&'a str, usize>,
    users: HashMap<&'a str, Vec<usize>>,
    arrays: HashMap<&'a str, &'g TensorProto<'a>>,
}

/// The nodes of a graph, with one in place of each chain.
pub(super) fn shortened<'a>(graph: &GraphProto<'a>) -> Vec<NodeProto<'a>> {
    let chains = Chains::new(graph);
    let mut left_out = HashSet::new();
    let mut replaced: HashMap<usize, NodeProto<'a>> = HashMap::new();
    for at in 0..graph.nodes.len() {
        let found = match graph.nodes[at].operator {
            "Erf" => chains.gelu(at),
            "Sqrt" => chains.layer_norm(at),
            "Sigmoid" => chains.swish(at),
            "MatMul" => chains.dense(at),
            _ => None,
        };
        if let Some((nodes, last, node)) = found {
            left_out.extend(nodes);
            replaced.insert(last, node);
        }
    }
    let nodes = graph.nodes.iter().enumerate();
    nodes
        .filter(|(at, _)| replaced.contains_key(at) || !left_out.contains(at))
        .map(|(at, node)| replaced.get(&at).unwrap_or(node).clone())
        .collect()
}

/// The nodes of a chain, the last of them, and what stands for it.
type Found<'a> = (Vec<usize>, usize, NodeProto<'a>);

impl<'g, 'a> Chains<'g, 'a> {
    fn new(graph: &'g GraphProto<'a>) -> Self {
        let mut made_by = HashMap::new();
        let mut users: HashMap<&'a str, Vec<usize>> = HashMap::new();
        let mut arrays: HashMap<&'a str, &'g TensorProto<'a>> =
            graph.initializers.iter().map(|tensor| (tensor.name, tensor)).collect();
        for (at, node) in graph.nodes.iter().enumerate() {
            made_by.extend(node.outputs.iter().map(|&output| (output, at)));
            for &input in &node.inputs {
                users.entry(input).or_default().push(at);
            }
            if let ("Identity", [input], [output]) =
                (node.operator, &node.inputs[..], &node.outputs[..])
                && let Some(&tensor) = arrays.get(input)
            {
                arrays.insert(output, tensor);
            }
            if let ("Constant", [output], [(_, Attribute::Tensor(tensor))]) =
                (node.operator, &node.outputs[..], &node.attributes[..])
            {
                arrays.insert(output, tensor);
            }
        }
        for output in &graph.outputs {
            // Nobody may take these away.
            users.entry(output.name).or_default().push(usize::MAX);
        }
        Self { graph, made_by, users, arrays }
    }

    /// The only number of a small constant.
    fn number(&self, name: &str) -> Option<f32> {
        let tensor = self.arrays.get(name).filter(|tensor| !tensor.is_external)?;
        Constant::read(tensor, &mut External::new(None)).ok()?.only_number()
    }

    fn is(&self, name: &str, wanted: f32) -> bool {
        self.number(name).is_some_and(|number| (number - wanted).abs() <= 1e-6 * wanted.abs())
    }

    /// The node that makes a value, if it is of an operator.
    fn maker(&self, value: &str, operators: &[&str]) -> Option<(usize, &'g NodeProto<'a>)> {
        let at = *self.made_by.get(value)?;
        let node = &self.graph.nodes[at];
        (operators.contains(&node.operator) && node.outputs.len() == 1).then_some((at, node))
    }

    /// The only node that uses a node's output, if it is of an operator.
    fn user(&self, node: &NodeProto<'a>, operator: &str) -> Option<(usize, &'g NodeProto<'a>)> {
        let users = self.users.get(node.outputs.first()?)?;
        let [at] = users[..] else { return None };
        let user = self.graph.nodes.get(at)?;
        (user.operator == operator).then_some((at, user))
    }

    /// The other of two inputs.
    fn other(node: &NodeProto<'a>, one: &str) -> Option<&'a str> {
        match node.inputs[..] {
            [a, b] if b == one => Some(a),
            [a, b] if a == one => Some(b),
            _ => None,
        }
    }

    /// x * sigmoid(x).
    fn swish(&self, at: usize) -> Option<Found<'a>> {
        let gate = &self.graph.nodes[at];
        let (product, times) = self.user(gate, "Mul")?;
        let value = *gate.inputs.first()?;
        if Self::other(times, gate.outputs[0])? != value {
            return None;
        }
        let (name, operator, outputs) = (times.name, "Swish", times.outputs.clone());
        let inputs = vec![value];
        let node = NodeProto { name, operator, inputs, outputs, ..NodeProto::default() };
        Some((vec![at, product], product, node))
    }

    /// The product with a matrix of the file, plus a number a column: a `MatMul` with a third input, which ONNX has not.
    fn dense(&self, at: usize) -> Option<Found<'a>> {
        let product = &self.graph.nodes[at];
        let [value, matrix] = product.inputs[..] else { return None };
        let [_, columns] = self.arrays.get(matrix)?.dims[..] else { return None };
        let (last, plus) = self.user(product, "Add")?;
        let bias = Self::other(plus, product.outputs[0])?;
        if self.arrays.get(bias)?.dims[..] != [columns] {
            return None;
        }
        let (operator, outputs) = (product.operator, plus.outputs.clone());
        // Caudal writes the name to the sum, others leave it with the product.
        let name = if product.name.starts_with(plus.name) { plus.name } else { product.name };
        let inputs = vec![value, matrix, bias];
        let node = NodeProto { name, operator, inputs, outputs, ..NodeProto::default() };
        Some((vec![at, last], last, node))
    }

    /// x * (1 + erf(x / sqrt(2))) / 2, in either order of the products.
    fn gelu(&self, at: usize) -> Option<Found<'a>> {
        let erf = &self.graph.nodes[at];
        let (scaled, inner) = self.maker(erf.inputs.first()?, &["Div", "Mul"])?;
        let [value, factor] = inner.inputs[..] else { return None };
        let wanted = if inner.operator == "Div" { SQRT_2 } else { FRAC_1_SQRT_2 };
        if !self.is(factor, wanted) || self.users.get(erf.inputs[0])?.len() != 1 {
            return None;
        }
        let (sum, plus_one) = self.user(erf, "Add")?;
        if !self.is(Self::other(plus_one, erf.outputs[0])?, 1.0) {
            return None;
        }
        let (product, times) = self.user(plus_one, "Mul")?;
        let with = Self::other(times, plus_one.outputs[0])?;
        let mut nodes = vec![scaled, at, sum, product];
        let last = if with == value {
            let (half, by_two) = self.user(times, "Mul")?;
            if !self.is(Self::other(by_two, times.outputs[0])?, 0.5) {
                return None;
            }
            nodes.push(half);
            half
        } else {
            let (half, by_two) = self.maker(with, &["Mul"])?;
            let is_half = self.is(Self::other(by_two, value)?, 0.5);
            if !is_half || self.users.get(with)?.len() != 1 {
                return None;
            }
            nodes.push(half);
            product
        };
        let end = &self.graph.nodes[last];
        let (operator, inputs) = ("Gelu", vec![value]);
        let outputs = end.outputs.clone();
        let node = NodeProto { name: end.name, operator, inputs, outputs, ..NodeProto::default() };
        Some((nodes, last, node))
    }

    /// The number and the last axis that `ReduceMean` goes along.
    fn is_mean_of_last_axis(&self, node: &NodeProto<'a>) -> bool {
        let listed = node.attributes.iter().find(|(name, _)| *name == "axes");
        let along = match (listed, node.inputs.get(1)) {
            (Some((_, Attribute::Ints(axes))), _) => axes[..] == [-1],
            (None, Some(axes)) => self.number(axes) == Some(-1.0),
            _ => false,
        };
        let keeps = node.attributes.iter().find(|(name, _)| *name == "keepdims");
        along && !matches!(keeps, Some((_, Attribute::Int(0))))
    }

    /// (x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis.
    fn layer_norm(&self, at: usize) -> Option<Found<'a>> {
        let root = &self.graph.nodes[at];
        let (sum, plus) = self.maker(root.inputs.first()?, &["Add"])?;
        let (variance, epsilon) = match plus.inputs[..] {
            [a, b] if self.number(b).is_some() => (a, self.number(b)?),
            [a, b] => (b, self.number(a)?),
            _ => return None,
        };
        let (mean_of_squares, second) = self.maker(variance, &["ReduceMean"])?;
        let (squares, squared) = self.maker(second.inputs.first()?, &["Pow", "Mul"])?;
        let [centred, exponent] = squared.inputs[..] else { return None };
        let is_square = match squared.operator {
            "Pow" => self.is(exponent, 2.0),
            _ => exponent == centred,
        };
        let (difference, centring) = self.maker(centred, &["Sub"])?;
        let [value, mean] = centring.inputs[..] else { return None };
        let (first_mean, first) = self.maker(mean, &["ReduceMean"])?;
        let (quotient, divided) = self.user(root, "Div")?;
        let fits = is_square
            && first.inputs.first() == Some(&value)
            && divided.inputs.first() == Some(&centred)
            && self.is_mean_of_last_axis(first)
            && self.is_mean_of_last_axis(second)
            && self.users.get(mean)?.len() == 1
            && self.users.get(variance)?.len() == 1
            && self.users.get(centred)?.len()
                == 1 + squared.inputs.iter().filter(|it| **it == centred).count();
        if !fits {
            return None;
        }
        let (product, scaled) = self.user(divided, "Mul")?;
        let scale = Self::other(scaled, divided.outputs[0])?;
        let (last, moved) = self.user(scaled, "Add")?;
        let bias = Self::other(moved, scaled.outputs[0])?;
        if !self.arrays.contains_key(scale) || !self.arrays.contains_key(bias) {
            return None;
        }
        let nodes = vec![
            sum,
            mean_of_squares,
            squares,
            difference,
            first_mean,
            quotient,
            product,
            at,
            last,
        ];
        let attributes = vec![("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(epsilon))];
        let (operator, inputs) = ("LayerNormalization", vec![value, scale, bias]);
        let (name, outputs) = (moved.name, moved.outputs.clone());
        let node =
            NodeProto { name, operator, inputs, outputs, attributes, ..NodeProto::default() };
        Some((nodes, last, node))
    }
}
