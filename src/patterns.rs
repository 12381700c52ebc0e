//! Names by pattern.

use crate::names::nearest;

/// Whether a name fits a pattern, in which `*` stands for any characters, none included, and `?` for one. All
/// other characters stand for themselves.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut done) = (0, 0);
    // Where the latest `*` stands, and how much of the name it and all before it take.
    let mut star: Option<(usize, usize)> = None;
    while done < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, done));
                at += 1;
            }
            Some(&own) if own == '?' || own == name[done] => {
                at += 1;
                done += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, done) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|&own| own == '*')
}

/// What to say of a pattern of parameters' names, such as `NODE.weight`, that fits none of them.
pub(crate) fn suggest<'a>(pattern: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    const SHOWN: usize = 8;
    let parts = names.clone().filter_map(|name| name.rsplit_once('.'));
    let mut near: Vec<String> = names.clone().map(str::to_owned).collect();
    near.extend(parts.flat_map(|(node, part)| [format!("{node}.*"), format!("*.{part}")]));
    if let Some(name) = nearest(pattern, near.iter().map(String::as_str)) {
        return format!("did you mean `{name}`?");
    }
    let shown: Vec<String> = names.clone().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let count = names.count();
    let more = if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() };
    if shown.is_empty() {
        return "there are none".to_owned();
    }
    format!("there are {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters_and_question_marks_for_one() {
        for (pattern, name, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b.weight", true),
            ("*.bias", "left/conv.bias", true),
            ("*.bias", "left/conv.bias2", false),
            ("*.bias", "bias", false),
            ("left/*", "left/conv.bias", true),
            ("left/*", "leftover", false),
            ("*a*b", "xaxbxab", true),
            ("*a*b", "xaxbxa", false),
            ("conv?.weight", "conv1.weight", true),
            ("conv?.weight", "conv12.weight", false),
            ("steps[0].*", "steps[0].weight", true),
            ("gewicht.ü?", "gewicht.üß", true),
            ("a**", "a", true),
            ("ab", "a", false),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        // No pattern takes more than the product of both lengths.
        let (pattern, name) = ("a*".repeat(2000) + "b", "a".repeat(4000));
        assert!(!matches(&pattern, &name));
    }

    #[test]
    fn what_fits_nothing_is_told_what_is_near() {
        let names = ["left.weight", "left.bias", "head.weight"];
        assert_eq!(suggest("*.bais", names.into_iter()), "did you mean `*.bias`?");
        assert_eq!(suggest("haed.*", names.into_iter()), "did you mean `head.*`?");
        assert_eq!(suggest("left.wieght", names.into_iter()), "did you mean `left.weight`?");
        let all = suggest("encoder/*", names.into_iter());
        assert_eq!(all, "there are `left.weight`, `left.bias`, `head.weight`");
        let many: Vec<String> = (0..10).map(|it| format!("n{it}.w")).collect();
        assert!(suggest("encoder", many.iter().map(String::as_str)).ends_with("and 2 more"));
        assert_eq!(suggest("encoder", [].into_iter()), "there are none");
    }
}
