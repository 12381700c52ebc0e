//! The lines that `caudal bench` and `caudal overhead` print.

use crate::command_line::{refused, told};

#[test]
fn benches_print_their_lines() {
    let one = told(&["bench", "towers-small", "--seconds", "0", "--workers", "1"]);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(one.as_bytes());
    let row = reader.records().next().unwrap().unwrap();
    let fields: Vec<&str> = row.iter().collect();
    assert_eq!(fields[..3], ["caudal", "towers-small", "1"]);
    assert!(fields.len() == 20 && fields[3].parse::<f64>().unwrap() > 0.0, "{one}");
    // One worker hands nothing over, so there is nothing to mix.
    assert_eq!(fields[5..8], ["-", "-", "same"]);
    assert!(["free", "taken"].contains(&fields[8]) && fields[19].contains("bench"), "{one}");
    assert!(fields[17].ends_with('Z') && fields[16] == env!("CARGO_PKG_VERSION"), "{one}");
    let two = told(&["bench", "towers-small", "chain-mlp", "--seconds", "0", "--workers", "2"]);
    let lines: Vec<&str> = two.lines().collect();
    assert!(lines[0].starts_with("caudal,towers-small,2,"), "{two}");
    assert!(lines.len() == 2 && lines[1].starts_with("caudal,chain-mlp,2,"), "{two}");
}

#[test]
fn benches_time_predictions_by_batch() {
    let timed = |rest: &[&str]| {
        told(
            &[&["bench", "--mode", "prediction", "--seconds", "0", "--workers", "2"], rest]
                .concat(),
        )
    };
    let lines = timed(&["--batch", "1,3", "towers-small", "chain:depth=2,width=8"]);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(lines.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let beginnings: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().take(4).collect()).collect();
    let (towers, chain) = ("towers-small", "chain:depth=2,width=8");
    let expected: Vec<[&str; 4]> = [(towers, "1"), (towers, "3"), (chain, "1"), (chain, "3")]
        .map(|(workload, batch)| ["caudal", workload, batch, "2"])
        .to_vec();
    assert_eq!(beginnings, expected);
    // The time, the memory, and the same further fields as those of training.
    assert!(
        rows.iter().all(|row| row.len() == 21 && row[4].parse::<f64>().unwrap() > 0.0),
        "{lines}"
    );
    // As many items as the model trains with.
    let line = timed(&["--executor", "sequential", "towers-small"]);
    assert!(line.starts_with("caudal,towers-small,32,1,"), "{line}");
    let training = told(&["bench", "--seconds", "0", "--batch", "5", "towers-small"]);
    assert!(training.starts_with("caudal,towers-small,"), "{training}");
    for (arguments, word) in [
        (&["--batch", "1,2", "digits"][..], "one size"),
        (&["--batch", "0", "digits"], "1.."),
        (&["--mode", "prediction", "--trace", "t.json", "digits"], "--trace"),
        (&["--mode", "prediction", "--micro-batches", "2", "digits"], "--micro-batches"),
        (&["--mode", "evaluation", "digits"], "prediction"),
    ] {
        let (code, line) = refused(&[&["bench"], arguments].concat());
        assert!(code == 2 && line.contains(word), "{arguments:?}: {line}");
    }
}

#[test]
fn overheads_print_their_lines() {
    for shape in ["chain", "fan", "layered"] {
        let line = told(&[
            "overhead",
            "--shape",
            shape,
            "--nodes",
            "500",
            "--workers",
            "2",
            "--runs",
            "1",
        ]);
        let fields: Vec<&str> = line.trim_end().split(',').collect();
        assert_eq!(fields[..4], ["caudal", shape, "2", "500"]);
        assert!(fields[4].parse::<f64>().unwrap() > 0.0, "{line}");
    }
}
