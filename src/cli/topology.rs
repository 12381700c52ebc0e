//! `caudal topology`: the cores of this machine.

use std::collections::BTreeMap;

use caudal::measure::Handover;
use caudal::topology::{CAN_PIN, CacheGroup, CacheKind, Topology, ranges};
use clap::Args;
use serde_json::json;

use super::Stop;
use super::conditions::provenance;
use super::legends;
use super::output::{columns, line};

/// The most pairs that are measured in a group, and between the groups.
const PAIRS: usize = 12;

/// Shows this machine's cores: which of them share a last-level cache, and what handing a cache line from one to the
/// other takes.
///
/// A handover is measured between threads that are pinned to the cores, of those that this process may use. A host may
/// move virtual cores while the machine runs: what they are said to share, and what they take, then differ.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// One JSON object on one line
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<(), Stop> {
        let topology = Topology::here();
        let within: Vec<Option<Handover>> =
            topology.groups.iter().map(|group| within(&topology, group)).collect();
        let between = Handover::of_pairs(&between(&topology));
        let provenance = provenance();
        if self.json {
            let object = json!({
                "topology": topology,
                "handover_within_groups": within,
                "handover_between_groups": between,
                "pinning_order": topology.pinning_order(),
                "provenance": provenance,
            });
            return line(object.to_string());
        }
        let allowed: Vec<usize> = topology.allowed().map(|core| core.number).collect();
        line(format!(
            "{}: {} cores, of which this process may use {}, {} at once",
            provenance.processor.as_deref().unwrap_or("an unknown processor"),
            topology.cores.len(),
            ranges(&allowed),
            provenance.cores,
        ))?;
        let tables = [groups(&topology, &within), caches(&topology), cores(&topology)];
        for text in tables.iter().flatten() {
            line(text)?;
        }
        line("")?;
        if topology.groups.len() > 1 {
            line(format!("handover between groups: {}", handover(between.as_ref())))?;
        }
        let order: Vec<String> = topology.pinning_order().iter().map(ToString::to_string).collect();
        line(format!("workers are pinned in this order (--pin cores): {}", order.join(" ")))?;
        if !CAN_PIN {
            line(
                "but they can't be pinned here, and handovers are of threads that were not pinned",
            )?;
        }
        legends::lines(legends::TOPOLOGY).into_iter().try_for_each(line)
    }
}

/// A size in bytes, with a unit.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn sized(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), size)
}

fn or_none(number: Option<usize>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

/// `36 ns`, with the smallest and largest of several pairs.
fn handover(measured: Option<&Handover>) -> String {
    match measured {
        None => "-".to_owned(),
        Some(it) if it.pairs.len() == 1 => format!("{:.0} ns", it.median_ns),
        Some(it) => {
            format!("{:.0} ns ({:.0} to {:.0})", it.median_ns, it.smallest_ns, it.largest_ns)
        }
    }
}

/// The cores of a group that the process may use, in the order of pinning.
fn usable(topology: &Topology, group: &CacheGroup) -> Vec<usize> {
    let mut order = topology.pinning_order();
    order.retain(|core| group.cores.contains(core));
    order
}

/// Handovers of some pairs within a group, without those of one physical core.
fn within(topology: &Topology, group: &CacheGroup) -> Option<Handover> {
    let cores = usable(topology, group);
    let siblings = |core: usize| {
        let known = topology.cores.iter().find(|it| it.number == core);
        known.map(|it| it.siblings.as_slice()).unwrap_or_default()
    };
    let pairs = cores.iter().enumerate().flat_map(|(at, &first)| {
        cores[at + 1..]
            .iter()
            .filter(move |other| !siblings(first).contains(other))
            .map(move |&other| [first, other])
    });
    Handover::of_pairs(&pairs.take(PAIRS).collect::<Vec<_>>())
}

/// One pair of each two groups, of as many as are measured.
fn between(topology: &Topology) -> Vec<[usize; 2]> {
    let groups = topology.groups.iter();
    let firsts: Vec<usize> =
        groups.filter_map(|group| usable(topology, group).first().copied()).collect();
    let pairs = firsts
        .iter()
        .enumerate()
        .flat_map(|(at, &first)| firsts[at + 1..].iter().map(move |&other| [first, other]));
    pairs.take(PAIRS).collect()
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> = [heads].into_iter().chain(rows).collect();
    let mut lines = vec![String::new()];
    lines.extend(columns(&rows, |_| true));
    lines
}

fn groups(topology: &Topology, within: &[Option<Handover>]) -> Vec<String> {
    let rows = topology.groups.iter().zip(within).enumerate().map(|(number, (group, within))| {
        let first = group.cores.first();
        let first = first.and_then(|first| topology.cores.iter().find(|it| it.number == *first));
        let physical = topology.cores.iter().filter(|core| {
            group.cores.contains(&core.number) && core.siblings.first() == Some(&core.number)
        });
        vec![
            number.to_string(),
            group.level.map_or("-".to_owned(), |level| format!("L{level}")),
            sized(group.bytes),
            ranges(&group.cores),
            physical.count().to_string(),
            or_none(first.and_then(|core| core.package)),
            or_none(first.and_then(|core| core.node)),
            handover(within.as_ref()),
        ]
    });
    let heads =
        ["group", "cache", "size", "cores", "physical", "package", "node", "handover within"];
    table(&heads, rows)
}

/// Caches of one level, kind and size together.
fn caches(topology: &Topology) -> Vec<String> {
    let mut kinds: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for cache in &topology.caches {
        let shared = kinds.entry((cache.level, cache.kind, cache.bytes)).or_default();
        shared.push(ranges(&cache.cores));
    }
    let rows = kinds.into_iter().map(|((level, kind, bytes), shared)| {
        let holds = match kind {
            CacheKind::Data => "data",
            CacheKind::Instruction => "instructions",
            _ => "both",
        };
        let count = shared.len().to_string();
        vec![format!("L{level}"), holds.to_owned(), sized(bytes), count, shared.join(" ")]
    });
    table(&["cache", "holds", "size", "count", "cores of each"], rows)
}

fn cores(topology: &Topology) -> Vec<String> {
    let fastest = topology.cores.iter().filter_map(|core| core.speed).max();
    let rows = topology.cores.iter().map(|core| {
        let speed = core.speed.zip(fastest).filter(|(_, fastest)| *fastest > 0);
        let speed = speed.map(|(speed, fastest)| format!("{:.2}", speed as f64 / fastest as f64));
        vec![
            core.number.to_string(),
            or_none(topology.group_of(core.number)),
            or_none(core.package),
            or_none(core.node),
            ranges(&core.siblings),
            speed.unwrap_or("-".to_owned()),
            if core.allowed { "yes" } else { "no" }.to_owned(),
        ]
    });
    table(&["core", "group", "package", "node", "siblings", "speed", "allowed"], rows)
}
