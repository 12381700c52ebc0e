//! Layers over images, whose channels ONNX has first.

use toml::Value;

use super::Attr;
use super::call::{Call, numbers};

fn convolution(call: &mut Call<'_, '_>, weight: &str, bias: &str, groups: i64) {
    let (kernel, stride) = (call.pair("kernel", 1), call.pair("stride", 1));
    let dilation = call.pair("dilation", 1);
    let extent = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
    let pads = call.pads(extent, stride);
    let input = call.first_input(0);
    let attributes = [
        ("kernel_shape", Attr::Ints(&kernel)),
        ("strides", Attr::Ints(&stride)),
        ("dilations", Attr::Ints(&dilation)),
        ("pads", Attr::Ints(&pads)),
        ("group", Attr::Int(groups)),
    ];
    call.first_output("Conv", &[&input, weight, bias], &attributes);
}

pub(super) fn conv2d(call: &mut Call<'_, '_>) {
    let weight = call.parameter(0, &[3, 2, 0, 1], &[]);
    let bias = call.parameter(1, &[0], &[]);
    let groups = call.int("groups", 1);
    convolution(call, &weight, &bias, groups);
}

pub(super) fn depthwise(call: &mut Call<'_, '_>) {
    let [rows, columns] = call.pair("kernel", 1).map(|size| size as usize);
    let channels = call.input_shape(0)[2];
    let filters = call.node.shape[2];
    let weight = call.parameter(0, &[2, 3, 0, 1], &[filters, 1, rows, columns]);
    let bias = call.parameter(1, &[0], &[]);
    convolution(call, &weight, &bias, channels as i64);
}

pub(super) fn transposed(call: &mut Call<'_, '_>) {
    let weight = call.parameter(0, &[3, 2, 0, 1], &[]);
    let bias = call.parameter(1, &[0], &[]);
    let (kernel, stride) = (call.pair("kernel", 1), call.pair("stride", 1));
    let sides = numbers(call.attributes.get("padding"), 4);
    let is_same =
        matches!(call.attributes.get("padding"), Some(Value::String(word)) if word == "same");
    let more = match sides {
        Some(_) => call.pair("output_padding", 0),
        None => [0, 1].map(|axis| (stride[axis] - kernel[axis]).max(0)),
    };
    let sides = sides.unwrap_or_else(|| {
        let cut = |axis: usize| if is_same { (kernel[axis] - stride[axis]).max(0) } else { 0 };
        let [rows, columns] = [cut(0), cut(1)];
        vec![rows / 2, rows - rows / 2, columns / 2, columns - columns / 2]
    });
    let pads = [sides[0], sides[2], sides[1], sides[3]];
    let input = call.first_input(0);
    let attributes = [
        ("kernel_shape", Attr::Ints(&kernel)),
        ("strides", Attr::Ints(&stride)),
        ("pads", Attr::Ints(&pads)),
        ("output_padding", Attr::Ints(&more)),
    ];
    call.first_output("ConvTranspose", &[&input, &weight, &bias], &attributes);
}

pub(super) fn zero_padding(call: &mut Call<'_, '_>) {
    let sides = numbers(call.attributes.get("padding"), 4).unwrap_or_else(|| vec![0; 4]);
    let input = call.first_input(0);
    let pads = call.sizes("frame", &[0, 0, sides[0], sides[2], 0, 0, sides[1], sides[3]]);
    call.first_output("Pad", &[&input, &pads], &[("mode", Attr::Text("constant"))]);
}

pub(super) fn upsample(call: &mut Call<'_, '_>) {
    let [rows, columns] = call.pair("factor", 1).map(|factor| factor as f32);
    let input = call.first_input(0);
    let scales = call.constant("scales", &[4], &[1.0, 1.0, rows, columns]);
    let attributes = [
        ("mode", Attr::Text("nearest")),
        ("coordinate_transformation_mode", Attr::Text("asymmetric")),
        ("nearest_mode", Attr::Text("floor")),
    ];
    call.first_output("Resize", &[&input, "", &scales], &attributes);
}

pub(super) fn batch_norm(call: &mut Call<'_, '_>) {
    let parameters = [0, 1, 2, 3].map(|number| call.parameter(number, &[0], &[]));
    let attributes = [
        ("epsilon", Attr::Float(call.float("epsilon", 1e-5))),
        ("momentum", Attr::Float(1.0 - call.float("momentum", 0.1))),
    ];
    let is_vector = call.node.shape.len() == 1;
    let input = if is_vector { call.own_input(0) } else { call.first_input(0) };
    let inputs: Vec<&str> =
        [input.as_str()].into_iter().chain(parameters.iter().map(String::as_str)).collect();
    if is_vector {
        call.own_output("BatchNormalization", &inputs, &attributes);
    } else {
        call.first_output("BatchNormalization", &inputs, &attributes);
    }
}
