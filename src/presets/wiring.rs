//! Which node reads which: graphs without regard to what their nodes compute.
//!
//! The random ones are those of Xie, Kirillov, Girshick and He, *Exploring Randomly Wired Neural
//! Networks for Image Recognition* (2019): an undirected random graph, whose edges then lead from the
//! lower to the higher number.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Nodes 0, 1, … with the nodes that each reads, all of a lower number. A node that reads none reads
/// what the graph is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wiring {
    /// By node: where its inputs end in `inputs`.
    ends: Vec<usize>,
    inputs: Vec<usize>,
}

impl Wiring {
    /// Adds a node.
    fn push(&mut self, inputs: impl IntoIterator<Item = usize>) {
        self.inputs.extend(inputs);
        self.ends.push(self.inputs.len());
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What a node reads, in ascending order.
    pub(crate) fn inputs(&self, node: usize) -> &[usize] {
        let start = node.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.inputs[start..self.ends[node]]
    }

    /// The nodes that nobody reads.
    pub(crate) fn sinks(&self) -> Vec<usize> {
        let mut read = vec![false; self.len()];
        self.inputs.iter().for_each(|&input| read[input] = true);
        (0..self.len()).filter(|&node| !read[node]).collect()
    }

    /// From the nodes that each reads, in any order.
    fn from_inputs(mut nodes: Vec<Vec<usize>>) -> Self {
        let mut wiring = Self::default();
        for inputs in &mut nodes {
            inputs.sort_unstable();
            wiring.push(inputs.iter().copied());
        }
        wiring
    }

    /// Each node after the one before.
    pub(crate) fn chain(nodes: usize) -> Self {
        let mut wiring = Self::default();
        (0..nodes).for_each(|node| wiring.push(node.checked_sub(1)));
        wiring
    }

    /// All nodes side by side.
    pub(crate) fn fan(nodes: usize) -> Self {
        let mut wiring = Self::default();
        (0..nodes).for_each(|_| wiring.push([]));
        wiring
    }

    /// `layers` layers of `width` nodes, the first of `first`, which is no fewer; a node reads 2 to 4 of
    /// the layer before, and each is read.
    pub(crate) fn layered(first: usize, width: usize, layers: usize, seed: u64) -> Self {
        let mut wiring = Self::fan(first);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 1..layers {
            let before = if wiring.len() == first { first } else { width };
            let start = wiring.len() - before;
            for place in 0..width {
                // Every node is used by someone, so that no node leads nowhere.
                let mut inputs: Vec<usize> = (place..before).step_by(width).collect();
                let wanted = random.random_range(2..=4).min(before);
                while inputs.len() < wanted {
                    let other = random.random_range(0..before);
                    if !inputs.contains(&other) {
                        inputs.push(other);
                    }
                }
                inputs.sort_unstable();
                wiring.push(inputs.into_iter().map(|input| start + input));
            }
        }
        wiring
    }

    /// A complete binary tree from its leaves to its root: every inner node reads two, or one where the
    /// last level ends.
    pub(crate) fn binary_tree(nodes: usize) -> Self {
        let mut wiring = Self::default();
        // Numbered from the root, node n has the children 2n + 1 and 2n + 2; here the root is last.
        for node in (0..nodes).rev() {
            let children = [2 * node + 2, 2 * node + 1].into_iter();
            wiring.push(children.filter(|&child| child < nodes).map(|child| nodes - 1 - child));
        }
        wiring
    }

    /// A grid with `columns` columns, filled row by row: a node reads the one above and the one to its
    /// left, so that diagonals run side by side.
    pub(crate) fn wavefront(nodes: usize, columns: usize) -> Self {
        let mut wiring = Self::default();
        for node in 0..nodes {
            let left = (node % columns > 0).then(|| node - 1);
            wiring.push(node.checked_sub(columns).into_iter().chain(left));
        }
        wiring
    }

    /// Every pair of nodes has an edge with probability `p` (Erdős and Rényi 1959), drawn by skips from
    /// one edge to the next (Batagelj and Brandes 2005).
    pub(crate) fn erdos_renyi(nodes: usize, p: f64, seed: u64) -> Self {
        let mut inputs = vec![Vec::new(); nodes];
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut to, mut from) = (1, 0);
        while p > 0.0 && to < nodes {
            if p < 1.0 {
                // Geometric: how many pairs go without an edge.
                let draw: f64 = random.random();
                let skip = ((1.0 - draw).ln() / (-p).ln_1p()).floor();
                from +=
                    if skip < nodes as f64 * nodes as f64 { skip as usize } else { nodes * nodes };
            }
            while to < nodes && from >= to {
                from -= to;
                to += 1;
            }
            if to < nodes {
                inputs[to].push(from);
                from += 1;
            }
        }
        Self::from_inputs(inputs)
    }

    /// Nodes come one after another, each with `m` edges to nodes drawn in proportion to the edges that
    /// they have; `m` nodes without edges are there first (Barabási and Albert 1999).
    pub(crate) fn barabasi_albert(nodes: usize, m: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut all = vec![Vec::new(); m.min(nodes)];
        // A node for every edge that it has.
        let mut ends: Vec<usize> = Vec::new();
        for node in m..nodes {
            let mut inputs: Vec<usize> = Vec::with_capacity(m);
            if node == m {
                inputs.extend(0..m);
            }
            while inputs.len() < m {
                let other = ends[random.random_range(0..ends.len())];
                if !inputs.contains(&other) {
                    inputs.push(other);
                }
            }
            ends.extend(&inputs);
            ends.extend(std::iter::repeat_n(node, m));
            all.push(inputs);
        }
        Self::from_inputs(all)
    }

    /// A ring in which every node has edges to its `k` nearest, `k` even and below the number of nodes;
    /// the far end of each is then moved to a node drawn at random with probability `p` (Watts and
    /// Strogatz 1998).
    pub(crate) fn watts_strogatz(nodes: usize, k: usize, p: f64, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut neighbours: Vec<Vec<usize>> = (0..nodes)
            .map(|node| {
                let near = 1..=k / 2;
                near.flat_map(|step| [(node + step) % nodes, (node + nodes - step) % nodes])
                    .collect()
            })
            .collect();
        for step in 1..=k / 2 {
            for node in 0..nodes {
                if random.random::<f64>() >= p || neighbours[node].len() >= nodes - 1 {
                    continue;
                }
                let old = (node + step) % nodes;
                let new = loop {
                    let drawn = random.random_range(0..nodes);
                    if drawn != node && !neighbours[node].contains(&drawn) {
                        break drawn;
                    }
                };
                neighbours[node].retain(|&other| other != old);
                neighbours[old].retain(|&other| other != node);
                neighbours[node].push(new);
                neighbours[new].push(node);
            }
        }
        for (node, inputs) in neighbours.iter_mut().enumerate() {
            inputs.retain(|&other| other < node);
        }
        Self::from_inputs(neighbours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(wiring: &Wiring) -> usize {
        (0..wiring.len()).map(|node| wiring.inputs(node).len()).sum()
    }

    /// Nodes on the longest way through.
    fn depth(wiring: &Wiring) -> usize {
        let mut depths: Vec<usize> = Vec::new();
        for node in 0..wiring.len() {
            let before = wiring.inputs(node).iter().map(|&input| depths[input]).max();
            depths.push(before.unwrap_or(0) + 1);
        }
        depths.into_iter().max().unwrap_or(0)
    }

    fn sources(wiring: &Wiring) -> usize {
        (0..wiring.len()).filter(|&node| wiring.inputs(node).is_empty()).count()
    }

    fn check(wiring: &Wiring) {
        for node in 0..wiring.len() {
            let inputs = wiring.inputs(node);
            assert!(inputs.iter().all(|&input| input < node), "{node}: {inputs:?}");
            assert!(inputs.windows(2).all(|pair| pair[0] < pair[1]), "{node}: {inputs:?}");
        }
    }

    #[test]
    fn chains_fans_trees_and_wavefronts_are_what_they_are() {
        let chain = Wiring::chain(9);
        assert_eq!((edges(&chain), depth(&chain), chain.sinks()), (8, 9, vec![8]));
        let fan = Wiring::fan(9);
        assert_eq!((edges(&fan), depth(&fan), fan.sinks().len()), (0, 1, 9));
        let tree = Wiring::binary_tree(31);
        assert_eq!((edges(&tree), depth(&tree), sources(&tree)), (30, 5, 16));
        assert_eq!(tree.sinks(), [30]);
        assert!((16..31).all(|node| tree.inputs(node).len() == 2));
        let ragged = Wiring::binary_tree(10);
        assert_eq!((edges(&ragged), depth(&ragged), ragged.sinks()), (9, 4, vec![9]));
        let grid = Wiring::wavefront(12, 4);
        assert_eq!(grid.inputs(6), [2, 5]);
        assert_eq!((grid.inputs(4), grid.inputs(3)), (&[0][..], &[2][..]));
        // Rows and columns less one, times the other, twice.
        assert_eq!(
            (edges(&grid), depth(&grid), grid.sinks()),
            (2 * 4 + 3 * 3, 3 + 4 - 1, vec![11])
        );
        for wiring in [chain, fan, tree, ragged, grid] {
            check(&wiring);
        }
    }

    #[test]
    fn layers_read_two_to_four_of_the_layer_before() {
        let wiring = Wiring::layered(7, 5, 6, 3);
        check(&wiring);
        assert_eq!((wiring.len(), depth(&wiring), sources(&wiring)), (7 + 5 * 5, 6, 7));
        assert_eq!(wiring.sinks(), (27..32).collect::<Vec<_>>());
        for node in 7..32 {
            let layer = (node - 7) / 5;
            let before = if layer == 0 { 0..7 } else { 7 + 5 * (layer - 1)..7 + 5 * layer };
            assert!((2..=4).contains(&wiring.inputs(node).len()));
            assert!(wiring.inputs(node).iter().all(|input| before.contains(input)));
        }
        assert_ne!(wiring, Wiring::layered(7, 5, 6, 4));
    }

    #[test]
    fn erdos_renyi_has_as_many_edges_as_its_probability() {
        let (nodes, p) = (400, 0.1);
        let pairs = (nodes * (nodes - 1) / 2) as f64;
        let mut by_distance = [0.0; 2];
        for seed in 0..5 {
            let wiring = Wiring::erdos_renyi(nodes, p, seed);
            check(&wiring);
            let deviation = (edges(&wiring) as f64 - p * pairs) / (pairs * p * (1.0 - p)).sqrt();
            assert!(deviation.abs() < 4.0, "{deviation} standard deviations");
            for node in 0..nodes {
                for &input in wiring.inputs(node) {
                    by_distance[usize::from(node - input > 117)] += 1.0;
                }
            }
        }
        // Pairs at most 117 apart are half of all.
        assert!((by_distance[0] / by_distance[1] - 1.0_f64).abs() < 0.1, "{by_distance:?}");
        assert_eq!(edges(&Wiring::erdos_renyi(20, 1.0, 0)), 190);
        assert_eq!(edges(&Wiring::erdos_renyi(20, 0.0, 0)), 0);
        assert_eq!(Wiring::erdos_renyi(1, 0.5, 0).len(), 1);
        assert_eq!(Wiring::erdos_renyi(20, 1e-300, 0).len(), 20);
    }

    #[test]
    fn barabasi_albert_prefers_nodes_with_many_edges() {
        let (nodes, m) = (600, 3);
        let wiring = Wiring::barabasi_albert(nodes, m, 5);
        check(&wiring);
        assert_eq!((wiring.len(), edges(&wiring)), (nodes, (nodes - m) * m));
        assert!((m..nodes).all(|node| wiring.inputs(node).len() == m));
        assert_eq!(sources(&wiring), m);
        let mut degrees = vec![0; nodes];
        for node in 0..nodes {
            degrees[node] += wiring.inputs(node).len();
            wiring.inputs(node).iter().for_each(|&input| degrees[input] += 1);
        }
        // Without preference, the largest of 600 degrees with mean 6 is near 20.
        assert!(degrees.iter().max().copied().unwrap_or(0) > 35, "{degrees:?}");
    }

    #[test]
    fn watts_strogatz_moves_edges_of_a_ring() {
        let (nodes, k) = (200, 6);
        let ring = Wiring::watts_strogatz(nodes, k, 0.0, 1);
        check(&ring);
        assert_eq!(edges(&ring), nodes * k / 2);
        assert_eq!(ring.inputs(100), [97, 98, 99]);
        assert_eq!(ring.inputs(199), [0, 1, 2, 196, 197, 198]);
        for p in [0.1, 0.75, 1.0] {
            let moved = Wiring::watts_strogatz(nodes, k, p, 1);
            check(&moved);
            assert_eq!(edges(&moved), nodes * k / 2, "edges move, and none is lost");
            let near = (0..nodes)
                .flat_map(|node| moved.inputs(node).iter().map(move |&input| node - input))
                .filter(|&distance| distance <= k / 2 || distance >= nodes - k / 2)
                .count() as f64;
            let expected = (1.0 - p) * (nodes * k / 2) as f64;
            assert!((near - expected).abs() < 60.0, "{p}: {near} of {expected} stayed");
        }
        assert_eq!(
            edges(&Wiring::watts_strogatz(5, 4, 1.0, 1)),
            10,
            "complete: nowhere to move to"
        );
    }
}
