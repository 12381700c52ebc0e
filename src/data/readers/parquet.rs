//! Parquet files, as pandas and other programs write them.

use super::{ReaderSpec, Request, Source, ends_with};
use crate::error::Result;

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "parquet",
    summary: "a table in a file that ends in .parquet; with the Cargo feature `parquet`",
    form: "a Parquet file",
    options: &[],
    recognizes: |source| ends_with(source, ".parquet"),
    read,
};

#[cfg(feature = "parquet")]
fn read(request: &Request<'_>) -> Result<Source> {
    Ok(Source::Table(crate::data::read_parquet(request.path())?))
}

#[cfg(not(feature = "parquet"))]
fn read(request: &Request<'_>) -> Result<Source> {
    Err(crate::data::without_feature(request.source, "a Parquet file", "parquet"))
}
