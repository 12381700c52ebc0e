//! What the Rust programs share: the shapes, a node's work, the clock, the checks and the line they print.
//! README.md states the rules; `graphs.hpp` is the same for the C++ programs.

#[path = "kernel.rs"]
mod kernel;
#[path = "patterns.rs"]
pub(crate) mod patterns;

use std::cell::Cell;
use std::fmt::Write;
use std::str::FromStr;
use std::sync::RwLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

/// The names of the shapes; the patterns of Task Bench are further ones.
pub(crate) const SHAPES: [&str; 5] = ["chain", "fan", "layered", "wavefront", "random"];

/// A list of node numbers for every node, one after the other in one vector.
pub(crate) struct Lists {
    pub(crate) starts: Vec<usize>,
    pub(crate) numbers: Vec<usize>,
}

impl Lists {
    fn new() -> Self {
        Self { starts: vec![0], numbers: Vec::new() }
    }

    fn push(&mut self, list: impl IntoIterator<Item = usize>) {
        self.numbers.extend(list);
        self.starts.push(self.numbers.len());
    }

    /// How many lists there are: one for each node.
    pub(crate) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// The list of one node.
    pub(crate) fn of(&self, node: usize) -> &[usize] {
        &self.numbers[self.starts[node]..self.starts[node + 1]]
    }
}

/// A graph of a shape; every predecessor has a smaller number.
pub(crate) struct Graph {
    /// Every node's predecessors.
    pub(crate) predecessors: Lists,
    /// Every node's step and point, in a pattern.
    places: Vec<patterns::Place>,
}

impl Graph {
    /// The graph of a shape with about as many nodes; a pattern has `width` in a step.
    pub(crate) fn new(shape: &str, nodes: usize, width: usize) -> Result<Self, String> {
        if nodes < 16 || width < 1 || width > nodes {
            return Err(
                "--nodes, --width: at least 16 and 1 are needed, and no wider graph".to_owned()
            );
        }
        let (mut lists, side) = (Lists::new(), nodes.isqrt());
        if patterns::PATTERNS.contains(&shape) {
            let mut places = Vec::new();
            for (place, list) in patterns::tasks(shape, width, nodes / width) {
                places.push(place);
                lists.push(list);
            }
            return Ok(Self { predecessors: lists, places });
        }
        match shape {
            "chain" => (0..nodes).for_each(|k| lists.push(k.checked_sub(1))),
            "fan" => {
                lists.push([]);
                (2..nodes).for_each(|_| lists.push([0]));
                lists.push(1..nodes - 1);
            }
            "layered" => {
                (0..side).for_each(|_| lists.push([]));
                for k in side..nodes {
                    let (before, i) = ((k / side - 1) * side, k % side);
                    lists.push([(i + side - 1) % side, i, (i + 1) % side].map(|i| before + i));
                }
            }
            "wavefront" => (0..side * side).for_each(|k| {
                lists.push((k % side > 0).then(|| k - 1).into_iter().chain(k.checked_sub(side)));
            }),
            "random" => {
                let mut state = 42_u64;
                let mut draw = || {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) as usize
                };
                lists.push([]);
                for k in 1..nodes {
                    let mut list = Vec::new();
                    for _ in 0..draw() % 4 {
                        let before = k - 1 - draw() % k.min(32);
                        if !list.contains(&before) {
                            list.push(before);
                        }
                    }
                    lists.push(list);
                }
            }
            _ => {
                let names = [&SHAPES[..], &patterns::PATTERNS].concat().join(", ");
                return Err(format!("--shape: one of {names}, not {shape}"));
            }
        }
        Ok(Self { predecessors: lists, places: Vec::new() })
    }

    /// How many nodes it has.
    pub(crate) fn nodes(&self) -> usize {
        self.predecessors.nodes()
    }

    /// The nodes of the longest path.
    pub(crate) fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::new();
        for node in 0..self.nodes() {
            depths
                .push(1 + self.predecessors.of(node).iter().map(|&p| depths[p]).max().unwrap_or(0));
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// FNV-1a over every node's count of predecessors and their numbers.
    pub(crate) fn hash(&self) -> u64 {
        (0..self.nodes())
            .flat_map(|node| {
                let list = self.predecessors.of(node);
                std::iter::once(list.len()).chain(list.iter().copied())
            })
            .fold(0xcbf2_9ce4_8422_2325, |hash, number| {
                (hash ^ number as u64).wrapping_mul(0x0100_0000_01b3)
            })
    }
}

/// How often one thread has run a node; a cache line (and its neighbour) apart from the next.
#[repr(align(128))]
struct Count(AtomicU64);

static COUNTS: [Count; 256] = [const { Count(AtomicU64::new(0)) }; 256];
static THREADS_SEEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The thread's place in `COUNTS`, once it has run a node.
    static OWN_COUNT: Cell<Option<&'static Count>> = const { Cell::new(None) };
}

static WORK_NS: AtomicU64 = AtomicU64::new(0);
static CHECKING: AtomicBool = AtomicBool::new(false);

#[cold]
#[inline(never)]
fn claim_count() -> &'static Count {
    let count = &COUNTS[THREADS_SEEN.fetch_add(1, Relaxed)];
    OWN_COUNT.set(Some(count));
    count
}

/// In which order nodes ran in the run that checks the graph; 0 is not yet.
static TICKETS: RwLock<Vec<AtomicUsize>> = RwLock::new(Vec::new());
static NEXT_TICKET: AtomicUsize = AtomicUsize::new(1);
static TWICE: AtomicBool = AtomicBool::new(false);

#[cold]
#[inline(never)]
fn take_ticket(node: usize) {
    let ticket = NEXT_TICKET.fetch_add(1, SeqCst);
    let tickets = TICKETS.read().expect("nobody panics with the lock");
    if tickets[node].swap(ticket, SeqCst) != 0 {
        TWICE.store(true, SeqCst);
    }
}

#[inline(never)]
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {}
}

/// The body of every node.
#[inline]
pub(crate) fn visit(node: usize) {
    let count = OWN_COUNT.get().unwrap_or_else(claim_count);
    count.0.store(count.0.load(Relaxed) + 1, Relaxed);
    if CHECKING.load(Relaxed) {
        take_ticket(node);
    } else {
        let work = WORK_NS.load(Relaxed);
        if work > 0 {
            spin(Duration::from_nanos(work));
        }
        kernel::run(node);
    }
}

fn runs_so_far() -> u64 {
    COUNTS.iter().map(|count| count.0.load(Acquire)).sum()
}

/// What the flags say.
pub(crate) struct Settings {
    /// Which of [`SHAPES`].
    pub(crate) shape: String,
    /// About how many nodes.
    pub(crate) nodes: usize,
    /// Nodes of a step of a pattern.
    pub(crate) width: usize,
    /// How long a node spins.
    pub(crate) work_ns: u64,
    /// What a node does besides: compute, memory or nothing.
    pub(crate) kernel: String,
    /// How often, in the mean.
    pub(crate) iterations: u64,
    /// By how much nodes of a pattern differ, from 0 to 2.
    pub(crate) imbalance: f64,
    /// How many threads compute.
    pub(crate) threads: usize,
    /// How long to repeat runs of the built graph.
    pub(crate) seconds: f64,
    /// Which library, in programs for several.
    pub(crate) library: String,
    /// Run each shape once instead.
    pub(crate) test: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shape: "chain".to_owned(),
            nodes: 1000,
            width: 8,
            work_ns: 0,
            kernel: String::new(),
            iterations: 0,
            imbalance: 0.0,
            threads: 1,
            seconds: 0.5,
            library: String::new(),
            test: false,
        }
    }
}

impl Settings {
    /// From the command line.
    pub(crate) fn from_arguments() -> Result<Self, String> {
        fn parsed<T: FromStr>(flag: &str, value: Option<String>) -> Result<T, String> {
            value.and_then(|value| value.parse().ok()).ok_or(format!("{flag} needs a value"))
        }
        let mut settings = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(flag) = arguments.next() {
            match &*flag {
                "--shape" => settings.shape = parsed(&flag, arguments.next())?,
                "--nodes" => settings.nodes = parsed(&flag, arguments.next())?,
                "--width" => settings.width = parsed(&flag, arguments.next())?,
                "--kernel" => settings.kernel = parsed(&flag, arguments.next())?,
                "--iterations" => settings.iterations = parsed(&flag, arguments.next())?,
                "--imbalance" => settings.imbalance = parsed(&flag, arguments.next())?,
                "--work-ns" => settings.work_ns = parsed(&flag, arguments.next())?,
                "--threads" => settings.threads = parsed(&flag, arguments.next())?,
                "--seconds" => settings.seconds = parsed(&flag, arguments.next())?,
                "--library" => settings.library = parsed(&flag, arguments.next())?,
                "--test" => settings.test = true,
                // What `cargo bench` adds.
                "--bench" => {}
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        Ok(settings)
    }
}

/// One library as [`measure`] runs it.
pub(crate) struct Library<'a> {
    /// Its name and, where there are several, the way it is used.
    pub(crate) name: &'a str,
    /// Its version.
    pub(crate) version: &'a str,
    /// Whether a built graph can run again.
    pub(crate) reuses: bool,
}

fn summary(mut seconds: Vec<f64>, nodes: usize) -> String {
    seconds.sort_by(f64::total_cmp);
    let line = |by: f64, digits: usize| {
        let mut line = String::new();
        for (name, share) in [("best", 0.0), ("q1", 0.25), ("median", 0.5), ("q3", 0.75)] {
            let at = seconds[(share * (seconds.len() - 1) as f64) as usize] * 1e9 / by;
            let comma = if line.is_empty() { "" } else { "," };
            let _ = write!(line, "{comma}\"{name}\":{at:.digits$}");
        }
        line
    };
    let (each, whole) = (line(nodes as f64, 2), line(1.0, 0));
    let repetitions = seconds.len();
    format!(
        "{{\"repetitions\":{repetitions},\"ns_per_node\":{{{each}}},\"makespan_ns\":{{{whole}}}}}"
    )
}

/// Checks the graph that `build` gives, times `run` on it again and again, then building and running it
/// anew, and returns a line of JSON.
pub(crate) fn measure<B>(
    settings: &Settings,
    library: &Library<'_>,
    graph: &Graph,
    mut build: impl FnMut() -> B,
    mut run: impl FnMut(&mut B),
) -> Result<String, String> {
    let nodes = graph.nodes();
    let mut once = |built: &mut B| {
        let before = runs_so_far();
        let start = Instant::now();
        run(built);
        let seconds = start.elapsed().as_secs_f64();
        let ran = runs_so_far() - before;
        if ran == nodes as u64 { Ok(seconds) } else { Err(format!("a repetition ran {ran} nodes")) }
    };
    WORK_NS.store(settings.work_ns, Release);
    let shares = graph.places.iter().map(|&place| patterns::share(settings.imbalance, place));
    let shares = if settings.imbalance == 0.0 { Vec::new() } else { shares.collect() };
    let iterations = kernel::set(&settings.kernel, settings.iterations, shares, nodes)?;
    let mut built = build();

    CHECKING.store(true, SeqCst);
    for _ in 0..2 {
        let fresh = (0..nodes).map(|_| AtomicUsize::new(0)).collect();
        *TICKETS.write().expect("nobody panics with the lock") = fresh;
        once(&mut built)?;
        if !library.reuses {
            built = build();
        }
        let tickets = TICKETS.read().expect("nobody panics with the lock");
        let at = |node: usize| tickets[node].load(SeqCst);
        if (0..nodes).any(|node| graph.predecessors.of(node).iter().any(|&p| at(p) >= at(node))) {
            return Err("a node ran before a predecessor".to_owned());
        }
    }
    if TWICE.load(SeqCst) {
        return Err("a node ran twice".to_owned());
    }
    CHECKING.store(false, SeqCst);

    let mut repeat = |limit: f64, least: usize| {
        let (mut seconds, start) = (Vec::new(), Instant::now());
        while seconds.len() < least || start.elapsed().as_secs_f64() < limit {
            seconds.push(once(&mut built)?);
            if !library.reuses {
                built = build();
            }
        }
        Ok::<_, String>(seconds)
    };
    repeat(settings.seconds / 10.0, 1)?;
    let runs = repeat(settings.seconds, 3)?;

    let (mut with_build, start) = (Vec::new(), Instant::now());
    while with_build.len() < 3 || start.elapsed().as_secs_f64() < settings.seconds / 4.0 {
        let begin = Instant::now();
        let mut fresh = build();
        run(&mut fresh);
        with_build.push(begin.elapsed().as_secs_f64());
    }

    let (Library { name, version, reuses }, shape) = (library, &settings.shape);
    let (edges, depth, hash) = (graph.predecessors.numbers.len(), graph.depth(), graph.hash());
    let (work, threads) = (settings.work_ns, settings.threads);
    let (kernel, mean) = (&settings.kernel, settings.iterations);
    let (runs, with_build) = (summary(runs, nodes), summary(with_build, nodes));
    Ok(format!(
        "{{\"library\":\"{name}\",\"version\":\"{version}\",\"shape\":\"{shape}\",\"nodes\":{nodes},\
         \"edges\":{edges},\"depth\":{depth},\"graph\":\"{hash:016x}\",\"work_ns\":{work},\
         \"kernel\":\"{kernel}\",\"iterations\":{mean},\"all_iterations\":{iterations},\
         \"threads\":{threads},\"reuses\":{reuses},\"run\":{runs},\"build_and_run\":{with_build}}}"
    ))
}
