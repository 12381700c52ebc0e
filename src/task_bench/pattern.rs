//! A pattern with its sizes: a family of graphs by its name.

use std::ops::Range;

use super::patterns::{PATTERNS, PatternSpec, Sizes, chance};
use crate::data::refuse;
use crate::error::{Error, Result};
use crate::names::{nearest, suggest};
use crate::presets::{ArgumentValues, PRESETS};
use crate::scheduling::{Communication, MOST_EDGES, MOST_TASKS, WeightedGraph, WeightedTask};

/// What keeps costs from being drawn by the same numbers as dependencies.
const COSTS: u64 = 0x636f_7374;

/// One of the [`PATTERNS`] with its arguments.
#[derive(Clone, Debug)]
pub struct Pattern {
    spec: &'static PatternSpec,
    title: String,
    sizes: Sizes,
    grain: f64,
    imbalance: f64,
    bytes: f64,
}

impl Pattern {
    /// Reads a pattern's name and, after a colon, the arguments that are set, as in `nearest:width=4,radix=5`.
    ///
    /// ```
    /// use caudal::task_bench::Pattern;
    ///
    /// let message = Pattern::parse("stencl").unwrap_err().to_string();
    /// assert!(message.contains("did you mean `stencil`?"), "{message}");
    /// let message = Pattern::parse("fft:width=0").unwrap_err().to_string();
    /// assert!(message.contains("`width` (points of a step) is a whole number from 1 to 10000"), "{message}");
    /// ```
    ///
    /// # Errors
    /// If there is no such pattern, if an argument is unknown, set twice or not what it may be, or if there would be too
    /// many tasks or edges.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, arguments) = text.split_once(':').unwrap_or((text, ""));
        let spec = PATTERNS.iter().find(|spec| spec.name == name).ok_or_else(|| Error::Model {
            origin: format!("pattern `{}`", name.escape_debug()),
            problem: "there is no pattern of this name".to_owned(),
            remedy: suggest(name, PATTERNS.iter().map(|spec| spec.name), "patterns"),
        })?;
        let values = ArgumentValues::parse(("pattern", name), spec.arguments, arguments)?;
        let has = |name: &str| spec.arguments.iter().any(|argument| argument.name == name);
        let count = |name: &str| if has(name) { values.count(name) } else { 1 };
        let sizes = Sizes {
            width: count("width"),
            steps: count("steps"),
            radix: count("radix"),
            period: count("period"),
            fraction: if has("fraction") { values.number("fraction") } else { 0.0 },
            seed: count("seed") as u64,
        };
        let [grain, imbalance, bytes] =
            ["grain", "imbalance", "bytes"].map(|name| values.number(name));
        let pattern =
            Self { spec, title: values.title().to_owned(), sizes, grain, imbalance, bytes };
        let tasks = sizes.width.saturating_mul(sizes.steps);
        let edges = tasks.saturating_mul((spec.most_before)(&sizes));
        for (what, there, most) in [("tasks", tasks, MOST_TASKS), ("edges", edges, MOST_EDGES)] {
            if there > most {
                let problem = format!(
                    "{} steps of {} points have up to {there} {what}",
                    sizes.steps, sizes.width
                );
                let remedy = format!("a graph has at most {most}: ask for fewer steps or points");
                return values.refuse(problem, &remedy);
            }
        }
        Ok(pattern)
    }

    /// Whether a name, with arguments or without, is that of a pattern, or more like one than like a preset.
    ///
    /// ```
    /// use caudal::task_bench::Pattern;
    ///
    /// assert!(Pattern::is_meant("fft:width=4") && Pattern::is_meant("stencl"));
    /// assert!(!Pattern::is_meant("chain:depth=4") && !Pattern::is_meant("graph.toml"));
    /// ```
    pub fn is_meant(text: &str) -> bool {
        let name = text.split_once(':').map_or(text, |(name, _)| name);
        let is_preset = PRESETS.iter().any(|spec| spec.name == name);
        let patterns = PATTERNS.iter().map(|spec| spec.name);
        !is_preset && !name.contains(['.', '/']) && nearest(name, patterns).is_some()
    }

    /// The pattern as it was asked for.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The row of its table.
    pub fn spec(&self) -> &'static PatternSpec {
        self.spec
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.sizes.steps
    }

    /// The points of a step; none of one that there is not.
    pub fn points(&self, step: usize) -> Range<usize> {
        if step < self.sizes.steps { (self.spec.points)(&self.sizes, step) } else { 0..0 }
    }

    /// The points of the step before that a point of a step waits for, in order; none in the first step.
    pub fn before(&self, step: usize, point: usize) -> Vec<usize> {
        let Some(last) = step.checked_sub(1) else { return Vec::new() };
        let there = self.points(last);
        let mut before = (self.spec.before)(&self.sizes, step, point);
        before.retain(|other| there.contains(other));
        before.sort_unstable();
        before.dedup();
        before
    }

    /// What a task takes, over the mean of what tasks take: 1, unless there is an imbalance.
    pub fn share(&self, step: usize, point: usize) -> f64 {
        if self.imbalance == 0.0 {
            return 1.0;
        }
        let drawn = chance(&[self.sizes.seed, COSTS, step as u64, point as u64]);
        1.0 + self.imbalance * (drawn - 0.5)
    }

    /// Bytes that a task sends to each that waits for it.
    pub fn bytes(&self) -> f64 {
        self.bytes
    }

    /// Every task as its step and point, step by step, with the numbers of those that it waits for.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (usize, usize, Vec<usize>)> {
        let mut first = 0;
        (0..self.sizes.steps).flat_map(move |step| {
            let points = self.points(step);
            let last = step.checked_sub(1).map_or(0..0, |last| self.points(last));
            let first_before = first;
            first += last.len();
            points.map(move |point| {
                let before = self.before(step, point).into_iter();
                let number = |other: usize| first_before + other - last.start;
                (step, point, before.map(number).collect())
            })
        })
    }

    /// The same tasks, with neither costs that differ nor bytes, of which none waits for any: what executors reach at best.
    pub(super) fn independent(&self) -> Self {
        let sizes = self.sizes;
        let title = format!("trivial:width={},steps={}", sizes.width, sizes.steps);
        Self { spec: &PATTERNS[0], title, sizes, grain: self.grain, imbalance: 0.0, bytes: 0.0 }
    }

    /// The graph: a task for every point of every step, called by both, numbered step by step.
    ///
    /// # Errors
    /// As [`WeightedGraph`]'s builder; none that is known.
    pub fn graph(&self) -> Result<WeightedGraph> {
        let mut graph = WeightedGraph::builder(self.title.clone());
        for (step, point, before) in self.tasks() {
            let cost = self.grain * self.share(step, point);
            let number = graph.task(WeightedTask::new(format!("t{step}p{point}"), cost))?;
            for other in before {
                graph.edge(other, number, Communication::Bytes(self.bytes))?;
            }
        }
        graph.build()
    }

    /// An error about the pattern.
    pub(super) fn refuse(&self, problem: impl Into<String>, remedy: &str) -> Error {
        refuse(format!("pattern `{}`", self.title.escape_debug()), problem, remedy)
    }
}

#[cfg(test)]
mod tests;
