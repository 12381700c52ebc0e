//! Tables: named columns of text, which of them feed which node, and how text becomes numbers.
//!
//! A [`Table`] holds what a file says. A [`DataConfig`] says which columns feed which node, as model files do.
//! An [`Encoder`] is fitted to the training items of a table and turns any table with these columns into
//! a [`Dataset`](super::Dataset): statistics, vocabularies and classes come from the items that it was
//! fitted to, and it finds columns by their names.

mod bind;
mod config;
mod encoder;
mod field;
mod fit;
#[cfg(feature = "csv")]
mod header;
mod images;
#[cfg(feature = "parquet")]
mod parquet;
mod profile;
#[cfg(feature = "csv")]
mod read;
#[cfg(feature = "csv")]
mod records;
mod rows;
#[cfg(feature = "csv")]
#[cfg(test)]
mod tests;
mod text;
mod values;
mod words;

pub(crate) use config::DATA_ATTRIBUTES;
pub use config::{ColumnOptions, DataConfig, Fitted, Missing, NodeColumns, Selector};
pub use encoder::{ColumnEncoder, Encoder, Encoding, NodeEncoder};
#[cfg(feature = "parquet")]
pub use parquet::read_parquet;
pub use profile::ColumnProfile;
#[cfg(feature = "csv")]
pub(crate) use read::open_table;
#[cfg(feature = "csv")]
pub use read::{TableOptions, read_table};
pub use text::Table;
pub use words::{Categories, ImageFit, Scale, Unknown};

pub(crate) use bind::columns_of;
pub(crate) use fit::sort_words;
pub(in crate::data) use images::{ImageFolder, ImageRow};
