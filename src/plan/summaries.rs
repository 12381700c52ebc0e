//! What layers must know of a batch as a whole: its moments, for example.
//!
//! The batch is divided into blocks of items. Each block is summarised on its own, and one small call
//! combines the summaries in the order of the items. Parts of the first are ranges of blocks, and
//! blocks follow from shapes alone, so that the numbers do not depend on parts or workers.

use super::calls::{CallIndex, Lister, Write, seconds};
use crate::context::{ParameterIndex, Phase};
use crate::flow::index::ValueIndex;
use crate::graph::{NodeId, Role};
use crate::layers::{Cost, ParameterKind, Pass, Split};

/// Floats of a block, about: reading them a second time finds them in the cache.
const BLOCK_FLOATS: usize = 32 * 1024;

/// Rows of a block, at least: its summary should be small beside it.
const BLOCK_ROWS: usize = 16;

/// Into how many blocks `items` are divided that have `rows` rows of `columns` floats each.
fn blocks(items: usize, rows: usize, columns: usize) -> usize {
    let rows = rows.max(1);
    let floats = rows.saturating_mul(columns).max(1);
    let size = BLOCK_FLOATS.div_ceil(floats).max(BLOCK_ROWS.div_ceil(rows));
    (items / size).max(1)
}

impl Lister<'_> {
    /// Summarises the batch for one pass, if the node's layer asks for that and trains; what the passes so far
    /// know of the batch.
    pub(super) fn summarize(&mut self, id: NodeId, pass: Pass) -> [Option<ValueIndex>; 2] {
        let Role::Layer(layer) = &self.graph.nodes[id].role else { return [None; 2] };
        let shapes = self.input_shapes(id);
        let floats = layer.whole_batch().map_or(0, |whole| whole.summary_floats(&shapes, pass));
        if floats == 0 || !self.graph.trains(id) {
            return self.summaries[id];
        }
        let columns = shapes[0].last().copied().unwrap_or(1).max(1);
        let rows = shapes[0].iter().product::<usize>() / columns;
        let blocks = blocks(self.items.len(), rows, columns);
        let (summarize, combine) = match pass {
            Pass::Forward => (Phase::Summarize, Phase::Combine),
            Pass::Backward => (Phase::SummarizeGrad, Phase::CombineGrad),
        };

        let mut call = self.draft(summarize, id);
        let mut reads = layer.param_grad_reads();
        reads.inputs |= pass == Pass::Forward;
        reads.output &= pass == Pass::Backward;
        self.read(&mut call, id, reads);
        if pass == Pass::Backward {
            call.output_grad = self.output_grad(id);
            call.summaries[0] = self.summaries[id][0];
        }
        call.split = Split::Rows;
        call.units = blocks;
        let numbers = (self.items.len() * rows * columns * call.reads().count()) as f64;
        let cost = Cost { flops: 4.0 * numbers, floats: numbers };
        call.seconds = seconds(cost);
        call.flops = cost.flops;
        let partial = self.calls.add_flat(floats, blocks, false);
        call.writes.push(Write::new(partial));
        self.calls.push(call);

        let mut call = self.draft(combine, id);
        call.inputs.push(partial);
        call.split = Split::Whole;
        call.seconds = seconds(Cost { flops: 0.0, floats: ((blocks + 1) * floats) as f64 });
        let summary = self.calls.add_flat(floats, 1, false);
        call.writes.push(Write::new(summary));
        self.calls.push(call);
        self.summaries[id][pass as usize] = Some(summary);
        self.summaries[id]
    }

    /// The calls that move statistics: one for every node that has them, in node order where nodes
    /// share them.
    pub(super) fn statistics(&mut self, commit: CallIndex) {
        let graph = self.graph;
        let mut latest = vec![None; graph.parameters.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            for &parameter in &node.parameters {
                let spec = &graph.parameters[parameter].spec;
                if spec.kind != ParameterKind::Statistic
                    || self.summaries[id][0].is_none()
                    || !graph.parameters[parameter].trainable
                {
                    continue;
                }
                let mut call = self.draft(Phase::Update, id);
                call.parameter = Some(ParameterIndex::new(parameter));
                call.summaries = self.summaries[id];
                call.after.push(commit);
                call.after.extend(latest[parameter]);
                call.commit = Some(commit);
                call.split = Split::Whole;
                call.seconds = seconds(Cost { flops: 0.0, floats: 3.0 * spec.floats() as f64 });
                latest[parameter] = Some(self.calls.push(call));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_worth_a_summary() {
        assert_eq!(blocks(64, 32 * 32, 64), 64, "an item is a block");
        assert_eq!(blocks(64, 7 * 7, 64), 5);
        assert_eq!(blocks(64, 1, 10), 1);
        assert_eq!(blocks(64, 1, 100_000), 4, "no fewer than 16 rows");
        assert_eq!(blocks(1, 1, 1), 1);
        assert_eq!(blocks(3, 0, 0), 1);
    }
}
