//! Damaged files, in great number, for every reader of the library: each is read or refused in one line that a
//! terminal may show, without a panic, and in memory that its size bounds.
//!
//! Files of the program's own writers, and a few small ones of other programs, are changed by chance. The reading goes on
//! in processes of their own, which have a limit of memory: so an abort is found, and the peak of each file is its own.
//!
//! `CAUDAL_FUZZ_INPUTS` sets how many files there are; `CAUDAL_FUZZ_SEED` repeats the one that a failure names.

mod mutation;
#[cfg(feature = "parquet")]
mod parquet_files;
mod samples;
mod targets;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::mutation::mutate;
use self::targets::{TARGETS, Target};
use crate::own_process::{assert_passed, number, run_alone, status};
use crate::watchdog::watch;

/// So many bytes a byte of a file may take.
const BYTES_A_BYTE: u64 = 64;
/// No file is longer.
const LONGEST: usize = 1 << 17;

/// All failures are told, but for those like one that was told.
const MOST_TOLD: usize = 40;

/// What reading files of one kind came to.
#[derive(Clone, Debug, Default)]
struct Tally {
    inputs: u64,
    read: u64,
    /// The most by which memory grew.
    most_kib: u64,
    longest_ms: u128,
}

/// A process that reads its share of the files.
struct Reader {
    folder: PathBuf,
    samples: Vec<Vec<Vec<u8>>>,
    resident_kib: u64,
    failures: BTreeMap<String, String>,
    tallies: Vec<Tally>,
}

/// Sets the peak of this process's memory to what it has now; says whether that is possible here.
fn reset_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

impl Reader {
    fn new(folder: &Path) -> Self {
        let read = |target: &&Target| samples::of(&folder.join("samples"), target.name);
        let samples = TARGETS.iter().map(read).collect();
        let own = folder.join(format!("reader-{}", std::process::id()));
        for target in TARGETS {
            (target.prepare)(&own.join(target.name));
        }
        let (failures, tallies) = (BTreeMap::new(), vec![Tally::default(); TARGETS.len()]);
        let resident_kib = status("VmRSS").unwrap_or(0);
        Self { folder: own, samples, resident_kib, failures, tallies }
    }

    /// The file of a seed.
    fn input(&self, seed: u64) -> (usize, Vec<u8>) {
        let number = (seed % TARGETS.len() as u64) as usize;
        let (target, samples) = (TARGETS[number], &self.samples[number]);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = samples.choose(&mut random).unwrap().clone();
        // One in a hundred stays as it is.
        if !random.random_ratio(1, 100) {
            mutate(&mut bytes, samples, target.words, &mut random);
        }
        bytes.truncate(LONGEST);
        (number, (target.pack)(&bytes))
    }

    fn fail(&mut self, seed: u64, target: &str, kind: &str, told: &str) {
        // Numbers differ from one file to the next.
        let alike: String = told.chars().filter(|it| !it.is_ascii_digit()).take(60).collect();
        if self.failures.len() < MOST_TOLD {
            let failure = format!("CAUDAL_FUZZ_SEED={seed} {target}: {kind}: {told:?}");
            self.failures.entry(format!("{target} {kind} {alike}")).or_insert(failure);
        }
    }

    fn read(&mut self, seed: u64) {
        let (number, bytes) = self.input(seed);
        let target = TARGETS[number];
        let folder = self.folder.join(target.name);
        std::fs::write(folder.join(target.file), &bytes).unwrap();
        // If this process aborts, here is what it died of.
        std::fs::write(self.folder.join("seed"), format!("{seed} {}", target.name)).unwrap();
        let before = reset_peak().then(|| status("VmHWM")).flatten();
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| (target.read)(&folder)));
        let tally = &mut self.tallies[number];
        tally.longest_ms = tally.longest_ms.max(began.elapsed().as_millis());
        tally.inputs += 1;
        if let (Some(before), Some(peak)) = (before, status("VmHWM")) {
            tally.most_kib = tally.most_kib.max(peak.saturating_sub(before));
            // Memory that was taken before and is kept for later counts as well.
            let taken = peak.saturating_sub(self.resident_kib);
            let may = target.room_kib + ((bytes.len() as u64 * BYTES_A_BYTE) >> 10);
            if taken > may {
                let told = format!("{taken} KiB, more than {may} for {} bytes", bytes.len());
                self.fail(seed, target.name, "memory", &told);
            }
        }
        match result {
            Ok(Ok(())) => self.tallies[number].read += 1,
            Ok(Err(error)) => {
                let told = error.to_string();
                if told.trim().is_empty() || told.contains(is_obeyed) {
                    self.fail(seed, target.name, "message", &told);
                }
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or(panic.downcast_ref::<&str>().map(|&it| it.to_owned()));
                self.fail(seed, target.name, "panic", &text.unwrap_or_default());
            }
        }
    }
}

/// What no line for a terminal holds: ends of lines, escape codes, and marks that turn the direction of writing.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const FOLDER: &str = "CAUDAL_FUZZ_FOLDER";
const SHARE: &str = "CAUDAL_FUZZ_SHARE";

#[test]
#[ignore = "runs in a process of its own, for the test below"]
fn reader_alone() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let (share, shares) = (number(SHARE, 0), number("CAUDAL_FUZZ_SHARES", 1));
    let seeds: Box<dyn Iterator<Item = u64> + Send> = if std::env::var("CAUDAL_FUZZ_SEED").is_ok() {
        Box::new(std::iter::once(number("CAUDAL_FUZZ_SEED", 0)))
    } else {
        let inputs = number("CAUDAL_FUZZ_INPUTS", INPUTS);
        Box::new((share..inputs).step_by(shares as usize))
    };
    let reader = watch(move |scenario| {
        let mut reader = Reader::new(Path::new(&folder));
        for seed in seeds {
            scenario.enter(format!("CAUDAL_FUZZ_SEED={seed}"));
            reader.read(seed);
        }
        reader
    });
    for (target, tally) in TARGETS.iter().zip(&reader.tallies) {
        if tally.inputs > 0 {
            println!("tally: {} {tally:?}", target.name);
        }
    }
    let failures: Vec<&String> = reader.failures.values().collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// So many files by default.
const INPUTS: u64 = 4000;

/// What the other process left of its last file.
fn died_of(folder: &Path, output: &Output) -> String {
    let mut lasts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        lasts.extend(std::fs::read_to_string(entry.path().join("seed")));
    }
    format!("{}; the last files were {lasts:?}", output.status)
}

#[test]
fn damaged_files_are_read_or_refused_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    samples::write_all(&folder.path().join("samples"));
    let shares = match std::env::var("CAUDAL_FUZZ_SEED") {
        Ok(_) => 1,
        Err(_) => std::thread::available_parallelism().map_or(1, |it| it.get().min(8) as u64),
    };
    let processes = (0..shares).map(|share| {
        let folder = folder.path().to_owned();
        std::thread::spawn(move || {
            let environment = [
                (FOLDER, folder.display().to_string()),
                (SHARE, share.to_string()),
                ("CAUDAL_FUZZ_SHARES", shares.to_string()),
                // To name the lines of a panic that is caught takes more than the file.
                ("RUST_BACKTRACE", "0".to_owned()),
                // The GNU allocator otherwise keeps ever more of what a large file took for the files after it.
                ("MALLOC_TRIM_THRESHOLD_", (128 << 10).to_string()),
            ];
            // What the files promise would not fit into 4 GiB.
            let limit = if cfg!(target_os = "linux") { "ulimit -v 4000000;" } else { "" };
            let output = run_alone("fuzzing::reader_alone", limit, &environment);
            if !output.status.success() {
                println!("{}", died_of(&folder, &output));
            }
            assert_passed(&output);
        })
    });
    let processes: Vec<_> = processes.collect();
    let failed = processes.into_iter().filter_map(|process| process.join().err()).last();
    if let Some(panic) = failed {
        std::panic::resume_unwind(panic);
    }
}
