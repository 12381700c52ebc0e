//! Losses, metrics and outputs of a generated network.

use caudal::layers::{Concat, Dense, Flatten};
use caudal::losses::{MeanSquaredError, SoftmaxCrossEntropy};
use caudal::metrics::Accuracy;
use rand::Rng;

use super::Generator;

impl Generator {
    /// Gives every loose end a purpose: a metric, a loss of its own, or the head that is left.
    pub(super) fn heads(&mut self) {
        let loose: Vec<usize> =
            (0..self.sources.len()).filter(|&source| self.sources[source].uses == 0).collect();
        let mut rest = Vec::new();
        for end in loose {
            match self.random.random_range(0..10) {
                0 => self.accuracy(end),
                1 => self.squares(end),
                2 if self.losses < 4 => self.entropy(end),
                3 => self.between_layers(end),
                _ => rest.push(end),
            }
        }
        if rest.is_empty() {
            rest.push(self.random.random_range(0..self.sources.len()));
        }
        let mut flat = Vec::new();
        for end in rest {
            flat.push(if self.sources[end].shape.len() == 1 && self.chance(70) {
                end
            } else {
                self.layer(Flatten, &[end])
            });
        }
        let alone = flat.len() == 1 && self.chance(70);
        let mut both = if alone { flat[0] } else { self.layer(Concat::default(), &flat) };
        if self.chance(30) {
            both = self.layer(Concat::default(), &[both, flat[0]]);
        }
        let classes = self.pick(&[2, 5, 10]);
        let logits = self.layer(Dense::new(classes), &[both]);
        self.net.trainable(&self.sources[logits].name, true);
        self.entropy(logits);
        if self.chance(40) {
            self.accuracy(logits);
        }
        if self.chance(25) {
            self.squares(logits);
        }
        if self.chance(25) {
            let output = self.random.random_range(0..self.sources.len());
            let (output, logits) =
                (self.sources[output].name.clone(), self.sources[logits].name.clone());
            self.net.output(&output).output(&logits);
        }
    }

    fn accuracy(&mut self, scores: usize) {
        let shape = self.sources[scores].shape.clone();
        let (classes, rows) = shape.split_last().unwrap();
        let target = self.target(rows, Some(*classes));
        let name = format!("accuracy{}", self.feeds.len() + self.losses + self.made);
        self.made += 1;
        self.net.metric(name, Accuracy, [&self.sources[scores].name, &target]);
    }

    fn loss(&mut self, loss: impl caudal::losses::Loss + 'static, inputs: [&str; 2]) {
        let name = format!("loss{}", self.losses);
        self.losses += 1;
        if self.chance(50) {
            self.net.loss(name, loss, inputs);
        } else {
            let weight = self.pick(&[0.25, 0.5, 2.0]);
            self.net.weighted_loss(name, loss, weight, inputs);
        }
    }

    fn entropy(&mut self, logits: usize) {
        let shape = self.sources[logits].shape.clone();
        let (classes, rows) = shape.split_last().unwrap();
        let target = self.target(rows, Some(*classes));
        let name = self.sources[logits].name.clone();
        self.loss(SoftmaxCrossEntropy, [name.as_str(), target.as_str()]);
    }

    fn squares(&mut self, end: usize) {
        let shape = self.sources[end].shape.clone();
        let target = self.target(&shape, None);
        let name = self.sources[end].name.clone();
        self.loss(MeanSquaredError, [name.as_str(), target.as_str()]);
    }

    fn between_layers(&mut self, end: usize) {
        let other = *self.alike(end, None, 2).last().unwrap();
        let names = [self.sources[end].name.clone(), self.sources[other].name.clone()];
        self.loss(MeanSquaredError, [names[0].as_str(), names[1].as_str()]);
    }
}
