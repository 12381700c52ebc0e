//! Schedules of the learning rate against `PyTorch`'s (`tests/oracles/schedules.py`), and trainings whose rate falls on
//! a plateau.

use std::sync::Arc;

use caudal::data::{Dataset, digits};
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::schedules::{Plateau, PlateauState, SCHEDULES};
use caudal::optimizers::{Optimizer, Sgd, find};
use caudal::train::callbacks::LearningRateLog;
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};
use serde::Deserialize;

use crate::command_line::{caudal, path};

#[derive(Deserialize)]
struct Oracle {
    by_step: Vec<ByStep>,
    plateaus: Vec<OnPlateau>,
}

#[derive(Deserialize)]
struct ByStep {
    schedule: String,
    factors: Vec<f64>,
}

#[derive(Deserialize)]
struct OnPlateau {
    schedule: String,
    higher_is_better: bool,
    values: Vec<Option<f64>>,
    factors: Vec<f64>,
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("oracles/schedules.json")).unwrap()
}

/// Gradient descent at a rate of 1 with a schedule as a model file has it.
fn scheduled(schedule: &str) -> Arc<dyn Optimizer> {
    let attributes = format!("learning_rate = 1.0\nschedule = {schedule}").parse().unwrap();
    (find("sgd").unwrap().parse)(attributes).unwrap()
}

#[test]
fn rates_by_step_are_those_of_pytorch() {
    let runs = oracle().by_step;
    for run in &runs {
        let optimizer = scheduled(&run.schedule);
        assert!(run.factors.len() > 20, "{}", run.schedule);
        for (step, expected) in run.factors.iter().enumerate() {
            let found = f64::from(optimizer.learning_rate(step as u64));
            let error = (found - expected).abs();
            assert!(
                error <= 1e-6 * expected.max(1e-6),
                "{} {step}: {found} {expected}",
                run.schedule
            );
        }
        let far = optimizer.learning_rate(u64::MAX);
        assert!((0.0..=1.0).contains(&far), "{}: {far}", run.schedule);
    }
    for spec in SCHEDULES
        .iter()
        .filter(|spec| !["constant", "inverse_time", "plateau"].contains(&spec.kind))
    {
        let named = format!("kind = \"{}\"", spec.kind);
        assert!(runs.iter().any(|run| run.schedule.contains(&named)), "{} is missing", spec.kind);
    }
}

#[test]
fn plateaus_are_those_of_pytorch() {
    for run in oracle().plateaus {
        let optimizer = scheduled(&run.schedule);
        let mut state = PlateauState::default();
        for (epoch, (value, expected)) in run.values.iter().zip(&run.factors).enumerate() {
            let plateau = optimizer.plateau().unwrap();
            state.observe(plateau, value.unwrap_or(f64::NAN), run.higher_is_better);
            let error = (state.factor - expected).abs();
            assert!(
                error < 1e-12 * expected,
                "{} {epoch}: {} {expected}",
                run.schedule,
                state.factor
            );
        }
        assert!(state.factor < 1.0, "{}", run.schedule);
    }
}

/// A plateau of the validation loss that a high rate soon reaches.
fn network() -> (Network, TrainingConfig) {
    let graph = Model::open(Some("article-dag")).unwrap().graph;
    let plateau = Plateau::default().factor(0.25).patience(0).threshold(0.2).min(0.01);
    let optimizer = Arc::new(Sgd::new(0.2).momentum(0.9).schedule(plateau));
    let options = NetworkOptions::default().workers(2);
    (Network::from_parts(graph, optimizer, options).unwrap(), TrainingConfig::default())
}

/// A few items, so that epochs are short.
fn few() -> (Dataset, Dataset) {
    let (train, test) = digits().unwrap();
    let first =
        |data: &Dataset, count: usize| data.subset(&(0..count).collect::<Vec<_>>()).unwrap();
    (first(&train, 160), first(&test, 90))
}

#[test]
fn a_rate_that_falls_on_a_plateau_is_saved_and_goes_on_to_the_same_bits() {
    let (train, test) = few();
    let fit = FitOptions::default().epochs(7).batch_size(32).validation(&test);
    let (mut whole, training) = network();
    let mut log = LearningRateLog::new();
    whole.fit_with(&train, &fit, &mut [&mut log]).unwrap();
    let rates: Vec<f32> = log.rates().chunks(5).map(|epoch| epoch[0].1).collect();
    assert!(rates.windows(2).all(|pair| pair[1] <= pair[0]) && rates[6] < 0.2, "{rates:?}");
    assert_eq!(rates[6], whole.last_learning_rate(), "{rates:?}");
    assert_eq!(whole.learning_rate(), 0.2 * whole.plateau().factor as f32);
    assert!(log.rates().chunks(5).all(|epoch| epoch.iter().all(|it| it.1 == epoch[0].1)));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plateau.safetensors");
    // At the end of an epoch, and in the middle of one.
    for steps in [15, 20, 23] {
        let (mut first, _) = network();
        first.fit(&train, &fit.clone().max_steps(steps)).unwrap();
        first.save(&path, &training).unwrap();
        let (model, saved) = checkpoint::open(&path).unwrap();
        let options = NetworkOptions::default().executor("sequential");
        let mut second =
            Network::from_parts(model.graph, model.training.optimizer, options).unwrap();
        second.resume(&saved).unwrap();
        assert_eq!(second.plateau(), first.plateau());
        second.fit(&train, &fit.clone().start(second.step())).unwrap();
        assert_eq!(second.plateau(), whole.plateau(), "{steps}");
        assert_eq!(second.weights_sha256(), whole.weights_sha256(), "{steps}");
    }
}

#[test]
fn a_plateau_of_what_nobody_measures_is_refused_before_the_first_step() {
    let (train, _) = few();
    let graph = Model::open(Some("article-dag")).unwrap().graph;
    let optimizer = Arc::new(Sgd::new(0.2).schedule(Plateau::default().watch("acuracy")));
    let mut network = Network::from_parts(graph, optimizer, NetworkOptions::default()).unwrap();
    let error = network.fit(&train, &FitOptions::default()).unwrap_err().to_string();
    assert!(error.contains("`acuracy`") && error.contains("accuracy"), "{error}");
    assert_eq!(network.step(), 0);
}

#[test]
fn the_program_takes_a_validation_part_to_find_plateaus() {
    let folder = tempfile::tempdir().unwrap();
    let log = path(&folder, "log.csv");
    let optimizer = "{ kind = 'sgd', learning_rate = 0.05, schedule = { kind = 'plateau', patience = 0, \
                     threshold = 0.9, factor = 0.5 } }";
    let short = ["train", "article-dag", "--quiet", "--epochs", "3", "--log", &log];
    let output = caudal(&[&short[..], &["--optimizer", optimizer]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.contains("no validation part is given"), "{errors}");
    let text = std::fs::read_to_string(&log).unwrap();
    let rates: Vec<&str> = text.lines().filter_map(|row| row.rsplit(',').next()).collect();
    // No epoch is better than the first by nine tenths, which the end of the second shows.
    assert_eq!(rates, ["learning_rate", "0.05", "0.05", "0.025"], "{text}");
}
