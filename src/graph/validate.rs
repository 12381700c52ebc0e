//! From drafts to a graph: every rule that a network must keep.

use std::collections::HashMap;

use super::builder::{Draft, DraftRole};
use super::{Graph, Node, NodeId, Parameter, sharing, training_settings};
use crate::context::{Numerics, Signature};
use crate::error::{Error, Result, count, is_unprintable};
use crate::flow::topological::topological_order;
use crate::layers::{Arity, Misfit, ParameterSpec};
use crate::names::nearest;
use crate::tensor::{Shape, describe_shape};

/// Items larger than this many numbers are refused: they are mistakes, and products of such sizes
/// overflow.
const LARGEST_ITEM: usize = 1 << 40;

pub(super) fn validate(name: String, drafts: Vec<Draft>, outputs: &[String]) -> Result<Graph> {
    let graph_error = |problem: &str, remedy: &str| Error::Graph {
        graph: name.clone(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    let by_name = index_names(&drafts)?;
    let inputs = resolve_inputs(&drafts, &by_name)?;
    let order = in_order(&drafts, &inputs)?;
    if !drafts.iter().any(|draft| matches!(draft.role, DraftRole::Input(_))) {
        return Err(graph_error("it has no input node", "add one with its shape"));
    }
    let consumers = consumers_of(&inputs);

    let losses = drafts.iter().filter(|d| matches!(d.role, DraftRole::Loss(..))).count();
    let mut shapes: Vec<Shape> = vec![Vec::new(); drafts.len()];
    let mut specs: Vec<Vec<ParameterSpec>> = vec![Vec::new(); drafts.len()];
    for &id in &order {
        let input_shapes: Vec<&[usize]> =
            inputs[id].iter().map(|&input| shapes[input].as_slice()).collect();
        let (shape, parameters) = infer(&drafts, id, &inputs[id], &input_shapes)?;
        shapes[id] = shape;
        specs[id] = parameters;
    }
    let owners = sharing::owners(&drafts, &by_name, &specs)?;
    let outputs = resolve_outputs(&drafts, &inputs, &by_name, outputs)?;
    if outputs.is_empty() {
        return Err(graph_error(
            "it has no output",
            "declare an output node, or add a loss, whose prediction is an output",
        ));
    }
    refuse_targets(&drafts, &inputs, &outputs)?;
    require_purpose(&drafts, &inputs, &outputs)?;

    let mut parameters = Vec::new();
    let mut of_node: Vec<Vec<usize>> = vec![Vec::new(); drafts.len()];
    for (id, draft) in drafts.iter().enumerate().filter(|(id, _)| owners[*id] == *id) {
        for spec in std::mem::take(&mut specs[id]) {
            of_node[id].push(parameters.len());
            parameters.push(Parameter {
                name: format!("{}.{}", draft.name, spec.name),
                node: id,
                spec,
                trainable: true,
                learning_rate_factor: 1.0,
                regularizer: None,
            });
        }
    }
    training_settings::settle(&drafts, &owners, &of_node, &mut parameters)?;
    // Sharers have the settings of the owner, so that they keep them where the owner is left out.
    let said: Vec<training_settings::TrainingSettings> =
        drafts.iter().map(training_settings::said).collect();
    let mut nodes = Vec::with_capacity(drafts.len());
    for (id, draft) in drafts.into_iter().enumerate() {
        nodes.push(Node {
            signature: Signature {
                name: draft.name,
                inputs: inputs[id].clone(),
                shape: std::mem::take(&mut shapes[id]),
                parameters: of_node[owners[id]].clone(),
            },
            role: draft.role.into_role(1.0 / losses.max(1) as f32),
            settings: said[owners[id]].clone(),
        });
    }
    let by_name = by_name.into_iter().map(|(name, id)| (name.clone(), id)).collect();
    let numerics = Numerics::default();
    Ok(Graph { name, numerics, nodes, parameters, order, consumers, outputs, by_name })
}

fn index_names(drafts: &[Draft]) -> Result<HashMap<String, NodeId>> {
    let mut by_name = HashMap::with_capacity(drafts.len());
    for (id, draft) in drafts.iter().enumerate() {
        if draft.name.is_empty() || draft.name.chars().any(is_unprintable) {
            return Err(Error::node(
                draft.name.escape_debug().to_string(),
                format!("the name of node number {} is empty or not printable", id + 1),
                "give it a printable name",
            ));
        }
        if let Some(earlier) = by_name.insert(draft.name.clone(), id) {
            return Err(Error::node(
                &draft.name,
                format!("the name is taken twice, by nodes number {} and {}", earlier + 1, id + 1),
                "rename one of them",
            ));
        }
    }
    Ok(by_name)
}

fn unknown_node(user: &str, wanted: &str, drafts: &[Draft]) -> Error {
    let remedy = match nearest(wanted, drafts.iter().map(|draft| draft.name.as_str())) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "add it, or name another node".to_owned(),
    };
    Error::node(user, format!("its input `{wanted}` is not a node of this graph"), remedy)
}

fn resolve_inputs(drafts: &[Draft], by_name: &HashMap<String, NodeId>) -> Result<Vec<Vec<NodeId>>> {
    drafts
        .iter()
        .map(|draft| {
            draft
                .inputs
                .iter()
                .map(|input| {
                    by_name
                        .get(input)
                        .copied()
                        .ok_or_else(|| unknown_node(&draft.name, input, drafts))
                })
                .collect()
        })
        .collect()
}

fn consumers_of(inputs: &[Vec<NodeId>]) -> Vec<Vec<(NodeId, usize)>> {
    let mut consumers = vec![Vec::new(); inputs.len()];
    for (id, sources) in inputs.iter().enumerate() {
        for (slot, &source) in sources.iter().enumerate() {
            consumers[source].push((id, slot));
        }
    }
    consumers
}

/// The nodes in an order in which inputs come before those who use them.
fn in_order(drafts: &[Draft], inputs: &[Vec<NodeId>]) -> Result<Vec<NodeId>> {
    topological_order(inputs).map_err(|mut cycle| {
        cycle.extend(cycle.first().copied());
        Error::Cycle { nodes: cycle.into_iter().map(|id| drafts[id].name.clone()).collect() }
    })
}

fn infer(
    drafts: &[Draft],
    id: NodeId,
    inputs: &[NodeId],
    input_shapes: &[&[usize]],
) -> Result<(Shape, Vec<ParameterSpec>)> {
    let draft = &drafts[id];
    check_arity(draft, inputs.len())?;
    if let Some(&input) = inputs
        .iter()
        .find(|&&input| matches!(drafts[input].role, DraftRole::Loss(..) | DraftRole::Metric(_)))
    {
        return Err(Error::node(
            &draft.name,
            format!("its input `{}` is a loss or a metric, whose value nodes can't use", {
                &drafts[input].name
            }),
            "connect it to a layer",
        ));
    }
    let explain = |misfit: Misfit| {
        let came: Vec<String> = inputs
            .iter()
            .zip(input_shapes)
            .map(|(&input, shape)| format!("`{}` ({})", drafts[input].name, describe_shape(shape)))
            .collect();
        Error::node(
            &draft.name,
            format!("{}; its inputs are {}", misfit.problem, came.join(", ")),
            misfit.remedy,
        )
    };
    let (shape, parameters) = match &draft.role {
        DraftRole::Input(shape) | DraftRole::Target(shape) => (shape.clone(), Vec::new()),
        DraftRole::Layer(layer, _) => {
            let shape = layer.output_shape(input_shapes).map_err(explain)?;
            (shape, layer.parameters(input_shapes))
        }
        DraftRole::Loss(loss, weight) => {
            if let Some(weight) = weight.filter(|weight| !weight.is_finite()) {
                return Err(Error::node(
                    &draft.name,
                    format!("its weight is {weight}"),
                    "give it a finite weight",
                ));
            }
            if let Some(shape) = input_shapes.get(2).filter(|shape| !shape.is_empty()) {
                return Err(explain(Misfit::new(
                    format!("the weights of items have the shape {}", describe_shape(shape)),
                    "give it one number an item as third input: a target of shape `[]`",
                )));
            }
            loss.check(&input_shapes[..2]).map_err(explain)?;
            (Vec::new(), Vec::new())
        }
        DraftRole::Metric(metric) => {
            metric.check(input_shapes).map_err(explain)?;
            (vec![metric.statistics(input_shapes)], Vec::new())
        }
    };
    let floats = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if floats.is_none_or(|floats| floats == 0 || floats > LARGEST_ITEM) {
        return Err(Error::node(
            &draft.name,
            format!("its shape {} is empty or too large", describe_shape(&shape)),
            "give every axis a size of at least 1 that memory can hold",
        ));
    }
    if let Some(parameter) = parameters.iter().find(|parameter| {
        parameter
            .shape
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size))
            .is_none_or(|floats| floats == 0 || floats > LARGEST_ITEM)
    }) {
        return Err(Error::node(
            &draft.name,
            format!(
                "its parameter `{}` of shape {} is empty or too large",
                parameter.name,
                describe_shape(&parameter.shape)
            ),
            "use smaller sizes",
        ));
    }
    Ok((shape, parameters))
}

fn check_arity(draft: &Draft, got: usize) -> Result<()> {
    let (kind, arity) = match &draft.role {
        DraftRole::Input(_) => ("input", Arity::Exactly(0)),
        DraftRole::Target(_) => ("target", Arity::Exactly(0)),
        DraftRole::Layer(layer, _) => (layer.kind(), layer.arity()),
        // The third has the weights of items.
        DraftRole::Loss(loss, _) => (loss.kind(), Arity::Exactly(if got == 3 { 3 } else { 2 })),
        DraftRole::Metric(metric) => (metric.kind(), Arity::Exactly(2)),
    };
    let (fits, wanted) = match arity {
        Arity::Exactly(number) => (got == number, count(number, "input")),
        Arity::AtLeast(number) => (got >= number, format!("at least {}", count(number, "input"))),
    };
    if fits {
        return Ok(());
    }
    Err(Error::node(
        &draft.name,
        format!("a node of kind `{kind}` takes {wanted}, but it has {got}"),
        if got == 0 { "connect it to the nodes it computes from" } else { "correct its inputs" },
    ))
}

fn resolve_outputs(
    drafts: &[Draft],
    inputs: &[Vec<NodeId>],
    by_name: &HashMap<String, NodeId>,
    declared: &[String],
) -> Result<Vec<NodeId>> {
    let mut outputs: Vec<NodeId> = Vec::new();
    let mut seen = vec![false; drafts.len()];
    for name in declared {
        let Some(&id) = by_name.get(name) else {
            return Err(Error::Graph {
                graph: "outputs".to_owned(),
                problem: format!("the declared output `{name}` is not a node of this graph"),
                remedy: match nearest(name, drafts.iter().map(|draft| draft.name.as_str())) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "declare an existing node".to_owned(),
                },
            });
        };
        if !matches!(drafts[id].role, DraftRole::Layer(..) | DraftRole::Input(_)) {
            return Err(Error::node(
                name,
                "it is declared as an output, but it is a target, a loss or a metric",
                "declare a layer",
            ));
        }
        if !std::mem::replace(&mut seen[id], true) {
            outputs.push(id);
        }
    }
    if declared.is_empty() {
        for (id, draft) in drafts.iter().enumerate() {
            if matches!(draft.role, DraftRole::Loss(..))
                && !std::mem::replace(&mut seen[inputs[id][0]], true)
            {
                outputs.push(inputs[id][0]);
            }
        }
    }
    Ok(outputs)
}

/// Refuses outputs that come of targets: a prediction has none.
fn refuse_targets(drafts: &[Draft], inputs: &[Vec<NodeId>], outputs: &[NodeId]) -> Result<()> {
    let mut seen = vec![false; drafts.len()];
    for &output in outputs {
        let mut stack = vec![output];
        while let Some(id) = stack.pop() {
            let draft = &drafts[id];
            if matches!(draft.role, DraftRole::Target(_)) {
                return Err(Error::node(
                    &drafts[output].name,
                    format!(
                        "it is an output, declared or as the first input of a loss, and comes of \
                         the target `{}`, which predictions do not have",
                        draft.name
                    ),
                    format!("make `{}` an input, or another node the output", draft.name),
                ));
            }
            if !std::mem::replace(&mut seen[id], true) {
                stack.extend(&inputs[id]);
            }
        }
    }
    Ok(())
}

/// Refuses nodes from which no output, loss or metric can be reached.
fn require_purpose(drafts: &[Draft], inputs: &[Vec<NodeId>], outputs: &[NodeId]) -> Result<()> {
    let mut useful = vec![false; drafts.len()];
    let mut stack: Vec<NodeId> = outputs.to_vec();
    stack.extend(
        (0..drafts.len())
            .filter(|&id| matches!(drafts[id].role, DraftRole::Loss(..) | DraftRole::Metric(_))),
    );
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut useful[id], true) {
            stack.extend(&inputs[id]);
        }
    }
    match useful.iter().position(|useful| !useful) {
        None => Ok(()),
        Some(id) => Err(Error::node(
            &drafts[id].name,
            "it leads to no output, loss or metric",
            "declare it an output, connect it, or remove it",
        )),
    }
}
