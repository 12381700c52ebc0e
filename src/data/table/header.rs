//! Whether the first line of a table names its columns, and what separates its fields.

use super::text::is_missing;
use crate::data::escaped;

/// What separates fields, in the order in which they are tried.
const SEPARATORS: [u8; 4] = [b'\t', b';', b'|', b','];

fn is_number(field: &str) -> bool {
    field.parse::<f64>().is_ok() && !is_missing(field)
}

fn is_word(field: &str) -> bool {
    !is_missing(field) && !is_number(field)
}

/// What the first line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    Header,
    /// A header by the rule of counting, which a user should hear of.
    CountingHeader,
    Item,
    /// An item with words in it, above words: it could hold names, of which a user should hear.
    ItemOfWords,
    /// It could be either: why.
    Ambiguous(String),
}

/// Whether the first line of a table is a header, given the second one, if there is one. The rule is
/// that of `docs/data.md`.
pub(super) fn first_line(first: &[&str], second: Option<&[&str]>) -> FirstLine {
    let numbers = first.iter().position(|field| is_number(field));
    let Some(number) = numbers else {
        // Names, or nothing but missing values.
        let names = first.iter().any(|field| is_word(field));
        return if names { FirstLine::Header } else { FirstLine::Item };
    };
    let Some(second) = second else {
        let words = first.iter().any(|field| is_word(field));
        return if words { FirstLine::ItemOfWords } else { FirstLine::Item };
    };
    let named = match first {
        ["", rest @ ..] => rest,
        all => all,
    };
    let counts = named.iter().enumerate().all(|(at, field)| *field == at.to_string());
    if counts && first.len() > 2 {
        return FirstLine::CountingHeader;
    }
    if counts && first.len() == 2 {
        return FirstLine::Ambiguous(format!(
            "it is `{}`: names that count up, or an item",
            first.join(",")
        ));
    }
    let over_number = |(at, field): &(usize, &&str)| {
        is_word(field) && second.get(*at).is_some_and(|below| is_number(below))
    };
    match first.iter().enumerate().find(over_number) {
        None if first.iter().any(|field| is_word(field)) => FirstLine::ItemOfWords,
        None => FirstLine::Item,
        Some((at, word)) => FirstLine::Ambiguous(format!(
            "field {} is `{}` above a number, as a name would be, but field {} is the number `{}`",
            at + 1,
            escaped(word),
            number + 1,
            first[number]
        )),
    }
}

/// What separates the fields of these lines: of tab, `;`, `|` and `,` the one that stands outside quotes
/// most often in a line, and in every line as often; or else the one that the first line has most often;
/// or else a comma. Among equals, the first one in this order goes first.
pub(super) fn separator(lines: &[&[u8]]) -> u8 {
    let count = |line: &[u8], separator: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|&&byte| {
                quoted ^= byte == b'"';
                byte == separator && !quoted
            })
            .count()
    };
    let Some((first, others)) = lines.split_first() else { return b',' };
    let here = |separator: u8| count(first, separator);
    let even = |&separator: &u8| {
        let here = here(separator);
        here > 0 && others.iter().all(|line| count(line, separator) == here)
    };
    // Of equals, this gives the last one.
    let most = |separators: Vec<u8>| separators.into_iter().rev().max_by_key(|&it| here(it));
    let even = most(SEPARATORS.into_iter().filter(even).collect());
    let there = most(SEPARATORS.into_iter().filter(|&it| here(it) > 0).collect());
    even.or(there).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> FirstLine {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let first = lines.next().unwrap();
        first_line(&first, lines.next().as_deref())
    }

    #[test]
    fn first_lines_are_told_apart() {
        for header in [
            "a,b,label\n1,2,0",
            "a,b,label",
            ",a,b,label\n0,1,2,0",
            ",a\n0,1",
            "a,,c\n1,2,3",
            "sepal,species\n5.1,setosa",
            "name,city\nAnna,Rome",
            "a,NA\n1,2",
            "x\n1",
            "x1,x2\n,",
        ] {
            assert_eq!(rule(header), FirstLine::Header, "{header}");
        }
        for counting in ["0,1,2\n0.1,0.2,0", ",0,1\n0,0.5,1", "0,1,2,3\n0,1,2,3", "0,1,2\na,b,c"] {
            assert_eq!(rule(counting), FirstLine::CountingHeader, "{counting}");
        }
        for item in [
            "1,2,0\n3,4,1",
            "0,1,2",
            "0,1",
            "0,0,0\n0,1,1",
            "1,2,3\n4,5,6",
            "0,1,3\n4,5,6",
            "0.0,1.0,2.0\n4,5,6",
            ",2,0\n1,2,0",
            "NA,2\n1,2",
            "?,1\n2,3",
            ",\n1,2",
            "nan\n1",
        ] {
            assert_eq!(rule(item), FirstLine::Item, "{item}");
        }
        for words in ["5.1,setosa\n4.9,virginica", "5.1,setosa", "country,2019\nFrance,1\n"] {
            assert_eq!(rule(words), FirstLine::ItemOfWords, "{words}");
        }
        for either in ["a,2,0\n1,2,0", "x,1\n2,3", "0,1\n1,0", ",age,2019\n0,33,1"] {
            assert!(matches!(rule(either), FirstLine::Ambiguous(_)), "{either}");
        }
    }

    #[test]
    fn separators_are_those_that_stand_in_every_line_as_often() {
        for (lines, expected) in [
            (&["a,b", "1,2"][..], b','),
            (&["a;b", "1,5;2"], b';'),
            // Decimal commas without a header: the numbers are then refused.
            (&["1,5;2,5", "1,5;3,5"], b','),
            (&["a\tb", "x, y\t2"], b'\t'),
            (&["a|b", "1|2"], b'|'),
            (&["\"a;b\",c", "1,2"], b','),
            (&["a", "1"], b','),
            (&["a,b;c", "1,2"], b','),
            (&["1,x;y,0"], b','),
            (&["1,2,0", "1,0"], b','),
            (&["a;b;c", "1;2"], b';'),
            (&[], b','),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(separator(&lines), expected, "{lines:?}");
        }
    }
}
