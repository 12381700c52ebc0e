//! Cycles are shown as they are.

use std::collections::BTreeSet;

use caudal::Error;
use caudal::graph::GraphBuilder;
use caudal::layers::Add;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The edges of a network that is to have a cycle, and what it is refused with.
struct Cyclic {
    net: GraphBuilder,
    edges: BTreeSet<(String, String)>,
}

impl Cyclic {
    fn new() -> Self {
        Self { net: GraphBuilder::new("cyclic"), edges: BTreeSet::new() }
    }

    fn add(&mut self, name: &str, inputs: &[&str]) {
        self.net.layer(name, Add, inputs);
        self.edges.extend(inputs.iter().map(|&input| (input.to_owned(), name.to_owned())));
    }

    /// Asserts that the error shows a cycle along edges of this network, in the direction of data;
    /// gives its nodes.
    fn assert_cycle(self) -> Vec<String> {
        let error = self.net.build().unwrap_err();
        let Error::Cycle { nodes } = &error else { panic!("no cycle: {error}") };
        assert!(nodes.len() > 1, "{error}");
        assert_eq!(nodes.first(), nodes.last(), "{error}");
        for pair in nodes.windows(2) {
            let edge = (pair[0].clone(), pair[1].clone());
            assert!(self.edges.contains(&edge), "{edge:?} is no edge: {error}");
        }
        let distinct: BTreeSet<_> = nodes.iter().collect();
        assert_eq!(distinct.len(), nodes.len() - 1, "{error}");
        let message = error.to_string();
        // Of a long one, the message shows both ends.
        let (first, last) = (&nodes[..nodes.len().min(20)], &nodes[nodes.len() - 2..]);
        assert!(message.contains(&first.join(" -> ")), "{message}");
        assert!(message.contains(&last.join(" -> ")) && message.len() < 1000, "{message}");
        assert!(message.contains("remove one of these edges"), "{message}");
        nodes.clone()
    }
}

#[test]
fn cycles_are_shown() {
    let mut cyclic = Cyclic::new();
    cyclic.net.input("x", [3]);
    cyclic.add("a", &["x", "c"]);
    cyclic.add("b", &["a"]);
    cyclic.add("c", &["b", "a"]);
    // Behind the cycle, and waiting for it, but not in it.
    cyclic.add("after", &["c"]);
    cyclic.net.output("after");
    let nodes = cyclic.assert_cycle();
    assert!(!nodes.iter().any(|node| node == "x" || node == "after"), "{nodes:?}");
}

#[test]
fn a_node_that_waits_for_itself_is_shown() {
    let mut cyclic = Cyclic::new();
    cyclic.net.input("x", [3]);
    cyclic.add("a", &["x", "a"]);
    cyclic.net.output("a");
    assert_eq!(cyclic.assert_cycle(), ["a", "a"]);
}

#[test]
fn a_network_of_nothing_but_cycles_shows_one() {
    let mut cyclic = Cyclic::new();
    cyclic.add("a", &["b"]);
    cyclic.add("b", &["a"]);
    cyclic.add("c", &["d", "c"]);
    cyclic.add("d", &["c"]);
    cyclic.net.output("a");
    cyclic.assert_cycle();
}

#[test]
fn cycles_of_random_networks_are_cycles() {
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = random.random_range(2..30);
        let mut cyclic = Cyclic::new();
        cyclic.net.input("0", [3]);
        for node in 1..=count {
            // Earlier nodes, and one edge that leads back.
            let mut inputs: Vec<String> = (0..random.random_range(1..4))
                .map(|_| random.random_range(0..node).to_string())
                .collect();
            if node == 1 {
                inputs.push(count.to_string());
            }
            if node > 1 {
                inputs.push((node - 1).to_string());
            }
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            cyclic.add(&node.to_string(), &inputs);
        }
        cyclic.net.output(count.to_string());
        cyclic.assert_cycle();
    }
}

#[test]
fn a_chain_that_closes_is_found_whole() {
    const LENGTH: usize = 100_000;
    let mut cyclic = Cyclic::new();
    cyclic.net.input("x", [1]);
    for number in 0..LENGTH {
        let before = format!("n{}", (number + LENGTH - 1) % LENGTH);
        let inputs = [before.as_str(), "x"];
        cyclic.add(&format!("n{number}"), &inputs[..if number == 0 { 2 } else { 1 }]);
    }
    cyclic.net.output("n0");
    assert_eq!(cyclic.assert_cycle().len(), LENGTH + 1);
}
