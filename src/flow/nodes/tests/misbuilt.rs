//! Flows that can't be built are refused by name.

use super::*;

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

    let mut flow = FlowBuilder::new("large");
    for number in 0..1 << 16 {
        flow.split(number.to_string(), 1 << 16, (), |(), _| 1u32);
    }
    let message = refusal(flow);
    assert!(message.contains("`large`: it has 4294967295 tasks, parts or messages"), "{message}");

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
