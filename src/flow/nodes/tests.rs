//! Graphs of closures run on every executor: forward, reversed, with failures, several at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::{Error, Result};
use crate::flow::trace::Recorder;
use crate::flow::{EXECUTORS, Execute, Executor, Observer, executor};

/// Every executor, with one worker and with three where it has workers.
fn executors() -> Vec<Box<dyn Executor>> {
    let of = |name: &str, workers| executor(name, workers, "critical-path").unwrap();
    EXECUTORS.iter().flat_map(|spec| [of(spec.name, 1), of(spec.name, 3)]).collect()
}

/// The article's seven nodes, of different types, as functions of two numbers.
struct Article {
    flow: Flow,
    a: Source<f64>,
    b: Source<f64>,
    loss: Sink<f64>,
}

/// loss = (a·b + sin a)², where the sum goes through text of its bits, so that types differ.
fn article() -> Article {
    let mut flow = FlowBuilder::new("article");
    let (a, a_out) = flow.source::<f64>("a");
    let (b, b_out) = flow.source::<f64>("b");
    let a_out = flow.share(a_out);
    let product = flow.reversible(
        "product",
        (a_out, b_out),
        |(a, b): (Arc<f64>, f64)| (*a * b, (*a, b)),
        |(a, b), back: Vec<f64>| (back[0] * b, back[0] * a),
    );
    let sine = flow.reversible(
        "sine",
        a_out,
        |a: Arc<f64>| (a.sin(), *a),
        |a, back: Vec<f64>| back[0] * a.cos(),
    );
    // Its message back is text, too.
    let sum = flow.reversible(
        "sum",
        (product, sine),
        |(product, sine)| ((product + sine).to_bits().to_string(), ()),
        |(), back: Vec<String>| {
            let gradient: f64 = back[0].parse().unwrap();
            (gradient, gradient)
        },
    );
    let square = flow.reversible(
        "square",
        sum,
        |text: String| {
            let sum = f64::from_bits(text.parse().unwrap());
            (sum * sum, sum)
        },
        |sum, back: Vec<f64>| (2.0 * sum * back[0]).to_string(),
    );
    let loss = flow.turn("loss", square, |_| 1.0);
    Article { flow: flow.build().unwrap(), a, b, loss }
}

#[test]
fn the_article_s_graph_runs_forward_and_reversed_everywhere() {
    let Article { flow, a, b, loss } = article();
    let phases: Vec<String> = (0..flow.task_graph().task_count())
        .map(|task| flow.task_graph().task_label(task))
        .collect();
    assert_eq!(phases.len(), 7 + 6, "{phases:?}");
    for mut executor in executors() {
        let mut run = flow.run();
        for (x, y) in [(0.5, -2.0), (1.25, 3.0), (0.5, -2.0)] {
            run.feed(&a, x).unwrap();
            run.feed(&b, y).unwrap();
            executor.execute(&mut run).unwrap();
            let sum = x * y + f64::sin(x);
            let name = executor.name();
            assert_eq!(run.take(&loss).unwrap().to_bits(), (sum * sum).to_bits(), "{name}");
            // From the product first, whose connection was made first.
            let back = run.take_back(&a).unwrap();
            assert_eq!(back, [2.0 * sum * y, 2.0 * sum * x.cos()], "{name}");
            assert_eq!(run.take_back(&b).unwrap(), [2.0 * sum * x], "{name}");
        }
    }
}

#[test]
fn inputs_of_every_form_come_in_order() {
    let mut flow = FlowBuilder::new("forms");
    let numbers: Vec<_> = (0..5).map(|it| flow.node(format!("n{it}"), (), move |()| it)).collect();
    let list = flow.node("list", numbers, |numbers: Vec<i32>| numbers);
    let pair = [flow.node("p", (), |()| 'p'), flow.node("q", (), |()| 'q')];
    let pair = flow.node("pair", pair, |[p, q]: [char; 2]| format!("{p}{q}"));
    let (number, text) = {
        let both = flow.node("both", (list, pair), |(list, pair)| (list.len(), pair));
        flow.unzip(both)
    };
    let text = flow.share(text);
    let eight = (
        number,
        text,
        text,
        flow.node("d", (), |()| 1u8),
        flow.node("e", (), |()| 2u16),
        flow.node("f", (), |()| 3u32),
        flow.node("g", (), |()| 4u64),
        flow.node("h", (), |()| ()),
    );
    let all = flow.node("all", eight, |(number, text, again, d, e, f, g, ())| {
        assert!(Arc::ptr_eq(&text, &again), "a shared value is not copied");
        format!("{number} {text} {d} {e} {f} {g}")
    });
    let all = flow.sink("result", all);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        for _ in 0..3 {
            executor.execute(&mut run).unwrap();
            assert_eq!(run.take(&all).unwrap(), "5 pq 1 2 3 4", "{}", executor.name());
        }
    }
}

#[test]
fn parts_make_pieces_in_order() {
    let mut flow = FlowBuilder::new("parts");
    let (numbers, output) = flow.source::<Vec<u32>>("numbers");
    let doubled = flow.split("double", 7, output, |numbers, part| {
        numbers[part.range(numbers.len())].iter().map(|it| it * 2).collect::<Vec<_>>()
    });
    let all = flow.node("all", doubled, |pieces: Vec<Vec<u32>>| pieces.concat());
    let all = flow.sink("result", all);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        for length in [0, 3, 100] {
            run.feed(&numbers, (0..length).collect()).unwrap();
            executor.execute(&mut run).unwrap();
            let expected: Vec<u32> = (0..length).map(|it| it * 2).collect();
            assert_eq!(run.take(&all).unwrap(), expected, "{}", executor.name());
        }
    }
}

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
fn only_consumers_with_a_reverse_are_waited_for() {
    let mut flow = FlowBuilder::new("mixed");
    let (x, output) = flow.source::<f64>("x");
    let (y, other) = flow.source::<f64>("y");
    let output = flow.share(output);
    let plain = flow.node("plain", output, |x: Arc<f64>| -*x);
    let plain = flow.sink("plain's", plain);
    // Nobody behind it turns around.
    let unheard = flow.reversible(
        "unheard",
        other,
        |y: f64| (y, ()),
        |(), _: Vec<f64>| unreachable!("nothing comes back to it"),
    );
    let unheard = flow.sink("unheard's", unheard);
    let square = flow.reversible(
        "square",
        output,
        |x: Arc<f64>| (*x * *x, *x),
        |x, back: Vec<f64>| 2.0 * x * back[0],
    );
    let end = flow.turn("end", square, |_| 1.0);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        run.feed(&x, 3.0).unwrap();
        run.feed(&y, 5.0).unwrap();
        executor.execute(&mut run).unwrap();
        assert_eq!(run.take(&plain).unwrap(), -3.0);
        assert_eq!(run.take(&unheard).unwrap(), 5.0);
        assert_eq!(run.take(&end).unwrap(), 9.0);
        assert_eq!(run.take_back(&x).unwrap(), [6.0]);
        assert!(run.take_back(&y).unwrap_err().to_string().contains("nothing has come back"));
    }
}

#[test]
fn runs_in_flight_have_a_state_in_order() {
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let mut flow = FlowBuilder::new("in flight");
    let (number, output) = flow.source::<u32>("number");
    let slow = flow.node("slow", output, |number: u32| {
        // The earlier, the longer.
        std::thread::sleep(std::time::Duration::from_micros(u64::from(10 - number % 10) * 50));
        number
    });
    let seen = Arc::clone(&order);
    let sum = flow.stateful("sum", slow, 0, move |sum, number: u32| {
        seen.lock().push(number);
        *sum += number;
        *sum
    });
    let sum = flow.sink("result", sum);
    let flow = flow.build().unwrap();
    let mut total = 0;
    for mut executor in executors() {
        let mut runs = flow.in_flight(8);
        order.lock().clear();
        for round in 0..2 {
            for run in 0..8 {
                runs.feed_in(run, &number, (8 * round + run) as u32).unwrap();
            }
            executor.execute(&mut runs).unwrap();
            for run in 0..8 {
                total += (8 * round + run) as u32;
                assert_eq!(runs.take_from(run, &sum).unwrap(), total, "{}", executor.name());
            }
        }
        assert_eq!(*order.lock(), (0..16).collect::<Vec<_>>(), "{}", executor.name());
        assert!(runs.feed_in(8, &number, 1).unwrap_err().to_string().contains("8 runs in flight"));
    }
}

#[test]
fn misbuilt_flows_are_refused_by_name() {
    let refusal = |flow: FlowBuilder| flow.build().unwrap_err().to_string();
    assert!(refusal(FlowBuilder::new("nothing")).contains("`nothing`: it has no node"));

    let mut flow = FlowBuilder::new("twice");
    flow.node("same", (), |()| 1);
    flow.node("same", (), |()| 2);
    assert!(
        refusal(flow).contains("node `same`: the name is taken twice, by nodes number 1 and 2")
    );

    let mut flow = FlowBuilder::new("open");
    let (_port, open) = flow.port::<u32>();
    flow.node("waits", open, |number| number);
    let message = refusal(flow);
    assert!(message.contains("node `waits`: no output leads to its port 0 (u32)"), "{message}");

    let mut flow = FlowBuilder::new("crowded");
    let (port, later) = flow.port::<u32>();
    flow.node("gets", later, |number| number);
    for name in ["one", "two"] {
        let output = flow.node(name, (), |()| 1u32);
        flow.connect(output, port.clone());
    }
    let message = refusal(flow);
    assert!(
        message.contains("several outputs lead to its port 0 (u32): those of `one`, `two`"),
        "{message}"
    );

    let mut flow = FlowBuilder::new("circle");
    let (port, later) = flow.port::<u32>();
    let (before, start) = flow.source::<u32>("before");
    let a = flow.node("a", (start, later), |(x, y)| x + y);
    let b = flow.node("b", a, |x| x);
    let b = flow.share(b);
    let c = flow.node("c", b, |x: Arc<u32>| *x);
    flow.node("d", b, |x: Arc<u32>| *x);
    flow.connect(c, port);
    let message = refusal(flow);
    assert!(message.contains("a cycle: a -> b -> c -> a;"), "{message}");

    let mut other = FlowBuilder::new("other");
    other.node("node", (), |()| 1);
    let error = other.build().unwrap().run().feed(&before, 1).unwrap_err().to_string();
    assert!(error.contains("belongs to another flow"), "{error}");

    let mut flow = FlowBuilder::new("costs");
    flow.node("node", (), |()| 1);
    assert!(flow.cost("nobody", 1.0).unwrap_err().to_string().contains("known are: node"));
    assert!(flow.cost("node", f64::NAN).unwrap_err().to_string().contains("NaN seconds"));
    flow.cost("node", 1.0).unwrap();
    assert_eq!(flow.build().unwrap().task_graph().estimated_costs(), [1.0]);
}

#[test]
fn outputs_of_another_flow_are_refused_by_name() {
    let refusal = |flow: FlowBuilder| flow.build().unwrap_err().to_string();
    let expected = "node `takes`: an output of another flow leads to its port 0 (u32)";

    let mut other = FlowBuilder::new("other");
    let moved = other.node("moved", (), |()| 1u32);
    let mut flow = FlowBuilder::new("flow");
    flow.node("takes", moved, |number| number);
    assert!(refusal(flow).contains(expected));

    let shared = other.node("shared", (), |()| 1u32);
    let shared = other.share(shared);
    let mut flow = FlowBuilder::new("flow");
    flow.node("takes", [shared], |[number]: [Arc<u32>; 1]| *number);
    assert!(refusal(flow).contains(expected));

    let pair = other.node("pair", (), |()| (1u32, 2u8));
    let mut flow = FlowBuilder::new("flow");
    let (first, _second) = flow.unzip(pair);
    flow.node("takes", first, |number| number);
    assert!(refusal(flow).contains(expected));

    let connected = other.node("connected", (), |()| 1u32);
    let mut flow = FlowBuilder::new("flow");
    let (port, later) = flow.port::<u32>();
    flow.connect(connected, port.clone());
    flow.node("takes", later, |number| number);
    assert!(refusal(flow).contains(expected));

    let output = other.node("output", (), |()| 1u32);
    other.connect(output, port);
    assert!(refusal(other).contains("connected to a port of another flow"));
}

/// What stands for an output that is connected later is one like any other.
#[test]
fn later_outputs_are_shared_taken_apart_and_waited_for() {
    let mut flow = FlowBuilder::new("later");
    let (port, later) = flow.port::<(u32, String)>();
    let (through, passed) = flow.port::<String>();
    let (number, text) = flow.unzip(later);
    flow.connect(text, through);
    let text = flow.share(passed);
    let length = flow.node("length", text, |text: Arc<String>| text.len());
    let line = flow.node("line", (text, number), |(text, number)| format!("{text}{number}"));
    let (end, at_end) = flow.port::<()>();
    let at_end = flow.signal(at_end);
    let both = flow.node("both", (length, line, at_end), |(length, line, ())| (length, line));
    let both = flow.sink("result", both);
    let ended = flow.node("end", (), |()| ());
    flow.connect(ended, end);
    let first = flow.node("first", (), |()| (7, "seven".to_owned()));
    flow.connect(first, port);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        for _ in 0..2 {
            executor.execute(&mut run).unwrap();
            assert_eq!(run.take(&both).unwrap(), (5, "seven7".to_owned()), "{}", executor.name());
        }
    }

    let mut flow = FlowBuilder::new("circle of ports");
    let (a, later_a) = flow.port::<u32>();
    let (b, later_b) = flow.port::<u32>();
    flow.connect(later_a, b);
    flow.connect(later_b, a);
    let (c, later_c) = flow.port::<u32>();
    let one = flow.node("one", (), |()| 1u32);
    flow.connect(one, c.clone());
    flow.node("takes", later_c, |number| number);
    let message = flow.build().map(|flow| flow.task_graph().task_count()).unwrap();
    assert_eq!(message, 2, "nobody reads the circle");
    drop(c);
}

/// The value of an earlier execution is not taken for that of one that failed.
#[test]
fn values_do_not_outlive_the_next_execution() {
    let mut flow = FlowBuilder::new("old");
    let (number, output) = flow.source::<i32>("number");
    let root = flow.try_node("root", output, |number| match number {
        0.. => Ok(f64::from(number).sqrt()),
        _ => Err("it has no root"),
    });
    let root = flow.sink("result", root);
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        run.feed(&number, 4).unwrap();
        executor.execute(&mut run).unwrap();
        run.feed(&number, -4).unwrap();
        assert!(executor.execute(&mut run).is_err());
        let error = run.take(&root).unwrap_err().to_string();
        assert!(error.contains("no value has come to it"), "{error}");
    }
}

/// Nothing here may need a stack as deep as the graph, or time that grows with its square.
#[test]
fn chains_and_fans_of_many_nodes() {
    const MANY: usize = 100_000;
    let mut pool = executor("pool", 2, "critical-path").unwrap();
    let mut flow = FlowBuilder::new("chain");
    let (x, mut last) = flow.source::<u64>("x");
    for step in 0..MANY {
        let add = |x: u64| (x + 1, ());
        last = flow.reversible(step.to_string(), last, add, |(), back: Vec<u64>| back[0] + 2);
        flow.cost(&step.to_string(), 1e-6).unwrap();
    }
    let end = flow.turn("end", last, |_| 0);
    let mut run = flow.build().unwrap().run();
    run.feed(&x, 0).unwrap();
    pool.execute(&mut run).unwrap();
    assert_eq!(run.take(&end).unwrap(), MANY as u64);
    assert_eq!(run.take_back(&x).unwrap(), [2 * MANY as u64]);

    let mut flow = FlowBuilder::new("fan");
    let one = flow.node("one", (), |()| 1u64);
    let one = flow.share(one);
    let read = |step: usize| flow.node(step.to_string(), one, |one: Arc<u64>| *one);
    let all: Vec<_> = (0..MANY).map(read).collect();
    let sum = flow.node("sum", all, |all: Vec<u64>| all.into_iter().sum::<u64>());
    let sum = flow.sink("result", sum);
    let mut run = flow.build().unwrap().run();
    pool.execute(&mut run).unwrap();
    assert_eq!(run.take(&sum).unwrap(), MANY as u64);

    let mut flow = FlowBuilder::new("circle");
    let (port, mut last) = flow.port::<u64>();
    for step in 0..MANY {
        last = flow.node(step.to_string(), last, |number| number);
    }
    flow.connect(last, port);
    assert!(matches!(flow.build(), Err(Error::Cycle { nodes }) if nodes.len() == MANY + 1));
}

#[test]
fn nothing_is_an_input_like_any_other() {
    let mut flow = FlowBuilder::new("nothing");
    let none: Vec<Output<u32>> = Vec::new();
    let sum = flow.node("sum", none, |all: Vec<u32>| all.into_iter().sum::<u32>());
    let none: [Shared<u32>; 0] = [];
    let count = flow.split("count", 2, none, |all, _| all.len());
    let back = flow.reversible(
        "back",
        Vec::<Output<u32>>::new(),
        |all: Vec<u32>| (all.len(), ()),
        |(), _: Vec<u32>| Vec::new(),
    );
    let back = flow.turn("turn", back, |_| 1);
    let result = flow.sink("result", (sum, count));
    let nothing = flow.sink("no value", ());
    let flow = flow.build().unwrap();
    for mut executor in executors() {
        let mut run = flow.run();
        executor.execute(&mut run).unwrap();
        assert_eq!(run.take(&result).unwrap(), (0, vec![0, 0]), "{}", executor.name());
        assert_eq!(run.take(&back).unwrap(), 0);
        run.take(&nothing).unwrap();
    }
}

/// Whoever sends a list of the wrong length back fails, rather than the engine.
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
fn every_message_is_observed_once_between_its_sender_and_its_receiver() {
    let Article { flow, a, b, .. } = article();
    for mut executor in executors() {
        let mut run = flow.run();
        let recorder = Arc::new(Recorder::new().with_messages());
        run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
        run.feed(&a, 1.0).unwrap();
        run.feed(&b, 1.0).unwrap();
        executor.execute(&mut run).unwrap();
        let executions = recorder.executions();
        let execution = &executions[0];
        let graph = flow.task_graph();
        assert_eq!(execution.events.len(), graph.task_count(), "{}", executor.name());
        assert_eq!(execution.messages.len(), graph.message_count(), "{}", executor.name());
        for message in &execution.messages {
            let of = |task| execution.events.iter().find(|event| event.task == task).unwrap();
            assert!(of(message.from).end <= message.time, "{message:?}");
            // Clocks of two threads may differ by a little.
            assert!(message.time <= of(message.to).start + 200, "{message:?}");
            assert!(graph.task(message.from).successors.contains(&message.to));
            assert!(message.port < graph.task(message.to).messages);
        }
        let sum = execution.messages.iter().find(|it| graph.task(it.from).node == "sum").unwrap();
        assert_eq!(sum.bytes, size_of::<String>());
    }
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

/// A run is executed by whatever executor is at hand.
#[test]
fn one_run_serves_all_executors_in_turn() {
    let Article { flow, a, b, loss } = article();
    let mut run = flow.run();
    let mut results = Vec::new();
    for mut executor in executors().into_iter().chain(executors()) {
        run.feed(&a, 0.1).unwrap();
        run.feed(&b, 0.2).unwrap();
        let run: &mut dyn Execute = &mut run;
        executor.execute(run).unwrap();
        results.push(());
    }
    assert_eq!(results.len(), 2 * 2 * EXECUTORS.len());
    assert!(run.take(&loss).is_ok());
}

/// A pool's workers hold nothing of a run when the pool is gone.
#[test]
fn who_drops_a_pool_waits_for_its_workers() {
    for _ in 0..50 {
        let held = Arc::new(());
        let in_node = Arc::clone(&held);
        let mut flow = FlowBuilder::new("held");
        let nodes: Vec<_> = (0..20)
            .map(|number| {
                let in_node = Arc::clone(&in_node);
                flow.node(format!("n{number}"), (), move |()| Arc::strong_count(&in_node))
            })
            .collect();
        drop(in_node);
        let all = flow.sink("all", nodes);
        let flow = flow.build().unwrap();
        let mut run = flow.run();
        let mut pool = crate::flow::Pool::new(3, "fifo").unwrap();
        pool.execute(&mut run).unwrap();
        assert_eq!(run.take(&all).unwrap().len(), 20);
        drop((run, flow));
        drop(pool);
        assert_eq!(Arc::strong_count(&held), 1);
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
