//! What goes wrong is told by name, and leaves nothing behind.

use super::*;

fn failures(result: Result<()>) -> Vec<(String, String)> {
    match result {
        Err(Error::Run(failures)) => {
            failures.into_iter().map(|it| (it.node, format!("{} {}", it.phase, it.cause))).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_and_panics_are_named_and_leave_nothing_for_the_next_run() {
    let mut flow = FlowBuilder::new("faults");
    let (number, output) = flow.source::<i32>("number");
    let output = flow.share(output);
    let refuses = flow.try_node("refuses", output, |number: Arc<i32>| match *number {
        1 => Err(format!("it dislikes {number}")),
        other => Ok(other),
    });
    let panics = flow.node("panics", output, |number: Arc<i32>| {
        assert!(*number != 1, "no {number}");
        *number
    });
    let parts = flow.split("parts", 3, output, |number, part| {
        assert!(**number != 1 || part.index != 1, "part {}", part.index);
        part.index
    });
    let other = flow.node("other", output, |number: Arc<i32>| *number);
    let sum = flow
        .node("sum", (refuses, panics, parts), |(a, b, c)| a + b + i32::try_from(c.len()).unwrap());
    let (sum, other) = (flow.sink("sum of all", sum), flow.sink("the other", other));
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        for value in [2, 1, 3, 1, 1, 4] {
            run.feed(&number, value).unwrap();
            let result = executor.execute(&mut run);
            let name = executor.name();
            assert_eq!(run.take(&other).unwrap(), value, "{name}: it depends on none of them");
            if value == 1 {
                let found = failures(result);
                let expected = [
                    ("refuses", "forward it dislikes 1"),
                    ("panics", "forward panicked: no 1"),
                    ("parts", "forward panicked: part 1"),
                ];
                let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
                assert_eq!(found, expected, "{name}");
                assert!(run.take(&sum).is_err(), "{name}");
            } else {
                result.unwrap();
                assert_eq!(run.take(&sum).unwrap(), 2 * value + 3, "{name}");
            }
        }
        // A source that was not fed says so.
        let found = failures(executor.execute(&mut run));
        assert!(found[0].0 == "number" && found[0].1.contains("not fed"), "{found:?}");
    }
}

#[test]
fn a_reverse_that_fails_is_named_and_what_was_sent_before_is_forgotten() {
    let mut flow = FlowBuilder::new("faults");
    let (x, output) = flow.source::<f64>("x");
    let output = flow.share(output);
    let fails = flow.reversible(
        "fails",
        output,
        |x: Arc<f64>| (*x, *x),
        |x, back: Vec<f64>| {
            assert!(x > 0.0, "x is {x}");
            back[0]
        },
    );
    let twice = flow.reversible(
        "twice",
        output,
        |x: Arc<f64>| (2.0 * *x, ()),
        |(), back: Vec<f64>| 2.0 * back[0],
    );
    let sum = flow.reversible(
        "sum",
        (fails, twice),
        |(a, b)| (a + b, ()),
        |(), back: Vec<f64>| (back[0], back[0]),
    );
    let end = flow.turn("end", sum, |_| 1.0);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        for value in [1.0, -1.0, 2.0] {
            run.feed(&x, value).unwrap();
            let result = executor.execute(&mut run);
            assert_eq!(run.take(&end).unwrap(), 3.0 * value);
            if value < 0.0 {
                assert_eq!(failures(result)[0].1, "reverse panicked: x is -1");
                assert!(run.take_back(&x).is_err());
            } else {
                result.unwrap();
                assert_eq!(run.take_back(&x).unwrap(), [1.0, 2.0]);
            }
        }
    }
}

#[test]
fn whatever_kind_of_node_returns_an_error_is_named_and_the_next_run_is_whole() {
    let refuse = |fails: bool, what: &str| if fails { Err(what.to_owned()) } else { Ok(()) };
    let mut flow = FlowBuilder::new("faults");
    let (number, output) = flow.source::<u32>("number");
    let output = flow.share(output);
    let parts = flow.try_split("parts", 3, output, move |number, part| {
        refuse(**number == 1 && part.index > 0, &format!("part {}", part.index))?;
        Ok::<_, String>(part.index)
    });
    let count = flow.try_stateful("count", output, 0, move |count, number: Arc<u32>| {
        refuse(*number == 2, "too early")?;
        *count += 1;
        refuse(*number == 3, "too late")?;
        Ok::<_, String>(*count)
    });
    let forth = flow.try_reversible(
        "forth and back",
        output,
        move |number: Arc<u32>| {
            refuse(*number == 4, "not forth")?;
            Ok((*number, *number))
        },
        move |number, back: Vec<u32>| {
            refuse(number == 5, "not back")?;
            Ok::<_, String>(back[0] + 1)
        },
    );
    let end = flow.try_turn("end", forth, move |number| {
        refuse(*number == 6, "no turn")?;
        Ok::<_, String>(*number)
    });
    let (parts, count) = (flow.sink("all parts", parts), flow.sink("the count", count));
    let other = flow.node("other", output, |number: Arc<u32>| *number);
    let other = flow.sink("the other", other);
    let flow = flow.build().unwrap();
    let mut calls = 0;
    for mut executor in executors() {
        let mut run = flow.run();
        let name = executor.name();
        for value in [0, 1, 2, 3, 4, 5, 6, 7] {
            run.feed(&number, value).unwrap();
            let result = executor.execute(&mut run);
            let expected = match value {
                1 => Some(("parts", "forward part 1")),
                2 => Some(("count", "forward too early")),
                3 => Some(("count", "forward too late")),
                4 => Some(("forth and back", "forward not forth")),
                5 => Some(("forth and back", "reverse not back")),
                6 => Some(("end", "forward no turn")),
                _ => None,
            };
            match expected {
                Some((node, cause)) => {
                    let found = failures(result);
                    assert_eq!(found, [(node.to_owned(), cause.to_owned())], "{name}");
                }
                None => result.unwrap(),
            }
            // What an error has left of the state, later runs find.
            calls += i32::from(value != 2);
            let counted = (value != 2 && value != 3).then_some(calls);
            assert_eq!(run.take(&count).ok(), counted, "{name}: {value}");
            let all = (value != 1).then(|| vec![0, 1, 2]);
            assert_eq!(run.take(&parts).ok(), all, "{name}: {value}");
            let turned = (value != 4 && value != 6).then_some(value);
            assert_eq!(run.take(&end).ok(), turned, "{name}: {value}");
            let back = (!(4..=6).contains(&value)).then(|| vec![value + 1]);
            assert_eq!(run.take_back::<u32>(&number).ok(), back, "{name}: {value}");
            assert_eq!(run.take(&other).unwrap(), value, "{name}: it depends on none of them");
        }
    }
}

/// Of several runs in flight, those after the one in which a state's node fails do not reach it.
#[test]
fn a_state_that_fails_in_one_run_is_not_reached_by_those_after_it() {
    let mut flow = FlowBuilder::new("in flight");
    let (number, output) = flow.source::<u32>("number");
    let sum = flow.try_stateful("sum", output, 0, |sum, number: u32| {
        *sum += number;
        if number == 2 { Err("it is 2") } else { Ok(*sum) }
    });
    let sum = flow.sink("result", sum);
    let flow = flow.build().unwrap();
    let mut total = 0;
    for mut executor in executors() {
        let name = executor.name();
        let mut runs = flow.in_flight(4);
        for fed in [[1, 2, 3, 4], [5, 6, 7, 8]] {
            let mut expected = Vec::new();
            for (run, value) in fed.into_iter().enumerate() {
                runs.feed_in(run, &number, value).unwrap();
                if value <= 2 || fed[0] == 5 {
                    total += value;
                }
                expected.push((value == 1 || fed[0] == 5).then_some(total));
            }
            let result = executor.execute(&mut runs);
            if fed[0] == 1 {
                assert_eq!(failures(result), [("sum".to_owned(), "forward it is 2".to_owned())]);
            } else {
                result.unwrap();
            }
            let sums: Vec<_> = (0..4).map(|run| runs.take_from(run, &sum).ok()).collect();
            assert_eq!(sums, expected, "{name}");
        }
    }
}

#[test]
fn too_few_messages_back_are_a_failure() {
    let mut flow = FlowBuilder::new("short");
    let inputs: Vec<_> = (0..3).map(|it| flow.source::<f64>(format!("x{it}"))).collect();
    let (sources, outputs): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
    let sum = flow.reversible(
        "sum",
        outputs,
        |all: Vec<f64>| (all.iter().sum::<f64>(), ()),
        |(), back: Vec<f64>| vec![back[0]; 2],
    );
    flow.turn("end", sum, |_| 1.0);
    let mut run = flow.build().unwrap().run();
    for source in &sources {
        run.feed(source, 1.0).unwrap();
    }
    let mut pool = executor("pool", 2, "fifo").unwrap();
    let found = failures(pool.execute(&mut run));
    assert!(found[0].1.contains("2 messages back, but has 3 producers"), "{found:?}");
}

#[test]
fn a_cancelled_run_ends_and_the_next_one_is_whole() {
    let mut flow = FlowBuilder::new("cancelled");
    let times = Arc::new(AtomicUsize::new(0));
    let mut last = flow.node("first", (), |()| 0);
    for step in 0..100 {
        let times = Arc::clone(&times);
        last = flow.node(format!("step {step}"), last, move |number| {
            times.fetch_add(1, Ordering::Relaxed);
            number + 1
        });
    }
    let last = flow.sink("last", last);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        let token = run.cancel_token();
        token.cancel();
        times.store(0, Ordering::Relaxed);
        assert!(matches!(executor.execute(&mut run), Err(Error::Cancelled)), "{}", executor.name());
        assert_eq!(times.load(Ordering::Relaxed), 0);
        token.reset();
        executor.execute(&mut run).unwrap();
        assert_eq!(run.take(&last).unwrap(), 100);
    }
}

/// Panics at the first message from one of the nodes.
struct Squeamish(&'static str);

impl Observer for Squeamish {
    fn part(&self, _: crate::flow::PartEvent) {}

    fn message(&self, event: crate::flow::MessageEvent) {
        assert!(event.from != 1 || event.port > 0, "{}", self.0);
    }

    fn wants_messages(&self) -> bool {
        true
    }
}

#[test]
fn an_observer_of_messages_that_panics_fails_its_run_and_no_other() {
    let mut flow = FlowBuilder::new("watched");
    let one = flow.node("one", (), |()| 1);
    let two = flow.node("two", one, |one| one + 1);
    let three = flow.node("three", two, |two| two + 1);
    let three = flow.sink("result", three);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        for _ in 0..3 {
            run.observe(Some(Arc::new(Squeamish("not this one"))));
            let found = failures(executor.execute(&mut run));
            let name = executor.name();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(
                found[0].0 == "two" && found[0].1.contains("not this one"),
                "{name}: {found:?}"
            );
            run.observe(None);
            executor.execute(&mut run).unwrap();
            assert_eq!(run.take(&three).unwrap(), 3, "{name}");
        }
    }
}
