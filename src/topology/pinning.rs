//! Threads that stay on cores of their own.

use serde::Serialize;

use super::Topology;
use crate::error::{Error, Result};

/// Whether this build can pin threads: on Linux, with the feature `pinning`.
pub const CAN_PIN: bool = cfg!(all(target_os = "linux", feature = "pinning"));

/// Where the workers of a pool may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pinning {
    /// Where the system puts them.
    #[default]
    None,
    /// Each on a core of its own.
    Cores,
    /// Each on the cores of one cache group, among which the system may move it.
    Groups,
}

/// One row of the [`PINNINGS`] table.
#[derive(Debug)]
pub struct PinningSpec {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    pub(crate) pinning: Pinning,
}

/// Every way to pin workers.
pub const PINNINGS: &[PinningSpec] = &[
    PinningSpec {
        name: "none",
        summary: "the system puts workers where it likes",
        pinning: Pinning::None,
    },
    PinningSpec {
        name: "cores",
        summary: "each worker stays on one core; cores that share a cache are taken first",
        pinning: Pinning::Cores,
    },
    PinningSpec {
        name: "groups",
        summary: "each worker stays on the cores that share one last-level cache",
        pinning: Pinning::Groups,
    },
];

impl Pinning {
    /// The one called `name`.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn named(name: &str) -> Result<Self> {
        let spec = PINNINGS.iter().find(|spec| spec.name == name);
        let names = || PINNINGS.iter().map(|spec| spec.name);
        spec.map(|spec| spec.pinning).ok_or_else(|| Error::unknown("pinning", name, names()))
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        PINNINGS.iter().find(|spec| spec.pinning == self).map_or("none", |spec| spec.name)
    }

    /// The cores of each of `workers` workers, in [the order of pinning](Topology::pinning_order); more workers than
    /// cores share them in turn. None if workers are not pinned.
    pub fn cores(self, topology: &Topology, workers: usize) -> Option<Vec<Vec<usize>>> {
        if self == Self::None {
            return None;
        }
        let order = topology.pinning_order();
        let allowed = |core: &usize| order.contains(core);
        let whole = |core: usize| {
            let group = topology.group_of(core).map(|group| &topology.groups[group].cores);
            group.map_or(vec![core], |cores| cores.iter().copied().filter(allowed).collect())
        };
        let place = |&core: &usize| if self == Self::Cores { vec![core] } else { whole(core) };
        Some(
            order
                .iter()
                .cycle()
                .take(if order.is_empty() { 0 } else { workers })
                .map(place)
                .collect(),
        )
    }
}

/// The cache group of each of `workers` workers that are pinned; none if they are not, for then nobody knows.
pub(crate) fn groups_of(pinning: Pinning, workers: usize) -> Vec<usize> {
    if pinning == Pinning::None {
        return Vec::new();
    }
    let topology = Topology::here();
    let cores = pinning.cores(&topology, workers).unwrap_or_default();
    cores.iter().filter_map(|cores| topology.group_of(*cores.first()?)).collect()
}

/// A thread of a pool of `workers` workers could not be pinned where it could be before.
pub(crate) fn lost(workers: usize, problem: String) -> Error {
    let remedy =
        "the cores that this process may use have changed; start it again, or leave pinning out";
    Error::Threads { threads: workers, problem, remedy }
}

/// The place of each of `workers` workers; none if workers are not pinned.
///
/// # Errors
/// If threads can't be pinned here.
pub(crate) fn places(pinning: Pinning, workers: usize) -> Result<Option<Vec<Place>>> {
    if pinning == Pinning::None {
        return Ok(None);
    }
    if !CAN_PIN {
        return Err(Error::Threads {
            threads: workers,
            problem: format!("they can't be pinned to {} here", pinning.name()),
            remedy: "leave pinning out: it needs Linux, and a build with the feature `pinning`",
        });
    }
    let cores = pinning.cores(&Topology::here(), workers);
    Ok(cores.map(|cores| cores.into_iter().map(Place).collect()))
}

/// Cores on which a thread may run.
#[derive(Clone, Debug)]
pub(crate) struct Place(Vec<usize>);

impl Place {
    /// One core.
    pub(crate) fn core(core: usize) -> Self {
        Self(vec![core])
    }

    /// Keeps the calling thread on these cores from now on.
    ///
    /// # Errors
    /// What the system says, with the cores.
    pub(crate) fn pin(&self) -> Result<(), String> {
        system::set(&self.0)
            .map_err(|problem| format!("cores {}: {problem}", super::ranges(&self.0)))
    }

    /// Keeps the calling thread on these cores until what is returned is dropped.
    ///
    /// # Errors
    /// As [`Place::pin`].
    pub(crate) fn hold(&self) -> Result<Held, String> {
        let before = system::get()?;
        self.pin()?;
        Ok(Held(before))
    }
}

/// Where a thread was allowed to run before, and will be again.
pub(crate) struct Held(system::Cores);

impl Drop for Held {
    fn drop(&mut self) {
        system::restore(&self.0);
    }
}

/// What the system offers.
#[cfg(all(target_os = "linux", feature = "pinning"))]
mod system {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    pub(super) type Cores = CpuSet;

    /// The calling thread.
    const THIS: Pid = Pid::from_raw(0);

    pub(super) fn get() -> Result<Cores, String> {
        sched_getaffinity(THIS).map_err(|error| error.to_string())
    }

    pub(super) fn set(cores: &[usize]) -> Result<(), String> {
        let mut set = CpuSet::new();
        let added = cores.iter().try_for_each(|&core| set.set(core));
        added.and_then(|()| sched_setaffinity(THIS, &set)).map_err(|error| error.to_string())
    }

    pub(super) fn restore(cores: &Cores) {
        // A core that is gone by now leaves the thread where it is.
        let _ = sched_setaffinity(THIS, cores);
    }
}

/// Nothing.
#[cfg(not(all(target_os = "linux", feature = "pinning")))]
mod system {
    pub(super) type Cores = ();

    pub(super) fn get() -> Result<Cores, String> {
        Err("threads can't be pinned here".to_owned())
    }

    pub(super) fn set(_: &[usize]) -> Result<(), String> {
        get()
    }

    pub(super) fn restore((): &Cores) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cores that the calling thread may use, as the system's files say.
    #[cfg(all(target_os = "linux", feature = "pinning"))]
    fn allowed() -> Vec<usize> {
        Topology::here().allowed().map(|core| core.number).collect()
    }

    #[test]
    #[cfg(all(target_os = "linux", feature = "pinning"))]
    fn a_thread_is_held_on_its_cores_and_let_go() {
        let before = allowed();
        for &core in &before {
            let held = Place(vec![core]).hold().unwrap();
            assert_eq!(allowed(), [core]);
            drop(held);
            assert_eq!(allowed(), before);
        }
        // In a thread of its own, since it stays.
        let last = *before.last().unwrap();
        let pinned = std::thread::spawn(move || {
            Place(vec![last]).pin().unwrap();
            allowed()
        });
        assert_eq!(pinned.join().unwrap(), [last]);
    }

    #[test]
    fn cores_that_are_not_there_are_refused() {
        for core in [1000, 1_000_000] {
            let problem = Place(vec![core]).hold().map(|_| ()).unwrap_err();
            assert!(!problem.is_empty());
        }
        assert!(Place(Vec::new()).pin().is_err());
    }

    #[test]
    fn names_lead_to_pinnings_and_back() {
        for spec in PINNINGS {
            let pinning = Pinning::named(spec.name).unwrap();
            assert_eq!((pinning, pinning.name()), (spec.pinning, spec.name));
            let places = places(pinning, 5);
            match places {
                Ok(None) => assert_eq!(pinning, Pinning::None),
                Ok(Some(places)) => assert_eq!((places.len(), CAN_PIN), (5, true)),
                Err(error) => {
                    assert!(!CAN_PIN && error.to_string().contains("feature `pinning`"), "{error}");
                }
            }
        }
        let message = Pinning::named("core").unwrap_err().to_string();
        assert!(message.contains("did you mean `cores`?"), "{message}");
    }
}
