//! Augmentations against what they are by definition, number by number.

use super::*;

/// An image whose numbers all differ.
fn image([height, width, channels]: [usize; 3]) -> Vec<f32> {
    (0..height * width * channels).map(|number| number as f32).collect()
}

fn applied(augmentation: &dyn Augmentation, shape: [usize; 3], seed: u64) -> Vec<f32> {
    augmentation.check(&shape).unwrap();
    let mut item = image(shape);
    augmentation.apply(&mut item, &shape, &mut ItemRandom::new("test", &[seed]));
    item
}

#[test]
fn a_shift_moves_every_pixel_by_as_much() {
    let shape = [4, 5, 3];
    let source = image(shape);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut random = ItemRandom::new("test", &[seed]);
        // Both are larger than the distance by 2.
        let (down, right) = (random.up_to(4), random.up_to(4));
        seen.insert((down, right));
        let found = applied(&Shift::new(2).fill(-1.0), shape, seed);
        for (at, &number) in found.iter().enumerate() {
            let row = (at / 15 + 2).checked_sub(down).filter(|&row| row < 4);
            let column = (at / 3 % 5 + 2).checked_sub(right).filter(|&column| column < 5);
            let expected = match (row, column) {
                (Some(row), Some(column)) => source[row * 15 + column * 3 + at % 3],
                _ => -1.0,
            };
            assert_eq!(number, expected, "{down}, {right}: {at}");
        }
    }
    assert_eq!(seen.len(), 25, "every distance comes");
    assert!(Shift::new(4).check(&shape).unwrap_err().problem.contains("4 x 5"));
    assert_eq!(applied(&Shift::new(0), shape, 1), source);
}

#[test]
fn a_flip_mirrors_one_axis() {
    for [height, width, channels] in [[3, 4, 2], [4, 3, 1], [1, 1, 3]] {
        let shape = [height, width, channels];
        let source = image(shape);
        for direction in [Direction::Horizontal, Direction::Vertical] {
            let found = applied(&Flip::default().direction(direction), shape, 0);
            for (at, &number) in found.iter().enumerate() {
                let (mut row, mut column) = (at / (width * channels), at / channels % width);
                match direction {
                    Direction::Horizontal => column = width - 1 - column,
                    Direction::Vertical => row = height - 1 - row,
                }
                let from = (row * width + column) * channels + at % channels;
                assert_eq!(number, source[from], "{direction:?}, {shape:?}: {at}");
            }
        }
    }
}

#[test]
fn a_crop_of_a_slope_is_a_slope() {
    // Between pixels the bilinear filter gives what lies between, so that a picture whose numbers are a row and a column
    // says where every number comes from.
    let shape = [16, 24, 2];
    let mut item: Vec<f32> = (0..16)
        .flat_map(|row| (0..24).flat_map(move |column| [row as f32, column as f32]))
        .collect();
    let crop = Crop::new(0.5);
    crop.check(&shape).unwrap();
    let mut random = ItemRandom::new("test", &[3]);
    crop.apply(&mut item, &shape, &mut random);
    let mut random = ItemRandom::new("test", &[3]);
    let share = 0.5 + 0.5 * random.uniform();
    let (top, left) =
        (16.0 * (1.0 - share) * random.uniform(), 24.0 * (1.0 - share) * random.uniform());
    for (at, pair) in item.chunks(2).enumerate() {
        let row = (top + ((at / 24) as f64 + 0.5) * share - 0.5).clamp(0.0, 15.0);
        let column = (left + ((at % 24) as f64 + 0.5) * share - 0.5).clamp(0.0, 23.0);
        let off = (f64::from(pair[0]) - row).abs().max((f64::from(pair[1]) - column).abs());
        assert!(off < 1e-5, "{at}: {pair:?} for {row}, {column}");
    }
    let whole = applied(&Crop::new(1.0), [5, 4, 3], 9);
    assert_eq!(whole, image([5, 4, 3]), "all of it is the image itself");
}

#[test]
fn noise_has_its_deviation() {
    let mut item = vec![1.0; 40_000];
    Noise::new(0.3).apply(&mut item, &[40_000], &mut ItemRandom::new("test", &[5]));
    let mean = item.iter().map(|&value| f64::from(value)).sum::<f64>() / 40_000.0;
    let squares = item.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
    let deviation = (squares / 40_000.0).sqrt();
    assert!((mean - 1.0).abs() < 0.006 && (deviation - 0.3).abs() < 0.004, "{mean} {deviation}");
    let within = item.iter().filter(|&&value| (value - 1.0).abs() < 0.3).count();
    assert!((within as f64 / 40_000.0 - 0.6827).abs() < 0.01, "{within}");
}

#[test]
fn what_can_not_be_is_refused_by_name() {
    for (text, problem) in [
        ("shft:pixels=2", "there is no augmentation `shft`; did you mean `shift`?"),
        ("shift", "augmentation `shift`: missing field `pixels`"),
        ("shift:pixel=2", "augmentation `shift` has no attribute `pixel`; did you mean `pixels`?"),
        ("shift:pixels=-1", "augmentation `shift`: "),
        ("shift:pixels=2:fill=nan", "augmentation `shift`: "),
        ("flip:probability=1.5", "`probability` is 1.5, not a number from 0 to 1"),
        ("flip:direction=sideways", "augmentation `flip`: "),
        ("crop:least=0", "`least` is 0, not a number above 0"),
        ("noise:deviation=-1", "`deviation` is -1, not a finite number above 0"),
        ("flip:half", "`half` sets nothing; write KIND:NAME=VALUE"),
        ("flip,", "there is no augmentation ``"),
    ] {
        let found = parse_augmentations(text).unwrap_err();
        assert!(found.contains(problem), "{text}: {found}\nlacks\n{problem}");
    }
    assert!(parse_augmentations("none").unwrap().is_empty());
    for spec in AUGMENTATIONS.iter().filter(|spec| spec.kind != "noise") {
        let augmentation = (spec.parse)(spec.samples[0].parse().unwrap()).unwrap();
        let refused = augmentation.check(&[7]).unwrap_err();
        assert!(refused.problem.contains("height x width x channels, not items of 7"));
    }
}
