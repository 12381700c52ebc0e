//! `caudal compare`: several trainings beside each other.

mod reading;

use std::collections::BTreeSet;
use std::path::PathBuf;

use caudal::report::{Page, RunCurves, comparison_page};
use clap::Args;

use self::reading::{Run, read};
use super::output::{columns, line, note, printable};
use super::outputs::Outputs;
use super::report::Report;
use super::{Stop, conditions};

/// Shows several trainings beside each other: what was set differently, how they came out, and their curves.
///
/// A FILE holds what `caudal train --json` has printed, or is the .csv file of `caudal train --log`, which does not tell what was
/// set. A run is called as its file.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// Records of trainings
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    report: Report,
}

impl Compare {
    pub(super) fn run(self) -> Result<(), Stop> {
        self.report.check()?;
        let mut outputs = Outputs::default();
        for file in &self.files {
            outputs = outputs.reads("FILE", Some(file));
        }
        self.report.outputs(outputs).check()?;
        let mut runs =
            self.files.iter().map(|file| read(file)).collect::<Result<Vec<Run>, Stop>>()?;
        for ((run, name), file) in runs.iter_mut().zip(self.names()).zip(&self.files) {
            run.curves.name = name;
            if run.left_out > 0 {
                note(format_args!(
                    "note: {}: it holds {} trainings, of which the last is taken",
                    printable(&file.display().to_string()),
                    run.left_out + 1
                ));
            }
        }
        let (figures, settings) = (figures(&runs), settings(&runs));
        for text in figures.iter().chain(&[String::new()]).chain(&settings) {
            line(text)?;
        }
        if self.report.is_wanted() {
            let mut page = Page::new(format!("{} trainings", runs.len()));
            page.table("How they came out", &figures);
            page.table("What was set differently", &settings[1..]);
            let curves: Vec<RunCurves> = runs.into_iter().map(|run| run.curves).collect();
            comparison_page(&mut page, &curves);
            page.text("Where the page is from", &conditions::origin(&conditions::provenance()));
            self.report.write(&page)?;
        }
        Ok(())
    }

    /// The names of the files without ending and folder, or as they were given, if two would be the same.
    fn names(&self) -> Vec<String> {
        let short =
            |file: &PathBuf| file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let names: Vec<String> = self.files.iter().filter_map(short).collect();
        let unique: BTreeSet<&String> = names.iter().collect();
        if unique.len() == self.files.len() {
            return names;
        }
        self.files.iter().map(|file| file.display().to_string()).collect()
    }
}

/// A row for every run: epochs, steps, seconds, and all losses and metrics of the end.
fn figures(runs: &[Run]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for part in ["train ", "validation ", "test "] {
        for (name, _) in runs.iter().flat_map(|run| &run.figures) {
            if name.starts_with(part) && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let head = ["run", "epochs", "steps", "seconds"].into_iter().chain(names.iter().copied());
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for run in runs {
        let mut row = vec![
            run.curves.name.clone(),
            run.epochs.to_string(),
            shown(run.steps.map(|steps| steps.to_string())),
            shown(run.seconds.map(|seconds| format!("{seconds:.2}"))),
        ];
        row.extend(names.iter().map(|&name| {
            let value = run.figures.iter().find(|(other, _)| other == name);
            shown(value.map(|(_, value)| format!("{value:.4}")))
        }));
        rows.push(row);
    }
    columns(&rows, |column| column == 0)
}

/// A row for every setting in which two runs differ that tell what was set, below a heading.
fn settings(runs: &[Run]) -> Vec<String> {
    let telling: Vec<&Run> = runs.iter().filter(|run| !run.settings.is_empty()).collect();
    let mut lines = vec!["what was set differently".to_owned()];
    if telling.len() < runs.len() {
        let silent = runs.iter().filter(|run| run.settings.is_empty());
        let silent: Vec<&str> = silent.map(|run| run.curves.name.as_str()).collect();
        lines.push(printable(&format!("logs do not tell: {}", silent.join(", "))));
    }
    let names: BTreeSet<&String> = telling.iter().flat_map(|run| run.settings.keys()).collect();
    let head = telling.iter().map(|run| run.curves.name.clone());
    let mut rows: Vec<Vec<String>> = vec![["setting".to_owned()].into_iter().chain(head).collect()];
    for name in names {
        let values: Vec<Option<&String>> =
            telling.iter().map(|run| run.settings.get(name)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            let values = values.into_iter().map(|it| it.map_or("-", String::as_str).to_owned());
            rows.push([name.clone()].into_iter().chain(values).collect());
        }
    }
    if rows.len() > 1 {
        lines.extend(columns(&rows, |_| true));
    } else if telling.len() > 1 {
        lines.push("nothing".to_owned());
    }
    lines
}
