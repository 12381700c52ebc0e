//! Recurrent operators, unrolled over their steps.
//!
//! Every step becomes the nodes that the blocks `lstm` and `gru` have, with the parameters of the step that is computed
//! first. Formulas are those of ONNX; of its arrays every gate gets its part.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::constant::{Constant, Dim};
use super::super::external::External;
use super::gate_weights::{Part, Weights};
use super::gates::{Function, functions};
use super::joining::stretch;
use crate::layers::{Add, Concat, Dense, Misfit, Multiply, Subtract};
use crate::tensor::describe_shape;

/// What is computed at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Lstm,
    Gru {
        /// Whether the state is multiplied by its weights before the reset, as in cuDNN.
        resets_product: bool,
    },
    Rnn,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru { .. } => 3,
            Self::Rnn => 1,
        }
    }

    /// The functions of one direction where the node names none.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Lstm => &["sigmoid", "tanh", "tanh"],
            Self::Gru { .. } => &["sigmoid", "tanh"],
            Self::Rnn => &["tanh"],
        }
    }

    /// The inputs of a state before the first step: the state, and the memory.
    fn states(self) -> &'static [usize] {
        if self == Self::Lstm { &[5, 6] } else { &[5] }
    }
}

pub(super) fn lstm(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    unrolled(call, Cell::Lstm)
}

pub(super) fn gru(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let resets_product = call.int("linear_before_reset", 0)? != 0;
    unrolled(call, Cell::Gru { resets_product })
}

pub(super) fn rnn(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    unrolled(call, Cell::Rnn)
}

/// One direction of a node.
struct Direction<'w> {
    cell: Cell,
    weights: &'w Weights,
    number: usize,
    functions: Vec<Function>,
    /// The dense nodes of the step that was computed first.
    owners: HashMap<(usize, Part), usize>,
}

impl Direction<'_> {
    /// The product of a gate, with the same parameters at every step.
    fn dense(
        &mut self,
        call: &mut Call<'_>,
        name: &str,
        gate: usize,
        (part, input): (Part, usize),
    ) -> Result<usize, Misfit> {
        if let Some(&owner) = self.owners.get(&(gate, part)) {
            let name = format!("{}.{name}", call.name);
            return Ok(call.network.add_sharing(&name, &[input], owner));
        }
        let weights = self.weights;
        let parameters = weights.dense(self.number, gate, part);
        let sources = [Some(&weights.of_input), Some(&weights.of_state), weights.bias.as_ref()];
        let sources: Vec<&Constant> = sources.into_iter().flatten().collect();
        let key = [usize::MAX, self.number, gate, part as usize];
        let layer = Dense::new(weights.units);
        let node = call
            .within(name, |call| call.add_weighted(layer, &[input], parameters, &sources, &key))?;
        self.owners.insert((gate, part), node);
        Ok(node)
    }

    /// The product of a gate, and a function of it.
    fn gate(
        &mut self,
        call: &mut Call<'_>,
        (name, shown): (&str, &str),
        gate: usize,
        function: usize,
        joined: usize,
    ) -> Result<usize, Misfit> {
        let product = self.dense(call, name, gate, (Part::Joined, joined))?;
        self.functions[function].of(call, shown, product)
    }

    /// The states after a step.
    fn step(
        &mut self,
        call: &mut Call<'_>,
        x: usize,
        states: &[usize],
    ) -> Result<Vec<usize>, Misfit> {
        let state = states[0];
        let joined = call.add_beside("joined", Concat::default(), &[x, state])?;
        match (self.cell, states) {
            (Cell::Lstm, &[_, memory]) => {
                let input = self.gate(call, ("input", "input.gate"), 0, 0, joined)?;
                let output = self.gate(call, ("output", "output.gate"), 1, 0, joined)?;
                let forget = self.gate(call, ("forget", "forget.gate"), 2, 0, joined)?;
                let candidate = self.gate(call, ("candidate", "candidate.tanh"), 3, 1, joined)?;
                let kept = call.add_beside("kept", Multiply, &[forget, memory])?;
                let added = call.add_beside("added", Multiply, &[input, candidate])?;
                let memory = call.add_beside("memory", Add, &[kept, added])?;
                let shown = self.functions[2].of(call, "memory.tanh", memory)?;
                let state = call.add_beside("state", Multiply, &[output, shown])?;
                Ok(vec![state, memory])
            }
            (Cell::Gru { resets_product }, _) => {
                let update = self.gate(call, ("update", "update.gate"), 0, 0, joined)?;
                let reset = self.gate(call, ("reset", "reset.gate"), 1, 0, joined)?;
                let sum = if resets_product {
                    let fresh = self.dense(call, "candidate", 2, (Part::Input, x))?;
                    let before = self.dense(call, "candidate.state", 2, (Part::State, state))?;
                    let before = call.add_beside("candidate.reset", Multiply, &[reset, before])?;
                    call.add_beside("candidate.sum", Add, &[fresh, before])?
                } else {
                    let before = call.add_beside("candidate.reset", Multiply, &[reset, state])?;
                    let inputs = [x, before];
                    let both = call.add_beside("candidate.joined", Concat::default(), &inputs)?;
                    self.dense(call, "candidate", 2, (Part::Joined, both))?
                };
                let candidate = self.functions[1].of(call, "candidate.tanh", sum)?;
                let change = call.add_beside("change", Subtract, &[state, candidate])?;
                let kept = call.add_beside("kept", Multiply, &[update, change])?;
                Ok(vec![call.add_beside("state", Add, &[candidate, kept])?])
            }
            _ => Ok(vec![self.gate(call, ("sum", "state"), 0, 0, joined)?]),
        }
    }
}

/// Refuses what no step has.
fn check_rest(call: &Call<'_>, cell: Cell, length: usize) -> Result<(), Misfit> {
    let refuse = |problem: &str, remedy: &str| Err(Misfit::new(problem, remedy));
    if call.is_given(4) {
        let lengths = match call.value(4)? {
            Value::Constant(lengths) => lengths.as_dims().unwrap_or_default(),
            Value::Activation(_) => Arc::default(),
        };
        let whole = Dim::Number(length as i64);
        if lengths.is_empty() || lengths.iter().any(|&it| it != whole) {
            let remedy =
                "export it without lengths, for sequences of one length; fill shorter ones up";
            return refuse("items have sequences of lengths of their own", remedy);
        }
    }
    let limit = call.float("clip", 0.0)?;
    if limit != 0.0 && limit < f32::MAX {
        return refuse("it clips what its functions take", "export it without clip");
    }
    if cell == Cell::Lstm && call.int("input_forget", 0)? != 0 {
        let problem = "its gates for input and forgetting are coupled";
        return refuse(problem, "export it without input_forget");
    }
    let has_peepholes = cell == Cell::Lstm
        && call.is_given(7)
        && call.constant_floats(7)?.iter().any(|&it| it != 0.0);
    if has_peepholes {
        return refuse("it has peepholes", "use an LSTM whose gates do not see the memory");
    }
    Ok(())
}

/// A state before the first step, of one direction.
fn first_state(
    call: &mut Call<'_>,
    input: usize,
    [direction, directions, units]: [usize; 3],
    (batch, like): (usize, usize),
) -> Result<usize, Misfit> {
    let unfit = |shape: &[usize]| {
        Misfit::new(
            format!("its input {input}, a first state, has the shape {}", describe_shape(shape)),
            format!("give it {directions} x batch x {units}, or one for all items"),
        )
    };
    let zeros = || Constant::floats([units], vec![0.0; units]);
    let constant = match call.inputs.get(input).cloned().flatten() {
        None => zeros(),
        Some(Value::Activation(value)) => {
            if value.shape() != [directions, units] || value.batch != batch {
                return Err(unfit(&value.shape()));
            }
            let part = stretch(call, &value, 0, [direction, 1])?;
            let node = call.laid_out(&part, &[0, 1])?;
            return call.reshape(node, &[units]);
        }
        Some(Value::Constant(constant)) => {
            let items = constant.shape.get(batch).copied().unwrap_or(0);
            let mut shape = vec![directions, units];
            shape.insert(batch, items);
            let floats = constant.as_floats().filter(|_| constant.shape == shape && items > 0);
            let floats = floats.ok_or_else(|| unfit(&constant.shape))?;
            let row = |item: usize| {
                let at = if batch == 0 {
                    item * directions + direction
                } else {
                    direction * items + item
                };
                &floats[at * units..(at + 1) * units]
            };
            if (1..items).any(|item| row(item) != row(0)) {
                let problem = "items of a batch have first states of their own";
                return Err(Misfit::new(problem, "make the states an input, or use one for all"));
            }
            let learned = constant.learned;
            Constant { learned, ..Constant::floats([units], row(0).to_vec()) }
        }
    };
    let start = call.constant_value(&constant, like)?;
    call.reshape(start.node, &[units])
}

/// The steps of a value, each a node of its own.
fn steps(call: &mut Call<'_>, value: &Activation) -> Result<Vec<usize>, Misfit> {
    let (shape, batch) = (value.shape(), value.batch);
    let features = shape[1];
    let whole = call.laid_out(value, &[0, 1])?;
    let value = Activation::plain(whole, &shape).with_batch(batch);
    let step = |time: usize| {
        let step = stretch(call, &value, 0, [time, 1])?;
        let node = call.laid_out(&step, &[0, 1])?;
        call.reshape(node, &[features])
    };
    (0..shape[0]).map(step).collect()
}

/// The numbers of all directions of one step or state in one row.
fn side_by_side(call: &mut Call<'_>, name: &str, nodes: &[usize]) -> Result<usize, Misfit> {
    match nodes {
        [single] => Ok(*single),
        several => call.add_beside(name, Concat::default(), several),
    }
}

fn unrolled(call: &mut Call<'_>, cell: Cell) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let batch = usize::from(call.int("layout", 0)? == 0);
    let (shape, order) = (value.shape(), ["batch x steps x features", "steps x batch x features"]);
    let &[length @ (1..), features] = &shape[..] else {
        let problem = format!("an item of its input has the shape {}", describe_shape(&shape));
        return Err(Misfit::new(problem, format!("give it {}", order[batch])));
    };
    if value.batch != batch {
        let problem = format!("the batch is axis {} of its input", value.batch);
        return Err(Misfit::new(problem, format!("give it {}", order[batch])));
    }
    check_rest(call, cell, length)?;
    let reversed: &[bool] = match call.text("direction", "forward")?.as_str() {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => {
            let problem = format!("its direction is `{other}`");
            return Err(Misfit::new(problem, "use forward, reverse or bidirectional"));
        }
    };
    let count = reversed.len();
    let weights = Weights::of(call, cell.gates(), count, features)?;
    let units = weights.units;
    let functions = functions(call, cell.functions(), count)?;
    call.network.unroll(length.saturating_mul(count))?;
    let inputs = steps(call, &value)?;
    let mut hidden = vec![Vec::new(); length];
    let mut last: Vec<Vec<usize>> = vec![Vec::new(); cell.states().len()];
    for (number, functions) in functions.into_iter().enumerate() {
        let mut direction =
            Direction { cell, weights: &weights, number, functions, owners: HashMap::new() };
        let mut states = Vec::new();
        for &input in cell.states() {
            let sizes = [number, count, units];
            let start = |call: &mut Call<'_>| first_state(call, input, sizes, (batch, inputs[0]));
            states.push(call.within("start", start)?);
        }
        for turn in 0..length {
            let time = if reversed[number] { length - 1 - turn } else { turn };
            let own = if count == 1 { "" } else { ["forward.", "reverse."][number] };
            let name = format!("{own}step{time}");
            states = call.within(&name, |call| direction.step(call, inputs[time], &states))?;
            hidden[time].push(states[0]);
        }
        for (last, state) in last.iter_mut().zip(states) {
            last.push(state);
        }
    }
    let mut rows = Vec::new();
    for (time, nodes) in hidden.iter().enumerate() {
        let row = side_by_side(call, &format!("step{time}"), nodes)?;
        rows.push(call.reshape(row, &[1, count * units])?);
    }
    let all = call.network.stack(&call.name, rows)?;
    let all = Activation::plain(all, &[length, count, units]).with_batch(2 * batch);
    let mut outputs = vec![all.into()];
    for (name, nodes) in ["state", "memory"].into_iter().zip(&last) {
        let node = side_by_side(call, name, nodes)?;
        outputs.push(Activation::plain(node, &[count, units]).with_batch(batch).into());
    }
    Ok(outputs)
}
