//! Class weights that follow from the training data.

use std::sync::Arc;

use super::network::Network;
use crate::context::Mode;
use crate::data::{Column, Dataset};
use crate::error::{Error, Result};
use crate::graph::{NodeId, Role};

impl Network {
    /// Puts numbers in the place of class weights that are [`Balanced`], in every loss that has them: the weight of a
    /// class is items / (classes · items of the class), counted in `data`, as scikit-learn's `compute_class_weight` does
    /// it. [`Network::fit`] begins with this, so that saved networks have the numbers.
    ///
    /// [`Balanced`]: crate::losses::ClassWeights::Balanced
    ///
    /// ```
    /// use caudal::Tensor;
    /// use caudal::data::{Column, Dataset};
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::Dense;
    /// use caudal::losses::{ClassWeights, SoftmaxCrossEntropy};
    /// use caudal::optimizers::Sgd;
    /// use caudal::train::{Network, NetworkOptions};
    ///
    /// let mut net = GraphBuilder::new("rare");
    /// let (x, label) = (net.input("x", [1]), net.target("label", []));
    /// let logits = net.layer("logits", Dense::new(2), [&x]);
    /// let loss = SoftmaxCrossEntropy.class_weights(ClassWeights::Balanced);
    /// net.loss("loss", loss, [&logits, &label]);
    /// let mut network = Network::new(net.build()?, Sgd::default(), NetworkOptions::default())?;
    ///
    /// let column = |name, shape, values: &[f32]| {
    ///     Column::new(name, Tensor::from_shape_vec(shape, values.to_vec()).unwrap())
    /// };
    /// let x = column("x", vec![4, 1], &[0.1, 0.2, 0.3, 0.4]);
    /// let label = column("label", vec![4], &[0.0, 0.0, 0.0, 1.0]);
    /// network.balance_classes(&Dataset::new("rare", vec![x], vec![label])?)?;
    /// let attributes = network.graph().node("loss")?.role.attributes();
    /// assert_eq!(attributes["class_weights"].to_string(), "[0.6666666865348816, 2.0]");
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the data does not fit, or if a class has no item there.
    pub fn balance_classes(&mut self, data: &Dataset) -> Result<()> {
        let graph = Arc::clone(self.graph());
        let unbalanced = |id: &NodeId| matches!(&graph.nodes()[*id].role, Role::Loss { loss, .. } if loss.balances_classes());
        let losses: Vec<NodeId> = graph.losses().into_iter().filter(unbalanced).collect();
        if losses.is_empty() {
            return Ok(());
        }
        let columns = self.columns(Mode::Evaluation, data)?;
        let mut builder = graph.edit();
        for id in losses {
            let node = &graph.nodes()[id];
            let Role::Loss { loss, .. } = &node.role else { continue };
            let refuse = |problem: String| {
                let remedy = "give `class_weights` as a list of numbers";
                Error::node(&node.name, problem, remedy)
            };
            let [prediction, target] = [node.inputs[0], node.inputs[1]];
            let Some((_, column)) = columns.iter().find(|(id, _)| *id == target) else {
                let name = &graph.nodes()[target].name;
                return Err(refuse(format!(
                    "its `class_weights` are \"balanced\", but no data hold the classes: `{name}` is computed"
                )));
            };
            let shape = &graph.nodes()[prediction].shape;
            let indices = shape.len() != graph.nodes()[target].shape.len();
            let counts = counts(column, shape.last().copied().unwrap_or(1), indices)?;
            if let Some(class) = counts.iter().position(|&count| count <= 0.0) {
                return Err(refuse(format!(
                    "its `class_weights` are \"balanced\", but class {class} has no item in data set `{}`",
                    data.name()
                )));
            }
            let each = counts.iter().sum::<f64>() / counts.len() as f64;
            let weights = counts.iter().map(|count| (each / count) as f32).collect();
            let balanced = loss.with_class_weights(weights);
            let none = || refuse(format!("`{}` can have no class weights", loss.kind()));
            builder.set_loss(&node.name, balanced.ok_or_else(none)?)?;
        }
        self.replace_graph(Arc::new(builder.build()?));
        Ok(())
    }
}

/// How much of the data each class has: its rows, or its shares of them.
fn counts(column: &Column, classes: usize, indices: bool) -> Result<Vec<f64>> {
    let mut counts = vec![0.0; classes];
    let mut place = 0;
    column.visit(|value| {
        let (class, share) = if indices {
            (value as usize, 1.0)
        } else {
            (place % classes.max(1), f64::from(value))
        };
        if let Some(count) = counts.get_mut(class) {
            *count += share;
        }
        place += 1;
    })?;
    Ok(counts)
}
