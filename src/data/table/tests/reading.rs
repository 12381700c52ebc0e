//! From files to tables of text.

use proptest::prelude::*;

use super::*;

#[test]
fn headers_blanks_quotes_and_line_ends_are_understood() {
    for text in [
        "a,b\n1,-2.5\n3e1,4\n",
        "\u{feff}a,b\r\n 1 , -2.5 \r\n\r\n\"3e1\",4\r\n",
        "a;b\n1;-2.5\n\n3e1;4",
        "a\tb\n1\t-2.5\n3e1\t4\n",
        "a|b\n1|-2.5\n3e1|4\n",
    ] {
        let table = table(text);
        assert_eq!(table.columns(), ["a", "b"], "{text:?}");
        assert_eq!(rows(&table), [["1", "-2.5"], ["3e1", "4"]], "{text:?}");
        assert!(table.notes().is_empty());
    }
    let table = table("a,b\n\n\"one, \"\"two\"\"\nthree\",2\n4,5\n");
    assert_eq!(rows(&table), [["one, \"two\"\nthree", "2"], ["4", "5"]]);
    assert_eq!((table.line(0), table.line(1)), (Some(3), Some(5)));
}

#[test]
fn empty_fields_at_the_end_of_a_line_are_fields() {
    assert_eq!(rows(&table("a\tb\n1\t\n\t\n")), [["1", ""], ["", ""]]);
    assert_eq!(rows(&table("a,b\n1,\n,\n")), [["1", ""], ["", ""]]);
}

#[test]
fn an_index_without_a_name_is_left_out() {
    let pandas = table(",a,b\n0,0.1,0\n1,0.3,1\n7,0.5,0\n");
    assert_eq!(pandas.columns(), ["a", "b"]);
    assert_eq!(rows(&pandas)[2], ["0.5", "0"]);
    assert!(pandas.notes()[0].contains("left out"), "{:?}", pandas.notes());
    assert_eq!(table("Unnamed: 0,a\n0,1\n1,2\n").columns(), ["a"]);
    let kept = table(",a\n0.5,1\n1,2\n");
    assert_eq!((kept.columns(), kept.notes().len()), (&["0".to_owned(), "a".to_owned()][..], 0));
    assert_eq!(table(",a\n1,1\n1,2\n").columns().len(), 2);
}

#[test]
fn names_that_count_are_names_and_said_to_be() {
    let counted = table("0,1,2\n0.1,0.8,0\n");
    assert_eq!((counted.len(), counted.columns()[2].as_str()), (1, "2"));
    assert!(counted.notes()[0].contains("header=no"), "{:?}", counted.notes());
    let words = table("5.1,setosa\n4.9,virginica\n");
    assert_eq!(words.len(), 2);
    assert!(words.notes()[0].contains("header=yes"), "{:?}", words.notes());
}

#[test]
fn what_is_no_table_is_refused_with_its_place() {
    for (text, expected) in [
        (&b""[..], "t.csv: expected items, the file is empty"),
        (b"\n\n", "t.csv: expected items, the file is empty"),
        (b"a,b,class\n", "t.csv: expected items, the file holds only a header"),
        (b"1,2,0\n1,0\n", "t.csv, line 2: expected 3 fields as in the first line, found 2"),
        (b"a,b\n1,0\n1,2,3\n", "t.csv, line 3: expected 2 fields as in the first line, found 3"),
        (b"a,b\r\n1,0\r\n \r\n\r\n1\r\n", "t.csv, line 5: expected 2 fields"),
        (
            b"1,2\ncaf\xe9,0\n",
            "t.csv, line 2, column 1: expected UTF-8 text, found byte e9 in `caf",
        ),
        (b"na\xefve,b\n1,0\n", "t.csv, line 1, column 1: expected UTF-8"),
        (b"\xff\xfea\0,\0", "t.csv: expected UTF-8 text, found UTF-16"),
        (b"a,b,a\n1,2,3\n", "t.csv: columns 1 and 3 are both called `a`"),
        (
            b"a,2,0\n1,2,0\n",
            "t.csv, line 1: expected names of columns or an item, and it may be either",
        ),
        (b"a,b\n1,\"x\n2,3\n", "t.csv, line 2: expected the end of a quoted field"),
    ] {
        let message = refusal(text);
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    }
}

#[test]
fn no_control_character_of_a_file_reaches_a_message() {
    let hostile = "\u{1b}[31mX\u{1b}]0;title\u{7}\u{202e}";
    for text in [
        format!("{hostile},y\n1,\n"),
        format!("a,y\n{hostile},1\n"),
        format!("{hostile},{hostile}\n1,2\n"),
        format!("{hostile},y\n1,2,3\n"),
        format!("1,{hostile},0\n"),
        format!("{hostile},1\n1,0\n"),
    ] {
        let told = match read(text.as_bytes()) {
            Err(error) => error.to_string(),
            Ok(table) => {
                let model = model("shape = [1]", "columns = ['y']", false);
                let all: Vec<usize> = (0..table.len()).collect();
                fit(&table, &all, &model).unwrap_err().to_string()
            }
        };
        assert!(!told.contains(|c: char| c.is_control() || c == '\u{202e}'), "{told:?}");
    }
}

#[test]
fn gzipped_files_are_read_and_damaged_ones_refused() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"1,2,0\n3,4,1\n").unwrap();
    let bytes = encoder.finish().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let options = TableOptions::default();
    let read = read_table(&path, &options).unwrap();
    assert_eq!((read.name(), read.len()), ("t.csv.gz", 2));
    assert_eq!(read.digest().unwrap(), table("1,2,0\n3,4,1\n").digest().unwrap());
    assert_ne!(read.digest().unwrap(), table("1,2,0\n3,4,2\n").digest().unwrap());

    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let message = read_table(&path, &options).unwrap_err().to_string();
    assert!(message.contains("t.csv.gz: expected a whole gzip file"), "{message}");
}

proptest! {
    #[test]
    fn whatever_the_bytes_nothing_panics(bytes in prop::collection::vec(
        prop_oneof![
            prop::sample::select(b",;\t|\"\n\r 019.-eab\xef\xbb\xbf\xff\0".to_vec()),
            any::<u8>(),
        ],
        0..80,
    )) {
        let file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        std::fs::write(&file, &bytes).unwrap();
        let again = super::read::open_table(file.path(), &TableOptions::default());
        let refused = again.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let by_returns = refused.contains("a carriage return alone");
        prop_assert!(!by_returns || bytes.contains(&b'\r'));
        prop_assert!(by_returns || again.is_ok() == read(&bytes).is_ok(), "{}", refused);
        if let (Ok(table), Ok(again)) = (read(&bytes), again) {
            prop_assert!(!again.in_memory());
            prop_assert_eq!(rows(&again), rows(&table));
            prop_assert_eq!(again.digest().unwrap(), table.digest().unwrap());
            prop_assert_eq!(again.columns(), table.columns());
            let backwards = (0..table.len()).rev().chain([0]);
            let mut seen = Vec::new();
            again.each(backwards.clone(), |row, fields| {
                seen.push((row, fields.field(0).to_owned()));
                Ok(())
            }).unwrap();
            let expected = backwards.map(|row| (row, rows(&table)[row][0].clone()));
            prop_assert_eq!(seen, expected.collect::<Vec<_>>());
        }
        if let Ok(table) = read(&bytes) {
            prop_assert!(!table.is_empty());
            let all: Vec<usize> = (0..table.len()).collect();
            for model in [model("shape = [1]", "", true), model("shape = [1]\nmissing = 'mean'", "", false)] {
                if let Ok((encoder, _)) = fit(&table, &all, &model) {
                    let data = encoder.transform(&table, &all, true);
                    prop_assert!(data.is_ok_and(|data| data.len() == table.len()));
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        cells in prop::collection::vec(prop::collection::vec("[a-z,;\"0-9]{0,6}", 3), 1..8),
        separator in prop::sample::select(b",;\t|".to_vec()),
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        writer.write_record(["first", "second", "third"]).unwrap();
        for row in &cells {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let options = TableOptions { separator: Some(separator), header: Some(true) };
        let table = parse("t", Path::new("t.csv"), text.as_slice(), &options).unwrap();
        prop_assert_eq!(rows(&table), cells);
    }
}
