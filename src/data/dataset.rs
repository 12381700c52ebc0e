//! Named columns with one entry per item.

use std::collections::HashSet;
use std::sync::Arc;

use super::{class_index, refuse};
use crate::error::count;
use crate::{Result, Tensor, describe_shape};

/// One named quantity of every item.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// The name, by which a graph's input or target asks for the column.
    pub name: String,
    /// The numbers, `[items, ...item shape]`. A class index per item has the shape `[items]` and
    /// holds whole numbers from 0.
    pub values: Tensor,
}

impl Column {
    /// A column of `values`, whose first axis counts the items.
    pub fn new(name: impl Into<String>, values: impl Into<Tensor>) -> Self {
        Self { name: name.into(), values: values.into() }
    }

    /// The shape of one item: all axes but the first, and nothing for a column of class indices.
    pub fn item_shape(&self) -> &[usize] {
        self.values.shape().get(1..).unwrap_or_default()
    }

    /// One more than the largest class index, or nothing if the column holds no class indices.
    pub fn class_count(&self) -> Option<usize> {
        if self.values.ndim() != 1 {
            return None;
        }
        self.values.iter().try_fold(0, |most, &value| Some(most.max(class_index(value)? + 1)))
    }
}

/// Items to learn from: input and target columns that all hold the same number of items.
///
/// Cloning one shares its numbers.
///
/// ```
/// use caudal::data::{Column, Dataset, gather};
/// use ndarray::ArcArray;
///
/// // Four points in the plane, and the class of each.
/// let points = ArcArray::from_shape_vec(vec![4, 2], vec![0., 0., 0., 1., 1., 0., 1., 1.])?;
/// let classes = ArcArray::from_shape_vec(vec![4], vec![0., 1., 1., 0.])?;
/// let xor = Dataset::new(
///     "xor",
///     vec![Column::new("point", points)],
///     vec![Column::new("class", classes)],
/// )?;
/// assert_eq!(xor.len(), 4);
/// assert_eq!(xor.inputs()[0].item_shape(), [2]);
/// assert_eq!(xor.targets()[0].class_count(), Some(2));
///
/// // A batch is a choice of items, copied into a buffer that is used again for the next one.
/// let mut batch = Vec::new();
/// gather(&xor.inputs()[0].values, &[3, 1], &mut batch)?;
/// assert_eq!(batch, [1., 1., 0., 1.]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    inputs: Vec<Column>,
    targets: Vec<Column>,
    item_names: Option<Arc<[String]>>,
}

impl Dataset {
    /// Puts columns together. There must be an input; data to predict for may lack targets.
    ///
    /// # Errors
    ///
    /// [`Error::Data`](crate::Error::Data) if there is no input column, two columns share a name, a
    /// column has no items or items without numbers, or the numbers of items differ.
    pub fn new(
        name: impl Into<String>,
        mut inputs: Vec<Column>,
        mut targets: Vec<Column>,
    ) -> Result<Self> {
        let name = name.into();
        let origin = format!("data set `{name}`");
        let Some(first) = inputs.first() else {
            return Err(refuse(origin, "it has no input column", "give at least one"));
        };
        let (leader, items) = (first.name.clone(), first.values.shape().first().copied());
        let columns = || inputs.iter().chain(&targets);
        let mut names = HashSet::new();
        for column in columns() {
            let shape = column.values.shape();
            if !names.insert(column.name.as_str()) {
                return Err(refuse(
                    origin,
                    format!("two columns are called `{}`", column.name),
                    "give every column a name of its own",
                ));
            }
            if shape.is_empty() || shape.contains(&0) {
                return Err(refuse(
                    origin,
                    format!(
                        "column `{}` holds no items: its shape is {}",
                        column.name,
                        describe_shape(shape)
                    ),
                    "the first axis counts the items, and no axis may be 0 long",
                ));
            }
            if shape.first().copied() != items {
                return Err(refuse(
                    origin,
                    format!(
                        "column `{}` has {}, column `{leader}` has {}",
                        column.name,
                        count(shape[0], "item"),
                        items.unwrap_or_default()
                    ),
                    "every column needs one entry per item",
                ));
            }
        }
        for column in inputs.iter_mut().chain(&mut targets) {
            if !column.values.is_standard_layout() {
                column.values = column.values.as_standard_layout().into_owned().into_shared();
            }
        }
        Ok(Self { name, inputs, targets, item_names: None })
    }

    /// The name, for messages and reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same columns under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same items, with a name for each. Names that are more or fewer than items are left out.
    #[must_use]
    pub fn with_item_names(mut self, names: Vec<String>) -> Self {
        self.item_names = (names.len() == self.len()).then(|| names.into());
        self
    }

    /// What the items are called, if they have names: the files of images, say.
    pub fn item_names(&self) -> Option<&[String]> {
        self.item_names.as_deref()
    }

    /// The number of items, at least 1.
    pub fn len(&self) -> usize {
        self.inputs[0].values.shape()[0]
    }

    /// Always false: a data set without items can't be made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns that a graph's inputs read, row-major.
    pub fn inputs(&self) -> &[Column] {
        &self.inputs
    }

    /// The columns that a graph's targets read, row-major.
    pub fn targets(&self) -> &[Column] {
        &self.targets
    }

    /// The input or target column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.inputs.iter().chain(&self.targets).find(|column| column.name == name)
    }

    /// A copy of the chosen items, in the order given; an item may be chosen more than once.
    ///
    /// # Errors
    ///
    /// [`Error::Data`](crate::Error::Data) if `items` is empty or names an item that is not there.
    pub fn subset(&self, items: &[usize]) -> Result<Self> {
        let origin = || format!("data set `{}`", self.name);
        if items.is_empty() {
            return Err(refuse(origin(), "no item was chosen", "choose at least one"));
        }
        let choose = |column: &Column| {
            let mut values = Vec::new();
            gather(&column.values, items, &mut values)?;
            let shape = [&[items.len()], column.item_shape()].concat();
            let values = Tensor::from_shape_vec(shape, values)
                .map_err(|error| refuse(origin(), error.to_string(), "choose fewer items"))?;
            Ok(Column { name: column.name.clone(), values })
        };
        Ok(Self {
            name: self.name.clone(),
            inputs: self.inputs.iter().map(choose).collect::<Result<_>>()?,
            targets: self.targets.iter().map(choose).collect::<Result<_>>()?,
            item_names: self
                .item_names
                .as_ref()
                .map(|names| items.iter().map(|&item| names[item].clone()).collect()),
        })
    }
}

/// Copies the chosen items of `values`, `[items, ...]`, into `into`, one after the other. What was
/// in the buffer is replaced; nothing is allocated when its capacity suffices.
///
/// # Errors
///
/// [`Error::Data`](crate::Error::Data) if `items` names an item that is not there. The buffer is
/// then left as it was.
pub fn gather(values: &Tensor, items: &[usize], into: &mut Vec<f32>) -> Result<()> {
    let total = values.shape().first().copied().unwrap_or_default();
    if let Some(missing) = items.iter().find(|&&item| item >= total) {
        return Err(refuse(
            format!("a tensor of shape {}", describe_shape(values.shape())),
            format!("item {missing} was asked for, it has {}", count(total, "item")),
            "items are counted from 0",
        ));
    }
    into.clear();
    if items.is_empty() {
        return Ok(());
    }
    let stride = values.len() / total;
    into.reserve(items.len() * stride);
    // One thread copies, for it waits for memory: on two cores, two threads of rayon took 25 us in
    // place of 16 for 64 items of 784 numbers, 212 us for 183 for 512 items, and 9.3 ms for 8.7 for
    // 30,000. Besides, large batches are gathered while a step has the cores (`train/feed.rs`).
    match values.as_slice() {
        Some(all) => {
            for &item in items {
                into.extend_from_slice(&all[item * stride..][..stride]);
            }
        }
        None => {
            for &item in items {
                into.extend(values.index_axis(ndarray::Axis(0), item));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, IxDyn};

    use super::*;

    fn counting(shape: &[usize]) -> Tensor {
        let size = shape.iter().product::<usize>();
        let values = (0..size).map(|value| value as f32).collect();
        Tensor::from_shape_vec(shape, values).unwrap()
    }

    fn refusal(inputs: Vec<Column>, targets: Vec<Column>) -> String {
        Dataset::new("d", inputs, targets).unwrap_err().to_string()
    }

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        let image = || Column::new("image", counting(&[3, 2, 2]));
        assert!(refusal(vec![], vec![image()]).contains("no input column"));
        assert!(refusal(vec![image()], vec![image()]).contains("two columns are called `image`"));
        assert_eq!(
            refusal(vec![image()], vec![Column::new("label", counting(&[4]))]),
            "data set `d`: column `label` has 4 items, column `image` has 3; \
             every column needs one entry per item"
        );
        for shape in [&[][..], &[0], &[0, 5], &[3, 0]] {
            let empty = Column::new("empty", Tensor::zeros(shape));
            assert!(refusal(vec![empty.clone()], vec![]).contains("`empty` holds no items"));
            assert!(refusal(vec![image()], vec![empty]).contains("`empty` holds no items"));
        }
    }

    #[test]
    fn a_column_in_another_memory_order_is_made_row_major() {
        let turned = counting(&[2, 3]).reversed_axes();
        assert!(!turned.is_standard_layout());
        let set = Dataset::new("d", vec![Column::new("x", turned)], vec![]).unwrap();
        assert_eq!(set.inputs()[0].values.as_slice().unwrap(), [0., 3., 1., 4., 2., 5.]);
    }

    #[test]
    fn subsets_keep_the_order_asked_for() {
        let set = Dataset::new(
            "d",
            vec![Column::new("x", counting(&[4, 2]))],
            vec![Column::new("y", counting(&[4]))],
        )
        .unwrap();
        let part = set.subset(&[2, 0, 2]).unwrap();
        assert_eq!(part.column("x").unwrap().values.shape(), [3, 2]);
        assert_eq!(part.inputs()[0].values.as_slice().unwrap(), [4., 5., 0., 1., 4., 5.]);
        assert_eq!(part.targets()[0].values.as_slice().unwrap(), [2., 0., 2.]);
        assert!(set.subset(&[]).unwrap_err().to_string().contains("no item was chosen"));
        let message = set.subset(&[1, 4]).unwrap_err().to_string();
        assert!(message.contains("item 4 was asked for, it has 4 items"), "{message}");
    }

    #[test]
    fn gathering_allocates_nothing_when_the_buffer_is_large_enough() {
        let values = counting(&[5, 3]);
        let mut buffer = Vec::with_capacity(6);
        let (start, capacity) = (buffer.as_ptr(), buffer.capacity());
        for items in [[4, 0], [1, 1], [3, 2]] {
            gather(&values, &items, &mut buffer).unwrap();
            let expected = items.iter().flat_map(|&item| (0..3).map(move |at| item * 3 + at));
            assert!(buffer.iter().copied().eq(expected.map(|value| value as f32)));
        }
        assert_eq!((buffer.as_ptr(), buffer.capacity()), (start, capacity));
        gather(&values, &[], &mut buffer).unwrap();
        assert!(buffer.is_empty());
    }

    #[test]
    fn gathering_reads_any_memory_order() {
        let columns = Array::from_shape_vec(IxDyn(&[2, 3]), vec![0., 1., 2., 3., 4., 5.]).unwrap();
        let turned = columns.reversed_axes().into_shared();
        let mut buffer = Vec::new();
        gather(&turned, &[2, 0], &mut buffer).unwrap();
        assert_eq!(buffer, [2., 5., 0., 3.]);
    }

    #[test]
    fn only_class_indices_are_counted_as_classes() {
        let count =
            |values: Vec<f32>| Column::new("y", Array::from(values).into_dyn()).class_count();
        assert_eq!(count(vec![0., 4., 2.]), Some(5));
        assert_eq!(count(vec![0., 0.5]), None);
        assert_eq!(count(vec![-1.]), None);
        assert_eq!(Column::new("x", counting(&[2, 2])).class_count(), None);
    }
}
