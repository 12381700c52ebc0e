//! Tables from Parquet files.

mod pages;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::{Type, TypePtr};

use self::pages::RowGroup;
use super::Table;
use super::rows::{CHECKED_BYTES, Rows, Text};
use crate::data::{escaped, file_name, refuse};
use crate::error::{Error, Result};
use crate::memory;

/// How pandas calls the columns of an index that has no name.
const INDEX: &str = "__index_level_";

/// Seconds from 1970 to a year that the crate's calendar has, as it has that long before.
const LAST_SECOND: i64 = 8_200_000_000_000;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// What a file ends in: the length of its footer, and a mark.
const END: u64 = 8;

/// So many digits a decimal number may have after its point; the crate writes zeros one by one.
const MOST_DIGITS: i32 = 1000;

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
    let mut file = File::open(path).map_err(|source| Error::io(path, source))?;
    let metadata = metadata(path, &mut file)?;
    // The crate checks most of what a file says, but a damaged one can lead it astray.
    let read = catch_unwind(AssertUnwindSafe(|| read(path, file, &metadata)));
    read.unwrap_or_else(|_| Err(damaged(path, "it contradicts itself")))
}

fn damaged(path: &Path, problem: &str) -> Error {
    refuse(
        path.display(),
        format!("expected a whole Parquet file: {problem}"),
        "fetch the file again, or write it with Snappy, gzip or no compression",
    )
}

/// Reads what the footer says.
fn metadata(path: &Path, file: &mut File) -> Result<ParquetMetaData> {
    let io = |source| Error::io(path, source);
    let length = file.metadata().map_err(io)?.len();
    let mut end = [0; END as usize];
    if length < 2 * END {
        return Err(damaged(path, "it is too short"));
    }
    file.seek(SeekFrom::Start(length - END)).map_err(io)?;
    file.read_exact(&mut end).map_err(io)?;
    let [a, b, c, d, mark @ ..] = end;
    if &mark != b"PAR1" {
        return Err(damaged(path, "it does not end in PAR1"));
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(start) = (length - END).checked_sub(footer) else {
        return Err(damaged(path, "its footer is longer than the file"));
    };
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    memory::check(footer as usize)
        .map_err(|room| damaged(path, &format!("its footer takes {footer} bytes, {room}")))?;
    let mut bytes = vec![0; footer as usize];
    file.read_exact(&mut bytes).map_err(io)?;
    schema::check(&bytes).map_err(|problem| damaged(path, problem))?;
    let read = catch_unwind(|| ParquetMetaDataReader::decode_metadata(&bytes));
    let read = read.map_err(|_| damaged(path, "its footer contradicts itself"))?;
    let metadata = read.map_err(|error| damaged(path, &error.to_string()))?;
    let is_before = |column: &ColumnChunkMetaData| {
        let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        first < 0 || column.compressed_size() < 0
    };
    if columns_of(&metadata).any(is_before) {
        return Err(damaged(path, "a column begins before the file, or has less than no bytes"));
    }
    // Pages that several columns share would be unpacked again and again.
    let packed =
        columns_of(&metadata).fold(0_i64, |sum, it| sum.saturating_add(it.compressed_size()));
    if packed.cast_unsigned() > length {
        return Err(damaged(path, "its columns are longer than the file"));
    }
    Ok(metadata)
}

/// The columns of every group of rows.
fn columns_of(metadata: &ParquetMetaData) -> impl Iterator<Item = &ColumnChunkMetaData> {
    metadata.row_groups().iter().flat_map(RowGroupMetaData::columns)
}

/// Checks that there is memory for so many bytes.
fn check_memory(path: &Path, bytes: usize) -> Result<()> {
    memory::check(bytes).map_err(|room| {
        let problem = format!("its columns take {}, {room}", memory::amount(bytes));
        refuse(path.display(), problem, "write it as a CSV file, which is read as it is used")
    })
}

fn read(path: &Path, file: File, metadata: &ParquetMetaData) -> Result<Table> {
    let failed = |error: ParquetError| damaged(path, &error.to_string());
    let mut table = Table::empty(file_name(path), path.display().to_string());
    let schema = metadata.file_metadata().schema();
    let (mut fields, mut passed) = (Vec::<TypePtr>::new(), Vec::new());
    for field in schema.get_fields() {
        let name = field.name();
        if name.starts_with(INDEX) {
            passed.push(format!("column `{}` is an index and left out", escaped(name)));
        } else if let Type::PrimitiveType { scale, .. } = **field {
            if scale > MOST_DIGITS {
                return Err(damaged(path, "a column has numbers of too many digits"));
            }
            table.columns.push(name.to_owned());
            fields.push(Arc::clone(field));
        } else {
            let name = escaped(name);
            passed.push(format!("column `{name}` holds lists or structures and is passed over"));
        }
    }
    let origin = path.display().to_string();
    table.notes.extend(passed.into_iter().map(|text| format!("{origin}: {text}")));
    // Rows without columns take nothing of the file, so their number may be any.
    let groups = if fields.is_empty() { &[] } else { metadata.row_groups() };
    let mut bytes = 0_usize;
    for group in groups {
        let rows = usize::try_from(group.num_rows())
            .map_err(|_| damaged(path, "a group has less than no rows"))?;
        let ends = rows.saturating_mul(fields.len()).saturating_mul(size_of::<usize>());
        let text = group.total_byte_size().max(0) as usize;
        bytes = bytes.saturating_add(ends).saturating_add(text);
    }
    check_memory(path, bytes)?;
    let wanted = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let wanted = wanted.map_err(failed)?;
    let mut text = Text::default();
    // What a page says once in few bytes many rows may hold.
    let mut most_held = bytes.max(CHECKED_BYTES);
    let file = Arc::new(file);
    for metadata in groups {
        let group = RowGroup { file: Arc::clone(&file), metadata };
        let rows = RowIter::from_row_group(Some(wanted.clone()), &group).map_err(failed)?;
        for fields in rows {
            let row = text.ends.len() / table.columns.len();
            for (name, field) in fields.map_err(failed)?.get_column_iter() {
                let field = written(field).ok_or_else(|| {
                    refuse(
                        format!("{origin}, item {row}, column `{}`", escaped(name)),
                        "expected a number, text or time, found bytes that are no text, or a time that no \
                         calendar has",
                        "write the column as numbers or as text",
                    )
                })?;
                text.push(&field);
            }
            if text.held() > most_held {
                most_held = 2 * text.held();
                check_memory(path, most_held)?;
            }
        }
    }
    table.rows = Rows::Memory(text);
    table.check()?;
    Ok(table)
}

/// A field as a CSV file holds it; nothing for what can't be written. The crate's calendar would panic at such times.
fn written(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => String::new(),
        Field::Bool(value) => u8::from(*value).to_string(),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).ok()?.to_owned(),
        Field::Float16(number) => number.to_f32().to_string(),
        Field::Float(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        Field::Date(days) if i64::from(*days).abs() > LAST_SECOND / SECONDS_A_DAY => return None,
        Field::TimestampMillis(time) if (time / 1_000).abs() > LAST_SECOND => return None,
        Field::TimestampMicros(time) if (time / 1_000_000).abs() > LAST_SECOND => return None,
        other => other.to_string(),
    })
}
