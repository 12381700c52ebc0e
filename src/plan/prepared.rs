//! The calls that bring weights into forms of their own, for layers that ask for it.

use super::calls::{CallDraft, Lister, Write, parts, seconds};
use crate::context::{Mode, Phase};
use crate::flow::index::ValueIndex;
use crate::graph::{NodeId, Role};
use crate::layers::{Cost, FormReaders, Pass, Split};

impl Lister<'_> {
    /// The form of its weights that a pass of a node reads, if it does. Weights are prepared once for all chunks, and once for
    /// all runs that move none.
    pub(super) fn prepare(&mut self, reader: &CallDraft, pass: Pass) -> Option<ValueIndex> {
        let id = reader.node;
        let Role::Layer(layer) = &self.graph.nodes[id].role else { return None };
        let weights = layer.prepared_weights()?;
        let form = self.form_of(id);
        let known = self.calls.prepared[form][pass as usize];
        if known.is_some() {
            return known;
        }
        let readers = self.readers(reader);
        let floats = weights.floats(pass, &self.input_shapes(id), self.options.numerics(), readers);
        if floats == 0 {
            return None;
        }
        let lasts = self.mode != Mode::Training;
        let value = self.calls.add_flat(floats, 1, lasts);
        let mut call = self.draft(Phase::Prepare, id);
        call.split = Split::Whole;
        call.seconds = seconds(Cost { flops: 0.0, floats: 2.0 * floats as f64 });
        let index = pass as usize;
        call.writes.push(Write { index, ..Write::new(value) });
        if lasts {
            self.calls.lasting.push(call);
        } else {
            self.calls.push(call);
        }
        self.calls.prepared[form][index] = Some(value);
        Some(value)
    }

    /// Who reads a form of the weights, if this call does.
    fn readers(&self, reader: &CallDraft) -> FormReaders {
        let seconds = self.estimated(reader).seconds;
        let parts = parts(seconds, reader.units, self.options);
        let users = self.calls.users.get(&self.owner(reader.node)).map_or(1, |users| users.all);
        FormReaders {
            parts: parts * self.values.chunks.len() * users,
            items: self.items.len().div_ceil(parts),
        }
    }

    /// The node whose forms of the weights a node reads: its own, or those of the one whose parameters it shares, where
    /// all that forms follow from is equal.
    fn form_of(&self, id: NodeId) -> NodeId {
        let Some(owner) = self.graph.shares(id) else { return id };
        let [own, other] =
            [id, owner].map(|id| (&self.graph.nodes[id].role, self.input_shapes(id)));
        let alike = own.1 == other.1
            && match (own.0, other.0) {
                (Role::Layer(own), Role::Layer(other)) => {
                    own.kind() == other.kind() && own.attributes() == other.attributes()
                }
                _ => false,
            };
        if alike { owner } else { id }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::context::{Mode, Phase};
    use crate::graph::{Block, GraphBuilder};
    use crate::layers::{Dense, Tanh};
    use crate::losses::MeanSquaredError;
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::{Plan, PlanOptions};

    /// How many calls prepare the weights of dense layers that follow one another, for so many items.
    fn prepared(layers: usize, shared: bool, items: usize, options: PlanOptions) -> usize {
        let step = Block::new("step", |net, inputs| [net.layer("dense", Dense::new(256), inputs)]);
        let mut net = GraphBuilder::new("dense");
        let (x, y) = (net.input("x", [256]), net.target("y", [256]));
        let mut last = vec![net.layer("start", Tanh, [&x])];
        // Its input needs a gradient, so that the first layer has one too.
        last = vec![net.layer("before", Dense::new(256), &last)];
        for number in 0..layers {
            let name = format!("step{number}");
            last = match number {
                1.. if shared => net.shared_block(name, &step, &last, "step0"),
                _ => net.block(name, &step, &last),
            };
        }
        net.loss("loss", MeanSquaredError, [&last[0], &y]);
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
        let graph = Arc::new(net.build().unwrap());
        let plan = Plan::compile(&graph, Mode::Training, items, &optimizer, options).unwrap();
        plan.calls.iter().filter(|call| call.phase == Phase::Prepare).count()
    }

    #[test]
    fn transposed_weights_that_many_parts_read_are_packed_once() {
        let fine = PlanOptions::default().grain(1e-6);
        for (layers, shared, items, options, expected) in [
            // Whole layers pack for themselves; each of 21 parts, of 33 rows, would do so too.
            (3, false, 680, fine.parts(false), 0),
            (3, false, 680, fine, 3),
            // 16 parts of 32 rows turn the gradient.
            (3, false, 512, fine, 0),
            // Many users of the same weights are as many readers.
            (3, true, 40, fine.parts(false), 0),
            (9, true, 40, fine.parts(false), 1),
            (9, false, 40, fine.parts(false), 0),
            // 32 rows turn the gradient here too.
            (9, true, 32, fine.parts(false), 0),
        ] {
            let found = prepared(layers, shared, items, options);
            assert_eq!(found, expected, "{layers} layers, shared {shared}, {items} items");
        }
    }
}
