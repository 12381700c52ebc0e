//! Every optimizer against twenty steps of `PyTorch`'s (`tests/oracles/optimizers.py`).

use caudal::optimizers::{Moving, OPTIMIZERS, find};
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracle {
    weights: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    kind: String,
    attributes: String,
    steps: Vec<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    step: usize,
    weights: Vec<f64>,
}

#[test]
fn optimizers_move_weights_as_pytorch_does() {
    let oracle: Oracle = serde_json::from_str(include_str!("oracles/optimizers.json")).unwrap();
    for run in &oracle.runs {
        let optimizer = (find(&run.kind).unwrap().parse)(run.attributes.parse().unwrap()).unwrap();
        let mut weights = oracle.weights.clone();
        let mut state = vec![vec![0.0; weights.len()]; optimizer.state().len()];
        let mut kept = run.steps.iter();
        for (step, gradient) in oracle.gradients.iter().enumerate() {
            let mut state: Vec<&mut [f32]> = state.iter_mut().map(Vec::as_mut_slice).collect();
            let moving = Moving::new(&mut weights, gradient, &mut state).step(step as u64);
            optimizer.update(moving).unwrap();
            if let Some(expected) = kept.as_slice().first().filter(|it| it.step == step + 1) {
                kept.next();
                for (found, expected) in weights.iter().zip(&expected.weights) {
                    let error = (f64::from(*found) - expected).abs();
                    let what = format!("{} after {}: {}", run.kind, step + 1, run.attributes);
                    // Where a weight comes by 0, what counts is how far it has moved.
                    assert!(error <= 1e-5 * expected.abs().max(0.1), "{what}: {found} {expected}");
                }
            }
        }
        assert!(kept.next().is_none(), "{} has more steps", run.kind);
    }
    for spec in OPTIMIZERS {
        assert!(oracle.runs.iter().any(|run| run.kind == spec.kind), "{} is missing", spec.kind);
    }
}
