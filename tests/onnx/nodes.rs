//! The cases of single operators that come with ONNX.

use std::collections::BTreeMap;
use std::fmt::Write;

use caudal::onnx::{self, OPERATORS};
use serde::Deserialize;

use super::{Array, difference, outputs};

#[derive(Deserialize)]
struct Case {
    name: Option<String>,
    operator: Option<String>,
    model: Option<String>,
    /// How many cases an operator has that Caudal does not read.
    others: Option<usize>,
    /// How many cases were left out for their size, and for the types of their numbers.
    large: Option<usize>,
    of_other_types: Option<usize>,
    #[serde(default)]
    inputs: Vec<Array>,
    #[serde(default)]
    outputs: Vec<Array>,
}

/// What became of a case.
enum Outcome {
    Passed,
    Refused(String),
    Failed(String),
}

fn decoded(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let letters: Vec<u8> = four.iter().copied().filter(|&it| it != b'=').collect();
        let bits = letters.iter().fold(0_u32, |bits, &it| bits << 6 | u32::from(value(it)));
        let bits = bits << (6 * (4 - letters.len()));
        bytes.extend(&bits.to_be_bytes()[1..letters.len()]);
    }
    bytes
}

fn outcome(case: &Case) -> Outcome {
    let bytes = decoded(case.model.as_deref().unwrap());
    let imported = match onnx::from_bytes(&bytes, case.name.as_deref().unwrap(), None) {
        Ok(imported) => imported,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let found = match outputs(&imported, &case.inputs) {
        Ok(found) => found,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    if found.len() != case.outputs.len() {
        return Outcome::Failed(format!("{} outputs", found.len()));
    }
    for (found, expected) in found.iter().zip(&case.outputs) {
        let apart = difference(found, expected);
        // As ONNX itself compares, since some cases were written by hand.
        if apart > 1e-3 {
            let shape = found.shape();
            return Outcome::Failed(format!("{shape:?} {:?}: {apart:e}", expected.shape));
        }
    }
    Outcome::Passed
}

fn cases() -> Vec<Case> {
    include_str!("../oracles/onnx_nodes.json")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The table of docs/onnx.md: a row for every operator, with how many cases passed, were refused, and failed.
#[test]
fn cases_of_single_operators_pass_or_are_refused_as_the_documents_say() {
    let mut table: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let (mut failed, mut refused) = (Vec::new(), Vec::new());
    for case in cases() {
        let Some(name) = &case.name else { continue };
        let counts = table.entry(case.operator.clone().unwrap()).or_default();
        match outcome(&case) {
            Outcome::Passed => counts[0] += 1,
            Outcome::Refused(error) => {
                counts[1] += 1;
                assert!(
                    error.contains(&format!("{} of opset", case.operator.unwrap()))
                        || error.contains("put `"),
                    "{error}"
                );
                refused.push(error);
            }
            Outcome::Failed(error) => failed.push(format!("{name}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let mut rows = "| operator | passed | refused |\n| --- | --- | --- |\n".to_owned();
    for (operator, [passed, refused]) in &table {
        let _ = writeln!(rows, "| {operator} | {passed} | {refused} |");
    }
    let sum = |at: usize| table.values().map(|counts| counts[at]).sum::<usize>();
    let _ = writeln!(rows, "| all | {} | {} |", sum(0), sum(1));
    let all = cases();
    let others: Vec<&Case> = all.iter().filter(|case| case.others.is_some()).collect();
    let left_out = |count: fn(&Case) -> Option<usize>| all.iter().filter_map(count).sum::<usize>();
    let _ = writeln!(
        rows,
        "\nOf the others, {} cases are of {} operators and functions that Caudal does not read, {} of other types than \
         32-bit floats, and {} too large to be stored.",
        left_out(|case| case.others),
        others.len(),
        left_out(|case| case.of_other_types),
        left_out(|case| case.large)
    );
    let page = super::documents::page();
    assert!(
        page.contains(&rows),
        "{}\ndocs/onnx.md should have this table:\n{rows}",
        refused.join("\n")
    );
    assert!(OPERATORS.is_sorted_by_key(|row| row.name));
}
