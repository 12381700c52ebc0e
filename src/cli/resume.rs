//! What a resumed training takes from its file, and what the command line puts in its place.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use caudal::train::checkpoint::FitRecord;

use super::output::note;

/// Settles option by option: the command line first, then the file, then the default.
#[derive(Debug)]
pub(super) struct Settling {
    file: PathBuf,
    saved: Option<FitRecord>,
    replaced: Vec<String>,
}

impl Settling {
    /// For a training that goes on from `file`, or from nothing, where no name is needed.
    pub(super) fn new(file: Option<&Path>, saved: Option<&FitRecord>) -> Self {
        let file = file.map(Path::to_owned).unwrap_or_default();
        Self { file, saved: saved.cloned(), replaced: Vec::new() }
    }

    /// One option that has a default.
    pub(super) fn or<T: PartialEq + Display>(
        &mut self,
        option: &str,
        given: Option<T>,
        saved: impl Fn(&FitRecord) -> T,
        default: T,
    ) -> T {
        match (given, self.saved.as_ref().map(saved)) {
            (Some(given), Some(saved)) if given != saved => {
                self.replaced(option, &given, &saved);
                given
            }
            (Some(given), _) => given,
            (None, Some(saved)) => saved,
            (None, None) => default,
        }
    }

    /// One option that may be absent.
    pub(super) fn some<T: PartialEq + Display>(
        &mut self,
        option: &str,
        given: Option<T>,
        saved: impl Fn(&FitRecord) -> Option<T>,
    ) -> Option<T> {
        let saved = self.saved.as_ref().and_then(saved);
        match (&given, &saved) {
            (Some(value), Some(old)) if value != old => self.replaced(option, value, old),
            (Some(value), None) if self.saved.is_some() => self.replaced(option, value, &"nothing"),
            _ => {}
        }
        given.or(saved)
    }

    /// Notes that a value takes the place of that of the file.
    pub(super) fn replaced(&mut self, option: &str, given: &dyn Display, saved: &dyn Display) {
        self.replaced.push(format!("{option} {given} in place of {saved}"));
    }

    /// What the file says, if it says anything.
    pub(super) fn saved(&self) -> Option<&FitRecord> {
        self.saved.as_ref()
    }

    /// Says what the file did not decide.
    pub(super) fn tell(&self) {
        if !self.replaced.is_empty() {
            note(format_args!(
                "{}: goes on with {}; the result is not that of a training without a break",
                self.file.display(),
                self.replaced.join(", ")
            ));
        }
    }
}
