//! Fitting an encoder to the training items of a table.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::bind::{Bound, bind, columns_of};
use super::config::{ColumnOptions, DataConfig, Missing};
use super::encoder::{ColumnEncoder, Encoder, Encoding, NodeEncoder};
use super::field::{class, median, number, refuse_field, shorten};
use super::text::{Table, is_missing};
use super::words::{Categories, Scale, Unknown};
use crate::data::{MAX_CLASSES, escaped, refuse, target_classes};
use crate::error::{Error, Result, count};
use crate::graph::{Graph, Role};
use crate::tensor::describe_shape;

/// One column of one node.
pub(super) struct Field<'a> {
    pub(super) table: &'a Table,
    pub(super) column: usize,
    pub(super) node: &'a str,
    pub(super) shape: &'a [usize],
    pub(super) options: &'a ColumnOptions,
}

impl Encoder {
    /// Fits an encoder to the items in `rows` of a table, and says what a user should know of it.
    ///
    /// Statistics and the vocabularies of inputs come from these items alone. The words that stand for
    /// the classes of a target come from the whole table, for they are no more than its classes' names.
    /// The columns in `reserved` are for something else: no node takes them unless it names them.
    ///
    /// # Errors
    /// [`Error::Data`] if columns and nodes do not fit, or if a field of these items is not what its
    /// node needs.
    pub fn fit(
        table: &Table,
        rows: &[usize],
        graph: &Graph,
        config: &DataConfig,
        reserved: &[&str],
    ) -> Result<(Self, Vec<String>)> {
        Self::fit_nodes(table, rows, graph, config, reserved, true)
    }

    /// As [`Encoder::fit`], with or without the targets.
    pub(crate) fn fit_nodes(
        table: &Table,
        rows: &[usize],
        graph: &Graph,
        config: &DataConfig,
        reserved: &[&str],
        targets: bool,
    ) -> Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        let mut nodes = Vec::new();
        for Bound { id, columns } in bind(table, graph, config, reserved, targets)? {
            let node = &graph.nodes()[id];
            let target = matches!(node.role, Role::Target);
            let classes = if target { target_classes(graph, id) } else { None };
            let mut fitted = Vec::new();
            for (column, options) in &columns {
                let (node, shape) = (node.name.as_str(), node.shape.as_slice());
                let field = Field { table, column: *column, node, shape, options };
                let encoding = field.fit(rows, target, classes)?;
                if let Encoding::Word { words, one_hot, own_category, .. } = &encoding {
                    if !target && !one_hot {
                        field.check_embedding(
                            graph,
                            id,
                            words.len() + usize::from(*own_category),
                        )?;
                    }
                    notes.push(field.vocabulary(words, *one_hot, target));
                }
                fitted.push(ColumnEncoder { column: table.columns[*column].clone(), encoding });
            }
            let predictions = if target { predictions(graph, id) } else { Vec::new() };
            let (node, shape) = (node.name.clone(), node.shape.clone());
            let encoder = NodeEncoder { node, target, shape, columns: fitted, predictions };
            check_width(table, &encoder)?;
            nodes.push(encoder);
        }
        Ok((Self { nodes }, notes))
    }
}

impl Encoder {
    /// An encoder for the inputs of a table that nothing was fitted to: of numbers as they are.
    ///
    /// # Errors
    /// [`Error::Data`] if columns and nodes do not fit, or if they need what only training items can say.
    pub(crate) fn without_training(
        table: &Table,
        graph: &Graph,
        config: &DataConfig,
    ) -> Result<Self> {
        let size = |id: &usize| graph.nodes()[*id].shape.iter().product::<usize>();
        let fits = graph.inputs().iter().map(size).sum::<usize>() == table.columns.len()
            || table.images.is_some();
        let mut reserved = Vec::new();
        if !fits && !graph.targets().is_empty() {
            let targets = columns_of(table, graph, config, &[], &graph.targets())?;
            reserved.extend(targets.into_iter().map(|at| table.columns[at].as_str()));
        }
        let rows: Vec<usize> = (0..table.len()).collect();
        let (encoder, _) = Self::fit_nodes(table, &rows, graph, config, &reserved, false)?;
        if !encoder.is_plain() {
            return Err(refuse(
                &table.origin,
                "its columns are scaled, filled in or words, but the model was not trained on a table, so \
                 it has nothing to go by",
                "train the model on a table",
            ));
        }
        Ok(encoder)
    }
}

/// The nodes that losses compare with a target.
fn predictions(graph: &Graph, target: usize) -> Vec<String> {
    let losses = graph.consumers(target).iter().filter(|(user, input)| {
        *input == 1 && matches!(graph.nodes()[*user].role, Role::Loss { .. })
    });
    let predicted = losses.filter_map(|(user, _)| graph.nodes()[*user].inputs.first());
    predicted.map(|&id| graph.nodes()[id].name.clone()).collect()
}

/// Refuses columns that are more or fewer numbers than their node has.
fn check_width(table: &Table, encoder: &NodeEncoder) -> Result<()> {
    const SHOWN: usize = 8;
    let (wanted, width) = (encoder.shape.iter().product::<usize>(), encoder.width());
    if wanted == width {
        return Ok(());
    }
    let mut list = String::new();
    for it in encoder.columns.iter().take(SHOWN) {
        let between = if list.is_empty() { "" } else { ", " };
        let width = it.encoding.width();
        // Writing to a string can't fail.
        let _ = if width == 1 {
            write!(list, "{between}`{}`", escaped(&it.column))
        } else {
            write!(list, "{between}`{}` ({width} numbers)", escaped(&it.column))
        };
    }
    if let Some(more @ 1..) = encoder.columns.len().checked_sub(SHOWN) {
        let _ = write!(list, " and {more} more");
    }
    Err(refuse(
        &table.origin,
        format!(
            "node `{}` has the shape {}, {}, but its {} {}: {list}",
            encoder.node,
            describe_shape(&encoder.shape),
            count(wanted, "number"),
            count(encoder.columns.len(), "column"),
            if width == 1 { "gives 1".to_owned() } else { format!("give {width}") },
        ),
        format!(
            "write `shape = [{width}]` at the node, or name its columns there, as in `columns = \
             [\"{}\"]`; `--columns {}=NAME,...` does the same",
            encoder.columns.first().map(|it| escaped(&it.column)).unwrap_or_default(),
            encoder.node
        ),
    ))
}

impl Field<'_> {
    /// Hands the field of every chosen item to `see`, which may refuse it with what was expected, and what to do.
    fn each(
        &self,
        rows: impl IntoIterator<Item = usize>,
        mut see: impl FnMut(&str) -> Result<(), (String, String)>,
    ) -> Result<()> {
        self.table.each(rows, |row, fields| {
            see(fields.field(self.column)).map_err(|refused| self.refuse_at(row, refused))
        })
    }

    /// A refusal of what the model file says of this column.
    pub(super) fn misfit(&self, problem: impl Into<String>, remedy: &str) -> Error {
        let column = escaped(&self.table.columns[self.column]);
        let origin = format!("{}, column `{column}`, for node `{}`", self.table.origin, self.node);
        refuse(origin, problem, remedy)
    }

    fn fit(&self, rows: &[usize], target: bool, classes: Option<usize>) -> Result<Encoding> {
        if let Some(fit) = self.image_fit(target) {
            return self.fit_images(fit);
        }
        let missing = self.options.missing.as_ref();
        if target && missing.is_some_and(|missing| *missing != Missing::Refuse) {
            return Err(self.misfit(
                "a target can't have what stands in for missing values",
                "leave `missing` out, and leave out the items that lack it",
            ));
        }
        let mut categories = self.options.categories.or_else(|| self.folder_categories(classes));
        if let (Some(classes), None) = (classes, categories) {
            if !self.holds_words()? {
                if self.options.scale.is_some_and(|scale| scale != Scale::None) {
                    return Err(self.misfit("classes can't be scaled", "leave `scale` out"));
                }
                self.each(rows.iter().copied(), |field| class(field, classes).map(drop))?;
                return Ok(Encoding::Class(classes));
            }
            categories = Some(Categories::Index);
        }
        match categories {
            None => self.fit_numbers(rows),
            Some(categories) => self.fit_words(rows, target, classes, categories),
        }
    }

    fn refuse_at(&self, row: usize, refused: (String, String)) -> Error {
        refuse_field(self.table, row, self.column, self.node, refused)
    }

    /// Refuses more words than an embedding of the node has entries.
    fn check_embedding(&self, graph: &Graph, id: usize, words: usize) -> Result<()> {
        for (user, _) in graph.consumers(id) {
            let node = &graph.nodes()[*user];
            let Role::Layer(layer) = &node.role else { continue };
            let entries = layer.attributes().get("entries").and_then(toml::Value::as_integer);
            let entries = entries.and_then(|entries| usize::try_from(entries).ok());
            if layer.kind() == "embedding" && entries.is_some_and(|most| most < words) {
                return Err(self.misfit(
                    format!(
                        "its {words} words are more than the {} entries of node `{}`",
                        entries.unwrap_or_default(),
                        node.name
                    ),
                    &format!("write `entries = {words}` at node `{}`", node.name),
                ));
            }
        }
        Ok(())
    }

    /// Whether any item has something that is neither a number nor missing.
    fn holds_words(&self) -> Result<bool> {
        let mut found = false;
        self.each(0..self.table.len(), |field| {
            found = found || (!is_missing(field) && field.parse::<f64>().is_err());
            Ok(())
        })?;
        Ok(found)
    }

    fn fit_numbers(&self, rows: &[usize]) -> Result<Encoding> {
        let how = self.options.missing.as_ref().unwrap_or(&Missing::Refuse);
        if let Missing::Word(word) = how {
            let problem =
                format!("`missing` is the word \"{}\", for a column of numbers", escaped(word));
            return Err(self.misfit(problem, "give a number"));
        }
        let mut values = Vec::with_capacity(rows.len());
        self.each(rows.iter().copied(), |field| {
            if *how == Missing::Refuse || !is_missing(field) {
                values.push(number(field)?);
            }
            Ok(())
        })?;
        let scale = self.options.scale.unwrap_or(Scale::None);
        let needed = scale != Scale::None
            || matches!(how, Missing::Mean | Missing::Median | Missing::Indicator);
        if values.is_empty() && needed {
            return Err(self.misfit(
                "no training item has a value",
                "leave the column out, or set `missing = { constant = 0.0 }` and no `scale` for it",
            ));
        }
        let items = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / items;
        let (offset, scale) = match scale {
            Scale::None => (0.0, 1.0),
            Scale::Standard => {
                let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                (mean, (squares / items).sqrt())
            }
            Scale::MinMax => {
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (least, most - least)
            }
        };
        // A constant column stays one.
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let missing = match how {
            Missing::Mean | Missing::Indicator => Some(mean),
            Missing::Median => Some(median(&mut values)),
            Missing::Number(number) => Some(*number),
            Missing::Refuse | Missing::Word(_) => None,
        };
        let indicator = *how == Missing::Indicator;
        Ok(Encoding::Number { offset, scale, missing, indicator })
    }

    fn fit_words(
        &self,
        rows: &[usize],
        target: bool,
        classes: Option<usize>,
        categories: Categories,
    ) -> Result<Encoding> {
        let one_hot = categories == Categories::OneHot;
        let how = self.options.missing.as_ref().unwrap_or(&Missing::Refuse);
        let missing = match how {
            Missing::Word(word) => Some(word.clone()),
            Missing::Number(number) => Some(number.to_string()),
            Missing::Refuse | Missing::Indicator => None,
            Missing::Mean | Missing::Median => {
                return Err(self.misfit(
                    "words have no mean and no median to stand in for missing ones",
                    "set `missing` to \"indicator\", which is a category of its own, or to \
                     { constant = \"WORD\" }",
                ));
            }
        };
        let own_category = *how == Missing::Indicator;
        let ignore = self.options.unknown == Some(Unknown::Ignore);
        if ignore && !one_hot {
            return Err(self.misfit(
                "`unknown = \"ignore\"` is for one-hot words, for an index has no place for them",
                "leave it out, or set `categories = \"one_hot\"`",
            ));
        }
        let mut found = BTreeSet::new();
        let mut see = |field: &str| {
            let word = if field.is_empty() { missing.as_deref().unwrap_or("") } else { field };
            if word.is_empty() && !own_category {
                let problem = "expected a word, found nothing".to_owned();
                let remedy = "fill it in, leave the line out, or, for an input, set `missing` for the \
                              column, as in `missing = \"indicator\"`";
                return Err((problem, remedy.to_owned()));
            }
            if !word.is_empty() && !found.contains(word) {
                found.insert(word.to_owned());
            }
            Ok(())
        };
        if target {
            self.each(0..self.table.len(), &mut see)?;
        } else {
            self.each(rows.iter().copied(), &mut see)?;
        }
        let mut words: Vec<String> = found.into_iter().collect();
        sort_words(&mut words);
        let most = classes.unwrap_or(MAX_CLASSES);
        if words.len() > most {
            let shown: Vec<&str> = words.iter().map(String::as_str).collect();
            return Err(self.misfit(
                format!(
                    "expected at most {most} classes, found {}: {}",
                    words.len(),
                    Table::list(&shown)
                ),
                "give the prediction as many units, or mend the column",
            ));
        }
        Ok(Encoding::Word { words, one_hot, missing, own_category, ignore })
    }

    /// The line that says which number a word became.
    fn vocabulary(&self, words: &[String], one_hot: bool, target: bool) -> String {
        const SHOWN: usize = 20;
        let shown = words.iter().take(SHOWN).enumerate();
        let shown = shown.map(|(at, word)| format!("{at} = {}", shorten(word)));
        let mut list = shown.collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = words.len().checked_sub(SHOWN) {
            let _ = write!(list, " and {more} more");
        }
        let what = match (target, one_hot) {
            (true, false) => "classes",
            (_, true) => "one-hot words",
            (false, false) => "words",
        };
        let column = escaped(&self.table.columns[self.column]);
        format!("column `{column}`, node `{}`: {what} {list}", self.node)
    }
}

/// Sorts words by what they are as numbers, where all are numbers, or else by their characters.
pub(crate) fn sort_words(words: &mut [String]) {
    let value = |word: &String| word.parse::<f64>().ok();
    if words.iter().all(|word| value(word).is_some()) {
        words.sort_by(|a, b| {
            let (x, y) = (value(a).unwrap_or(0.0), value(b).unwrap_or(0.0));
            x.total_cmp(&y).then_with(|| a.cmp(b))
        });
    } else {
        words.sort();
    }
}
