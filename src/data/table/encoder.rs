//! From the text of a table to the numbers of nodes, by what was fitted before.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::field::{class, number, number_32, shorten};
use super::text::{Table, is_missing};
use super::words::ImageFit;
use crate::data::{Dataset, refuse};
use crate::error::Result;
use crate::tensor::Shape;

/// How text becomes numbers, fitted to the training items of a table with [`Encoder::fit`].
///
/// ```
/// use caudal::data::{DataConfig, Encoder, Table};
/// use caudal::model::Model;
///
/// let model = Model::from_toml(
///     r#"
///     [[node]]
///     name = "x"
///     kind = "input"
///     shape = [3]
///     columns = ["height", { column = "city", categories = "one_hot" }]
///     scale = "standard"
///     [[node]]
///     name = "y"
///     kind = "dense"
///     inputs = ["x"]
///     units = 1
///     [[node]]
///     name = "weight"
///     kind = "target"
///     shape = [1]
///     [[node]]
///     name = "loss"
///     kind = "mean_squared_error"
///     inputs = ["y", "weight"]
///     "#,
///     "example",
/// )?;
/// let rows = [["190", "Rome", "80"], ["170", "Paris", "65"]];
/// let table = Table::new("people", ["height", "city", "weight"], rows)?;
/// let (encoder, _) = Encoder::fit(&table, &[0, 1], &model.graph, &model.data, &[])?;
///
/// // Another table: its columns are found by name, and it needs no targets.
/// let table = Table::new("others", ["city", "height"], [["Paris", "200"]])?;
/// let data = encoder.transform(&table, &[0], false)?;
/// assert_eq!(data.inputs()[0].tensor().unwrap().as_slice().unwrap(), [2.0, 1.0, 0.0]);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Encoder {
    /// In node order.
    pub nodes: Vec<NodeEncoder>,
}

/// How columns become the numbers of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeEncoder {
    /// The node's name.
    pub node: String,
    /// Whether it is a target.
    pub target: bool,
    /// The shape of one item.
    pub shape: Shape,
    /// The columns in order.
    pub columns: Vec<ColumnEncoder>,
    /// Of a target: the nodes that losses compare with it.
    pub predictions: Vec<String>,
}

/// How one column becomes numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnEncoder {
    /// The column's name.
    pub column: String,
    /// What its text stands for.
    pub encoding: Encoding,
}

/// What the text of a column stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// Numbers: `(number - offset) / scale`.
    Number {
        /// What is taken off.
        offset: f64,
        /// By what is divided.
        scale: f64,
        /// What stands in for a missing number; nothing: such an item is refused.
        missing: Option<f64>,
        /// Whether one more number says that it was missing.
        indicator: bool,
    },
    /// Class indices below this number.
    Class(usize),
    /// Words.
    Word {
        /// All that are known.
        words: Vec<String>,
        /// Whether each has a number of its own, or all share one, the word's place.
        one_hot: bool,
        /// Which word stands in for a missing one; nothing: such an item is refused.
        missing: Option<String>,
        /// Whether a missing word is a category of its own, after all words.
        own_category: bool,
        /// Whether an unknown word is a row of zeros; otherwise, the item is refused.
        ignore: bool,
    },
    /// Paths of images.
    Image {
        /// How they become as large as the node.
        fit: ImageFit,
        /// How many numbers an image becomes.
        width: usize,
    },
}

impl Encoding {
    /// How many numbers a field becomes.
    pub fn width(&self) -> usize {
        match self {
            Self::Number { indicator, .. } => 1 + usize::from(*indicator),
            Self::Class(_) | Self::Word { one_hot: false, .. } => 1,
            Self::Image { width, .. } => *width,
            Self::Word { words, own_category, .. } => words.len() + usize::from(*own_category),
        }
    }

    /// Appends the numbers that a field becomes, or says what was expected, and what to do.
    pub(super) fn push(
        &self,
        places: &HashMap<String, usize>,
        field: &str,
        into: &mut Vec<f32>,
    ) -> Result<(), (String, String)> {
        match self {
            Self::Number { offset, scale, missing, indicator } => {
                let gone = is_missing(field);
                let raw = if gone { *missing } else { None };
                let value = match raw {
                    Some(fill) => ((fill - offset) / scale) as f32,
                    // Not by way of 64 bits, which may round twice.
                    None if *offset == 0.0 && *scale == 1.0 => number_32(field)?,
                    None => ((number(field)? - offset) / scale) as f32,
                };
                if !value.is_finite() {
                    let shown = shorten(field);
                    return Err((
                        format!(
                            "expected a finite 32-bit float, found `{shown}`, which becomes {value}"
                        ),
                        "correct the number, or leave the line out".to_owned(),
                    ));
                }
                into.push(value);
                if *indicator {
                    into.push(f32::from(u8::from(gone)));
                }
            }
            Self::Class(classes) => into.push(class(field, *classes)? as f32),
            // A node of images takes nothing else, and decodes them all together.
            Self::Image { width, .. } => into.resize(into.len() + width, 0.0),
            Self::Word { words, one_hot, missing, own_category, ignore } => {
                let word = match (field, missing) {
                    ("", Some(missing)) => missing.as_str(),
                    _ => field,
                };
                let place = if word.is_empty() && *own_category {
                    Some(words.len())
                } else {
                    places.get(word).copied()
                };
                match place {
                    None if word.is_empty() => {
                        return Err((
                            "expected a word, found nothing".to_owned(),
                            "fill it in, leave the line out, or set `missing` for the column, as in \
                             `missing = \"indicator\"`"
                                .to_owned(),
                        ));
                    }
                    None if !(*ignore && *one_hot) => {
                        let words: Vec<&str> = words.iter().map(String::as_str).collect();
                        return Err((
                            format!(
                                "`{}` is none of the words of the training items: {}",
                                shorten(word),
                                Table::list(&words)
                            ),
                            "correct it, leave the line out, or, for one-hot inputs, train with \
                             `unknown = \"ignore\"`"
                                .to_owned(),
                        ));
                    }
                    place if *one_hot => {
                        let start = into.len();
                        into.resize(start + self.width(), 0.0);
                        if let Some(one) = place.and_then(|at| into.get_mut(start + at)) {
                            *one = 1.0;
                        }
                    }
                    place => into.push(place.unwrap_or(0) as f32),
                }
            }
        }
        Ok(())
    }
}

impl Encoder {
    /// The chosen items of a table as a data set whose columns are called like the nodes. Columns of the
    /// table are found by name, in any order; others are passed over. Targets may be left out. Of a table that is
    /// not in memory, nodes with several numbers an item read items as they are used.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) with file, line and column, if the table lacks a column or if a field does not
    /// stand for what was fitted.
    pub fn transform(&self, table: &Table, rows: &[usize], targets: bool) -> Result<Dataset> {
        if rows.is_empty() {
            return Err(refuse(&table.origin, "no item was chosen", "choose at least one"));
        }
        let (mut inputs, mut answers) = (Vec::new(), Vec::new());
        for node in &self.nodes {
            if node.target && !targets {
                continue;
            }
            let column = match node.images(table, rows)? {
                Some(images) => images,
                None => node.column(table, rows)?,
            };
            if node.target { answers.push(column) } else { inputs.push(column) }
        }
        let data = Dataset::new(table.name(), inputs, answers)?;
        Ok(match table.item_names(rows)? {
            Some(names) => data.with_item_names(names),
            None => data,
        })
    }

    /// The columns of a table that no node takes.
    pub(crate) fn unused<'t>(&self, table: &'t Table) -> Vec<&'t str> {
        let used = |name: &str| {
            self.nodes.iter().flat_map(|node| &node.columns).any(|column| column.column == name)
        };
        table.columns.iter().map(String::as_str).filter(|name| !used(name)).collect()
    }

    /// The words that the classes of an output stand for, if a target gave it such.
    pub fn words(&self, output: &str) -> Option<&[String]> {
        let target = self.target_of(output)?;
        match target.columns.as_slice() {
            [ColumnEncoder { encoding: Encoding::Word { words, .. }, .. }] => Some(words),
            _ => None,
        }
    }

    /// Turns the numbers of one item of an output back into the unit of the target's columns. Outputs
    /// whose target is not scaled stay as they are.
    pub fn unscale(&self, output: &str, numbers: &mut [f32]) {
        let Some(target) = self.target_of(output) else { return };
        if target.columns.len() != numbers.len() {
            return;
        }
        for (column, number) in target.columns.iter().zip(numbers) {
            if let Encoding::Number { offset, scale, .. } = column.encoding
                && (offset != 0.0 || scale != 1.0)
            {
                *number = (f64::from(*number) * scale + offset) as f32;
            }
        }
    }

    /// The target that a loss compares with an output.
    fn target_of(&self, output: &str) -> Option<&NodeEncoder> {
        let compares = |node: &&NodeEncoder| node.predictions.iter().any(|name| name == output);
        self.nodes.iter().find(compares)
    }

    /// Whether any column needs what only training items can say.
    pub(crate) fn is_plain(&self) -> bool {
        self.nodes.iter().filter(|node| !node.target).flat_map(|node| &node.columns).all(|column| {
            matches!(
                column.encoding,
                Encoding::Number { offset: 0.0, scale: 1.0, missing: None, indicator: false }
                    | Encoding::Image { .. }
            )
        })
    }
}

impl NodeEncoder {
    /// How many numbers an item has.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.encoding.width()).sum()
    }
}
