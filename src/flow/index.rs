//! Indices and ranges of a graph's tables, with a type for each, so that a slot is never taken for a task.
//!
//! Elsewhere an index is converted to or from a plain number only where one comes in or goes out: in what is public
//! (tasks by number), in files, and where clients number nodes and parameters by `usize`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

/// So many things of a kind can be told apart.
pub(crate) const MOST: usize = u32::MAX as usize;

/// Makes types of indices: numbers from 0 in four bytes, with one value left over, so that an `Option` of one takes
/// no more. Lists are indexed by them like by `usize`.
macro_rules! index_types {
    ($($(#[$documentation:meta])* $visibility:vis $name:ident;)+) => {$(
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        // One more than the index: never 0, and in the same order.
        $visibility struct $name(std::num::NonZeroU32);

        #[allow(dead_code)] // not every kind is used in every way
        impl $name {
            /// The index as a type of its own; none if that many can't be told apart.
            #[inline]
            $visibility const fn try_new(index: usize) -> Option<Self> {
                if index >= $crate::flow::index::MOST {
                    return None;
                }
                match std::num::NonZeroU32::new(index as u32 + 1) {
                    Some(next) => Some(Self(next)),
                    None => None,
                }
            }

            /// The index as a type of its own.
            ///
            /// # Panics
            /// If it is 2³² - 1 or more.
            #[inline]
            $visibility const fn new(index: usize) -> Self {
                match Self::try_new(index) {
                    Some(index) => index,
                    None => panic!(concat!(stringify!($name), ": too many to be told apart")),
                }
            }

            /// The number, counted from 0.
            #[inline]
            $visibility const fn index(self) -> usize {
                self.0.get() as usize - 1
            }

            /// The same number, as files and hashes have it.
            #[inline]
            pub(crate) const fn number(self) -> u32 {
                self.0.get() - 1
            }

            /// The first `count` of them.
            pub(crate) fn below(count: usize) -> impl DoubleEndedIterator<Item = Self> {
                (0..count).map(Self::new)
            }

            /// The one `distance` after this one; where that would be too large, the last, which nothing has.
            #[inline]
            pub(crate) const fn plus(self, distance: u32) -> Self {
                Self(self.0.saturating_add(distance))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.index())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.index().fmt(f)
            }
        }

        impl<T> std::ops::Index<$name> for [T] {
            type Output = T;

            #[inline]
            fn index(&self, index: $name) -> &T {
                let next = index.0.get() as usize;
                // The last of the list up to it: so the subtraction costs nothing, as it goes into the address.
                &self[..next][next - 1]
            }
        }

        impl<T> std::ops::IndexMut<$name> for [T] {
            #[inline]
            fn index_mut(&mut self, index: $name) -> &mut T {
                let next = index.0.get() as usize;
                &mut self[..next][next - 1]
            }
        }

        impl<T> std::ops::Index<$name> for Vec<T> {
            type Output = T;

            #[inline]
            fn index(&self, index: $name) -> &T {
                &self.as_slice()[index]
            }
        }

        impl<T> std::ops::IndexMut<$name> for Vec<T> {
            #[inline]
            fn index_mut(&mut self, index: $name) -> &mut T {
                &mut self.as_mut_slice()[index]
            }
        }
    )+};
}

pub(crate) use index_types;

index_types! {
    /// A task of a [`TaskGraph`](crate::flow::TaskGraph), by its number there: lists by task can be indexed with it.
    pub TaskIndex;

    /// A port of a task, counted over all tasks: the slot where its message waits.
    pub(crate) SlotIndex;

    /// A message, by its place in the list of all that a graph's tasks send.
    pub(crate) EdgeIndex;

    /// What travels along an edge, as the graph's client numbers it.
    pub(crate) ValueIndex;

    /// A buffer that tasks hold while they need it.
    pub(crate) BufferIndex;

    /// A piece of data that outlives a run, such as a parameter.
    pub(crate) StateIndex;

    /// A node, by its place among the nodes' names.
    pub(crate) NodeIndex;

    /// A chunk of work where that comes in chunks one after another.
    pub(crate) ChunkIndex;
}

/// A range of a list of `T`s.
pub(crate) struct Span<T> {
    start: u32,
    len: u32,
    list: PhantomData<fn() -> T>,
}

impl<T> Span<T> {
    /// Nothing of any list.
    pub(crate) const EMPTY: Self = Self { start: 0, len: 0, list: PhantomData };

    /// A range of a list.
    ///
    /// # Panics
    /// If the list is longer than indices reach.
    pub(crate) fn new(range: Range<usize>) -> Self {
        assert!(range.end <= MOST, "a list of more than {MOST} can't be divided");
        Self { start: range.start as u32, len: range.len() as u32, list: PhantomData }
    }

    /// Appends `more` to a list; gives their range.
    pub(crate) fn append(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) -> Self {
        let start = list.len();
        list.extend(more);
        Self::new(start..list.len())
    }

    /// Where it begins.
    #[inline]
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    /// How many it holds.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it holds none.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The positions that it holds.
    #[inline]
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }

    /// What it holds of the list.
    #[inline]
    pub(crate) fn of(self, list: &[T]) -> &[T] {
        &list[self.range()]
    }
}

impl<T> Clone for Span<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Span<T> {}

impl<T> fmt::Debug for Span<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.range().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_takes_four_bytes_even_where_it_may_be_missing() {
        assert_eq!([size_of::<TaskIndex>(), size_of::<Option<TaskIndex>>()], [4; 2]);
        assert_eq!([size_of::<Span<TaskIndex>>(), size_of::<Span<[u64; 9]>>()], [8; 2]);
    }

    #[test]
    fn numbers_come_back_in_their_order() {
        let numbers = [0, 1, 2, 77, u32::MAX as usize - 2, u32::MAX as usize - 1];
        let indices = numbers.map(SlotIndex::new);
        assert_eq!(indices.map(SlotIndex::index), numbers);
        assert_eq!(indices.map(|it| it.number() as usize), numbers);
        assert!(indices.is_sorted() && None < Some(indices[0]));
        assert_eq!(format!("{} {:?}", indices[3], indices[3]), "77 SlotIndex(77)");
        assert!(SlotIndex::below(3).eq(numbers[..3].iter().map(|&number| SlotIndex::new(number))));
    }

    #[test]
    fn the_last_index_is_the_largest() {
        let last = TaskIndex::new(MOST - 1);
        assert_eq!(TaskIndex::try_new(MOST - 1), Some(last));
        for too_large in [MOST, MOST + 1, usize::MAX] {
            assert_eq!(TaskIndex::try_new(too_large), None);
        }
        assert_eq!(TaskIndex::new(3).plus(4), TaskIndex::new(7));
        assert_eq!([TaskIndex::new(3).plus(u32::MAX), last.plus(1)], [last; 2]);
    }

    #[test]
    #[should_panic(expected = "TaskIndex: too many to be told apart")]
    fn an_index_that_is_too_large_is_refused() {
        let _ = TaskIndex::new(MOST);
    }

    #[test]
    fn lists_are_indexed_by_what_they_are_about() {
        let mut list = vec!['a', 'b', 'c'];
        list[TaskIndex::new(1)] = 'd';
        assert_eq!(list[TaskIndex::new(1)], 'd');
        list.as_mut_slice()[SlotIndex::new(2)] = 'e';
        assert_eq!(list.as_slice()[SlotIndex::new(2)], 'e');
    }

    #[test]
    fn a_span_is_a_range_of_its_list() {
        let mut list = vec![1, 2];
        let span = Span::append(&mut list, [3, 4, 5]);
        assert_eq!((span.start(), span.len(), span.range()), (2, 3, 2..5));
        assert_eq!(span.of(&list), [3, 4, 5]);
        assert!(Span::<u8>::EMPTY.is_empty() && !span.is_empty());
        assert_eq!(Span::<u8>::new(MOST..MOST).range(), MOST..MOST);
    }

    #[test]
    #[should_panic(expected = "a list of more than")]
    fn a_range_that_ends_too_far_is_refused() {
        let _ = Span::<u8>::new(0..MOST + 1);
    }
}
