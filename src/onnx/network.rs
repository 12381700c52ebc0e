//! The network that an ONNX file becomes, node by node.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::activation::Activation;
use super::constant::count_of;
use crate::layers::{Arity, Concat, Layer, Misfit, Reshape, Transpose};
use crate::tensor::{Shape, describe_shape};

/// Items of values with more numbers than this are refused.
const LARGEST_ITEM: usize = 1 << 36;

/// So many numbers may be made of a file without any, and of others beside a multiple of theirs.
const MOST_MADE: usize = 1 << 23;

/// Recurrent operators have together no more steps than this.
const MOST_STEPS: usize = 1 << 14;

/// Values of a parameter, in the layer's shape.
pub(super) type Values = Arc<Vec<f32>>;

/// A node to be.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    /// None for an input.
    pub(super) layer: Option<Arc<dyn Layer>>,
    pub(super) inputs: Vec<usize>,
    pub(super) shape: Shape,
    pub(super) parameters: Vec<(&'static str, Values)>,
    pub(super) trainable: bool,
    /// The node whose parameters it shares.
    pub(super) shares: Option<usize>,
    /// Whether it is an input of whole numbers.
    pub(super) is_whole: bool,
    /// The value of the file that it gives, where its bias is none of the file's: what is added next may become it.
    pub(super) open_bias: Option<String>,
}

/// Nodes to be, in topological order.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) drafts: Vec<Draft>,
    names: HashSet<String>,
    /// The next number for each name that was wanted again.
    again: HashMap<String, usize>,
    /// How many numbers the file holds, and how many were made of them.
    pub(super) stored: usize,
    made: usize,
    /// Of nodes that put others one below the other along their first axis, these.
    rows: HashMap<usize, Vec<usize>>,
    /// How many steps of recurrent operators there are.
    steps: usize,
}

impl Network {
    /// Notes that so many numbers were made.
    ///
    /// # Errors
    /// If they are too many for the file: nothing that a network is made of is much larger than what the file holds.
    pub(super) fn make(&mut self, count: usize) -> Result<(), Misfit> {
        self.made = self.made.saturating_add(count);
        if self.made <= self.stored.saturating_mul(4).saturating_add(MOST_MADE) {
            return Ok(());
        }
        Err(Misfit::new(
            format!(
                "constants and parameters grow to {} numbers, from {} in the file",
                self.made, self.stored
            ),
            "store them in the file, each once",
        ))
    }

    /// Notes that so many steps become nodes of their own.
    ///
    /// # Errors
    /// If they are too many.
    pub(super) fn unroll(&mut self, steps: usize) -> Result<(), Misfit> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps <= MOST_STEPS {
            return Ok(());
        }
        Err(Misfit::new(
            format!(
                "its steps become nodes of their own, and with them there are {}, more than {MOST_STEPS}",
                self.steps
            ),
            "export it for shorter sequences",
        ))
    }

    /// A name that no node has, as near to the wanted one as can be.
    fn free_name(&mut self, wanted: &str) -> String {
        let printable = |it: char| if it.is_control() || it == '"' { '_' } else { it };
        let mut wanted: String = wanted.chars().map(printable).collect();
        if wanted.trim().is_empty() {
            "node".clone_into(&mut wanted);
        }
        let mut name = wanted.clone();
        while !self.names.insert(name.clone()) {
            let number = self.again.entry(wanted.clone()).or_insert(1);
            *number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    pub(super) fn input(&mut self, name: &str, shape: Shape) -> Result<usize, Misfit> {
        check_size(&shape)?;
        let name = self.free_name(name);
        Ok(self.push(name, None, Vec::new(), shape, Vec::new()))
    }

    /// Adds what has been checked; gives its number.
    fn push(
        &mut self,
        name: String,
        layer: Option<Arc<dyn Layer>>,
        inputs: Vec<usize>,
        shape: Shape,
        parameters: Vec<(&'static str, Values)>,
    ) -> usize {
        self.drafts.push(Draft {
            name,
            layer,
            inputs,
            shape,
            parameters,
            trainable: true,
            shares: None,
            is_whole: false,
            open_bias: None,
        });
        self.drafts.len() - 1
    }

    /// Adds a node, with the values of its parameters; gives its number.
    ///
    /// # Errors
    /// If its layer does not take such inputs, or has other parameters.
    pub(super) fn add(
        &mut self,
        name: &str,
        layer: impl Layer + 'static,
        inputs: &[usize],
        parameters: Vec<(&'static str, Values)>,
    ) -> Result<usize, Misfit> {
        let layer: Arc<dyn Layer> = Arc::new(layer);
        let shapes: Vec<&[usize]> =
            inputs.iter().map(|&input| self.drafts[input].shape.as_slice()).collect();
        let fits = match layer.arity() {
            Arity::Exactly(count) => shapes.len() == count,
            Arity::AtLeast(least) => shapes.len() >= least,
        };
        if !fits {
            return Err(Misfit::new(format!("it has {} inputs", shapes.len()), "export it again"));
        }
        let shape = layer.output_shape(&shapes)?;
        check_size(&shape)?;
        for spec in layer.parameters(&shapes) {
            let given = parameters.iter().find(|(name, _)| *name == spec.name);
            let count = count_of(&spec.shape)?;
            match given {
                Some((_, values)) if values.len() == count => {}
                _ => {
                    let found = given.map_or(0, |(_, values)| values.len());
                    return Err(Misfit::new(
                        format!(
                            "its {} needs {}, but {found} numbers are there",
                            spec.name,
                            describe_shape(&spec.shape)
                        ),
                        "export it again",
                    ));
                }
            }
        }
        self.make(parameters.iter().map(|(_, values)| values.len()).sum())?;
        let name = self.free_name(name);
        Ok(self.push(name, Some(layer), inputs.to_vec(), shape, parameters))
    }

    /// Adds a node with the layer and the parameters of another, for inputs of the same shapes.
    pub(super) fn add_sharing(&mut self, name: &str, inputs: &[usize], owner: usize) -> usize {
        let name = self.free_name(name);
        let Draft { layer, shape, shares, trainable, .. } = &self.drafts[owner];
        let (layer, shape) = (layer.clone(), shape.clone());
        let (owner, trainable) = (shares.unwrap_or(owner), *trainable);
        let node = self.push(name, layer, inputs.to_vec(), shape, Vec::new());
        self.drafts[node].shares = Some(owner);
        self.drafts[node].trainable = trainable;
        node
    }

    /// Puts nodes of equal shapes, whose first axis has size 1, one below the other.
    ///
    /// # Errors
    /// None for such nodes, at least one.
    pub(super) fn stack(&mut self, name: &str, rows: Vec<usize>) -> Result<usize, Misfit> {
        let node = match rows[..] {
            [single] => single,
            _ => self.add(name, Concat::along(0), &rows, Vec::new())?,
        };
        self.rows.insert(node, rows);
        Ok(node)
    }

    /// The nodes whose numbers a node has one after the other, if it was put together of so many.
    pub(super) fn rows(&self, mut node: usize, count: usize) -> Option<&[usize]> {
        loop {
            match self.rows.get(&node) {
                Some(rows) => {
                    return Some(rows).filter(|rows| rows.len() == count).map(Vec::as_slice);
                }
                None if self.kind(node) == "reshape" => node = self.drafts[node].inputs[0],
                None => return None,
            }
        }
    }

    /// Gives a node the name of an output, unless an input or an output before it has that.
    pub(super) fn rename(&mut self, node: usize, name: &str, outputs: &[usize]) {
        if self.drafts[node].name == name {
            return;
        }
        let other = self.drafts.iter().position(|draft| draft.name == name);
        if let Some(other) = other {
            if self.drafts[other].layer.is_none() || outputs.contains(&other) {
                return;
            }
            // What is on the way to the output makes room.
            self.drafts[other].name = self.free_name(&format!("{name}.inner"));
            self.names.remove(name);
        }
        let new = self.free_name(name);
        let old = std::mem::replace(&mut self.drafts[node].name, new);
        self.names.remove(&old);
    }

    /// The kind of a node's layer.
    pub(super) fn kind(&self, node: usize) -> &'static str {
        self.drafts[node].layer.as_ref().map_or("input", |layer| layer.kind())
    }

    /// The node's numbers with other axes: the node itself, or a view of it.
    ///
    /// # Errors
    /// None for a shape of as many numbers.
    pub(super) fn reshape(
        &mut self,
        name: &str,
        mut node: usize,
        shape: &[usize],
    ) -> Result<usize, Misfit> {
        // A view of a view is a view of what that views.
        while self.kind(node) == "reshape" && self.drafts[node].shape != shape {
            node = self.drafts[node].inputs[0];
        }
        if self.drafts[node].shape == shape {
            return Ok(node);
        }
        self.add(&format!("{name}.reshape"), Reshape::new(shape), &[node], Vec::new())
    }

    /// A node with a value's logical axes in the given order, each an axis.
    ///
    /// # Errors
    /// None that a value could cause.
    pub(super) fn laid_out(
        &mut self,
        name: &str,
        value: &Activation,
        order: &[usize],
    ) -> Result<usize, Misfit> {
        let node = self.permuted(name, value, &value.atoms_of(order))?;
        let shape = value.shape();
        let shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        self.reshape(name, node, &shape)
    }

    /// A node with a value's atoms in the given order, in some axes.
    ///
    /// # Errors
    /// None that a value could cause.
    pub(super) fn permuted(
        &mut self,
        name: &str,
        value: &Activation,
        order: &[usize],
    ) -> Result<usize, Misfit> {
        let mut node = value.node;
        let mut now = value.order.clone();
        let size = |atoms: &[usize]| atoms.iter().map(|&atom| value.atoms[atom]).product::<usize>();
        for at in 0..now.len() {
            if now[at] == order[at] {
                continue;
            }
            // What stands from here on in two halves changes places.
            let from = now.iter().position(|&atom| atom == order[at]).unwrap_or(at);
            let (lead, first, second) =
                (size(&now[..at]), size(&now[at..from]), size(&now[from..]));
            let shape = if lead > 1 { vec![lead, first, second] } else { vec![first, second] };
            node = self.reshape(name, node, &shape)?;
            node = self.add(&format!("{name}.transpose"), Transpose, &[node], Vec::new())?;
            now[at..].rotate_left(from - at);
        }
        Ok(node)
    }
}

fn check_size(shape: &[usize]) -> Result<(), Misfit> {
    if count_of(shape)? <= LARGEST_ITEM {
        return Ok(());
    }
    Err(Misfit::new(
        format!("an item of it has the shape {}", describe_shape(shape)),
        "use smaller sizes",
    ))
}
