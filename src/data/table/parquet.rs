//! Tables from Parquet files.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};

use super::Table;
use super::rows::{Rows, Text};
use crate::data::{escaped, file_name, refuse};
use crate::error::{Error, Result};
use crate::memory;

/// How pandas calls the columns of an index that has no name.
const INDEX: &str = "__index_level_";

/// Reads a Parquet file as a table of text, as a CSV file would hold it: numbers as they are written, `true` and `false`
/// as 1 and 0, times and dates as words, and what is null as an empty field. Columns of lists, maps and structures are
/// passed over, as is an index of pandas without a name; [`Table::notes`] says so.
///
/// # Errors
///
/// [`Error::Io`] if the file can't be read. [`Error::Data`] if it is no Parquet file, is damaged, is compressed in
/// another way than with Snappy or gzip, holds no items or more than memory does, or bytes that are no text.
pub fn read_parquet(path: impl AsRef<Path>) -> Result<Table> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    // The crate checks most of what a file says, but a damaged one can lead it astray.
    let read = catch_unwind(AssertUnwindSafe(|| read(path, file)));
    read.unwrap_or_else(|_| Err(damaged(path, "it contradicts itself")))
}

fn damaged(path: &Path, problem: &str) -> Error {
    refuse(
        path.display(),
        format!("expected a whole Parquet file: {problem}"),
        "fetch the file again, or write it with Snappy, gzip or no compression",
    )
}

fn read(path: &Path, file: File) -> Result<Table> {
    let failed = |error: ParquetError| damaged(path, &error.to_string());
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let metadata = reader.metadata();
    let sizes = metadata.row_groups().iter().map(|group| group.total_byte_size().max(0) as usize);
    let bytes = sizes.fold(0_usize, usize::saturating_add);
    memory::check(bytes).map_err(|room| {
        let problem = format!("its columns take {}, {room}", memory::amount(bytes));
        refuse(path.display(), problem, "write it as a CSV file, which is read as it is used")
    })?;
    let mut table = Table::empty(file_name(path), path.display().to_string());
    let schema = metadata.file_metadata().schema();
    let (mut fields, mut passed) = (Vec::<TypePtr>::new(), Vec::new());
    for field in schema.get_fields() {
        let name = field.name();
        if name.starts_with(INDEX) {
            passed.push(format!("column `{}` is an index and left out", escaped(name)));
        } else if field.is_primitive() {
            table.columns.push(name.to_owned());
            fields.push(Arc::clone(field));
        } else {
            let name = escaped(name);
            passed.push(format!("column `{name}` holds lists or structures and is passed over"));
        }
    }
    let origin = path.display().to_string();
    table.notes.extend(passed.into_iter().map(|text| format!("{origin}: {text}")));
    let wanted = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let rows = reader.get_row_iter(Some(wanted.map_err(failed)?)).map_err(failed)?;
    let mut text = Text::default();
    for (row, fields) in rows.enumerate() {
        let fields = fields.map_err(failed)?;
        for (name, field) in fields.get_column_iter() {
            let field = written(field).ok_or_else(|| {
                refuse(
                    format!("{origin}, item {row}, column `{}`", escaped(name)),
                    "expected a number or text, found bytes that are no text",
                    "write the column as numbers or as text",
                )
            })?;
            text.push(&field);
        }
    }
    table.rows = Rows::Memory(text);
    table.check()?;
    Ok(table)
}

/// A field as a CSV file holds it.
fn written(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => String::new(),
        Field::Bool(value) => u8::from(*value).to_string(),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).ok()?.to_owned(),
        Field::Float16(number) => number.to_f32().to_string(),
        Field::Float(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/parquet").join(name)
    }

    #[test]
    fn columns_of_pandas_become_the_text_of_a_table() {
        for name in ["snappy.parquet", "gzip.parquet", "plain.parquet"] {
            let table = read_parquet(file(name)).unwrap();
            assert_eq!(table.columns(), ["whole", "real", "word", "flag", "day"], "{name}");
            assert_eq!(table.len(), 3);
            let row = |row: usize| -> Vec<String> {
                (0..5).map(|column| table.field(row, column).unwrap().into_owned()).collect()
            };
            assert_eq!(row(0)[..4], ["-5", "0.1", "Oslo", "1"], "{name}");
            assert_eq!(row(1)[..4], ["9007199254740993", "", "", "0"], "{name}");
            assert_eq!(row(2)[..4], ["0", "0.00000025", "a, \"b\"", "1"], "{name}");
            assert!(row(0)[4].starts_with("2024-02-29"), "{:?}", row(0));
            let notes = table.notes().join("\n");
            assert!(notes.contains("column `parts` holds lists"), "{notes}");
            assert!(notes.contains("column `__index_level_0__` is an index"), "{notes}");
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let whole = std::fs::read(file("snappy.parquet")).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_parquet(&path).map(|table| table.len())
        };
        for length in [0, 3, 12, whole.len() / 2, whole.len() - 1] {
            let message = refused(&whole[..length]).unwrap_err().to_string();
            assert!(message.contains("expected a whole Parquet file"), "{message}");
        }
        // Any byte may be another one: a table or a refusal, and no panic that gets out.
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Ok(items) = refused(&bytes) {
                assert!(items <= 3, "{at}: {items}");
            }
        }
        let message = read_parquet(folder.path().join("none")).unwrap_err().to_string();
        assert!(message.contains("none"), "{message}");
    }
}
