//! Losses and metrics for a network that has none.

use std::collections::HashMap;

use super::Model;
use crate::error::{Error, Result, escaped};
use crate::graph::{GraphBuilder, NodeId};
use crate::losses;
use crate::metrics;
use crate::tensor::{Shape, describe_shape};

/// What is measured: a kind, of one output or of all.
struct Wanted<'w> {
    output: NodeId,
    kind: &'w str,
}

impl Model {
    /// The same model with losses and metrics, and with the targets that they compare outputs with: a frozen network, or
    /// one of another program, can then be trained on. Each is a kind, for every output, or `OUTPUT=KIND`.
    ///
    /// A target is called `target`, a loss `loss` and a metric as its kind; where there are several outputs, `OUTPUT.target`
    /// and so on. A loss that takes what softmax is made of compares that where the output is a softmax.
    ///
    /// ```
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::Dense;
    /// use caudal::model::{Model, TrainingConfig};
    ///
    /// let mut net = GraphBuilder::new("scores");
    /// let x = net.input("x", [4]);
    /// let scores = net.layer("scores", Dense::new(3), [&x]);
    /// net.output(&scores);
    /// let model = Model::new(net.build()?, TrainingConfig::default());
    /// let model = model.with_losses(&["softmax_cross_entropy"], &["accuracy"])?;
    /// assert_eq!(model.graph.node("target")?.shape, [0_usize; 0]);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the network has a loss, and for kinds and outputs that do not exist or do not fit.
    pub fn with_losses(
        &self,
        losses: &[impl AsRef<str>],
        metrics: &[impl AsRef<str>],
    ) -> Result<Self> {
        let graph = &self.graph;
        if !graph.losses().is_empty() {
            return Err(Error::Graph {
                graph: graph.name().to_owned(),
                problem: "it has a loss, beside which none was to be put".to_owned(),
                remedy: "leave the loss and the metrics out, or change them in its model file"
                    .to_owned(),
            });
        }
        let mut net = graph.edit();
        let mut targets = HashMap::new();
        for Wanted { output, kind } in self.wanted(losses)? {
            let loss = (losses::find(kind)?.parse)(toml::Table::new())
                .map_err(|problem| refuse(self, kind, &problem))?;
            let node = &graph.nodes()[output];
            let before = || &graph.nodes()[node.inputs[0]];
            let takes_scores = kind.starts_with("softmax_") && node.role.kind() == "softmax";
            let prediction = if takes_scores { before() } else { node };
            let check = |target: &[usize]| loss.check(&[&prediction.shape, target]);
            let target = self.target(&mut net, &mut targets, output, kind, &check)?;
            let name = self.name(output, "loss");
            net.shared_loss(name, loss.clone(), None, [prediction.name.as_str(), &target]);
        }
        for Wanted { output, kind } in self.wanted(metrics)? {
            let metric = (metrics::find(kind)?.parse)(toml::Table::new())
                .map_err(|problem| refuse(self, kind, &problem))?;
            let node = &graph.nodes()[output];
            let check = |target: &[usize]| metric.check(&[&node.shape, target]);
            let target = self.target(&mut net, &mut targets, output, kind, &check)?;
            let name = self.name(output, kind);
            net.shared_metric(name, metric.clone(), [node.name.as_str(), &target]);
        }
        let graph = std::sync::Arc::new(net.build()?);
        Ok(Self { graph, ..self.clone() })
    }

    /// The outputs and kinds of what is measured.
    fn wanted<'w>(&self, list: &'w [impl AsRef<str>]) -> Result<Vec<Wanted<'w>>> {
        let outputs = self.graph.outputs();
        let mut wanted = Vec::new();
        for text in list.iter().map(AsRef::as_ref) {
            // Names of nodes may hold `=`, kinds do not.
            match text.rsplit_once('=') {
                None => wanted.extend(outputs.iter().map(|&output| Wanted { output, kind: text })),
                Some((name, kind)) => {
                    let named = |&id: &NodeId| self.graph.nodes()[id].name == name;
                    let output = outputs.iter().copied().find(named).ok_or_else(|| {
                        let names = outputs.iter().map(|&id| self.graph.nodes()[id].name.as_str());
                        Error::unknown("output", name, names)
                    })?;
                    wanted.push(Wanted { output, kind });
                }
            }
        }
        Ok(wanted)
    }

    /// What a node beside an output is called.
    fn name(&self, output: NodeId, word: &str) -> String {
        match self.graph.outputs() {
            [_] if self.graph.node(word).is_err() => word.to_owned(),
            _ => format!("{}.{word}", self.graph.nodes()[output].name),
        }
    }

    /// The target of an output, which is made where there is none yet.
    fn target(
        &self,
        net: &mut GraphBuilder,
        targets: &mut HashMap<NodeId, (String, Shape)>,
        output: NodeId,
        kind: &str,
        check: &dyn Fn(&[usize]) -> Result<(), crate::layers::Misfit>,
    ) -> Result<String> {
        let shape = &self.graph.nodes()[output].shape;
        if let Some((name, _)) = targets.get(&output).filter(|(_, target)| check(target).is_ok()) {
            return Ok(name.clone());
        }
        let without_classes = shape[..shape.len().saturating_sub(1)].to_vec();
        let fits = [without_classes, shape.clone()].into_iter().find(|it| check(it).is_ok());
        let Some(target) = fits else {
            let problem = format!("it does not fit an output of {}", describe_shape(shape));
            return Err(refuse(self, kind, &problem));
        };
        let word = if targets.contains_key(&output) {
            format!("{kind}.target")
        } else {
            "target".to_owned()
        };
        let name = self.name(output, &word);
        net.target(&name, target.clone());
        targets.entry(output).or_insert((name.clone(), target));
        Ok(name)
    }
}

fn refuse(model: &Model, kind: &str, problem: &str) -> Error {
    Error::Graph {
        graph: model.graph.name().to_owned(),
        problem: format!("`{}`: {problem}", escaped(kind)),
        remedy: "name another kind, or the output that it is for, as in OUTPUT=KIND; `caudal losses` and `caudal \
                 metrics` list the kinds, and a model file gives them attributes"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::GraphBuilder;
    use crate::layers::{Dense, Softmax};
    use crate::model::{Model, TrainingConfig};

    fn model() -> Model {
        let mut net = GraphBuilder::new("two");
        let x = net.input("x", [4]);
        let scores = net.layer("scores", Dense::new(3), [&x]);
        let shares = net.layer("shares", Softmax, [&scores]);
        let price = net.layer("price", Dense::new(2), [&x]);
        net.output(&shares).output(&price);
        Model::new(net.build().unwrap(), TrainingConfig::default())
    }

    #[test]
    fn outputs_get_losses_of_their_own() {
        let losses = ["shares=softmax_cross_entropy", "price=mean_squared_error"];
        let measured = model().with_losses(&losses, &["shares=accuracy", "price=mae"]).unwrap();
        let graph = &measured.graph;
        let inputs = |name: &str| {
            let node = graph.node(name).unwrap();
            let names = node.inputs.iter().map(|&id| graph.nodes()[id].name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(inputs("shares.loss"), ["scores", "shares.target"]);
        assert_eq!(inputs("shares.accuracy"), ["shares", "shares.target"]);
        assert_eq!(inputs("price.loss"), ["price", "price.target"]);
        assert_eq!(graph.node("price.target").unwrap().shape, [2]);
        assert_eq!(graph.outputs().len(), 2);
        assert!(measured.with_losses(&losses, &[""; 0]).is_err(), "it has losses now");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (loss, expected) in [
            ("nonsense", "nonsense"),
            ("prices=huber", "did you mean `price`"),
            ("price=binary", "binary"),
        ] {
            let error = model().with_losses(&[loss], &[""; 0]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
