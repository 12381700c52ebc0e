//! Standard task graphs.

use std::collections::HashSet;
use std::fmt::Write;
use std::str::FromStr;

use super::FormatSpec;
use crate::data::refuse;
use crate::error::Result;
use crate::scheduling::{
    Communication, MOST_TASKS, WeightedGraph, WeightedGraphBuilder, WeightedTask,
};

pub(super) static SPEC: FormatSpec = FormatSpec {
    name: "STG",
    summary: "standard task graphs, with and without communication",
    source: "Tobita and Kasahara: A standard task graph set for fair evaluation of multiprocessor scheduling \
             algorithms, Journal of Scheduling 5(5), 2002; www.kasahara.cs.waseda.ac.jp/schedule/format_e.html",
    endings: &["stg"],
    is: |_| true,
    read,
    write: Some(write),
};

/// Comments that say what numbers count, where that is not a unit of time.
const TIME_UNIT: &str = "Time unit in seconds";
const IN_BYTES: &str = "Communication in bytes";

/// The numbers of a text, with their lines.
struct Numbers<'t> {
    graph: WeightedGraphBuilder,
    words: Vec<(usize, &'t str)>,
    next: usize,
}

impl Numbers<'_> {
    /// The line of the next number, or of the last one.
    fn line(&self) -> usize {
        self.words.get(self.next).or(self.words.last()).map_or(1, |word| word.0)
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T> {
        let line = self.line();
        self.graph.at_line(line);
        let Some(&(_, word)) = self.words.get(self.next) else {
            let problem = format!("the file ends where {what} should stand");
            return Err(self.graph.refuse(problem, "write all that the first number promises"));
        };
        self.next += 1;
        word.parse().map_err(|_| {
            self.graph.refuse(format!("expected {what}, got `{word}`"), "write a number there")
        })
    }

    /// How many more numbers stand on the line of the last one.
    fn left_on_line(&self) -> usize {
        let line = self.words[self.next - 1].0;
        self.words[self.next..].iter().take_while(|word| word.0 == line).count()
    }
}

/// A graph has one task a line: its number, its time, how many it waits for, and their numbers. With communication,
/// the number of each that it waits for is followed by the time of the message, on the same line or on one of its own.
/// The first line has the number of tasks, for which the first and the last, of no time, may not count.
fn read(text: &str, origin: &str) -> Result<WeightedGraph> {
    let (mut words, mut unit, mut in_bytes) = (Vec::new(), 1.0, false);
    for (number, line) in (1..).zip(text.lines()) {
        let (numbers, comment) = line.split_once('#').unwrap_or((line, ""));
        words.extend(numbers.split_whitespace().map(|word| (number, word)));
        in_bytes |= comment.trim() == IN_BYTES;
        if let Some((name, value)) = comment.split_once(':')
            && name.trim() == TIME_UNIT
        {
            let seconds = value.trim().parse().ok().filter(|it: &f64| *it > 0.0 && it.is_finite());
            unit = seconds.ok_or_else(|| {
                let problem = format!("the time unit is `{}`", value.trim());
                refuse(format!("{origin}, line {number}"), problem, "write seconds above 0")
            })?;
        }
    }
    let stem = std::path::Path::new(origin).file_stem();
    let name = stem.map_or_else(|| origin.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let graph = WeightedGraph::builder(name).origin(origin);
    let mut numbers = Numbers { graph, words, next: 0 };
    let count: usize = numbers.number("the number of tasks")?;
    if count > MOST_TASKS {
        let problem = format!("the first line promises {count} tasks");
        let remedy = format!("a graph has at most {MOST_TASKS}");
        return Err(numbers.graph.refuse(problem, remedy));
    }
    let communicates = communicates(&mut numbers)?;
    // Who is waited for may stand further down.
    let mut waits: Vec<(usize, usize, u64, f64)> = Vec::new();
    while numbers.next < numbers.words.len() {
        let line = numbers.line();
        let (number, time, before) = task(&mut numbers)?;
        let task = WeightedTask::new(number.to_string(), time * unit);
        let task = numbers.graph.task(task)?;
        for _ in 0..before {
            let before = numbers.number("the number of a task that it waits for")?;
            let amount = if communicates { numbers.number("the time of a message")? } else { 0.0 };
            waits.push((line, task, before, amount));
        }
    }
    let mut graph = numbers.graph;
    let there = graph.task_count();
    if there != count && Some(there) != count.checked_add(2) {
        let problem = format!("the first line promises {count} tasks, and there are {there}");
        let remedy = "write their number there, with or without the first and the last";
        return Err(refuse(format!("{origin}, line 1"), problem, remedy));
    }
    for (line, task, before, amount) in waits {
        graph.at_line(line);
        let before = graph.number(&before.to_string())?;
        let communication = if communicates && !in_bytes {
            Communication::Seconds(amount * unit)
        } else {
            Communication::Bytes(amount)
        };
        graph.edge(before, task, communication)?;
    }
    graph.build()
}

/// The head of a task: its number, its time, and how many it waits for.
fn task(numbers: &mut Numbers<'_>) -> Result<(u64, f64, usize)> {
    Ok((
        numbers.number("the number of a task")?,
        numbers.number("the time of a task")?,
        numbers.number("how many tasks it waits for")?,
    ))
}

/// Whether messages take time: whether the first task that waits for others has more on its line than their numbers,
/// or nothing.
fn communicates(numbers: &mut Numbers<'_>) -> Result<bool> {
    let begin = numbers.next;
    let mut found = false;
    while numbers.next < numbers.words.len() {
        let (_, _, before) = task(numbers)?;
        if before == 0 {
            continue;
        }
        let left = numbers.left_on_line();
        if left != before && left != 0 && Some(left) != before.checked_mul(2) {
            let problem = format!("a task waits for {before} others, and {left} numbers follow");
            let remedy = "write their numbers on the line, or each with the time of its message";
            return Err(numbers.graph.refuse(problem, remedy));
        }
        found = left != before;
        break;
    }
    numbers.next = begin;
    Ok(found)
}

/// Times are whole numbers of a unit; where seconds are not, the unit is stated in a comment, which [`read`] heeds.
fn write(graph: &WeightedGraph) -> Result<String> {
    let cant = |problem: &str| {
        refuse(format!("graph `{}`", graph.name()), problem, "write it as .toml or .dot")
    };
    let plain =
        |task: &WeightedTask| task.costs.is_empty() && task.release == 0.0 && task.workers == 1;
    if !graph.tasks().iter().all(plain) {
        return Err(cant(
            "standard task graphs know neither releases, costs by worker nor tasks on several workers",
        ));
    }
    let edges = || graph.edges().iter().map(|edge| edge.communication);
    let in_bytes = edges().any(|it| it.bytes() > 0.0);
    let seconds = || {
        edges().filter_map(|it| match it {
            Communication::Seconds(seconds) => Some(seconds),
            Communication::Bytes(_) => None,
        })
    };
    if in_bytes && seconds().next().is_some() {
        return Err(cant("some edges have bytes and some have seconds"));
    }
    let communicates = edges().any(|it| it != Communication::Bytes(0.0));
    let times = graph.tasks().iter().map(|task| task.cost).chain(seconds());
    let unit = unit(times);
    let mut order = graph.topological_order().to_vec();
    let ends = |wanted: fn(&WeightedGraph, usize) -> bool| {
        order.iter().copied().filter(|&task| wanted(graph, task)).collect::<HashSet<_>>()
    };
    let sources = ends(|graph, task| graph.incoming(task).len() == 0);
    let sinks = ends(|graph, task| graph.outgoing(task).is_empty());
    // The first and the last task are of no time, as the format wants it; where the graph has such, they are its own.
    let is_dummy = |tasks: &HashSet<usize>| {
        let mut tasks = tasks.iter();
        matches!((tasks.next(), tasks.next()), (Some(&only), None) if graph.tasks()[only].cost == 0.0)
    };
    let (own_first, own_last) = (is_dummy(&sources), order.len() > 1 && is_dummy(&sinks));
    if own_last && let Some(last) = order.iter().position(|task| sinks.contains(task)) {
        let last = order.remove(last);
        order.push(last);
    }
    let shift = usize::from(!own_first);
    let mut numbers = vec![0; graph.task_count()];
    order.iter().enumerate().for_each(|(place, &task)| numbers[task] = place + shift);
    let last = order.len() + shift;
    let mut text = format!("{:>11}\n", last + usize::from(!own_last) - 2);
    let mut line = |number: usize, time: f64, before: Vec<(usize, f64)>| {
        let _ = write!(text, "{number:>11} {time:>11} {:>11}", before.len());
        for (number, amount) in before {
            let _ = write!(text, " {number:>11}");
            if communicates {
                let _ = write!(text, " {amount:>11}");
            }
        }
        text.push('\n');
    };
    if !own_first {
        line(0, 0.0, Vec::new());
    }
    for &task in &order {
        let mut before: Vec<(usize, f64)> = graph
            .incoming(task)
            .map(|edge| (numbers[edge.from], amount(edge.communication, unit)))
            .collect();
        if before.is_empty() && !own_first {
            before.push((0, 0.0));
        }
        line(numbers[task], (graph.tasks()[task].cost / unit).round(), before);
    }
    if !own_last {
        let mut before: Vec<(usize, f64)> = sinks.iter().map(|&it| (numbers[it], 0.0)).collect();
        before.sort_by_key(|before| before.0);
        line(last, 0.0, before);
    }
    let _ = writeln!(text, "# {}", crate::data::escaped(graph.name()));
    if unit != 1.0 {
        let _ = writeln!(text, "# {TIME_UNIT} : {unit:e}");
    }
    if in_bytes {
        let _ = writeln!(text, "# {IN_BYTES}");
    }
    for (&task, number) in order.iter().zip(shift..) {
        let name = crate::data::escaped(&graph.tasks()[task].name);
        let _ = writeln!(text, "# task {number} : {}", name.replace('#', "_"));
    }
    Ok(text)
}

fn amount(communication: Communication, unit: f64) -> f64 {
    match communication {
        Communication::Bytes(bytes) => bytes,
        Communication::Seconds(seconds) => (seconds / unit).round(),
    }
}

/// Seconds, where all times are whole; otherwise the power of ten of them that gives the shortest time three digits.
fn unit(times: impl Iterator<Item = f64> + Clone) -> f64 {
    if times.clone().all(|time| time.fract() == 0.0) {
        return 1.0;
    }
    let least = times.filter(|&time| time > 0.0).fold(f64::INFINITY, f64::min);
    // What has fewer digits than a number of the machine needs no finer unit.
    let digits = (least.log10().floor() - 2.0).clamp(-15.0, 0.0);
    format!("1e{digits:.0}").parse().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "  2\n 0 0 0\n 1 20 1 0\n 2 3 1 0\n 3 0 2 1 2\n# Tasks : 2\n";
    const WITH_TIMES: &str = "2\n0 0 0\n1 20 1\n 0 0\n2 3 1\n 0 5\n3 0 2\n 1 4\n 2 0.5\n";

    fn edges(graph: &WeightedGraph) -> Vec<(usize, usize, Communication)> {
        graph.edges().iter().map(|edge| (edge.from, edge.to, edge.communication)).collect()
    }

    #[test]
    fn both_forms_are_read_on_one_line_a_task_or_on_several() {
        let graph = read(PLAIN, "a/plain.stg").unwrap();
        assert_eq!((graph.name(), graph.work()), ("plain", 23.0));
        let none = Communication::Bytes(0.0);
        assert_eq!(edges(&graph), [(0, 1, none), (0, 2, none), (1, 3, none), (2, 3, none)]);
        let graph = read(WITH_TIMES, "times.stg").unwrap();
        let time = Communication::Seconds;
        let expected = [(0, 1, time(0.0)), (0, 2, time(5.0)), (1, 3, time(4.0)), (2, 3, time(0.5))];
        assert_eq!(edges(&graph), expected);
        let one_line = WITH_TIMES.replace("\n ", " ");
        assert_eq!(read(&one_line, "times.stg").unwrap(), graph);
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_line() {
        let refused = |text: &str, line: usize, expected: &str| {
            let error = read(text, "x.stg").unwrap_err().to_string();
            assert!(error.starts_with(&format!("x.stg, line {line}: ")), "{text:?}: {error}");
            assert!(error.contains(expected), "{text:?}: {error}");
        };
        refused("", 1, "the file ends where the number of tasks should stand");
        refused("many", 1, "expected the number of tasks, got `many`");
        refused("99999999999", 1, "promises 99999999999 tasks");
        refused("1\n0 0 0\n1 2 1", 3, "the file ends where the number of a task that it waits for");
        refused("1\n0 0 0\n1 2 2 0", 3, "waits for 2 others, and 1 numbers follow");
        refused("1\n0 0 0\n1 nan 1 0\n2 0 1 1", 3, "its cost is NaN");
        refused("1\n0 0 0\n1 -3 1 0\n2 0 1 1", 3, "its cost is -3");
        refused("1\n0 0 0\n1 3 1 7\n2 0 1 1", 3, "there is no task `7`");
        refused("1\n0 0 0\n1 3 1 0\n1 0 1 1", 4, "two tasks called `1`");
        refused("1\n0 0 0\n1 3 1 2\n2 0 1 1", 4, "in a cycle");
        refused("7\n0 0 0\n1 3 1 0\n", 1, "promises 7 tasks, and there are 2");
        refused("1\n0 0 0\n1 3 18446744073709551615 0\n", 3, "waits for 18446744073709551615");
        refused(
            "1\n0 0 0\n1 3 1 0\n2 0 1 1\n# Time unit in seconds : 0",
            5,
            "the time unit is `0`",
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [PLAIN, WITH_TIMES] {
            let graph = read(text, "g.stg").unwrap();
            let again = read(&write(&graph).unwrap(), "g.stg").unwrap();
            assert_eq!(graph, again, "{}", write(&graph).unwrap());
        }
        let mut graph = WeightedGraph::builder("g");
        for cost in [0.001_25, 0.5, 0.000_001_25] {
            graph.task(WeightedTask::new(format!("{cost} # s"), cost)).unwrap();
        }
        graph.edge(2, 0, Communication::Bytes(64.0)).unwrap();
        let text = write(&graph.build().unwrap()).unwrap();
        assert!(text.starts_with("          3\n          0 "), "{text}");
        let again = read(&text, "g.stg").unwrap();
        let mut costs: Vec<f64> = again.tasks().iter().map(|task| task.cost).collect();
        costs.sort_by(f64::total_cmp);
        assert_eq!(costs, [0.0, 0.0, 0.000_001_25, 0.001_25, 0.5]);
        assert!(edges(&again).iter().any(|edge| edge.2 == Communication::Bytes(64.0)), "{text}");
    }
}
