//! The original spells its flags with `_`, everybody else with `-`: both are one flag here.

use std::ffi::OsString;

/// Rewrites the names of long flags from `--refresh_rate` to `--refresh-rate`, before the command line is parsed. Only
/// names: never a value, neither `--flag=value` nor a separate one, and nothing after a bare `--`. An argument that is
/// not Unicode is left as it is.
pub fn normalize(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut flags_may_follow = true;
    let mut rewrite = |argument: OsString| {
        flags_may_follow &= argument != "--";
        if flags_may_follow { with_dashes(argument) } else { argument }
    };
    arguments.into_iter().map(&mut rewrite).collect()
}

fn with_dashes(argument: OsString) -> OsString {
    let Some(flag) = argument.to_str().filter(|text| text.starts_with("--")) else { return argument };
    let (name, value) = flag.split_at(flag.find('=').unwrap_or(flag.len()));
    // A name with a blank in it is no flag, it is somebody's text.
    if !name.contains('_') || name.contains(char::is_whitespace) {
        return argument;
    }
    format!("{}{value}", name.replace('_', "-")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalized(arguments: &[&str]) -> Vec<String> {
        let arguments = normalize(arguments.iter().map(OsString::from));
        arguments.into_iter().map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn names_are_rewritten_and_values_are_not() {
        let given = ["x_y", "--slack_api", "xoxb_1", "--message_prefix=a_b=c_d", "-a_b", "--", "--left_alone"];
        let meant = ["x_y", "--slack-api", "xoxb_1", "--message-prefix=a_b=c_d", "-a_b", "--", "--left_alone"];
        assert_eq!(normalized(&given), meant);
    }

    #[test]
    fn a_text_that_begins_with_dashes_is_not_a_flag() {
        assert_eq!(normalized(&["--look at_this"]), ["--look at_this"]);
    }

    proptest! {
        #[test]
        fn both_spellings_come_out_alike(name in "[a-z]{1,5}(-[a-z]{1,5}){0,3}", value in ".{0,12}") {
            let dashes = format!("--{name}={value}");
            let underscores = format!("--{}={value}", name.replace('-', "_"));
            prop_assert_eq!(normalized(&[&dashes]), vec![dashes.clone()]);
            prop_assert_eq!(normalized(&[&underscores]), vec![dashes]);
        }

        #[test]
        fn only_underscores_in_names_change(arguments in prop::collection::vec("(--)?.{0,12}", 0..8)) {
            let given: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let once = normalized(&given);
            prop_assert_eq!(once.len(), given.len());
            for (before, after) in given.iter().zip(&once) {
                prop_assert_eq!(before.replace('_', "-"), after.replace('_', "-"));
            }
            let again: Vec<&str> = once.iter().map(String::as_str).collect();
            prop_assert_eq!(normalized(&again), once.clone());
        }
    }
}
