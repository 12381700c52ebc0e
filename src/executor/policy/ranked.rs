//! Ready parts by a fixed rank of their tasks.

use super::ReadyPart;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Ready parts whose tasks have a rank each, the smallest out first; parts of one task in order.
///
/// The ranks of a plan are a permutation of its tasks, so a set of ranks is a row of bits, and rows of
/// bits above it say which words hold any: finding the smallest takes one step a row, three for a
/// quarter of a million tasks, where a binary heap takes eighteen.
#[derive(Debug, Default)]
pub(super) struct Ranked {
    /// Row 0 has a bit a rank; every other row a bit for each word of the one below.
    rows: Vec<Vec<u64>>,
    /// By rank: the task, its next part, and how many of its parts have been pushed.
    tasks: Vec<Waiting>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    task: u32,
    next: u32,
    end: u32,
}

impl Ranked {
    /// Empties the set and makes room: `order` has the tasks, the most urgent first.
    pub(super) fn reset(&mut self, order: &[u32]) {
        self.tasks.clear();
        self.tasks.extend(order.iter().map(|&task| Waiting { task, next: 0, end: 0 }));
        self.rows.clear();
        let mut bits = order.len();
        loop {
            let words = bits.div_ceil(WORD).max(1);
            self.rows.push(vec![0; words]);
            if words == 1 {
                break;
            }
            bits = words;
        }
    }

    /// Adds a part of the task with this rank. Parts of one task come in order.
    pub(super) fn push(&mut self, rank: u32, part: u32) {
        let waiting = &mut self.tasks[rank as usize];
        if waiting.next == waiting.end {
            waiting.next = part;
        }
        waiting.end = part + 1;
        let mut bit = rank as usize;
        for row in &mut self.rows {
            row[bit / WORD] |= 1 << (bit % WORD);
            bit /= WORD;
        }
    }

    /// Takes out the first part of the task with the smallest rank.
    pub(super) fn pop(&mut self) -> Option<ReadyPart> {
        if self.tasks.is_empty() {
            return None;
        }
        let mut place = 0;
        for row in self.rows.iter().rev() {
            let word = row[place];
            if word == 0 {
                return None;
            }
            place = place * WORD + word.trailing_zeros() as usize;
        }
        let waiting = &mut self.tasks[place];
        let part = ReadyPart { task: waiting.task, part: waiting.next };
        waiting.next += 1;
        if waiting.next == waiting.end {
            let mut bit = place;
            for row in &mut self.rows {
                row[bit / WORD] &= !(1 << (bit % WORD));
                if row[bit / WORD] != 0 {
                    break;
                }
                bit /= WORD;
            }
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn parts_come_out_by_rank_then_part() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for tasks in [1usize, 2, 63, 64, 65, 4096, 5000, 300_000] {
            let mut order: Vec<u32> = (0..tasks as u32).collect();
            order.shuffle(&mut random);
            let mut ranked = Ranked::default();
            ranked.reset(&order);
            let mut expected = Vec::new();
            let mut pushed: Vec<u32> = (0..tasks as u32).collect();
            pushed.shuffle(&mut random);
            pushed.truncate(2000);
            for &rank in &pushed {
                for part in 0..random.random_range(1..4) {
                    ranked.push(rank, part);
                    expected.push((rank, part));
                }
            }
            expected.sort_unstable();
            for &(rank, part) in &expected {
                assert_eq!(ranked.pop(), Some(ReadyPart { task: order[rank as usize], part }));
            }
            assert_eq!(ranked.pop(), None);
            ranked.push(0, 0);
            assert_eq!(ranked.pop(), Some(ReadyPart { task: order[0], part: 0 }));
        }
    }

    #[test]
    fn an_empty_plan_has_nothing() {
        let mut ranked = Ranked::default();
        assert_eq!(ranked.pop(), None);
        ranked.reset(&[]);
        assert_eq!(ranked.pop(), None);
    }
}
