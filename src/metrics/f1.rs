//! The harmonic mean of precision and recall.

use super::by_class::{Counts, by_class};

by_class! {
    /// The harmonic mean of precision and recall: `2 · right / (predicted + actual)`.
    F1,
    kind: "f1",
    summary: "harmonic mean of precision and recall",
    measure: Counts::f1,
    divisor: Counts::either,
    nothing: "no row is of, or predicted to be of,",
}
