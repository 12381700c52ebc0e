//! The calls that bring weights into forms of their own, for layers that ask for it.

use super::calls::{Lister, Write, seconds};
use crate::context::{Mode, Phase};
use crate::flow::index::ValueIndex;
use crate::graph::{NodeId, Role};
use crate::layers::{Cost, Pass, Split};

impl Lister<'_> {
    /// The form of its weights that a pass of a node reads, if it does. Weights are prepared once for all chunks, and once for
    /// all runs that move none.
    pub(super) fn prepare(&mut self, id: NodeId, pass: Pass) -> Option<ValueIndex> {
        let Role::Layer(layer) = &self.graph.nodes[id].role else { return None };
        let weights = layer.prepared_weights()?;
        let floats = weights.floats(pass, &self.input_shapes(id), self.options.numerics());
        if floats == 0 {
            return None;
        }
        let form = self.form_of(id);
        let known = self.calls.prepared[form][pass as usize];
        if known.is_some() {
            return known;
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
