//! Row views of a matrix whose rows are equally far apart in memory.

use std::marker::PhantomData;

use ndarray::{ArrayView2, ArrayViewMut2, Ix2, ShapeBuilder, StrideShape};

/// A read-only matrix: `rows` rows of `cols` contiguous floats, `stride` floats from one row to the
/// next. A tensor is seen as a matrix of (all leading axes) x (last axis); a slice of another
/// tensor's last axis is a matrix too, with that tensor's stride.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRef<'a> {
    pointer: *const f32,
    rows: usize,
    cols: usize,
    stride: usize,
    life: PhantomData<&'a [f32]>,
}

/// A matrix whose rows may be written; otherwise as [`MatrixRef`].
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pointer: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: a view is a borrow of floats that nobody else writes while it lives (see the
// constructors), so it may be read from any thread.
unsafe impl Send for MatrixRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for MatrixRef<'_> {}
// SAFETY: a mutable view is the only way to its rows while it lives.
unsafe impl Send for MatrixMut<'_> {}
// SAFETY: through a shared reference it only reads.
unsafe impl Sync for MatrixMut<'_> {}

/// Whether `rows` rows lie one after another within `len` floats.
fn fits(len: usize, rows: usize, cols: usize, stride: usize) -> bool {
    if rows == 0 || cols == 0 {
        return true;
    }
    let needed = (rows - 1).checked_mul(stride).and_then(|before| before.checked_add(cols));
    stride >= cols && needed.is_some_and(|needed| needed <= len)
}

impl<'a> MatrixRef<'a> {
    /// A view of `rows` x `cols` floats of `data`, rows `stride` floats apart.
    ///
    /// # Panics
    /// If the rows overlap or do not fit into `data`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, cols, stride),
            "{rows} x {cols} (stride {stride}) needs more than {} floats",
            data.len()
        );
        // Rows without a number lie at one place, whatever the stride.
        let stride = if cols == 0 { 0 } else { stride };
        Self { pointer: data.as_ptr(), rows, cols, stride, life: PhantomData }
    }

    /// A view of `rows` x `cols` contiguous floats.
    ///
    /// # Panics
    /// If `data` holds fewer floats.
    pub fn dense(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols)
    }

    /// A view from a bare pointer.
    ///
    /// # Safety
    /// The rows must be readable for `'a`, and nobody may write to them during `'a`.
    pub(crate) unsafe fn from_raw(
        pointer: *const f32,
        rows: usize,
        cols: usize,
        stride: usize,
    ) -> Self {
        Self { pointer, rows, cols, stride, life: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Floats from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Where the first row starts.
    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.pointer
    }

    /// Where each of so many rows from `first` on starts.
    #[inline(always)]
    pub(crate) fn starts<const ROWS: usize>(&self, first: usize) -> [*const f32; ROWS] {
        let mut starts = [self.pointer.wrapping_add(first * self.stride); ROWS];
        for (row, start) in starts.iter_mut().enumerate() {
            *start = start.wrapping_add(row * self.stride);
        }
        starts
    }

    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row lies within the view, which is readable for 'a.
        unsafe { std::slice::from_raw_parts(self.pointer.add(row * self.stride), self.cols) }
    }

    /// Rows `range` of this view.
    ///
    /// # Panics
    /// If the range leaves the view.
    #[must_use]
    pub fn slice_rows(&self, range: std::ops::Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "{range:?} of {}", self.rows);
        Self {
            // Behind the last row this may point behind all floats, where no row is left to be read.
            pointer: self.pointer.wrapping_add(range.start * self.stride),
            rows: range.len(),
            ..*self
        }
    }

    /// Columns `range` of this view.
    ///
    /// # Panics
    /// If the range leaves the view.
    #[must_use]
    pub fn slice_cols(&self, range: std::ops::Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.cols, "{range:?} of {}", self.cols);
        // Within a row, if there is one.
        Self { pointer: self.pointer.wrapping_add(range.start), cols: range.len(), ..*self }
    }

    /// All floats as one slice, if the rows touch each other.
    pub fn contiguous(&self) -> Option<&'a [f32]> {
        (self.stride == self.cols || self.rows <= 1).then(|| {
            // SAFETY: the rows touch, so all floats of the view are one readable range.
            unsafe { std::slice::from_raw_parts(self.pointer, self.rows * self.cols) }
        })
    }

    /// The same matrix as an `ndarray` view of rows x columns.
    ///
    /// ```
    /// use caudal::context::MatrixRef;
    /// use caudal::ndarray::array;
    ///
    /// let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    /// let left = MatrixRef::dense(&numbers, 2, 3).slice_cols(0..2);
    /// assert_eq!(left.view(), array![[1.0, 2.0], [4.0, 5.0]]);
    /// ```
    pub fn view(&self) -> ArrayView2<'a, f32> {
        // SAFETY: these are the rows of this view, which are readable for 'a; they do not overlap.
        unsafe { ArrayView2::from_shape_ptr(self.layout(), self.pointer) }
    }

    /// How `ndarray` says where the numbers lie.
    fn layout(&self) -> StrideShape<Ix2> {
        // With one row at most, or none that holds a number, nothing lies a stride further.
        let step = if self.rows <= 1 || self.cols == 0 { self.cols.max(1) } else { self.stride };
        (self.rows, self.cols).strides((step, 1))
    }
}

impl<'a> MatrixMut<'a> {
    /// A view of `rows` x `cols` floats of `data`, rows `stride` floats apart.
    ///
    /// # Panics
    /// If the rows overlap or do not fit into `data`.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, cols, stride),
            "{rows} x {cols} (stride {stride}) needs more than {} floats",
            data.len()
        );
        // Rows without a number lie at one place, whatever the stride.
        let stride = if cols == 0 { 0 } else { stride };
        Self { pointer: data.as_mut_ptr(), rows, cols, stride, life: PhantomData }
    }

    /// A view of `rows` x `cols` contiguous floats.
    ///
    /// # Panics
    /// If `data` holds fewer floats.
    pub fn dense(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols)
    }

    /// A view from a bare pointer.
    ///
    /// # Safety
    /// The rows must be writable for `'a`, and nobody else may touch them during `'a`; what lies
    /// between the rows may belong to others.
    pub(crate) unsafe fn from_raw(
        pointer: *mut f32,
        rows: usize,
        cols: usize,
        stride: usize,
    ) -> Self {
        Self { pointer, rows, cols, stride, life: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Floats from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Where the first row starts.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.pointer
    }

    /// Where each of so many rows from `first` on starts.
    #[inline(always)]
    pub(crate) fn starts_mut<const ROWS: usize>(&mut self, first: usize) -> [*mut f32; ROWS] {
        let mut starts = [self.pointer.wrapping_add(first * self.stride); ROWS];
        for (row, start) in starts.iter_mut().enumerate() {
            *start = start.wrapping_add(row * self.stride);
        }
        starts
    }

    /// What a kernel reads that may change its output, this matrix, in place: itself where no input is given.
    ///
    /// # Safety
    /// The kernel must read a number before it writes it, and through pointers.
    pub(crate) unsafe fn input_or_itself<'b>(
        &mut self,
        input: Option<MatrixRef<'b>>,
    ) -> MatrixRef<'b> {
        // SAFETY: as the caller states.
        let itself =
            unsafe { MatrixRef::from_raw(self.pointer, self.rows, self.cols, self.stride) };
        input.unwrap_or(itself)
    }

    /// One row, to write.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row lies within the view, to which `self` is the only way.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(row * self.stride), self.cols) }
    }

    /// The same matrix, to read.
    pub fn as_ref(&self) -> MatrixRef<'_> {
        MatrixRef {
            pointer: self.pointer,
            rows: self.rows,
            cols: self.cols,
            stride: self.stride,
            life: PhantomData,
        }
    }

    /// The same view for a shorter time.
    pub fn reborrow(&mut self) -> MatrixMut<'_> {
        MatrixMut { life: PhantomData, ..*self }
    }

    /// Rows `range` of this view.
    ///
    /// # Panics
    /// If the range leaves the view.
    #[must_use]
    pub fn slice_rows(self, range: std::ops::Range<usize>) -> MatrixMut<'a> {
        assert!(range.start <= range.end && range.end <= self.rows, "{range:?} of {}", self.rows);
        MatrixMut {
            // Behind the last row this may point behind all floats, where no row is left to be read.
            pointer: self.pointer.wrapping_add(range.start * self.stride),
            rows: range.len(),
            ..self
        }
    }

    /// Columns `range` of this view.
    ///
    /// # Panics
    /// If the range leaves the view.
    #[must_use]
    pub fn slice_cols(self, range: std::ops::Range<usize>) -> MatrixMut<'a> {
        assert!(range.start <= range.end && range.end <= self.cols, "{range:?} of {}", self.cols);
        // Within a row, if there is one.
        let pointer = self.pointer.wrapping_add(range.start);
        MatrixMut { pointer, cols: range.len(), ..self }
    }

    /// All floats as one slice, if the rows touch each other.
    pub fn contiguous_mut(&mut self) -> Option<&mut [f32]> {
        (self.stride == self.cols || self.rows <= 1).then(|| {
            // SAFETY: the rows touch, and `self` is the only way to them.
            unsafe { std::slice::from_raw_parts_mut(self.pointer, self.rows * self.cols) }
        })
    }

    /// The same matrix as an `ndarray` view of rows x columns, to write.
    ///
    /// ```
    /// use caudal::context::{MatrixMut, MatrixRef};
    ///
    /// let (x, mut y) = ([1.0, 2.0, 3.0, 4.0], [0.0; 4]);
    /// let (x, mut y_rows) = (MatrixRef::dense(&x, 2, 2), MatrixMut::dense(&mut y, 2, 2));
    /// y_rows.view_mut().assign(&x.view().t());
    /// assert_eq!(y, [1.0, 3.0, 2.0, 4.0]);
    /// ```
    pub fn view_mut(&mut self) -> ArrayViewMut2<'_, f32> {
        // SAFETY: these are the rows of this view, to which `self` is the only way; they do not overlap.
        unsafe { ArrayViewMut2::from_shape_ptr(self.as_ref().layout(), self.pointer) }
    }
}
