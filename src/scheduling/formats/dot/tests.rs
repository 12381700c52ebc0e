use super::*;

fn costs(graph: &WeightedGraph) -> Vec<(&str, f64)> {
    graph.tasks().iter().map(|task| (task.name.as_str(), task.cost)).collect()
}

fn edges(graph: &WeightedGraph) -> Vec<(usize, usize, Communication)> {
    graph.edges().iter().map(|edge| (edge.from, edge.to, edge.communication)).collect()
}

#[test]
fn the_language_is_read_as_graphviz_reads_it() {
    let text = r#"
        # a line of a preprocessor
        strict digraph "my graph" {
            /* comments
               over lines */
            graph [rankdir=LR]; splines = true
            node [weight=2, shape="box"]
            a; b:w [Weight=3] [color=red];  // ports and several lists
            "c d" [label="1.5e-3" weight=4]
            subgraph cluster_x { node [weight=7]; e; }
            a -> b -> "c d" [size=8]
            a -> { e f } [weight="0.5"];
            g [label = 6, weight="" + "5"]
        }"#;
    let graph = read(text, "x.dot").unwrap();
    let expected = [("a", 2.0), ("b", 3.0), ("c d", 4.0), ("e", 7.0), ("f", 2.0), ("g", 5.0)];
    assert_eq!((graph.name(), costs(&graph)), ("my graph", expected.to_vec()));
    let (bytes, seconds) = (Communication::Bytes(8.0), Communication::Seconds(0.5));
    assert_eq!(edges(&graph), [(0, 1, bytes), (0, 3, seconds), (0, 4, seconds), (1, 2, bytes)]);
    let labels = read("digraph{a[label=3];b[label=\" 4 \"];a->b[label=5]}", "x.gv").unwrap();
    assert_eq!(costs(&labels), [("a", 3.0), ("b", 4.0)]);
    assert_eq!(edges(&labels), [(0, 1, Communication::Seconds(5.0))]);
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    let refused = |text: &str, line: usize, expected: &str| {
        let error = read(text, "x.dot").unwrap_err().to_string();
        assert!(error.starts_with(&format!("x.dot, line {line}: ")), "{text:?}: {error}");
        assert!(error.contains(expected), "{text:?}: {error}");
    };
    refused("", 1, "expected `digraph`, got the end of the file");
    refused("graph {}", 1, "expected `digraph`, got `graph`");
    refused("digraph {\n a -- b }", 2, "an edge has no direction");
    refused("digraph {\n a [cost=1];\n b }", 3, "node `b` has no cost");
    refused("digraph {\n a [cost=1]", 2, "expected `}`, got the end of the file");
    refused("digraph {\n a [cost=x] }", 2, "`cost` of `a` is `x`");
    refused("digraph {\n a [cost=nan] }", 2, "its cost is NaN");
    refused("digraph {\n a [cost=-1] }", 2, "its cost is -1");
    refused("digraph {\n a [cost=1, workers=1.5] }", 2, "uses 1.5 workers");
    refused(
        "digraph {\n a [cost=1, workers=-1] }",
        2,
        "uses -1 workers; write a whole number from 1",
    );
    refused("digraph {\n a [cost=1, costs=\"1 z\"] }", 2, "`costs` of `a` is `z`");
    refused("digraph { node [cost=1]\n a -> b\n b -> a }", 2, "in a cycle");
    refused("digraph { node [cost=1]\n a -> b\n a -> b }", 3, "is there twice");
    refused("digraph { node [cost=1]\n a -> b [bytes=many] }", 2, "`bytes` of `a -> b` is `many`");
    refused("digraph {\n \"a }", 2, "a text in quotes does not end");
    refused("digraph {\n /* }", 2, "a comment does not end");
    refused("digraph {\n a [label=<b>] }", 2, "a label in HTML");
    refused("digraph {\n a [cost=1]; % }", 2, "`%` is not expected");
    refused("digraph { a [cost=1] }\n digraph {}", 2, "something follows the graph");
    let error = read("digraph {\n}", "x.dot").unwrap_err().to_string();
    assert!(error.starts_with("x.dot: there is no task"), "{error}");
}

#[test]
fn deep_and_wide_files_are_refused_before_they_cost_much() {
    let deep = format!("digraph {}{}", "{".repeat(100_000), "}".repeat(100_000));
    let error = read(&deep, "deep.dot").unwrap_err().to_string();
    assert!(error.contains("more than 64 deep"), "{error}");
    let many: Vec<String> = (0..4000).map(|node| node.to_string()).collect();
    let group = format!("{{ {} }}", many.join(" "));
    let wide = format!("digraph {{ node [cost=1] {group} -> {group} }}");
    let error = read(&wide, "wide.dot").unwrap_err().to_string();
    assert!(error.contains("more than 10000000 edges"), "{error}");
}

#[test]
fn what_is_written_reads_back() {
    let mut graph = WeightedGraph::builder("all \"of\" it");
    let cost = [1e-9, 0.1 + 0.2, 1e12];
    for (number, cost) in cost.into_iter().enumerate() {
        let mut task = WeightedTask::unrelated(format!("a\\{number}\" -> ü"), vec![cost, 3.0]);
        task = task.release(number as f64).workers(1 + number);
        graph.task(task).unwrap();
    }
    graph.edge(2, 0, Communication::Bytes(1e15)).unwrap();
    graph.edge(0, 1, Communication::Seconds(1.0 / 3.0)).unwrap();
    let graph = graph.build().unwrap();
    assert_eq!(read(&write(&graph), "x.dot").unwrap(), graph);
}
