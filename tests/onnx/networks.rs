//! Networks that PyTorch and Keras have exported, beside ONNX Runtime.

use std::path::PathBuf;

use caudal::onnx;
use serde::Deserialize;

use super::{Array, difference, outputs};

#[derive(Deserialize)]
struct Case {
    file: String,
    inputs: Vec<Array>,
    outputs: Vec<Array>,
}

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/onnx")
}

fn cases() -> Vec<Case> {
    let read = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let text = read("networks.json") + &read("keras.json");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn networks_of_other_programs_give_what_onnx_runtime_gives() {
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        let imported = match onnx::open(folder().join(&case.file)) {
            Ok(imported) => imported,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let found = match outputs(&imported, &case.inputs) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{}: {error}", case.file));
                continue;
            }
        };
        assert_eq!(found.len(), case.outputs.len(), "{}", case.file);
        for (found, expected) in found.iter().zip(&case.outputs) {
            let apart = difference(found, expected);
            if apart > 1e-5 {
                wrong.push(format!("{}: `{}` differs by {apart:e}", case.file, expected.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(cases.len(), 44);
}
