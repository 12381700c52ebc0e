//! How much of the machine's memory this process may have.

use std::fs;
use std::path::Path;

/// Small amounts are not worth a look at the machine.
const SMALL: usize = 1 << 26;

/// Whether so many bytes can be had.
///
/// # Errors
/// How many can.
pub(crate) fn check(bytes: usize) -> Result<(), String> {
    if bytes < SMALL {
        return Ok(());
    }
    if let Some(limit) = limit().filter(|&limit| bytes > limit) {
        return Err(format!("and this process may have {}", amount(limit)));
    }
    // What the system would refuse in one piece it refuses at once, before pieces of it are in use.
    let whole = Vec::<u8>::new().try_reserve_exact(bytes);
    whole.map_err(|_| "which the system refuses".to_owned())
}

/// Whether so many bytes are more than a quarter of what this process may have.
pub(crate) fn is_large(bytes: usize) -> bool {
    bytes >= SMALL && limit().is_some_and(|limit| bytes > limit / 4)
}

/// An amount of memory in decimal units.
pub(crate) fn amount(bytes: usize) -> String {
    let (size, unit) = [(1e12, "TB"), (1e9, "GB")]
        .into_iter()
        .find(|&(size, _)| bytes as f64 >= size)
        .unwrap_or((1e6, "MB"));
    format!("{:.1} {unit}", bytes as f64 / size)
}

/// The most bytes that this process may have: the machine's memory and swap space, or what its control groups
/// allow, if that is less. Nothing is known where the system tells of neither, as elsewhere than on Linux.
fn limit() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(machine_bytes);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?;
        // `max` stands for no limit.
        text.trim().parse().ok()
    });
    machine.into_iter().chain(limits).min()
}

/// Memory and swap space in a text like `/proc/meminfo`.
fn machine_bytes(text: &str) -> Option<usize> {
    let kibibytes = |name: &str| -> Option<usize> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let swap = kibibytes("SwapTotal").unwrap_or(0);
    Some(kibibytes("MemTotal")?.saturating_add(swap).saturating_mul(1024))
}

/// The files, below the mount of control groups, whose limits hold for a process with this
/// `/proc/self/cgroup`: those of its group and of all above, of version 2 and of version 1.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (folder, file) = match controllers {
            "" => ("", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                ("memory/", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_matches('/');
        loop {
            let separator = if path.is_empty() { "" } else { "/" };
            files.push(format!("{folder}{path}{separator}{file}"));
            if path.is_empty() {
                break;
            }
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_swap_space_are_added() {
        let text = "MemTotal:       24684084 kB\nMemFree:  1 kB\nSwapTotal:  1024 kB\n";
        assert_eq!(machine_bytes(text), Some((24_684_084 + 1024) * 1024));
        assert_eq!(machine_bytes("MemTotal: 8 kB\n"), Some(8192));
        for text in ["", "MemTotal: many kB", "SwapTotal: 4 kB", "MemTotalled: 4 kB"] {
            assert_eq!(machine_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn the_limits_of_all_groups_above_hold() {
        assert_eq!(
            limit_files("0::/user.slice/run\n"),
            ["user.slice/run/memory.max", "user.slice/memory.max", "memory.max"]
        );
        assert_eq!(
            limit_files("8:pids:/\n4:cpu,memory:/a\n0::/\nnonsense\n"),
            ["memory/a/memory.limit_in_bytes", "memory/memory.limit_in_bytes", "memory.max"]
        );
    }

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount(300 << 20), "314.6 MB");
        assert_eq!(amount(72_000_000_000), "72.0 GB");
        assert_eq!(amount(usize::MAX), "18446744.1 TB");
    }
}
