//! `caudal new`: a model file for the data at hand.

mod ends;
mod images;
mod page;
mod table;

use std::path::PathBuf;

use caudal::data;
use caudal::model::Model;
use clap::{Args, ValueEnum};

use self::ends::Sketch;
use self::page::page;
use super::Stop;
use super::output::{line, note, printable, write_file};
use super::outputs::Outputs;

/// Writes a model file for a table or a folder of images: which columns feed which input, a branch for each, and a
/// loss for every target, with comments that say what to change.
///
/// Numbers are scaled, words become one-hot rows, and missing numbers have an indicator. A column is left out, with a
/// comment that says why, if its values are all equal, or if they are too many words or too rare ones for an input.
/// A target of words, or of few whole numbers, is classified; any other is estimated by regression.
#[derive(Debug, Args)]
pub(super) struct New {
    /// A CSV file or a folder of images with a folder for every class
    #[arg(long, value_name = "DATA")]
    data: String,
    /// The columns to predict, once for each or with commas between them [default: the last column]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    target: Vec<String>,
    /// What becomes of all targets that are numbers [default: classification of few whole numbers, or else
    /// regression]
    #[arg(long, value_name = "TASK", value_enum)]
    task: Option<Task>,
    /// Where to write it, or - for standard output
    #[arg(long, value_name = "FILE.toml")]
    out: PathBuf,
}

/// What a network does for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Task {
    /// It chooses one of some values
    Classification,
    /// It estimates a number
    Regression,
}

impl New {
    pub(super) fn run(self) -> Result<(), Stop> {
        let to_output = self.out.as_os_str() == "-";
        let ends_well =
            self.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        if !to_output && !ends_well {
            return Err(Stop::Usage(format!(
                "--out {}: model files end in .toml; name such a file, or - for standard output",
                self.out.display()
            )));
        }
        let out = (!to_output).then_some(&self.out);
        Outputs::default().reads_data(&self.data).writes("--out", out).check()?;
        let table = data::load_table(&self.data)?;
        for text in table.notes() {
            note(format_args!("note: {}", printable(text)));
        }
        let sketch: Sketch = if table.image_path(0).is_some() {
            images::sketch(&table, &self.target)?
        } else {
            table::sketch(&table, &self.target, self.task)?
        };
        let name = self.out.file_stem().filter(|_| !to_output);
        let name = name.map_or("model".to_owned(), |name| name.to_string_lossy().into_owned());
        let text = page(&name, &self.data, &sketch);
        // What is written can be read, whatever columns are called.
        Model::from_toml(&text, &format!("the model for {}", self.data))?;
        if to_output {
            return line(text.trim_end());
        }
        write_file(&self.out, &text)?;
        let out = self.out.display();
        note(format_args!("{out}: `caudal train {out} --data {}` trains it", self.data));
        Ok(())
    }
}
