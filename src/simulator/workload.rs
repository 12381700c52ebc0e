//! What can be simulated.

use std::sync::Arc;

use super::traffic::Traffic;
use crate::flow::trace::Trace;
use crate::flow::{Flow, FlowRun, TaskGraph};
use crate::plan::Plan;

/// What the simulator runs: a graph of tasks, and what is known of the bytes that its parts exchange.
pub trait Workload {
    /// The tasks.
    fn task_graph(&self) -> &TaskGraph;

    /// The bytes.
    fn traffic(&self) -> Traffic;
}

impl Workload for Plan {
    fn task_graph(&self) -> &TaskGraph {
        self
    }

    fn traffic(&self) -> Traffic {
        Traffic::of_plan(self)
    }
}

impl<W: Workload + ?Sized> Workload for Arc<W> {
    fn task_graph(&self) -> &TaskGraph {
        (**self).task_graph()
    }

    fn traffic(&self) -> Traffic {
        (**self).traffic()
    }
}

/// Its tasks exchange the values that go from node to node, as large as their types say: what these point to on
/// the heap is not known.
impl Workload for Flow {
    fn task_graph(&self) -> &TaskGraph {
        self.task_graph()
    }

    fn traffic(&self) -> Traffic {
        Traffic::of_messages(self.task_graph(), self.message_bytes())
    }
}

/// Its tasks exchange what the recorded messages handed on.
impl Workload for Trace {
    fn task_graph(&self) -> &TaskGraph {
        self.graph()
    }

    fn traffic(&self) -> Traffic {
        Traffic::of_messages(self.graph(), self.message_bytes())
    }
}

/// As of a flow, for all runs that are in flight together.
impl Workload for FlowRun {
    fn task_graph(&self) -> &TaskGraph {
        self.task_graph()
    }

    fn traffic(&self) -> Traffic {
        Traffic::of_messages(self.task_graph(), self.message_bytes())
    }
}

/// Bare tasks exchange nothing.
impl Workload for TaskGraph {
    fn task_graph(&self) -> &TaskGraph {
        self
    }

    fn traffic(&self) -> Traffic {
        Traffic::none(self)
    }
}
