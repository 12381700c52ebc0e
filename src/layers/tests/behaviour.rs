//! What the laws over the whole table do not see.

use std::collections::BTreeSet;

use super::{Specimen, bits, make};
use crate::context::Mode;
use crate::layers::LAYERS;
use crate::plan::PlanOptions;

/// The only problem of a layer with an input of this shape.
fn misfit(kind: &str, attributes: &str, inputs: &[&[usize]]) -> String {
    let misfit = make(kind, attributes).output_shape(inputs).unwrap_err();
    assert!(!misfit.remedy.is_empty(), "{kind}");
    misfit.problem
}

/// The outputs of one layer for given inputs, in prediction.
fn predict(kind: &str, attributes: &str, shape: &[usize], values: &[f32]) -> Vec<f32> {
    let layer = make(kind, attributes);
    let batch = values.len() / shape.iter().product::<usize>();
    let mut it = Specimen::new(&layer, &[shape], batch, false).unwrap();
    it.data[0].1 = values.to_vec();
    it.outputs(Mode::Prediction)
}

#[test]
fn layers_that_rearrange_give_numbers_of_their_inputs_or_0() {
    let mut kinds = BTreeSet::new();
    for spec in LAYERS {
        for sample in spec.samples {
            let layer = make(spec.kind, sample.attributes);
            if !layer.rearranges() {
                continue;
            }
            kinds.insert(spec.kind);
            let it = Specimen::new(&layer, sample.inputs, 2, false).unwrap();
            let inputs = it.data.iter().take(sample.inputs.len());
            let mut known: BTreeSet<u32> = inputs.flat_map(|(_, values)| bits(values)).collect();
            known.insert(0.0_f32.to_bits());
            for output in it.outputs(Mode::Prediction) {
                assert!(known.contains(&output.to_bits()), "{}: {output}", spec.kind);
            }
        }
    }
    // Those through which indices come from real data.
    for kind in ["concat", "flatten", "reshape", "slice", "transpose"] {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[test]
fn causal_softmax_does_not_look_ahead() {
    let output = predict("causal_softmax", "", &[3, 4], &[0.0; 24]);
    let third = 1.0 / 3.0;
    let item = [1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, third, third, third, 0.0];
    assert_eq!(bits(&output), bits(&item.repeat(2)));
    let input: Vec<f32> = (0..24u16).map(|place| (f32::from(place) * 1.7).sin()).collect();
    let mut changed = input.clone();
    for (row, columns) in changed.chunks_mut(4).enumerate() {
        columns[row % 3 + 1..].fill(f32::NAN);
    }
    let outputs = [input, changed].map(|it| bits(&predict("causal_softmax", "", &[3, 4], &it)));
    assert_eq!(outputs[0], outputs[1]);
    assert!(misfit("causal_softmax", "", &[&[4]]).contains("at least two axes"));
}

#[test]
fn dropout_keeps_everything_outside_training() {
    let layer = make("dropout", "drop = 0.75");
    for inside in [false, true] {
        let it = Specimen::new(&layer, &[&[3, 2, 19]], 4, inside).unwrap();
        assert_eq!(bits(&it.outputs(Mode::Prediction)), bits(&it.data[0].1));
    }
}

#[test]
fn dropout_has_one_mask_a_step() {
    let layer = make("dropout", "drop = 0.5");
    let mut it = Specimen::new(&layer, &[&[6, 20]], 8, true).unwrap();
    let count = it.data[0].1.len();
    // With inputs and factors of 1, a gradient is the mask, and a loss the sum of the mask.
    it.data.iter_mut().for_each(|(_, values)| values.fill(1.0));
    let masks = |it: &Specimen, options| {
        let outcome = it.outcome(Mode::Training, options).unwrap();
        let mask = outcome.input_gradients[0].clone().unwrap();
        assert!(mask.iter().all(|&number| number == 0.0 || number == 2.0));
        for (loss, mask) in outcome.losses.iter().zip(mask.chunks(count / 8)) {
            assert!((loss - mask.iter().sum::<f32>()).abs() < 1e-3, "forward has another mask");
        }
        mask
    };
    let first = masks(&it, PlanOptions::gradients());
    let tiny = PlanOptions::gradients().grain(1e-9);
    assert_eq!(first, masks(&it, tiny));
    assert_eq!(first, masks(&it, PlanOptions::gradients().in_place(false)));
    it.seed += 1;
    let second = masks(&it, PlanOptions::gradients());
    assert_ne!(first, second);
    let items: Vec<&[f32]> = first.chunks(count / 8).collect();
    assert!((1..8).all(|item| items[item] != items[0]), "items have masks of their own");
}

#[test]
fn steps_have_masks_of_their_own() {
    let layer = make("dropout", "drop = 0.5");
    let it = Specimen::new(&layer, &[&[64]], 2, false).unwrap();
    let mut run = it.run(Mode::Training, PlanOptions::gradients());
    let id = it.graph.inputs()[0];
    let mut mask = |step| {
        run.set_step(step);
        it.execute(&mut run).unwrap();
        bits(&run.input_gradient(id).unwrap())
    };
    let (first, second) = (mask(0), mask(1));
    assert_ne!(first, second);
    assert_eq!(first, mask(0));
}

#[test]
fn convolutions_in_fewer_multiplications_are_those_computed_directly() {
    use crate::context::Convolution;
    for (attributes, shape) in [
        ("filters = 20\nkernel = 3\npadding = \"same\"", [12, 8, 18]),
        ("filters = 48\nkernel = 3", [10, 14, 33]),
        ("filters = 34\nkernel = 3\npadding = \"same\"\ngroups = 2", [8, 8, 40]),
        ("filters = 64\nkernel = 3\npadding = \"same\"", [6, 6, 64]),
    ] {
        let it = Specimen::new(&make("conv2d", attributes), &[&shape], 3, true).unwrap();
        let outcome = |convolution, grain| {
            let options = PlanOptions::gradients().convolution(convolution).grain(grain);
            let it = it.outcome(Mode::Training, options).unwrap();
            let [inputs] = &it.input_gradients[..] else { panic!("one input") };
            [it.losses, inputs.clone().unwrap(), it.parameter_gradients.concat()]
        };
        let direct = outcome(Convolution::Direct, 1.0);
        let fast = outcome(Convolution::Auto, 1.0);
        for (direct, fast) in direct.iter().zip(&fast) {
            let largest = direct.iter().fold(0.0, |largest, it| it.abs().max(largest));
            for (direct, fast) in direct.iter().zip(fast) {
                assert!((direct - fast).abs() < 1e-5 * largest, "{fast} for {direct}");
            }
        }
        let differ = |number: usize| bits(&direct[number]) != bits(&fast[number]);
        assert!((0..3).all(differ), "{attributes}: all three phases are computed otherwise");
        // Each item has the same bits in whichever part it is.
        let split = outcome(Convolution::Auto, 1e-9);
        assert_eq!([0, 1].map(|at| bits(&fast[at])), [0, 1].map(|at| bits(&split[at])));
    }
}

#[test]
fn products_of_16_bits_are_those_of_32_but_for_what_they_lose() {
    use crate::context::Precision;
    if !Precision::Bf16.missing().is_empty() {
        return;
    }
    for (kind, attributes, shape) in [
        ("dense", "units = 37", &[45_usize][..]),
        ("dense", "units = 70", &[2, 3, 33]),
        ("conv2d", "filters = 35\nkernel = 1", &[4, 5, 47]),
        ("conv2d", "filters = 66\nkernel = 1\ngroups = 2", &[4, 5, 64]),
    ] {
        let it = Specimen::new(&make(kind, attributes), &[shape], 50, true).unwrap();
        let outcome = |precision, grain| {
            let options = PlanOptions::gradients().precision(precision).grain(grain);
            let it = it.outcome(Mode::Training, options).unwrap();
            let [inputs] = &it.input_gradients[..] else { panic!("one input") };
            [it.losses, inputs.clone().unwrap(), it.parameter_gradients.concat()]
        };
        let exact = outcome(Precision::F32, 1.0);
        let rounded = outcome(Precision::Bf16, 1.0);
        for (exact, rounded) in exact.iter().zip(&rounded) {
            let largest = exact.iter().fold(0.0, |largest, it| it.abs().max(largest));
            for (exact, rounded) in exact.iter().zip(rounded) {
                assert!((exact - rounded).abs() < 0.01 * largest, "{rounded} for {exact}");
            }
        }
        let differ = |number: usize| bits(&exact[number]) != bits(&rounded[number]);
        assert!((0..3).all(differ), "{attributes}: all three phases are computed otherwise");
        // Each item has the same bits in whichever part it is.
        let split = outcome(Precision::Bf16, 1e-9);
        assert_eq!([0, 1].map(|at| bits(&rounded[at])), [0, 1].map(|at| bits(&split[at])));
    }
}

#[test]
fn indices_out_of_range_are_errors() {
    for (kind, attributes) in
        [("embedding", "entries = 5\nfeatures = 2"), ("one_hot", "classes = 5")]
    {
        let layer = make(kind, attributes);
        for wrong in [5.0, -1.0, 2.5, f32::NAN, f32::INFINITY, 1e30] {
            let mut it = Specimen::new(&layer, &[&[2, 3]], 4, false).unwrap();
            it.data[0].1[3 * 6 + 4] = wrong;
            for grain in [1.0, 1e-9] {
                let options = PlanOptions::gradients().grain(grain);
                let error = it.outcome(Mode::Training, options).err().unwrap().to_string();
                let expected = format!("number 4 of item 3 is {wrong}, but indices are whole");
                assert!(error.contains(&expected) && error.contains("0 to 4"), "{error}");
            }
        }
    }
}

#[test]
fn indices_choose_rows() {
    let layer = make("embedding", "entries = 3\nfeatures = 2");
    let mut it = Specimen::new(&layer, &[&[2]], 2, false).unwrap();
    it.data[0].1 = vec![2.0, 0.0, 2.0, 2.0];
    it.weights[0] = vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
    assert_eq!(it.outputs(Mode::Prediction), [20.0, 21.0, 0.0, 1.0, 20.0, 21.0, 20.0, 21.0]);
    it.data[1].1 = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let outcome = it.outcome(Mode::Training, PlanOptions::gradients()).unwrap();
    assert_eq!(outcome.parameter_gradients[0], [3.0, 4.0, 0.0, 0.0, 13.0, 16.0]);
    assert_eq!(predict("one_hot", "classes = 3", &[], &[2.0, 0.0]), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn shapes_and_values_of_small_images() {
    let numbers: Vec<f32> = (1..=4).map(|number| number as f32).collect();
    assert_eq!(
        predict("zero_padding", "padding = [1, 0, 0, 1]", &[2, 2, 1], &numbers),
        [0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 0.0]
    );
    assert_eq!(
        predict("upsample", "factor = [1, 2]", &[2, 2, 1], &numbers),
        [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    );
    assert_eq!(
        predict("avgpool", "size = 2\nstride = 1\npadding = \"same\"", &[2, 2, 1], &numbers),
        [2.5, 3.0, 3.5, 4.0]
    );
    assert_eq!(predict("global_max_pool", "", &[2, 2, 1], &numbers), [4.0]);
    assert_eq!(predict("slice", "axis = 0\nstart = 1\nlength = 1", &[2, 2], &numbers), [3.0, 4.0]);
    assert_eq!(predict("slice", "start = 1\nlength = 1", &[2, 2], &numbers), [2.0, 4.0]);
    assert_eq!(predict("transpose", "", &[2, 2], &numbers), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(predict("scale", "factor = -2.0", &[4], &numbers), [-2.0, -4.0, -6.0, -8.0]);
    assert_eq!(predict("fill", "shape = [2]\nvalue = 7.0", &[4], &numbers), [7.0, 7.0]);
    assert_eq!(predict("argmax", "", &[2, 2], &[1.0, 1.0, 0.0, 2.0]), [0.0, 1.0]);
    assert_eq!(predict("reshape", "shape = [4, 1]", &[2, 2], &numbers), numbers);
}

#[test]
fn absurd_configurations_are_refused() {
    let image: &[&[usize]] = &[&[4, 4, 2]];
    assert!(misfit("avgpool", "size = 5", image).contains("does not fit"));
    assert!(misfit("avgpool", "size = 2", &[&[4]]).contains("needs an image"));
    assert!(misfit("global_max_pool", "", &[&[4]]).contains("needs an image"));
    assert!(misfit("leaky_relu", "slope = -0.1", image).contains("slope is -0.1"));
    assert!(misfit("elu", "alpha = -1", image).contains("alpha is -1"));
    assert!(misfit("softmax", "", &[&[]]).contains("at least one axis"));
    assert!(misfit("argmax", "", &[&[]]).contains("at least one axis"));
    assert!(misfit("argmax", "", &[&[1 << 25]]).contains("apart"));
    assert!(misfit("layer_norm", "", &[&[]]).contains("at least one axis"));
    assert!(misfit("layer_norm", "epsilon = 0", image).contains("epsilon is 0"));
    let too_many = format!("shape = [{0}, {0}, 2]", i64::MAX);
    assert!(misfit("reshape", &too_many, image).contains("does not make"));
    assert!(misfit("reshape", "shape = [3, 11]", image).contains("4 x 4 x 2"));
    for kind in ["subtract", "multiply", "divide"] {
        assert!(misfit(kind, "", &[&[2], &[3]]).contains("differ in shape"));
    }
    for drop in ["1", "-0.1", "1.5"] {
        let problem = misfit("dropout", &format!("drop = {drop}"), image);
        assert!(problem.contains("with probability"), "{problem}");
    }
    let huge = format!("padding = {}", i64::MAX);
    assert!(misfit("zero_padding", &huge, image).contains("absurdly large"));
    assert!(misfit("upsample", "factor = [0, 1]", image).contains("0 x 1"));
    assert!(
        misfit("upsample", &format!("factor = {}", i64::MAX), image).contains("absurdly large")
    );
    assert!(misfit("slice", "axis = 3\nlength = 1", image).contains("axis 3 does not exist"));
    let lowest = format!("axis = {}\nlength = 1", i64::MIN);
    assert!(misfit("slice", &lowest, image).contains("does not exist"));
    for range in ["length = 0", "length = 3", "start = 2\nlength = 1"] {
        assert!(misfit("slice", range, image).contains("not to be had"));
    }
    assert!(misfit("one_hot", "classes = 0", &[&[]]).contains("no classes"));
    assert!(misfit("embedding", "entries = 0\nfeatures = 2", &[&[]]).contains("0 x 2"));
    assert!(misfit("matmul", "", &[&[2, 3], &[2, 3]]).contains("must be of one size"));
    assert!(
        misfit("matmul", "transpose_second = true", &[&[2, 3], &[3, 2]])
            .contains("2 x 3 and 3 x 2")
    );
    assert!(misfit("matmul", "", &[&[1, 2, 3], &[2, 3, 4]]).contains("must be of one size"));
    assert!(misfit("matmul", "", &[&[3], &[3, 2]]).contains("at least two axes"));
    assert!(misfit("transpose", "", &[&[3]]).contains("at least two axes"));
    for (kind, attributes) in [
        ("leaky_relu", "slope = nan"),
        ("scale", "factor = inf"),
        ("fill", "shape = []\nvalue = nan"),
        ("dropout", "drop = inf"),
        ("prelu", "initial = 1e300"),
    ] {
        let spec = crate::layers::find(kind).unwrap();
        let error = (spec.parse)(attributes.parse().unwrap()).unwrap_err();
        assert!(error.contains("a finite number"), "{error}");
    }
}
