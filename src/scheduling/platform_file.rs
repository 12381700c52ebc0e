//! Machines as files.

use std::path::Path;

use serde::Deserialize;

use super::formats::{line_at, text_of};
use super::{Link, Platform};
use crate::data::refuse;
use crate::error::{Error, Result, plain};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOfPlatform {
    workers: Option<usize>,
    speeds: Option<Vec<f64>>,
    names: Option<Vec<String>>,
    #[serde(default)]
    topology: Topology,
    latency: Option<Numbers>,
    bandwidth: Option<Numbers>,
    groups: Option<Vec<usize>>,
    within: Option<LinkEntry>,
    between: Option<LinkEntry>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Topology {
    #[default]
    Clique,
    Star,
    Groups,
    Matrix,
}

/// One number, one for each worker, or one for each pair.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of numbers")]
enum Numbers {
    One(f64),
    List(Vec<f64>),
    Matrix(Vec<Vec<f64>>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkEntry {
    #[serde(default)]
    latency: f64,
    #[serde(default = "infinite")]
    bandwidth: f64,
}

fn infinite() -> f64 {
    f64::INFINITY
}

impl Platform {
    /// Reads a machine file: `docs/task-graphs.md` describes it.
    ///
    /// # Errors
    /// If the file can't be read, or describes no machine.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&text_of(path)?, &path.display().to_string())
    }

    /// A machine from the text of such a file; errors name `origin`.
    ///
    /// ```
    /// use caudal::scheduling::Platform;
    ///
    /// let text = "speeds = [2, 1]\nlatency = 1e-6\nbandwidth = 1e9";
    /// let platform = Platform::parse(text, "two.toml")?;
    /// assert_eq!((platform.workers(), platform.link(0, 1).latency), (2, 1e-6));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the text describes no machine.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let file: FileOfPlatform = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = line_at(text, start);
            let remedy = "write `speeds` or `workers`, and what links are like";
            refuse(format!("{origin}, line {line}"), plain(error.message()), remedy)
        })?;
        build(&file).map_err(|error| match error {
            Error::Data { problem, remedy, .. } => refuse(origin, problem, remedy),
            other => other,
        })
    }
}

fn build(file: &FileOfPlatform) -> Result<Platform> {
    let wrong = |problem: &str, remedy: &str| Err(refuse("machine", problem, remedy));
    let platform = match (&file.speeds, file.workers) {
        (Some(speeds), None) => Platform::with_speeds(speeds.clone())?,
        (None, Some(workers)) => Platform::equal(workers)?,
        _ => return wrong("it needs one of `speeds` and `workers`", "write one of them"),
    };
    let platform = match &file.names {
        Some(names) => platform.names(names.clone())?,
        None => platform,
    };
    let is_groups = file.topology == Topology::Groups;
    if is_groups != file.groups.is_some()
        || !is_groups && (file.within.is_some() || file.between.is_some())
    {
        let remedy = "write all of them, or none";
        return wrong("`groups`, `within` and `between` are of the topology `groups`", remedy);
    }
    if is_groups && (file.latency.is_some() || file.bandwidth.is_some()) {
        let remedy = "write `within = { latency = 1e-6, bandwidth = 1e9 }` and `between`";
        return wrong("links of groups are given by `within` and `between`", remedy);
    }
    let workers = platform.workers();
    match (file.topology, &file.groups) {
        (Topology::Groups, Some(groups)) => {
            let link = |entry: Option<LinkEntry>| {
                entry.map_or(Link::FREE, |it| Link::new(it.latency, it.bandwidth))
            };
            platform.groups(groups, link(file.within), link(file.between))
        }
        (Topology::Star, _) => {
            let latency = of_workers(file.latency.as_ref(), 0.0, workers, "latency")?;
            let bandwidth = of_workers(file.bandwidth.as_ref(), infinite(), workers, "bandwidth")?;
            let links = latency.into_iter().zip(bandwidth);
            platform.star(&links.map(|(it, other)| Link::new(it, other)).collect::<Vec<_>>())
        }
        (Topology::Matrix, _) => {
            let latency = of_pairs(file.latency.as_ref(), 0.0, workers, "latency")?;
            let bandwidth = of_pairs(file.bandwidth.as_ref(), infinite(), workers, "bandwidth")?;
            platform.between(|from, to| Link::new(latency[from][to], bandwidth[from][to]))
        }
        _ => {
            let one = |numbers: Option<&Numbers>, otherwise: f64, what: &str| match numbers {
                None => Ok(otherwise),
                Some(Numbers::One(number)) => Ok(*number),
                Some(_) => {
                    let problem = format!("`{what}` of a clique is no single number");
                    Err(refuse("machine", problem, "write one number, or another `topology`"))
                }
            };
            let latency = one(file.latency.as_ref(), 0.0, "latency")?;
            let bandwidth = one(file.bandwidth.as_ref(), infinite(), "bandwidth")?;
            platform.clique(Link::new(latency, bandwidth))
        }
    }
}

/// A number for each worker.
fn of_workers(
    numbers: Option<&Numbers>,
    otherwise: f64,
    workers: usize,
    what: &str,
) -> Result<Vec<f64>> {
    match numbers {
        None => Ok(vec![otherwise; workers]),
        Some(Numbers::One(number)) => Ok(vec![*number; workers]),
        Some(Numbers::List(list)) if list.len() == workers => Ok(list.clone()),
        Some(_) => {
            let problem = format!("`{what}` of a star is no number for each of {workers} workers");
            Err(refuse("machine", problem, "write one number, or a list with one for each worker"))
        }
    }
}

/// A number for each pair of workers.
fn of_pairs(
    numbers: Option<&Numbers>,
    otherwise: f64,
    workers: usize,
    what: &str,
) -> Result<Vec<Vec<f64>>> {
    match numbers {
        None => Ok(vec![vec![otherwise; workers]; workers]),
        Some(Numbers::One(number)) => Ok(vec![vec![*number; workers]; workers]),
        Some(Numbers::Matrix(rows))
            if rows.len() == workers && rows.iter().all(|row| row.len() == workers) =>
        {
            Ok(rows.clone())
        }
        Some(_) => {
            let problem = format!("`{what}` is no matrix of {workers} rows and columns");
            Err(refuse("machine", problem, "write a list of rows, by the sender"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Platform {
        Platform::parse(text, "machine.toml").unwrap()
    }

    #[test]
    fn every_topology_is_read() {
        let free = parse("workers = 3");
        assert_eq!((free.workers(), free.link(0, 1)), (3, Link::FREE));
        let clique = parse("speeds = [2, 0.5]\nnames = ['fast', 'slow']\nbandwidth = 1e9");
        assert_eq!((clique.speeds(), clique.name(1)), (&[2.0, 0.5][..], "slow"));
        assert_eq!(clique.link(1, 0), Link::new(0.0, 1e9));
        let star = parse("workers = 2\ntopology = 'star'\nlatency = [1, 2]\nbandwidth = [5, 4]");
        assert_eq!(star.link(0, 1), Link::new(3.0, 4.0));
        let groups = parse(
            "workers = 3\ntopology = 'groups'\ngroups = [0, 0, 1]\nbetween = { latency = 1, bandwidth = 2 }",
        );
        assert_eq!((groups.link(0, 1), groups.link(0, 2)), (Link::FREE, Link::new(1.0, 2.0)));
        let own =
            parse("workers = 2\ntopology = 'matrix'\nlatency = [[0, 1], [2, 0]]\nbandwidth = 3");
        assert_eq!((own.link(0, 1), own.link(1, 0)), (Link::new(1.0, 3.0), Link::new(2.0, 3.0)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "machine.toml: it needs one of `speeds` and `workers`"),
            ("workers = 1\nspeeds = [1]", "needs one of"),
            ("workers = 0", "machine.toml: it has 0 workers"),
            ("workers = 99999999999", "it has 99999999999 workers"),
            ("workers = 2\nspeed = 3", "machine.toml, line 2: unknown field `speed`"),
            ("speeds = [1, -1]", "worker 1 has speed -1"),
            ("workers = 2\nlatency = [1, 2]", "`latency` of a clique is no single number"),
            ("workers = 2\nlatency = nan", "latency of NaN seconds"),
            ("workers = 2\ntopology = 'star'\nlatency = [1]", "no number for each of 2 workers"),
            ("workers = 2\ntopology = 'matrix'\nlatency = [[1]]", "no matrix of 2 rows"),
            ("workers = 2\ntopology = 'ring'", "line 2: unknown variant `ring`"),
            ("workers = 2\ngroups = [0, 1]", "are of the topology `groups`"),
            ("workers = 2\ntopology = 'groups'\ngroups = [0, 1]\nlatency = 1", "`within`"),
            ("workers = 2\nnames = ['a']", "2 workers have 1 names"),
        ] {
            let error = Platform::parse(text, "machine.toml").unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
