//! What an item of a value looks like in ONNX, and how Caudal's node has it in memory.
//!
//! ONNX puts the channels of an image first, Caudal last; and what ONNX flattens from channels first comes in another
//! order than Caudal flattens. So a value is described by *atoms*: the sizes of which its axes are products. Its logical
//! axes are groups of atoms in logical order, and its numbers lie in memory in any order of atoms. Transposing a value,
//! and most reshaping, then changes the description alone, and two transpositions cancel each other.

use crate::layers::Misfit;

/// An item of a value: the batch axis is left out. Wherever the file has it, memory has it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Activation {
    /// The node whose output it is. Read in memory order, its numbers are the atoms in [`Activation::order`].
    pub(super) node: usize,
    /// The sizes of the atoms in logical order, each above 1.
    pub(super) atoms: Vec<usize>,
    /// How many atoms each logical axis has: none where its size is 1.
    pub(super) axes: Vec<usize>,
    /// The atoms in the order of memory.
    pub(super) order: Vec<usize>,
    /// How many logical axes stand before the batch: none but in recurrent networks, which have the steps there.
    pub(super) batch: usize,
}

impl Activation {
    /// A value with one atom an axis. Node `node` has the axes in the given order.
    pub(super) fn of_axes(node: usize, shape: &[usize], order: &[usize]) -> Self {
        let mut atom_of = vec![None; shape.len()];
        let mut atoms = Vec::new();
        for (axis, &size) in shape.iter().enumerate() {
            if size > 1 {
                atom_of[axis] = Some(atoms.len());
                atoms.push(size);
            }
        }
        let axes = shape.iter().map(|&size| usize::from(size > 1)).collect();
        let order = order.iter().filter_map(|&axis| atom_of[axis]).collect();
        Self { node, atoms, axes, order, batch: 0 }
    }

    /// A value whose node has it as it is.
    pub(super) fn plain(node: usize, shape: &[usize]) -> Self {
        Self::of_axes(node, shape, &(0..shape.len()).collect::<Vec<_>>())
    }

    /// The same value with the batch after so many logical axes.
    pub(super) fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// An axis of an item, by its number in a batch.
    pub(super) fn item_axis(&self, axis: i64) -> Result<usize, Misfit> {
        let whole = self.axes.len() as i64 + 1;
        let number = if axis < 0 { axis.saturating_add(whole) } else { axis };
        let Some(number) = usize::try_from(number).ok().filter(|&it| (it as i64) < whole) else {
            return Err(Misfit::new(
                format!("its axis {axis} is none of {whole}"),
                "export it again",
            ));
        };
        if number == self.batch {
            return Err(Misfit::new(
                "it goes along the batch axis",
                "Caudal computes every item by itself; keep the batch as first axis and leave it alone",
            ));
        }
        Ok(number - usize::from(number > self.batch))
    }

    /// Refuses a value whose batch is not the first axis.
    pub(super) fn check_batch_first(&self) -> Result<(), Misfit> {
        if self.batch == 0 {
            return Ok(());
        }
        Err(Misfit::new(
            format!("the batch is axis {} of what it takes", self.batch),
            "bring the batch to the front with Transpose before, as with batch_first in PyTorch",
        ))
    }

    /// The atoms of each logical axis.
    pub(super) fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let range = |&count: &usize| {
            start += count;
            start - count..start
        };
        self.axes.iter().map(range).collect()
    }

    /// The sizes of the logical axes.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.ranges().into_iter().map(|range| self.atoms[range].iter().product()).collect()
    }

    /// How many numbers an item has.
    pub(super) fn count(&self) -> usize {
        self.atoms.iter().product()
    }

    /// The axes in the order in which memory has them, if it has each in one piece; an axis of size 1 stands before
    /// the logical axis after it. None if memory has an axis in pieces.
    pub(super) fn axis_order(&self) -> Option<Vec<usize>> {
        let ranges = self.ranges();
        let mut place = vec![0; self.atoms.len()];
        for (at, &atom) in self.order.iter().enumerate() {
            place[atom] = at;
        }
        let mut first = vec![usize::MAX; ranges.len()];
        let mut next = usize::MAX;
        for (axis, range) in ranges.iter().enumerate().rev() {
            let whole = range.clone().skip(1).all(|atom| place[atom] == place[atom - 1] + 1);
            if !whole {
                return None;
            }
            if !range.is_empty() {
                next = place[range.start];
            }
            first[axis] = next;
        }
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_by_key(|&axis| first[axis]);
        Some(order)
    }

    /// The atoms of axes in a given order.
    pub(super) fn atoms_of(&self, order: &[usize]) -> Vec<usize> {
        let ranges = self.ranges();
        order.iter().flat_map(|&axis| ranges[axis].clone()).collect()
    }

    /// The same value with its logical axes in another order; the batch stays after as many.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let logical = self.atoms_of(order);
        let mut renamed = vec![0; self.atoms.len()];
        for (new, &old) in logical.iter().enumerate() {
            renamed[old] = new;
        }
        Self {
            node: self.node,
            atoms: logical.iter().map(|&atom| self.atoms[atom]).collect(),
            axes: order.iter().map(|&axis| self.axes[axis]).collect(),
            order: self.order.iter().map(|&atom| renamed[atom]).collect(),
            batch: self.batch,
        }
    }

    /// The same numbers in logical order with other axes, if cutting atoms makes them so. None where the numbers must
    /// be brought into logical order first.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let mut value = self.clone();
        value.axes = Vec::new();
        let mut next = 0;
        for &size in shape {
            let (mut left, first) = (size, next);
            while left > 1 {
                let atom = *value.atoms.get(next)?;
                if left.is_multiple_of(atom) {
                    left /= atom;
                } else if atom.is_multiple_of(left) {
                    value.cut(next, left);
                    left = 1;
                } else {
                    return None;
                }
                next += 1;
            }
            value.axes.push(next - first);
        }
        (next == value.atoms.len()).then_some(value)
    }

    /// Cuts an atom in two, of which the first has a given size.
    fn cut(&mut self, atom: usize, first: usize) {
        let rest = self.atoms[atom] / first;
        self.atoms[atom] = first;
        self.atoms.insert(atom + 1, rest);
        for other in &mut self.order {
            *other += usize::from(*other > atom);
        }
        let place = self.order.iter().position(|&other| other == atom).unwrap_or(0);
        self.order.insert(place + 1, atom + 1);
        let mut end = 0;
        for count in &mut self.axes {
            end += *count;
            if atom < end {
                *count += 1;
                return;
            }
        }
    }

    /// This value and another of the same logical shape with the same atoms. None where they have none in common.
    pub(super) fn with_common_atoms(&self, other: &Self) -> Option<[Self; 2]> {
        let (mut a, mut b) = (self.clone(), other.clone());
        let mut at = 0;
        while at < a.atoms.len().max(b.atoms.len()) {
            let (of_a, of_b) = (*a.atoms.get(at)?, *b.atoms.get(at)?);
            if of_a > of_b {
                if !of_a.is_multiple_of(of_b) {
                    return None;
                }
                a.cut(at, of_b);
            } else if of_b > of_a {
                if !of_b.is_multiple_of(of_a) {
                    return None;
                }
                b.cut(at, of_a);
            }
            at += 1;
        }
        Some([a, b])
    }

    /// Whether memory has the atoms of an axis last, in whatever order; then that order, counted from the first.
    pub(super) fn tail(&self, axis: usize) -> Option<Vec<usize>> {
        let range = &self.ranges()[axis];
        let tail = &self.order[self.order.len() - range.len()..];
        let inside = tail.iter().all(|atom| range.contains(atom));
        inside.then(|| tail.iter().map(|&atom| atom - range.start).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_counted_around_the_batch() {
        let steps = Activation::plain(0, &[5, 3]).with_batch(1);
        assert_eq!(steps.item_axis(0).unwrap(), 0);
        assert_eq!((steps.item_axis(2).unwrap(), steps.item_axis(-1).unwrap()), (1, 1));
        assert!(steps.item_axis(1).unwrap_err().problem.contains("along the batch"));
        assert!(steps.item_axis(-2).is_err() && steps.item_axis(3).is_err());
        assert!(steps.check_batch_first().is_err());
    }

    /// An image of 3 channels, 4 rows and 5 columns, channels last in memory.
    fn image() -> Activation {
        Activation::of_axes(0, &[3, 4, 5], &[1, 2, 0])
    }

    #[test]
    fn transposing_to_channels_last_and_back_is_free() {
        let last = image().transposed(&[1, 2, 0]);
        assert_eq!((last.shape(), last.order.clone()), (vec![4, 5, 3], vec![0, 1, 2]));
        assert_eq!(last.transposed(&[2, 0, 1]), image());
        assert_eq!(image().axis_order(), Some(vec![1, 2, 0]));
    }

    #[test]
    fn a_flattened_image_keeps_its_order_in_memory() {
        let flat = image().reshaped(&[60]).unwrap();
        assert_eq!((flat.axes.clone(), flat.order.clone()), (vec![3], vec![1, 2, 0]));
        assert_eq!(flat.tail(0), Some(vec![1, 2, 0]));
        assert_eq!(flat.axis_order(), None);
        assert_eq!(flat.reshaped(&[3, 4, 5]).unwrap(), image());
        // Halves of the channels, as in a shuffle of channels.
        let halves =
            Activation::of_axes(0, &[6, 4, 5], &[1, 2, 0]).reshaped(&[2, 3, 4, 5]).unwrap();
        assert_eq!(
            (halves.atoms.clone(), halves.order.clone()),
            (vec![2, 3, 4, 5], vec![2, 3, 0, 1])
        );
        let shuffled = halves.transposed(&[1, 0, 2, 3]).reshaped(&[6, 4, 5]).unwrap();
        assert_eq!((shuffled.shape(), shuffled.order), (vec![6, 4, 5], vec![2, 3, 1, 0]));
        assert_eq!(image().reshaped(&[5, 12]), None);
        assert_eq!(image().reshaped(&[61]), None);
    }

    #[test]
    fn axes_of_size_one_have_no_atoms() {
        let pooled = Activation::of_axes(0, &[7, 1, 1], &[1, 2, 0]);
        assert_eq!(pooled.reshaped(&[7]).unwrap(), Activation::plain(0, &[7]));
        assert_eq!(pooled.shape(), [7, 1, 1]);
        assert_eq!(Activation::plain(0, &[1, 5]).axis_order(), Some(vec![0, 1]));
        assert_eq!(Activation::plain(0, &[]).shape(), [0_usize; 0]);
    }

    #[test]
    fn values_get_common_atoms() {
        let a = Activation::plain(0, &[12]);
        let b = Activation::plain(1, &[3, 4]).reshaped(&[12]).unwrap();
        let [a, b] = a.with_common_atoms(&b).unwrap();
        assert_eq!((&a.atoms, &a.axes, &b.atoms), (&vec![3, 4], &vec![2], &vec![3, 4]));
        let [c, d] = [[4, 3], [3, 4]].map(|it| Activation::plain(0, &it).reshaped(&[12]).unwrap());
        assert!(c.with_common_atoms(&d).is_none());
    }
}
