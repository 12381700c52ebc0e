//! Tests that need a process of their own: to count its threads, files and memory, which others would disturb, or to
//! see that it does not abort.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Runs an ignored test of this binary alone, in another process, after a few words of shell; gives what it printed.
pub(crate) fn run_alone(test: &str, before: &str, environment: &[(&str, String)]) -> Output {
    let itself = std::env::current_exe().unwrap();
    let arguments = [test, "--exact", "--ignored", "--nocapture", "--test-threads", "1"];
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{before} exec \"$0\" \"$@\"")).arg(itself);
        shell
    } else {
        Command::new(itself)
    };
    let environment = environment.iter().map(|(name, value)| (name, value));
    command.args(arguments).envs(environment).output().unwrap()
}

/// Asserts that the test that ran alone has passed, and was one; prints what it told.
pub(crate) fn assert_passed(output: &Output) {
    let [told, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(output.status.success(), "{}\n{told}\n{errors}", output.status);
    assert!(told.contains("1 passed"), "{told}\n{errors}");
    for line in told.lines().filter(|line| line.contains(": ")) {
        println!("{line}");
    }
}

/// A number that the environment gives, or another.
pub(crate) fn number(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => usual,
    }
}

/// What this process holds of the system, as Linux tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) threads: u64,
    pub(crate) files: usize,
    pub(crate) resident_kib: u64,
}

/// A number of `/proc/self/status`.
pub(crate) fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(crate) fn held() -> Option<Held> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(Held { threads: status("Threads")?, files, resident_kib: status("VmRSS")? })
}

/// Waits until something holds that other threads bring about; says whether it came to hold within a minute.
pub(crate) fn comes(holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > Duration::from_secs(60) {
            return false;
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    true
}
