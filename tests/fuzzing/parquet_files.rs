//! Parquet files: those of pandas, and some in each form that pages may have.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const COLUMNS: &str = "message m {
    REQUIRED INT32 a; OPTIONAL INT64 b; REQUIRED DOUBLE c; OPTIONAL FLOAT d; REQUIRED BOOLEAN e;
    OPTIONAL BINARY word (UTF8); REQUIRED INT64 day (TIMESTAMP_MILLIS); REQUIRED INT32 price (DECIMAL(9, 2));
    REQUIRED FIXED_LEN_BYTE_ARRAY(3) code; OPTIONAL group parts (LIST) { REPEATED group list { OPTIONAL INT32 element; } }
}";

/// So many items in a group of rows.
const ITEMS: usize = 20;

/// How values of a type are packed.
type Packing = fn(Type) -> Encoding;

fn as_they_are(_: Type) -> Encoding {
    Encoding::PLAIN
}

fn differences(kind: Type) -> Encoding {
    match kind {
        Type::INT32 | Type::INT64 => Encoding::DELTA_BINARY_PACKED,
        Type::BYTE_ARRAY => Encoding::DELTA_BYTE_ARRAY,
        Type::BOOLEAN => Encoding::RLE,
        _ => Encoding::BYTE_STREAM_SPLIT,
    }
}

fn lengths(kind: Type) -> Encoding {
    match kind {
        Type::BYTE_ARRAY => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Type::FIXED_LEN_BYTE_ARRAY => Encoding::DELTA_BYTE_ARRAY,
        _ => Encoding::PLAIN,
    }
}

/// Two groups of rows; without a packing, words are numbered.
fn file(version: WriterVersion, packing: Option<Packing>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(COLUMNS).unwrap());
    let properties = WriterProperties::builder().set_writer_version(version);
    let mut properties = properties.set_dictionary_enabled(packing.is_none());
    if let Some(packing) = packing {
        let columns = parquet::schema::types::SchemaDescriptor::new(Arc::clone(&schema));
        for column in columns.columns() {
            let encoding = packing(column.physical_type());
            properties = properties.set_column_encoding(column.path().clone(), encoding);
        }
    }
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build())).unwrap();
    for _ in 0..2 {
        let mut rows = writer.next_row_group().unwrap();
        while let Some(mut column) = rows.next_column().unwrap() {
            write(column.untyped());
            column.close().unwrap();
        }
        rows.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// Small numbers and words; each third is missing where one may be.
fn write(column: &mut ColumnWriter<'_>) {
    let nested = matches!(column, ColumnWriter::Int32ColumnWriter(it) if it.get_descriptor().max_rep_level() > 0);
    let optional = |most: i16| -> Vec<i16> {
        (0..ITEMS).map(|item| if item % 3 == 0 { 0 } else { most }).collect()
    };
    let present = ITEMS - ITEMS.div_ceil(3);
    let word = |item: usize| ByteArray::from(format!("word {}", item % 5).as_str());
    let written = match column {
        ColumnWriter::Int32ColumnWriter(it) if nested => {
            let values: Vec<i32> = (0..).take(present).collect();
            it.write_batch(&values, Some(&optional(3)), Some(&[0; ITEMS]))
        }
        ColumnWriter::Int32ColumnWriter(it) => {
            it.write_batch(&(0..).take(ITEMS).collect::<Vec<i32>>(), None, None)
        }
        ColumnWriter::Int64ColumnWriter(it) if it.get_descriptor().max_def_level() > 0 => {
            let values: Vec<i64> = (0..).take(present).map(|item: i64| item * 1000).collect();
            it.write_batch(&values, Some(&optional(1)), None)
        }
        ColumnWriter::Int64ColumnWriter(it) => {
            let values: Vec<i64> = (0..).take(ITEMS).map(|item: i64| item * 86_400_000).collect();
            it.write_batch(&values, None, None)
        }
        ColumnWriter::FloatColumnWriter(it) => {
            let values: Vec<f32> = (0..present).map(|item| item as f32 / 4.0).collect();
            it.write_batch(&values, Some(&optional(1)), None)
        }
        ColumnWriter::DoubleColumnWriter(it) => {
            let values: Vec<f64> = (0..ITEMS).map(|item| item as f64 / 8.0).collect();
            it.write_batch(&values, None, None)
        }
        ColumnWriter::BoolColumnWriter(it) => {
            let values: Vec<bool> = (0..ITEMS).map(|item| item % 4 == 0).collect();
            it.write_batch(&values, None, None)
        }
        ColumnWriter::ByteArrayColumnWriter(it) => {
            let values: Vec<_> = (0..present).map(word).collect();
            it.write_batch(&values, Some(&optional(1)), None)
        }
        ColumnWriter::FixedLenByteArrayColumnWriter(it) => {
            let code = |item: usize| ByteArray::from(vec![b'a' + item as u8 % 7; 3]).into();
            it.write_batch(&(0..ITEMS).map(code).collect::<Vec<_>>(), None, None)
        }
        ColumnWriter::Int96ColumnWriter(_) => unreachable!("no column is of this type"),
    };
    written.unwrap();
}

/// The files.
pub(super) fn parquet_files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/parquet");
    let names = ["plain", "snappy", "gzip"];
    let pandas = names.map(|name| std::fs::read(folder.join(format!("{name}.parquet"))).unwrap());
    let packings: [Option<Packing>; 4] =
        [None, Some(as_they_are), Some(differences), Some(lengths)];
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let own = versions.into_iter().flat_map(|version| packings.map(|it| file(version, it)));
    pandas.into_iter().chain(own).collect()
}
