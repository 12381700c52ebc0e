//! A table of all epochs in a file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::train::{Callback, Control, EpochEnd, Network, Report};

/// Appends a line for every epoch to a CSV file.
///
/// Its columns are `epoch` (from 0), `seconds` (since training began), `train_loss` and, for every
/// loss and metric, `train_NAME`, the same with `validation_` if there is validation data, and
/// `learning_rate` (of the epoch's last step). The column `NAME` of a network's only loss is left out
/// if it is called `loss`.
///
/// A file that is there is continued, if it has the same columns: the header stands in it once. Every
/// line is written by one call; what an interrupted call may have left behind of a line is removed.
///
/// ```
/// use caudal::model::Model;
/// use caudal::train::callbacks::CsvLog;
/// use caudal::train::{FitOptions, Network, NetworkOptions};
///
/// let (train, _) = caudal::data::digits()?;
/// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
/// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
/// # let path = std::env::temp_dir().join(format!("caudal-log-{}.csv", std::process::id()));
/// let mut log = CsvLog::new(&path);
/// let fit = FitOptions { epochs: 2, ..FitOptions::default() };
/// network.fit_with(&train, &fit, &mut [&mut log])?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert!(text.starts_with("epoch,seconds,train_loss,train_accuracy,learning_rate\n0,"));
/// assert_eq!(text.lines().count(), 3);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CsvLog {
    path: PathBuf,
    header: Option<Vec<u8>>,
}

impl CsvLog {
    /// Writes to `path`, which need not exist before the first epoch ends.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), header: None }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Callback for CsvLog {
    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        let mut cells = vec![
            ("epoch".to_owned(), event.epoch.to_string()),
            ("seconds".to_owned(), format!("{:.3}", event.elapsed.as_secs_f64())),
        ];
        add_report(&mut cells, "train", event.train);
        if let Some(report) = event.validation {
            add_report(&mut cells, "validation", report);
        }
        let rate = network.optimizer().learning_rate(network.step().saturating_sub(1));
        cells.push(("learning_rate".to_owned(), rate.to_string()));
        let header = line(&self.path, cells.iter().map(|(name, _)| name))?;
        let row = line(&self.path, cells.iter().map(|(_, value)| value))?;
        append(&self.path, &header, &row, self.header.as_ref() == Some(&header))?;
        self.header = Some(header);
        Ok(Control::Continue)
    }
}

fn add_report(cells: &mut Vec<(String, String)>, part: &str, report: &Report) {
    let own = report.regularization.is_empty()
        && matches!(report.losses.as_slice(), [only] if only.name == "loss");
    let losses = report.losses.iter().filter(|_| !own);
    cells.push((format!("{part}_loss"), report.loss.to_string()));
    for value in losses.chain(&report.regularization).chain(&report.metrics) {
        let mut name = format!("{part}_{}", value.name);
        while cells.iter().any(|(other, _)| *other == name) {
            name.push_str("_node");
        }
        cells.push((name, value.value.to_string()));
    }
}

/// One line, with quotes where cells need them.
fn line<'a>(path: &Path, cells: impl Iterator<Item = &'a String>) -> Result<Vec<u8>> {
    let unwritten = |error: csv::Error| Error::io(path, std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(unwritten)?;
    writer.into_inner().map_err(|error| Error::io(path, error.into_error()))
}

/// Appends a row to a file, with a header if it is empty. Unless it is `known`, what it holds must
/// begin with that header.
fn append(path: &Path, header: &[u8], row: &[u8], known: bool) -> Result<()> {
    let io = |source| Error::io(path, source);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // What is not a file, such as a pipe, is only written to.
    let special = std::fs::metadata(path).is_ok_and(|there| !there.is_file());
    let mut text = Vec::new();
    let mut file = options.read(!special).open(path).map_err(io)?;
    if special {
        text.extend_from_slice(if known { &[] } else { header });
    } else {
        cut_unfinished_line(&mut file).map_err(io)?;
        let mut begins = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        (&file).take(header.len() as u64).read_to_end(&mut begins).map_err(io)?;
        if begins.is_empty() {
            text.extend_from_slice(header);
        } else if begins != header {
            let there = String::from_utf8_lossy(&begins);
            return Err(Error::Data {
                origin: path.display().to_string(),
                problem: format!(
                    "its first line begins with `{}`, but the columns to log are `{}`",
                    there.lines().next().unwrap_or_default().escape_debug(),
                    String::from_utf8_lossy(header).trim_end()
                ),
                remedy: "log to another file".to_owned(),
            });
        }
    }
    text.extend_from_slice(row);
    file.write_all(&text).map_err(io)
}

/// Removes what follows the last line break.
fn cut_unfinished_line(file: &mut File) -> std::io::Result<()> {
    const CHUNK: u64 = 4096;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let mut chunk = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&*file).take(end - start).read_to_end(&mut chunk)?;
        if let Some(place) = chunk.iter().rposition(|&byte| byte == b'\n') {
            end = start + place as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}
