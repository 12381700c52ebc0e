//! What can be done between the steps of training: stop in time, keep the best weights, write logs.
//!
//! | callback | what it does |
//! | --- | --- |
//! | [`EarlyStopping`] | ends training when a value no longer improves |
//! | [`BestCheckpoint`] | saves the network whenever a value improves |
//! | [`PeriodicCheckpoint`] | saves the network every so many steps or minutes |
//! | [`CsvLog`] | writes a line for every epoch; with the feature `csv` |
//! | [`LearningRateLog`] | collects the learning rate of every step |
//! | [`TensorBoardLog`] | writes losses, metrics, rates, histograms of weights and gradients, and the graph for TensorBoard |
//!
//! Others are types that implement [`Callback`](super::Callback).

mod best_checkpoint;
pub(super) mod callback;
#[cfg(feature = "csv")]
mod csv_log;
mod early_stopping;
mod learning_rate_log;
mod periodic_checkpoint;
mod tensorboard;
#[cfg(test)]
mod tests;
mod watch;

pub use best_checkpoint::BestCheckpoint;
#[cfg(feature = "csv")]
pub use csv_log::CsvLog;
pub use early_stopping::EarlyStopping;
pub use learning_rate_log::LearningRateLog;
pub use periodic_checkpoint::{Every, PeriodicCheckpoint};
pub use tensorboard::TensorBoardLog;
pub use watch::{Better, Watch};
