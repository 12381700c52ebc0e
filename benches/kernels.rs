//! The kernels, in floating-point operations (or numbers) per second, next to the `gemm` crate.
//!
//! `taskset -c 1 cargo bench --bench kernels -- product` measures the products with each
//! instruction set of this machine.
//!
//! The library hands no kernel on, so their sources are compiled here as a module of this program.

#[allow(unused, unreachable_pub, missing_docs)] // of what the library uses, not all is measured
#[path = "../src/kernels/mod.rs"]
mod kernels;

#[path = "kernels/sums.rs"]
mod sums;

use std::hint::black_box;
use std::time::Duration;

use crate::kernels::{
    Conv2dShape, InstructionSet, MatrixMut, MatrixRef, Panels, Store, Winograd, conv2d,
    conv2d_input_grad, conv2d_prepare, conv2d_prepared_len, conv2d_weight_grad, depthwise_conv2d,
    depthwise_conv2d_input_grad, depthwise_conv2d_weight_grad, panel_len, panel_rows, product,
    product_transposed, relu, relu_grad, sgd_momentum, sigmoid, softmax_cross_entropy,
    softmax_cross_entropy_grad, sum, tanh, to_panels, weight_gradient, with_instruction_set,
};
use criterion::{BenchmarkId, Criterion, Throughput};

/// Numbers in -0.5..0.5, always the same.
fn numbers(len: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

/// Measures `run` with each instruction set.
fn each_set(criterion: &mut Criterion, name: &str, case: &str, work: usize, mut run: impl FnMut()) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(work as u64));
    for set in InstructionSet::ALL.into_iter().filter(|set| set.available()) {
        group.bench_function(BenchmarkId::new(case, set.name()), |bencher| {
            with_instruction_set(set, || bencher.iter(&mut run));
        });
    }
    group.finish();
}

/// A matrix for `gemm`: its first number, and the distances between columns and between rows.
type Strided<P> = (P, [usize; 2]);

/// Measures the `gemm` crate: `c = a b`, with the sizes m, k, n.
fn gemm_crate(
    criterion: &mut Criterion,
    name: &str,
    [m, k, n]: [usize; 3],
    c: Strided<*mut f32>,
    a: Strided<*const f32>,
    b: Strided<*const f32>,
) {
    let [[c_col, c_row], [a_col, a_row], [b_col, b_row]] =
        [c.1, a.1, b.1].map(|steps| steps.map(usize::cast_signed));
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements((2 * m * k * n) as u64));
    group.bench_function(BenchmarkId::new(format!("{m}x{k}x{n}"), "gemm crate"), |bencher| {
        // SAFETY: callers pass matrices of these sizes and distances, and c is theirs alone.
        bencher.iter(|| unsafe {
            let none = gemm::Parallelism::None;
            gemm::gemm(
                m, n, k, c.0, c_col, c_row, false, a.0, a_col, a_row, b.0, b_col, b_row, 0.0, 1.0,
                false, false, false, none,
            );
        });
    });
    group.finish();
}

fn products(criterion: &mut Criterion) {
    let sizes = [
        [32, 64, 64],
        [128, 784, 512],
        [128, 512, 512],
        [128, 9216, 128],
        [128, 512, 10],
        [1024, 1024, 1024],
    ];
    for [m, k, n] in sizes {
        let (case, work) = (format!("{m}x{k}x{n}"), 2 * m * k * n);
        let (a, plain, d) = (numbers(m * k), numbers(k * n), numbers(m * n));
        let mut floats = vec![0.0; panel_len(k, n)];
        to_panels(&plain, k, n, &mut floats);
        let b = Panels::new(&floats, k, n);
        let (mut c, mut a_grad, mut b_grad) = (d.clone(), a.clone(), floats.clone());
        let (a_view, d_view) = (MatrixRef::dense(&a, m, k), MatrixRef::dense(&d, m, n));
        each_set(criterion, "product", &case, work, || {
            product(a_view, b, None, MatrixMut::dense(&mut c, m, n));
        });
        each_set(criterion, "product_transposed", &case, work, || {
            product_transposed(d_view, b, MatrixMut::dense(&mut a_grad, m, k));
        });
        each_set(criterion, "weight_gradient", &case, work, || {
            weight_gradient(1, |_| [a_view, d_view], 0..panel_rows(k, n), &[], &mut b_grad);
        });
        let (c, a_grad, b_grad) = (c.as_mut_ptr(), a_grad.as_mut_ptr(), b_grad.as_mut_ptr());
        let (a, b, d) = (a.as_ptr(), plain.as_ptr(), d.as_ptr());
        gemm_crate(criterion, "product", [m, k, n], (c, [1, n]), (a, [1, k]), (b, [1, n]));
        let turned = (b, [n, 1]);
        gemm_crate(
            criterion,
            "product_transposed",
            [m, n, k],
            (a_grad, [1, k]),
            (d, [1, n]),
            turned,
        );
        let turned = (a, [k, 1]);
        gemm_crate(criterion, "weight_gradient", [k, m, n], (b_grad, [1, n]), turned, (d, [1, n]));
    }
}

/// Height and width, channels, filters, kernel, padding, stride, dilation.
type Square = [usize; 7];

fn convolutions(criterion: &mut Criterion) {
    const ITEMS: usize = 16;
    let squares: [Square; 11] = [
        [28, 32, 64, 3, 0, 1, 1],
        [14, 48, 64, 3, 1, 1, 1],
        [14, 16, 32, 5, 2, 1, 1],
        [7, 64, 96, 3, 1, 1, 1],
        [14, 176, 64, 1, 0, 1, 1],
        [28, 1, 32, 3, 0, 1, 1],
        [28, 16, 32, 3, 1, 2, 1],
        [14, 24, 48, 3, 1, 1, 1],
        [28, 1, 10, 3, 0, 1, 1],
        [28, 32, 64, 3, 2, 1, 2],
        [14, 48, 64, 3, 4, 1, 4],
    ];
    for [side, channels, filters, kernel, padding, stride, dilation] in squares {
        let extent = (kernel - 1) * dilation + 1;
        let output = (side + 2 * padding - extent) / stride + 1;
        let shape = Conv2dShape {
            input: [side, side, channels],
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [dilation; 2],
            padding: [padding; 2],
            output: [output; 2],
            filters,
        };
        let apart = if dilation > 1 { format!(" dilation {dilation}") } else { String::new() };
        let case = format!(
            "{side}x{side}x{channels}->{filters} {kernel}x{kernel} padding {padding} stride \
             {stride}{apart}"
        );
        let (rows, output_rows) = (ITEMS * side * side, ITEMS * output * output);
        let taps = kernel * kernel * channels;
        let work = 2 * output_rows * taps * filters;
        let (mut input, mut grads) = (numbers(rows * channels), numbers(output_rows * filters));
        let mut floats = vec![0.0; panel_len(taps, filters)];
        to_panels(&numbers(taps * filters), taps, filters, &mut floats);
        let weights = Panels::new(&floats, taps, filters);
        let mut prepared = vec![0.0; conv2d_prepared_len(&shape)];
        conv2d_prepare(&shape, weights, &mut prepared);
        let mut gradient = floats.clone();
        each_set(criterion, "conv2d_weight_grad", &case, work, || {
            let input = MatrixRef::dense(&input, rows, channels);
            let grads = MatrixRef::dense(&grads, output_rows, filters);
            conv2d_weight_grad(&shape, ITEMS, input, grads, &mut gradient);
        });
        each_set(criterion, "conv2d", &case, work, || {
            let input = MatrixRef::dense(&input, rows, channels);
            let output = MatrixMut::dense(&mut grads, output_rows, filters);
            conv2d(&shape, ITEMS, input, weights, None, output);
        });
        each_set(criterion, "conv2d_input_grad", &case, work, || {
            let grads = MatrixRef::dense(&grads, output_rows, filters);
            let gradient = MatrixMut::dense(&mut input, rows, channels);
            conv2d_input_grad(&shape, ITEMS, grads, &prepared, None, gradient);
        });
    }
}

/// Windows of 3 x 3, directly and by Winograd's transforms: `cargo bench --bench kernels -- winograd`.
fn winograd(criterion: &mut Criterion) {
    const ITEMS: usize = 16;
    for [side, channels, filters] in
        [[28, 32, 64], [14, 64, 64], [14, 128, 128], [7, 256, 256], [56, 16, 16], [32, 3, 32]]
    {
        let shape = Conv2dShape {
            input: [side, side, channels],
            kernel: [3; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: [1; 2],
            output: [side; 2],
            filters,
        };
        let (rows, taps) = (ITEMS * side * side, 9 * channels);
        let work = 2 * rows * taps * filters;
        let (mut input, mut grads) = (numbers(rows * channels), numbers(rows * filters));
        let mut floats = vec![0.0; panel_len(taps, filters)];
        to_panels(&numbers(taps * filters), taps, filters, &mut floats);
        let weights = Panels::new(&floats, taps, filters);
        let mut turned = vec![0.0; conv2d_prepared_len(&shape)];
        conv2d_prepare(&shape, weights, &mut turned);
        let mut gradient = floats.clone();
        for (name, fast) in
            [("direct", None), ("2x2", Some(Winograd::F23)), ("4x4", Some(Winograd::F43))]
        {
            let case = format!("{side}x{side}x{channels}->{filters} {name}");
            let len = fast.map_or(0, |fast| fast.prepared_len(&shape));
            let turned_len = fast.map_or(0, |fast| fast.turned_len(&shape));
            let (mut prepared, mut prepared_turned) = (vec![0.0; len], vec![0.0; turned_len]);
            if let Some(fast) = fast {
                fast.prepare_turned(&shape, weights, &mut prepared_turned);
                each_set(criterion, "winograd_prepare", &case, taps * filters, || {
                    fast.prepare(&shape, weights, &mut prepared);
                });
            }
            each_set(criterion, "winograd_weight_grad", &case, work, || {
                let input = MatrixRef::dense(&input, rows, channels);
                let grads = MatrixRef::dense(&grads, rows, filters);
                match fast {
                    Some(it) => it.conv2d_weight_grad(&shape, ITEMS, input, grads, &mut gradient),
                    None => conv2d_weight_grad(&shape, ITEMS, input, grads, &mut gradient),
                }
            });
            each_set(criterion, "winograd_forward", &case, work, || {
                let input = MatrixRef::dense(&input, rows, channels);
                let output = MatrixMut::dense(&mut grads, rows, filters);
                match fast {
                    Some(it) => it.conv2d(&shape, ITEMS, input, &prepared, None, output),
                    None => conv2d(&shape, ITEMS, input, weights, None, output),
                }
            });
            each_set(criterion, "winograd_input_grad", &case, work, || {
                let grads = MatrixRef::dense(&grads, rows, filters);
                let to = MatrixMut::dense(&mut input, rows, channels);
                match fast {
                    Some(it) => it.conv2d_input_grad(&shape, ITEMS, grads, &prepared_turned, to),
                    None => conv2d_input_grad(&shape, ITEMS, grads, &turned, None, to),
                }
            });
        }
    }
}

fn depthwise(criterion: &mut Criterion) {
    const ITEMS: usize = 16;
    for [side, channels, kernel, stride] in [[28, 64, 3, 1], [14, 256, 3, 1], [28, 64, 3, 2]] {
        let shape = Conv2dShape {
            input: [side, side, channels],
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1, 1],
            padding: [kernel / 2; 2],
            output: [(side - 1) / stride + 1; 2],
            filters: channels,
        };
        let case = format!("{side}x{side}x{channels} {kernel}x{kernel} stride {stride}");
        let rows = ITEMS * side * side;
        let output_rows = ITEMS * shape.output[0] * shape.output[1];
        let work = 2 * output_rows * channels * kernel * kernel;
        let (mut x, mut y) = (numbers(rows * channels), numbers(output_rows * channels));
        let (weights, bias) = (numbers(kernel * kernel * channels), numbers(channels));
        let mut sums = weights.clone();
        each_set(criterion, "depthwise_conv2d", &case, work, || {
            let input = MatrixRef::dense(&x, rows, channels);
            let output = MatrixMut::dense(&mut y, output_rows, channels);
            depthwise_conv2d(&shape, ITEMS, input, &weights, &bias, output);
        });
        each_set(criterion, "depthwise_conv2d_weight_grad", &case, work, || {
            let input = MatrixRef::dense(&x, rows, channels);
            let grads = MatrixRef::dense(&y, output_rows, channels);
            depthwise_conv2d_weight_grad(&shape, ITEMS, input, grads, &mut sums);
        });
        each_set(criterion, "depthwise_conv2d_input_grad", &case, work, || {
            let grads = MatrixRef::dense(&y, output_rows, channels);
            let gradient = MatrixMut::dense(&mut x, rows, channels);
            depthwise_conv2d_input_grad(&shape, ITEMS, grads, &weights, gradient);
        });
    }
}

fn functions(criterion: &mut Criterion) {
    const SIZE: [usize; 2] = [64, 2048];
    let ([rows, cols], work) = (SIZE, SIZE[0] * SIZE[1]);
    let case = format!("{rows}x{cols}");
    let (x, mut y, mut z) = (numbers(work), numbers(work), numbers(work));
    let input = MatrixRef::dense(&x, rows, cols);
    each_set(criterion, "relu", &case, work, || {
        relu(Some(input), MatrixMut::dense(&mut y, rows, cols));
    });
    each_set(criterion, "relu_grad", &case, work, || {
        relu_grad(input, None, MatrixMut::dense(&mut y, rows, cols));
    });
    each_set(criterion, "sigmoid", &case, work, || {
        sigmoid(Some(input), MatrixMut::dense(&mut y, rows, cols));
    });
    each_set(criterion, "tanh", &case, work, || {
        tanh(Some(input), MatrixMut::dense(&mut y, rows, cols));
    });
    each_set(criterion, "sum", &case, work, || {
        sum([input], true, MatrixMut::dense(&mut y, rows, cols));
    });
    for (name, store) in
        [("sgd_momentum", Store::Cached), ("sgd_momentum past caches", Store::PastCaches)]
    {
        each_set(criterion, name, &case, work, || {
            sgd_momentum(&mut y, &mut z, black_box(&x), [1e-9, 0.9], store);
        });
    }
    let (logits, labels) = (MatrixRef::dense(&x, 128, 10), [3.0; 128]);
    each_set(criterion, "softmax_cross_entropy", "128x10", 1280, || {
        softmax_cross_entropy(logits, &labels, &mut y[..128]);
    });
    each_set(criterion, "softmax_cross_entropy_grad", "128x10", 1280, || {
        softmax_cross_entropy_grad(logits, &labels, 1.0, MatrixMut::dense(&mut y, 128, 10));
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20)
        .configure_from_args();
    products(&mut criterion);
    convolutions(&mut criterion);
    winograd(&mut criterion);
    depthwise(&mut criterion);
    functions(&mut criterion);
    sums::windows(&mut criterion);
    sums::rows(&mut criterion);
    criterion.final_summary();
}
