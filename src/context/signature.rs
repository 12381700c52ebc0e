//! What is known of a node before anything is computed.

use crate::tensor::Shape;

/// A node's name, where its values come from, and how large they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Signature {
    /// Unique within the graph.
    pub name: String,
    /// The nodes that its values come from, in order, as positions in the graph.
    pub inputs: Vec<usize>,
    /// The shape of one item of its output, channels last.
    pub shape: Shape,
    /// Its parameters, as positions in the graph's list of parameters; those of another node, if it shares
    /// them.
    pub parameters: Vec<usize>,
}
