//! What the columns of a table hold.

use std::collections::BTreeMap;

use super::Table;
use super::text::is_missing;
use crate::error::Result;

/// Fields of more different texts than this are not counted one by one.
const MOST_TEXTS: usize = 256;

/// What a column of a table holds.
///
/// ```
/// use caudal::data::Table;
///
/// let rows = [["63", "Paris"], ["", "Rome"], ["41", "Paris"]];
/// let profiles = Table::new("people", ["age", "city"], rows)?.profiles()?;
/// assert_eq!((profiles[0].numbers, profiles[0].missing), (true, 1));
/// assert_eq!(profiles[1].texts.as_ref().unwrap()["Paris"], 2);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Whether all fields that are not missing are numbers, and at least one is not missing.
    pub numbers: bool,
    /// Whether all of these are whole.
    pub whole: bool,
    /// The least and the largest of the numbers.
    pub ends: Option<(f64, f64)>,
    /// How many fields stand for a missing number; of a column of words, how many are empty.
    pub missing: usize,
    /// How often each different text comes, missing ones left out; nothing if there are more than 256.
    pub texts: Option<BTreeMap<String, usize>>,
}

/// A column that is being looked at.
struct Seen {
    numbers: bool,
    whole: bool,
    ends: Option<(f64, f64)>,
    /// Fields that stand for a missing number, and those of them that are empty.
    missing: (usize, usize),
    texts: Option<BTreeMap<String, usize>>,
    /// How often each text for a missing number comes that is a word if others are.
    words: BTreeMap<String, usize>,
}

impl Seen {
    fn see(&mut self, field: &str) {
        if is_missing(field) {
            self.missing.0 += 1;
            if field.is_empty() {
                self.missing.1 += 1;
            } else {
                *self.words.entry(field.to_owned()).or_default() += 1;
            }
            return;
        }
        match field.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.whole &= number.fract() == 0.0;
                let (least, largest) = self.ends.unwrap_or((number, number));
                self.ends = Some((least.min(number), largest.max(number)));
            }
            _ => self.numbers = false,
        }
        let Some(texts) = &mut self.texts else { return };
        if let Some(count) = texts.get_mut(field) {
            *count += 1;
        } else if texts.len() < MOST_TEXTS {
            texts.insert(field.to_owned(), 1);
        } else {
            self.texts = None;
        }
    }

    fn profile(mut self, name: &str) -> ColumnProfile {
        let numbers = self.numbers && self.ends.is_some();
        if !numbers && let Some(texts) = &mut self.texts {
            // In a column of words, `null` is one.
            texts.extend(self.words);
        }
        ColumnProfile {
            name: name.to_owned(),
            numbers,
            whole: numbers && self.whole,
            ends: self.ends.filter(|_| numbers),
            missing: if numbers { self.missing.0 } else { self.missing.1 },
            texts: self.texts,
        }
    }
}

impl Table {
    /// What each column holds, in one pass over the table.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) or [`Error::Data`](crate::Error::Data) if it is read from a file that can't be
    /// read or has changed.
    pub fn profiles(&self) -> Result<Vec<ColumnProfile>> {
        let new = || Seen {
            numbers: true,
            whole: true,
            ends: None,
            missing: (0, 0),
            texts: Some(BTreeMap::new()),
            words: BTreeMap::new(),
        };
        let mut seen: Vec<Seen> = self.columns.iter().map(|_| new()).collect();
        self.each(0..self.len(), |_, row| {
            for (column, seen) in seen.iter_mut().enumerate() {
                seen.see(row.field(column));
            }
            Ok(())
        })?;
        Ok(seen.into_iter().zip(&self.columns).map(|(seen, name)| seen.profile(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_numbers_or_words_with_what_is_missing() {
        let rows = [
            ["1", "2.5", "null", "", "NA"],
            ["-3", "NA", "red", "", "NA"],
            ["0", "1e3", "", "", "7"],
        ];
        let table = Table::new("t", ["whole", "real", "word", "empty", "few"], rows).unwrap();
        let [whole, real, word, empty, few] = table.profiles().unwrap().try_into().unwrap();
        assert_eq!((whole.numbers, whole.whole, whole.ends), (true, true, Some((-3.0, 1.0))));
        assert_eq!((real.numbers, real.whole, real.missing), (true, false, 1));
        assert_eq!((word.numbers, word.missing, word.ends), (false, 1, None));
        assert_eq!(
            word.texts.unwrap().into_iter().collect::<Vec<_>>(),
            [("null".to_owned(), 1), ("red".to_owned(), 1)]
        );
        assert_eq!((empty.numbers, empty.missing), (false, 3));
        assert_eq!((few.numbers, few.missing, few.texts.unwrap().len()), (true, 2, 1));
    }

    #[test]
    fn many_different_texts_are_not_listed() {
        let rows: Vec<[String; 1]> = (0..300).map(|row| [row.to_string()]).collect();
        let profile = Table::new("t", ["id"], rows).unwrap().profiles().unwrap().remove(0);
        assert_eq!((profile.texts, profile.ends), (None, Some((0.0, 299.0))));
    }
}
