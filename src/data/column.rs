//! One named quantity of every item.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::source::{Chosen, ItemSource};
use super::{class_index, refuse};
use crate::error::count;
use crate::{Result, Shape, Tensor};

/// What is not in memory is gone through in pieces of about so many numbers.
const PIECE: usize = 1 << 18;

/// One named quantity of every item: a tensor in memory, or a source from which items are read as they are used.
///
/// A class index per item has an empty item shape, and is a whole number from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name, by which a graph's input or target asks for the column.
    pub name: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// Row-major.
    Memory(Tensor),
    Source(Chosen),
}

impl Column {
    /// A column of `values`, `[items, ...item shape]`.
    pub fn new(name: impl Into<String>, values: impl Into<Tensor>) -> Self {
        let mut values = values.into();
        if !values.is_standard_layout() {
            values = values.as_standard_layout().into_owned().into_shared();
        }
        Self { name: name.into(), values: Values::Memory(values) }
    }

    /// A column of all items of `source`.
    pub fn from_source(name: impl Into<String>, source: Arc<dyn ItemSource>) -> Self {
        Self { name: name.into(), values: Values::Source(Chosen::all(source)) }
    }

    /// How many items it has.
    pub fn items(&self) -> usize {
        match &self.values {
            Values::Memory(values) => values.shape().first().copied().unwrap_or_default(),
            Values::Source(chosen) => chosen.len(),
        }
    }

    /// The shape of one item, which is empty for a column of class indices.
    pub fn item_shape(&self) -> &[usize] {
        match &self.values {
            Values::Memory(values) => values.shape().get(1..).unwrap_or_default(),
            Values::Source(chosen) => chosen.source.item_shape(),
        }
    }

    /// How many numbers one item has.
    pub fn item_size(&self) -> usize {
        self.item_shape().iter().product()
    }

    /// The number of items, then the shape of one; nothing for a tensor without axes.
    pub fn shape(&self) -> Shape {
        match &self.values {
            Values::Memory(values) => values.shape().to_vec(),
            Values::Source(_) => [&[self.items()], self.item_shape()].concat(),
        }
    }

    /// All its numbers, `[items, ...item shape]`, row-major, if they are in memory.
    pub fn tensor(&self) -> Option<&Tensor> {
        match &self.values {
            Values::Memory(values) => Some(values),
            Values::Source(_) => None,
        }
    }

    /// Takes the numbers of the chosen items, one item after the other, in place of what is in the buffer. For a
    /// tensor in memory nothing is allocated when the buffer's capacity suffices.
    ///
    /// # Errors
    ///
    /// [`Error::Data`](crate::Error::Data) if `items` names an item that is not there: the buffer is
    /// then left as it was. What [`ItemSource::read`] returns.
    pub fn gather(&self, items: &[usize], into: &mut Vec<f32>) -> Result<()> {
        self.require(items)?;
        let size = self.item_size();
        match &self.values {
            // One thread copies, for it waits for memory: on two cores, two threads of rayon took 25 us in
            // place of 16 for 64 items of 784 numbers, 212 us for 183 for 512 items, and 9.3 ms for 8.7 for
            // 30,000. Besides, large batches are gathered while a step has the cores (`train/feed.rs`).
            Values::Memory(values) => {
                into.clear();
                into.reserve(items.len() * size);
                let all = values.as_slice().unwrap_or_default();
                for &item in items {
                    into.extend_from_slice(&all[item * size..][..size]);
                }
                Ok(())
            }
            Values::Source(chosen) => {
                into.resize(items.len() * size, 0.0);
                chosen.read(items, into)
            }
        }
    }

    /// One more than the largest class index, or nothing if the column holds no class indices.
    ///
    /// # Errors
    /// What [`ItemSource::read`] returns.
    pub fn class_count(&self) -> Result<Option<usize>> {
        if !self.item_shape().is_empty() || self.shape().is_empty() {
            return Ok(None);
        }
        let mut most = 0;
        let none = self.search(|value| {
            most = most.max(class_index(value)? + 1);
            Some(())
        })?;
        Ok(none.is_none().then_some(most))
    }

    /// The first number that is no class below `classes`: its item, and itself.
    pub(super) fn first_no_class(&self, classes: usize) -> Result<Option<(usize, f32)>> {
        let chosen = match &self.values {
            Values::Source(chosen) if chosen.has_classes_below(classes) => return Ok(None),
            Values::Source(chosen) => Some(chosen),
            Values::Memory(_) => None,
        };
        let fits = |value| class_index(value).filter(|&class| class < classes).map(|_| ());
        let found = self.search(fits)?;
        if let (None, Some(chosen)) = (found, chosen) {
            chosen.note_classes_below(classes);
        }
        Ok(found)
    }

    /// Hands over all numbers, one after another.
    pub(crate) fn visit(&self, mut each: impl FnMut(f32)) -> Result<()> {
        let all = |value| {
            each(value);
            Some(())
        };
        self.search(all).map(drop)
    }

    /// The first number of which `fits` says nothing: its item, and itself.
    fn search(&self, mut fits: impl FnMut(f32) -> Option<()>) -> Result<Option<(usize, f32)>> {
        let size = self.item_size().max(1);
        let mut numbers = Vec::new();
        for range in self.pieces() {
            let first = range.start;
            let piece = self.piece(range, &mut numbers)?;
            if let Some(place) = piece.iter().position(|&value| fits(value).is_none()) {
                return Ok(Some((first + place / size, piece[place])));
            }
        }
        Ok(None)
    }

    /// All numbers, one item after the other: for columns with a number an item.
    pub(super) fn all(&self) -> Result<Cow<'_, [f32]>> {
        if let Values::Memory(values) = &self.values {
            return Ok(Cow::Borrowed(values.as_slice().unwrap_or_default()));
        }
        let mut all = Vec::with_capacity(self.items() * self.item_size());
        let mut numbers = Vec::new();
        for range in self.pieces() {
            all.extend_from_slice(self.piece(range, &mut numbers)?);
        }
        Ok(Cow::Owned(all))
    }

    /// Its items in pieces that memory holds.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let items = self.items();
        let step = match &self.values {
            Values::Memory(_) => items.max(1),
            Values::Source(_) => (PIECE / self.item_size().max(1)).max(1),
        };
        (0..items).step_by(step).map(move |first| first..items.min(first + step))
    }

    /// The numbers of some items in a row, which may be read into `memory`.
    fn piece<'a>(&'a self, items: Range<usize>, memory: &'a mut Vec<f32>) -> Result<&'a [f32]> {
        let size = self.item_size();
        match &self.values {
            Values::Memory(values) => {
                let all = values.as_slice().unwrap_or_default();
                Ok(&all[items.start * size..items.end * size])
            }
            Values::Source(_) => {
                self.gather(&items.collect::<Vec<_>>(), memory)?;
                Ok(memory)
            }
        }
    }

    /// The chosen items, of which there is at least one: copied, if they are in memory.
    pub(super) fn subset(&self, items: &[usize]) -> Result<Self> {
        self.require(items)?;
        let values = match &self.values {
            Values::Source(chosen) => Values::Source(chosen.choose(items)),
            Values::Memory(_) => {
                let mut numbers = Vec::new();
                self.gather(items, &mut numbers)?;
                let shape = [&[items.len()], self.item_shape()].concat();
                let values = Tensor::from_shape_vec(shape, numbers).map_err(|error| {
                    refuse(self.origin(), error.to_string(), "choose fewer items")
                })?;
                Values::Memory(values)
            }
        };
        Ok(Self { name: self.name.clone(), values })
    }

    fn origin(&self) -> String {
        format!("column `{}`", self.name)
    }

    /// Refuses items that are not there.
    fn require(&self, items: &[usize]) -> Result<()> {
        let total = self.items();
        match items.iter().find(|&&item| item >= total) {
            None => Ok(()),
            Some(missing) => Err(refuse(
                self.origin(),
                format!("item {missing} was asked for, it has {}", count(total, "item")),
                "items are counted from 0",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, IxDyn};

    use super::*;

    /// Items that count on, read as they are used; `limit` is the first that can't be read.
    #[derive(Debug)]
    struct Counting {
        items: usize,
        shape: Shape,
        limit: usize,
    }

    impl ItemSource for Counting {
        fn items(&self) -> usize {
            self.items
        }

        fn item_shape(&self) -> &[usize] {
            &self.shape
        }

        fn read(&self, items: &[usize], into: &mut [f32]) -> Result<()> {
            let size: usize = self.shape.iter().product();
            assert_eq!(into.len(), items.len() * size);
            for (&item, numbers) in items.iter().zip(into.chunks_mut(size)) {
                if item >= self.limit {
                    return Err(refuse("counting", format!("no item {item}"), "stop before"));
                }
                let counted = (item * size..).map(|number| number as f32);
                numbers.iter_mut().zip(counted).for_each(|(into, number)| *into = number);
            }
            Ok(())
        }
    }

    fn counting(shape: &[usize]) -> Column {
        let size = shape.iter().product::<usize>();
        let values = (0..size).map(|value| value as f32).collect();
        Column::new("x", Tensor::from_shape_vec(shape, values).unwrap())
    }

    fn read(items: usize, shape: &[usize], limit: usize) -> Column {
        let source = Counting { items, shape: shape.to_vec(), limit };
        Column::from_source("x", Arc::new(source))
    }

    #[test]
    fn a_column_in_another_memory_order_is_made_row_major() {
        let columns = Array::from_shape_vec(IxDyn(&[2, 3]), vec![0., 1., 2., 3., 4., 5.]).unwrap();
        let turned = Column::new("x", columns.reversed_axes().into_shared());
        assert_eq!(turned.tensor().unwrap().as_slice().unwrap(), [0., 3., 1., 4., 2., 5.]);
        let mut buffer = Vec::new();
        turned.gather(&[2, 0], &mut buffer).unwrap();
        assert_eq!(buffer, [2., 5., 0., 3.]);
    }

    #[test]
    fn a_source_gives_what_memory_gives() {
        let (memory, source) = (counting(&[5, 3]), read(5, &[3], 5));
        assert_eq!(memory.shape(), source.shape());
        assert!(source.tensor().is_none());
        let mut numbers = [vec![1.0; 40], Vec::new()];
        for items in [&[4, 0][..], &[1, 1, 1], &[], &[3]] {
            memory.gather(items, &mut numbers[0]).unwrap();
            source.gather(items, &mut numbers[1]).unwrap();
            assert_eq!(numbers[0], numbers[1], "{items:?}");
            let nested = |column: &Column| column.subset(&[4, 2, 0, 3]).unwrap().subset(&[2, 0]);
            let [memory, source] = [&memory, &source].map(|column| nested(column).unwrap());
            assert_eq!((memory.items(), source.items()), (2, 2));
            assert_eq!(memory.all().unwrap(), source.all().unwrap());
            assert_eq!(source.all().unwrap().as_ref(), [0.0, 1.0, 2.0, 12.0, 13.0, 14.0]);
        }
        for column in [memory, source] {
            let message = column.gather(&[1, 5], &mut numbers[0]).unwrap_err().to_string();
            assert!(message.contains("item 5 was asked for, it has 5 items"), "{message}");
            assert!(column.subset(&[5]).is_err());
        }
    }

    #[test]
    fn a_source_is_gone_through_in_pieces() {
        let column = read(2 * PIECE + 7, &[], usize::MAX);
        assert_eq!(column.class_count().unwrap(), Some(2 * PIECE + 7));
        let last = 2 * PIECE + 6;
        assert_eq!(column.first_no_class(last).unwrap(), Some((last, last as f32)));
        assert_eq!(column.first_no_class(last + 1).unwrap(), None);
        assert!(column.all().unwrap().iter().enumerate().all(|(at, &value)| value == at as f32));
        let broken = read(2 * PIECE + 7, &[], PIECE + 3);
        let message = broken.class_count().unwrap_err().to_string();
        assert!(message.contains(&format!("no item {}", PIECE + 3)), "{message}");
        let before = PIECE - 1;
        assert_eq!(broken.first_no_class(before).unwrap(), Some((before, before as f32)));
    }

    #[test]
    fn classes_that_were_found_fit_are_not_read_again() {
        let column = read(9, &[3], usize::MAX);
        assert_eq!(column.first_no_class(26).unwrap(), Some((8, 26.0)));
        assert_eq!(column.first_no_class(27).unwrap(), None);
        let Values::Source(chosen) = &column.values else { panic!("it is no source") };
        assert!(chosen.has_classes_below(27) && chosen.has_classes_below(28));
        assert!(!chosen.has_classes_below(26));
        let part = column.subset(&[0]).unwrap();
        let Values::Source(chosen) = &part.values else { panic!("it is no source") };
        assert!(!chosen.has_classes_below(27), "nobody has looked at the part");
    }

    #[test]
    fn gathering_allocates_nothing_when_the_buffer_is_large_enough() {
        for column in [counting(&[5, 3]), read(5, &[3], 5)] {
            let mut buffer = Vec::with_capacity(6);
            let (start, capacity) = (buffer.as_ptr(), buffer.capacity());
            for items in [[4, 0], [1, 1], [3, 2]] {
                column.gather(&items, &mut buffer).unwrap();
                let expected = items.iter().flat_map(|&item| (0..3).map(move |at| item * 3 + at));
                assert!(buffer.iter().copied().eq(expected.map(|value| value as f32)));
            }
            assert_eq!((buffer.as_ptr(), buffer.capacity()), (start, capacity));
            column.gather(&[], &mut buffer).unwrap();
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn only_class_indices_are_counted_as_classes() {
        let count = |values: Vec<f32>| {
            Column::new("y", Array::from(values).into_dyn()).class_count().unwrap()
        };
        assert_eq!(count(vec![0., 4., 2.]), Some(5));
        assert_eq!(count(vec![0., 0.5]), None);
        assert_eq!(count(vec![-1.]), None);
        assert_eq!(counting(&[2, 2]).class_count().unwrap(), None);
        assert_eq!(Column::new("y", Tensor::zeros(vec![])).class_count().unwrap(), None);
    }
}
