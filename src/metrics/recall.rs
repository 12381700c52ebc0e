//! The share of a class that is found.

use super::by_class::{Counts, by_class};

by_class! {
    /// The share of the rows of a class that are predicted to be of it: `right / actual`.
    Recall,
    kind: "recall",
    summary: "share of the rows of a class that are predicted to be of it",
    measure: Counts::recall,
    divisor: Counts::actual,
    nothing: "no row is of",
}
