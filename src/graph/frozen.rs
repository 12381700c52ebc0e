//! Layers that keep their weights, by pattern.

use super::Graph;
use crate::error::{Error, Result};
use crate::patterns;

impl Graph {
    /// This graph with `trainable = false` at all layers whose names fit one of the patterns, in which `*` stands for
    /// any characters and `?` for one: `encoder/*` fits the layers of block `encoder`. What layers share stays with
    /// the one that owns it.
    ///
    /// ```
    /// use caudal::model::Model;
    ///
    /// let graph = Model::open(Some("article-dag"))?.graph;
    /// let first = graph.nodes()[graph.parameters()[0].node].name.clone();
    /// let frozen = graph.with_frozen(&[&first])?;
    /// assert!(!frozen.parameters()[0].trainable);
    /// assert!(frozen.parameters().last().unwrap().trainable);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a pattern fits no layer that owns parameters.
    pub fn with_frozen(&self, wanted: &[impl AsRef<str>]) -> Result<Self> {
        let owners: Vec<&str> = (0..self.nodes.len())
            .filter(|&id| !self.nodes[id].parameters.is_empty() && self.shares(id).is_none())
            .map(|id| self.nodes[id].name.as_str())
            .collect();
        let mut builder = self.edit();
        for pattern in wanted.iter().map(AsRef::as_ref) {
            let mut fitting =
                owners.iter().filter(|name| patterns::matches(pattern, name)).peekable();
            if fitting.peek().is_none() {
                return Err(Error::Training {
                    problem: format!(
                        "the pattern `{}` fits no layer with parameters of its own",
                        pattern.escape_debug()
                    ),
                    remedy: patterns::suggest(pattern, owners.iter().copied()),
                });
            }
            for name in fitting {
                builder.trainable(name, false);
            }
        }
        builder.build()
    }
}
