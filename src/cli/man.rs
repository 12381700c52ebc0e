//! `caudal man`.

use std::path::PathBuf;

use caudal::files;
use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::output::{counted, line};
use super::{Arguments, Stop};

/// Writes the pages that `man` shows: caudal.1 and one for every command, caudal-COMMAND.1.
///
/// `man -l FOLDER/caudal.1` shows one; in the folder `man1` of a folder of $MANPATH, such as ~/.local/share/man, they are found
/// by name.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Where they go: a folder that exists
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> Result<(), Stop> {
        if !self.out.is_dir() {
            let problem = format!("--out {}: there is no such folder; make it", self.out.display());
            return Err(Stop::Usage(problem));
        }
        let pages = pages()?;
        for (name, page) in &pages {
            files::replace(self.out.join(name), page)?;
        }
        line(format!("{} in {}", counted(pages.len(), "page"), self.out.display()))
    }
}

/// The name and the text of every page.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Stop> {
    let mut whole = Arguments::command();
    whole.build();
    let commands = whole.get_subcommands().filter(|command| command.get_name() != "help").cloned();
    let mut pages = Vec::new();
    for command in [whole.clone()].into_iter().chain(commands) {
        // What the page is called, and what it says is typed.
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let page = Page::new(command.disable_help_subcommand(true));
        let mut text = Vec::new();
        page.render(&mut text)
            .map_err(|error| Stop::Failed(format!("the page {name}: {error}")))?;
        pages.push((format!("{name}.1"), text));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let found = pages.iter().find(|(other, _)| other == name);
            String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).1.clone()).unwrap()
        };
        for command in Arguments::command().get_subcommands() {
            let text = page(&format!("caudal-{}.1", command.get_name()));
            assert!(text.contains(".TH") && text.contains(".SH SYNOPSIS"), "{text}");
        }
        assert!(page("caudal-train.1").contains("learning\\-rate\\-log"));
        assert!(page("caudal.1").contains("caudal\\-train(1)"));
    }
}
