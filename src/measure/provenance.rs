//! Where figures are from: the machine, the program and the command.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::instruction_set_name;
use crate::setters::setters;
use crate::topology::{Pinning, Topology, quota, ranges};

/// The most bytes of a system file that is read.
const MOST_BYTES: usize = 1 << 20;

/// Where figures are from: what must be known to compare them with others. What the system does not tell is none.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Provenance {
    /// The name of the processor.
    pub processor: Option<String>,
    /// The kind of processor and system that the program was built for: `x86_64 linux`.
    pub system: String,
    /// How many threads can run at once: [`std::thread::available_parallelism`].
    pub cores: usize,
    /// The cores that the process may use, as a list such as `0-3,8`.
    pub allowed_cores: String,
    /// How many cores' time the control groups allow, if they limit it.
    pub quota: Option<f64>,
    /// Cores that share a last-level cache, of those online, each as such a list.
    pub cache_groups: Vec<String>,
    /// The size of that cache in bytes, group by group.
    pub cache_bytes: Vec<Option<u64>>,
    /// The load average of 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// The instructions that the kernels use.
    pub instructions: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// The date and time, UTC: `2026-11-30T04:00:00Z`.
    pub date: String,
    /// Where the workers run.
    pub pinning: Pinning,
    /// The command line, argument by argument.
    pub command: Vec<String>,
    /// The seed of what is drawn by chance.
    pub seed: Option<u64>,
}

impl Provenance {
    setters! {
        pinning: Pinning,
        command: Vec<String>,
        seed: impl Into<Option<u64>>,
    }

    /// Of this machine, now, without a command.
    ///
    /// ```
    /// use caudal::measure::Provenance;
    ///
    /// let provenance = Provenance::here().seed(7);
    /// assert!(provenance.cores >= 1 && provenance.date.ends_with('Z'));
    /// assert_eq!(provenance.seed, Some(7));
    /// ```
    pub fn here() -> Self {
        Self::of(Path::new("/"), &Topology::here())
    }

    /// Of a machine whose files lie below `root`.
    fn of(root: &Path, topology: &Topology) -> Self {
        let read = |path: &str| {
            let text = std::fs::read(root.join(path)).ok()?;
            String::from_utf8(text[..text.len().min(MOST_BYTES)].to_vec()).ok()
        };
        let allowed: Vec<usize> = topology.allowed().map(|core| core.number).collect();
        Self {
            processor: read("proc/cpuinfo").and_then(|text| processor(&text)),
            system: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            allowed_cores: ranges(&allowed),
            quota: quota(root),
            cache_groups: topology.groups.iter().map(|group| ranges(&group.cores)).collect(),
            cache_bytes: topology.groups.iter().map(|group| group.bytes).collect(),
            load: read("proc/loadavg").and_then(|text| load(&text)),
            instructions: instruction_set_name(),
            version: env!("CARGO_PKG_VERSION"),
            date: date(
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            ),
            pinning: Pinning::None,
            command: Vec::new(),
            seed: None,
        }
    }
}

/// The first name of a processor in `/proc/cpuinfo`: x86 calls it `model name`, others otherwise.
fn processor(text: &str) -> Option<String> {
    let names = ["model name", "cpu model", "Processor", "cpu", "Hardware", "uarch"];
    let value = |name: &&str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == *name && !value.trim().is_empty()).then(|| value.trim().to_owned())
        })
    };
    names.iter().find_map(value)
}

fn load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_whitespace().map(|it| it.parse::<f64>().ok());
    let mut next = || numbers.next()?.filter(|load| load.is_finite());
    Some([next()?, next()?, next()?])
}

/// A moment after the beginning of 1970 as `YYYY-MM-DDThh:mm:ssZ`, by the calendar's rule that 400 years have 146,097
/// days.
fn date(since_1970: Duration) -> String {
    const DAY: u64 = 86_400;
    let seconds = since_1970.as_secs();
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let days_of = |year: u64| 365 + u64::from(is_leap(year));
    let days = seconds / DAY;
    let (mut year, mut day) = (1970 + 400 * (days / 146_097), days % 146_097);
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Seconds as `date -u -d TEXT +%s` gives them.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_796_011_200, "2026-11-30T04:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(date(Duration::from_secs(seconds)), expected);
        }
        assert!(date(Duration::from_secs(u64::MAX)).ends_with('Z'));
    }

    #[test]
    fn a_machine_is_told_from_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let told = || Provenance::of(folder.path(), &Topology::below(folder.path()));
        let nothing = told();
        assert_eq!((nothing.processor, nothing.load, nothing.quota), (None, None, None));
        assert!(nothing.allowed_cores.is_empty() && nothing.cache_groups.is_empty());
        write(
            "proc/cpuinfo",
            b"processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: B\n",
        );
        write("proc/loadavg", b"0.33 0.91 2.22 2/86 29224\n");
        write("sys/devices/system/cpu/online", b"0-3\n");
        write("proc/self/cgroup", b"0::/\n");
        write("sys/fs/cgroup/cpu.max", b"150000 100000\n");
        let told_of = told().pinning(Pinning::Cores).command(vec!["caudal".to_owned()]);
        assert_eq!(told_of.processor.as_deref(), Some("AMD EPYC"));
        assert_eq!(told_of.load, Some([0.33, 0.91, 2.22]));
        assert_eq!((told_of.allowed_cores.as_str(), told_of.quota), ("0-3", Some(1.5)));
        assert_eq!(
            (&told_of.cache_groups[..], &told_of.cache_bytes[..]),
            (&["0-3".to_owned()][..], &[None][..])
        );
        let json = serde_json::to_value(&told_of).unwrap();
        assert_eq!((&json["pinning"], &json["command"][0]), (&"cores".into(), &"caudal".into()));
        for wrong in [&b""[..], b"a b c", b"1 2", b"nan 1 2", &[0xff, 0xfe]] {
            write("proc/loadavg", wrong);
            write("proc/cpuinfo", wrong);
            let told = told();
            assert_eq!((told.load, told.processor), (None, None), "{wrong:?}");
        }
        assert_eq!(processor("cpu\t\t: POWER9\nmodel name\t:\n").as_deref(), Some("POWER9"));
    }
}
