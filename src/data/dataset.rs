//! Named columns with one entry per item.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Column, refuse};
use crate::error::count;
use crate::{Result, describe_shape};

/// Items to learn from: input and target columns that all hold the same number of items.
///
/// Cloning one shares its numbers.
///
/// ```
/// use caudal::data::{Column, Dataset};
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
/// assert_eq!(xor.targets()[0].class_count()?, Some(2));
///
/// // A batch is a choice of items, copied into a buffer that is used again for the next one.
/// let mut batch = Vec::new();
/// xor.inputs()[0].gather(&[3, 1], &mut batch)?;
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
    pub fn new(name: impl Into<String>, inputs: Vec<Column>, targets: Vec<Column>) -> Result<Self> {
        let name = name.into();
        let origin = format!("data set `{name}`");
        let Some(first) = inputs.first() else {
            return Err(refuse(origin, "it has no input column", "give at least one"));
        };
        let (leader, items) = (first.name.clone(), first.items());
        let columns = || inputs.iter().chain(&targets);
        let mut names = HashSet::new();
        for column in columns() {
            let shape = column.shape();
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
                        describe_shape(&shape)
                    ),
                    "the first axis counts the items, and no axis may be 0 long",
                ));
            }
            if column.items() != items {
                return Err(refuse(
                    origin,
                    format!(
                        "column `{}` has {}, column `{leader}` has {}",
                        column.name,
                        count(shape[0], "item"),
                        items
                    ),
                    "every column needs one entry per item",
                ));
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
        self.inputs[0].items()
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

    /// The chosen items, in the order given; an item may be chosen more than once. Those of a tensor in memory are
    /// copied, and of a source it is kept which ones they are.
    ///
    /// # Errors
    ///
    /// [`Error::Data`](crate::Error::Data) if `items` is empty or names an item that is not there.
    pub fn subset(&self, items: &[usize]) -> Result<Self> {
        let origin = || format!("data set `{}`", self.name);
        if items.is_empty() {
            return Err(refuse(origin(), "no item was chosen", "choose at least one"));
        }
        let choose = |column: &Column| column.subset(items);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

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
    fn subsets_keep_the_order_asked_for() {
        let set = Dataset::new(
            "d",
            vec![Column::new("x", counting(&[4, 2]))],
            vec![Column::new("y", counting(&[4]))],
        )
        .unwrap();
        let part = set.subset(&[2, 0, 2]).unwrap();
        assert_eq!(part.column("x").unwrap().shape(), [3, 2]);
        assert_eq!(
            part.inputs()[0].tensor().unwrap().as_slice().unwrap(),
            [4., 5., 0., 1., 4., 5.]
        );
        assert_eq!(part.targets()[0].tensor().unwrap().as_slice().unwrap(), [2., 0., 2.]);
        assert!(set.subset(&[]).unwrap_err().to_string().contains("no item was chosen"));
        let message = set.subset(&[1, 4]).unwrap_err().to_string();
        assert!(message.contains("item 4 was asked for, it has 4 items"), "{message}");
    }
}
