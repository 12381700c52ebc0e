//! What the machine's cores can do at most.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::kernels::{MatrixMut, MatrixRef, Panels, panel_len, product};

/// Rows and columns of the matrices.
const SIZE: usize = 1024;

/// A product of two square matrices of so many rows, to be made again and again.
pub(super) fn square_product(size: usize) -> impl FnMut() {
    let a = vec![0.5_f32; size * size];
    let b = vec![0.25_f32; panel_len(size, size)];
    let mut c = vec![0.0_f32; size * size];
    move || {
        let to = MatrixMut::dense(&mut c, size, size);
        product(MatrixRef::dense(&a, size, size), Panels::new(&b, size, size), None, to);
        std::hint::black_box(&c);
    }
}

/// GFLOP/s of matrix products of 1024 x 1024 x 1024 on `workers` threads at the same time, all
/// together. Every thread multiplies matrices of its own for at least `limit`.
pub fn product_peak(workers: usize, limit: Duration) -> f64 {
    let barrier = Barrier::new(workers.max(1));
    let one = || {
        let mut multiply = square_product(SIZE);
        multiply();
        barrier.wait();
        let began = Instant::now();
        let mut products = 0_u32;
        while products == 0 || began.elapsed() < limit {
            multiply();
            products += 1;
        }
        let flops = 2.0 * (SIZE as f64).powi(3);
        f64::from(products) * flops / began.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(one)).collect();
        let own = one();
        own + others.into_iter().filter_map(|thread| thread.join().ok()).sum::<f64>()
    })
}
