//! Convolution forward, which with turned weights is the gradient of the input as well.

use std::marker::PhantomData;

use super::super::buffer::LINE;
use super::super::conv2d::Conv2dShape;
use super::super::panels::{PANEL, panel_columns, panel_width};
use super::super::tile::{Start, Tile, Tiles, Walk};
use super::super::vector::dispatch;
use super::super::{MatrixMut, MatrixRef, with_scratch};
use super::grid::Grid;
use super::outputs::Outputs;
use super::patches::{Patches, Planes, Points};
use super::transforms::{Input, Output, Transform};
use super::weights::{panel_start, point_len, transformed_len};
use super::{blocks, plane_len};

/// Tiles of a block: whole register tiles of any instruction set.
const BLOCK: usize = 42;

/// Convolves images, as `conv2d` does, with transformed weights.
///
/// Tiles are worked on in blocks, so that what lies between the transforms stays in the second-level cache. Each
/// number of the output has the same bits in whichever block it is computed.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(super) fn convolve<F, const N: usize, const M: usize>(
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    weights: &[f32],
    bias: Option<&[f32]>,
    mut output: MatrixMut<'_>,
) where
    Input<F>: Transform<N, N>,
    Output<F>: Transform<N, M>,
{
    let ([.., channels], filters) = (shape.input, shape.filters);
    shape.check_input(items, &input);
    shape.check_output(items, &output.as_ref());
    let len = transformed_len(N * N, channels, filters);
    assert_eq!(weights.len(), len, "transformed weights of {shape:?}");
    if let Some(bias) = bias {
        assert_eq!(bias.len(), filters, "bias of {shape:?}");
    }
    let grid = Grid::new(shape, M);
    let tiles = items * grid.count();
    let depth = channels.next_multiple_of(16);
    let block = BLOCK.min(tiles);
    let (plane, products_plane) = (plane_len(block * depth), plane_len(block * PANEL));
    let step = output.stride();
    with_scratch(N * N * (plane + products_plane) + depth, |scratch| {
        let (inputs, rest) = scratch.split_at_mut(N * N * plane);
        let (products, zeros) = rest.split_at_mut(N * N * products_plane);
        zeros.fill(0.0);
        for tiles in blocks(tiles, block) {
            dispatch(Points::<Input<F>, N, N>(
                Patches {
                    images: input,
                    size: [shape.input[0], shape.input[1]],
                    before: shape.padding,
                    grid,
                    tiles: &tiles,
                    zeros,
                    to: inputs.as_mut_ptr(),
                    plane,
                    depth,
                },
                PhantomData,
            ));
            for panel in 0..filters.div_ceil(PANEL) {
                let (columns, width) = (panel_columns(filters, panel), panel_width(filters, panel));
                let weights = &weights[panel_start(N * N, channels, panel)..];
                let inputs = Planes { numbers: inputs, plane, depth };
                let to = (&mut *products, products_plane);
                multiply::<N>(inputs, channels, tiles.len(), weights, width, to);
                let to = output.as_mut_ptr().wrapping_add(columns.start);
                dispatch(Outputs::<Output<F>, N, M> {
                    products: products.as_ptr(),
                    plane: products_plane,
                    width,
                    columns: columns.len(),
                    bias: bias.map(|bias| &bias[columns]),
                    grid,
                    tiles: &tiles,
                    size: shape.output,
                    to,
                    step,
                    transform: PhantomData,
                });
            }
        }
    });
}

/// Multiplies `channels` inputs of each tile with a panel of weights, point by point.
fn multiply<const N: usize>(
    inputs: Planes<'_>,
    channels: usize,
    tiles: usize,
    weights: &[f32],
    width: usize,
    (products, products_plane): (&mut [f32], usize),
) {
    let point_len = point_len(channels, width);
    inputs.check(N * N, tiles);
    Planes { numbers: products, plane: products_plane, depth: width }.check(N * N, tiles);
    assert!(channels <= inputs.depth && N * N * point_len <= weights.len(), "a panel of weights");
    let kernels = Tiles::current();
    let (from, to) = (inputs.numbers.as_ptr(), products.as_mut_ptr());
    let mut tile = Tile {
        a: from,
        a_rows: std::array::from_fn(|row| row * inputs.depth),
        b: weights.as_ptr(),
        walk: Walk::line(channels, 1, width),
        c: to,
        c_rows: std::array::from_fn(|row| row * width),
        columns: width,
        start: Start::Zero,
        ahead: from,
        ahead_step: LINE,
    };
    for point in 0..N * N {
        let from = from.wrapping_add(point * inputs.plane);
        let to = to.wrapping_add(point * products_plane);
        tile.b = weights[point * point_len..].as_ptr();
        kernels.heights(0..tiles, |rows| {
            tile.a = from.wrapping_add(rows.start * inputs.depth);
            let next = if rows.end < tiles { rows.end * inputs.depth } else { inputs.plane };
            tile.ahead = from.wrapping_add(next);
            tile.c = to.wrapping_add(rows.start * width);
            // SAFETY: the rows lie within the planes of this point, and each step of the weights is a row of
            // the panel, as asserted; the products are exclusive.
            unsafe { kernels.run(&mut tile, rows.len(), width) };
        });
    }
}
