//! Legends: what the words of tables mean, as lines below them.

/// `bound` and `graham` stand in a line of their own, which has figures.
pub(super) const SPEEDUP: &str = "ms: the median of a step; quartiles: a quarter of the steps took less than \
    the first, a quarter more than the second; speedup: over the first row; efficiency: speedup / workers";

/// Of the table that tells where the workers' time went.
pub(super) const LOST_TIME: &str = "useful: as long as parts take alone; slower: beside others; no work: idle, \
    no part ready; waited: idle, a part ready; between: from part to part; accounted: of workers x step";

/// Of the table of forward, backward and updates.
pub(super) const STAGES: &str = "T1: all parts one after another; T∞: the longest way through the tasks of the \
    stage; T1 / T∞: as many workers could be busy on average; forward: with all that waits for no gradient, such as prepare; a \
    task counts where the first that it does belongs";

/// Of the table of ideas switched off.
pub(super) const IDEAS: &str = "nothing: the plan as it is; every other row switches one idea off; factor: how \
    many times as long as with all ideas; T1: all parts one after another; T∞: the longest way through the tasks";

/// Of the table of predictions.
pub(super) const PREDICTION: &str = "ms: the predicted step; speedup: over one worker with the policy; \
    efficiency: speedup over the sum of the workers' speeds; idle: share of the workers' time without a part; \
    live MiB: the most recycled buffers in use at one time; least: the speedup that any list schedule reaches \
    without overhead (Graham); bound: min(sum of speeds, T1 / T∞), T1 being all parts one after another and T∞ \
    the longest way through the tasks; measured ms: on this machine, where it has the cores";

/// Of the table of predictions beside what was measured.
pub(super) const VALIDATION: &str = "1: ms and 2: ms: a step measured on one and on two workers; ±: the standard \
    error of the latter; sittings: measurements that count, apart in time; predicted: ms on two workers; error: of \
    the prediction; alone: the error if parts did not slow each other down; live MiB: the most recycled buffers in \
    use at one time, predicted of measured; *: kept out of the calibration";

/// Of the line that tells what scheduling costs.
pub(super) const MACHINE: &str = "a part, a message, a passage through the queue of ready parts: the pool's own \
    work for each; from worker to worker: a handover, when one reads what another wrote last; parks: sleeps after \
    looking for work that long";

/// Of the table of schedules.
pub(super) const SCHEDULES: &str = "makespan: until the last task ends; ±: half of the 95 % confidence interval of \
    its mean; SLR: over the longest way through the tasks, each where it is fastest, without messages; speedup: over \
    all tasks on the one worker that is best at that; efficiency: speedup / workers; used: share of the workers' time \
    in which they run tasks; moved: between workers; over best: makespan over the optimum where that is proven, \
    otherwise over the largest bound; T1 / P: all work over all workers; T∞: the longest way; with messages: T∞ where \
    tasks share a worker or wait for a message (docs/task-graphs.md)";

/// Of the tables of a trace.
pub(super) const TRACE: &str = "no part: idle, no part ready that another idle worker did not start sooner; asleep: idle \
    beside a ready part, parked or called and not yet awake; overhead: idle beside a ready part, awake: messages, policy, \
    lock, or short parts left to others; T1: all parts one after another; T∞: the longest way through the tasks; at \
    least: max(T1 / P, T∞); Graham: what no schedule without overhead exceeds whose workers do not idle beside ready \
    parts; gap: from the end of the part before to the start; because of: message: its task waited for the part before; \
    worker: its worker ran it";

/// Of the table of two traces.
pub(super) const DIFFERENCE: &str = "makespan, tasks: medians over the executions; all else: of the executions of \
    median length; reordered: pairs of tasks, of all, that started in the other order; on another worker: by the first \
    part";

/// Of the tables of what might be.
pub(super) const WHAT_IF: &str = "saves: by how much the simulated step is shorter, and its share; of T1: the share that the \
    nodes' parts have in it; a + b: nodes that are computed in one task take less time together, for nobody knows how much \
    of a task's time is whose; burdened parallelism: T1 over T∞ where every message on the way also takes the burden, what \
    scheduling costs from one part to the next on another worker (He, Leiserson and Leiserson 2010)";

/// Of the table of losses.
pub(super) const LOSSES: &str = "ideal: T1 / the sum of the workers' speeds; every column after it: by how much the \
    simulated step gets shorter when that is switched off, from left to right, so that all add up to the loss; lock: the \
    queue and what workers tell each other; wake-ups: of parked workers; parts: each part's and message's own overhead; \
    traffic: fetching what others wrote; sharing: parts are slower beside others; T∞: tasks wait for others; grain: parts \
    can't be divided further; below 0: the policy does better with it";

/// Of the table of means over random graphs.
pub(super) const AVERAGES: &str = "SLR: makespan over the longest way through the tasks, each where it is fastest, without \
    messages; best: share of all graphs and machines on which no other policy was shorter; tasks, CCR, het. \
    (heterogeneity), shape, on (workers): mean SLR of the graphs and machines that have this";

/// Of the tables of grains.
pub(super) const METG: &str = "grain: of a task, time of a run x cores / tasks; efficiency: iterations a second over those of \
    independent tasks of the largest grain on the same workers; METG: the smallest grain with that efficiency, or - where \
    none has it, or all have; empty: the grain of tasks without work";

/// Of executions.
pub(super) const EXECUTED: &str = "executed s: until the last task ended on this machine, in seconds of the graph; \
    error: of the execution, over the makespan that was simulated; mean error: without signs; longer by: with signs";

/// Of the tables of cores.
pub(super) const TOPOLOGY: &str = "group: cores that share a last-level cache; physical: cores that compute on their \
    own; siblings: cores of one physical core; node: of memory (NUMA); speed: over the fastest core's; allowed: to this \
    process; handover: nanoseconds until a core reads what another wrote, the median of the pairs, smallest and \
    largest; -: the system does not say, or there is nothing to measure";

/// Meanings of the phases, in the order of a step.
const PHASES: &[(&str, &str)] = &[
    ("summarize", "numbers about the batch, by blocks"),
    ("combine", "brings these together"),
    ("forward", "activations, losses and metrics"),
    ("prepare", "weights in the form that another step reads"),
    ("regularize", "what the size of parameters costs"),
    ("accumulate", "adds the gradients of an output with several uses"),
    ("summarize_grad", "numbers about the gradients of the batch, by blocks"),
    ("combine_grad", "brings these together"),
    ("input_grad", "gradients for the nodes before"),
    ("param_grad", "gradients of parameters"),
    ("grad_norm", "norms by which gradients are clipped"),
    ("commit", "from here on the step can't fail"),
    ("update", "moves parameters"),
];

/// What the phases mean whose names, several with `+` between them, stand in a table.
pub(super) fn phases(names: &[&str]) -> String {
    let stands =
        |phase: &str| names.iter().any(|name| name.split('+').any(|single| single == phase));
    let shown = PHASES.iter().filter(|(phase, _)| stands(phase));
    let mut words: Vec<String> =
        shown.map(|(phase, meaning)| format!("{phase}: {meaning}")).collect();
    if names.iter().any(|name| name.contains('+')) {
        words.push("a+b: both in one task".to_owned());
    }
    words.join("; ")
}

/// Columns of a line of a legend, at most, unless one word's meaning takes more.
const WIDTH: usize = 110;

/// A legend as lines: as many meanings on each as fit.
pub(super) fn lines(legend: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for meaning in legend.split("; ") {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 2 + meaning.chars().count() <= WIDTH => {
                last.push_str("; ");
                last.push_str(meaning);
            }
            _ => lines.push(meaning.to_owned()),
        }
    }
    lines
}
