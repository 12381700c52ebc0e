//! The seven nodes of the DAG that the idea comes from, as closures whose messages have types of their own:
//! forward, then reversed, on every executor.
//!
//! ```text
//! cargo run --release --example 11-seven-closures
//!
//!           ┌─▶ B ──┬─▶ E ─┐        A: two numbers          E: an angle
//!           │       ▼      ▼        B: a number             F: three numbers
//!           A       D ───▶ G        C: a list               G: a number
//!           │       ▲      ▲        D: a pair
//!           └─▶ C ──┴─▶ F ─┘
//! ```
//!
//! Prints which node fires when and on which worker, and compares what comes back to A with finite differences.
//! Every closure rests for a millisecond, so that there is something to see.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use caudal::flow::trace::Recorder;
use caudal::flow::{EXECUTORS, Flow, FlowBuilder, FlowRun, Sink, Source, executor};

struct Angle(f64);

/// What several consumers send back is added up.
fn sum(messages: &[f64]) -> f64 {
    messages.iter().sum()
}

/// The same, a little later.
fn rested<T>(value: T) -> T {
    sleep(Duration::from_millis(1));
    value
}

fn article() -> caudal::Result<(Flow, Source<[f64; 2]>, Sink<f64>)> {
    let mut flow = FlowBuilder::new("article");
    let (source, a) = flow.source::<[f64; 2]>("A");
    let a = flow.share(a);
    let b = flow.reversible(
        "B",
        a,
        |a: Arc<[f64; 2]>| rested((a[0] * a[1], a)),
        |a, back: Vec<f64>| rested([sum(&back) * a[1], sum(&back) * a[0]]),
    );
    let c = flow.reversible(
        "C",
        a,
        |a: Arc<[f64; 2]>| rested((vec![a[0].sin(), a[1].cos()], a)),
        |a, back: Vec<[f64; 2]>| {
            let back = back.iter().fold([0.0; 2], |sum, it| [sum[0] + it[0], sum[1] + it[1]]);
            rested([back[0] * a[0].cos(), -back[1] * a[1].sin()])
        },
    );
    let (b, c) = (flow.share(b), flow.share(c));
    let d = flow.reversible(
        "D",
        (b, c),
        |(b, c)| rested(((*b * c[0], *b * c[1]), (b, c))),
        |(b, c), back: Vec<(f64, f64)>| {
            let (first, second) = back[0];
            rested((first * c[0] + second * c[1], [first * *b, second * *b]))
        },
    );
    let e = flow.reversible(
        "E",
        b,
        |b: Arc<f64>| rested((Angle(b.atan()), b)),
        |b, back: Vec<f64>| rested(back[0] / (1.0 + *b * *b)),
    );
    let f = flow.reversible(
        "F",
        c,
        |c: Arc<Vec<f64>>| rested(([c[0] * c[0], c[0] * c[1], c[1] * c[1]], c)),
        |c, back: Vec<[f64; 3]>| {
            let [x, y, z] = back[0];
            rested([2.0 * x * c[0] + y * c[1], y * c[0] + 2.0 * z * c[1]])
        },
    );
    let g = flow.reversible(
        "G",
        (e, d, f),
        |(Angle(e), d, f)| rested((e * d.0 + d.1 * f[1] + f[0] - f[2], (e, d, f))),
        |(e, d, f), back: Vec<f64>| {
            let it = back[0];
            rested((it * d.0, (it * e, it * f[1]), [it, it * d.1, -it]))
        },
    );
    let end = flow.turn("end", g, |_| 1.0);
    Ok((flow.build()?, source, end))
}

/// The tasks of the last execution in the order in which they began.
fn print(run: &FlowRun, recorder: &Recorder) {
    for execution in recorder.last_executions(1) {
        let milliseconds = |time: u64| time.saturating_sub(execution.began) as f64 * 1e-6;
        for event in &execution.events {
            let (start, end) = (milliseconds(event.start), milliseconds(event.end));
            let label = run.task_graph().task_label(event.task);
            println!("  {label:<12} on worker {:>2} {start:>6.2} to {end:>6.2} ms", event.worker);
        }
    }
}

fn main() -> caudal::Result<()> {
    let (flow, source, end) = article()?;
    let at = [0.7, -1.3];
    for spec in EXECUTORS {
        let mut executor = executor(spec.name, 2, "critical-path")?;
        let mut run = flow.run();
        let mut value = |at: [f64; 2]| {
            run.feed(&source, at)?;
            executor.execute(&mut run)?;
            run.take(&end)
        };
        let step = 1e-6;
        let mut differences = [0.0; 2];
        for (place, difference) in differences.iter_mut().enumerate() {
            let (mut below, mut above) = (at, at);
            below[place] -= step;
            above[place] += step;
            *difference = (value(above)? - value(below)?) / (2.0 * step);
        }

        let recorder = Arc::new(Recorder::new());
        run.observe(Some(recorder.clone()));
        run.feed(&source, at)?;
        executor.execute(&mut run)?;
        println!("{}", spec.name);
        print(&run, &recorder);
        let value = run.take(&end)?;
        let back = run.take_back(&source)?;
        let gradient = [back[0][0] + back[1][0], back[0][1] + back[1][1]];
        println!("  value {value:.6}, gradient {gradient:.6?}, by differences {differences:.6?}\n");
        for (exact, difference) in gradient.iter().zip(differences) {
            assert!((exact - difference).abs() < 1e-7, "{exact} is not {difference}");
        }
    }
    Ok(())
}
