//! Workers that stay on cores: where they run, and that nothing else changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use caudal::data::digits;
use caudal::flow::policy::policy;
use caudal::flow::{Executor, FlowBuilder, Pool, pinned_executor};
use caudal::presets;
use caudal::topology::{CAN_PIN, Pinning, Topology};
use caudal::train::{FitOptions, Network, NetworkOptions};

use super::command_line::{caudal, json, refused, told};

/// The cores that the calling thread may use.
fn allowed() -> Vec<usize> {
    Topology::here().allowed().map(|core| core.number).collect()
}

/// What each thread was allowed while it ran nodes of a graph on a pool.
fn seen_by_workers(pool: &mut Pool) -> BTreeMap<String, Vec<usize>> {
    let seen = Arc::new(Mutex::new(Vec::<(ThreadId, Vec<usize>)>::new()));
    let mut flow = FlowBuilder::new("look");
    for node in 0..24 {
        let seen = Arc::clone(&seen);
        flow.after(node.to_string(), &[], move || {
            seen.lock().unwrap().push((std::thread::current().id(), allowed()));
            // So that the other workers wake up and take nodes too.
            std::thread::sleep(Duration::from_millis(2));
        });
    }
    pool.execute(&mut flow.build().unwrap().run()).unwrap();
    let mut all = BTreeMap::new();
    for (thread, cores) in seen.lock().unwrap().drain(..) {
        let before = all.insert(format!("{thread:?}"), cores.clone());
        assert!(before.is_none_or(|before| before == cores), "a thread was moved");
    }
    all
}

#[test]
fn workers_stay_on_their_cores_and_the_caller_is_let_go() {
    if !CAN_PIN {
        return;
    }
    let before = allowed();
    let topology = Topology::here();
    for (pinning, workers) in [(Pinning::Cores, 2), (Pinning::Groups, 2), (Pinning::Cores, 5)] {
        let mut pool = Pool::with_pinning(workers, policy("fifo").unwrap(), pinning).unwrap();
        assert_eq!(pool.pinning(), pinning);
        let mut expected = pinning.cores(&topology, workers).unwrap();
        for _ in 0..2 {
            let seen = seen_by_workers(&mut pool);
            let caller = seen.get(&format!("{:?}", std::thread::current().id()));
            assert_eq!(caller, Some(&expected[0]), "{pinning:?}");
            assert!(seen.values().all(|cores| expected.contains(cores)), "{pinning:?}: {seen:?}");
            assert_eq!(allowed(), before, "the caller is let go");
        }
        expected.sort();
        expected.dedup();
        assert!(expected.len() <= before.len());
    }
    // Threads that the caller starts meanwhile are free.
    assert_eq!(std::thread::spawn(allowed).join().unwrap(), before);
    let mut free = Pool::new(2, "fifo").unwrap();
    assert_eq!(free.pinning(), Pinning::None);
    assert!(seen_by_workers(&mut free).values().all(|cores| *cores == before));
}

#[test]
fn a_caller_is_let_go_after_a_failure() {
    if !CAN_PIN {
        return;
    }
    let before = allowed();
    let mut pool = Pool::with_pinning(2, policy("fifo").unwrap(), Pinning::Cores).unwrap();
    let mut flow = FlowBuilder::new("fails");
    flow.after("panics", &[], || panic!("on purpose"));
    let error = pool.execute(&mut flow.build().unwrap().run()).unwrap_err().to_string();
    assert!(error.contains("on purpose"), "{error}");
    assert_eq!(allowed(), before);
}

#[test]
fn pinning_changes_no_bit() {
    let (data, _) = digits().unwrap();
    let train = |pinning: Pinning, workers: usize| {
        let model = presets::open("digits").unwrap();
        let options = NetworkOptions::default().workers(workers).pinning(pinning);
        let network = Network::from_parts(model.graph, model.training.optimizer, options);
        let Ok(mut network) = network else {
            assert!(!CAN_PIN && pinning != Pinning::None);
            return None;
        };
        network.fit(&data, &FitOptions::default().max_steps(8)).unwrap();
        Some(network.weights_sha256())
    };
    let expected = train(Pinning::None, 1);
    for (pinning, workers) in [(Pinning::Cores, 2), (Pinning::Groups, 2), (Pinning::Cores, 4)] {
        let given = train(pinning, workers);
        assert!(given == expected || !CAN_PIN && given.is_none(), "{pinning:?} {workers}");
    }
}

#[test]
fn what_has_no_workers_can_not_be_pinned() {
    for name in ["actors", "sequential"] {
        let error = pinned_executor(name, 2, "fifo", Pinning::Cores).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("take `pool` or `channels`"), "{error}");
        assert!(pinned_executor(name, 2, "fifo", Pinning::None).is_ok());
    }
    for name in ["pool", "channels"] {
        assert_eq!(pinned_executor(name, 2, "fifo", Pinning::Groups).is_ok(), CAN_PIN);
    }
}

#[test]
fn the_program_pins_and_says_so() {
    let train = |more: &[&str]| {
        json(&[&["train", "--quiet", "--max-steps", "4"], more].concat())["weights_sha256"].clone()
    };
    assert_eq!(train(&["--pin", "cores", "--workers", "2"]), train(&["--workers", "1"]));
    let row = told(&["bench", "chain", "--seconds", "0", "--workers", "2", "--pin", "groups"]);
    assert!(row.contains(",groups,"), "{row}");
    // Its own processes too.
    let models = ["bench", "chain", "article-dag", "--seconds", "0", "--workers", "2"];
    let rows = told(&[&models[..], &["--pin", "cores"]].concat());
    assert_eq!(rows.lines().filter(|row| row.contains(",cores,")).count(), 2, "{rows}");
    let (code, line) = refused(&["bench", "chain", "--pin", "core"]);
    assert!(code == 2 && line.contains("did you mean `cores`?"), "{line}");
    let unpinned = ["bench", "chain", "--executor", "sequential", "--pin", "cores"];
    let output = caudal(&unpinned);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && errors.contains("`sequential`"), "{errors}");
}

#[test]
fn cores_are_shown() {
    let shown = told(&["topology"]);
    for words in ["group", "handover within", "siblings", "--pin cores", "speed", "cores of each"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let object = json(&["topology"]);
    let topology = Topology::here();
    assert_eq!(object["topology"], serde_json::to_value(&topology).unwrap());
    assert_eq!(object["pinning_order"], serde_json::to_value(topology.pinning_order()).unwrap());
    let groups = object["handover_within_groups"].as_array().unwrap();
    assert_eq!(groups.len(), topology.groups.len());
    assert_eq!(object["provenance"]["command"][1], "topology");
}
