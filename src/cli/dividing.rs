//! Options of `caudal train` for its data: which columns feed which node, and which items are for what.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use caudal::data::{DataConfig, Item, Share, Split};
use clap::Args;

use super::Stop;
use super::output::write_file;
use super::outputs::Outputs;

/// How data are divided, and which columns of a table feed which node.
#[derive(Debug, Args)]
pub(super) struct Dividing {
    /// The columns of a table that feed an input or target: names, ranges such as px0..px63, or `others`;
    /// once for every node. It replaces the `columns` of the model file
    #[arg(long, value_name = "NODE=COLUMN,...")]
    columns: Vec<String>,
    /// The part that --patience, --best and --restore-best choose by, tested after every epoch: so many of
    /// the items, as in 0.15, or another file [default: 0.1 if something is to be chosen, or else none]
    #[arg(long, value_name = "FRACTION|FILE")]
    validation: Option<String>,
    /// The part that is tested once, in the end: so many of the items, 0 for none, or another file
    /// [default: that of the data, or else 0.2]
    #[arg(long, value_name = "FRACTION|FILE")]
    test: Option<String>,
    /// A column that holds `train`, `validation` or `test` for every item
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["validation", "test", "group"])]
    split_by: Option<String>,
    /// A column whose groups stay together: all items of a group are in one part. Without it, parts have
    /// their share of every class
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Chooses the items of the parts; not --seed, so that trainings with several seeds have the same parts
    #[arg(long, value_name = "N")]
    split_seed: Option<u64>,
    /// Writes which item is for what: its number, its line in the file, and its part
    #[arg(long, value_name = "FILE.csv")]
    write_split: Option<PathBuf>,
}

impl Dividing {
    /// The files among those of a command.
    pub(super) fn outputs<'a>(&'a self, outputs: Outputs<'a>) -> Outputs<'a> {
        let file = |text: &'a Option<String>| {
            text.as_deref().filter(|text| text.parse::<f64>().is_err()).map(Path::new)
        };
        outputs
            .reads("--validation", file(&self.validation))
            .reads("--test", file(&self.test))
            .writes("--write-split", self.write_split.as_ref())
    }

    /// Whether a file with the parts is written.
    pub(super) fn writes(&self) -> bool {
        self.write_split.is_some()
    }

    /// Whether they ask for a validation part.
    pub(super) fn has_validation(&self) -> bool {
        self.validation.is_some() || self.split_by.is_some()
    }

    /// How the data are divided. What was fitted before, when a model that is resumed was saved, stays as it
    /// is.
    pub(super) fn split(&self, data: &DataConfig) -> Result<Split, Stop> {
        let part = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| share(option, text)).transpose()
        };
        let asked = Split::default()
            .test(part("--test", &self.test)?)
            .validation(part("--validation", &self.validation)?)
            .by(self.split_by.clone())
            .group(self.group.clone())
            .seed(self.split_seed.unwrap_or(0));
        let Some(fitted) = &data.fitted else { return Ok(asked) };
        let saved = &fitted.split;
        let others = [
            ("--test", asked.test.is_some() && asked.test != saved.test),
            ("--validation", asked.validation.is_some() && asked.validation != saved.validation),
            ("--split-by", asked.by.is_some() && asked.by != saved.by),
            ("--group", asked.group.is_some() && asked.group != saved.group),
            ("--split-seed", self.split_seed.is_some_and(|seed| seed != saved.seed)),
        ];
        match others.iter().find(|(_, other)| *other) {
            None => Ok(saved.clone()),
            Some((option, _)) => Err(Stop::Usage(format!(
                "{option} is not as when the model was saved, and --resume goes on with the same parts; \
                 leave it out"
            ))),
        }
    }

    /// Lets nodes have the columns that were asked for.
    pub(super) fn set_columns(&self, data: &mut DataConfig, resumed: bool) -> Result<(), Stop> {
        let before = data.nodes.clone();
        for text in &self.columns {
            data.set_columns(text)
                .map_err(|problem| Stop::Usage(format!("--columns: {problem}")))?;
        }
        if resumed && data.nodes != before {
            return Err(Stop::Usage(
                "--columns is not as when the model was saved, and --resume goes on with the same \
                 columns; leave it out"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Writes which item fell where, if asked to.
    pub(super) fn write(&self, items: &[Item]) -> Result<(), Stop> {
        let Some(path) = &self.write_split else { return Ok(()) };
        let mut text = "item,line,part\n".to_owned();
        for (number, item) in items.iter().enumerate() {
            let line = item.line.map(|line| line.to_string()).unwrap_or_default();
            // Writing to a string can't fail.
            let _ = writeln!(text, "{number},{line},{}", item.part.name());
        }
        write_file(path, &text)
    }
}

/// A fraction of the items, or a file.
fn share(option: &str, text: &str) -> Result<Share, Stop> {
    match text.parse::<f64>() {
        Ok(fraction) if (0.0..1.0).contains(&fraction) => Ok(Share::Fraction(fraction)),
        Ok(_) => Err(Stop::Usage(format!(
            "{option} can't be {text}; give a fraction of the items from 0 to below 1, or a file"
        ))),
        Err(_) => Ok(Share::File(text.to_owned())),
    }
}
