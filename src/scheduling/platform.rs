//! Machines as scheduling sees them: workers with speeds, and links between them.

use super::MOST_WORKERS;
use super::builder::is_amount;
use crate::error::{Error, Result, short};

/// What a message meets between two workers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// Seconds that any message takes.
    pub latency: f64,
    /// Bytes that pass in a second; may be infinite.
    pub bandwidth: f64,
}

impl Link {
    /// Messages take no time.
    pub const FREE: Self = Self { latency: 0.0, bandwidth: f64::INFINITY };

    /// A link of so many seconds, and so many bytes a second.
    pub fn new(latency: f64, bandwidth: f64) -> Self {
        Self { latency, bandwidth }
    }

    fn is_usable(&self) -> bool {
        is_amount(self.latency) && self.bandwidth > 0.0
    }
}

/// Workers, and what a message from one to another takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    names: Vec<String>,
    speeds: Vec<f64>,
    links: Links,
    /// The mean latency over all pairs of workers, and the mean of one over the bandwidth.
    mean: (f64, f64),
}

#[derive(Clone, Debug, PartialEq)]
enum Links {
    /// The same between any two.
    Clique(Link),
    /// By the sender, then by the receiver.
    Own(Vec<Link>),
}

impl Platform {
    /// `workers` workers of speed 1 between which messages take no time.
    ///
    /// # Errors
    /// If there is no worker, or more than [`MOST_WORKERS`].
    pub fn equal(workers: usize) -> Result<Self> {
        // What is too many is refused before there is room for it.
        check_count(workers)?;
        Self::with_speeds(vec![1.0; workers])
    }

    /// Workers that are so many times as fast as one of speed 1; messages take no time.
    ///
    /// # Errors
    /// If there is no worker, more than [`MOST_WORKERS`], or one whose speed is not above 0.
    pub fn with_speeds(speeds: Vec<f64>) -> Result<Self> {
        let count = speeds.len();
        check_count(count)?;
        if let Some(worker) = speeds.iter().position(|speed| !(speed.is_finite() && *speed > 0.0)) {
            return Err(refuse(
                format!("worker {worker} has speed {}", short(speeds[worker])),
                "give every worker a finite speed above 0",
            ));
        }
        let names = (0..count).map(|worker| format!("worker {worker}")).collect();
        Ok(Self { names, speeds, links: Links::Clique(Link::FREE), mean: (0.0, 0.0) })
    }

    /// Calls the workers so.
    ///
    /// # Errors
    /// If there are not as many names as workers.
    pub fn names(mut self, names: Vec<String>) -> Result<Self> {
        if names.len() != self.workers() {
            let problem = format!("{} workers have {} names", self.workers(), names.len());
            return Err(refuse(problem, "give every worker a name, or none"));
        }
        self.names = names;
        Ok(self)
    }

    /// The same link between any two workers.
    ///
    /// # Errors
    /// If the latency is no number of seconds, or the bandwidth is not above 0.
    pub fn clique(self, link: Link) -> Result<Self> {
        self.linked(Links::Clique(link))
    }

    /// A hub in the middle, with a link to each worker: a message takes the latencies of two links, and the lower
    /// bandwidth.
    ///
    /// # Errors
    /// As [`clique`](Self::clique), and if there are not as many links as workers.
    pub fn star(self, links: &[Link]) -> Result<Self> {
        let count = self.workers();
        if links.len() != count {
            let problem = format!("{count} workers have {} links to the hub", links.len());
            return Err(refuse(problem, "give every worker a link"));
        }
        self.between(|from, to| {
            let (from, to) = (links[from], links[to]);
            Link::new(from.latency + to.latency, from.bandwidth.min(to.bandwidth))
        })
    }

    /// Groups of workers, given by the group of each: one link within a group, another between groups.
    ///
    /// # Errors
    /// As [`clique`](Self::clique), and if there are not as many numbers of groups as workers.
    pub fn groups(self, group_of: &[usize], within: Link, between: Link) -> Result<Self> {
        let count = self.workers();
        if group_of.len() != count {
            let problem = format!("{} of {count} workers are in a group", group_of.len());
            return Err(refuse(problem, "put every worker in one group"));
        }
        self.between(|from, to| if group_of[from] == group_of[to] { within } else { between })
    }

    /// Links of one's own, by the sender and the receiver; those of a worker to itself do not count.
    ///
    /// # Errors
    /// As [`clique`](Self::clique).
    pub fn between(self, link: impl Fn(usize, usize) -> Link) -> Result<Self> {
        let count = self.workers();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let links = pairs.map(|(from, to)| if from == to { Link::FREE } else { link(from, to) });
        let links = links.collect();
        self.linked(Links::Own(links))
    }

    fn linked(mut self, links: Links) -> Result<Self> {
        self.links = links;
        let count = self.workers();
        let (mut latency, mut inverse) = (0.0, 0.0);
        for from in 0..count {
            for to in (0..count).filter(|&to| to != from) {
                let link = self.link(from, to);
                if !link.is_usable() {
                    let problem = format!(
                        "the link from worker {from} to worker {to} has a latency of {} seconds and a \
                         bandwidth of {} bytes a second",
                        link.latency, link.bandwidth
                    );
                    return Err(refuse(problem, "give it 0 or more seconds, and bytes above 0"));
                }
                latency += link.latency;
                inverse += 1.0 / link.bandwidth;
            }
        }
        let pairs = (count * count.saturating_sub(1)).max(1) as f64;
        self.mean = match &self.links {
            Links::Clique(link) if count > 1 => (link.latency, 1.0 / link.bandwidth),
            _ => (latency / pairs, inverse / pairs),
        };
        Ok(self)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.speeds.len()
    }

    /// By worker: how many times as fast as one of speed 1.
    pub fn speeds(&self) -> &[f64] {
        &self.speeds
    }

    /// What a worker is called.
    pub fn name(&self, worker: usize) -> &str {
        &self.names[worker]
    }

    /// The link from one worker to another; within one, messages take no time.
    pub fn link(&self, from: usize, to: usize) -> Link {
        if from == to {
            return Link::FREE;
        }
        match &self.links {
            Links::Clique(link) => *link,
            Links::Own(links) => links[from * self.workers() + to],
        }
    }

    /// Over all pairs of two workers: the mean latency in seconds, and the mean seconds of a byte.
    pub(super) fn mean_link(&self) -> (f64, f64) {
        self.mean
    }

    /// The lowest latency between two workers, and the least seconds of a byte.
    pub(super) fn best_link(&self) -> (f64, f64) {
        self.of_links((f64::INFINITY, f64::INFINITY), f64::min)
    }

    /// The highest latency between two workers, and the most seconds of a byte.
    pub(super) fn worst_link(&self) -> (f64, f64) {
        self.of_links((0.0, 0.0), f64::max)
    }

    fn of_links(&self, first: (f64, f64), choose: fn(f64, f64) -> f64) -> (f64, f64) {
        let count = self.workers();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let links = pairs.filter(|(from, to)| from != to).map(|(from, to)| self.link(from, to));
        let of = links.fold(first, |(latency, seconds), link| {
            (choose(latency, link.latency), choose(seconds, 1.0 / link.bandwidth))
        });
        if count == 1 { (0.0, 0.0) } else { of }
    }

    /// The same with the first `workers` workers alone.
    ///
    /// # Errors
    /// If there are fewer, or if none is left.
    pub fn first(&self, workers: usize) -> Result<Self> {
        let count = self.workers();
        if workers == 0 || workers > count {
            let problem = format!("{workers} of its {count} workers were asked for");
            return Err(refuse(problem, format!("ask for 1 to {count}")));
        }
        let part = Self::with_speeds(self.speeds[..workers].to_vec())?;
        let part = part.names(self.names[..workers].to_vec())?;
        match &self.links {
            Links::Clique(link) => part.clique(*link),
            Links::Own(_) => part.between(|from, to| self.link(from, to)),
        }
    }
}

/// Refuses a number of workers that no platform has.
fn check_count(workers: usize) -> Result<()> {
    if (1..=MOST_WORKERS).contains(&workers) {
        return Ok(());
    }
    Err(refuse(format!("it has {workers} workers"), format!("give it 1 to {MOST_WORKERS}")))
}

pub(super) fn refuse(problem: impl Into<String>, remedy: impl Into<String>) -> Error {
    crate::data::refuse("the platform", problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_each_topology() {
        let three = || Platform::equal(3).unwrap();
        let slow = Link::new(2.0, 10.0);
        let clique = three().clique(slow).unwrap();
        assert_eq!((clique.link(0, 1), clique.link(2, 2)), (slow, Link::FREE));
        assert_eq!(clique.mean_link(), (2.0, 0.1));
        let star = three().star(&[slow, Link::new(1.0, 4.0), Link::FREE]).unwrap();
        assert_eq!(star.link(0, 1), Link::new(3.0, 4.0));
        assert_eq!(star.link(2, 0), slow);
        let groups = three().groups(&[0, 0, 1], Link::FREE, slow).unwrap();
        assert_eq!((groups.link(0, 1), groups.link(1, 2)), (Link::FREE, slow));
        assert_eq!(groups.mean_link().0, 4.0 * 2.0 / 6.0);
        assert_eq!(groups.best_link(), (0.0, 0.0));
        let two = groups.first(2).unwrap();
        assert_eq!((two.workers(), two.mean_link()), (2, (0.0, 0.0)));
        let own = three().between(|from, to| Link::new((10 * from + to) as f64, 1.0)).unwrap();
        assert_eq!((own.link(2, 1).latency, own.link(1, 1)), (21.0, Link::FREE));
        assert_eq!(own.best_link(), (1.0, 1.0));
    }

    #[test]
    fn what_is_no_machine_is_refused() {
        let one = || Platform::equal(2).unwrap();
        let refused = [
            Platform::equal(0),
            Platform::equal(usize::MAX),
            Platform::with_speeds(vec![1.0, 0.0]),
            Platform::with_speeds(vec![f64::NAN]),
            one().clique(Link::new(-1.0, 1.0)),
            one().clique(Link::new(0.0, 0.0)),
            one().clique(Link::new(0.0, f64::NAN)),
            one().star(&[Link::FREE]),
            one().groups(&[0], Link::FREE, Link::FREE),
            one().names(vec!["only".to_owned()]),
            one().first(3),
        ];
        for (number, platform) in refused.into_iter().enumerate() {
            let error = platform.expect_err(&number.to_string()).to_string();
            assert!(error.starts_with("the platform: "), "{error}");
        }
    }
}
