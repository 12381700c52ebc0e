//! Graphs, task by task, with the line of a file at which each stands.

use std::collections::{HashMap, HashSet};

use super::graph::{Communication, WeightedEdge, WeightedGraph, WeightedTask};
use super::{MOST_EDGES, MOST_TASKS, MOST_WORKERS};
use crate::data::refuse;
use crate::error::{Error, Result};
use crate::flow::topological::topological_order;
use crate::names::suggest;

/// Builds a [`WeightedGraph`], and checks what it is given.
#[derive(Debug)]
pub struct WeightedGraphBuilder {
    name: String,
    /// What errors name: the file, or else the graph.
    origin: String,
    /// The line that is read; none for graphs from nowhere.
    line: Option<usize>,
    tasks: Vec<WeightedTask>,
    numbers: HashMap<String, usize>,
    edges: Vec<WeightedEdge>,
    seen: HashSet<(usize, usize)>,
    /// By edge.
    lines: Vec<Option<usize>>,
}

impl WeightedGraphBuilder {
    /// A graph called `name` without a task.
    pub(super) fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            origin: format!("graph `{name}`"),
            name,
            line: None,
            tasks: Vec::new(),
            numbers: HashMap::new(),
            edges: Vec::new(),
            seen: HashSet::new(),
            lines: Vec::new(),
        }
    }

    /// Says where the graph is from, as errors name it.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// Calls the graph `name`.
    pub fn rename(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Says at which line of its origin stands what is added next.
    pub fn at_line(&mut self, line: usize) {
        self.line = Some(line);
    }

    /// An error about what stands at the current line.
    pub fn refuse(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
        refuse(self.place(self.line), problem, remedy)
    }

    fn place(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}, line {line}", self.origin),
            None => self.origin.clone(),
        }
    }

    /// Adds a task, and gives its number.
    ///
    /// # Errors
    /// If the name is empty or taken, if a cost or the release is no number of seconds, or if there are too many tasks.
    pub fn task(&mut self, task: WeightedTask) -> Result<usize> {
        let number = self.tasks.len();
        if number >= MOST_TASKS {
            let problem = format!("a graph has at most {MOST_TASKS} tasks");
            return Err(self.refuse(problem, "divide it into several graphs"));
        }
        if task.name.is_empty() {
            return Err(self.refuse("a task has an empty name", "give every task a name"));
        }
        let name = task.name.clone();
        let numbers = [("cost", task.cost), ("release", task.release)];
        let costs = task.costs.iter().map(|&cost| ("cost", cost));
        for (what, seconds) in numbers.into_iter().chain(costs) {
            if !is_amount(seconds) {
                let problem = format!("task `{name}`: its {what} is {seconds} seconds");
                return Err(self.refuse(problem, "give it a finite number, 0 or more"));
            }
        }
        if !(1..=MOST_WORKERS).contains(&task.workers) {
            let problem = format!("task `{name}`: it uses {} workers", task.workers);
            return Err(self.refuse(problem, format!("let it use 1 to {MOST_WORKERS}")));
        }
        if task.costs.len() > MOST_WORKERS {
            let problem = format!("task `{name}`: it has costs for {} workers", task.costs.len());
            return Err(self.refuse(problem, format!("give it at most {MOST_WORKERS}")));
        }
        if self.numbers.insert(name.clone(), number).is_some() {
            let problem = format!("there are two tasks called `{name}`");
            return Err(self.refuse(problem, "give every task a name of its own"));
        }
        self.tasks.push(task);
        Ok(number)
    }

    /// The number of the task called `name`, if there is one.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The number of the task called `name`.
    ///
    /// # Errors
    /// If there is no such task.
    pub fn number(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let known = self.tasks.iter().map(|task| task.name.as_str());
            // Millions of names help nobody.
            let remedy = if self.tasks.len() <= 1000 {
                suggest(name, known, "tasks here")
            } else {
                "name a task that the graph has".to_owned()
            };
            self.refuse(format!("there is no task `{name}`"), remedy)
        })
    }

    /// How many tasks there are so far.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Lets the task number `to` wait for the task number `from`.
    ///
    /// # Errors
    /// If there are no such tasks, if there is such an edge, if what travels is no number, or if there are too many
    /// edges.
    pub fn edge(&mut self, from: usize, to: usize, communication: Communication) -> Result<()> {
        let count = self.tasks.len();
        if from >= count || to >= count {
            let problem = format!("an edge leads from task {from} to task {to} of {count}");
            return Err(self.refuse(problem, "add the tasks first"));
        }
        let (amount, name) = (communication.amount(), |task: usize| &self.tasks[task].name);
        let between = format!("the edge from `{}` to `{}`", name(from), name(to));
        if !is_amount(amount) {
            let unit = match communication {
                Communication::Bytes(_) => "bytes",
                Communication::Seconds(_) => "seconds",
            };
            let problem = format!("{between} carries {amount} {unit}");
            return Err(self.refuse(problem, "give it a finite number, 0 or more"));
        }
        if !self.seen.insert((from, to)) {
            let remedy = "give it once, with all that travels";
            return Err(self.refuse(format!("{between} is there twice"), remedy));
        }
        if self.edges.len() >= MOST_EDGES {
            let problem = format!("a graph has at most {MOST_EDGES} edges");
            return Err(self.refuse(problem, "divide it into several graphs"));
        }
        self.edges.push(WeightedEdge { from, to, communication });
        self.lines.push(self.line);
        Ok(())
    }

    /// The graph.
    ///
    /// # Errors
    /// If there is no task, if tasks wait for each other in a circle, or if some say what they take on each worker and
    /// others do not, or for another number of workers.
    pub fn build(self) -> Result<WeightedGraph> {
        let whole = |problem: String, remedy: &str| Err(refuse(&self.origin, problem, remedy));
        let count = self.tasks.len();
        if count == 0 {
            return whole("there is no task".to_owned(), "add at least one");
        }
        let of_first = self.tasks[0].costs.len();
        if let Some(other) = self.tasks.iter().find(|task| task.costs.len() != of_first) {
            let (first, other_count) = (&self.tasks[0].name, other.costs.len());
            return whole(
                format!(
                    "task `{first}` has costs for {of_first} workers, task `{}` for {other_count}",
                    other.name
                ),
                "give every task a cost for each worker, or none",
            );
        }
        let mut senders = vec![Vec::new(); count];
        for edge in &self.edges {
            senders[edge.to].push(edge.from);
        }
        let order = topological_order(&senders).map_err(|cycle| self.cycle(&cycle))?;
        drop(senders);
        let mut edges = self.edges;
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to));
        let outgoing = starts(count, edges.iter().map(|edge| edge.from));
        let incoming = starts(count, edges.iter().map(|edge| edge.to));
        let mut by_receiver: Vec<usize> = (0..edges.len()).collect();
        by_receiver.sort_by_key(|&edge| edges[edge].to);
        let (name, tasks) = (self.name, self.tasks);
        Ok(WeightedGraph { name, tasks, edges, outgoing, by_receiver, incoming, order })
    }

    /// Names a cycle, and the line of one of its edges.
    fn cycle(&self, cycle: &[usize]) -> Error {
        let last = cycle[cycle.len() - 1];
        let closing = self.edges.iter().position(|it| it.from == last && it.to == cycle[0]);
        let mut names: Vec<&str> = cycle.iter().map(|&it| self.tasks[it].name.as_str()).collect();
        names.push(names[0]);
        refuse(
            self.place(closing.and_then(|edge| self.lines[edge])),
            format!("tasks wait for each other in a cycle: {}", crate::error::cycle(&names)),
            "remove one of these edges, since a task can't wait for itself",
        )
    }
}

/// Whether it counts something: seconds or bytes.
pub(super) fn is_amount(number: f64) -> bool {
    number.is_finite() && number >= 0.0
}

/// By task: how many of `of` are of earlier ones; their number at the end.
fn starts(count: usize, of: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut starts = vec![0; count + 1];
    for task in of {
        starts[task + 1] += 1;
    }
    for task in 0..count {
        starts[task + 1] += starts[task];
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> WeightedGraphBuilder {
        let mut graph = WeightedGraph::builder("two").origin("two.stg");
        for (line, name) in [(3, "a"), (4, "b")] {
            graph.at_line(line);
            graph.task(WeightedTask::new(name, 1.0)).unwrap();
        }
        graph.at_line(7);
        graph
    }

    #[test]
    fn edges_are_found_from_both_ends() {
        let mut graph = two();
        let c = graph.task(WeightedTask::new("c", 2.0).workers(3_usize)).unwrap();
        graph.edge(c, 0, Communication::Seconds(2.0)).unwrap();
        graph.edge(1, 0, Communication::Bytes(3.0)).unwrap();
        graph.edge(1, c, Communication::Bytes(0.0)).unwrap();
        let graph = graph.build().unwrap();
        assert_eq!(graph.topological_order(), [1, 2, 0]);
        let ends = |edges: &mut dyn Iterator<Item = &WeightedEdge>| -> Vec<(usize, usize)> {
            edges.map(|edge| (edge.from, edge.to)).collect()
        };
        assert_eq!(ends(&mut graph.outgoing(1).iter()), [(1, 0), (1, 2)]);
        assert_eq!(ends(&mut graph.incoming(0)), [(1, 0), (2, 0)]);
        assert_eq!(ends(&mut graph.incoming(1)), []);
        assert_eq!(graph.work(), 8.0);
    }

    #[test]
    fn errors_name_file_line_and_task() {
        let refused = |wrong: &dyn Fn(&mut WeightedGraphBuilder) -> Result<()>| {
            wrong(&mut two()).unwrap_err().to_string()
        };
        let task = |task: WeightedTask| refused(&|graph| graph.task(task.clone()).map(drop));
        assert_eq!(
            task(WeightedTask::new("a", 1.0)),
            "two.stg, line 7: there are two tasks called `a`; give every task a name of its own"
        );
        for wrong in [f64::NAN, -1.0, f64::INFINITY] {
            let error = task(WeightedTask::new("c", wrong));
            assert!(error.contains("two.stg, line 7: task `c`: its cost is"), "{error}");
            let error = task(WeightedTask::new("c", 1.0).release(wrong));
            assert!(error.contains("its release is"), "{error}");
            let error = task(WeightedTask::unrelated("c", vec![1.0, wrong]));
            assert!(error.contains("its cost is"), "{error}");
            let error = refused(&|graph| graph.edge(0, 1, Communication::Bytes(wrong)));
            assert!(error.contains("the edge from `a` to `b` carries"), "{error}");
        }
        let error = task(WeightedTask::new("c", 1.0).workers(0_usize));
        assert!(error.contains("it uses 0 workers"), "{error}");
        let error = refused(&|graph| graph.edge(0, 2, Communication::Bytes(1.0)));
        assert!(error.contains("to task 2 of 2"), "{error}");
        let error = refused(&|graph| {
            graph.edge(0, 1, Communication::Bytes(1.0))?;
            graph.edge(0, 1, Communication::Bytes(1.0))
        });
        assert!(error.contains("is there twice"), "{error}");
        let error = refused(&|graph| graph.number("aa").map(drop));
        assert!(error.contains("there is no task `aa`") && error.contains("`a`"), "{error}");
    }

    #[test]
    fn cycles_are_named_with_the_line_of_an_edge() {
        let mut graph = two();
        graph.edge(0, 1, Communication::Bytes(1.0)).unwrap();
        graph.at_line(9);
        graph.edge(1, 0, Communication::Bytes(1.0)).unwrap();
        let error = graph.build().unwrap_err().to_string();
        assert!(error.contains("in a cycle: "), "{error}");
        assert!(error.contains("line 9") || error.contains("line 7"), "{error}");
        let mut graph = two();
        graph.edge(1, 1, Communication::Bytes(1.0)).unwrap();
        let error = graph.build().unwrap_err().to_string();
        assert!(error.starts_with("two.stg, line 7: ") && error.contains("b -> b;"), "{error}");
        let error = WeightedGraph::builder("none").build().unwrap_err().to_string();
        assert!(error.contains("graph `none`: there is no task"), "{error}");
    }

    #[test]
    fn costs_are_for_each_worker_of_all_tasks() {
        let mut graph = two();
        graph.task(WeightedTask::unrelated("c", vec![1.0, 3.0])).unwrap();
        assert_eq!(graph.tasks[2].cost, 2.0);
        let error = graph.build().unwrap_err().to_string();
        assert!(error.contains("`a` has costs for 0 workers, task `c` for 2"), "{error}");
    }
}
