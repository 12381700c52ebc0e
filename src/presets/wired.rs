//! Families of networks that differ in their wiring: every node adds up what it reads, and computes a
//! dense layer or a convolution of it, and a rectifier.

use super::arguments::{Argument, ArgumentValues, BATCH, SEED, SIDE, Values, count, number};
use super::wiring::Wiring;
use super::{PresetSpec, compare, model, pixels};
use crate::error::Result;
use crate::graph::{GraphBuilder, NodeName};
use crate::initializers::Normal;
use crate::layers::{Add, Conv2d, Dense, Relu};
use crate::model::Model;

/// The most nodes of a family.
const MOST: usize = 10_000;

const NODES: Argument = count("nodes", "how many", "32", (1, MOST));
const P: Argument = number("p", "how probable an edge is between two nodes", "0.2", (0.0, 1.0));
const REWIRING: Argument = number("p", "how probable it is that an edge moves", "0.75", (0.0, 1.0));

const CELLS: Values = Values::Word(&["dense", "conv"]);
const DENSE: Argument = cell("dense");
const CONV: Argument = cell("conv");

const fn cell(default: &'static str) -> Argument {
    Argument {
        name: "cell",
        meaning: "what a node computes: dense or conv",
        default,
        values: CELLS,
    }
}

const fn width(default: &'static str) -> Argument {
    count("width", "units of a dense node, filters of a 3 x 3 convolution", default, (1, 8192))
}

pub(super) static CHAIN: PresetSpec = PresetSpec {
    name: "chain",
    summary: "nodes one after another",
    arguments: &[
        count("depth", "how many nodes", "16", (1, MOST)),
        width("64"),
        DENSE,
        SIDE,
        BATCH,
    ],
    make: |settings| wired(settings, &Wiring::chain(settings.count("depth"))),
};

pub(super) static FAN: PresetSpec = PresetSpec {
    name: "fan",
    summary: "nodes side by side, and their sum",
    arguments: &[
        count("branches", "how many nodes", "16", (1, MOST)),
        width("128"),
        DENSE,
        SIDE,
        BATCH,
    ],
    make: |settings| wired(settings, &Wiring::fan(settings.count("branches"))),
};

pub(super) static LAYERED: PresetSpec = PresetSpec {
    name: "layered",
    summary: "layers of nodes; a node reads 2 to 4 of the layer before, at random",
    arguments: &[
        count("layers", "how many", "6", (1, 1000)),
        count("branches", "nodes of a layer", "8", (1, 1000)),
        width("64"),
        DENSE,
        SEED,
        SIDE,
        BATCH,
    ],
    make: |settings| {
        let branches = settings.count("branches");
        let (layers, seed) = (settings.count("layers"), settings.count("seed") as u64);
        if layers * branches > MOST {
            return settings.refuse(
                format!("{layers} layers of {branches} nodes are more than {MOST} nodes"),
                "ask for fewer",
            );
        }
        wired(settings, &Wiring::layered(branches, branches, layers, seed))
    },
};

pub(super) static BINARY_TREE: PresetSpec = PresetSpec {
    name: "binary-tree",
    summary: "from 2^(levels - 1) leaves to one root; every node reads two",
    arguments: &[
        count("levels", "nodes from a leaf to the root", "5", (1, 13)),
        width("64"),
        DENSE,
        SIDE,
        BATCH,
    ],
    make: |settings| wired(settings, &Wiring::binary_tree((1 << settings.count("levels")) - 1)),
};

pub(super) static WAVEFRONT: PresetSpec = PresetSpec {
    name: "wavefront",
    summary: "a grid; a node reads the one above and the one to its left",
    arguments: &[
        count("rows", "of the grid", "6", (1, 1000)),
        count("columns", "of the grid", "6", (1, 1000)),
        width("64"),
        DENSE,
        SIDE,
        BATCH,
    ],
    make: |settings| {
        let (rows, columns) = (settings.count("rows"), settings.count("columns"));
        if rows * columns > MOST {
            return settings.refuse(
                format!("a grid of {rows} x {columns} has more than {MOST} nodes"),
                "ask for fewer",
            );
        }
        wired(settings, &Wiring::wavefront(rows * columns, columns))
    },
};

pub(super) static RANDOM_ER: PresetSpec = PresetSpec {
    name: "random-er",
    summary: "random wiring by Erdos and Renyi, as Xie et al. (2019) use it",
    arguments: &[NODES, P, width("16"), CONV, SEED, SIDE, BATCH],
    make: |settings| {
        let (nodes, seed) = (settings.count("nodes"), settings.count("seed") as u64);
        wired(settings, &Wiring::erdos_renyi(nodes, settings.number("p"), seed))
    },
};

pub(super) static RANDOM_BA: PresetSpec = PresetSpec {
    name: "random-ba",
    summary: "random wiring by Barabasi and Albert, as Xie et al. (2019) use it",
    arguments: &[
        NODES,
        count("m", "edges of each new node", "5", (1, 1000)),
        width("16"),
        CONV,
        SEED,
        SIDE,
        BATCH,
    ],
    make: |settings| {
        let (nodes, m) = (settings.count("nodes"), settings.count("m"));
        if m >= nodes {
            return settings.refuse(
                format!("a node can't have {m} edges to others among {nodes} nodes"),
                "keep m below nodes",
            );
        }
        wired(settings, &Wiring::barabasi_albert(nodes, m, settings.count("seed") as u64))
    },
};

pub(super) static RANDOM_WS: PresetSpec = PresetSpec {
    name: "random-ws",
    summary: "random wiring by Watts and Strogatz, as Xie et al. (2019) use it",
    arguments: &[
        NODES,
        count(
            "k",
            "nearest nodes of the ring with an edge to each node, an even number",
            "4",
            (2, 1000),
        ),
        REWIRING,
        width("16"),
        CONV,
        SEED,
        SIDE,
        BATCH,
    ],
    make: |settings| {
        let (nodes, k) = (settings.count("nodes"), settings.count("k"));
        if k % 2 == 1 || k >= nodes {
            return settings.refuse(
                format!("a ring of {nodes} nodes with edges to the {k} nearest can't be"),
                "make k even, and keep it below nodes",
            );
        }
        let (p, seed) = (settings.number("p"), settings.count("seed") as u64);
        wired(settings, &Wiring::watts_strogatz(nodes, k, p, seed))
    },
};

/// A network of this wiring: nodes `n0`, `n1`, … with their sums `nI.sum` and rectifiers `nI.relu`, and
/// a classifier over the sum of all that nobody reads.
fn wired(settings: &ArgumentValues, wiring: &Wiring) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let (side, width) = (settings.count("side"), settings.count("width"));
    let conv = settings.word("cell") == "conv";
    let (source, features) = if conv {
        (net.input("image", [side, side, 1]), 9)
    } else {
        (net.input("x", [side * side]), side * side)
    };
    let mut nodes: Vec<NodeName> = Vec::with_capacity(wiring.len());
    for node in 0..wiring.len() {
        let inputs: Vec<NodeName> =
            wiring.inputs(node).iter().map(|&input| nodes[input].clone()).collect();
        let count = inputs.len();
        let name = format!("n{node}");
        let read = match count {
            0 => source.clone(),
            _ => sum(&mut net, &format!("{name}.sum"), &inputs),
        };
        let fan_in = match count {
            0 => features,
            _ if conv => 9 * width,
            _ => width,
        };
        let values = Normal::new(0.0, deviation(2.0, fan_in, count));
        let computed = if conv {
            net.layer(&name, Conv2d::new(width, 3).same().initializer(values), [&read])
        } else {
            net.layer(&name, Dense::new(width).initializer(values), [&read])
        };
        nodes.push(net.layer(format!("{name}.relu"), Relu, [&computed]));
    }
    let sinks: Vec<NodeName> = wiring.sinks().into_iter().map(|sink| nodes[sink].clone()).collect();
    let mut last = sum(&mut net, "sum", &sinks);
    let mut fan_in = width;
    if conv {
        last = pixels(&mut net, &last, side);
        fan_in *= (side / 2).max(1).pow(2);
    }
    let values = Normal::new(0.0, deviation(1.0, fan_in, sinks.len()));
    let logits = net.layer("logits", Dense::new(10).initializer(values), [&last]);
    compare(&mut net, &logits);
    model(net, settings.count("batch"), 10, 0.01)
}

/// The node itself, or the sum of several.
fn sum(net: &mut GraphBuilder, name: &str, inputs: &[NodeName]) -> NodeName {
    match inputs {
        [one] => one.clone(),
        _ => net.layer(name, Add, inputs),
    }
}

/// The standard deviation of first weights that read `fan_in` numbers, each the sum of `inputs`: as He
/// et al. (2015) have it for one input, and less for several, so that values neither grow nor vanish
/// along the graph. Outputs of rectifiers have a mean: with mean square 1, the square of the sum of n
/// independent ones is n + n (n - 1) / π in the mean.
fn deviation(gain: f64, fan_in: usize, inputs: usize) -> f32 {
    let inputs = inputs.max(1) as f64;
    let square = inputs + inputs * (inputs - 1.0) / std::f64::consts::PI;
    (gain / fan_in as f64 / square).sqrt() as f32
}
