//! Items mixed with each other: mix-up.

use super::ItemRandom;
use crate::data::taker_of_indices;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId, Role};
use crate::losses::TargetValues;

/// Losses and metrics whose targets are one of two numbers.
const BINARY: [&str; 2] = ["hinge", "auc"];

/// Refuses mix-up where something between two items means nothing: where a target holds class indices or one of two
/// numbers, or an input holds indices.
///
/// # Errors
/// [`Error::Node`] with the input or target; [`Error::Training`] if `alpha` is out of range.
pub(crate) fn check_mix_up(graph: &Graph, alpha: f64) -> Result<()> {
    if !(alpha > 0.0 && alpha <= 1.0) {
        return Err(Error::Training {
            problem: format!("mix-up has {alpha} for the parameter of its distribution"),
            remedy: "give it a number above 0 and at most 1, such as 0.2".to_owned(),
        });
    }
    for id in graph.inputs() {
        if let Some((taker, _)) = taker_of_indices(graph, id) {
            let node = &graph.nodes()[taker];
            let problem = format!(
                "`{}` takes indices from input `{}`, between which there is nothing to mix",
                node.role.kind(),
                graph.nodes()[id].name
            );
            return Err(Error::node(&node.name, problem, "leave mix-up out"));
        }
    }
    let shape = |id: NodeId| graph.nodes()[id].shape.as_slice();
    for id in graph.inputs().into_iter().chain(graph.targets()) {
        for &(user, input) in graph.consumers(id) {
            let node = &graph.nodes()[user];
            let kind = node.role.kind();
            let shapes: Vec<_> = node.inputs.iter().map(|&id| shape(id)).collect();
            let (problem, remedy) = match &node.role {
                Role::Loss { loss, .. }
                    if input == 1
                        && matches!(loss.target_values(&shapes), TargetValues::Classes(_)) =>
                {
                    let width = shapes[0].last().copied().unwrap_or_default();
                    (
                        "it holds class indices, and mix-up needs a share for every class"
                            .to_owned(),
                        format!(
                            "give it the shape of the prediction, with `shape = [{width}]` and, for words, \
                             `categories = \"one_hot\"`, or leave mix-up out"
                        ),
                    )
                }
                _ if BINARY.contains(&kind) => (
                    format!("`{kind}` takes one of two numbers from it, and mix-up gives others"),
                    "use another loss or metric, or leave mix-up out".to_owned(),
                ),
                _ => continue,
            };
            return Err(Error::node(&graph.nodes()[id].name, problem, remedy));
        }
    }
    Ok(())
}

/// Mixes every item of a batch with another one, or itself, all inputs and targets alike: `x = share · x + (1 - share) ·
/// other`, where the share of every item is drawn from the beta distribution with both parameters `alpha` (Zhang,
/// Cissé, Dauphin and Lopez-Paz 2018). `counters` are the seed and the epoch, `first` is the place of the first item in
/// the epoch, and `before` is memory for the batch as it was.
pub(crate) fn mix<'n>(
    columns: impl Iterator<Item = &'n mut Vec<f32>>,
    items: usize,
    alpha: f64,
    [seed, epoch]: [u64; 2],
    first: usize,
    before: &mut Vec<f32>,
) {
    let drawn: Vec<(usize, f32)> = (0..items)
        .map(|item| {
            let mut random = ItemRandom::new("mix-up", &[seed, epoch, (first + item) as u64]);
            (random.up_to(items - 1), beta(alpha, &mut random) as f32)
        })
        .collect();
    for numbers in columns {
        before.clone_from(numbers);
        let size = (numbers.len() / items.max(1)).max(1);
        for (own, &(other, share)) in numbers.chunks_mut(size).zip(&drawn) {
            for (number, other) in own.iter_mut().zip(&before[other * size..]) {
                *number = share * *number + (1.0 - share) * other;
            }
        }
    }
}

/// A number of the beta distribution with both parameters `alpha`, at most 1 (Jöhnk 1964).
fn beta(alpha: f64, random: &mut ItemRandom) -> f64 {
    loop {
        // Logarithms, for powers of small numbers are 0.
        let one = (1.0 - random.uniform()).ln() / alpha;
        let other = (1.0 - random.uniform()).ln() / alpha;
        let most = one.max(other);
        let sum = most + ((one - most).exp() + (other - most).exp()).ln();
        if sum <= 0.0 {
            return (one - sum).exp();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_moments_of_the_beta_distribution() {
        for alpha in [0.1, 0.2, 0.5, 1.0] {
            let mut random = ItemRandom::new("test", &[7]);
            let drawn: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut random)).collect();
            let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let squares = drawn.iter().map(|share| (share - mean).powi(2)).sum::<f64>();
            let variance = squares / drawn.len() as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.015, "{alpha}: {mean}");
            assert!((variance - expected).abs() < 0.006, "{alpha}: {variance} for {expected}");
            assert!(drawn.iter().all(|share| (0.0..=1.0).contains(share)));
        }
    }

    #[test]
    fn inputs_and_targets_are_mixed_alike() {
        // The target of every item is its input, so it stays so however items are mixed.
        let start: Vec<f32> = (0..6_u8).map(f32::from).collect();
        let wide: Vec<f32> = start.iter().flat_map(|&value| [value, 2.0 * value]).collect();
        let mixed = |epoch, first| {
            let (mut input, mut target) = (wide.clone(), start.clone());
            mix([&mut input, &mut target].into_iter(), 6, 0.5, [3, epoch], first, &mut Vec::new());
            (input, target)
        };
        let (input, target) = mixed(0, 0);
        for (pair, value) in input.chunks(2).zip(&target) {
            assert!((pair[0] - value).abs() < 1e-6 && (pair[1] - 2.0 * value).abs() < 1e-5);
        }
        assert!(target.iter().zip(&start).any(|(now, before)| (now - before).abs() > 0.1));
        assert_eq!(mixed(0, 0), (input, target));
        assert_ne!(mixed(0, 0), mixed(1, 0), "by epoch");
        assert_ne!(mixed(0, 0), mixed(0, 6), "by place");
        // One item alone has no other.
        let mut single = vec![5.0];
        mix([&mut single].into_iter(), 1, 0.5, [3, 0], 0, &mut Vec::new());
        assert!((single[0] - 5.0).abs() < 1e-6);
    }
}
