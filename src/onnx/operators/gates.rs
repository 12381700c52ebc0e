//! The functions that the gates of recurrent operators have.

use super::super::activation::Activation;
use super::super::call::Call;
use super::activations::hard;
use crate::layers::{Elu, LeakyRelu, Misfit, Relu, Scale, Sigmoid, Softplus, Tanh};

/// A function of every number by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Sigmoid,
    Tanh,
    Relu,
    Softplus,
    Elu(f32),
    LeakyRelu(f32),
    /// `clip(alpha * x + beta, 0, 1)`.
    HardSigmoid(f32, f32),
    /// `alpha * tanh(beta * x)`.
    ScaledTanh(f32, f32),
}

impl Function {
    /// A node that gives the function of another, called so.
    pub(super) fn of(self, call: &mut Call<'_>, name: &str, node: usize) -> Result<usize, Misfit> {
        match self {
            Self::Sigmoid => call.add_beside(name, Sigmoid, &[node]),
            Self::Tanh => call.add_beside(name, Tanh, &[node]),
            Self::Relu => call.add_beside(name, Relu, &[node]),
            Self::Softplus => call.add_beside(name, Softplus, &[node]),
            Self::Elu(alpha) => call.add_beside(name, Elu::new(alpha), &[node]),
            Self::LeakyRelu(slope) => call.add_beside(name, LeakyRelu::new(slope), &[node]),
            Self::HardSigmoid(alpha, beta) => {
                let shape = call.network.drafts[node].shape.clone();
                let value = Activation::plain(node, &shape);
                Ok(call.within(name, |call| hard(call, &value, alpha, beta))?.node)
            }
            Self::ScaledTanh(alpha, beta) => call.within(name, |call| {
                let inner = call.add_beside("scaled", Scale::new(beta), &[node])?;
                let tanh = call.add_beside("tanh", Tanh, &[inner])?;
                call.add(Scale::new(alpha), &[tanh])
            }),
        }
    }
}

/// The functions of every direction: those that the node names, or else the given ones.
pub(super) fn functions(
    call: &Call<'_>,
    defaults: &[&str],
    directions: usize,
) -> Result<Vec<Vec<Function>>, Misfit> {
    let mut names = call.words("activations")?;
    if names.is_empty() {
        names = defaults.repeat(directions).into_iter().map(str::to_owned).collect();
    }
    if names.len() != defaults.len() * directions {
        let problem = format!("it names {} functions for {directions} direction(s)", names.len());
        return Err(Misfit::new(problem, format!("name {} a direction", defaults.len())));
    }
    // Those that take numbers have the first ones that are left over.
    let mut alphas = call.floats("activation_alpha").unwrap_or_default().into_iter();
    let mut betas = call.floats("activation_beta").unwrap_or_default().into_iter();
    let mut all = Vec::new();
    for name in &names {
        let mut alpha = |default| alphas.next().unwrap_or(default);
        let mut beta = |default| betas.next().unwrap_or(default);
        all.push(match name.as_str() {
            "sigmoid" => Function::Sigmoid,
            "tanh" => Function::Tanh,
            "relu" => Function::Relu,
            "softplus" => Function::Softplus,
            "elu" => Function::Elu(alpha(1.0)),
            "leakyrelu" => Function::LeakyRelu(alpha(0.01)),
            "hardsigmoid" => Function::HardSigmoid(alpha(0.2), beta(0.5)),
            "scaledtanh" => Function::ScaledTanh(alpha(1.0), beta(1.0)),
            other => {
                let problem =
                    format!("its gates have the function `{}`", crate::error::escaped(other));
                return Err(Misfit::new(
                    problem,
                    "use sigmoid, tanh, relu, softplus, elu, leakyrelu, hardsigmoid or scaledtanh",
                ));
            }
        });
    }
    Ok(all.chunks(defaults.len()).map(<[Function]>::to_vec).collect())
}
