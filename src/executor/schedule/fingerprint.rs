//! What tells whether a schedule is of a plan.

use sha2::{Digest, Sha256};

use crate::executor::plan::Plan;

impl Plan {
    /// What tells whether two plans have the same tasks: 16 hexadecimal digits of a SHA-256 over the
    /// mode, the batch size, and the steps, parts and messages of every task. Plans of equal
    /// fingerprints can follow the same schedule.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut numbers = vec![self.mode as u64, self.batch as u64, self.tasks.len() as u64];
        for task in &self.tasks {
            let counts = [task.parts, task.first_item, task.items, task.in_degree];
            let lengths = [task.steps.len, task.successors.len];
            numbers.extend(counts.into_iter().chain(lengths).map(u64::from));
        }
        numbers.extend(self.edges.iter().map(|edge| u64::from(edge.task)));
        for step in &self.steps {
            let name = &self.graph.nodes[step.node as usize].name;
            numbers.extend([step.phase as u64, name.len() as u64]);
            hash.update(name);
        }
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        let digits = hash.finalize();
        digits[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}
