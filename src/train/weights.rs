//! Weights and the optimizer's state by name.

use sha2::{Digest, Sha256};

use super::network::Network;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Network {
    /// The weights called `name`, such as `logits.weight`, row-major.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub fn weights(&self, name: &str) -> Result<Tensor> {
        Ok(self.parameters().weights(self.graph(), self.parameter(name)?))
    }

    /// Replaces the weights called `name`, and their average where there is one.
    ///
    /// # Errors
    /// If there is no such parameter, or if it has another shape.
    pub fn set_weights(&mut self, name: &str, values: &Tensor) -> Result<()> {
        self.note_change();
        self.parameters().set_weights(self.graph(), self.parameter(name)?, values)
    }

    /// The exponential moving average of the weights called `name`, row-major, which evaluation and prediction use;
    /// the weights themselves where training keeps none ([`Optimizer::ema_decay`]).
    ///
    /// [`Optimizer::ema_decay`]: crate::optimizers::Optimizer::ema_decay
    ///
    /// # Errors
    /// If there is no such parameter.
    pub fn averaged_weights(&self, name: &str) -> Result<Tensor> {
        let index = self.parameter(name)?;
        let average = self.parameters().average(self.graph(), index);
        Ok(average.unwrap_or_else(|| self.parameters().weights(self.graph(), index)))
    }

    /// Array number `state` of [`Optimizer::state`](crate::optimizers::Optimizer::state) for the parameter called `name`.
    ///
    /// # Errors
    /// If there is no such parameter or array. Statistics and parameters that are not trained have none.
    pub fn optimizer_state(&self, name: &str, state: &str) -> Result<Tensor> {
        let parameter = self.parameter(name)?;
        let state = self.state_array(parameter, state)?;
        Ok(self.parameters().state(self.graph(), parameter, state))
    }

    /// Replaces an array of the optimizer's state.
    ///
    /// # Errors
    /// If there is no such parameter or array, or if it has another shape.
    pub fn set_optimizer_state(&mut self, name: &str, state: &str, values: &Tensor) -> Result<()> {
        self.note_change();
        let parameter = self.parameter(name)?;
        let state = self.state_array(parameter, state)?;
        self.parameters().set_state(self.graph(), parameter, state, values)
    }

    /// SHA-256 over all weights in the order of their names, as little-endian 32-bit floats, in
    /// hexadecimal.
    pub fn weights_sha256(&self) -> String {
        let mut order: Vec<usize> = (0..self.graph().parameters().len()).collect();
        order.sort_by(|&a, &b| {
            let parameters = self.graph().parameters();
            parameters[a].name.cmp(&parameters[b].name)
        });
        let mut hash = Sha256::new();
        for index in order {
            for value in self.parameters().weights(self.graph(), index) {
                hash.update(value.to_le_bytes());
            }
        }
        hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn parameter(&self, name: &str) -> Result<usize> {
        let parameters = self.graph().parameters();
        // A parameter has the name of its node before its own.
        let places = name.rmatch_indices('.').map(|(place, _)| &name[..place]);
        let nodes = places.filter_map(|node| self.graph().by_name.get(node));
        let mut own = nodes.flat_map(|&node| &self.graph().nodes[node].parameters);
        own.find(|&&index| parameters[index].name == name).copied().ok_or_else(|| {
            if let Some(own) = self.name_at_owner(name) {
                return Error::Parameter {
                    parameter: name.to_owned(),
                    problem: "its node shares the parameters of another".to_owned(),
                    remedy: format!("ask for `{own}`"),
                };
            }
            let known = parameters.iter().map(|parameter| parameter.name.as_str());
            Error::unknown("parameter", name, known)
        })
    }

    /// What a shared parameter is called, given the name that it would have at one of the other nodes.
    fn name_at_owner(&self, name: &str) -> Option<&str> {
        let (node, last) = name.rsplit_once('.')?;
        let node = self.graph().node(node).ok()?;
        let mut used = node.parameters.iter().map(|&index| &self.graph().parameters()[index]);
        used.find(|parameter| parameter.spec.name == last).map(|parameter| parameter.name.as_str())
    }

    fn state_array(&self, parameter: usize, name: &str) -> Result<usize> {
        let known = self.graph().parameters()[parameter].state(self.optimizer().as_ref());
        let unknown = || Error::unknown("optimizer state", name, known.iter().copied());
        known.iter().position(|&state| state == name).ok_or_else(unknown)
    }
}
