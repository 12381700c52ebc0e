//! Convolutions.

use std::sync::Arc;

use super::super::call::{Call, Value};
use super::super::constant::Constant;
use super::super::external::External;
use super::super::network::Values;
use super::one;
use super::windows::{Kind, border, image, is_narrow, of_image, padding, without_frame};
use crate::layers::{
    Concat, Conv2d, Conv2dTranspose, DepthwiseConv2d, Misfit, Padding, Slice, ZeroPadding,
};

/// A transposed convolution becomes no more layers than this.
const MOST_GROUPS: usize = 1 << 12;

/// The weight with rows and columns, and its bias.
struct Weights {
    /// The array of the file, and with two axes of windows.
    source: Constant,
    windows: Constant,
    bias: Option<Constant>,
}

impl Weights {
    fn of(call: &Call<'_>, kind: Kind) -> Result<Self, Misfit> {
        let source = call.constant(1)?;
        let mut shape = source.shape.clone();
        if kind == Kind::Sequence && shape.len() == 3 {
            shape.insert(2, 1);
        }
        if shape.len() != 4 || shape.contains(&0) || source.as_floats().is_none() {
            return Err(Misfit::new(
                format!("its weight has the shape {:?}", source.shape),
                "use a convolution over images or sequences",
            ));
        }
        let bias = if call.is_given(2) { Some(call.constant(2)?) } else { None };
        Ok(Self { windows: source.reshaped(shape), source, bias })
    }

    fn window(&self) -> [usize; 2] {
        [self.windows.shape[2], self.windows.shape[3]]
    }

    /// The parameters of a layer with so many filters, the weight's axes in the given order.
    fn parameters(
        &self,
        weight: &Constant,
        order: &[usize],
        filters: usize,
    ) -> Result<Vec<(&'static str, Values)>, Misfit> {
        let weight = weight.transposed(order).as_floats().unwrap_or_default();
        let bias = match &self.bias {
            Some(bias) => bias.as_floats().unwrap_or_default(),
            None => Arc::new(vec![0.0; filters]),
        };
        if bias.len() == filters {
            return Ok(vec![("weight", weight), ("bias", bias)]);
        }
        Err(Misfit::new(format!("it has {} biases", bias.len()), "give it one a filter"))
    }

    /// Those of one of several groups, with so many channels and filters each.
    fn group(&self, number: usize, channels: usize, filters: usize) -> Self {
        let own = |size: usize| (number * size..(number + 1) * size).collect::<Vec<usize>>();
        Self {
            source: self.source.clone(),
            windows: self.windows.picked(0, &own(channels)),
            bias: self.bias.as_ref().map(|bias| bias.picked(0, &own(filters))),
        }
    }

    fn sources(&self) -> Vec<&Constant> {
        [Some(&self.source), self.bias.as_ref()].into_iter().flatten().collect()
    }
}

pub(super) fn conv(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (node, kind) = image(call, &value)?;
    let weights = Weights::of(call, kind)?;
    let (axes, kernel) = (kind.axes(), weights.window());
    let stride = kind.pair(&call.sizes("strides", axes, 1)?);
    let dilation = kind.pair(&call.sizes("dilations", axes, 1)?);
    let extent =
        [0, 1].map(|axis| (kernel[axis] - 1).saturating_mul(dilation[axis]).saturating_add(1));
    let [rows, columns, channels] = call.network.drafts[node].shape[..] else {
        return Err(Misfit::new("its input is no image", "export it again"));
    };
    let mut sides = border(call, kind, [rows, columns], extent, stride)?;
    // Zeros around the image before are zeros around it here.
    let (mut node, frame) = without_frame(call, node);
    for side in 0..4 {
        sides[side] += frame[side];
    }
    if !is_narrow(sides, extent) {
        node = call.add_beside("pad", ZeroPadding::sides(sides), &[node])?;
        sides = [0; 4];
    }
    let here = &call.network.drafts[node].shape;
    let padding = padding(sides, [here[0], here[1]], extent, stride);
    let filters = weights.windows.shape[0];
    let groups = usize::try_from(call.int("group", 1)?).unwrap_or(0);
    if groups == 0 || weights.windows.shape[1].checked_mul(groups) != Some(channels) {
        return Err(Misfit::new(
            format!(
                "its weight {:?} in {groups} groups does not fit {channels} channels",
                weights.source.shape
            ),
            "export it again",
        ));
    }
    let sources = weights.sources();
    let node = if groups == channels && groups > 1 && filters.is_multiple_of(channels) {
        let multiplier = filters / channels;
        let layer = DepthwiseConv2d::new(kernel)
            .stride(stride)
            .dilation(dilation)
            .multiplier(multiplier)
            .padding(padding);
        let by_channel = weights.windows.reshaped([channels, multiplier, kernel[0], kernel[1]]);
        let parameters = weights.parameters(&by_channel, &[2, 3, 0, 1], filters)?;
        call.add_weighted(layer, &[node], parameters, &sources, &[])?
    } else {
        let layer = Conv2d::new(filters, kernel)
            .stride(stride)
            .dilation(dilation)
            .groups(groups)
            .padding(padding);
        let parameters = weights.parameters(&weights.windows, &[2, 3, 1, 0], filters)?;
        call.add_weighted(layer, &[node], parameters, &sources, &[])?
    };
    call.open_bias(node, weights.bias.is_none());
    Ok(one(of_image(call, node, kind)?))
}

pub(super) fn conv_transpose(
    call: &mut Call<'_>,
    _: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (node, kind) = image(call, &value)?;
    let weights = Weights::of(call, kind)?;
    let (axes, kernel) = (kind.axes(), weights.window());
    if call.sizes("dilations", axes, 1)?.iter().any(|&it| it != 1) {
        return Err(Misfit::new("its windows have a dilation", "use none"));
    }
    let stride = kind.pair(&call.sizes("strides", axes, 1)?);
    let [rows, columns, channels] = call.network.drafts[node].shape[..] else {
        return Err(Misfit::new("its input is no image", "export it again"));
    };
    let groups = usize::try_from(call.int("group", 1)?).unwrap_or(0);
    if weights.windows.shape[0] != channels || groups == 0 || !channels.is_multiple_of(groups) {
        let problem = format!(
            "its weight {:?} in {groups} groups is not for {channels} channels",
            weights.source.shape
        );
        return Err(Misfit::new(problem, "export it again"));
    }
    if groups > MOST_GROUPS {
        let problem = format!("its {groups} groups become a layer each");
        return Err(Misfit::new(problem, format!("use up to {MOST_GROUPS}")));
    }
    let more = call.ints("output_padding")?.unwrap_or_else(|| vec![0; axes]);
    let more: Vec<usize> =
        more.iter().filter_map(|&it| usize::try_from(it).ok().filter(|&it| it < 1 << 31)).collect();
    if more.len() != axes {
        return Err(Misfit::new("its output padding makes no sense", "export it again"));
    }
    let mut more = match kind {
        Kind::Image => [more[0], more[1]],
        Kind::Sequence => [0, more[0]],
    };
    let automatic = call.text("auto_pad", "NOTSET")?;
    let is_same = automatic.starts_with("SAME");
    let wanted = match call.ints("output_shape")? {
        Some(_) => Some(kind.pair(&call.sizes("output_shape", axes, 1)?)),
        None if is_same => {
            Some([rows.saturating_mul(stride[0]), columns.saturating_mul(stride[1])])
        }
        None => None,
    };
    let sides = match wanted {
        None => border(call, kind, [rows, columns], kernel, stride)?,
        Some(wanted) => {
            let mut sides = [0; 4];
            for axis in 0..2 {
                let steps = ([rows, columns][axis] - 1).saturating_mul(stride[axis]);
                let whole = steps.saturating_add(kernel[axis] + more[axis]);
                let cut = whole.saturating_sub(wanted[axis]);
                more[axis] += wanted[axis].saturating_sub(whole);
                let upper = automatic == "SAME_UPPER";
                let before = if upper { cut / 2 } else { cut - cut / 2 };
                (sides[2 * axis], sides[2 * axis + 1]) = (before, cut - before);
            }
            sides
        }
    };
    let filters = weights.windows.shape[1];
    let layer = Conv2dTranspose::new(filters, kernel)
        .stride(stride)
        .padding(Padding::Sides(sides))
        .output_padding(more);
    let order = [2, 3, 1, 0];
    if groups == 1 {
        let parameters = weights.parameters(&weights.windows, &order, filters)?;
        let node = call.add_weighted(layer, &[node], parameters, &weights.sources(), &[])?;
        call.open_bias(node, weights.bias.is_none());
        return Ok(one(of_image(call, node, kind)?));
    }
    let whole = filters.saturating_mul(groups);
    if let Some(bias) = weights.bias.as_ref().filter(|bias| bias.shape[..] != [whole]) {
        let problem = format!("its biases have the shape {:?}", bias.shape);
        return Err(Misfit::new(problem, "give it one a filter"));
    }
    let (sources, each) = (weights.sources(), channels / groups);
    let mut parts = Vec::new();
    for number in 0..groups {
        let own = weights.group(number, each, filters);
        let parameters = own.parameters(&own.windows, &order, filters)?;
        let layer = layer.clone();
        parts.push(call.within(&format!("group{number}"), |call| {
            let slice = Slice::new(2, number * each, each);
            let slice = call.add_beside("channels", slice, &[node])?;
            call.add_weighted(layer, &[slice], parameters, &sources, &[number])
        })?);
    }
    let node = call.add(Concat::along(2), &parts)?;
    Ok(one(of_image(call, node, kind)?))
}
