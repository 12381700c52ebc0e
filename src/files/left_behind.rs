//! The names under which files are written, and what is left of these where a process is killed meanwhile.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A name beside a file that nobody else uses, short enough for any file system: of a machine, a process and a number.
pub(super) fn temporary(path: &Path) -> PathBuf {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".caudal-{}-{}-{number}.part", machine(), std::process::id()))
}

/// What tells this machine, or this container, from others that may write to the same folders.
fn machine() -> u32 {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // FNV-1a, the same in every process.
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Removes files that processes were writing when they were killed: those of this machine that no longer run, and any
/// that nobody has written to for a day.
pub(super) fn remove_left_behind(folder: &Path) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let left_behind = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str()?.strip_prefix(".caudal-")?.strip_suffix(".part")?;
        let numbers: Vec<u32> = name.split('-').map(|it| it.parse().ok()).collect::<Option<_>>()?;
        let about = entry.metadata().ok().filter(Metadata::is_file)?;
        let ended = match numbers[..] {
            // Elsewhere than on Linux nobody knows.
            [of, process, _] => of == machine() && !is_running(process)?,
            _ => false,
        };
        let old = about.modified().ok()?.elapsed().is_ok_and(|age| age > DAY);
        Some(ended || old)
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if left_behind(&entry) == Some(true) {
            // Somebody else may have been faster.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a process runs, where the system tells.
fn is_running(process: u32) -> Option<bool> {
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return None;
    }
    // Threads are found there as well, by numbers of the same kind.
    let of = |status: &str| -> Option<u32> {
        status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
    };
    let status = std::fs::read_to_string(processes.join(process.to_string()).join("status"));
    Some(status.is_ok_and(|status| of(&status).is_none_or(|of| of == process)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::OpenOptions;

    use super::super::check_writable;
    use super::*;

    #[test]
    fn what_killed_processes_leave_behind_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let (ended, own, here) = (child.id(), std::process::id(), machine());
        // A thread that lives for as long as this test, under a number that an ended process may have had.
        let tasks = Path::new("/proc/self/task").read_dir().unwrap();
        let numbers = tasks.filter_map(|it| it.unwrap().file_name().to_str()?.parse::<u32>().ok());
        let thread = numbers.filter(|&number| number != own).max().unwrap();
        let names = [
            (format!(".caudal-{here}-{ended}-3.part"), false),
            (format!(".caudal-{here}-{thread}-3.part"), false),
            (format!(".caudal-{here}-{own}-999999.part"), true),
            // Another machine's, and what is none of ours.
            (format!(".caudal-{}-{ended}-3.part", here ^ 1), true),
            (format!(".caudal-{here}-{ended}-x.part"), true),
            ("notes.part".to_owned(), true),
        ];
        for (name, _) in &names {
            std::fs::write(path(name), "half").unwrap();
        }
        check_writable(path("f")).unwrap();
        for (name, stays) in &names {
            assert_eq!(path(name).exists(), *stays, "{name}");
        }
        let old = std::time::SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        let file = OpenOptions::new().write(true).open(path(&names[3].0)).unwrap();
        file.set_modified(old).unwrap();
        check_writable(path("f")).unwrap();
        assert!(!path(&names[3].0).exists());
    }
}
