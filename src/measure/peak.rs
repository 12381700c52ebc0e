//! What the machine's cores can do at most.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::kernels::{MatrixMut, MatrixRef, Panels, panel_len, product};

/// Rows and columns of the matrices.
const SIZE: usize = 1024;

/// GFLOP/s of matrix products of 1024 x 1024 x 1024 on `workers` threads at the same time, all
/// together. Every thread multiplies matrices of its own for at least `limit`.
pub fn product_peak(workers: usize, limit: Duration) -> f64 {
    let barrier = Barrier::new(workers.max(1));
    let one = || {
        let a = vec![0.5_f32; SIZE * SIZE];
        let b = vec![0.25_f32; panel_len(SIZE, SIZE)];
        let mut c = vec![0.0_f32; SIZE * SIZE];
        let mut multiply = || {
            let c = MatrixMut::dense(&mut c, SIZE, SIZE);
            product(MatrixRef::dense(&a, SIZE, SIZE), Panels::new(&b, SIZE, SIZE), None, c);
        };
        multiply();
        barrier.wait();
        let began = Instant::now();
        let mut products = 0_u32;
        while products == 0 || began.elapsed() < limit {
            multiply();
            products += 1;
        }
        std::hint::black_box(&c);
        let flops = 2.0 * (SIZE as f64).powi(3);
        f64::from(products) * flops / began.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(one)).collect();
        let own = one();
        own + others.into_iter().filter_map(|thread| thread.join().ok()).sum::<f64>()
    })
}
