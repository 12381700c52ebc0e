//! Networks that learn: parameters, plans and an executor put together; training over data sets.

mod augment;
mod averages;
mod balance;
mod batch;
pub mod callbacks;
pub mod checkpoint;
mod clock;
mod costs;
mod feed;
mod find_rate;
mod finite;
mod fit;
mod gradients;
mod network;
mod options;
mod passes;
mod plateau;
#[cfg(feature = "progress")]
mod progress;
mod recompile;
mod report;
mod rewind;
mod stream;
#[cfg(any(test, feature = "tui"))]
mod terminal_view;
#[cfg(any(test, feature = "progress", feature = "tui"))]
mod told;
mod weights;

pub use callbacks::callback::{BatchEnd, BatchStart, Callback, Control, EpochEnd, EpochStart};
pub use checkpoint::Checkpoint;
pub use clock::TimeLeft;
pub use find_rate::{RangeTest, RangeTestOptions, RatePoint};
pub use fit::{FitOptions, History};
pub use network::Network;
pub use options::NetworkOptions;
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use recompile::Carried;
pub use report::{NamedNote, NamedTable, NamedValue, Report};
pub use stream::PredictStream;
#[cfg(feature = "tui")]
pub use terminal_view::TerminalView;
