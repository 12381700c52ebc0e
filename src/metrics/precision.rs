//! The share of predictions of a class that are right.

use super::by_class::{Counts, by_class};

by_class! {
    /// The share of the rows predicted to be of a class that are of it: `right / predicted`.
    Precision,
    kind: "precision",
    summary: "share of the rows predicted to be of a class that are of it",
    measure: Counts::precision,
    divisor: Counts::predicted,
    nothing: "no row is predicted to be of",
}
