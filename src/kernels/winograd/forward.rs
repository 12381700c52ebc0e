//! Convolution forward, which with turned weights is the gradient of the input as well.

use std::marker::PhantomData;

use super::super::buffer::LINE;
use super::super::conv2d::Conv2dShape;
use super::super::panels::{PANEL, panel_columns, panel_width};
use super::super::tile::{Ahead, Rows, Start, Tile, Tiles, Walk};
use super::super::vector::dispatch;
use super::super::{MatrixMut, MatrixRef, with_scratch};
use super::grid::{Block, Grid};
use super::outputs::ToPixels;
use super::passes::Transforms;
use super::patches::{Patches, Planes, ToPoints};
use super::weights::{panel_start, point_len, transformed_len};
use super::{BLOCK, Winograd, plane_len};

/// Convolves images, as `conv2d` does, with transformed weights.
///
/// Tiles are worked on in blocks, so that what lies between the transforms stays in the second-level cache. Each
/// number of the output has the same bits in whichever block it is computed.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(super) fn convolve<I: Transforms, O: Transforms>(
    it: Winograd,
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    weights: &[f32],
    bias: Option<&[f32]>,
    mut output: MatrixMut<'_>,
) {
    let ([.., channels], filters) = (shape.input, shape.filters);
    shape.check_input(items, &input);
    shape.check_output(items, &output.as_ref());
    let (along, points) = (it.points_along(), it.points());
    let len = transformed_len(points, channels, filters);
    assert_eq!(weights.len(), len, "transformed weights of {shape:?}");
    if let Some(bias) = bias {
        assert_eq!(bias.len(), filters, "bias of {shape:?}");
    }
    let grid = Grid::new(shape, it);
    let depth = channels.next_multiple_of(16);
    let tiles = grid.blocks(items, BLOCK).map(|block| block.len()).max().unwrap_or(0);
    let (plane, products_plane) = (plane_len(tiles * depth), plane_len(tiles * PANEL));
    let step = output.stride();
    with_scratch(points * (plane + products_plane) + depth, |scratch| {
        let (inputs, rest) = scratch.split_at_mut(points * plane);
        let (products, zeros) = rest.split_at_mut(points * products_plane);
        zeros.fill(0.0);
        for block in grid.blocks(items, BLOCK) {
            dispatch(ToPoints::<I>(
                Patches {
                    images: input,
                    size: [shape.input[0], shape.input[1]],
                    before: shape.padding,
                    block: &block,
                    zeros,
                    to: inputs.as_mut_ptr(),
                    plane,
                    depth,
                    points: along,
                },
                PhantomData,
            ));
            for panel in 0..filters.div_ceil(PANEL) {
                let (columns, width) = (panel_columns(filters, panel), panel_width(filters, panel));
                let weights = &weights[panel_start(points, channels, panel)..];
                let inputs = Planes { numbers: inputs, plane, depth };
                let to = (&mut *products, products_plane);
                multiply(inputs, channels, (&block, along), weights, width, to);
                let to = output.as_mut_ptr().wrapping_add(columns.start);
                dispatch(ToPixels::<O> {
                    products: products.as_ptr(),
                    plane: products_plane,
                    points: along,
                    width,
                    columns: columns.len(),
                    bias: bias.map(|bias| &bias[columns]),
                    block: &block,
                    size: shape.output,
                    side: it.side(),
                    to,
                    step,
                    transforms: PhantomData,
                });
            }
        }
    });
}

/// Multiplies `channels` inputs of each tile with a panel of weights, point by point.
fn multiply(
    inputs: Planes<'_>,
    channels: usize,
    (block, along): (&Block, usize),
    weights: &[f32],
    width: usize,
    (products, products_plane): (&mut [f32], usize),
) {
    let (points, point_len) = (along * along, point_len(channels, width));
    inputs.check(points, block.len());
    Planes { numbers: products, plane: products_plane, depth: width }.check(points, block.len());
    assert!(channels <= inputs.depth && points * point_len <= weights.len(), "a panel of weights");
    let kernels = Tiles::current();
    let (from, to) = (inputs.numbers.as_ptr(), products.as_mut_ptr());
    let mut tile = Tile {
        a: from,
        a_rows: Rows::Apart(inputs.depth),
        b: weights.as_ptr(),
        walk: Walk::line(channels, 1, width),
        c: to,
        c_rows: std::array::from_fn(|row| row * width),
        columns: width,
        start: Start::Zero,
        ahead: Ahead { from, step: LINE },
    };
    for point in 0..points {
        let from = from.wrapping_add(point * inputs.plane);
        let to = to.wrapping_add(point * products_plane);
        tile.b = weights[point * point_len..].as_ptr();
        let tiles = block.with_point(point / along, point % along);
        let end = tiles.end;
        kernels.heights(tiles, |rows| {
            tile.a = from.wrapping_add(rows.start * inputs.depth);
            let next = if rows.end < end { rows.end * inputs.depth } else { inputs.plane };
            tile.ahead.from = from.wrapping_add(next);
            tile.c = to.wrapping_add(rows.start * width);
            // SAFETY: the rows lie within the planes of this point, and each step of the weights is a row of
            // the panel, as asserted; the products are exclusive.
            unsafe { kernels.run(&mut tile, rows.len(), width) };
        });
    }
}
