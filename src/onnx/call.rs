//! One node of an ONNX file at a time, with what it computes from.

use std::collections::HashMap;
use std::sync::Arc;

use super::activation::Activation;
use super::constant::{Constant, Numbers};
use super::network::{Network, Values};
use super::proto::{Attribute, NodeProto};
use crate::error::escaped;
use crate::layers::{Layer, Misfit};

/// What is known of a value of the file.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// It depends on the items.
    Activation(Activation),
    /// It does not.
    Constant(Constant),
}

/// Nodes by their parameters, to be shared: layer, attributes, the arrays of the file, and their order.
pub(super) type Owners = HashMap<(String, Vec<usize>), usize>;

/// A node at which the reader is.
pub(super) struct Call<'c> {
    pub(super) node: &'c NodeProto<'c>,
    /// What the node of the network will be called.
    pub(super) name: String,
    /// The version of the operators.
    pub(super) opset: i64,
    pub(super) inputs: Vec<Option<Value>>,
    /// Whether nobody but this node uses an input.
    pub(super) only_use: Vec<bool>,
    pub(super) network: &'c mut Network,
    pub(super) owners: &'c mut Owners,
    /// How many items a batch has, if the file fixes it.
    pub(super) batch: Option<i64>,
}

impl Call<'_> {
    fn attribute(&self, name: &str) -> Option<&Attribute<'_>> {
        self.node.attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Misfit> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Int(number)) => Ok(*number),
            Some(_) => Err(Self::other_type(name, "a whole number")),
        }
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, Misfit> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Float(number)) => Ok(*number),
            Some(_) => Err(Self::other_type(name, "a number")),
        }
    }

    pub(super) fn text(&self, name: &str, default: &str) -> Result<String, Misfit> {
        match self.attribute(name) {
            None => Ok(default.to_owned()),
            Some(Attribute::Text(text)) => Ok(escaped(&String::from_utf8_lossy(text))),
            Some(_) => Err(Self::other_type(name, "a text")),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Misfit> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(numbers)) => Ok(Some(numbers.clone())),
            Some(_) => Err(Self::other_type(name, "a list of whole numbers")),
        }
    }

    pub(super) fn floats(&self, name: &str) -> Option<Vec<f32>> {
        match self.attribute(name) {
            Some(Attribute::Floats(numbers)) => Some(numbers.clone()),
            _ => None,
        }
    }

    /// The words of a list, in small letters.
    pub(super) fn words(&self, name: &str) -> Result<Vec<String>, Misfit> {
        match self.attribute(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Texts(words)) => {
                let word = |word: &&[u8]| String::from_utf8_lossy(word).to_lowercase();
                Ok(words.iter().map(word).collect())
            }
            Some(_) => Err(Self::other_type(name, "a list of words")),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&super::proto::TensorProto<'_>> {
        match self.attribute(name) {
            Some(Attribute::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }

    fn other_type(name: &str, expected: &str) -> Misfit {
        Misfit::new(format!("its attribute `{name}` is not {expected}"), "export it again")
    }

    /// Sizes such as strides: at least 1 each, `count` of them, all `default` where there are none.
    pub(super) fn sizes(
        &self,
        name: &str,
        count: usize,
        default: i64,
    ) -> Result<Vec<usize>, Misfit> {
        let numbers = self.ints(name)?.unwrap_or_else(|| vec![default; count]);
        let sizes: Vec<usize> = numbers
            .iter()
            .filter_map(|&number| usize::try_from(number).ok().filter(|&it| it > 0 && it < 1 << 31))
            .collect();
        if sizes.len() == count && numbers.len() == count {
            return Ok(sizes);
        }
        Err(Misfit::new(
            format!("its `{name}` is {numbers:?}, where {count} sizes are needed"),
            "export it again",
        ))
    }

    pub(super) fn is_given(&self, input: usize) -> bool {
        self.inputs.get(input).is_some_and(Option::is_some)
    }

    pub(super) fn value(&self, input: usize) -> Result<&Value, Misfit> {
        self.inputs
            .get(input)
            .and_then(Option::as_ref)
            .ok_or_else(|| Misfit::new(format!("its input {input} is missing"), "export it again"))
    }

    /// What depends on the items.
    pub(super) fn activation(&self, input: usize) -> Result<Activation, Misfit> {
        match self.value(input)? {
            Value::Activation(value) => Ok(value.clone()),
            Value::Constant(_) => Err(Misfit::new(
                format!("its input {input} does not depend on the items"),
                "let onnxsim or onnxoptimizer fold constants before",
            )),
        }
    }

    /// What does not depend on the items.
    pub(super) fn constant(&self, input: usize) -> Result<Constant, Misfit> {
        match self.value(input)? {
            Value::Constant(constant) => Ok(constant.clone()),
            Value::Activation(_) => Err(Misfit::new(
                format!("its input {input} depends on the items"),
                "export a network in which it is a constant",
            )),
        }
    }

    /// The floats of an input that does not depend on the items.
    pub(super) fn constant_floats(&self, input: usize) -> Result<Arc<Vec<f32>>, Misfit> {
        self.constant(input)?.as_floats().ok_or_else(|| {
            Misfit::new(
                format!("its input {input} depends on the batch size"),
                "export a fixed one",
            )
        })
    }

    /// The whole numbers of an input that does not depend on the items, if it is there.
    pub(super) fn constant_ints(&self, input: usize) -> Result<Option<Vec<i64>>, Misfit> {
        if !self.is_given(input) {
            return Ok(None);
        }
        self.constant(input)?.as_ints().map(Some).ok_or_else(|| {
            Misfit::new(
                format!("its input {input} depends on the batch size"),
                "export a fixed one",
            )
        })
    }

    /// A list of whole numbers that older versions have as an attribute and newer ones as an input.
    pub(super) fn list(&self, name: &str, input: usize) -> Result<Option<Vec<i64>>, Misfit> {
        match self.ints(name)? {
            Some(list) => Ok(Some(list)),
            None => self.constant_ints(input),
        }
    }

    /// Adds a node.
    pub(super) fn add(
        &mut self,
        layer: impl Layer + 'static,
        inputs: &[usize],
    ) -> Result<usize, Misfit> {
        self.network.add(&self.name, layer, inputs, Vec::new())
    }

    /// Adds a node beside the one that has the name.
    pub(super) fn add_beside(
        &mut self,
        suffix: &str,
        layer: impl Layer + 'static,
        inputs: &[usize],
    ) -> Result<usize, Misfit> {
        self.network.add(&format!("{}.{suffix}", self.name), layer, inputs, Vec::new())
    }

    /// What is added meanwhile has a suffix to its name.
    pub(super) fn within<T>(&mut self, suffix: &str, add: impl FnOnce(&mut Self) -> T) -> T {
        let name = format!("{}.{suffix}", self.name);
        let outer = std::mem::replace(&mut self.name, name);
        let added = add(self);
        self.name = outer;
        added
    }

    /// Adds a node with parameters that come of arrays of the file: where another node has the same ones, it shares
    /// them.
    pub(super) fn add_weighted(
        &mut self,
        layer: impl Layer + 'static,
        inputs: &[usize],
        parameters: Vec<(&'static str, Values)>,
        sources: &[&Constant],
        order: &[usize],
    ) -> Result<usize, Misfit> {
        let of_file = sources.iter().map(|source| match &source.numbers {
            Numbers::Floats(floats) => Arc::as_ptr(floats) as usize,
            Numbers::Ints(ints) => Arc::as_ptr(ints) as usize,
        });
        let shape = self.network.drafts[inputs[0]].shape.clone();
        let last = shape.last().copied().unwrap_or(1);
        let arrays: Vec<usize> = of_file.chain([last]).chain(order.iter().copied()).collect();
        let key = (format!("{} {}", layer.kind(), layer.attributes()), arrays);
        let trainable = sources.iter().any(|source| source.learned);
        let node = self.network.add(&self.name, layer, inputs, parameters)?;
        self.network.drafts[node].trainable = trainable;
        match self.owners.get(&key) {
            Some(&owner) => {
                let draft = &mut self.network.drafts[node];
                draft.shares = Some(owner);
                draft.parameters.clear();
            }
            None => drop(self.owners.insert(key, node)),
        }
        Ok(node)
    }

    /// Says of a layer whether its bias is none of the file's, so that what is added next may become it.
    pub(super) fn open_bias(&mut self, node: usize, is_open: bool) {
        let made = self.node.outputs.first().map(|&name| name.to_owned());
        self.network.drafts[node].open_bias = made.filter(|_| is_open);
    }

    /// A function of every number by itself.
    pub(super) fn each(
        &mut self,
        layer: impl Layer + 'static,
        value: &Activation,
    ) -> Result<Activation, Misfit> {
        let node = self.add(layer, &[value.node])?;
        Ok(Activation { node, ..value.clone() })
    }

    /// The same, with a suffix to the name.
    pub(super) fn each_beside(
        &mut self,
        suffix: &str,
        layer: impl Layer + 'static,
        value: &Activation,
    ) -> Result<Activation, Misfit> {
        let node = self.add_beside(suffix, layer, &[value.node])?;
        Ok(Activation { node, ..value.clone() })
    }

    /// A node with the axes of a value in the given order.
    pub(super) fn laid_out(
        &mut self,
        value: &Activation,
        order: &[usize],
    ) -> Result<usize, Misfit> {
        self.network.laid_out(&self.name, value, order)
    }

    /// A node's numbers with other axes.
    pub(super) fn reshape(&mut self, node: usize, shape: &[usize]) -> Result<usize, Misfit> {
        self.network.reshape(&self.name, node, shape)
    }

    /// The axes of a value in the order of memory; the logical order where memory has an axis in pieces.
    pub(super) fn axis_order(value: &Activation) -> Vec<usize> {
        value.axis_order().unwrap_or_else(|| (0..value.axes.len()).collect())
    }

    /// A node with a value's axes one by one, and their order.
    pub(super) fn by_axes(&mut self, value: &Activation) -> Result<(usize, Vec<usize>), Misfit> {
        let order = Self::axis_order(value);
        Ok((self.laid_out(value, &order)?, order))
    }

    /// A node whose last axis is the given axis of a value, and where its numbers stand there, counted in the logical
    /// order of that axis; and the value with that node.
    pub(super) fn axis_last(
        &mut self,
        value: &Activation,
        axis: usize,
    ) -> Result<(Activation, Vec<usize>), Misfit> {
        let size = value.shape()[axis];
        let value = if value.tail(axis).is_some() {
            value.clone()
        } else {
            let mut order = Self::axis_order(value);
            order.retain(|&other| other != axis);
            order.push(axis);
            let atoms = value.atoms_of(&order);
            let node = self.network.permuted(&self.name, value, &atoms)?;
            Activation { node, order: atoms, ..value.clone() }
        };
        let tail = value.tail(axis).unwrap_or_default();
        let range = value.ranges()[axis].clone();
        let rest: usize = value.order[..value.order.len() - tail.len()]
            .iter()
            .map(|&atom| value.atoms[atom])
            .product();
        let node_shape = self.network.drafts[value.node].shape.clone();
        let node = match node_shape.last() {
            // A view may have axes of size 1 that the value has not.
            _ if value.axes.len() == 1 => self.reshape(value.node, &[size])?,
            Some(&last) if last == size => value.node,
            _ if rest == 1 => self.reshape(value.node, &[size])?,
            _ => self.reshape(value.node, &[rest, size])?,
        };
        let sizes = &value.atoms[range];
        let strides = super::constant::strides(sizes);
        let memory: Vec<usize> = tail.iter().map(|&atom| sizes[atom]).collect();
        let steps: Vec<usize> = tail.iter().map(|&atom| strides[atom]).collect();
        let places = super::constant::places(&memory, &steps).collect();
        Ok((Activation { node, ..value }, places))
    }
}

impl From<Activation> for Value {
    fn from(value: Activation) -> Self {
        Self::Activation(value)
    }
}

impl From<Constant> for Value {
    fn from(constant: Constant) -> Self {
        Self::Constant(constant)
    }
}
