//! A table of all epochs in a file.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, refuse};
use crate::files;
use crate::graph::Graph;
use crate::train::report::Totals;
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
/// let fit = FitOptions::default().epochs(2);
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

    /// Refuses a file that the epochs of a network of `graph`, with or without validation data, could
    /// not be added to: before the training, whose first epoch would be lost. A training looks for itself
    /// whether a file fits with either.
    ///
    /// # Errors
    /// [`Error::Data`] for a file with other columns, and [`Error::Io`] if it can't be read.
    pub fn check(&self, graph: &Graph, validation: bool) -> Result<()> {
        let Some(there) = first_line(&self.path)? else { return Ok(()) };
        let header = header_of(&self.path, graph, validation)?;
        if there == header { Ok(()) } else { Err(other_columns(&self.path, &there, &header)) }
    }

    /// Removes the last rows whose epoch is `epoch` or a later one, as a training leaves them behind that
    /// was killed after its last save, and that goes on from there: its rows come again. Gives how many
    /// there were.
    ///
    /// # Errors
    /// If the file can't be read or replaced.
    pub fn cut_from(&self, epoch: usize) -> Result<usize> {
        if !std::fs::metadata(&self.path).is_ok_and(|there| there.is_file()) {
            return Ok(0);
        }
        let bytes = std::fs::read(&self.path).map_err(|source| Error::io(&self.path, source))?;
        let mut rows = Vec::new();
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
        for record in reader.byte_records() {
            // What can't be read is no row of ours: it stays, and so does all before it.
            let Ok(record) = record else {
                rows.push((None, 0));
                continue;
            };
            let number = record.get(0).and_then(|cell| std::str::from_utf8(cell).ok());
            let number: Option<usize> = number.and_then(|cell| cell.parse().ok());
            let start = record.position().map_or(0, |position| position.byte() as usize);
            rows.push((number, start));
        }
        let (mut end, mut cut, mut above) = (bytes.len(), 0, usize::MAX);
        for &(number, start) in rows.iter().rev() {
            // Where numbers begin anew, the rows are those of a training before.
            let Some(number) = number.filter(|&number| number >= epoch && number < above) else {
                break;
            };
            (end, cut, above) = (start, cut + 1, number);
        }
        if cut > 0 {
            files::replace(&self.path, &bytes[..end])?;
        }
        Ok(cut)
    }
}

/// What the first line of a log of this network is.
fn header_of(path: &Path, graph: &Graph, validation: bool) -> Result<Vec<u8>> {
    let report = Totals::new(graph).report(graph);
    let names = columns(&report, validation.then_some(&report));
    line(path, names.iter().map(|(name, _)| name).chain([&"learning_rate".to_owned()]))
}

/// The most bytes of a first line that are looked at.
const LONGEST_HEADER: u64 = 1 << 20;

/// The first line of a file; nothing of one that is empty, not there, or no file.
fn first_line(path: &Path) -> Result<Option<Vec<u8>>> {
    if !std::fs::metadata(path).is_ok_and(|there| there.is_file()) {
        return Ok(None);
    }
    let io = |source| Error::io(path, source);
    let mut line = Vec::new();
    let file = File::open(path).map_err(io)?.take(LONGEST_HEADER);
    BufReader::new(file).read_until(b'\n', &mut line).map_err(io)?;
    if line.len() as u64 == LONGEST_HEADER {
        return Err(refuse(path.display(), "its first line has no end", "log to another file"));
    }
    // A line that was never ended is removed before the first row.
    Ok(line.ends_with(b"\n").then_some(line))
}

fn other_columns(path: &Path, there: &[u8], header: &[u8]) -> Error {
    Error::Data {
        origin: path.display().to_string(),
        problem: format!(
            "its first line begins with `{}`, but the columns to log are `{}`",
            String::from_utf8_lossy(there).lines().next().unwrap_or_default().escape_debug(),
            String::from_utf8_lossy(header).trim_end()
        ),
        remedy: "log to another file".to_owned(),
    }
}

/// The cells of an epoch but the first two and the last.
fn columns(train: &Report, validation: Option<&Report>) -> Vec<(String, String)> {
    let mut cells = ["epoch", "seconds"].map(|name| (name.to_owned(), String::new())).to_vec();
    add_report(&mut cells, "train", train);
    if let Some(report) = validation {
        add_report(&mut cells, "validation", report);
    }
    cells
}

impl Callback for CsvLog {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        // Whether there is validation data is known after the first epoch.
        self.check(network.graph(), true).or_else(|_| self.check(network.graph(), false))
    }

    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        self.append(network, event)?;
        Ok(Control::Continue)
    }
}

impl CsvLog {
    /// Adds the line of an epoch, as it does by itself where it is a callback.
    ///
    /// # Errors
    /// If the file has other columns, or if the system refuses.
    pub fn append(&mut self, network: &Network, event: &EpochEnd<'_>) -> Result<()> {
        let mut cells = columns(event.train, event.validation);
        cells[0].1 = event.epoch.to_string();
        cells[1].1 = format!("{:.3}", event.elapsed.as_secs_f64());
        cells.push(("learning_rate".to_owned(), network.last_learning_rate().to_string()));
        let header = line(&self.path, cells.iter().map(|(name, _)| name))?;
        let row = line(&self.path, cells.iter().map(|(_, value)| value))?;
        append(&self.path, &header, &row, self.header.as_ref() == Some(&header))?;
        self.header = Some(header);
        Ok(())
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
            return Err(other_columns(path, &begins, header));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn rows_that_come_again_are_cut_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let log = CsvLog::new(&path);
        assert_eq!(log.cut_from(0).unwrap(), 0, "nothing is there");
        let first = "epoch,\"a\nb\"\n0,1\n1,1\n2,1\n3,1\n";
        for (text, epoch, cut, left) in [
            (first.to_owned(), 4, 0, first.to_owned()),
            (first.to_owned(), 2, 2, "epoch,\"a\nb\"\n0,1\n1,1\n".to_owned()),
            (first.to_owned(), 0, 4, "epoch,\"a\nb\"\n".to_owned()),
            // Rows of a training before, which counted from 0 as well, stay.
            (format!("{first}0,2\n1,2\n2,2\n"), 1, 2, format!("{first}0,2\n")),
            (format!("{first}0,2\n1,2\n"), 0, 2, first.to_owned()),
            // A row that was being written is cut with the others.
            (format!("{first}4,"), 3, 2, "epoch,\"a\nb\"\n0,1\n1,1\n2,1\n".to_owned()),
            (
                "epoch,x\n0,1\nnonsense\n5,1\n".to_owned(),
                0,
                1,
                "epoch,x\n0,1\nnonsense\n".to_owned(),
            ),
            (String::new(), 0, 0, String::new()),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(log.cut_from(epoch).unwrap(), cut, "{text:?} from {epoch}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left, "{text:?} from {epoch}");
        }
    }

    #[test]
    fn columns_are_known_before_the_first_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let graph = Model::open(Some("article-dag")).unwrap().graph;
        let log = CsvLog::new(&path);
        log.check(&graph, true).unwrap();
        std::fs::write(&path, header_of(&path, &graph, false).unwrap()).unwrap();
        log.check(&graph, false).unwrap();
        let error = log.check(&graph, true).unwrap_err().to_string();
        assert!(error.contains("validation_accuracy"), "{error}");
        // What was never ended is no header.
        std::fs::write(&path, "epoch,lo").unwrap();
        log.check(&graph, true).unwrap();
    }
}
