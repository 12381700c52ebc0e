//! `caudal train --tui`.

#[cfg(feature = "tui")]
use caudal::train::TerminalView;

use super::Train;
use crate::cli::Stop;
use crate::cli::interrupt::Interrupt;

#[cfg(feature = "tui")]
impl Train {
    /// Refuses a view where there is no terminal.
    pub(super) fn check_view(&self) -> Result<(), Stop> {
        if self.tui { TerminalView::check().map_err(Stop::from) } else { Ok(()) }
    }

    /// What ends the training: with a view, it gives the terminal back before it ends the program.
    pub(super) fn watch(&self) -> Result<Interrupt, Stop> {
        if self.tui { Interrupt::watch_view() } else { Interrupt::watch() }
    }

    /// The view, if there is to be one.
    pub(super) fn view(
        &self,
        steps: u64,
        done: u64,
        interrupt: &Interrupt,
    ) -> Result<Option<TerminalView>, Stop> {
        let open = || TerminalView::open(steps, done, interrupt.asks());
        Ok(self.tui.then(open).transpose()?)
    }
}

#[cfg(not(feature = "tui"))]
impl Train {
    /// Refuses a view, which this program lacks.
    pub(super) fn check_view(&self) -> Result<(), Stop> {
        if !self.tui {
            return Ok(());
        }
        let problem = "--tui: this program was built without the full-screen view";
        let remedy = "build it with `--features tui`, or leave --tui out";
        Err(Stop::Usage(format!("{problem}; {remedy}")))
    }

    /// What ends the training.
    #[allow(clippy::unused_self)] // with the view, it depends on the options
    pub(super) fn watch(&self) -> Result<Interrupt, Stop> {
        Interrupt::watch()
    }
}
