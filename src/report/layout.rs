//! Where the nodes of a picture lie: layers from top to bottom, few crossings, straight lines.
//!
//! A node's rank is the longest path to it. An edge over several ranks bends around the nodes between
//! them: it gets an invisible node in each. Ranks are ordered by barycentres, up and down some times,
//! and the horizontal places then drawn towards the neighbours while the order stays.

use crate::graph::{Graph, Role};

pub(super) const NODE_HEIGHT: f64 = 60.0;
const RANK_GAP: f64 = 46.0;
const NODE_GAP: f64 = 22.0;
pub(super) const MARGIN: f64 = 20.0;
const BEND_WIDTH: f64 = 10.0;

/// With more bends than these, long edges go straight: there is nothing to read in such a picture, and
/// the bends may be as many as the square of the edges.
const MOST_BENDS: usize = 20_000;

/// Nodes first, then the bends of long edges.
pub(super) struct Layout {
    x: Vec<f64>,
    rank: Vec<usize>,
    widths: Vec<f64>,
    /// By node: what it has arrows from, in the order of its inputs.
    inputs: Vec<Vec<usize>>,
    /// Of the nodes alone.
    heights: Vec<f64>,
    /// By rank: where it begins, and its height.
    bands: Vec<(f64, f64)>,
    ranks: Vec<Vec<usize>>,
    /// By node and input: the bends on the way there, from above.
    bends: Vec<Vec<Vec<usize>>>,
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
}

impl Layout {
    pub(super) fn of(graph: &Graph, widths: &[f64]) -> Self {
        let inputs = graph.nodes().iter().map(|node| node.inputs.clone()).collect();
        Self::of_nodes(inputs, ranks(graph), widths, vec![NODE_HEIGHT; widths.len()])
    }

    /// Of nodes with these inputs, which lie in earlier ranks.
    pub(super) fn of_nodes(
        inputs: Vec<Vec<usize>>,
        rank: Vec<usize>,
        widths: &[f64],
        heights: Vec<f64>,
    ) -> Self {
        let count = rank.len();
        let mut layout = Self {
            x: Vec::new(),
            widths: widths.to_vec(),
            inputs,
            heights,
            bands: Vec::new(),
            ranks: Vec::new(),
            bends: vec![Vec::new(); count],
            above: vec![Vec::new(); count],
            below: vec![Vec::new(); count],
            rank,
        };
        let edges = layout.inputs.iter().enumerate();
        let passed = edges.flat_map(|(id, inputs)| inputs.iter().map(move |&from| (from, id)));
        let passed: usize = passed.map(|(from, to)| layout.rank[to] - layout.rank[from] - 1).sum();
        for id in 0..count {
            for input in layout.inputs[id].clone() {
                let bends = layout.connect(input, id, passed <= MOST_BENDS);
                layout.bends[id].push(bends);
            }
        }
        layout.ranks = vec![Vec::new(); layout.rank.iter().max().map_or(0, |&most| most + 1)];
        for (place, &rank) in layout.rank.iter().enumerate() {
            layout.ranks[rank].push(place);
        }
        let mut top = MARGIN;
        for rank in &layout.ranks {
            let heights = rank.iter().filter_map(|&node| layout.heights.get(node)).copied();
            let height = heights.fold(0.0, f64::max);
            layout.bands.push((top, height));
            top += height + RANK_GAP;
        }
        layout.order();
        layout.spread();
        layout
    }

    /// An edge, with bends in the ranks that it passes if it may bend.
    fn connect(&mut self, from: usize, to: usize, may_bend: bool) -> Vec<usize> {
        let mut bends = Vec::new();
        let mut last = from;
        let passed = self.rank[from] + 1..self.rank[to];
        for rank in passed.filter(|_| may_bend) {
            let bend = self.rank.len();
            self.rank.push(rank);
            self.widths.push(BEND_WIDTH);
            self.above.push(Vec::new());
            self.below.push(Vec::new());
            self.link(last, bend);
            bends.push(bend);
            last = bend;
        }
        self.link(last, to);
        bends
    }

    fn link(&mut self, above: usize, below: usize) {
        self.above[below].push(above);
        self.below[above].push(below);
    }

    /// Sorts every rank by the mean position of the neighbours above, then below, some times, and keeps
    /// the order with the fewest crossings.
    fn order(&mut self) {
        const SWEEPS: usize = 12;
        let mut best = (self.crossings(), self.ranks.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let count = self.ranks.len();
            let mut position = self.positions();
            for step in 1..count {
                let rank = if down { step } else { count - 1 - step };
                let neighbours = if down { &self.above } else { &self.below };
                let mut keyed: Vec<(f64, usize)> = self.ranks[rank]
                    .iter()
                    .enumerate()
                    .map(|(place, &node)| {
                        let near = neighbours[node].iter().map(|&other| position[other]);
                        (mean(near).unwrap_or(place as f64), node)
                    })
                    .collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.ranks[rank] = keyed.into_iter().map(|(_, node)| node).collect();
                for (place, &node) in self.ranks[rank].iter().enumerate() {
                    position[node] = place as f64;
                }
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.ranks.clone());
            }
        }
        self.ranks = best.1;
    }

    /// By node: where it lies within its rank.
    fn positions(&self) -> Vec<f64> {
        let mut position = vec![0.0; self.rank.len()];
        for rank in &self.ranks {
            for (place, &node) in rank.iter().enumerate() {
                position[node] = place as f64;
            }
        }
        position
    }

    /// How many pairs of edges cross. Ranks with very many edges count as if they had none: there is
    /// nothing to read in them anyway.
    fn crossings(&self) -> usize {
        const MOST_EDGES: usize = 1000;
        let mut crossings = 0;
        let position = self.positions();
        for rank in &self.ranks {
            let mut ends: Vec<f64> = Vec::new();
            for &node in rank {
                let mut own: Vec<f64> =
                    self.above[node].iter().map(|&other| position[other]).collect();
                own.sort_by(f64::total_cmp);
                ends.extend(own);
            }
            if ends.len() <= MOST_EDGES {
                for (place, &end) in ends.iter().enumerate() {
                    crossings += ends[..place].iter().filter(|&&other| other > end).count();
                }
            }
        }
        crossings
    }

    /// Gives every node its place from left to right.
    fn spread(&mut self) {
        const SWEEPS: usize = 40;
        self.x = vec![0.0; self.rank.len()];
        for rank in self.ranks.clone() {
            let wished = vec![0.0; rank.len()];
            self.put(&rank, &wished);
        }
        for sweep in 0..SWEEPS {
            let count = self.ranks.len();
            for step in 0..count {
                let rank = if sweep % 2 == 0 { step } else { count - 1 - step };
                let nodes = self.ranks[rank].clone();
                let wished: Vec<f64> = nodes.iter().map(|&node| self.wish(node, sweep)).collect();
                self.put(&nodes, &wished);
            }
        }
        let edge = |node: &usize| self.x[*node] - self.widths[*node] / 2.0;
        let left = (0..self.rank.len()).map(|node| edge(&node)).fold(f64::INFINITY, f64::min);
        let shift = if left.is_finite() { MARGIN - left } else { 0.0 };
        self.x.iter_mut().for_each(|x| *x += shift);
    }

    /// Where a node would like to be: amid its neighbours on the side that the sweep comes from, and
    /// amid all in the end.
    fn wish(&self, node: usize, sweep: usize) -> f64 {
        let (above, below) = (&self.above[node], &self.below[node]);
        let down = sweep.is_multiple_of(2);
        let near = match sweep {
            0..20 if down && !above.is_empty() => above.iter().chain(&[]),
            0..20 if !down && !below.is_empty() => below.iter().chain(&[]),
            _ => above.iter().chain(below),
        };
        mean(near.map(|&other| self.x[other])).unwrap_or(self.x[node])
    }

    /// Puts the nodes of a rank as near to where they wish as their order and their widths allow: where
    /// wishes collide, nodes form a row around the mean of their wishes.
    fn put(&mut self, nodes: &[usize], wished: &[f64]) {
        // Rows of (first node, nodes, sum of the wishes for where the row begins).
        let mut rows: Vec<(usize, usize, f64)> = Vec::new();
        let mut offsets = vec![0.0; nodes.len()];
        for place in 1..nodes.len() {
            let (one, other) = (nodes[place - 1], nodes[place]);
            offsets[place] =
                offsets[place - 1] + f64::midpoint(self.widths[one], self.widths[other]) + NODE_GAP;
        }
        for place in 0..nodes.len() {
            let mut row = (place, 1usize, wished[place] - offsets[place]);
            while let Some(&(first, count, sum)) = rows.last() {
                if sum / count as f64 <= row.2 / row.1 as f64 {
                    break;
                }
                row = (first, row.1 + count, sum + row.2);
                rows.pop();
            }
            rows.push(row);
        }
        for (first, count, sum) in rows {
            for place in first..first + count {
                self.x[nodes[place]] = sum / count as f64 + offsets[place];
            }
        }
    }

    /// Width and height of the picture.
    pub(super) fn size(&self) -> (f64, f64) {
        let ends = self.x.iter().zip(&self.widths).map(|(x, width)| x + width / 2.0);
        let bottom = self.bands.last().map_or(0.0, |&(top, height)| top + height);
        (ends.fold(0.0, f64::max) + MARGIN, bottom + MARGIN)
    }

    /// The middle of a node.
    pub(super) fn place(&self, node: usize) -> (f64, f64) {
        let (top, height) = self.bands[self.rank[node]];
        (self.x[node], top + height / 2.0)
    }

    /// For each input of node `id` the points on the way from it.
    pub(super) fn edges(&self, id: usize) -> Vec<Vec<(f64, f64)>> {
        // Where edges arrive, they are spread in the order in which they come.
        let came_from = |slot: usize| {
            let last = self.bends[id][slot].last().copied().unwrap_or(self.inputs[id][slot]);
            self.x[last]
        };
        let mut slots: Vec<usize> = (0..self.inputs[id].len()).collect();
        slots.sort_by(|&one, &other| came_from(one).total_cmp(&came_from(other)));
        let mut before = vec![0; slots.len()];
        slots.iter().enumerate().for_each(|(place, &slot)| before[slot] = place);
        (0..before.len()).map(|slot| self.edge(id, slot, before[slot])).collect()
    }

    /// The points on the way to input number `slot` of node `id`, where so many edges arrive left of it.
    fn edge(&self, id: usize, slot: usize, before: usize) -> Vec<(f64, f64)> {
        let inputs = &self.inputs[id];
        let (from, to) = (self.place(inputs[slot]), self.place(id));
        let mut points = vec![(from.0, from.1 + self.heights[inputs[slot]] / 2.0)];
        for &bend in &self.bends[id][slot] {
            let (x, y) = self.place(bend);
            let half = self.bands[self.rank[bend]].1 / 2.0;
            points.extend([(x, y - half), (x, y + half)]);
        }
        let step = (self.widths[id] * 0.6 / inputs.len() as f64).min(16.0);
        let shift = before as f64 - (inputs.len() as f64 - 1.0) / 2.0;
        points.push((to.0 + shift * step, to.1 - self.heights[id] / 2.0));
        points
    }
}

/// The longest path to each node; what no other leads to lies just above its first user.
fn ranks(graph: &Graph) -> Vec<usize> {
    let mut rank = vec![0usize; graph.nodes().len()];
    for &id in graph.topological_order() {
        let inputs = graph.nodes()[id].inputs.iter();
        rank[id] = inputs.map(|&input| rank[input] + 1).max().unwrap_or(0);
    }
    for (id, node) in graph.nodes().iter().enumerate() {
        if matches!(node.role, Role::Target) {
            let users = graph.consumers(id).iter().map(|&(user, _)| rank[user]);
            rank[id] = users.min().map_or(0, |first| first.saturating_sub(1));
        }
    }
    rank
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::Add;
    use crate::presets::PRESETS;

    #[test]
    fn edges_that_would_bend_too_often_go_straight() {
        // Every node reads the one before it and the first one.
        let mut net = GraphBuilder::new("long");
        let first = net.input("first", [1]);
        let mut last = first.clone();
        for number in 0..2000 {
            last = net.layer(format!("n{number}"), Add, [&last, &first]);
        }
        net.output(&last);
        let graph = net.build().unwrap();
        let layout = Layout::of(&graph, &vec![60.0; graph.nodes().len()]);
        assert_eq!(layout.rank.len(), graph.nodes().len());
        assert_eq!(layout.edges(1000)[1].len(), 2);
        assert!(layout.x.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn nodes_never_overlap_and_edges_lead_down() {
        for preset in PRESETS {
            let graph = preset.model().unwrap().graph;
            let widths: Vec<f64> =
                (0..graph.nodes().len()).map(|id| 60.0 + (id % 7) as f64 * 20.0).collect();
            let layout = Layout::of(&graph, &widths);
            let (width, height) = layout.size();
            for rank in &layout.ranks {
                for pair in rank.windows(2) {
                    let gap = layout.x[pair[1]] - layout.x[pair[0]];
                    let needed =
                        f64::midpoint(layout.widths[pair[0]], layout.widths[pair[1]]) + NODE_GAP;
                    assert!(gap > needed - 1e-6, "{}: {gap} {needed}", preset.name);
                }
            }
            for (id, node) in graph.nodes().iter().enumerate() {
                let (x, y) = layout.place(id);
                assert!(x - widths[id] / 2.0 > 0.0 && x + widths[id] / 2.0 < width);
                assert!(y > 0.0 && y < height);
                for slot in 0..node.inputs.len() {
                    let points = &layout.edges(id)[slot];
                    assert!(points.windows(2).all(|pair| pair[0].1 < pair[1].1), "{}", node.name);
                }
            }
        }
    }
}
