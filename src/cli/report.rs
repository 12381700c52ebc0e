//! `--report FILE.html` and `--pictures FOLDER`: what a command has to show.

use std::path::PathBuf;

use caudal::report::Page;
use clap::Args;

use super::Stop;
use super::output::{check_writable, write_file};

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

    /// Refuses, before the work, what could not be written after it.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if let Some(path) = &self.report {
            check_writable(path)?;
        }
        match &self.pictures {
            Some(folder) if !folder.is_dir() => {
                Err(Stop::Usage(format!("{}: there is no such folder; make it", folder.display())))
            }
            _ => Ok(()),
        }
    }

    /// Writes the page, its pictures, or both.
    pub(super) fn write(&self, page: &Page) -> Result<(), Stop> {
        if let Some(folder) = &self.pictures {
            for (name, svg) in page.pictures() {
                write_file(&folder.join(format!("{name}.svg")), svg)?;
            }
        }
        self.report.as_ref().map_or(Ok(()), |path| write_file(path, &page.to_html()))
    }
}
