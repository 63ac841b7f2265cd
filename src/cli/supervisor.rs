//! What a supervisor is told, where there is one (systemd, by the variable `NOTIFY_SOCKET`): that the service is ready,
//! how it is, that it still moves, and that it stops. Nothing depends on whether anybody listens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::domain::message::words;
use crate::monitor::{Figures, Status};

/// Between two words on how the service is, where no watchdog asks for more.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// Start and end wait so long for a supervisor that does not listen.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longer words are of no use in one line of `systemctl status`.
const LONGEST: usize = 300;

/// Nothing that a person must mend stands in the way of the service; `how` says what it does now.
pub(super) async fn ready(how: &str) {
    let _ = tokio::time::timeout(PATIENCE, tell(&[NotifyState::Ready], Some(how))).await;
}

/// Tells how the service is until it is asked to stop, and then that it stops.
pub(super) async fn keep_told(status: Status, stop: CancellationToken) {
    tokio::select! {
        () = tell_again_and_again(&status) => {}
        () = stop.cancelled() => {}
    }
    let last = tell(&[NotifyState::Stopping], Some("finishing what is under way"));
    let _ = tokio::time::timeout(PATIENCE, last).await;
}

/// A watchdog is pinged twice in its period, unless a loop has been at one step for longer than that: then the
/// supervisor's patience runs out, and it starts the service anew.
async fn tell_again_and_again(status: &Status) {
    let watchdog = sd_notify::watchdog_enabled().map(|period| period / 2);
    let mut ticks = tokio::time::interval(watchdog.unwrap_or(TELL_EVERY).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match watchdog {
            Some(limit) if status.pulse().is_felt(limit) => tell(&[NotifyState::Watchdog], None).await,
            Some(_) => tracing::error!("a step does not end; the watchdog is told nothing more until it does"),
            None => {}
        }
        if let Some(how) = in_words(&status.figures()) {
            tell(&[], Some(&how)).await;
        }
    }
}

/// How the service is; `None` before its first poll has ended.
fn in_words(figures: &Figures) -> Option<String> {
    if let Some(trouble) = &figures.poll_trouble {
        return Some(format!("polls fail ({} in a row): {trouble}", figures.failed_polls_in_a_row));
    }
    if let Some(trouble) = &figures.delivery_trouble {
        return Some(format!("deliveries stand still: {trouble}"));
    }
    let polls: u64 = figures.polls.values().sum();
    let in_state = |wanted: &str| {
        let counts = figures.alerts.iter().filter(|((_, state), _)| *state == wanted);
        words::number(counts.map(|(_, count)| usize::try_from(*count).unwrap_or(usize::MAX)).sum())
    };
    let polls_in_words = words::number(usize::try_from(polls).unwrap_or(usize::MAX));
    let told = format!(
        "watching; since the start {polls_in_words} polls, {} alerts recorded, {} sent",
        in_state("pending"),
        in_state("sent")
    );
    (polls > 0).then_some(told)
}

/// What a server or a user wrote must not become a line of its own: each line of a notification is an instruction.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(LONGEST).collect()
}

/// A supervisor that does not listen may let this wait, but nothing else: the service goes on beside it.
async fn tell(states: &'static [NotifyState<'static>], how: Option<&str>) {
    let how = how.map(one_line);
    let telling = tokio::task::spawn_blocking(move || {
        let told = how.as_deref().map(NotifyState::Status);
        sd_notify::notify(&states.iter().cloned().chain(told).collect::<Vec<_>>())
    });
    match telling.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the supervisor could not be told"),
        Err(error) => tracing::debug!(%error, "the supervisor could not be told"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Stamp;

    #[test]
    fn an_error_is_one_line_and_no_instruction() {
        let line = one_line("refused\nMAINPID=1\r\nREADY=1\u{0}");
        assert!(!line.contains(char::is_control), "{line:?}");
        assert_eq!(one_line(&"é".repeat(1_000)).chars().count(), LONGEST);
    }

    #[test]
    fn trouble_comes_before_counts_and_nothing_is_told_before_the_first_poll() {
        let mut figures = Status::new(Stamp::EPOCH, Duration::from_secs(1)).figures();
        assert_eq!(in_words(&figures), None);
        figures.polls.insert(crate::monitor::PollResult::Good, 1_200);
        figures.alerts.insert(("a".to_owned(), "pending"), 2);
        figures.alerts.insert(("b".to_owned(), "pending"), 3);
        figures.alerts.insert(("b".to_owned(), "sent"), 4);
        let told = in_words(&figures).unwrap();
        assert_eq!(told, "watching; since the start 1,200 polls, 5 alerts recorded, 4 sent");
        figures.delivery_trouble = Some("the disk is full".to_owned());
        assert_eq!(in_words(&figures).unwrap(), "deliveries stand still: the disk is full");
        (figures.poll_trouble, figures.failed_polls_in_a_row) = (Some("no answer".to_owned()), 7);
        assert_eq!(in_words(&figures).unwrap(), "polls fail (7 in a row): no answer");
    }
}
