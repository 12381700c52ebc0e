//! Batches of a data set, gathered while the step before them runs.

use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::augment::Augmenter;
use super::batch::Gathered;
use super::fit::FitOptions;
use crate::data::{Column, Sampler};
use crate::error::Result;
use crate::graph::NodeId;

/// Batches of fewer numbers are gathered when they are asked for: that takes less time than waking
/// another thread.
const WORTH_A_THREAD: usize = 1 << 16;

/// So many batches of a source that is not in memory are read ahead, by a thread whatever their size: the time of
/// a reading varies. Of data in memory it is one.
const READ_AHEAD: usize = 4;

/// One batch, ready to be bound.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The batch within its epoch, from 0.
    pub(super) number: usize,
    /// Its items.
    pub(super) gathered: Gathered,
}

/// What batches are gathered from.
#[derive(Clone)]
pub(super) struct Items {
    pub(super) columns: Vec<(NodeId, Column)>,
    pub(super) sampler: Sampler,
    /// What is changed at random, if anything is.
    pub(super) augmenter: Option<Augmenter>,
}

/// Gathers batch after batch, epoch after epoch.
pub(super) struct Gatherer {
    from: Items,
    batch_size: usize,
    batches: usize,
    /// Without a limit.
    all_batches: usize,
    epochs: usize,
    epoch: usize,
    next: usize,
    sequence: Vec<usize>,
}

impl Gatherer {
    /// Of the columns' items, from the batch on with which the options begin.
    pub(super) fn new(from: Items, options: &FitOptions<'_>) -> Self {
        let items = from.sampler.items();
        let (epoch, batch) = options.position(items);
        Self {
            from,
            batch_size: options.batch_size,
            batches: options.batches(items),
            all_batches: options.all_batches(items),
            epochs: options.epochs,
            epoch,
            next: batch * options.batch_size,
            sequence: Vec::new(),
        }
    }

    /// The next batch, in the memory of `spare`; [`None`] after the last epoch.
    pub(super) fn gather(&mut self, mut spare: Batch) -> Option<Result<Batch>> {
        if self.epoch >= self.epochs {
            return None;
        }
        if self.next == 0 || self.sequence.is_empty() {
            self.from.sampler.epoch_into(self.epoch as u64, &mut self.sequence);
        }
        spare.number = self.next / self.batch_size;
        let is_last = spare.number + 1 >= self.all_batches;
        let end = if is_last { self.sequence.len() } else { self.next + self.batch_size };
        let items = &self.sequence[self.next..end];
        if let Err(error) = spare.gathered.gather(&self.from.columns, items) {
            return Some(Err(error));
        }
        if let Some(augmenter) = &mut self.from.augmenter {
            augmenter.apply(self.epoch, self.next, &mut spare.gathered);
        }
        self.next = end;
        if spare.number + 1 >= self.batches {
            self.next = 0;
            self.epoch += 1;
        }
        Some(Ok(spare))
    }
}

/// Where batches come from.
pub(super) enum Feed {
    Now(Box<Gatherer>, Batch),
    Ahead(Receiver<Result<Batch>>, Sender<Batch>),
}

impl Feed {
    /// A feed of the columns' items, epoch after epoch in the order of the sampler; large batches, and
    /// those of sources that are not in memory, are gathered by a thread of `scope`.
    pub(super) fn new<'scope>(
        scope: &'scope Scope<'scope, '_>,
        from: Items,
        options: &FitOptions<'_>,
    ) -> Self {
        let numbers: usize = from.columns.iter().map(|(_, column)| column.item_size()).sum();
        let numbers = numbers.saturating_mul(options.batch_size.min(from.sampler.items()));
        let in_memory = from.columns.iter().all(|(_, column)| column.tensor().is_some());
        let mut gatherer = Gatherer::new(from, options);
        if in_memory && numbers < WORTH_A_THREAD {
            return Self::Now(Box::new(gatherer), Batch::default());
        }
        let ahead = if in_memory { 1 } else { READ_AHEAD };
        let (send, batches) = bounded(ahead);
        let (give_back, spares) = bounded::<Batch>(ahead + 1);
        scope.spawn(move || {
            // Ends after the last epoch, or when the feed is dropped.
            while let Some(batch) = gatherer.gather(spares.try_recv().unwrap_or_default()) {
                if send.send(batch).is_err() {
                    break;
                }
            }
        });
        Self::Ahead(batches, give_back)
    }

    /// The next batch; [`None`] after the last epoch.
    pub(super) fn next(&mut self) -> Option<Result<Batch>> {
        match self {
            Self::Now(gatherer, spare) => gatherer.gather(std::mem::take(spare)),
            Self::Ahead(batches, _) => batches.recv().ok(),
        }
    }

    /// Takes a batch back, to use its memory again.
    pub(super) fn give_back(&mut self, batch: Batch) {
        match self {
            Self::Now(_, spare) => *spare = batch,
            Self::Ahead(_, give_back) => {
                // With two spares on their way already, this one is not needed.
                let _ = give_back.try_send(batch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Order};
    use crate::tensor::Tensor;

    fn fed(values: Tensor, options: &FitOptions<'_>) -> Items {
        let column = Column::new("x", values);
        let data = Dataset::new("d", vec![column.clone()], Vec::new()).unwrap();
        let sampler = Sampler::new(&data, &options.order, options.batch_size, options.seed);
        Items { columns: vec![(0, column)], sampler: sampler.unwrap(), augmenter: None }
    }

    fn batches(width: usize, options: &FitOptions<'_>) -> Vec<(usize, usize, Vec<f32>)> {
        let values: Vec<f32> = (0..7 * width).map(|number| (number / width) as f32).collect();
        let values = Tensor::from_shape_vec(vec![7, width], values).unwrap();
        let from = fed(values, options);
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            let mut feed = Feed::new(scope, from, options);
            while let Some(batch) = feed.next() {
                let batch = batch.unwrap();
                let items = batch.gathered.items();
                let (_, numbers) = batch.gathered.by_node().next().unwrap();
                assert_eq!(numbers.len(), items * width);
                let firsts = numbers.chunks(width).map(|item| item[0]).collect();
                all.push((batch.number, items, firsts));
                feed.give_back(batch);
            }
        });
        all
    }

    #[test]
    fn batches_come_in_the_epochs_order_with_or_without_a_thread() {
        let options = FitOptions::default().epochs(2).batch_size(3).order(Order::Shuffled).seed(4);
        let here = batches(1, &options);
        let ahead = batches(WORTH_A_THREAD, &options);
        assert_eq!(here, ahead);
        let sizes: Vec<(usize, usize)> = here.iter().map(|&(n, items, _)| (n, items)).collect();
        assert_eq!(sizes, [(0, 3), (1, 3), (2, 1), (0, 3), (1, 3), (2, 1)]);
        for epoch in here.chunks(3) {
            let mut items: Vec<f32> = epoch.iter().flat_map(|batch| batch.2.clone()).collect();
            items.sort_by(f32::total_cmp);
            assert_eq!(items, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
        assert_ne!(here[0], here[3], "each epoch has its own order");
    }

    #[test]
    fn a_feed_can_start_within_any_epoch() {
        let options = FitOptions::default().epochs(2).batch_size(3).seed(4);
        let all = batches(1, &options);
        for width in [1, WORTH_A_THREAD] {
            for start in 0..7 {
                let rest = batches(width, &options.clone().start(start as u64));
                assert_eq!(rest, all[start.min(all.len())..], "from {start}");
            }
        }
    }

    #[test]
    fn epochs_can_be_cut_short() {
        let options = FitOptions::default().epochs(2).batch_size(3).seed(4);
        let all = batches(1, &options);
        for (most, taken) in [(0, 1), (1, 1), (2, 2), (3, 3), (9, 3)] {
            let short = options.clone().max_batches(most);
            assert_eq!((short.batches(7), short.steps(7)), (taken, 2 * taken as u64));
            let expected: Vec<_> = all.chunks(3).flat_map(|epoch| &epoch[..taken]).collect();
            for width in [1, WORTH_A_THREAD] {
                for start in 0..2 * taken {
                    let resumed = short.clone().start(start as u64);
                    let found = batches(width, &resumed);
                    assert_eq!(found.iter().collect::<Vec<_>>(), expected[start..], "{most}");
                }
            }
        }
    }

    #[test]
    fn a_small_last_batch_joins_the_one_before() {
        let base = FitOptions { epochs: 2, batch_size: 3, seed: 4, ..FitOptions::default() };
        let all = batches(1, &base);
        for (smallest, sizes) in [(1, &[3, 3, 1][..]), (2, &[3, 4])] {
            let options = FitOptions { smallest_batch: smallest, ..base.clone() };
            assert_eq!(options.batches(7), sizes.len());
            for width in [1, WORTH_A_THREAD] {
                let found = batches(width, &options);
                let taken: Vec<usize> = found.iter().map(|batch| batch.1).collect();
                assert_eq!(taken, [sizes, sizes].concat());
                let items = |of: &[(usize, usize, Vec<f32>)]| -> Vec<f32> {
                    of.iter().flat_map(|batch| batch.2.clone()).collect()
                };
                assert_eq!(items(&found), items(&all), "all items, in the same order");
                let start = FitOptions { start: sizes.len() as u64 + 1, ..options.clone() };
                assert_eq!(batches(width, &start), found[sizes.len() + 1..]);
            }
        }
        let alone = FitOptions { smallest_batch: 5, batch_size: 9, ..base.clone() };
        assert_eq!((alone.batches(4), alone.batches(18), alone.batches(19)), (1, 2, 2));
    }

    #[test]
    fn a_feed_can_be_dropped_early() {
        let options = FitOptions::default().epochs(100).batch_size(1);
        let values = Tensor::from_elem(vec![3, WORTH_A_THREAD], 1.0);
        let from = fed(values, &options);
        std::thread::scope(|scope| {
            let mut feed = Feed::new(scope, from, &options);
            assert!(feed.next().is_some());
        });
    }
}
