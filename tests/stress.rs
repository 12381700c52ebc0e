//! Random graphs under fire: every run gives the bits of a plain evaluation, or fails with exactly the faults that were
//! put into it, by name; the next run on the same executor is right again; and nothing is left behind.
//!
//! `CAUDAL_STRESS_RUNS` sets how many runs of closures there are, and `CAUDAL_STRESS_NETWORKS` how many of networks.
//! Where one fails, the test prints its seed, which `CAUDAL_STRESS_SEED` repeats alone.

mod choice;
mod flows;
mod mischief;
mod networks;
mod random_flow;

use caudal::flow::Executor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::choice::Choice;
use crate::own_process::{assert_passed, comes, held, number, run_alone};
use crate::watchdog::watch;

/// Executors that several runs share, so that what one run leaves in them the next one finds.
struct Executors(Vec<(Choice, Box<dyn Executor>)>);

/// So many executors are alive at a time.
const ALIVE: usize = 10;

impl Executors {
    /// An executor for this choice. Now and then another one goes, with its threads.
    fn take(&mut self, choice: &Choice, random: &mut ChaCha8Rng) -> Box<dyn Executor> {
        if self.0.len() > ALIVE {
            drop(self.0.swap_remove(random.random_range(0..self.0.len())));
        }
        match self.0.iter().position(|(it, _)| it == choice) {
            Some(place) if random.random_bool(0.9) => self.0.swap_remove(place).1,
            _ => choice.make(),
        }
    }

    /// Keeps it for the runs to come.
    fn keep(&mut self, choice: Choice, executor: Box<dyn Executor>) {
        self.0.push((choice, executor));
    }
}

/// Memory that allocators keep for later, and that differs from run to run.
const SLACK_KIB: u64 = 96 << 10;

/// Runs every seed, or the one that is asked for; then threads and files are as before, and memory is as it was after the
/// first runs.
fn under_fire(what: &'static str, runs: u64, run: fn(u64, &mut Executors) -> &'static str) {
    let asked = std::env::var("CAUDAL_STRESS_SEED").is_ok();
    let seeds = if asked {
        let seed = number("CAUDAL_STRESS_SEED", 0);
        seed..seed + 1
    } else {
        0..runs
    };
    let counted = watch(move |scenario| {
        let before = held();
        let mut warm = None;
        let mut executors = Executors(Vec::new());
        let mut counted = std::collections::BTreeMap::<&str, u64>::new();
        for seed in seeds {
            scenario.enter(format!("CAUDAL_STRESS_SEED={seed} of {what}"));
            *counted.entry(run(seed, &mut executors)).or_default() += 1;
            if seed == runs / 5 {
                warm = held();
            }
        }
        drop(executors);
        if let Some(before) = before {
            let threads = || held().is_some_and(|now| now.threads == before.threads);
            assert!(comes(threads), "threads: {before:?}, then {:?}", held());
            assert_eq!(held().unwrap().files, before.files, "files");
        }
        if let (Some(warm), Some(now)) = (warm, held()) {
            let most = warm.resident_kib + SLACK_KIB;
            assert!(now.resident_kib < most, "memory grows: {warm:?}, then {now:?}");
        }
        counted
    });
    let all: u64 = counted.values().sum();
    println!("{what}: {all} runs: {counted:?}");
    if !asked {
        let least = all / 100;
        assert!(counted.values().all(|&count| count >= least), "every fault comes up: {counted:?}");
    }
}

#[test]
#[ignore = "runs in a process of its own, for the test below"]
fn flows_alone() {
    under_fire("flows", number("CAUDAL_STRESS_RUNS", 3000), flows::run);
}

#[test]
#[ignore = "runs in a process of its own, for the test below"]
fn networks_alone() {
    under_fire("networks", number("CAUDAL_STRESS_NETWORKS", 200), networks::run);
}

#[test]
fn flows_under_fire_give_what_a_plain_evaluation_gives_or_the_faults_put_into_them() {
    assert_passed(&run_alone("stress::flows_alone", "", &[]));
}

#[test]
fn networks_under_fire_give_the_bits_of_the_oracle_or_the_faults_put_into_them() {
    assert_passed(&run_alone("stress::networks_alone", "", &[]));
}

/// The generator of a run.
fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}
