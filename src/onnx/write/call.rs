//! One layer at a time, as operators.

use toml::{Table, Value};

use super::{Attr, File};
use crate::graph::{Node, NodeId};

/// A layer that is being written.
pub(super) struct Call<'f, 'g> {
    pub(super) file: &'f mut File<'g>,
    pub(super) id: NodeId,
    pub(super) node: &'g Node,
    pub(super) attributes: Table,
}

/// Whole numbers, one for all or each by itself.
pub(super) fn numbers(value: Option<&Value>, count: usize) -> Option<Vec<i64>> {
    match value? {
        Value::Integer(all) => Some(vec![*all; count]),
        Value::Array(list) => list.iter().map(Value::as_integer).collect(),
        _ => None,
    }
}

impl<'g> Call<'_, 'g> {
    pub(super) fn pair(&self, name: &str, default: i64) -> [i64; 2] {
        let found = numbers(self.attributes.get(name), 2).unwrap_or_else(|| vec![default; 2]);
        found.try_into().unwrap_or([default; 2])
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        let number = |value: &Value| value.as_float().or(value.as_integer().map(|it| it as f64));
        self.attributes.get(name).and_then(number).map_or(default, |number| number as f32)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attributes.get(name).and_then(Value::as_integer).unwrap_or(default)
    }

    /// The shape of an input's items.
    pub(super) fn input_shape(&self, input: usize) -> &'g [usize] {
        &self.file.graph.nodes()[self.node.inputs[input]].shape
    }

    /// A parameter, in another order of axes, with other sizes. Nodes that share it have it in the same order.
    pub(super) fn parameter(&mut self, number: usize, order: &[usize], shape: &[usize]) -> String {
        let index = self.node.parameters[number];
        if let Some(name) = self.file.parameters.get(&index) {
            return name.clone();
        }
        let parameter = &self.file.graph.parameters()[index];
        let array = &self.file.weights[&parameter.name];
        let turned = array.view().permuted_axes(order);
        let floats: Vec<f32> = turned.iter().copied().collect();
        let shape = if shape.is_empty() { turned.shape().to_vec() } else { shape.to_vec() };
        let name = self.file.floats(&parameter.name, &shape, &floats);
        self.file.parameters.insert(index, name.clone());
        name
    }

    /// Writes the operator that gives the node's own value.
    pub(super) fn own_output(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attr<'_>)],
    ) {
        let name = self.node.name.clone();
        self.file.operator(operator, &name, inputs, &name, attributes);
        self.file.names[self.id].own = Some(name);
    }

    /// Writes the operator that gives the node's value with channels first.
    pub(super) fn first_output(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attr<'_>)],
    ) {
        let name = self.node.name.clone();
        let value = self.file.free_name(&format!("{name}.channels_first"));
        self.file.operator(operator, &name, inputs, &value, attributes);
        self.file.names[self.id].first = Some(value);
    }

    /// Writes an operator beside; gives its value.
    pub(super) fn beside(
        &mut self,
        suffix: &str,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attr<'_>)],
    ) -> String {
        let name = self.file.free_name(&format!("{}.{suffix}", self.node.name));
        self.file.operator(operator, &name, inputs, &name, attributes);
        name
    }

    pub(super) fn constant(&mut self, suffix: &str, shape: &[usize], floats: &[f32]) -> String {
        let name = format!("{}.{suffix}", self.node.name);
        self.file.floats(&name, shape, floats)
    }

    pub(super) fn sizes(&mut self, suffix: &str, ints: &[i64]) -> String {
        let name = format!("{}.{suffix}", self.node.name);
        self.file.ints(&name, ints)
    }

    pub(super) fn own_input(&mut self, input: usize) -> String {
        self.file.own(self.node.inputs[input])
    }

    pub(super) fn first_input(&mut self, input: usize) -> String {
        self.file.first(self.node.inputs[input])
    }

    /// Whether all inputs are there with channels first, and one of them is not there otherwise.
    pub(super) fn stays_first(&self) -> bool {
        let names = || self.node.inputs.iter().map(|&input| &self.file.names[input]);
        self.node.shape.len() == 3
            && names().all(|it| it.first.is_some())
            && names().any(|it| it.own.is_none())
    }

    /// Writes an operator of every number by itself.
    pub(super) fn each(&mut self, operator: &str, attributes: &[(&str, Attr<'_>)]) {
        self.each_with(operator, &[], attributes);
    }

    pub(super) fn each_with(
        &mut self,
        operator: &str,
        more: &[&str],
        attributes: &[(&str, Attr<'_>)],
    ) {
        let is_first = self.stays_first();
        let input = if is_first { self.first_input(0) } else { self.own_input(0) };
        let inputs: Vec<&str> = [input.as_str()].into_iter().chain(more.iter().copied()).collect();
        if is_first {
            self.first_output(operator, &inputs, attributes);
        } else {
            self.own_output(operator, &inputs, attributes);
        }
    }

    /// Writes an operator of two values, over and over.
    pub(super) fn fold(&mut self, operator: &str) {
        let is_first = self.stays_first();
        let count = self.node.inputs.len();
        let mut all = if is_first { self.first_input(0) } else { self.own_input(0) };
        if count == 1 {
            self.each("Identity", &[]);
            return;
        }
        for input in 1..count {
            let next = if is_first { self.first_input(input) } else { self.own_input(input) };
            if input + 1 < count {
                all = self.beside("part", operator, &[&all, &next], &[]);
            } else if is_first {
                self.first_output(operator, &[&all, &next], &[]);
            } else {
                self.own_output(operator, &[&all, &next], &[]);
            }
        }
    }

    /// The border of windows as ONNX has it, given how far they reach and their stride.
    pub(super) fn pads(&self, extent: [i64; 2], stride: [i64; 2]) -> Vec<i64> {
        let (from, to) = (self.input_shape(0), &self.node.shape);
        let sides = match self.attributes.get("padding") {
            Some(Value::String(word)) if word == "same" => {
                let mut sides = Vec::new();
                for axis in 0..2 {
                    let reach = (to[axis] as i64 - 1) * stride[axis] + extent[axis];
                    let whole = (reach - from[axis] as i64).max(0);
                    sides.extend([whole / 2, whole - whole / 2]);
                }
                sides
            }
            other => numbers(other, 4).unwrap_or_else(|| vec![0; 4]),
        };
        vec![sides[0], sides[2], sides[1], sides[3]]
    }

    pub(super) fn pool(&mut self, operator: &str) {
        let size = self.pair("size", 1);
        let stride = match self.attributes.get("stride") {
            Some(_) => self.pair("stride", 1),
            None => size,
        };
        let pads = self.pads(size, stride);
        let input = self.first_input(0);
        let attributes = [
            ("kernel_shape", Attr::Ints(&size)),
            ("strides", Attr::Ints(&stride)),
            ("pads", Attr::Ints(&pads)),
        ];
        self.first_output(operator, &[&input], &attributes);
    }

    pub(super) fn global_pool(&mut self, operator: &str) {
        let input = self.first_input(0);
        let pooled = self.beside("pooled", operator, &[&input], &[]);
        self.own_output("Flatten", &[&pooled], &[("axis", Attr::Int(1))]);
    }
}
