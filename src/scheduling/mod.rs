//! Scheduling of task graphs on machines: anybody's graph, a machine of workers and links, policies that plan ahead,
//! and what their schedules are worth.
//!
//! A [`WeightedGraph`] has tasks with costs and edges with bytes, a [`Platform`] workers with speeds and links between
//! them; an [`Instance`] is both. A [`StaticPolicy`] makes a [`Schedule`] of it, which can be
//! [checked](Schedule::check) and [measured](Schedule::metrics). The model is that of the literature on list
//! scheduling: a worker runs one task at a time, messages between workers travel beside all work and beside each other,
//! and one that stays on its worker takes no time.
//!
//! ```
//! use caudal::scheduling::{Communication, Instance, Platform, WeightedGraph, WeightedTask, static_policy};
//!
//! let mut graph = WeightedGraph::builder("diamond");
//! let first = graph.task(WeightedTask::new("first", 1.0))?;
//! let last = graph.task(WeightedTask::new("last", 1.0))?;
//! for (name, cost) in [("left", 4.0), ("right", 3.0)] {
//!     let middle = graph.task(WeightedTask::new(name, cost))?;
//!     graph.edge(first, middle, Communication::Seconds(0.5))?;
//!     graph.edge(middle, last, Communication::Seconds(0.5))?;
//! }
//! let graph = graph.build()?;
//! let platform = Platform::equal(2)?;
//! let instance = Instance::new(&graph, &platform)?;
//! let schedule = static_policy("heft")?.schedule(&instance)?;
//! schedule.check(&instance)?;
//! assert_eq!(schedule.makespan(), 6.0);
//! # Ok::<(), caudal::Error>(())
//! ```

mod bounds;
mod builder;
mod comparison;
mod dispatch;
mod drawn;
mod dynamic;
mod execution;
pub mod formats;
mod generate;
mod graph;
mod instance;
mod metrics;
mod optimum;
mod partial;
mod platform;
mod platform_file;
mod policies;
mod ready;
mod schedule;

pub use bounds::Bounds;
pub use builder::WeightedGraphBuilder;
pub use comparison::{
    Comparison, ComparisonOptions, ComparisonRow, OptimumFound, all_policies, check_policies,
    compare,
};
pub use dynamic::run_policy;
pub use execution::{
    Execution, ExecutionOptions, Load, MOST_REPEATS, execute_policy, execute_schedule,
};
pub use generate::RandomGraph;
pub use graph::{Communication, WeightedEdge, WeightedGraph, WeightedTask};
pub use instance::Instance;
pub use metrics::Metrics;
pub use optimum::{MOST_OPTIMAL_TASKS, Optimum, optimum};
pub use partial::PartialSchedule;
pub use platform::{Link, Platform};
pub use policies::{
    Annealing, Bil, Cpop, Dls, Dmda, Etf, Heft, Hlfet, Lookahead, MakeStaticPolicy, MaxMin, Mcp,
    MinMin, Peft, RandomPlan, STATIC_POLICIES, StaticPolicy, StaticPolicySpec, Sufferage, register,
    static_policies, static_policy,
};
pub use ready::ReadyTasks;
pub use schedule::{Placement, Schedule};

/// The most workers of a platform.
pub const MOST_WORKERS: usize = 1024;

/// The most tasks of a graph.
pub const MOST_TASKS: usize = 1_000_000;
/// The most edges of a graph.
pub const MOST_EDGES: usize = 10_000_000;
