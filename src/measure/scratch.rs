//! Memory that a thread changes to keep the memory busy.

use std::hint::black_box;

/// Words that one thread changes one after another, round and round, and where it is.
#[derive(Debug)]
pub(crate) struct Scratch {
    words: Vec<u64>,
    next: usize,
}

impl Scratch {
    /// How many words: 16 MiB, more than a core's own caches hold.
    pub(crate) const WORDS: usize = 1 << 21;

    pub(crate) fn new() -> Self {
        // Written, so that the system gives the memory now.
        Self { words: (0..Self::WORDS as u64).collect(), next: 0 }
    }

    /// The next words, at most so many.
    pub(crate) fn stretch(&mut self, words: usize) -> &mut [u64] {
        let start = self.next;
        let end = self.words.len().min(start + words);
        self.next = end % self.words.len();
        &mut self.words[start..end]
    }

    /// Changes the next words.
    pub(crate) fn change(&mut self, mut words: usize) {
        while words > 0 {
            let stretch = self.stretch(words);
            change_words(stretch);
            words -= stretch.len();
        }
    }
}

/// Changes each word.
pub(crate) fn change_words(words: &mut [u64]) {
    for word in words.iter_mut() {
        *word = word.wrapping_mul(3) ^ 1;
    }
    black_box(words);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_changed_round_and_round() {
        let mut scratch = Scratch::new();
        scratch.change(Scratch::WORDS - 1);
        scratch.change(3);
        let changed = |word: u64| word.wrapping_mul(3) ^ 1;
        let last = Scratch::WORDS - 1;
        assert_eq!(scratch.words[last], changed(last as u64));
        assert_eq!(scratch.words[..3], [changed(changed(0)), changed(changed(1)), changed(2)]);
        assert_eq!(scratch.next, 2);
    }
}
