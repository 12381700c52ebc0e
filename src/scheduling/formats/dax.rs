//! Workflows of Pegasus as XML.

use std::collections::{HashMap, HashSet};

use roxmltree::{Document, Node};

use super::{FormatSpec, Lines};
use crate::data::refuse;
use crate::error::Result;
use crate::scheduling::builder::is_amount;
use crate::scheduling::{Communication, WeightedGraph, WeightedGraphBuilder, WeightedTask};

pub(super) static SPEC: FormatSpec = FormatSpec {
    name: "DAX",
    summary: "abstract workflows of Pegasus as XML, versions 2 and 3, whose jobs have runtimes",
    source: "pegasus.isi.edu/schema/dax-3.6.xsd",
    endings: &["dax", "xml"],
    is: |text| text.contains("<adag"),
    read,
    write: None,
};

/// A job's files with their bytes.
#[derive(Default)]
struct Files<'t> {
    read: HashMap<&'t str, f64>,
    written: HashMap<&'t str, f64>,
}

fn read(text: &str, origin: &str) -> Result<WeightedGraph> {
    let document = Document::parse(text).map_err(|error| {
        let at = format!("{origin}, line {}", error.pos().row);
        refuse(at, error.to_string(), "write a workflow as Pegasus has it")
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "adag" {
        let problem = format!("its outermost element is `{}`", root.tag_name().name());
        return Err(refuse(origin, problem, "name a workflow, whose outermost element is `adag`"));
    }
    let mut graph =
        WeightedGraph::builder(root.attribute("name").unwrap_or("workflow")).origin(origin);
    let mut lines = Lines::new(text);
    let mut jobs: Vec<Files<'_>> = Vec::new();
    for job in elements(root, "job") {
        graph.at_line(lines.of(job.range().start));
        let id = attribute(&graph, &job, "id")?;
        let seconds = number(&graph, &job, "runtime")?.ok_or_else(|| {
            let problem = format!("job `{id}` has no `runtime`");
            graph.refuse(problem, "give every job the seconds that it takes")
        })?;
        graph.task(WeightedTask::new(id, seconds))?;
        let mut files = Files::default();
        for used in elements(job, "uses") {
            graph.at_line(lines.of(used.range().start));
            let file = used.attribute("file").or(used.attribute("name"));
            let file = file.ok_or_else(|| {
                graph.refuse("a file that a job uses has no `file` or `name`", "give it one")
            })?;
            let bytes = size(&graph, &used)?;
            match used.attribute("link") {
                Some("input") => drop(files.read.insert(file, bytes)),
                Some("output") => drop(files.written.insert(file, bytes)),
                Some("inout") => {
                    files.read.insert(file, bytes);
                    files.written.insert(file, bytes);
                }
                // Executables, checkpoints and the like are no messages.
                _ => {}
            }
        }
        jobs.push(files);
    }
    let mut seen = HashSet::new();
    // Children may stand before jobs.
    let mut lines = Lines::new(text);
    for child in elements(root, "child") {
        graph.at_line(lines.of(child.range().start));
        let to = graph.number(attribute(&graph, &child, "ref")?)?;
        for parent in elements(child, "parent") {
            graph.at_line(lines.of(parent.range().start));
            let from = graph.number(attribute(&graph, &parent, "ref")?)?;
            if seen.insert((from, to)) {
                let bytes = bytes(&jobs[from], &jobs[to]);
                graph.edge(from, to, Communication::Bytes(bytes))?;
            }
        }
    }
    graph.build()
}

/// The bytes of all files that one job writes and another reads, by the larger of the sizes that both give.
fn bytes(from: &Files<'_>, to: &Files<'_>) -> f64 {
    let (few, many) = if from.written.len() < to.read.len() {
        (&from.written, &to.read)
    } else {
        (&to.read, &from.written)
    };
    let common = few.iter().filter_map(|(file, bytes)| Some((file, bytes.max(*many.get(file)?))));
    let mut common: Vec<(&&str, f64)> = common.collect();
    // Sums have the same bits every time.
    common.sort_by_key(|(file, _)| **file);
    common.into_iter().map(|(_, bytes)| bytes).sum()
}

/// The children of that name, in whatever namespace.
fn elements<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |it| it.is_element() && it.tag_name().name() == name)
}

fn attribute<'a>(graph: &WeightedGraphBuilder, node: &Node<'a, '_>, name: &str) -> Result<&'a str> {
    node.attribute(name).ok_or_else(|| {
        let element = node.tag_name().name();
        let problem = format!("an element `{element}` has no `{name}`");
        graph.refuse(problem, format!("give every `{element}` one"))
    })
}

fn number(graph: &WeightedGraphBuilder, node: &Node<'_, '_>, name: &str) -> Result<Option<f64>> {
    let Some(text) = node.attribute(name) else { return Ok(None) };
    let number = text.trim().parse::<f64>().map_err(|_| {
        graph.refuse(format!("`{name}` is `{text}`, which is no number"), "write a number")
    })?;
    Ok(Some(number))
}

/// The bytes of a file that a job uses; nothing is 0.
fn size(graph: &WeightedGraphBuilder, used: &Node<'_, '_>) -> Result<f64> {
    let bytes = number(graph, used, "size")?.unwrap_or(0.0);
    if !is_amount(bytes) {
        let problem = format!("`size` is {bytes} bytes");
        return Err(graph.refuse(problem, "give it a finite number, 0 or more"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- two jobs -->
<adag xmlns="http://pegasus.isi.edu/schema/DAX" version="2.1" name="small">
  <job id="ID0" name="first" runtime="13.5">
    <uses file="in" link="input" size="100"/>
    <uses file="a" link="output" size="20"/>
    <uses file="b" link="output" size="5"/>
    <uses file="c" link="output" size="7"/>
  </job>
  <job id="ID1" name="second" runtime="2e0">
    <uses name="b" link="input" size="5"/>
    <uses name="a" link="inout"/>
    <uses name="tool" link="executable" size="9"/>
  </job>
  <job id="ID2" name="third" runtime="1"/>
  <child ref="ID1"><parent ref="ID0"/><parent ref="ID0"/></child>
  <child ref="ID2"><parent ref="ID1"/></child>
</adag>
"#;

    #[test]
    fn jobs_and_the_files_between_them_are_read() {
        let graph = read(SMALL, "small.dax").unwrap();
        let tasks: Vec<_> = graph.tasks().iter().map(|it| (it.name.as_str(), it.cost)).collect();
        assert_eq!(
            (graph.name(), tasks),
            ("small", vec![("ID0", 13.5), ("ID1", 2.0), ("ID2", 1.0)])
        );
        let edges = graph.edges().iter().map(|it| (it.from, it.to, it.communication.bytes()));
        assert_eq!(edges.collect::<Vec<_>>(), [(0, 1, 25.0), (1, 2, 0.0)]);
    }

    #[test]
    fn lines_are_counted_on_from_job_to_job() {
        let jobs: Vec<String> =
            (0..20_000).map(|it| format!("<job id=\"{it}\" runtime=\"1\"/>")).collect();
        let text = format!("<adag>{}\n<job id=\"last\"/></adag>", jobs.concat());
        let error = read(&text, "wide.dax").unwrap_err().to_string();
        assert!(error.contains("wide.dax, line 2: job `last`"), "{error}");
        let children = "<adag>\n<child ref=\"b\"><parent ref=\"a\"/></child>\n<job id=\"a\" runtime=\"1\"/>\n</adag>";
        let error = read(children, "first.dax").unwrap_err().to_string();
        assert!(error.contains("first.dax, line 2: there is no task `b`"), "{error}");
    }

    #[test]
    fn what_is_no_workflow_is_refused_with_its_line() {
        for (from, to, expected) in [
            ("13.5", "long", "small.dax, line 4: `runtime` is `long`"),
            ("13.5", "-1", "small.dax, line 4: "),
            ("13.5", "nan", "small.dax, line 4: "),
            (" runtime=\"13.5\"", "", "line 4: job `ID0` has no `runtime`"),
            ("id=\"ID1\"", "id=\"ID0\"", "line 10: "),
            ("id=\"ID1\"", "", "line 10: an element `job` has no `id`"),
            ("ref=\"ID1\"><", "ref=\"ID9\"><", "line 16: "),
            ("size=\"20\"", "size=\"x\"", "line 6: `size` is `x`"),
            ("size=\"20\"", "size=\"-20\"", "line 6: `size` is -20 bytes"),
            ("size=\"9\"", "size=\"inf\"", "line 13: `size` is inf bytes"),
            ("name=\"b\" ", "", "line 11: a file that a job uses"),
            ("</adag>", "", "small.dax, line "),
            ("<!-- two jobs -->", "<!DOCTYPE a [<!ENTITY e \"x\">]>", "small.dax, line "),
            ("<parent ref=\"ID1\"/>", "<parent ref=\"ID2\"/>", "ID2"),
        ] {
            let error = read(&SMALL.replacen(from, to, 1), "small.dax").unwrap_err().to_string();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
        let error = read("<a><adag/></a>", "x.xml").unwrap_err().to_string();
        assert!(error.contains("its outermost element is `a`"), "{error}");
    }
}
