//! Networks that are measured several times, apart in time.

use std::time::{Duration, Instant};

use super::Measurement;
use crate::error::Result;
use crate::measure::Probe;
use crate::model::Model;
use crate::setters::setters;
use crate::topology::Pinning;

/// How many times as long as undisturbed sittings take all may take at most.
const PATIENCE: u32 = 4;

/// A network that is to be measured, and on what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subject<'a> {
    /// The network.
    pub model: &'a Model,
    /// Policies of the one worker.
    pub policies: &'a [&'a str],
    /// Other numbers of workers, and their policies.
    pub others: Vec<(usize, &'a str)>,
    /// How long a sitting takes, about.
    pub limit: Duration,
    /// Where workers run.
    pub pinning: Pinning,
}

impl<'a> Subject<'a> {
    /// A network on one worker and on two by each of some policies.
    pub fn on_two_workers(model: &'a Model, policies: &'a [&'a str], limit: Duration) -> Self {
        let others = policies.iter().map(|policy| (2, *policy)).collect();
        Self { model, policies, others, limit, pinning: Pinning::None }
    }

    setters! {
        others: Vec<(usize, &'a str)>,
        pinning: Pinning,
    }
}

/// How often networks are measured, decided before anything is known of the results.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sittings {
    /// Sittings of every network. All networks are measured once before any is measured again.
    pub every: usize,
    /// Further sittings of networks of which no sitting was quiet.
    pub more: usize,
}

impl Sittings {
    setters! {
        more: usize,
    }

    /// `every` sittings of each network, and no further ones.
    pub fn new(every: usize) -> Self {
        Self { every, more: 0 }
    }

    /// Measures networks, and gives the calmest sitting of each: that in which steps, each executor's
    /// divided by its shortest in any sitting, add up to the least. `progress` is told of each sitting,
    /// counted from 1, and network.
    ///
    /// After [`Sittings::longest`], nothing is waited for any more, no further sitting begins, and those that are still owed have a
    /// single round.
    ///
    /// # Errors
    /// If a policy does not exist, or a node fails.
    pub fn measure(
        self,
        subjects: &[Subject<'_>],
        mut progress: impl FnMut(usize, &str),
    ) -> Result<Vec<Measurement>> {
        let workers = subjects.iter().flat_map(|it| &it.others).map(|(workers, _)| *workers).max();
        let pinning = subjects.first().map_or(Pinning::None, |subject| subject.pinning);
        let until = Instant::now() + self.longest(subjects.iter().map(|it| it.limit).sum());
        let mut probe = Probe::new(workers.unwrap_or(1), pinning).until(Some(until));
        let measured = self.of_each(subjects.len(), until, are_quiet, |sitting, number| {
            progress(sitting, subjects[number].model.graph.name());
            Measurement::with_probe(&subjects[number], &mut probe)
        })?;
        let shortest = Measurement::shortest_handover(measured.iter().flatten());
        Ok(measured.into_iter().filter_map(|sittings| calmest(sittings, shortest)).collect())
    }

    /// How long [`Sittings::measure`] takes at most, but for the sitting under way then, where the limits of all networks
    /// add up to `limit`: four times as long as where nothing disturbs.
    pub fn longest(self, limit: Duration) -> Duration {
        PATIENCE * u32::try_from(self.every).unwrap_or(u32::MAX) * limit
    }

    /// Calls `measure` with a sitting, from 1, and a number below `count`: with all numbers as often as
    /// all are to be measured, then, until then, with those of which nothing was quiet.
    fn of_each<T>(
        self,
        count: usize,
        until: Instant,
        are_quiet: impl Fn(&[Vec<T>]) -> Vec<bool>,
        mut measure: impl FnMut(usize, usize) -> Result<T>,
    ) -> Result<Vec<Vec<T>>> {
        let mut measured: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
        for sitting in 1..=self.every + self.more {
            let quiet = are_quiet(&measured);
            for (number, quiet) in quiet.into_iter().enumerate() {
                if sitting <= self.every || (!quiet && Instant::now() < until) {
                    measured[number].push(measure(sitting, number)?);
                }
            }
        }
        Ok(measured)
    }
}

/// Of which networks some sitting was quiet.
fn are_quiet(measured: &[Vec<Measurement>]) -> Vec<bool> {
    let shortest = Measurement::shortest_handover(measured.iter().flatten());
    measured.iter().map(|sittings| sittings.iter().any(|it| it.is_quiet(shortest))).collect()
}

/// Of sittings with the same executors, the one that was disturbed least: what disturbs makes steps
/// longer, never shorter.
///
/// Every executor of a sitting, those of one worker among them, is compared with the shortest steps that it
/// had in any sitting; the sitting with the least sum of these ratios counts, as a whole, and is told
/// what steps took in the others. Sittings that are not quiet play no part if one is.
fn calmest(mut sittings: Vec<Measurement>, shortest: f64) -> Option<Measurement> {
    if sittings.iter().any(|it| it.is_quiet(shortest)) {
        sittings.retain(|it| it.is_quiet(shortest));
    }
    let times: Vec<Vec<f64>> = sittings.iter().map(Measurement::times).collect();
    let mut calmest = sittings.swap_remove(least_disturbed(&times)?);
    let alone = calmest.alone.len();
    for (number, other) in calmest.others.iter_mut().enumerate() {
        // Those of one worker come first.
        other.sittings = times.iter().map(|times| times[alone + number]).collect();
    }
    Some(calmest)
}

/// Which of these rows has the least sum of ratios to the least of each column.
fn least_disturbed(times: &[Vec<f64>]) -> Option<usize> {
    let columns = times.first()?.len();
    let least = |column: usize| times.iter().map(|row| row[column]).fold(f64::INFINITY, f64::min);
    let least: Vec<f64> = (0..columns).map(least).collect();
    let sum =
        |row: &[f64]| -> f64 { row.iter().zip(&least).map(|(time, least)| time / least).sum() };
    let sums = times.iter().map(|row| sum(row)).enumerate();
    sums.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calmest_sitting_is_chosen_as_a_whole() {
        // The second has the shortest steps of one executor, the third is nowhere far from the least.
        let times = [vec![1.3, 0.9, 0.9], vec![1.0, 0.5, 0.9], vec![1.01, 0.52, 0.5]];
        assert_eq!(least_disturbed(&times), Some(2));
        assert_eq!(least_disturbed(&times[..2]), Some(1));
        assert_eq!(least_disturbed(&[]), None);
    }

    #[test]
    fn all_are_measured_as_often_and_the_disturbed_again_for_a_while() {
        let sittings = Sittings { every: 2, more: 3 };
        let mut order = Vec::new();
        // Number 1 is quiet in its fourth sitting, number 2 never.
        let is_quiet =
            |&(sitting, number): &(usize, usize)| number == 0 || (number, sitting) == (1, 4);
        let quiet = |all: &[Vec<_>]| all.iter().map(|it| it.iter().any(is_quiet)).collect();
        let mut measured = |until| {
            order.clear();
            let measured = sittings.of_each(3, until, quiet, |sitting, number| {
                order.push(number);
                Ok((sitting, number))
            });
            (order.clone(), measured.unwrap().iter().map(Vec::len).collect::<Vec<_>>())
        };
        let now = Instant::now();
        let (order, counts) = measured(now + Duration::from_secs(3600));
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 1, 2, 1, 2, 2]);
        assert_eq!(counts, [2, 4, 5]);
        // When the time is over, only what all are owed is measured.
        let (order, counts) = measured(now);
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
        assert_eq!(counts, [2; 3]);
    }

    #[test]
    fn a_network_tells_what_it_took_in_each_sitting() {
        let model = crate::presets::open("article-dag").unwrap().without_metrics().unwrap();
        let sittings = Sittings { every: 2, more: 1 };
        let policies = ["fifo", "lifo"];
        let subject = Subject::on_two_workers(&model, &policies, Duration::ZERO);
        let mut told = Vec::new();
        let measured = sittings.measure(&[subject], |sitting, name| {
            told.push((sitting, name.to_owned()));
        });
        let measured = measured.unwrap();
        assert_eq!(told[..2], [(1, "article-dag".to_owned()), (2, "article-dag".to_owned())]);
        assert_eq!(measured.len(), 1);
        assert_eq!(measured[0].others.len(), 2);
        for other in &measured[0].others {
            assert!((1..=3).contains(&other.sittings.len()), "{other:?}");
            assert!(other.sittings.contains(&other.seconds), "{other:?}");
        }
        let subject = Subject::on_two_workers(&model, &["no-such"], Duration::ZERO);
        assert!(sittings.measure(&[subject], |_, _| ()).is_err());
    }
}
