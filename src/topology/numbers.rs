//! Lists of numbers as Linux writes them: `0-3,8,10-11`.

use super::MOST_CORES;

/// The numbers of such a list, in order, each once; those from [`MOST_CORES`] on are left out. None if the text is
/// no list.
pub(super) fn parse(text: &str) -> Option<Vec<usize>> {
    let text = text.trim_matches(|it: char| it.is_whitespace() || it == '\0');
    let mut there = vec![false; MOST_CORES];
    for range in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last {
            return None;
        }
        there.iter_mut().take(last.saturating_add(1)).skip(first).for_each(|it| *it = true);
    }
    Some(there.into_iter().enumerate().filter(|(_, it)| *it).map(|(number, _)| number).collect())
}

/// Numbers in rising order as such a list.
///
/// ```
/// assert_eq!(caudal::topology::ranges(&[0, 1, 2, 3, 8, 10, 11]), "0-3,8,10-11");
/// ```
pub fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        assert_eq!(parse("0-3,8,10-11\n").unwrap(), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(parse(" 5 ,1-1,5\n").unwrap(), [1, 5]);
        for empty in ["", "\n", "\0"] {
            assert!(parse(empty).unwrap().is_empty(), "{empty:?}");
        }
        for list in ["0", "0-1", "0,2", "0-3,8,10-11,4095"] {
            assert_eq!(ranges(&parse(list).unwrap()), list);
        }
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn hostile_lists_take_neither_time_nor_memory() {
        let huge = format!("3-{}", usize::MAX);
        assert_eq!(parse(&huge).unwrap().len(), MOST_CORES - 3);
        assert_eq!(parse("4096-5000").unwrap(), [0_usize; 0]);
        for wrong in
            ["3-1", "a", "1-", "-1", "1,,2", "0-3:1/2", "1-2-3", "99999999999999999999999", ","]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
