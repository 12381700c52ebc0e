//! `docs/onnx.md` says what the tables of the code say.

use std::fmt::Write;

use caudal::onnx::{OPERATORS, WRITERS};

pub(super) fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/onnx.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_tables_of_operators_and_layers_are_those_of_the_code() {
    let mut read = "| operator | what becomes of it |\n| --- | --- |\n".to_owned();
    for row in OPERATORS {
        let _ = writeln!(read, "| {} | {} |", row.name, row.becomes);
    }
    let mut written = "| layer | operators |\n| --- | --- |\n".to_owned();
    for row in WRITERS {
        let _ = writeln!(written, "| `{}` | {} |", row.kind, row.becomes);
    }
    for table in [read, written] {
        assert!(page().contains(&table), "docs/onnx.md should have this table:\n{table}");
    }
}
