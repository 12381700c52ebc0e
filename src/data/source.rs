//! Where the numbers of a column come from.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;

/// Items whose numbers are read as they are used: those of a file that memory does not hold, or images that are
/// decoded.
///
/// Training reads the items of a batch at once, on a thread of its own, while steps before it run. Readings at
/// the same time are possible. An item must have the same numbers in every reading.
///
/// ```
/// use std::sync::Arc;
///
/// use caudal::data::{Column, Dataset, ItemSource};
///
/// /// A million items, each its own number and the square of that.
/// #[derive(Debug)]
/// struct Squares;
///
/// impl ItemSource for Squares {
///     fn items(&self) -> usize {
///         1_000_000
///     }
///
///     fn item_shape(&self) -> &[usize] {
///         &[2]
///     }
///
///     fn read(&self, items: &[usize], into: &mut [f32]) -> caudal::Result<()> {
///         for (&item, numbers) in items.iter().zip(into.chunks_mut(2)) {
///             numbers.copy_from_slice(&[item as f32, (item * item) as f32]);
///         }
///         Ok(())
///     }
/// }
///
/// let data = Dataset::new("squares", vec![Column::from_source("x", Arc::new(Squares))], vec![])?;
/// let mut batch = Vec::new();
/// data.subset(&[7, 3])?.inputs()[0].gather(&[1, 0], &mut batch)?;
/// assert_eq!(batch, [3., 9., 7., 49.]);
/// # Ok::<(), caudal::Error>(())
/// ```
pub trait ItemSource: Debug + Send + Sync {
    /// How many items there are.
    fn items(&self) -> usize;

    /// The shape of one item; empty for a single number.
    fn item_shape(&self) -> &[usize];

    /// Reads the chosen items, one after the other in the order given, row-major. All of them are below
    /// [`ItemSource::items`], an item may come more than once, and `into` has room for exactly their numbers.
    ///
    /// # Errors
    /// What can't be read: the error should name the file and the item. It ends the step that needs the item.
    fn read(&self, items: &[usize], into: &mut [f32]) -> Result<()>;
}

/// Some items of a source, or all.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) source: Arc<dyn ItemSource>,
    /// Which ones, in which order; nothing: all.
    items: Option<Arc<[usize]>>,
    /// All numbers are known to be classes below this bound; the largest number of all says that nobody has looked.
    classes: Arc<AtomicUsize>,
}

impl Chosen {
    pub(super) fn all(source: Arc<dyn ItemSource>) -> Self {
        Self { source, items: None, classes: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// Some of these items; all are there.
    pub(super) fn choose(&self, chosen: &[usize]) -> Self {
        let items = match &self.items {
            Some(items) => chosen.iter().map(|&item| items[item]).collect(),
            None => chosen.into(),
        };
        Self { items: Some(items), ..Self::all(Arc::clone(&self.source)) }
    }

    pub(super) fn len(&self) -> usize {
        self.items.as_ref().map_or_else(|| self.source.items(), |items| items.len())
    }

    /// Reads the chosen ones of these items; all are there, and `into` has room for them.
    pub(super) fn read(&self, chosen: &[usize], into: &mut [f32]) -> Result<()> {
        match &self.items {
            Some(items) => {
                let items: Vec<usize> = chosen.iter().map(|&item| items[item]).collect();
                self.source.read(&items, into)
            }
            None => self.source.read(chosen, into),
        }
    }

    /// Whether all numbers are known to be classes below `bound`.
    pub(super) fn has_classes_below(&self, bound: usize) -> bool {
        let known = self.classes.load(Ordering::Relaxed);
        known != usize::MAX && known <= bound
    }

    /// Remembers that all numbers are classes below `bound`.
    pub(super) fn note_classes_below(&self, bound: usize) {
        self.classes.fetch_min(bound, Ordering::Relaxed);
    }
}

impl PartialEq for Chosen {
    /// Whether they are the same items of one source.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.items == other.items
    }
}
