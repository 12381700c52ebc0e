//! Small trainings under callbacks.

use std::sync::Arc;

use super::{BestCheckpoint, CsvLog, EarlyStopping, LearningRateLog, Watch};
use crate::data::{Column, Dataset, Order};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::Dense;
use crate::losses::MeanSquaredError;
use crate::model::TrainingConfig;
use crate::optimizers::Sgd;
use crate::tensor::Tensor;
use crate::train::{
    BatchEnd, BatchStart, Callback, Control, EpochEnd, EpochStart, FitOptions, Network,
    NetworkOptions, checkpoint,
};

/// Four numbers and `slope` times each.
fn line(slope: f32) -> Dataset {
    let column = |name: &str, factor: f32| {
        let values = (0..4).map(|item| factor * (item as f32 / 2.0 - 0.5)).collect();
        Column::new(name, Tensor::from_shape_vec(vec![4, 1], values).unwrap())
    };
    Dataset::new("line", vec![column("x", 1.0)], vec![column("y", slope)]).unwrap()
}

/// One dense layer that begins at slope 0.
fn network(losses: &[&str]) -> Network {
    let mut net = GraphBuilder::new("line");
    let x = net.input("x", [1]);
    let y = net.target("y", [1]);
    let dense = net.layer("dense", Dense::new(1), [&x]);
    for loss in losses {
        net.loss(*loss, MeanSquaredError, [&dense, &y]);
    }
    let options = NetworkOptions::default().executor("sequential");
    let optimizer = Sgd::new(0.02).momentum(0.5);
    let mut network = Network::new(net.build().unwrap(), optimizer, options).unwrap();
    network.set_weights("dense.weight", &Tensor::zeros(vec![1, 1])).unwrap();
    network
}

fn options(epochs: usize, validation: Option<&Dataset>) -> FitOptions<'_> {
    let order = Order::Sequential;
    FitOptions::default().epochs(epochs).batch_size(2).order(order).validation(validation)
}

/// Notes every call.
#[derive(Default)]
struct Calls(Vec<String>);

impl Callback for Calls {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        self.0.push(format!("training {}", network.step()));
        Ok(())
    }

    fn before_epoch(&mut self, _network: &mut Network, event: &EpochStart) -> Result<()> {
        self.0.push(format!("epoch {}/{}", event.epoch, event.epochs));
        Ok(())
    }

    fn before_batch(&mut self, network: &mut Network, event: &BatchStart) -> Result<()> {
        let BatchStart { epoch, batch, batches, .. } = event;
        self.0.push(format!("batch {epoch} {batch}/{batches} at {}", network.step()));
        Ok(())
    }

    fn batch_end(&mut self, network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        self.0.push(format!("end of {} at {}", event.batch, network.step()));
        let last = event.epoch == 1 && event.batch == 0;
        Ok(if last { Control::Stop } else { Control::Continue })
    }

    fn epoch_end(&mut self, _network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        self.0.push(format!("end of epoch {} with {}", event.epoch, event.train.items));
        Ok(Control::Continue)
    }

    fn after_training(&mut self, network: &mut Network) -> Result<()> {
        self.0.push(format!("trained {}", network.step()));
        Ok(())
    }
}

#[test]
fn callbacks_are_called_around_everything() {
    let mut calls = Calls::default();
    network(&["loss"]).fit_with(&line(1.0), &options(3, None), &mut [&mut calls]).unwrap();
    let expected = [
        "training 0",
        "epoch 0/3",
        "batch 0 0/2 at 0",
        "end of 0 at 1",
        "batch 0 1/2 at 1",
        "end of 1 at 2",
        "end of epoch 0 with 4",
        "epoch 1/3",
        "batch 1 0/2 at 2",
        "end of 0 at 3",
        "end of epoch 1 with 2",
        "trained 3",
    ];
    assert_eq!(calls.0, expected);
}

#[test]
fn training_stops_early_and_the_best_weights_come_back() {
    // On its way to slope 2, the network passes slope 0.5, which the validation data has.
    let validation = line(0.5);
    let mut stopping = EarlyStopping::new(Watch::lower("loss"), 3).restore_best();
    let mut network = network(&["loss"]);
    let fit = options(500, Some(&validation));
    let history = network.fit_with(&line(2.0), &fit, &mut [&mut stopping]).unwrap();
    let losses: Vec<f64> = history.validation.iter().map(|report| report.loss).collect();
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
    assert!(stopping.stopped() && best > 0, "{losses:?}");
    assert_eq!(losses.len(), best + 1 + 3);
    assert_eq!(stopping.best_epoch(), Some(best));
    assert_eq!(stopping.watch().best(), Some(losses[best]));
    assert_eq!(network.evaluate(&validation, 2).unwrap().loss, losses[best]);
    assert_eq!(network.step(), 2 * (best as u64 + 1));

    // It is then what it would have been without the epochs after the best one.
    let mut shorter = self::network(&["loss"]);
    shorter.fit(&line(2.0), &options(best + 1, None)).unwrap();
    assert_eq!(network.weights_sha256(), shorter.weights_sha256());
    for network in [&mut network, &mut shorter] {
        network.fit(&line(2.0), &options(1, None)).unwrap();
    }
    assert_eq!(network.weights_sha256(), shorter.weights_sha256(), "the velocity too");
}

#[test]
fn small_improvements_do_not_count_and_training_data_stands_in() {
    let stop = |watch: Watch, patience| {
        let mut stopping = EarlyStopping::new(watch, patience);
        let mut network = network(&["loss"]);
        let history = network.fit_with(&line(1.0), &options(40, None), &mut [&mut stopping]);
        assert_eq!(stopping.stopped(), history.as_ref().unwrap().train.len() < 40);
        (history.unwrap().train.len(), stopping.best_epoch())
    };
    assert_eq!(stop(Watch::lower("loss"), 2), (40, Some(39)));
    assert_eq!(stop(Watch::lower("loss").min_delta(10.0), 2), (3, Some(0)));
    assert_eq!(stop(Watch::lower("loss").min_delta(10.0), 0), (2, Some(0)));
    assert_eq!(stop(Watch::higher("loss"), 4), (5, Some(0)));
}

#[test]
fn a_callback_can_be_used_again() {
    let mut stopping = EarlyStopping::new(Watch::higher("loss"), 2).restore_best();
    for _ in 0..2 {
        let mut network = network(&["loss"]);
        let history = network.fit_with(&line(1.0), &options(9, None), &mut [&mut stopping]);
        assert_eq!(history.unwrap().train.len(), 3);
        assert_eq!(network.step(), 2);
    }
}

#[test]
fn unknown_values_are_named() {
    let mut stopping = EarlyStopping::new(Watch::lower("acuracy"), 2);
    let mut network = network(&["first", "second"]);
    let error = network.fit_with(&line(1.0), &options(9, None), &mut [&mut stopping]);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "unknown loss or metric `acuracy`; known are: loss, first, second");
}

#[test]
fn what_is_not_a_number_is_never_better() {
    let unchecked = NetworkOptions { check_finite: false, ..NetworkOptions::default() };
    let graph = network(&["loss"]).graph().clone();
    let mut network = Network::from_parts(graph, Arc::new(Sgd::new(0.1)), unchecked).unwrap();
    network.set_weights("dense.weight", &Tensor::from_elem(vec![1, 1], f32::NAN)).unwrap();
    let mut stopping = EarlyStopping::new(Watch::lower("loss"), 2).restore_best();
    let history = network.fit_with(&line(1.0), &options(9, None), &mut [&mut stopping]).unwrap();
    assert_eq!((history.train.len(), stopping.best_epoch()), (2, None));
}

#[test]
fn the_file_holds_the_best_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    let validation = line(0.5);
    let training = TrainingConfig::default().batch_size(2);
    let mut best = BestCheckpoint::new(Watch::lower("loss"), &path, training);
    let mut network = network(&["loss"]);
    let fit = options(60, Some(&validation));
    let history = network.fit_with(&line(2.0), &fit, &mut [&mut best]).unwrap();
    let epoch = best.best_epoch().unwrap();
    assert!(epoch > 0 && epoch < 59, "{epoch}");
    assert_eq!(best.watch().best(), Some(history.validation[epoch].loss));

    let (model, saved) = checkpoint::open(best.path()).unwrap();
    assert_eq!(saved.step(), 2 * (epoch as u64 + 1));
    assert_eq!(model.training.batch_size, 2);
    let mut again = self::network(&["loss"]);
    again.resume(&saved).unwrap();
    assert_eq!(again.evaluate(&validation, 2).unwrap().loss, history.validation[epoch].loss);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn logs_have_a_line_for_every_epoch_and_one_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    let validation = line(0.5);
    let names = ["a, \"quoted\"", "loss"];
    let mut network = network(&names);
    let fit = options(2, Some(&validation));
    let history = network.fit_with(&line(2.0), &fit, &mut [&mut CsvLog::new(&path)]).unwrap();
    // A crash leaves half a line behind.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}2,0.0")).unwrap();
    let fit = options(4, Some(&validation)).start(network.step());
    network.fit_with(&line(2.0), &fit, &mut [&mut CsvLog::new(&path)]).unwrap();

    assert!(std::fs::read_to_string(&path).unwrap().starts_with(&text));
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let expected = [
        "epoch",
        "seconds",
        "train_loss",
        "train_a, \"quoted\"",
        "train_loss_node",
        "validation_loss",
        "validation_a, \"quoted\"",
        "validation_loss_node",
        "learning_rate",
    ];
    assert_eq!(header, expected);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let epochs: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(epochs, ["0", "1", "2", "3"]);
    for (row, (train, validation)) in rows.iter().zip(history.train.iter().zip(&history.validation))
    {
        assert_eq!(row[2].parse::<f64>().unwrap(), train.loss);
        assert_eq!(row[3].parse::<f64>().unwrap(), train.losses[0].value);
        assert_eq!(row[5].parse::<f64>().unwrap(), validation.loss);
        assert_eq!(&row[8], "0.02");
    }
}

#[test]
fn logs_do_not_spoil_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    let log = |path: &std::path::Path| {
        let mut network = network(&["loss"]);
        let history =
            network.fit_with(&line(2.0), &options(1, None), &mut [&mut CsvLog::new(path)]);
        history.map(|history| history.train.len())
    };
    std::fs::write(&path, "epoch,loss\n0,1\n").unwrap();
    let error = log(&path).unwrap_err().to_string();
    assert!(error.contains("`epoch,loss`") && error.contains("log.csv"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "epoch,loss\n0,1\n");
    assert!(log(folder.path()).is_err());
    assert!(log(&folder.path().join("missing").join("log.csv")).is_err());
    // An empty file, and one whose header was cut short, are begun anew.
    for text in ["", "epoch,sec"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(log(&path).unwrap(), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("epoch,seconds,train_loss,learning_rate\n0,"), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn learning_rates_are_collected_by_step() {
    let mut log = LearningRateLog::new();
    let mut network = network(&["loss"]);
    network.set_step(5);
    network.fit_with(&line(1.0), &options(2, None), &mut [&mut log]).unwrap();
    let expected: Vec<(u64, f32)> = (5..9).map(|step| (step, 0.02)).collect();
    assert_eq!(log.rates(), expected);
}

#[test]
fn what_is_left_ends_at_nothing() {
    #[derive(Default)]
    struct Left(Vec<(bool, bool)>, Vec<bool>);

    impl Callback for Left {
        fn batch_end(&mut self, _network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
            assert!(event.left.epoch <= event.left.training);
            self.0.push((event.left.epoch.is_zero(), event.left.training.is_zero()));
            Ok(Control::Continue)
        }

        fn epoch_end(&mut self, _network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
            self.1.push(event.left.is_zero());
            Ok(Control::Continue)
        }
    }

    let mut left = Left::default();
    let fit = options(3, None).max_steps(4).start(1);
    network(&["loss"]).fit_with(&line(1.0), &fit, &mut [&mut left]).unwrap();
    // Two batches an epoch, of which the first is behind it, and no more than four in all.
    assert_eq!(left.0, [(true, false), (false, false), (true, true)]);
    assert_eq!(left.1, [false, true]);
}
