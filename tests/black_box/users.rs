//! `--include-users` and `--exclude-users`: by name, by ID, by a name that nobody has.

use crate::cast::{self, as_flags, assert_sent, look_back, reason};
use crate::world::World;

const NOT_GRACES: [&str; 3] = ["plain", "short", "homeless"];

#[test]
fn by_name_and_by_id_in_every_spelling() {
    let world = World::new();
    cast::assemble(&world);
    let grace = world.clearml.add_user("Grace");
    for user in ["Grace", &grace] {
        for line in cast::spellings("include-users", user) {
            let flags = as_flags(&line);
            let rows = look_back(&world, &flags);
            assert_sent(&rows, &["of bert"], &flags);
            assert_eq!(reason(&rows, "plain"), "user: `Ada` is not among the included users");
        }
        let flags = ["--exclude_users", user];
        let rows = look_back(&world, &flags);
        assert_sent(&rows, &NOT_GRACES, &flags);
        assert_eq!(reason(&rows, "of bert"), "user: `Grace` is among the excluded users");
    }
}

#[test]
fn several_users_in_one_flag_or_in_several() {
    let world = World::new();
    cast::assemble(&world);
    world.clearml.add_user("Lovelace, Ada");
    for flags in [
        &["--include-users", "Lovelace, Ada", "Grace"][..],
        &["--include_users=Lovelace, Ada", "--include_users", "Grace"],
    ] {
        assert_sent(&look_back(&world, flags), &["of bert"], flags);
    }
    let flags = ["--exclude-users", "Ada", "Grace"];
    assert_sent(&look_back(&world, &flags), &[], &flags);
}

#[test]
fn a_name_that_nobody_has_is_taken_for_an_id_with_a_warning() {
    let world = World::new();
    cast::assemble(&world);
    let ended = world.once(&["--since", "24h", "--include-users", "Gracie", "Ada", "--digest-above", "0"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("WARN") && ended.stderr.contains("Gracie"), "{ended:?}");
    assert!(ended.stderr.contains("taken for a user's ID"), "{ended:?}");
    assert!(!ended.stderr.contains("user=\"Ada\""), "{ended:?}");
    world.assert_alerts(&NOT_GRACES);
}
