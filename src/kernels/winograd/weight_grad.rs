//! The gradient of the weights: sums over all tiles, of products at each point.

use std::marker::PhantomData;
use std::ops::Range;

use super::super::conv2d::Conv2dShape;
use super::super::panels::{PANEL, panel_width};
use super::super::tile::{Start, Tile, Tiles, Walk};
use super::super::vector::dispatch;
use super::super::{MatrixRef, with_scratch};
use super::grid::Grid;
use super::patches::{Patches, Planes, Points};
use super::transforms::{Input, OutputGrad, Transform, WeightGrad};
use super::weights::{panel_start, point_len, transform_weight_grad, transformed_len};
use super::{blocks, plane_len};

/// Tiles of a block: so many that the sums, which a block reads and writes, take little time beside the products.
const BLOCK: usize = 56;

/// The gradient of the weights, as `conv2d_weight_grad` gives it. Products are added tile by tile, in the order
/// of the items, and the sums transformed at the end.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(super) fn weight_grad<F, const K: usize, const N: usize, const M: usize>(
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    gradient: &mut [f32],
) where
    Input<F>: Transform<N, N>,
    OutputGrad<F>: Transform<M, N>,
    WeightGrad<F>: Transform<N, K>,
{
    let ([height, width, channels], filters) = (shape.input, shape.filters);
    shape.check_input(items, &input);
    shape.check_output(items, &output_grad);
    let grid = Grid::new(shape, M);
    let tiles = items * grid.count();
    if tiles == 0 {
        return gradient.fill(0.0);
    }
    let [depth, grad_depth] = [channels, filters].map(|size| size.next_multiple_of(16));
    let block = BLOCK.min(tiles);
    let [plane, grad_plane] = [depth, grad_depth].map(|depth| plane_len(block * depth));
    let sums_len = transformed_len(N * N, channels, filters);
    let len = N * N * (plane + grad_plane) + depth.max(grad_depth);
    with_scratch(len + sums_len, |scratch| {
        let (sums, rest) = scratch.split_at_mut(sums_len);
        let (inputs, rest) = rest.split_at_mut(N * N * plane);
        let (grads, zeros) = rest.split_at_mut(N * N * grad_plane);
        zeros.fill(0.0);
        for tiles in blocks(tiles, block) {
            let patches = Patches {
                images: input,
                size: [height, width],
                before: shape.padding,
                grid,
                tiles: &tiles,
                zeros,
                to: inputs.as_mut_ptr(),
                plane,
                depth,
            };
            dispatch(Points::<Input<F>, N, N>(patches, PhantomData));
            let patches = Patches {
                images: output_grad,
                size: shape.output,
                before: [0, 0],
                to: grads.as_mut_ptr(),
                plane: grad_plane,
                depth: grad_depth,
                ..patches
            };
            dispatch(Points::<OutputGrad<F>, M, N>(patches, PhantomData));
            let inputs = Planes { numbers: inputs, plane, depth };
            let grads = Planes { numbers: grads, plane: grad_plane, depth: grad_depth };
            accumulate::<N>(inputs, grads, [channels, filters], tiles, sums);
        }
        transform_weight_grad::<WeightGrad<F>, N, K>(sums, channels, filters, gradient);
    });
}

/// Adds the products of a block of tiles, of which the first starts the sums.
fn accumulate<const N: usize>(
    inputs: Planes<'_>,
    grads: Planes<'_>,
    [channels, filters]: [usize; 2],
    tiles: Range<usize>,
    sums: &mut [f32],
) {
    inputs.check(N * N, tiles.len());
    grads.check(N * N, tiles.len());
    assert!(channels <= inputs.depth && filters.next_multiple_of(16) <= grads.depth);
    assert_eq!(sums.len(), transformed_len(N * N, channels, filters), "sums at all points");
    let kernels = Tiles::current();
    let start = if tiles.start > 0 { Start::Output } else { Start::Zero };
    for panel in 0..filters.div_ceil(PANEL) {
        let width = panel_width(filters, panel);
        for point in 0..N * N {
            let a = inputs.numbers[point * inputs.plane..].as_ptr();
            let b = grads.numbers[point * grads.plane + panel * PANEL..].as_ptr();
            let to = panel_start(N * N, channels, panel) + point * point_len(channels, width);
            let to = sums[to..][..channels * width].as_mut_ptr();
            let mut tile = Tile {
                a,
                a_rows: std::array::from_fn(|row| row),
                b,
                walk: Walk::line(tiles.len(), inputs.depth, grads.depth),
                c: to,
                c_rows: std::array::from_fn(|row| row * width),
                columns: width,
                start,
                ahead: a,
                ahead_step: 0,
            };
            kernels.heights(0..channels, |part| {
                tile.a = a.wrapping_add(part.start);
                tile.c = to.wrapping_add(part.start * width);
                // SAFETY: the planes have a row for each tile, with these channels and these columns, as
                // asserted; the sums of this panel and point have a row for each channel.
                unsafe { kernels.run(&mut tile, part.len(), width) };
            });
        }
    }
}
