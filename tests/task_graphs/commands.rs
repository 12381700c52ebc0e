//! `caudal schedule`, and the graphs that `caudal graph` writes for it and for others.

use caudal::scheduling::{STATIC_POLICIES, formats};

use super::file;
use crate::command_line::{json, path, refused, told};

/// Whether a line begins with these words.
fn row<'t>(shown: &'t str, words: &[&str]) -> Vec<&'t str> {
    let mut rows = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.find(|row| row.starts_with(words)).unwrap_or_else(|| panic!("{words:?}: {shown}"))
}

#[test]
fn the_example_worked_by_hand_is_what_the_program_says() {
    let shown =
        told(&["schedule", &file("diamond.toml"), "--speeds", "1,2", "--policies", "heft,cpop"]);
    let page = include_str!("../../docs/task-graphs.md");
    let said = shown.lines().skip(1).take_while(|line| !line.starts_with("makespan:"));
    for line in said.filter(|line| !line.contains("partial schedules")) {
        assert!(page.contains(line.trim()), "{line}");
    }
    assert!(shown.contains("T1 / P 4.66667 s, T∞ 5 s, with messages 6 s"), "{shown}");
    assert!(shown.contains("optimum 7 s"), "{shown}");
    assert_eq!(row(&shown, &["2", "heft"])[2], "8");
    let told = json(&["schedule", &file("topcuoglu.toml"), "--policies", "heft,cpop"]);
    let case = &told["schedules"][0];
    assert_eq!((&case["workers"], &case["tasks"]), (&3.into(), &10.into()), "{case}");
    let makespans = [0, 1].map(|row| case["rows"][row]["metrics"]["makespan"].as_f64().unwrap());
    assert_eq!(makespans, [80.0, 86.0]);
    assert_eq!(case["optimum"]["proven"], true, "{case}");
}

#[test]
fn machines_policies_and_draws_are_taken() {
    let (graph, machine) = (file("diamond.toml"), file("groups.toml"));
    let shown = told(&["schedule", &graph, "--machine", &machine, "--policies", "all"]);
    for spec in STATIC_POLICIES.iter().map(|spec| spec.name).chain(["static", "fifo", "random"]) {
        assert_eq!(row(&shown, &["4", spec]).len(), 12, "{shown}");
    }
    let drawn = ["schedule", &graph, "--seeds", "7", "--policies", "heft,random:3", "--csv"];
    let shown = told(&drawn);
    assert_eq!(shown, told(&drawn), "the same seeds");
    let mut reader = csv::ReaderBuilder::new().from_reader(shown.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6, "two policies on 1, 2 and 4 workers: {shown}");
    let place = |name: &str| columns.iter().position(|it| it == name).unwrap();
    for row in &rows {
        let number = |name: &str| row[place(name)].parse::<f64>().unwrap();
        assert!(number("makespan") > 0.0 && number("makespan_confidence") > 0.0, "{row:?}");
        assert!(number("slr") >= 0.99 && number("bytes_moved") == 0.0, "{row:?}");
    }
}

#[test]
fn charts_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let graph = file("diamond.toml");
    let svg = path(&folder, "one.svg");
    told(&["schedule", &graph, "--workers", "2", "--policies", "heft", "--gantt", &svg]);
    let picture = std::fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("A: 0 to 2 s"), "{picture}");
    let html = path(&folder, "all.html");
    told(&[
        "schedule",
        &graph,
        &file("topcuoglu.toml"),
        "--policies",
        "heft,fifo",
        "--gantt",
        &html,
    ]);
    let page = std::fs::read_to_string(&html).unwrap();
    // Two policies and the optimum: of one graph on 1, 2 and 4 workers, of the other on 3.
    assert_eq!(page.matches("<svg").count(), 12);
    let (code, line) = refused(&["schedule", &graph, "--policies", "heft", "--gantt", &svg]);
    assert!(code == 2 && line.contains("there are 3 charts"), "{line}");
    let (code, line) = refused(&["schedule", &graph, "--gantt", &path(&folder, "x.png")]);
    assert!(code == 2 && line.contains("written as .svg or .html"), "{line}");
    let (code, line) = refused(&["schedule", &graph, "--gantt", &graph]);
    assert!(code == 2 && line.contains("diamond.toml"), "{line}");
}

#[test]
fn training_steps_are_written_as_task_graphs_that_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, more: &[&str]| {
        let out = path(&folder, name);
        told(&[&["graph", "article-dag", "--out", &out][..], more].concat());
        (formats::read(&out).unwrap(), out)
    };
    let (own, _) = written("step.toml", &["--tasks"]);
    let (dot, file) = written("step.dot", &["--tasks"]);
    assert_eq!(own, dot);
    assert!(own.task_count() > 10 && own.edges().iter().any(|it| it.communication.bytes() > 0.0));
    let (json, _) = written("step.json", &[]);
    assert_eq!((json.task_count(), json.edges()), (own.task_count(), own.edges()));
    assert_eq!(json.work(), own.work());
    let (stg, _) = written("step.stg", &[]);
    assert!(stg.task_count() - own.task_count() <= 2);
    assert!((stg.work() / own.work() - 1.0).abs() < 0.01);
    let (larger, _) = written("larger.json", &["--batch", "4096"]);
    assert!(larger.work() > own.work());
    let rows = |graph: &str, more: &[&str]| {
        let fixed = ["--workers", "2", "--policies", "heft,critical-path", "--time-limit", "0"];
        let shown = told(&[&["schedule", graph][..], &fixed, more].concat());
        shown.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let whole = rows("article-dag", &[]);
    assert_eq!(whole, rows(&file, &[]), "the model, and what was written of it");
    let (_, small) = written("small.toml", &["--tasks", "--batch", "16"]);
    let smaller = rows("article-dag", &["--batch", "16"]);
    assert!(smaller == rows(&small, &[]) && smaller != whole, "{smaller:?}");
    // Measured costs are none of the estimates.
    let measured = rows("article-dag", &["--batch", "16", "--measured"]);
    assert!(measured.len() == smaller.len() && measured[..3] != smaller[..3], "{measured:?}");
    for option in [&["--measured"][..], &["--batch", "2"]] {
        let (code, line) = refused(&[&["schedule", &small][..], option].concat());
        assert!(code == 2 && line.contains("are for MODELs"), "{line}");
    }
}

#[test]
fn what_is_wrong_is_refused_before_anything_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let graph = file("diamond.toml");
    for (arguments, expected) in [
        (&["nothing.stg"][..], "nothing.stg: No such file"),
        (&["nothing.GV"], "nothing.GV: No such file"),
        (&["nothing.dax"], "nothing.dax: No such file"),
        (&["nothing.xml", "--batch", "2"], "nothing.xml: No such file"),
        (&["nothing.toml"], "nothing.toml: No such file"),
        // What is read last is refused before the first is measured.
        (&["article-dag", "--measured", &graph], "are for MODELs"),
        (&["no-such-model"], "no-such-model"),
        (&[&graph, "--policies", "hefd"], "unknown policy `hefd`; did you mean `heft`?"),
        (&[&graph, "--policies", "heft:2"], "expected nothing after the name"),
        (&[&graph, "--workers", "0"], "0 is not in 1..=1024"),
        (&[&graph, "--speeds", "0"], "expected 0.001 to 1000"),
        (&[&graph, "--bandwidth", "0"], "bandwidth of 0 bytes"),
        (&[&graph, "--latency", "nan"], "latency of NaN seconds"),
        (&[&graph, "--machine", &graph], "diamond.toml, line"),
        (&[&file("topcuoglu.toml"), "--workers", "4"], "costs for 3"),
        (&["article-dag.toml"], "article-dag.toml"),
    ] {
        let (code, line) = refused(&[&["schedule"][..], arguments].concat());
        assert!(code == 2 && line.contains(expected), "{arguments:?}: {code}: {line}");
    }
    let stg = path(&folder, "bad.stg");
    std::fs::write(&stg, "1\n0 0 0\n1 \u{1b}[31m 1 0\n").unwrap();
    let (code, line) = refused(&["schedule", &stg]);
    assert!(code == 2 && line.contains("bad.stg, line 3: ") && !line.contains('\u{1b}'), "{line}");
    std::fs::write(&stg, [b'1', b'\n', 0xff]).unwrap();
    let (code, line) = refused(&["schedule", &stg]);
    assert!(code == 2 && line.contains("bad.stg, line 2: it is no text"), "{line}");
    let (code, line) = refused(&["graph", "article-dag", "--tasks", "--out", "x.model"]);
    assert!(code == 2 && line.contains("tasks as .svg, .stg"), "{line}");
    let (code, line) = refused(&["graph", "article-dag", "--batch", "8", "--out", "x.svg"]);
    assert!(code == 2 && line.contains("add --tasks"), "{line}");
}

/// Mean schedule length ratios by policy, as the program shows them.
fn ratios(arguments: &[&str]) -> Vec<(String, f64)> {
    let shown = told(&[&["schedule", "--random"][..], arguments].concat());
    let rows = shown.lines().skip_while(|line| !line.starts_with("policy")).skip(1);
    let rows = rows.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.take_while(|row| row[0] != "SLR:");
    rows.map(|row| (row[0].to_owned(), row[1].parse().unwrap())).collect()
}

#[test]
fn random_graphs_have_the_order_of_the_literature() {
    let policies = "random-plan,mcp,etf,cpop,dls,heft,lookahead,hlfet";
    let found = ratios(&["2", "--workers", "4,8", "--tasks", "40,80", "--policies", policies]);
    assert_eq!(found.len(), 8);
    assert!(found.is_sorted_by(|(_, one), (_, other)| one <= other), "{found:?}");
    let of = |name: &str| found.iter().find(|(policy, _)| policy == name).unwrap().1;
    // Bittencourt et al. 2010.
    assert!(of("lookahead") < of("heft"), "{found:?}");
    // Topcuoglu et al. 2002.
    assert!(of("heft") < of("cpop") && of("heft") < of("dls"), "{found:?}");
    // Those that look at starts alone fall behind where workers differ; the baselines are last.
    assert!(of("heft") < of("mcp") && of("mcp") < of("etf"), "{found:?}");
    assert!(of("etf") < of("hlfet") && of("cpop") < of("hlfet"), "{found:?}");
    assert!(of("hlfet") < of("random-plan"), "{found:?}");
}

#[test]
fn random_graphs_follow_from_their_seeds() {
    let small = ["--tasks", "10,20", "--ccr", "1", "--heterogeneity", "0.5", "--shape", "1"];
    let small = [&small[..], &["--workers", "2,3", "--policies", "heft,fifo"]].concat();
    let run = |more: &[&str]| {
        let arguments = [&["schedule", "--random", "3"][..], &small, more].concat();
        told(&arguments)
    };
    assert_eq!(run(&[]), run(&[]));
    assert_ne!(run(&[]), run(&["--first-seed", "4"]));
    let csv = run(&["--csv"]);
    assert_eq!(csv.lines().count(), 1 + 2 * 3 * 2 * 2, "{csv}");
    let label = "tasks=20 ccr=1 heterogeneity=0.5 shape=1 seed=3,random 3,20,";
    assert!(csv.contains(label), "{csv}");
    // The means are those of the rows.
    let mut reader = csv::ReaderBuilder::new().from_reader(csv.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let place = |name: &str| columns.iter().position(|it| it == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let heft = rows.iter().filter(|row| &row[place("policy")] == "heft");
    let slr: Vec<f64> = heft.map(|row| row[place("slr")].parse().unwrap()).collect();
    let mean = slr.iter().sum::<f64>() / slr.len() as f64;
    let found = ratios(&[&["3"][..], &small].concat());
    assert_eq!((found[0].0.as_str(), format!("{mean:.3}")), ("heft", format!("{:.3}", found[0].1)));
    let executed = run(&["--run", "sleep", "--unit", "1e-4"]);
    assert!(executed.contains("mean error") && executed.contains("\nall "), "{executed}");
    for (arguments, expected) in [
        (&["--random", "0"][..], "0 graphs"),
        (&["--random", "100000"], "ask for 1 to 100000"),
        (&["--random", "1000", "--tasks", "1000000"], "fewer or smaller ones"),
        (&["--random", "1", "--tasks", "0"], "0 is not in 1..=1000000"),
        (&["--random", "1", "--ccr", "nan"], "its CCR is NaN"),
        (&["--random", "1", "--heterogeneity", "3"], "its heterogeneity is 3"),
        (&["--random", "1", "--shape", "0"], "its shape is 0"),
        (&["--random", "1", "--speeds", "1"], "cannot be used"),
        (&["--random", "1", "x.stg"], "cannot be used"),
        (&["--random", "1", "--batch", "3"], "cannot be used"),
        (&["--random", "1", "--time-limit", "3"], "cannot be used"),
        (&["--tasks", "3", "x.stg"], "--tasks: it is for random graphs; add --random N"),
        (&[], "FILE"),
    ] {
        let (code, line) = refused(&[&["schedule"][..], arguments].concat());
        assert!(code == 2 && line.contains(expected), "{arguments:?}: {code}: {line}");
    }
}
