//! Predictions with several batches in flight.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use caudal::data::digits;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Custom, Dense, Flatten};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::optimizers::Sgd;
use caudal::train::{FitOptions, Network, NetworkOptions};
use caudal::{Error, Tensor};

use crate::command_line::{caudal, path, told};
use crate::watchdog::watch;

/// A network in which `look` sees the first number of every part of a batch, and may fail.
fn network(look: impl Fn(f32) -> Result<(), String> + Send + Sync + 'static) -> Network {
    let mut net = GraphBuilder::new("looked at");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let flat = net.layer("flat", Flatten, [&image]);
    let looking = Custom::new("looking", move |context, mut output| {
        let input = context.input(0);
        for row in 0..output.rows() {
            output.row_mut(row).copy_from_slice(input.row(row));
        }
        look(input.row(0)[0])
    })
    .input_grad(|context, _, mut gradient| {
        let given = context.output_grad();
        (0..gradient.rows()).for_each(|row| gradient.row_mut(row).copy_from_slice(given.row(row)));
        Ok(())
    });
    let looked = net.layer("looked", looking, [&flat]);
    let logits = net.layer("logits", Dense::new(10), [&looked]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    let graph: Graph = net.build().unwrap();
    Network::new(graph, Sgd::new(0.1), NetworkOptions::default()).unwrap()
}

/// Batch number `number`, of one of three sizes.
fn batch(number: usize) -> Vec<(String, Tensor)> {
    let items = 1 + number % 3;
    vec![("image".to_owned(), Tensor::from_elem(vec![items, 8, 8, 1], number as f32))]
}

fn predict(network: &mut Network, batch: &[(String, Tensor)]) -> Vec<Tensor> {
    let named: Vec<(&str, &Tensor)> = batch.iter().map(|(name, it)| (name.as_str(), it)).collect();
    network.predict(&named).unwrap()
}

#[test]
fn results_are_those_of_predict_in_order() {
    watch(|scenario| {
        let mut network = network(|_| Ok(()));
        let expected: Vec<_> = (0..20).map(|it| predict(&mut network, &batch(it))).collect();
        for in_flight in [1, 2, 3, 8, 40] {
            scenario.enter(format!("{in_flight} in flight"));
            let stream = network.predict_stream((0..20).map(batch), in_flight).unwrap();
            let found: Vec<_> = stream.map(Result::unwrap).collect();
            assert_eq!(found, expected, "{in_flight} in flight");
        }
        let mut none = network.predict_stream(std::iter::empty(), 2).unwrap();
        assert!(none.next().is_none() && none.next().is_none());
    });
}

#[test]
fn data_sets_go_through_a_stream() {
    let mut network = network(|_| Ok(()));
    let (_, test) = digits().unwrap();
    let whole = network.predict_data(&test, 50).unwrap();
    let parts = network.predict_data_stream(&test, 50, 3).unwrap();
    let parts: Vec<f32> =
        parts.flat_map(|it| it.unwrap()[0].iter().copied().collect::<Vec<_>>()).collect();
    assert_eq!(parts, whole[0].iter().copied().collect::<Vec<f32>>());
}

#[test]
fn several_batches_are_at_work_at_once() {
    watch(|_| {
        // Nobody passes before three are there.
        let barrier = Barrier::new(3);
        let network = network(move |_| {
            barrier.wait();
            Ok(())
        });
        assert_eq!(network.predict_stream((0..9).map(batch), 3).unwrap().count(), 9);
    });
}

#[test]
fn an_error_takes_the_place_of_its_batch_alone() {
    watch(|_| {
        let mut network = network(|first| match first {
            3.0 => Err("three is not liked".to_owned()),
            4.0 => panic!("four is feared"),
            _ => Ok(()),
        });
        let batches = |number: usize| match number {
            1 => Vec::new(),
            2 => vec![("image".to_owned(), Tensor::zeros(vec![4, 7]))],
            5 => vec![("image".to_owned(), Tensor::zeros(vec![0, 8, 8, 1]))],
            _ => batch(number),
        };
        let found: Vec<_> = network.predict_stream((0..9).map(batches), 3).unwrap().collect();
        assert_eq!(found.len(), 9);
        let says = ["", "`image`", "4 x 7", "three is not liked", "four is feared", "empty"];
        for (number, result) in found.into_iter().enumerate() {
            match says.get(number).filter(|says| !says.is_empty()) {
                Some(says) => {
                    let message = result.unwrap_err().to_string();
                    assert!(message.contains(says), "{number}: {message}");
                }
                None => assert_eq!(result.unwrap(), predict(&mut network, &batch(number))),
            }
        }
    });
}

#[test]
fn the_source_is_asked_for_no_more_than_is_in_flight() {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let batches = (0..).map(move |number| {
        count.fetch_add(1, Ordering::Relaxed);
        batch(number)
    });
    let mut stream = network(|_| Ok(())).predict_stream(batches, 4).unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), 0, "before the first is asked for");
    for given in 1..10 {
        stream.next().unwrap().unwrap();
        assert_eq!(taken.load(Ordering::Relaxed), given + 4);
    }
}

#[test]
fn dropping_a_stream_stops_it() {
    watch(|scenario| {
        let seen = Arc::new(AtomicUsize::new(0));
        for given in 0..4 {
            scenario.enter(format!("after {given}"));
            let count = Arc::clone(&seen);
            let network = network(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            let mut stream = network.predict_stream((0..).map(batch), 3).unwrap();
            (0..given).for_each(|_| drop(stream.next().unwrap().unwrap()));
            drop(stream);
            drop(network);
            assert_eq!(Arc::strong_count(&seen), 1, "threads that hold the graph are gone");
        }
        assert!(seen.load(Ordering::Relaxed) >= 6, "what was given has run");
    });
}

#[test]
fn the_weights_are_those_from_when_the_stream_was_made() {
    let mut network = network(|_| Ok(()));
    let expected: Vec<_> = (0..6).map(|it| predict(&mut network, &batch(it))).collect();
    let mut stream = network.predict_stream((0..6).map(batch), 2).unwrap();
    let first = stream.next().unwrap().unwrap();
    let fit = FitOptions::default().max_steps(5);
    network.fit(&digits().unwrap().0, &fit).unwrap();
    assert_ne!(predict(&mut network, &batch(1)), expected[1]);
    let found: Vec<_> = std::iter::once(first).chain(stream.map(Result::unwrap)).collect();
    assert_eq!(found, expected);
}

#[test]
fn absurd_numbers_of_batches_in_flight_are_refused() {
    let network = network(|_| Ok(()));
    for in_flight in [0, 4097, usize::MAX] {
        let error = network.predict_stream((0..2).map(batch), in_flight).unwrap_err();
        assert!(matches!(error, Error::Threads { threads, .. } if threads == in_flight), "{error}");
        assert!(error.to_string().contains("1 to 4096 batches in flight"), "{error}");
    }
}

#[test]
fn the_program_predicts_the_same_with_batches_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "model.safetensors");
    told(&["train", "--quiet", "--max-steps", "3", "--save", &file]);
    let expected = told(&["predict", &file]);
    assert_eq!(told(&["predict", &file, "--in-flight", "3"]), expected);
    for wrong in [&["--in-flight", "0"][..], &["--in-flight", "2", "--workers", "2"]] {
        let output = caudal(&[&["predict", file.as_str()], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}
