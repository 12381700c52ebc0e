//! Values of different shapes and layouts, brought together.

use std::sync::Arc;

use super::activation::Activation;
use super::call::Call;
use super::constant::{Constant, count_of, places, strides};
use crate::error::Result;
use crate::layers::{Embedding, Fill, Misfit, Upsample};
use crate::tensor::describe_shape;

/// The shape that two shapes of items have together, as numpy broadcasts them.
pub(super) fn common_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Misfit> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own])
    };
    let common = |axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..rank).map(common).collect::<Option<Vec<usize>>>().ok_or_else(|| {
        Misfit::new(
            format!("its inputs have shapes {} and {}", describe_shape(a), describe_shape(b)),
            "export it again, with shapes that fit each other",
        )
    })
}

impl Call<'_> {
    /// The item part of a constant that stands beside a value with `rank` axes an item, the batch after `batch` of them.
    pub(super) fn item_constant(
        &self,
        constant: &Constant,
        rank: usize,
        batch: usize,
    ) -> Result<Constant, Misfit> {
        // Axes are counted from the last one.
        let place = (constant.shape.len() + batch).checked_sub(rank + 1);
        let Some(at) = place else { return Ok(constant.clone()) };
        let fits = constant.shape.len() <= rank + 1
            && (constant.shape[at] == 1 || self.batch == Some(constant.shape[at] as i64));
        let Some(single) = fits.then(|| constant.same_along(at)).flatten() else {
            return Err(Misfit::new(
                format!(
                    "it combines a constant of shape {:?} with {rank} axes an item: numbers of their own for the items \
                     of a batch",
                    constant.shape
                ),
                "give the constant an axis of size 1 in place of the batch, or none",
            ));
        };
        let mut shape = single.shape.clone();
        shape.remove(at);
        Ok(single.reshaped(shape))
    }

    /// A value repeated along axes of size 1, to a shape that fits; axes in the order `like`, the batch after as many.
    pub(super) fn expanded(
        &mut self,
        value: &Activation,
        shape: &[usize],
        like: &[usize],
    ) -> Result<Activation, Misfit> {
        count_of(shape)?;
        let own = value.shape();
        if own == shape {
            return Ok(value.clone());
        }
        let mut value = value.clone();
        let missing = shape.len() - own.len();
        value.axes.splice(0..0, std::iter::repeat_n(0, missing));
        let own = value.shape();
        let mut node = self.laid_out(&value, like)?;
        let mut sizes: Vec<usize> = like.iter().map(|&axis| own[axis]).collect();
        let mut at = 0;
        while at < like.len() {
            let grows = |at: usize, sizes: &[usize]| {
                like.get(at).is_some_and(|&axis| sizes[at] < shape[axis])
            };
            let first = at;
            let mut factor = 1;
            while grows(at, &sizes) {
                factor *= shape[like[at]];
                sizes[at] = shape[like[at]];
                at += 1;
            }
            if factor > 1 {
                let before = sizes[..first].iter().product();
                let after = sizes[at..].iter().product();
                let image = self.reshape(node, &[before, 1, after])?;
                node = self.add_beside("repeated", Upsample::new([1, factor]), &[image])?;
            }
            at += usize::from(at == first);
        }
        let node = self.reshape(node, &sizes)?;
        Ok(Activation::of_axes(node, shape, like).with_batch(value.batch))
    }

    /// Two values with one shape and layout.
    pub(super) fn alike(
        &mut self,
        a: &Activation,
        b: &Activation,
    ) -> Result<[Activation; 2], Misfit> {
        let shape = common_shape(&a.shape(), &b.shape())?;
        let batch =
            if a.batch + b.batch == 0 { 0 } else { shape.len() - Self::batch_of_both(a, b)? };
        // The larger one says in which order the axes stand.
        let (larger, missing) = if a.count() >= b.count() { (a, b) } else { (b, a) };
        let mut padded = larger.clone();
        padded.axes.splice(0..0, std::iter::repeat_n(0, shape.len() - larger.axes.len()));
        let like = Self::axis_order(&padded);
        let expanded =
            [self.expanded(larger, &shape, &like)?, self.expanded(missing, &shape, &like)?];
        let [first, second] = if let Some(pair) = expanded[0].with_common_atoms(&expanded[1]) {
            pair
        } else {
            let order: Vec<usize> = (0..shape.len()).collect();
            let mut plain = Vec::new();
            for value in &expanded {
                plain.push(Activation::plain(self.laid_out(value, &order)?, &shape));
            }
            [plain[0].clone(), plain[1].clone()]
        };
        let node = self.network.permuted(&self.name, &second, &first.order)?;
        let axes = self.network.drafts[first.node].shape.clone();
        let node = self.reshape(node, &axes)?;
        let first = first.with_batch(batch);
        let second = Activation { node, ..first.clone() };
        Ok(if a.count() >= b.count() { [first, second] } else { [second, first] })
    }

    /// How many axes two values have after the batch.
    fn batch_of_both(a: &Activation, b: &Activation) -> Result<usize, Misfit> {
        let [of_a, of_b] = [a, b].map(|it| it.axes.len() - it.batch);
        if of_a == of_b {
            return Ok(of_a);
        }
        Err(Misfit::new(
            format!("the batch is axis {} of one input and axis {} of another", a.batch, b.batch),
            "bring the batch to the front of both with Transpose before",
        ))
    }

    /// A node that gives one number everywhere, in the shape of another.
    pub(super) fn filled(&mut self, number: f32, like: usize) -> Result<usize, Misfit> {
        // What is infinite stands in masks, where the largest number does the same.
        let number = number.clamp(f32::MIN, f32::MAX);
        let shape = self.network.drafts[like].shape.clone();
        self.add_beside("number", Fill::new(shape, number), &[like])
    }

    /// A constant of one item as a value; of node `source` it takes the number of items.
    pub(super) fn constant_value(
        &mut self,
        constant: &Constant,
        source: usize,
    ) -> Result<Activation, Misfit> {
        let shape = &constant.shape;
        count_of(shape)?;
        if let Some(number) = constant.only_number() {
            let number = number.clamp(f32::MIN, f32::MAX);
            let node = self.add_beside("number", Fill::new(shape.clone(), number), &[source])?;
            return Ok(Activation::plain(node, shape));
        }
        let place = self.add_beside("place", Fill::new(shape.clone(), 0.0), &[source])?;
        let value = Activation::plain(place, shape);
        let node = self.constant_like(constant, &value)?;
        Ok(Activation { node, ..value })
    }

    /// A node that gives the numbers of a constant, in the layout of a value.
    pub(super) fn constant_like(
        &mut self,
        constant: &Constant,
        value: &Activation,
    ) -> Result<usize, Misfit> {
        let unfit = || {
            Misfit::new(
                format!(
                    "its constant of shape {:?} does not fit items of {}",
                    constant.shape,
                    describe_shape(&value.shape())
                ),
                "export it again",
            )
        };
        let count = value.count();
        super::constant::check_derived(&[count])?;
        let whole = constant.broadcast(&value.shape()).ok_or_else(unfit)?;
        let floats = whole.as_floats().ok_or_else(unfit)?;
        let steps = strides(&value.atoms);
        let (sizes, steps): (Vec<usize>, Vec<usize>) =
            value.order.iter().map(|&atom| (value.atoms[atom], steps[atom])).unzip();
        let numbers = places(&sizes, &steps).map(|place| floats[place].clamp(f32::MIN, f32::MAX));
        let numbers: Vec<f32> = numbers.collect();
        let shape = self.network.drafts[value.node].shape.clone();
        let first = self.add_beside("first", Fill::new([], 0.0), &[value.node])?;
        let parameters = vec![("weight", Arc::new(numbers))];
        let name = format!("{}.table", self.name);
        let table = self.network.add(&name, Embedding::new(1, count), &[first], parameters)?;
        self.network.drafts[table].trainable = constant.learned;
        self.reshape(table, &shape)
    }
}
