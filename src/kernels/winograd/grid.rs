//! How images are cut into tiles, and tiles put into blocks.

use std::ops::Range;

use super::super::conv2d::Conv2dShape;
use super::Winograd;

/// How the outputs of tiles follow from points along an axis: as many points as outputs and weights but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Pairs of points.
    pub(super) pairs: usize,
    /// Whether infinity is one of the points, beside 0.
    pub(super) infinite: bool,
    /// Where infinity lies among the points of the largest tiles.
    infinity: usize,
}

impl Form {
    fn new(outputs: usize, kernel: usize, most_points: usize) -> Self {
        let points = outputs + kernel - 1;
        Self {
            pairs: (points - 1) / 2,
            infinite: points.is_multiple_of(2),
            infinity: most_points - 1,
        }
    }

    /// Points in a row, of 0 and pairs.
    pub(super) fn finite(self) -> usize {
        1 + 2 * self.pairs
    }

    /// Points that tiles of this form have.
    fn has(self, point: usize) -> bool {
        if point == self.infinity { self.infinite } else { point < self.finite() }
    }
}

/// An axis of an image: tiles of the largest size, and behind them perhaps one of the outputs that are left.
#[derive(Clone, Copy, Debug)]
struct Axis {
    largest: usize,
    side: usize,
    form: Form,
    last: Option<Form>,
}

impl Axis {
    fn new(length: usize, kernel: usize, it: Winograd) -> Self {
        let (side, points) = (it.side(), it.points_along());
        let last = length % side;
        Self {
            largest: length / side,
            side,
            form: Form::new(side, kernel, points),
            last: (last > 0).then(|| Form::new(last, kernel, points)),
        }
    }

    fn count(self) -> usize {
        self.largest + usize::from(self.last.is_some())
    }
}

/// The tiles of output images, which have `side` rows and columns but for the last ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    rows: Axis,
    columns: Axis,
}

/// A tile: its number in the block, its image, and the row and column of its first pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) number: usize,
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Tiles of a block that have the same form along both axes, which come one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alike<'a> {
    block: &'a Block,
    /// Whether they are the last ones along each axis.
    last: [bool; 2],
    pub(super) rows: Form,
    pub(super) columns: Form,
    first: usize,
}

/// Tiles that are worked on together: some columns of tiles of some rows of tiles, which are numbered image by image.
/// Those that are last along an axis lack points, so tiles are numbered such that those with any point come one after
/// the other: first the last ones of rows, then those of the largest size, those of the last rows, and the corners.
#[derive(Clone, Debug)]
pub(super) struct Block {
    grid: Grid,
    lines: Range<usize>,
    columns: Range<usize>,
    /// Last tiles of rows, tiles of the largest size, last tiles of columns, corners.
    counts: [usize; 4],
}

impl Grid {
    pub(super) fn new(shape: &Conv2dShape, it: Winograd) -> Self {
        let axis = |axis: usize| Axis::new(shape.output[axis], shape.kernel[axis], it);
        Self { rows: axis(0), columns: axis(1) }
    }

    /// The tiles of images in blocks of about `most` tiles.
    pub(super) fn blocks(self, images: usize, most: usize) -> impl Iterator<Item = Block> {
        let (lines, columns) = (images * self.rows.count(), self.columns.count());
        let pieces = columns.div_ceil(most.max(1)).max(1);
        let wide = columns.div_ceil(pieces).max(1);
        let high = (most / wide).max(1);
        let all = (0..columns)
            .step_by(wide)
            .flat_map(move |column| (0..lines).step_by(high).map(move |line| [line, column]));
        all.map(move |[line, column]| {
            self.block(line..lines.min(line + high), column..columns.min(column + wide))
        })
    }

    fn block(self, lines: Range<usize>, columns: Range<usize>) -> Block {
        let rows = self.rows.count();
        let last = |of: &Range<usize>, axis: Axis| match axis.last {
            Some(_) => of.end / axis.count() - of.start / axis.count(),
            None => 0,
        };
        debug_assert!(lines.is_empty() || rows > 0);
        let [last_lines, last_columns] = [last(&lines, self.rows), last(&columns, self.columns)];
        let [most_lines, most_columns] = [lines.len() - last_lines, columns.len() - last_columns];
        let counts = [
            most_lines * last_columns,
            most_lines * most_columns,
            last_lines * most_columns,
            last_lines * last_columns,
        ];
        Block { grid: self, lines, columns, counts }
    }
}

impl Block {
    /// Tiles of the block.
    pub(super) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The tiles that have this point, by its number along each axis.
    pub(super) fn with_point(&self, row: usize, column: usize) -> Range<usize> {
        let has = |axis: Axis, point| axis.last.is_some_and(|form| form.has(point));
        let [ends, most, bottoms, corners] = self.counts;
        let from_ends = if has(self.grid.columns, column) { 0 } else { ends };
        let to = match (has(self.grid.rows, row), has(self.grid.columns, column)) {
            (false, _) => ends + most,
            (true, false) => ends + most + bottoms,
            (true, true) => ends + most + bottoms + corners,
        };
        from_ends..to
    }

    /// The tiles by form, in the order of their numbers.
    #[inline(always)]
    pub(super) fn alike(&self) -> impl Iterator<Item = Alike<'_>> {
        let mut first = 0;
        let orders = [[false, true], [false, false], [true, false], [true, true]];
        orders.into_iter().zip(self.counts).filter_map(move |(last, count)| {
            let form = |axis: Axis, last| if last { axis.last } else { Some(axis.form) };
            let rows = form(self.grid.rows, last[0])?;
            let columns = form(self.grid.columns, last[1])?;
            first += count;
            (count > 0).then_some(Alike { block: self, last, rows, columns, first: first - count })
        })
    }
}

impl<'a> Alike<'a> {
    /// Where they are.
    #[inline(always)]
    pub(super) fn places(self) -> impl Iterator<Item = Place> + 'a {
        let Grid { rows, columns } = self.block.grid;
        let of = |axis: Axis, last: bool| {
            if last { axis.largest..axis.count() } else { 0..axis.largest }
        };
        let (rows_of, columns_of) = (of(rows, self.last[0]), of(columns, self.last[1]));
        let columns_of = columns_of.start.max(self.block.columns.start)
            ..columns_of.end.min(self.block.columns.end);
        let count = rows.count().max(1);
        let lines = self.block.lines.clone();
        let lines = lines.map(move |line| (line / count, line % count));
        let lines = lines.filter(move |(_, row)| rows_of.contains(row));
        let places = lines.flat_map(move |(image, row)| {
            columns_of.clone().map(move |column| (image, row * rows.side, column * columns.side))
        });
        places.zip(self.first..).map(|((image, row, column), number)| Place {
            number,
            image,
            row,
            column,
        })
    }
}
