//! The types that elements of an array have, and how they become 32-bit floats.

/// One type.
pub(in crate::data::readers) struct Element {
    /// As numpy calls it.
    pub(in crate::data::readers) name: &'static str,
    /// Bytes of one element.
    pub(in crate::data::readers) size: usize,
    /// Turns little-endian elements into floats.
    convert: fn(&[u8], &mut [f32]),
    /// The first element that must not be taken as the float that it became. Classes have to be exact.
    wrong: fn(&[u8], &[f32], bool) -> Option<usize>,
    show: fn(&[u8]) -> String,
    whole: bool,
}

/// An element that is not taken.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Its place among those that were converted.
    pub(super) place: usize,
    pub(super) problem: String,
    pub(super) remedy: &'static str,
}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Goes through elements of so many bytes.
fn elements<const SIZE: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; SIZE]> {
    bytes.as_chunks().0.iter().copied()
}

fn each<const SIZE: usize>(bytes: &[u8], into: &mut [f32], convert: impl Fn([u8; SIZE]) -> f32) {
    for (number, element) in into.iter_mut().zip(elements(bytes)) {
        *number = convert(element);
    }
}

fn not_finite(_: &[u8], numbers: &[f32], _: bool) -> Option<usize> {
    numbers.iter().position(|number| !number.is_finite())
}

fn never(_: &[u8], _: &[f32], _: bool) -> Option<usize> {
    None
}

/// Whether a float of 32 bits, with its 24 significant ones, is exactly this number or its negative.
fn is_exact(magnitude: u64) -> bool {
    magnitude < 1 << 24 || magnitude >> magnitude.trailing_zeros() < 1 << 24
}

macro_rules! number {
    ($name:literal, $type:ty, $whole:literal, $wrong:expr) => {
        Element {
            name: $name,
            size: size_of::<$type>(),
            convert: |bytes, into| each(bytes, into, |it| <$type>::from_le_bytes(it) as f32),
            wrong: $wrong,
            show: |bytes| {
                elements(bytes)
                    .next()
                    .map_or_else(String::new, |it| <$type>::from_le_bytes(it).to_string())
            },
            whole: $whole,
        }
    };
}

macro_rules! half {
    ($name:literal, $convert:ident) => {
        Element {
            name: $name,
            size: 2,
            convert: |bytes, into| each(bytes, into, |it| $convert(u16::from_le_bytes(it))),
            wrong: not_finite,
            show: |bytes| {
                let number = elements(bytes).next().map(|it| $convert(u16::from_le_bytes(it)));
                number.map_or_else(String::new, |number| number.to_string())
            },
            whole: false,
        }
    };
}

/// All types that are read.
pub(in crate::data::readers) static ELEMENTS: [Element; 13] = [
    Element {
        name: "bool",
        size: 1,
        convert: |bytes, into| each(bytes, into, |[it]| f32::from(u8::from(it != 0))),
        wrong: never,
        show: |_| String::new(),
        whole: true,
    },
    number!("int8", i8, true, never),
    number!("int16", i16, true, never),
    number!("int32", i32, true, |bytes, _, _| {
        elements(bytes).position(|it| !is_exact(i32::from_le_bytes(it).unsigned_abs().into()))
    }),
    number!("int64", i64, true, |bytes, _, _| {
        elements(bytes).position(|it| !is_exact(i64::from_le_bytes(it).unsigned_abs()))
    }),
    number!("uint8", u8, true, never),
    number!("uint16", u16, true, never),
    number!("uint32", u32, true, |bytes, _, _| {
        elements(bytes).position(|it| !is_exact(u32::from_le_bytes(it).into()))
    }),
    number!("uint64", u64, true, |bytes, _, _| {
        elements(bytes).position(|it| !is_exact(u64::from_le_bytes(it)))
    }),
    half!("float16", from_half),
    half!("bfloat16", from_brain),
    number!("float32", f32, false, not_finite),
    number!("float64", f64, false, |bytes, numbers, classes| {
        let wrong = |(number, element): (&f32, [u8; 8])| {
            let exact = f64::from(*number) == f64::from_le_bytes(element);
            !number.is_finite() || (classes && !exact)
        };
        numbers.iter().zip(elements(bytes)).position(wrong)
    }),
];

/// A float of 16 bits: a sign, 5 bits of exponent, 10 of fraction (IEEE 754).
fn from_half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, (bits >> 10) & 31, bits & 1023);
    let fraction = u32::from(fraction);
    match exponent {
        // A fraction in units of the smallest number, 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 / (1u32 << 24) as f32).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((u32::from(exponent) + 112) << 23) | (fraction << 13)),
    }
}

/// The upper half of a float of 32 bits.
fn from_brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The type that numpy calls so.
pub(in crate::data::readers) fn element(name: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.name == name)
}

/// All types, for messages.
pub(in crate::data::readers) fn element_names() -> String {
    ELEMENTS.iter().map(|element| element.name).collect::<Vec<_>>().join(", ")
}

impl Element {
    /// Turns elements into floats; those of big-endian ones are turned around first.
    pub(super) fn decode(
        &self,
        bytes: &mut [u8],
        big_endian: bool,
        classes: bool,
        into: &mut [f32],
    ) -> Result<(), Wrong> {
        if big_endian && self.size > 1 {
            bytes.chunks_exact_mut(self.size).for_each(<[u8]>::reverse);
        }
        (self.convert)(bytes, into);
        let Some(place) = (self.wrong)(bytes, into, classes) else { return Ok(()) };
        let found = (self.show)(&bytes[place * self.size..]);
        let (expected, remedy) = if self.whole {
            (
                "an integer that a 32-bit float holds exactly",
                "number classes and words 0, 1, 2 and so on; where the last digits do not matter, store float32",
            )
        } else if into[place].is_finite() {
            ("a class index", "number the classes 0, 1, 2 and so on")
        } else {
            ("a finite 32-bit float", "mend or leave out the item")
        };
        Err(Wrong { place, problem: format!("expected {expected}, found {found}"), remedy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(name: &str, mut bytes: Vec<u8>, classes: bool) -> Result<Vec<f32>, String> {
        let element = element(name).unwrap();
        let mut into = vec![0.0; bytes.len() / element.size];
        let done = element.decode(&mut bytes, false, classes, &mut into);
        done.map(|()| into).map_err(|wrong| format!("{}: {}", wrong.place, wrong.problem))
    }

    #[test]
    fn half_precision_is_exact() {
        // All finite numbers of 16 bits, by their definition.
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from((bits >> 10) & 31), f64::from(bits & 1023));
            let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
            let expected = match exponent {
                31 => continue,
                0 => sign * fraction * 2f64.powi(-24),
                _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            assert_eq!(f64::from(from_half(bits)).to_bits(), expected.to_bits(), "{bits:04x}");
        }
        assert_eq!(from_half(0x7c00), f32::INFINITY);
        assert_eq!(from_half(0xfc00), f32::NEG_INFINITY);
        assert!(from_half(0x7e00).is_nan());
        assert_eq!(from_brain(0xbfc0), -1.5);
    }

    #[test]
    fn integers_stay_exact_or_are_refused() {
        let bytes = |numbers: &[i64]| numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
        let exact = [0, -1, (1 << 24) - 1, 1 << 24, 1 << 62, i64::MIN, -(3 << 30)];
        let found = decoded("int64", bytes(&exact), false).unwrap();
        assert!(found.iter().zip(exact).all(|(&found, it)| f64::from(found) == it as f64));
        for number in [(1 << 24) + 1, i64::MAX, -(1 << 24) - 1] {
            let message = decoded("int64", bytes(&[5, number]), false).unwrap_err();
            let expected =
                format!("1: expected an integer that a 32-bit float holds exactly, found {number}");
            assert_eq!(message, expected);
        }
        let message = decoded("uint64", u64::MAX.to_le_bytes().to_vec(), false).unwrap_err();
        assert!(message.contains("18446744073709551615"), "{message}");
        assert!(decoded("uint32", u32::MAX.to_le_bytes().to_vec(), false).is_err());
        assert_eq!(decoded("int8", vec![255, 128], false).unwrap(), [-1.0, -128.0]);
        assert_eq!(decoded("bool", vec![0, 1, 7], false).unwrap(), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn floats_are_finite_and_classes_exact() {
        let bytes = |number: f64| number.to_le_bytes().to_vec();
        for number in [f64::NAN, f64::INFINITY, 1e300] {
            let message = decoded("float64", bytes(number), false).unwrap_err();
            assert!(message.contains("expected a finite 32-bit float"), "{message}");
        }
        assert_eq!(decoded("float64", bytes(2.000_000_000_1), false).unwrap(), [2.0]);
        let message = decoded("float64", bytes(2.000_000_000_1), true).unwrap_err();
        assert_eq!(message, "0: expected a class index, found 2.0000000001");
        assert_eq!(decoded("float64", bytes(2.0), true).unwrap(), [2.0]);
        assert!(decoded("float32", f32::NAN.to_le_bytes().to_vec(), false).is_err());
        assert!(decoded("float16", vec![0, 0x7c], false).is_err());
    }
}
