//! The machine's cores: which of them share caches, and threads that are pinned to them.
//!
//! Linux says so in files below `/sys` and `/proc`, which [`Topology::here`] reads; elsewhere only the number of
//! cores is known. A core is what the system gives threads to: where a physical core runs two threads at once (SMT),
//! both count, and are each other's siblings.

mod numbers;
mod pinning;
mod quota;
mod read;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

pub use numbers::ranges;
pub use pinning::{CAN_PIN, PINNINGS, Pinning, PinningSpec};
pub(crate) use pinning::{Place, groups_of, lost, places};
pub use quota::quota;

/// The most cores that are read: as many as a pool has workers at most. Those with higher numbers are left out.
pub const MOST_CORES: usize = 4096;

/// The cores of a machine that are online, and what they share.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Topology {
    /// By number.
    pub cores: Vec<Core>,
    /// Cores that share a last-level cache, by their first core. Every core is in one group.
    pub groups: Vec<CacheGroup>,
    /// All caches, each once, by level, kind and first core.
    pub caches: Vec<Cache>,
}

/// One core, as the system counts them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Core {
    /// Its number.
    pub number: usize,
    /// The number of its package (socket), if known.
    pub package: Option<usize>,
    /// The number of its NUMA node, whose memory is nearest, if known.
    pub node: Option<usize>,
    /// The cores of its physical core, itself among them.
    pub siblings: Vec<usize>,
    /// How fast it is beside the others of this machine: its capacity, or its highest clock rate in kHz.
    pub speed: Option<u64>,
    /// Whether the calling thread may use it.
    pub allowed: bool,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u8,
    /// What it holds.
    pub kind: CacheKind,
    /// The cores that share it.
    pub cores: Vec<usize>,
    /// Its size, if known.
    pub bytes: Option<u64>,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CacheKind {
    /// Data alone.
    Data,
    /// Instructions alone.
    Instruction,
    /// Both.
    Unified,
}

/// Cores that share a last-level cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheGroup {
    /// The cache's level, if one is known. Without one, the group is that of the package.
    pub level: Option<u8>,
    /// The cache's size, if known.
    pub bytes: Option<u64>,
    /// The cores, by number.
    pub cores: Vec<usize>,
}

impl Topology {
    /// This machine's. Where the system does not tell, as many cores as [`std::thread::available_parallelism`] says,
    /// of which nothing else is known.
    ///
    /// ```
    /// let topology = caudal::topology::Topology::here();
    /// assert!(topology.allowed().count() >= 1);
    /// assert_eq!(topology.groups.iter().map(|group| group.cores.len()).sum::<usize>(), topology.cores.len());
    /// ```
    pub fn here() -> Self {
        let topology = Self::below(Path::new("/"));
        if topology.allowed().next().is_some() {
            return topology;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let core =
            |number| Core { number, siblings: vec![number], allowed: true, ..Core::default() };
        Self::new((0..cores).map(core).collect(), Vec::new())
    }

    /// What files below `root` say that are laid out as `/sys` and `/proc` of Linux. What can't be read or makes no
    /// sense is left out; without any cores, there are none.
    pub fn below(root: &Path) -> Self {
        let (cores, caches) = read::cores(root);
        Self::new(cores, caches)
    }

    fn new(cores: Vec<Core>, mut caches: Vec<Cache>) -> Self {
        caches.sort();
        caches.dedup();
        let groups = groups(&cores, &caches);
        Self { cores, groups, caches }
    }

    /// The cores that the calling thread may use.
    pub fn allowed(&self) -> impl Iterator<Item = &Core> {
        self.cores.iter().filter(|core| core.allowed)
    }

    /// Which of the groups a core is in.
    pub fn group_of(&self, core: usize) -> Option<usize> {
        self.groups.iter().position(|group| group.cores.contains(&core))
    }

    /// The cores that the calling thread may use, in the order in which workers are pinned to them: one cache group
    /// after another, beginning with the one of the fastest and most cores, then those of its package; within a group
    /// the faster ones first. The second core of a physical core, which brings no arithmetic of its own, comes after
    /// the first ones of all groups.
    pub fn pinning_order(&self) -> Vec<usize> {
        let mut seen: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let group_of = self.group_by_core();
        // How many siblings with lower numbers may be used too; by group, the fastest core and the number of
        // physical ones.
        let mut rank = BTreeMap::new();
        let mut sizes = vec![(0, 0); self.groups.len()];
        for core in self.allowed() {
            let group = group_of.get(&core.number).copied().unwrap_or_default();
            let first = core.siblings.first().copied().unwrap_or(core.number);
            let before = seen.entry((group, first)).or_default();
            rank.insert(core.number, *before);
            if let Some((fastest, physical)) = sizes.get_mut(group) {
                *fastest = core.speed.unwrap_or_default().max(*fastest);
                *physical += usize::from(*before == 0);
            }
            *before += 1;
        }
        let place = |core: &Core| (core.package, core.node);
        let home = |group: usize| {
            let first = self.groups[group].cores.first();
            first.and_then(|first| self.cores.iter().find(|core| core.number == *first)).map(place)
        };
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&group| Reverse(sizes[group]));
        if let Some(first) = order.first().and_then(|&group| home(group)) {
            order.sort_by_key(|&group| {
                home(group).map_or(2, |(package, node)| {
                    usize::from(package != first.0) + usize::from((package, node) != first)
                })
            });
        }
        let turn: BTreeMap<usize, usize> =
            order.into_iter().enumerate().map(|(turn, group)| (group, turn)).collect();
        let mut cores: Vec<&Core> = self.allowed().collect();
        cores.sort_by_key(|core| {
            let turn = group_of.get(&core.number).and_then(|group| turn.get(group));
            (rank[&core.number], turn, Reverse(core.speed), core.number)
        });
        cores.into_iter().map(|core| core.number).collect()
    }

    fn group_by_core(&self) -> BTreeMap<usize, usize> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(|(group, it)| it.cores.iter().map(move |&core| (core, group))).collect()
    }
}

/// Cores by the largest level of a cache that holds data; by package where none is known.
fn groups(cores: &[Core], caches: &[Cache]) -> Vec<CacheGroup> {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    // Higher levels come later.
    for (number, cache) in caches.iter().enumerate() {
        if cache.kind != CacheKind::Instruction {
            last.extend(cache.cores.iter().map(|&core| (core, number)));
        }
    }
    let mut groups: BTreeMap<(Option<usize>, Option<usize>), CacheGroup> = BTreeMap::new();
    for core in cores {
        let cache = last.get(&core.number).copied();
        let package = if cache.is_none() { core.package } else { None };
        let known = cache.map(|number| &caches[number]);
        let group = groups.entry((cache, package)).or_insert_with(|| CacheGroup {
            level: known.map(|cache| cache.level),
            bytes: known.and_then(|cache| cache.bytes),
            cores: Vec::new(),
        });
        group.cores.push(core.number);
    }
    let mut groups: Vec<CacheGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| group.cores.first().copied());
    groups
}
