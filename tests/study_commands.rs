//! The commands that study a network: `speedup`, `graph`, traces, recorded schedules, pages, and families of networks for
//! them.

use caudal::model::Model;
use serde_json::Value;

use super::command_line::{caudal, json, path, refused, told};

#[test]
fn families_are_models_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let model = "layered:layers=3,branches=4,width=16";
    let object = json(&["train", model, "--max-steps", "3", "--quiet"]);
    assert_eq!(object["model"], model);
    let line = told(&["bench", model, "--seconds", "0", "--workers", "1"]);
    assert!(line.starts_with(&format!("caudal,\"{model}\",1,")), "{line}");
    let file = path(&folder, "family.svg");
    told(&["graph", model, "--out", &file]);
    assert!(std::fs::read_to_string(&file).unwrap().contains("n11.relu"));
    let shown = told(&["overhead", "--shape", "random-ws", "--nodes", "1000", "--workers", "1"]);
    assert!(shown.starts_with("caudal,random-ws,1,1000,"), "{shown}");
    let output = caudal(&["graph", "layered:layer=3", "--out", "-"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("did you mean `layers`?"), "{errors}");
}

#[test]
fn traces_are_written_in_the_format_that_the_name_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "train.json");
    told(&["train", "article-dag", "--max-steps", "30", "--quiet", "--trace", &file]);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let slices = trace["traceEvents"].as_array().unwrap().iter().filter(|it| it["ph"] == "X");
    let last = slices.map(|slice| slice["args"]["execution"].as_u64().unwrap()).max();
    assert_eq!(last, Some(9), "ten steps");
    tells_where_it_is_from(&trace["otherData"], &["train", "article-dag", "--max-steps"]);
    let file = path(&folder, "bench.csv");
    told(&["bench", "towers-small", "--seconds", "0", "--workers", "2", "--trace", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("execution,task,label,node,phase,part,parts,worker,ready_ns,"));
    assert!(text.lines().count() > 800);
    let mut table = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        &table.headers().unwrap().iter().collect::<Vec<_>>()[10..],
        ["end_ns", "event", "after", "to", "port", "bytes", "other", "provenance"]
    );
    let cells: Vec<String> = table.records().map(|row| row.unwrap()[17].to_owned()).collect();
    let bench = ["bench", "towers-small", "--seconds"];
    tells_where_it_is_from(&serde_json::from_str(&cells[0]).unwrap(), &bench);
    assert!(cells[1..].iter().all(String::is_empty));
    let file = path(&folder, "bench.jsonl");
    told(&["bench", "towers-small", "--seconds", "0", "--workers", "2", "--trace", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |event: &str| rows.iter().filter(|row| row["event"] == event).count();
    assert!(count("part") > 800 && count("message") > 800 && count("awake") >= 10);
    tells_where_it_is_from(&rows[0]["provenance"], &bench);
    assert!(rows[1].get("provenance").is_none());
    let file = path(&folder, "bench.paje");
    told(&["train", "article-dag", "--max-steps", "12", "--quiet", "--trace", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    let (comment, rest) = text.split_once('\n').unwrap();
    let provenance = comment.strip_prefix("# provenance: ").unwrap();
    tells_where_it_is_from(
        &serde_json::from_str(provenance).unwrap(),
        &["train", "article-dag", "--max-steps"],
    );
    assert!(rest.starts_with("%EventDef PajeDefineContainerType 0\n"));
    for arguments in [
        &["train", "--trace", "trace.txt"][..],
        &["bench", "digits", "--trace", "trace"],
        &["bench", "--trace", "trace.json"],
    ] {
        assert_eq!(caudal(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

/// A trace's provenance has what a row of `caudal bench` has.
fn tells_where_it_is_from(provenance: &Value, command: &[&str]) {
    assert!(provenance["cores"].as_u64().unwrap() >= 1, "{provenance}");
    assert_eq!(provenance["version"], env!("CARGO_PKG_VERSION"));
    assert!(provenance["date"].as_str().unwrap().ends_with('Z'), "{provenance}");
    assert!(["processor", "load", "pinning", "seed"].iter().all(|it| provenance.get(it).is_some()));
    let told: Vec<_> = provenance["command"].as_array().unwrap().iter().skip(1).collect();
    assert_eq!(told[..command.len()], command.iter().collect::<Vec<_>>());
}

#[test]
fn a_recorded_training_is_replayed_and_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "schedule.jsonl");
    let train = ["train", "--quiet", "--max-steps", "5", "--workers", "3"];
    let recorded = json(&[&train[..], &["--policy", "random:7", "--record", &file]].concat());
    let replayed = json(&[&train[..], &["--replay", &file]].concat());
    assert_eq!(replayed["weights_sha256"], recorded["weights_sha256"]);
    // The first line says where the schedule is from; those of before did not, and are replayed as well.
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines = text.lines();
    let mut run: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let provenance = run["run"].as_object_mut().unwrap().remove("provenance").unwrap();
    assert_eq!((&provenance["seed"], &provenance["command"][1]), (&0.into(), &"train".into()));
    assert!(lines.all(|line| !line.contains("provenance")));
    let (_, others) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("{run}\n{others}")).unwrap();
    let replayed = json(&[&train[..], &["--replay", &file]].concat());
    assert_eq!(replayed["weights_sha256"], recorded["weights_sha256"]);
    assert_eq!((&recorded["policy"], &replayed["policy"]), (&"random".into(), &"replay".into()));
    let other = ["--batch-size", "7", "--replay", &file];
    let refused = caudal(&[&train[..], &other].concat());
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("policy `replay`: the schedule is of graph"), "{told}");
}

#[test]
fn speedups_are_measured_explained_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let page = path(&folder, "report.html");
    let arguments = ["speedup", "binary-tree:levels=3,width=16", "--seconds", "0", "--workers"];
    let shown = told(&[&arguments[..], &["1,2", "--policies", "fifo", "--report", &page]].concat());
    for words in ["graham", "waited", "critical path", "fusion", "chunks", "accounted", "backward"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.matches("<svg ").count() == 4);
    assert!(text.contains("where the figures are from"));
    let shown_lines = shown;
    let object = json(&[&arguments[..], &["2", "--policies", "fifo,critical-path"]].concat());
    let rows = object["speedup"]["rows"].as_array().unwrap();
    let shown: Vec<_> = rows.iter().map(|row| row["executor"].as_str().unwrap()).collect();
    assert_eq!(shown, ["sequential", "actors", "pool", "pool"]);
    assert_eq!(object["ideas"].as_array().unwrap().len(), 6);
    tells_its_conditions(&object, &[&arguments[..], &["2"]].concat());
    for words in ["handover", "the cores were ", "cache groups", "caudal "] {
        assert!(shown_lines.contains(words), "{words}: {shown_lines}");
    }
    let page = path(&folder, "train.html");
    let pictures = folder.path().to_str().unwrap();
    let train = ["train", "article-dag", "--max-steps", "30", "--quiet"];
    told(&[&train[..], &["--report", &page, "--pictures", pictures]].concat());
    let text = std::fs::read_to_string(&page).unwrap();
    let names = [
        "loss",
        "metric-1",
        "loss-by-step",
        "rate-by-step",
        "speedup",
        "lost-time",
        "timeline",
        "graph",
    ];
    for name in names {
        let picture = std::fs::read_to_string(path(&folder, &format!("{name}.svg"))).unwrap();
        assert!(picture.starts_with("<svg ") && text.contains(&picture), "{name}");
    }
    assert_eq!(caudal(&["train", "--pictures", &page]).status.code(), Some(2));
    assert!(text.contains("Loss by epoch") && text.matches("<svg ").count() == names.len());
    // Whoever can't see pictures is told their names; dark rooms, paper and searches are thought of.
    assert_eq!(text.matches("role=\"img\" aria-label=").count(), names.len());
    for words in ["prefers-color-scheme: dark", "@media print", "aria-label", "find a node"] {
        assert!(text.contains(words), "{words}");
    }
    assert!(
        text.contains("<h2>accuracy by epoch</h2>") && text.contains("where the figures are from")
    );
    assert!(
        !text.contains("http://")
            || text.matches("http://").count()
                == text.matches("http://www.w3.org/2000/svg").count()
    );
    assert_eq!(caudal(&["speedup", "--policies", "none"]).status.code(), Some(2));
}

/// The state of the cores and where figures are from are part of the object.
fn tells_its_conditions(object: &Value, command: &[&str]) {
    let conditions = &object["conditions"];
    assert!(conditions["looks"].as_u64().unwrap() >= 2, "{conditions}");
    assert!(conditions["mixed"].is_boolean() && conditions["cores_free"].is_boolean());
    let [before, after] = ["handover_before", "handover_after"].map(|it| &conditions[it]);
    for handover in [before, after] {
        // None where another process has a core.
        assert!(handover.is_null() || handover["median_ns"].as_f64().unwrap() > 0.0, "{handover}");
    }
    let provenance = &object["provenance"];
    let told = provenance["command"].as_array().unwrap();
    assert!(command.iter().all(|word| told.iter().any(|it| it == word)), "{provenance}");
    assert_eq!(provenance["version"], env!("CARGO_PKG_VERSION"));
    assert!(provenance["cores"].as_u64().unwrap() >= 1 && provenance["seed"].is_u64());
    assert!(provenance["date"].as_str().unwrap().ends_with('Z'), "{provenance}");
    assert!(provenance["instructions"].is_string() && provenance["pinning"] == "none");
}

#[test]
fn simulations_predict_what_can_and_what_can_not_be_measured_here() {
    let arguments = ["simulate", "article-dag", "--workers", "1,64", "--policies", "fifo"];
    let told = json(&[&arguments[..], &["--seconds", "0"]].concat());
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for (row, workers) in rows.iter().zip([1, 64]) {
        assert_eq!((&row["workers"], &row["policy"]), (&workers.into(), &"fifo".into()));
        assert!(row["predicted_ms"].as_f64().unwrap() > 0.0, "{row}");
        assert!((0.0..=1.0).contains(&row["idle_share"].as_f64().unwrap()), "{row}");
        assert_eq!(row["measured_ms"].is_f64(), workers == 1, "{row}");
        assert_eq!(row["error"].is_f64(), workers == 1, "{row}");
    }
    assert!((rows[0]["speedup"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    tells_its_conditions(&told, &arguments);
    assert!(told["critical_path_ms"].as_f64() <= told["work_ms"].as_f64());
    assert!(rows.iter().all(|row| row["losses"].is_null()));

    let file = ["simulate", "chain-mlp", "--workers", "8", "--policies", "fifo", "--seconds", "0"];
    let told = json(&[&file[..], &["--losses"]].concat());
    let lost = &told["rows"][0]["losses"];
    let causes = lost["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 7, "{lost}");
    let sum: f64 = causes.iter().map(|cause| cause["ms"].as_f64().unwrap()).sum();
    let [simulated, ideal] = ["simulated_ms", "ideal_ms"].map(|it| lost[it].as_f64().unwrap());
    assert!((sum - (simulated - ideal)).abs() < 1e-6 * simulated, "{lost}");
    let predicted = told["rows"][0]["predicted_ms"].as_f64().unwrap();
    assert!((predicted - simulated).abs() < 1e-9 * simulated, "{lost}");

    let folder = tempfile::tempdir().unwrap();
    let page = path(&folder, "simulated.html");
    assert_eq!(
        caudal(&[&file[..], &["--report", &page, "--allow-mixed"]].concat()).status.code(),
        Some(0)
    );
    let text = std::fs::read_to_string(&page).unwrap();
    for words in
        ["simulated, fifo", "at most: min(workers", "speedup over one worker", "figures are from"]
    {
        assert!(text.contains(words), "{words}");
    }
    assert_eq!(text.matches("<svg ").count(), 1);
    let (code, line) = refused(&["simulate", "--validate", "--report", &page]);
    assert!(code == 2 && line.contains("--validate measures many networks"), "{line}");

    let (code, line) = refused(&["simulate", "--workers", "2000"]);
    assert!(code == 2 && line.contains("2000 is not in 1..=1024"), "{line}");
    let (code, line) = refused(&["simulate", "--policies", "best"]);
    assert!(code == 2 && line.contains("unknown policy `best`"), "{line}");
    let (code, line) = refused(&["simulate", "--speeds", "1,0"]);
    assert!(code == 2 && line.contains("expected 0.001 to 1000"), "{line}");
}

#[test]
fn a_graph_is_written_as_a_model_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "experts.toml");
    told(&["graph", "experts:experts=3", "--out", &file]);
    let (read, preset) = (Model::open(Some(&file)), Model::open(Some("experts:experts=3")));
    let preset = preset.unwrap().to_toml().unwrap();
    assert_eq!(read.unwrap().to_toml().unwrap(), preset);
    // And back from a saved network.
    let saved = path(&folder, "experts.safetensors");
    told(&["train", &file, "--data", "synthetic", "--max-steps", "1", "--quiet", "--save", &saved]);
    let again = path(&folder, "again.toml");
    told(&["graph", &saved, "--out", &again]);
    assert_eq!(Model::open(Some(&again)).unwrap().to_toml().unwrap(), preset);
    std::fs::write(&saved, "no network").unwrap();
    let (code, line) = refused(&["graph", &saved, "--out", &again]);
    assert!(code == 2 && line.contains("experts.safetensors"), "{code}: {line}");
}

#[test]
fn tables_say_what_their_words_mean() {
    let shown =
        told(&["speedup", "article-dag", "--workers", "1", "--policies", "fifo", "--seconds", "0"]);
    let shown = [shown, told(&["train", "article-dag", "--max-steps", "3"])].concat();
    let legend = |word: &str| shown.contains(&format!("{word}: "));
    for word in
        ["quartiles", "speedup", "efficiency", "bound", "graham", "slower", "waited", "between"]
    {
        assert!(legend(word), "{word}: {shown}");
    }
    // Every phase of a table of phases, of which several may stand together.
    let rows = shown.lines().skip_while(|line| !line.starts_with("where the time goes")).skip(1);
    let rows = rows.take_while(|line| line.ends_with(" %"));
    let phases: Vec<&str> =
        rows.flat_map(|row| row.split(' ').next().unwrap().split('+')).collect();
    assert!(phases.len() >= 4 && phases.iter().all(|phase| legend(phase)), "{phases:?}: {shown}");
    let simulated = told(&["simulate", "article-dag", "--workers", "1", "--seconds", "0"]);
    for word in ["idle", "live MiB", "least", "bound", "measured ms", "handover"] {
        assert!(simulated.contains(word), "{word}: {simulated}");
    }
}

#[test]
fn learning_rates_are_tried_on_a_copy_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let page = path(&folder, "rates.html");
    let arguments = ["find-rate", "--from", "1e-4", "--steps", "60", "--report", &page];
    let [one, two] =
        ["1", "2"].map(|workers| json(&[&arguments[..], &["--workers", workers]].concat()));
    assert_eq!(one, two, "the same bits at any number of workers");
    let points = one["points"].as_array().unwrap();
    assert!((10..=60).contains(&points.len()), "{}", points.len());
    let (suggested, lowest) = (one["suggested"].as_f64().unwrap(), one["lowest"].as_f64().unwrap());
    assert!(1e-3 < suggested && suggested < lowest && lowest < 10.0, "{suggested} {lowest}");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("<svg ") && text.contains("learning rate"), "{text}");
    assert!(refused(&["find-rate", "--from", "-1"]).1.contains("can't grow from -1 to 10"));
    assert!(
        refused(&["find-rate", "--learning-rate", "0"]).1.contains("no learning rate to replace")
    );
}

#[test]
fn a_summary_counts_what_the_graph_holds() {
    let model = Model::open(Some("digits")).unwrap();
    let object = json(&["summary", "digits", "--batch-size", "10"]);
    assert_eq!(object["parameters"], model.graph.parameter_count());
    let nodes = object["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), model.graph.nodes().len());
    let sum: u64 = nodes.iter().map(|node| node["parameters"].as_u64().unwrap()).sum();
    assert_eq!(sum as usize, model.graph.parameter_count());
    let logits = nodes.iter().find(|node| node["name"] == "logits").unwrap();
    assert_eq!(
        (&logits["bytes"], &logits["flops"]),
        (&(10 * 10 * 4).into(), &(384.0 * 10.0 * 20.0).into())
    );
    let shown = told(&["summary", "digits"]);
    assert!(shown.contains("30 nodes, 68682 parameters, 68682 of them trained"), "{shown}");
    // What shares or freezes parameters is said.
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "shared.toml");
    std::fs::write(
        &file,
        "name = 'shared'\noutputs = ['b']\n[[node]]\nname = 'x'\nkind = 'input'\nshape = [3]\n\
         [[node]]\nname = 'a'\nkind = 'dense'\ninputs = ['x']\nunits = 3\ntrainable = false\n\
         [[node]]\nname = 'b'\nkind = 'dense'\ninputs = ['a']\nunits = 3\nshares = 'a'\n",
    )
    .unwrap();
    let shown = told(&["summary", &file]);
    assert!(shown.contains("a: its parameters are not trained"), "{shown}");
    assert!(shown.contains("b: uses the parameters of a"), "{shown}");
    assert!(shown.contains("3 nodes, 12 parameters, 0 of them trained"), "{shown}");
    assert!(shown.contains("one prediction:"), "{shown}");
    std::fs::write(
        &file,
        "[[node]]\nname = 'x'\nkind = 'input'\nshape = [3]\n\
         [[node]]\nname = 'y'\nkind = 'target'\nshape = [2]\n\
         [[node]]\nname = 'd'\nkind = 'dense'\ninputs = ['x']\nunits = 2\n\
         [[node]]\nname = 'loss'\nkind = 'mean_squared_error'\ninputs = ['d', 'y']\n\
         [train.optimizer]\nkind = 'adamw'\ngroup = [{ pattern = '*.bias', weight_decay = 0.0 }]\n",
    )
    .unwrap();
    let shown = told(&["summary", &file]);
    assert!(shown.contains("*.bias"), "{shown}");
    assert!(refused(&["summary", "digit"]).1.contains("did you mean `digits`"));
}

#[test]
fn a_saved_model_is_shown_with_what_it_was_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let [model, table, file] = ["m.safetensors", "t.csv", "t.toml"].map(|name| path(&folder, name));
    let row =
        |row: usize| format!("{row},{},{}", ["red", "blue"][row % 2], ["yes", "no"][row / 20]);
    let rows: Vec<String> = (0..40).map(row).collect();
    std::fs::write(&table, format!("size,colour,answer\n{}\n", rows.join("\n"))).unwrap();
    std::fs::write(
        &file,
        "name = 'answers'\n[[node]]\nname = 'x'\nkind = 'input'\nshape = [3]\n\
         columns = [{ column = 'size', scale = 'min_max' }, { column = 'colour', categories = 'one_hot' }]\n\
         [[node]]\nname = 'answer'\nkind = 'target'\nshape = []\n\
         [[node]]\nname = 'scores'\nkind = 'dense'\ninputs = ['x']\nunits = 2\n\
         [[node]]\nname = 'loss'\nkind = 'softmax_cross_entropy'\ninputs = ['scores', 'answer']\n\
         [[node]]\nname = 'matrix'\nkind = 'confusion_matrix'\ninputs = ['scores', 'answer']\n",
    )
    .unwrap();
    let arguments =
        ["train", &file, "--data", &table, "--epochs", "2", "--quiet", "--save", &model];
    told(&[&arguments[..], &["--patience", "5", "--validation", "0.2"]].concat());
    let shown = told(&["inspect", &model]);
    for words in [
        "answers: 5 nodes, 8 parameters",
        "x (3)",
        "one-hot of blue, red",
        "answer takes answer: index of no, yes",
        "validation 0.2",
        "watches loss, patience 5, best ",
        "x takes size: (number - ",
        "scores.weight  3 x 2",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let object = json(&["inspect", &model, "--all"]);
    let arrays = object["arrays"].as_array().unwrap();
    let weight = arrays.iter().find(|array| array["name"] == "scores.weight").unwrap();
    assert_eq!(weight["shape"], serde_json::json!([3, 2]));
    assert!(weight["least"].as_f64() <= weight["largest"].as_f64());
    // Words name the classes of tables and pictures.
    let picture = folder.path().join("confusion-matrix.svg");
    let pictures = folder.path().to_str().unwrap();
    let shown = told(&["evaluate", &model, "--data", &table, "--pictures", pictures]);
    assert!(shown.contains("\n right  no  yes\n    no "), "{shown}");
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.contains("no taken for itself: "), "{svg}");
    let object = json(&["evaluate", &model, "--data", &table]);
    assert_eq!(object["test_tables"]["matrix"]["classes"], serde_json::json!(["no", "yes"]));
    let (_, message) = refused(&["inspect", &table]);
    assert!(message.contains("t.csv"), "{message}");
}
