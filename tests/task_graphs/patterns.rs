//! Task Bench's patterns in the commands, and `caudal metg`.

use caudal::scheduling::formats;
use caudal::task_bench::{PATTERNS, Pattern};

use crate::command_line::{json, path, refused, told};

#[test]
fn patterns_are_scheduled_drawn_executed_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = "stencil:width=3,steps=4,grain=0.5,bytes=8";
    let chart = path(&folder, "pattern.html");
    let shown = json(&[
        "schedule",
        pattern,
        "tree:width=2,steps=3",
        "--workers",
        "2",
        "--policies",
        "heft,fifo",
        "--run",
        "sleep",
        "--unit",
        "1e-3",
        "--gantt",
        &chart,
    ]);
    let case = &shown["schedules"][0];
    assert_eq!((&case["tasks"], &case["edges"]), (&12.into(), &21.into()), "{case}");
    assert_eq!(case["bounds"]["work"], 3.0, "{case}");
    assert_eq!(case["bounds"]["critical_path"], 2.0, "{case}");
    assert!(case["rows"][1]["executed"]["makespan"].as_f64().unwrap() > 2.9, "{case}");
    assert_eq!(shown["schedules"][1]["tasks"], 5);
    assert!(std::fs::read_to_string(&chart).unwrap().contains("t3p2"));
    let graph = Pattern::parse(pattern).unwrap().graph().unwrap();
    for (name, options) in
        [("x.stg", &[][..]), ("x.json", &[]), ("x.dot", &["--tasks"]), ("x.toml", &["--tasks"])]
    {
        let file = path(&folder, name);
        told(&[&["graph", pattern, "--out", &file], options].concat());
        let written = formats::read(&file).unwrap();
        // STG adds a first and a last task.
        let added = if name == "x.stg" { 2 } else { 0 };
        assert_eq!(written.task_count(), graph.task_count() + added, "{name}");
        assert_eq!(written.work(), graph.work(), "{name}");
        if name == "x.toml" {
            assert_eq!(written, graph);
        }
    }
    let (code, line) = refused(&["graph", "fft", "--out", &path(&folder, "x.svg")]);
    assert!(code == 2 && line.contains("a pattern of tasks"), "{line}");
    let (code, line) = refused(&["schedule", "stencil", "--measured"]);
    assert!(code == 2 && line.contains("--measured and --batch are for MODELs"), "{line}");
    let (code, line) = refused(&["schedule", "fft:wide=3"]);
    assert!(code == 2 && line.contains("did you mean `width`?"), "{line}");
    let (code, line) = refused(&["schedule", "all-to-al"]);
    assert!(code == 2 && line.contains("did you mean `all-to-all`?"), "{line}");
}

#[test]
fn figures_that_are_huge_or_over_nothing_are_short() {
    let pattern = "trivial:width=2,steps=2,grain=0";
    let empty = ["schedule", pattern, "--workers", "1", "--policies", "heft", "--run", "sleep"];
    let shown = told(&empty);
    assert!(shown.contains("executed s") && !shown.contains("inf"), "{shown}");
    let case = &json(&empty)["schedules"][0]["rows"][0];
    assert!(case["executed"]["makespan"].as_f64().unwrap() > 0.0, "{case}");
    assert!(case["execution_error"].is_null(), "{case}");
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "huge.toml");
    let task = |name: &str, cost: &str| format!("[[task]]\nname = \"{name}\"\ncost = {cost}\n");
    let edge = "[[edge]]\nfrom = \"a\"\nto = \"b\"\nbytes = 1e300\n";
    std::fs::write(&file, format!("{}{}{edge}", task("a", "1e300"), task("b", "1e-300"))).unwrap();
    for more in [&[][..], &["--csv"]] {
        let asked = ["schedule", &file, "--workers", "2", "--policies", "heft,random-plan"];
        let shown = told(&[&asked[..], more].concat());
        assert!(shown.lines().all(|line| line.len() < 300), "{shown}");
    }
}

#[test]
fn patterns_are_listed_and_documented() {
    let page = include_str!("../../docs/task-graphs.md");
    let (shown, listed) = (told(&["patterns"]), json(&["patterns"]));
    for (number, spec) in PATTERNS.iter().enumerate() {
        assert!(page.contains(&format!("| `{}` | {} |", spec.name, spec.summary)), "{}", spec.name);
        assert!(shown.contains(spec.summary), "{shown}");
        let row = &listed["patterns"][number];
        assert_eq!((&row["name"], &row["summary"]), (&spec.name.into(), &spec.summary.into()));
        assert_eq!(row["attributes"].as_array().unwrap().len(), spec.arguments.len());
    }
}

#[test]
fn the_smallest_grain_is_measured() {
    let measured = ["metg", "stencil:width=2,steps=4", "--seconds", "0", "--workers", "1"];
    let shown = told(&measured);
    for words in
        ["METG(50 %): ", "8 tasks with 12 edges, compute; pool by fifo on 1 worker", "empty"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let csv = told(&[&measured[..], &["--csv", "--executors", "pool,sequential"]].concat());
    let mut reader = csv::ReaderBuilder::new().from_reader(csv.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let place = |name: &str| columns.iter().position(|it| it == name).unwrap();
    assert_eq!(columns.len(), 16 + 15, "{columns:?}");
    for executor in ["pool", "sequential"] {
        let of: Vec<_> = rows.iter().filter(|row| &row[place("executor")] == executor).collect();
        assert!(of.len() > 1, "{csv}");
        for row in of {
            assert_eq!(&row[place("pattern")], "stencil:width=2,steps=4");
            assert_eq!((&row[1], &row[2], &row[3]), ("8", "12", "compute"), "{row:?}");
            assert!(row[place("grain (ns)")].parse::<f64>().unwrap() > 0.0, "{row:?}");
            assert!(row[place("efficiency")].parse::<f64>().unwrap() > 0.0, "{row:?}");
            assert!(row[columns.len() - 1].contains("metg"), "{row:?}");
        }
    }
    let both = json(&[
        "metg",
        "fft:width=2,steps=3,imbalance=1",
        "trivial:width=2,steps=3",
        "--seconds",
        "0",
        "--workers",
        "1",
        "--kernel",
        "memory",
    ]);
    let first = &both["metg"][0];
    assert_eq!(
        (&first["pattern"], &first["workers"]),
        (&"fft:width=2,steps=3,imbalance=1".into(), &1.into())
    );
    assert!(first["provenance"]["command"][1] == "metg" && first["conditions"]["mixed"] == false);
    assert!(both["metg"][1]["rows"][0]["efficiency"].as_f64().unwrap() > 0.0);
    for (arguments, words) in [
        (&["metg", "stencil:grain=1"][..], "the grain is what is varied"),
        (&["metg", "inception"], "there is no pattern of this name"),
        (&["metg", "--kernel", "float"], "compute or memory"),
        (&["metg", "--executors", "poll"], "did you mean `pool`"),
        (&["metg", "--policy", "fif"], "fifo"),
        (&["metg", "--executors", "actors", "--kernel", "memory"], "--kernel: actors has a thread"),
        (&["metg", "--efficiency", "100"], "expected 1 to 99"),
    ] {
        let (code, line) = refused(arguments);
        assert!(code == 2 && line.contains(words), "{arguments:?}: {line}");
    }
}

#[test]
fn values_of_another_type_are_refused_in_words_of_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let workflow = "{\"name\": \"w\", \"schemaVersion\": \"1.5\", \"workflow\": ";
    for (name, text, words) in [
        ("a.json", format!("{workflow}3}}"), "integer `3`, expected a table; write a workflow"),
        (
            "b.json",
            format!("{workflow}{{\"tasks\": {{}}}}}}"),
            "invalid type: table, expected a list",
        ),
        (
            "c.toml",
            "[[task]]\nname = \"a\"\ncosts = 3\n".to_owned(),
            "line 3: invalid type: integer `3`, expected a list",
        ),
    ] {
        let file = path(&folder, name);
        std::fs::write(&file, text).unwrap();
        let (code, line) = refused(&["schedule", &file]);
        assert!(code == 2 && line.contains(words), "{line}");
        assert!(!line.contains("struct") && !line.contains("column"), "{line}");
    }
    let machine = path(&folder, "machine.toml");
    for (text, words) in [
        (
            "workers = \"a\"",
            "line 1: invalid type: string \"a\", expected a whole number, 0 or more;",
        ),
        ("speeds = [1]\nlatency = \"x\"", "line 2: expected a number, or a list of numbers;"),
        (
            "speeds = [1, 1]\ntopology = \"groups\"\ngroups = [0, 1]\nwithin = 3\n",
            "line 4: invalid type: integer `3`, expected a table;",
        ),
    ] {
        std::fs::write(&machine, text).unwrap();
        let (code, line) = refused(&["schedule", "stencil", "--machine", &machine]);
        assert!(code == 2 && line.contains(words), "{line}");
    }
}
