//! Data whose items are read as they are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use caudal::data::{Column, Dataset, ItemSource, Order, digits};
use caudal::model::Model;
use caudal::train::{FitOptions, Network, NetworkOptions};
use caudal::{Error, Result, Tensor};

/// The items of a tensor as if they came from a file, the first `whole` of which can be read.
#[derive(Debug)]
struct Slow {
    values: Tensor,
    whole: usize,
    readings: AtomicUsize,
}

impl ItemSource for Slow {
    fn items(&self) -> usize {
        self.values.shape()[0]
    }

    fn item_shape(&self) -> &[usize] {
        &self.values.shape()[1..]
    }

    fn read(&self, items: &[usize], into: &mut [f32]) -> Result<()> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        let (values, size) = (self.values.as_slice().unwrap(), into.len() / items.len());
        for (&item, numbers) in items.iter().zip(into.chunks_mut(size)) {
            if item >= self.whole {
                return Err(Error::Data {
                    origin: "slow.bin".to_owned(),
                    problem: format!("item {item} can't be read"),
                    remedy: "try another disk".to_owned(),
                });
            }
            numbers.copy_from_slice(&values[item * size..][..size]);
        }
        Ok(())
    }
}

/// Columns from sources in place of tensors, and the source of the first input.
fn slow(data: &Dataset, whole: usize) -> (Dataset, Arc<Slow>) {
    let mut sources = Vec::new();
    let mut column = |from: &Column| {
        let values = from.tensor().unwrap().clone();
        let source = Arc::new(Slow { values, whole, readings: AtomicUsize::new(0) });
        sources.push(Arc::clone(&source));
        Column::from_source(from.name.as_str(), source)
    };
    let inputs = data.inputs().iter().map(&mut column).collect();
    let targets = data.targets().iter().map(&mut column).collect();
    (Dataset::new(data.name(), inputs, targets).unwrap(), sources.swap_remove(0))
}

fn network() -> Network {
    let Model { graph, training, .. } = Model::open(Some("digits")).unwrap();
    let options = NetworkOptions::default().seed(3).workers(2);
    Network::from_parts(graph, training.optimizer, options).unwrap()
}

#[test]
fn items_that_are_read_as_they_are_used_give_the_bits_of_those_in_memory() {
    let (train, test) = digits().unwrap();
    let train = train.subset(&(0..300).collect::<Vec<_>>()).unwrap();
    let orders = [Order::Sequential, Order::Shuffled, Order::Stratified([].into())];
    for order in orders {
        let trained = |train: &Dataset, validation: &Dataset| {
            // A part is the items chosen, and no copy.
            let (train, validation) = (
                train.subset(&(20..300).rev().collect::<Vec<_>>()).unwrap(),
                validation.subset(&[5, 2, 9, 200, 2]).unwrap(),
            );
            let mut network = network();
            let options = FitOptions::default().epochs(2).batch_size(37).seed(8);
            let options = options.order(order.clone()).validation(&validation);
            let history = network.fit(&train, &options).unwrap();
            let outputs = network.predict_data(&validation, 2).unwrap();
            let evaluated = network.evaluate(&train, 64).unwrap();
            (network.weights_sha256(), history.validation, outputs, evaluated)
        };
        let memory = trained(&train, &test);
        let ((train, source), (test, _)) = (slow(&train, usize::MAX), slow(&test, usize::MAX));
        assert_eq!(trained(&train, &test), memory, "{order:?}");
        let readings = source.readings.load(Ordering::Relaxed);
        assert!(readings >= 2 * 8, "{readings} readings are too few for batch after batch");
    }
}

#[test]
fn what_cannot_be_read_ends_the_step_that_needs_it() {
    let (data, _) = digits().unwrap();
    let (data, _) = slow(&data, 100);
    let labels = data.targets()[0].class_count().unwrap_err().to_string();
    assert!(labels.contains("item 100 can't be read"), "{labels}");
    let data =
        Dataset::new("d", data.inputs().to_vec(), digits().unwrap().0.targets().to_vec()).unwrap();
    let mut network = network();
    let options = FitOptions::default().batch_size(40).order(Order::Sequential);
    let message = network.fit(&data, &options).unwrap_err().to_string();
    assert_eq!(message, "slow.bin: item 100 can't be read; try another disk");
    // The batches before the one with this item were learnt.
    assert_eq!(network.step(), 2);
    let message = network.evaluate(&data, 30).unwrap_err().to_string();
    assert!(message.contains("item 100 can't be read"), "{message}");
    let message = network.predict_data(&data, 30).unwrap_err().to_string();
    assert!(message.contains("item 100 can't be read"), "{message}");
    let part = data.subset(&(0..100).collect::<Vec<_>>()).unwrap();
    assert!(network.evaluate(&part, 30).is_ok());
}
