//! A set of small numbers whose smallest is found at once.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// A set of places.
///
/// It is a row of bits, with rows above it whose bits say which words of the row below hold any:
/// finding the smallest takes one look a row, three for a quarter of a million places, where a binary
/// heap takes eighteen.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    rows: Vec<Vec<u64>>,
}

impl Places {
    /// An empty set of places below `count`.
    pub(super) fn new(count: usize) -> Self {
        let mut rows = Vec::new();
        let mut bits = count;
        while bits > 0 {
            let words = bits.div_ceil(WORD);
            rows.push(vec![0; words]);
            bits = if words == 1 { 0 } else { words };
        }
        Self { rows }
    }

    /// Makes it an empty set of places below `count`, in the memory that is there if that was its size.
    pub(super) fn clear(&mut self, count: usize) {
        let words = self.rows.first().map_or(0, Vec::len);
        if words == count.div_ceil(WORD) {
            self.rows.iter_mut().for_each(|row| row.fill(0));
        } else {
            *self = Self::new(count);
        }
    }

    /// All places, the smallest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.rows.first().into_iter().flatten().enumerate();
        words.filter(|(_, word)| **word != 0).flat_map(|(at, &word)| {
            let bits = (0..WORD).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| at * WORD + bit)
        })
    }

    pub(super) fn insert(&mut self, place: usize) {
        let mut bit = place;
        for row in &mut self.rows {
            row[bit / WORD] |= 1 << (bit % WORD);
            bit /= WORD;
        }
    }

    pub(super) fn remove(&mut self, place: usize) {
        let mut bit = place;
        for row in &mut self.rows {
            let word = &mut row[bit / WORD];
            *word &= !(1 << (bit % WORD));
            if *word != 0 {
                break;
            }
            bit /= WORD;
        }
    }

    /// Whether a place is in it.
    pub(super) fn contains(&self, place: usize) -> bool {
        self.rows.first().is_some_and(|row| row[place / WORD] >> (place % WORD) & 1 == 1)
    }

    /// The smallest place.
    pub(super) fn first(&self) -> Option<usize> {
        let mut place = 0;
        for row in self.rows.iter().rev() {
            let word = row[place];
            if word == 0 {
                return None;
            }
            place = place * WORD + word.trailing_zeros() as usize;
        }
        (!self.rows.is_empty()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn the_smallest_place_comes_first() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for count in [1usize, 2, 63, 64, 65, 4096, 4097, 300_000] {
            let mut places = Places::new(count);
            let mut expected = BTreeSet::new();
            for _ in 0..3000 {
                let place = random.random_range(0..count);
                if random.random_range(0..3) > 0 {
                    places.insert(place);
                    expected.insert(place);
                } else if let Some(first) = expected.pop_first() {
                    assert_eq!(places.first(), Some(first), "of {count}");
                    places.remove(first);
                } else {
                    assert_eq!(places.first(), None, "of {count}");
                }
            }
            while let Some(first) = expected.pop_first() {
                assert_eq!(places.first(), Some(first), "of {count}");
                places.remove(first);
                assert!(places.iter().eq(expected.iter().copied()), "of {count}");
            }
            assert_eq!(places.first(), None, "of {count}");
            places.insert(count - 1);
            places.clear(count);
            assert_eq!(places.iter().next(), None, "of {count}");
        }
    }

    #[test]
    fn an_empty_set_has_none() {
        assert_eq!(Places::default().first(), None);
        assert_eq!(Places::new(0).first(), None);
    }
}
