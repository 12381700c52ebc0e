//! Damage by chance.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Numbers at which something may overflow, as text.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "340282366920938463463374607431768211456",
    "1e308",
    "1e-320",
    "NaN",
    "inf",
];

/// Text that no reader should hand on as it is, and what most formats are made of.
const WORDS: [&str; 16] = [
    "\u{1b}[31m",
    "\u{202e}",
    "\u{2028}",
    "\0",
    "\n",
    "\r\n",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ",",
    "../../",
    "\u{feff}",
    "\u{fffd}",
];

/// A place and a length within so many bytes.
fn stretch(length: usize, random: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let start = random.random_range(0..=length);
    let most = if random.random_bool(0.7) { 16 } else { length };
    let end = start + random.random_range(0..=most.min(length - start));
    start..end
}

/// The digits around a place, if there are any.
fn digits(bytes: &[u8], random: &mut ChaCha8Rng) -> Option<std::ops::Range<usize>> {
    let places: Vec<usize> =
        (0..bytes.len()).filter(|&place| bytes[place].is_ascii_digit()).collect();
    let mut start = *places.choose(random)?;
    let mut end = start + 1;
    while start > 0 && bytes[start - 1].is_ascii_digit() {
        start -= 1;
    }
    while end < bytes.len() && bytes[end].is_ascii_digit() {
        end += 1;
    }
    Some(start..end)
}

/// Two lines change places, or one comes again.
fn lines(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let (first, second) =
        (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
    match random.random_range(0..3) {
        0 => lines.swap(first, second),
        1 => lines.insert(first, lines[second].clone()),
        _ => _ = lines.remove(first),
    }
    *bytes = lines.join(&b'\n');
}

/// A length field at its extremes, of 1 to 8 bytes, in either order.
fn field(bytes: &mut [u8], random: &mut ChaCha8Rng) {
    let size = *[1, 2, 4, 8].choose(random).unwrap();
    if bytes.len() < size {
        return;
    }
    // Headers come first.
    let within = if random.random_bool(0.5) { bytes.len().min(64) } else { bytes.len() };
    let place = random.random_range(0..=within.max(size) - size);
    let ones = u64::MAX >> (64 - 8 * size as u32);
    let bits = random.random_range(0..8 * size as u32);
    let choices = [0, 1, ones, ones >> 1, (ones >> 1) + 1, 1 << bits, (1 << bits) - 1];
    let number = *choices.choose(random).unwrap();
    let little = number.to_le_bytes();
    let target = &mut bytes[place..place + size];
    target.copy_from_slice(&little[..size]);
    if random.random() {
        target.reverse();
    }
}

/// Changes a file, one to a dozen times.
pub(super) fn mutate(
    bytes: &mut Vec<u8>,
    samples: &[Vec<u8>],
    words: &[&str],
    random: &mut ChaCha8Rng,
) {
    let mut times = 1;
    while times < 12 && random.random_bool(0.5) {
        times += 1;
    }
    for _ in 0..times {
        let stretch = stretch(bytes.len(), random);
        match random.random_range(0..13) {
            0 | 1 if !bytes.is_empty() => {
                let place = random.random_range(0..bytes.len());
                bytes[place] ^= 1 << random.random_range(0..8);
            }
            2 if !bytes.is_empty() => {
                let place = random.random_range(0..bytes.len());
                bytes[place] = random.random();
            }
            3 => bytes.truncate(stretch.start),
            4 => drop(bytes.drain(stretch)),
            5 => {
                // Not so often that files explode.
                let again = bytes[stretch.clone()].to_vec();
                let times = if again.len() < 100 { random.random_range(1..60) } else { 1 };
                bytes.splice(stretch.end..stretch.end, again.repeat(times));
            }
            6 => {
                let other = samples.choose(random).unwrap();
                let from = self::stretch(other.len(), random);
                bytes.splice(stretch, other[from].iter().copied());
            }
            7 | 8 => field(bytes, random),
            9 => {
                if let Some(digits) = digits(bytes, random) {
                    let number = *NUMBERS.choose(random).unwrap();
                    bytes.splice(digits, number.bytes());
                }
            }
            10 => {
                let all = if words.is_empty() || random.random_bool(0.3) { &WORDS } else { words };
                let word = *all.choose(random).unwrap();
                let end = if random.random() { stretch.start } else { stretch.end };
                bytes.splice(stretch.start..end, word.bytes());
            }
            11 => lines(bytes, random),
            _ => {
                let end = stretch.end;
                let number = *NUMBERS.choose(random).unwrap();
                bytes.splice(end..end, number.bytes());
            }
        }
    }
}
