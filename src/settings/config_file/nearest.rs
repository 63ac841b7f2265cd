//! The known name that was probably meant.

/// The name among `known` that `given` is nearest to, if it is near enough to be a slip of the fingers.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: String = given.chars().take(LONGEST).map(plain).collect();
    let allowed = (given.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (distance(&given, &name.chars().map(plain).collect::<String>()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// No known name is longer.
const LONGEST: usize = 40;

/// `-` for `_` and capitals are no slips that count.
fn plain(letter: char) -> char {
    if letter == '-' { '_' } else { letter.to_ascii_lowercase() }
}

/// How many letters have to be added, left out, replaced, or swapped with their neighbour.
fn distance(one: &str, two: &str) -> usize {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (other_at, other) in two.iter().enumerate() {
            let replaced = row[other_at] + usize::from(letter != other);
            let mut least = replaced.min(row[other_at + 1] + 1).min(next[other_at] + 1);
            let is_swap = at > 0 && other_at > 0 && one[at - 1] == *other && *letter == two[other_at - 1];
            if is_swap {
                least = least.min(before[other_at - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["projects", "exclude_projects", "statuses", "hold"];
        for (given, meant) in [
            ("project", Some("projects")),
            ("exclude-projects", Some("exclude_projects")),
            ("Statuses", Some("statuses")),
            ("statsues", Some("statuses")),
            ("hodl", Some("hold")),
            ("threshold", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_only_for_the_same(one in "[a-d_]{0,8}", two in "[a-d_]{0,8}") {
            prop_assert_eq!(distance(&one, &two), distance(&two, &one));
            prop_assert_eq!(distance(&one, &two) == 0, one == two);
        }
    }
}
