//! Files that would do harm: each is refused with what is wrong, and none costs more memory than it has bytes to pay for.

use std::path::Path;
use std::process::Command;
use std::slice::from_ref;

use caudal::onnx;

/// A message of Protocol Buffers, field by field.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, mut number: u64) -> Self {
        while number >= 128 {
            self.0.push(number as u8 | 128);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    fn number(self, field: u64, number: u64) -> Self {
        self.varint(field << 3).varint(number)
    }

    fn bytes(self, field: u64, bytes: &[u8]) -> Self {
        let mut message = self.varint(field << 3 | 2).varint(bytes.len() as u64);
        message.0.extend(bytes);
        message
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn with(self, field: u64, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }
}

fn message() -> Message {
    Message::default()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(message(), |node, input| node.text(1, input));
    node.text(2, output).text(3, output).text(4, operator)
}

/// An array of floats, or of whole numbers (type 7), with its numbers as bytes.
fn array(name: &str, kind: u64, dims: &[u64], raw: &[u8]) -> Message {
    let array = dims.iter().fold(message(), |array, &dim| array.number(1, dim));
    array.number(2, kind).text(8, name).bytes(9, raw)
}

fn value(name: &str, dims: &[u64]) -> Message {
    let dim = |shape: Message, &size: &u64| shape.with(1, &message().number(1, size));
    let shape = dims.iter().fold(message(), dim);
    let kind = message().with(1, &message().number(1, 1).with(2, &shape));
    message().text(1, name).with(2, &kind)
}

fn file(graph: &Message) -> Vec<u8> {
    let opset = message().number(2, 13);
    message().number(1, 7).with(7, graph).with(8, &opset).0
}

fn of_nodes(nodes: &[Message], arrays: &[Message], dims: &[u64]) -> Vec<u8> {
    let graph = nodes.iter().fold(message(), |graph, node| graph.with(1, node));
    let graph = arrays.iter().fold(graph, |graph, array| graph.with(5, array));
    file(&graph.with(11, &value("x", dims)).with(12, &value("y", &[1, 1])))
}

fn whole_numbers(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = onnx::from_bytes(bytes, "file.onnx", None).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert!(error.starts_with("file.onnx: "), "{error}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

/// The same by the program, which may have so much memory that it could not hold what the file promises.
#[track_caller]
fn refused_in_little_memory(bytes: &[u8], expected: &str) {
    refused(bytes, expected);
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.onnx");
    std::fs::write(&path, bytes).unwrap();
    let program = format!("ulimit -v 600000; exec {} summary \"$0\"", env!("CARGO_BIN_EXE_caudal"));
    let output = Command::new("sh").args(["-c", &program]).arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(expected), "{told}");
}

fn real(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/onnx");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn files_that_are_cut_short_or_damaged_never_panic() {
    let mut read = 0;
    for name in ["cnn-script.onnx", "transformer-dynamo.onnx", "sequence-script.onnx"] {
        let bytes = real(name);
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 400) {
            assert!(
                onnx::from_bytes(&bytes[..length], "cut.onnx", None).is_err(),
                "{name} {length}"
            );
        }
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 400) {
            for with in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= with;
                read += usize::from(onnx::from_bytes(&bytes, "damaged.onnx", None).is_ok());
            }
        }
    }
    assert!(read > 300, "weights were damaged too: {read}");
}

#[test]
fn what_is_no_network_is_refused() {
    refused(b"", "it holds no graph");
    refused(b"\x89PNG\r\n", "byte");
    refused(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], "bytes should follow, but its message has");
    refused(&message().with(7, &message()).0, "it does not say which opset");
    let old = message().with(7, &message()).with(8, &message().number(2, 9)).0;
    refused(&old, "opset 9, not one from 11 to");
    refused(&file(&message()), "it has no outputs");
    let relu = node("Relu", &["x"], "y");
    refused(&of_nodes(from_ref(&relu), &[], &[1, u64::MAX]), "has size");
    refused(&of_nodes(from_ref(&relu), &[], &[1, 1 << 40, 1 << 40]), "absurdly large");
    refused(&of_nodes(from_ref(&relu), &[], &[]), "no batch axis");
    refused(&of_nodes(&[relu.clone(), relu], &[], &[1, 4]), "two values are called `y`");
}

#[test]
fn nodes_in_a_circle_or_of_no_known_operator_are_refused_by_name() {
    let circle =
        [node("Relu", &["b"], "a"), node("Relu", &["a"], "b"), node("Add", &["x", "b"], "y")];
    refused(
        &of_nodes(&circle, &[], &[1, 4]),
        "node `a`, Relu of opset 13: its input `b` is of no node before it",
    );
    let own = [node("Relu", &["y"], "y")];
    refused(&of_nodes(&own, &[], &[1, 4]), "nodes are out of order, or have a cycle");
    let unknown = [node("Rely", &["\u{1b}[31m"], "y")];
    refused(&of_nodes(&unknown, &[], &[1, 4]), "did you mean `Relu`?");
    refused(
        &of_nodes(&[node("Relu", &["\u{1b}[31m"], "y")], &[], &[1, 4]),
        "its input `\\u{1b}[31m` is of no",
    );
    refused(&of_nodes(&[node("\u{1b}[31m", &["x"], "y")], &[], &[1, 4]), "`\\u{1b}[31m`");
    refused(
        &of_nodes(&[node("LogSoftmax", &["x"], "y")], &[], &[1, 4]),
        "softmax_cross_entropy holds it",
    );
    let other = node("Relu", &["x"], "y").text(7, "com.example");
    refused(&of_nodes(&[other], &[], &[1, 4]), "com.example.Relu of opset 13");
}

#[test]
fn arrays_that_lie_about_their_size_are_refused_before_memory_is_spent() {
    let gemm = [node("Gemm", &["x", "w"], "y")];
    let with = |array: Message| of_nodes(&gemm, &[array], &[1, 4]);
    refused(&with(array("w", 1, &[4, 2], &[0; 31])), "it has 31 bytes");
    refused(&with(array("w", 1, &[4, 2], &[0; 36])), "has 8 numbers, but it holds 9");
    refused(&with(array("w", 1, &[1 << 30, 1 << 31], &[0; 4])), "absurdly large");
    refused(&with(array("w", 1, &[1 << 28, 1 << 28], &[0; 4])), "but it holds 1");
    refused(&with(array("w", 1, &[u64::MAX, 2], &[0; 4])), "its shape is [-1, 2]");
    refused(&with(array("w", 8, &[1], &[0; 4])), "its numbers are of type 8");
    refused(&with(array("w", 1, &[5, 2], &[0; 40])), "does not fit items of 4");
}

#[test]
fn shapes_that_promise_much_cost_nothing() {
    let huge = whole_numbers(&[1 << 20, 1 << 20]);
    let sizes = array("s", 7, &[2], &huge);
    let filled = [node("ConstantOfShape", &["s"], "c"), node("Add", &["x", "c"], "y")];
    let three = whole_numbers(&[0, 1 << 40, 1]);
    let counted = [node("Range", &["a", "b", "c"], "r"), node("Add", &["x", "r"], "y")];
    let limits: Vec<Message> = ["a", "b", "c"]
        .iter()
        .zip(three.chunks(8))
        .map(|(name, bytes)| array(name, 7, &[], bytes))
        .collect();
    let wide = array("s", 7, &[4], &whole_numbers(&[1, 1 << 20, 1 << 20, 4]));
    let grown = [node("Expand", &["x", "s"], "y")];
    refused_in_little_memory(&of_nodes(&filled, &[sizes], &[1, 4]), "has more than");
    refused_in_little_memory(&of_nodes(&counted, &limits, &[1, 4]), "has more than");
    let bytes = of_nodes(&grown, &[wide], &[1, 1, 1, 4]);
    refused_in_little_memory(&bytes, "use smaller sizes");
}

#[test]
fn recurrent_operators_with_too_many_steps_or_what_no_step_has_are_refused() {
    let ones: Vec<u8> = std::iter::repeat_n(1.0_f32.to_le_bytes(), 64).flatten().collect();
    let of = |name: &str, dims: &[u64]| {
        let count = dims.iter().product::<u64>() as usize;
        array(name, 1, dims, &ones[..4 * count])
    };
    let weights = [of("w", &[1, 8, 2]), of("r", &[1, 8, 2])];
    let lstm = |inputs: &[&str]| node("LSTM", &[&["x", "w", "r"], inputs].concat(), "y");
    let with = |node: Message, more: &[Message], dims: &[u64]| {
        of_nodes(&[node], &[&weights, more].concat(), dims)
    };
    assert!(onnx::from_bytes(&with(lstm(&[]), &[], &[5, 1, 2]), "file.onnx", None).is_ok());
    refused_in_little_memory(&with(lstm(&[]), &[], &[1 << 30, 1, 2]), "its steps become nodes");
    refused(&with(lstm(&[]), &[], &[5, 1, 3]), "do not fit 1 direction(s) over steps of 3 numbers");
    refused(&with(lstm(&[]), &[], &[5, 2]), "an item of its input has the shape 5");
    let peepholes = lstm(&["", "", "", "", "p"]);
    refused(&with(peepholes, &[of("p", &[1, 6])], &[5, 1, 2]), "it has peepholes");
    let lengths = array("n", 7, &[1], &whole_numbers(&[3]));
    refused(&with(lstm(&["", "n"]), &[lengths], &[5, 1, 2]), "lengths of their own");
    let states = lstm(&["", "", "h"]);
    refused(
        &with(states, &[of("h", &[1, 1, 3])], &[5, 1, 2]),
        "a first state, has the shape 1 x 1 x 3",
    );
    let direction = message().text(1, "direction").text(4, "upwards").number(20, 3);
    refused(&with(lstm(&[]).with(5, &direction), &[], &[5, 1, 2]), "its direction is `upwards`");
    let functions = ["Sigmoid", "Tanh", "Erf"].iter().fold(message(), |it, name| it.text(9, name));
    let functions = functions.text(1, "activations").number(20, 8);
    refused(&with(lstm(&[]).with(5, &functions), &[], &[5, 1, 2]), "have the function `erf`");
    // Steps are counted together.
    let mut chain = vec![node("LSTM", &["x", "w", "r"], "y0")];
    for number in 1..9 {
        let [from, to] = [format!("s{}", number - 1), format!("y{number}")];
        chain.push(node("Squeeze", &[&format!("y{}", number - 1), "one"], &from));
        chain.push(node("LSTM", &[&from, "w", "r"], &to));
    }
    let one = array("one", 7, &[1], &whole_numbers(&[1]));
    refused(&of_nodes(&chain, &[&weights[..], &[one]].concat(), &[2000, 1, 2]), "more than 16384");
}

#[test]
fn deep_messages_do_not_use_up_the_stack_and_many_small_ones_not_the_memory() {
    // A graph in an attribute of a node of a graph, and so on.
    let mut inner = message();
    for _ in 0..3000 {
        inner = message()
            .with(1, &message().text(4, "If").with(5, &message().text(1, "g").with(6, &inner)));
    }
    refused(&file(&inner), "node `If_0`, If of opset 13");
    let empty = message().0;
    let nodes = (0..1 << 21).fold(message(), |graph, _| graph.bytes(1, &empty));
    let bytes = file(&nodes);
    refused_in_little_memory(&bytes, "it has more than 1048576 nodes");
}

#[test]
fn arrays_in_other_files_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 64]).unwrap();
    let weights: Vec<u8> = (0..8_u8).flat_map(|it| f32::from(it).to_le_bytes()).collect();
    std::fs::write(inside.join("weights"), [&[0; 16][..], &weights].concat()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
    let entry = |key: &str, value: &str| message().text(1, key).text(2, value);
    let outside = |location: &str, offset: &str, length: &str| {
        let array = message().number(1, 4).number(1, 2).number(2, 1).text(8, "w").number(14, 1);
        array
            .with(13, &entry("location", location))
            .with(13, &entry("offset", offset))
            .with(13, &entry("length", length))
    };
    let gemm = [node("Gemm", &["x", "w"], "y")];
    let path = inside.join("net.onnx");
    let open = |array: Message| {
        std::fs::write(&path, of_nodes(&gemm, &[array], &[1, 4])).unwrap();
        onnx::open(&path)
    };
    let imported = open(outside("weights", "16", "32")).unwrap();
    let kept: Vec<f32> = imported.weights["y.weight"].iter().copied().collect();
    assert_eq!(kept, (0..8).map(|it| it as f32).collect::<Vec<_>>());
    let absolute = folder.path().join("secret");
    for (location, offset, length, expected) in [
        ("../secret", "0", "32", "is not in the folder"),
        (absolute.to_str().unwrap(), "0", "32", "is not in the folder"),
        ("", "0", "32", "is not in the folder"),
        #[cfg(unix)]
        ("link", "0", "32", "is not in the folder"),
        ("none", "0", "32", "can't be read"),
        ("weights", "17", "32", "which has 48"),
        ("weights", "16", "64", "it says that it has 64"),
        ("weights", "18446744073709551615", "32", "from byte 18446744073709551615"),
        ("weights", "-1", "32", "is no number"),
        (".", "0", "32", "is not in the folder"),
    ] {
        let error = open(outside(location, offset, length)).unwrap_err().to_string();
        assert!(error.contains(expected), "{location} {offset} {length}: {error}");
    }
    // Many arrays on one stretch of a file would cost more than there is.
    let twice = [outside("weights", "16", "32"), outside("weights", "16", "32").text(8, "v")];
    std::fs::write(&path, of_nodes(&gemm, &twice, &[1, 4])).unwrap();
    let error = onnx::open(&path).unwrap_err().to_string();
    assert!(error.contains("it lies on another array"), "{error}");
    let bytes = of_nodes(&gemm, &[outside("weights", "16", "32")], &[1, 4]);
    refused(&bytes, "is not in the folder");
}
