//! Traces that are read back: `caudal trace` and `caudal what-if`.

use serde_json::Value;

use super::command_line::{caudal, json, path, told};

#[test]
fn traces_are_read_back_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for name in ["a.csv", "b.jsonl", "c.json"] {
        let file = path(&folder, name);
        let train = ["train", "article-dag", "--max-steps", "12", "--quiet", "--workers", "2"];
        told(&[&train[..], &["--trace", &file]].concat());
        files.push(file);
    }
    for file in &files {
        let chart = path(&folder, "chart.svg");
        let shown = told(&["trace", file, "--gantt", &chart, "--top", "3"]);
        assert!(shown.contains("10 executions of") && shown.contains("on 2 workers"), "{shown}");
        assert!(shown.contains("critical path as executed: "), "{shown}");
        let picture = std::fs::read_to_string(&chart).unwrap();
        assert!(picture.contains("A, forward: ") && picture.contains("<svg"), "{picture}");
        let object = json(&["trace", file, "--execution", "2"]);
        let trace = &object["traces"][0];
        assert_eq!((trace["execution"].as_u64(), trace["workers"].as_u64()), (Some(2), Some(2)));
        let number = |name: &str| trace[name].as_f64().unwrap();
        assert!(number("critical_path_ms") <= number("work_ms"));
        assert!(number("least_ms") <= number("makespan_ms"));
        assert_eq!(object["difference"], Value::Null);
    }
    let page = path(&folder, "both.html");
    let shown = told(&["trace", &files[0], &files[1], "--gantt", &page]);
    assert!(shown.contains(" tasks in both; reordered: "), "{shown}");
    assert!(!shown.contains(" alone: "), "the same tasks: {shown}");
    assert_eq!(std::fs::read_to_string(&page).unwrap().matches("<svg").count(), 2);
    let shown = told(&["trace", &files[0], &files[2], "--csv"]);
    assert_eq!(shown.lines().count(), 1 + 2 * 10, "{shown}");
    assert!(shown.starts_with("file,execution,tasks,parts,workers,makespan_ms,"), "{shown}");
    // From a trace, by simulation: what a node that takes less time would save.
    let shown = told(&["what-if", &files[1], "--less", "30"]);
    assert!(shown.contains("recorded") && shown.contains("burdened parallelism"), "{shown}");
    let object = json(&["what-if", &files[1], "--workers", "2"]);
    let groups = object["nodes"].as_array().unwrap();
    let mut nodes: Vec<&Value> =
        groups.iter().flat_map(|group| group["nodes"].as_array().unwrap()).collect();
    assert!(nodes.len() >= 7, "{object}");
    nodes.sort_by_key(|node| node.as_str());
    let all = nodes.len();
    nodes.dedup();
    assert_eq!(nodes.len(), all, "every node once: {object}");
    assert!(object["resources"].as_array().unwrap().len() >= 5, "{object}");
    let broken = path(&folder, "broken.jsonl");
    let text = std::fs::read_to_string(&files[1]).unwrap();
    std::fs::write(&broken, text.replacen("\"end_ns\":", "\"end_ns\":-", 2)).unwrap();
    for arguments in [
        &["trace", broken.as_str()][..],
        &["what-if", &broken],
        &["trace", &files[0], "--execution", "10"],
        &["trace", &files[0], &files[1], "--gantt", "both.svg"],
        &["trace", &files[0], "--gantt", &files[0]],
        &["trace", "none.csv"],
        &["what-if", "inception.stg"],
        &["what-if", &files[0], "--less", "100"],
        &["what-if", &files[0], "--workers", "0"],
        &["what-if", &files[0], "--seconds", "5"],
        &["what-if", &files[0], "--pin", "cores"],
        &["what-if", &files[0], "--precision", "f32"],
        &["what-if", &files[0], "--allow-mixed"],
    ] {
        let output = caudal(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let is_other = arguments.contains(&"inception.stg");
        assert!(!is_other || errors.contains("neither a trace nor a model"), "{errors}");
        assert!(!arguments.contains(&broken.as_str()) || errors.contains("line 1: "), "{errors}");
    }
}

/// A part of a task of its own, as a line of a trace.
fn part(task: usize, worker: usize, microseconds: usize) -> String {
    format!(
        "{{\"execution\":0,\"event\":\"part\",\"task\":{task},\"label\":\"n{task}, forward\",\"node\":\"n{task}\",\
         \"phase\":\"forward\",\"part\":0,\"parts\":1,\"worker\":{worker},\"ready_ns\":0,\"start_ns\":0,\
         \"end_ns\":{}}}\n",
        1000 * microseconds
    )
}

#[test]
fn traces_of_many_workers_are_refused_where_they_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "wide.jsonl");
    let lines: String = (0..1100).map(|number| part(number, number, 1)).collect();
    std::fs::write(&file, lines).unwrap();
    let chart = path(&folder, "chart.svg");
    for (arguments, expected) in [
        (&["what-if", &file][..], "1100 workers ran parts, and the simulator has 1024 at most"),
        (&["trace", &file, "--gantt", &chart], "has 1100 workers, and a chart 1024 at most"),
    ] {
        let output = caudal(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && errors.contains(expected), "{errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let shown = told(&["what-if", &file, "--workers", "1024", "--top", "1"]);
    assert!(shown.contains("one worker less") && !shown.contains("one worker more"), "{shown}");
    assert!(
        shown.contains("(1095 others were not simulated: none has more than 0.09 %"),
        "{shown}"
    );
}

#[test]
fn short_traces_of_one_busy_worker_have_digits_and_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "short.jsonl");
    let parked = "{\"execution\":0,\"event\":\"parked\",\"worker\":1,\"start_ns\":0}\n";
    std::fs::write(&file, part(0, 0, 2) + parked).unwrap();
    let shown = told(&["trace", &file]);
    assert!(shown.contains("of 2.000 us in the median") && shown.contains("start us"), "{shown}");
    let output = caudal(&["what-if", &file]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (shown, notes) = (text(output.stdout), text(output.stderr));
    assert!(shown.contains("short: 1 worker, critical-path: 2.000 us by simulation"), "{shown}");
    assert!(notes.contains("note: 1 of the pool's 2 workers ran all parts"), "{notes}");
}
