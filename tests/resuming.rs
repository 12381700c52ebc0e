//! Trainings with and without a break.

use caudal::data::{Order, digits};
use caudal::model::Model;
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

fn network(model: &Model, seed: u64) -> Network {
    let options = NetworkOptions::default().seed(seed).workers(2);
    let optimizer = model.training.optimizer.clone();
    Network::from_parts(model.graph.clone(), optimizer, options).unwrap()
}

#[test]
fn an_interrupted_training_ends_in_the_same_bytes() {
    let (data, test) = digits().unwrap();
    let data = data.subset(&(0..150).collect::<Vec<_>>()).unwrap();
    let model = Model::open(Some("article-dag")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let weights = (0..150).map(|item| f64::from(item % 7)).collect::<Vec<_>>();
    for order in
        [Order::Sequential, Order::Shuffled, Order::stratified(["label"]), Order::weighted(weights)]
    {
        let fit = FitOptions::default()
            .epochs(4)
            .batch_size(16)
            .order(order)
            .seed(9)
            .validation(&test)
            .max_validation_batches(1);
        let path = |name: &str| folder.path().join(name);
        let mut whole = network(&model, 1);
        whole.fit(&data, &fit).unwrap();
        whole.save(path("whole"), &model.training).unwrap();

        // 10 batches an epoch: the first break lies between epochs, the second within one.
        let mut saved = None;
        for stop in [10, 27, 40] {
            let mut part = network(&model, if saved.is_none() { 1 } else { 2 });
            if let Some(path) = &saved {
                part.resume(&checkpoint::open(path).unwrap().1).unwrap();
            }
            let options = fit.clone().start(part.step()).max_steps(stop);
            part.fit(&data, &options).unwrap();
            assert_eq!(part.step(), stop);
            part.save(path("part"), &model.training).unwrap();
            saved = Some(path("part"));
        }
        let bytes = |name: &str| std::fs::read(path(name)).unwrap();
        assert!(bytes("whole") == bytes("part"), "{:?}", fit.order);
    }
}

#[test]
fn validation_can_be_limited_to_some_batches() {
    let (data, test) = digits().unwrap();
    let model = Model::open(Some("article-dag")).unwrap();
    let mut network = network(&model, 1);
    let mut validated = |most| {
        let fit = FitOptions::default()
            .max_steps(network.step() + 1)
            .start(network.step())
            .batch_size(20)
            .validation(&test)
            .max_validation_batches(most);
        let report = network.fit(&data, &fit).unwrap().validation.remove(0);
        let first: Vec<usize> = (0..report.items).collect();
        assert_eq!(network.evaluate(&test.subset(&first).unwrap(), 20).unwrap(), report);
        report.items
    };
    assert_eq!(validated(Some(3)), 60);
    assert_eq!(validated(Some(0)), 20, "at least one batch");
    assert_eq!(validated(Some(1_000_000)), test.len());
    assert_eq!(validated(None), test.len());
}
