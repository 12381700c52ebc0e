use super::*;

fn edges(graph: &WeightedGraph) -> Vec<(usize, usize, f64)> {
    graph.edges().iter().map(|it| (it.from, it.to, it.communication.bytes())).collect()
}

const OLD: &str = r#"{
    "name": "old", "schemaVersion": "1.4", "createdAt": "2020-01-01T00:00:00Z",
    "workflow": { "makespanInSeconds": 5, "tasks": [
        { "name": "split_1", "id": "ID1", "runtimeInSeconds": 2.5, "cores": 1, "children": ["join_2"],
          "files": [ { "link": "input", "name": "a", "sizeInBytes": 9 },
                     { "link": "output", "name": "b", "sizeInBytes": 4 },
                     { "link": "output", "name": "c", "sizeInBytes": 2 } ] },
        { "name": "join_2", "id": "ID2", "runtimeInSeconds": 1, "parents": ["split_1"],
          "files": [ { "link": "input", "name": "b", "sizeInBytes": 4 } ] }
    ] } }"#;

const NEW: &str = r#"{
    "name": "new", "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                { "name": "t", "id": "a", "parents": [], "children": ["b"], "outputFiles": ["f", "g"] },
                { "name": "t", "id": "b", "parents": ["a"], "children": [], "inputFiles": ["f", "g", "h"] }
            ],
            "files": [ { "id": "f", "sizeInBytes": 10 }, { "id": "g", "sizeInBytes": 5 },
                       { "id": "h", "sizeInBytes": 7 } ]
        },
        "execution": { "makespanInSeconds": 3, "executedAt": "now", "tasks": [
            { "id": "b", "runtimeInSeconds": 2, "coreCount": 4.0 },
            { "id": "a", "runtimeInSeconds": 1 }
        ] }
    } }"#;

#[test]
fn versions_before_and_after_the_division_are_read() {
    let graph = read(OLD, "old.json").unwrap();
    assert_eq!((graph.name(), graph.work()), ("old", 3.5));
    assert_eq!(edges(&graph), [(0, 1, 4.0)], "what one writes and the other reads");
    let graph = read(NEW, "new.json").unwrap();
    let tasks: Vec<_> =
        graph.tasks().iter().map(|it| (it.name.as_str(), it.cost, it.workers)).collect();
    assert_eq!(tasks, [("a", 1.0, 1), ("b", 2.0, 4)]);
    assert_eq!(edges(&graph), [(0, 1, 15.0)]);
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    let refused = |from: &str, to: &str, expected: &str| {
        assert!(NEW.contains(from), "{from}");
        let error = read(&NEW.replacen(from, to, 1), "x.json").unwrap_err().to_string();
        assert!(error.starts_with("x.json"), "{error}");
        assert!(error.contains(expected), "{to:?}: {error}");
    };
    refused("\"1.5\"", "\"0.9\"", "its `schemaVersion` is `0.9`");
    refused("\"workflow\"", "\"work\"", "missing field `workflow`");
    refused("\"parents\": [\"a\"]", "\"parents\": [\"z\"]", "line 7: there is no task `z`");
    refused("\"parents\": [\"a\"]", "\"parents\": [\"b\"]", "line 7: tasks wait for each other");
    refused("\"parents\": [\"a\"]", "\"parents\": 3", "line 7: invalid type");
    refused(
        "\"id\": \"b\", \"parents\"",
        "\"id\": \"a\", \"parents\"",
        "line 7: there are two tasks called `a`",
    );
    refused("{ \"id\": \"b\"", "{ \"id\": \"a\"", "line 14: task `a` was executed twice");
    refused("\"runtimeInSeconds\": 2,", "", "line 7: task `b` has no runtime");
    refused("\"runtimeInSeconds\": 2,", "\"runtimeInSeconds\": -2,", "its cost is -2");
    refused("\"runtimeInSeconds\": 2,", "\"runtimeInSeconds\": 1e999,", "x.json, line");
    refused("\"coreCount\": 4.0", "\"coreCount\": 1e300", "workers");
    refused("\"coreCount\": 4.0", "\"coreCount\": -1", "it uses -1 workers");
    refused("\"sizeInBytes\": 10", "\"sizeInBytes\": -10", "carries -5 bytes");
    refused("\"id\": \"g\"", "\"id\": \"f\"", "line 9: file `f` has two sizes");
    refused("{", "", "x.json, line");
}

#[test]
fn what_is_written_reads_back() {
    let graph = read(NEW, "new.json").unwrap();
    assert_eq!(read(&write(&graph).unwrap(), "again.json").unwrap(), graph);
    let mut graph = WeightedGraph::builder("names");
    for name in ["conv, forward", "conv; forward"] {
        graph.task(WeightedTask::new(name, 0.1)).unwrap();
    }
    graph.edge(0, 1, Communication::Bytes(3.0)).unwrap();
    let again = read(&write(&graph.build().unwrap()).unwrap(), "again.json").unwrap();
    let names: Vec<_> = again.tasks().iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["0_conv__forward", "1_conv__forward"]);
    let mut seconds = WeightedGraph::builder("seconds");
    seconds.task(WeightedTask::new("a", 1.0)).unwrap();
    seconds.task(WeightedTask::new("b", 1.0)).unwrap();
    seconds.edge(0, 1, Communication::Seconds(1.0)).unwrap();
    let error = write(&seconds.build().unwrap()).unwrap_err().to_string();
    assert!(error.contains("knows bytes of files"), "{error}");
}
