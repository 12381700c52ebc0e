//! Reads what Linux says of its cores below `/sys` and `/proc`.
//!
//! The files are small and from the kernel, but a container may hide or replace any of them: whatever is missing,
//! too large, or no number counts as not said.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::numbers::parse;
use super::{Cache, CacheKind, Core, MOST_CORES};

/// The most bytes of a file that is read. A list of every second of all cores takes a third of it.
const MOST_BYTES: u64 = 64 << 10;
/// The most caches of a core that are looked for.
const MOST_CACHES: usize = 16;
/// The most NUMA nodes that are looked for.
const MOST_NODES: usize = 1024;

/// The text of a small file; none if it can't be read, or is something else.
pub(super) fn text(path: &Path) -> Option<String> {
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    ((text.len() as u64) < MOST_BYTES).then_some(text)
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

fn list(path: &Path) -> Option<Vec<usize>> {
    parse(&text(path)?)
}

/// The cores that are online, by number, and their caches, each as often as cores name it.
pub(super) fn cores(root: &Path) -> (Vec<Core>, Vec<Cache>) {
    let folder = root.join("sys/devices/system/cpu");
    let Some(online) = list(&folder.join("online")).or_else(|| folders(&folder)) else {
        return (Vec::new(), Vec::new());
    };
    let allowed = allowed(root);
    let nodes = nodes(&root.join("sys/devices/system/node"));
    let is_online = |core: &usize| online.binary_search(core).is_ok();
    let mut caches = Vec::new();
    let mut cores = Vec::with_capacity(online.len());
    for &number in &online {
        let of_core = folder.join(format!("cpu{number}"));
        let topology = of_core.join("topology");
        let siblings = list(&topology.join("thread_siblings_list"))
            .or_else(|| list(&topology.join("core_cpus_list")));
        let mut siblings: Vec<usize> =
            siblings.unwrap_or_default().into_iter().filter(is_online).collect();
        if !siblings.contains(&number) {
            siblings = vec![number];
        }
        let package = self::number(&topology.join("physical_package_id"));
        cores.push(Core {
            number,
            package: package.and_then(|it| usize::try_from(it).ok()),
            node: nodes.get(&number).copied(),
            siblings,
            speed: None,
            allowed: allowed.as_ref().is_none_or(|it| it.binary_search(&number).is_ok()),
        });
        let of_core = of_core.join("cache");
        caches.extend((0..MOST_CACHES).filter_map(|index| {
            let mut cache = cache(&of_core.join(format!("index{index}")))?;
            cache.cores.retain(is_online);
            cache.cores.contains(&number).then_some(cache)
        }));
    }
    // The numbers of one kind are comparable with each other alone.
    for file in ["cpu_capacity", "cpufreq/cpuinfo_max_freq"] {
        let speed = |core: &Core| self::number(&folder.join(format!("cpu{}/{file}", core.number)));
        if let Some(speeds) = cores.iter().map(speed).collect::<Option<Vec<u64>>>() {
            cores.iter_mut().zip(speeds).for_each(|(core, speed)| core.speed = Some(speed));
            break;
        }
    }
    (cores, caches)
}

/// The cores that have a folder, for systems that do not list those online.
fn folders(folder: &Path) -> Option<Vec<usize>> {
    let there = |number: &usize| folder.join(format!("cpu{number}")).is_dir();
    let cores: Vec<usize> = (0..MOST_CORES).filter(there).collect();
    (!cores.is_empty()).then_some(cores)
}

fn cache(folder: &Path) -> Option<Cache> {
    let kind = match text(&folder.join("type"))?.trim() {
        "Data" => CacheKind::Data,
        "Instruction" => CacheKind::Instruction,
        "Unified" => CacheKind::Unified,
        _ => return None,
    };
    Some(Cache {
        level: u8::try_from(number(&folder.join("level"))?).ok()?,
        kind,
        cores: list(&folder.join("shared_cpu_list"))?,
        bytes: text(&folder.join("size")).and_then(|size| bytes(size.trim())),
    })
}

/// `32K`, `16M` or a number of bytes.
fn bytes(size: &str) -> Option<u64> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("", 1)];
    let (digits, unit) =
        units.iter().find_map(|(end, unit)| Some((size.strip_suffix(end)?, unit)))?;
    digits.parse::<u64>().ok()?.checked_mul(*unit)
}

/// The NUMA node of every core.
fn nodes(folder: &Path) -> BTreeMap<usize, usize> {
    let online = list(&folder.join("online")).unwrap_or_else(|| (0..MOST_NODES).collect());
    let cores = |node: usize| list(&folder.join(format!("node{node}/cpulist"))).unwrap_or_default();
    let nodes = online.into_iter().take(MOST_NODES);
    nodes.flat_map(|node| cores(node).into_iter().map(move |core| (core, node))).collect()
}

/// The cores that the calling thread may use, if the system says so.
fn allowed(root: &Path) -> Option<Vec<usize>> {
    let status = text(&root.join("proc/thread-self/status"))?;
    parse(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("32K"), Some(32 << 10));
        assert_eq!(bytes("16M"), Some(16 << 20));
        assert_eq!(bytes("512"), Some(512));
        for wrong in ["", "K", "-1K", "1T", "99999999999999999G", "1 K"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
