//! What the generated networks have among them.

use std::collections::HashSet;

use caudal::graph::{Graph, NodeId, Role};
use caudal::layers::LAYERS;

use super::{SEEDS, divisible, family};
use crate::support_graphs::{Specimen, specimen};

#[test]
fn the_generator_covers_what_it_should() {
    let specimens: Vec<Specimen> = (0..SEEDS).map(|seed| specimen(seed, family(seed))).collect();
    let different: HashSet<String> = specimens.iter().map(Specimen::signature).collect();
    assert!(different.len() >= 200, "{} different networks", different.len());
    let graphs: Vec<&Graph> = specimens.iter().map(|specimen| &specimen.graph).collect();
    let sizes = || graphs.iter().map(|graph| graph.nodes().len());
    let (least, most) = (sizes().min().unwrap(), sizes().max().unwrap());
    assert!(least <= 5 && most >= 50, "{least} to {most} nodes");
    let have = |test: &dyn Fn(&Graph) -> bool| graphs.iter().filter(|graph| test(graph)).count();
    let any_node = |graph: &Graph, test: &dyn Fn(&Graph, NodeId) -> bool| {
        (0..graph.nodes().len()).any(|id| test(graph, id))
    };
    let twice = |kind: &'static str| {
        move |graph: &Graph, id: NodeId| {
            let node = &graph.nodes()[id];
            let distinct: HashSet<_> = node.inputs.iter().collect();
            node.role.kind() == kind && distinct.len() < node.inputs.len()
        }
    };
    for kind in ["add", "concat"] {
        assert!(have(&|graph| any_node(graph, &twice(kind))) >= 20, "{kind} of one node twice");
    }
    assert!(have(&|graph| any_node(graph, &|graph, id| graph.consumers(id).len() >= 8)) >= 20);
    assert!(have(&|graph| graph.inputs().len() > 1) >= 40, "several inputs");
    assert!(have(&|graph| graph.losses().len() > 2) >= 40, "several losses");
    assert!(have(&|graph| !graph.metrics().is_empty()) >= 40, "metrics");
    let between = |graph: &Graph, id: NodeId| {
        let node = &graph.nodes()[id];
        let is_layer = |&input: &NodeId| matches!(graph.nodes()[input].role, Role::Layer(_));
        matches!(node.role, Role::Loss { .. }) && node.inputs.iter().all(is_layer)
    };
    assert!(have(&|graph| any_node(graph, &between)) >= 20, "a loss between layers");
    let nested = |graph: &Graph, id: NodeId| {
        let node = &graph.nodes()[id];
        let is_concat = |&input: &NodeId| graph.nodes()[input].role.kind() == "concat";
        node.role.kind() == "concat" && node.inputs.iter().any(is_concat)
    };
    assert!(have(&|graph| any_node(graph, &nested)) >= 20, "nested concats");
    let dead_end = |graph: &Graph, id: NodeId| {
        let to_metric =
            |&(user, _): &(NodeId, usize)| matches!(graph.nodes()[user].role, Role::Metric(_));
        matches!(graph.nodes()[id].role, Role::Layer(_))
            && !graph.nodes()[id].parameters.is_empty()
            && graph.consumers(id).iter().all(to_metric)
    };
    assert!(have(&|graph| any_node(graph, &dead_end)) >= 5, "layers that only a metric needs");
    let parameter = |test: fn(&caudal::graph::Parameter) -> bool| {
        have(&|graph: &Graph| graph.parameters().iter().any(test))
    };
    assert!(parameter(|it| !it.trainable) >= 20, "frozen layers");
    assert!(parameter(|it| it.regularizer.is_some()) >= 20, "regularizers");
    let mixed = &graphs[220..];
    for spec in LAYERS {
        let has = |graph: &&&Graph| graph.nodes().iter().any(|it| it.role.kind() == spec.kind);
        assert!(mixed.iter().filter(has).count() >= 2, "{}", spec.kind);
    }
    let shares = |graph: &Graph, id: NodeId| graph.shares(id).is_some();
    assert!(have(&|graph| any_node(graph, &shares)) >= 10, "shared parameters");
    let divisible = mixed.iter().filter(|graph| divisible(graph)).count();
    assert!((5..=65).contains(&divisible), "{divisible} can be divided into micro-batches");
}
