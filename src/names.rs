//! Names that were meant: the nearest of those that exist.

/// The known name nearest to `wanted`, to suggest it: one that few changes of letters lead to, or that begins so.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    let most = (wanted.chars().count() / 3).clamp(2, 3);
    let distance = |name: &'a str| {
        let known = name.to_lowercase();
        let begins_so = wanted.len() >= 3 && known.starts_with(&lower);
        (if begins_so { 1 } else { strsim::damerau_levenshtein(&lower, &known) }, name)
    };
    let near = known.map(distance).filter(|(distance, _)| *distance <= most);
    near.min().map(|(_, name)| name)
}

/// The nearest known name, and all of them.
pub(crate) fn suggest<'a>(
    wanted: &str,
    known: impl Iterator<Item = &'a str>,
    what: &str,
) -> String {
    let known: Vec<&str> = known.collect();
    let list = known.join(", ");
    match nearest(wanted, known.into_iter()) {
        Some(nearest) => format!("did you mean `{nearest}`? The {what} are {list}"),
        None => format!("the {what} are {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_none_that_is_far() {
        let nearest = |wanted| nearest(wanted, ["accuracy", "loss", "auc"].into_iter());
        assert_eq!(nearest("acuracy"), Some("accuracy"));
        assert_eq!(nearest("LOSS"), Some("loss"));
        assert_eq!(nearest("acc"), Some("accuracy"));
        assert_eq!(nearest("accu"), Some("accuracy"));
        assert_eq!(nearest("precision"), None);
        assert_eq!(
            suggest("los", ["loss"].into_iter(), "names"),
            "did you mean `loss`? The names are loss"
        );
        assert_eq!(suggest("x", ["loss"].into_iter(), "names"), "the names are loss");
    }
}
