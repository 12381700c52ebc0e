//! Resizing: a product with a matrix along each axis, or repeated pixels where it is no more than that.

use std::sync::Arc;

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::constant::Dim;
use super::super::external::External;
use super::one;
use super::windows::{image, of_image};
use crate::layers::{Dense, Misfit, Upsample};

/// Axes are not made longer than this.
const LONGEST: usize = 1 << 16;

/// How one axis is resized.
#[derive(Clone, Debug)]
struct Along {
    size: usize,
    length: usize,
    /// How many times as long it becomes, as the file says.
    scale: f64,
}

/// Which numbers a resized one is made of.
struct Sampling {
    place: String,
    mode: String,
    rounding: String,
    /// The constant of cubic interpolation.
    cubic: f64,
    excludes_outside: bool,
}

fn refuse(problem: String) -> Misfit {
    Misfit::new(problem, "resize by scales or sizes alone, without a smaller crop or antialiasing")
}

pub(super) fn resize(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let all = along(call, &value)?;
    let sampling = Sampling {
        place: call.text("coordinate_transformation_mode", "half_pixel")?,
        mode: call.text("mode", "nearest")?,
        rounding: call.text("nearest_mode", "round_prefer_floor")?,
        cubic: f64::from(call.float("cubic_coeff_a", -0.75)?),
        excludes_outside: call.int("exclude_outside", 0)? != 0,
    };
    let known =
        ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"];
    if !known.contains(&sampling.place.as_str()) || call.int("antialias", 0)? != 0 {
        return Err(refuse(format!(
            "it takes pixels by `{}`, or with antialiasing",
            sampling.place
        )));
    }
    if let [channels, sides @ ..] = &all[..]
        && matches!(sides.len(), 1 | 2)
        && channels.length == channels.size
        && sides.iter().all(|along| sampling.repeats(along))
    {
        if sides.iter().all(|along| along.length == along.size) {
            return Ok(one(value));
        }
        let (node, kind) = image(call, &value)?;
        let factors: Vec<usize> = sides.iter().map(|along| along.length / along.size).collect();
        let node = call.add(Upsample::new(kind.pair(&factors)), &[node])?;
        return Ok(one(of_image(call, node, kind)?));
    }
    let mut value = value;
    for (axis, along) in all.iter().enumerate() {
        if along.length != along.size || !sampling.repeats(along) {
            value = resized(call, &value, axis, along, &sampling)?;
        }
    }
    Ok(one(value))
}

/// What becomes of each axis of an item.
fn along(call: &Call<'_>, value: &Activation) -> Result<Vec<Along>, Misfit> {
    let shape = value.shape();
    let rank = shape.len();
    let axes: Vec<i64> = match call.ints("axes")? {
        Some(axes) => axes,
        None => (0..=rank as i64).collect(),
    };
    let has_scales = call.is_given(2) && call.constant(2)?.count() > 0;
    let scales = if has_scales { Some(call.constant_floats(2)?) } else { None };
    let sizes = if has_scales { None } else { call.constant(3)?.as_dims() };
    let mut all: Vec<Along> =
        shape.iter().map(|&size| Along { size, length: size, scale: 1.0 }).collect();
    let mut named = Vec::new();
    for (at, &axis) in axes.iter().enumerate() {
        let is_batch = axis == 0 || axis == -(rank as i64 + 1);
        let size_of = |dim: Option<&Dim>| match dim {
            Some(Dim::Batch(1)) if is_batch => Some(1.0),
            Some(Dim::Number(size)) if is_batch && call.batch == Some(*size) => Some(1.0),
            Some(Dim::Number(size)) if !is_batch => Some(*size as f64),
            _ => None,
        };
        let (scale, length) = match (&scales, &sizes) {
            (Some(scales), _) => (scales.get(at).map(|&scale| f64::from(scale)), None),
            (None, Some(sizes)) => (None, size_of(sizes.get(at))),
            (None, None) => (None, None),
        };
        if is_batch {
            if scale.or(length) != Some(1.0) {
                return Err(refuse("it changes the batch".to_owned()));
            }
            continue;
        }
        let axis = value.item_axis(axis)?;
        let size = shape[axis] as f64;
        let (scale, length) = match (scale, length) {
            (Some(scale), _) => (scale, (size * scale).floor()),
            (None, Some(length)) => (length / size, length),
            (None, None) => return Err(refuse("it does not say how large it becomes".to_owned())),
        };
        if !(length >= 1.0 && length <= LONGEST as f64 && scale > 0.0) {
            return Err(refuse(format!("an axis of {size} becomes {length} long")));
        }
        if call.text("coordinate_transformation_mode", "")? == "align_corners"
            && scales.is_some()
            && (size * scale).fract() != 0.0
        {
            let problem =
                format!("it aligns corners of {size} places with those of {}", size * scale);
            return Err(refuse(problem));
        }
        all[axis] = Along { size: shape[axis], length: length as usize, scale };
        named.push(axis);
    }
    let policy = call.text("keep_aspect_ratio_policy", "stretch")?;
    if policy != "stretch" && sizes.is_some() {
        let scales = named.iter().map(|&axis| all[axis].scale);
        let scale = if policy == "not_larger" {
            scales.fold(f64::INFINITY, f64::min)
        } else {
            scales.fold(0.0, f64::max)
        };
        for &axis in &named {
            let length = (all[axis].size as f64 * scale + 0.5).floor().clamp(1.0, LONGEST as f64);
            all[axis] = Along { length: length as usize, scale, ..all[axis].clone() };
        }
    }
    Ok(all)
}

/// A value with one axis resized.
fn resized(
    call: &mut Call<'_>,
    value: &Activation,
    axis: usize,
    along: &Along,
    sampling: &Sampling,
) -> Result<Activation, Misfit> {
    let mut order = Call::axis_order(value);
    order.retain(|&other| other != axis);
    order.push(axis);
    let node = call.laid_out(value, &order)?;
    let Along { size, length, .. } = *along;
    super::super::constant::check_derived(&[size, length])?;
    let mut matrix = vec![0.0; size * length];
    for at in 0..length {
        for (from, share) in sampling.shares(along, at) {
            matrix[from * length + at] += share as f32;
        }
    }
    let parameters = vec![("weight", Arc::new(matrix)), ("bias", Arc::new(vec![0.0; length]))];
    let name = call.name.clone();
    let node = call.network.add(&name, Dense::new(length), &[node], parameters)?;
    call.network.drafts[node].trainable = false;
    let mut shape = value.shape();
    shape[axis] = length;
    Ok(Activation::of_axes(node, &shape, &order))
}

impl Sampling {
    /// Where a number of the longer axis comes from, between those of the shorter one.
    fn from(&self, Along { size, length, scale }: &Along, at: usize) -> f64 {
        let (at, size, length) = (at as f64, *size as f64, *length as f64);
        match self.place.as_str() {
            "asymmetric" => at / scale,
            "align_corners" if length > 1.0 => at * (size - 1.0) / (length - 1.0),
            "pytorch_half_pixel" if length <= 1.0 => 0.0,
            "half_pixel_symmetric" => {
                let adjusted = length / (size * scale);
                size / 2.0 * (1.0 - adjusted) + (at + 0.5) / scale - 0.5
            }
            "align_corners" => 0.0,
            _ => (at + 0.5) / scale - 0.5,
        }
    }

    fn nearest(&self, along: &Along, at: usize) -> usize {
        let from = self.from(along, at);
        let nearest = match self.rounding.as_str() {
            "round_prefer_floor" => (from - 0.5).ceil(),
            "round_prefer_ceil" => (from + 0.5).floor(),
            "floor" => from.floor(),
            _ => from.ceil(),
        };
        nearest.clamp(0.0, along.size as f64 - 1.0) as usize
    }

    /// Whether each number is there a whole number of times, and nothing else.
    fn repeats(&self, along: &Along) -> bool {
        let Along { size, length, .. } = *along;
        self.mode == "nearest"
            && length.is_multiple_of(size)
            && (0..length).all(|at| self.nearest(along, at) == at / (length / size))
    }

    /// The numbers of which one is made, and the share of each.
    fn shares(&self, along: &Along, at: usize) -> Vec<(usize, f64)> {
        let last = along.size as f64 - 1.0;
        let within = |place: f64| place.clamp(0.0, last) as usize;
        let from = self.from(along, at);
        match self.mode.as_str() {
            "nearest" => vec![(self.nearest(along, at), 1.0)],
            "linear" => {
                let from = from.clamp(0.0, last);
                let (below, share) = (from.floor(), from - from.floor());
                vec![(within(below), 1.0 - share), (within(below + 1.0), share)]
            }
            _ => {
                let (below, a) = (from.floor(), self.cubic);
                let share = |distance: f64| {
                    let x = distance.abs();
                    if x <= 1.0 {
                        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                    } else {
                        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
                    }
                };
                let places = [-1.0, 0.0, 1.0, 2.0].map(|step| below + step);
                let inside = |place: f64| !self.excludes_outside || (0.0..=last).contains(&place);
                let shares = places.map(|it| if inside(it) { share(from - it) } else { 0.0 });
                let sum: f64 = if self.excludes_outside { shares.iter().sum() } else { 1.0 };
                places
                    .iter()
                    .zip(shares)
                    .map(|(&place, share)| (within(place), share / sum))
                    .collect()
            }
        }
    }
}
