//! How images are cut into tiles.

use std::ops::Range;

use super::super::conv2d::Conv2dShape;

/// The tiles of output images: squares of `side` pixels, the last of which reach over the edges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Rows and columns of tiles of an image.
    size: [usize; 2],
    side: usize,
}

/// A tile: its image, and the row and column of its first pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Grid {
    pub(super) fn new(shape: &Conv2dShape, side: usize) -> Self {
        Self { size: shape.output.map(|pixels| pixels.div_ceil(side)), side }
    }

    /// Tiles of an image.
    pub(super) fn count(self) -> usize {
        self.size[0] * self.size[1]
    }

    /// The places of tiles, which are numbered along rows, then down an image, then image by image.
    #[inline(always)]
    pub(super) fn places(self, tiles: Range<usize>) -> impl Iterator<Item = Place> {
        let [rows, columns] = self.size;
        let (mut line, mut column) = (tiles.start / columns.max(1), tiles.start % columns.max(1));
        let (mut image, mut row) = (line / rows.max(1), line % rows.max(1));
        line = tiles.len();
        (0..line).map(move |_| {
            let place = Place { image, row: row * self.side, column: column * self.side };
            column += 1;
            if column == columns {
                (column, row) = (0, row + 1);
            }
            if row == rows {
                (row, image) = (0, image + 1);
            }
            place
        })
    }
}
