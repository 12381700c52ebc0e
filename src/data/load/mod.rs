//! Data as a training, a test or a prediction needs them: read, divided, and turned into numbers.

mod build;
mod divide;
#[cfg(feature = "csv")]
#[cfg(test)]
mod tests;

use std::sync::Arc;

use build::{build, note_read_as_used, note_unused};
use divide::{divide, units, validate};

use super::parts::{self, Units};
use super::readers::Request;
use super::table::{DataConfig, Encoder};
use super::{Column, Dataset, Part, Share, Source, Split, Table, escaped, refuse, target_classes};
use crate::error::{Result, count};
use crate::graph::Graph;
use crate::setters::setters;

/// What data are loaded for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadOptions<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Items in a batch; data that are made up have at least as many.
    pub batch: usize,
    /// Which columns of a table feed which node. What was fitted before is used again, and data are
    /// divided as before.
    pub config: &'a DataConfig,
    /// How data are divided, unless something was fitted before.
    pub split: Split,
    /// Whether something is chosen by the validation part, so that there must be one.
    pub chooses: bool,
    /// The column of a table that holds a weight for every item.
    pub weights: Option<&'a str>,
}

impl<'a> LoadOptions<'a> {
    /// Options for a network of this graph.
    pub fn new(graph: &'a Graph, config: &'a DataConfig) -> Self {
        Self { graph, batch: 1, config, split: Split::default(), chooses: false, weights: None }
    }

    setters! {
        batch: usize,
        split: Split,
        chooses: bool,
        weights: impl Into<Option<&'a str>>,
    }
}

/// Where an item of the data fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// What it is for.
    pub part: Part,
    /// The line of its file, if it has one.
    pub line: Option<u64>,
}

/// Data, divided and turned into numbers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// What to train on.
    pub train: Dataset,
    /// What to choose by.
    pub validation: Option<Dataset>,
    /// What to test with in the end.
    pub test: Option<Dataset>,
    /// The description that the data were loaded by, with what was fitted to the training part.
    pub config: DataConfig,
    /// What a user should know, a line each.
    pub notes: Vec<String>,
    /// Where the items of the data fell, in their order; those of a test part that the data bring with
    /// them are not among them.
    pub items: Vec<Item>,
    /// The weights of the training items, if a column holds such.
    pub weights: Option<Vec<f64>>,
}

/// The data that a user writes as `text`: what [`reader`](super::reader) finds, with its options after a
/// colon, as in `points.csv:header=no`; divided by [`LoadOptions::split`], and with everything that is
/// fitted fitted to the training part.
///
/// ```
/// use caudal::data::{DataConfig, LoadOptions, load};
/// use caudal::model::Model;
///
/// let model = Model::open(Some("digits"))?;
/// let options = LoadOptions::new(&model.graph, &model.data).chooses(true);
/// let loaded = load("digits", &options)?;
/// assert_eq!((loaded.train.len(), loaded.validation.unwrap().len()), (1293, 144));
/// assert_eq!(loaded.test.unwrap().len(), 360);
/// assert!(loaded.notes[0].contains("validation"));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) if a file can't be read; [`Error::Data`](crate::Error::Data) if no reader recognizes the data, if it has no
/// such option, if its contents are refused, if they do not fit the graph, or if they can't be divided so.
pub fn load(text: &str, options: &LoadOptions<'_>) -> Result<Loaded> {
    let (spec, request) =
        Request::parse(text, (options.graph, options.batch), options.config, true)?;
    let source = (spec.read)(&request)?;
    let mut notes = Vec::new();
    let mut split = match &options.config.fitted {
        Some(fitted) => fitted.split.clone(),
        None => options.split.clone(),
    };
    let parts = divide(text, &source, options, &mut split, &mut notes)?;
    build(text, &source, options, split, &parts, notes)
}

/// The data of [`load`] for cross-validation: `number` times, each time another fold is the test part, and
/// the others are for training. What the data bring as their own test part is left aside.
///
/// # Errors
/// As [`load`]; further [`Error::Data`](crate::Error::Data) if there are fewer items than folds.
pub fn load_folds(text: &str, options: &LoadOptions<'_>, number: usize) -> Result<Vec<Loaded>> {
    let (spec, request) =
        Request::parse(text, (options.graph, options.batch), options.config, true)?;
    let source = match (spec.read)(&request)? {
        Source::Parts { train, .. } => Source::Items(train),
        other => other,
    };
    let split = &options.split;
    if let Source::Table(table) = &source
        && table.own_parts().is_some()
    {
        let problem = "folds make the test parts, but the data have parts of their own";
        return Err(refuse(escaped(text), problem, "name the folder of the training part"));
    }
    if split.test.is_some() || split.by.is_some() {
        return Err(refuse(
            escaped(text),
            "folds make the test parts, but another one is given too",
            "leave the test part and the column of parts out",
        ));
    }
    let units = units(text, &source, options, split)?;
    let items = source.len();
    let (Units::Strata(keys) | Units::Groups(keys)) = &units;
    let most = match &units {
        Units::Strata(_) => items,
        Units::Groups(_) => keys.iter().max().map_or(0, |most| most + 1),
    };
    if number < 2 || number > most {
        return Err(refuse(
            escaped(text),
            format!("{} can't be divided into {number} folds", count(most, "item or group")),
            "ask for at least 2 folds, and no more than there are items or groups",
        ));
    }
    let fold_of = parts::folds(items, &units, number, split.seed);
    let one = |fold: usize| {
        let mut parts: Vec<Part> = fold_of
            .iter()
            .map(|&other| if other == fold { Part::Test } else { Part::Train })
            .collect();
        let (mut notes, mut split) = (Vec::new(), split.clone());
        validate(text, options, &mut split, &units, &mut parts, &mut notes)?;
        build(text, &source, options, split, &parts, notes)
    };
    (0..number).map(one).collect()
}

/// The table that a user writes as `text`, undivided: that of a file, or one of the images of a folder.
///
/// # Errors
/// As [`load`]; further [`Error::Data`](crate::Error::Data) if the data are no table.
pub fn load_table(text: &str) -> Result<Table> {
    let (spec, request) = Request::parse_alone(text)?;
    match (spec.read)(&request)? {
        Source::Table(table) => Ok(table),
        Source::Items(_) | Source::Parts { .. } => Err(refuse(
            escaped(text),
            "expected a table or a folder of images, found arrays of numbers",
            "name a table or a folder of images",
        )),
    }
}

/// The items that a user writes as `text` to predict for, and what the user should know: every item of a
/// table, and of other data the test part. A table needs no targets. Its columns are found by the names
/// that were saved with the model.
///
/// # Errors
/// As [`load`].
pub fn load_to_predict(
    text: &str,
    graph: &Graph,
    batch: usize,
    config: &DataConfig,
) -> Result<(Dataset, Vec<String>)> {
    let (spec, request) = Request::parse(text, (graph, batch), config, false)?;
    let table = match (spec.read)(&request)? {
        Source::Table(table) => table,
        Source::Items(data) | Source::Parts { test: data, .. } => {
            let notes = note_read_as_used(&data).into_iter().collect();
            return Ok((data, notes));
        }
    };
    let mut notes = table.notes().to_vec();
    let all = of_part(&table, Part::Test);
    if let Some(encoder) = config.encoder() {
        notes.extend(note_unused(&table, encoder, &[]));
        return Ok((encoder.transform(&table, &all, false)?, notes));
    }
    let encoder = Encoder::without_training(&table, graph, config)?;
    Ok((encoder.transform(&table, &all, false)?, notes))
}

/// The items of a table that are for `part`, where it says so itself; otherwise all.
fn of_part(table: &Table, part: Part) -> Vec<usize> {
    let own = table.own_parts().filter(|own| own.contains(&part));
    (0..table.len()).filter(|&row| own.is_none_or(|own| own[row] == part)).collect()
}

/// The items that a user writes as `text` to test a saved model with, and what the user should know:
/// `part` of the data that it was trained on, and every item of any other table.
///
/// # Errors
/// As [`load`]; further [`Error::Data`](crate::Error::Data) if there is no such part.
pub fn load_to_evaluate(
    text: &str,
    graph: &Graph,
    batch: usize,
    config: &DataConfig,
    part: Part,
) -> Result<(Dataset, Vec<String>)> {
    let (spec, request) = Request::parse(text, (graph, batch), config, true)?;
    let source = (spec.read)(&request)?;
    if let (Source::Table(table), Some(encoder)) = (&source, config.encoder()) {
        let digest = config.fitted.as_ref().and_then(|fitted| fitted.digest.as_ref());
        if digest != Some(&table.digest()?) {
            let mut notes = table.notes().to_vec();
            notes.extend(note_unused(table, encoder, &[]));
            return Ok((encoder.transform(table, &of_part(table, part), true)?, notes));
        }
    }
    // What was not trained on a table has nothing to say of one.
    let fresh = config.unfitted();
    let is_table = matches!(source, Source::Table(_));
    let mut config = if is_table && config.encoder().is_none() { fresh } else { config.clone() };
    // Files of other parts may be gone.
    if let Some(fitted) = config.fitted.as_mut().map(Arc::make_mut) {
        if part != Part::Validation && matches!(fitted.split.validation, Some(Share::File(_))) {
            fitted.split.validation = None;
        }
        if part != Part::Test && matches!(fitted.split.test, Some(Share::File(_))) {
            fitted.split.test = Some(Share::Fraction(0.0));
        }
    }
    let options = LoadOptions { batch, ..LoadOptions::new(graph, &config) };
    let loaded = load(text, &options)?;
    let found = match part {
        Part::Train => Some(loaded.train),
        Part::Validation => loaded.validation,
        Part::Test => loaded.test,
    };
    let notes = loaded.notes;
    let found = found.ok_or_else(|| {
        let problem = format!("the model was trained without a {} part", part.name());
        refuse(escaped(text), problem, "ask for another part, or name another file")
    })?;
    Ok((found, notes))
}

/// Refuses targets whose classes the losses do not have, with the item.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) with the data set, the item and the node.
pub(crate) fn check_classes(
    graph: &Graph,
    target: usize,
    data: &Dataset,
    column: &Column,
) -> Result<()> {
    let Some(classes) = target_classes(graph, target) else { return Ok(()) };
    let Some((item, value)) = column.first_no_class(classes)? else { return Ok(()) };
    let node = &graph.nodes()[target].name;
    Err(refuse(
        format!("data set `{}`, item {item}, for node `{node}`", data.name()),
        format!("expected a class below {classes}, found {value}"),
        "number the classes 0, 1, 2 and so on, or give the prediction more units",
    ))
}
