//! `--report FILE.html` and `--pictures FOLDER`: what a command has to show.

use std::path::PathBuf;

use caudal::files;
use caudal::report::Page;
use clap::Args;

use super::Stop;
use super::output::write_file;
use super::outputs::Outputs;

/// Where tables and pictures go.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Writes tables and pictures as one page that needs no other file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Writes the pictures into a folder that exists, as SVG files
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
}

impl Report {
    /// Whether anybody wants a page or its pictures.
    pub(super) fn is_wanted(&self) -> bool {
        self.report.is_some() || self.pictures.is_some()
    }

    /// The files among those of a command.
    pub(super) fn outputs<'a>(&'a self, outputs: Outputs<'a>) -> Outputs<'a> {
        outputs.writes("--report", self.report.as_ref())
    }

    /// Refuses, before the work, a folder of pictures that could not be filled after it.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let Some(folder) = &self.pictures else { return Ok(()) };
        if !folder.is_dir() {
            let problem = format!("{}: there is no such folder; make it", folder.display());
            return Err(Stop::Usage(problem));
        }
        Ok(files::check_writable(folder.join("loss.svg"))?)
    }

    /// Writes the page, its pictures, or both.
    pub(super) fn write(&self, page: &Page) -> Result<(), Stop> {
        let page_written =
            self.report.as_ref().map_or(Ok(()), |path| write_file(path, &page.to_html()));
        if let Some(folder) = &self.pictures {
            for (name, svg) in page.pictures() {
                write_file(&folder.join(format!("{name}.svg")), svg)?;
            }
        }
        page_written
    }
}
