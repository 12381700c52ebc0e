//! Keys of counter-based random streams.

/// The finalizer of `SplitMix64` (Steele, Lea and Flood 2014): every bit of the result depends on
/// every bit of the input.
pub(crate) fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a, 64 bits.
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One key from several, order included.
pub(crate) fn key(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0, |key, &part| mix(key.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_add(mix(part))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_every_part_and_its_place() {
        let keys = [key(&[1, 2, 3]), key(&[1, 3, 2]), key(&[1, 2]), key(&[1, 2, 4]), key(&[])];
        for (a, &first) in keys.iter().enumerate() {
            for &second in &keys[a + 1..] {
                assert_ne!(first, second);
            }
        }
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c, "as published for FNV-1a");
    }
}
