//! Kinds that a program adds to those of the tables.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::{OPTIMIZERS, Optimizer};

/// Reads the attributes of a model file.
type Parse<T> = Arc<dyn Fn(toml::Table) -> Result<Arc<T>, String> + Send + Sync>;

/// Layers, losses, metrics and optimizers of a program's own, by their kinds, so that model files and
/// saved networks can hold them: whoever writes or reads such a file says with these what the kinds
/// mean. A file never names code by itself.
///
/// Each kind is registered with the function that makes one from the attributes in the file, which are
/// those that its `attributes` method gave.
///
/// ```
/// use std::sync::Arc;
///
/// use caudal::graph::GraphBuilder;
/// use caudal::layers::{Custom, Layer, no_attributes};
/// use caudal::model::{CustomKinds, Model, TrainingConfig};
///
/// /// The absolute value.
/// fn absolute() -> Custom {
///     Custom::new("absolute", |context, mut output| {
///         let input = context.input(0);
///         for row in 0..output.rows() {
///             let numbers = output.row_mut(row).iter_mut().zip(input.row(row));
///             numbers.for_each(|(y, x)| *y = x.abs());
///         }
///         Ok(())
///     })
/// }
///
/// let mut net = GraphBuilder::new("own");
/// let x = net.input("x", [4]);
/// let size = net.layer("size", absolute(), [&x]);
/// net.output(&size);
/// let model = Model::new(net.build()?, TrainingConfig::default());
/// let refused = model.to_toml().unwrap_err().to_string();
/// assert!(refused.contains("node `size`") && refused.contains("`absolute`"));
///
/// let kinds = CustomKinds::new().layer("absolute", |attributes| {
///     no_attributes(&attributes)?;
///     Ok(Arc::new(absolute()) as Arc<dyn Layer>)
/// })?;
/// let text = model.to_toml_with(&kinds)?;
/// let again = Model::from_toml_with(&text, "own.toml", &kinds)?;
/// assert_eq!(again.graph.node("size")?.role.kind(), "absolute");
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct CustomKinds {
    pub(super) layers: BTreeMap<String, Parse<dyn Layer>>,
    pub(super) losses: BTreeMap<String, Parse<dyn Loss>>,
    pub(super) metrics: BTreeMap<String, Parse<dyn Metric>>,
    pub(super) optimizers: BTreeMap<String, Parse<dyn Optimizer>>,
}

impl fmt::Debug for CustomKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomKinds")
            .field("nodes", &self.nodes().collect::<Vec<_>>())
            .field("optimizers", &self.optimizers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl CustomKinds {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of layer.
    ///
    /// # Errors
    /// If there is a node of that kind already.
    pub fn layer(
        mut self,
        kind: impl Into<String>,
        parse: impl Fn(toml::Table) -> Result<Arc<dyn Layer>, String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let kind = self.new_node(kind.into())?;
        self.layers.insert(kind, Arc::new(parse));
        Ok(self)
    }

    /// Adds a kind of loss.
    ///
    /// # Errors
    /// If there is a node of that kind already.
    pub fn loss(
        mut self,
        kind: impl Into<String>,
        parse: impl Fn(toml::Table) -> Result<Arc<dyn Loss>, String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let kind = self.new_node(kind.into())?;
        self.losses.insert(kind, Arc::new(parse));
        Ok(self)
    }

    /// Adds a kind of metric.
    ///
    /// # Errors
    /// If there is a node of that kind already.
    pub fn metric(
        mut self,
        kind: impl Into<String>,
        parse: impl Fn(toml::Table) -> Result<Arc<dyn Metric>, String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let kind = self.new_node(kind.into())?;
        self.metrics.insert(kind, Arc::new(parse));
        Ok(self)
    }

    /// Adds a kind of optimizer.
    ///
    /// # Errors
    /// If there is an optimizer of that kind already.
    pub fn optimizer(
        mut self,
        kind: impl Into<String>,
        parse: impl Fn(toml::Table) -> Result<Arc<dyn Optimizer>, String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let kind = kind.into();
        let built_in = OPTIMIZERS.iter().any(|spec| spec.kind == kind);
        if built_in || self.optimizers.contains_key(&kind) {
            return Err(taken("optimizer", &kind));
        }
        self.optimizers.insert(kind, Arc::new(parse));
        Ok(self)
    }

    /// The kinds of nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &str> {
        let losses = self.losses.keys();
        self.layers.keys().chain(losses).chain(self.metrics.keys()).map(String::as_str)
    }

    fn new_node(&self, kind: String) -> Result<String> {
        let built_in = super::kinds::built_in().any(|known| known == kind);
        if built_in || self.nodes().any(|known| known == kind) {
            return Err(taken("node", &kind));
        }
        Ok(kind)
    }
}

fn taken(what: &str, kind: &str) -> Error {
    Error::Model {
        origin: "custom kinds".to_owned(),
        problem: format!("there is a kind of {what} called `{kind}` already"),
        remedy: "give your own another name".to_owned(),
    }
}
