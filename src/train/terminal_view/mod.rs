//! A training in full screen.

mod draw;
mod state;

#[cfg(feature = "tui")]
mod terminal;

#[cfg(feature = "tui")]
pub use terminal::TerminalView;
