//! How messages name things: lists that are cut, numbers that are short, texts that can be printed.

/// Members of a list that a message names; of the others it says how many there are.
pub(super) const MOST_NAMED: usize = 20;

/// The first of some texts, and how many more there are.
pub(super) fn first_of(texts: &[String], between: &str) -> String {
    let named: Vec<String> = texts.iter().take(MOST_NAMED).map(|text| escaped(text)).collect();
    let more = texts.len() - named.len();
    let more = if more > 0 { format!("{between}and {more} more") } else { String::new() };
    named.join(between) + &more
}

/// A way along nodes; of a long one its beginning and its end.
pub(crate) fn cycle<T: AsRef<str>>(nodes: &[T]) -> String {
    /// Nodes of a long way at its end.
    const END: usize = 3;
    let names = |nodes: &[T]| {
        nodes.iter().map(|node| escaped(node.as_ref())).collect::<Vec<_>>().join(" -> ")
    };
    if nodes.len() <= MOST_NAMED + END {
        return names(nodes);
    }
    let (start, end) = (&nodes[..MOST_NAMED], &nodes[nodes.len() - END..]);
    let more = nodes.len() - start.len() - end.len();
    format!("{} -> ({more} more) -> {}", names(start), names(end))
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A number with few digits, in powers of ten where it would have many.
pub(crate) fn short(number: f64) -> String {
    if number == 0.0 || (1e-3..1e6).contains(&number.abs()) || !number.is_finite() {
        return number.to_string();
    }
    let (all, few) = (format!("{number:e}"), format!("{number:.2e}"));
    if all.len() < few.len() { all } else { few }
}

/// What a reader of TOML or JSON says of a text, without words of the program's own language and without the place, which is
/// told apart.
pub(crate) fn plain(said: &str) -> String {
    let said = said.rfind(" at line ").map_or(said, |place| &said[..place]);
    let said = said.replace("invalid type: map", "invalid type: table");
    let said = said.replace("invalid type: sequence", "invalid type: list");
    let Some((before, expected)) = said.rsplit_once(", expected ") else { return said };
    let expected = match expected.split(' ').next().unwrap_or_default() {
        _ if expected == "a sequence" => "a list",
        "struct" => "a table",
        _ if expected == "a map" => "a table",
        "usize" | "u64" | "u32" | "u8" => "a whole number, 0 or more",
        "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        _ => expected,
    };
    format!("{before}, expected {expected}")
}

/// Whether a character is none to be seen: a control character, a line separator, or one that changes the direction of
/// writing.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A text with its unprintable characters spelt out.
pub(crate) fn escaped(text: &str) -> String {
    if !text.contains(is_unprintable) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_language_are_left_out() {
        for (said, told) in [
            (
                "invalid type: integer `3`, expected struct Workflow at line 1 column 14",
                "invalid type: integer `3`, expected a table",
            ),
            (
                "invalid type: map, expected a sequence at line 1 column 41",
                "invalid type: table, expected a list",
            ),
            (
                "invalid type: string \"a\", expected usize",
                "invalid type: string \"a\", expected a whole number, 0 or more",
            ),
            ("missing field `to`", "missing field `to`"),
            (
                "unknown variant `x`, expected one of `a`, `b`",
                "unknown variant `x`, expected one of `a`, `b`",
            ),
        ] {
            assert_eq!(plain(said), told);
        }
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 2.5, 1e308, f64::MIN_POSITIVE, -1_234_567.0, f64::INFINITY];
        let texts = ["0", "2.5", "1e308", "2.23e-308", "-1.23e6", "inf"];
        assert_eq!(numbers.map(short), texts);
    }

    #[test]
    fn what_turns_the_direction_of_writing_is_spelt_out() {
        assert_eq!(escaped("a\u{202e}b\u{61c}\u{1b}"), "a\\u{202e}b\\u{61c}\\u{1b}");
        assert_eq!(escaped("é → ü"), "é → ü");
    }
}
