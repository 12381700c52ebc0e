//! Policies that plan ahead: the [`StaticPolicy`] trait and the [`STATIC_POLICIES`] table.
//!
//! To add one, write one file that holds everything about it, its `SPEC` included, and add two lines here.

mod annealing;
mod bil;
mod candidates;
mod cpop;
mod dls;
mod dmda;
mod etf;
mod heft;
mod hlfet;
mod lookahead;
mod maxmin;
mod mcp;
mod minmin;
mod peft;
mod random_plan;
mod sufferage;

use std::fmt;

use parking_lot::RwLock;

pub use annealing::Annealing;
pub use bil::Bil;
pub use cpop::Cpop;
pub use dls::Dls;
pub use dmda::Dmda;
pub use etf::Etf;
pub use heft::Heft;
pub use hlfet::Hlfet;
pub use lookahead::Lookahead;
pub use maxmin::MaxMin;
pub use mcp::Mcp;
pub use minmin::MinMin;
pub use peft::Peft;
pub use random_plan::RandomPlan;
pub use sufferage::Sufferage;

use super::{Instance, Schedule};
use crate::error::{Error, Result};
use crate::flow::policy::{POLICIES, registered};

/// Decides before anything runs which worker runs which task, and when.
///
/// The same instance gives the same schedule; what draws by chance takes its seed as an argument.
pub trait StaticPolicy: fmt::Debug + Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// A schedule of all tasks that keeps the rules which [`Schedule::check`] checks.
    ///
    /// # Errors
    /// If the policy can't schedule this graph on this platform.
    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule>;
}

/// Makes a policy from its argument, if there is one, or says what was expected there.
pub type MakeStaticPolicy = fn(Option<&str>) -> Result<Box<dyn StaticPolicy>, String>;

/// One row of the [`STATIC_POLICIES`] table, or of a policy to [`register`].
#[derive(Debug)]
#[non_exhaustive]
pub struct StaticPolicySpec {
    /// Its name on the command line.
    pub name: &'static str,
    /// How it decides, in one line.
    pub summary: &'static str,
    /// Where it is from: authors, title, place and year.
    pub source: &'static str,
    /// What may follow the name and a colon: how that is written, and what it means.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Makes one from what follows the colon, if anything does.
    pub make: MakeStaticPolicy,
}

impl StaticPolicySpec {
    /// The row of a policy of that name without arguments, which `make` makes.
    pub const fn new(
        name: &'static str,
        summary: &'static str,
        source: &'static str,
        make: MakeStaticPolicy,
    ) -> Self {
        Self { name, summary, source, arguments: &[], make }
    }

    /// Says what may follow the name and a colon.
    #[must_use]
    pub const fn arguments(self, arguments: &'static [(&'static str, &'static str)]) -> Self {
        Self { arguments, ..self }
    }
}

/// Policies that are in no table of ours.
static REGISTERED: RwLock<Vec<&'static StaticPolicySpec>> = RwLock::new(Vec::new());

/// Every policy that plans ahead: those of the table, then those that were [registered](register).
pub fn static_policies() -> Vec<&'static StaticPolicySpec> {
    STATIC_POLICIES.iter().copied().chain(REGISTERED.read().iter().copied()).collect()
}

/// Lets every place that takes the name of a policy that plans ahead take that of yours, in this process, such as
/// [`compare`](super::compare).
///
/// ```
/// use caudal::scheduling::{Heft, StaticPolicySpec, register, static_policy};
///
/// static MINE: StaticPolicySpec =
///     StaticPolicySpec::new("mine", "as heft, by another name", "no paper", |_| Ok(Box::new(Heft)));
/// register(&MINE)?;
/// assert!(static_policy("mine").is_ok());
/// assert!(register(&MINE).is_err(), "the name is taken");
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the name is empty, has a colon in it, or is taken, by a policy of the pool as well.
pub fn register(spec: &'static StaticPolicySpec) -> Result<()> {
    let refuse = |problem: &str| {
        let (policy, problem) = (spec.name.to_owned(), problem.to_owned());
        Err(Error::Policy { policy, problem, remedy: "give it a name of its own".to_owned() })
    };
    if spec.name.is_empty() || spec.name.contains(':') {
        return refuse("a policy's name is not empty, and no colon is in it");
    }
    let mut own = REGISTERED.write();
    let ahead = STATIC_POLICIES.iter().chain(own.iter()).map(|known| known.name);
    let pool = registered();
    let pool = POLICIES.iter().chain(&pool).map(|known| known.name);
    if ahead.chain(pool).any(|name| name == spec.name) {
        return refuse("there is a policy of this name");
    }
    own.push(spec);
    Ok(())
}

/// Every policy that plans ahead.
pub const STATIC_POLICIES: &[&StaticPolicySpec] = &[
    &annealing::SPEC,
    &bil::SPEC,
    &cpop::SPEC,
    &dls::SPEC,
    &dmda::SPEC,
    &etf::SPEC,
    &heft::SPEC,
    &hlfet::SPEC,
    &lookahead::SPEC,
    &maxmin::SPEC,
    &mcp::SPEC,
    &minmin::SPEC,
    &peft::SPEC,
    &random_plan::SPEC,
    &sufferage::SPEC,
];

/// For policies without arguments: makes `policy`, or says that none was expected.
fn plain<P: StaticPolicy + 'static>(
    policy: P,
    argument: Option<&str>,
) -> Result<Box<dyn StaticPolicy>, String> {
    match argument {
        None => Ok(Box::new(policy)),
        Some(other) => Err(format!("expected nothing after the name, got `{other}`")),
    }
}

/// For policies that draw by chance: the seed that an argument gives.
fn seed(argument: &str) -> Result<u64, String> {
    let expected = || format!("expected a whole number up to {}, got `{argument}`", u64::MAX);
    argument.parse().map_err(|_| expected())
}

/// Makes the policy called `text`: a name of the table or of a registered policy, or a name, a colon and what the policy takes.
///
/// ```
/// use caudal::scheduling::static_policy;
///
/// assert_eq!(static_policy("cpop")?.name(), "cpop");
/// assert!(static_policy("heft:fast").is_err());
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If there is no such policy, or if it does not take what follows the colon.
pub fn static_policy(text: &str) -> Result<Box<dyn StaticPolicy>> {
    let (name, argument) = match text.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (text, None),
    };
    let all = static_policies();
    let spec = all
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| Error::unknown("static policy", name, all.iter().map(|spec| spec.name)))?;
    (spec.make)(argument).map_err(|problem| Error::Policy {
        policy: text.to_owned(),
        problem,
        remedy: "see `caudal policies` for what policies take".to_owned(),
    })
}
