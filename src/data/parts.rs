//! Which items are for training, for validation and for testing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sampler::{generator, shuffle};
use super::split::apportion;

use crate::setters::setters;

/// Items of a data set in one piece that make its test part, unless told otherwise.
pub(super) const TEST_FRACTION: f64 = 0.2;

/// Items that make the validation part where a training chooses by one and none is given.
pub(super) const VALIDATION_FRACTION: f64 = 0.1;

/// What an item is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The network learns from it.
    Train,
    /// It decides which network is best, and when training ends.
    Validation,
    /// It says, once in the end, how good the network is.
    Test,
}

impl Part {
    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// What a word in a column stands for.
    pub(super) fn read(word: &str) -> Option<Self> {
        [Self::Train, Self::Validation, Self::Test]
            .into_iter()
            .find(|part| word.eq_ignore_ascii_case(part.name()))
    }
}

/// Where the items of a part come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Share {
    /// So many of the items, from 0 to 1.
    Fraction(f64),
    /// Another file, all of whose items make the part.
    File(String),
}

/// How data are divided into parts. The same data with the same split have the same parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Split {
    /// The test part; nothing: that of the data or, where they are one piece, a fifth.
    pub test: Option<Share>,
    /// The validation part; nothing: none.
    pub validation: Option<Share>,
    /// A column that holds `train`, `validation` or `test` for every item.
    pub by: Option<String>,
    /// A column whose groups stay together: the items of a group are all in one part.
    pub group: Option<String>,
    /// Chooses the items. It is not the seed of a training, so that a saved model is tested with items
    /// that it has not seen.
    pub seed: u64,
}

impl Split {
    setters! {
        test: impl Into<Option<Share>>,
        validation: impl Into<Option<Share>>,
        by: impl Into<Option<String>>,
        group: impl Into<Option<String>>,
        seed: u64,
    }

    /// The columns that it reads.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.by.iter().chain(&self.group).map(String::as_str).collect()
    }
}

/// What holds items together, or apart, when they are divided.
#[derive(Clone, Debug)]
pub(super) enum Units {
    /// Each item goes alone; each part has its share of every stratum.
    Strata(Vec<usize>),
    /// The items of a group go together.
    Groups(Vec<usize>),
}

/// So many of `items` as a fraction says, at least one unless it is 0.
fn share(items: usize, fraction: f64) -> usize {
    let exact = (items as f64 * fraction).round() as usize;
    if fraction > 0.0 { exact.max(1) } else { 0 }
}

/// Puts items of the part `from` into the part `to`, so many as `fraction` says of all items. Which ones
/// depends on `seed` and on both parts.
///
/// # Errors
/// If nothing would be left in `from`.
pub(super) fn take(
    parts: &mut [Part],
    units: &Units,
    to: Part,
    fraction: f64,
    seed: u64,
) -> Result<(), String> {
    let wanted = share(parts.len(), fraction);
    let open: Vec<usize> = (0..parts.len()).filter(|&item| parts[item] == Part::Train).collect();
    if wanted == 0 {
        return Ok(());
    }
    if wanted >= open.len() {
        return Err(format!(
            "{wanted} of its {} {} can't be taken for the {} part, for none would be left to train on",
            open.len(),
            if open.len() == 1 { "item" } else { "items" },
            to.name()
        ));
    }
    let purpose = if to == Part::Test { *b"split   " } else { *b"validate" };
    let mut by_unit = BTreeMap::<usize, Vec<usize>>::new();
    let (Units::Strata(keys) | Units::Groups(keys)) = units;
    for &item in &open {
        by_unit.entry(keys[item]).or_default().push(item);
    }
    match units {
        Units::Strata(_) => {
            let shares = apportion(by_unit.values().map(Vec::len), wanted);
            for ((&key, items), share) in by_unit.iter_mut().zip(shares) {
                shuffle(items, &mut generator(purpose, seed, key as u64));
                items[..share].iter().for_each(|&item| parts[item] = to);
            }
        }
        Units::Groups(_) => {
            let mut groups: Vec<Vec<usize>> = by_unit.into_values().collect();
            if groups.len() < 2 {
                return Err(format!(
                    "the items to train on are one group, which can't be divided for the {} part",
                    to.name()
                ));
            }
            let mut order: Vec<usize> = (0..groups.len()).collect();
            shuffle(&mut order, &mut generator(purpose, seed, 0));
            let mut taken = 0;
            // One group is always taken, and one always left.
            for (number, &group) in order[..order.len() - 1].iter().enumerate() {
                let size = groups[group].len();
                let nearer = (taken + size).abs_diff(wanted) < taken.abs_diff(wanted);
                if number == 0 || nearer {
                    taken += size;
                    for item in std::mem::take(&mut groups[group]) {
                        parts[item] = to;
                    }
                }
            }
        }
    }
    Ok(())
}

/// The fold of every item, below `folds`: of every stratum, each fold has as many items as another or one
/// more; groups go one after the other to the fold with the fewest items.
pub(super) fn folds(items: usize, units: &Units, folds: usize, seed: u64) -> Vec<usize> {
    let mut by_unit = BTreeMap::<usize, Vec<usize>>::new();
    let (Units::Strata(keys) | Units::Groups(keys)) = units;
    for (item, &key) in keys.iter().enumerate() {
        by_unit.entry(key).or_default().push(item);
    }
    let mut fold_of = vec![0; items];
    let purpose = *b"folds   ";
    match units {
        Units::Strata(_) => {
            let mut next = 0;
            for (&key, items) in &mut by_unit {
                shuffle(items, &mut generator(purpose, seed, key as u64));
                for &item in &*items {
                    fold_of[item] = next % folds;
                    next += 1;
                }
            }
        }
        Units::Groups(_) => {
            let groups: Vec<Vec<usize>> = by_unit.into_values().collect();
            let mut order: Vec<usize> = (0..groups.len()).collect();
            shuffle(&mut order, &mut generator(purpose, seed, 0));
            order.sort_by_key(|&group| std::cmp::Reverse(groups[group].len()));
            let mut sizes = vec![0; folds];
            for group in order {
                let smallest = (0..folds).min_by_key(|&fold| sizes[fold]).unwrap_or(0);
                sizes[smallest] += groups[group].len();
                groups[group].iter().for_each(|&item| fold_of[item] = smallest);
            }
        }
    }
    fold_of
}

/// Numbers for equal keys: how many different ones stand before it in their order.
pub(super) fn ranks<T: Ord>(keys: &[T]) -> Vec<usize> {
    let mut all: BTreeMap<&T, usize> = keys.iter().map(|key| (key, 0)).collect();
    all.values_mut().enumerate().for_each(|(rank, value)| *value = rank);
    keys.iter().map(|key| all[key]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_have_their_share_of_every_stratum(
            strata in prop::collection::vec(0_usize..4, 10..200),
            test in 0.05_f64..0.4,
            validation in 0.05_f64..0.4,
            seed: u64,
        ) {
            let units = Units::Strata(strata.clone());
            let divide = |test_first: f64| {
                let mut parts = vec![Part::Train; strata.len()];
                take(&mut parts, &units, Part::Test, test_first, seed).unwrap();
                take(&mut parts, &units, Part::Validation, validation, seed).unwrap();
                parts
            };
            let parts = divide(test);
            prop_assert_eq!(&parts, &divide(test));
            let count = |part| parts.iter().filter(|&&other| other == part).count();
            prop_assert_eq!(count(Part::Test), share(strata.len(), test));
            prop_assert_eq!(count(Part::Validation), share(strata.len(), validation));
            for stratum in 0..4 {
                let size = strata.iter().filter(|&&key| key == stratum).count() as f64;
                let here = (0..strata.len())
                    .filter(|&item| strata[item] == stratum && parts[item] == Part::Test);
                let exact = size * count(Part::Test) as f64 / strata.len() as f64;
                prop_assert!((here.count() as f64 - exact).abs() < 1.0);
            }
        }

        #[test]
        fn groups_stay_together(
            groups in prop::collection::vec(0_usize..12, 2..200),
            fraction in 0.01_f64..0.6,
            seed: u64,
        ) {
            prop_assume!(groups.iter().any(|&group| group != groups[0]));
            let units = Units::Groups(groups.clone());
            let mut parts = vec![Part::Train; groups.len()];
            if take(&mut parts, &units, Part::Test, fraction, seed).is_ok() {
                prop_assert!(parts.contains(&Part::Train) && parts.contains(&Part::Test));
                for (item, group) in groups.iter().enumerate() {
                    let first = groups.iter().position(|other| other == group).unwrap();
                    prop_assert_eq!(parts[item], parts[first]);
                }
            }
            let fold_of = folds(groups.len(), &units, 3, seed);
            for (item, group) in groups.iter().enumerate() {
                let first = groups.iter().position(|other| other == group).unwrap();
                prop_assert_eq!(fold_of[item], fold_of[first]);
            }
        }

        #[test]
        fn folds_are_even(
            strata in prop::collection::vec(0_usize..4, 10..200),
            number in 2_usize..10,
            seed: u64,
        ) {
            let fold_of = folds(strata.len(), &Units::Strata(strata.clone()), number, seed);
            for stratum in (0..4).map(Some).chain([None]) {
                let sizes: Vec<usize> = (0..number).map(|fold| {
                    (0..strata.len())
                        .filter(|&item| fold_of[item] == fold)
                        .filter(|&item| stratum.is_none_or(|stratum| strata[item] == stratum))
                        .count()
                }).collect();
                prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn nothing_to_train_on_is_refused() {
        let mut parts = vec![Part::Train; 2];
        let units = Units::Strata(vec![0; 2]);
        let told = take(&mut parts, &units, Part::Test, 0.9, 0).unwrap_err();
        assert!(told.contains("2 of its 2 items"), "{told}");
        let told = take(&mut parts, &Units::Groups(vec![0; 2]), Part::Test, 0.5, 0).unwrap_err();
        assert!(told.contains("one group"), "{told}");
        assert_eq!(ranks(&["b", "a", "b"]), [1, 0, 1]);
    }
}
