//! Data as a training, a test or a prediction needs them: read, divided, and turned into numbers.

use std::sync::Arc;

use super::parts::{self, TEST_FRACTION, Units, VALIDATION_FRACTION, ranks, take};
use super::readers::Request;
use super::table::{DataConfig, Encoder, Fitted, Table};
use super::{Dataset, Part, Share, Source, Split, class_index, escaped, refuse, target_classes};
use crate::error::{Error, Result, count};
use crate::graph::Graph;

/// What data are loaded for.
#[derive(Clone, Debug)]
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
}

/// Where an item of the data fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is for.
    pub part: Part,
    /// The line of its file, if it has one.
    pub line: Option<u64>,
}

/// Data, divided and turned into numbers.
#[derive(Clone, Debug)]
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
/// let options = LoadOptions { chooses: true, ..LoadOptions::new(&model.graph, &model.data) };
/// let loaded = load("digits", &options)?;
/// assert_eq!((loaded.train.len(), loaded.validation.unwrap().len()), (1293, 144));
/// assert_eq!(loaded.test.unwrap().len(), 360);
/// assert!(loaded.notes[0].contains("validation"));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Io`] if a file can't be read; [`Error::Data`] if no reader recognizes the data, if it has no
/// such option, if its contents are refused, if they do not fit the graph, or if they can't be divided so.
pub fn load(text: &str, options: &LoadOptions<'_>) -> Result<Loaded> {
    let (spec, request) = Request::parse(text, Some((options.graph, options.batch)))?;
    let source = (spec.read)(&request)?;
    let mut notes = Vec::new();
    let mut split = match &options.config.fitted {
        Some(fitted) => fitted.split.clone(),
        None => options.split.clone(),
    };
    let (parts, units) = divide(text, &source, options, &mut split, &mut notes)?;
    drop(units);
    build(text, &source, options, split, parts, notes)
}

/// The data of [`load`] for cross-validation: `number` times, each time another fold is the test part, and
/// the others are for training. What the data bring as their own test part is left aside.
///
/// # Errors
/// As [`load`]; further [`Error::Data`] if there are fewer items than folds.
pub fn load_folds(text: &str, options: &LoadOptions<'_>, number: usize) -> Result<Vec<Loaded>> {
    let (spec, request) = Request::parse(text, Some((options.graph, options.batch)))?;
    let source = match (spec.read)(&request)? {
        Source::Parts { train, .. } => Source::Items(train),
        other => other,
    };
    let split = &options.split;
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
        build(text, &source, options, split, parts, notes)
    };
    (0..number).map(one).collect()
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
    let (spec, request) = Request::parse(text, Some((graph, batch)))?;
    let table = match (spec.read)(&request)? {
        Source::Table(table) => table,
        Source::Items(data) | Source::Parts { test: data, .. } => return Ok((data, Vec::new())),
    };
    let mut notes = table.notes().to_vec();
    let all: Vec<usize> = (0..table.len()).collect();
    if let Some(encoder) = config.encoder() {
        notes.extend(note_unused(&table, encoder, &[]));
        return Ok((encoder.transform(&table, &all, false)?, notes));
    }
    let encoder = Encoder::without_training(&table, graph, config)?;
    Ok((encoder.transform(&table, &all, false)?, notes))
}

/// The items that a user writes as `text` to test a saved model with, and what the user should know:
/// `part` of the data that it was trained on, and every item of any other table.
///
/// # Errors
/// As [`load`]; further [`Error::Data`] if there is no such part.
pub fn load_to_evaluate(
    text: &str,
    graph: &Graph,
    batch: usize,
    config: &DataConfig,
    part: Part,
) -> Result<(Dataset, Vec<String>)> {
    let (spec, request) = Request::parse(text, Some((graph, batch)))?;
    let source = (spec.read)(&request)?;
    if let (Source::Table(table), Some(encoder)) = (&source, config.encoder()) {
        let digest = config.fitted.as_ref().and_then(|fitted| fitted.digest.as_ref());
        if digest != Some(&table.digest()) {
            let mut notes = table.notes().to_vec();
            notes.extend(note_unused(table, encoder, &[]));
            let all: Vec<usize> = (0..table.len()).collect();
            return Ok((encoder.transform(table, &all, true)?, notes));
        }
    }
    // What was not trained on a table has nothing to say of one.
    let fresh = config.unfitted();
    let is_table = matches!(source, Source::Table(_));
    let config = if is_table && config.encoder().is_none() { &fresh } else { config };
    let options = LoadOptions { batch, ..LoadOptions::new(graph, config) };
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

impl Source {
    /// The items that may be divided.
    fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.len(),
            Self::Items(data) | Self::Parts { train: data, .. } => data.len(),
        }
    }
}

/// What holds the items together or apart.
fn units(text: &str, source: &Source, options: &LoadOptions<'_>, split: &Split) -> Result<Units> {
    let graph = options.graph;
    let mut keys: Vec<Vec<usize>> = vec![Vec::new(); source.len()];
    match source {
        Source::Table(table) => {
            let values = |column: usize| (0..table.len()).map(move |row| table.field(row, column));
            if let Some(group) = &split.group {
                let column = find(table, group, "the groups")?;
                return Ok(Units::Groups(ranks(&values(column).collect::<Vec<_>>())));
            }
            for column in class_columns(table, options, split)? {
                let mut words: Vec<String> = values(column).map(str::to_owned).collect();
                words.sort_unstable();
                words.dedup();
                super::table::sort_words(&mut words);
                let places: std::collections::HashMap<&str, usize> =
                    words.iter().enumerate().map(|(at, word)| (word.as_str(), at)).collect();
                values(column).zip(&mut keys).for_each(|(word, key)| key.push(places[word]));
            }
        }
        Source::Items(data) | Source::Parts { train: data, .. } => {
            if let Some(column) = split.columns().first() {
                return Err(refuse(
                    escaped(text),
                    format!("column `{}` is asked for, but the data are no table", escaped(column)),
                    "divide the data by fractions",
                ));
            }
            let classes = |id: &usize| target_classes(graph, *id).is_some();
            let names = graph.targets().into_iter().filter(classes);
            let names: Vec<&str> = names.map(|id| graph.nodes()[id].name.as_str()).collect();
            let alone = data.targets().len() == 1;
            let columns = data.targets().iter().filter(|column| {
                names.contains(&column.name.as_str()) || (alone && !names.is_empty())
            });
            for column in columns.filter(|column| column.class_count().is_some()) {
                for (key, value) in keys.iter_mut().zip(&column.values) {
                    key.push(class_index(*value).unwrap_or(0));
                }
            }
        }
    }
    Ok(Units::Strata(ranks(&keys)))
}

/// The columns of a table that hold classes.
fn class_columns(table: &Table, options: &LoadOptions<'_>, split: &Split) -> Result<Vec<usize>> {
    let graph = options.graph;
    let mut targets = graph.targets();
    targets.retain(|&id| target_classes(graph, id).is_some());
    if let Some(encoder) = options.config.encoder() {
        let is_target =
            |name: &str| targets.iter().any(|&id| graph.nodes()[id].name == name);
        let nodes = encoder.nodes.iter().filter(|node| is_target(&node.node));
        let columns = nodes.flat_map(|node| &node.columns);
        return Ok(columns.filter_map(|it| table.column(&it.column)).collect());
    }
    super::table::columns_of(table, graph, options.config, &reserved(split, options), &targets)
}

/// The columns that no node takes by default.
fn reserved<'a>(split: &'a Split, options: &LoadOptions<'a>) -> Vec<&'a str> {
    split.columns().into_iter().chain(options.weights).collect()
}

fn find(table: &Table, name: &str, what: &str) -> Result<usize> {
    table.column(name).ok_or_else(|| {
        refuse(
            table.origin(),
            format!(
                "it lacks column `{}`, which should hold {what}; its columns are {}",
                escaped(name),
                table.list_columns()
            ),
            "name one of them",
        )
    })
}

/// The part of every item. What the split lacks and is needed is added to it.
fn divide(
    text: &str,
    source: &Source,
    options: &LoadOptions<'_>,
    split: &mut Split,
    notes: &mut Vec<String>,
) -> Result<(Vec<Part>, Units)> {
    let mut parts = vec![Part::Train; source.len()];
    let units = units(text, source, options, split)?;
    let refused = |problem: String| {
        refuse(escaped(text), problem, "use more items, or ask for a smaller part")
    };
    if let (Source::Table(table), Some(by)) = (source, &split.by) {
        let column = find(table, by, "`train`, `validation` or `test`")?;
        for (row, part) in parts.iter_mut().enumerate() {
            *part = Part::read(table.field(row, column)).ok_or_else(|| {
                refuse(
                    format!("{}, column `{}`", table.place(row), escaped(by)),
                    format!(
                        "expected `train`, `validation` or `test`, found `{}`",
                        escaped(table.field(row, column))
                    ),
                    "say in every line what the item is for",
                )
            })?;
        }
        if !parts.contains(&Part::Train) {
            return Err(refused(format!("column `{}` leaves nothing to train on", escaped(by))));
        }
    } else {
        let fraction = match (&split.test, source) {
            (Some(Share::Fraction(_)), Source::Parts { .. }) => {
                return Err(refuse(
                    escaped(text),
                    "a fraction is asked for as test part, but the data have one of their own",
                    "leave --test out",
                ));
            }
            (Some(Share::Fraction(fraction)), _) => *fraction,
            (Some(Share::File(_)), _) | (None, Source::Parts { .. }) => 0.0,
            (None, _) => TEST_FRACTION,
        };
        take(&mut parts, &units, Part::Test, fraction, split.seed).map_err(refused)?;
    }
    validate(text, options, split, &units, &mut parts, notes)?;
    Ok((parts, units))
}

/// Takes the validation part from the training part, if there is to be one.
fn validate(
    text: &str,
    options: &LoadOptions<'_>,
    split: &mut Split,
    units: &Units,
    parts: &mut [Part],
    notes: &mut Vec<String>,
) -> Result<()> {
    if parts.contains(&Part::Validation) {
        return Ok(());
    }
    if split.validation.is_none() && options.chooses && options.config.fitted.is_none() {
        notes.push(format!(
            "{}: no validation part is given, so {VALIDATION_FRACTION} of the items are taken from the \
             training part, to choose by; --validation says otherwise",
            escaped(text)
        ));
        split.validation = Some(Share::Fraction(VALIDATION_FRACTION));
    }
    if split.validation.is_none() && options.chooses && options.config.fitted.is_some() {
        return Err(refuse(
            escaped(text),
            "something is to be chosen by a validation part, but the model was saved without one",
            "go on without --patience and --best, or begin anew with --validation",
        ));
    }
    if let Some(Share::Fraction(fraction)) = split.validation {
        let taken = take(parts, units, Part::Validation, fraction, split.seed);
        taken.map_err(|problem| {
            refuse(escaped(text), problem, "use more items, or ask for a smaller part")
        })?;
    }
    Ok(())
}

/// The items of every part as numbers.
fn build(
    text: &str,
    source: &Source,
    options: &LoadOptions<'_>,
    split: Split,
    parts: Vec<Part>,
    mut notes: Vec<String>,
) -> Result<Loaded> {
    let of = |part: Part| -> Vec<usize> {
        (0..parts.len()).filter(|&item| parts[item] == part).collect()
    };
    let train_items = of(Part::Train);
    let reserved = reserved(&split, options);
    let (mut encoder, mut digest) = (None, None);
    let mut weights = None;
    // The chosen items of the data as numbers, if there are any.
    let mut chosen: Vec<Option<Dataset>> = Vec::new();
    let all = [Part::Train, Part::Validation, Part::Test];
    let named = |data: Dataset, part: Part| {
        let name = format!("{} {}", data.name(), part.name());
        data.renamed(name)
    };
    match source {
        Source::Table(table) => {
            notes.splice(0..0, table.notes().iter().cloned());
            let here = table.digest();
            let fitted = match (options.config.encoder(), &options.config.fitted) {
                (Some(encoder), Some(fitted)) => {
                    if fitted.digest.as_ref() != Some(&here) {
                        notes.push(format!(
                            "{}: it holds other items than the table that the model was trained on",
                            table.origin()
                        ));
                    }
                    encoder.clone()
                }
                _ => {
                    let graph = options.graph;
                    let (encoder, more) =
                        Encoder::fit(table, &train_items, graph, options.config, &reserved)?;
                    notes.extend(more);
                    encoder
                }
            };
            notes.extend(note_unused(table, &fitted, &reserved));
            for part in all {
                let rows = of(part);
                let data = (!rows.is_empty()).then(|| fitted.transform(table, &rows, true));
                chosen.push(data.transpose()?.map(|data| named(data, part)));
            }
            if let Some(name) = options.weights {
                let column = find(table, name, "the weights")?;
                weights = Some(read_weights(table, column, &train_items)?);
            }
            (encoder, digest) = (Some(fitted), Some(here));
        }
        Source::Items(data) | Source::Parts { train: data, .. } => {
            for part in all {
                let items = of(part);
                let whole = items.len() == data.len();
                let data = match items.as_slice() {
                    [] => None,
                    // Not a copy of all that there is.
                    _ if whole => Some(data.clone()),
                    items => Some(named(data.subset(items)?, part)),
                };
                chosen.push(data);
            }
            if let Some(name) = options.weights {
                return Err(refuse(
                    escaped(text),
                    format!("column `{}` should hold weights, but the data are no table", escaped(name)),
                    "give a file of weights",
                ));
            }
        }
    }
    let lines = |item: usize| match source {
        Source::Table(table) => table.line(item),
        _ => None,
    };
    let items =
        parts.iter().enumerate().map(|(item, &part)| Item { part, line: lines(item) }).collect();
    let other = |share: &Option<Share>, encoder: Option<&Encoder>, part: Part| match share {
        Some(Share::File(file)) => {
            let data = read_whole(file, options, encoder)?;
            Ok(Some(named(data, part)))
        }
        _ => Ok::<_, Error>(None),
    };
    let mut chosen = chosen.into_iter();
    let mut next = || chosen.next().flatten();
    let (train, validation, test) = (next(), next(), next());
    let validation = match other(&split.validation, encoder.as_ref(), Part::Validation)? {
        None => validation,
        some => some,
    };
    let own_test = match source {
        Source::Parts { test, .. } => Some(test.clone()),
        _ => None,
    };
    let test = match other(&split.test, encoder.as_ref(), Part::Test)? {
        None => test.or(own_test),
        some => some,
    };
    let train = train.ok_or_else(|| {
        refuse(escaped(text), "nothing is left to train on", "ask for smaller parts")
    })?;
    let fitted = Some(Arc::new(Fitted { encoder, split, digest }));
    let config = DataConfig { nodes: options.config.nodes.clone(), fitted };
    Ok(Loaded { train, validation, test, config, notes, items, weights })
}

/// All items of another file, as numbers.
fn read_whole(
    text: &str,
    options: &LoadOptions<'_>,
    encoder: Option<&Encoder>,
) -> Result<Dataset> {
    let (spec, request) = Request::parse(text, Some((options.graph, options.batch)))?;
    match ((spec.read)(&request)?, encoder) {
        (Source::Table(table), Some(encoder)) => {
            let all: Vec<usize> = (0..table.len()).collect();
            encoder.transform(&table, &all, true)
        }
        (Source::Table(table), None) => Err(refuse(
            table.origin(),
            "it is a table, but the data to train on are none",
            "give the parts in one form",
        )),
        (Source::Items(data) | Source::Parts { test: data, .. }, _) => Ok(data),
    }
}

/// Says which columns are passed over.
fn note_unused(table: &Table, encoder: &Encoder, reserved: &[&str]) -> Option<String> {
    let mut unused = encoder.unused(table);
    unused.retain(|name| !reserved.contains(name));
    let (is, it) = if unused.len() == 1 { ("column", "is") } else { ("columns", "are") };
    (!unused.is_empty()).then(|| {
        format!("{}: {is} {} {it} passed over, for no node takes {}", table.origin(), Table::list(&unused), if unused.len() == 1 { "it" } else { "them" })
    })
}

/// The weights of some items.
fn read_weights(table: &Table, column: usize, rows: &[usize]) -> Result<Vec<f64>> {
    let weight = |&row: &usize| {
        let field = table.field(row, column);
        let number = field.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
        number.ok_or_else(|| {
            refuse(
                format!("{}, column `{}`", table.place(row), escaped(&table.columns()[column])),
                format!("expected a weight, found `{}`", escaped(field)),
                "write a finite number of at least 0",
            )
        })
    };
    rows.iter().map(weight).collect()
}

/// Refuses targets whose classes the losses do not have, with the item.
///
/// # Errors
/// [`Error::Data`] with the data set, the item and the node.
pub(crate) fn check_classes(
    graph: &Graph,
    target: usize,
    data: &Dataset,
    values: &crate::Tensor,
) -> Result<()> {
    let Some(classes) = target_classes(graph, target) else { return Ok(()) };
    let fits = |value: f32| class_index(value).is_some_and(|class| class < classes);
    let per_item = (values.len() / data.len().max(1)).max(1);
    match values.iter().position(|&value| !fits(value)) {
        None => Ok(()),
        Some(place) => {
            let value = values.iter().nth(place).copied().unwrap_or_default();
            let node = &graph.nodes()[target].name;
            Err(refuse(
                format!("data set `{}`, item {}, for node `{node}`", data.name(), place / per_item),
                format!("expected a class below {classes}, found {value}"),
                "number the classes 0, 1, 2 and so on, or give the prediction more units",
            ))
        }
    }
}
