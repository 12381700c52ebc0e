//! dagrs on Tokio: every node is a task that waits for a message on a channel from each predecessor. A run
//! that is not the first makes the channels anew.

use std::sync::Arc;

use dagrs::{
    Action, Content, DefaultNode, EnvVar, InChannels, Node, NodeTable, OutChannels, Output,
};
use tokio::runtime::Builder;

use crate::common::{Graph, Library, Settings, measure, visit};

struct Visit(usize);

#[dagrs::async_trait::async_trait]
impl Action for Visit {
    async fn run(
        &self,
        inputs: &mut InChannels,
        outputs: &mut OutChannels,
        _: Arc<EnvVar>,
    ) -> Output {
        inputs.map(drop).await;
        visit(self.0);
        outputs.broadcast(Content::new(())).await;
        Output::empty()
    }
}

struct Built {
    graph: dagrs::Graph,
    ran: bool,
}

fn build(graph: &Graph) -> Built {
    let mut table = NodeTable::default();
    let mut built = dagrs::Graph::new();
    let successors = crate::successors(graph);
    let ids: Vec<_> = (0..graph.nodes())
        .map(|node| {
            let node = DefaultNode::with_action(node.to_string(), Visit(node), &mut table);
            let id = node.id();
            built.add_node(node).expect("every node is new");
            id
        })
        .collect();
    for node in 0..graph.nodes() {
        let next = successors.of(node).iter().map(|&node| ids[node]).collect::<Vec<_>>();
        if !next.is_empty() {
            built.add_edge(ids[node], next).expect("both nodes are there");
        }
    }
    built.set_env(EnvVar::new(table));
    Built { graph: built, ran: false }
}

/// Measures it.
pub fn line(settings: &Settings, graph: &Graph) -> Result<String, String> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .worker_threads(settings.threads)
        .build()
        .map_err(|e| e.to_string())?;
    let library = Library { name: "dagrs", version: crate::version("dagrs"), reuses: true };
    let run = |built: &mut Built| {
        runtime.block_on(async {
            if built.ran {
                built.graph.reset().await.expect("a graph that ran");
            }
            built.ran = true;
            built.graph.async_start().await.expect("no node fails");
        });
    };
    measure(settings, &library, graph, || build(graph), run)
}
