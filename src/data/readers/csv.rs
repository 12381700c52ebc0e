//! CSV files: one item a line, separated by commas.

#[cfg(feature = "csv")]
mod table;

use std::path::Path;

#[cfg(feature = "csv")]
pub use table::{LabelColumn, read_csv};

use super::ReaderSpec;
use crate::data::file_name;

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "csv",
    summary: "a file that ends in .csv or .csv.gz, one item a line; one in five makes the test part",
    form: "a CSV file",
    options: &[(
        "label",
        "the column of the class index: a name from the header, a number from 0, `last` or `none`; default last",
    )],
    recognizes: |source| {
        let name = file_name(Path::new(source)).to_lowercase();
        [".csv", ".csv.gz"].iter().any(|ending| name.ends_with(ending))
    },
    read: table::read,
    read_to_predict: Some(table::read_to_predict),
};

/// Stands for the reader in a build without it.
#[cfg(not(feature = "csv"))]
mod table {
    use crate::data::readers::Request;
    use crate::data::{Dataset, without_feature};
    use crate::error::Result;

    pub(super) fn read(request: &Request<'_>) -> Result<(Dataset, Dataset)> {
        Err(without_feature(request.source, "a CSV file", "csv"))
    }

    pub(super) fn read_to_predict(request: &Request<'_>) -> Result<Dataset> {
        Err(without_feature(request.source, "a CSV file", "csv"))
    }
}
