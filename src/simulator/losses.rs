//! Where the time over the ideal goes, by what gets shorter when its cause is switched off.

use serde::Serialize;

use super::{Machine, Options, Overhead, PartCosts, Slowdown, Workload, simulate};
use crate::error::Result;
use crate::flow::policy::policy;

/// What a simulated step takes over the ideal, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Losses {
    /// Milliseconds of the step.
    pub simulated_ms: f64,
    /// T1 over the sum of the workers' speeds, in milliseconds.
    pub ideal_ms: f64,
    /// By cause. The milliseconds add up to what the step takes over the ideal.
    pub causes: Vec<Loss>,
}

/// What one cause takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// The cause.
    pub cause: &'static str,
    /// By how many milliseconds the step gets shorter when this is switched off and all causes before it are off too.
    /// Below 0, the policy does better with it: an anomaly.
    pub ms: f64,
    /// By how many it gets shorter when this alone is switched off; nothing for the last two, which show only where
    /// nothing else takes time.
    pub alone_ms: Option<f64>,
}

/// A machine without one of its costs.
type Off = fn(&Machine) -> Machine;

/// What a machine takes, and the machine without it.
const CAUSES: [(&str, Off); 5] = [
    ("lock", |it| it.clone().overhead(Overhead { queued: 0.0, handover: 0.0, ..it.overhead })),
    ("wake-ups", |it| {
        let overhead = Overhead { notify: 0.0, wake: 0.0, spin: f64::INFINITY, ..it.overhead };
        it.clone().overhead(overhead)
    }),
    ("parts", |it| it.clone().overhead(Overhead { part: 0.0, message: 0.0, ..it.overhead })),
    ("traffic", |it| {
        it.clone().slowdown(Slowdown { shared: it.slowdown.shared, ..Slowdown::default() })
    }),
    ("sharing", |it| it.clone().slowdown(Slowdown { shared: 0.0, ..it.slowdown })),
];

/// Where the time goes that a step by the policy called `name` takes over T1 / P. The costs of the machine are switched
/// off one after another; then the dependencies, by a simulation of the same tasks none of which waits for any; what is
/// left is the grain: parts that can't be divided further, so that workers do not end together.
///
/// ```
/// use caudal::flow::TaskGraphBuilder;
/// use caudal::simulator::{Machine, Options, PartCosts, losses};
///
/// let mut tasks = TaskGraphBuilder::new("chain");
/// let first = tasks.task("first", 1.0, &[])?;
/// tasks.task("second", 1.0, &[first])?;
/// let graph = tasks.build()?;
/// let costs = PartCosts::even(&graph, graph.estimated_costs());
/// let lost = losses(&graph, "fifo", &Machine::ideal(2), &costs, Options::default())?;
/// assert_eq!((lost.simulated_ms, lost.ideal_ms), (2000.0, 1000.0));
/// let t_inf = lost.causes.iter().find(|it| it.cause == "T∞").unwrap();
/// assert_eq!(t_inf.ms, 1000.0);
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// As for [`simulate`], and if there is no such policy.
pub fn losses(
    work: &(impl Workload + ?Sized),
    name: &str,
    machine: &Machine,
    costs: &PartCosts,
    options: Options,
) -> Result<Losses> {
    let took = |work: &dyn Workload, machine: &Machine| -> Result<f64> {
        let mut policy = policy(name)?;
        Ok(simulate(work, policy.as_mut(), machine, costs, options)?.makespan * 1e3)
    };
    let simulated = took(&AsWorkload(work), machine)?;
    let mut causes = Vec::new();
    let (mut left, mut before) = (machine.clone(), simulated);
    for (cause, off) in CAUSES {
        left = off(&left);
        let after = took(&AsWorkload(work), &left)?;
        let alone = took(&AsWorkload(work), &off(machine))?;
        causes.push(Loss { cause, ms: before - after, alone_ms: Some(simulated - alone) });
        before = after;
    }
    let apart = took(&work.task_graph().without_messages(), &left)?;
    let ideal = costs.work() * 1e3 / machine.speeds.iter().sum::<f64>();
    causes.push(Loss { cause: "T∞", ms: before - apart, alone_ms: None });
    causes.push(Loss { cause: "grain", ms: apart - ideal, alone_ms: None });
    Ok(Losses { simulated_ms: simulated, ideal_ms: ideal, causes })
}

/// Any workload, behind a type of known size.
struct AsWorkload<'a, W: ?Sized>(&'a W);

impl<W: Workload + ?Sized> Workload for AsWorkload<'_, W> {
    fn task_graph(&self) -> &crate::flow::TaskGraph {
        self.0.task_graph()
    }

    fn traffic(&self) -> super::Traffic {
        self.0.traffic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{TaskGraph, TaskGraphBuilder};
    use crate::measure::prepare;
    use crate::plan::PlanOptions;
    use crate::presets;
    use crate::run::Run;

    fn digits() -> Run {
        let model = presets::open("digits").unwrap().without_metrics().unwrap();
        let optimizer = &model.training.optimizer;
        prepare(&model.graph, 16, optimizer, PlanOptions::default()).unwrap()
    }

    fn of(losses: &Losses, cause: &str) -> f64 {
        losses.causes.iter().find(|it| it.cause == cause).unwrap().ms
    }

    fn real_machine(workers: usize) -> Machine {
        let overhead = Overhead {
            part: 20e-9,
            message: 8e-9,
            queued: 40e-9,
            handover: 60e-9,
            notify: 3e-6,
            wake: 20e-6,
            spin: 30e-6,
        };
        let slowdown = Slowdown {
            fetch: 80e-9,
            transfer: 0.02e-9,
            weights: 0.05e-9,
            take: 0.01e-9,
            shared: 0.02,
        };
        Machine::ideal(workers).overhead(overhead).slowdown(slowdown)
    }

    #[test]
    fn causes_add_up_to_what_is_over_the_ideal() {
        let run = digits();
        let plan = run.plan();
        let costs = PartCosts::even(plan, plan.estimated_costs());
        for workers in [1, 2, 8, 128] {
            for name in ["critical-path", "fifo", "static"] {
                let lost =
                    losses(plan, name, &real_machine(workers), &costs, Options::default()).unwrap();
                let sum: f64 = lost.causes.iter().map(|it| it.ms).sum();
                let over = lost.simulated_ms - lost.ideal_ms;
                assert!(
                    (sum - over).abs() < 1e-9 * lost.simulated_ms,
                    "{workers} {name}: {lost:?}"
                );
                assert!(over > 0.0, "{lost:?}");
                if workers == 1 {
                    for cause in ["wake-ups", "traffic", "sharing", "T∞", "grain"] {
                        assert!(of(&lost, cause).abs() < 1e-9, "{cause}: {lost:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_machine_without_overhead_loses_no_more_than_the_bounds_allow() {
        let run = digits();
        let plan = run.plan();
        let costs = PartCosts::even(plan, plan.estimated_costs());
        let span = costs.critical_path(plan) * 1e3;
        for workers in [2, 5, 64] {
            let machine = Machine::ideal(workers);
            let lost = losses(plan, "fifo", &machine, &costs, Options::default()).unwrap();
            for cause in ["lock", "wake-ups", "parts", "traffic", "sharing"] {
                assert_eq!(of(&lost, cause), 0.0, "{cause}: {lost:?}");
            }
            let graham = lost.ideal_ms + (1.0 - 1.0 / workers as f64) * span;
            let least = lost.ideal_ms.max(span);
            assert!(lost.simulated_ms <= graham * (1.0 + 1e-9), "{lost:?}");
            assert!(lost.simulated_ms >= least * (1.0 - 1e-9), "{lost:?}");
            assert!(of(&lost, "grain") >= -1e-9, "nothing is below the ideal: {lost:?}");
        }
    }

    /// Tasks of so many seconds, side by side.
    fn independent(tasks: usize, seconds: f64) -> TaskGraph {
        let mut builder = TaskGraphBuilder::new("independent");
        for task in 0..tasks {
            builder.task(format!("task {task}"), seconds, &[]).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn each_cost_shows_under_its_own_cause() {
        // Eight equal tasks on four workers: without costs that is ideal.
        let graph = independent(8, 1e-3);
        let costs = PartCosts::even(&graph, graph.estimated_costs());
        let lost = |machine: &Machine| {
            losses(&graph, "fifo", machine, &costs, Options::default()).unwrap()
        };
        let ideal = Machine::ideal(4);
        let none = lost(&ideal);
        assert!((none.simulated_ms - 2.0).abs() < 1e-9 && (none.ideal_ms - 2.0).abs() < 1e-9);
        let overhead = |overhead| ideal.clone().overhead(overhead);
        let slowdown = |slowdown| ideal.clone().slowdown(slowdown);
        let free = ideal.overhead;
        let machines = [
            ("lock", overhead(free.queued(1e-5))),
            ("parts", overhead(free.part(1e-5))),
            ("wake-ups", overhead(free.wake(1e-4).spin(1e-6))),
            ("sharing", slowdown(Slowdown::default().shared(0.1))),
        ];
        for (cause, machine) in machines {
            let it = lost(&machine);
            let over = it.simulated_ms - it.ideal_ms;
            assert!(over > 1e-3, "{cause}: {it:?}");
            assert!((of(&it, cause) - over).abs() < 1e-9, "{cause}: {it:?}");
            let alone = it.causes.iter().find(|it| it.cause == cause).unwrap().alone_ms.unwrap();
            assert!((alone - over).abs() < 1e-9, "{cause}: {it:?}");
        }
        // Nine on four take three rounds in place of two and a quarter.
        let graph = independent(9, 1e-3);
        let costs = PartCosts::even(&graph, graph.estimated_costs());
        let it = losses(&graph, "fifo", &ideal, &costs, Options::default()).unwrap();
        assert!((of(&it, "grain") - 0.75).abs() < 1e-9 && of(&it, "T∞").abs() < 1e-9, "{it:?}");
    }
}
