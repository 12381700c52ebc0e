//! Parameters of graphs: their first values, and copies in and out.

use super::memory::check_parameters;
use crate::context::{Entry, Hold, Matrix, Parameters, read, write};
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::initializers::{self, Fans};
use crate::kernels::{self, Buffer, Slabs};
use crate::layers::Layout;
use crate::optimizers::Optimizer;
use crate::tensor::{Tensor, describe_shape};

impl Parameters {
    /// First values for every parameter of `graph`, from its initializer and `seed`, and zeros for
    /// the optimizer's state, which statistics and frozen parameters do not have.
    ///
    /// # Errors
    /// If memory does not hold them.
    pub fn initialize(graph: &Graph, optimizer: &dyn Optimizer, seed: u64) -> Result<Self> {
        check_parameters(graph, optimizer)?;
        let mut slabs = Slabs::default();
        let entries = graph.parameters().iter().map(|parameter| {
            let spec = &parameter.spec;
            let mut values = vec![0.0; spec.count()];
            let fans = Fans { fan_in: spec.fan_in, fan_out: spec.fan_out };
            let mut random = initializers::stream(seed, &parameter.name);
            spec.initializer.fill(fans, &mut random, &mut values);
            let mut weights = slabs.zeroed(spec.floats());
            to_memory(parameter, &values, weights.as_mut_slice());
            let state =
                parameter.state(optimizer).iter().map(|_| slabs.zeroed(spec.floats())).collect();
            // An average begins with the weights.
            let average = parameter.is_averaged(optimizer).then(|| {
                let mut average = slabs.zeroed(spec.floats());
                to_memory(parameter, &values, average.as_mut_slice());
                average
            });
            Entry { weights, state, average, matrix: matrix(parameter) }
        });
        Ok(Self::of(entries.collect()))
    }

    /// Whether these are parameters of `graph`, with what `optimizer` keeps for each if there is one.
    ///
    /// # Errors
    /// With the first parameter that is not.
    pub(super) fn check(&self, graph: &Graph, optimizer: Option<&dyn Optimizer>) -> Result<()> {
        let expected = graph.parameters();
        let refuse = |parameter: String, problem: String| Error::Parameter {
            parameter,
            problem,
            remedy: "initialize parameters for the graph and the optimizer of the plan".to_owned(),
        };
        if expected.len() != self.entries.len() {
            let problem = format!(
                "its graph has {} parameters, but these are {}",
                expected.len(),
                self.entries.len()
            );
            return Err(refuse(graph.name().to_owned(), problem));
        }
        for (parameter, entry) in expected.iter().zip(&self.entries) {
            let (floats, found) = (parameter.spec.floats(), entry.weights.len());
            if floats != found {
                let problem = format!("it takes {floats} numbers in memory, but these are {found}");
                return Err(refuse(parameter.name.clone(), problem));
            }
            let arrays = optimizer.map_or(0, |it| parameter.state(it).len());
            let averaged = optimizer.is_some_and(|it| parameter.is_averaged(it));
            if averaged && entry.average.is_none() {
                let problem = "its optimizer averages it, but there is no average".to_owned();
                return Err(refuse(parameter.name.clone(), problem));
            }
            let whole = entry.state.iter().all(|array| array.len() == floats);
            if entry.state.len() < arrays || !whole {
                let problem = format!(
                    "its optimizer keeps {arrays} arrays of {floats} numbers for it, but there are {}",
                    entry.state.len()
                );
                return Err(refuse(parameter.name.clone(), problem));
            }
        }
        Ok(())
    }

    /// The weights of parameter number `index`, row-major.
    pub(crate) fn weights(&self, graph: &Graph, index: usize) -> Tensor {
        let hold = self.hold(false);
        from_memory(&graph.parameters()[index], read(&self.entries[index].weights, &hold))
    }

    /// What `look` makes of the weights of parameter number `index` as they lie in memory.
    pub(super) fn with_memory<T>(&self, index: usize, look: impl FnOnce(&[f32]) -> T) -> T {
        look(read(&self.entries[index].weights, &self.hold(false)))
    }

    /// Array number `state` that the optimizer keeps for parameter number `index`, row-major.
    pub(crate) fn state(&self, graph: &Graph, index: usize, state: usize) -> Tensor {
        let hold = self.hold(false);
        from_memory(&graph.parameters()[index], read(&self.entries[index].state[state], &hold))
    }

    /// Replaces the weights of parameter number `index`, and their average.
    pub(crate) fn set_weights(&self, graph: &Graph, index: usize, values: &Tensor) -> Result<()> {
        let (parameter, entry) = (&graph.parameters()[index], &self.entries[index]);
        let mut hold = self.hold(true);
        set(parameter, values, &entry.weights, &mut hold)?;
        entry.average.as_ref().map_or(Ok(()), |it| set(parameter, values, it, &mut hold))
    }

    /// The average of the weights of parameter number `index`, row-major, if there is one.
    pub(crate) fn average(&self, graph: &Graph, index: usize) -> Option<Tensor> {
        let hold = self.hold(false);
        let average = self.entries[index].average.as_ref()?;
        Some(from_memory(&graph.parameters()[index], read(average, &hold)))
    }

    /// Replaces the average of the weights of parameter number `index`, if there is one.
    pub(crate) fn set_average(&self, graph: &Graph, index: usize, values: &Tensor) -> Result<()> {
        let (parameter, mut hold) = (&graph.parameters()[index], self.hold(true));
        let average = self.entries[index].average.as_ref();
        average.map_or(Ok(()), |it| set(parameter, values, it, &mut hold))
    }

    /// Replaces an array that the optimizer keeps for parameter number `index`.
    pub(crate) fn set_state(
        &self,
        graph: &Graph,
        index: usize,
        state: usize,
        values: &Tensor,
    ) -> Result<()> {
        let buffer = &self.entries[index].state[state];
        set(&graph.parameters()[index], values, buffer, &mut self.hold(true))
    }
}

fn set(parameter: &Parameter, values: &Tensor, buffer: &Buffer, hold: &mut Hold<'_>) -> Result<()> {
    if values.shape() != parameter.spec.shape {
        return Err(Error::Parameter {
            parameter: parameter.name.clone(),
            problem: format!(
                "its shape is {}, but the values have {}",
                describe_shape(&parameter.spec.shape),
                describe_shape(values.shape())
            ),
            remedy: "give it values of its own shape".to_owned(),
        });
    }
    let values = values.as_standard_layout();
    // A tensor in standard layout is one slice.
    to_memory(parameter, values.as_slice().unwrap_or(&[]), write(buffer, hold));
    Ok(())
}

fn to_memory(parameter: &Parameter, values: &[f32], memory: &mut [f32]) {
    let (rows, columns) = parameter.spec.matrix();
    match parameter.spec.layout {
        Layout::Plain => memory[..values.len()].copy_from_slice(values),
        Layout::Panels { groups } => {
            let columns = columns / groups;
            let mut of_group = vec![0.0; rows * columns];
            let memory = memory.chunks_mut(kernels::panel_len(rows, columns).max(1));
            for (group, memory) in memory.enumerate().take(groups) {
                for (row, to) in of_group.chunks_mut(columns.max(1)).enumerate() {
                    to.copy_from_slice(&values[(row * groups + group) * columns..][..columns]);
                }
                kernels::to_panels(&of_group, rows, columns, memory);
            }
        }
    }
}

/// A parameter's numbers, from its layout in memory to a row-major tensor.
pub(super) fn from_memory(parameter: &Parameter, memory: &[f32]) -> Tensor {
    let (rows, columns) = parameter.spec.matrix();
    let mut values = vec![0.0; parameter.spec.count()];
    match parameter.spec.layout {
        Layout::Plain => values.copy_from_slice(&memory[..parameter.spec.count()]),
        Layout::Panels { groups } => {
            let columns = columns / groups;
            let mut of_group = vec![0.0; rows * columns];
            for group in 0..groups {
                let memory = kernels::panels_of_group(memory, rows, columns, group);
                kernels::from_panels(memory, rows, columns, &mut of_group);
                for (row, from) in of_group.chunks(columns.max(1)).enumerate() {
                    values[(row * groups + group) * columns..][..columns].copy_from_slice(from);
                }
            }
        }
    }
    let shape = ndarray::IxDyn(&parameter.spec.shape);
    Tensor::from_shape_vec(shape, values).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A parameter as a matrix, or one group of its columns if there are several.
fn matrix(parameter: &Parameter) -> Matrix {
    let (rows, cols) = parameter.spec.matrix();
    match parameter.spec.layout {
        Layout::Plain => Matrix { rows, cols },
        Layout::Panels { groups } => Matrix { rows, cols: cols / groups },
    }
}
