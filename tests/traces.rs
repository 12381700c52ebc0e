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
    assert!(object["nodes"].as_array().unwrap().len() >= 7, "{object}");
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
    ] {
        let output = caudal(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let is_other = arguments.contains(&"inception.stg");
        assert!(!is_other || errors.contains("neither a trace nor a model"), "{errors}");
        assert!(!arguments.contains(&broken.as_str()) || errors.contains("line 1: "), "{errors}");
    }
}
