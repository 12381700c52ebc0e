//! What a user asks a reader for.

use std::path::Path;

use super::{ReaderSpec, reader};
use crate::data::{DataConfig, refuse};
use crate::error::Result;
use crate::graph::Graph;
use crate::names::suggest;

/// What a reader is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// What is to be read, without options: a word, or the path of a file or folder.
    pub source: &'a str,
    /// The options that are set; all of them are in [`ReaderSpec::options`].
    pub options: Vec<(&'static str, &'a str)>,
    /// The network that the data is for, and the items in a batch of it, if there is one.
    pub network: Option<(&'a Graph, usize)>,
    /// What the model file or the user says of the columns that nodes take.
    pub config: Option<&'a DataConfig>,
    /// Whether the targets are needed too.
    pub targets: bool,
}

impl<'a> Request<'a> {
    /// Reads `text`, such as `points.csv:header=no`, and finds its reader, for a network and the items in a batch of
    /// it.
    pub(in crate::data) fn parse(
        text: &'a str,
        network: (&'a Graph, usize),
        config: &'a DataConfig,
        targets: bool,
    ) -> Result<(&'static ReaderSpec, Self)> {
        let (spec, request) = Self::parse_alone(text)?;
        let (network, config) = (Some(network), Some(config));
        Ok((spec, Self { network, config, targets, ..request }))
    }

    /// As [`Request::parse`], for no network.
    pub(in crate::data) fn parse_alone(text: &'a str) -> Result<(&'static ReaderSpec, Self)> {
        let (source, given) = divide(text);
        let spec = reader(source)?;
        let refuse = |problem: String, remedy: String| {
            Err(refuse(format!("data `{}`", text.escape_debug()), problem, remedy))
        };
        let mut options: Vec<(&str, &str)> = Vec::new();
        for setting in given.split(',').filter(|_| !given.is_empty()) {
            let Some((name, value)) = setting.split_once('=') else {
                let problem = format!("`{}` sets nothing", setting.escape_debug());
                return refuse(problem, "write NAME=VALUE".to_owned());
            };
            let names = || spec.options.iter().map(|&(name, _)| name);
            let Some(name) = names().find(|&known| known == name) else {
                let remedy = match spec.options {
                    [] => format!("reader `{}` has none", spec.name),
                    _ => suggest(name, names(), "options"),
                };
                return refuse(format!("`{}` is no option", name.escape_debug()), remedy);
            };
            if options.iter().any(|&(other, _)| other == name) {
                return refuse(format!("`{name}` is set twice"), "set it once".to_owned());
            }
            options.push((name, value));
        }
        Ok((spec, Self { source, options, network: None, config: None, targets: true }))
    }

    /// The path of what is to be read.
    pub fn path(&self) -> &'a Path {
        Path::new(self.source)
    }

    /// What the option called `name` is set to, if it is.
    pub fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|&&(other, _)| other == name).map(|&(_, value)| value)
    }

    /// Whether the option `memory` lets all numbers be held in memory, or not; nothing: it is not set.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if it is neither `yes` nor `no`.
    pub fn memory(&self) -> Result<Option<bool>> {
        match self.option("memory") {
            None => Ok(None),
            Some("yes") => Ok(Some(true)),
            Some("no") => Ok(Some(false)),
            Some(other) => Err(refuse(
                format!("data `{}`", self.source.escape_debug()),
                format!("option `memory` can't be `{}`", other.escape_debug()),
                "write yes or no",
            )),
        }
    }

    /// A whole number from `least` that the option called `name` is set to, if it is.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if it is set to anything else.
    pub fn number(&self, name: &str, least: u64) -> Result<Option<u64>> {
        let Some(text) = self.option(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => Err(refuse(
                format!("data `{}`", self.source.escape_debug()),
                format!("option `{name}` can't be `{}`", text.escape_debug()),
                format!("give a whole number from {least}"),
            )),
        }
    }
}

/// What is to be read, and its options. Whatever exists under all of `text` has none.
fn divide(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((source, options)) if options.contains('=') && !Path::new(text).exists() => {
            (source, options)
        }
        _ => (text, ""),
    }
}
