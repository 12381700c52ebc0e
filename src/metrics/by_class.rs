//! What precision, recall and F1 have in common: counts by class.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};
use crate::losses::targets::{each_row, largest};

/// The one class to look at, or all.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<usize>,
}

pub(super) const ATTRIBUTES: &[(&str, &str)] = &[(
    "class",
    "the one class to report, at least 0; default the mean over the classes that occur",
)];

/// Scores against class indices and against one-hot rows.
pub(super) const SAMPLES: &[Sample] = &[
    Sample { attributes: "", inputs: &[&[4], &[]] },
    Sample { attributes: "class = 1", inputs: &[&[2], &[]] },
    Sample { attributes: "", inputs: &[&[2, 3], &[2, 3]] },
];

impl Scope {
    pub(super) fn check(self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        let classes = super::check_classes(inputs)?;
        match self.class.filter(|&class| class >= classes) {
            None => Ok(()),
            Some(class) => Err(Misfit::new(
                format!("`class` is {class}, but there are {classes} classes"),
                format!("give `class` a value from 0 to {}", classes - 1),
            )),
        }
    }

    /// The measure of the class, or the mean over all classes that a target or a prediction names.
    pub(super) fn value(self, sums: &[f64], measure: fn(Counts) -> f64) -> f64 {
        let (sum, number) = self
            .counted(sums)
            .fold((0.0, 0.0), |(sum, number), (_, it)| (sum + measure(it), number + 1.0));
        ratio(sum, number)
    }

    /// The classes that the value is of, with their counts.
    fn counted(self, sums: &[f64]) -> impl Iterator<Item = (usize, Counts)> + '_ {
        let all = (0..sums.len() / 3).map(|class| (class, Counts::of(&sums[3 * class..])));
        all.filter(move |(class, it)| match self.class {
            Some(only) => *class == only,
            None => it.predicted + it.actual > 0.0,
        })
    }

    /// Which classes count as 0, since `divisor` is 0 for them: `nothing` says what that means.
    pub(super) fn note(
        self,
        sums: &[f64],
        divisor: fn(Counts) -> f64,
        nothing: &str,
    ) -> Option<String> {
        const NAMED: usize = 10;
        let empty = self.counted(sums).filter(|(_, it)| divisor(*it) == 0.0);
        let mut empty: Vec<String> = empty.map(|(class, _)| class.to_string()).collect();
        let more = empty.len().saturating_sub(NAMED);
        empty.truncate(NAMED);
        let (what, count) =
            if empty.len() == 1 { ("class", "counts") } else { ("classes", "count") };
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = empty.join(", ");
        (!empty.is_empty()).then(|| format!("{nothing} {what} {named}{more}, which {count} as 0"))
    }
}

/// A metric by class, all of a file but its comment: its type, its documentation, its row `SPEC` of the
/// table, and its [`Metric`](super::Metric). `measure` makes the value of one class of its [`Counts`].
macro_rules! by_class {
    (
        $(#[doc = $what:literal])+
        $name:ident, kind: $kind:literal, summary: $summary:literal, measure: $measure:path,
        divisor: $divisor:path, nothing: $nothing:literal $(,)?
    ) => {
        pub(super) static SPEC: $crate::metrics::MetricSpec = $crate::metrics::MetricSpec {
            kind: $kind,
            summary: $summary,
            attributes: $crate::metrics::by_class::ATTRIBUTES,
            parse: |attributes| $crate::metrics::parse_into(attributes, $name),
            samples: $crate::metrics::by_class::SAMPLES,
        };

        $(#[doc = $what])+
        ///
        /// Scores of shape `[…, classes]`, the largest of which is the prediction, against class indices of
        /// shape `[…]` or one-hot rows of the scores' shape. By default the value is the mean over all
        /// classes that occur among targets or predictions, with [`Self::class`] that of one class. A class
        /// with nothing to divide by counts as 0, and the report notes which. A row with a score that is NaN is
        /// predicted to be of no class. The details have all measures
        /// of every class. (The same as in scikit-learn, with `average="macro"` and `zero_division=0`.)
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name($crate::metrics::by_class::Scope);

        impl $name {
            /// The value of one class alone: of class 1 for a binary decision.
            #[must_use]
            pub fn class(mut self, class: usize) -> Self {
                self.0.class = Some(class);
                self
            }
        }

        impl $crate::metrics::Metric for $name {
            fn kind(&self) -> &'static str {
                SPEC.kind
            }

            fn attributes(&self) -> toml::Table {
                $crate::attributes::to_attributes(&self.0)
            }

            fn check(&self, inputs: &[&[usize]]) -> Result<(), $crate::layers::Misfit> {
                self.0.check(inputs)
            }

            fn statistics(&self, inputs: &[&[usize]]) -> usize {
                $crate::metrics::by_class::statistics(inputs)
            }

            fn sums(&self, inputs: &[&[usize]]) -> usize {
                $crate::metrics::by_class::sums(inputs)
            }

            fn forward(
                &self,
                context: &$crate::context::Context<'_>,
                statistics: $crate::kernels::MatrixMut<'_>,
            ) -> Result<(), String> {
                $crate::metrics::by_class::forward(context, statistics)
            }

            fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
                $crate::metrics::by_class::add(sums, item);
            }

            fn note(&self, sums: &[f64], _items: usize) -> Option<String> {
                let notes = [self.0.note(sums, $divisor, $nothing), $crate::metrics::by_class::note(sums)];
                let notes: Vec<String> = notes.into_iter().flatten().collect();
                (!notes.is_empty()).then(|| notes.join("; "))
            }

            fn value(&self, sums: &[f64], _items: usize) -> f64 {
                self.0.value(sums, $measure)
            }

            fn details(&self, sums: &[f64], _items: usize) -> Option<$crate::metrics::Table> {
                Some($crate::metrics::by_class::table(sums))
            }
        }
    };
}

pub(super) use by_class;

/// How often one class came up.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Predicted where it is right.
    right: f64,
    /// Predicted.
    predicted: f64,
    /// Right.
    actual: f64,
}

/// 0 where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

impl Counts {
    fn of(sums: &[f64]) -> Self {
        Self { right: sums[0], predicted: sums[1], actual: sums[2] }
    }

    pub(super) fn precision(self) -> f64 {
        ratio(self.right, self.predicted)
    }

    pub(super) fn recall(self) -> f64 {
        ratio(self.right, self.actual)
    }

    /// What precision divides by.
    pub(super) fn predicted(self) -> f64 {
        self.predicted
    }

    /// What recall divides by.
    pub(super) fn actual(self) -> f64 {
        self.actual
    }

    /// What F1 divides by.
    pub(super) fn either(self) -> f64 {
        self.predicted + self.actual
    }

    /// The harmonic mean of precision and recall.
    pub(super) fn f1(self) -> f64 {
        ratio(2.0 * self.right, self.predicted + self.actual)
    }
}

/// Two numbers a row: the predicted class, NaN where there is none, and the right one.
pub(super) fn statistics(inputs: &[&[usize]]) -> usize {
    2 * super::rows(inputs[0])
}

/// Three sums a class, and one of the rows that have no predicted class.
pub(super) fn sums(inputs: &[&[usize]]) -> usize {
    3 * inputs[0].last().copied().unwrap_or(0) + 1
}

/// What there is to say of rows that have no predicted class, whose number is the last of the sums.
pub(super) fn note(sums: &[f64]) -> Option<String> {
    super::note_no_number(sums.last().copied().unwrap_or(0.0))
}

/// Writes the predicted and the right class of every row.
pub(super) fn forward(context: &Context<'_>, mut statistics: MatrixMut<'_>) -> Result<(), String> {
    let rows = super::rows(context.input_shape(0));
    let mut row = 0;
    each_row(context, |item, scores, class| {
        let predicted = largest(scores).map_or(f32::NAN, |class| class as f32);
        let pair = [predicted, class as f32];
        statistics.row_mut(item)[2 * (row % rows)..][..2].copy_from_slice(&pair);
        row += 1;
    })
}

/// Counts the classes of one item's rows.
pub(super) fn add(sums: &mut [f64], item: &[f32]) {
    for pair in item.chunks_exact(2) {
        let actual = pair[1] as usize;
        sums[3 * actual + 2] += 1.0;
        if pair[0].is_nan() {
            if let Some(no_number) = sums.last_mut() {
                *no_number += 1.0;
            }
            continue;
        }
        sums[3 * actual] += f64::from(pair[0] == pair[1]);
        sums[3 * pair[0] as usize + 1] += 1.0;
    }
}

/// One row a class.
pub(super) fn table(sums: &[f64]) -> Table {
    let row = |counts: &[f64]| {
        let it = Counts::of(counts);
        vec![it.precision(), it.recall(), it.f1(), it.actual]
    };
    Table {
        rows: "class".to_owned(),
        columns: ["precision", "recall", "f1", "support"].map(str::to_owned).to_vec(),
        values: sums.chunks_exact(3).map(row).collect(),
    }
}
