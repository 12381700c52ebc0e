//! Cores, caches and groups as files of machines of several kinds tell them. `topology/make.py` made the trees.

use std::fs;
use std::path::Path;

use caudal::topology::{CacheKind, MOST_CORES, Pinning, Topology, quota};

/// A folder with the tree of that name, as `/sys` and `/proc` would be.
fn tree(name: &str) -> tempfile::TempDir {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/topology/{name}.txt"));
    let folder = tempfile::tempdir().unwrap();
    for line in fs::read_to_string(list).unwrap().lines() {
        let (path, text) = line.split_once('\t').unwrap();
        write(folder.path(), path, &text.replace("\\n", "\n"));
    }
    folder
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{text}\n")).unwrap();
}

fn read(name: &str) -> Topology {
    Topology::below(tree(name).path())
}

fn groups(topology: &Topology) -> Vec<&[usize]> {
    topology.groups.iter().map(|group| &group.cores[..]).collect()
}

#[test]
fn one_socket_with_smt() {
    let topology = read("one-socket-smt");
    assert_eq!(groups(&topology), [[0, 1, 2, 3, 4, 5, 6, 7]]);
    let group = &topology.groups[0];
    assert_eq!((group.level, group.bytes), (Some(3), Some(12 << 20)));
    assert_eq!(topology.cores[5].siblings, [1, 5]);
    assert_eq!((topology.cores[5].package, topology.cores[5].node), (Some(0), Some(0)));
    assert_eq!(topology.cores[5].speed, Some(4_700_000));
    // Three private caches of four physical cores, and one for all.
    assert_eq!(topology.caches.len(), 13);
    let instructions = |kind| topology.caches.iter().filter(|cache| cache.kind == kind).count();
    assert_eq!(instructions(CacheKind::Instruction), 4);
    // Physical cores first.
    assert_eq!(topology.pinning_order(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn two_sockets_are_filled_one_after_the_other() {
    let topology = read("two-sockets");
    assert_eq!(groups(&topology), [[0, 2, 4, 6], [1, 3, 5, 7]]);
    assert_eq!(topology.cores[3].package, Some(1));
    assert_eq!(topology.cores[3].node, Some(1));
    assert_eq!(topology.pinning_order(), [0, 2, 4, 6, 1, 3, 5, 7]);
    assert_eq!(topology.group_of(7), Some(1));
    assert_eq!(topology.group_of(8), None);
}

#[test]
fn core_complexes_are_groups_of_one_socket() {
    let topology = read("core-complexes");
    let expected: Vec<Vec<usize>> =
        (0..4).map(|it| (4 * it..4 * it + 4).chain(4 * it + 16..4 * it + 20).collect()).collect();
    assert_eq!(groups(&topology), expected);
    assert!(topology.groups.iter().all(|group| group.bytes == Some(32 << 20)));
    assert_eq!(topology.cores[9].node, Some(1));
    // All physical cores, one complex after another, then their second threads in the same order.
    assert_eq!(topology.pinning_order(), (0..32).collect::<Vec<_>>());
    let pinned = Pinning::Cores.cores(&topology, 6).unwrap();
    assert_eq!(pinned, [[0], [1], [2], [3], [4], [5]]);
    let pinned = Pinning::Groups.cores(&topology, 6).unwrap();
    assert_eq!(pinned[3], expected[0]);
    assert_eq!(pinned[4], expected[1]);
    assert_eq!(Pinning::None.cores(&topology, 6), None);
}

#[test]
fn a_container_has_the_cores_that_it_may_use() {
    let folder = tree("container");
    let topology = Topology::below(folder.path());
    assert_eq!(topology.cores.len(), 32);
    let allowed: Vec<usize> = topology.allowed().map(|core| core.number).collect();
    assert_eq!(allowed, [3, 5, 6, 12, 13, 14, 21, 29]);
    // The complex of which it has most, then by size; 21 and 29 are the second threads of 5 and 13.
    assert_eq!(topology.pinning_order(), [12, 13, 14, 5, 6, 3, 29, 21]);
    let pinned = Pinning::Groups.cores(&topology, 10).unwrap();
    assert_eq!(pinned[0], [12, 13, 14, 29]);
    // More workers than cores begin again.
    assert_eq!(pinned[8], pinned[0]);
    assert_eq!(quota(folder.path()), Some(2.5));
}

#[test]
fn the_fast_cores_of_a_hybrid_come_first() {
    let topology = read("hybrid");
    assert_eq!(groups(&topology), [&[0, 1, 2, 3, 4, 5, 6, 7][..], &[8, 9]]);
    assert_eq!((topology.groups[1].level, topology.groups[1].bytes), (Some(2), Some(2 << 20)));
    assert_eq!(topology.cores[0].speed, Some(1024), "capacities go before clock rates");
    assert_eq!(topology.pinning_order(), [0, 2, 4, 5, 6, 7, 8, 9, 1, 3]);
}

#[test]
fn cores_that_are_off_are_left_out() {
    let topology = read("offline");
    assert_eq!(groups(&topology), [[0, 1, 3, 5]]);
    let numbers: Vec<usize> = topology.cores.iter().map(|core| core.number).collect();
    assert_eq!(numbers, [0, 1, 3, 5]);
    assert_eq!(topology.pinning_order(), numbers);
}

#[test]
fn a_system_that_tells_little_has_its_cores_all_the_same() {
    let topology = read("bare");
    assert_eq!(groups(&topology), [[0, 1, 2]]);
    assert_eq!((topology.groups[0].level, topology.groups[0].bytes), (None, None));
    assert!(topology.cores.iter().all(|core| core.allowed && core.package.is_none()));
    assert_eq!(topology.pinning_order(), [0, 1, 2]);
    let nothing = tempfile::tempdir().unwrap();
    let topology = Topology::below(nothing.path());
    assert_eq!(topology, Topology::default());
    assert_eq!(Pinning::Cores.cores(&topology, 2), Some(Vec::new()));
    assert_eq!(quota(nothing.path()), None);
}

#[test]
fn each_missing_file_costs_what_it_says_alone() {
    let whole = read("core-complexes");
    let missing = |path: &str| {
        let folder = tree("core-complexes");
        fs::remove_file(folder.path().join(path)).unwrap();
        Topology::below(folder.path())
    };
    let cpu = "sys/devices/system/cpu";
    assert_eq!(missing(&format!("{cpu}/online")), whole);
    assert_eq!(missing("proc/thread-self/status"), whole, "all are allowed");
    let without = missing(&format!("{cpu}/cpu4/topology/thread_siblings_list"));
    assert_eq!(
        (&without.cores[4].siblings[..], &without.cores[20].siblings[..]),
        (&[4][..], &[4, 20][..])
    );
    let without = missing(&format!("{cpu}/cpu4/topology/physical_package_id"));
    assert_eq!((without.cores[4].package, &without.groups), (None, &whole.groups));
    // Others name the cache too.
    assert_eq!(missing(&format!("{cpu}/cpu4/cache/index3/shared_cpu_list")).groups, whole.groups);
    let without = missing("sys/devices/system/node/online");
    assert_eq!(without.cores[9].node, Some(1));
    let without = missing("sys/devices/system/node/node1/cpulist");
    assert_eq!((without.cores[9].node, without.cores[1].node), (None, Some(0)));
}

#[test]
fn hostile_files_are_harmless() {
    let cpu = "sys/devices/system/cpu";
    let long = "0,".repeat(100_000);
    let numbers =
        ["", "-1", "no", "99999999999999999999999999", "\u{0}", "0-18446744073709551615", &long];
    let files = [
        "online",
        "cpu1/topology/physical_package_id",
        "cpu1/topology/thread_siblings_list",
        "cpu1/cache/index3/shared_cpu_list",
        "cpu1/cache/index3/size",
        "cpu1/cache/index3/level",
        "cpu1/cache/index3/type",
        "cpu1/cpufreq/cpuinfo_max_freq",
        "../node/online",
        "../node/node0/cpulist",
        "../../../../proc/thread-self/status",
    ];
    for file in files {
        for text in numbers {
            let folder = tree("one-socket-smt");
            write(folder.path(), &format!("{cpu}/{file}"), text);
            check(
                &Topology::below(folder.path()),
                &format!("{file}: {}", &text[..text.len().min(30)]),
            );
        }
        // Neither text nor a file at all.
        let folder = tree("one-socket-smt");
        let path = folder.path().join(cpu).join(file);
        fs::write(&path, [0xff, 0xfe, 0x30]).unwrap();
        check(&Topology::below(folder.path()), file);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        check(&Topology::below(folder.path()), file);
    }
    // Caches that cores tell different things about.
    let folder = tree("one-socket-smt");
    for (core, shared) in [(0, "0-1"), (1, "1-2"), (2, "7"), (3, "3,3,3-3,4000")] {
        write(folder.path(), &format!("{cpu}/cpu{core}/cache/index3/shared_cpu_list"), shared);
    }
    check(&Topology::below(folder.path()), "contradictions");
}

#[test]
fn hostile_control_groups_are_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let quota_of = |text: &str| {
        write(root, "proc/self/cgroup", text);
        quota(root)
    };
    write(root, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000");
    write(root, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000");
    write(root, "sys/fs/cgroup/cpu/free/cpu.cfs_quota_us", "-1");
    write(root, "sys/fs/cgroup/cpu/free/cpu.cfs_period_us", "100000");
    assert_eq!(quota_of("4:memory:/box\n3:cpu,cpuacct:/box/inner"), Some(0.5));
    assert_eq!(quota_of("3:cpu:/free"), None);
    write(root, "outside/cpu.max", "1 1000");
    for text in ["0::/../../../outside", "0::relative", "::::::", "", "0::/\u{0}", "x", "0::"] {
        assert_eq!(quota_of(text), None, "{text:?}");
    }
    assert_eq!(quota_of(&format!("0::/{}", "a/".repeat(20_000))), None);
    for text in ["max 100000", "100000", "100000 0", "-5 10", "a b", ""] {
        write(root, "sys/fs/cgroup/cpu.max", text);
        assert_eq!(quota_of("0::/"), None, "{text:?}");
    }
    write(root, "sys/fs/cgroup/cpu.max", "150000 100000");
    assert_eq!(quota_of("0::/../gone"), Some(1.5), "the group that the container sees");
}

/// Every core is there once, in one group, and in the order of pinning if it may be used.
fn check(topology: &Topology, what: &str) {
    let numbers: Vec<usize> = topology.cores.iter().map(|core| core.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.len() <= MOST_CORES, "{what}");
    let mut grouped: Vec<usize> = groups(topology).concat();
    grouped.sort_unstable();
    assert_eq!(grouped, numbers, "{what}");
    let mut order = topology.pinning_order();
    order.sort_unstable();
    let allowed: Vec<usize> = topology.allowed().map(|core| core.number).collect();
    assert_eq!(order, allowed, "{what}");
    for core in &topology.cores {
        assert!(core.siblings.contains(&core.number), "{what}");
    }
}

#[test]
fn this_machine_has_cores() {
    let topology = Topology::here();
    check(&topology, "here");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(topology.allowed().count() >= cores);
}
