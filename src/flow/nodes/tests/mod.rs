//! Graphs of closures run on every executor: forward, reversed, with failures, several at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod failures;
mod lifetimes;
mod misbuilt;

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
