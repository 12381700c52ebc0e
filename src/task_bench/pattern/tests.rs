//! Patterns beside their definitions, worked by hand.

use super::*;

/// By step and point: what a point waits for; nothing for points that a step lacks.
fn table(text: &str) -> Vec<Vec<(usize, Vec<usize>)>> {
    let pattern = Pattern::parse(text).unwrap();
    let of_step = |step| {
        let points = pattern.points(step);
        points.map(|point| (point, pattern.before(step, point))).collect()
    };
    (0..pattern.steps()).map(of_step).collect()
}

/// What each point of a step waits for.
fn step(text: &str, number: usize) -> Vec<Vec<usize>> {
    table(text)[number].iter().map(|(_, before)| before.clone()).collect()
}

#[test]
fn patterns_of_full_width() {
    assert_eq!(step("trivial:width=3,steps=2", 1), [[]; 3] as [[usize; 0]; 3]);
    assert_eq!(step("no-communication:width=3,steps=2", 1), [[0], [1], [2]]);
    assert_eq!(step("stencil:width=1,steps=2", 1), [[0]]);
    assert_eq!(
        step("stencil:width=4,steps=3", 2),
        [vec![0, 1], vec![0, 1, 2], vec![1, 2, 3], vec![2, 3]]
    );
    assert_eq!(
        step("stencil-periodic:width=4,steps=3", 1),
        [[0, 1, 3], [0, 1, 2], [1, 2, 3], [0, 2, 3]]
    );
    assert_eq!(step("stencil-periodic:width=2,steps=2", 1), [[0, 1]; 2], "each once");
    assert_eq!(step("stencil-periodic:width=1,steps=2", 1), [[0]]);
    assert_eq!(step("all-to-all:width=3,steps=2", 1), [[0, 1, 2]; 3]);
    // In the first step nothing is waited for.
    for spec in PATTERNS {
        let first = step(spec.name, 0);
        assert!(!first.is_empty() && first.iter().all(Vec::is_empty), "{}", spec.name);
    }
}

#[test]
fn a_butterfly_goes_through_its_distances() {
    // Of five points: 1, 2 and 4 apart, and then 1 again.
    let of = |number| step("fft:width=5,steps=5", number);
    assert_eq!(of(1), [vec![0, 1], vec![0, 1, 2], vec![1, 2, 3], vec![2, 3, 4], vec![3, 4]]);
    assert_eq!(of(2), [vec![0, 2], vec![1, 3], vec![0, 2, 4], vec![1, 3], vec![2, 4]]);
    assert_eq!(of(3), [vec![0, 4], vec![1], vec![2], vec![3], vec![0, 4]]);
    assert_eq!(of(4), of(1));
    assert_eq!(step("fft:width=4,steps=4", 3), step("fft:width=4,steps=4", 1));
    assert_eq!(step("fft:width=1,steps=3", 2), [[0]]);
}

#[test]
fn a_tree_grows_and_a_wavefront_comes_and_goes() {
    assert_eq!(
        table("tree:width=3,steps=4"),
        [
            vec![(0, vec![])],
            vec![(0, vec![0]), (1, vec![0])],
            vec![(0, vec![0]), (1, vec![0]), (2, vec![1])],
            vec![(0, vec![0]), (1, vec![0]), (2, vec![1])],
        ]
    );
    assert_eq!(Pattern::parse("tree:width=9,steps=100").unwrap().points(99), 0..9);
    // A square of three rows and columns.
    assert_eq!(
        table("dom:width=3,steps=5"),
        [
            vec![(0, vec![])],
            vec![(0, vec![0]), (1, vec![0])],
            vec![(0, vec![0]), (1, vec![0, 1]), (2, vec![1])],
            vec![(1, vec![0, 1]), (2, vec![1, 2])],
            vec![(2, vec![1, 2])],
        ]
    );
    // It lasts as long as there are steps.
    assert_eq!(Pattern::parse("dom:width=3,steps=9").unwrap().points(5), 0..3);
}

#[test]
fn neighbours_by_radix() {
    let of = |radix: usize| step(&format!("nearest:width=5,steps=2,radix={radix}"), 1);
    assert_eq!(of(1), [[0], [1], [2], [3], [4]]);
    assert_eq!(of(2), [vec![0], vec![0, 1], vec![1, 2], vec![2, 3], vec![3, 4]]);
    assert_eq!(of(3), step("stencil:width=5,steps=2", 1));
    assert_eq!(of(4)[2], [0, 1, 2, 3]);
    assert_eq!(of(5)[2], [0, 1, 2, 3, 4]);
    assert_eq!(of(100), step("all-to-all:width=5,steps=2", 1));
    // 8 points, 2 apart by k W / R, moved by the step modulo 2.
    let spread = |number| step("spread:width=8,steps=4,radix=4,period=2", number);
    assert_eq!(spread(2)[1], [1, 3, 5, 7]);
    assert_eq!(spread(1)[1], [0, 1, 4, 6]);
    assert_eq!(spread(3), spread(1));
    // More than there are points: each once.
    assert_eq!(step("spread:width=2,steps=2,radix=9", 1), [[0, 1]; 2]);
}

#[test]
fn random_neighbours_come_by_seed_step_and_point() {
    let text = "random-nearest:width=50,steps=9,radix=9,period=4,fraction=0.5";
    let drawn = table(text);
    assert_eq!(drawn, table(text));
    assert_ne!(drawn, table(&format!("{text},seed=2")));
    assert_eq!(drawn[1], drawn[5]);
    assert_ne!(drawn[1], drawn[2]);
    let near = table("nearest:width=50,steps=9,radix=9");
    let (mut taken, mut all) = (0, 0);
    for (step, near) in drawn[1..5].iter().zip(&near[1..5]) {
        for ((point, before), (_, near)) in step.iter().zip(near) {
            assert!(before.contains(point) && before.iter().all(|it| near.contains(it)));
            (taken, all) = (taken + before.len() - 1, all + near.len() - 1);
        }
    }
    let share = f64::from(taken as u32) / f64::from(all as u32);
    assert!((share - 0.5).abs() < 0.05, "{share}");
    assert_eq!(table(&text.replace("0.5", "1")), table("nearest:width=50,steps=9,radix=9"));
    assert_eq!(table(&text.replace("0.5", "0")), table("no-communication:width=50,steps=9"));
}

#[test]
fn graphs_have_costs_and_bytes() {
    let graph = Pattern::parse("dom:width=3,steps=5,grain=2,bytes=64").unwrap().graph().unwrap();
    assert_eq!((graph.name(), graph.task_count()), ("dom:width=3,steps=5,grain=2,bytes=64", 9));
    let names: Vec<&str> = graph.tasks().iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names[..6], ["t0p0", "t1p0", "t1p1", "t2p0", "t2p1", "t2p2"]);
    assert_eq!(names[6..], ["t3p1", "t3p2", "t4p2"]);
    let edges: Vec<(usize, usize)> = graph.edges().iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(
        edges,
        [
            (0, 1),
            (0, 2),
            (1, 3),
            (1, 4),
            (2, 4),
            (2, 5),
            (3, 6),
            (4, 6),
            (4, 7),
            (5, 7),
            (6, 8),
            (7, 8)
        ]
    );
    assert!(graph.edges().iter().all(|edge| edge.communication == Communication::Bytes(64.0)));
    assert!(graph.tasks().iter().all(|task| task.cost == 2.0));
    for spec in PATTERNS {
        let text = format!("{}:width=7,steps=20,imbalance=1,grain=3", spec.name);
        let graph = Pattern::parse(&text).unwrap().graph().unwrap();
        assert_eq!(graph, Pattern::parse(&text).unwrap().graph().unwrap(), "{text}");
        assert_ne!(graph, Pattern::parse(&format!("{text},seed=3")).unwrap().graph().unwrap());
        assert!(graph.tasks().iter().all(|task| (1.5..4.5).contains(&task.cost)), "{text}");
    }
    let long = Pattern::parse("trivial:width=100,steps=100,imbalance=2,grain=3").unwrap();
    let mean = long.graph().unwrap().work() / 1e4;
    assert!((mean - 3.0).abs() < 0.05, "{mean}");
    let independent = long.independent();
    assert!((0..100).all(|point| independent.share(7, point) == 1.0 && independent.bytes() == 0.0));
}

#[test]
fn refusals_name_what_is_wrong() {
    let refused = |text: &str| Pattern::parse(text).unwrap_err().to_string();
    let message = refused("stencil-perodic");
    assert!(message.starts_with("pattern `stencil-perodic`: there is no pattern"), "{message}");
    assert!(message.contains("did you mean `stencil-periodic`?"), "{message}");
    let message = refused("stencil:radix=3");
    assert!(message.contains("pattern `stencil:radix=3`: `radix` is no argument"), "{message}");
    assert!(message.contains("width=8,steps=125"), "{message}");
    for (text, words) in [
        ("fft:width=0", "a whole number from 1 to 10000"),
        ("fft:steps=x", "`steps` (how many)"),
        ("fft:width=2,width=3", "`width` is set twice"),
        ("fft:imbalance=2.5", "a number from 0 to 2"),
        ("fft:grain=-1", "a number from 0 to"),
        ("fft:bytes=NaN", "a number from 0 to"),
        ("random-nearest:fraction=2", "a number from 0 to 1"),
        ("fft:width=2,", "`` sets nothing"),
        ("fft:width=10000,steps=101", "101 steps of 10000 points have up to 1010000 tasks"),
        ("all-to-all:width=5000,steps=3", "up to 75000000 edges"),
    ] {
        let message = refused(text);
        assert!(
            message.contains(words) && message.contains(&format!("pattern `{text}`")),
            "{message}"
        );
    }
}

#[test]
fn rows_are_described_and_their_names_are_no_presets() {
    for spec in PATTERNS {
        assert!(spec.summary.len() > 3 && !spec.summary.contains('\n'), "{}", spec.name);
        assert!(PRESETS.iter().all(|preset| preset.name != spec.name), "{}", spec.name);
        assert!(Pattern::is_meant(spec.name));
        let pattern = Pattern::parse(spec.name).unwrap();
        for number in 1..pattern.steps() {
            for point in pattern.points(number) {
                let most = (spec.most_before)(&pattern.sizes);
                assert!(pattern.before(number, point).len() <= most, "{}", spec.name);
            }
        }
    }
    for preset in PRESETS {
        assert!(!Pattern::is_meant(preset.name), "{}", preset.name);
    }
    for other in ["inceptoin", "chains:depth=3", "stencil.toml", "digits.safetensors", ""] {
        assert!(!Pattern::is_meant(other), "{other}");
    }
}
