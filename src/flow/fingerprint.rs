//! What tells graphs of tasks apart.

use sha2::{Digest, Sha256};

use super::graph::TaskGraph;

impl TaskGraph {
    /// What tells whether two graphs have the same tasks: 16 hexadecimal digits of a SHA-256 over the work,
    /// parts and messages of every task. Graphs of equal fingerprints can follow the same schedule.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut numbers = self.variant.clone();
        numbers.push(self.tasks.len() as u64);
        for task in &self.tasks {
            numbers.push(u64::from(task.parts));
            numbers.extend([task.items.start(), task.items.len()].map(|it| it as u64));
            numbers.push(u64::from(task.in_degree));
            numbers.extend([task.work.len(), task.successors.len()].map(|it| it as u64));
        }
        numbers.extend(self.edges.iter().map(|edge| u64::from(edge.task.number())));
        for work in &self.work {
            let name = &self.nodes[work.node];
            numbers.extend([u64::from(work.phase), name.len() as u64]);
            hash.update(name);
        }
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        let digits = hash.finalize();
        digits[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}
