//! The exchanges recorded from ClearML's own API server, replayed against the simulated one. Whole answers are compared,
//! not just their status: what varies from run to run (stamps, tokens, made-up IDs) is told apart by `replay.rs`, and the
//! tasks and projects that the recordings speak of are put in place by `worlds.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod replay;
mod worlds;

use replay::{Exchange, Player, recorded};

/// Recorded lines that are not replayed, and why. Every other one is.
const LEFT_OUT: &[(usize, &str)] = &[
    (18, "authentication by cookie is for the web pages; nothing here uses it"),
    (268, "a negative batch size was answered by the stand-in for the event store, not by the real code"),
    (282, "the recording cut the body of 300,000 characters out"),
    (283, "a note of the recorder, not an exchange"),
];

/// The recordings were made against two fresh servers: one up to here, one from here on.
const SECOND_SERVER: usize = 150;

#[tokio::test]
async fn the_first_recording_is_answered_alike() {
    let mut player = Player::new();
    worlds::prepare_filters(&mut player);
    play(&mut player, |line| line < SECOND_SERVER, worlds::before_first).await;
}

#[tokio::test]
async fn the_second_recording_is_answered_alike() {
    let mut player = Player::new();
    play(&mut player, |line| line >= SECOND_SERVER, worlds::before_second).await;
}

#[test]
fn every_recorded_exchange_is_accounted_for() {
    let lines: Vec<usize> = recorded().iter().map(|exchange| exchange.line).collect();
    assert_eq!(lines.len(), 339);
    for (line, reason) in LEFT_OUT {
        assert!(lines.contains(line) && !reason.is_empty(), "{line}");
    }
    let left_out = LEFT_OUT.len();
    println!("{} of {} recorded exchanges are replayed, {left_out} left out", lines.len() - left_out, lines.len());
    assert_eq!(left_out, 4);
}

async fn play(player: &mut Player, wanted: impl Fn(usize) -> bool, before: impl Fn(&mut Player, &Exchange)) {
    let mut differences = Vec::new();
    for exchange in recorded().into_iter().filter(|exchange| wanted(exchange.line)) {
        if LEFT_OUT.iter().any(|(line, _)| *line == exchange.line) {
            continue;
        }
        before(player, &exchange);
        differences.extend(player.play(&exchange).await);
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
