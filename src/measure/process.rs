//! What the operating system says about this process. Only Linux does, under `/proc`.

/// The most memory that the process has had resident so far, in MiB.
pub fn peak_resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kib.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Page faults so far that needed no disk: each is a page that the system handed out, with zeros.
pub fn minor_faults() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, a name in parentheses, may hold anything; `minflt` is the tenth.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(7)?.parse().ok()
}

/// Seconds so far in which threads of this process wanted a core and had none.
pub fn seconds_without_core() -> Option<f64> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread may end between the two looks.
        let Ok(times) = std::fs::read_to_string(thread.path().join("schedstat")) else { continue };
        // The second of three numbers; a system that does not count says 0.
        nanoseconds += times.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    }
    Some(nanoseconds as f64 * 1e-9)
}
