//! The gradient of the weights: sums over all tiles, of products at each point.

use std::marker::PhantomData;

use super::super::conv2d::Conv2dShape;
use super::super::panels::{PANEL, panel_width};
use super::super::tile::{Ahead, Rows, Start, Tile, Tiles, Walk};
use super::super::vector::dispatch;
use super::super::{MatrixRef, with_scratch};
use super::grid::{Block, Grid};
use super::passes::Transforms;
use super::patches::{Patches, Planes, ToPoints};
use super::weights::{panel_start, point_len, transformed_len};
use super::{Winograd, plane_len};

/// The gradient of the transformed weights: sums at each point. Products are added tile by tile, in the order of the
/// items and of the tiles of blocks.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(super) fn weight_grad<I: Transforms, G: Transforms>(
    it: Winograd,
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    sums: &mut [f32],
) {
    let ([height, width, channels], filters) = (shape.input, shape.filters);
    shape.check_input(items, &input);
    shape.check_output(items, &output_grad);
    let (along, points) = (it.points_along(), it.points());
    assert_eq!(sums.len(), transformed_len(points, channels, filters), "sums at all points");
    let grid = Grid::new(shape, it);
    let [depth, grad_depth] = [channels, filters].map(|size| size.next_multiple_of(16));
    let most = it.summed_block(depth, grad_depth);
    let tiles = grid.blocks(items, most).map(|block| block.len()).max().unwrap_or(0);
    if tiles == 0 {
        return sums.fill(0.0);
    }
    let [plane, grad_plane] = [depth, grad_depth].map(|depth| plane_len(tiles * depth));
    let len = points * (plane + grad_plane) + depth.max(grad_depth);
    with_scratch(len, |scratch| {
        let (inputs, rest) = scratch.split_at_mut(points * plane);
        let (grads, zeros) = rest.split_at_mut(points * grad_plane);
        zeros.fill(0.0);
        let mut start = Start::Zero;
        for block in grid.blocks(items, most) {
            let patches = Patches {
                images: input,
                size: [height, width],
                before: shape.padding,
                block: &block,
                zeros,
                to: inputs.as_mut_ptr(),
                plane,
                depth,
                points: along,
            };
            dispatch(ToPoints::<I>(patches, PhantomData));
            let patches = Patches {
                images: output_grad,
                size: shape.output,
                before: [0, 0],
                to: grads.as_mut_ptr(),
                plane: grad_plane,
                depth: grad_depth,
                ..patches
            };
            dispatch(ToPoints::<G>(patches, PhantomData));
            let inputs = Planes { numbers: inputs, plane, depth };
            let grads = Planes { numbers: grads, plane: grad_plane, depth: grad_depth };
            accumulate(inputs, grads, [channels, filters], (&block, along), start, sums);
            start = Start::Onto;
        }
    });
}

/// Adds the products of a block of tiles to what sums start from.
fn accumulate(
    inputs: Planes<'_>,
    grads: Planes<'_>,
    [channels, filters]: [usize; 2],
    (block, along): (&Block, usize),
    start: Start,
    sums: &mut [f32],
) {
    let points = along * along;
    inputs.check(points, block.len());
    grads.check(points, block.len());
    assert!(channels <= inputs.depth && filters.next_multiple_of(16) <= grads.depth);
    assert_eq!(sums.len(), transformed_len(points, channels, filters), "sums at all points");
    let kernels = Tiles::current();
    for panel in 0..filters.div_ceil(PANEL) {
        let width = panel_width(filters, panel);
        for point in 0..points {
            let tiles = block.with_point(point / along, point % along);
            let a = &inputs.numbers[point * inputs.plane + tiles.start * inputs.depth..];
            let b = point * grads.plane + tiles.start * grads.depth + panel * PANEL;
            let (a, b) = (a.as_ptr(), grads.numbers[b..].as_ptr());
            let to = panel_start(points, channels, panel) + point * point_len(channels, width);
            let to = sums[to..][..channels * width].as_mut_ptr();
            let mut tile = Tile {
                a,
                a_rows: Rows::Adjacent,
                b,
                walk: Walk::line(tiles.len(), inputs.depth, grads.depth),
                c: to,
                c_rows: std::array::from_fn(|row| row * width),
                columns: width,
                start,
                ahead: Ahead { from: a, step: 0 },
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
