//! What pandas wrote is read, and what is damaged is refused.

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

#[test]
fn times_that_no_calendar_has_are_refused() {
    let day = LAST_SECOND / SECONDS_A_DAY;
    for sign in [1, -1] {
        let days = |days: i64| Field::Date((sign * days) as i32);
        assert!(written(&days(day)).is_some() && written(&days(day + 1)).is_none());
        let millis = |seconds: i64| Field::TimestampMillis(sign * seconds * 1_000);
        let micros = |seconds: i64| Field::TimestampMicros(sign * seconds * 1_000_000);
        assert!(written(&millis(LAST_SECOND)).is_some() && written(&micros(LAST_SECOND)).is_some());
        let later = LAST_SECOND + 1;
        assert!(written(&millis(later)).is_none() && written(&micros(later)).is_none());
    }
    assert!(written(&Field::TimestampMillis(i64::MIN)).is_none());
}
