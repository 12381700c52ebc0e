//! The parts that a policy holds: it may give these, each once, and no others.
//!
//! Policies are anybody's code. A part that ran twice, or before its messages had come, would write where
//! others read; so the queue believes none without looking here.

/// A set of parts, by their numbers within the run.
#[derive(Debug, Default)]
pub(super) struct ReadySet {
    words: Vec<u64>,
    parts: usize,
}

impl ReadySet {
    /// Empties the set, and makes room for `parts` of them.
    pub(super) fn clear(&mut self, parts: usize) {
        self.words.clear();
        self.words.resize(parts.div_ceil(64), 0);
        self.parts = parts;
    }

    /// How many parts there may be.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// The first part in the set.
    pub(super) fn first(&self) -> Option<usize> {
        let word = self.words.iter().position(|&word| word != 0)?;
        Some(64 * word + self.words[word].trailing_zeros() as usize)
    }

    /// Adds a part of the run.
    pub(super) fn add(&mut self, part: usize) {
        self.words[part / 64] |= 1 << (part % 64);
    }

    /// Takes a part out; says whether it was there.
    pub(super) fn remove(&mut self, part: usize) -> bool {
        let Some(word) = self.words.get_mut(part / 64) else { return false };
        let was = *word & (1 << (part % 64)) != 0;
        *word &= !(1 << (part % 64));
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_there_until_it_is_taken() {
        let mut ready = ReadySet::default();
        assert!(!ready.remove(0));
        ready.clear(130);
        for part in [0, 63, 64, 129] {
            assert!(!ready.remove(part));
            ready.add(part);
            assert_eq!(ready.first(), Some(part));
            assert!(ready.remove(part) && !ready.remove(part), "{part}");
            assert_eq!(ready.first(), None);
        }
        assert!(!ready.remove(130) && !ready.remove(usize::MAX));
        ready.add(5);
        ready.clear(130);
        assert!(!ready.remove(5));
    }
}
