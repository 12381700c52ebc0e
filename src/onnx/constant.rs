//! Arrays that a file holds, or that follow from them and from shapes.

use std::sync::Arc;

use super::external::External;
use super::proto::TensorProto;
use crate::error::escaped;
use crate::layers::Misfit;
use crate::memory;

/// Arrays that follow from others without being in a file have no more numbers than this.
const MOST_DERIVED: usize = 1 << 22;

/// A number of a shape: one that is known, or a multiple of how many items the batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dim {
    Number(i64),
    Batch(i64),
}

#[derive(Clone, Debug)]
pub(super) enum Numbers {
    Floats(Arc<Vec<f32>>),
    Ints(Arc<Vec<Dim>>),
}

/// An array that does not depend on the items.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Numbers,
    /// Whether training moves it: whether it is one of the weights of the file.
    pub(super) learned: bool,
}

/// The number of elements of a shape.
///
/// # Errors
/// Where it is absurd.
pub(super) fn count_of(shape: &[usize]) -> Result<usize, Misfit> {
    let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    count.filter(|&count| count <= isize::MAX as usize / 8).ok_or_else(|| {
        Misfit::new(format!("its shape {shape:?} is absurdly large"), "use smaller sizes")
    })
}

/// Whether a derived array may have a shape.
///
/// # Errors
/// If it may not.
pub(super) fn check_derived(shape: &[usize]) -> Result<usize, Misfit> {
    let count = count_of(shape)?;
    if count <= MOST_DERIVED {
        return Ok(count);
    }
    Err(Misfit::new(
        format!(
            "it makes a constant of shape {shape:?}, which has more than {MOST_DERIVED} numbers"
        ),
        "store the constant in the file",
    ))
}

impl Constant {
    pub(super) fn floats(shape: impl Into<Vec<usize>>, floats: Vec<f32>) -> Self {
        Self { shape: shape.into(), numbers: Numbers::Floats(Arc::new(floats)), learned: false }
    }

    pub(super) fn dims(shape: impl Into<Vec<usize>>, dims: Vec<Dim>) -> Self {
        Self { shape: shape.into(), numbers: Numbers::Ints(Arc::new(dims)), learned: false }
    }

    /// The array of a message.
    ///
    /// # Errors
    /// If its shape and its numbers differ in size, or if it holds what is no number.
    pub(super) fn read(
        proto: &TensorProto<'_>,
        external: &mut External<'_>,
    ) -> Result<Self, Misfit> {
        let refuse = |problem: String, remedy: &str| {
            let name = escaped(proto.name);
            Err(Misfit::new(format!("array `{name}`: {problem}"), remedy))
        };
        let shape: Result<Vec<usize>, _> = proto.dims.iter().map(|&dim| dim.try_into()).collect();
        let Ok(shape) = shape else {
            return refuse(format!("its shape is {:?}", proto.dims), "export it again");
        };
        let count = count_of(&shape)?;
        let width = match proto.data_type {
            1 | 6 | 12 => 4,
            2 | 3 | 9 => 1,
            4 | 5 | 10 | 16 => 2,
            7 | 11 | 13 => 8,
            kind => {
                let problem = format!("its numbers are of type {kind}, which Caudal does not read");
                return refuse(problem, "convert it to 32-bit floats, or to 64-bit integers");
            }
        };
        let is_float = matches!(proto.data_type, 1 | 10 | 11 | 16);
        let bytes;
        let raw = if proto.is_external {
            bytes = external.read(proto, count.saturating_mul(width))?;
            Some(&bytes[..])
        } else {
            proto.raw
        };
        let found = match raw {
            Some(raw) if raw.len() % width == 0 => raw.len() / width,
            Some(raw) => return refuse(format!("it has {} bytes", raw.len()), "export it again"),
            None if proto.floats.is_empty() => proto.ints.len(),
            None => proto.floats.len(),
        };
        if found != count {
            let problem = format!("its shape {shape:?} has {count} numbers, but it holds {found}");
            return refuse(problem, "name an undamaged file, or export it again");
        }
        memory::check(count.saturating_mul(8)).map_err(|problem| {
            let problem = format!("array `{}` has {count} numbers, {problem}", escaped(proto.name));
            Misfit::new(problem, "use a smaller network")
        })?;
        let numbers = if is_float {
            Numbers::Floats(Arc::new(match raw {
                Some(raw) => floats_of(raw, proto.data_type),
                // 16-bit floats stand there as integers.
                None if proto.floats.is_empty() => {
                    let bits = proto.ints.iter().map(|&bits| bits as u16);
                    bits.map(|bits| half_float(bits, proto.data_type)).collect()
                }
                None => proto.floats.clone(),
            }))
        } else {
            let ints = match raw {
                Some(raw) => ints_of(raw, proto.data_type),
                None => proto.ints.clone(),
            };
            Numbers::Ints(Arc::new(ints.into_iter().map(Dim::Number).collect()))
        };
        Ok(Self { shape, numbers, learned: false })
    }

    pub(super) fn count(&self) -> usize {
        match &self.numbers {
            Numbers::Floats(floats) => floats.len(),
            Numbers::Ints(ints) => ints.len(),
        }
    }

    /// Its numbers as floats; none where one depends on the batch.
    pub(super) fn as_floats(&self) -> Option<Arc<Vec<f32>>> {
        match &self.numbers {
            Numbers::Floats(floats) => Some(Arc::clone(floats)),
            Numbers::Ints(dims) => {
                let number = |dim: &Dim| match dim {
                    Dim::Number(number) => Some(*number as f32),
                    Dim::Batch(_) => None,
                };
                dims.iter().map(number).collect::<Option<Vec<f32>>>().map(Arc::new)
            }
        }
    }

    /// Its numbers as parts of a shape; none where they are no whole numbers.
    pub(super) fn as_dims(&self) -> Option<Arc<Vec<Dim>>> {
        match &self.numbers {
            Numbers::Ints(dims) => Some(Arc::clone(dims)),
            Numbers::Floats(floats) => {
                let whole = |&float: &f32| {
                    (float.fract() == 0.0 && float.abs() < 1e9).then_some(Dim::Number(float as i64))
                };
                floats.iter().map(whole).collect::<Option<Vec<Dim>>>().map(Arc::new)
            }
        }
    }

    /// Its numbers as integers; none where one depends on the batch.
    pub(super) fn as_ints(&self) -> Option<Vec<i64>> {
        let number = |dim: &Dim| match dim {
            Dim::Number(number) => Some(*number),
            Dim::Batch(_) => None,
        };
        self.as_dims()?.iter().map(number).collect()
    }

    /// The only number, if all are the same.
    pub(super) fn only_number(&self) -> Option<f32> {
        let floats = self.as_floats()?;
        let (&first, rest) = floats.split_first()?;
        rest.iter().all(|number| number.to_bits() == first.to_bits()).then_some(first)
    }

    /// The same numbers in the places that `index` names, given the place in the new shape.
    pub(super) fn gathered(
        &self,
        shape: impl Into<Vec<usize>>,
        places: impl Iterator<Item = usize>,
    ) -> Self {
        let numbers = match &self.numbers {
            Numbers::Floats(floats) => {
                Numbers::Floats(Arc::new(places.map(|place| floats[place]).collect()))
            }
            Numbers::Ints(dims) => {
                Numbers::Ints(Arc::new(places.map(|place| dims[place]).collect()))
            }
        };
        Self { shape: shape.into(), numbers, learned: self.learned }
    }

    /// The given places along an axis.
    pub(super) fn picked(&self, axis: usize, picked: &[usize]) -> Self {
        let steps = strides(&self.shape);
        let mut shape = self.shape.clone();
        shape[axis] = picked.len();
        let mut without = steps.clone();
        without[axis] = 0;
        let inner: usize = shape[axis + 1..].iter().product();
        let base: Vec<usize> = places(&shape, &without).collect();
        let at = |number: usize| {
            base[number] + picked[number / inner.max(1) % picked.len().max(1)] * steps[axis]
        };
        self.gathered(shape, (0..base.len()).map(at))
    }

    /// Its first place along an axis, if all others are the same.
    pub(super) fn same_along(&self, axis: usize) -> Option<Self> {
        if self.shape[axis] == 0 {
            return None;
        }
        let first = self.picked(axis, &[0]);
        let all = first.broadcast(&self.shape)?.as_floats()?;
        (all == self.as_floats()?).then_some(first)
    }

    /// The same numbers with other axes.
    pub(super) fn reshaped(&self, shape: impl Into<Vec<usize>>) -> Self {
        Self { shape: shape.into(), ..self.clone() }
    }

    /// Its axes in another order.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let strides = strides(&self.shape);
        let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        let places = places(&shape, &strides);
        self.gathered(shape, places)
    }

    /// Repeated along axes of size 1 to a shape, as numpy does it; none where it does not fit.
    pub(super) fn broadcast(&self, shape: &[usize]) -> Option<Self> {
        let missing = shape.len().checked_sub(self.shape.len())?;
        let own: Vec<usize> = [&vec![1; missing][..], &self.shape].concat();
        if own.iter().zip(shape).any(|(own, size)| own != size && *own != 1) {
            return None;
        }
        let mut strides = strides(&own);
        for (stride, size) in strides.iter_mut().zip(&own) {
            if *size == 1 {
                *stride = 0;
            }
        }
        let places = places(shape, &strides);
        Some(self.gathered(shape, places))
    }
}

/// How far apart numbers are that are neighbours along each axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Where the numbers of a shape are, one after the other, that have these strides.
pub(super) fn places(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let (shape, strides) = (shape.to_vec(), strides.to_vec());
    let count = shape.iter().product();
    (0..count).map(move |mut number: usize| {
        let mut place = 0;
        for (size, stride) in shape.iter().zip(&strides).rev() {
            place += number % size * stride;
            number /= size;
        }
        place
    })
}

/// A number of 16 bits: of type 10 one of IEEE 754, else a bfloat16.
fn half_float(bits: u16, data_type: u64) -> f32 {
    if data_type != 10 {
        return f32::from_bits(u32::from(bits) << 16);
    }
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

fn floats_of(raw: &[u8], data_type: u64) -> Vec<f32> {
    match data_type {
        1 => raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        11 => raw.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
        _ => {
            let halves = raw.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes));
            halves.map(|bits| half_float(bits, data_type)).collect()
        }
    }
}

fn ints_of(raw: &[u8], data_type: u64) -> Vec<i64> {
    match data_type {
        2 | 9 => raw.iter().map(|&byte| i64::from(byte)).collect(),
        3 => raw.iter().map(|&byte| i64::from(byte.cast_signed())).collect(),
        4 => raw.as_chunks().0.iter().map(|&it| i64::from(u16::from_le_bytes(it))).collect(),
        5 => raw.as_chunks().0.iter().map(|&it| i64::from(i16::from_le_bytes(it))).collect(),
        6 => raw.as_chunks().0.iter().map(|&it| i64::from(i32::from_le_bytes(it))).collect(),
        12 => raw.as_chunks().0.iter().map(|&it| i64::from(u32::from_le_bytes(it))).collect(),
        _ => raw.as_chunks().0.iter().map(|&it| i64::from_le_bytes(it)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_change_places_and_repeat() {
        let numbers = (0..6).map(|number| number as f32).collect();
        let array = Constant::floats([2, 3], numbers);
        let turned = array.transposed(&[1, 0]);
        assert_eq!(turned.shape, [3, 2]);
        assert_eq!(**turned.as_floats().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let column = Constant::floats([2, 1], vec![1.0, 2.0]);
        let repeated = column.broadcast(&[2, 2, 3]).unwrap();
        let row = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
        assert_eq!(**repeated.as_floats().unwrap(), [row, row].concat());
        assert!(column.broadcast(&[3, 3]).is_none() && array.broadcast(&[3]).is_none());
    }

    #[test]
    fn numbers_of_sixteen_bits_are_read() {
        for (bits, expected) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half_float(bits, 10), expected);
        }
        assert!(half_float(0x7e00, 10).is_nan());
        assert_eq!(half_float(0x3f80, 16), 1.0);
    }
}
