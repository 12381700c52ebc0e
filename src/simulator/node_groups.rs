//! Nodes that tasks run together.

use std::collections::BTreeMap;

/// The nodes of a graph in groups: a task that runs several nodes takes its time for all of them, and nobody knows how much
/// of it is whose; so all nodes that share a task are of one group.
#[derive(Debug)]
pub(super) struct NodeGroups {
    /// The nodes of every group, in the order in which tasks run them first.
    pub(super) nodes: Vec<Vec<String>>,
    /// The group of every task.
    pub(super) of_task: Vec<usize>,
}

impl NodeGroups {
    /// The groups of tasks that run so many nodes each; a task without nodes is of none, and so a group of its own.
    pub(super) fn new(tasks: &[Vec<String>]) -> Self {
        let (mut names, mut numbers) = (Vec::<&str>::new(), BTreeMap::<&str, usize>::new());
        // By node, one of the same group with a lower number, or itself.
        let mut before: Vec<usize> = Vec::new();
        let mut first_of_task = Vec::with_capacity(tasks.len());
        for task in tasks {
            let mut joined: Option<usize> = None;
            for name in task {
                let number = *numbers.entry(name).or_insert_with(|| {
                    names.push(name);
                    before.push(before.len());
                    before.len() - 1
                });
                let root = root(&mut before, number);
                let with = joined.unwrap_or(root);
                before[root.max(with)] = root.min(with);
                joined = Some(root.min(with));
            }
            first_of_task.push(joined);
        }
        let mut nodes: Vec<Vec<String>> = Vec::new();
        let mut of_node: Vec<usize> = Vec::with_capacity(names.len());
        for (number, name) in names.into_iter().enumerate() {
            let root = root(&mut before, number);
            if root == number {
                of_node.push(nodes.len());
                nodes.push(Vec::new());
            } else {
                of_node.push(of_node[root]);
            }
            nodes[of_node[number]].push(name.to_owned());
        }
        let of_task = first_of_task.into_iter().map(|node| {
            node.map_or_else(
                || {
                    nodes.push(Vec::new());
                    nodes.len() - 1
                },
                |node| of_node[node],
            )
        });
        let of_task = of_task.collect();
        Self { nodes, of_task }
    }
}

/// The lowest number of a node's group; the way there gets shorter.
fn root(before: &mut [usize], mut node: usize) -> usize {
    while before[node] != node {
        before[node] = before[before[node]];
        node = before[node];
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_share_a_task_are_of_one_group() {
        let tasks = [&["a"][..], &["b", "c"], &["d"], &["e", "b"], &[], &["c"], &["f", "a"]];
        let tasks = tasks.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let groups = NodeGroups::new(&tasks);
        assert_eq!(groups.nodes, [&["a", "f"][..], &["b", "c", "e"], &["d"], &[]]);
        assert_eq!(groups.of_task, [0, 1, 2, 1, 3, 1, 0]);
    }
}
